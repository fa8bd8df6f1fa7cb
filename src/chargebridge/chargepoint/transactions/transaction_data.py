"""The transactionData of a StopTransaction (`MV-7`, OCPP 1.6 §3.16.5).

It begins with Transaction.Begin, ends with Transaction.End, and has the samples in between where samples
are taken at intervals. They are kept as readings, not as messages, and leave the store with the transaction.
The register at Begin and End is exactly meterStart and meterStop, so it is not kept for them. All else was
measured before the edge that it belongs to, and says when.
"""

from typing import Final

from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model import volatile
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.volatile import Sample
from chargebridge.chargepoint.records import PutSamples, Transaction
from chargebridge.chargepoint.rules.keys import MAX_SAMPLES
from chargebridge.chargepoint.transactions import latest_values
from chargebridge.chargers.model import Quantity, Reading
from chargebridge.ocpp16.enums import ReadingContext

_MOST_BETWEEN: Final = MAX_SAMPLES - 2
"""Samples beside Transaction.Begin and Transaction.End."""


def begin(charge_point: ChargePoint, transaction: Transaction) -> None:
    """Keep what is known as the transaction begins, as far as it is configured."""
    for sample in at_begin(charge_point, transaction, _wanted(charge_point)):
        keep(charge_point, transaction, sample)


def at_begin(
    charge_point: ChargePoint, transaction: Transaction, wanted: frozenset[tuple[Quantity, int]]
) -> tuple[Sample, ...]:
    """Return what was measured before a transaction that begins, without the register.

    Args:
        charge_point: whose transaction.
        transaction: as it begins.
        wanted: the kinds that are wanted.
    """
    return _known(charge_point, transaction.started_ms, wanted, ReadingContext.TRANSACTION_BEGIN)


def keep(charge_point: ChargePoint, transaction: Transaction, sample: Sample) -> None:
    """Keep a sample of the running transaction until its StopTransaction is written."""
    samples = _thinned((*charge_point.samples, sample), _MOST_BETWEEN)
    charge_point.samples = samples
    charge_point.record(PutSamples(transaction.number, volatile.encode_samples(samples)))


def _thinned(samples: tuple[Sample, ...], most: int) -> tuple[Sample, ...]:
    """Leave one out if they are too many, where they lie closest: never Begin, nor the newest (E 3.89)."""
    between = [
        number
        for number, sample in enumerate(samples)
        if sample.context is not ReadingContext.TRANSACTION_BEGIN
    ]
    if len(between) <= most:
        return samples
    least_needed = min(
        between[1:-1], key=lambda number: samples[number + 1].at_ms - samples[number - 1].at_ms
    )
    return samples[:least_needed] + samples[least_needed + 1 :]


def end(charge_point: ChargePoint, transaction: Transaction) -> bytes:
    """Return the transactionData of a transaction that has ended, as JSON; empty if none is configured.

    What was kept for it is forgotten: retries repeat what is returned here.
    """
    running = charge_point.running
    if running is None or running.number != transaction.number:
        return edges(charge_point, transaction)  # it began and ended unseen
    samples, at_its_end = charge_point.samples, at_end(charge_point, transaction, _wanted(charge_point))
    if samples:
        charge_point.samples = ()
        charge_point.record(PutSamples(transaction.number, None))
    return edges(charge_point, transaction, samples, at_its_end)


def at_end(
    charge_point: ChargePoint, transaction: Transaction, wanted: frozenset[tuple[Quantity, int]]
) -> tuple[Sample, ...]:
    """Return what was measured last in the running transaction, which has ended, without the register.

    Args:
        charge_point: whose transaction.
        transaction: as it has ended.
        wanted: the kinds that are wanted.
    """
    assert transaction.stopped_ms is not None
    return _known(charge_point, transaction.stopped_ms, wanted, ReadingContext.TRANSACTION_END)


def edges(
    charge_point: ChargePoint,
    transaction: Transaction,
    samples: tuple[Sample, ...] = (),
    at_its_end: tuple[Sample, ...] = (),
) -> bytes:
    """Return Transaction.Begin and Transaction.End around the samples between, as JSON.

    Args:
        charge_point: whose lists of measurands count.
        transaction: one that has ended.
        samples: what was kept of it.
        at_its_end: what was measured last, without the register.
    """
    wanted = _wanted(charge_point)
    if not wanted:
        return b""  # both lists are empty: no transactionData at all
    start, stop = transaction.started_ms, transaction.stopped_ms
    register_start, register_stop = transaction.meter_start_wh, transaction.meter_stop_wh
    assert stop is not None
    assert register_stop is not None
    known = tuple(one for one in samples if one.context is ReadingContext.TRANSACTION_BEGIN)
    # The charger may report the end late, with samples taken since.
    between = tuple(one for one in samples[len(known) :] if start <= one.at_ms <= stop)
    begin = with_register(known, ReadingContext.TRANSACTION_BEGIN, start, register_start, wanted)
    end = with_register(at_its_end, ReadingContext.TRANSACTION_END, stop, register_stop, wanted)
    while len(begin) + len(between) + len(end) > MAX_SAMPLES:
        between = _thinned(between, len(between) - 1)
    written = [
        latest_values.meter_value(sample.context, sample.at_ms, sample.readings)
        for sample in (*begin, *between, *end)
    ]
    return f"[{','.join(written)}]".encode() if written else b""


def with_register(
    samples: tuple[Sample, ...],
    context: ReadingContext,
    at_ms: int,
    register_wh: int,
    wanted: frozenset[tuple[Quantity, int]],
) -> tuple[Sample, ...]:
    """Return the samples of an edge of a transaction with the register there, if that is wanted.

    Args:
        samples: what was measured by then, none of them later.
        context: of the edge.
        at_ms: when it was.
        register_wh: the register then.
        wanted: the kinds that are wanted.
    """
    if (Quantity.ENERGY_WH, 0) not in wanted:
        return samples
    register = Reading(Quantity.ENERGY_WH, register_wh)
    if samples and samples[-1].at_ms == at_ms:
        return (*samples[:-1], Sample(at_ms, context, (register, *samples[-1].readings)))
    return (*samples, Sample(at_ms, context, (register,)))


def _known(
    charge_point: ChargePoint, at_ms: int, wanted: frozenset[tuple[Quantity, int]], context: ReadingContext
) -> tuple[Sample, ...]:
    known = [
        one
        for one in latest_values.readings(charge_point)
        if one.at_ms <= at_ms and one.reading.quantity is not Quantity.ENERGY_WH
    ]
    moments = latest_values.moments(known, wanted)
    return tuple(Sample(measured_ms, context, tuple(readings)) for measured_ms, readings in moments)


def _wanted(charge_point: ChargePoint) -> frozenset[tuple[Quantity, int]]:
    return configuration.readings_wanted(
        configuration.text(charge_point, "StopTxnSampledData")
    ) | configuration.readings_wanted(configuration.text(charge_point, "StopTxnAlignedData"))
