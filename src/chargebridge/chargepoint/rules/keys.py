"""Configuration keys: the values of each, who may write it, and where it exists (OCPP 1.6 §9)."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Final

from msgspec import Struct

from chargebridge.chargepoint.behaviour import EVERY_MEASURAND, Behaviour
from chargebridge.chargers.model import Capability, Quantity
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.enums import Measurand
from chargebridge.ocpp16.messages import KeyValue

MAX_KEYS_ASKED: Final = 50
"""GetConfigurationMaxKeys: limits the keys of a request, not an answer to an empty one (`CF-2`)."""
LONGEST_VALUE: Final = 500
"""Characters of a value in a message (`VAL-6`)."""
MAX_MEASURANDS: Final = 20
MAX_LISTED: Final = 10_000
"""LocalAuthListMaxLength."""
MAX_LISTED_AT_ONCE: Final = 1000
"""SendLocalListMaxLength."""
MAX_STACK_LEVEL: Final = 8
MAX_PERIODS: Final = 24
MAX_PROFILES: Final = 16
MAX_SAMPLES: Final = 50
"""StopTransactionMaxMeterValues."""

MEASURANDS: Final[Mapping[Measurand, Quantity]] = {
    Measurand.CURRENT_IMPORT: Quantity.CURRENT_A,
    Measurand.CURRENT_OFFERED: Quantity.CURRENT_OFFERED_A,
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: Quantity.ENERGY_WH,
    Measurand.POWER_ACTIVE_IMPORT: Quantity.POWER_W,
    Measurand.VOLTAGE: Quantity.VOLTAGE_V,
    Measurand.TEMPERATURE: Quantity.TEMPERATURE_C,
}
"""The six measurands there are, and what the charger calls them."""
Capabilities = frozenset[Capability]


class Access(Enum):
    """The rule for writing a key."""

    ALWAYS_READ_ONLY = "read-only, by the standard or because there is nothing to switch"
    DOCUMENTED = "writable under every behaviour"
    STANDARD = "writable, unless the behaviour makes other keys read-only"


class InvalidValueError(ValueError):
    """A value that a key cannot take; the text says what is expected."""


# --- the form of values -----------------------------------------------------------------------------


def _integer(low: int, high: int = 2**31 - 1) -> Callable[[str], str]:
    def normalize(value: str) -> str:
        text = value.strip()
        if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 11:
            raise InvalidValueError(f"a whole number from {low} to {high}")
        if not low <= int(text) <= high:
            raise InvalidValueError(f"a whole number from {low} to {high}")
        return str(int(text))

    return normalize


def _boolean(value: str) -> str:
    text = value.strip().lower()
    if text not in {"true", "false"}:
        raise InvalidValueError("true or false")
    return text


_ROTATIONS: Final = frozenset(
    {"NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR"},
)


def _phase_rotation(value: str) -> str:
    items = [item.strip() for item in value.split(",")] if value.strip() else []
    for item in items:
        connector, dot, rotation = item.partition(".")
        if connector not in {"0", "1"} or not dot or rotation not in _ROTATIONS:
            raise InvalidValueError("items such as 1.RST for connectors 0 and 1")
    return ",".join(items)


def list_items(value: str) -> list[str]:
    """Return the items of a list of measurands; an empty one has none."""
    return [item.strip() for item in value.split(",")] if value.strip() else []


def _measurands(value: str) -> str:
    items = list_items(value)
    if len(items) > MAX_MEASURANDS:
        raise InvalidValueError(f"at most {MAX_MEASURANDS} items")
    for item in items:
        split_measurand(item)
    return ",".join(items)


Measurable = frozenset[tuple[Quantity, int]]
"""What a charger can measure: quantities, each with the phase, or 0 for the whole charger."""
_OF_PHASES: Final = frozenset(
    {Quantity.POWER_W, Quantity.CURRENT_A, Quantity.CURRENT_OFFERED_A, Quantity.VOLTAGE_V}
)


@lru_cache(maxsize=256)
def measurable(
    phases: int,
    measures: frozenset[Quantity] | None,
    measures_by_phase: frozenset[Quantity] | None,
    *,
    temperature: bool,
) -> Measurable:
    """Return what a charger can measure; there is one register, and it has no phases.

    Args:
        phases: of the charger.
        measures: as of `ChargerInfo`.
        measures_by_phase: as of `ChargerInfo`.
        temperature: whether it may measure a temperature, where it does not say what it measures.
    """
    if measures is None:
        measures = frozenset(Quantity) if temperature else frozenset(Quantity) - {Quantity.TEMPERATURE_C}
    by_phase = _OF_PHASES if measures_by_phase is None else measures_by_phase & _OF_PHASES
    return frozenset(
        {(Quantity.ENERGY_WH, 0)}
        | {(quantity, 0) for quantity in measures}
        | {(quantity, phase) for quantity in by_phase for phase in range(1, phases + 1)}
    )


def is_measurable(item: str, possible: Measurable) -> bool:
    """Whether a charger can measure anything of an item of a list, which may be no measurand at all."""
    try:
        measurand, phase = split_measurand(item)
    except InvalidValueError:
        return False
    phases = range(4) if phase is None else (phase,)
    return any((MEASURANDS[measurand], number) in possible for number in phases)


def split_measurand(item: str) -> tuple[Measurand, int | None]:
    """Tell measurand and phase of a list item apart (`MV-14`): `Voltage.L1-N`, `Power.Active.Import`.

    There are three phases, each measured against neutral; any other is unsupported (`MV-15`).

    Raises:
        InvalidValueError: there is no such measurand here.
    """
    if item in _BY_NAME:
        return _BY_NAME[item], None
    name, _, tail = item.rpartition(".")
    if name in _BY_NAME and tail in _PHASES:
        return _BY_NAME[name], _PHASES[tail]
    raise InvalidValueError(f"measurands out of {EVERY_MEASURAND}, each optionally with a phase")


_BY_NAME: Final = {measurand.value: measurand for measurand in MEASURANDS}
_PHASES: Final[Mapping[str, int]] = {"L1": 1, "L2": 2, "L3": 3, "L1-N": 1, "L2-N": 2, "L3-N": 3}


def _free_charging_tag(value: str) -> str:
    text = value.strip()
    if text and not (5 <= len(text) <= 20 and text.isascii() and text.isprintable()):
        raise InvalidValueError("5 to 20 ASCII characters, or nothing")
    return text


_MOST_AMPERE: Final = 1000
_LONGEST_S: Final = 7 * 86_400
_AMPERE: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{0,20})?|\.[0-9]{1,20}")
"""Plain: `1e-999999` is a number, too, and a million digits long when it is written out."""

_DYNAMIC_CURRENT_EXPECTED: Final = (
    f"ampere from 0 to {_MOST_AMPERE}, one value or three, then optionally ; and seconds up to {_LONGEST_S},"
    " such as 16 or 10.5;300 or 10,16,16;600"
)


def _dynamic_current(value: str) -> str:
    if not value.strip():
        return ""
    currents, _, seconds = value.partition(";")
    texts = [_ampere(text) for text in currents.split(",")]
    if len(texts) not in {1, 3}:
        raise InvalidValueError(_DYNAMIC_CURRENT_EXPECTED)
    if ";" not in value:
        return ",".join(texts)
    text = seconds.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 0 < int(text) <= _LONGEST_S):
        raise InvalidValueError(_DYNAMIC_CURRENT_EXPECTED)
    return f"{','.join(texts)};{int(text)}"


def _ampere(text: str) -> str:
    text = text.strip()
    if not _AMPERE.fullmatch(text) or Decimal(text) > _MOST_AMPERE:
        raise InvalidValueError(_DYNAMIC_CURRENT_EXPECTED)
    return f"{Decimal(text).normalize():f}"


# --- the keys ---------------------------------------------------------------------------------------


class Key(Struct, frozen=True):
    """One configuration key."""

    name: str
    access: Access
    default: str | Callable[[Behaviour, Capabilities], str] | None
    """The value until it is written; None: it is computed from the charge point when it is read."""
    normalize: Callable[[str], str] = str
    exists: Callable[[Behaviour, Capabilities], bool] = lambda _behaviour, _capabilities: True
    """Optional keys are there only where their feature is (`CF-7`)."""
    needs: Mapping[str, Capability] = {}
    """Values that only a charger with this capability can make true."""

    @property
    def lists_measurands(self) -> bool:
        """Whether its value is a list of what the charger measures."""
        return self.normalize is _measurands


def _sampled_data(behaviour: Behaviour, _capabilities: Capabilities) -> str:
    return behaviour.sampled_data_by_default


def _sample_interval(behaviour: Behaviour, _capabilities: Capabilities) -> str:
    return str(behaviour.sample_interval_by_default_s)


def _rate_units(behaviour: Behaviour, _capabilities: Capabilities) -> str:
    return "Current,Power" if behaviour.power_limits else "Current"  # E 3.86


def _profiles(_behaviour: Behaviour, capabilities: Capabilities) -> str:
    smart = ["SmartCharging"] if Capability.LIMIT in capabilities else []
    return ",".join(["Core", "LocalAuthListManagement", *smart, "RemoteTrigger"])


def _limits(_behaviour: Behaviour, capabilities: Capabilities) -> bool:
    return Capability.LIMIT in capabilities


def _free_charging(behaviour: Behaviour, capabilities: Capabilities) -> bool:
    return behaviour.easee_extensions and Capability.SETTINGS in capabilities


def _dynamic(behaviour: Behaviour, capabilities: Capabilities) -> bool:
    return behaviour.easee_extensions and Capability.LIMIT in capabilities


def _wears(behaviour: Behaviour, capabilities: Capabilities) -> bool:
    return behaviour.easee_extensions and Capability.PLAN in capabilities


_FIXED, _DOCUMENTED, _STANDARD = Access.ALWAYS_READ_ONLY, Access.DOCUMENTED, Access.STANDARD

KEYS: Final[Mapping[str, Key]] = {
    key.name.lower(): key
    for key in (
        Key("AllowOfflineTxForUnknownId", _DOCUMENTED, "false", _boolean),
        Key("AuthorizationCacheEnabled", _STANDARD, "true", _boolean),
        # A remote start is authorized already: the central system has requested it (`RS-2`).
        Key("AuthorizeRemoteTxRequests", _STANDARD, "false", _boolean),
        Key("ChargeProfileMaxStackLevel", _FIXED, str(MAX_STACK_LEVEL), exists=_limits),
        Key("ChargingScheduleAllowedChargingRateUnit", _FIXED, _rate_units, exists=_limits),
        Key("ChargingScheduleMaxPeriods", _FIXED, str(MAX_PERIODS), exists=_limits),
        Key("ClockAlignedDataInterval", _STANDARD, "0", _integer(0, 86_400)),
        Key("ConnectionTimeOut", _DOCUMENTED, "120", _integer(1)),
        Key("ConnectorPhaseRotation", _DOCUMENTED, "0.Unknown,1.Unknown", _phase_rotation),
        Key("GetConfigurationMaxKeys", _FIXED, str(MAX_KEYS_ASKED)),
        Key("HeartbeatInterval", _DOCUMENTED, None, _integer(0)),
        Key("LocalAuthListEnabled", _DOCUMENTED, "true", _boolean),
        Key("LocalAuthListMaxLength", _FIXED, str(MAX_LISTED)),
        Key("LocalAuthorizeOffline", _DOCUMENTED, "true", _boolean),
        Key("LocalPreAuthorize", _DOCUMENTED, "false", _boolean),
        Key("MaxChargingProfilesInstalled", _FIXED, str(MAX_PROFILES), exists=_limits),
        Key("MessageTimeout", _FIXED, None),
        Key("MeterValuesAlignedData", _STANDARD, "", _measurands),
        Key("MeterValuesAlignedDataMaxLength", _FIXED, str(MAX_MEASURANDS)),
        Key("MeterValuesSampledData", _DOCUMENTED, _sampled_data, _measurands),
        Key("MeterValuesSampledDataMaxLength", _FIXED, str(MAX_MEASURANDS)),
        Key("MeterValueSampleInterval", _DOCUMENTED, _sample_interval, _integer(0, 86_400)),
        Key("NumberOfConnectors", _FIXED, "1"),
        Key("ResetRetries", _STANDARD, "0", _integer(0, 10)),
        Key("SendLocalListMaxLength", _FIXED, str(MAX_LISTED_AT_ONCE)),
        Key("StopTransactionMaxMeterValues", _FIXED, str(MAX_SAMPLES)),
        Key("StopTransactionOnEVSideDisconnect", _FIXED, "true"),
        Key(
            "StopTransactionOnInvalidId",
            _DOCUMENTED,
            "true",
            _boolean,
            # Going on without energy is a limit of nothing (`TX-4`).
            needs={"false": Capability.LIMIT},
        ),
        Key("StopTxnAlignedData", _STANDARD, "", _measurands),
        Key("StopTxnAlignedDataMaxLength", _FIXED, str(MAX_MEASURANDS)),
        Key("StopTxnSampledData", _DOCUMENTED, "", _measurands),
        Key("StopTxnSampledDataMaxLength", _FIXED, str(MAX_MEASURANDS)),
        Key("SupportedFeatureProfiles", _FIXED, _profiles),
        Key("TransactionMessageAttempts", _DOCUMENTED, "3", _integer(0, 1000)),
        Key("TransactionMessageRetryInterval", _DOCUMENTED, "60", _integer(0, 86_400)),
        Key(
            "UnlockConnectorOnEVSideDisconnect",
            _DOCUMENTED,
            "false",
            _boolean,
            needs={"true": Capability.UNLOCK},  # TX-15: a fixed cable stays
        ),
        Key("WebSocketPingInterval", _STANDARD, None, _integer(0, 86_400)),
        # Easee's extensions.
        Key("ExternalAuthorizationRequired", _DOCUMENTED, "true", _boolean, exists=_free_charging),
        Key("freecharging", _DOCUMENTED, "false", _boolean, exists=_free_charging),
        Key("rfidtagfreecharging", _DOCUMENTED, "", _free_charging_tag, exists=_free_charging),
        Key("DynamicChargerCurrent", _DOCUMENTED, None, _dynamic_current, exists=_dynamic),
        Key("DynamicCircuitCurrent", _DOCUMENTED, None, _dynamic_current, exists=_dynamic),
        Key("ProfileWritesToday", _FIXED, None, exists=_wears),
        Key("ProfileWritesRemaining", _FIXED, None, exists=_wears),
    )
}
"""By lower-case name: key names are compared without regard to case (`CF-3`)."""
ALIASES: Final[Mapping[str, str]] = {"rfidfreecharging": "rfidtagfreecharging"}
"""Other published names, by lower-case name."""

EXCLUDES: Final[Mapping[str, str]] = {
    "freecharging": "ExternalAuthorizationRequired",
    "ExternalAuthorizationRequired": "freecharging",
}
"""Keys of which only one can be true at a time: true in the one writes false to the other (Easee's rule)."""


# --- the keys of a charge point ---------------------------------------------------------------------


class Offer(Struct, frozen=True):
    """The keys of all charge points that behave alike and whose chargers can do the same.

    Shared, since some central systems request all keys of a whole fleet at once.
    """

    keys: Mapping[str, Key]
    """By lower-case name."""
    defaults: Mapping[str, str]
    """By name: what is not computed."""
    openings: tuple[bytes, ...]
    """The JSON of each key up to its value."""
    unwritten: tuple[bytes, ...]
    """The JSON of each key until it is written; empty for those that are computed."""
    places: Mapping[str, int]
    """By name, in `openings` and `unwritten`."""
    computed: tuple[tuple[int, str], ...]
    """The places and names of the keys whose value is computed from the charge point."""


@lru_cache(maxsize=64)
def offer(behaviour: Behaviour, capabilities: Capabilities) -> Offer:
    """Return the keys that exist under a behaviour, with a charger of these capabilities."""
    keys = {name: key for name, key in KEYS.items() if key.exists(behaviour, capabilities)}
    defaults = {
        key.name: key.default if isinstance(key.default, str) else key.default(behaviour, capabilities)
        for key in keys.values()
        if key.default is not None
    }
    empty = (KeyValue(key=key.name, readonly=not writable(key, behaviour), value="") for key in keys.values())
    openings = tuple(ENCODER.encode(one).removesuffix(b'""}') for one in empty)
    unwritten = tuple(
        json_value(opening, defaults[key.name]) if key.name in defaults else b""
        for key, opening in zip(keys.values(), openings, strict=True)
    )
    places = {key.name: place for place, key in enumerate(keys.values())}
    computed = tuple((place, key.name) for place, key in enumerate(keys.values()) if key.default is None)
    return Offer(keys, defaults, openings, unwritten, places, computed)


def json_value(opening: bytes, value: str) -> bytes:
    """Return the JSON of a key up to its value, and the value behind it."""
    return opening + ENCODER.encode(value) + b"}"


def writable(key: Key, behaviour: Behaviour) -> bool:
    """Whether ChangeConfiguration may write a key under a behaviour."""
    if key.access is Access.STANDARD:
        return not behaviour.other_keys_read_only
    return key.access is Access.DOCUMENTED


def check(name: str, value: str) -> tuple[str, str]:
    """Return canonical name and normalized value of an initial configuration key.

    Raises:
        InvalidValueError: the key is unknown or cannot take the value; the text says what is expected.
    """
    key = KEYS.get(ALIASES.get(name.lower(), name.lower()))
    if key is None:
        raise InvalidValueError(f"configuration key {name!r} is unknown")
    if key.access is Access.ALWAYS_READ_ONLY:
        raise InvalidValueError(f"configuration key {key.name} describes the charge point and cannot be set")
    try:
        normalized = key.normalize(value)
    except InvalidValueError as error:
        raise InvalidValueError(f"configuration key {key.name}: expected {error}") from None
    if len(normalized) > LONGEST_VALUE:
        # What a central system writes is as short by its schema.
        raise InvalidValueError(f"configuration key {key.name}: expected at most {LONGEST_VALUE} characters")
    return key.name, normalized
