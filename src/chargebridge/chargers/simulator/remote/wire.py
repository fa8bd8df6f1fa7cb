"""The messages between a simulated cloud and its client: one JSON object a line, over loopback TCP.

The client sends `Hello` first; no other message is accepted before. `EventOccurred.number` is the receipt
under which the client acknowledges, many at once.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from chargebridge.chargers.model import ChargerCommand, ChargerEvent, ChargerInfo, CommandOutcome

LINE_LIMIT: Final = 4 * 1024 * 1024
"""The most bytes in a line, in both directions: a local list of 10,000 tokens fits."""
SERIALS_A_LINE: Final = 500
RECEIPTS_A_LINE: Final = 1000


class Hello(Struct, frozen=True, tag=True):
    """Client: the shared secret."""

    token: str


class Subscribe(Struct, frozen=True, tag=True):
    """Client: subscribe to these chargers."""

    serials: list[str]


class Unsubscribe(Struct, frozen=True, tag=True):
    """Client: end the subscription to these chargers."""

    serials: list[str]


class Acknowledge(Struct, frozen=True, tag=True):
    """Client: these events, as (serial, number), are durable."""

    receipts: list[tuple[str, int]]


class Command(Struct, frozen=True, tag=True):
    """Client: carry out this command."""

    serial: str
    command: ChargerCommand


class Request(Struct, frozen=True, tag=True):
    """Client: perform an action; `Response` or `Failure` of the same `id` answers."""

    id: int
    serial: str
    action: str
    arguments: dict[str, Any]


class ChargerDescribed(Struct, frozen=True, tag=True):
    """Cloud: the description of a charger."""

    info: ChargerInfo


class UnknownChargers(Struct, frozen=True, tag=True):
    """Cloud: these chargers do not exist."""

    serials: list[str]


class Unsubscribed(Struct, frozen=True, tag=True):
    """Cloud: `Unsubscribe` is done. Later events of these chargers belong to a later `Subscribe`."""

    serials: list[str]


class EventOccurred(Struct, frozen=True, tag=True):
    """Cloud: an event of a charger."""

    serial: str
    number: int
    event: ChargerEvent


class CommandEnded(Struct, frozen=True, tag=True):
    """Cloud: the outcome of a command."""

    serial: str
    outcome: CommandOutcome


class Response(Struct, frozen=True, tag=True):
    """Cloud: the charger's view of itself after an action."""

    id: int
    view: dict[str, Any]


class Failure(Struct, frozen=True, tag=True):
    """Cloud: the reason why an action was not possible."""

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
