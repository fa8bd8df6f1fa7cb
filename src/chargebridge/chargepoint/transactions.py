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
    heard,
    meter_values,
    remote_control,
    sampling,
    sessions,
    smart_charging,
    status,
    transaction_data,
)
from chargebridge.chargepoint.records import MessageKind, PutTransaction, SendState, Told, Transaction
from chargebridge.chargepoint.state import LockedCable, Run, StopRequest
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
_OURS: Final = frozenset({SessionEnd.DEAUTHORIZED, SessionEnd.OTHER})
"""Ends that may be what we asked for; a pulled cable or a power cut never is."""


def session_started(charge_point: "ChargePoint", event: SessionStarted) -> None:
    """Begin the transaction of a session (`TX-8`), when its turn comes; a repeat begins nothing."""
    if event.session <= sessions.newest(charge_point) or _is_known(charge_point, event):
        # Of an older one that nobody has heard of, too: it is over, and its end tells all of it.
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"start of session {event.session}: a repeat")
    elif charge_point.running is not None:
        sessions.hold(charge_point, event)
    else:
        begin(charge_point, event)


def _is_known(charge_point: "ChargePoint", event: SessionStarted | SessionEnded) -> bool:
    if isinstance(event, SessionEnded) and sessions.assumed(charge_point, event.session) is not None:
        return sessions.is_held(charge_point, event)  # its record may tell of more
    return sessions.is_told(charge_point, event) or sessions.is_held(charge_point, event)


def begin(charge_point: "ChargePoint", event: SessionStarted) -> None:
    """Begin the transaction of a session; no other is running."""
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
        charger=charge_point.state.charger_name or charge_point.settings.charger,
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
    state = charge_point.state
    is_newest = session >= sessions.newest(charge_point)
    state.register_wh = register_wh if is_newest else max(state.register_wh or 0, register_wh)
    _note_edge(charge_point, at_ms)
    charge_point.notice(NoticeKind.TRANSACTION_STARTED, "")
    return transaction


def session_ended(charge_point: "ChargePoint", event: SessionEnded) -> None:
    """End the transaction of a session, or tell of one that began and ended unseen, when its turn comes."""
    running = charge_point.running
    if _is_known(charge_point, event):
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"end of session {event.session}: a repeat")
    elif running is not None and event.session != running.session:
        sessions.hold(charge_point, event)
    else:
        end(charge_point, event)
        sessions.take_held(charge_point)
        if charge_point.running is None:
            is_over(charge_point)


def end(charge_point: "ChargePoint", event: SessionEnded) -> None:
    """End the transaction of the running session, or begin and end that of another one."""
    running = charge_point.running
    if running is not None and event.session == running.session:
        request = charge_point.state.stop_request
        reason, asked_for = _reason(charge_point, event, request)
        id_tag = request.id_tag if request is not None and asked_for else None
        _stop(charge_point, running, event.at_ms, event.register_wh, reason, id_tag, rebuilt=event.rebuilt)
        if request is not None and asked_for:
            _keep_cable(charge_point, running, request)
        _leave_cable(charge_point, event)
        return
    told = _told_in_part(charge_point, event.session)
    at_ms, register_wh = _untold(charge_point, event.session, event.started_at_ms, event.start_register_wh)
    sessions.record_came(charge_point, event.session)
    if told is not None and event.register_wh <= told.register_wh:
        # Its start may come yet.
        all_of_it = Run(event.session, event.session, event.start_register_wh, event.register_wh)
        sessions.note_told(charge_point, all_of_it)
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"end of session {event.session}: all of it is told")
        return
    id_tag = fit(event.id_tag or charge_point.settings.tag_for_untagged, 20)
    transaction = _begin(charge_point, event.session, id_tag, at_ms, register_wh, None)
    reason, _ = _reason(charge_point, event, None)
    _stop(charge_point, transaction, event.at_ms, event.register_wh, reason, rebuilt=event.rebuilt)


def assume_end(charge_point: "ChargePoint", transaction: Transaction, at_ms: int, register_wh: int) -> None:
    """End the running transaction here, since its own end has not reached us and somebody else charges."""
    register_wh = max(register_wh, transaction.register_wh)
    charge_point.notice(NoticeKind.END_ASSUMED, f"session {transaction.session} at {register_wh} Wh")
    sessions.note_assumed(charge_point, transaction.session, at_ms, register_wh)
    request = charge_point.state.stop_request
    if request is None:
        _stop(charge_point, transaction, at_ms, register_wh, Reason.OTHER)
    else:
        _stop(charge_point, transaction, at_ms, register_wh, request.reason, request.id_tag)


def is_over(charge_point: "ChargePoint") -> None:
    """Do what has waited for the end of the transaction: none is running any more."""
    availability.apply_scheduled(charge_point, transaction_over=True)
    charge_point.transaction_over = True


