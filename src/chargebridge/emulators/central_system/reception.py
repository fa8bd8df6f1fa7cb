"""Receives CALLs of charge points: decodes and checks them, and encodes the replies."""

from typing import NamedTuple

import msgspec

from chargebridge.clock import Clock
from chargebridge.emulators.central_system.conformance import timestamp_findings
from chargebridge.emulators.central_system.responder import Report, Responder
from chargebridge.emulators.central_system.scripting import (
    AS_USUAL,
    Altered,
    Answer,
    CallRefused,
    Delayed,
    Handler,
    HangUp,
    Lost,
    Marker,
    PromptAnswer,
    Raw,
    Repeated,
    Unchecked,
    encode_refusal,
)
from chargebridge.emulators.central_system.session import Session
from chargebridge.emulators.central_system.transcript import Kind
from chargebridge.emulators.central_system.validation import require_valid, schema_error
from chargebridge.emulators.central_system.violations import Finding, Rule
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.ocpp16.errors import CallErrorCode, PayloadError
from chargebridge.ocpp16.frames import Call, decode_request, encode_result, encode_result_raw
from chargebridge.ocpp16.messages import BootNotification, BootNotificationResponse, Request, Response


class Reply(NamedTuple):
    """A message to send."""

    kind: Kind
    frame: bytes


class _Registration(msgspec.Struct):
    """The part of an answer to BootNotification that registers a charge point."""

    status: RegistrationStatus


class CallOutcome(NamedTuple):
    """The replies to a CALL."""

    replies: list[Reply]
    delay_s: float
    """How long to hold back the replies, in real seconds."""
    hang_up: HangUp | None = None
    """How to close the connection, which then gets no reply."""

    @property
    def is_prompt(self) -> bool:
        """Whether the charge point receives a CALLRESULT or CALLERROR at once."""
        return self.delay_s == 0 and any(reply.kind is not Kind.RAW for reply in self.replies)


class Reception:
    """Decodes, checks and answers CALLs, by a handler of a test or by the responder.

    Args:
        responder: answers without a handler.
        clock: the time for answers and records.
        validate: check payloads in and out against the official schemas.
    """

    def __init__(self, responder: Responder, clock: Clock, *, validate: bool) -> None:
        self.handlers: dict[tuple[str, str | None], Handler] = {}
        """Handlers by action and identity; None stands for every identity."""
        self._responder = responder
        self._clock = clock
        self._validate = validate

    def take(self, session: Session, call: Call, report: Report) -> CallOutcome:
        """Record a CALL and return its replies."""
        try:
            request = self._decode(call, report)
            self._responder.ledger.record_event(session.identity, call.action)
            for finding in timestamp_findings(bytes(call.payload)):
                report(finding)
            self._responder.admit(session, call.action, self._clock.now(), report)
            answer = self._scripted(session, call.action, request)
            delay_s = 0.0
            if isinstance(answer, Delayed):
                delay_s, answer = answer.seconds, answer.answer
            if isinstance(answer, HangUp):
                self._replies(session, call, request, answer.answer, report)
                outcome = CallOutcome([], 0.0, answer)
            else:
                outcome = CallOutcome(self._replies(session, call, request, answer, report), delay_s)
        except CallRefused as refusal:
            outcome = CallOutcome([Reply(Kind.ERROR, encode_refusal(call.id, refusal))], 0.0)
        if call.action == "StartTransaction" and not any(
            reply.kind is Kind.RESULT for reply in outcome.replies
        ):
            session.lost_starts = True
        return outcome

    def _decode(self, call: Call, report: Report) -> Request:
        try:
            request = decode_request(call)
        except PayloadError as error:
            unknown = error.code is CallErrorCode.NOT_IMPLEMENTED
            rule = Rule.ACTION if unknown else Rule.SCHEMA
            report(Finding(rule, f"{call.action}: {error.description}"))
            raise CallRefused(error.code, error.description) from error
        if self._validate:
            invalid = schema_error(call.action, bytes(call.payload))
            if invalid is not None:
                report(Finding(Rule.SCHEMA, f"{call.action}: {invalid.message}"))
                # RPC-11: one code for all errors but those of enumerations, like the typed messages.
                code = CallErrorCode.FORMATION_VIOLATION
                if invalid.validator == "enum":
                    code = CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION
                raise CallRefused(code, invalid.message)
        return request

    def _scripted(self, session: Session, action: str, request: Request) -> Answer:
        if not self.handlers:
            return AS_USUAL
        handler = self.handlers.get((action, session.identity)) or self.handlers.get((action, None))
        return AS_USUAL if handler is None else handler(session.identity, request)

    def _replies(
        self, session: Session, call: Call, request: Request, answer: PromptAnswer, report: Report
    ) -> list[Reply]:
        match answer:
            case Marker.AS_USUAL:
                return [
                    self._result(call, self._responder.respond(session, request, self._clock.now(), report))
                ]
            case Response():
                if isinstance(request, BootNotification) and isinstance(answer, BootNotificationResponse):
                    self._responder.register(session, request, answer, self._clock.now())
                return [self._result(call, answer)]
            case CallRefused():
                return [Reply(Kind.ERROR, encode_refusal(call.id, answer))]
            case Unchecked(payload):
                if isinstance(request, BootNotification):
                    self._register_unchecked(session, request, payload)
                return [Reply(Kind.RESULT, encode_result_raw(call.id, payload))]
            case Altered(change):
                usual = self._responder.respond(session, request, self._clock.now(), report)
                altered = change(msgspec.json.decode(msgspec.json.encode(usual)))
                return [Reply(Kind.RESULT, msgspec.json.encode([3, call.id, altered]))]
            case Raw(data):
                return [Reply(Kind.RAW, data)]
            case Repeated(times, repeated):
                return self._replies(session, call, request, repeated, report) * times
            case Lost(lost):
                self._replies(session, call, request, lost, report)
                return []
            case Marker.NOTHING:
                return []

    def _register_unchecked(self, session: Session, request: BootNotification, payload: bytes) -> None:
        """Record the registration status of an answer that may break its schema."""
        try:
            said = msgspec.json.decode(payload, type=_Registration)
        except msgspec.MsgspecError:
            return
        answer = BootNotificationResponse(status=said.status, current_time="", interval=0)
        self._responder.register(session, request, answer, self._clock.now())

    def _result(self, call: Call, response: Response) -> Reply:
        if self._validate:
            require_valid(f"{call.action}Response", response)
        return Reply(Kind.RESULT, encode_result(call.id, response))
