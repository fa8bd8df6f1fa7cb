"""The newest values that the charger has measured, as OCPP writes them (`MV-*`, OCPP 1.6 §4.7)."""

from collections.abc import Iterable, Mapping, Set
from math import isfinite
from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargers.model import Measured, Quantity, Reading
from chargebridge.clock import format_utc
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.enums import Measurand, Phase, ReadingContext, UnitOfMeasure
from chargebridge.ocpp16.messages import SampledValue

_UNITS: Final[Mapping[Quantity, tuple[Measurand, UnitOfMeasure]]] = {
    Quantity.ENERGY_WH: (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, UnitOfMeasure.WH),
    Quantity.POWER_W: (Measurand.POWER_ACTIVE_IMPORT, UnitOfMeasure.W),
    Quantity.CURRENT_A: (Measurand.CURRENT_IMPORT, UnitOfMeasure.A),
    Quantity.CURRENT_OFFERED_A: (Measurand.CURRENT_OFFERED, UnitOfMeasure.A),
    Quantity.VOLTAGE_V: (Measurand.VOLTAGE, UnitOfMeasure.V),
    Quantity.TEMPERATURE_C: (Measurand.TEMPERATURE, UnitOfMeasure.CELSIUS),
}
_PHASES: Final = (None, Phase.L1, Phase.L2, Phase.L3)
_PHASES_TO_NEUTRAL: Final = (None, Phase.L1_N, Phase.L2_N, Phase.L3_N)
_VALUE: Final = '{"value":"'
Kind = tuple[Quantity, int]
"""A quantity and its phase, 0 for the whole charger."""


def _render(context: ReadingContext) -> Mapping[Kind, str]:
    """Return what follows the value in a SampledValue, for every reading there can be (`MV-11`, `MV-12`)."""
    rendered: dict[Kind, str] = {}
    for quantity, (measurand, unit) in _UNITS.items():
        phases = _PHASES_TO_NEUTRAL if quantity is Quantity.VOLTAGE_V else _PHASES
        for number, phase in enumerate(phases):
            sample = SampledValue(value="", context=context, measurand=measurand, phase=phase, unit=unit)
            rendered[quantity, number] = ENCODER.encode(sample).decode().removeprefix(_VALUE)
    return rendered


# Samples are most of what a charge point says, so they are written once and only their values put in.
_RENDERED: Final[Mapping[ReadingContext, Mapping[Kind, str]]] = {
    context: _render(context)
    for context in (
        ReadingContext.SAMPLE_PERIODIC,
        ReadingContext.SAMPLE_CLOCK,
        ReadingContext.TRANSACTION_BEGIN,
        ReadingContext.TRANSACTION_END,
        ReadingContext.TRIGGER,
    )
}
PERIODIC: Final = _RENDERED[ReadingContext.SAMPLE_PERIODIC]


# Needed for each reading; reaching a member through its class is ten times slower on Python 3.11.
ENERGY: Final = Quantity.ENERGY_WH


def newest(charge_point: ChargePoint, quantity: Quantity) -> int | float | None:
    """Return the newest value of a quantity, over all phases; None if there is none."""
    measured = (charge_point.latest or {}).get((quantity, 0))
    return None if measured is None else _reading(measured, (quantity, 0)).value


def register_wh(charge_point: ChargePoint) -> int | None:
    """Return the newest register reading; in a transaction, only what belongs to it (`MV-9`)."""
    if charge_point.running is not None:
        return max(charge_point.running.register_wh, charge_point.unsampled_wh)
    measured, stored = newest(charge_point, ENERGY), charge_point.state.register_wh
    if measured is None or stored is None:
        return stored if measured is None else int(measured)
    return max(int(measured), stored)


def readings(charge_point: ChargePoint, at_ms: int) -> list[Reading]:
    """Return the newest reading of each kind, all phases (`MV-6`), as far as it was known at this time.

    The register comes first. It has no phases: there is one register.
    """
    register, running = register_wh(charge_point), charge_point.running
    known = [] if register is None else [Reading(ENERGY, register)]
    known += [
        _reading(measured, kind)
        for kind, measured in (charge_point.latest or {}).items()
        if measured.at_ms <= at_ms
        and kind[0] is not ENERGY
        # A newer session waits for the end of the running one.
        and (running is None or measured.session is None or measured.session <= running.session)
    ]
    return known


def _reading(measured: Measured, kind: Kind) -> Reading:
    return next(one for one in measured.readings if (one.quantity, one.phase) == kind and isfinite(one.value))


def choose(readings: Iterable[Reading], wanted: Set[Kind]) -> list[Reading]:
    """Return those readings whose measurands are wanted."""
    return [reading for reading in readings if (reading.quantity, reading.phase) in wanted]


def known(charge_point: ChargePoint) -> bool:
    """Whether any value is known."""
    return bool(charge_point.latest) or register_wh(charge_point) is not None


def outside(connector: int, value: str) -> bytes:
    """Return the payload of a MeterValues that belongs to no transaction."""
    return b'{"connectorId":%d,"meterValue":[%b]}' % (connector, value.encode())


def meter_value(context: ReadingContext, at_ms: int, readings: Iterable[Reading]) -> str:
    """Write a MeterValue: what was measured at the same time, and on what occasion (`MV-10`)."""
    rendered = _RENDERED[context]
    return meter_value_of(
        [sampled_value(reading.value, rendered[reading.quantity, reading.phase]) for reading in readings],
        at_ms,
    )


def meter_value_of(sampled: list[str], at_ms: int) -> str:
    """Write a MeterValue of values that are written already."""
    return f'{{"timestamp":"{format_utc(at_ms)}","sampledValue":[{",".join(sampled)}]}}'


def sampled_value(value: float, rest: str) -> str:
    """Write a SampledValue; `rest` is what follows its value."""
    return f"{_VALUE}{value}{rest}" if type(value) is int else f"{_VALUE}{value:.2f}{rest}"
