"""Transactions: one for each session of the charger, with its own edges (`TX-*`, OCPP 1.6 §4.8, §4.10)."""

from collections.abc import Mapping
from typing import Final

from msgspec import structs

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.charger import (
    charging_profiles,
    clock,
    commands,
    reported_sessions,
    restarts,
    waiting_sessions,
)
from chargebridge.chargepoint.charger.restarts import RESETS
from chargebridge.chargepoint.connector import status
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import LockedCable, Run, StartEdge, StopRequest
from chargebridge.chargepoint.records import MessageKind, SendState, Transaction
from chargebridge.chargepoint.transactions import (
    edge_values,
    in_doubt,
    latest_values,
    ledger,
    missed_sessions,
    queue,
    sampling,
    transaction_data,
)
from chargebridge.chargepoint.transactions.ledger import CONNECTOR
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import (
    Capability,
    ChargerState,
    Quantity,
    SessionEnd,
    SessionEnded,
    SessionStarted,
)
from chargebridge.ocpp16.enums import Reason
from chargebridge.ocpp16.text import fit, same_token

_REASONS: Final[Mapping[SessionEnd, Reason]] = {
    # Ended from outside, but not by us: by the maker's own app.
    SessionEnd.DEAUTHORIZED: Reason.OTHER,
    SessionEnd.EV_DISCONNECTED: Reason.EV_DISCONNECTED,
    SessionEnd.POWER_LOSS: Reason.POWER_LOSS,
    SessionEnd.REBOOT: Reason.REBOOT,
    SessionEnd.FAULT: Reason.OTHER,
    SessionEnd.OTHER: Reason.OTHER,
}
_OURS: Final = frozenset({SessionEnd.DEAUTHORIZED, SessionEnd.OTHER})
"""Ends that may be due to our command; a pulled cable or a power cut never is."""
_STARTS_REMEMBERED: Final = 16


def begin(charge_point: ChargePoint, event: SessionStarted) -> None:
    """Begin the transaction of a session; no other is running."""
    intent = charge_point.state.intent
    known = event.id_tag or reported_sessions.id_tag(charge_point, event.session)
    id_tag = fit(known or (intent.id_tag if intent else charge_point.settings.tag_for_untagged), 20)
    parent = intent.parent_id_tag if intent and same_token(intent.id_tag, id_tag) else None
    at_ms, register_wh = _unreported(charge_point, event.session, event.at_ms, event.register_wh)
    began = _begin(charge_point, event.session, id_tag, at_ms, register_wh, parent)
    charge_point.running = began
    transaction_data.begin(charge_point, began)
    sampling.begin(charge_point)
    if intent is not None and same_token(intent.id_tag, id_tag):
        charging_profiles.transaction_began(charge_point, intent.profile)
    commands.session_began(charge_point)
    charge_point.state.finished = charge_point.state.unplugged = False
    charge_point.state.locked = None
    authorization.end_intent(charge_point)
    authorization.refresh_connection_timeout(charge_point)


def _begin(
    charge_point: ChargePoint,
    session: int,
    id_tag: str,
    at_ms: int,
    register_wh: int,
    parent: str | None,
) -> Transaction:
    at_ms = _new_edge(charge_point, at_ms, register_wh, id_tag)
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
        register_ms=at_ms,
        start=SendState.DEAD if in_doubt.start_may_be_sent(charge_point, at_ms) else SendState.QUEUED,
    )
    charge_point.next_transaction += 1
    ledger.put(charge_point, transaction)
    queue.enqueue(charge_point, MessageKind.START, transaction)
    edge_values.began(charge_point, transaction)
    starts = (*charge_point.state.recent_starts, StartEdge(session, at_ms, register_wh, id_tag))
    charge_point.state.recent_starts = starts[-_STARTS_REMEMBERED:]
    is_newest = session >= reported_sessions.newest(charge_point)
    _note_register(charge_point, at_ms, register_wh, whatever_it_was=is_newest)
    _note_edge(charge_point, at_ms)
    charge_point.notice(NoticeKind.TRANSACTION_STARTED, "")
    return transaction


