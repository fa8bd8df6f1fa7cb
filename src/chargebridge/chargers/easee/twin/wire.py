"""What Easee's cloud says of chargers, whichever way it comes."""

from msgspec import Struct


class Update(Struct, frozen=True, gc=False):
    """One observation of one charger."""

    serial: str
    id: int
    """See `vocabulary.Observation`; others are possible."""
    at_ms: int
    """When it was made, by the charger's clock; a replay has its original time."""
    value: str
    """As text, whatever its type: booleans are `1`/`0` or `true`/`false`, decimals have a point."""
    delivery: int | None = None
    """To be acknowledged to the broker it came from; None: nobody keeps it."""


class Response(Struct, frozen=True, gc=False):
    """What became of a command: of ours, or of anybody else's."""

    serial: str
    command: int
    """See `vocabulary.CommandId`."""
    ticks: int
    """Names the command; 18 digits."""
    accepted: bool
    comment: str = ""
    delivery: int | None = None
