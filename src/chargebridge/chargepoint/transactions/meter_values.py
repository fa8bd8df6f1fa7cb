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
from chargebridge.chargepoint.transactions import in_doubt, latest_values, ledger, queue, sampling, thinning
from chargebridge.chargepoint.transactions.latest_values import ENERGY, PERIODIC, Timed, bits
from chargebridge.chargepoint.transactions.ledger import CONNECTOR
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import Measured, Quantity, Reading
from chargebridge.ocpp16.enums import ReadingContext

# --- forwarding -------------------------------------------------------------------------------------


def measured(charge_point: ChargePoint, event: Measured) -> None:
    """Forward what the charger measured, or keep it for when it is wanted."""
    running = charge_point.running
    within = running is not None and event.session == running.session
    if running is not None and within and charge_point.settings.behaviour.meter_values_as_they_come:
        told_again = _is_told(charge_point, running, event)
        _note(charge_point, event)
        if told_again:
            charge_point.notice(NoticeKind.EVENT_IGNORED, "measured: older than the last")
        else:
            _forward(charge_point, running, event)
        return
    new = _note(charge_point, event)
    if running is not None and within:
        sampling.measured(charge_point, running, event, bits(new))
    elif event.session is None:
        sampling.measured_outside(charge_point, bits(new))
        if charge_point.settings.behaviour.meter_values_outside_transactions:
            _forward_telemetry(charge_point, event)


def _note(charge_point: ChargePoint, event: Measured) -> list[Quantity]:
    """Note the newest value of each kind; return the quantities of which this one is the newest."""
    latest, running = charge_point.latest, charge_point.running
    if latest is None:
        latest = charge_point.latest = {}
    at_ms = event.at_ms
    # A charger's clock that was ahead must not silence it until then.
    ahead_ms = charge_point.now.utc_ms + SKEW_MS
    new: list[Quantity] = []
    for reading in event.readings:
        kind = reading.quantity, reading.phase
        # Thousands of times a second, and looking up a kind is what takes longest.
        known = latest.get(kind)
        if known is None:
            if kind in PERIODIC and isfinite(reading.value):
                latest[kind] = event
                if not _was_told(running, event):
                    new.append(reading.quantity)
        elif (known.at_ms < at_ms or known.at_ms > ahead_ms >= at_ms) and isfinite(reading.value):
            latest[kind] = event
            new.append(reading.quantity)
    return new


def _was_told(running: Transaction | None, event: Measured) -> bool:
    """Whether this was told before a restart, of the running session: it is known no other way."""
    if running is None or event.session != running.session or running.sampled_ms <= running.started_ms:
        return False
    return event.at_ms <= running.sampled_ms


def _is_told(charge_point: ChargePoint, running: Transaction, event: Measured) -> bool:
    """Whether the same or newer values were forwarded before."""
    at_ms, newest_ms = event.at_ms, charge_point.measured_ms
    if at_ms > newest_ms and at_ms > running.sampled_ms:
        return False
    # Values ahead of the host's clock are in the order of the charger's own.
    ahead = at_ms > charge_point.now.utc_ms + SKEW_MS
    if at_ms < running.sampled_ms or (ahead and at_ms < newest_ms):
        return True
    if at_ms > running.sampled_ms and not (ahead and at_ms == newest_ms):
        return False
    # What was measured at one time may come bit by bit: told are those of which that time is known.
    latest = charge_point.latest or {}
    return at_ms != newest_ms or any(
        (known := latest.get((one.quantity, one.phase))) is not None and known.at_ms >= at_ms
        for one in event.readings
    )


def _forward(charge_point: ChargePoint, running: Transaction, event: Measured) -> None:
    charge_point.measured_ms = event.at_ms
    wanted = latest_values.periodic_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    register_ms, register_wh = charge_point.unsampled_ms, charge_point.unsampled_wh
    if not register_ms:
        register_ms, register_wh = running.register_ms, running.register_wh
    sampled: list[str] = []
    tells_register = False
    for reading in event.readings:
        value, kind = reading.value, (reading.quantity, reading.phase)
        if not isfinite(value):
            continue
        if reading.quantity is ENERGY:
            if reading.phase or value < register_wh:
                continue  # one register, which never runs backwards (MV-9)
            register_ms, register_wh, tells_register = event.at_ms, int(value), True
        rest = wanted.get(kind)
        if rest is not None:
            sampled.append(latest_values.sampled_value(value, rest))
    if tells_register:
        charge_point.unsampled_ms, charge_point.unsampled_wh = register_ms, register_wh
    if not sampled:
        return
    # A charger's clock that was ahead must not silence it until then, nor a host's that was set back.
    measured_ms = max(min(event.at_ms, charge_point.now.utc_ms), running.sampled_ms)
    if not tells_register and (ENERGY, 0) in wanted and thinning.is_near_limit(charge_point):
        thinning.sample_dropped(charge_point)  # there is room for few, and those are to contain the energy
        return
    has_room = thinning.leaves_room_for(charge_point, running, measured_ms)
    running = structs.replace(
        running, sampled_ms=measured_ms, register_wh=register_wh, register_ms=register_ms
    )
    if not has_room:
        ledger.put(charge_point, running)
        thinning.sample_dropped(charge_point)
        return
    charge_point.running = charge_point.transactions[running.number] = running
    payload = f"[{latest_values.meter_value_of(sampled, event.at_ms)}]".encode()
    noted = measured_ms, register_wh, register_ms
    queue.enqueue(charge_point, MessageKind.METER_VALUES, running, payload, *noted)


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
    """Return the payload for a TriggerMessage: the latest of every measurand, with its time (`MV-16`)."""
    known = latest_values.readings(charge_point) + latest_values.nothing_flows(charge_point)
    wanted = configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))
    moments = (
        latest_values.moments(known, wanted)
        # What was promised is sent, even if nothing that is known is configured, or the charger has gone.
        or latest_values.moments(known)
        or latest_values.moments([Timed(charge_point.now.utc_ms, Reading(Quantity.POWER_W, 0))])
    )
    values = latest_values.meter_values(ReadingContext.TRIGGER, moments)
    running = charge_point.running if connector else None  # MV-5
    if running is None:
        return latest_values.outside(connector, values)
    newest = latest_values.register(charge_point)
    if newest is not None and newest.wh > running.register_wh:
        # Once it is sent, no sample may be less, not even after a restart (MV-9).
        ledger.put(charge_point, structs.replace(running, register_wh=newest.wh, register_ms=newest.at_ms))
    held_back = in_doubt.reason(charge_point, MessageKind.METER_VALUES, running) is not None
    if running.start is SendState.QUEUED or held_back:
        return latest_values.outside(connector, values)
    return b'{"connectorId":%d,"transactionId":%d,"meterValue":[%b]}' % (
        connector,
        ledger.transaction_id(running),
        values.encode(),
    )
