"""What a simulated charger is, as data: how it is built, and all that has become of it."""

from msgspec import Struct, field

from chargebridge.chargers.model import (
    Fault,
    Measured,
    Outcome,
    Restarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from chargebridge.chargers.simulator.car import Car
from chargebridge.chargers.simulator.outlet import Outlet


class ChargerSettings(Struct, frozen=True, kw_only=True):
    """What a charger is built like."""

    serial: str
    phases: int = 3
    rated_current_a: int = 32
    measure_every_s: int = 60
    """Seconds between measurements while a session runs."""
    cable_lock: bool = True


class Session(Struct, frozen=True):
    """The running session."""

    number: int
    id_tag: str
    started_at_ms: int
    start_register_wh: int


class Authorization(Struct, frozen=True):
    """A token that may charge as soon as a car is plugged in."""

    id_tag: str
    until_ms: int


class ChargerRecord(Struct, kw_only=True, omit_defaults=True):
    """All that a charger is: written down, it continues from there."""

    outlet: Outlet
    measure_ms: int
    """When it measures next."""
    car: Car | None = None
    session: Session | None = None
    last_session: int = 0
    authorization: Authorization | None = None
    locked: bool = False
    available: bool = True
    fault: Fault | None = None
    cloud_lost: bool = False
    down_until_ms: int | None = None
    """Set while it is without power or booting."""
    told: StateChanged | None = None
    """The last state its cloud has heard."""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    """How the last commands ended, by number: none is carried out twice."""
    held: list[SessionStarted | SessionEnded | Measured | Restarted] = field(default_factory=list)
    """Events for which the cloud was away."""
