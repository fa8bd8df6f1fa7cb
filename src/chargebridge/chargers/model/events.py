"""Charger events: what a driver reports of a charger. Each has the time at which it happened there."""

from enum import StrEnum

from msgspec import Struct

from chargebridge.chargers.model.charger import ChargerState, Fault, Reading


class SessionEnd(StrEnum):
    """The reason why a session ended, as the charger reports it."""

    DEAUTHORIZED = "deauthorized"
    """The charger carried out an `EndSession`."""
    EV_DISCONNECTED = "ev_disconnected"
    """The cable was unplugged."""
    POWER_LOSS = "power_loss"
    REBOOT = "reboot"
    FAULT = "fault"
    OTHER = "other"


class Event(Struct, frozen=True, tag=True, kw_only=True):
    """The base of all events; `at_ms` is when it happened on the charger, in UTC milliseconds."""

    at_ms: int


class Reachable(Event, frozen=True, tag=True, kw_only=True):
    """The charger's connection to its cloud came (`True`) or went (`False`).

    A driver reports these in order, and the latest one reported is true, whatever its time: when the
    driver's own connection to the cloud comes back, the charger's may be older than that loss. While the
    cloud itself is away, every charger behind it is `reachable=False`: nothing is known of it.
    """

    reachable: bool


class StateChanged(Event, frozen=True, tag=True, kw_only=True):
    """The charger's state, as it is now. Repeats are harmless."""

    state: ChargerState
    reason: str = ""
    """Why no current is offered, in the maker's words (for the central system's vendorErrorCode)."""
    fault: Fault | None = None
    """Set while `state` is FAULTED, or as a warning beside another state."""


class TokenPresented(Event, frozen=True, tag=True, kw_only=True):
    """A person held a token to the reader."""

    id_tag: str
    """At most 20 characters, as OCPP 1.6 has it."""


class SessionStarted(Event, frozen=True, tag=True, kw_only=True):
    """Energy may flow from here on."""

    session: int
    """Unique for the charger; each session has a higher number than those before it."""
    id_tag: str | None
    """The token that authorized the session; None if it is not known."""
    register_wh: int
    """The import register at its start."""
    found: bool = False
    """The driver has no memory of the charger, and has found this at its cloud. The session runs: it becomes
    a transaction whoever had the charger when it began."""


class SessionEnded(Event, frozen=True, tag=True, kw_only=True):
    """The whole record of a session that is over: enough to account for it if nothing else arrived."""

    session: int
    id_tag: str | None
    started_at_ms: int
    start_register_wh: int
    register_wh: int
    """The import register at its end."""
    reason: SessionEnd
    rebuilt: bool = False
    """The driver never received the record, and put one together from the vendor's list of sessions and
    the register. The energy is exact; tag and times need not be, and it may stand for several sessions, or
    for part of one."""
    found: bool = False
    """The driver has no memory of the charger, and has found this at its cloud. The session was over at the
    first contact: it belongs to somebody else's time, unless the charge point remembers the charger."""


class Measured(Event, frozen=True, tag=True, kw_only=True):
    """Values that were measured at the same time."""

    readings: tuple[Reading, ...]
    session: int | None = None
    """The session in which they were measured, if any."""


class Restarted(Event, frozen=True, tag=True, kw_only=True):
    """The charger has booted."""

    firmware: str = ""


class LimitShown(Event, frozen=True, tag=True, kw_only=True):
    """The lowest limit that the charger itself shows to have, whoever set it. Only the newest one counts.

    A driver whose vendor shows limits delivers it after `StateChanged` when its charger is watched, and when
    it changes. Without it, a charge point shows what the charger has confirmed.
    """

    limit_ma: int | None
    """mA per phase; None: the charger shows a limit that cannot be read, or none yet."""


ChargerEvent = (
    Reachable
    | StateChanged
    | TokenPresented
    | SessionStarted
    | SessionEnded
    | Measured
    | Restarted
    | LimitShown
)
