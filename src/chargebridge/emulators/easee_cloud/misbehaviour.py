"""Everything that Easee's cloud has been seen to do wrong, each with a switch; all are off at first.

Rates are from 0 (never) to 1 (always); whether it happens is decided by the cloud's seed.
"""

from dataclasses import dataclass, fields
from random import Random
from typing import Annotated, Final

import msgspec
from msgspec import Meta

Rate = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]

BLOCK_S: Final = 86_400
"""How long an address is blocked after its last request."""


@dataclass(kw_only=True)
class Misbehaviour:
    """What goes wrong; may be changed at any time."""

    # --- HTTP ---------------------------------------------------------------------------------------
    unauthorized: Rate = 0.0
    """Answers 401 although the token is good."""
    forbidden: Rate = 0.0
    """Answers 403 as the gateway in front does: `{"message":"Forbidden"}`."""
    too_many: Rate = 0.0
    """Answers 429."""
    retry_after_s: Annotated[int, Meta(ge=0)] | None = 30
    """The header `retry-after` of each 429; None: there is none."""
    server_error: Rate = 0.0
    """Answers 500."""
    bad_gateway: Rate = 0.0
    """Answers 502."""
    fail_next: Count = 0
    """So many requests more are answered with `fail_status`."""
    fail_status: Annotated[int, Meta(ge=400, le=599)] = 500
    fail_kind: str = ""
    """Only requests of this kind fail next (see `Statistics.requests`); empty: any."""
    blocked: bool = False
    """Every request is answered 429 until 24 hours (of the clock) have passed without one."""
    slow_s: Seconds = 0.0
    """Real seconds that each answer takes longer."""
    refuse_refresh: Rate = 0.0
    """Refuses a good refresh token before its time; it is used up then."""
    refuse_next_refreshes: Count = 0

    # --- commands -----------------------------------------------------------------------------------
    empty_reply: Rate = 0.0
    """Answers a command with 200 and `[]`, carries it out, and sends its CommandResponse."""
    ignored: Rate = 0.0
    """Answers a command with 200 and `[]`, and does nothing."""
    status_missing: Count = 0
    """So many times 404 is what the status of a command is, before it is there."""
    rejected: Rate = 0.0
    """The charger does not accept a command (`wasAccepted` false)."""
    lost: Rate = 0.0
    """A command is taken and never answered."""
    lost_executed: Rate = 0.0
    """How many of the lost commands are carried out."""
    response_first: Rate = 0.0
    """A CommandResponse overtakes the observations that the command leads to."""
    delivered_skew_ms: int = 0
    """`deliveredAt` is so much later than `timestamp`; below 0: earlier."""
    foreign_responses: Rate = 0.0
    """With a command's response comes one for a command that this client never gave."""
    odd_ticks: Rate = 0.0
    """The ticks of a CommandResponse are not those of its command."""

    # --- updates ------------------------------------------------------------------------------------
    duplicates: Rate = 0.0
    """An observation is sent twice."""
    reordered: Rate = 0.0
    """An observation is overtaken by later ones of its charger."""
    stray_zero: Rate = 0.0
    """Session energy of 0 in the middle of a session."""
    stale: Rate = 0.0
    """An old session energy once more, with its old time."""
    stale_fresh: Rate = 0.0
    """An old session energy once more, as if it were measured now."""
    unknown: Rate = 0.0
    """Observations that no list names."""
    null_state: Rate = 0.0
    """A field of `state` is null although its value is known."""
    it_grid: Rate = 0.0
    """How many chargers are on mains without a neutral; for those that are adopted from now on."""

    # --- streams ------------------------------------------------------------------------------------
    drop_streams_every_s: Seconds = 0.0
    """All streams are dropped so often, in seconds of the clock; 0: never."""
    silent_streams: bool = False
    """Streams stay open and say nothing: no updates, no responses, no pings."""
    deaf: Rate = 0.0
    """A new stream is like that from its handshake on."""

    @classmethod
    def everything(cls, scale: float = 1.0) -> "Misbehaviour":
        """Return all of it, seldom enough for a day of charging to be survived.

        Args:
            scale: by what the usual rates are multiplied.
        """
        rates = {name: min(rate * scale, 1.0) for name, rate in _EVERYTHING.items()}
        chosen = msgspec.convert(rates, cls)
        chosen.status_missing = 2
        chosen.delivered_skew_ms = -1500
        chosen.drop_streams_every_s = 3600 / scale if scale else 0.0
        return chosen

    def change(self, changes: dict[str, object]) -> None:
        """Set some of the fields, all or none.

        Raises:
            ValueError: there is no such field, or it cannot have this value.
        """
        known = {field.name for field in fields(self)}
        if unknown := changes.keys() - known:
            raise ValueError(f"no misbehaviour {sorted(unknown)[0]!r}; there are {', '.join(sorted(known))}")
        try:
            changed = msgspec.convert({**self.as_dict(), **changes}, Misbehaviour)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        for name in changes:
            setattr(self, name, getattr(changed, name))

    def as_dict(self) -> dict[str, object]:
        """Return all fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


_EVERYTHING: Final = {
    "unauthorized": 0.01,
    "forbidden": 0.01,
    "too_many": 0.01,
    "server_error": 0.01,
    "bad_gateway": 0.01,
    "refuse_refresh": 0.2,
    "empty_reply": 0.02,
    "rejected": 0.01,
    "lost": 0.02,
    "lost_executed": 0.5,
    "response_first": 0.2,
    "foreign_responses": 0.1,
    "odd_ticks": 0.05,
    "duplicates": 0.05,
    "reordered": 0.05,
    "stray_zero": 0.02,
    "stale": 0.02,
    "stale_fresh": 0.01,
    "unknown": 0.02,
    "null_state": 0.05,
    "it_grid": 0.2,
    "deaf": 0.02,
}


def parse(text: str) -> Misbehaviour:
    """Read what a command line says: `duplicates=0.1,blocked=true`, `everything` or `everything*0.5`.

    Raises:
        ValueError: names what cannot be read.
    """
    chosen = Misbehaviour()
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if name.startswith("everything"):
            scale = name.removeprefix("everything").removeprefix("*")
            try:
                chosen = Misbehaviour.everything(float(scale or 1))
            except ValueError:
                raise ValueError(f"expected `everything` or `everything*NUMBER`, not {name!r}") from None
            continue
        if not equals:
            value = "true"
        try:
            plain: object = msgspec.json.decode(value)
        except msgspec.DecodeError:
            plain = value
        chosen.change({name: plain})
    return chosen


class Dice:
    """Decides whether something goes wrong, from a seed.

    Args:
        seed: decides everything.
        happened: counts, by name, what went wrong.
    """

    def __init__(self, seed: int, happened: dict[str, int]) -> None:
        self.random = Random(f"misbehaviour/{seed}")  # noqa: S311 - play, not secrecy
        self._happened = happened

    def __call__(self, name: str, rate: float) -> bool:
        """Return whether it happens this time."""
        if rate <= 0 or self.random.random() >= rate:
            return False
        self._happened[name] = self._happened.get(name, 0) + 1
        return True
