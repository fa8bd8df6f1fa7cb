"""Samples at intervals, as the standard has them (`MV-2` to `MV-6`, OCPP 1.6 §4.7, §9.1).

The newest values of the charger are sampled at the times of two grids: every MeterValueSampleInterval
seconds from the start of the transaction on, and every ClockAlignedDataInterval seconds from midnight
UTC on. Where nothing new was measured since the last sample, the last values are sampled again, as a
meter would do.

* While the charger cannot be reached, nothing is known of it, so no sample is taken. Its values of that
  time are worth having (`Q-9`): the first that arrives of an interval that has no sample yet becomes its
  sample, with the charger's own time and only what it measured then. Once an interval has its sample, older
  values make none: samples are sent in order.
* What was measured becomes durable with its sample. A restart goes on with the last sample's register, and
  with the grid: it hangs on the transaction's start, and the newest sample shows which intervals have theirs.
* The register of a sample is what the charger has measured in this very session: so it never runs backwards
  (`MV-9`), and ends at meterStop.
"""

from math import isfinite
from typing import Final, NamedTuple

from msgspec import structs

from chargebridge.chargepoint.charger import waiting_sessions
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.model.volatile import Sample
from chargebridge.chargepoint.records import MessageKind, Transaction
from chargebridge.chargepoint.transactions import latest_values, ledger, queue, thinning, transaction_data
from chargebridge.chargepoint.transactions.ledger import CONNECTOR
from chargebridge.chargers.model import Measured, Quantity, Reading
from chargebridge.ocpp16.enums import ReadingContext

_DAY_MS: Final = 86_400_000


class _Occasion(NamedTuple):
    """Why a sample is taken, and the keys for its interval and its measurands, at once and at the stop."""

    context: ReadingContext
    interval: str
    measurands: str
    measurands_at_stop: str


_PERIODIC: Final = _Occasion(
    ReadingContext.SAMPLE_PERIODIC, "MeterValueSampleInterval", "MeterValuesSampledData", "StopTxnSampledData"
)

_CLOCK: Final = _Occasion(
    ReadingContext.SAMPLE_CLOCK, "ClockAlignedDataInterval", "MeterValuesAlignedData", "StopTxnAlignedData"
)


def begin(charge_point: ChargePoint) -> None:
    """Begin to sample a transaction, of which nothing is measured yet."""
    charge_point.unsampled_wh = charge_point.measured_ms = 0
    _schedule_periodic(charge_point)


def schedule(charge_point: ChargePoint) -> None:
    """Set the deadlines of the next samples; called whenever something they hang on has changed."""
    _schedule_periodic(charge_point)
    _schedule_clock(charge_point)


def _interval_ms(charge_point: ChargePoint, occasion: _Occasion) -> int:
    if charge_point.settings.behaviour.meter_values_as_they_come:
        return 0
    return configuration.integer(charge_point, occasion.interval) * 1000


# --- at intervals from the start of the transaction -------------------------------------------------


def _schedule_periodic(charge_point: ChargePoint) -> None:
    running, interval_ms = charge_point.running, _interval_ms(charge_point, _PERIODIC)
    if running is None or not interval_ms or waiting_sessions.newer_is_known(charge_point):
        charge_point.cancel_timer(Timer.SAMPLE)
        return
    gone_ms = (charge_point.now.utc_ms - running.started_ms) % interval_ms
    charge_point.set_timer(Timer.SAMPLE, (interval_ms - gone_ms) / 1000)


def interval_over(charge_point: ChargePoint) -> None:
    """Take the sample of the interval that begins now (`MV-3`)."""
    running, interval_ms = charge_point.running, _interval_ms(charge_point, _PERIODIC)
    now_ms = charge_point.now.utc_ms
    if running is not None and interval_ms and charge_point.reachable:
        place = _place(running, now_ms, interval_ms)
        # One is enough, even where the host's clock was set back a little.
        if place != _place(running, running.sampled_ms, interval_ms):
            known = latest_values.readings(charge_point, now_ms)
            _take(charge_point, running, _PERIODIC, now_ms, known)
    _schedule_periodic(charge_point)


def _place(transaction: Transaction, at_ms: int, interval_ms: int) -> int:
    """Return the number of the interval that a time lies in, counted from the transaction's start."""
    return (at_ms - transaction.started_ms) // interval_ms


