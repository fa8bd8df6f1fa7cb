"""The charger: its states, faults and capabilities, what it measures, and how a driver describes it."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class ChargerState(StrEnum):
    """The charger's state towards the car at its one outlet."""

    DISCONNECTED = "disconnected"
    """No car is plugged in."""
    AWAITING_TOKEN = "awaiting_token"  # noqa: S105 - no password
    """A car is plugged in and no token is authorized (any more)."""
    AWAITING_START = "awaiting_start"
    """Authorized; the charger offers no current (paused, limited to nothing, queued)."""
    READY = "ready"
    """Authorized; the charger offers current, the car does not draw."""
    CHARGING = "charging"
    """Authorized, and the car draws."""
    FAULTED = "faulted"
    """The charger cannot charge until a fault is gone."""
    DISABLED = "disabled"
    """The charger itself refuses to charge."""


class Fault(StrEnum):
    """A class of faults that every maker's fault codes can be mapped to."""

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


class Quantity(StrEnum):
    """The quantity of a reading; the unit is in the name."""

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


class Capability(StrEnum):
    """Something that a charger can do; the charge point does without those that are absent."""

    UNLOCK = "unlock"
    """The charger can release the cable at its outlet (`Unlock`)."""
    REBOOT = "reboot"
    """The charger can restart (`Reboot`)."""
    AVAILABILITY = "availability"
    """The charger can be taken out of use (`SetAvailable`)."""
    TEMPERATURE = "temperature"
    """The charger measures a temperature."""
    LIMIT = "limit"
    """The charger follows a volatile limit (`SetLimit`)."""
    PLAN = "plan"
    """The charger stores a plan (`StorePlan`); only together with `LIMIT`."""
    OVERRIDE = "override"
    """The charger can set its stored plan aside for a session (`OverrideSchedule`)."""
    LOCAL_LIST = "local_list"
    """The charger keeps a local authorization list (`KeepList`)."""
    CACHE = "cache"
    """The charger has a cache of its own that can be cleared (`ClearCache`)."""
    SETTINGS = "settings"
    """The charger takes rules for charging without its cloud (`Configure`)."""


class ChargerInfo(Struct, frozen=True):
    """A driver's description of a charger, known before any event."""

    serial: str
    """The serial number by which `watch`, events and commands name the charger."""
    vendor: str
    model: str
    firmware: str = ""
    phases: int = 3
    max_current_a: int = 32
    """The current that the charger can offer per phase, as it is built and fused."""
    capabilities: frozenset[Capability] = frozenset()
    read_only: bool = False
    """The driver writes nothing to the charger, as its operator has set: every command is refused, except
    reports of sessions."""
    measures: frozenset[Quantity] | None = None
    """What it measures as a whole (`Reading.phase` 0), beside the register, which every charger has. None:
    the driver does not know, so it may be anything, a temperature only with its capability."""
    measures_by_phase: frozenset[Quantity] | None = None
    """What it measures of each of its phases. None: the driver does not know, so it may be anything that
    phases have. Register and temperature have none."""
    authorization_required: bool | None = None
    """Whether the charger itself waits for a token at present (`Configure.authorization_required`), so that a
    charge point on which nobody has set it can say so. None: the driver does not know."""


class FoundCharger(Struct, frozen=True):
    """A charger that a driver has found, to set up a charge point for it."""

    serial: str
    name: str = ""
    """The owner's name for it."""
    vendor: str = ""
    """As `model`, what `ChargerInfo` will say of it; empty: not known yet."""
    model: str = ""
    site: str = ""
    """The name of its site; empty: not known."""
    circuit: str = ""
    """Its circuit; chargers of one circuit share a fuse."""
    site_id: str = ""
    """The vendor's own key of the site, as names may occur twice."""


class Found(Struct, frozen=True, kw_only=True):
    """All that a driver has found, and how far it can be relied on."""

    chargers: Sequence[FoundCharger]
    warnings: Sequence[str] = ()
    """What could not be read and is left out, a line each; no secrets."""
    complete: bool = True
    """Whether everything that was asked for was answered. If not, sites or chargers may be missing."""
    gone_unknown: str = ""
    """Why a charger that is not among them may exist nevertheless; empty: it does not."""
