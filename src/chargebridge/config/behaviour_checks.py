"""Checks how a charge point is to behave: each override and each OCPP key of its table by itself.

So each wrong one is reported, whatever else is wrong with the table. What is no table of overrides or keys
at all is refused with the table.
"""

from chargebridge.chargepoint.behaviour import COMPATIBILITY, PRESETS, Behaviour, BehaviourError, behaviour
from chargebridge.chargepoint.rules import keys
from chargebridge.chargepoint.rules.key_values import InvalidValueError
from chargebridge.chargepoint.rules.keys import ALIASES, KEYS, Access
from chargebridge.chargers.model import Capability
from chargebridge.config.charge_points import DEFAULT_PRESET, is_refused_key
from chargebridge.config.explaining import kind, nearest
from chargebridge.config.problems import UnexpectedError


def override_faults(table: dict[str, object]) -> dict[str, UnexpectedError]:
    """Return what is wrong with the overrides of a charge point's table, by name."""
    preset = _preset(table)
    overrides = table.get("overrides", {})
    if not isinstance(overrides, dict):
        return {}
    faults: dict[str, UnexpectedError] = {}
    for name, value in overrides.items():
        try:
            behaviour(preset, {name: value})
        except BehaviourError as error:
            faults[name] = _override_fault(name, value, error)
    return faults


def ocpp_key_faults(table: dict[str, object], *, with_overrides: bool) -> dict[str, UnexpectedError]:
    """Return what is wrong with the OCPP keys that a charge point would begin with, by name.

    Args:
        table: of the charge point.
        with_overrides: whether its overrides are right, so that they count.
    """
    values, named, overrides = (
        table.get("configuration"),
        table.get("compatibility"),
        table.get("overrides"),
    )
    if not isinstance(values, dict):
        return {}
    compatibility = [name for name in named if name in COMPATIBILITY] if isinstance(named, list) else []
    own = behaviour(
        _preset(table), overrides if with_overrides and isinstance(overrides, dict) else None, compatibility
    )
    faults: dict[str, UnexpectedError] = {}
    for name, value in values.items():
        if not isinstance(value, str) or is_refused_key(name, value):
            continue  # by the table itself
        if fault := _ocpp_key_fault(name, value, own):
            faults[name] = fault
    return faults


def _preset(table: dict[str, object]) -> str:
    """Return the preset of a charge point's behaviour; of a wrong one, the default."""
    preset = table.get("behaviour")
    return preset if isinstance(preset, str) and preset in PRESETS else DEFAULT_PRESET


def _override_fault(name: str, value: object, error: BehaviourError) -> UnexpectedError:
    fields = Behaviour.__struct_fields__
    if name not in fields:
        return UnexpectedError("an unknown override", nearest(name, fields))
    return UnexpectedError(kind(value), str(error))


def _ocpp_key_fault(name: str, value: str, own: Behaviour) -> UnexpectedError | None:
    key = KEYS.get(ALIASES.get(name.lower(), name.lower()))
    if key is None:
        names = [key.name for key in KEYS.values()]
        return UnexpectedError("an unknown configuration key", nearest(name, names))
    if key.access is Access.ALWAYS_READ_ONLY:
        return UnexpectedError("a key that describes the charge point", "one that can be set")
    if not key.exists(own, frozenset(Capability)):
        # It would govern the charger, and no central system could read or change it.
        expected = "a behaviour with `easee_extensions`, or no such key"
        return UnexpectedError("a key of Easee's extensions", expected)
    try:
        keys.check(name, value)
    except InvalidValueError as error:
        return UnexpectedError("a value it cannot take", str(error).partition(": expected ")[2])
    return None
