"""The state of one emulated charger, beside the last values of its observations."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec import Struct

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import GridType
from chargebridge.chargers.model import (
    ChargerInfo,
    Plan,
    SessionEnded,
    StateChanged,
)
from chargebridge.chargers.simulator.hardware.rules import Rules
from chargebridge.emulators.easee_cloud.charger.last_values import LastValues, Observed, Value, values_at
from chargebridge.emulators.easee_cloud.charger.layout import Circuit
from chargebridge.emulators.easee_cloud.charger.limits import ChargerLimits
from chargebridge.emulators.easee_cloud.charger.notation import boolean
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings

SESSIONS_KEPT: Final = 1000
"""Finished sessions of one charger that the API lists."""
REGISTERS_KEPT: Final = 240
"""Values of the register of one charger that the API lists: ten days of them."""
CONFIGURED_BEFORE_MS: Final = 90 * 86_400_000
"""Age of a charger's configuration when it is adopted: the real replay carries such old times, too."""

_O = Observation


class Session(Struct, frozen=True, kw_only=True):
    """The running session."""

    number: int
    auth: str
    """The token; empty if there is none."""
    auth_reason: int | str
    started_at_ms: int
    start_register_wh: int


class Authorization(Struct, frozen=True):
    """An authorization that waits for a car."""

    auth: str
    reason: int | str
    until_ms: int
    """When it expires, in UTC milliseconds."""


class ScannedToken(Struct, frozen=True):
    """A scanned token that waits for a decision."""

    id_tag: str
    at_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class PendingPlan:
    """A plan on its way to a charger; None: none is to be stored any more."""

    plan: Plan | None


class Beginning(NamedTuple):
    """The beginning of a session's record, with the tap that led to the session."""

    serial: str
    session: int
    started_ms: int
    """UTC."""


@dataclass(slots=True, eq=False)
class CloudCharger:
    """One charger of the account."""

    serial: str
    info: ChargerInfo
    circuit: Circuit
    limits: ChargerLimits
    last_values: LastValues
    it_grid: bool
    """Whether the grid has no neutral."""
    product_code: int = 1
    rules: Rules = field(default_factory=Rules)
    """Whether and when a session needs an authorization, as it was configured last."""
    reachable: bool = True
    car: bool | None = None
    """Whether a car is plugged in; None if that is not known yet."""
    state: StateChanged | None = None
    has_drawn: bool = False
    """Whether the car has drawn current in this session."""
    session: Session | None = None
    authorization: Authorization | None = None
    scanned_token: ScannedToken | None = None
    begun: Session | None = None
    """The record that has begun with a tap or a plug-in, while nobody is authorized."""
    last_token: str = ""
    """The token that was used last."""
    newest_session: int = 0
    """The highest number of a session so far."""
    back_ms: int = -1
    """When the cloud could reach it again; what it has kept until then follows its state."""
    started_ms: dict[int, int] = field(default_factory=dict)
    """The start of the latest sessions in their records, by number; a record may begin before its session."""
    stays_ready: bool = False
    """Whether this session charges in op mode 6."""
    stays_charging: bool = False
    """Whether op mode stays 3 in this session while the car takes nothing."""
    finished: deque[SessionEnded] = field(default_factory=lambda: deque(maxlen=SESSIONS_KEPT))
    auth_reasons: dict[int, int | str] = field(default_factory=dict)
    """The AuthReason of the latest sessions, by number."""
    auths: dict[int, str] = field(default_factory=dict)
    """Their tokens, where a record shows another one than the charger's own."""
    register_wh: int | None = None
    hour: int | None = None
    """The current clock hour, counted from 1970, and in the next field the register at its start."""
    hour_register_wh: int = 0
    session_energy_reported_ms: int = 0
    lifetime_energy_reported_ms: int = 0
    lifetime_energy_s: int | None = None
    """The configured interval of the register; None: `Cadence`."""
    lifetime_energy_idle: bool = True
    """Whether the register is also reported while no car charges."""
    registers: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=REGISTERS_KEPT))
    """The reported registers, with their times."""
    old_energy: Observed | None = None
    """An earlier session energy, for `Misbehaviour.stale`."""
    withheld_session: int = 0
    """The newest session whose record never comes (`Misbehaviour.withheld_ends`)."""
    limits_due: bool = False
    """Whether its limit has to be sent again, since the charger may have lost it."""
    sent_limit_ma: int | None = None
    """The volatile limit sent last."""
    unconfirmed_limits: int = 0
    """Number of limits that were sent and are not confirmed."""
    restarted_ms: int = 0
    """The time of the last boot."""
    reboot_pending: bool = False
    """Whether a commanded reboot has not been reported yet."""
    plans: dict[str, bytes] = field(default_factory=dict)
    """The body of the stored charge plan by its kind; one entry at most."""
    pending_plan: PendingPlan | None = None
    """A plan not stored yet since the charger is unreachable."""
    access_level: int = 1
    partner_id: int | None = None

    @property
    def authorization_required(self) -> bool:
        """Whether a session needs a token."""
        return self.rules.authorization_required

    @property
    def is_master(self) -> bool:
        """Whether this charger reports the circuit's values, and loses them when it restarts."""
        return self.circuit.serials[0] == self.serial

    def beginnings(self) -> Iterator[Beginning]:
        """Yield when the record began of each of the latest sessions that had one before."""
        for session, started_ms in self.started_ms.items():
            yield Beginning(self.serial, session, started_ms)

    def add_session(self, ended: SessionEnded) -> bool:
        """Remember a finished session; return False if it was remembered before."""
        if any(known.session == ended.session for known in reversed(self.finished)):
            return False
        self.finished.append(ended)
        self.newest_session = max(self.newest_session, ended.session)
        return True


