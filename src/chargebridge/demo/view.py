"""Draws a demonstration on a terminal, as a live table of charge points."""

from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chargebridge.chargers.simulator.world import World
from chargebridge.clock import ScaledClock, format_utc
from chargebridge.emulators.central_system import CentralSystem, Direction, Kind, Ledger

_COLOURS: Final = {
    "Charging": "green",
    "SuspendedEV": "yellow",
    "SuspendedEVSE": "yellow",
    "Preparing": "cyan",
    "Finishing": "magenta",
    "Faulted": "red",
    "Unavailable": "bright_black",
    "Accepted": "green",
    "open": "green",
}
_OVERHEAD_ROWS: Final = 9


class View:
    """Draws the charge points as the gateway shows them.

    Args:
        console: the terminal.
        charge_points: the number of charge points.
        clock: the clock of the demonstration.
        enabled: whether to draw at all.
    """

    def __init__(self, console: Console, charge_points: int, clock: ScaledClock, *, enabled: bool) -> None:
        self._console = console
        self._charge_points = charge_points
        self._clock = clock
        self._live = (
            Live(Text("starting …"), console=console, refresh_per_second=4, transient=False)
            if enabled
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def rows(self) -> int:
        """The number of charge points that fit on the screen."""
        return max(1, min(self._charge_points, self._console.height - _OVERHEAD_ROWS))

    def show(
        self,
        charge_points: list[dict[str, Any]],
        world: World,
        ledger: Ledger,
        central_system: CentralSystem,
        elapsed_s: float,
    ) -> None:
        """Draw the present state."""
        if self._live is not None:
            table = charge_point_table(charge_points, central_system)
            if len(charge_points) < self._charge_points:
                table.caption = f"{len(charge_points)} of {self._charge_points} charge points"
            line = Text(progress_line(elapsed_s, world, ledger, self._clock), style="bold")
            hint = Text("Ctrl-C ends", style="bright_black")
            parts: list[RenderableType] = [line, table, hint]
            self._live.update(Group(*parts))


def charge_point_table(charge_points: list[dict[str, Any]], central_system: CentralSystem) -> Table:
    """Return a table with a row for each charge point."""
    table = Table(expand=True)
    for heading in ("charge point", "link", "registration", "status", "transaction"):
        table.add_column(heading, no_wrap=True)
    table.add_column("power", justify="right", no_wrap=True)
    table.add_column("energy", justify="right", no_wrap=True)
    table.add_column("last exchange", no_wrap=True, ratio=1)
    for one in charge_points:
        table.add_row(
            one["identity"],
            _coloured(one["link"]["state"]),
            _coloured(one["registration"] or "-"),
            _coloured(one["connector_status"]),
            _transaction(one["transaction"]),
            f"{one['power_w'] / 1000:.1f} kW" if one["power_w"] else "",
            _energy(one),
            _last_exchange(one["identity"], central_system),
        )
    return table


def _coloured(status: str) -> Text:
    return Text(status, style=_COLOURS.get(status, ""))


def _transaction(transaction: dict[str, Any] | None) -> str:
    if transaction is None:
        return ""
    number = transaction["transaction_id"]
    return f"{'…' if number is None else number} {transaction['id_tag']}"


def _energy(charge_point: dict[str, Any]) -> str:
    transaction = charge_point["transaction"]
    if transaction is None:
        return ""
    return f"{(transaction['register_wh'] - transaction['meter_start_wh']) / 1000:.2f} kWh"


_SUMMARY_FIELDS: Final = ("status", "idTag", "reason", "requestedMessage", "key", "type")
"""Fields of a CALL that summarize it."""


def _last_exchange(identity: str, central_system: CentralSystem) -> Text:
    calls = [one for one in central_system.exchanges(identity) if one.kind is Kind.CALL]
    if not calls:
        return Text("-")
    last = calls[-1]
    arrow = "→" if last.direction is Direction.FROM_CHARGE_POINT else "←"
    summary = [str(last.payload[field]) for field in _SUMMARY_FIELDS if field in last.payload]
    return Text(" ".join([format_utc(last.at_ms)[11:19], arrow, last.action, *summary]), style="bright_black")


def progress_line(elapsed_s: float, world: World, ledger: Ledger, clock: ScaledClock) -> str:
    """Return a line with the progress of the run."""
    transactions = ledger.transactions()
    reported_wh = sum(transaction.energy_wh or 0 for transaction in transactions)
    return (
        f"{elapsed_s:6.0f} s, simulated {format_utc(clock.now().utc_ms)[:16].replace('T', ' ')}:"
        f" {len(world.running_sessions())} sessions running, {len(transactions)} transactions reported,"
        f" {reported_wh / 1000:.1f} kWh"
    )
