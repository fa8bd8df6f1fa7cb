"""Setting queued messages aside by hand: they become dead letters, and what is behind them is sent (`Q-4`).

What happens to a message that an operator names:

=========================  ====================================================================
it waits, in memory        it is a dead letter at once
it waits, in the store     likewise, once the store has been read
it is unanswered           the request is kept; answered, the message is delivered and no letter;
                           else it is a dead letter as soon as its CALL is over, however that ends
it is not there any more   refused: it was answered, given up, or moved to the end of the queue
=========================  ====================================================================

So it is the order of turns that decides between an operator and an answer that arrives.
"""

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import AsideRequest
from chargebridge.chargepoint.model.volatile import SettingAside
from chargebridge.chargepoint.records import DeadLetterAll, QueuedMessage, QueuePage, QueueQuery, Transaction
from chargebridge.chargepoint.transactions import delivery, queue, thinning
from chargebridge.chargepoint.turn import NoticeKind, OperatorAnswered, OperatorAsked, ReadStore

_GONE = "there is no such message in the queue any more: it was answered, given up or moved; list the queue"


def operator_asked(charge_point: ChargePoint, asked: OperatorAsked) -> None:
    """Set aside the message that an operator names; the answer comes once that is durable."""
    if asked.sequence <= charge_point.loaded_through:
        _set_aside_in_memory(charge_point, asked)
    elif charge_point.setting_aside is not None:
        _answer(charge_point, asked, "another message is being set aside; try again when that is done")
    else:
        query = QueueQuery(asked.sequence - 1, 1)
        charge_point.setting_aside = SettingAside(query, asked)
        charge_point.emit(ReadStore(query))


def message_read(charge_point: ChargePoint, query: QueueQuery, page: QueuePage) -> bool:
    """Set aside the message that the store has found; returns whether the query was about one."""
    setting_aside = charge_point.setting_aside
    if setting_aside is None or setting_aside.query is not query:
        return False
    asked = setting_aside.asked
    if asked.sequence > charge_point.loaded_through and charge_point.reading_queue:
        # The page that is on its way may hold the message, and must not bring it back.
        charge_point.emit(ReadStore(query))
        return True
    charge_point.setting_aside = None
    if asked.sequence <= charge_point.loaded_through:
        _set_aside_in_memory(charge_point, asked)
    elif not page.messages or not _is_named(page.messages[0], asked):
        _answer(charge_point, asked, _GONE)
    else:
        message, transaction = page.messages[0], page.transactions[0]
        # What is in memory is newer than what was read.
        transaction = charge_point.transactions.get(transaction.number, transaction)
        _set_aside(charge_point, asked, message, transaction)
    return True


def proceed(charge_point: ChargePoint) -> None:
    """Set the head aside if that was to wait for the end of its CALL, and that is over."""
    aside = charge_point.state.aside
    if aside is None or queue.under_way(charge_point):
        return
    charge_point.state.aside = None
    charge_point.mark_dirty()
    head = charge_point.queue[0] if charge_point.queue else None
    if head is not None and head.sequence == aside.sequence:
        delivery.set_aside(charge_point, head, charge_point.transactions[head.transaction], aside.reason)


def end_all(charge_point: ChargePoint, asked: OperatorAsked) -> None:
    """Make the whole queue dead letters: the charge point is leaving, and an operator ends that.

    Its connection must be closed before, so that no answer comes any more.
    """
    busy = charge_point.redelivery is not None or charge_point.setting_aside is not None
    if charge_point.running is not None or busy:
        what = "its dead letters are being read" if busy else "a transaction is running"
        _answer(charge_point, asked, f"{what}; try again when that is over")
        return
    messages, reason = thinning.length(charge_point), _reason("ended", asked)
    if messages:
        charge_point.record(DeadLetterAll(charge_point.now.utc_ms, reason))
        charge_point.notice(NoticeKind.DEAD_LETTER, f"all {messages} queued messages: {reason}", messages)
        queue.remove_all(charge_point)
    detail = f"{messages} queued message{'' if messages == 1 else 's'} became dead letters"
    _answer(charge_point, asked, detail, accepted=True)


def _set_aside_in_memory(charge_point: ChargePoint, asked: OperatorAsked) -> None:
    message = next((one for one in charge_point.queue if _is_named(one, asked)), None)
    if message is None:
        _answer(charge_point, asked, _GONE)
    elif message is charge_point.queue[0] and queue.under_way(charge_point):
        charge_point.state.aside = AsideRequest(message.sequence, _reason("set aside", asked))
        charge_point.mark_dirty()
        detail = "it is being sent: unless it is answered, it becomes a dead letter when that is over"
        _answer(charge_point, asked, detail, accepted=True)
    else:
        _set_aside(charge_point, asked, message, charge_point.transactions[message.transaction])


def _set_aside(
    charge_point: ChargePoint, asked: OperatorAsked, message: QueuedMessage, transaction: Transaction
) -> None:
    delivery.set_aside(charge_point, message, transaction, _reason("set aside", asked))
    detail = f"{message.kind} of transaction {transaction.number} is a dead letter"
    _answer(charge_point, asked, detail, accepted=True)


def _is_named(message: QueuedMessage, asked: OperatorAsked) -> bool:
    return message.sequence == asked.sequence and message.fingerprint == asked.fingerprint


def _reason(done: str, asked: OperatorAsked) -> str:
    assert asked.settlement is not None
    return f"{done} by {asked.settlement.by}: {asked.settlement.reason}"


def _answer(charge_point: ChargePoint, asked: OperatorAsked, detail: str, *, accepted: bool = False) -> None:
    charge_point.emit(OperatorAnswered(asked.ask, accepted, detail))
