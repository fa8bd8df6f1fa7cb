"""Delivering transaction-related messages: in order, each until it is answered (`Q-*`, OCPP 1.6 §3.7).

The queue lies in the store; its head is in memory, and more of it is read when that is answered.
"""

from typing import Final

from msgspec import Raw, structs

from chargebridge.chargepoint.authorization import known_tokens, local_list
from chargebridge.chargepoint.charger import stopping
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.open_call import CallKind
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import (
    Attempt,
    Attempted,
    DeadLetter,
    DeadTransaction,
    Dequeue,
    Enqueue,
    MessageKind,
    PutSamples,
    QueuedMessage,
    QueuePage,
    QueueQuery,
    Redeliver,
    Requeue,
    SendState,
    Transaction,
)
from chargebridge.chargepoint.transactions import ledger
from chargebridge.chargepoint.turn import NoticeKind, ReadStore
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.datatypes import IdTagInfo
from chargebridge.ocpp16.frames import PayloadError, decode_response
from chargebridge.ocpp16.messages import StartTransactionResponse, StopTransactionResponse

PAGE: Final = 16
"""Messages of a queue that are in memory at most."""
_FIRST_KEPT: Final = 2
_NEWEST_KEPT: Final = 8
"""Of the attempts of a message; there may be as many as TransactionMessageAttempts says."""


def enqueue(
    charge_point: ChargePoint,
    kind: MessageKind,
    transaction: Transaction,
    payload: bytes = b"",
    sampled_ms: int = 0,
    register_wh: int = 0,
    register_ms: int = 0,
) -> None:
    """Append a message; it waits behind all that came before it (`Q-2`)."""
    sequence = charge_point.next_sequence
    charge_point.next_sequence = sequence + 1
    message = QueuedMessage(sequence, kind, transaction.number, payload)
    charge_point.record(Enqueue(message, sampled_ms, register_wh, register_ms))
    queue = charge_point.queue
    if charge_point.loaded_through == sequence - 1 and len(queue) < PAGE and not charge_point.reading_queue:
        charge_point.queue = [*queue, message]
        charge_point.loaded_through = sequence


def resume(charge_point: ChargePoint) -> None:
    """Set the deadline of a retry again, after a restart."""
    if charge_point.queue and charge_point.queue[0].not_before_ms is not None:
        head = charge_point.queue[0]
        assert head.not_before_ms is not None
        longest = _retry_interval_s(charge_point) * max(head.attempts, 1)
        charge_point.set_timer_until(Timer.RETRY, head.not_before_ms, longest)


def ready(charge_point: ChargePoint) -> bool:
    """Whether the head of the queue can be sent: there is one, and it does not wait for its retry.

    What was queued before its own Start, since that is redelivered, goes behind it first.
    """
    while charge_point.queue and _precedes_its_start(charge_point, charge_point.queue[0]):
        _requeue(charge_point, charge_point.queue[0])
    return bool(charge_point.queue) and Timer.RETRY not in charge_point.timers


def head(charge_point: ChargePoint) -> tuple[str, bytes]:
    """Return action and payload of the message whose turn it is (`TX-7`)."""
    message = charge_point.queue[0]
    transaction = charge_point.transactions[message.transaction]
    if message.kind is MessageKind.METER_VALUES:
        return "MeterValues", b'{"connectorId":%d,"transactionId":%d,"meterValue":%b}' % (
            transaction.connector,
            ledger.transaction_id(transaction),
            message.payload,
        )
    if message.kind is MessageKind.START:
        return "StartTransaction", ENCODER.encode(ledger.start_request(transaction))
    stop = ENCODER.encode(ledger.stop_request(transaction))
    if message.payload:
        stop = b'%b,"transactionData":%b}' % (stop[:-1], message.payload)
    return "StopTransaction", stop


