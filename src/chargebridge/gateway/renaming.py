"""Renamed central systems: the books of a charge point follow the URL, not the name.

Transactions and queue belong to the pair of central system and identity. The same identity at the same URL is
the same charge point to whoever is there, whatever the configuration calls it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import structs

from chargebridge.config.configuration import Configuration
from chargebridge.store.rows import ChargePointRow

Urls = Mapping[str, frozenset[str]]
"""The URLs of central systems, by their names."""


class Renamed(NamedTuple):
    """A charge point whose central system has another name now."""

    identity: str
    old: str
    new: str


def urls_of(configuration: Configuration) -> dict[str, frozenset[str]]:
    """Return the URLs of the central systems of a configuration."""
    return {name: frozenset(settings.url) for name, settings in configuration.central_systems.items()}


def find_renamed(
    configuration: Configuration, stored: Iterable[ChargePointRow], former: Urls
) -> list[Renamed]:
    """Return the charge points of a configuration whose books are under another name of their central system.

    Those that have books under the present name already keep them, and so do the others.

    Args:
        configuration: the one that is to take effect.
        stored: every charge point of the store, in the order of registration.
        former: the URLs that central systems had, also of such that are not configured any more.
    """
    configured = {(one.identity, one.central_system) for one in configuration.charge_points}
    urls = urls_of(configuration)
    names: dict[str, list[str]] = {}
    for row in stored:
        names.setdefault(row.identity, []).append(row.central_system)
    renamed = []
    for identity, new in configured:
        known = names.get(identity, [])
        if new in known:
            continue
        # The newest, should there be several.
        for old in reversed(known):
            if (identity, old) not in configured and former.get(old) == urls[new]:
                renamed.append(Renamed(identity, old, new))
                break
    return sorted(renamed)


def with_new_names(configuration: Configuration, renamed: Iterable[Renamed]) -> Configuration:
    """Return a configuration as if these charge points had been at the central systems of the new names."""
    new_names = {(one.old, one.identity): one.new for one in renamed}
    central_systems = dict(configuration.central_systems)
    for one in renamed:
        if one.new not in central_systems and one.old in central_systems:
            central_systems[one.new] = central_systems[one.old]
    return structs.replace(
        configuration,
        central_systems=central_systems,
        charge_points=tuple(
            structs.replace(
                one, central_system=new_names.get((one.central_system, one.identity), one.central_system)
            )
            for one in configuration.charge_points
        ),
    )
