"""What is known of a charger behind Easee's cloud, as data: written down, it goes on from there."""

from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from chargebridge.chargers.model import SessionEnded

ENDS_REMEMBERED: Final = 64
"""Sessions whose end has been told and whose repeats are known for what they are."""
GAPS_REMEMBERED: Final = 16


class Seen(Struct, frozen=True, array_like=True, gc=False):
    """The newest value of an observation."""

    at_ms: int
    value: str


class Running(Struct, frozen=True, gc=False):
    """The session that runs, as its start record tells it."""

    id: int
    started_ms: int
    start_uwh: int
    tag: str | None
    reported: bool = False
    """Whether anybody was told of its start; not yet, if nobody was authorized."""
    ours: bool = True
    """False: it ran when we first heard of the charger; it is told as a whole, when it ends."""


class Ended(Struct, frozen=True, gc=False):
    """The newest session whose end is known."""

    id: int
    at_ms: int
    register_wh: int
    energy_uwh: int = 0
    """Of the session: what is told again, later, as that of the next one is a stale repeat."""
    shown_uwh: int = 0
    """The last that was shown of it while it ran, likewise."""


class Gap(Struct, frozen=True, gc=False):
    """Sessions whose ends nobody has heard of, between two that are known."""

    after_id: int
    before_id: int
    from_ms: int
    to_ms: int
    from_wh: int
    to_wh: int
    noticed_ms: int
    """When it was noticed, by our clock: a late record may fill it yet."""
    begun: bool = False
    """The first of them is known to have begun: its end is owed, even if it used nothing."""


class Authorized(Struct, frozen=True, gc=False):
    """The token that somebody was let charge with last."""

    tag: str
    at_ms: int


class TwinRecord(Struct, kw_only=True, omit_defaults=True):
    """All that is known of one charger."""

    first_contact: bool = False
    """What is replayed now has happened before we came, and is not ours to tell."""
    seen: dict[int, Seen] = field(default_factory=dict)
    """The newest of each observation that anything depends on."""
    running: Running | None = None
    ended: Ended | None = None
    pending_end: SessionEnded | None = None
    """An end that waits a moment for what shows why it ended."""
    ids_from: int = 0
    """What is added to the charger's ids of sessions, which may begin anew ..."""
    counts_anew_ms: int = 0
    """... of those that began since then, by the charger's clock."""
    reported: list[int] = field(default_factory=list)
    """Ids of sessions whose end was told lately, rising."""
    gaps: list[Gap] = field(default_factory=list)
    register_wh: int = 0
    """The newest reading that was believed."""
    register_ms: int = 0
    """When it was made, by the charger's clock."""
    shown_uwh: int = 0
    """The last session energy that was believed."""
    authorized: Authorized | None = None
    ending: int | None = None
    """The session that we have asked to end."""
    product: int | None = None
    """The cloud's code for what kind of charger it is."""
    limit_a: int | None = None
    """The volatile limit that was asked for last, in whole amperes; None: none."""
    limit_until_ms: int | None = None


class SessionStart(Struct, frozen=True, rename="pascal"):
    """Observation 223."""

    id: int
    meter_value: Decimal
    """kWh."""
    start: str
    auth: str | None = None
    auth_reason: int | str | None = None


class SessionRecord(Struct, frozen=True, rename="pascal"):
    """Observation 129."""

    id: int
    start: str
    stop: str
    meter_value_start: Decimal
    meter_value_stop: Decimal
    energy_kwh: Decimal | None = None
    auth: str | None = None
    auth_reason: int | str | None = None
