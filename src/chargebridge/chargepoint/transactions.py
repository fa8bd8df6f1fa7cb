"""Transactions: one for each session of the charger, with its own edges (`TX-*`, OCPP 1.6 §4.8, §4.10)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import structs

from chargebridge.chargepoint import (
    authorization,
    availability,
    commands,
    configuration,
    delivery,
    remote_control,
    sampling,
    smart_charging,
    status,
    transaction_data,
)
from chargebridge.chargepoint.records import MessageKind, PutTransaction, SendState, Transaction, Unbury
from chargebridge.chargepoint.state import SESSIONS_REMEMBERED, LockedCable, StopRequest
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import (
    Capability,
    ChargerState,
    Quantity,
    SessionEnd,
    SessionEnded,
    SessionStarted,
)
from chargebridge.clock import format_utc
from chargebridge.ocpp16.enums import AuthorizationStatus, Reason
from chargebridge.ocpp16.messages import StartTransaction, StopTransaction
from chargebridge.ocpp16.text import fit, same_token

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

CONNECTOR: Final = 1
UNKNOWN_TRANSACTION: Final = -1
"""The transactionId of what follows a StartTransaction that was given up (`TX-6`)."""

_REASONS: Final[Mapping[SessionEnd, Reason]] = {
    # Ended from outside, but not by us: somebody used the maker's own app.
    SessionEnd.DEAUTHORIZED: Reason.OTHER,
    SessionEnd.EV_DISCONNECTED: Reason.EV_DISCONNECTED,
    SessionEnd.POWER_LOSS: Reason.POWER_LOSS,
    SessionEnd.REBOOT: Reason.REBOOT,
    SessionEnd.FAULT: Reason.OTHER,
    SessionEnd.OTHER: Reason.OTHER,
}
_OURS: Final = frozenset({SessionEnd.DEAUTHORIZED, SessionEnd.REBOOT, SessionEnd.OTHER})
"""Ends that may be our own doing; a pulled cable or a power cut never is."""


def session_started(charge_point: "ChargePoint", event: SessionStarted) -> None:
    """Begin the transaction of a session (`TX-8`); a repeat begins nothing."""
    running = charge_point.running
    newest = max((*charge_point.state.sessions, running.session if running else 0), default=0)
    if event.session <= newest or _told_elsewhere(charge_point, event.session):
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"start of session {event.session}: a repeat")
        return
    if running is not None:
        # Its end has not reached us and cannot be later than this.
        _stop(charge_point, running, event.at_ms, event.register_wh, Reason.OTHER)
    intent = charge_point.state.intent
    id_tag = fit(event.id_tag or (intent.id_tag if intent else charge_point.settings.tag_for_untagged), 20)
    parent = intent.parent_id_tag if intent and same_token(intent.id_tag, id_tag) else None
    at_ms, register_wh = _untold(charge_point, event.session, event.at_ms, event.register_wh)
    began = _begin(charge_point, event.session, id_tag, at_ms, register_wh, parent)
    charge_point.running = began
    transaction_data.begin(charge_point, began)
    sampling.begin(charge_point)
    if intent is not None and same_token(intent.id_tag, id_tag):
        smart_charging.transaction_began(charge_point, intent.profile)
    commands.session_began(charge_point)
    charge_point.state.finished = charge_point.state.unplugged = False
    charge_point.state.locked = None
    authorization.end_intent(charge_point)
    authorization.car_waits(charge_point)


def _begin(
    charge_point: "ChargePoint",
    session: int,
    id_tag: str,
    at_ms: int,
    register_wh: int,
    parent: str | None,
) -> Transaction:
    transaction = Transaction(
        number=charge_point.next_transaction,
        session=session,
        charger=charge_point.settings.charger,
        connector=CONNECTOR,
        id_tag=id_tag,
        started_ms=at_ms,
        meter_start_wh=register_wh,
        parent_id_tag=parent,
        sampled_ms=min(at_ms, charge_point.now.utc_ms),
        register_wh=register_wh,
    )
    charge_point.next_transaction += 1
    put(charge_point, transaction)
    delivery.enqueue(charge_point, MessageKind.START, transaction)
    charge_point.state.register_wh = register_wh
    charge_point.changed()
    charge_point.notice(NoticeKind.TRANSACTION_STARTED, "")
    return transaction


def session_ended(charge_point: "ChargePoint", event: SessionEnded) -> None:
    """End the transaction of a session, or tell of one that began and ended unseen."""
    state, running = charge_point.state, charge_point.running
    if (
        event.session in state.sessions
        or _forgotten(charge_point, event.session)
        or _told_elsewhere(charge_point, event.session)
    ):
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"end of session {event.session}: a repeat")
        return
    if running is not None and event.session == running.session:
        request = state.stop_request
        if request is not None and event.reason in _OURS:
            _stop(charge_point, running, event.at_ms, event.register_wh, request.reason, request.id_tag)
            _keep_cable(charge_point, running, request)
        else:
            _stop(charge_point, running, event.at_ms, event.register_wh, _REASONS[event.reason])
        _leave_cable(charge_point, event)
        availability.apply_scheduled(charge_point, transaction_over=True)
        remote_control.session_over(charge_point)
        return
    if running is not None and event.session > running.session:
        _stop(charge_point, running, event.started_at_ms, event.start_register_wh, Reason.OTHER)
    at_ms, register_wh = _untold(charge_point, event.session, event.started_at_ms, event.start_register_wh)
    if at_ms > event.started_at_ms and event.register_wh <= register_wh:
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"end of session {event.session}: all of it is told")
        return
    id_tag = fit(event.id_tag or charge_point.settings.tag_for_untagged, 20)
    transaction = _begin(charge_point, event.session, id_tag, at_ms, register_wh, None)
    _stop(charge_point, transaction, event.at_ms, event.register_wh, _REASONS[event.reason])


def _leave_cable(charge_point: "ChargePoint", ended: SessionEnded) -> None:
    """Work out whether the car of the ended session is still plugged in."""
    state, unplugged = charge_point.state, ended.reason is SessionEnd.EV_DISCONNECTED
    # A state that is newer than the unplugging is another car's.
    of_another = unplugged and state.charger_ms > ended.at_ms
    state.finished = state.charger is not ChargerState.DISCONNECTED and not of_another
    state.unplugged = unplugged and state.finished
    if unplugged:
        status.unplugged(charge_point)
        authorization.car_waits(charge_point)


def _keep_cable(charge_point: "ChargePoint", ended: Transaction, request: StopRequest) -> None:
    """The central system has refused who charged: the cable waits for that token (`TX-4`, E 3.5)."""
    refused = request.reason is Reason.DE_AUTHORIZED
    plugged_in = charge_point.state.charger is not ChargerState.DISCONNECTED
    if refused and plugged_in and Capability.UNLOCK in charge_point.settings.capabilities:
        charge_point.state.locked = LockedCable(ended.id_tag, ended.parent_id_tag)


def _told_elsewhere(charge_point: "ChargePoint", session: int) -> bool:
    """Whether a session was told of before the charger came to this charge point."""
    told = charge_point.state.told
    return told is not None and session < told.session


def _untold(charge_point: "ChargePoint", session: int, at_ms: int, register_wh: int) -> tuple[int, int]:
    """Return where the part of a session begins that nobody has been told of."""
    told = charge_point.state.told
    if told is None or session != told.session:
        return at_ms, register_wh
    return max(at_ms, told.at_ms), max(register_wh, told.register_wh)


def _forgotten(charge_point: "ChargePoint", session: int) -> bool:
    """Whether a session is older than all that are remembered: a vendor's history, told once more."""
    sessions = charge_point.state.sessions
    return len(sessions) >= SESSIONS_REMEMBERED and session < min(sessions)


