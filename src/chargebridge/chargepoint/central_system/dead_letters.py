"""Redelivery of dead letters, on request of an operator or of the central system, and settling them (`Q-4`).

The unit is the transaction: without its Start the central system has no id for it, so what followed
under -1 means nothing (`TX-6`). Start, samples and Stop are queued once more as they were, in
this order and behind what waits, with their attempts from zero. The store moves them, so that no turn
carries more than their number.

An operator settles transactions, too, having dealt with them by hand. Their dead letters are kept for audit,
and never redelivered.
"""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.volatile import Redelivery
from chargebridge.chargepoint.records import (
    DeadLettersFound,
    DeadLettersQuery,
    DeadTransaction,
    MessageKind,
    PutSamples,
    SendState,
    Settle,
    Settlement,
)
from chargebridge.chargepoint.transactions import ledger, queue
from chargebridge.chargepoint.turn import NoticeKind, OperatorAnswered, OperatorAsked, ReadStore

PAGE: Final = 100
"""Transactions that are redelivered in one turn."""


def operator_asked(charge_point: ChargePoint, asked: OperatorAsked) -> None:
    """Redeliver or settle what an operator names; the answer comes once that is durable."""
    if charge_point.redelivery is not None:
        done = "redelivered" if charge_point.redelivery.settlement is None else "settled"
        refusal = f"dead letters are being {done}; try again when that is done"
        charge_point.emit(OperatorAnswered(asked.ask, accepted=False, detail=refusal))
        return
    wanted = None if asked.transaction is None else (asked.transaction,)
    begin(charge_point, wanted, asked.ask, asked.settlement)


def begin(
    charge_point: ChargePoint,
    wanted: tuple[int, ...] | None,
    ask: int | None,
    settlement: Settlement | None = None,
) -> None:
    """Request dead letters from the store, to redeliver or settle them.

    Args:
        charge_point: whose they are; it must not be redelivering any.
        wanted: numbers of their transactions; None: all there are.
        ask: of the operator who is to be answered; None: a DataTransfer waits for them.
        settlement: to settle them: who, and why.
    """
    query = DeadLettersQuery(0, PAGE, wanted)
    charge_point.redelivery = Redelivery(query, ask, settlement=settlement)
    charge_point.emit(ReadStore(query))


def read(
    charge_point: ChargePoint, query: DeadLettersQuery, found: DeadLettersFound
) -> frozenset[int] | None:
    """Queue the dead letters that the store has found, and answer the operator after the last of them.

    Returns:
        The numbers of the transactions that were queued, where a DataTransfer waits for them and that was
        the last of it.
    """
    redelivery = charge_point.redelivery
    if redelivery is None or redelivery.query is not query:
        return None  # whoever requested it is gone
    if redelivery.outdated:
        # What was found may lack the Stop of a transaction whose Start it has.
        charge_point.redelivery = redelivery._replace(outdated=False)
        charge_point.emit(ReadStore(query))
        return None
    for letters in found.transactions:
        if redelivery.settlement is None:
            messages = _redeliver(charge_point, letters)
        else:
            messages = _settle(charge_point, letters, redelivery.settlement)
        number = letters.transaction.number
        redelivery = redelivery._replace(
            transactions=redelivery.transactions | {number}, messages=redelivery.messages + messages
        )
    if found.more:
        query = structs.replace(query, after=found.transactions[-1].transaction.number)
        charge_point.redelivery = redelivery._replace(query=query)
        charge_point.emit(ReadStore(query))
        return None
    forget(charge_point)
    if redelivery.ask is None:
        return redelivery.transactions
    charge_point.emit(_answer(redelivery, redelivery.ask))
    return None


def forget(charge_point: ChargePoint) -> None:
    """Request no more dead letters, and keep nothing in memory for them."""
    charge_point.redelivery = None
    queue.forget_delivered(charge_point)


def _redeliver(charge_point: ChargePoint, letters: DeadTransaction) -> int:
    """Queue the messages of a transaction; returns how many they are."""
    number, messages = letters.transaction.number, letters.messages
    # What is in memory is newer than what was read.
    transaction = charge_point.transactions.get(number, letters.transaction)
    # Answered under -1: the central system knows of no such transaction.
    stop_was_lost = letters.start and transaction.stop is SendState.ANSWERED
    if letters.start:
        transaction = structs.replace(transaction, start=SendState.QUEUED)
    if letters.stop or stop_was_lost:
        transaction = structs.replace(transaction, stop=SendState.QUEUED)
    ledger.put(charge_point, transaction)
    queue.redeliver(charge_point, letters)
    if stop_was_lost:
        messages += 1
        charge_point.record(PutSamples(number, None))
        queue.enqueue(charge_point, MessageKind.STOP, transaction, letters.stop_data or b"")
    detail = f"{_count(messages, 'message')} of transaction {number}"
    charge_point.notice(NoticeKind.REDELIVERED, detail, messages)
    return messages


def _settle(charge_point: ChargePoint, letters: DeadTransaction, settlement: Settlement) -> int:
    """Settle the dead letters of a transaction; returns how many they are."""
    number, messages = letters.transaction.number, letters.messages
    charge_point.record(Settle(number, letters.through, charge_point.now.utc_ms, settlement))
    detail = f"{_count(messages, 'message')} of transaction {number}, by {settlement.by}: {settlement.reason}"
    charge_point.notice(NoticeKind.SETTLED, detail, messages)
    return messages


def _answer(redelivery: Redelivery, ask: int) -> OperatorAnswered:
    if not redelivery.transactions:
        return OperatorAnswered(ask, accepted=False, detail="there are no dead letters")
    transactions = _count(len(redelivery.transactions), "transaction")
    done = "queued again" if redelivery.settlement is None else "settled"
    detail = f"{done}: {_count(redelivery.messages, 'message')} of {transactions}"
    return OperatorAnswered(ask, accepted=True, detail=detail)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
