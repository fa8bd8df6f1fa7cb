"""What a charger is to us, whatever its maker: events, commands, outcomes, capabilities.

A driver turns what its vendor says into these events and carries out these commands. Every
event says when it happened on the charger; a driver may repeat events and may deliver them
late, and the charge point tells by their content. All structs travel as JSON too (`tag`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol, runtime_checkable

from msgspec import Struct


class ChargerState(StrEnum):
    """What the charger is doing with the car at its one outlet."""

    DISCONNECTED = "disconnected"
    """No car is plugged in."""
    AWAITING_TOKEN = "awaiting_token"  # noqa: S105 - no password
    """A car is plugged in and nobody has been authorized (any more)."""
    AWAITING_START = "awaiting_start"
    """Authorized; the charger offers no current (paused, limited to nothing, queued)."""
    READY = "ready"
    """Authorized; the charger offers current, the car does not draw."""
    CHARGING = "charging"
    FAULTED = "faulted"
    DISABLED = "disabled"
    """The charger itself refuses to charge."""


class Fault(StrEnum):
    """What is wrong, in the few classes that every maker can map to."""

    CONNECTOR_LOCK = "connector_lock"
    EV_COMMUNICATION = "ev_communication"
    GROUND = "ground"
    HIGH_TEMPERATURE = "high_temperature"
    INTERNAL = "internal"
    OVER_CURRENT = "over_current"
    OVER_VOLTAGE = "over_voltage"
    POWER_METER = "power_meter"
    POWER_SWITCH = "power_switch"
    READER = "reader"
    UNDER_VOLTAGE = "under_voltage"
    WEAK_SIGNAL = "weak_signal"
    OTHER = "other"


class SessionEnd(StrEnum):
    """Why a session ended, as the charger tells it."""

    DEAUTHORIZED = "deauthorized"
    """Somebody told the charger to end it (`EndSession`)."""
    EV_DISCONNECTED = "ev_disconnected"
    POWER_LOSS = "power_loss"
    REBOOT = "reboot"
    FAULT = "fault"
    OTHER = "other"


class Quantity(StrEnum):
    """What a reading measures; the unit is in the name."""

    ENERGY_WH = "energy_wh"
    """The charger's import register, floored to whole Wh by the driver; never runs backwards."""
    POWER_W = "power_w"
    CURRENT_A = "current_a"
    CURRENT_OFFERED_A = "current_offered_a"
    VOLTAGE_V = "voltage_v"
    TEMPERATURE_C = "temperature_c"


class Reading(Struct, frozen=True, array_like=True, gc=False):
    """One measured value. `phase` is 1, 2 or 3, or 0 for the whole charger."""

    quantity: Quantity
    value: int | float
    phase: int = 0


# --- limits ------------------------------------------------------------------------------------


class PlanPeriod(Struct, frozen=True, array_like=True):
    """From `offset_s` seconds after the plan's start on, this limit holds, in mA per phase."""

    offset_s: int
    limit_ma: int


