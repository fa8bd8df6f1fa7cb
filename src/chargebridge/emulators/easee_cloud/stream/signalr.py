"""Encodes and decodes messages of the JSON protocol of ASP.NET Core SignalR, version 1.

https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

SEPARATOR: Final = b"\x1e"
HANDSHAKE_ACCEPTED: Final = b"{}\x1e"
PING: Final = b'{"type":6}\x1e'

INVOCATION, COMPLETION, PING_TYPE, CLOSE = 1, 3, 6, 7


class MessageError(ValueError):
    """A client sent something that is not a message of this protocol."""


class Handshake(Struct, frozen=True):
    """The first message of a client."""

    protocol: str
    version: int


class ClientMessage(Struct, frozen=True, rename="camel"):
    """Any message of a client."""

    type: int
    target: str = ""
    arguments: Sequence[object] = ()
    invocation_id: str | None = None


class _Invocation(Struct, frozen=True):
    type: int
    target: str
    arguments: tuple[Mapping[str, object]]


class _Completion(Struct, frozen=True, rename="camel"):
    type: int
    invocation_id: str
    result: UnsetType | None = UNSET
    error: str | UnsetType = UNSET


_encoder = msgspec.json.Encoder()
_handshakes = msgspec.json.Decoder(Handshake)
_messages = msgspec.json.Decoder(ClientMessage)


def read_handshake(text: bytes) -> Handshake:
    """Decode a handshake; raises `MessageError` if it is invalid."""
    try:
        return _handshakes.decode(text)
    except (RecursionError, msgspec.MsgspecError) as error:
        raise MessageError(f"invalid handshake: {error}") from None


def read_message(text: bytes) -> ClientMessage:
    """Decode a message of a client; raises `MessageError` if it is invalid."""
    try:
        return _messages.decode(text)
    except (RecursionError, msgspec.MsgspecError) as error:
        raise MessageError(f"invalid message: {error}") from None


def invocation(target: str, argument: Mapping[str, object]) -> bytes:
    """Encode an invocation of a client's method with one argument."""
    return _encoder.encode(_Invocation(INVOCATION, target, (argument,))) + SEPARATOR


def completion(invocation_id: str, error: str | None = None) -> bytes:
    """Encode the completion of a client's invocation, without a result or with an error."""
    if error is None:
        return _encoder.encode(_Completion(COMPLETION, invocation_id, result=None)) + SEPARATOR
    return _encoder.encode(_Completion(COMPLETION, invocation_id, error=error)) + SEPARATOR


def handshake_refused(error: str) -> bytes:
    """Encode the answer to a handshake for an unsupported protocol."""
    return _encoder.encode({"error": error}) + SEPARATOR


def close(error: str | None = None) -> bytes:
    """Encode the message that closes a connection."""
    body: dict[str, object] = {"type": CLOSE, "allowReconnect": True}
    if error is not None:
        body["error"] = error
    return _encoder.encode(body) + SEPARATOR


def product_update(serial: str, id: int, data_type: int, timestamp: str, value: str) -> bytes:
    """Encode an observation. The text is formatted by hand since there are thousands a second.

    Args:
        serial: the charger's serial number.
        id: the observation's id.
        data_type: the data type of the value.
        timestamp: the time in ISO 8601.
        value: the value, always as text.
    """
    return (
        b'{"type":1,"target":"ProductUpdate","arguments":[{"mid":%b,"dataType":%d,"id":%d,'
        b'"timestamp":"%b","value":%b}]}\x1e'
        % (_encoder.encode(serial), data_type, id, timestamp.encode(), _encoder.encode(value))
    )
