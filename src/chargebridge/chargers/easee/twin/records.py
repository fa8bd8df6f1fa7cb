"""The state of a charger behind Easee's cloud, as data that can be saved and loaded."""

from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from chargebridge.chargers.model import SessionEnd, SessionEnded

ENDS_REMEMBERED: Final = 64
"""The number of reported sessions that are remembered, to recognize their repeats."""
GAPS_REMEMBERED: Final = 16
END_REPORTS_KEPT: Final = 16
"""The number of ends of sessions that can be reported again without a question to the cloud."""
FOUND_REMEMBERED: Final = 4
ENERGIES_REMEMBERED: Final = 8
"""The number of energies of earlier sessions that are remembered, to recognize stale repeats."""


class Seen(Struct, frozen=True, array_like=True, gc=False):
    """The newest value of an observation."""

    at_ms: int
    value: str


class Running(Struct, frozen=True, gc=False):
    """The running session, from its start record."""

    id: int
    started_ms: int
    start_uwh: int
    tag: str | None
    """The token in the record, whether it has authorized the session or was only scanned."""
    reported: bool = False
    """Whether its start was reported; it is not before somebody is authorized, or energy flows."""
    found: bool = False
    """It ran at the first contact with the charger; its end is reported like any other."""
    recorded_ms: int = 0
    """The time of its newest start record."""
    tapped_ms: int | None = None
    """When its token was presented, which was not accepted since; None: it was not presented."""
    authorized: bool = False
    """Its token is authorized by a command of ours."""
    gone: bool = False
    """Its car has left before it was reported: what flows later is of another session."""
    refused: bool = False
    """Its token was refused: only energy shows that the session goes on."""
    by_user: bool = False
    """Its record shows a user of Easee's, who has let it charge, in place of a token."""


class Ended(Struct, frozen=True, gc=False):
    """The newest ended session."""

    id: int
    at_ms: int
    register_wh: int
    energy_uwh: int = 0
    """The energy of the session: the same value in the next session is a stale repeat."""
    shown_uwh: int = 0
    """The last energy that was reported while it ran, likewise."""


class EndReport(Struct, frozen=True, array_like=True, gc=False):
    """A session whose end was reported, to be reported again."""

    session: int
    started_ms: int
    ended_ms: int
    start_wh: int
    stop_wh: int
    tag: str | None
    reason: SessionEnd
    rebuilt: bool = False


class Gap(Struct, frozen=True, gc=False):
    """Missed sessions: their records did not arrive, between two sessions whose records did."""

    after_id: int
    before_id: int
    from_ms: int
    to_ms: int
    from_wh: int
    to_wh: int
    noticed_ms: int
    """When it was noticed, by our clock: a late record may still fill it."""
    begun: bool = False
    """The start of the first one was reported: its end has to be, even if it used no energy."""
    tag: str | None = None
    """The token of the first one, if its start record has come."""


class Authorized(Struct, frozen=True, gc=False):
    """The token that was authorized last."""

    tag: str
    at_ms: int
    until_ms: int | None = None
    """When it was withdrawn, by our clock: it counts for a session that began before and is reported late."""
    session: int | None = None
    """The session whose start record had come by then."""
    carried_out: bool = False
    """The charger has confirmed it."""


class Tap(Struct, frozen=True, gc=False):
    """The newest token at the reader, which a start record (223) and observation 128 report."""

    tag: str
    at_ms: int
    by_start: bool
    """Whether the start record has reported it first."""
    paired: bool = False
    """Both have."""
    refused: bool = False


class TwinRecord(Struct, kw_only=True, omit_defaults=True):
    """The saved state of one charger."""

    first_contact: bool = False
    """A replay now is of the time before the first contact: its sessions are reported as found."""
    unread: bool = False
    """Nothing was saved of the charger, and its last sessions have not been read yet; they count as found."""
    found: list[int] = field(default_factory=list)
    """The sessions that were over at the first contact."""
    seen: dict[int, Seen] = field(default_factory=dict)
    """The newest value of each observation that matters."""
    running: Running | None = None
    ended: Ended | None = None
    pending_end: SessionEnded | None = None
    """The end of a session that waits for its reason."""
    ids_from: int = 0
    """An offset to the charger's session ids, which may start again from 1 ..."""
    counts_anew_ms: int = 0
    """... for sessions that began since this time, by the charger's clock."""
    reported: list[int] = field(default_factory=list)
    """Ids of the last reported sessions, in rising order."""
    end_reports: list[EndReport] = field(default_factory=list)
    """The last reported ends, by session."""
    gaps: list[Gap] = field(default_factory=list)
    register_wh: int = 0
    """The newest plausible register."""
    register_ms: int = 0
    """Its time, by the charger's clock."""
    shown_uwh: int = 0
    """The newest plausible energy of the running session."""
    doubted_uwh: int = 0
    """Its first energy, while that may be a stale repeat of one that was missed."""
    earlier_uwh: list[int] = field(default_factory=list)
    """Energies of sessions before the newest ended one, or without an end record; the newest is the last."""
    authorized: Authorized | None = None
    tap: Tap | None = None
    power: Seen | None = None
    """The newest power that something but a measurement has followed from."""
    rule_changed_ms: int = 0
    """When the charger began or ceased to require an authorization, as far as is known."""
    ending: int | None = None
    """The session that a command of ours ends."""
    product: int | None = None
    """The cloud's product code of the charger."""
    limit_a: int | None = None
    """The volatile limit that was set last, in whole amperes; None: none."""
    limit_until_ms: int | None = None
    schedule_unsure: bool = False
    """A plan was written or deleted, and the charger has not shown its schedule since."""
    plan_not_shown_ms: int = 0
    """When a plan that was sent was never shown by the charger, by our clock; 0: that has not happened."""


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
