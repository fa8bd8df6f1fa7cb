"""What counts as an attempt at a message, and how long refused measurements hold up the books."""

from collections import defaultdict

from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.open_call import CallKind
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import Attempted, MessageKind
from tests.simulation.invariants import BOOKS, NIGHTS


class Attempts:
    """Watches the queues' attempts, as they are recorded.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._world = watch.world
        self._breaks = defaultdict(lambda: (0, 0))
        """By charge point: the message at which its connection broke, and how often in a row."""
        self._paused_s = defaultdict(float)
        """By charge point: how long refused measurements have waited with a Start or Stop behind them."""

    def taken_up(self, identity):
        self._breaks.pop(identity, None)
        self.connection_closes(identity)

    def connection_closes(self, identity):
        self._paused_s[identity] = 0.0

    def turn_ended(self, identity, charge_point, records):
        self._look_at_breaks(identity, charge_point, records)
        self._look_at_pauses(identity, charge_point, records)

    def _look_at_pauses(self, identity, charge_point, records):
        """Add up the pauses of MeterValues, from the first one behind which a Start or Stop waits."""
        edges = [message for message in charge_point.queue if message.kind is not MessageKind.METER_VALUES]
        if not edges:
            self._paused_s[identity] = 0.0
            return
        head = charge_point.queue[0]
        for record in records:
            attempted = isinstance(record, Attempted) and record.sequence == head.sequence
            if attempted and head.kind is MessageKind.METER_VALUES and record.not_before_ms is not None:
                self._paused_s[identity] += charge_point.timers.get(Timer.RETRY, 0) - charge_point.now.mono
                pauses_s = self._paused_s[identity]
                interval_s = configuration.integer(charge_point, "TransactionMessageRetryInterval")
                self._watch.require(BOOKS, identity, pauses_s <= interval_s, f"{pauses_s:.0f} s of pauses")

    def connection_lost(self, identity, charge_point, *, was_answered):
        """A connection has broken, and the charge point is about to learn of it."""
        unanswered = [call.kind for call in (charge_point.call, charge_point.late_call) if call is not None]
        if CallKind.QUEUE in unanswered and was_answered:
            sequence = charge_point.queue[0].sequence
            before, times = self._breaks[identity]
            self._breaks[identity] = sequence, times + 1 if before == sequence else 1

    def _look_at_breaks(self, identity, charge_point, records):
        for record in records:
            if not isinstance(record, Attempted) or record.history[-1].at_ms != charge_point.now.utc_ms:
                continue  # of an attempt that was counted before, the pause is another one now
            if record.history[-1].reason.startswith("the connection ended"):
                sequence, times = self._breaks[identity]
                at_it = sequence == record.sequence
                known = charge_point.state.measurements_refused or _is_long_stop(charge_point)
                text = f"message {record.sequence}, after {times} breaks at {sequence}"
                self._watch.require(NIGHTS, identity, at_it and (times > 3 or known), text)


def _is_long_stop(charge_point):
    """Whether the head is one that may get stuck for its length: there a deaf link counts as well."""
    head = charge_point.queue[:1]
    return any(one.kind is MessageKind.STOP and len(one.payload) >= 1000 for one in head)
