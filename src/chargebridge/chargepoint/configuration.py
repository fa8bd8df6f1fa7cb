"""Configuration keys: what there is, who may write it, what it means (`CF-*`, OCPP 1.6 §9)."""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from chargebridge.chargepoint.records import SetConfiguration
from chargebridge.chargers.model import Quantity
from chargebridge.ocpp16.enums import ConfigurationStatus, Measurand
from chargebridge.ocpp16.frames import CallErrorCode, PayloadError
from chargebridge.ocpp16.messages import (
    ChangeConfiguration,
    ChangeConfigurationResponse,
    GetConfiguration,
    GetConfigurationResponse,
    KeyValue,
)

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

MAX_KEYS_ASKED: Final = 50
"""GetConfigurationMaxKeys: limits the keys asked for, not an answer to an empty request (`CF-2`)."""

MEASURANDS: Final[Mapping[Measurand, Quantity]] = {
    Measurand.CURRENT_IMPORT: Quantity.CURRENT_A,
    Measurand.CURRENT_OFFERED: Quantity.CURRENT_OFFERED_A,
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: Quantity.ENERGY_WH,
    Measurand.POWER_ACTIVE_IMPORT: Quantity.POWER_W,
    Measurand.VOLTAGE: Quantity.VOLTAGE_V,
    Measurand.TEMPERATURE: Quantity.TEMPERATURE_C,
}
"""The six measurands there are, and what the charger calls them."""

MAX_MEASURANDS: Final = 20


class Access(Enum):
    """Who may write a key."""

    ALWAYS_READ_ONLY = "read-only, by the standard or because there is nothing to switch"
    DOCUMENTED = "writable under every behaviour"
    STANDARD = "writable, unless the behaviour makes other keys read-only"


class InvalidValueError(ValueError):
    """A value that a key cannot take."""


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


def _measurands(value: str) -> str:
    items = [item.strip() for item in value.split(",")] if value.strip() else []
    if len(items) > MAX_MEASURANDS:
        raise InvalidValueError(f"at most {MAX_MEASURANDS} items")
    for item in items:
        _split_measurand(item)
    return ",".join(items)


def _split_measurand(item: str) -> tuple[Measurand, int | None]:
    """Tell measurand and phase of a list item apart (`MV-14`): `Voltage.L1-N`, `Power.Active.Import`.

    There are three phases, each measured against neutral; any other is unsupported (`MV-15`).
    """
    if item in _BY_NAME:
        return _BY_NAME[item], None
    name, _, tail = item.rpartition(".")
    if name in _BY_NAME and tail in _PHASES:
        return _BY_NAME[name], _PHASES[tail]
    raise InvalidValueError(f"measurands out of {', '.join(_BY_NAME)}, each optionally with a phase")


_BY_NAME: Final = {measurand.value: measurand for measurand in MEASURANDS}
_PHASES: Final[Mapping[str, int]] = {"L1": 1, "L2": 2, "L3": 3, "L1-N": 1, "L2-N": 2, "L3-N": 3}


class Key(Struct, frozen=True):
    """One configuration key. `default` is a value, or a function of the charge point."""

    name: str
    access: Access
    default: str | Callable[["ChargePoint"], str]
    normalize: Callable[[str], str] = str


def _heartbeat(charge_point: "ChargePoint") -> str:
    return str(charge_point.heartbeat_interval_s)


def _message_timeout(charge_point: "ChargePoint") -> str:
    return str(round(charge_point.settings.call_timeout_s))


def _ping_interval(charge_point: "ChargePoint") -> str:
    return str(charge_point.settings.ping_interval_s)


_FIXED, _DOCUMENTED, _STANDARD = Access.ALWAYS_READ_ONLY, Access.DOCUMENTED, Access.STANDARD
_ALL_MEASURANDS: Final = ",".join(_BY_NAME)

