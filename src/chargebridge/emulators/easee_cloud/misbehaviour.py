"""The faults of Easee's cloud seen in the field, each with a switch. All are off by default.

Rates are from 0 (never) to 1 (always); the cloud's seed decides when a fault happens.
"""

from dataclasses import dataclass, field, fields
from random import Random
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

Rate = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]

BLOCK_S: Final = 86_400
"""How long an address is blocked after its last request."""


@dataclass(kw_only=True)
class Misbehaviour:
    """The faults to emulate; may be changed at any time."""

    # --- HTTP ---------------------------------------------------------------------------------------
    unauthorized: Rate = 0.0
    """Answers 401 although the token is valid."""
    forbidden: Rate = 0.0
    """Answers 403 as the API gateway does: `{"message":"Forbidden"}`."""
    too_many: Rate = 0.0
    """Answers 429."""
    retry_after_s: Annotated[int, Meta(ge=0)] | None = 30
    """The header `retry-after` of each 429; None leaves it out."""
    server_error: Rate = 0.0
    """Answers 500."""
    bad_gateway: Rate = 0.0
    """Answers 502."""
    unavailable: Rate = 0.0
    """Answers 503, and to all further requests (but the stream's) for `unavailable_s`."""
    unavailable_s: Seconds = 60.0
    """In seconds of the clock: 503 means to try again in about a minute."""
    unreachable: Rate = 0.0
    """Answers a command, settings or a plan for a charger without connection with 504; otherwise it is
    accepted, and expires."""
    unreachable_charger: str = ""
    """Serial of a charger that is shown as connected, and for which they are answered with 504."""
    unverified: bool = False
    """Answers a login with 400 and errorCode 727: the e-mail address is not confirmed."""
    fail_next: Count = 0
    """Number of further requests answered with `fail_status`."""
    fail_status: Annotated[int, Meta(ge=400, le=599)] = 500
    fail_kind: str = ""
    """The kind of request that `fail_next` applies to (see `Statistics.requests`); empty for any."""
    blocked: bool = False
    """Answers every request with `block_status` until 24 hours of the clock pass without a request."""
    block_status: Literal[403, 429] = 429
    """429, or 403 of the API gateway."""
    block_announced: bool = True
    """The text of such an answer says that the address is blocked."""
    slow_s: Seconds = 0.0
    """Delay of each answer, in real seconds."""
    refuse_refresh: Rate = 0.0
    """Refuses a valid refresh token, which cannot be used again then."""
    refuse_next_refreshes: Count = 0

    path_faults: dict[str, int | str] = field(default_factory=dict)
    """What requests for a path, without its query, are answered instead: a status (403 as the API gateway
    does), `refused` (403 as the API itself does), `garbage`, or `null`."""

    # --- lists --------------------------------------------------------------------------------------
    odd_entries: Rate = 0.0
    """An entry of the lists of chargers and sites is odd: a null id, a text for a number, no circuits."""
    odd_next: Count = 0
    """Number of further entries that are odd so."""
    odd_how: str = ""
    """How they are odd, see `rest.odd_lists`; empty for any."""

    # --- commands -----------------------------------------------------------------------------------
    empty_reply: Rate = 0.0
    """Answers a command with 200 and `[]`, executes it, and sends its CommandResponse."""
    ignored: Rate = 0.0
    """Answers a command with 200 and `[]`, and does nothing."""
    accepted_null: Rate = 0.0
    """Answers a command with 200, `wasAccepted` null and its ticks, and executes it; its CommandResponse
    follows."""
    accepted_null_dropped: Rate = 0.0
    """Answers a command with 200, `wasAccepted` null and no ticks, and does nothing."""
    accepted_false: Rate = 0.0
    """Answers a command with 200, `wasAccepted` false and its ticks; the CommandResponse says the same."""
    accepted_false_dropped: Rate = 0.0
    """Answers a command with 200, `wasAccepted` false and no ticks."""
    plan_delay_s: Seconds = 0.0
    """Seconds of the clock after which a charger shows a plan (observation 62)."""
    plan_not_shown: Rate = 0.0
    """A charger never shows a plan, or that it has none any more."""
    plan_shown_wrong: Rate = 0.0
    """A charger shows a plan as one that begins an hour later."""
    status_missing: Count = 0
    """How many requests for the status of a command are answered 404 before it is available."""
    rejected: Rate = 0.0
    """The charger does not accept a command (`wasAccepted` false)."""
    lost: Rate = 0.0
    """A command is accepted and never answered."""
    lost_executed: Rate = 0.0
    """Share of the lost commands that are executed."""
    response_first: Rate = 0.0
    """A CommandResponse overtakes the observations that its command causes."""
    delivered_skew_ms: int = 0
    """`deliveredAt` minus the true time, in milliseconds."""
    foreign_responses: Rate = 0.0
    """After a CommandResponse follows one for a command that this client never sent."""
    odd_ticks: Rate = 0.0
    """The ticks of a CommandResponse differ from those of its command."""

    # --- updates ------------------------------------------------------------------------------------
    duplicates: Rate = 0.0
    """An observation is sent twice."""
    reordered: Rate = 0.0
    """An observation is overtaken by later ones of its charger."""
    stray_zero: Rate = 0.0
    """A session energy of 0 is sent during a session."""
    stale: Rate = 0.0
    """An old session energy is sent again, with its old time."""
    stale_fresh: Rate = 0.0
    """An old session energy is sent again, with the present time."""
    unknown: Rate = 0.0
    """An observation is sent whose id no list names."""
    odd_times: Rate = 0.0
    """The time of an update has no decimals where its milliseconds are 0, and six elsewhere."""
    other_messages: Rate = 0.0
    """With an update come the messages `SubscribeToMyProduct` and `ChargerUpdate`, which are real."""
    null_session: Rate = 0.0
    """A nullable field of a listed session is null although it has a value."""
    null_state: Rate = 0.0
    """A field of `state` is null although it has a value."""
    it_grid: Rate = 0.0
    """Share of chargers on an IT grid, without a neutral; applies to chargers adopted from now on."""

    # --- taps and sessions --------------------------------------------------------------------------
    reader_accepts: str = ""
    """The tokens that the cloud itself accepts at the reader, as where no operator is chosen, with a plus
    sign between two of them; `*` for any, empty if it leaves the decision to others."""
    start_with_token_only: bool = False
    """The start record comes only once the token is authorized, not at the tap."""
    start_at_plug_in: bool = False
    """A start record without a token comes when a car is plugged in; the one at the tap has its start."""
    forgets_last_token: bool = False
    """Sessions of a charger that requires no authorization have no token, not the one that was used last."""
    ready_with_power: Rate = 0.0
    """Op mode stays 6 (ready to charge) in a session while power flows."""
    idle_as_charging: Rate = 0.0
    """Op mode stays 3 (charging), with 0 W and reason 79, when a car takes nothing."""

    lost_ends: Rate = 0.0
    """The record of a session's end is lost for good: it is sent to nobody, and neither the last values nor
    the list of sessions have it."""
    lose_next_ends: Count = 0
    """Number of further ends of sessions that are lost so."""
    withheld_ends: Rate = 0.0
    """The record of a session's end never comes, and the last values do not have it either; the list of
    sessions has the session."""
    withhold_next_ends: Count = 0
    """Number of further ends of sessions that are withheld so."""
    lost_messages: Rate = 0.0
    """An observation arrives neither in the operator's queue nor on a stream; the last values have it."""
    lose_next_messages: Count = 0
    """Number of further messages that are lost so."""
    lose_id: Count = 0
    """The observation that `lost_messages` and `lose_next_messages` apply to; 0 for any."""

    late_ends: Rate = 0.0
    """The record of a session's end comes late in queue and streams; the last values have it in time."""
    late_next_ends: Count = 0
    """Number of further ends of sessions that come late."""
    late_energy: Rate = 0.0
    """A session energy comes late likewise: cumulative, with its own time, perhaps in another session."""
    late_s: Seconds = 3600.0
    """How late, in seconds of the clock."""

    # --- streams ------------------------------------------------------------------------------------
    drop_streams_every_s: Seconds = 0.0
    """Interval at which all streams are cut, in seconds of the clock; 0 for never."""
    silent_streams: bool = False
    """Streams stay open and send nothing: no updates, no responses, no pings."""
    too_many_negotiations: Rate = 0.0
    """Answers the negotiation of a stream with 429, while REST works."""
    too_many_streams: Rate = 0.0
    """Answers the WebSocket of a negotiated stream with 429, while REST works."""
    deaf: Rate = 0.0
    """A new stream sends nothing after its handshake."""

    @classmethod
    def everything(cls, scale: float = 1.0) -> "Misbehaviour":
        """Return all faults at rates that a day of charging survives.

        Args:
            scale: a factor for these rates.
        """
        rates = {name: min(rate * scale, 1.0) for name, rate in _EVERYTHING.items()}
        chosen = msgspec.convert(rates, cls)
        chosen.status_missing = 2
        chosen.delivered_skew_ms = -1500
        chosen.drop_streams_every_s = 3600 / scale if scale else 0.0
        return chosen

    def change(self, changes: dict[str, object]) -> None:
        """Set several fields; none of them if one is invalid.

        Raises:
            ValueError: a field is unknown, or its value is invalid.
        """
        known = {one.name for one in fields(self)}
        if unknown := changes.keys() - known:
            first = sorted(unknown)[0]
            raise ValueError(f"unknown fault {first!r}; expected one of {', '.join(sorted(known))}")
        try:
            changed = msgspec.convert({**self.as_dict(), **changes}, Misbehaviour)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        for name in changes:
            setattr(self, name, getattr(changed, name))

    def as_dict(self) -> dict[str, object]:
        """Return all fields by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


_EVERYTHING: Final = {
    "unauthorized": 0.01,
    "forbidden": 0.01,
    "too_many": 0.01,
    "server_error": 0.01,
    "bad_gateway": 0.01,
    "unavailable": 0.001,
    "unreachable": 0.5,
    "refuse_refresh": 0.2,
    "empty_reply": 0.02,
    "accepted_null": 0.02,
    "accepted_null_dropped": 0.01,
    "accepted_false": 0.01,
    "accepted_false_dropped": 0.01,
    "plan_not_shown": 0.02,
    "plan_shown_wrong": 0.02,
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
    "odd_entries": 0.02,
    "odd_times": 0.2,
    "other_messages": 0.02,
    "null_session": 0.05,
    "null_state": 0.05,
    "late_ends": 0.05,
    "late_energy": 0.05,
    "it_grid": 0.2,
    "too_many_negotiations": 0.05,
    "too_many_streams": 0.05,
    "deaf": 0.02,
}


def parse(text: str) -> Misbehaviour:
    """Parse the option of the command line: `duplicates=0.1,blocked=true`, `everything`, `everything*0.5`.

    Raises:
        ValueError: a part is invalid; the text names it.
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
    """Decides when a fault happens, from a seed.

    Args:
        seed: the same seed gives the same decisions.
        happened: counts the faults that happened, by name.
    """

    def __init__(self, seed: int, happened: dict[str, int]) -> None:
        self.random = Random(f"misbehaviour/{seed}")  # noqa: S311 - play, not secrecy
        self._happened = happened

    def __call__(self, name: str, rate: float) -> bool:
        """Return whether the fault with this name and rate happens this time."""
        if rate <= 0 or self.random.random() >= rate:
            return False
        self._happened[name] = self._happened.get(name, 0) + 1
        return True
