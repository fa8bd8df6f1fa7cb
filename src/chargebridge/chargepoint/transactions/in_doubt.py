"""What must not be sent after a restore, since it may contradict what was sent before (`Q-4`).

Between the backup and the end of that gateway's life its central system may have received messages that the
restored store knows nothing of. Until then:

* A session that began may have a StartTransaction, whose id is lost: sent again, some central systems would
  book it twice. Nothing of its transaction is sent.
* A transaction that was open at the backup may have its StopTransaction. The charger's own record leads to
  the same one. An end that was assumed or rebuilt may differ, so it is not sent; nor is any, if the former
  gateway had assumed one.

Each such message becomes a dead letter at once, which an operator can redeliver or settle.
"""

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.records import MessageKind, Restored, SendState, Transaction
from chargebridge.clock import format_utc


def _restored(charge_point: ChargePoint, at_ms: int) -> Restored | None:
    """Return the restore before whose end something happened; None: after it, or there was none."""
    restored = charge_point.state.restored
    return restored if restored is not None and at_ms <= restored.until_ms else None


def start_may_be_sent(charge_point: ChargePoint, started_ms: int) -> bool:
    """Whether the StartTransaction of a session that the store does not know may have been sent already."""
    return _restored(charge_point, started_ms) is not None


def edge_of_rest_ms(charge_point: ChargePoint, began_ms: int, assumed_ms: int) -> int:
    """Return where the rest of a session begins whose end was assumed, and of which no record will come.

    If it began before a restore all of it may have been sent, so the rest is counted to that time.
    """
    restored = _restored(charge_point, began_ms)
    return assumed_ms if restored is None else min(assumed_ms, restored.until_ms)


def may_have_ended(charge_point: ChargePoint, transaction: Transaction, measured_ms: int) -> bool:
    """Whether a running transaction may have ended before the end of the former gateway's life.

    Others may have followed then, so a register that was measured later need not be its own.

    Args:
        charge_point: whose transaction.
        transaction: which has no end here.
        measured_ms: UTC; when its newest reading was measured. If that was later, it has not.
    """
    restored = _restored(charge_point, transaction.started_ms)
    return restored is not None and measured_ms <= restored.until_ms


def stop_may_contradict(
    charge_point: ChargePoint, transaction: Transaction, *, exact: bool, measured_ms: int
) -> bool:
    """Whether a StopTransaction may contradict one that was sent before.

    Args:
        charge_point: whose transaction.
        transaction: before its end.
        exact: the end is the charger's own record.
        measured_ms: as of `may_have_ended`.
    """
    if _restored(charge_point, transaction.started_ms) is None:
        return False
    if transaction.start is SendState.DEAD or transaction.assumed:
        return True
    return not exact and may_have_ended(charge_point, transaction, measured_ms)


def reason(charge_point: ChargePoint, kind: MessageKind, transaction: Transaction) -> str | None:
    """Return why a message is a dead letter before it was ever sent; None: it is not."""
    restored = _restored(charge_point, transaction.started_ms)
    if restored is None:
        return None
    backup = f"the store was restored from the backup of {format_utc(restored.taken_ms)}"
    if transaction.start is SendState.DEAD:
        what = f"{_said(transaction)}, which began before {format_utc(restored.until_ms)}"
        return f"may have been sent already: {backup}; {what}"
    if kind is MessageKind.STOP and transaction.stop is SendState.DEAD:
        made_up = transaction.rebuilt or transaction.assumed
        why = (
            "an end that is not by the charger's own record"
            if made_up
            else "whose end had been made up before"
        )
        what = f"{_said(transaction)}, {why}"
        return f"another StopTransaction may have been sent already: {backup}; {what}"
    return None


def _said(transaction: Transaction) -> str:
    """Return what the charger has said of a session."""
    said = f"session {transaction.session} of {transaction.id_tag}"
    if transaction.stopped_ms is None:
        return f"{said} from {transaction.meter_start_wh} Wh"
    at = format_utc(transaction.stopped_ms)
    return f"{said} from {transaction.meter_start_wh} to {transaction.meter_stop_wh} Wh at {at}"