def _stop(
    charge_point: "ChargePoint",
    transaction: Transaction,
    at_ms: int,
    register_wh: int,
    reason: Reason,
    id_tag: str | None = None,
) -> None:
    meter_stop = max(register_wh, transaction.register_wh)  # TX-13
    stopped = structs.replace(
        transaction,
        stopped_ms=max(at_ms, transaction.started_ms),
        meter_stop_wh=meter_stop,
        register_wh=meter_stop,
        stop_reason=reason.value,
        stop_tag=id_tag,
        stop=SendState.QUEUED,
    )
    put(charge_point, stopped)
    delivery.enqueue(charge_point, MessageKind.STOP, stopped, transaction_data.end(charge_point, stopped))
    state = charge_point.state
    state.sessions = (*state.sessions[-(SESSIONS_REMEMBERED - 1) :], transaction.session)
    state.register_wh = max(state.register_wh or 0, meter_stop)
    charge_point.changed()
    if charge_point.running is not None and charge_point.running.number == transaction.number:
        charge_point.running = None
        sampling.schedule(charge_point)
        state.stop_request = None
        state.overridden = None
        commands.session_over(charge_point)
    smart_charging.transaction_over(charge_point, transaction.number)
    delivery.forget_delivered(charge_point)
    charge_point.notice(NoticeKind.TRANSACTION_STOPPED, reason.value)


