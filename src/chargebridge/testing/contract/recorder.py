"""The sink of a check: it records every delivery in order, and lets the check wait for one."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from chargebridge.drivers import ChargerEvent, ChargerInfo, CommandOutcome, Driver

SHOWN = 25
"""How many deliveries the message of a broken contract shows, the newest."""


class ContractBroken(AssertionError):  # noqa: N818 - it is no error of the program that runs the check
    """A driver breaks a sentence of its contract; the text says which, and what was received."""


class Delivery(NamedTuple):
    """One call of the sink."""

    serial: str
    what: ChargerInfo | ChargerEvent | CommandOutcome
    receipt: object = None

    def __str__(self) -> str:
        kept = "" if self.receipt is None else " (kept until it is acknowledged)"
        return f"{self.serial}: {self.what}{kept}"


Thing = TypeVar("Thing")


class Recorder:
    """An `EventSink` that records.

    Args:
        patience_s: how long `until` waits, in real seconds.
        acknowledges: whether each event with a receipt is acknowledged at once.
    """

    def __init__(self, patience_s: float, *, acknowledges: bool = False) -> None:
        self.deliveries: list[Delivery] = []
        self.connections: list[str | None] = []
        """What the driver has said of its connection with the cloud: why there is none; None: there is."""
        self.acknowledges = acknowledges
        self.driver: Driver | None = None
        self._patience_s = patience_s
        self._came = asyncio.Event()

    def charger_known(self, info: ChargerInfo) -> None:
        """Record a description."""
        self._record(Delivery(info.serial, info))

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        """Record an event."""
        self._record(Delivery(serial, event, receipt))
        if receipt is not None and self.acknowledges and self.driver is not None:
            self.driver.acknowledge(receipt)

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        """Record an outcome."""
        self._record(Delivery(serial, outcome))

    def cloud_disconnected(self, reason: str) -> None:
        """Record why there is no connection with the cloud."""
        self.connections.append(reason)
        self._came.set()

    def cloud_connected(self) -> None:
        """Record that there is one."""
        self.connections.append(None)
        self._came.set()

    def _record(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._came.set()

    @property
    def mark(self) -> int:
        """How many deliveries there were so far, for `since`."""
        return len(self.deliveries)

    def of(self, serial: str, since: int = 0) -> list[Delivery]:
        """Return what was delivered of a charger since a mark."""
        return [one for one in self.deliveries[since:] if one.serial == serial]

    def events(self, kind: type[Thing], serial: str, since: int = 0) -> list[Thing]:
        """Return what was delivered of one kind, of a charger, since a mark."""
        return [one.what for one in self.of(serial, since) if isinstance(one.what, kind)]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something was delivered.

        Raises:
            ContractBroken: it was not, with all patience.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                while not condition():
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise self.broken(f"{what} (waited {self._patience_s:g} s)") from None

    def expect(self, condition: object, what: str) -> None:
        """Check something that must be true by now.

        Raises:
            ContractBroken: it is not.
        """
        if not condition:
            raise self.broken(what)

    def broken(self, expected: str) -> ContractBroken:
        """Return the failure that something expected is not so, with what was received."""
        lines = [f"  {one}" for one in self.deliveries[-SHOWN:]] or ["  nothing"]
        left_out = len(self.deliveries) - SHOWN
        title = "received:" if left_out <= 0 else f"received, after {left_out} others:"
        return ContractBroken("\n".join([f"expected: {expected}", title, *lines]))
