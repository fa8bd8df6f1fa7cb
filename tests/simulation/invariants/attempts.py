"""What counts as an attempt at a message, and how long refused measurements hold up the books."""

import json
from collections import defaultdict

from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.open_call import CallKind
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import Attempted, DeadLetter, Enqueue, MessageKind, Redeliver, Requeue
from tests.simulation.invariants import ATTEMPTS, BOOKS, NIGHTS
from tests.simulation.invariants.conversation import CALL_TIMEOUT_S, settles

_MOST_ATTEMPTS = 5
"""To which `acts` sets TransactionMessageAttempts; one more is made where transactionData is left out."""
_EDGES = frozenset({"StartTransaction", "StopTransaction"})


class _Message:
    """What is known from outside of one message in the queue."""

    def __init__(self, losses):
        self.losses = losses
        """How often the gateway had forgotten something when it was queued."""
        self.failures = 0
        """Attempts that have really failed."""
        self.action = ""
        """Once it has been sent."""


class _Sent:
    """An attempt that is not answered."""

    def __init__(self, message, text, at_ms):
        self.message = message
        self.text = text
        self.at_ms = at_ms


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
        self._messages = {}
        """By charge point and sequence."""
        self._sent = defaultdict(dict)
        """By charge point: by id, in the order in which they were sent on this connection."""
        self._losses = defaultdict(int)
        """By charge point: how often its gateway has forgotten what it did last."""

    def taken_up(self, identity):
        self._breaks.pop(identity, None)
        self._losses[identity] += 1
        self.connection_closes(identity)

    def turns_failed(self, identity):
        """What was counted in them is forgotten, and will be done again."""
        self._losses[identity] += 1
        self._paused_s[identity] = 0.0

    def link_opened(self, identity):
        self._sent[identity].clear()

    def connection_closes(self, identity):
        self._paused_s[identity] = 0.0
        self._sent[identity].clear()

    def _message(self, identity, sequence):
        key = identity, sequence
        if key not in self._messages:
            self._messages[key] = _Message(self._losses[identity])
        return self._messages[key]

    def said(self, identity, charge_point, frame, data, now_ms):
        """A frame leaves the gateway, which was decided at this time."""
        _, id, action, payload = frame
        sent = self._sent[identity]
        message = None
        if action in _EDGES or (action == "MeterValues" and b'"Trigger"' not in data):
            head = charge_point.queue[:1]
            if head and (action in _EDGES or "transactionId" in payload):
                message = self._message(identity, head[0].sequence)
                message.action = action
        sent[id] = _Sent(message, f"{action} {json.dumps(payload)}", now_ms)

    def heard(self, identity, frame):
        """A frame reaches the gateway: an answer may be a failure, and shows that those before it failed."""
        match frame:
            case [3, str(id), payload]:
                failed = not settles(self._text(identity, id), payload)
            case [4, str(id), *_]:
                failed = True
            case _:
                return
        sent = self._sent[identity]
        answered = sent.pop(id, None)
        if answered is None:
            return
        if failed and answered.message is not None:
            answered.message.failures += 1
        # What was sent before and is not answered yet has run into its time-out: the link is not deaf.
        latest_ms = answered.at_ms - CALL_TIMEOUT_S * 1000 + 100
        for earlier in [earlier for earlier, one in sent.items() if one.at_ms <= latest_ms]:
            one = sent.pop(earlier)
            if one.message is not None:
                one.message.failures += 1

    def _text(self, identity, id):
        sent = self._sent[identity].get(id)
        return sent.text if sent is not None else ""

    def turn_ended(self, identity, charge_point, records):
        self._count(identity, charge_point, records)
        self._look_at_breaks(identity, charge_point, records)
        self._look_at_pauses(identity, charge_point, records)

    def _count(self, identity, charge_point, records):
        """Compare the attempts that are recorded with those that have really failed."""
        require = self._watch.require
        for record in records:
            match record:
                case Enqueue(message=message):
                    self._messages.pop((identity, message.sequence), None)
                case Requeue(new_sequence=sequence):
                    self._messages.pop((identity, sequence), None)
                case Redeliver(first_sequence=first):
                    for key in [key for key in self._messages if key[0] == identity and key[1] >= first]:
                        del self._messages[key]
                case Attempted(sequence=sequence, attempts=attempts):
                    message = self._message(identity, sequence)
                    ended = record.history[-1].reason.startswith("the connection ended")
                    if ended and record.history[-1].at_ms == charge_point.now.utc_ms:
                        message.failures += 1  # whether it counts is looked at with the breaks
                    text = (
                        f"{attempts} attempts at message {sequence}, of which {message.failures} have failed"
                    )
                    require(ATTEMPTS, identity, attempts <= message.failures, text)
                case DeadLetter(sequence=sequence, reason=reason):
                    self._given_up(identity, charge_point, self._message(identity, sequence), reason)

    def _given_up(self, identity, charge_point, message, reason):
        if reason.startswith("set aside"):
            return  # by an operator, at any time
        wanted = max(configuration.integer(charge_point, "TransactionMessageAttempts"), 1)
        if message.action not in _EDGES:
            wanted = 0 if reason.startswith("not sent") else 1
        most = max(wanted, _MOST_ATTEMPTS) + 1 + self._losses[identity] - message.losses
        text = f"{message.action} is given up after {message.failures} of {wanted} attempts: {reason}"
        self._watch.require(ATTEMPTS, identity, wanted <= message.failures <= most, text)

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
