"""The central system: charge points connect, it answers, and a test can look and interfere."""

import asyncio
import ssl
from collections import deque
from http import HTTPStatus
from random import Random
from types import TracebackType
from typing import Final, Self

import structlog

from chargebridge.clock import Clock
from chargebridge.emulators.central_system.calls import OutgoingCalls
from chargebridge.emulators.central_system.ledger import Ledger
from chargebridge.emulators.central_system.outbox import Outbox, Outgoing
from chargebridge.emulators.central_system.policy import Policy
from chargebridge.emulators.central_system.reception import Reception
from chargebridge.emulators.central_system.responder import Responder
from chargebridge.emulators.central_system.scripting import CallRefused, Handler, encode_refusal
from chargebridge.emulators.central_system.session import Session
from chargebridge.emulators.central_system.transcript import (
    Direction,
    Exchange,
    Kind,
    Matcher,
    Transcript,
)
from chargebridge.emulators.central_system.transport.admission import Admission
from chargebridge.emulators.central_system.transport.server import Connection, WebSocketServer
from chargebridge.emulators.central_system.violations import Finding, Rule, Violation
from chargebridge.ocpp16.errors import FrameError
from chargebridge.ocpp16.frames import (
    Call,
    decode_frame,
)
from chargebridge.ocpp16.messages import Request, Response

VIOLATIONS_KEPT: Final = 10_000

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("central_system")


