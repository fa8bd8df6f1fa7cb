"""Meter values: what the charger measures, as OCPP writes it, forwarded as it comes (`MV-*`, OCPP 1.6 §4.7).

Samples of a running transaction are transaction-related messages: queued, in order, never older
than the last one. What falls outside a transaction is telemetry, of which the newest wins. Samples
at intervals are in `sampling`, those of a StopTransaction in `transaction_data`.
"""

from collections.abc import Iterable, Mapping, Set
from math import isfinite
from typing import TYPE_CHECKING, Final

from msgspec import structs

from chargebridge.chargepoint import configuration, delivery, heard, queue_limit, sampling, transactions
from chargebridge.chargepoint.records import MessageKind, SendState, Transaction
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import Measured, Quantity, Reading
from chargebridge.clock import format_utc
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.enums import Measurand, Phase, ReadingContext, UnitOfMeasure
from chargebridge.ocpp16.messages import SampledValue

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

Latest = dict[tuple[Quantity, int], Measured]
"""What told last of each quantity and phase; none of it is of the future."""

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

_Kind = tuple[Quantity, int]
"""A quantity and its phase, 0 for the whole charger."""


def _render(context: ReadingContext) -> Mapping[_Kind, str]:
    """Return what follows the value in a SampledValue, for every reading there can be (`MV-11`, `MV-12`)."""
    rendered: dict[_Kind, str] = {}
    for quantity, (measurand, unit) in _UNITS.items():
        phases = _PHASES_TO_NEUTRAL if quantity is Quantity.VOLTAGE_V else _PHASES
        for number, phase in enumerate(phases):
            sample = SampledValue(value="", context=context, measurand=measurand, phase=phase, unit=unit)
            rendered[quantity, number] = ENCODER.encode(sample).decode().removeprefix(_VALUE)
    return rendered


# Samples are most of what a charge point says, so they are written once and only their values put in.
_RENDERED: Final[Mapping[ReadingContext, Mapping[_Kind, str]]] = {
    context: _render(context)
    for context in (
        ReadingContext.SAMPLE_PERIODIC,
        ReadingContext.SAMPLE_CLOCK,
        ReadingContext.TRANSACTION_BEGIN,
        ReadingContext.TRANSACTION_END,
        ReadingContext.TRIGGER,
    )
}
_PERIODIC: Final = _RENDERED[ReadingContext.SAMPLE_PERIODIC]
# Needed for each reading; reaching a member through its class is ten times slower on Python 3.11.
_ENERGY: Final = Quantity.ENERGY_WH


# --- what the charger tells -------------------------------------------------------------------------


def measured(charge_point: "ChargePoint", event: Measured) -> None:
    """Forward what the charger measured, or keep it for when it is wanted."""
    running = charge_point.running
    latest = charge_point.latest
    if latest is None:
        latest = charge_point.latest = {}
    # A charger's clock that was ahead must not silence it until then.
    now_ms = charge_point.now.utc_ms
    told = event if event.at_ms <= now_ms else structs.replace(event, at_ms=now_ms)
    measured_ms = told.at_ms
    for reading in event.readings:
        kind = reading.quantity, reading.phase
        if kind in _PERIODIC and isfinite(reading.value):
            known = latest.get(kind)
            if known is None or known.at_ms <= measured_ms:
                latest[kind] = told
    behaviour = charge_point.settings.behaviour
    if running is None or event.session != running.session:
        if behaviour.meter_values_outside_transactions and event.session is None:
            _forward_telemetry(charge_point, event)
    elif behaviour.meter_values_as_they_come:
        _forward(charge_point, running, event, measured_ms)
    else:
        sampling.measured(charge_point, running, told)


def _forward(charge_point: "ChargePoint", running: Transaction, event: Measured, measured_ms: int) -> None:
    # Of what is ahead of the host's clock the charger's own tells the order.
    ahead = event.at_ms > charge_point.now.utc_ms + heard.SKEW_MS
    if event.at_ms <= running.sampled_ms or (ahead and event.at_ms <= charge_point.measured_ms):
        charge_point.notice(NoticeKind.EVENT_IGNORED, "measured: older than the last")
        return
    charge_point.measured_ms = event.at_ms
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    register_wh = max(running.register_wh, charge_point.unsampled_wh)
    sampled: list[str] = []
    tells_register = False
    for reading in event.readings:
        value, kind = reading.value, (reading.quantity, reading.phase)
        if not isfinite(value):
            continue
        if reading.quantity is _ENERGY:
            if reading.phase or value < register_wh:
                continue  # one register, which never runs backwards (MV-9)
            register_wh, tells_register = int(value), True
        if kind in wanted:
            sampled.append(_sampled_value(value, _PERIODIC[kind]))
    if not sampled:
        charge_point.unsampled_wh = register_wh
        return
    measured_ms = max(measured_ms, running.sampled_ms)  # the host's clock may have been set back
    if not tells_register and (_ENERGY, 0) in wanted and queue_limit.is_tight(charge_point):
        queue_limit.left_out(charge_point)  # there is room for few, and those are to tell the energy
        return
    has_room = queue_limit.leaves_room_for(charge_point, running, measured_ms)
    running = structs.replace(running, sampled_ms=measured_ms, register_wh=register_wh)
    if not has_room:
        transactions.put(charge_point, running)
        queue_limit.left_out(charge_point)
        return
    charge_point.running = charge_point.transactions[running.number] = running
    payload = f"[{_meter_value(sampled, event.at_ms)}]".encode()
    delivery.enqueue(charge_point, MessageKind.METER_VALUES, running, payload, measured_ms, register_wh)