def initial_values(
    info: ChargerInfo, circuit: Circuit, settings: EaseeCloudSettings, *, it_grid: bool, at_ms: int
) -> dict[int, Value]:
    """Return the first values of a charger of this kind, reported long ago."""
    rated = str(info.max_current_a)
    limits = circuit.limits
    values: dict[Observation, str] = {
        _O.SELF_TEST_RESULT: "PASSED",
        _O.LOCAL_PRE_AUTHORIZE_ENABLED: "1",
        _O.LOCAL_AUTHORIZE_OFFLINE_ENABLED: "1",
        _O.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID: "0",
        _O.DETECTED_POWER_GRID_TYPE: str(int(grid_type(info.phases, it_grid=it_grid))),
        **_three(_O.CIRCUIT_MAX_CURRENT_P1, limits.maximum_a),
        _O.RFID_AUTH_TIMEOUT_SEC: "60",
        _O.LOCK_CABLE_PERMANENTLY: "0",
        _O.IS_ENABLED: "1",
        _O.WIFI_SSID: "garage",
        _O.ENABLE_IDLE_CURRENT: "0",
        _O.PHASE_MODE: "2",
        _O.LED_STRIP_BRIGHTNESS: "70",
        _O.LOCAL_AUTHORIZATION_REQUIRED: "0",
        _O.AUTHORIZATION_REQUIRED: "1",
        _O.REMOTE_START_REQUIRED: "0",
        _O.SMART_BUTTON_ENABLED: "1",
        _O.OFFLINE_CHARGING_MODE: "0",
        _O.MAX_CHARGER_CURRENT: rated,
        _O.DYNAMIC_CHARGER_CURRENT: rated,
        **_three(_O.MAX_CURRENT_OFFLINE_FALLBACK_P1, limits.offline_a),
        _O.CHARGING_SCHEDULE: "",
        _O.WIFI_AP_ENABLED: "0",
        _O.SOFTWARE_RELEASE: str(settings.firmware),
        _O.SMART_CHARGING: "0",
        _O.CABLE_LOCKED: "0",
        _O.CABLE_RATING: rated if settings.rated_without_cable else "-1",
        _O.OUTPUT_PHASE: "0",
        **_three(_O.DYNAMIC_CIRCUIT_CURRENT_P1, limits.dynamic_a),
        _O.OUTPUT_CURRENT: "0",
        _O.ERROR_STRING: "" if settings.empty_error_string else '{"rcd":{"ok":1,"mask":0}}',
        _O.ERROR_CODE: "0",
        _O.TOTAL_POWER: "0",
        _O.SESSION_ENERGY: "0",
        _O.CELL_RSSI: "-71",
        _O.WIFI_RSSI: "-57",
        _O.LOCAL_RSSI: "0",
        _O.CHARGER_RAT: "1",
        _O.LOCAL_NODE_TYPE: "1",
        _O.LOCAL_RADIO_CHANNEL: "9",
        _O.LOCAL_SHORT_ADDRESS: "0",
        _O.LOCAL_PARENT_ADDR_OR_NUM_OF_NODES: "0",
        _O.FATAL_ERROR_CODE: "0",
    }
    return values_at(at_ms, values)


def settings_of(rules: Rules) -> Mapping[Observation, str]:
    """Return the observations that report the authorization settings."""
    return {
        _O.AUTHORIZATION_REQUIRED: boolean(rules.authorization_required),
        _O.LOCAL_AUTHORIZE_OFFLINE_ENABLED: boolean(rules.authorize_offline),
        _O.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID: boolean(rules.allow_unknown_offline),
    }


def grid_type(phases: int, *, it_grid: bool) -> GridType:
    """Return the grid type that a charger with so many phases has detected."""
    if phases == 1:
        return GridType.IT_1_PHASE if it_grid else GridType.TN_1_PHASE
    return GridType.IT_3_PHASE if it_grid else GridType.TN_3_PHASE


def _three(first: Observation, phases: tuple[int, int, int]) -> dict[Observation, str]:
    return {Observation(first + phase): str(amperes) for phase, amperes in enumerate(phases)}
