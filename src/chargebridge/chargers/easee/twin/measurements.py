"""Measurements: the quantity and phase of an observation, by grid type, and the parsing of values."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import GridType
from chargebridge.chargers.model import Quantity, Reading

_O = Observation
_IT_GRIDS: Final = frozenset(
    {
        GridType.IT_3_PHASE,
        GridType.IT_1_PHASE,
        GridType.WARNING_IT_3_PHASE_GND_FAULT,
        GridType.WARNING_IT_1_PHASE_GND_FAULT,
        GridType.WARNING_IT_3_PHASE_GND_FAULT_L3,
        GridType.WARNING_IT_1_PHASE_GND_FAULT_L3,
    }
)
ONE_PHASE: Final = frozenset(
    {
        GridType.TN_1_PHASE,
        GridType.IT_1_PHASE,
        GridType.WARNING_TN_1_PHASE_NEUTRAL_ON_PIN_3,
        GridType.WARNING_IT_1_PHASE_GND_FAULT,
        GridType.WARNING_IT_1_PHASE_GND_FAULT_L3,
    }
)
PHASES_TN: Final[Mapping[int, int]] = {
    _O.IN_CURRENT_T3: 1,
    _O.IN_CURRENT_T4: 2,
    _O.IN_CURRENT_T5: 3,
    _O.IN_VOLT_T2_T3: 1,
    _O.IN_VOLT_T2_T4: 2,
    _O.IN_VOLT_T2_T5: 3,
}
"""T2 is N, T3 to T5 are L1 to L3."""
PHASES_IT: Final[Mapping[int, int]] = {
    _O.IN_CURRENT_T2: 1,
    _O.IN_CURRENT_T3: 2,
    _O.IN_CURRENT_T4: 3,
    _O.IN_VOLT_T2_T3: 1,
    _O.IN_VOLT_T3_T4: 2,
    _O.IN_VOLT_T2_T4: 3,
}
"""T2 to T4 are L1 to L3, as the names of the output phases say; voltages are L1-L2, L2-L3, L3-L1."""
_CURRENTS: Final = frozenset({_O.IN_CURRENT_T2, _O.IN_CURRENT_T3, _O.IN_CURRENT_T4, _O.IN_CURRENT_T5})
_VOLTAGES: Final = frozenset(
    {
        _O.IN_VOLT_T2_T3,
        _O.IN_VOLT_T2_T4,
        _O.IN_VOLT_T2_T5,
        _O.IN_VOLT_T3_T4,
        _O.IN_VOLT_T3_T5,
        _O.IN_VOLT_T4_T5,
    }
)
_SINGLE: Final[Mapping[int, tuple[Quantity, int]]] = {
    _O.TOTAL_POWER: (Quantity.POWER_W, 1000),
    _O.OUTPUT_CURRENT: (Quantity.CURRENT_OFFERED_A, 1),
    _O.TEMP_MAX: (Quantity.TEMPERATURE_C, 1),
}
"""The measurements of the whole charger, with the factor to our unit."""
MEASURED: Final = frozenset({*_SINGLE, *_CURRENTS, *_VOLTAGES})
MEASURES: Final = frozenset(quantity for quantity, _ in _SINGLE.values()) | {Quantity.ENERGY_WH}
MEASURES_BY_PHASE: Final = frozenset({Quantity.CURRENT_A, Quantity.VOLTAGE_V})
"""What these observations measure, as a whole and of each phase."""


def reading(observation: int, value: str, grid: int | None) -> Reading | None:
    """Return the reading of an observation; None if it has no meaning on this grid type.

    Args:
        observation: one of `MEASURED`.
        value: its value, as text.
        grid: see `vocabulary.GridType`; None: unknown, and treated as TN.

    Raises:
        ValueError: the value cannot be read.
    """
    number = number_of(value)
    if observation in _SINGLE:
        quantity, factor = _SINGLE[observation]
        return Reading(quantity, _plain(number * factor))
    phase = (PHASES_IT if is_it_grid(grid) else PHASES_TN).get(observation)
    if phase is None:
        return None
    quantity = Quantity.CURRENT_A if observation in _CURRENTS else Quantity.VOLTAGE_V
    return Reading(quantity, _plain(number), phase)


def is_it_grid(grid: int | None) -> bool:
    """Return whether a grid type has no neutral; None: unknown, and treated as TN."""
    return grid in _IT_GRIDS


def is_true(value: str) -> bool:
    """Return the boolean in a text; raise ValueError if it is none."""
    word = value.lower()
    if word in {"1", "true", "on", "yes"}:
        return True
    if word in {"0", "false", "off", "no"}:
        return False
    raise ValueError(f"not a boolean: {value[:40]!r}")


def number_of(value: str) -> Decimal:
    """Return the decimal number in a text; raise ValueError if it is none, or not plausible."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"not a number: {value[:40]!r}") from None
    if not number.is_finite() or abs(number) >= 1_000_000_000:
        raise ValueError(f"implausible number: {value[:40]!r}")
    return number


def _plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
