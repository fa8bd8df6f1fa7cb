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
from chargebridge.chargers.simulator.hardware.record import BufferedEvent, ChargerRecord

MEASUREMENTS_BUFFERED: Final = 60
"""How many measurements of sessions fit into the charger's memory while its cloud is away."""


class EventReporter:
    """What one charger has to tell.

    Args:
        record: of the charger; what is held back is kept there.
    """

    def __init__(self, record: ChargerRecord) -> None:
        self._record = record
        self._reported: list[ChargerEvent] = []

    def take(self) -> list[ChargerEvent]:
        """Hand over what the cloud has heard since the last call, in order."""
        reported, self._reported = self._reported, []
        return reported

    def report(self, event: ChargerEvent) -> None:
        """Tell an event, or hold it back if the cloud is away and has to learn of it later."""
        cloud_speaks = isinstance(event, Reachable)
        if self._record.reachable or cloud_speaks:
            self._reported.append(event)
        elif isinstance(event, SessionStarted | SessionEnded | Measured | Restarted):
            self._hold(event)

    def report_state(self, event: StateChanged, *, again: bool) -> None:
        """Tell the state if the cloud can hear it, and either has heard another one last or `again`."""
        reported = self._record.reported_state
        if not self._record.reachable:
            return
        if (
            again
            or reported is None
            or event.state is not reported.state
            or event.reason != reported.reason
            or event.fault is not reported.fault
        ):
            self._record.reported_state = event
            self._reported.append(event)

    def report_buffered(self) -> None:
        """Tell all that was held back."""
        self._reported.extend(self._record.buffered)
        self._record.buffered.clear()

    def _hold(self, event: BufferedEvent) -> None:
        held = self._record.buffered
        held.append(event)
        if isinstance(event, Restarted):
            # Of several boots unseen by the cloud only the last one is news.
            held[:] = [kept for kept in held if kept is event or not isinstance(kept, Restarted)]
        elif isinstance(event, Measured):
            measured = [kept for kept in held if isinstance(kept, Measured)]
            if len(measured) > MEASUREMENTS_BUFFERED:
                held.remove(measured[0])
