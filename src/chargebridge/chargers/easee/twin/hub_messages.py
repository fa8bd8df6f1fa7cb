"""The messages of a SignalR hub. Pure; an unreadable message does not end the connection."""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw, Struct

from chargebridge.chargers.easee.twin.ticks import parse_time
from chargebridge.chargers.easee.twin.wire import Response, Update

SEPARATOR: Final = "\x1e"
"""The end of every message."""
COMMENT_LIMIT: Final = 500

_INVOCATION: Final = 1
_COMPLETION: Final = 3
_CLOSE: Final = 7


class Refusal(Struct, frozen=True):
    """A call of ours failed on the hub's side."""

    invocation_id: str
    error: str


class Closing(Struct, frozen=True):
    """The hub is about to close the connection."""

    error: str


class Unreadable(Struct, frozen=True):
    """A message that cannot be read."""

    reason: str


HubMessage = Update | Response | Refusal | Closing | Unreadable


class _Message(Struct, frozen=True, rename="camel"):
    type: int
    target: str = ""
    arguments: tuple[Raw, ...] = ()
    invocation_id: str | None = None
    error: str | None = None


class _Observation(Struct, frozen=True):
    mid: str
    id: int
    timestamp: str
    value: Raw


class _CommandResponse(Struct, frozen=True, rename="camel"):
    serial_number: str
    id: int
    ticks: int
    was_accepted: bool
    comment: str | None = None


_message: Final = msgspec.json.Decoder(_Message)
_observation: Final = msgspec.json.Decoder(_Observation)
_response: Final = msgspec.json.Decoder(_CommandResponse)
_text: Final = msgspec.json.Decoder(str)


def read_frame(frame: str) -> Iterator[HubMessage]:
    """Yield the messages of a frame; pings and unused messages are skipped.

    Args:
        frame: messages, each followed by `SEPARATOR`.
    """
    for text in frame.split(SEPARATOR):
        if text:
            try:
                message = _read(text)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                message = Unreadable(f"{type(error).__name__}: {error}"[:200])
            if message is not None:
                yield message


def _read(text: str) -> HubMessage | None:
    message = _message.decode(text)
    if message.type == _INVOCATION:
        match message.target:
            case "ProductUpdate" | "ChargerUpdate":
                return _update(_only(message))
            case "CommandResponse":
                return _command_response(_only(message))
            case _:
                return None
    if message.type == _COMPLETION and message.error is not None:
        return Refusal(message.invocation_id or "", message.error)
    return Closing(message.error or "") if message.type == _CLOSE else None


def _only(message: _Message) -> Raw:
    if len(message.arguments) != 1:
        raise ValueError(f"{message.target} with {len(message.arguments)} arguments")
    return message.arguments[0]


def _update(argument: Raw) -> Update:
    read = _observation.decode(argument)
    value = bytes(read.value)
    # Text for every type; a JSON value that is not a string is taken as it is written.
    text = _text.decode(value) if value.startswith(b'"') else value.decode()
    return Update(read.mid, read.id, parse_time(read.timestamp), "" if text == "null" else text)


def _command_response(argument: Raw) -> Response:
    read = _response.decode(argument)
    comment = (read.comment or "")[:COMMENT_LIMIT]
    return Response(read.serial_number, read.id, read.ticks, read.was_accepted, comment)
