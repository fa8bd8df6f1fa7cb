"""The readings at begin and end of a transaction as MeterValues of their own (`MV-7`, OCPP 1.6 §7.35).

Only under `edges_as_meter_values`: the standard has them in the transactionData of the StopTransaction. Some
central systems do not read that, and account by samples: the energy before the first sample and behind the
last one would be missing.
"""

from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.volatile import Sample
from chargebridge.chargepoint.records import MessageKind, Transaction
from chargebridge.chargepoint.transactions import latest_values, queue, thinning, transaction_data
from chargebridge.chargepoint.transactions.latest_values import Kind
from chargebridge.ocpp16.enums import ReadingContext


def began(charge_point: ChargePoint, transaction: Transaction) -> None:
    """Queue what was measured where a transaction began, behind its StartTransaction."""
    if charge_point.settings.behaviour.edges_as_meter_values:
        wanted = _wanted(charge_point)
        samples = transaction_data.with_register(
            transaction_data.at_begin(charge_point, transaction, wanted),
            ReadingContext.TRANSACTION_BEGIN,
            transaction.started_ms,
            transaction.meter_start_wh,
            wanted,
        )
        _enqueue(charge_point, transaction, samples)


def ended(charge_point: ChargePoint, transaction: Transaction) -> None:
    """Queue what was measured where a transaction ended, ahead of its StopTransaction."""
    if not charge_point.settings.behaviour.edges_as_meter_values:
        return
    wanted, running = _wanted(charge_point), charge_point.running
    stopped_ms, meter_stop_wh = transaction.stopped_ms, transaction.meter_stop_wh
    assert stopped_ms is not None
    assert meter_stop_wh is not None
    seen = running is not None and running.number == transaction.number
    known = transaction_data.at_end(charge_point, transaction, wanted) if seen else ()
    samples = transaction_data.with_register(
        known, ReadingContext.TRANSACTION_END, stopped_ms, meter_stop_wh, wanted
    )
    _enqueue(charge_point, transaction, samples)


def _wanted(charge_point: ChargePoint) -> frozenset[Kind]:
    return configuration.readings_wanted(configuration.text(charge_point, "MeterValuesSampledData"))


def _enqueue(charge_point: ChargePoint, transaction: Transaction, samples: tuple[Sample, ...]) -> None:
    if not samples:
        return
    if not thinning.has_room(charge_point):
        thinning.sample_dropped(charge_point)
        return
    values = (latest_values.meter_value(sample.context, sample.at_ms, sample.readings) for sample in samples)
    payload = f"[{','.join(values)}]".encode()
    noted = transaction.sampled_ms, transaction.register_wh, transaction.register_ms
    queue.enqueue(charge_point, MessageKind.METER_VALUES, transaction, payload, *noted)
