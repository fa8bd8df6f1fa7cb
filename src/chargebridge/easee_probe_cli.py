"""The command that probes an account at Easee's cloud."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargebridge.console import ConfigFile, fail, show_problems

if TYPE_CHECKING:
    from chargebridge.chargers.easee.driver import EaseeDriver
    from chargebridge.chargers.easee.probe.probing import Result, Wanted
    from chargebridge.chargers.easee.probe.report import Report
    from chargebridge.clock import Clock
    from chargebridge.config import Configuration

_COLOURS: Final = {"confirmed": "green", "contradicted": "red", "not seen": "dim"}
_progress = Console(stderr=True)


def probe(
    config: ConfigFile,
    driver: Annotated[
        str | None, typer.Option(help="Name of the driver; needed only if several are of the type easee.")
    ] = None,
    charger: Annotated[
        str | None, typer.Option(help="Serial number of the charger; left out: one of the configuration.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File for the report, REPORT.md or REPORT.json; left out: the terminal."),
    ] = None,
    active: Annotated[
        str | None,
        typer.Option(help="Serial number of a charger to which commands are sent, each after a question."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree to all questions that need no person at the charger.")
    ] = False,
    listen: Annotated[float, typer.Option(min=1, max=3600, help="Seconds to listen to the stream.")] = 40.0,
) -> None:
    """Compare Easee's cloud with what chargebridge takes for granted, and write a report without secrets.

    It only reads, unless --active names a charger.
    """
    import logging

    import msgspec
    import structlog

    from chargebridge import __version__
    from chargebridge.chargers.easee.driver import EaseeDriver
    from chargebridge.chargers.easee.probe import probing
    from chargebridge.chargers.easee.probe.passive import ProbeError, Waits
    from chargebridge.config import ConfigurationError
    from chargebridge.gateway.provisioning import ProvisioningError, make_clock, make_idle_driver, read

    # The error says the same as the log of the driver.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if active is not None and charger not in (None, active):
        raise fail("--charger and --active name two chargers; leave --charger out", code=2)
    if out is not None and out.suffix not in {".md", ".json"}:
        raise fail(f"--out {out}: expected a name that ends with .md or .json", code=2)
    if out is not None and not out.absolute().parent.is_dir():
        raise fail(f"--out {out}: there is no such folder", code=2)
    try:
        configuration = read(config)
        name = _driver(configuration, driver)
        clock = make_clock(configuration.clock)
        account = make_idle_driver(name, configuration.drivers[name], clock, configuration.state.directory)
        if not isinstance(account, EaseeDriver):
            raise fail(f"drivers.{name}: another package has replaced the driver of the type easee", code=2)
        wanted = probing.Wanted(
            charger=active or charger,
            preferred=[one.charger for one in configuration.charge_points if one.driver == name],
            active=active is not None,
            waits=msgspec.structs.replace(Waits(), listen_s=listen),
        )
        result = asyncio.run(_probe(account, wanted, yes, clock, __version__))
    except ConfigurationError as error:
        show_problems(error)
        raise typer.Exit(2) from None
    except (ProbeError, ProvisioningError, OSError) as error:
        raise fail(str(error)) from None
    except asyncio.CancelledError:
        raise fail("interrupted; there is no report", code=130) from None
    _write(result, out)
    for problem in result.problems:
        fail(problem)
    if result.problems:
        raise typer.Exit(1)


def _driver(configuration: "Configuration", name: str | None) -> str:
    names = sorted(one for one, settings in configuration.drivers.items() if settings.type == "easee")
    if not names:
        raise fail("the configuration has no driver of the type easee", code=2)
    if name is None and len(names) == 1:
        return names[0]
    if name is None or name not in names:
        said = "is needed" if name is None else f"{name!r} is no driver of the type easee"
        raise fail(f"--driver {said}; one of: {', '.join(names)}", code=2)
    return name


async def _probe(
    driver: "EaseeDriver", wanted: "Wanted", yes: bool, clock: "Clock", version: str
) -> "Result":
    from chargebridge.chargers.easee.probe import probing

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    # Not KeyboardInterrupt: what was changed has to be undone first, however often Ctrl-C is pressed.
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(one, task.cancel)
    return await probing.probe(driver, wanted, _Terminal(agreed=yes), clock, version)


def _write(result: "Result", out: Path | None) -> None:
    from chargebridge.chargers.easee.probe.report import as_json, as_markdown

    report = result.report
    console = Console()
    if out is None and not console.is_terminal:
        print(as_markdown(report), end="")
        return
    if out is not None:
        text = as_json(report) if out.suffix == ".json" else as_markdown(report)
        out.write_text(text, encoding="utf-8")
    _show(report, console if out is None else _progress, whole=out is None)
    if out is not None:
        _progress.print(f"The report is in {out}.", markup=False, highlight=False, soft_wrap=True)


def _show(report: "Report", console: Console, *, whole: bool) -> None:
    """Show a report at the terminal: all of it, or only what is contradicted."""
    rows = [one for one in report.assumptions if whole or one["verdict"] == "contradicted"]
    counts = ", ".join(f"{number} {verdict}" for verdict, number in report.counts.items())
    table = Table("verdict", "assumption", "seen", title=counts, title_justify="left")
    for one in sorted(rows, key=lambda one: list(_COLOURS).index(one["verdict"])):
        colour = _COLOURS[one["verdict"]]
        table.add_row(f"[{colour}]{one['verdict']}[/]", escape(one["assumption"]), escape(one["seen"]))
    console.print(table)
    for section in report.tables if whole else ():
        console.print(f"\n[bold]{escape(section.title)}[/bold]")
        if section.text:
            console.print(section.text, markup=False, highlight=False)
        if section.rows:
            shown = Table(*section.headings)
            for row in section.rows:
                shown.add_row(*map(escape, row))
            console.print(shown)


class _Terminal:
    """The person at the terminal; without a terminal no question is agreed to in person.

    Args:
        agreed: whether questions are agreed to that need no person at the charger.
    """

    def __init__(self, *, agreed: bool) -> None:
        self._agreed = agreed
        self._read = b""

    def say(self, text: str) -> None:
        """Show a line."""
        _progress.print(text, markup=False, highlight=False, soft_wrap=True)

    async def agrees(self, text: str, *, in_person: bool) -> bool:
        """Ask for consent."""
        self.say(f"\n{text}")
        if self._agreed and not in_person:
            return True
        if not sys.stdin.isatty():
            self.say("  not done: this needs a yes at a terminal")
            return False
        _progress.print("Do it? [y/N] ", end="", markup=False, highlight=False)
        return (await self._line()).strip().lower() in {"y", "yes"}

    async def _line(self) -> str:
        """Return the next line of standard input; in a thread it could not be interrupted."""
        loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
        ready = asyncio.Event()
        loop.add_reader(descriptor, ready.set)
        try:
            while b"\n" not in self._read:
                await ready.wait()
                ready.clear()
                data = os.read(descriptor, 4096)
                if not data:
                    break
                self._read += data
        finally:
            loop.remove_reader(descriptor)
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace")