KEYS: Final[Mapping[str, Key]] = {
    key.name.lower(): key
    for key in (
        Key("AllowOfflineTxForUnknownId", _DOCUMENTED, "false", _boolean),
        # Nobody authorizes a remote start a second time: the central system's word is enough (`RS-2`).
        Key("AuthorizeRemoteTxRequests", _STANDARD, "false", _boolean),
        Key("ClockAlignedDataInterval", _FIXED, "0"),
        Key("ConnectionTimeOut", _DOCUMENTED, "120", _integer(1)),
        Key("ConnectorPhaseRotation", _DOCUMENTED, "0.Unknown,1.Unknown", _phase_rotation),
        Key("GetConfigurationMaxKeys", _FIXED, str(MAX_KEYS_ASKED)),
        Key("HeartbeatInterval", _DOCUMENTED, _heartbeat, _integer(0)),
        Key("LocalAuthorizeOffline", _DOCUMENTED, "true", _boolean),
        Key("LocalPreAuthorize", _DOCUMENTED, "false", _boolean),
        Key("MessageTimeout", _FIXED, _message_timeout),
        Key("MeterValuesAlignedData", _FIXED, ""),
        Key("MeterValuesSampledData", _DOCUMENTED, _ALL_MEASURANDS, _measurands),
        Key("MeterValuesSampledDataMaxLength", _FIXED, str(MAX_MEASURANDS)),
        Key("MeterValueSampleInterval", _DOCUMENTED, "60", _integer(0)),
        Key("NumberOfConnectors", _FIXED, "1"),
        Key("ResetRetries", _FIXED, "0"),
        Key("StopTransactionOnEVSideDisconnect", _FIXED, "true"),
        # Going on without energy needs a current limit, which no command sets yet.
        Key("StopTransactionOnInvalidId", _FIXED, "true"),
        Key("StopTxnAlignedData", _FIXED, ""),
        Key("StopTxnSampledData", _FIXED, ""),
        Key("SupportedFeatureProfiles", _FIXED, "Core,RemoteTrigger"),
        Key("TransactionMessageAttempts", _DOCUMENTED, "3", _integer(0, 1000)),
        Key("TransactionMessageRetryInterval", _DOCUMENTED, "60", _integer(0, 86_400)),
        Key("UnlockConnectorOnEVSideDisconnect", _DOCUMENTED, "false", _boolean),
        Key("WebSocketPingInterval", _STANDARD, _ping_interval, _integer(0, 86_400)),
    )
}
"""By lower-case name: key names are compared without regard to case (`CF-3`)."""


def text(charge_point: "ChargePoint", name: str) -> str:
    """Return the value of a key as it would be reported."""
    written = charge_point.configuration.get(name)
    if written is not None:
        return written
    default = KEYS[name.lower()].default
    return default if isinstance(default, str) else default(charge_point)


def integer(charge_point: "ChargePoint", name: str) -> int:
    """Return the value of a numeric key."""
    return int(text(charge_point, name))


def boolean(charge_point: "ChargePoint", name: str) -> bool:
    """Return the value of a boolean key."""
    return text(charge_point, name) == "true"


@lru_cache(maxsize=256)
def readings_wanted(items: str) -> frozenset[tuple[Quantity, int]]:
    """Return the (quantity, phase) pairs that a list of measurands asks for.

    A measurand without a phase asks for all its phases and the total (`MV-6`).
    """
    wanted = set[tuple[Quantity, int]]()
    for item in items.split(",") if items else ():
        measurand, phase = _split_measurand(item)
        phases = range(4) if phase is None else (phase,)
        wanted.update((MEASURANDS[measurand], number) for number in phases)
    return frozenset(wanted)


def _writable(key: Key, *, other_keys_read_only: bool) -> bool:
    if key.access is Access.STANDARD:
        return not other_keys_read_only
    return key.access is Access.DOCUMENTED


def _unwritten(*, other_keys_read_only: bool) -> tuple[KeyValue, ...]:
    return tuple(
        KeyValue(
            key=key.name,
            readonly=not _writable(key, other_keys_read_only=other_keys_read_only),
            value=key.default if isinstance(key.default, str) else None,
        )
        for key in KEYS.values()
    )


