"""How a charger tells its cloud what happens, and what it holds back while the cloud is away."""

from typing import Final

from chargebridge.chargers.model import (
    ChargerEvent,
    Measured,
    Reachable,
    Restarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from chargebridge.chargers.simulator.hardware.record import ChargerRecord, HeldEvent

MEASURED_HELD: Final = 60
"""How many measurements of sessions fit into the charger's memory while its cloud is away."""


class Telling:
    """What one charger has to tell.

    Args:
        record: of the charger; what is held back is kept there.
    """

    def __init__(self, record: ChargerRecord) -> None:
        self._record = record
        self._told: list[ChargerEvent] = []

    def take(self) -> list[ChargerEvent]:
        """Hand over what the cloud has heard since the last call, in order."""
        told, self._told = self._told, []
        return told

    def tell(self, event: ChargerEvent) -> None:
        """Tell an event, or hold it back if the cloud is away and has to learn of it later."""
        cloud_speaks = isinstance(event, Reachable)
        if self._record.reachable or cloud_speaks:
            self._told.append(event)
        elif isinstance(event, SessionStarted | SessionEnded | Measured | Restarted):
            self._hold(event)

    def tell_state(self, event: StateChanged, *, again: bool) -> None:
        """Tell the state if the cloud can hear it, and either has heard another one last or `again`."""
        told = self._record.told
        if not self._record.reachable:
            return
        if (
            again
            or told is None
            or event.state is not told.state
            or event.reason != told.reason
            or event.fault is not told.fault
        ):
            self._record.told = event
            self._told.append(event)

    def tell_held(self) -> None:
        """Tell all that was held back."""
        self._told.extend(self._record.held)
        self._record.held.clear()

    def _hold(self, event: HeldEvent) -> None:
        held = self._record.held
        held.append(event)
        if isinstance(event, Restarted):
            # Of several boots unseen by the cloud only the last one is news.
            held[:] = [kept for kept in held if kept is event or not isinstance(kept, Restarted)]
        elif isinstance(event, Measured):
            measured = [kept for kept in held if isinstance(kept, Measured)]
            if len(measured) > MEASURED_HELD:
                held.remove(measured[0])
