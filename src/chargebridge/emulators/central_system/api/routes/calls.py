"""CALLs to a charge point: every action by its type, and anything at all."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from chargebridge.emulators.central_system.api.any_json import (
    decoded,
    encoded,
    encoded_text,
    showable,
)
from chargebridge.emulators.central_system.api.parameters import UNKNOWN, KnownIdentity, TheCentralSystem
from chargebridge.emulators.central_system.api.schemas import ACTIONS_TO_SEND, reference
from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.emulators.central_system.scripting import CallRefused
from chargebridge.emulators.central_system.session import Answer
from chargebridge.emulators.central_system.transcript import Kind
from chargebridge.emulators.central_system.validation import require_valid
from chargebridge.ocpp16.actions import ACTIONS, Action
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.errors import PayloadError
from chargebridge.ocpp16.frames import ID_LIMIT
from chargebridge.ocpp16.payloads import decode_request_payload
from chargebridge.rest.problems import RefusedError, answers

router = APIRouter(prefix="/charge-points/{identity}", responses=UNKNOWN)

SHORTEST_TIMEOUT_S: Final = 0.01
LONGEST_TIMEOUT_S: Final = 120

Timeout = Annotated[
    float,
    Query(
        ge=SHORTEST_TIMEOUT_S,
        le=LONGEST_TIMEOUT_S,
        allow_inf_nan=False,
        description="Seconds to wait for the answer.",
    ),
]

_NOT_CONNECTED: Final = answers(conflict="The charge point is not connected.")
_RESPONSES: Final = _NOT_CONNECTED | answers(
    bad_gateway="The charge point disconnected before it answered.",
    gateway_timeout="The charge point did not answer in time.",
)


class CallErrorView(BaseModel):
    """A CALLERROR."""

    code: str = Field(examples=["NotSupported"])
    description: str
    details: dict[str, Any]


class CallAnswer(BaseModel):
    """The answer of a charge point to a CALL."""

    id: str = Field(description="The message id of the CALL.")
    action: str
    kind: Literal["CALLRESULT", "CALLERROR"]
    payload: Any = Field(
        default=None, description="Of a CALLRESULT, as it came.", examples=[{"status": "Accepted"}]
    )
    error: CallErrorView | None = Field(default=None, description="Only of a CALLERROR.")
    invalid: str | None = Field(
        default=None,
        description="What is wrong with the payload of a CALLRESULT.",
    )


class AnyCall(BaseModel):
    """A CALL, right or wrong."""

    model_config = ConfigDict(extra="forbid")

    action: str = Field(max_length=255, examples=["Reset"])
    payload: Any = Field(description="Any JSON.", examples=[{"type": "Lukewarm"}])
    id: str | None = Field(
        default=None, min_length=1, max_length=ID_LIMIT, description="The message id; null: a new one."
    )


class AnyText(BaseModel):
    """A text message, right or wrong."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(examples=['[2,"1","Reset",{"type":"Soft"'])


class Sent(BaseModel):
    """A text message that was sent."""

    index: int = Field(description="Its number among the frames of the charge point.")


async def _exchange(
    central_system: CentralSystem,
    identity: str,
    action: str,
    payload: bytes,
    timeout_s: float,
    message_id: str | None = None,
) -> CallAnswer:
    _require_connected(central_system, identity)
    try:
        answer = await central_system.exchange(identity, action, payload, timeout_s, message_id=message_id)
    except TimeoutError as error:
        raise RefusedError(
            504,
            f"{identity!r} did not answer {action} in {timeout_s:g} s",
            "a late answer is among its frames; timeout_s waits longer",
        ) from error
    except ConnectionResetError as error:
        raise RefusedError(502, f"{identity!r} disconnected before it answered {action}") from error
    except ConnectionError as error:
        raise _not_connected(central_system, identity) from error
    return _shown(action, answer)


def _require_connected(central_system: CentralSystem, identity: str) -> None:
    if not central_system.connected(identity):
        raise _not_connected(central_system, identity)


def _not_connected(central_system: CentralSystem, identity: str) -> RefusedError:
    return RefusedError(
        409, f"{identity!r} is not connected", f"let it connect to {central_system.url}/{identity}"
    )


def _shown(action: str, answer: Answer) -> CallAnswer:
    if isinstance(answer.outcome, CallRefused):
        refusal = answer.outcome
        showable(refusal.details)
        error = CallErrorView(code=refusal.code, description=refusal.description, details=refusal.details)
        return CallAnswer(id=answer.id, action=action, kind="CALLERROR", error=error)
    assert answer.kind is Kind.RESULT
    invalid = str(answer.outcome) if isinstance(answer.outcome, PayloadError) else None
    payload = decoded(answer.payload)
    return CallAnswer(id=answer.id, action=action, kind="CALLRESULT", payload=payload, invalid=invalid)


def _typed(action: Action) -> Callable[..., Awaitable[CallAnswer]]:
    async def call(
        request: Request,
        central_system: TheCentralSystem,
        identity: KnownIdentity,
        timeout_s: Timeout = 10.0,
    ) -> CallAnswer:
        body = await request.body() or b"{}"
        try:
            payload = decode_request_payload(action.name, msgspec.Raw(body))
            if central_system.validate:
                require_valid(action.name, payload)
        except PayloadError as error:
            raise RefusedError(
                422,
                f"body: {error.description}",
                f"GET /docs shows the fields of {action.name}; POST …/calls sends what breaks them, too",
            ) from error
        except ValueError as error:
            raise RefusedError(422, f"body: {error}", "POST …/calls sends it nevertheless") from error
        return await _exchange(central_system, identity, action.name, ENCODER.encode(payload), timeout_s)

    return call


def _describe(action: Action) -> str:
    text = (action.request.__doc__ or "").strip()
    return f"{text}\n\nThe payload of a CALLRESULT is a `{action.response.__name__}`."


def _add(action: Action) -> None:
    fields = msgspec.structs.fields(action.request)
    router.add_api_route(
        f"/calls/{action.name}",
        _typed(action),
        methods=["POST"],
        tags=["calls"],
        summary=f"Send {action.name}",
        description=_describe(action),
        operation_id=action.name,
        responses=_RESPONSES,
        response_model_exclude_none=True,
        openapi_extra={
            "requestBody": {
                "required": any(field.required for field in fields),
                "content": {"application/json": {"schema": reference(action.request.__name__)}},
            }
        },
    )


for _name in ACTIONS_TO_SEND:
    _add(ACTIONS[_name])


@router.post(
    "/calls",
    summary="Send any CALL",
    tags=["wrong on purpose"],
    responses=_RESPONSES,
    response_model_exclude_none=True,
)
async def send_any_call(
    central_system: TheCentralSystem, identity: KnownIdentity, call: AnyCall, timeout_s: Timeout = 10.0
) -> CallAnswer:
    """Send a CALL of any action with any payload, unchecked, and return the answer."""
    return await _exchange(central_system, identity, call.action, encoded(call.payload), timeout_s, call.id)


@router.post(
    "/frames", summary="Send any text", tags=["wrong on purpose"], status_code=202, responses=_NOT_CONNECTED
)
async def send_any_text(central_system: TheCentralSystem, identity: KnownIdentity, body: AnyText) -> Sent:
    """Send a text message as it is. Whatever the charge point answers is among its frames."""
    _require_connected(central_system, identity)
    central_system.send_raw(identity, encoded_text(body.text))
    return Sent(index=central_system.exchanges(identity)[-1].index)