_UNWRITTEN: Final = {read_only: _unwritten(other_keys_read_only=read_only) for read_only in (False, True)}
"""What is reported of each key while nobody has written it, by `Behaviour.other_keys_read_only`. Shared,
since some central systems ask a whole fleet for all keys at once."""
_PLACES: Final = {key.name: place for place, key in enumerate(KEYS.values())}
_COMPUTED: Final = tuple(key.name for key in KEYS.values() if not isinstance(key.default, str))
"""Keys whose default takes a look at the charge point."""


def get_configuration(charge_point: "ChargePoint", request: GetConfiguration) -> GetConfigurationResponse:
    """Answer GetConfiguration: all keys, or the known and the unknown of those asked for (`CF-1`)."""
    if not request.key:
        return GetConfigurationResponse(configuration_key=_report_all(charge_point))
    if len(request.key) > MAX_KEYS_ASKED:
        raise PayloadError(
            CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
            f"key: at most {MAX_KEYS_ASKED} keys can be asked for at once",
        )
    known: list[KeyValue] = []
    unknown: list[str] = []
    for name in request.key:
        key = KEYS.get(name.lower())
        if key is None:
            unknown.append(name)
        else:
            known.append(_report(charge_point, key))
    return GetConfigurationResponse(
        configuration_key=tuple(known) or None, unknown_key=tuple(unknown) or None
    )


def _report_all(charge_point: "ChargePoint") -> tuple[KeyValue, ...]:
    reports = list(_UNWRITTEN[charge_point.settings.behaviour.other_keys_read_only])
    for name in (*_COMPUTED, *charge_point.configuration):
        if name in _PLACES:  # a store may hold a key that this version no longer has
            reports[_PLACES[name]] = _report(charge_point, KEYS[name.lower()])
    return tuple(reports)


def _report(charge_point: "ChargePoint", key: Key) -> KeyValue:
    other_keys_read_only = charge_point.settings.behaviour.other_keys_read_only
    return KeyValue(
        key=key.name,
        readonly=not _writable(key, other_keys_read_only=other_keys_read_only),
        value=text(charge_point, key.name),
    )


def change_configuration(
    charge_point: "ChargePoint",
    request: ChangeConfiguration,
) -> ChangeConfigurationResponse:
    """Answer ChangeConfiguration; an accepted value is in effect at once (`CF-5`)."""
    key = KEYS.get(request.key.lower())
    if key is None:
        return ChangeConfigurationResponse(status=ConfigurationStatus.NOT_SUPPORTED)
    if not _writable(key, other_keys_read_only=charge_point.settings.behaviour.other_keys_read_only):
        return ChangeConfigurationResponse(status=ConfigurationStatus.REJECTED)
    try:
        value = key.normalize(request.value)
    except InvalidValueError:
        return ChangeConfigurationResponse(status=ConfigurationStatus.REJECTED)
    write(charge_point, key.name, value)
    return ChangeConfigurationResponse(status=ConfigurationStatus.ACCEPTED)


def write(charge_point: "ChargePoint", name: str, value: str) -> None:
    """Store a normalized value and put it into effect."""
    if text(charge_point, name) == value:
        return
    # A new dict each time: unchanged charge points share one empty mapping.
    charge_point.configuration = {**charge_point.configuration, name: value}
    charge_point.record(SetConfiguration(name, value))
    charge_point.configuration_changed(name)


def check(name: str, value: str) -> tuple[str, str]:
    """Return canonical name and normalized value of an initial configuration key.

    Raises:
        InvalidValueError: the key is unknown or cannot take the value; the text says what is expected.
    """
    key = KEYS.get(name.lower())
    if key is None:
        raise InvalidValueError(f"configuration key {name!r} is unknown")
    if key.access is Access.ALWAYS_READ_ONLY:
        raise InvalidValueError(f"configuration key {key.name} describes the charge point and cannot be set")
    try:
        return key.name, key.normalize(value)
    except InvalidValueError as error:
        raise InvalidValueError(f"configuration key {key.name}: expected {error}") from None