def answered(charge_point: ChargePoint, payload: Raw) -> None:
    """Go on with the next message: the central system has this one."""
    message = charge_point.queue[0]
    if _precedes_its_start(charge_point, message):
        _requeue(charge_point, message)
    elif message.kind is MessageKind.METER_VALUES:
        _drop_head(charge_point)
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
        _drop_head(charge_point)


def _start_answered(charge_point: ChargePoint, message: QueuedMessage, payload: Raw) -> None:
    try:
        response = decode_response("StartTransaction", payload, tolerant=True)
    except PayloadError as error:
        failed(charge_point, error.description)
        return
    assert isinstance(response, StartTransactionResponse)
    info = response.id_tag_info
    transaction = charge_point.transactions[message.transaction]
    transaction = structs.replace(
        transaction,
        start=SendState.ANSWERED,
        transaction_id=response.transaction_id,
        id_tag_status=info.status.value,
        parent_id_tag=info.parent_id_tag or transaction.parent_id_tag,  # AZ-3
    )
    ledger.put(charge_point, transaction)
    _learn(charge_point, transaction.id_tag, info)
    _drop_head(charge_point)
    stopping.apply_stop_on_invalid_id(charge_point)


def _learn_of_stop_tag(charge_point: ChargePoint, id_tag: str, payload: Raw) -> None:
    try:
        response = decode_response("StopTransaction", payload, tolerant=True)
    except PayloadError as error:
        charge_point.notice(NoticeKind.CALL_FAILED, f"stop answered: {error.description}")
        return
    assert isinstance(response, StopTransactionResponse)
    if response.id_tag_info is not None:
        _learn(charge_point, id_tag, response.id_tag_info)


def _learn(charge_point: ChargePoint, id_tag: str, info: IdTagInfo) -> None:
    """Remember the central system's status of a token (`TX-5`), and check it against the local list."""
    known_tokens.remember(charge_point, id_tag, info)
    local_list.check_conflict_later(charge_point, id_tag, info.status)


def failed(charge_point: ChargePoint, reason: str) -> None:
    """Retry the message later, or make it a dead letter: it could not be processed (`Q-4`)."""
    message = charge_point.queue[0]
    if _precedes_its_start(charge_point, message):
        _requeue(charge_point, message)
        return
    attempts = message.attempts + 1
    history = _remember(message, Attempt(attempts, charge_point.now.utc_ms, reason))
    if attempts >= max(configuration.integer(charge_point, "TransactionMessageAttempts"), 1):
        # The last attempt counts too, for whoever reads the dead letter.
        charge_point.record(Attempted(message.sequence, attempts, charge_point.now.utc_ms, history))
        _give_up(charge_point, message, attempts, reason)
        return
    wait_s = _retry_interval_s(charge_point) * attempts
    not_before_ms = charge_point.now.utc_ms + wait_s * 1000
    charge_point.record(Attempted(message.sequence, attempts, not_before_ms, history))
    waiting = structs.replace(message, attempts=attempts, not_before_ms=not_before_ms, history=history)
    charge_point.queue = [waiting, *charge_point.queue[1:]]
    charge_point.set_timer(Timer.RETRY, wait_s)


def _remember(message: QueuedMessage, attempt: Attempt) -> tuple[Attempt, ...]:
    history = (*message.history, attempt)
    if len(history) <= _FIRST_KEPT + _NEWEST_KEPT:
        return history
    return history[:_FIRST_KEPT] + history[-_NEWEST_KEPT:]


def _retry_interval_s(charge_point: ChargePoint) -> int:
    return configuration.integer(charge_point, "TransactionMessageRetryInterval")


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
    _take_head(charge_point)


def _drop_head(charge_point: ChargePoint) -> None:
    charge_point.record(Dequeue(charge_point.queue[0].sequence))
    _take_head(charge_point)


def _take_head(charge_point: ChargePoint) -> None:
    charge_point.queue = charge_point.queue[1:]
    charge_point.cancel_timer(Timer.RETRY)
    if not charge_point.queue:
        load_more(charge_point)
    forget_delivered(charge_point)


