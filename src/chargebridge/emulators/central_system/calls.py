"""Sends CALLs of the central system to charge points, and matches the answers to them."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final
from uuid import UUID

import msgspec

from chargebridge.emulators.central_system.ledger import Ledger
from chargebridge.emulators.central_system.scripting import CallRefused
from chargebridge.emulators.central_system.session import Answer, PendingCall, Session
from chargebridge.emulators.central_system.transcript import Direction, Kind
from chargebridge.emulators.central_system.validation import require_valid, schema_error
from chargebridge.emulators.central_system.violations import Finding, Rule
from chargebridge.ocpp16.actions import ACTION_NAMES, ACTIONS
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.ocpp16.errors import CallErrorCode, PayloadError
from chargebridge.ocpp16.frames import CallError, CallResult, decode_response, encode_call_raw
from chargebridge.ocpp16.messages import ExtendedTriggerMessage, Request, Response, TriggerMessage
from chargebridge.ocpp16.payloads import decode_request_payload
from chargebridge.ocpp16.profiles.security import ExtendedMessageTrigger

_EXTENDED_TRIGGERS: Final = {
    ExtendedMessageTrigger.SIGN_CHARGE_POINT_CERTIFICATE: "SignCertificate",
    ExtendedMessageTrigger.FIRMWARE_STATUS_NOTIFICATION: "SignedFirmwareStatusNotification",
}
"""The actions whose trigger has another name (`SE-5`)."""

Record = Callable[[Session, Direction, Kind, str, bytes], None]
"""Adds a message to the transcript of a charge point."""
Report = Callable[[Session, Finding, bytes], None]
"""Records a broken rule, and the frame that broke it."""


class OutgoingCalls:
    """The CALLs of the central system.

    Args:
        ledger: knows the registration of each charge point.
        record: adds a message to a transcript.
        report: records a broken rule.
        validate: check requests and answers against the official schemas.
        random: the source of message ids.
    """

    def __init__(
        self, ledger: Ledger, record: Record, report: Report, *, validate: bool, random: Random
    ) -> None:
        self._ledger = ledger
        self._record = record
        self._report = report
        self._validate = validate
        self._random = random

    async def call(self, session: Session, request: Request, timeout_s: float) -> Response:
        """Send a CALL and return its answer; see `CentralSystem.call`."""
        action = ACTION_NAMES[type(request)]
        if self._validate:
            require_valid(action, request)
        answer = await self.exchange(session, action, ENCODER.encode(request), timeout_s)
        if isinstance(answer.outcome, Exception):
            raise answer.outcome
        assert answer.outcome is not None  # the action is known
        return answer.outcome

    async def exchange(
        self, session: Session, action: str, payload: bytes, timeout_s: float, message_id: str | None = None
    ) -> Answer:
        """Send a CALL of any action and payload, unchecked; see `CentralSystem.exchange`."""
        async with session.turn:
            message_id = message_id or str(UUID(int=self._random.getrandbits(128), version=4))
            frame = encode_call_raw(message_id, action, payload)
            connection = session.require_connection()
            triggered = _triggered(action, payload)
            if triggered is not None:
                session.triggered.add(triggered)
            pending = PendingCall(action, asyncio.get_running_loop().create_future())
            session.pending[message_id] = pending
            connection.send(frame)
            self._record(session, Direction.TO_CHARGE_POINT, Kind.CALL, action, frame)
            try:
                async with asyncio.timeout(timeout_s):
                    return await pending.answer
            except TimeoutError:
                session.await_no_answer(message_id)
                raise
            finally:
                session.pending.pop(message_id, None)

    def take_answer(self, session: Session, answer: CallResult | CallError, data: bytes) -> None:
        """Match an answer to its CALL.

        Args:
            session: the charge point.
            answer: the decoded answer.
            data: the frame that it came in.
        """
        kind = Kind.RESULT if isinstance(answer, CallResult) else Kind.ERROR
        pending = session.pending.pop(answer.id, None)
        action = "" if pending is None else pending.action
        self._record(session, Direction.FROM_CHARGE_POINT, kind, action, data)
        if pending is None:
            if answer.id not in session.unawaited:
                self._report(session, Finding(Rule.UNKNOWN_ANSWER, f"no CALL has the id {answer.id!r}"), data)
            return
        registration = self._ledger.charge_point(session.identity).registration
        if registration == RegistrationStatus.REJECTED:
            self._report(session, Finding(Rule.REJECTED_SILENCE, f"answered {action} while Rejected"), data)
        if isinstance(answer, CallError):
            taken = Answer(answer.id, kind, b"", self._refusal(session, answer, data))
        else:
            outcome = self._decode_answer(session, action, answer, data) if action in ACTIONS else None
            taken = Answer(answer.id, kind, bytes(answer.payload), outcome)
        if not pending.answer.done():
            pending.answer.set_result(taken)

    def _refusal(self, session: Session, error: CallError, data: bytes) -> CallRefused:
        try:
            details = msgspec.json.decode(error.details, type=dict[str, object])
        except msgspec.DecodeError:
            self._report(session, Finding(Rule.FRAME, "errorDetails is no object that can be read"), data)
            details = {}
        return CallRefused(error.code, error.description, details)

    def _decode_answer(
        self, session: Session, action: str, result: CallResult, data: bytes
    ) -> Response | PayloadError:
        """Return the response, or why it is none, which is reported."""
        name = f"{action}Response"
        try:
            response = decode_response(action, result.payload)
        except PayloadError as error:
            self._report(session, Finding(Rule.SCHEMA, f"{name}: {error.description}"), data)
            return error
        invalid = schema_error(name, bytes(result.payload)) if self._validate else None
        if invalid is not None:
            self._report(session, Finding(Rule.SCHEMA, f"{name}: {invalid.message}"), data)
            return PayloadError(CallErrorCode.FORMATION_VIOLATION, invalid.message)
        return response


def _triggered(action: str, payload: bytes) -> str | None:
    """Return the action that a CALL asks the charge point to send."""
    if action not in {"TriggerMessage", "ExtendedTriggerMessage"}:
        return None
    try:
        request = decode_request_payload(action, msgspec.Raw(payload))
    except PayloadError:
        return None
    if isinstance(request, TriggerMessage):
        return request.requested_message
    assert isinstance(request, ExtendedTriggerMessage)
    return _EXTENDED_TRIGGERS.get(request.requested_message, request.requested_message)
