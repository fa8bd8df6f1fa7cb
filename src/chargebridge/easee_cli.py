"""Commands to check chargers behind Easee's cloud: record what it says, and play that to the driver again."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargebridge.console import fail

if TYPE_CHECKING:
    from chargebridge.replay.report import ChargePointReport, Report

easee_app = typer.Typer(no_args_is_help=True, help="Check chargers behind Easee's cloud: record and replay.")

STATUSES_SHOWN = 40


@easee_app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording, as `chargebridge easee record` makes it.")],
    as_json_: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
) -> None:
    """Show what a central system would have been sent of a recording, without any network.

    The driver and the charge points run over it at the recorded times. The central system accepts everything,
    and no command reaches any charger.
    """
    import logging

    import structlog

    from chargebridge.chargers.easee.recording.file import Recording, RecordingError
    from chargebridge.replay.report import as_json, report_of
    from chargebridge.replay.stage import Replay

    # What the log would say is in the report.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        report = report_of(Replay(Recording(file)))
    except RecordingError as error:
        raise fail(str(error)) from None
    if as_json_:
        print(as_json(report))
    else:
        _show(report)


def _show(report: "Report") -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    print(f"recorded       {report.started} to {report.until}, way {report.way!r}")
    if report.source:
        print(f"source         {report.source}")
    print(f"made by        chargebridge {report.recorded_with}")
    print(f"ended          {report.ended or 'cut off: the recorder was killed'}")
    print(
        f"read           {report.lines} lines, {report.messages} messages, {report.observations} observations"
    )
    for one in report.charge_points:
        _show_sessions(console, one)
        _show_statuses(console, one)
    _show_counts(console, "CALLs", report.calls)
    _show_counts(console, "Commands (not sent)", report.commands)
    _show_counts(console, "Notices of charge points", report.notices)
    _show_counts(console, "Unknown observations", report.unknown_observations)
    _show_counts(console, "Unknown values", report.unknown_values)
    unreadable = {f"line {number} of the file": 1 for number in report.unreadable_lines}
    _show_counts(console, "Unreadable", report.unreadable | unreadable)
    _show_counts(console, "Refused by the cloud", report.refusals)


def _show_sessions(console: Console, one: "ChargePointReport") -> None:
    missing = f", {one.missing_sessions} times sessions are missing" if one.missing_sessions else ""
    title = f"{one.charger}: {len(one.sessions)} sessions, {one.energy_wh} Wh{missing}"
    table = Table(title=escape(title), title_justify="left")
    for heading in ("started", "stopped", "idTag", "reason"):
        table.add_column(heading, overflow="fold")
    for heading in ("meter start Wh", "meter stop Wh", "Wh"):
        table.add_column(heading, justify="right")
    for session in one.sessions:
        figures = (session.meter_start_wh, session.meter_stop_wh, session.energy_wh)
        words = (session.started, session.stopped or "-", session.id_tag, session.reason or "-")
        table.add_row(*map(escape, words), *("-" if figure is None else str(figure) for figure in figures))
    console.print(table)


def _show_statuses(console: Console, one: "ChargePointReport") -> None:
    shown = one.statuses[:STATUSES_SHOWN]
    title = f"{one.charger}: {len(one.statuses)} statuses"
    if len(shown) < len(one.statuses):
        title += f", the first {len(shown)} of them (all: --json)"
    table = Table(title=escape(title), title_justify="left")
    for heading in ("time", "connector", "status", "error, info"):
        table.add_column(heading, overflow="fold")
    for status in shown:
        table.add_row(status.time, str(status.connector), escape(status.status), escape(status.error))
    console.print(table)


def _show_counts(console: Console, title: str, counts: dict[str, int]) -> None:
    if not counts:
        return
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for what, count in counts.items():
        table.add_row(escape(what), str(count))
    console.print(table)
