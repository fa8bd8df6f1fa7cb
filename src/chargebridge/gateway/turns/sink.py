"""The sink of a driver: it gives each event to the charge point of its charger."""

from collections.abc import Callable

from chargebridge.chargepoint.turn import ChargerReported, CommandEnded
from chargebridge.chargers.model import ChargerEvent, ChargerInfo, CommandOutcome, Driver
from chargebridge.gateway.turns.binding import Binding, Receipt
from chargebridge.gateway.turns.runtime import Runtime


class Sink:
    """The `EventSink` of one driver.

    Args:
        runtime: runs the turns.
        described: called with the description of a charger.
    """

    driver: Driver

    def __init__(self, runtime: Runtime, described: Callable[[Binding, ChargerInfo], None]) -> None:
        self._runtime = runtime
        self._described = described
        self.bindings: dict[str, Binding] = {}
        self.unknown = 0
        self._closed = False

    def close(self) -> None:
        """Take nothing any more, even if the driver delivers after its stop."""
        self._closed = True

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        """Give an event to the charge point of its charger."""
        if self._closed:
            return
        binding = self.bindings.get(serial)
        if binding is None:
            self.unknown += 1
            if receipt is not None:
                self.driver.acknowledge(receipt)
            return
        self._runtime.turn(binding, ChargerReported(event), Receipt(self.driver, receipt))

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        """Give the outcome of a command to the charge point that gave it."""
        binding = self.bindings.get(serial)
        if binding is not None and not self._closed:
            self._runtime.turn(binding, CommandEnded(outcome))

    def charger_known(self, info: ChargerInfo) -> None:
        """Give the description of a charger to its charge point, whose link may then come up."""
        binding = self.bindings.get(info.serial)
        if binding is not None and not self._closed:
            self._described(binding, info)
