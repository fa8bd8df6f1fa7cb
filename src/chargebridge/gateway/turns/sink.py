"""The sink of a driver: it gives each event to the charge point of its charger."""

from collections.abc import Callable

from chargebridge.chargepoint.turn import ChargerReported, CommandEnded
from chargebridge.chargers.model import ChargerEvent, ChargerInfo, CommandOutcome, Driver
from chargebridge.gateway.turns.binding import Binding, Receipt
from chargebridge.gateway.turns.outage_log import Topic
from chargebridge.gateway.turns.runtime import Runtime


class Sink:
    """The `EventSink` of one driver.

    Args:
        name: of the driver in the configuration.
        runtime: runs the turns.
        described: called with the description of a charger.
    """

    driver: Driver

    def __init__(
        self, name: str, runtime: Runtime, described: Callable[[Binding, ChargerInfo], None]
    ) -> None:
        self._name = name
        self._runtime = runtime
        self._described = described
        self.bindings: dict[str, Binding] = {}
        self.unknown = 0
        self._closed = False

    def close(self) -> None:
        """Take nothing any more, even if the driver delivers after its stop."""
        self._closed = True
        self._runtime.outage_log.forget(Topic.DRIVER, self._name, "")

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

    def cloud_disconnected(self, reason: str) -> None:
        """Log that the driver has no connection to its cloud."""
        if not self._closed:
            self._runtime.outage_log.failed(Topic.DRIVER, self._name, "", reason, max(len(self.bindings), 1))

    def cloud_connected(self) -> None:
        """Log that the driver has its connection again."""
        if not self._closed:
            self._runtime.outage_log.recovered(Topic.DRIVER, self._name, "")
