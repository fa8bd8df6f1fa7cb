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
from chargebridge.ocpp16.messages import SampledValue

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
_PERIODIC: Final = _render(ReadingContext.SAMPLE_PERIODIC)
_TRIGGER: Final = _render(ReadingContext.TRIGGER)
# Needed for each reading; reaching a member through its class is ten times slower on Python 3.11.
_ENERGY: Final = Quantity.ENERGY_WH


def measured(charge_point: "ChargePoint", event: Measured) -> None:
    """Forward what the charger measured, or keep it for when somebody asks."""
    running = charge_point.running
    latest = charge_point.latest
    if latest is None:
        latest = charge_point.latest = {}
    for reading in event.readings:
        kind = reading.quantity, reading.phase
        if kind in _PERIODIC and isfinite(reading.value):
            latest[kind] = reading
    if running is None or event.session != running.session:
        if charge_point.settings.behaviour.meter_values_outside_transactions and event.session is None:
            charge_point.telemetry = event
        return
    if event.at_ms <= running.sampled_ms:
        charge_point.notice(NoticeKind.EVENT_IGNORED, "measured: older than the last")
        return
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    register_wh = running.register_wh
    sampled: list[str] = []
    for reading in event.readings:
        value, kind = reading.value, (reading.quantity, reading.phase)
        if not isfinite(value):
            continue
        if reading.quantity is _ENERGY:
            if value < register_wh:
                continue  # a register never runs backwards (MV-9)
            register_wh = int(value)
        if kind in wanted:
            sampled.append(_sampled_value(value, _PERIODIC[kind]))
    if not sampled:
        return
    # A charger's clock that was ahead must not silence it until then.
    sampled_ms = min(event.at_ms, charge_point.now.utc_ms)
    running = structs.replace(running, sampled_ms=sampled_ms, register_wh=register_wh)
    charge_point.running = charge_point.transactions[running.number] = running
    payload = _meter_value(sampled, event.at_ms)
    delivery.enqueue(charge_point, MessageKind.METER_VALUES, running, payload, sampled_ms, register_wh)


def telemetry(charge_point: "ChargePoint", event: Measured) -> bytes:
    """Return the payload of a MeterValues outside transactions; empty if nothing of it is wanted."""
    sampled = _wanted(charge_point, event.readings, _PERIODIC)
    return _payload(transactions.CONNECTOR, None, sampled, event.at_ms) if sampled else b""


def triggered(charge_point: "ChargePoint", connector: int) -> bytes:
    """Return the payload that a TriggerMessage asked for: the latest of every measurand (`MV-16`)."""
    readings = tuple((charge_point.latest or {}).values())
    sampled = (
        _wanted(charge_point, readings, _TRIGGER)
        # What was promised is sent, even if nothing that is known is configured.
        or [_sampled_value(one.value, _TRIGGER[one.quantity, one.phase]) for one in readings]
        or [_sampled_value(charge_point.state.register_wh or 0, _TRIGGER[_ENERGY, 0])]
    )
    running = charge_point.running if connector else None  # MV-5
    return _payload(connector, running, sampled, charge_point.now.utc_ms)


def known(charge_point: "ChargePoint") -> bool:
    """Whether there is any value to tell."""
    return bool(charge_point.latest) or charge_point.state.register_wh is not None


def _wanted(
    charge_point: "ChargePoint",
    readings: Iterable[Reading],
    rendered: Mapping[_Kind, str],
) -> list[str]:
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    return [
        _sampled_value(reading.value, rendered[reading.quantity, reading.phase])
        for reading in readings
        if (reading.quantity, reading.phase) in wanted and isfinite(reading.value)
    ]


def _payload(connector: int, transaction: Transaction | None, sampled: list[str], at_ms: int) -> bytes:
    value = _meter_value(sampled, at_ms)
    if transaction is None or transaction.start is SendState.QUEUED:
        return b'{"connectorId":%d,"meterValue":%b}' % (connector, value)
    return b'{"connectorId":%d,"transactionId":%d,"meterValue":%b}' % (
        connector,
        transactions.transaction_id(transaction),
        value,
    )


def _meter_value(sampled: list[str], at_ms: int) -> bytes:
    """Write the `meterValue` of a MeterValues: samples of one moment."""
    return f'[{{"timestamp":"{format_utc(at_ms)}","sampledValue":[{",".join(sampled)}]}}]'.encode()


def _sampled_value(value: float, rest: str) -> str:
    return f"{_VALUE}{value}{rest}" if type(value) is int else f"{_VALUE}{value:.2f}{rest}"
