"""The command `discover`: the chargers of an account, and charge points for them."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chargebridge.console import ConfigFile, fail, show_problems

if TYPE_CHECKING:
    from chargebridge.chargers.model import FoundCharger
    from chargebridge.config.charge_points import ChargePointSettings
    from chargebridge.gateway.discovering import Survey

MOST_ROWS: Final = 200
"""Chargers that are shown one by one; of more there is a summary by site."""
MOST_LINES: Final = 20
"""Items of a list below the table."""


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    FAILED = 1
    """The cloud cannot be reached or refuses, or the file cannot be written."""
    WRONG = 2
    """The configuration or an option is wrong."""
    INCOMPLETE = 3
    """One of the account's lists could not be read; the rest is shown, and written."""


def discover(
    config: ConfigFile,
    driver: Annotated[
        str | None, typer.Option(help="Name of the driver; needed only if there are several.")
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only chargers of this site, by name or id. May be repeated."),
    ] = None,
    identity: Annotated[
        str,
        typer.Option(
            metavar="PATTERN",
            help="Identities of new charge points, such as '{site}-{serial}' or 'CP-{n:04}'.",
        ),
    ] = "{serial}",
    write: Annotated[
        bool, typer.Option("--write", help="Add a charge point to the file for each that has none.")
    ] = False,
    central_system: Annotated[
        str | None,
        typer.Option(help="Central system of new charge points; needed only if there are several."),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Show each charger, also of more than {MOST_ROWS}.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")] = False,
) -> None:
    """Show the chargers of an account with their sites and circuits, and write charge points for them.

    Without --write it only shows what it would add. Exit codes: 0 done; 1 the cloud or the file failed; 2 the
    configuration or an option is wrong; 3 one of the account's lists could not be read.
    """
    import asyncio
    import logging

    import structlog

    from chargebridge.config import ConfigurationError
    from chargebridge.config.appending import append, charge_point_tables
    from chargebridge.config.identities import SERIAL_ALONE, IdentityPattern
    from chargebridge.config.problems import UnexpectedError
    from chargebridge.gateway.discovering import survey
    from chargebridge.gateway.provisioning import ProvisioningError, find_chargers, read

    # The error says the same as the log of the driver.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        pattern = IdentityPattern(identity)
    except UnexpectedError as error:
        raise fail(f"--identity: {error}", code=Exit.WRONG) from None
    try:
        configuration = read(config)
        name = _one_of("driver", driver or configuration.default_driver, configuration.drivers)
        system = _one_of(
            "central-system",
            central_system or configuration.default_central_system,
            configuration.central_systems,
        )
        found = asyncio.run(find_chargers(configuration, name))
        seen = survey(configuration, name, found, central_system=system, pattern=pattern, sites=site or ())
        wrong = bool(seen.problems) and (write or identity != SERIAL_ALONE)
        adds = write and bool(seen.new) and not wrong
        if adds:
            append(config, charge_point_tables(seen.new, driver=name, central_system=system))
    except UnexpectedError as error:
        raise fail(f"--site: {error}", code=Exit.WRONG) from None
    except ConfigurationError as error:
        show_problems(error)
        raise typer.Exit(Exit.WRONG) from None
    except (ProvisioningError, OSError) as error:
        raise fail(str(error), code=Exit.FAILED) from None
    if as_json:
        sys.stdout.write(_json(seen, written=adds))
    else:
        _show(seen, config, written=adds, show_all=show_all)
    if wrong:
        raise fail(_wrong(seen), code=Exit.WRONG)
    if not seen.complete:
        raise typer.Exit(Exit.INCOMPLETE)


def _one_of(option: str, name: str | None, known: Mapping[str, object]) -> str:
    if name is None or name not in known:
        said = "is needed" if name is None else f"{name!r} is not in the configuration"
        raise fail(f"--{option} {said}; one of: {', '.join(sorted(known))}", code=Exit.WRONG)
    return name


def _wrong(seen: "Survey") -> str:
    lines = [f"--identity: {problem}" for problem in _some(seen.problems)]
    return "\n".join([*lines, "nothing was written"])


# --- for people ----------------------------------------------------------------------------------


def _show(seen: "Survey", file: Path, *, written: bool, show_all: bool) -> None:
    console, errors = Console(), Console(stderr=True)
    one_by_one = show_all or len(seen.found) <= MOST_ROWS
    console.print(_chargers(seen, written=written) if one_by_one else _sites(seen))
    lines: list[str] = []
    if not one_by_one:
        lines.append("--site NAME shows the chargers of a site, --all those of all, --json is for programs.")
    if seen.gone:
        lines.append(f"{_count(seen.gone, 'charge point')} whose charger this account cannot see any more:")
        lines += [f"  {one}" for one in _some([_named(one) for one in seen.gone])]
    if seen.not_known:
        reason = seen.not_known_reason
        lines.append(
            f"{_count(seen.not_known, 'charge point')} whose charger may be gone; not known: {reason}:"
        )
        lines += [f"  {one}" for one in _some([_named(one) for one in seen.not_known])]
    if written:
        lines.append(f"{_count(seen.new, 'charge point')} added to {file}:")
    elif seen.new:
        lines.append(f"{_count(seen.new, 'charger')} without a charge point; --write would add to {file}:")
    if seen.new:
        lines += [f"  {one}" for one in _some([_preview(*one) for one in seen.new])]
    for line in lines:
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
    for warning in (*seen.warnings, *_unwritten(seen)):
        errors.print(
            f"warning: {warning}", style="yellow", markup=False, highlight=False, emoji=False, soft_wrap=True
        )


def _chargers(seen: "Survey", *, written: bool) -> Table:
    table = Table(title=_count(seen.found, "charger"), title_justify="left")
    for heading in ("site", "circuit", "charger", "name", "model", "charge point"):
        table.add_column(heading, overflow="fold")
    identities = {one.charger: one.identity for one in seen.shown}
    mark = "" if written else "+ "
    identities |= {charger.serial: f"{mark}{identity}" for charger, identity in seen.new}
    for one in seen.found:
        model = f"{one.vendor} {one.model}".strip()
        cells = (one.site, one.circuit, one.serial, one.name, model, identities.get(one.serial, "-"))
        table.add_row(*map(Text, cells))
    return table


def _sites(seen: "Survey") -> Table:
    shown = {one.charger for one in seen.shown}
    counts: dict[tuple[str, str], list[int]] = {}
    for one in seen.found:
        count = counts.setdefault((one.site, one.site_id), [0, 0])
        count[0] += 1
        count[1] += one.serial in shown
    title = f"{_count(seen.found, 'charger')} at {_count(counts, 'site')}"
    table = Table(title=title, title_justify="left")
    for heading in ("site", "id"):
        table.add_column(heading, overflow="fold")
    for heading in ("chargers", "with a charge point", "without"):
        table.add_column(heading, justify="right")
    for (site, site_id), (all_of_it, with_one) in list(counts.items())[:MOST_ROWS]:
        numbers = (all_of_it, with_one, all_of_it - with_one)
        table.add_row(Text(site or "-"), Text(site_id or "-"), *map(str, numbers))
    if len(counts) > MOST_ROWS:
        table.add_row(f"… and {len(counts) - MOST_ROWS} more")
    return table


def _count(things: Sequence[object] | Mapping[tuple[str, str], object], name: str) -> str:
    return f"{len(things)} {name}" if len(things) == 1 else f"{len(things)} {name}s"


def _some(lines: Sequence[str]) -> Iterable[str]:
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"… and {len(lines) - MOST_LINES} more"


def _named(one: "ChargePointSettings") -> str:
    return one.identity if one.identity == one.charger else f"{one.identity} (charger {one.charger})"


def _preview(charger: "FoundCharger", identity: str) -> str:
    where = ", ".join(part for part in (charger.site, charger.circuit) if part)
    shown = identity if identity == charger.serial else f"{identity}: charger {charger.serial}"
    return f"{shown}, {where}" if where else shown


def _unwritten(seen: "Survey") -> Iterable[str]:
    """Yield what stands in the way of identities, for those who only look."""
    if seen.problems:
        yield f"no identity for {_count(seen.problems, 'charger')}: {seen.problems[0]}"


# --- for programs --------------------------------------------------------------------------------


def _json(seen: "Survey", *, written: bool) -> str:
    import msgspec

    charge_points = {one.charger: one.identity for one in seen.shown}
    proposed = {charger.serial: identity for charger, identity in seen.new}
    document = {
        "driver": seen.driver,
        "complete": seen.complete,
        "found": [
            {
                "charger": one.serial,
                "name": one.name,
                "vendor": one.vendor,
                "model": one.model,
                "site": one.site,
                "site_id": one.site_id,
                "circuit": one.circuit,
                "charge_point": charge_points.get(one.serial)
                or (proposed.get(one.serial) if written else None),
                "identity": None if written else proposed.get(one.serial),
            }
            for one in seen.found
        ],
        "shown": list(map(_charge_point, seen.shown)),
        "gone": list(map(_charge_point, seen.gone)),
        "not_known": list(map(_charge_point, seen.not_known)),
        "not_known_reason": seen.not_known_reason or None,
        "added": [identity for _, identity in seen.new] if written else [],
        "problems": list(seen.problems),
        "warnings": list(seen.warnings),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _charge_point(one: "ChargePointSettings") -> dict[str, str]:
    return {"identity": one.identity, "central_system": one.central_system, "charger": one.charger}
