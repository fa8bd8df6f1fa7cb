"""What a test can make the central system answer instead of the usual.

A handler given to `CentralSystem.answer` gets the identity and the decoded request and returns one
of these, or raises `CallRefused` to answer with a CALLERROR:

- a response struct: sent as it is; nothing is recorded in the ledger but a boot's registration;
- `AS_USUAL`: what would have happened without the handler;
- `CallRefused(code)`, returned or raised: a CALLERROR, and nothing is recorded;
- `NOTHING`: the message is neither recorded nor answered;
- `Lost(answer)`: it is recorded, and the answer never leaves;
- `Delayed(seconds, answer)`: it is recorded now and answered later;
- `Repeated(times, answer)`: the same answer is sent several times;
- `Raw(data)`: these bytes are sent as a text message.
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
        code: the error code, spelt as on the wire (`RPC-9`).
        description: what is wrong, for a person.
        details: more of it, for a program.
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
"""Record and answer as without a script."""
NOTHING: Final = Marker.NOTHING
"""Neither record nor answer."""


@dataclass(frozen=True)
class Lost:
    """Record the message, but let the answer get lost."""

    answer: "PromptAnswer" = AS_USUAL


@dataclass(frozen=True)
class Repeated:
    """Send the answer so many times."""

    times: int
    answer: "PromptAnswer" = AS_USUAL


@dataclass(frozen=True)
class Raw:
    """Send these bytes, whatever they are, as a text message."""

    data: bytes


@dataclass(frozen=True)
class Delayed:
    """Record the message now and answer after so many real seconds."""

    seconds: float
    answer: "PromptAnswer" = AS_USUAL


PromptAnswer = Response | CallRefused | Marker | Lost | Repeated | Raw
Answer = PromptAnswer | Delayed
Handler = Callable[[str, Any], Answer]
"""Takes the identity of the charge point and its request, of the type that belongs to the action."""


def encode_refusal(message_id: str, refusal: CallRefused) -> bytes:
    """Write the CALLERROR; unlike a charge point's, its code may be any text."""
    return msgspec.json.encode([4, message_id, refusal.code, refusal.description, refusal.details])