def abandon(charge_point: "ChargePoint") -> None:
    """End the running transaction with the newest reading: its charger will say nothing more."""
    known = as_far_as_known(charge_point)
    if known is not None:
        _stop(charge_point, known, known.sampled_ms, known.register_wh, Reason.OTHER)


def as_far_as_known(charge_point: "ChargePoint") -> Transaction | None:
    """Return the running transaction up to the newest reading, though no sample may have told that one."""
    running, newest = charge_point.running, (charge_point.latest or {}).get((Quantity.ENERGY_WH, 0))
    if running is None or newest is None or newest.session != running.session:
        return running
    return structs.replace(
        running,
        sampled_ms=max(running.sampled_ms, newest.at_ms),
        register_wh=max(running.register_wh, charge_point.unsampled_wh),
    )


def request_stop(charge_point: "ChargePoint", reason: Reason, id_tag: str | None = None) -> None:
    """Have the charger end the running session; its Stop will carry the first reason given."""
    state = charge_point.state
    if state.stop_request is None:
        state.stop_request = StopRequest(reason, id_tag)
        charge_point.changed()
        commands.end_session(charge_point)


def heed_refusal(charge_point: "ChargePoint") -> None:
    """Stop a running transaction whose token the central system has refused, or let it idle (`TX-4`).

    It idles by a limit of nothing; a charger that takes no limits has to stop.
    """
    running = charge_point.running
    if running is None or running.id_tag_status in {None, AuthorizationStatus.ACCEPTED.value}:
        return
    can_idle = Capability.LIMIT in charge_point.settings.capabilities
    if can_idle and not configuration.boolean(charge_point, "StopTransactionOnInvalidId"):
        charge_point.changed()  # the limit is looked at again
    else:
        request_stop(charge_point, Reason.DE_AUTHORIZED)


def send_again(charge_point: "ChargePoint", transaction: Transaction) -> None:
    """Queue an ended transaction once more whose Start or Stop was given up.

    A Stop that was answered under the id -1 told the central system nothing: it follows its Start.
    """
    charge_point.record(Unbury(transaction.number))
    if transaction.start is SendState.DEAD:
        transaction = structs.replace(transaction, start=SendState.QUEUED, transaction_id=None)
        delivery.enqueue(charge_point, MessageKind.START, transaction)
    transaction = structs.replace(transaction, stop=SendState.QUEUED)
    put(charge_point, transaction)
    delivery.enqueue(
        charge_point, MessageKind.STOP, transaction, transaction_data.edges(charge_point, transaction)
    )


def put(charge_point: "ChargePoint", transaction: Transaction) -> None:
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