class Plan(Struct, frozen=True, kw_only=True):
    """Limits over time that a charger keeps in memory that survives power cuts, and follows by itself.

    Outside of its periods it says nothing: then the charger's own limit holds.
    """

    start_ms: int
    periods: tuple[PlanPeriod, ...]
    """By rising offset, the first at 0."""
    duration_s: int | None = None
    """How long the periods are followed from their start; None: the last one holds on."""
    repeat_s: int | None = None
    """The periods begin anew every so many seconds; None: once."""
    from_ms: int | None = None
    until_ms: int | None = None

    def limit_ma(self, at_ms: int) -> int | None:
        """Return the limit in mA per phase at a moment in UTC milliseconds; None: the plan sets none."""
        if self.from_ms is not None and at_ms < self.from_ms:
            return None
        if self.until_ms is not None and at_ms >= self.until_ms:
            return None
        offset_ms = at_ms - self.start_ms
        if offset_ms < 0:
            return None
        if self.repeat_s is not None:
            offset_ms %= self.repeat_s * 1000
        if self.duration_s is not None and offset_ms >= self.duration_s * 1000:
            return None
        limit_ma = None
        for period in self.periods:
            if period.offset_s * 1000 > offset_ms:
                break
            limit_ma = period.limit_ma
        return limit_ma

    def next_change_ms(self, after_ms: int) -> int | None:
        """Return the first moment after this one at which the plan may set another limit; None: never."""
        edges = {period.offset_s for period in self.periods}
        if self.duration_s is not None:
            edges.add(self.duration_s)
        moments = {self.from_ms, self.until_ms, self.start_ms} - {None}
        if self.repeat_s is None:
            moments |= {self.start_ms + edge * 1000 for edge in edges}
        else:
            lap_ms = self.repeat_s * 1000
            lap = max((after_ms - self.start_ms) // lap_ms, 0)
            begins = (self.start_ms + lap * lap_ms, self.start_ms + (lap + 1) * lap_ms)
            moments |= {begin + edge * 1000 for begin in begins for edge in edges if edge < self.repeat_s}
        return min((moment for moment in moments if moment is not None and moment > after_ms), default=None)


class ListedToken(Struct, frozen=True):
    """An entry of the local list that a charger keeps for when its cloud is away."""

    id_tag: str
    accepted: bool
    expires_ms: int | None = None
    parent_id_tag: str | None = None


# --- events: charger to charge point -----------------------------------------------------------


class Event(Struct, frozen=True, tag=True, kw_only=True):
    """Base of all events; `at_ms` is when it happened on the charger, in UTC milliseconds."""

    at_ms: int


class Reachable(Event, frozen=True, tag=True, kw_only=True):
    """The charger's connection to its cloud came (`True`), went (`False`).

    A driver tells these in order, and the latest one told is true, whatever its time: when the way to the
    cloud comes back, the charger's own connection may be older than its loss.
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
    """A driver held a token to the reader."""

    id_tag: str


class SessionStarted(Event, frozen=True, tag=True, kw_only=True):
    """Energy may flow from here on. `session` is unique for the charger and only rises."""

    session: int
    id_tag: str | None
    register_wh: int


class SessionEnded(Event, frozen=True, tag=True, kw_only=True):
    """The whole record of a session that is over: enough to account for it if nothing else arrived."""

    session: int
    id_tag: str | None
    started_at_ms: int
    start_register_wh: int
    register_wh: int
    reason: SessionEnd
    rebuilt: bool = False
    """Its record never came: it was put together from what the vendor's list of sessions and the register
    say. The energy is exact; tag and times need not be, and it may be several sessions, or part of one."""


class Measured(Event, frozen=True, tag=True, kw_only=True):
    """Values that belong to one moment. `session` is the session they fell in, if any."""

    readings: tuple[Reading, ...]
    session: int | None = None


class Restarted(Event, frozen=True, tag=True, kw_only=True):
    """The charger has booted."""

    firmware: str = ""


ChargerEvent = (
    Reachable | StateChanged | TokenPresented | SessionStarted | SessionEnded | Measured | Restarted
)


# --- commands: charge point to charger ---------------------------------------------------------


class Command(Struct, frozen=True, tag=True, kw_only=True):
    """Base of all commands.

    `number` identifies it towards the charge point and rises. `expires_ms` is the UTC moment
    from which on it must not be carried out any more. Commands are safe to repeat under the same
    number unless their docstring says otherwise.
    """

    number: int
    expires_ms: int


class Authorize(Command, frozen=True, tag=True, kw_only=True):
    """Let `id_tag` charge (`accepted`), or show the driver at the reader that it may not."""

    id_tag: str
    accepted: bool


class Withdraw(Command, frozen=True, tag=True, kw_only=True):
    """End an authorization that waits for a car; a session that has begun meanwhile goes on."""


class EndSession(Command, frozen=True, tag=True, kw_only=True):
    """End this session, if it runs; one that has begun since then goes on."""

    session: int
    keep_locked: bool = False
    """Hold the cable although the session is over, until an `Unlock`."""


class SetAvailable(Command, frozen=True, tag=True, kw_only=True):
    """Let the charger be used, or not."""

    available: bool


class Reboot(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: never repeated when its outcome is unknown."""


class Unlock(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: release the cable at the charger's outlet."""


class StorePlan(Command, frozen=True, tag=True, kw_only=True):
    """Keep this plan instead of the one before (None: keep none), and follow it.

    Each one wears the charger's memory, so it comes seldom.
    """

    plan: Plan | None


class SetLimit(Command, frozen=True, tag=True, kw_only=True):
    """Offer at most so many mA per phase, instead of what the stored plan says; wears nothing.

    Less than 6 A pauses charging. None, and the end of its time, bring the stored plan back; so may
    a restart of the charger or a newly plugged-in car, after which the limit is given again.
    """

    limit_ma: int | None
    until_ms: int | None = None
    """UTC; from then on the stored plan holds again. None: until the next one."""


class Configure(Command, frozen=True, tag=True, kw_only=True):
    """Charge by these rules when nobody can be asked, or nobody need be."""

    authorization_required: bool = True
    """False: a car that is plugged in charges at once."""
    free_charging_tag: str | None = None
    """What sessions carry that began without authorization."""
    authorize_offline: bool = True
    """While its cloud is away, a token of its list or cache may start a session."""
    allow_unknown_offline: bool = False
    """While its cloud is away, any token that is not refused by its list may start a session."""
    end_when_unplugged: bool = True
    unlock_when_unplugged: bool = False
    """Release the cable at the charger's side, too, when the car's side is unplugged."""


class KeepList(Command, frozen=True, tag=True, kw_only=True):
    """Keep this local list instead of the one before."""

    version: int
    tokens: tuple[ListedToken, ...]


class ClearCache(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: forget the tokens that were accepted before."""


class OverrideSchedule(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: let the running session charge regardless of the stored plan."""


ChargerCommand = (
    Authorize
    | Withdraw
    | EndSession
    | SetAvailable
    | Reboot
    | Unlock
    | StorePlan
    | SetLimit
    | Configure
    | KeepList
    | ClearCache
    | OverrideSchedule
)


class Outcome(StrEnum):
    """How a command ended."""

    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    IMPOSSIBLE = "impossible"
    """Refused, and it always will be: a charger can keep plans, say, but not this one."""
    UNKNOWN = "unknown"
    """It was handed over and nobody can tell what became of it."""


class CommandOutcome(Struct, frozen=True, tag=True):
    """The end of the command with this `number`."""

    number: int
    outcome: Outcome
    detail: str = ""


# --- what a charger is and can do --------------------------------------------------------------


class Capability(StrEnum):
    """What a charger can do for us; what is absent, the charge point does without."""

    UNLOCK = "unlock"
    REBOOT = "reboot"
    AVAILABILITY = "availability"
    TEMPERATURE = "temperature"
    LIMIT = "limit"
    """A volatile limit (`SetLimit`)."""
    PLAN = "plan"
    """A stored plan (`StorePlan`); only together with `LIMIT`."""
    OVERRIDE = "override"
    """Setting the stored plan aside for a session (`OverrideSchedule`)."""
    LOCAL_LIST = "local_list"
    CACHE = "cache"
    """A cache of its own that can be cleared."""
    SETTINGS = "settings"
    """`Configure`."""


class ChargerInfo(Struct, frozen=True):
    """What a driver knows of a charger before any event."""

    serial: str
    vendor: str
    model: str
    firmware: str = ""
    phases: int = 3
    max_current_a: int = 32
    """What it can offer per phase, as it is built and fused."""
    capabilities: frozenset[Capability] = frozenset()


class FoundCharger(Struct, frozen=True):
    """A charger that a driver has found, for whoever sets up charge points."""

    serial: str
    name: str = ""
    """As its owner calls it."""
    model: str = ""
    site: str = ""
    circuit: str = ""
    """Where it is wired; chargers of one circuit share its fuse."""


# --- the port ----------------------------------------------------------------------------------


class EventSink(Protocol):
    """Where a driver delivers; given to it by the runtime."""

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        """Take an event. `Driver.acknowledge(receipt)` follows once it is durable.

        An event that is never acknowledged must be delivered again after a reconnect or restart, and
        whenever its charger is watched anew: while the disk is slow or full, events beyond a bound are not
        taken. A receipt of None means that the driver keeps no such event, since only the present counts.
        """

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        """Take the end of a command given earlier."""

    def charger_known(self, info: ChargerInfo) -> None:
        """Learn (again) what a charger is and can do."""


class Driver(Protocol):
    """One way to a set of chargers: a vendor account, a broker, a simulation.

    Registered by the entry point group `chargebridge.drivers`. The class is called as
    `(name, settings, sink, clock, state_dir)`: its name in the configuration, its table there (plain
    values), where to deliver, the time, and a folder for what it must remember (None: nowhere). It
    raises ValueError naming the key and what was expected if the settings are wrong.
    """

    async def start(self) -> None:
        """Connect, and keep connected until `stop`; returns at once, never raises for absence."""

    async def stop(self) -> None:
        """Disconnect; nothing is delivered afterwards. It is not waited for longer than a few seconds."""

    def watch(self, serial: str) -> None:
        """Deliver the events of this charger from now on, beginning with what is known of it.

        That is: what it is (`EventSink.charger_known`), whether it is reachable, its state, then every
        event that nobody has acknowledged, in order. If the cloud is away, that follows when it is back.
        The gateway calls `unwatch` and `watch`, one right after the other, for a charger of which it
        could not take every event.
        """

    def unwatch(self, serial: str) -> None:
        """Deliver nothing of this charger any more; what is on its way to the sink is dropped."""

    def acknowledge(self, receipt: object) -> None:
        """The event of this receipt is durable and may be forgotten."""

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Have a command carried out; `EventSink.command_outcome` tells its end.

        Commands to one charger keep their order: one that was given earlier is carried out before, or never.
        """


@runtime_checkable
class FindsChargers(Protocol):
    """A driver that can tell which chargers there are; not every one can."""

    async def find_chargers(self) -> list[FoundCharger]:
        """Return the chargers that the driver's account can see, started or not.

        Raises:
            OSError: they cannot be asked for; says why, and what to do.
        """


@runtime_checkable
class Counts(Protocol):
    """A driver that counts what its operator may want to know; not every one does."""

    def counts(self) -> Mapping[str, int]:
        """Return counts since the start, each by a word or two in lower case, such as `unreadable`."""
