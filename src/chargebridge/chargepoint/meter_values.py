"""Meter values: forwarded as the charger tells them (`MV-*`, OCPP 1.6 §4.7).

Samples of a running transaction are transaction-related messages: queued, in order, never older
than the last one. What falls outside a transaction is telemetry, of which the newest wins.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Final

from msgspec import structs

from chargebridge.chargepoint import configuration, delivery, transactions
from chargebridge.chargepoint.records import MessageKind, SendState, Transaction
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import Measured, Quantity, Reading
from chargebridge.clock import format_utc
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.enums import Measurand, Phase, ReadingContext, UnitOfMeasure
from chargebridge.ocpp16.messages import MeterValue, SampledValue

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

Latest = dict[tuple[Quantity, int], Reading]
"""The newest reading of each quantity and phase."""

_UNITS: Final[Mapping[Quantity, tuple[Measurand, UnitOfMeasure]]] = {
    Quantity.ENERGY_WH: (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, UnitOfMeasure.WH),
    Quantity.POWER_W: (Measurand.POWER_ACTIVE_IMPORT, UnitOfMeasure.W),
    Quantity.CURRENT_A: (Measurand.CURRENT_IMPORT, UnitOfMeasure.A),
    Quantity.CURRENT_OFFERED_A: (Measurand.CURRENT_OFFERED, UnitOfMeasure.A),
    Quantity.VOLTAGE_V: (Measurand.VOLTAGE, UnitOfMeasure.V),
    Quantity.TEMPERATURE_C: (Measurand.TEMPERATURE, UnitOfMeasure.CELSIUS),
}
# Needed for each reading; reaching a member through its class is ten times slower on Python 3.11.
_ENERGY: Final = Quantity.ENERGY_WH
_PERIODIC: Final = ReadingContext.SAMPLE_PERIODIC
_PHASES: Final = (None, Phase.L1, Phase.L2, Phase.L3)
_PHASES_TO_NEUTRAL: Final = (None, Phase.L1_N, Phase.L2_N, Phase.L3_N)
_DESCRIBED: Final = {
    (quantity, number): (
        *_UNITS[quantity],
        (_PHASES_TO_NEUTRAL if quantity is Quantity.VOLTAGE_V else _PHASES)[number],
    )
    for quantity in Quantity
    for number in range(4)
}
"""Measurand, unit and phase of every reading there can be (`MV-11`, `MV-12`)."""


def measured(charge_point: "ChargePoint", event: Measured) -> None:
    """Forward what the charger measured, or keep it for when somebody asks."""
    running = charge_point.running
    latest = charge_point.latest
    if latest is None:
        latest = charge_point.latest = {}
    readings = [reading for reading in event.readings if isfinite(reading.value)]
    for reading in readings:
        if (reading.quantity, reading.phase) in _DESCRIBED:
            latest[reading.quantity, reading.phase] = reading
    if running is None or event.session != running.session:
        if charge_point.settings.behaviour.meter_values_outside_transactions and event.session is None:
            charge_point.telemetry = event
        return
    if event.at_ms <= running.sampled_ms:
        charge_point.notice(NoticeKind.EVENT_IGNORED, "measured: older than the last")
        return
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    register_wh = running.register_wh
    sampled: list[SampledValue] = []
    for reading in readings:
        if reading.quantity is _ENERGY:
            if reading.value < register_wh:
                continue  # a register never runs backwards (MV-9)
            register_wh = int(reading.value)
        if (reading.quantity, reading.phase) in wanted:
            sampled.append(_sampled_value(reading, _PERIODIC))
    if not sampled:
        return
    # A charger's clock that was ahead must not silence it until then.
    sampled_ms = min(event.at_ms, charge_point.now.utc_ms)
    running = structs.replace(running, sampled_ms=sampled_ms, register_wh=register_wh)
    charge_point.running = charge_point.transactions[running.number] = running
    value = MeterValue(timestamp=format_utc(event.at_ms), sampled_value=tuple(sampled))
    payload = ENCODER.encode((value,))
    delivery.enqueue(charge_point, MessageKind.METER_VALUES, running, payload, event.at_ms, register_wh)


def telemetry(charge_point: "ChargePoint", event: Measured) -> bytes:
    """Return the payload of a MeterValues outside transactions; empty if nothing of it is wanted."""
    sampled = _wanted(charge_point, event.readings, _PERIODIC)
    return _payload(transactions.CONNECTOR, None, sampled, event.at_ms) if sampled else b""


def triggered(charge_point: "ChargePoint", connector: int) -> bytes:
    """Return the payload that a TriggerMessage asked for: the latest of every measurand (`MV-16`)."""
    readings = tuple((charge_point.latest or {}).values())
    sampled = (
        _wanted(charge_point, readings, ReadingContext.TRIGGER)
        # What was promised is sent, even if nothing that is known is configured.
        or [_sampled_value(reading, ReadingContext.TRIGGER) for reading in readings]
        or [_sampled_value(_register(charge_point), ReadingContext.TRIGGER)]
    )
    running = charge_point.running if connector else None  # MV-5
    return _payload(connector, running, sampled, charge_point.now.utc_ms)


def known(charge_point: "ChargePoint") -> bool:
    """Whether there is any value to tell."""
    return bool(charge_point.latest) or charge_point.state.register_wh is not None


def _register(charge_point: "ChargePoint") -> Reading:
    return Reading(Quantity.ENERGY_WH, charge_point.state.register_wh or 0)


def _wanted(
    charge_point: "ChargePoint",
    readings: Iterable[Reading],
    context: ReadingContext,
) -> list[SampledValue]:
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    return [
        _sampled_value(reading, context)
        for reading in readings
        if (reading.quantity, reading.phase) in wanted
    ]


def _payload(
    connector: int,
    transaction: Transaction | None,
    sampled: list[SampledValue],
    at_ms: int,
) -> bytes:
    value = ENCODER.encode((MeterValue(timestamp=format_utc(at_ms), sampled_value=tuple(sampled)),))
    if transaction is None or transaction.start is SendState.QUEUED:
        return b'{"connectorId":%d,"meterValue":%b}' % (connector, value)
    return b'{"connectorId":%d,"transactionId":%d,"meterValue":%b}' % (
        connector,
        transactions.transaction_id(transaction),
        value,
    )


def _sampled_value(reading: Reading, context: ReadingContext) -> SampledValue:
    value = reading.value
    measurand, unit, phase = _DESCRIBED[reading.quantity, reading.phase]
    return SampledValue(
        value=str(value) if type(value) is int else f"{value:.2f}",
        context=context,
        measurand=measurand,
        phase=phase,
        unit=unit,
    )