class CentralSystem:
    """An OCPP 1.6J central system for tests and demonstrations.

    Use it as `async with CentralSystem(clock) as central_system:`, or call `start` and `stop`;
    a start after a stop listens on the same port again and knows everything it knew.

    Args:
        clock: gives all timestamps that are sent and recorded.
        host: the address to listen on.
        port: the port to listen on, 0 for any free one.
        ledger: where everything told is written down; in memory if None. Its owner closes it.
        policy: which charge points and idTags are accepted; all by default.
        admission: who may connect; all by default.
        tls: a server-side context for `wss`.
        validate: check every frame, in and out, against the official schemas.
        heartbeat_interval_s: `interval` for accepted charge points, in seconds.
        call_timeout_s: how soon the charge points may give up a CALL that a script leaves
            unanswered, in real seconds; a new CALL before that is a violation (`RPC-5`).
        history: how many messages of each charge point are kept.
        random: the source of message ids.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ledger: Ledger | None = None,
        policy: Policy | None = None,
        admission: Admission | None = None,
        tls: ssl.SSLContext | None = None,
        validate: bool = False,
        heartbeat_interval_s: int = 300,
        call_timeout_s: float = 1.0,
        history: int = 1000,
        random: Random | None = None,
    ) -> None:
        self.ledger = ledger or Ledger()
        """Everything that was told."""
        self.host = host
        self.port = port
        """The port, known after `start`."""
        self._clock = clock
        responder = Responder(self.ledger, policy or Policy(), heartbeat_interval_s)
        self._reception = Reception(responder, clock, validate=validate)
        self._outbox = Outbox(self.ledger, self._answered)
        self._calls = OutgoingCalls(
            self.ledger,
            self._record,
            self._report,
            validate=validate,
            random=random or Random(),  # noqa: S311 - message ids are no secrets
        )
        self._admission = admission or Admission()
        self._server = WebSocketServer(self, tls)
        self._scheme = "ws" if tls is None else "wss"
        self._call_timeout_s = call_timeout_s
        self._history = history
        self._sessions: dict[str, Session] = {}
        self._refusals: dict[str | None, HTTPStatus] = {}
        self._silent = False
        self._violations: deque[Violation] = deque(maxlen=VIOLATIONS_KEPT)

    def __repr__(self) -> str:
        return f"<CentralSystem {self.url} connected={self.connections} violations={len(self._violations)}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The endpoint that charge points append their identity to."""
        return f"{self._scheme}://{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        self.port = await self._server.start(self.host, self.port)

    async def stop(self, *, abort: bool = False) -> None:
        """Stop listening and end all connections; with `abort` they are cut and answers get lost."""
        if abort:
            self._outbox.drop()
        self._outbox.flush()
        await self._server.stop(abort=abort)

    # What a test sees.

    @property
    def violations(self) -> list[Violation]:
        """Every rule broken by a charge point so far (the last 10,000)."""
        return list(self._violations)

    @property
    def connections(self) -> int:
        """How many charge points are connected."""
        return sum(session.connection is not None for session in self._sessions.values())

    @property
    def unanswered(self) -> int:
        """How many CALLs of connected charge points have no answer yet."""
        return sum(
            session.discipline.unanswered
            for session in self._sessions.values()
            if session.connection is not None
        )

    def connected(self, identity: str) -> bool:
        """Tell whether a charge point is connected."""
        return self._session(identity).connection is not None

    async def wait_connected(self, identity: str, timeout_s: float = 5.0) -> None:
        """Wait until a charge point is connected.

        Raises:
            TimeoutError: it is not within so many real seconds.
        """
        async with asyncio.timeout(timeout_s):
            await self._session(identity).connected.wait()

    async def wait_disconnected(self, identity: str, timeout_s: float = 5.0) -> None:
        """Wait until a charge point is not connected.

        Raises:
            TimeoutError: it still is after so many real seconds.
        """
        async with asyncio.timeout(timeout_s):
            await self._session(identity).disconnected.wait()

    def exchanges(self, identity: str) -> list[Exchange]:
        """Return what was said with a charge point in both directions, oldest first."""
        return self._session(identity).transcript.exchanges()

    def skip(self, identity: str) -> None:
        """Let the next `expect` see only what is said from now on."""
        self._session(identity).transcript.skip()

    async def expect(
        self,
        identity: str,
        action: str,
        where: Matcher | None = None,
        *,
        kind: Kind = Kind.CALL,
        direction: Direction = Direction.FROM_CHARGE_POINT,
        timeout_s: float = 5.0,
    ) -> Exchange:
        """Return the next message that matches, said already or awaited.

        The search begins after the message that the last `expect` for this charge point returned.

        Args:
            identity: the charge point.
            action: the action of the CALL, also for answers.
            where: a test of the payload, or the part that the payload must have.
            kind: CALL, CALLRESULT, CALLERROR or raw.
            direction: who says it; the charge point by default.
            timeout_s: how long to wait, in real seconds.

        Raises:
            NotSeenError: it was not said in time; the error lists what was.
        """
        return await self._session(identity).transcript.expect(action, where, kind, direction, timeout_s)

    # How a test interferes.

    def answer(self, action: str, handler: Handler, *, identity: str | None = None) -> None:
        """Let a handler decide what is answered to an action; see `scripting`.

        An exception other than `CallRefused` cuts the connection, and asyncio logs it.

        Args:
            action: the action, such as `StartTransaction`.
            handler: takes the identity and the request and returns the answer.
            identity: for this charge point only; it goes before a handler for all.
        """
        self._reception.handlers[action, identity] = handler

    def answer_as_usual(self, action: str, *, identity: str | None = None) -> None:
        """Take back what `answer` was given."""
        self._reception.handlers.pop((action, identity), None)

    def refuse_handshakes(self, status: HTTPStatus | None, *, identity: str | None = None) -> None:
        """Refuse handshakes of one charge point, or of all, with an HTTP status; None: no longer."""
        if status is None:
            self._refusals.pop(identity, None)
        else:
            self._refusals[identity] = status

    def agree_on_subprotocol(self, agree: bool) -> None:
        """Answer handshakes with the subprotocol, or without it and close, as one of another version does."""
        self._server.agrees_on_subprotocol = agree

    def fall_silent(self, silent: bool) -> None:
        """Take connections but neither record nor answer what is said, or do so again.

        Pings are answered all the same: it is the program behind the connection that hangs.
        """
        self._silent = silent

    def close(self, identity: str, code: int = 1000, reason: str = "") -> None:
        """Start the closing handshake with a charge point.

        Raises:
            ConnectionError: it is not connected.
        """
        self._connection(identity).close(code, reason)

    def abort(self, identity: str) -> None:
        """Cut a charge point's TCP connection; answers not sent yet are lost.

        Raises:
            ConnectionError: it is not connected.
        """
        self._connection(identity).abort()

    def send_raw(self, identity: str, data: bytes) -> None:
        """Send a text message of any content.

        Raises:
            ConnectionError: the charge point is not connected.
        """
        self._connection(identity).send(data)
        self._record(self._session(identity), Direction.TO_CHARGE_POINT, Kind.RAW, "", data)

    async def call(self, identity: str, request: Request, timeout_s: float = 10.0) -> Response:
        """Send a CALL and return its answer. One at a time: a second one waits for the first.

        Args:
            identity: the charge point.
            request: the payload; its class is the action.
            timeout_s: how long to wait for the answer, in real seconds.

        Raises:
            CallRefused: it was answered with a CALLERROR.
            PayloadError: the answer is not what the action's response looks like.
            ConnectionError: the charge point is not connected, or disconnects before it answers.
            TimeoutError: it does not answer in time.
            ValueError: the request itself breaks its schema (checked only if validating).
        """
        return await self._calls.call(self._session(identity), request, timeout_s)

    # What the server tells (`server.Listener`).

    def refusal(self, identity: str, authorization: str | None) -> HTTPStatus | None:
        """Decide on a handshake."""
        scripted = self._refusals.get(identity) or self._refusals.get(None)
        return scripted or self._admission.refusal(identity, authorization)

    def opened(self, connection: Connection) -> None:
        """Take a connection; one that its charge point had before is cut."""
        session = self._session(connection.identity)
        replaced = session.connection
        if replaced is not None:
            session.close()
            replaced.abort()
        session.open(connection)
        log.info("connected", identity=session.identity, replaced=replaced is not None)

    def closed(self, connection: Connection) -> None:
        """Hear of the end of a connection."""
        session = self._session(connection.identity)
        if session.connection is connection:
            session.close()
            log.info("disconnected", identity=session.identity)

    def received(self, connection: Connection, data: bytes) -> None:
        """Take a message."""
        session = self._session(connection.identity)
        if session.connection is not connection:
            return
        try:
            frame = decode_frame(data)
        except FrameError as error:
            self._record(session, Direction.FROM_CHARGE_POINT, Kind.RAW, "", data)
            self._report(session, Finding(Rule.FRAME, error.description), data)
            if error.id is not None:
                refusal = CallRefused(error.code, error.description)
                answer = encode_refusal(error.id, refusal)
                self._outbox.post(Outgoing(session, connection, Kind.ERROR, "", error.id, answer))
            return
        if isinstance(frame, Call):
            self._take_call(session, connection, frame, data)
        elif not self._silent:
            self._calls.take_answer(session, frame, data)

    def _take_call(self, session: Session, connection: Connection, call: Call, data: bytes) -> None:
        def report(finding: Finding) -> None:
            self._report(session, finding, data)

        self._record(session, Direction.FROM_CHARGE_POINT, Kind.CALL, call.action, data)
        loop = asyncio.get_running_loop()
        for finding in session.discipline.receive(call.id, loop.time()):
            report(finding)
        if self._silent:
            session.discipline.withhold(call.id)
            session.lost_starts |= call.action == "StartTransaction"
            return
        verdict = self._reception.take(session, call, report)
        if not verdict.is_prompt:
            session.discipline.withhold(call.id)
        for reply in verdict.replies:
            outgoing = Outgoing(session, connection, reply.kind, call.action, call.id, reply.frame)
            if verdict.delay_s:
                loop.call_later(verdict.delay_s, self._outbox.post, outgoing)
            else:
                self._outbox.post(outgoing)
        # What a lost or late answer belongs to is committed all the same.
        self._outbox.open_slot()

    def _session(self, identity: str) -> Session:
        session = self._sessions.get(identity)
        if session is None:
            session = Session(identity, Transcript(self._history), self._call_timeout_s)
            self._sessions[identity] = session
        return session

    def _connection(self, identity: str) -> Connection:
        return self._session(identity).require_connection()

    def _answered(self, outgoing: Outgoing) -> None:
        if outgoing.kind is not Kind.RAW:
            outgoing.session.discipline.answer(outgoing.message_id)
        self._record(
            outgoing.session, Direction.TO_CHARGE_POINT, outgoing.kind, outgoing.action, outgoing.frame
        )

    def _record(self, session: Session, direction: Direction, kind: Kind, action: str, frame: bytes) -> None:
        session.transcript.add(self._clock.now().utc_ms, direction, kind, action, frame)

    def _report(self, session: Session, finding: Finding, frame: bytes) -> None:
        violation = Violation(self._clock.now().utc_ms, session.identity, finding.rule, finding.text, frame)
        self._violations.append(violation)
        log.warning("violation", identity=session.identity, rule=finding.rule, text=finding.text)
