"""The answers that the handler of a test can return to the central system.

`CentralSystem.answer` takes a handler. It is called with the identity and the decoded request:

| the handler returns | answer | ledger |
|---|---|---|
| a response struct | this response | only a boot's registration status |
| `AS_USUAL` | as without a handler | as without a handler |
| `CallRefused(code)`, or raises it | a CALLERROR | unchanged |
| `NOTHING` | none | unchanged |
| `Lost(answer)` | none | as for `answer` |
| `Delayed(seconds, answer)` | `answer`, later | as for `answer`, at once |
| `Repeated(times, answer)` | `answer`, several times | as for `answer`, once |
| `Unchecked(payload)` | a CALLRESULT with this JSON, whatever it is | only a boot's registration status |
| `Altered(change)` | the usual answer with another payload | as without a handler |
| `HangUp(code, answer=answer)` | none; the connection is closed | as for `answer` |
| `Raw(data)` | these bytes as a text message | unchanged |

The count of CALLs in the ledger includes every CALL with a valid payload.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import msgspec

from chargebridge.ocpp16.messages import Response


class CallRefused(Exception):  # noqa: N818 - an outcome of the protocol, no fault of the program
    """A CALL was answered, or is to be answered, with a CALLERROR.

    Args:
        code: the errorCode, as on the wire (`RPC-9`).
        description: the errorDescription, for people.
        details: the errorDetails, for programs.
    """

    def __init__(self, code: str, description: str = "", details: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.details = dict(details or {})


class Marker(Enum):
    """Answers without content."""

    AS_USUAL = auto()
    NOTHING = auto()


AS_USUAL: Final = Marker.AS_USUAL
"""Record and answer as without a handler."""
NOTHING: Final = Marker.NOTHING
"""Neither record nor answer."""


@dataclass(frozen=True)
class Lost:
    """Record the message, but do not send the answer."""

    answer: "PromptAnswer" = AS_USUAL


@dataclass(frozen=True)
class Repeated:
    """Send the answer `times` times."""

    times: int
    answer: "PromptAnswer" = AS_USUAL


@dataclass(frozen=True)
class Unchecked:
    """Send a CALLRESULT whose payload is any JSON text, also one that breaks its schema."""

    payload: bytes


@dataclass(frozen=True)
class Raw:
    """Send any bytes as a text message."""

    data: bytes


@dataclass(frozen=True)
class Delayed:
    """Record the message now, and answer after so many real seconds."""

    seconds: float
    answer: "PromptAnswer" = AS_USUAL


@dataclass(frozen=True)
class Altered:
    """Record the message, and answer with what `change` makes of the usual payload: any JSON."""

    change: Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class HangUp:
    """Close the connection instead of an answer: with this code, or without a close frame if it is None."""

    code: int | None = 1011
    reason: str = ""
    answer: "PromptAnswer" = Marker.NOTHING
    """Which is recorded, but not sent."""


PromptAnswer = Response | CallRefused | Marker | Lost | Repeated | Unchecked | Raw | Altered
Answer = PromptAnswer | Delayed | HangUp
Handler = Callable[[str, Any], Answer]
"""Takes the identity of the charge point and its request, a struct of the action's type."""


def encode_refusal(message_id: str, refusal: CallRefused) -> bytes:
    """Encode a CALLERROR; its code may be any text, unlike a charge point's."""
    return msgspec.json.encode([4, message_id, refusal.code, refusal.description, refusal.details])
