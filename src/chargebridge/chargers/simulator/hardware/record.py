"""The data of a simulated charger: its settings and its state."""

from typing import Final
from zlib import crc32

from msgspec import Struct, field

from chargebridge.chargers.model import (
    Capability,
    ChargerInfo,
    Fault,
    Measured,
    Outcome,
    Quantity,
    Reading,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from chargebridge.chargers.simulator.hardware.car import Car
from chargebridge.chargers.simulator.hardware.limits import Limits
from chargebridge.chargers.simulator.hardware.outlet import Outlet
from chargebridge.chargers.simulator.hardware.rules import Rules
from chargebridge.chargers.simulator.hardware.tokens import same_token

FIRMWARE: Final = "1.0.0"
WARNINGS: Final = frozenset({Fault.WEAK_SIGNAL, Fault.READER})
"""Faults with which a charger goes on charging; all others end the session."""

IDLE_MEASURE_MS: Final = 15 * 60_000
"""Time between two measurements without a session."""

MEASURABLE: Final = tuple(quantity.value for quantity in Quantity)
"""All quantities that a simulated charger can measure."""
PER_PHASE: Final = (Quantity.CURRENT_A, Quantity.VOLTAGE_V)
"""Those of them that are measured in each phase."""

LOST_ENDS_REMEMBERED: Final = 64
"""The most sessions in `lost_ends`; as many as its cloud lists (`bay.SESSIONS_LISTED`)."""

BufferedEvent = SessionStarted | SessionEnded | Measured | Restarted
"""An event that a charger buffers while its cloud is unreachable."""


class ChargerSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settings with which a charger is built."""

    serial: str
    phases: int = 3
    rated_current_a: int = 32
    measure_every_s: int = 60
    """Seconds between measurements while a session runs."""
    measures: tuple[str, ...] = MEASURABLE
    """The quantities that it reports, each with all its phases, or with one as in `current_a.L1`; the energy
    register in any case."""
    reboot_s: float = 20.0
    """Seconds from the begin of a boot until its cloud can reach it."""
    power_cut_s: float = 10.0
    """Seconds without power in a power cycle; the boot follows."""
    fixed_cable: bool = False
    """The cable cannot be unplugged from the charger, which so has no lock."""
    cached_tokens: tuple[str, ...] = ()
    """Tokens in its cache when it is installed."""
    idle_in_step: bool = False
    """Whether it measures, while no session runs, at the quarters of an hour, as all others with this
    setting. Else each charger has its own offset."""

    @property
    def reboot_ms(self) -> int:
        """`reboot_s` in milliseconds."""
        return round(self.reboot_s * 1000)

    @property
    def power_cut_ms(self) -> int:
        """`power_cut_s` in milliseconds."""
        return round(self.power_cut_s * 1000)

    def next_idle_ms(self, now_ms: int) -> int:
        """Return when it measures next without a session, in UTC milliseconds."""
        offset_ms = 0 if self.idle_in_step else crc32(self.serial.encode()) % IDLE_MEASURE_MS
        return now_ms + IDLE_MEASURE_MS - (now_ms - offset_ms) % IDLE_MEASURE_MS

    def measured(self, reading: Reading) -> bool:
        """Whether it reports this value."""
        quantity = reading.quantity
        return (
            quantity is Quantity.ENERGY_WH
            or quantity in self.measures
            or f"{quantity}.L{reading.phase}" in self.measures
        )

    @property
    def info(self) -> ChargerInfo:
        """The description of such a charger."""
        lacking = set[Capability]()
        if self.fixed_cable:
            lacking.add(Capability.UNLOCK)
        if Quantity.TEMPERATURE_C not in self.measures:
            lacking.add(Capability.TEMPERATURE)
        return ChargerInfo(
            serial=self.serial,
            vendor="chargebridge",
            model=f"Simulated AC {self.phases}x{self.rated_current_a} A",
            firmware=FIRMWARE,
            phases=self.phases,
            max_current_a=self.rated_current_a,
            capabilities=frozenset(Capability) - lacking,
            measures=frozenset(
                quantity
                for quantity in Quantity
                if quantity not in PER_PHASE and self.measured(Reading(quantity, 0))
            ),
            measures_by_phase=frozenset(
                quantity
                for quantity in PER_PHASE
                if any(self.measured(Reading(quantity, 0, phase)) for phase in range(1, self.phases + 1))
            ),
        )


class Session(Struct, frozen=True):
    """The running session."""

    number: int
    id_tag: str | None
    """None: it started without authorization."""
    started_at_ms: int
    start_register_wh: int

    def belongs_to(self, id_tag: str) -> bool:
        """Whether it started with this token."""
        return self.id_tag is not None and same_token(self.id_tag, id_tag)

    def started(self) -> SessionStarted:
        """Return the event of its start."""
        return SessionStarted(
            at_ms=self.started_at_ms,
            session=self.number,
            id_tag=self.id_tag,
            register_wh=self.start_register_wh,
        )

    def ended(self, at_ms: int, register_wh: int, reason: SessionEnd) -> SessionEnded:
        """Return its record when it has ended."""
        return SessionEnded(
            at_ms=at_ms,
            session=self.number,
            id_tag=self.id_tag,
            started_at_ms=self.started_at_ms,
            start_register_wh=self.start_register_wh,
            register_wh=register_wh,
            reason=reason,
        )


class Authorization(Struct, frozen=True):
    """A token that may charge as soon as a car is plugged in."""

    id_tag: str
    until_ms: int


class ChargerRecord(Struct, kw_only=True, omit_defaults=True):
    """The state of a charger; saved, it continues from there."""

    outlet: Outlet
    measure_ms: int
    """When it measures next."""
    car: Car | None = None
    session: Session | None = None
    last_session: int = 0
    authorization: Authorization | None = None
    locked: bool = False
    """Whether the cable is held at the charger's side."""
    limits: Limits = field(default_factory=Limits)
    rules: Rules = Rules()
    """Its rules for charging without its cloud, as they were configured last."""
    cache: list[str] = field(default_factory=list)
    """Tokens that its cloud has accepted, the newest last."""
    dismissed: bool = False
    """A session of the plugged-in car was ended on purpose: free charging starts no other one."""
    available: bool = True
    fault: Fault | None = None
    cloud_lost: bool = False
    down_until_ms: int | None = None
    """Set while it is without power or booting."""
    reported_state: StateChanged | None = None
    """The state that was last reported to its cloud."""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    """The outcomes of the last commands, by number: none is carried out twice."""
    buffered: list[BufferedEvent] = field(default_factory=list)
    """Events that happened while the cloud was unreachable."""
    starts_to_lose: int = 0
    """The number of next sessions whose start it does not report, ever."""
    ends_to_lose: int = 0
    """The number of next ends of sessions that it does not report, ever."""
    lost_start: int = 0
    """The newest session whose start was lost in this way."""
    lost_ends: list[int] = field(default_factory=list)
    """The newest sessions whose ends were lost in this way."""

    @property
    def reachable(self) -> bool:
        """Whether its cloud can reach it."""
        return not self.cloud_lost and self.down_until_ms is None

    @property
    def faulted(self) -> bool:
        """Whether a fault prevents charging."""
        return self.fault is not None and self.fault not in WARNINGS

    @property
    def charges_freely(self) -> bool:
        """Whether the plugged-in car gets a session without authorization."""
        if self.rules.authorization_required or self.car is None or self.session is not None:
            return False
        usable = self.available and not self.faulted and self.down_until_ms is None
        return usable and not self.dismissed
