"""The state of each charge point at the central system, over all of its connections."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import structlog

from chargebridge.clock import Clock
from chargebridge.emulators.central_system.conformance import REMEMBERED_MESSAGE_IDS, CallDiscipline
from chargebridge.emulators.central_system.scripting import CallRefused
from chargebridge.emulators.central_system.transcript import Direction, Kind, Transcript
from chargebridge.emulators.central_system.transport.server import Connection
from chargebridge.emulators.central_system.violations import Finding, Violation
from chargebridge.ocpp16.enums import ChargePointStatus
from chargebridge.ocpp16.errors import PayloadError
from chargebridge.ocpp16.messages import Response

VIOLATIONS_KEPT: Final = 10_000

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("central_system")


class Answer(NamedTuple):
    """The answer to a CALL of the central system."""

    id: str
    kind: Kind
    """CALLRESULT or CALLERROR."""
    payload: bytes
    """The JSON text of a CALLRESULT's payload; empty for a CALLERROR."""
    outcome: Response | CallRefused | PayloadError | None
    """The decoded payload, the CALLERROR, or why the payload cannot be decoded; None if OCPP has no such
    action."""


class FrameObserver(Protocol):
    """Sees every frame of every charge point, as it was on the wire."""

    def connected(self, charge_point: str) -> None:
        """Take note of a new connection; the one before is over."""

    def sent(self, at_ms: int, charge_point: str, frame: bytes) -> None:
        """Take a frame of a charge point, and the time of its arrival in milliseconds since 1970."""

    def received(self, charge_point: str, frame: bytes) -> None:
        """Take a frame of the central system."""


@dataclass
class PendingCall:
    """A CALL of the central system without an answer yet."""

    action: str
    answer: asyncio.Future[Answer]


@dataclass
class Session:
    """One charge point, over all of its connections."""

    identity: str
    transcript: Transcript
    call_timeout_s: float
    """The shortest CALL timeout of the charge point, in real seconds."""
    connection: Connection | None = None
    connected_before: bool = False
    """Whether it has ever connected."""
    discipline: CallDiscipline = field(init=False)
    statuses: dict[int, ChargePointStatus] = field(default_factory=dict)
    """The last status by connector since the last connect or boot: earlier ones need not be sent (`ST-7`)."""
    triggered: set[str] = field(default_factory=set)
    """Actions requested by TriggerMessage since the last boot."""
    boot_not_before: float = 0.0
    """The earliest time of the next BootNotification, on the monotonic time of the clock."""
    lost_starts: bool = False
    """Whether a StartTransaction got no CALLRESULT, so that its transactionId may be -1 (`TX-6`)."""
    pending: dict[str, PendingCall] = field(default_factory=dict)
    unawaited: dict[str, None] = field(default_factory=dict)
    """Ids of CALLs on this connection that timed out or were sent as raw text: their answers are not unknown
    (`RPC-7`)."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a CALL of the central system is unanswered: one at a time (`RPC-5`)."""
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.discipline = CallDiscipline(self.call_timeout_s)
        self.disconnected.set()

    def require_connection(self) -> Connection:
        """Return the connection.

        Raises:
            ConnectionError: the charge point is not connected.
        """
        if self.connection is None:
            raise ConnectionError(f"{self.identity} is not connected")
        return self.connection

    def open(self, connection: Connection) -> None:
        """Start a connection."""
        self.connection = connection
        self.connected_before = True
        self.discipline = CallDiscipline(self.call_timeout_s)
        self.statuses.clear()
        self.unawaited.clear()
        self.boot_not_before = 0.0
        self.disconnected.clear()
        self.connected.set()

    def await_no_answer(self, message_id: str) -> None:
        """Remember that nobody waits for the answer to this CALL any more."""
        self.unawaited[message_id] = None
        if len(self.unawaited) > REMEMBERED_MESSAGE_IDS:
            del self.unawaited[next(iter(self.unawaited))]

    def close(self) -> None:
        """End the connection; CALLs without an answer fail."""
        self.connection = None
        self.connected.clear()
        self.disconnected.set()
        for call in self.pending.values():
            if not call.answer.done():
                call.answer.set_exception(ConnectionResetError(f"{self.identity} disconnected"))
        self.pending.clear()


class Sessions:
    """The sessions of all charge points, and the record of their messages and of the rules that they broke.

    Args:
        clock: the time for what is recorded.
        history: how many messages of each charge point are kept.
        call_timeout_s: the shortest CALL timeout of the charge points, in real seconds.
        observer: sees every frame; None: nobody does.
    """

    def __init__(
        self, clock: Clock, *, history: int, call_timeout_s: float, observer: FrameObserver | None = None
    ) -> None:
        self.violations: deque[Violation] = deque(maxlen=VIOLATIONS_KEPT)
        """The newest violations, oldest first."""
        self._clock = clock
        self._history = history
        self._call_timeout_s = call_timeout_s
        self._observer = observer
        self._sessions: dict[str, Session] = {}

    def session(self, identity: str) -> Session:
        """Return the session of a charge point; create it if it is missing."""
        session = self._sessions.get(identity)
        if session is None:
            session = Session(identity, Transcript(self._history), self._call_timeout_s)
            self._sessions[identity] = session
        return session

    @property
    def connected_before(self) -> set[str]:
        """The charge points that have ever connected."""
        return {one.identity for one in self._sessions.values() if one.connected_before}

    @property
    def connections(self) -> int:
        """The number of connected charge points."""
        return sum(session.connection is not None for session in self._sessions.values())

    @property
    def unanswered(self) -> int:
        """The number of CALLs of connected charge points without an answer."""
        return sum(
            session.discipline.unanswered
            for session in self._sessions.values()
            if session.connection is not None
        )

    def record(self, session: Session, direction: Direction, kind: Kind, action: str, frame: bytes) -> None:
        """Add a message to the transcript of a charge point."""
        at_ms = self._clock.now().utc_ms
        session.transcript.add(at_ms, direction, kind, action, frame)
        if self._observer is not None:
            if direction is Direction.FROM_CHARGE_POINT:
                self._observer.sent(at_ms, session.identity, frame)
            else:
                self._observer.received(session.identity, frame)

    def open(self, session: Session, connection: Connection) -> None:
        """Start a connection of a charge point."""
        session.open(connection)
        if self._observer is not None:
            self._observer.connected(session.identity)

    def report(self, session: Session, finding: Finding, frame: bytes) -> None:
        """Record a broken rule, and the frame that broke it."""
        violation = Violation(self._clock.now().utc_ms, session.identity, finding.rule, finding.text, frame)
        self.violations.append(violation)
        log.warning("violation", identity=session.identity, rule=finding.rule, text=finding.text)
