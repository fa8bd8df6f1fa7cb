"""Samples at intervals, as the standard has them (`MV-2` to `MV-6`, `MV-19`, OCPP 1.6 §4.7, §9.1).

A sample has what the charger has measured, each reading with the time at which it was measured. What was
measured before is never sent as of now: between two readings nobody knows what the meter shows.

Two grids say when samples are due: every MeterValueSampleInterval seconds from the start of the transaction
on, and every ClockAlignedDataInterval seconds from midnight UTC on.

* *At intervals*: at each time of the grid, what was measured since the last sample. If that is nothing, the
  first that comes after it is the sample, at once.
* *By the clock*: the first reading at or behind each time of the grid, as soon as it comes. If none has come
  `CLOCK_WAIT_MS` after that time (half an interval at most), what was measured before it is sent meanwhile,
  unless a sample by the clock has it; so a register that stands still, and is reported again only when it
  moves, has its last reading on record. What counts for "first" is the register, where it is wanted.
* What a charger that was away reports late fills both grids (`Q-9`): the first reading that arrives of an
  interval of either grid is its sample, with only what was measured then. Once an interval has its sample,
  older values make none: samples are sent in order.
* What was measured becomes durable with its sample. A restart goes on with the last sample's register and
  time, and so with both grids.
* The register of a sample is what the charger has measured in this very session: so it never runs backwards
  (`MV-9`), and ends at meterStop (`TX-13`).
* While no transaction runs, samples by the clock are general information: at each time of the grid, what was
  measured since the last one, and that nothing flows.
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
from chargebridge.chargepoint.rules.replays import SKEW_MS
from chargebridge.chargepoint.transactions import latest_values, ledger, queue, thinning, transaction_data
from chargebridge.chargepoint.transactions.latest_values import ENERGY, Kind, Register, Timed
from chargebridge.chargepoint.transactions.ledger import CONNECTOR
from chargebridge.chargers.model import Measured
from chargebridge.ocpp16.enums import ReadingContext

_DAY_MS: Final = 86_400_000
CLOCK_WAIT_MS: Final = 300_000
"""A sample by the clock waits no longer for a reading behind its time; then it has older ones."""


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
    charge_point.unsampled_wh = charge_point.unsampled_ms = charge_point.measured_ms = 0
    charge_point.unsampled = charge_point.unsampled_by_clock = 0
    schedule(charge_point)


def schedule(charge_point: ChargePoint) -> None:
    """Set the deadlines of the next samples; called whenever something they hang on has changed."""
    _schedule_periodic(charge_point)
    _schedule_clock(charge_point)


def _interval_ms(charge_point: ChargePoint, occasion: _Occasion) -> int:
    if charge_point.settings.behaviour.meter_values_as_they_come:
        return 0
    return configuration.integer(charge_point, occasion.interval) * 1000


def measured(charge_point: ChargePoint, running: Transaction, event: Measured, new: int) -> None:
    """Note what was measured in the running session, and sample it where a sample is due.

    Args:
        charge_point: whose charger measured it.
        running: its transaction.
        event: what was measured.
        new: the quantities of which nothing as new was known, as `latest_values.BITS`.
    """
    known = newest = latest_values.register(charge_point) or Register(0, 0)
    # A charger's clock that was ahead must not silence it until then.
    ahead_ms = charge_point.now.utc_ms + SKEW_MS
    readings: list[Timed] = []
    for reading in event.readings:
        if not isfinite(reading.value):
            continue
        if reading.quantity is ENERGY:
            if reading.phase or reading.value < newest.wh:
                continue  # a register never runs backwards (MV-9)
            if reading.value > newest.wh or newest.at_ms < event.at_ms or newest.at_ms > ahead_ms:
                newest = Register(event.at_ms, int(reading.value))
        readings.append(Timed(event.at_ms, reading))
    if newest is known:
        new &= ~latest_values.BITS[ENERGY]
    else:
        charge_point.unsampled_ms, charge_point.unsampled_wh = newest
    charge_point.unsampled |= new
    charge_point.unsampled_by_clock |= new
    if _is_first_behind_the_clock(charge_point, running, readings, event.at_ms, known.at_ms):
        _take_by_the_clock(charge_point, running, readings, event.at_ms)
        running = charge_point.running or running
    charge_point.measured_ms = max(charge_point.measured_ms, event.at_ms)
    interval_ms = _interval_ms(charge_point, _PERIODIC)
    if new and interval_ms and _is_owed(charge_point, running, event.at_ms, interval_ms):
        _take(charge_point, running, _PERIODIC, readings)


def measured_outside(charge_point: ChargePoint, new: int) -> None:
    """Note what was measured while no transaction runs; `new` as of `measured`."""
    charge_point.unsampled_by_clock |= new


# --- at intervals from the start of the transaction -------------------------------------------------


def _schedule_periodic(charge_point: ChargePoint) -> None:
    running, interval_ms = charge_point.running, _interval_ms(charge_point, _PERIODIC)
    if running is None or not interval_ms or waiting_sessions.newer_is_known(charge_point):
        charge_point.cancel_timer(Timer.SAMPLE)
        return
    gone_ms = (charge_point.now.utc_ms - running.started_ms) % interval_ms
    charge_point.set_timer(Timer.SAMPLE, (interval_ms - gone_ms) / 1000)


def interval_over(charge_point: ChargePoint) -> None:
    """Take the sample of the interval that ends now: what was measured since the last one (`MV-3`)."""
    running = charge_point.running
    if running is not None and _interval_ms(charge_point, _PERIODIC):
        _take(charge_point, running, _PERIODIC, _unsampled_readings(charge_point, charge_point.unsampled))
    _schedule_periodic(charge_point)


def _place(transaction: Transaction, at_ms: int, interval_ms: int) -> int:
    """Return the number of the interval that ends at or behind a time; at the transaction's start it is 0."""
    return -((transaction.started_ms - at_ms) // interval_ms)


def _is_owed(charge_point: ChargePoint, running: Transaction, at_ms: int, interval_ms: int) -> bool:
    """Whether what was measured makes a sample at once: its interval, or the one before, has none."""
    sampled = _place(running, running.sampled_ms, interval_ms)
    present = _place(running, charge_point.now.utc_ms, interval_ms)
    # A charger's clock that was ahead must not silence it until then.
    measured = min(_place(running, at_ms, interval_ms), present)
    return measured > sampled and (measured < present or sampled < present - 1)


# --- at the clock's intervals -----------------------------------------------------------------------


def _schedule_clock(charge_point: ChargePoint) -> None:
    interval_ms = _interval_ms(charge_point, _CLOCK)
    if not interval_ms or waiting_sessions.newer_is_known(charge_point):
        charge_point.cancel_timer(Timer.CLOCK)
        return
    now_ms = charge_point.now.utc_ms
    charge_point.clock_due_ms = _clock_time_behind(now_ms, interval_ms)
    charge_point.set_timer(Timer.CLOCK, (charge_point.clock_due_ms - now_ms) / 1000)


def _clock_time(at_ms: int, interval_ms: int) -> int:
    """Return the newest time of the grid: each day it begins at midnight."""
    return at_ms - at_ms % _DAY_MS % interval_ms


def _clock_time_behind(at_ms: int, interval_ms: int) -> int:
    # The day's last interval is shorter where they do not add up to a day.
    return min(_clock_time(at_ms, interval_ms) + interval_ms, at_ms - at_ms % _DAY_MS + _DAY_MS)


def clock_due(charge_point: ChargePoint) -> None:
    """Tell what is known at a time of the clock (`MV-4`, `Q-1`); in a transaction, wait for more before."""
    now_ms, due_ms = charge_point.now.utc_ms, charge_point.clock_due_ms
    interval_ms = _interval_ms(charge_point, _CLOCK)
    running = charge_point.running
    # The host's clock may have been set back meanwhile; then that time is still to come.
    if not interval_ms or now_ms < due_ms:
        _schedule_clock(charge_point)
        return
    wait_ms = min(CLOCK_WAIT_MS, interval_ms // 2)
    if running is not None and now_ms < due_ms + wait_ms:
        charge_point.set_timer(Timer.CLOCK, (due_ms + wait_ms - now_ms) / 1000)
        return
    known = _unsampled_readings(charge_point, charge_point.unsampled_by_clock)
    if running is not None:
        if charge_point.clock_ms < due_ms:
            _take(charge_point, running, _CLOCK, known)
    elif charge_point.online:
        known += latest_values.nothing_flows(charge_point)
        wanted = _wanted(charge_point, _CLOCK.measurands)
        moments = latest_values.moments(known, wanted)
        if moments:
            charge_point.unsampled_by_clock = 0
            values = latest_values.meter_values(_CLOCK.context, moments)
            charge_point.telemetry = latest_values.outside(CONNECTOR, values)
    _schedule_clock(charge_point)


def _is_first_behind_the_clock(
    charge_point: ChargePoint,
    running: Transaction,
    readings: list[Timed],
    at_ms: int,
    register_ms: int,
) -> bool:
    """Whether this is the first reading behind a time of the clock; of the register, if that is wanted."""
    interval_ms = _interval_ms(charge_point, _CLOCK)
    if not interval_ms:
        return False
    wanted = _wanted(charge_point, _CLOCK.measurands) | _wanted(charge_point, _CLOCK.measurands_at_stop)
    by_register = (ENERGY, 0) in wanted
    sampled = {(reading.quantity, reading.phase) for _, reading in readings}
    if (ENERGY, 0) not in sampled if by_register else not sampled & wanted:
        return False
    newest_ms = max(charge_point.measured_ms, running.started_ms, running.sampled_ms)
    last_ms = register_ms if by_register else newest_ms
    return last_ms < _clock_time(at_ms, interval_ms)


def _take_by_the_clock(
    charge_point: ChargePoint, running: Transaction, readings: list[Timed], at_ms: int
) -> None:
    """Take the sample of a time of the clock; with all that is in none yet, if it is the newest time."""
    interval_ms = _interval_ms(charge_point, _CLOCK)
    if _clock_time(at_ms, interval_ms) >= _clock_time(charge_point.now.utc_ms, interval_ms):
        readings = _unsampled_readings(charge_point, charge_point.unsampled_by_clock)
    _take(charge_point, running, _CLOCK, readings)


# --- a sample of a transaction ----------------------------------------------------------------------


def _take(
    charge_point: ChargePoint, running: Transaction, occasion: _Occasion, readings: list[Timed]
) -> None:
    """Queue a sample, and keep it for the StopTransaction, each with the measurands of its own key."""
    sent = latest_values.moments(readings, _wanted(charge_point, occasion.measurands))
    kept = latest_values.moments(readings, _wanted(charge_point, occasion.measurands_at_stop))
    if not sent and not kept:
        return
    now_ms, sampled = charge_point.now.utc_ms, latest_values.bits(reading.quantity for _, reading in readings)
    at_ms = min(max(moments[-1][0] for moments in (sent, kept) if moments), now_ms)
    if occasion is _PERIODIC:
        has_room = thinning.leaves_room_for(charge_point, running, at_ms)
        charge_point.unsampled &= ~sampled
    else:
        charge_point.unsampled_by_clock &= ~sampled
        charge_point.clock_ms = max(charge_point.clock_ms, at_ms)
        has_room = thinning.leaves_room_at(
            charge_point, at_ms % _DAY_MS, _interval_ms(charge_point, occasion)
        )
    newest = latest_values.register(charge_point) or Register(0, 0)
    running = structs.replace(
        running,
        sampled_ms=max(running.sampled_ms, at_ms) if occasion is _PERIODIC else running.sampled_ms,
        register_wh=newest.wh,
        register_ms=newest.at_ms,
    )
    charge_point.running = charge_point.transactions[running.number] = running
    for measured_ms, values in kept:
        sample = Sample(measured_ms, occasion.context, tuple(values))
        transaction_data.keep(charge_point, running, sample)
    if sent and has_room:
        payload = f"[{latest_values.meter_values(occasion.context, sent)}]".encode()
        noted = running.sampled_ms, running.register_wh, running.register_ms
        queue.enqueue(charge_point, MessageKind.METER_VALUES, running, payload, *noted)
        return
    ledger.put(charge_point, running)
    if sent:
        thinning.sample_dropped(charge_point)


def _unsampled_readings(charge_point: ChargePoint, quantities: int) -> list[Timed]:
    """Return the newest readings of these quantities, all phases; they are of `latest_values.BITS`."""
    if not quantities:
        return []
    known = latest_values.readings(charge_point)
    return [one for one in known if latest_values.BITS[one.reading.quantity] & quantities]


def _wanted(charge_point: ChargePoint, key: str) -> frozenset[Kind]:
    return configuration.readings_wanted(configuration.text(charge_point, key))