def measured(charge_point: ChargePoint, running: Transaction, event: Measured) -> None:
    """Note what was measured in the running session, and sample it if its interval has no sample.

    Args:
        charge_point: whose charger measured it.
        running: its transaction.
        event: what was measured; its time is not in the future.
    """
    register_wh = max(running.register_wh, charge_point.unsampled_wh)
    readings: list[Reading] = []
    for reading in event.readings:
        if not isfinite(reading.value):
            continue
        if reading.quantity is Quantity.ENERGY_WH:
            if reading.phase or reading.value < register_wh:
                continue  # a register never runs backwards (MV-9)
            register_wh = int(reading.value)
        readings.append(reading)
    charge_point.unsampled_wh = register_wh
    interval_ms = _interval_ms(charge_point, _PERIODIC)
    if not interval_ms:
        return
    newest = _place(running, running.sampled_ms, interval_ms)
    if _place(running, event.at_ms, interval_ms) > newest:
        _take(charge_point, running, _PERIODIC, event.at_ms, readings)


# --- at the clock's intervals -----------------------------------------------------------------------


def _schedule_clock(charge_point: ChargePoint) -> None:
    interval_ms = _interval_ms(charge_point, _CLOCK)
    if not interval_ms or waiting_sessions.newer_is_known(charge_point):
        charge_point.cancel_timer(Timer.CLOCK)
        return
    now_ms = charge_point.now.utc_ms
    gone_ms = now_ms % _DAY_MS
    # The day's last interval is shorter where they do not add up to a day: each begins at midnight.
    wait_ms = min(interval_ms - gone_ms % interval_ms, _DAY_MS - gone_ms)
    charge_point.clock_due_ms = now_ms + wait_ms
    charge_point.set_timer(Timer.CLOCK, wait_ms / 1000)


def clock_due(charge_point: ChargePoint) -> None:
    """Take the sample of this time of the clock (`MV-4`): of the transaction, or as telemetry (`Q-1`)."""
    now_ms = charge_point.now.utc_ms
    # The host's clock may have been set back meanwhile; then that time is still to come.
    if _interval_ms(charge_point, _CLOCK) and now_ms >= charge_point.clock_due_ms and charge_point.reachable:
        known = latest_values.readings(charge_point, now_ms)
        if charge_point.running is not None:
            _take(charge_point, charge_point.running, _CLOCK, now_ms, known)
        elif charge_point.online:
            chosen = _chosen(charge_point, _CLOCK.measurands, known)
            if chosen:
                value = latest_values.meter_value(_CLOCK.context, now_ms, chosen)
                charge_point.telemetry = latest_values.outside(CONNECTOR, value)
    _schedule_clock(charge_point)


# --- a sample of a transaction ----------------------------------------------------------------------


def _take(
    charge_point: ChargePoint,
    running: Transaction,
    occasion: _Occasion,
    at_ms: int,
    readings: list[Reading],
) -> None:
    """Queue a sample, and keep it for the StopTransaction, each with the measurands of its own key."""
    sent = _chosen(charge_point, occasion.measurands, readings)
    kept = _chosen(charge_point, occasion.measurands_at_stop, readings)
    if not sent and not kept:
        return
    if occasion is _PERIODIC:
        has_room = thinning.leaves_room_for(charge_point, running, at_ms)
    else:
        has_room = thinning.leaves_room_at(
            charge_point, at_ms % _DAY_MS, _interval_ms(charge_point, occasion)
        )
    running = structs.replace(
        running,
        sampled_ms=at_ms if occasion is _PERIODIC else running.sampled_ms,
        register_wh=max(running.register_wh, charge_point.unsampled_wh),
    )
    charge_point.running = charge_point.transactions[running.number] = running
    if kept:
        sample = Sample(at_ms, occasion.context, tuple(kept))
        transaction_data.keep(charge_point, running, sample)
    if sent and has_room:
        payload = f"[{latest_values.meter_value(occasion.context, at_ms, sent)}]".encode()
        noted = running.sampled_ms, running.register_wh
        queue.enqueue(charge_point, MessageKind.METER_VALUES, running, payload, *noted)
        return
    ledger.put(charge_point, running)
    if sent:
        thinning.sample_dropped(charge_point)


def _chosen(charge_point: ChargePoint, key: str, readings: list[Reading]) -> list[Reading]:
    wanted = configuration.readings_wanted(configuration.text(charge_point, key))
    return latest_values.choose(readings, wanted)
