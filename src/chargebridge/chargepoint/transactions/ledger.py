"""The record of a transaction, and the StartTransaction and StopTransaction written from it (`TX-*`).

A retry repeats both exactly, since everything in them is taken from the record.
"""

from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.records import PutTransaction, Transaction
from chargebridge.clock import format_utc
from chargebridge.ocpp16.enums import Reason
from chargebridge.ocpp16.messages import StartTransaction, StopTransaction

CONNECTOR: Final = 1
UNKNOWN_TRANSACTION: Final = -1
"""The transactionId of messages whose StartTransaction is a dead letter (`TX-6`)."""


def put(charge_point: ChargePoint, transaction: Transaction) -> None:
    """Keep a transaction as it is now, in memory and on record."""
    charge_point.transactions[transaction.number] = transaction
    if charge_point.running is not None and charge_point.running.number == transaction.number:
        charge_point.running = transaction
    charge_point.record(PutTransaction(transaction))


def transaction_id(transaction: Transaction) -> int:
    """Return the central system's id, or -1 if it never gave one (`TX-6`)."""
    return UNKNOWN_TRANSACTION if transaction.transaction_id is None else transaction.transaction_id


def start_request(transaction: Transaction) -> StartTransaction:
    """Write the StartTransaction: the same at each attempt (`TX-1`)."""
    return StartTransaction(
        connector_id=transaction.connector,
        id_tag=transaction.id_tag,
        meter_start=transaction.meter_start_wh,
        timestamp=format_utc(transaction.started_ms),
    )


def stop_request(transaction: Transaction) -> StopTransaction:
    """Write the StopTransaction of a transaction that has ended (`TX-9`)."""
    assert transaction.stopped_ms is not None
    assert transaction.meter_stop_wh is not None
    return StopTransaction(
        transaction_id=transaction_id(transaction),
        id_tag=transaction.stop_tag,
        meter_stop=transaction.meter_stop_wh,
        timestamp=format_utc(transaction.stopped_ms),
        reason=Reason(transaction.stop_reason) if transaction.stop_reason else None,
    )
