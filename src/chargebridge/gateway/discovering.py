"""What a driver has found beside what a configuration shows: which chargers are new, and which are gone."""

from collections.abc import Collection, Sequence

from msgspec import Struct

from chargebridge.chargers.model import Found, FoundCharger
from chargebridge.config import Configuration
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.identities import IdentityPattern
from chargebridge.config.problems import UnexpectedError


class Survey(Struct, frozen=True, kw_only=True):
    """The chargers of a driver, and the charge points of a configuration."""

    driver: str
    found: Sequence[FoundCharger]
    """Those of the wanted sites, by site, circuit and serial."""
    shown: Sequence[ChargePointSettings]
    """The charge points of this driver whose chargers were found, at any site."""
    gone: Sequence[ChargePointSettings]
    """Those whose chargers the driver's account cannot see any more."""
    not_known: Sequence[ChargePointSettings]
    """Those of which it is not known whether it can."""
    not_known_reason: str
    """Why it is not known; empty if it is."""
    new: Sequence[tuple[FoundCharger, str]]
    """Chargers of `found` without a charge point, each with an identity for one."""
    problems: Sequence[str]
    """Why others of them cannot have one by the pattern."""
    warnings: Sequence[str]
    complete: bool
    """Whether the driver could read everything that it asked for."""


def survey(
    configuration: Configuration,
    driver: str,
    found: Found,
    *,
    central_system: str,
    pattern: IdentityPattern,
    sites: Collection[str] = (),
) -> Survey:
    """Compare what a driver has found with a configuration.

    Args:
        configuration: the one in the file.
        driver: its name there.
        found: what it has found.
        central_system: the name of the central system of new charge points.
        pattern: of the identities of new charge points.
        sites: only chargers of these sites, by name or id; none: of all.

    Raises:
        UnexpectedError: there is no such site.
    """
    chosen = _of_sites(found, sites) if sites else list(found.chargers)
    serials = {one.serial for one in found.chargers}
    own = [one for one in configuration.charge_points if one.driver == driver]
    missing = [one for one in own if one.charger not in serials]
    has_one = {one.charger for one in own}
    settings = configuration.central_systems[central_system]
    taken = {
        one.identity: f"the charge point of charger {one.charger}"
        for one in configuration.charge_points
        if set(configuration.central_systems[one.central_system].url) & set(settings.url)
        or one.central_system == central_system
    }
    new, problems = pattern.identities(
        (one for one in chosen if one.serial not in has_one), taken, colon=settings.password is None
    )
    return Survey(
        driver=driver,
        found=chosen,
        shown=[one for one in own if one.charger in serials],
        gone=[] if found.gone_unknown else missing,
        not_known=missing if found.gone_unknown else [],
        not_known_reason=found.gone_unknown,
        new=new,
        problems=problems,
        warnings=found.warnings,
        complete=found.complete,
    )


def _of_sites(found: Found, sites: Collection[str]) -> list[FoundCharger]:
    chargers = found.chargers
    wanted = {site.strip().casefold() for site in sites}
    known = {one.site.casefold() for one in chargers} | {one.site_id.casefold() for one in chargers}
    if missing := [site for site in sites if site.strip().casefold() not in known - {""}]:
        names = sorted({one.site for one in chargers if one.site})
        some = ", ".join(names[:20]) or "none is known"
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        why = "" if found.complete else f" ({'; '.join(found.warnings)})"
        raise UnexpectedError(
            f"the site {missing[0]!r}", f"name or id of one of the sites: {some}{more}{why}"
        )
    return [one for one in chargers if {one.site.casefold(), one.site_id.casefold()} & wanted]
