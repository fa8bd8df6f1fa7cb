"""Frames of OCPP-J: encodes and decodes CALL, CALLRESULT and CALLERROR.

Senders and receivers use this module; it exports errors and payloads again.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import DecodeError, Meta, Raw, Struct, ValidationError
from msgspec.json import Decoder

from chargebridge.ocpp16.actions import ACTION_NAMES
from chargebridge.ocpp16.codec import ENCODER, repair
from chargebridge.ocpp16.errors import CallErrorCode, FrameError, PayloadError, UnknownMessageType
from chargebridge.ocpp16.fields import Request, Response
from chargebridge.ocpp16.payloads import DESCRIPTION_LIMIT, decode_request_payload, decode_response
from chargebridge.ocpp16.text import fit

__all__ = [
    "ID_LIMIT",
    "Call",
    "CallError",
    "CallErrorCode",
    "CallResult",
    "Frame",
    "FrameError",
    "PayloadError",
    "UnknownMessageType",
    "decode_frame",
    "decode_odd_answer",
    "decode_request",
    "decode_response",
    "encode_call",
    "encode_call_raw",
    "encode_error",
    "encode_result",
]

ID_LIMIT: Final = 36
"""Characters in a message id (RPC-3)."""

MessageId = Annotated[str, Meta(max_length=ID_LIMIT)]


class Call(Struct, frozen=True, array_like=True, tag=2, forbid_unknown_fields=True, gc=False):
    """A request: `[2, id, action, payload]` (RPC-1)."""

    id: MessageId
    action: str
    payload: Raw


class CallResult(Struct, frozen=True, array_like=True, tag=3, forbid_unknown_fields=True, gc=False):
    """The answer to a request: `[3, id, payload]` (RPC-1)."""

    id: MessageId
    payload: Raw


class CallError(Struct, frozen=True, array_like=True, tag=4, forbid_unknown_fields=True, gc=False):
    """The failure of a request: `[4, id, code, description, details]` (RPC-1).

    `code` is text: whatever it says, the request has failed (RPC-10).
    """

    id: MessageId
    code: str
    description: str
    details: Raw


Frame = Call | CallResult | CallError

_decoder: Final[Decoder[Frame]] = Decoder(Frame)
_read_text: Final = Decoder(str).decode
_read_id: Final = Decoder(MessageId).decode
_read_elements: Final = Decoder(list[Raw]).decode
_encode: Final = ENCODER.encode
_NULL: Final = Raw(b"null")
_EMPTY_OBJECT: Final = Raw(b"{}")


def decode_frame(data: bytes | bytearray | memoryview) -> Frame:
    """Decode a frame; its payload stays JSON.

    A payload of `null` becomes `{}` (RPC-4). `data` may be overwritten afterwards.

    Raises:
        UnknownMessageType: if the frame is to be ignored (RPC-7).
        FrameError: if it is no frame at all, whatever `data` is.
    """
    if type(data) is not bytes:
        # A payload refers to the bytes it came in.
        data = bytes(data)
    try:
        if not data.isascii():
            # What a payload's strings are made of is looked at here, or never.
            data.decode()
        frame = _decoder.decode(data)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(data, error) from error
    if type(frame) is CallResult:
        return frame if frame.payload != _NULL else CallResult(frame.id, _EMPTY_OBJECT)
    if type(frame) is Call and frame.payload == _NULL:
        return Call(frame.id, frame.action, _EMPTY_OBJECT)
    return frame


def decode_odd_answer(data: bytes) -> CallResult | CallError | None:
    """Decode an answer that `decode_frame` refuses, for its elements or since it is not quite JSON.

    Its type and id say what it answers; of the rest, what can be used is used (RPC-14). Central systems
    leave the details of a CALLERROR out, send `null` for its description, or write `NaN` for a number.

    Returns:
        The answer, with text that is missing or no text as `""`; None: this answers nothing.
    """
    try:
        kind, id, *rest = map(bytes, _elements(data))
        message_id = _read_id(id)
    except (ValueError, RecursionError):
        return None  # msgspec's errors and those of UTF-8 are ValueErrors, as is too few to unpack
    if kind == b"3":
        return CallResult(message_id, _EMPTY_OBJECT if rest[:1] in ([], [b"null"]) else Raw(rest[0]))
    if kind == b"4":
        code, description = [*map(_text_or_empty, rest[:2]), "", ""][:2]
        return CallError(message_id, code, description, Raw(rest[2]) if len(rest) > 2 else _EMPTY_OBJECT)
    return None


def _elements(data: bytes) -> list[Raw]:
    try:
        return _read_elements(data)
    except DecodeError:
        return _read_elements(repair(data))


def _text_or_empty(data: bytes) -> str:
    """Read a JSON text; `""` for anything else."""
    try:
        return _read_text(data)
    except ValueError:
        return ""


_TYPE_NUMBER = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*(-?[0-9]+)[ \t\r\n]*[,\]]")
_CALL_ID = re.compile(rb'[ \t\r\n]*\[[ \t\r\n]*2[ \t\r\n]*,[ \t\r\n]*("(?:[^"\\\x00-\x1f]|\\.)*+")')


def _refusal(data: bytes, error: DecodeError | UnicodeDecodeError | RecursionError) -> FrameError:
    if isinstance(error, UnicodeDecodeError):
        return FrameError("not UTF-8")
    number = _TYPE_NUMBER.match(data)
    if number is not None and number[1] not in {b"2", b"3", b"4"}:
        return UnknownMessageType("unknown message type number")
    described = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    if isinstance(error, ValidationError):
        described = f"not a frame of OCPP-J: {described}"
    return FrameError(fit(described, DESCRIPTION_LIMIT), _call_id(data))


def _call_id(data: bytes) -> str | None:
    """Return the id of a broken CALL, by which its sender knows the answer, however long; None: no text."""
    found = _CALL_ID.match(data)
    try:
        return None if found is None else _read_text(found[1])
    except (DecodeError, UnicodeDecodeError):
        return None  # an escape that is none


def decode_request(call: Call, *, tolerant: bool = False) -> Request:
    """Decode a CALL's payload to the request of its action.

    Args:
        call: the frame.
        tolerant: take unknown fields, and optional ones that are `null`, as absent (RPC-12).

    Raises:
        PayloadError: with the code and description to answer with (RPC-11).
    """
    return decode_request_payload(call.action, call.payload, tolerant=tolerant)


def encode_call(message_id: str, request: Request) -> bytes:
    """Write a CALL; the action is the request's own."""
    return _encode((2, message_id, ACTION_NAMES[type(request)], request))


def encode_call_raw(message_id: str, action: str, payload: Raw | bytes) -> bytes:
    """Write a CALL whose payload was encoded before and kept, and is sent again unchanged."""
    return _encode((2, message_id, action, Raw(payload)))


def encode_result(message_id: str, response: Response) -> bytes:
    """Write the CALLRESULT that answers the CALL of this id."""
    return _encode((3, message_id, response))


def encode_result_raw(message_id: str, payload: bytes) -> bytes:
    """Write a CALLRESULT whose payload is encoded already."""
    return _encode((3, message_id, Raw(payload)))


def encode_error(
    message_id: str, code: CallErrorCode, description: str = "", details: Mapping[str, object] | None = None
) -> bytes:
    """Write the CALLERROR that answers the CALL of this id (RPC-13).

    Args:
        message_id: the CALL's id.
        code: why it failed.
        description: what a person should know, cut to 255 characters.
        details: anything JSON can hold.
    """
    return _encode((4, message_id, code, fit(description, DESCRIPTION_LIMIT), details or {}))
