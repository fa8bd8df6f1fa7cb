"""MeterValues: what the charger measures, forwarded as it comes (`MV-*`, OCPP 1.6 §4.7).

Samples of a running transaction are transaction-related messages: queued, in order, never older
than the last one. What falls outside a transaction is telemetry, of which the newest wins. Samples
at intervals are in `sampling`, those of a StopTransaction in `transaction_data`.
"""

from math import isfinite

from msgspec import structs

from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.records import MessageKind, SendState, Transaction
from chargebridge.chargepoint.rules.replays import SKEW_MS
from chargebridge.chargepoint.transactions import latest_values, ledger, queue, sampling, thinning
from chargebridge.chargepoint.transactions.latest_values import ENERGY, PERIODIC
from chargebridge.chargepoint.transactions.ledger import CONNECTOR
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import Measured, Reading
from chargebridge.ocpp16.enums import ReadingContext

# --- forwarding -------------------------------------------------------------------------------------


def measured(charge_point: ChargePoint, event: Measured) -> None:
    """Forward what the charger measured, or keep it for when it is wanted."""
    running = charge_point.running
    latest = charge_point.latest
    if latest is None:
        latest = charge_point.latest = {}
    # A charger's clock that was ahead must not silence it until then.
    now_ms = charge_point.now.utc_ms
    present = event if event.at_ms <= now_ms else structs.replace(event, at_ms=now_ms)
    measured_ms = present.at_ms
    for reading in event.readings:
        kind = reading.quantity, reading.phase
        if kind in PERIODIC and isfinite(reading.value):
            known = latest.get(kind)
            if known is None or known.at_ms <= measured_ms:
                latest[kind] = present
    behaviour = charge_point.settings.behaviour
    if running is None or event.session != running.session:
        if behaviour.meter_values_outside_transactions and event.session is None:
            _forward_telemetry(charge_point, event)
    elif behaviour.meter_values_as_they_come:
        _forward(charge_point, running, event, measured_ms)
    else:
        sampling.measured(charge_point, running, present)


def _forward(charge_point: ChargePoint, running: Transaction, event: Measured, measured_ms: int) -> None:
    # Values ahead of the host's clock are in the order of the charger's own.
    ahead = event.at_ms > charge_point.now.utc_ms + SKEW_MS
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
        if reading.quantity is ENERGY:
            if reading.phase or value < register_wh:
                continue  # one register, which never runs backwards (MV-9)
            register_wh, tells_register = int(value), True
        if kind in wanted:
            sampled.append(latest_values.sampled_value(value, PERIODIC[kind]))
    if not sampled:
        charge_point.unsampled_wh = register_wh
        return
    measured_ms = max(measured_ms, running.sampled_ms)  # the host's clock may have been set back
    if not tells_register and (ENERGY, 0) in wanted and thinning.is_near_limit(charge_point):
        thinning.sample_dropped(charge_point)  # there is room for few, and those are to contain the energy
        return
    has_room = thinning.leaves_room_for(charge_point, running, measured_ms)
    running = structs.replace(running, sampled_ms=measured_ms, register_wh=register_wh)
    if not has_room:
        ledger.put(charge_point, running)
        thinning.sample_dropped(charge_point)
        return
    charge_point.running = charge_point.transactions[running.number] = running
    payload = f"[{latest_values.meter_value_of(sampled, event.at_ms)}]".encode()
    queue.enqueue(charge_point, MessageKind.METER_VALUES, running, payload, measured_ms, register_wh)


def _forward_telemetry(charge_point: ChargePoint, event: Measured) -> None:
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    readings = [one for one in latest_values.choose(event.readings, wanted) if isfinite(one.value)]
    if readings:
        value = latest_values.meter_value(ReadingContext.SAMPLE_PERIODIC, event.at_ms, readings)
        charge_point.telemetry = latest_values.outside(CONNECTOR, value)


def forget(charge_point: ChargePoint) -> None:
    """Forget what a charger has measured that is gone."""
    charge_point.latest = charge_point.telemetry = None


# --- TriggerMessage ---------------------------------------------------------------------------------


def triggered(charge_point: ChargePoint, connector: int) -> bytes:
    """Return the payload for a TriggerMessage: the latest of every measurand (`MV-16`)."""
    now_ms = charge_point.now.utc_ms
    known = latest_values.readings(charge_point, now_ms)
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    # What was promised is sent, even if nothing that is known is configured.
    chosen = latest_values.choose(known, wanted) or known or [Reading(ENERGY, 0)]
    value = latest_values.meter_value(ReadingContext.TRIGGER, now_ms, chosen)
    running = charge_point.running if connector else None  # MV-5
    if running is None:
        return latest_values.outside(connector, value)
    if charge_point.unsampled_wh > running.register_wh:
        # Once it is sent, no sample may be less, not even after a restart (MV-9).
        ledger.put(charge_point, structs.replace(running, register_wh=charge_point.unsampled_wh))
    if running.start is SendState.QUEUED:
        return latest_values.outside(connector, value)
    return b'{"connectorId":%d,"transactionId":%d,"meterValue":[%b]}' % (
        connector,
        ledger.transaction_id(running),
        value.encode(),
    )
