"""What a simulated cloud and its client say to each other: one JSON object a line, over loopback TCP.

The client says `Hello` first; nothing else is listened to before. `EventOccurred.number` is the receipt
under which the client acknowledges, many at once.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from chargebridge.chargers.model import ChargerCommand, ChargerEvent, ChargerInfo, CommandOutcome

LINE_LIMIT: Final = 4 * 1024 * 1024
"""Bytes in a line at most, in both directions: a local list of 10,000 tokens fits."""
SERIALS_A_LINE: Final = 500
RECEIPTS_A_LINE: Final = 1000


class Hello(Struct, frozen=True, tag=True):
    """Client: the shared secret."""

    token: str


class Subscribe(Struct, frozen=True, tag=True):
    """Client: tell me of these chargers from now on."""

    serials: list[str]


class Unsubscribe(Struct, frozen=True, tag=True):
    """Client: tell me no more of these chargers."""

    serials: list[str]


class Acknowledge(Struct, frozen=True, tag=True):
    """Client: these events, as (serial, number), are durable at my side."""

    receipts: list[tuple[str, int]]


class Command(Struct, frozen=True, tag=True):
    """Client: have this command carried out."""

    serial: str
    command: ChargerCommand


class Request(Struct, frozen=True, tag=True):
    """Client: do something by hand; `Response` or `Failure` of the same `id` answers."""

    id: int
    serial: str
    action: str
    arguments: dict[str, Any]


class ChargerDescribed(Struct, frozen=True, tag=True):
    """Cloud: what a charger is."""

    info: ChargerInfo


class UnknownChargers(Struct, frozen=True, tag=True):
    """Cloud: there are no such chargers."""

    serials: list[str]


class Unsubscribed(Struct, frozen=True, tag=True):
    """Cloud: `Unsubscribe` is heard. What is told of these chargers behind it answers a later `Subscribe`."""

    serials: list[str]


class EventOccurred(Struct, frozen=True, tag=True):
    """Cloud: an event of a charger."""

    serial: str
    number: int
    event: ChargerEvent


class CommandEnded(Struct, frozen=True, tag=True):
    """Cloud: how a command ended."""

    serial: str
    outcome: CommandOutcome


class Response(Struct, frozen=True, tag=True):
    """Cloud: the charger's view of itself after an act."""

    id: int
    view: dict[str, Any]


class Failure(Struct, frozen=True, tag=True):
    """Cloud: why an act was not possible."""

    id: int
    error: str


FromClient = Hello | Subscribe | Unsubscribe | Acknowledge | Command | Request
FromCloud = (
    ChargerDescribed | UnknownChargers | Unsubscribed | EventOccurred | CommandEnded | Response | Failure
)

_encoder = msgspec.json.Encoder()
from_client: Final[msgspec.json.Decoder[FromClient]] = msgspec.json.Decoder(FromClient)
from_cloud: Final[msgspec.json.Decoder[FromCloud]] = msgspec.json.Decoder(FromCloud)


def line(message: FromClient | FromCloud) -> bytes:
    """Encode a message as one line."""
    return _encoder.encode(message) + b"\n"