def _new_edge(charge_point: ChargePoint, at_ms: int, register_wh: int, id_tag: str) -> int:
    """Return the time at which a transaction begins, or the next whole second at which no other has begun.

    Central systems recognize a repeated StartTransaction by tag, register and time, which several store in
    whole seconds. So the rest of a session never begins as another part of it did, nor as the session before
    or behind it.
    """
    known = {
        start.at_ms // 1000
        for start in charge_point.state.recent_starts
        if start.register_wh == register_wh and same_token(start.id_tag, id_tag)
    }
    while at_ms // 1000 in known:
        at_ms = (at_ms // 1000 + 1) * 1000
    return at_ms


def end(charge_point: ChargePoint, event: SessionEnded) -> None:
    """End the transaction of the running session, or begin and end that of another one."""
    running = charge_point.running
    if running is not None and event.session == running.session:
        request = charge_point.state.stop_request
        reason, asked_for = _reason(charge_point, event, request)
        id_tag = request.id_tag if request is not None and asked_for else None
        if event.rebuilt:
            # Its record may come after all, and contain more; so may the beginning of the next session.
            register_wh = max(event.register_wh, running.register_wh)
            reported_sessions.mark_assumed(charge_point, event.session, event.at_ms, register_wh)
        stop(charge_point, running, event.at_ms, event.register_wh, reason, id_tag, rebuilt=event.rebuilt)
        if request is not None and asked_for:
            _keep_cable(charge_point, running, request)
        unplugged = event.reason is SessionEnd.EV_DISCONNECTED
        _leave_cable(charge_point, event.at_ms, unplugged=unplugged)
        return
    reported = reported_sessions.in_part(charge_point, event.session)
    # The idTag of one that was rebuilt is made up.
    made_up = event.rebuilt or event.id_tag is None
    known = reported_sessions.id_tag(charge_point, event.session) if made_up else None
    at_ms, register_wh = _unreported(
        charge_point, event.session, event.started_at_ms, event.start_register_wh
    )
    if in_doubt.start_may_be_sent(charge_point, event.at_ms):
        at_ms = min(at_ms, event.at_ms)  # all of it was before a restore, when its end was not assumed
    reported_sessions.forget_assumed(charge_point, event.session)
    if reported is not None and event.register_wh <= reported.register_wh:
        # Its start may come yet.
        all_of_it = Run(event.session, event.session, event.start_register_wh, event.register_wh)
        reported_sessions.mark_reported(charge_point, all_of_it)
        charge_point.notice(
            NoticeKind.EVENT_IGNORED, f"end of session {event.session}: all of it is reported"
        )
        return
    id_tag = fit(known or event.id_tag or charge_point.settings.tag_for_untagged, 20)
    transaction = _begin(charge_point, event.session, id_tag, at_ms, register_wh, None)
    reason, _ = _reason(charge_point, event, None)
    stop(charge_point, transaction, event.at_ms, event.register_wh, reason, rebuilt=event.rebuilt)


def assume_end(
    charge_point: ChargePoint,
    transaction: Transaction,
    at_ms: int,
    register_wh: int,
    reason: Reason,
    *,
    last: bool,
    unplugged: bool,
) -> None:
    """End the running transaction here, since its charger does not have the session any more.

    Args:
        charge_point: whose transaction.
        transaction: the running one.
        at_ms: when its session ended, as far as is known.
        register_wh: the register then, as far as is known.
        reason: for the StopTransaction, unless the charger was commanded to end the session.
        last: no newer session is known.
        unplugged: no car was there any more.
    """
    register_wh = max(register_wh, transaction.register_wh)
    at_ms = after_beginning(transaction, at_ms)
    charge_point.notice(NoticeKind.END_ASSUMED, f"session {transaction.session} at {register_wh} Wh")
    reported_sessions.mark_assumed(charge_point, transaction.session, at_ms, register_wh)
    request = charge_point.state.stop_request
    id_tag = None
    if request is not None:
        reason, id_tag = request.reason, request.id_tag
    stop(charge_point, transaction, at_ms, register_wh, reason, id_tag, assumed=True)
    if not last:
        return
    if request is not None:
        _keep_cable(charge_point, transaction, request)
    _leave_cable(charge_point, at_ms, unplugged=unplugged)


def after_beginning(transaction: Transaction, at_ms: int) -> int:
    """Return an end of a transaction that is assumed: the rest of its session must not begin as it did."""
    return max(at_ms, transaction.started_ms + 1)


def report_rest(charge_point: ChargePoint, next_session: int, next_ms: int, next_wh: int) -> None:
    """Report the energy between the newest transaction and a session that follows, if it is that one's.

    The end of the session before was assumed, and the register has risen since: what flowed until the very
    next session began was its energy. Of other energy the driver is asked: a session may have been missed.

    Args:
        charge_point: whose sessions.
        next_session: the number of the session whose transaction is next.
        next_ms: UTC; when that began.
        next_wh: the register then.
    """
    state, newest = charge_point.state, reported_sessions.newest(charge_point)
    if state.register_wh is None or next_session <= newest or next_wh <= state.register_wh:
        return
    reported = reported_sessions.assumed(charge_point, newest)
    start = next((one for one in reversed(state.recent_starts) if one.session == newest), None)
    between_wh = f"{next_wh - state.register_wh} Wh between sessions {newest} and {next_session}"
    if reported is None or start is None or next_session > newest + 1:
        charge_point.notice(NoticeKind.ENERGY_WITHOUT_SESSION, between_wh)
        missed_sessions.ask_once(charge_point, state.register_wh)
        return
    charge_point.notice(NoticeKind.END_ASSUMED, between_wh)
    edge_ms = in_doubt.edge_of_rest_ms(charge_point, start.at_ms, reported.at_ms)
    rest = _begin(charge_point, newest, start.id_tag, edge_ms, reported.register_wh, None)
    at_ms = after_beginning(rest, next_ms)
    reported_sessions.mark_assumed(charge_point, newest, at_ms, next_wh)
    stop(charge_point, rest, at_ms, next_wh, Reason.OTHER, assumed=True)


def _reason(
    charge_point: ChargePoint, event: SessionEnded, request: StopRequest | None
) -> tuple[Reason, bool]:
    """Return why a session ended (`TX-10`), and whether it did so by our command."""
    if event.reason is SessionEnd.REBOOT:
        # By the reset that ended it, whatever was requested before; else the charger restarted by itself.
        by_reset = request is not None and request.reason in RESETS
        reset = restarts.reset_at(charge_point, event.at_ms)
        if reset is not None and not by_reset:
            return reset, False
        return (request.reason, True) if request is not None and by_reset else (Reason.REBOOT, False)
    if request is not None and event.reason in _OURS:
        return request.reason, True
    return _REASONS[event.reason], False


def _leave_cable(charge_point: ChargePoint, at_ms: int, *, unplugged: bool) -> None:
    """Work out whether the car of the session that ended then is still plugged in."""
    state = charge_point.state
    # A state that is newer than the unplugging is another car's.
    of_another = unplugged and state.states.newest_ms > at_ms
    state.finished = state.charger is not ChargerState.DISCONNECTED and not of_another
    state.unplugged = unplugged and state.finished
    if unplugged:
        status.unplugged(charge_point)
        authorization.refresh_connection_timeout(charge_point)


def _keep_cable(charge_point: ChargePoint, ended: Transaction, request: StopRequest) -> None:
    """Keep the cable for the token that the central system has refused (`TX-4`, E 3.5)."""
    refused = request.reason is Reason.DE_AUTHORIZED
    plugged_in = charge_point.state.charger is not ChargerState.DISCONNECTED
    if refused and plugged_in and Capability.UNLOCK in charge_point.settings.capabilities:
        charge_point.state.locked = LockedCable(ended.id_tag, ended.parent_id_tag)


def _unreported(charge_point: ChargePoint, session: int, at_ms: int, register_wh: int) -> tuple[int, int]:
    """Return where the part of a session begins that is not reported yet."""
    reported = reported_sessions.in_part(charge_point, session)
    if reported is None:
        return at_ms, register_wh
    return max(at_ms, reported.at_ms), max(register_wh, reported.register_wh)


def stop(
    charge_point: ChargePoint,
    transaction: Transaction,
    at_ms: int,
    register_wh: int,
    reason: Reason,
    id_tag: str | None = None,
    *,
    rebuilt: bool = False,
    assumed: bool = False,
    released: bool = False,
) -> None:
    """End a transaction, running or not, and queue its StopTransaction.

    Args:
        charge_point: whose transaction.
        transaction: as far as it is known.
        at_ms: when its session ended.
        register_wh: the register then; meterStop is no less than what samples have said (`TX-13`).
        reason: for the StopTransaction.
        id_tag: of whoever stopped it, if a token did.
        rebuilt: `Transaction.rebuilt`.
        assumed: `Transaction.assumed`.
        released: its charger has gone, perhaps in the middle of the session.
    """
    doubtful = in_doubt.stop_may_contradict(
        charge_point,
        transaction,
        exact=not (rebuilt or assumed or released),
        measured_ms=_measured_ms(charge_point, transaction),
    )
    meter_stop = max(register_wh, transaction.register_wh)  # TX-13
    stopped = structs.replace(
        transaction,
        stopped_ms=max(at_ms, transaction.started_ms),
        meter_stop_wh=meter_stop,
        register_wh=meter_stop,
        register_ms=at_ms,
        stop_reason=reason.value,
        stop_tag=id_tag,
        stop=SendState.DEAD if doubtful else SendState.QUEUED,
        rebuilt=rebuilt,
        assumed=assumed,
    )
    ledger.put(charge_point, stopped)
    edge_values.ended(charge_point, stopped)
    queue.enqueue(charge_point, MessageKind.STOP, stopped, transaction_data.end(charge_point, stopped))
    state = charge_point.state
    session = transaction.session
    reported_sessions.mark_reported(
        charge_point, Run(session, session, transaction.meter_start_wh, meter_stop)
    )
    _note_register(charge_point, at_ms, meter_stop)
    _note_edge(charge_point, at_ms)
    if charge_point.running is not None and charge_point.running.number == transaction.number:
        charge_point.running = None
        sampling.schedule(charge_point)
        state.stop_request = None
        state.overridden = None
        waiting_sessions.forget_ending(charge_point)
        commands.session_over(charge_point)
    charging_profiles.transaction_over(charge_point, transaction.number)
    queue.forget_delivered(charge_point)
    charge_point.notice(NoticeKind.TRANSACTION_STOPPED, reason.value)
    if rebuilt:
        reported_wh = meter_stop - transaction.meter_start_wh
        charge_point.notice(NoticeKind.TRANSACTION_REBUILT, f"session {session}: {reported_wh} Wh")


def _measured_ms(charge_point: ChargePoint, transaction: Transaction) -> int:
    """Return when the newest reading of a transaction was measured, in a sample or not."""
    running = charge_point.running
    if running is None or running.number != transaction.number:
        return transaction.register_ms
    known = up_to_newest_reading(charge_point) or transaction
    return max(known.register_ms, transaction.register_ms)


def _note_register(
    charge_point: ChargePoint, at_ms: int, register_wh: int, *, whatever_it_was: bool = False
) -> None:
    """Note what the register was where a session began or ended, unless more is known."""
    state = charge_point.state
    if whatever_it_was or state.register_wh is None or register_wh >= state.register_wh:
        state.register_wh, state.register_ms = register_wh, at_ms


def _note_edge(charge_point: ChargePoint, at_ms: int) -> None:
    """Note the time at which a session began or ended: a token that was presented before it is late."""
    state = charge_point.state
    state.edges = state.edges.with_event(at_ms, charge_point.now.utc_ms)
    clock.advance(charge_point, at_ms)
    charge_point.mark_dirty()


def up_to_newest_reading(charge_point: ChargePoint) -> Transaction | None:
    """Return the running transaction up to the newest reading, which may be in no sample yet."""
    running, newest = charge_point.running, (charge_point.latest or {}).get((Quantity.ENERGY_WH, 0))
    if running is None or newest is None or newest.session != running.session:
        return running
    register_ms, register_wh = latest_values.register(charge_point) or (0, 0)
    # It may have been measured while the session waited for the one before to end.
    measured = latest_values.newest(charge_point, Quantity.ENERGY_WH)
    if measured is not None and measured.reading.value > register_wh:
        register_ms, register_wh = measured.at_ms, int(measured.reading.value)
    return structs.replace(
        running,
        sampled_ms=max(running.sampled_ms, newest.at_ms),
        register_wh=register_wh,
        register_ms=register_ms,
    )
