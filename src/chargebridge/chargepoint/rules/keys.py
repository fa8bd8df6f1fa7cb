"""Configuration keys: the values of each, who may write it, and where it exists (OCPP 1.6 §9)."""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Final

from msgspec import Struct

from chargebridge.chargepoint.behaviour import Behaviour
from chargebridge.chargepoint.rules import key_values, measurands
from chargebridge.chargepoint.rules.key_values import InvalidValueError
from chargebridge.chargers.model import Capability
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.messages import KeyValue

MAX_KEYS_ASKED: Final = 50
"""GetConfigurationMaxKeys: limits the keys of a request, not an answer to an empty one (`CF-2`)."""
LONGEST_VALUE: Final = 500
"""Characters of a value in a message (`VAL-6`)."""
MAX_LISTED: Final = 10_000
"""LocalAuthListMaxLength."""
MAX_LISTED_AT_ONCE: Final = 1000
"""SendLocalListMaxLength."""
MAX_STACK_LEVEL: Final = 8
MAX_PERIODS: Final = 24
MAX_PROFILES: Final = 16
MAX_SAMPLES: Final = 50
"""StopTransactionMaxMeterValues."""

Capabilities = frozenset[Capability]


class Access(Enum):
    """The rule for writing a key."""

    ALWAYS_READ_ONLY = "read-only, by the standard or because there is nothing to switch"
    DOCUMENTED = "writable under every behaviour"
    STANDARD = "writable, unless the behaviour makes other keys read-only"


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
        return self.normalize is measurands.normalize


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
        Key("AllowOfflineTxForUnknownId", _DOCUMENTED, "false", key_values.boolean),
        Key("AuthorizationCacheEnabled", _STANDARD, "true", key_values.boolean),
        # A remote start is authorized already: the central system has requested it (`RS-2`).
        Key("AuthorizeRemoteTxRequests", _STANDARD, "false", key_values.boolean),
        Key("ChargeProfileMaxStackLevel", _FIXED, str(MAX_STACK_LEVEL), exists=_limits),
        Key("ChargingScheduleAllowedChargingRateUnit", _FIXED, _rate_units, exists=_limits),
        Key("ChargingScheduleMaxPeriods", _FIXED, str(MAX_PERIODS), exists=_limits),
        Key("ClockAlignedDataInterval", _STANDARD, "0", key_values.integer(0, 86_400)),
        Key("ConnectionTimeOut", _DOCUMENTED, "120", key_values.integer(1)),
        Key("ConnectorPhaseRotation", _DOCUMENTED, "0.Unknown,1.Unknown", key_values.phase_rotation),
        Key("GetConfigurationMaxKeys", _FIXED, str(MAX_KEYS_ASKED)),
        Key("HeartbeatInterval", _DOCUMENTED, None, key_values.integer(0)),
        Key("LocalAuthListEnabled", _DOCUMENTED, "true", key_values.boolean),
        Key("LocalAuthListMaxLength", _FIXED, str(MAX_LISTED)),
        Key("LocalAuthorizeOffline", _DOCUMENTED, "true", key_values.boolean),
        Key("LocalPreAuthorize", _DOCUMENTED, "false", key_values.boolean),
        Key("MaxChargingProfilesInstalled", _FIXED, str(MAX_PROFILES), exists=_limits),
        Key("MessageTimeout", _FIXED, None),
        Key("MeterValuesAlignedData", _STANDARD, "", measurands.normalize),
        Key("MeterValuesAlignedDataMaxLength", _FIXED, str(measurands.MAX_MEASURANDS)),
        Key("MeterValuesSampledData", _DOCUMENTED, _sampled_data, measurands.normalize),
        Key("MeterValuesSampledDataMaxLength", _FIXED, str(measurands.MAX_MEASURANDS)),
        Key("MeterValueSampleInterval", _DOCUMENTED, _sample_interval, key_values.integer(0, 86_400)),
        Key("NumberOfConnectors", _FIXED, "1"),
        Key("ResetRetries", _STANDARD, "0", key_values.integer(0, 10)),
        Key("SendLocalListMaxLength", _FIXED, str(MAX_LISTED_AT_ONCE)),
        Key("StopTransactionMaxMeterValues", _FIXED, str(MAX_SAMPLES)),
        Key("StopTransactionOnEVSideDisconnect", _FIXED, "true"),
        Key(
            "StopTransactionOnInvalidId",
            _DOCUMENTED,
            "true",
            key_values.boolean,
            # Going on without energy is a limit of nothing (`TX-4`).
            needs={"false": Capability.LIMIT},
        ),
        Key("StopTxnAlignedData", _STANDARD, "", measurands.normalize),
        Key("StopTxnAlignedDataMaxLength", _FIXED, str(measurands.MAX_MEASURANDS)),
        Key("StopTxnSampledData", _DOCUMENTED, "", measurands.normalize),
        Key("StopTxnSampledDataMaxLength", _FIXED, str(measurands.MAX_MEASURANDS)),
        Key("SupportedFeatureProfiles", _FIXED, _profiles),
        Key("TransactionMessageAttempts", _DOCUMENTED, "3", key_values.integer(0, 1000)),
        Key("TransactionMessageRetryInterval", _DOCUMENTED, "60", key_values.integer(0, 86_400)),
        Key(
            "UnlockConnectorOnEVSideDisconnect",
            _DOCUMENTED,
            "false",
            key_values.boolean,
            needs={"true": Capability.UNLOCK},  # TX-15: a fixed cable stays
        ),
        Key("WebSocketPingInterval", _STANDARD, None, key_values.integer(0, 86_400)),
        # Easee's extensions.
        # Until it is written, what the charger has.
        Key("ExternalAuthorizationRequired", _DOCUMENTED, None, key_values.boolean, exists=_free_charging),
        Key("freecharging", _DOCUMENTED, "false", key_values.boolean, exists=_free_charging),
        Key("rfidtagfreecharging", _DOCUMENTED, "", key_values.free_charging_tag, exists=_free_charging),
        Key("DynamicChargerCurrent", _DOCUMENTED, None, key_values.dynamic_current, exists=_dynamic),
        Key("DynamicCircuitCurrent", _DOCUMENTED, None, key_values.dynamic_current, exists=_dynamic),
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

CHARGER_KEYS: Final = frozenset(
    {
        "AllowOfflineTxForUnknownId",
        "ExternalAuthorizationRequired",
        "freecharging",
        "LocalAuthorizeOffline",
        "rfidtagfreecharging",
        "UnlockConnectorOnEVSideDisconnect",
    }
)
"""Keys to which the charger itself is set once they are written, if only to what is their default."""


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
