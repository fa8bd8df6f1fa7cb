"""Commands to check chargers behind Easee's cloud: probe it, record what it says, and play that again."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargebridge.console import ConfigFile, fail, show_problems
from chargebridge.easee_probe_cli import probe

if TYPE_CHECKING:
    from chargebridge.chargers.easee.recording.recorder import Recorder
    from chargebridge.chargers.easee.settings import Settings
    from chargebridge.config import Configuration
    from chargebridge.replay.report import ChargePointReport, Report

easee_app = typer.Typer(no_args_is_help=True, help="Check chargers behind Easee's cloud.")
easee_app.command()(probe)

STATUSES_SHOWN = 40
LIMIT_MB = 200

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


@easee_app.command()
def record(
    config: ConfigFile,
    file: Annotated[Path, typer.Argument(help="A new file, such as easee.jsonl or easee.jsonl.gz.")],
    driver: Annotated[
        str | None, typer.Option(help="Name of the driver; needed only if there are several.")
    ] = None,
    charger: Annotated[
        list[str] | None, typer.Option(help="Serial of a charger; repeat it for more. Left out: all.")
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", help="How long, as 24h, 90m or 1h30m; left out: until Ctrl-C.")
    ] = None,
    limit_mb: Annotated[
        int, typer.Option(min=1, max=100_000, help="The most megabytes of the file.")
    ] = LIMIT_MB,
) -> None:
    """Write what Easee's cloud says to a file, without anything that identifies somebody. It only reads.

    Serials, tokens, names, places and addresses are replaced before they are written, the same by the same;
    times and measured values stay. Look at the file before you share it, and try it with `easee replay`.

    With way = "operator" stop `chargebridge run` first: a queue has one reader. All messages stay in it.
    """
    import asyncio
    import logging

    import structlog

    from chargebridge.chargers.easee.recording.file import RecordingError
    from chargebridge.chargers.easee.recording.recorder import Recorder
    from chargebridge.gateway.provisioning import make_clock

    seconds = None if for_ is None else _seconds(for_)
    configuration = _load(config)
    settings = _easee_settings(configuration, driver)
    # What the log would say is shown, or in the file; serials in it would be those of the chargers.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    recorder = Recorder(
        settings,
        make_clock(configuration.clock),
        file,
        chargers=charger or (),
        for_s=seconds,
        limit_bytes=limit_mb * 1_000_000,
    )
    try:
        reason = asyncio.run(_run(recorder, limit_mb))
    except (RecordingError, ConnectionError) as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        reason = "stopped by hand, at once"
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(recorder.counts.items()))
    print(f"{file}: {recorder.lines} lines, {recorder.size} bytes; it ended as {reason}")
    print(f"lines by kind: {kinds}")
    print(f"next: look at it, then `chargebridge easee replay {file}`")


async def _run(recorder: "Recorder", limit_mb: int) -> str:
    """Record until the end, or until a signal; show how far it is."""
    import asyncio
    import signal
    from contextlib import nullcontext

    loop = asyncio.get_running_loop()
    task = loop.create_task(recorder.run())

    def stop() -> None:
        if task.done() or stop_asked.is_set():
            task.cancel()
        stop_asked.set()
        recorder.stop()

    stop_asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    console = Console(stderr=True)
    status = console.status("connecting") if console.is_terminal else None
    with status or nullcontext():
        while not task.done():
            await asyncio.wait({task}, timeout=0.5)
            if status is not None:
                size = f"{recorder.size / 1e6:.1f} of {limit_mb} MB"
                status.update(escape(f"{recorder.lines} lines, {size}, {recorder.state}; Ctrl-C ends it"))
    if task.cancelled():
        raise KeyboardInterrupt
    return task.result()


def _load(config: Path) -> "Configuration":
    from chargebridge.config import ConfigurationError
    from chargebridge.gateway.provisioning import read

    try:
        return read(config)
    except ConfigurationError as error:
        show_problems(error)
        raise typer.Exit(2) from None


def _easee_settings(configuration: "Configuration", driver: str | None) -> "Settings":
    """Return the settings of a driver of the configuration, which is one for Easee's cloud."""
    from chargebridge.chargers.easee.settings import read_settings

    drivers = {name: one for name, one in configuration.drivers.items() if one.type == "easee"}
    name = driver or (next(iter(drivers)) if len(drivers) == 1 else None)
    if name is None or name not in drivers:
        problem = "is needed" if name is None else f"{name!r} is no driver of type `easee`"
        raise fail(
            f"--driver {problem}; one of: {', '.join(sorted(drivers)) or 'none is configured'}", code=2
        )
    return read_settings(drivers[name].settings)


def _seconds(text: str) -> float:
    parts = re.findall(r"(\d{1,6}(?:\.\d{1,3})?)([dhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise fail(f"--for {text}: expected a time such as 24h, 90m or 1h30m", code=2)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


@easee_app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording, as `chargebridge easee record` makes it.")],
    json: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
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
    if json:
        print(as_json(report))
    else:
        _show(report)


def _show(report: "Report") -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    print(f"recorded       {report.started} to {report.until}, way {report.way!r}")
    if report.source:
        print(f"source         {_shown(report.source)}")
    print(f"made by        chargebridge {_shown(report.recorded_with)}")
    print(f"ended          {_shown(report.ended) or 'cut off: the recorder was killed'}")
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
    _show_counts(console, "Failures of the driver", report.failures)
    _show_counts(console, "Refused by the cloud", report.refusals)


def _show_sessions(console: Console, one: "ChargePointReport") -> None:
    missing = f", stretches of missing sessions: {one.missing_sessions}" if one.missing_sessions else ""
    title = f"{one.charger}: sessions: {len(one.sessions)}, {one.energy_wh} Wh{missing}"
    if not one.sessions:
        console.print(_shown(title), style="italic")
        return
    table = Table(title=_shown(title), title_justify="left")
    for heading in ("started", "stopped", "idTag", "reason"):
        table.add_column(heading, overflow="fold")
    for heading in ("meter start Wh", "meter stop Wh", "Wh"):
        table.add_column(heading, justify="right")
    for session in one.sessions:
        figures = (session.meter_start_wh, session.meter_stop_wh, session.energy_wh)
        words = (session.started, session.stopped or "-", session.id_tag, session.reason or "-")
        table.add_row(*map(_shown, words), *("-" if figure is None else str(figure) for figure in figures))
    console.print(table)


def _show_statuses(console: Console, one: "ChargePointReport") -> None:
    shown = one.statuses[:STATUSES_SHOWN]
    title = f"{one.charger}: statuses: {len(one.statuses)}"
    if len(shown) < len(one.statuses):
        title += f", the first {len(shown)} of them (all: --json)"
    table = Table(title=_shown(title), title_justify="left")
    for heading in ("time", "connector", "status", "error, info"):
        table.add_column(heading, overflow="fold")
    for status in shown:
        table.add_row(*map(_shown, (status.time, str(status.connector), status.status, status.error)))
    console.print(table)


def _show_counts(console: Console, title: str, counts: dict[str, int]) -> None:
    if not counts:
        return
    table = Table(title=title, title_justify="left", show_header=False, min_width=40)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for what, count in counts.items():
        table.add_row(_shown(what), str(count))
    console.print(table)


def _shown(text: str) -> str:
    """Return a text of a recording, which anybody may have written, for a terminal."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))
