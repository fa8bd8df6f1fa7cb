"""The measurands of configuration keys: lists of them, and what of that a charger can measure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from chargebridge.chargepoint.behaviour import EVERY_MEASURAND
from chargebridge.chargepoint.rules.key_values import InvalidValueError
from chargebridge.chargers.model import Quantity
from chargebridge.ocpp16.enums import Measurand

MAX_MEASURANDS: Final = 20
MEASURANDS: Final[Mapping[Measurand, Quantity]] = {
    Measurand.CURRENT_IMPORT: Quantity.CURRENT_A,
    Measurand.CURRENT_OFFERED: Quantity.CURRENT_OFFERED_A,
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: Quantity.ENERGY_WH,
    Measurand.POWER_ACTIVE_IMPORT: Quantity.POWER_W,
    Measurand.VOLTAGE: Quantity.VOLTAGE_V,
    Measurand.TEMPERATURE: Quantity.TEMPERATURE_C,
}
"""The six measurands there are, and what the charger calls them."""


def list_items(value: str) -> list[str]:
    """Return the items of a list of measurands; an empty one has none."""
    return [item.strip() for item in value.split(",")] if value.strip() else []


def normalize(value: str) -> str:
    """Return a list of measurands without spaces; raise `InvalidValueError` if it cannot be a value."""
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
