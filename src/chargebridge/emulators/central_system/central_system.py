"""The central system: charge points connect, it answers them, and tests observe and interfere."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from random import Random
from types import TracebackType
from typing import Self

from chargebridge.clock import Clock
from chargebridge.emulators.central_system.calls import OutgoingCalls
from chargebridge.emulators.central_system.incoming import Incoming
from chargebridge.emulators.central_system.ledger import Ledger
from chargebridge.emulators.central_system.policy import Policy
from chargebridge.emulators.central_system.reception import Reception
from chargebridge.emulators.central_system.responder import Responder
from chargebridge.emulators.central_system.scripting import Handler
from chargebridge.emulators.central_system.session import Answer, FrameObserver, Sessions
from chargebridge.emulators.central_system.transcript import (
    Direction,
    Exchange,
    Kind,
    Matcher,
)
from chargebridge.emulators.central_system.transport.admission import Admission
from chargebridge.emulators.central_system.transport.interference import Interference
from chargebridge.emulators.central_system.transport.server import Connection, WebSocketServer
from chargebridge.emulators.central_system.violations import Violation
from chargebridge.ocpp16.errors import FrameError
from chargebridge.ocpp16.frames import (
    Call,
    decode_frame,
)
from chargebridge.ocpp16.messages import Request, Response


class CentralSystem:
    """An OCPP 1.6J central system for tests and demonstrations.

    Use it as `async with CentralSystem(clock) as central_system:`, or call `start` and `stop`. A start after
    a stop listens on the same port again, with the same ledger.

    Args:
        clock: the time for all timestamps that are sent and recorded.
        host: the address to listen on.
        port: the port to listen on, 0 for any free one.
        ledger: stores what is received; in memory if None. The caller closes its own.
        policy: which charge points and idTags are accepted; all by default.
        admission: which charge points may connect; all by default.
        tls: a server-side context for `wss`.
        validate: check every message, in and out, against the official JSON schemas.
        heartbeat_interval_s: `interval` for accepted charge points, in seconds.
        call_timeout_s: the shortest CALL timeout of the charge points, in real seconds: a new CALL sooner
            after an unanswered one is a violation (`RPC-5`).
        history: how many messages of each charge point are kept for `exchanges` and `expect`.
        max_message_bytes: a longer message closes its connection (1009).
        random: the source of message ids.
        observer: sees every frame as it was on the wire, in order; None: nobody does.
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
        max_message_bytes: int = 2**20,
        random: Random | None = None,
        observer: FrameObserver | None = None,
    ) -> None:
        self.ledger = ledger or Ledger()
        """What charge points have sent: boots, statuses, transactions, counts."""
        self.host = host
        self.port = port
        """The port to listen on; the chosen one after `start`."""
        self.responder = Responder(self.ledger, policy or Policy(), heartbeat_interval_s)
        """Answers by a policy and a heartbeat interval; both can be replaced at any time."""
        self.validate = validate
        """Whether messages are checked against the official schemas."""
        self._reception = Reception(self.responder, clock, validate=validate)
        self._sessions = Sessions(clock, history=history, call_timeout_s=call_timeout_s, observer=observer)
        self._calls = OutgoingCalls(
            self.ledger,
            self._sessions.record,
            self._sessions.report,
            validate=validate,
            random=random or Random(),  # noqa: S311 - message ids are no secrets
        )
        self.interference = Interference()
        """How it breaks connections at present."""
        self._incoming = Incoming(
            self._sessions,
            admission or Admission(),
            self.interference,
            self._reception,
            self._calls,
            self.ledger,
        )
        self._server = WebSocketServer(self._incoming, tls, max_message_bytes)
        self._scheme = "ws" if tls is None else "wss"

    def __repr__(self) -> str:
        violations = len(self._sessions.violations)
        return f"<CentralSystem {self.url} connected={self.connections} violations={violations}>"

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
        """Start to listen.

        Raises:
            OSError: the address cannot be bound.
        """
        self.port = await self._server.start(self.host, self.port)

    @property
    def listening(self) -> bool:
        """Whether it listens for charge points."""
        return self._server.listening

    async def stop(self, *, abort: bool = False) -> None:
        """Stop listening and close all connections; `abort` cuts them, and unsent answers are lost."""
        self._incoming.finish(drop_answers=abort)
        await self._server.stop(abort=abort)

    # --- observing ------------------------------------------------------------------------------------

    @property
    def violations(self) -> list[Violation]:
        """The rules that charge points have broken so far, oldest first (the last 10,000)."""
        return list(self._sessions.violations)

    @property
    def identities(self) -> set[str]:
        """The charge points that have ever connected or are in the ledger."""
        return self._sessions.connected_before | {one.identity for one in self.ledger.charge_points()}

    @property
    def connections(self) -> int:
        """The number of connected charge points."""
        return self._sessions.connections

    @property
    def unanswered(self) -> int:
        """The number of CALLs of connected charge points without an answer."""
        return self._sessions.unanswered

    def connected(self, identity: str) -> bool:
        """Return whether a charge point is connected."""
        return self._sessions.session(identity).connection is not None

    async def wait_connected(self, identity: str, timeout_s: float = 5.0) -> None:
        """Wait until a charge point is connected, at most `timeout_s` real seconds.

        Raises:
            TimeoutError: it is not connected by then.
        """
        async with asyncio.timeout(timeout_s):
            await self._sessions.session(identity).connected.wait()

    async def wait_disconnected(self, identity: str, timeout_s: float = 5.0) -> None:
        """Wait until a charge point is not connected, at most `timeout_s` real seconds.

        Raises:
            TimeoutError: it is still connected by then.
        """
        async with asyncio.timeout(timeout_s):
            await self._sessions.session(identity).disconnected.wait()

    def exchanges(self, identity: str) -> list[Exchange]:
        """Return the messages from and to a charge point, oldest first."""
        return self._sessions.session(identity).transcript.exchanges()

    async def exchanges_since(
        self, identity: str, index: int, matches: Callable[[Exchange], bool], wait_s: float = 0.0
    ) -> list[Exchange]:
        """Return the messages from an index on that match; without one, wait for the first.

        Args:
            identity: the charge point.
            index: of the first message to look at.
            matches: the messages that count.
            wait_s: how long to wait, in real seconds.
        """
        return await self._sessions.session(identity).transcript.since(index, matches, wait_s)

    def skip(self, identity: str) -> None:
        """Make the next `expect` ignore the messages up to now."""
        self._sessions.session(identity).transcript.skip()

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
        """Return the next matching message; wait for it if it has not come yet.

        The search starts after the message that the last `expect` for this charge point returned.

        Args:
            identity: the charge point.
            action: the action of the CALL, also for its answer.
            where: a predicate of the payload, or a part that the payload must contain.
            kind: CALL, CALLRESULT, CALLERROR or raw bytes.
            direction: from or to the charge point.
            timeout_s: how long to wait, in real seconds.

        Raises:
            NotSeenError: no message matched in time; the error lists those that came.
        """
        return await self._sessions.session(identity).transcript.expect(
            action, where, kind, direction, timeout_s
        )

    # --- interfering ----------------------------------------------------------------------------------

    def answer(self, action: str, handler: Handler, *, identity: str | None = None) -> None:
        """Let a handler answer an action; the module `scripting` describes the answers.

        An exception other than `CallRefused` cuts the connection, and asyncio logs it.

        Args:
            action: the action, such as `StartTransaction`.
            handler: takes the identity and the decoded request, and returns the answer.
            identity: only for this charge point; such a handler wins over one for all.
        """
        self._reception.handlers[action, identity] = handler

    def answer_as_usual(self, action: str, *, identity: str | None = None) -> None:
        """Remove the handler that `answer` has set with the same arguments."""
        self._reception.handlers.pop((action, identity), None)

    def refuse_handshakes(self, status: HTTPStatus | None, *, identity: str | None = None) -> None:
        """Refuse handshakes of one charge point, or of all, with this status; None accepts them again."""
        if status is None:
            self.interference.refusals.pop(identity, None)
        else:
            self.interference.refusals[identity] = status

    def agree_on_subprotocol(self, agree: bool) -> None:
        """Answer handshakes with the subprotocol, or without it, like a server of another version."""
        self._server.agrees_on_subprotocol = self.interference.agrees_on_subprotocol = agree

    def fall_silent(self, silent: bool) -> None:
        """Accept connections but ignore all messages, as a hung program does; False ends that.

        Pings are still answered. CALLs are in the transcript, but not in the ledger.
        """
        self.interference.silent = silent

    def close(self, identity: str, code: int = 1000, reason: str = "") -> None:
        """Start the closing handshake with a charge point.

        Raises:
            ConnectionError: it is not connected.
        """
        self._connection(identity).close(code, reason)

    def abort(self, identity: str) -> None:
        """Cut a charge point's TCP connection; unsent answers are lost.

        Raises:
            ConnectionError: it is not connected.
        """
        self._connection(identity).abort()

    def send_raw(self, identity: str, data: bytes) -> None:
        """Send any bytes as a text message. If they are a CALL, its answer is in `exchanges`.

        Raises:
            ConnectionError: the charge point is not connected.
        """
        session = self._sessions.session(identity)
        session.require_connection().send(data)
        with suppress(FrameError):
            if isinstance(frame := decode_frame(data), Call):
                session.await_no_answer(frame.id)
        self._sessions.record(session, Direction.TO_CHARGE_POINT, Kind.RAW, "", data)

    async def call(self, identity: str, request: Request, timeout_s: float = 10.0) -> Response:
        """Send a CALL and return its answer. A second CALL to the same charge point waits for the first.

        Args:
            identity: the charge point.
            request: the payload; its class decides the action.
            timeout_s: how long to wait for the answer, in real seconds.

        Raises:
            CallRefused: the answer is a CALLERROR.
            PayloadError: the answer does not fit the action's response.
            ConnectionError: the charge point is not connected, or disconnects before it answers.
            TimeoutError: it does not answer in time.
            ValueError: the request breaks its schema (only with `validate`).
        """
        return await self._calls.call(self._sessions.session(identity), request, timeout_s)

    async def exchange(
        self,
        identity: str,
        action: str,
        payload: bytes,
        timeout_s: float = 10.0,
        *,
        message_id: str | None = None,
    ) -> Answer:
        """Send a CALL of any action with any JSON as its payload, unchecked, and return its answer.

        Args:
            identity: the charge point.
            action: the action, also one that OCPP does not have.
            payload: JSON text.
            timeout_s: how long to wait for the answer, in real seconds.
            message_id: the id, at most 36 characters; None for a new one.

        Raises:
            ConnectionError: the charge point is not connected, or disconnects before it answers.
            TimeoutError: it does not answer in time.
        """
        session = self._sessions.session(identity)
        return await self._calls.exchange(session, action, payload, timeout_s, message_id)

    def _connection(self, identity: str) -> Connection:
        return self._sessions.session(identity).require_connection()
