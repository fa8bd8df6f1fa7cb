"""The newest values that the charger has measured, as OCPP writes them (`MV-*`, OCPP 1.6 §4.7).

Each keeps the time at which it was measured, and is told with that: an old reading is never one of now.
"""

from collections.abc import Iterable, Mapping, Set
from functools import lru_cache
from math import isfinite
from typing import Final, NamedTuple

from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.volatile import Latest
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


@lru_cache(maxsize=256)
def periodic_wanted(items: str) -> Mapping[Kind, str]:
    """Return the kinds that a list of measurands names, each with what follows its value."""
    return {kind: PERIODIC[kind] for kind in configuration.readings_wanted(items)}


# Needed for each reading; reaching a member through its class is ten times slower on Python 3.11.
ENERGY: Final = Quantity.ENERGY_WH


FLOWS: Final = frozenset({Quantity.POWER_W, Quantity.CURRENT_A, Quantity.CURRENT_OFFERED_A})
"""What is nothing while no session runs."""


BITS: Final[Mapping[Quantity, int]] = {quantity: 1 << number for number, quantity in enumerate(Quantity)}
"""A set of quantities is a number here: each charge point has some, and each measurement changes them."""


class Timed(NamedTuple):
    """A reading with the time at which it was measured."""

    at_ms: int
    reading: Reading


class Register(NamedTuple):
    """A reading of the energy register."""

    at_ms: int
    wh: int


def register(charge_point: ChargePoint) -> Register | None:
    """Return the newest reading of the register; in a transaction, only what belongs to it (`MV-9`)."""
    running = charge_point.running
    if running is not None:
        if charge_point.unsampled_ms:
            return Register(charge_point.unsampled_ms, charge_point.unsampled_wh)
        return Register(running.register_ms, running.register_wh)
    stored_wh = charge_point.state.register_wh
    stored = None if stored_wh is None else Register(charge_point.state.register_ms, stored_wh)
    measured = newest(charge_point, ENERGY)
    if measured is None:
        return stored
    latest = Register(measured.at_ms, int(measured.reading.value))
    return latest if stored is None or (latest.wh, latest.at_ms) > (stored.wh, stored.at_ms) else stored


def newest(charge_point: ChargePoint, quantity: Quantity) -> Timed | None:
    """Return the newest reading of a quantity, over all phases; None if there is none that still counts."""
    measured = (charge_point.latest or {}).get((quantity, 0))
    if measured is None or not _counts(charge_point, quantity, measured):
        return None
    return Timed(measured.at_ms, _reading(measured, (quantity, 0)))


def readings(charge_point: ChargePoint) -> list[Timed]:
    """Return the newest reading of each kind that still counts, each with its own time (`MV-6`, `MV-19`).

    The register comes first. It has no phases: there is one register.
    """
    newest_register = register(charge_point)
    known = (
        [] if newest_register is None else [Timed(newest_register.at_ms, Reading(ENERGY, newest_register.wh))]
    )
    known += [
        Timed(measured.at_ms, _reading(measured, kind))
        for kind, measured in (charge_point.latest or {}).items()
        if kind[0] is not ENERGY and _counts(charge_point, kind[0], measured)
    ]
    return known


def _counts(charge_point: ChargePoint, quantity: Quantity, measured: Measured) -> bool:
    """Whether a reading is of the present session, or of none: what flowed in another one flows no more."""
    running, session = charge_point.running, measured.session
    if session is None or quantity is ENERGY:
        return quantity not in FLOWS or running is None or measured.at_ms >= running.started_ms
    if running is None:
        return quantity not in FLOWS
    # A newer session waits for the end of the running one.
    return session == running.session if quantity in FLOWS else session <= running.session


def nothing_flows(charge_point: ChargePoint) -> list[Timed]:
    """Return 0, as of now, for what flows in sessions only, while none runs and the charger is reachable.

    What it measures outside sessions goes before that: it is in `readings`. Where its driver does not say
    what it measures, that is what has flowed in a session that is over.
    """
    if charge_point.running is not None or not charge_point.reachable:
        return []
    latest: Latest = charge_point.latest or {}
    says = charge_point.settings.measures is not None
    kinds: Iterable[Kind] = charge_point.measurable if says else latest
    return [
        Timed(charge_point.now.utc_ms, Reading(kind[0], 0, kind[1]))
        for kind in sorted(kind for kind in kinds if kind[0] in FLOWS)
        if kind not in latest or latest[kind].session is not None
    ]


def _reading(measured: Measured, kind: Kind) -> Reading:
    return next(one for one in measured.readings if (one.quantity, one.phase) == kind and isfinite(one.value))


def choose(readings: Iterable[Reading], wanted: Set[Kind]) -> list[Reading]:
    """Return those readings whose measurands are wanted."""
    return [reading for reading in readings if (reading.quantity, reading.phase) in wanted]


def moments(known: Iterable[Timed], wanted: Set[Kind] | None = None) -> list[tuple[int, list[Reading]]]:
    """Return the wanted readings by the time at which they were measured, oldest first (`MV-19`).

    All phases of a quantity stay together, at the time of the newest of them: a charger that tells only
    what has changed says by its silence that the other phases are as they were.

    Args:
        known: readings with their times.
        wanted: the kinds that are wanted; None: all.
    """
    times: dict[Quantity, int] = {}
    chosen: list[Reading] = []
    for at_ms, reading in known:
        quantity = reading.quantity
        if wanted is None or (quantity, reading.phase) in wanted:
            chosen.append(reading)
            if at_ms > times.get(quantity, 0):
                times[quantity] = at_ms
    found: dict[int, list[Reading]] = {}
    for reading in chosen:
        found.setdefault(times.get(reading.quantity, 0), []).append(reading)
    return sorted(found.items(), key=lambda moment: moment[0])


def bits(quantities: Iterable[Quantity]) -> int:
    """Return a set of quantities as `BITS`."""
    found = 0
    for quantity in quantities:
        found |= BITS[quantity]
    return found


def known(charge_point: ChargePoint) -> bool:
    """Whether there is any value to tell."""
    return bool(readings(charge_point) or nothing_flows(charge_point))


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


def meter_values(context: ReadingContext, moments: Iterable[tuple[int, Iterable[Reading]]]) -> str:
    """Write MeterValues of several times, as they stand in a list."""
    return ",".join([meter_value(context, at_ms, readings) for at_ms, readings in moments])


def meter_value_of(sampled: list[str], at_ms: int) -> str:
    """Write a MeterValue of values that are written already."""
    return f'{{"timestamp":"{format_utc(at_ms)}","sampledValue":[{",".join(sampled)}]}}'


def sampled_value(value: float, rest: str) -> str:
    """Write a SampledValue; `rest` is what follows its value."""
    return f"{_VALUE}{value}{rest}" if type(value) is int else f"{_VALUE}{value:.2f}{rest}"