def _reason(
    charge_point: "ChargePoint", event: SessionEnded, request: StopRequest | None
) -> tuple[Reason, bool]:
    """Return why a session ended (`TX-10`), and whether that is what we asked the charger for."""
    if event.reason is SessionEnd.REBOOT:
        # By the reset that ended it, whatever was asked for before; else the charger restarted by itself.
        asked = request is not None and request.reason in remote_control.RESETS
        reset = remote_control.reset_at(charge_point, event.at_ms)
        if reset is not None and not asked:
            return reset, False
        return (request.reason, True) if request is not None and asked else (Reason.REBOOT, False)
    if request is not None and event.reason in _OURS:
        return request.reason, True
    return _REASONS[event.reason], False


def _leave_cable(charge_point: "ChargePoint", ended: SessionEnded) -> None:
    """Work out whether the car of the ended session is still plugged in."""
    state, unplugged = charge_point.state, ended.reason is SessionEnd.EV_DISCONNECTED
    # A state that is newer than the unplugging is another car's.
    of_another = unplugged and state.states.newest_ms > ended.at_ms
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


def _untold(charge_point: "ChargePoint", session: int, at_ms: int, register_wh: int) -> tuple[int, int]:
    """Return where the part of a session begins that nobody has been told of."""
    told = _told_in_part(charge_point, session)
    if told is None:
        return at_ms, register_wh
    return max(at_ms, told.at_ms), max(register_wh, told.register_wh)


def _told_in_part(charge_point: "ChargePoint", session: int) -> Told | None:
    """Return how far a session is told of, if that may not be all of it."""
    told = sessions.assumed(charge_point, session) or charge_point.state.told
    return told if told is not None and told.session == session else None


def _stop(
    charge_point: "ChargePoint",
    transaction: Transaction,
    at_ms: int,
    register_wh: int,
    reason: Reason,
    id_tag: str | None = None,
    *,
    rebuilt: bool = False,
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
        rebuilt=rebuilt,
    )
    put(charge_point, stopped)
    delivery.enqueue(charge_point, MessageKind.STOP, stopped, transaction_data.end(charge_point, stopped))
    state = charge_point.state
    session = transaction.session
    sessions.note_told(charge_point, Run(session, session, transaction.meter_start_wh, meter_stop))
    state.register_wh = max(state.register_wh or 0, meter_stop)
    _note_edge(charge_point, at_ms)
    if charge_point.running is not None and charge_point.running.number == transaction.number:
        charge_point.running = None
        sampling.schedule(charge_point)
        state.stop_request = None
        state.overridden = None
        commands.session_over(charge_point)
    smart_charging.transaction_over(charge_point, transaction.number)
    delivery.forget_delivered(charge_point)
    charge_point.notice(NoticeKind.TRANSACTION_STOPPED, reason.value)
    if rebuilt:
        told_wh = meter_stop - transaction.meter_start_wh
        charge_point.notice(NoticeKind.TRANSACTION_REBUILT, f"session {session}: {told_wh} Wh")


def _note_edge(charge_point: "ChargePoint", at_ms: int) -> None:
    """A session began or ended then: what the driver did before that is known by it."""
    state = charge_point.state
    state.edges = state.edges.with_event(at_ms, charge_point.now.utc_ms)
    heard.note(charge_point, at_ms)
    charge_point.changed()


def abandon(charge_point: "ChargePoint") -> None:
    """End the running transaction with the newest reading: its charger will say nothing more.

    What waited for it is told, too.
    """
    charge_point.state.held_token = None
    newest = charge_point.state.held[-1] if sessions.succeeded(charge_point) else None
    while sessions.succeeded(charge_point):
        sessions.wait_no_longer(charge_point)
    known = as_far_as_known(charge_point)
    if known is not None:
        _stop(charge_point, known, known.sampled_ms, known.register_wh, Reason.OTHER)
        charge_point.abandoned = known
    elif isinstance(newest, SessionEnded):
        charge_point.abandoned = _record(charge_point, newest)
    sessions.take_held(charge_point)


def _record(charge_point: "ChargePoint", ended: SessionEnded) -> Transaction:
    """Return an ended session as its transaction tells of it, without a number."""
    return Transaction(
        number=0,
        session=ended.session,
        charger=charge_point.state.charger_name or charge_point.settings.charger,
        connector=CONNECTOR,
        id_tag=fit(ended.id_tag or charge_point.settings.tag_for_untagged, 20),
        started_ms=ended.started_at_ms,
        meter_start_wh=ended.start_register_wh,
        register_wh=ended.register_wh,
        stopped_ms=ended.at_ms,
        rebuilt=ended.rebuilt,
    )


def as_far_as_known(charge_point: "ChargePoint") -> Transaction | None:
    """Return the running transaction up to the newest reading, though no sample may have told that one."""
    running, newest = charge_point.running, (charge_point.latest or {}).get((Quantity.ENERGY_WH, 0))
    if running is None or newest is None or newest.session != running.session:
        return running
    # It may have been measured while the session waited for the one before to end.
    measured_wh = int(meter_values.newest(charge_point, Quantity.ENERGY_WH) or 0)
    return structs.replace(
        running,
        sampled_ms=max(running.sampled_ms, newest.at_ms),
        register_wh=max(running.register_wh, charge_point.unsampled_wh, measured_wh),
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
