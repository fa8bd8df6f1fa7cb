"""Where a driver delivers: each event to the charge point of its charger."""

from collections.abc import Callable

from chargebridge.chargepoint.turn import ChargerTold, CommandEnded
from chargebridge.chargers.model import ChargerEvent, ChargerInfo, CommandOutcome, Driver
from chargebridge.gateway.binding import Binding, Receipt
from chargebridge.gateway.runtime import Runtime


class Sink:
    """The `EventSink` of one driver.

    Args:
        runtime: runs the turns.
        known: told what a charger is.
    """

    driver: Driver

    def __init__(self, runtime: Runtime, known: Callable[[Binding, ChargerInfo], None]) -> None:
        self._runtime = runtime
        self._known = known
        self.bindings: dict[str, Binding] = {}
        self.unknown = 0

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        """Give an event to the charge point of its charger."""
        binding = self.bindings.get(serial)
        if binding is None:
            self.unknown += 1
            if receipt is not None:
                self.driver.acknowledge(receipt)
            return
        wanted = None if receipt is None else Receipt(self.driver, receipt)
        self._runtime.turn(binding, ChargerTold(event), wanted)

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        """Give the end of a command to the charge point that gave it."""
        binding = self.bindings.get(serial)
        if binding is not None:
            self._runtime.turn(binding, CommandEnded(outcome))

    def charger_known(self, info: ChargerInfo) -> None:
        """What the charger is goes into the boot; then its link may come up."""
        binding = self.bindings.get(info.serial)
        if binding is not None:
            self._known(binding, info)
