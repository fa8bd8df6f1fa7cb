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
from chargebridge.chargepoint.model.open_call import Failure
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import (
    Attempt,
    Attempted,
    DeadLetter,
    MessageKind,
    PutSamples,
    QueuedMessage,
    SendState,
    Transaction,
)
from chargebridge.chargepoint.transactions import ledger, queue, retries
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.ocpp16.answers import TokenInfo, id_tag_info, read_start, read_stop

_FREE_HANG_UPS: Final = 3
"""Ends of the connection at the same message in a row that are no attempts."""
_LONG: Final = 1000
"""Bytes of samples at whose length a central system, or a proxy, may close the connection."""
_MESSAGE_TOO_BIG: Final = 1009
"""The close code that says so (RFC 6455 §7.4.1)."""
_FIRST_KEPT: Final = 2
_NEWEST_KEPT: Final = 8
"""Of the attempts of a message; there may be as many as TransactionMessageAttempts says."""


def answered(charge_point: ChargePoint, payload: Raw) -> None:
    """Go on with the next message: the central system has this one."""
    message = charge_point.queue[0]
    if queue.precedes_its_start(charge_point, message):
        if not _is_to_be_set_aside(charge_point, message):
            queue.requeue(charge_point, message)
    elif message.kind is MessageKind.METER_VALUES:
        if charge_point.state.measurements_refused:
            retries.measurements_accepted(charge_point)
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
        retries.stop_accepted(charge_point, message)
        ledger.put(charge_point, structs.replace(transaction, stop=SendState.ANSWERED))
        queue.drop_head(charge_point)


def _start_answered(charge_point: ChargePoint, message: QueuedMessage, payload: Raw) -> None:
    answer, unusable = read_start(payload)
    charge_point.notice_unusable("StartTransaction", unusable)
    if answer.transaction_id is None:
        failed(charge_point, Failure("an answer without a transactionId that is an integer"))
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


def failed(charge_point: ChargePoint, failure: Failure) -> None:
    """Retry the message later, or make it a dead letter: it could not be processed (`Q-4`, `Q-10`)."""
    message = charge_point.queue[0]
    if queue.precedes_its_start(charge_point, message):
        if not _is_to_be_set_aside(charge_point, message):
            queue.requeue(charge_point, message)
        return
    if message.kind is not MessageKind.START and b'"Temperature"' in message.payload:
        advise_spelling(charge_point, failure)
    now_ms, attempts = charge_point.now.utc_ms, message.attempts + 1
    history = _remember(message, Attempt(attempts, now_ms, failure.reason))
    message = structs.replace(message, attempts=attempts, history=history, not_before_ms=now_ms)
    pause_s = retries.pause_s(charge_point, message, failure)
    if pause_s is not None:
        _put_off(charge_point, structs.replace(message, not_before_ms=now_ms + pause_s * 1000))
        charge_point.set_timer(Timer.RETRY, pause_s)
    elif retries.has_data(message):
        _leave_data_out(charge_point, message)
    else:
        _put_off(charge_point, message)  # the last attempt counts too, for whoever reads the dead letter
        _give_up(charge_point, message, failure.reason)
        if failure.hung_up and message.kind is MessageKind.METER_VALUES:
            _give_up_measurements_before_an_edge(charge_point)


def _is_to_be_set_aside(charge_point: ChargePoint, message: QueuedMessage) -> bool:
    aside = charge_point.state.aside
    return aside is not None and aside.sequence == message.sequence


def hung_up(charge_point: ChargePoint, reason: str, code: int) -> None:
    """Take an end of the connection by the central system, which answers other messages on it (`Q-12`).

    The first few in a row at the same message may be chance. Each further one is an attempt.

    Args:
        charge_point: whose head is under way.
        reason: why the connection has ended, for people.
        code: of the close frame, 1006 without one.
    """
    message = charge_point.queue[0]
    too_big = code == _MESSAGE_TOO_BIG and _is_long(message)
    hung_up_before = message.kind is MessageKind.METER_VALUES and charge_point.state.measurements_refused
    _count_hang_up(charge_point, reason, 0 if too_big or hung_up_before else _FREE_HANG_UPS)


def deaf(charge_point: ChargePoint, reason: str) -> None:
    """Take a connection on which nothing is answered any more since the head was sent.

    A central system that hangs does that, too, so it is no attempt. But a StopTransaction that gets stuck on
    its way for its length would do so for ever.
    """
    message = charge_point.queue[0]
    if retries.has_data(message) and _is_long(message):
        _count_hang_up(charge_point, reason, _FREE_HANG_UPS)


def _is_long(message: QueuedMessage) -> bool:
    return len(message.payload) >= _LONG and not message.without_data


def _count_hang_up(charge_point: ChargePoint, reason: str, free: int) -> None:
    message, times = charge_point.queue[0], queue.note_hang_up(charge_point)
    reason = f"the connection ended at it, {times} in a row: {reason}"
    if times == free:
        detail = f"{message.kind} of transaction {message.transaction}: {reason}"
        charge_point.notice(NoticeKind.HANG_UP, detail)
    elif times > free:
        charge_point.notice(NoticeKind.CALL_FAILED, f"queue: {reason}")
        failed(charge_point, Failure(reason, hung_up=True, too_long=_is_long(message)))


