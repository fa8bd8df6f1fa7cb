"""The central system of a replay: it accepts everything at once, and remembers what it was sent."""

from collections import Counter
from typing import Final

import msgspec
from msgspec import Struct

from chargebridge.clock import format_utc
from chargebridge.gateway.turns.binding import Binding
from chargebridge.link import LinkState
from chargebridge.link.track_record import TrackRecord
from chargebridge.replay.timeline import Timeline

REOPENED_AFTER_S: Final = 1.0
"""Real seconds after which a link that was closed is open again."""
HEARTBEAT_S: Final = 86_400
CALLS_AT_MOST: Final = 200_000
"""CALLs that are kept, of all charge points together; further ones are only counted."""

_Payload = dict[str, object]


class Sent(Struct, frozen=True):
    """A CALL that a central system would have been sent."""

    at_ms: int
    """UTC; when, by the recorder's clock."""
    charge_point: str
    action: str
    payload: _Payload
    transaction: int | None = None
    """The transactionId in its answer."""


class CentralSystem:
    """What all links of a replay lead to.

    Args:
        timeline: the time.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._transactions = 0
        self.calls: list[Sent] = []
        self.counts: Counter[str] = Counter()
        """CALLs by action."""

    def take(self, link: "ReplayedLink", data: bytes) -> None:
        """Take a frame; a CALL is answered soon."""
        frame = msgspec.json.decode(data, type=list[object])
        if frame[0] != 2:
            return
        _, id, action, payload = frame
        assert isinstance(action, str)
        assert isinstance(payload, dict)
        answer = self._answer(action)
        number = answer.get("transactionId")
        self.counts[action] += 1
        if len(self.calls) < CALLS_AT_MOST:
            at_ms = self._timeline.now().utc_ms
            transaction = number if isinstance(number, int) else None
            self.calls.append(Sent(at_ms, link.identity, action, payload, transaction))
        link.answer_soon(msgspec.json.encode([3, id, answer]))

    def _answer(self, action: str) -> _Payload:
        now = format_utc(self._timeline.now().utc_ms)
        accepted: _Payload = {"idTagInfo": {"status": "Accepted"}}
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": now, "interval": HEARTBEAT_S}
            case "Heartbeat":
                return {"currentTime": now}
            case "Authorize" | "StopTransaction":
                return accepted
            case "StartTransaction":
                self._transactions += 1
                return {"transactionId": self._transactions, **accepted}
            case "DataTransfer":
                return {"status": "Accepted"}
            case _:
                return {}


class ReplayedLink:
    """The link of a charge point: it is open from when it is brought up, and never breaks by itself.

    Args:
        identity: of the charge point.
        central_system: the other end.
        timeline: the time.
    """

    owner: Binding

    def __init__(self, identity: str, central_system: CentralSystem, timeline: Timeline) -> None:
        self.identity = identity
        self.state = LinkState.DOWN
        self.epoch = 0
        self.record = TrackRecord()
        self._central_system = central_system
        self._timeline = timeline

    def up(self) -> None:
        """Connect."""
        if self.state is LinkState.DOWN:
            self.state = LinkState.CONNECTING
            self._timeline.later(0.0, self._open)

    def _open(self) -> None:
        self.state = LinkState.OPEN
        self.epoch += 1
        self.owner.link_opened(self.epoch)

    def send(self, epoch: int, data: bytes) -> bool:
        """Send a frame; return whether the connection is open."""
        if epoch != self.epoch or self.state is not LinkState.OPEN:
            return False
        self._central_system.take(self, data)
        return True

    def answer_soon(self, data: bytes) -> None:
        """Deliver a frame of the central system: at the same moment, but not within the turn that led to it.

        However fast the recorder's clock ran, nothing of the recording comes in between.
        """
        epoch = self.epoch

        def arrive() -> None:
            if epoch == self.epoch and self.state is LinkState.OPEN:
                self.owner.frame_received(epoch, data)

        self._timeline.later(0.0, arrive)

    def close(self, epoch: int, reason: str, pause_s: float = 0.0) -> None:
        """Close the connection, and open it again after a pause."""
        if epoch == self.epoch and self.state is LinkState.OPEN:
            self.state = LinkState.DOWN
            self._timeline.later(0.0, lambda: self.owner.link_closed(epoch, reason, None))
            self._timeline.later(pause_s + REOPENED_AFTER_S, self.up)

    def reopen(self) -> None:
        """End a pause; here it ends by itself."""

    def set_ping_interval(self, interval_s: int) -> None:
        """Nothing breaks here, and nothing has to be noticed."""
