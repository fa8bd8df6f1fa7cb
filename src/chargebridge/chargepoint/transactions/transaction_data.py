"""The transactionData of a StopTransaction (`MV-7`, OCPP 1.6 §3.16.5).

It begins with Transaction.Begin, ends with Transaction.End, and has the samples in between where samples
are taken at intervals. They are kept as readings, not as messages, and leave the store with the transaction.
The register at Begin and End is exactly meterStart and meterStop, so it is not kept for them.
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
    known = _known(charge_point, transaction.started_ms)
    if known:
        sample = Sample(transaction.started_ms, ReadingContext.TRANSACTION_BEGIN, known)
        keep(charge_point, transaction, sample)


def keep(charge_point: ChargePoint, transaction: Transaction, sample: Sample) -> None:
    """Keep a sample of the running transaction until its StopTransaction is written."""
    samples = _thinned((*charge_point.samples, sample))
    charge_point.samples = samples
    charge_point.record(PutSamples(transaction.number, volatile.encode_samples(samples)))


def _thinned(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """Leave one out if they are too many, where they lie closest: never Begin, nor the newest (E 3.89)."""
    between = [
        number
        for number, sample in enumerate(samples)
        if sample.context is not ReadingContext.TRANSACTION_BEGIN
    ]
    if len(between) <= _MOST_BETWEEN:
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
    assert transaction.stopped_ms is not None
    samples, known = charge_point.samples, _known(charge_point, transaction.stopped_ms)
    if samples:
        charge_point.samples = ()
        charge_point.record(PutSamples(transaction.number, None))
    return edges(charge_point, transaction, samples, known)


def edges(
    charge_point: ChargePoint,
    transaction: Transaction,
    samples: tuple[Sample, ...] = (),
    at_end: tuple[Reading, ...] = (),
) -> bytes:
    """Return Transaction.Begin and Transaction.End around the samples between, as JSON.

    Args:
        charge_point: whose lists of measurands count.
        transaction: one that has ended.
        samples: what was kept of it.
        at_end: what was known at its end, beside the register.
    """
    wanted = _wanted(charge_point)
    if not wanted:
        return b""  # both lists are empty: no transactionData at all
    start, stop = transaction.started_ms, transaction.stopped_ms
    register_start, register_stop = transaction.meter_start_wh, transaction.meter_stop_wh
    assert stop is not None
    assert register_stop is not None
    at_begin: tuple[Reading, ...] = ()
    if samples and samples[0].context is ReadingContext.TRANSACTION_BEGIN:
        at_begin, samples = samples[0].readings, samples[1:]
    if (Quantity.ENERGY_WH, 0) in wanted:
        at_begin = (Reading(Quantity.ENERGY_WH, register_start), *at_begin)
        at_end = (Reading(Quantity.ENERGY_WH, register_stop), *at_end)
    ordered = (
        Sample(start, ReadingContext.TRANSACTION_BEGIN, at_begin),
        # The charger may report the end late, with samples taken since.
        *(sample for sample in samples if start <= sample.at_ms <= stop),
        Sample(stop, ReadingContext.TRANSACTION_END, at_end),
    )
    written = [
        latest_values.meter_value(sample.context, sample.at_ms, sample.readings)
        for sample in ordered
        if sample.readings
    ]
    return f"[{','.join(written)}]".encode() if written else b""


def _known(charge_point: ChargePoint, at_ms: int) -> tuple[Reading, ...]:
    known = latest_values.choose(latest_values.readings(charge_point, at_ms), _wanted(charge_point))
    return tuple(reading for reading in known if reading.quantity is not Quantity.ENERGY_WH)


def _wanted(charge_point: ChargePoint) -> frozenset[tuple[Quantity, int]]:
    return configuration.readings_wanted(
        configuration.text(charge_point, "StopTxnSampledData")
    ) | configuration.readings_wanted(configuration.text(charge_point, "StopTxnAlignedData"))
