"""Commands to back up what a gateway has stored, and to restore it."""

import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargebridge.console import ConfigFile, fail, show_problems

if TYPE_CHECKING:
    from chargebridge.config import Configuration
    from chargebridge.gateway.backups import Foreseen
    from chargebridge.store.restoring import RestoredChargePoint


def backup(
    config: ConfigFile,
    target: Annotated[Path, typer.Argument(help="A file that does not exist yet, such as today.zip.")],
) -> None:
    """Copy everything that is restored together into one file, also while the gateway runs."""
    from chargebridge.gateway.backups import back_up_configuration
    from chargebridge.gateway.provisioning import ProvisioningError
    from chargebridge.store.errors import StoreError

    try:
        back_up_configuration(_load(config), target)
    except FileExistsError:
        raise fail(f"{target} exists; name a file that does not") from None
    except (ProvisioningError, StoreError, OSError) as error:
        raise fail(str(error)) from None
    print(target)


def restore(
    config: ConfigFile,
    file: Annotated[Path, typer.Argument(help="A backup, as `chargebridge backup` makes it.")],
    until: Annotated[
        str | None,
        typer.Option(
            help="Until when the gateway ran after the backup, as 2026-01-31T22:15Z; left out: found out."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Restore a backup: what was sent since then is not sent again in another form.

    The gateway must not be running. What is in the state directory is moved aside, and nothing is deleted.
    """
    from chargebridge.gateway.backups import restore as begin_restore
    from chargebridge.gateway.provisioning import ProvisioningError
    from chargebridge.store.errors import StoreError

    until_ms = None if until is None else _time(until)
    configuration = _load(config)
    try:
        with begin_restore(configuration, file, until_ms) as restoring:
            foreseen = restoring.foreseen
            if not as_json:
                _show_foreseen(foreseen)
            if not yes:
                _confirm()
            report = restoring.carry_out()
    except (ProvisioningError, StoreError) as error:
        raise fail(str(error)) from None
    except (OSError, sqlite3.Error) as error:
        raise fail(f"{error}; when that is mended, run the same command again") from None
    if as_json:
        _print_json(foreseen, report, configuration)
    else:
        _show_report(foreseen, report, configuration)


def _load(config: Path) -> "Configuration":
    from chargebridge.config import ConfigurationError, load

    try:
        return load(config)
    except ConfigurationError as error:
        show_problems(error)
        raise typer.Exit(2) from None


def _time(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise fail(f"--until {text}: expected a time such as 2026-01-31T22:15Z", code=2) from None
    return round((time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise fail("nothing was changed: there is nobody to ask here; say --yes", code=2)
    if not typer.confirm("Restore it?"):
        raise fail("nothing was changed")


def _show_foreseen(foreseen: "Foreseen") -> None:
    from chargebridge.clock import format_utc

    manifest = foreseen.manifest
    print(f"backup of     {manifest.taken} (generation {manifest.generation})")
    print(f"files         {', '.join(one.name for one in manifest.files)}")
    if foreseen.in_doubt:
        print(
            f"ran on until  {format_utc(foreseen.restored.until_ms)} at the latest: what was sent since the"
        )
        print("              backup is not in it, and is not sent again in another form")
    else:
        print("ran on until  not after the backup: it has everything")
    if foreseen.replaced:
        print(f"moved aside   {', '.join(foreseen.replaced)}, to {foreseen.aside}")


def _show_report(
    foreseen: "Foreseen", report: "list[RestoredChargePoint]", configuration: "Configuration"
) -> None:
    console = Console()
    table = Table(title="Restored", title_justify="left")
    for heading in ("charge point", "central system"):
        table.add_column(heading, overflow="fold")
    for heading in ("open transactions", "held back", "sent again", "dead letters of before"):
        table.add_column(heading, justify="right")
    for one in report:
        counts = one.open_transactions, one.held_back, one.sent_again, one.dead_letters
        if any(counts):
            table.add_row(escape(one.identity), escape(one.central_system), *map(str, counts))
    console.print(table)
    for identity in _unknown(report, configuration):
        print(f"{identity} is not in the configuration: it only delivers what waits")
    silent = [one.identity for one in report if not one.can_ask]
    if foreseen.in_doubt and silent:
        print(f"No transaction by then, so sessions that were missed are not asked for: {', '.join(silent)}")
    if foreseen.in_doubt:
        print(
            "Held back: dead letters, since they may have been sent. More may come when the chargers report"
        )
        print("what was missed: see `chargebridge dead-letters list`, then redeliver or settle each.")
        print("As old as the backup, too: configuration keys, charging profiles, local lists, availability.")
    print("The gateway can be started.")


def _print_json(
    foreseen: "Foreseen", report: "list[RestoredChargePoint]", configuration: "Configuration"
) -> None:
    from chargebridge.clock import format_utc

    document = {
        "taken": foreseen.manifest.taken,
        "until": format_utc(foreseen.restored.until_ms),
        "in_doubt": foreseen.in_doubt,
        "moved_aside": str(foreseen.aside) if foreseen.replaced else None,
        "not_configured": _unknown(report, configuration),
        "charge_points": msgspec.to_builtins(report),
    }
    print(json.dumps(document))


def _unknown(report: "list[RestoredChargePoint]", configuration: "Configuration") -> list[str]:
    """Return the charge points with something to deliver that the configuration does not have."""
    configured = {(one.identity, one.central_system) for one in configuration.charge_points}
    return [
        one.identity
        for one in report
        if (one.identity, one.central_system) not in configured and (one.open_transactions or one.sent_again)
    ]