def _forward_telemetry(charge_point: "ChargePoint", event: Measured) -> None:
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    readings = [one for one in choose(event.readings, wanted) if isfinite(one.value)]
    if readings:
        value = meter_value(ReadingContext.SAMPLE_PERIODIC, event.at_ms, readings)
        charge_point.telemetry = outside(transactions.CONNECTOR, value)


# --- what is known ----------------------------------------------------------------------------------


def newest(charge_point: "ChargePoint", quantity: Quantity) -> int | float | None:
    """Return what the charger has last told of a quantity, over all phases; None if nothing."""
    told = (charge_point.latest or {}).get((quantity, 0))
    return None if told is None else _reading(told, (quantity, 0)).value


def register_wh(charge_point: "ChargePoint") -> int | None:
    """Return the newest register reading; in a transaction, only what belongs to it (`MV-9`)."""
    if charge_point.running is not None:
        return max(charge_point.running.register_wh, charge_point.unsampled_wh)
    told, stored = newest(charge_point, _ENERGY), charge_point.state.register_wh
    if told is None or stored is None:
        return stored if told is None else int(told)
    return max(int(told), stored)


def readings(charge_point: "ChargePoint", at_ms: int) -> list[Reading]:
    """Return the newest reading of each kind, all phases (`MV-6`), as far as it was known at this moment.

    The register comes first. It has no phases: one register tells of the energy.
    """
    register, running = register_wh(charge_point), charge_point.running
    known = [] if register is None else [Reading(_ENERGY, register)]
    known += [
        _reading(told, kind)
        for kind, told in (charge_point.latest or {}).items()
        if told.at_ms <= at_ms
        and kind[0] is not _ENERGY
        # A newer session waits until the end of the running one has been told.
        and (running is None or told.session is None or told.session <= running.session)
    ]
    return known


def _reading(told: Measured, kind: _Kind) -> Reading:
    return next(one for one in told.readings if (one.quantity, one.phase) == kind and isfinite(one.value))


def choose(readings: Iterable[Reading], wanted: Set[_Kind]) -> list[Reading]:
    """Return those readings that a list of measurands asks for."""
    return [reading for reading in readings if (reading.quantity, reading.phase) in wanted]


# --- TriggerMessage ---------------------------------------------------------------------------------


def triggered(charge_point: "ChargePoint", connector: int) -> bytes:
    """Return the payload that a TriggerMessage asked for: the latest of every measurand (`MV-16`)."""
    now_ms = charge_point.now.utc_ms
    known = readings(charge_point, now_ms)
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    # What was promised is sent, even if nothing that is known is configured.
    told = choose(known, wanted) or known or [Reading(_ENERGY, 0)]
    value = meter_value(ReadingContext.TRIGGER, now_ms, told)
    running = charge_point.running if connector else None  # MV-5
    if running is None:
        return outside(connector, value)
    if charge_point.unsampled_wh > running.register_wh:
        # Once told, no sample may tell less, not even after a restart (MV-9).
        transactions.put(charge_point, structs.replace(running, register_wh=charge_point.unsampled_wh))
    if running.start is SendState.QUEUED:
        return outside(connector, value)
    return b'{"connectorId":%d,"transactionId":%d,"meterValue":[%b]}' % (
        connector,
        transactions.transaction_id(running),
        value.encode(),
    )


def known(charge_point: "ChargePoint") -> bool:
    """Whether there is any value to tell."""
    return bool(charge_point.latest) or register_wh(charge_point) is not None


# --- as OCPP writes it ------------------------------------------------------------------------------


def outside(connector: int, value: str) -> bytes:
    """Return the payload of a MeterValues that belongs to no transaction."""
    return b'{"connectorId":%d,"meterValue":[%b]}' % (connector, value.encode())


def meter_value(context: ReadingContext, at_ms: int, readings: Iterable[Reading]) -> str:
    """Write a MeterValue: what was measured at one moment, and on what occasion (`MV-10`)."""
    rendered = _RENDERED[context]
    return _meter_value(
        [_sampled_value(reading.value, rendered[reading.quantity, reading.phase]) for reading in readings],
        at_ms,
    )


def _meter_value(sampled: list[str], at_ms: int) -> str:
    return f'{{"timestamp":"{format_utc(at_ms)}","sampledValue":[{",".join(sampled)}]}}'


def _sampled_value(value: float, rest: str) -> str:
    return f"{_VALUE}{value}{rest}" if type(value) is int else f"{_VALUE}{value:.2f}{rest}"
