"""The queue of transaction-related messages (`Q-*`, OCPP 1.6 §3.7).

It lies in the store; its head is in memory, and more of it is read when that is answered. What becomes of the
message at the head is in `delivery`.
"""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.open_call import CallKind
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import (
    Attempted,
    DeadTransaction,
    Dequeue,
    Enqueue,
    MessageKind,
    QueuedMessage,
    QueuePage,
    QueueQuery,
    Redeliver,
    Requeue,
    SendState,
    Transaction,
)
from chargebridge.chargepoint.transactions import ledger, retries
from chargebridge.chargepoint.turn import ReadStore
from chargebridge.ocpp16.codec import ENCODER

PAGE: Final = 16
"""Messages of a queue that are in memory at most."""
_ATTEMPTS_KEPT: Final = 16
"""Message ids of the newest attempts of the head, to know their answers by."""


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
    if kind is not MessageKind.METER_VALUES:
        _bound_pause_of_measurements(charge_point)
    sequence = charge_point.next_sequence
    charge_point.next_sequence = sequence + 1
    message = QueuedMessage(sequence, kind, transaction.number, payload)
    charge_point.record(Enqueue(message, sampled_ms, register_wh, register_ms))
    queue = charge_point.queue
    if charge_point.loaded_through == sequence - 1 and len(queue) < PAGE and not charge_point.reading_queue:
        charge_point.queue = [*queue, message]
        charge_point.loaded_through = sequence


def _bound_pause_of_measurements(charge_point: ChargePoint) -> None:
    """Shorten the pause of refused MeterValues at the head: a Start or Stop comes behind them (`Q-10`)."""
    head = charge_point.queue[0] if charge_point.queue else None
    remaining_s = 0.0
    if head is not None and head.kind is MessageKind.METER_VALUES and Timer.RETRY in charge_point.timers:
        remaining_s = max(charge_point.timers[Timer.RETRY] - charge_point.now.mono, 0.0)
    pause_s = retries.bound_pause_s(charge_point, remaining_s)
    if head is not None and pause_s < remaining_s:
        not_before_ms = charge_point.now.utc_ms + round(pause_s * 1000)
        charge_point.record(Attempted(head.sequence, head.attempts, not_before_ms, head.history))
        put_head(charge_point, structs.replace(head, not_before_ms=not_before_ms))
        charge_point.set_timer(Timer.RETRY, pause_s)


def resume(charge_point: ChargePoint) -> None:
    """Set the deadline of a retry again, after a restart."""
    if charge_point.queue and charge_point.queue[0].not_before_ms is not None:
        head = charge_point.queue[0]
        assert head.not_before_ms is not None
        longest = retries.interval_s(charge_point) * max(head.attempts, 1)
        charge_point.set_timer_until(Timer.RETRY, head.not_before_ms, longest)


def ready(charge_point: ChargePoint) -> bool:
    """Whether the head of the queue can be sent: there is one, and it does not wait for its retry.

    What was queued before its own Start, since that is redelivered, goes behind it first.
    """
    while charge_point.queue and precedes_its_start(charge_point, charge_point.queue[0]):
        requeue(charge_point, charge_point.queue[0])
    return bool(charge_point.queue) and Timer.RETRY not in charge_point.timers


def head(charge_point: ChargePoint) -> tuple[str, bytes]:
    """Return action and payload of the message whose turn it is (`TX-7`)."""
    message = charge_point.queue[0]
    transaction = charge_point.transactions[message.transaction]
    if message.kind is MessageKind.METER_VALUES:
        return "MeterValues", b'{"connectorId":%d,"transactionId":%d,"meterValue":%b}' % (
            transaction.connector,
            ledger.transaction_id(transaction),
            spelt(charge_point, message.payload),
        )
    if message.kind is MessageKind.START:
        return "StartTransaction", ENCODER.encode(ledger.start_request(transaction))
    stop = ENCODER.encode(ledger.stop_request(transaction))
    if message.payload and not message.without_data:
        stop = b'%b,"transactionData":%b}' % (stop[:-1], spelt(charge_point, message.payload))
    return "StopTransaction", stop


def spelt(charge_point: ChargePoint, samples: bytes) -> bytes:
    """Return samples as they are sent, as JSON: the unit of a temperature has two spellings (`VAL-7`)."""
    if charge_point.settings.behaviour.misspelt_celsius:
        return samples.replace(b'"unit":"Celsius"', b'"unit":"Celcius"')
    return samples


# --- the attempts of the head -----------------------------------------------------------------------


def attempt_sent(charge_point: ChargePoint, id: str) -> None:
    """Remember the message id of an attempt of the head: its answer counts whenever it comes (`RPC-6`)."""
    charge_point.attempts = (*charge_point.attempts[-_ATTEMPTS_KEPT + 1 :], id)


