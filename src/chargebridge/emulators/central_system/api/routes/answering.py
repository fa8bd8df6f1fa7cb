"""Scripted answers: instead of the usual one to a CALL of a charge point."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from chargebridge.emulators.central_system.api.any_json import encoded, encoded_text
from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.emulators.central_system.scripting import (
    AS_USUAL,
    NOTHING,
    Answer,
    CallRefused,
    Delayed,
    Lost,
    PromptAnswer,
    Raw,
    Repeated,
    Unchecked,
)
from chargebridge.emulators.central_system.validation import schema_error
from chargebridge.ocpp16.errors import PayloadError
from chargebridge.ocpp16.payloads import decode_response
from chargebridge.rest.parameters import Identity
from chargebridge.rest.problems import RefusedError, answers

router = APIRouter(tags=["answers"])

MOST_SCRIPTS: Final = 1000

ActionToAnswer = Literal[
    "Authorize",
    "BootNotification",
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
]
"""The actions that charge points send."""


class _Script(BaseModel):
    model_config = ConfigDict(extra="forbid")

    calls: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=1_000_000,
        description="For so many CALLs, then as usual; null: until it is removed.",
    )
    delay_s: float = Field(
        strict=True,
        default=0,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds to hold the answer back.",
    )
    repeat: int = Field(default=1, strict=True, ge=1, le=10, description="How often the answer is sent.")


class UsualAnswer(_Script):
    """The usual answer, but late, repeated, or lost after the message was recorded."""

    answer: Literal["usual"]
    lost: bool = Field(default=False, strict=True, description="Record the message, and do not answer.")


class ResultAnswer(_Script):
    """A CALLRESULT with this payload, right or wrong; only the registration of a boot is recorded."""

    answer: Literal["result"]
    payload: Any = Field(description="Any JSON.", examples=[{"idTagInfo": {"status": "Blocked"}}])


class ErrorAnswer(_Script):
    """A CALLERROR; the message is not recorded."""

    answer: Literal["error"]
    code: str = Field(max_length=255, examples=["InternalError"])
    description: str = Field(default="", max_length=1000)
    details: dict[str, Any] = Field(default_factory=dict)


class NoAnswer(_Script):
    """No answer; the message is not recorded."""

    answer: Literal["none"]


class TextAnswer(_Script):
    """Any text instead of an answer; the message is not recorded."""

    answer: Literal["text"]
    text: str = Field(examples=["<html>502 Bad Gateway</html>"])


AnyScript = UsualAnswer | ResultAnswer | ErrorAnswer | NoAnswer | TextAnswer
ScriptedAnswer = Annotated[AnyScript, Field(discriminator="answer")]


class ScriptView(BaseModel):
    """A scripted answer in force."""

    action: str
    charge_point: str | None = Field(description="Null: of all that have none of their own.")
    calls_left: int | None = Field(description="Null: until it is removed.")
    script: ScriptedAnswer


@dataclass
class _Playing:
    script: AnyScript
    left: int | None


class Scripts:
    """The scripted answers of one central system.

    Args:
        central_system: the central system.
    """

    def __init__(self, central_system: CentralSystem) -> None:
        self._central_system = central_system
        self._playing: dict[tuple[str, str | None], _Playing] = {}

    def play(
        self,
        action: str,
        identity: str | None,
        script: AnyScript,
    ) -> None:
        """Answer an action by a script, of one charge point or of all.

        Raises:
            RefusedError: 422, the script cannot be encoded; 409, there are too many.
        """
        key = (action, identity)
        if key not in self._playing and len(self._playing) >= MOST_SCRIPTS:
            raise RefusedError(
                409, f"there are {MOST_SCRIPTS} scripted answers", "DELETE one of GET /answers"
            )
        answer = _answer(action, script)
        playing = self._playing[key] = _Playing(script, script.calls)

        def handle(_: str, __: object) -> Answer:
            if playing.left is not None:
                playing.left -= 1
                if playing.left <= 0:
                    self.stop(action, identity)
            return answer

        self._central_system.answer(action, handle, identity=identity)

    def stop(self, action: str, identity: str | None) -> bool:
        """Answer as usual again; return False if there was no script."""
        self._central_system.answer_as_usual(action, identity=identity)
        return self._playing.pop((action, identity), None) is not None

    def views(self) -> list[ScriptView]:
        """Return the scripts in force."""
        return [
            ScriptView(action=action, charge_point=identity, calls_left=playing.left, script=playing.script)
            for (action, identity), playing in self._playing.items()
        ]


def _answer(action: str, script: AnyScript) -> Answer:
    answer = _content(action, script)
    if script.repeat > 1:
        answer = Repeated(script.repeat, answer)
    if isinstance(script, UsualAnswer) and script.lost:
        answer = Lost(answer)
    return Delayed(script.delay_s, answer) if script.delay_s else answer


def _content(action: str, script: AnyScript) -> PromptAnswer:
    match script:
        case UsualAnswer():
            return AS_USUAL
        case ResultAnswer():
            return _result(action, encoded(script.payload))
        case ErrorAnswer():
            encoded([script.code, script.description], "code")
            encoded(script.details, "details")
            return CallRefused(script.code, script.description, script.details)
        case TextAnswer():
            return Raw(encoded_text(script.text))
        case NoAnswer():
            return NOTHING


def _result(action: str, payload: bytes) -> PromptAnswer:
    """Return a response, or what breaks the schema of one, as it is."""
    try:
        response = decode_response(action, msgspec.Raw(payload))
    except PayloadError:
        return Unchecked(payload)
    return response if schema_error(f"{action}Response", payload) is None else Unchecked(payload)


async def _scripts(request: Request) -> Scripts:
    scripts: Scripts = request.app.state.scripts
    return scripts


TheScripts = Annotated[Scripts, Depends(_scripts)]
_NONE: Final = answers(not_found="There is no such scripted answer.")
_FULL: Final = answers(conflict=f"There are {MOST_SCRIPTS} scripted answers.")


@router.get("/answers", summary="List scripted answers")
async def list_answers(scripts: TheScripts) -> list[ScriptView]:
    """List the scripted answers in force."""
    return scripts.views()


@router.put("/answers/{action}", summary="Script an answer", status_code=204, responses=_FULL)
async def script_answer(scripts: TheScripts, action: ActionToAnswer, script: ScriptedAnswer) -> None:
    """Answer an action by a script, of all charge points that have none of their own."""
    scripts.play(action, None, script)


@router.delete("/answers/{action}", summary="Answer as usual", status_code=204, responses=_NONE)
async def unscript_answer(scripts: TheScripts, action: ActionToAnswer) -> None:
    """Remove a scripted answer."""
    _stop(scripts, action, None)


_OF_ONE: Final = "/charge-points/{identity}/answers/{action}"


@router.put(_OF_ONE, summary="Script an answer to one charge point", status_code=204, responses=_FULL)
async def script_answer_to_one(
    scripts: TheScripts, identity: Identity, action: ActionToAnswer, script: ScriptedAnswer
) -> None:
    """Answer an action of one charge point by a script; it need not have connected yet."""
    scripts.play(action, identity, script)


@router.delete(_OF_ONE, summary="Answer one charge point as usual", status_code=204, responses=_NONE)
async def unscript_answer_to_one(scripts: TheScripts, identity: Identity, action: ActionToAnswer) -> None:
    """Remove the scripted answer of one charge point."""
    _stop(scripts, action, identity)


def _stop(scripts: Scripts, action: str, identity: str | None) -> None:
    if not scripts.stop(action, identity):
        raise RefusedError(404, f"there is no scripted answer to {action} here", "GET /answers lists them")
