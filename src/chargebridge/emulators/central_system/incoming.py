"""Takes the connections and messages of charge points, and answers their CALLs."""

import asyncio
from http import HTTPStatus

import structlog

from chargebridge.emulators.central_system.calls import OutgoingCalls
from chargebridge.emulators.central_system.ledger import Ledger
from chargebridge.emulators.central_system.outbox import Outbox, Outgoing
from chargebridge.emulators.central_system.reception import Reception
from chargebridge.emulators.central_system.scripting import CallRefused, encode_refusal
from chargebridge.emulators.central_system.session import Session, Sessions
from chargebridge.emulators.central_system.transcript import Direction, Kind
from chargebridge.emulators.central_system.transport.admission import Admission
from chargebridge.emulators.central_system.transport.interference import Interference
from chargebridge.emulators.central_system.transport.server import Connection
from chargebridge.emulators.central_system.violations import Finding, Rule
from chargebridge.ocpp16.errors import FrameError
from chargebridge.ocpp16.frames import Call, decode_frame

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("central_system")


class Incoming:
    """The listener of the server (`transport.server.Listener`).

    Args:
        sessions: the charge points.
        admission: which charge points may connect.
        interference: how connections are broken at present.
        reception: answers CALLs.
        calls: takes the answers to the CALLs of the central system.
        ledger: is committed before answers are sent.
    """

    def __init__(
        self,
        sessions: Sessions,
        admission: Admission,
        interference: Interference,
        reception: Reception,
        calls: OutgoingCalls,
        ledger: Ledger,
    ) -> None:
        self._sessions = sessions
        self._admission = admission
        self._interference = interference
        self._reception = reception
        self._calls = calls
        self._outbox = Outbox(ledger, self._answered)

    def finish(self, *, drop_answers: bool) -> None:
        """Commit what was taken, and send the waiting answers or drop them."""
        if drop_answers:
            self._outbox.drop()
        self._outbox.flush()

    def refusal(self, identity: str, authorization: str | None) -> HTTPStatus | None:
        """Return the HTTP status to refuse a handshake with, or None."""
        refusals = self._interference.refusals
        scripted = refusals.get(identity) or refusals.get(None)
        return scripted or self._admission.refusal(identity, authorization)

    def opened(self, connection: Connection) -> None:
        """Take a new connection; an earlier one of the same charge point is cut."""
        session = self._sessions.session(connection.identity)
        replaced = session.connection
        if replaced is not None:
            session.close()
            replaced.abort()
        self._sessions.open(session, connection)
        log.info("connected", identity=session.identity, replaced=replaced is not None)

    def closed(self, connection: Connection) -> None:
        """Take the end of a connection."""
        session = self._sessions.session(connection.identity)
        if session.connection is connection:
            session.close()
            log.info("disconnected", identity=session.identity)

    def received(self, connection: Connection, data: bytes) -> None:
        """Take a message."""
        session = self._sessions.session(connection.identity)
        if session.connection is not connection:
            return
        try:
            frame = decode_frame(data)
        except FrameError as error:
            self._sessions.record(session, Direction.FROM_CHARGE_POINT, Kind.RAW, "", data)
            self._sessions.report(session, Finding(Rule.FRAME, error.description), data)
            if error.id is not None:
                refusal = CallRefused(error.code, error.description)
                answer = encode_refusal(error.id, refusal)
                self._outbox.post(Outgoing(session, connection, Kind.ERROR, "", error.id, answer))
            return
        if isinstance(frame, Call):
            self._take_call(session, connection, frame, data)
        elif not self._interference.silent:
            self._calls.take_answer(session, frame, data)

    def _take_call(self, session: Session, connection: Connection, call: Call, data: bytes) -> None:
        def report(finding: Finding) -> None:
            self._sessions.report(session, finding, data)

        self._sessions.record(session, Direction.FROM_CHARGE_POINT, Kind.CALL, call.action, data)
        loop = asyncio.get_running_loop()
        for finding in session.discipline.receive(call.id, loop.time()):
            report(finding)
        if self._interference.silent:
            session.discipline.withhold(call.id)
            session.lost_starts |= call.action == "StartTransaction"
            return
        outcome = self._reception.take(session, call, report)
        if not outcome.is_prompt:
            session.discipline.withhold(call.id)
        for reply in outcome.replies:
            outgoing = Outgoing(session, connection, reply.kind, call.action, call.id, reply.frame)
            if outcome.delay_s:
                loop.call_later(outcome.delay_s, self._outbox.post, outgoing)
            else:
                self._outbox.post(outgoing)
        if outcome.hang_up is not None:
            if outcome.hang_up.code is None:
                connection.abort()
            else:
                connection.close(outcome.hang_up.code, outcome.hang_up.reason)
        # The message is committed even if its answer is lost or late.
        self._outbox.open_slot()

    def _answered(self, outgoing: Outgoing) -> None:
        if outgoing.kind is not Kind.RAW:
            outgoing.session.discipline.answer(outgoing.message_id)
        self._sessions.record(
            outgoing.session, Direction.TO_CHARGE_POINT, outgoing.kind, outgoing.action, outgoing.frame
        )