def forget_attempts(charge_point: ChargePoint) -> None:
    """Forget all attempts: the head is another one, or no answer of before can come any more."""
    charge_point.attempts = ()


def note_hang_up(charge_point: ChargePoint) -> int:
    """Count an end of the connection at the head; return how many there were in a row."""
    charge_point.hang_ups += 1
    return charge_point.hang_ups


def forget_hang_ups(charge_point: ChargePoint) -> None:
    """Count anew: the head is another one, or the connection has ended at something else."""
    charge_point.hang_ups = 0


def put_head(charge_point: ChargePoint, message: QueuedMessage) -> None:
    """Put the head as it is now in the place of what it was."""
    charge_point.queue = [message, *charge_point.queue[1:]]


def drop_head(charge_point: ChargePoint) -> None:
    """Go on with the next message: the central system has this one."""
    charge_point.record(Dequeue(charge_point.queue[0].sequence))
    take_head(charge_point)


def remove(charge_point: ChargePoint, message: QueuedMessage) -> None:
    """Go on without a message that is in memory; what became of it is on record."""
    if message is charge_point.queue[0]:
        take_head(charge_point)
    else:
        charge_point.queue = [other for other in charge_point.queue if other is not message]
        forget_delivered(charge_point)


def remove_stored(charge_point: ChargePoint) -> None:
    """Go on without a message that is behind those in memory; what became of it is on record."""
    charge_point.queue_gaps += 1
    if charge_point.loaded_through + charge_point.queue_gaps == charge_point.next_sequence - 1:
        charge_point.loaded_through, charge_point.queue_gaps = charge_point.next_sequence - 1, 0
    forget_delivered(charge_point)


def remove_all(charge_point: ChargePoint) -> None:
    """Go on with an empty queue; what became of the messages is on record."""
    charge_point.queue = []
    charge_point.loaded_through, charge_point.queue_gaps = charge_point.next_sequence - 1, 0
    charge_point.reading_queue = False  # a page that is on its way holds nothing new
    charge_point.cancel_timer(Timer.RETRY)
    forget_attempts(charge_point)
    forget_hang_ups(charge_point)
    forget_delivered(charge_point)


def take_head(charge_point: ChargePoint) -> None:
    """Go on with the next message; what became of this one is on record."""
    charge_point.queue = charge_point.queue[1:]
    charge_point.cancel_timer(Timer.RETRY)
    forget_attempts(charge_point)
    forget_hang_ups(charge_point)
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
    for message in charge_point.queue[under_way(charge_point) :]:
        is_last_stop = message.kind is MessageKind.STOP and message.sequence == last
        if message.transaction == number and (dead.start or is_last_stop):
            requeue(charge_point, message)
    if not charge_point.queue:
        load_more(charge_point)


def under_way(charge_point: ChargePoint) -> int:
    """Return how many messages the central system has not answered yet: the head, or none."""
    calls = charge_point.call, charge_point.late_call
    return int(any(call is not None and call.kind is CallKind.QUEUE for call in calls))


def precedes_its_start(charge_point: ChargePoint, message: QueuedMessage) -> bool:
    """Whether the Start of a message is behind it: that was a dead letter and is redelivered.

    Such a message has no id to carry but -1 (`TX-6`), so whatever became of it, it meant nothing.
    """
    start = charge_point.transactions[message.transaction].start
    return start is SendState.QUEUED and message.kind is not MessageKind.START


def requeue(charge_point: ChargePoint, message: QueuedMessage) -> None:
    """Move a message that is in memory behind all others."""
    charge_point.record(Requeue(message.sequence, charge_point.next_sequence))
    charge_point.next_sequence += 1
    if message is charge_point.queue[0]:
        charge_point.cancel_timer(Timer.RETRY)
        forget_attempts(charge_point)
        forget_hang_ups(charge_point)
    charge_point.queue = [other for other in charge_point.queue if other is not message]
    if not charge_point.queue:
        load_more(charge_point)


# --- the head in memory -----------------------------------------------------------------------------


def forget_delivered(charge_point: ChargePoint) -> None:
    """Keep in memory only the running transaction and those of the messages at the head."""
    if len(charge_point.transactions) == 1 and charge_point.running is not None:
        return
    being_read = charge_point.redelivery is not None or charge_point.setting_aside is not None
    if charge_point.reading_queue or being_read:
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
    charge_point.queue_gaps -= fresh[-1].sequence - charge_point.loaded_through - len(fresh)
    charge_point.loaded_through = fresh[-1].sequence
    forget_delivered(charge_point)
