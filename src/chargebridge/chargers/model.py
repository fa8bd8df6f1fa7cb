"""What a charger is to us, whatever its maker: events, commands, outcomes, capabilities.

A driver turns what its vendor says into these events and carries out these commands. Every
event says when it happened on the charger; a driver may repeat events and may deliver them
late, and the charge point tells by their content. All structs travel as JSON too (`tag`).
"""

from enum import StrEnum
from typing import Protocol

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


# --- events: charger to charge point -----------------------------------------------------------


class Event(Struct, frozen=True, tag=True, kw_only=True):
    """Base of all events; `at_ms` is when it happened on the charger, in UTC milliseconds."""

    at_ms: int


class Reachable(Event, frozen=True, tag=True, kw_only=True):
    """The charger's connection to its cloud came (`True`), went (`False`)."""

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


class SetAvailable(Command, frozen=True, tag=True, kw_only=True):
    """Let the charger be used, or not."""

    available: bool


class Reboot(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: never repeated when its outcome is unknown."""


class Unlock(Command, frozen=True, tag=True, kw_only=True):
    """One-shot: release the cable at the charger's outlet."""


ChargerCommand = Authorize | Withdraw | EndSession | SetAvailable | Reboot | Unlock


class Outcome(StrEnum):
    """How a command ended."""

    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
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


class ChargerInfo(Struct, frozen=True):
    """What a driver knows of a charger before any event."""

    serial: str
    vendor: str
    model: str
    firmware: str = ""
    phases: int = 3
    capabilities: frozenset[Capability] = frozenset()


# --- the port ----------------------------------------------------------------------------------


class EventSink(Protocol):
    """Where a driver delivers; given to it by the runtime."""

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        """Take an event. `Driver.acknowledge(receipt)` follows once it is durable.

        An event that is never acknowledged must be delivered again after a reconnect or restart.
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
        """Disconnect; nothing is delivered afterwards."""

    def watch(self, serial: str) -> None:
        """Deliver the events of this charger from now on, beginning with what is known of it."""

    def unwatch(self, serial: str) -> None:
        """Deliver nothing of this charger any more."""

    def acknowledge(self, receipt: object) -> None:
        """The event of this receipt is durable and may be forgotten."""

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Have a command carried out; `EventSink.command_outcome` tells its end."""
