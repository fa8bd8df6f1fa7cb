"""The facts that a probe has gathered, and the verdict on an assumption. Data only.

Tokens and passwords are taken out before an answer becomes a fact; everything else is as it came.
"""

from enum import StrEnum

from msgspec import Struct, field


class Verdict(StrEnum):
    """What the facts say about an assumption."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    NOT_SEEN = "not seen"


class Finding(Struct, frozen=True):
    """A verdict, and what was seen; without values that identify anybody."""

    verdict: Verdict
    seen: str


class NotSeenError(Exception):
    """The facts say nothing about an assumption; the text says why."""


class Exchange(Struct, frozen=True, kw_only=True):
    """One request and its answer."""

    name: str
    """What it was for; see `passive.READS`."""
    method: str = "GET"
    path: str = ""
    status: int | None = None
    """None: no answer came."""
    body: object = None
    """Decoded JSON; a text if it is not JSON; None if it is empty."""
    retry_after: str | None = None
    failure: str = ""
    """Why there is no answer."""
    took_ms: int = 0


class StreamMessage(Struct, frozen=True):
    """One message of the hub."""

    after_s: float
    """Real seconds since the subscription."""
    message: object
    """Decoded JSON; a text if it is not JSON."""


class StreamFacts(Struct, kw_only=True):
    """One connection to the hub."""

    opened: bool = False
    failure: str = ""
    subscribed_ms: int = 0
    """When the charger was subscribed, in UTC milliseconds of the probe's clock."""
    messages: list[StreamMessage] = field(default_factory=list)
    listened_s: float = 0.0
    """Real seconds from the subscription to the end."""


class BusMessage(Struct, frozen=True, kw_only=True):
    """One message of the operator's queue."""

    key: str
    body: object = None
    headers: tuple[str, ...] = ()
    """The names of its headers."""


class BusFacts(Struct, kw_only=True):
    """The operator's queue, as far as it can be seen without taking anything from it."""

    failure: str = ""
    missing: bool = False
    """The broker has no such queue."""
    consumers: int | None = None
    waiting: int | None = None
    looked: bool = False
    """Whether messages were looked at; they are not while another program consumes the queue."""
    messages: list[BusMessage] = field(default_factory=list)


class ActiveFacts(Struct, kw_only=True):
    """One question of the active part."""

    question: str
    """See `active.QUESTIONS`."""
    skipped: str = ""
    """Why it was skipped."""
    failure: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    messages: list[StreamMessage] = field(default_factory=list)
    """What came on the stream meanwhile; times count from the beginning of the question."""
    wanted: dict[str, float] = field(default_factory=dict)
    """The figures of the question, such as the limit that was set."""
    undone: bool | None = None
    """Whether the charger is as it was before; None: there was nothing to undo."""
    by_hand: str = ""
    """How to undo it by hand, if it was not undone."""


class Facts(Struct, kw_only=True):
    """Everything that one probe has gathered."""

    way: str
    serial: str
    now_ms: int = 0
    exchanges: list[Exchange] = field(default_factory=list)
    stream: StreamFacts = field(default_factory=StreamFacts)
    bus: BusFacts | None = None
    """None: the way is `account`."""
    active: dict[str, ActiveFacts] = field(default_factory=dict)
    """By question; empty: the active part was not wanted."""
    patterns: dict[str, str] = field(default_factory=dict)
    """The patterns of routing keys, by kind: observation, command, response, pulse."""

    def last(self, name: str) -> Exchange | None:
        """Return the last exchange with a name."""
        return next((one for one in reversed(self.exchanges) if one.name == name), None)

    def answer(self, name: str) -> object:
        """Return the body of the last exchange with a name, which is a 2xx.

        Raises:
            NotSeenError: there is none.
        """
        exchange = self.last(name)
        if exchange is None:
            raise NotSeenError("was not read")
        return body_of(exchange)


def body_of(exchange: Exchange) -> object:
    """Return the body of an answer that is a 2xx.

    Raises:
        NotSeenError: it is not.
    """
    if exchange.status is None:
        raise NotSeenError(exchange.failure or "no answer")
    if exchange.status >= 300:
        raise NotSeenError(f"HTTP {exchange.status}")
    return exchange.body


def confirmed(seen: str) -> Finding:
    """Return the finding that an assumption is true."""
    return Finding(Verdict.CONFIRMED, seen)


def contradicted(seen: str) -> Finding:
    """Return the finding that an assumption is false."""
    return Finding(Verdict.CONTRADICTED, seen)


def found(true: bool, seen: str) -> Finding:
    """Return the finding that an assumption is true or false."""
    return confirmed(seen) if true else contradicted(seen)
