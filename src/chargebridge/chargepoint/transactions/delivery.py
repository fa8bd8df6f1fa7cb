"""Delivery of the message at the head of the queue: answered, failed, or given up (`Q-*`, OCPP 1.6 §3.7).

The first usable answer to any attempt settles a message (`RPC-6`), also one that comes while the message
waits for its next attempt, or while that is under way.
"""

from typing import Final

from msgspec import Raw, structs

from chargebridge.chargepoint.authorization import known_tokens, local_list
from chargebridge.chargepoint.charger import stopping
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import (
    Attempt,
    Attempted,
    DeadLetter,
    MessageKind,
    PutSamples,
    QueuedMessage,
    SendState,
)
from chargebridge.chargepoint.transactions import ledger, queue
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.ocpp16.answers import TokenInfo, id_tag_info, read_start, read_stop

_FIRST_KEPT: Final = 2
_NEWEST_KEPT: Final = 8
"""Of the attempts of a message; there may be as many as TransactionMessageAttempts says."""


def answered(charge_point: ChargePoint, payload: Raw) -> None:
    """Go on with the next message: the central system has this one."""
    message = charge_point.queue[0]
    if queue.precedes_its_start(charge_point, message):
        queue.requeue(charge_point, message)
    elif message.kind is MessageKind.METER_VALUES:
        queue.drop_head(charge_point)
    elif message.kind is MessageKind.START:
        _start_answered(charge_point, message, payload)
    else:
        # It cannot be refused (TX-11), whatever the answer says.
        transaction = charge_point.transactions[message.transaction]
        if transaction.stop_tag is not None:
            _learn_of_stop_tag(charge_point, transaction.stop_tag, payload)
        if transaction.start is SendState.DEAD:
            # It meant nothing without its Start, and is redelivered with it: as it was.
            charge_point.record(PutSamples(transaction.number, message.payload))
        ledger.put(charge_point, structs.replace(transaction, stop=SendState.ANSWERED))
        queue.drop_head(charge_point)


def _start_answered(charge_point: ChargePoint, message: QueuedMessage, payload: Raw) -> None:
    answer, unusable = read_start(payload)
    charge_point.notice_unusable("StartTransaction", unusable)
    if answer.transaction_id is None:
        failed(charge_point, "an answer without a transactionId that is an integer")
        return
    info = answer.id_tag_info or TokenInfo()
    transaction = charge_point.transactions[message.transaction]
    transaction = structs.replace(
        transaction,
        start=SendState.ANSWERED,
        transaction_id=answer.transaction_id,
        id_tag_status=None if info.status is None else info.status.value,
        parent_id_tag=info.parent_id_tag or transaction.parent_id_tag,  # AZ-3
    )
    ledger.put(charge_point, transaction)
    _learn(charge_point, transaction.id_tag, info)
    queue.drop_head(charge_point)
    stopping.apply_stop_on_invalid_id(charge_point)


def _learn_of_stop_tag(charge_point: ChargePoint, id_tag: str, payload: Raw) -> None:
    answer, unusable = read_stop(payload)
    charge_point.notice_unusable("StopTransaction", unusable)
    _learn(charge_point, id_tag, answer.id_tag_info)


def _learn(charge_point: ChargePoint, id_tag: str, said: TokenInfo | None) -> None:
    """Remember the central system's status of a token (`TX-5`), and check it against the local list."""
    info = id_tag_info(said)
    if info is not None:
        known_tokens.remember(charge_point, id_tag, info)
        local_list.check_conflict_later(charge_point, id_tag, info.status)


def answered_late(charge_point: ChargePoint, payload: Raw) -> bool:
    """Take the answer to an earlier attempt, which has counted as failed; return whether that settles it."""
    if charge_point.queue[0].kind is MessageKind.START:
        answer, unusable = read_start(payload)
        if answer.transaction_id is None:
            charge_point.notice_unusable("StartTransaction", unusable)
            return False
    answered(charge_point, payload)
    return True


def failed(charge_point: ChargePoint, reason: str, *, unanswered: bool = False) -> None:
    """Retry the message later, or make it a dead letter: it could not be processed (`Q-4`).

    Args:
        charge_point: whose message it is, at the head of its queue.
        reason: why, for whoever reads the dead letter.
        unanswered: the answer may still come. A Start or Stop waits for it as long as for another attempt,
            also after the last one.
    """
    message = charge_point.queue[0]
    if queue.precedes_its_start(charge_point, message):
        queue.requeue(charge_point, message)
        return
    attempts = message.attempts + 1
    history = _remember(message, Attempt(attempts, charge_point.now.utc_ms, reason))
    may_be_answered = unanswered and message.kind is not MessageKind.METER_VALUES
    if attempts >= _attempts_in_all(charge_point) and not may_be_answered:
        # The last attempt counts too, for whoever reads the dead letter.
        charge_point.record(Attempted(message.sequence, attempts, charge_point.now.utc_ms, history))
        _give_up(charge_point, message, attempts, reason)
        return
    wait_s = queue.retry_interval_s(charge_point) * attempts
    not_before_ms = charge_point.now.utc_ms + wait_s * 1000
    charge_point.record(Attempted(message.sequence, attempts, not_before_ms, history))
    waiting = structs.replace(message, attempts=attempts, not_before_ms=not_before_ms, history=history)
    queue.put_head(charge_point, waiting)
    charge_point.set_timer(Timer.RETRY, wait_s)


def retry_interval_over(charge_point: ChargePoint) -> None:
    """Let the head be sent again, as the next CALL; give it up if that was its last attempt."""
    if charge_point.queue and charge_point.queue[0].attempts >= _attempts_in_all(charge_point):
        message = charge_point.queue[0]
        _give_up(charge_point, message, message.attempts, message.history[-1].reason)


def _attempts_in_all(charge_point: ChargePoint) -> int:
    return max(configuration.integer(charge_point, "TransactionMessageAttempts"), 1)


def _remember(message: QueuedMessage, attempt: Attempt) -> tuple[Attempt, ...]:
    history = (*message.history, attempt)
    if len(history) <= _FIRST_KEPT + _NEWEST_KEPT:
        return history
    return history[:_FIRST_KEPT] + history[-_NEWEST_KEPT:]


def _give_up(charge_point: ChargePoint, message: QueuedMessage, attempts: int, reason: str) -> None:
    transaction = charge_point.transactions[message.transaction]
    if message.kind is MessageKind.START:
        ledger.put(charge_point, structs.replace(transaction, start=SendState.DEAD))
    elif message.kind is MessageKind.STOP:
        ledger.put(charge_point, structs.replace(transaction, stop=SendState.DEAD))
    charge_point.record(DeadLetter(message.sequence, charge_point.now.utc_ms, reason))
    detail = f"{message.kind} of transaction {transaction.number}, at attempt {attempts}: {reason}"
    charge_point.notice(NoticeKind.DEAD_LETTER, detail)
    if charge_point.redelivery is not None:
        charge_point.redelivery = charge_point.redelivery._replace(outdated=True)
    queue.take_head(charge_point)
