"""The messages on an operator's bus: routing keys and bodies. Pure.

Queue, exchange and the bodies of commands are documented. Routing keys and the other bodies are inferred:
they are those of the Masterloop platform, whose names and numbers the bus uses. So the keys are settings.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from chargebridge.chargers.easee.twin.ticks import format_time, parse_time, utc_ms_of_ticks
from chargebridge.chargers.easee.twin.vocabulary import RoutingKey
from chargebridge.chargers.easee.twin.wire import Pulse, Response, Update

BODY_LIMIT: Final = 64 * 1024
"""The most bytes of a body."""
COMMENT_LIMIT: Final = 500

_PARTS: Final = {
    "serial": r"(?P<serial>[^.\s]{1,64})",
    "id": r"(?P<id>\d{1,9})",
    "ticks": r"(?P<ticks>\d{1,19})",
}


class Patterns(Struct, frozen=True):
    """The patterns of routing keys, with `{serial}`, `{id}` and `{ticks}`."""

    observation: str = RoutingKey.OBSERVATION.value
    command: str = RoutingKey.COMMAND.value
    response: str = RoutingKey.RESPONSE.value
    pulse: str = RoutingKey.PULSE.value


class Kind(StrEnum):
    """The kinds of messages that are read."""

    OBSERVATION = "observation"
    RESPONSE = "response"
    PULSE = "pulse"


class _Observation(Struct, frozen=True, rename="pascal"):
    timestamp: str
    value: Raw


class _Response(Struct, frozen=True, rename="pascal"):
    was_accepted: bool
    comment: str | None = None


class _Argument(Struct, frozen=True, rename="pascal"):
    id: int
    value: str


class _Command(Struct, frozen=True, rename="pascal"):
    id: int
    timestamp: str
    expires_at: str
    arguments: tuple[_Argument, ...]


_Body = TypeVar("_Body")

_observation: Final = msgspec.json.Decoder(_Observation)
_response: Final = msgspec.json.Decoder(_Response)
_text: Final = msgspec.json.Decoder(str)


class MessageReader:
    """Parses messages by their routing keys.

    Args:
        patterns: the patterns of the keys.

    Raises:
        ValueError: a pattern lacks a required part.
    """

    def __init__(self, patterns: Patterns) -> None:
        self._observation = _compiled(patterns.observation, "serial", "id")
        self._response = _compiled(patterns.response, "serial", "id", "ticks")
        self._pulse = _compiled(patterns.pulse, "serial")
        _compiled(patterns.command, "serial", "id")

    def read(self, key: str, body: bytes, delivery: int) -> Update | Response | Pulse:
        """Return the content of a message.

        Raises:
            LookupError: its key matches no pattern.
            ValueError: its body cannot be read.
        """
        # Nearly all are observations.
        if found := self._observation.fullmatch(key):
            return _read_observation(found["serial"], int(found["id"]), body, delivery)
        if found := self._response.fullmatch(key):
            return _read_response(found["serial"], int(found["id"]), int(found["ticks"]), body, delivery)
        if found := self._pulse.fullmatch(key):
            return Pulse(found["serial"])
        raise LookupError(key)

    def kind(self, key: str) -> Kind | None:
        """Return the kind of message with a routing key; None if it matches no pattern."""
        patterns = (self._observation, self._response, self._pulse)
        return next((kind for kind, one in zip(Kind, patterns, strict=True) if one.fullmatch(key)), None)

    def observation(self, key: str) -> int | None:
        """Return the number of the observation with a routing key; None if it is of no observation."""
        found = self._observation.fullmatch(key)
        return None if found is None else int(found["id"])


def command_key(pattern: str, serial: str, command: int, ticks: int) -> str:
    """Return the routing key of a command."""
    return pattern.replace("{serial}", serial).replace("{id}", str(command)).replace("{ticks}", str(ticks))


def command_body(command: int, ticks: int, expires_ms: int, arguments: Sequence[str]) -> bytes:
    """Return the body of a command.

    Args:
        command: the number of the command.
        ticks: its time, which also identifies it.
        expires_ms: when it expires, in UTC milliseconds.
        arguments: its arguments in order, as text.
    """
    # A tick is the seventh decimal of a second: its last four digits follow the milliseconds.
    timestamp = f"{format_time(utc_ms_of_ticks(ticks))[:-5]}{ticks % 10_000:04}Z"
    numbered = tuple(_Argument(number, value) for number, value in enumerate(arguments, start=1))
    return msgspec.json.encode(_Command(command, timestamp, format_time(expires_ms), numbered))


def _compiled(pattern: str, *needed: str) -> re.Pattern[str]:
    text = re.escape(pattern)
    for name, part in _PARTS.items():
        mark = re.escape("{" + name + "}")
        if name in needed and text.count(mark) != 1:
            raise ValueError(f"expected {{{name}}} once in the routing key {pattern!r}")
        text = text.replace(mark, part, 1)
    return re.compile(text, re.ASCII)


def _read_observation(serial: str, id: int, body: bytes, delivery: int) -> Update:
    read = _decoded(_observation, body)
    value = bytes(read.value)
    try:
        # Text for every type; a JSON value that is not a string is taken as it is written.
        text = _text.decode(value) if value.startswith(b'"') else value.decode()
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    return Update(serial, id, parse_time(read.timestamp), "" if text == "null" else text, delivery)


def _read_response(serial: str, command: int, ticks: int, body: bytes, delivery: int) -> Response:
    read = _decoded(_response, body)
    return Response(serial, command, ticks, read.was_accepted, (read.comment or "")[:COMMENT_LIMIT], delivery)


def _decoded(decoder: msgspec.json.Decoder[_Body], body: bytes) -> _Body:
    if len(body) > BODY_LIMIT:
        raise ValueError(f"a body of {len(body)} bytes")
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
