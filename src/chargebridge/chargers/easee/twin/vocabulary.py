"""Modes, reasons, grid types, commands and products of Easee's chargers by number.

Facts only, from Easee's documentation and from what clients have seen on the wire; the driver and the
emulated cloud both use them.
"""

from enum import IntEnum, StrEnum
from typing import Final


class OpMode(IntEnum):
    """The main state of a charger (observation 109). Those from 100 on are observed, not documented."""

    OFFLINE = 0
    DISCONNECTED = 1
    AWAITING_START = 2
    CHARGING = 3
    COMPLETED = 4
    ERROR = 5
    READY_TO_CHARGE = 6
    AWAITING_AUTHENTICATION = 7
    DEAUTHENTICATING = 8
    START_CHARGING = 100
    STOP_CHARGING = 101
    OFFLINE_EXTENDED = 102
    AWAITING_LOAD_BALANCING = 103
    AWAITING_AUTHORIZATION = 104
    AWAITING_SMART_START = 105
    AWAITING_SCHEDULED_START = 106
    AUTHENTICATING = 107
    PAUSED_DUE_TO_EQUALIZER = 108
    SEARCHING_FOR_MASTER = 109
    ERRATIC_EV = 157
    ERROR_TEMPERATURE_TOO_HIGH = 158
    ERROR_DEAD_POWERBOARD = 159
    ERROR_OVERCURRENT = 160
    ERROR_PEN_FAULT = 161


class ReasonForNoCurrent(IntEnum):
    """The reason for no or less current (observation 96). 25 to 30 and 75 to 81 only limit it."""

    OK = 0
    MAX_CIRCUIT_CURRENT_TOO_LOW = 1
    MAX_DYNAMIC_CIRCUIT_CURRENT_TOO_LOW = 2
    MAX_DYNAMIC_OFFLINE_FALLBACK_CIRCUIT_CURRENT_TOO_LOW = 3
    CIRCUIT_FUSE_TOO_LOW = 4
    WAITING_IN_QUEUE = 5
    WAITING_IN_FULLY = 6
    ILLEGAL_GRID_TYPE = 7
    PRIMARY_UNIT_HAS_NOT_RECEIVED_CURRENT_REQUEST_FROM_SECONDARY_UNIT = 8
    MASTER_COMMUNICATION_LOST = 9
    NO_CURRENT_FROM_EQUALIZER_TO_LOW = 10
    NO_CURRENT_PHASE_NOT_CONNECTED = 11
    CURRENT_LIMITED_BY_CIRCUIT_FUSE = 25
    CURRENT_LIMITED_BY_CIRCUIT_MAX_CURRENT = 26
    CURRENT_LIMITED_BY_DYNAMIC_CIRCUIT_CURRENT = 27
    CURRENT_LIMITED_BY_EQUALIZER = 28
    CURRENT_LIMITED_BY_CIRCUIT_LOAD_BALANCING = 29
    CURRENT_LIMITED_BY_OFFLINE_SETTINGS = 30
    SECONDARY_UNIT_NOT_REQUESTING_CURRENT = 50
    MAX_CHARGER_CURRENT_TOO_LOW = 51
    MAX_DYNAMIC_CHARGER_CURRENT_TOO_LOW = 52
    CHARGER_DISABLED = 53
    PENDING_SCHEDULED_CHARGING = 54
    PENDING_AUTHORIZATION = 55
    CHARGER_IN_ERROR_STATE = 56
    ERRATIC_EV = 57
    CURRENT_LIMITED_BY_CABLE_RATING = 75
    CURRENT_LIMITED_BY_SCHEDULE = 76
    CURRENT_LIMITED_BY_CHARGER_MAX_CURRENT = 77
    CURRENT_LIMITED_BY_DYNAMIC_CHARGER_CURRENT = 78
    CURRENT_LIMITED_BY_CAR_NOT_CHARGING = 79
    CURRENT_LIMITED_BY_LOCAL_ADJUSTMENT = 80
    CURRENT_LIMITED_BY_CAR = 81
    UNDEFINED_ERROR = 100


_SPELLED: Final = {
    ReasonForNoCurrent.OK: "OK",
    ReasonForNoCurrent.ERRATIC_EV: "ErraticEV",
    # Longer than the 50 characters of a vendorErrorCode: its number, and what fits of its words.
    ReasonForNoCurrent.PRIMARY_UNIT_HAS_NOT_RECEIVED_CURRENT_REQUEST_FROM_SECONDARY_UNIT: (
        "8 PrimaryUnitHasNotReceivedRequestFromSecondary"
    ),
}
REASON_NAMES: Final = {
    reason.value: _SPELLED.get(reason, reason.name.title().replace("_", "")) for reason in ReasonForNoCurrent
}
"""The names of the reasons in Easee's spelling, at most 50 characters."""