def retry_interval_over(charge_point: ChargePoint) -> None:
    """Let the head be sent again, as the next CALL; give it up if that was its last attempt."""
    message = charge_point.queue[0] if charge_point.queue else None
    if message is None or message.attempts < retries.attempts_in_all(charge_point):
        return
    if retries.has_data(message):
        _leave_data_out(charge_point, message)
    else:
        _give_up(charge_point, message, message.history[-1].reason)


def _put_off(charge_point: ChargePoint, message: QueuedMessage) -> None:
    """Keep the head as it is now, in memory and on record."""
    charge_point.record(
        Attempted(
            message.sequence, message.attempts, message.not_before_ms, message.history, message.without_data
        )
    )
    queue.put_head(charge_point, message)


def _leave_data_out(charge_point: ChargePoint, message: QueuedMessage) -> None:
    """Send a StopTransaction once more without its transactionData, before it is given up (`Q-11`)."""
    _put_off(charge_point, structs.replace(message, without_data=True, not_before_ms=None))
    values = message.payload.count(b'"timestamp"')
    detail = (
        f"StopTransaction of transaction {message.transaction} is sent without its transactionData"
        f" ({values} samples, {len(message.payload)} bytes): {message.history[-1].reason}"
    )
    charge_point.notice(NoticeKind.TRANSACTION_DATA_LEFT_OUT, detail)


def measures_temperature(charge_point: ChargePoint) -> bool:
    """Whether MeterValues outside the queue may have a temperature."""
    keys = ("MeterValuesSampledData", "MeterValuesAlignedData")
    return any("Temperature" in configuration.text(charge_point, key) for key in keys)


def advise_spelling(charge_point: ChargePoint, failure: Failure) -> None:
    """Name the compatibility that may help, once: a message with a temperature was refused (`VAL-7`)."""
    misspelt = charge_point.settings.behaviour.misspelt_celsius
    if not charge_point.advised and not misspelt and retries.is_violation(failure):
        charge_point.advised = True
        detail = (
            f"a message with a temperature was refused ({failure.code}): if this central system is one of the"
            ' first schemas, which spell its unit "Celcius", set compatibility = ["first-edition"]'
        )
        charge_point.notice(NoticeKind.COMPATIBILITY_ADVISED, detail)


def _remember(message: QueuedMessage, attempt: Attempt) -> tuple[Attempt, ...]:
    """Return the history of a message with one more attempt; those in the middle of many are left out."""
    history = (*message.history, attempt)
    if len(history) <= _FIRST_KEPT + _NEWEST_KEPT:
        return history
    return history[:_FIRST_KEPT] + history[-_NEWEST_KEPT:]


def _give_up_measurements_before_an_edge(charge_point: ChargePoint) -> None:
    """Give up MeterValues unsent that a Start or Stop waits behind: each would cost a connection (`Q-10`)."""
    while (
        charge_point.state.measurements_refused
        and charge_point.queue
        and charge_point.queue[0].kind is MessageKind.METER_VALUES
        and retries.edge_waits(charge_point)
    ):
        _give_up(charge_point, charge_point.queue[0], "not sent: the connection ends at MeterValues")


def _give_up(charge_point: ChargePoint, message: QueuedMessage, reason: str) -> None:
    """Make the head a dead letter."""
    if message.kind is MessageKind.METER_VALUES:
        retries.measurements_given_up(charge_point)
    _make_dead_letter(charge_point, message, charge_point.transactions[message.transaction], reason)
    queue.take_head(charge_point)


def _make_dead_letter(
    charge_point: ChargePoint, message: QueuedMessage, transaction: Transaction, reason: str
) -> None:
    if message.kind is MessageKind.START:
        ledger.put(charge_point, structs.replace(transaction, start=SendState.DEAD))
    elif message.kind is MessageKind.STOP:
        ledger.put(charge_point, structs.replace(transaction, stop=SendState.DEAD))
    charge_point.record(DeadLetter(message.sequence, charge_point.now.utc_ms, reason))
    detail = f"{message.kind} of transaction {transaction.number}, at attempt {message.attempts}: {reason}"
    charge_point.notice(NoticeKind.DEAD_LETTER, detail)
    if charge_point.redelivery is not None:
        charge_point.redelivery = charge_point.redelivery._replace(outdated=True)


def set_aside(
    charge_point: ChargePoint, message: QueuedMessage, transaction: Transaction, reason: str
) -> None:
    """Make a message a dead letter since an operator wants it, wherever it is in the queue.

    Args:
        charge_point: whose message it is.
        message: it must not be under way.
        transaction: its transaction, as it is now.
        reason: who wants it, and why; the message's history ends with it.
    """
    entry = Attempt(message.attempts, charge_point.now.utc_ms, reason)
    history, not_before_ms = _remember(message, entry), message.not_before_ms
    charge_point.record(
        Attempted(message.sequence, message.attempts, not_before_ms, history, message.without_data)
    )
    _make_dead_letter(charge_point, message, transaction, reason)
    if message.sequence > charge_point.loaded_through:
        queue.remove_stored(charge_point)
    else:
        queue.remove(charge_point, message)
