"""Reports the events of a charger to its cloud, and buffers them while the cloud is unreachable."""

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
"""The most measurements of sessions in the charger's buffer."""


class EventReporter:
    """The reports of one charger.

    Args:
        record: the state of the charger, with the buffer.
    """

    def __init__(self, record: ChargerRecord) -> None:
        self._record = record
        self._reported: list[ChargerEvent] = []

    def take(self) -> list[ChargerEvent]:
        """Return the events that were reported since the last call, in order."""
        reported, self._reported = self._reported, []
        return reported

    def report(self, event: ChargerEvent) -> None:
        """Report an event, or buffer it if the cloud is unreachable and needs it later."""
        cloud_speaks = isinstance(event, Reachable)
        if self._record.reachable or cloud_speaks:
            self._reported.append(event)
        elif isinstance(event, SessionStarted | SessionEnded | Measured | Restarted):
            self._hold(event)

    def report_state(self, event: StateChanged, *, again: bool) -> None:
        """Report the state if the cloud is reachable, and either the last one differs or `again`."""
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
        """Report all buffered events."""
        self._reported.extend(self._record.buffered)
        self._record.buffered.clear()

    def _hold(self, event: BufferedEvent) -> None:
        held = self._record.buffered
        held.append(event)
        if isinstance(event, Restarted):
            # Of several boots without the cloud only the last one matters.
            held[:] = [kept for kept in held if kept is event or not isinstance(kept, Restarted)]
        elif isinstance(event, Measured):
            measured = [kept for kept in held if isinstance(kept, Measured)]
            if len(measured) > MEASUREMENTS_BUFFERED:
                held.remove(measured[0])
