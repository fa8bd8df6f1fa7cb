"""Reading and writing configuration keys (`CF-*`, OCPP 1.6 §5.3, §5.8)."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from chargebridge.chargepoint.configuration import dynamic_currents, profile_writes
from chargebridge.chargepoint.configuration.dynamic_currents import DYNAMIC_CURRENTS
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.records import SetConfiguration
from chargebridge.chargepoint.rules import keys, measurands
from chargebridge.chargepoint.rules.key_values import InvalidValueError
from chargebridge.chargepoint.rules.keys import (
    ALIASES,
    CHARGER_KEYS,
    EXCLUDES,
    KEYS,
    MAX_KEYS_ASKED,
    Key,
)
from chargebridge.chargers.model import Quantity
from chargebridge.ocpp16.enums import ConfigurationStatus
from chargebridge.ocpp16.frames import CallErrorCode, PayloadError
from chargebridge.ocpp16.messages import (
    ChangeConfiguration,
    ChangeConfigurationResponse,
    GetConfiguration,
    GetConfigurationResponse,
    KeyValue,
)


def _find(charge_point: ChargePoint, name: str) -> Key | None:
    name = name.lower()
    return charge_point.offer.keys.get(ALIASES.get(name, name))


# --- values of keys ---------------------------------------------------------------------------------


def text(charge_point: ChargePoint, name: str) -> str:
    """Return the value of a key as it would be reported; of one that is not there, what holds without it."""
    written = charge_point.configuration.get(name)
    if written is not None and name in charge_point.offer.places:
        return written
    default = charge_point.offer.defaults.get(name)
    if default is not None:
        return default
    computed = _COMPUTED.get(name)
    if computed is not None:
        return computed(charge_point)
    unconditional = KEYS[name.lower()].default
    assert isinstance(unconditional, str)
    return unconditional


def is_set(charge_point: ChargePoint, name: str) -> bool:
    """Return whether configuration file or central system have set a key that is there."""
    return name in charge_point.configuration and name in charge_point.offer.places


def _heartbeat_interval(charge_point: ChargePoint) -> str:
    return str(charge_point.heartbeat_interval_s)


def _message_timeout(charge_point: ChargePoint) -> str:
    return str(round(charge_point.settings.call_timeout_s))


def _ping_interval(charge_point: ChargePoint) -> str:
    return str(charge_point.settings.ping_interval_s)


def _authorization_required(charge_point: ChargePoint) -> str:
    info = charge_point.state.info
    return "false" if info is not None and info.authorization_required is False else "true"


def _dynamic_charger_current(charge_point: ChargePoint) -> str:
    return dynamic_currents.text(charge_point, "DynamicChargerCurrent")


def _dynamic_circuit_current(charge_point: ChargePoint) -> str:
    return dynamic_currents.text(charge_point, "DynamicCircuitCurrent")


_COMPUTED: Final[Mapping[str, Callable[[ChargePoint], str]]] = {
    "HeartbeatInterval": _heartbeat_interval,
    "MessageTimeout": _message_timeout,
    "WebSocketPingInterval": _ping_interval,
    "ExternalAuthorizationRequired": _authorization_required,
    "DynamicChargerCurrent": _dynamic_charger_current,
    "DynamicCircuitCurrent": _dynamic_circuit_current,
    "ProfileWritesToday": profile_writes.today,
    "ProfileWritesRemaining": profile_writes.remaining_text,
}
"""The keys whose value is computed from the charge point whenever they are read and were not written."""


def integer(charge_point: ChargePoint, name: str) -> int:
    """Return the value of a numeric key."""
    return int(text(charge_point, name))


def boolean(charge_point: ChargePoint, name: str) -> bool:
    """Return the value of a boolean key."""
    return text(charge_point, name) == "true"


@lru_cache(maxsize=256)
def readings_wanted(items: str) -> frozenset[tuple[Quantity, int]]:
    """Return the (quantity, phase) pairs that a list of measurands names.

    A measurand without a phase means all its phases and the total (`MV-6`).
    """
    wanted = set[tuple[Quantity, int]]()
    for item in items.split(",") if items else ():
        measurand, phase = measurands.split_measurand(item)
        phases = range(4) if phase is None else (phase,)
        wanted.update((measurands.MEASURANDS[measurand], number) for number in phases)
    return frozenset(wanted)


# --- GetConfiguration -------------------------------------------------------------------------------


def get_configuration(
    charge_point: ChargePoint, request: GetConfiguration
) -> GetConfigurationResponse | bytes:
    """Answer GetConfiguration: all keys, or the known and the unknown of those requested (`CF-1`).

    The answer of all keys is written already: some central systems request it of a whole fleet at once.
    """
    if not request.key:
        return _report_all(charge_point)
    if len(request.key) > MAX_KEYS_ASKED:
        raise PayloadError(
            CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
            f"key: at most {MAX_KEYS_ASKED} keys can be asked for at once",
        )
    known: list[KeyValue] = []
    unknown: list[str] = []
    for name in request.key:
        key = _find(charge_point, name)
        if key is None:
            unknown.append(name)
        else:
            # Requested by its other name, it is answered by that: central systems match by name.
            known.append(_report(charge_point, key, ALIASES.get(name.lower()) and name))
    return GetConfigurationResponse(
        configuration_key=tuple(known) or None, unknown_key=tuple(unknown) or None
    )


def _report_all(charge_point: ChargePoint) -> bytes:
    own = charge_point.offer
    reports = list(own.unwritten)
    for place, name in own.computed:
        reports[place] = keys.json_value(own.openings[place], _COMPUTED[name](charge_point))
    for name, value in charge_point.configuration.items():
        written = own.places.get(name)
        if written is not None:  # a store may hold a key that is not there any more
            reports[written] = keys.json_value(own.openings[written], value)
    return b'{"configurationKey":[%b]}' % b",".join(reports)


def _report(charge_point: ChargePoint, key: Key, name: str | None = None) -> KeyValue:
    return KeyValue(
        key=name or key.name,
        readonly=not keys.writable(key, charge_point.settings.behaviour),
        value=text(charge_point, key.name),
    )


# --- ChangeConfiguration ----------------------------------------------------------------------------


def change_configuration(
    charge_point: ChargePoint,
    request: ChangeConfiguration,
) -> ChangeConfigurationResponse:
    """Answer ChangeConfiguration; an accepted value is in effect at once (`CF-5`)."""
    key = _find(charge_point, request.key)
    if key is None:
        return ChangeConfigurationResponse(status=ConfigurationStatus.NOT_SUPPORTED)
    if not keys.writable(key, charge_point.settings.behaviour):
        return ChangeConfigurationResponse(status=ConfigurationStatus.REJECTED)
    asked = request.value
    if key.lists_measurands and charge_point.settings.behaviour.unknown_measurands_left_out:
        asked = _measured_part(charge_point, asked) or asked
    try:
        value = key.normalize(asked)
    except InvalidValueError:
        return ChangeConfigurationResponse(status=ConfigurationStatus.REJECTED)
    if not _possible(charge_point, key, value):
        return ChangeConfigurationResponse(status=ConfigurationStatus.REJECTED)
    write(charge_point, key.name, value)
    return ChangeConfigurationResponse(status=ConfigurationStatus.ACCEPTED)


def _measured_part(charge_point: ChargePoint, items: str) -> str:
    """Return what the charger measures of a list of measurands."""
    possible = charge_point.measurable
    return ",".join(item for item in measurands.list_items(items) if measurands.is_measurable(item, possible))


def _possible(charge_point: ChargePoint, key: Key, value: str) -> bool:
    """Whether the charger can make a normalized value true; of a list of measurands, all of it (`MV-15`)."""
    if key.lists_measurands:
        return _measured_part(charge_point, value) == value
    needed = key.needs.get(value)
    return needed is None or needed in charge_point.settings.capabilities


def write(charge_point: ChargePoint, name: str, value: str) -> None:
    """Store a normalized value; it is put into effect at the end of the turn."""
    if name in DYNAMIC_CURRENTS:
        dynamic_currents.write(charge_point, name, value)  # even the same again: its time begins again
    elif text(charge_point, name) != value or (name in CHARGER_KEYS and not is_set(charge_point, name)):
        # A new dict each time: unchanged charge points share one empty mapping.
        charge_point.configuration = {**charge_point.configuration, name: value}
        charge_point.record(SetConfiguration(name, value))
        other = EXCLUDES.get(name)
        if other is not None and value == "true":
            write(charge_point, other, "false")
        charge_point.written = (*charge_point.written, name)


def write_initial(charge_point: ChargePoint) -> None:
    """Write what the configuration file begins with; what the charger can do is not known yet."""
    for name, value in charge_point.settings.configuration.items():
        write(charge_point, *keys.check(name, value))


def withdraw_unsupported_values(charge_point: ChargePoint) -> None:
    """Write the default of each key whose value the newly described charger cannot make true.

    Of a list of measurands what it can measure stays.
    """
    for name, value in charge_point.configuration.items():
        key = charge_point.offer.keys.get(name.lower())
        if key is not None and not _possible(charge_point, key, value):
            part = _measured_part(charge_point, value) if key.lists_measurands else ""
            write(charge_point, name, part or charge_point.offer.defaults[name])