# --- redelivery -------------------------------------------------------------------------------------


def redeliver(charge_point: ChargePoint, dead: DeadTransaction) -> None:
    """Queue the dead letters of a transaction once more, behind what waits.

    What waits of the same transaction follows them: all of it where the Start is among them, else the Stop.
    That stays where it is if anything waits behind it: no other transaction may begin before it (`TX-8`).
    """
    number, last = dead.transaction.number, charge_point.next_sequence - 1
    charge_point.record(Redeliver(number, dead.through, charge_point.next_sequence))
    charge_point.next_sequence += dead.messages
    for message in charge_point.queue[_under_way(charge_point) :]:
        is_last_stop = message.kind is MessageKind.STOP and message.sequence == last
        if message.transaction == number and (dead.start or is_last_stop):
            _requeue(charge_point, message)
    if not charge_point.queue:
        load_more(charge_point)


def _under_way(charge_point: ChargePoint) -> int:
    """Return how many messages the central system has not answered yet: the head, or none."""
    calls = charge_point.call, charge_point.late_call
    return int(any(call is not None and call.kind is CallKind.QUEUE for call in calls))


def _precedes_its_start(charge_point: ChargePoint, message: QueuedMessage) -> bool:
    """Whether the Start of a message is behind it: that was a dead letter and is redelivered.

    Such a message has no id to carry but -1 (`TX-6`), so whatever became of it, it meant nothing.
    """
    start = charge_point.transactions[message.transaction].start
    return start is SendState.QUEUED and message.kind is not MessageKind.START


def _requeue(charge_point: ChargePoint, message: QueuedMessage) -> None:
    """Move a message that is in memory behind all others."""
    charge_point.record(Requeue(message.sequence, charge_point.next_sequence))
    charge_point.next_sequence += 1
    if message is charge_point.queue[0]:
        charge_point.cancel_timer(Timer.RETRY)
    charge_point.queue = [other for other in charge_point.queue if other is not message]
    if not charge_point.queue:
        load_more(charge_point)


# --- the head in memory -----------------------------------------------------------------------------


def forget_delivered(charge_point: ChargePoint) -> None:
    """Keep in memory only the running transaction and those of the messages at the head."""
    if len(charge_point.transactions) == 1 and charge_point.running is not None:
        return
    if charge_point.reading_queue or charge_point.redelivery is not None:
        return  # what is being read may need, and be older than, what is here
    wanted = {message.transaction for message in charge_point.queue}
    if charge_point.running is not None:
        wanted.add(charge_point.running.number)
    if len(wanted) < len(charge_point.transactions):
        charge_point.transactions = {
            number: transaction
            for number, transaction in charge_point.transactions.items()
            if number in wanted
        }


def load_more(charge_point: ChargePoint) -> None:
    """Request what lies behind the head from the store, if anything does."""
    if charge_point.loaded_through < charge_point.next_sequence - 1 and not charge_point.reading_queue:
        charge_point.reading_queue = True
        charge_point.emit(ReadStore(QueueQuery(charge_point.loaded_through, PAGE)))


def page_read(charge_point: ChargePoint, page: QueuePage) -> None:
    """Take the next messages of the queue."""
    fresh = [message for message in page.messages if message.sequence > charge_point.loaded_through]
    if not charge_point.reading_queue or not fresh:
        return  # requested before this charge point was rebuilt
    charge_point.reading_queue = False
    for transaction in page.transactions:
        # What is in memory is newer than what was read.
        charge_point.transactions.setdefault(transaction.number, transaction)
    charge_point.queue = [*charge_point.queue, *fresh]
    charge_point.loaded_through = fresh[-1].sequence
    forget_delivered(charge_point)


def retry_interval_over(charge_point: ChargePoint) -> None:
    """Do nothing: the head may be sent again, and is, as the next CALL."""
