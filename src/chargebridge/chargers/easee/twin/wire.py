"""Messages of Easee's cloud, the same for stream, queue and REST."""

from msgspec import Struct


class Update(Struct, frozen=True, gc=False):
    """One observation of one charger."""

    serial: str
    id: int
    """See `observations.Observation`; others are possible."""
    at_ms: int
    """Its time by the charger's clock; a replay has the original time."""
    value: str
    """As text for every type: booleans are `1`/`0` or `true`/`false`, decimals have a point."""
    delivery: int | None = None
    """The delivery to acknowledge to the broker; None: it came by stream or REST."""


class Response(Struct, frozen=True, gc=False):
    """A charger's response to a command of this or another client."""

    serial: str
    command: int
    """See `vocabulary.CommandId`."""
    ticks: int
    """The ticks that identify the command; 18 digits."""
    accepted: bool
    comment: str = ""
    delivery: int | None = None


class Pulse(Struct, frozen=True, gc=False):
    """A charger's sign of life, which says nothing else."""

    serial: str
