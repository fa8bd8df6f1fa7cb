"""What the cloud knows of one charger, beside the values that it has told."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import GridType
from chargebridge.chargers.model import (
    ChargerInfo,
    Configure,
    Plan,
    SessionEnded,
    StateChanged,
)
from chargebridge.emulators.easee_cloud.layout import Circuit
from chargebridge.emulators.easee_cloud.limits import ChargerLimits
from chargebridge.emulators.easee_cloud.notation import boolean
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.shadow import Observed, Shadow, Value, initial

SESSIONS_KEPT: Final = 1000
"""Finished sessions of one charger that can be asked for."""
CONFIGURED_BEFORE_MS: Final = 90 * 86_400_000
"""How long before it was adopted a charger was configured: replays carry such old times."""

_O = Observation


class Session(Struct, frozen=True, kw_only=True):
    """The session that runs."""

    number: int
    auth: str
    """The token; empty for none."""
    auth_reason: int | str
    started_at_ms: int
    start_register_wh: int


class Given(Struct, frozen=True):
    """An authorization: somebody may charge."""

    auth: str
    reason: int | str
    until_ms: int
    """Until then it waits for a car."""


class Presented(Struct, frozen=True):
    """A token that was scanned and waits for somebody's word."""

    id_tag: str
    at_ms: int


@dataclass(slots=True, eq=False)
class CloudCharger:
    """One charger of the account."""

    serial: str
    info: ChargerInfo
    circuit: Circuit
    limits: ChargerLimits
    shadow: Shadow
    it_grid: bool
    """Whether its mains have no neutral."""
    product_code: int = 1
    rules: Configure = field(default_factory=lambda: Configure(number=0, expires_ms=0))
    """How it charges when nobody is asked, as it was configured last."""
    reachable: bool = True
    car: bool | None = None
    """Whether one is plugged in; None: not known yet."""
    state: StateChanged | None = None
    drew: bool = False
    """The car has drawn current in this session."""
    session: Session | None = None
    given: Given | None = None
    presented: Presented | None = None
    finished: deque[SessionEnded] = field(default_factory=lambda: deque(maxlen=SESSIONS_KEPT))
    auth_reasons: dict[int, int | str] = field(default_factory=dict)
    """Why the latest sessions were let charge, by number."""
    register_wh: int | None = None
    hour: int | None = None
    """The clock hour that is being summed up, and the register when it began."""
    hour_register_wh: int = 0
    session_energy_told_ms: int = 0
    lifetime_energy_told_ms: int = 0
    old_energy: Observed | None = None
    """A session energy that was told before."""
    limits_due: bool = False
    """What limits it has to be told to it again: it may have forgotten it."""
    limit_told_ma: int | None = None
    """The volatile limit that it was given last."""
    limits_under_way: int = 0
    """Limits given to it that it has not confirmed."""
    restarted_ms: int = 0
    """When it booted last."""
    reboots: bool = False
    """A reboot was ordered and has not been told of yet."""
    plans: dict[str, bytes] = field(default_factory=dict)
    """The stored charge plan as it was given, by the kind of plan; one at most."""
    plan_owed: tuple[Plan | None, str] | None = None
    """A plan, and how it is told, that could not be handed over since the charger was away."""
    access_level: int = 1
    partner_id: int | None = None

    @property
    def authorization_required(self) -> bool:
        """Whether a car needs a token."""
        return self.rules.authorization_required

    @property
    def is_master(self) -> bool:
        """Whether the values of its circuit are told and forgotten by it."""
        return self.circuit.serials[0] == self.serial

    def note_session(self, ended: SessionEnded) -> bool:
        """Remember a finished session; False if it was known."""
        if any(known.session == ended.session for known in reversed(self.finished)):
            return False
        self.finished.append(ended)
        return True


def values_to_begin_with(
    info: ChargerInfo, circuit: Circuit, settings: EaseeCloudSettings, *, it_grid: bool, at_ms: int
) -> dict[int, Value]:
    """Return what a charger of this kind has told long ago, and tells again only when it changes."""
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
        _O.CABLE_RATING: rated,
        _O.OUTPUT_PHASE: "0",
        **_three(_O.DYNAMIC_CIRCUIT_CURRENT_P1, limits.dynamic_a),
        _O.OUTPUT_CURRENT: "0",
        _O.ERROR_STRING: "",
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
    return initial(at_ms, values)


def settings_of(rules: Configure) -> Mapping[Observation, str]:
    """Return the observations that tell how a charger is configured."""
    return {
        _O.AUTHORIZATION_REQUIRED: boolean(rules.authorization_required),
        _O.LOCAL_AUTHORIZE_OFFLINE_ENABLED: boolean(rules.authorize_offline),
        _O.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID: boolean(rules.allow_unknown_offline),
    }


def grid_type(phases: int, *, it_grid: bool) -> GridType:
    """Return the mains that a charger with so many phases has detected."""
    if phases == 1:
        return GridType.IT_1_PHASE if it_grid else GridType.TN_1_PHASE
    return GridType.IT_3_PHASE if it_grid else GridType.TN_3_PHASE


def _three(first: Observation, phases: tuple[int, int, int]) -> dict[Observation, str]:
    return {Observation(first + phase): str(amperes) for phase, amperes in enumerate(phases)}