class GridType(IntEnum):
    """The grid type that a charger has detected (observation 21); from 50 on it cannot charge."""

    NOT_YET_DETECTED = 0
    TN_3_PHASE = 1
    TN_2_PHASE_PIN_234 = 2
    TN_1_PHASE = 3
    IT_3_PHASE = 4
    IT_1_PHASE = 5
    WARNING_TN_2_PHASE_PIN_235 = 30
    WARNING_TN_1_PHASE_NEUTRAL_ON_PIN_3 = 31
    WARNING_IT_3_PHASE_GND_FAULT = 32
    WARNING_IT_1_PHASE_GND_FAULT = 33
    WARNING_IT_3_PHASE_GND_FAULT_L3 = 34
    WARNING_IT_1_PHASE_GND_FAULT_L3 = 35
    WARNING_TN_2_PHASE_PIN_234 = 36
    WARNING_TN_3_PHASE_GND_FAULT = 37
    WARNING_TN_2_PHASE_GND_FAULT = 38
    ERROR_NO_VALID_POWER_GRID_FOUND = 50
    ERROR_TN_400_V_NEUTRAL_ON_WRONG_PIN = 51
    ERROR_IT_GND_CONNECTED_TO_PIN_2_OR_3 = 52


class CommandId(IntEnum):
    """The commands to a charger, by number."""

    REBOOT = 1
    POLL_SINGLE = 2
    POLL_ALL = 3
    UPGRADE_FIRMWARE = 4
    SET_SMART_CHARGING = 11
    SET_DYNAMIC_CURRENT_OFFLINE_FALLBACK = 21
    SET_DYNAMIC_CIRCUIT_CURRENT = 22
    ABORT_CHARGING = 23
    SET_MAX_CIRCUIT_CURRENT = 24
    AUTHORIZE_CHARGING = 25
    DEAUTHORIZE_CHARGING = 26
    SET_ENABLED = 29
    SET_LOCK_CABLE_PERMANENTLY = 30
    SET_LOCAL_AUTHORIZATION_REQUIRED = 33
    ENABLE_IDLE_CURRENT = 34
    SET_PHASE_MODE = 38
    SET_LED_STRIP_BRIGHTNESS = 40
    SET_MAX_CHARGER_CURRENT = 47
    SET_DYNAMIC_CHARGER_CURRENT = 48
    SET_CIRCUIT_RATED_CURRENT = 50
    ADD_SCHEDULE = 60
    CLEAR_SCHEDULE = 61
    OVERRIDE_SCHEDULE = 63


REMOTE_START_STATUS: Final = 42
"""The second argument of `AUTHORIZE_CHARGING` for a remote start ("BlindlyAcceptToken")."""
AUTH_REASON_USER: Final = 6
"""The AuthReason of a session whose Auth is a user of Easee's, not a token."""

CHARGER_ERRORS: Final = (100, 103, 106, 107, 108, 109, 110, 111, 113, 207, 218)
"""The numbers of errors of a charger that Easee's API declares. Their meanings are not public."""

VENDOR: Final = "Easee"
EQUALIZER: Final = 1000
"""The product code of the one product that is no charger. Inferred: of the codes that Easee's lists may have
(1, 100, 400, 1000) no charger was seen with it, and Equalizers are the only other products."""
_PRODUCTS: Final = {
    1: "Home",
    2: "Charge Lite",
    3: "Charge Max",
    4: "Charge Up",
    100: "Charge",
    102: "Charge Core",
    103: "Charge Pro",
    400: "Charge One",
}


def known_model_name(product_code: int | None) -> str:
    """Return the name of a product, at most 20 characters; empty for an unknown one."""
    return _PRODUCTS.get(product_code or 0, "")


def model_name(product_code: int | None) -> str:
    """Return the name of a product, at most 20 characters; `Charger` for an unknown one."""
    return known_model_name(product_code) or "Charger"


class RoutingKey(StrEnum):
    """Patterns of routing keys on the operator's bus.

    Inferred from the public Masterloop platform; settings of driver and emulator override them.
    """

    OBSERVATION = "{serial}.O.{id}"
    COMMAND = "{serial}.C.{id}.{ticks}"
    RESPONSE = "{serial}.CR.{id}.{ticks}"
    PULSE = "{serial}.P"
