"""Reading and writing configuration keys (`CF-*`, OCPP 1.6 §5.3, §5.8)."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from chargebridge.chargepoint import dynamic_currents
from chargebridge.chargepoint.behaviour import Behaviour
from chargebridge.chargepoint.keys import (
    ALIASES,
    EXCLUDES,
    KEYS,
    LONGEST_VALUE,
    MAX_KEYS_ASKED,
    MEASURANDS,
    Access,
    Capabilities,
    InvalidValueError,
    Key,
    split_measurand,
)
from chargebridge.chargepoint.records import SetConfiguration
from chargebridge.chargers.model import Quantity
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.enums import ConfigurationStatus
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


# --- what there is ----------------------------------------------------------------------------------


class Offer(Struct, frozen=True):
    """The keys of all charge points that behave alike and whose chargers can do the same.

    Shared, since some central systems ask a whole fleet for all keys at once.
    """

    keys: Mapping[str, Key]
    """By lower-case name."""
    defaults: Mapping[str, str]
    """By name: what is not computed."""
    openings: tuple[bytes, ...]
    """The JSON of each key up to its value."""
    unwritten: tuple[bytes, ...]
    """The JSON of each key while nobody has written it; empty for those that are computed."""
    places: Mapping[str, int]
    """By name, in `openings` and `unwritten`."""
    computed: tuple[tuple[int, Callable[["ChargePoint"], str]], ...]
    """Where those keys are whose value takes a look at the charge point, and the look."""


@lru_cache(maxsize=64)
def offer(behaviour: Behaviour, capabilities: Capabilities) -> Offer:
    """Return the keys that exist under a behaviour, with a charger of these capabilities."""
    keys = {name: key for name, key in KEYS.items() if key.exists(behaviour, capabilities)}
    defaults = {
        key.name: key.default if isinstance(key.default, str) else key.default(behaviour, capabilities)
        for key in keys.values()
        if key.default is not None
    }
    empty = (
        KeyValue(key=key.name, readonly=not _writable(key, behaviour), value="") for key in keys.values()
    )
    openings = tuple(ENCODER.encode(one).removesuffix(b'""}') for one in empty)
    unwritten = tuple(
        _value(opening, defaults[key.name]) if key.name in defaults else b""
        for key, opening in zip(keys.values(), openings, strict=True)
    )
    places = {key.name: place for place, key in enumerate(keys.values())}
    computed = tuple(
        (place, key.computed) for place, key in enumerate(keys.values()) if key.computed is not None
    )
    return Offer(keys, defaults, openings, unwritten, places, computed)


def _value(opening: bytes, value: str) -> bytes:
    return opening + ENCODER.encode(value) + b"}"


def _writable(key: Key, behaviour: Behaviour) -> bool:
    if key.access is Access.STANDARD:
        return not behaviour.other_keys_read_only
    return key.access is Access.DOCUMENTED


def _find(charge_point: "ChargePoint", name: str) -> Key | None:
    name = name.lower()
    return charge_point.offer.keys.get(ALIASES.get(name, name))


# --- what they hold ---------------------------------------------------------------------------------


def text(charge_point: "ChargePoint", name: str) -> str:
    """Return the value of a key as it would be reported; of one that is not there, what holds without it."""
    written = charge_point.configuration.get(name)
    if written is not None and name in charge_point.offer.places:
        return written
    default = charge_point.offer.defaults.get(name)
    if default is not None:
        return default
    key = KEYS[name.lower()]
    if key.computed is not None:
        return key.computed(charge_point)
    assert isinstance(key.default, str)
    return key.default


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
        measurand, phase = split_measurand(item)
        phases = range(4) if phase is None else (phase,)
        wanted.update((MEASURANDS[measurand], number) for number in phases)
    return frozenset(wanted)


# --- GetConfiguration -------------------------------------------------------------------------------


def get_configuration(
    charge_point: "ChargePoint", request: GetConfiguration
) -> GetConfigurationResponse | bytes:
    """Answer GetConfiguration: all keys, or the known and the unknown of those asked for (`CF-1`).

    The answer of all keys is written already: some central systems ask a whole fleet for it at once.
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
            # Asked for by its other name, it is answered by that: central systems match by name.
            known.append(_report(charge_point, key, ALIASES.get(name.lower()) and name))
    return GetConfigurationResponse(
        configuration_key=tuple(known) or None, unknown_key=tuple(unknown) or None
    )


def _report_all(charge_point: "ChargePoint") -> bytes:
    own = charge_point.offer
    reports = list(own.unwritten)
    for place, look in own.computed:
        reports[place] = _value(own.openings[place], look(charge_point))
    for name, value in charge_point.configuration.items():
        written = own.places.get(name)
        if written is not None:  # a store may hold a key that is not there any more
            reports[written] = _value(own.openings[written], value)
    return b'{"configurationKey":[%b]}' % b",".join(reports)


def _report(charge_point: "ChargePoint", key: Key, name: str | None = None) -> KeyValue:
    return KeyValue(
        key=name or key.name,
        readonly=not _writable(key, charge_point.settings.behaviour),
        value=text(charge_point, key.name),
    )


# --- ChangeConfiguration ----------------------------------------------------------------------------


def change_configuration(
    charge_point: "ChargePoint",
    request: ChangeConfiguration,
) -> ChangeConfigurationResponse:
    """Answer ChangeConfiguration; an accepted value is in effect at once (`CF-5`)."""
    key = _find(charge_point, request.key)
    if key is None:
        return ChangeConfigurationResponse(status=ConfigurationStatus.NOT_SUPPORTED)
    if not _writable(key, charge_point.settings.behaviour):
        return ChangeConfigurationResponse(status=ConfigurationStatus.REJECTED)
    try:
        value = key.normalize(request.value)
    except InvalidValueError:
        return ChangeConfigurationResponse(status=ConfigurationStatus.REJECTED)
    if not _possible(charge_point, key, value):
        return ChangeConfigurationResponse(status=ConfigurationStatus.REJECTED)
    write(charge_point, key.name, value)
    return ChangeConfigurationResponse(status=ConfigurationStatus.ACCEPTED)


def _possible(charge_point: "ChargePoint", key: Key, value: str) -> bool:
    needed = key.needs.get(value)
    return needed is None or needed in charge_point.settings.capabilities


def write(charge_point: "ChargePoint", name: str, value: str) -> None:
    """Store a normalized value; it is put into effect at the end of the turn."""
    if name in dynamic_currents.KEYS:
        dynamic_currents.write(charge_point, name, value)  # even the same again: its time begins anew
    elif text(charge_point, name) != value:
        # A new dict each time: unchanged charge points share one empty mapping.
        charge_point.configuration = {**charge_point.configuration, name: value}
        charge_point.record(SetConfiguration(name, value))
        other = EXCLUDES.get(name)
        if other is not None and value == "true":
            write(charge_point, other, "false")
        charge_point.written = (*charge_point.written, name)


def write_initial(charge_point: "ChargePoint") -> None:
    """Write what the configuration file begins with; what the charger can do is not known yet."""
    for name, value in charge_point.settings.configuration.items():
        write(charge_point, *check(name, value))


def take_back_what_cannot_be(charge_point: "ChargePoint") -> None:
    """The charger is known now: what it cannot do is not promised any more."""
    for name, value in charge_point.configuration.items():
        key = charge_point.offer.keys.get(name.lower())
        if key is not None and not _possible(charge_point, key, value):
            write(charge_point, name, charge_point.offer.defaults[name])


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
