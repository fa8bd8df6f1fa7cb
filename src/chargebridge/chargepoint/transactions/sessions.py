"""Intake of the charger's sessions: each becomes one transaction, in its turn (`TX-8`, `Q-1`).

A charger that was away from its cloud reports its sessions late, several at once, in any order, and more
than once. Its sessions have numbers that rise, so each becomes one transaction whatever the order:

* An event of a *newer* session than the running one shows that the running one is over. Its own end is
  on its way, and only that knows when and why; so the newer one waits for it, but no longer than
  `END_AWAITED_S`. If nothing comes until then, its end is assumed: where the newer one began if that is the
  very next one, else at the newest reading known, since there may be others in between. If its record comes
  after all, and contains more energy, that becomes a transaction of its own.
* An *older* session than the running one waits until that has ended, however long it takes: transactions
  of one connector never overlap at the central system.

What waits is part of the durable state, since its events are acknowledged to the driver.
"""

from typing import Final

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.charger import reported_sessions, waiting_sessions
from chargebridge.chargepoint.connector import availability
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import Transaction
from chargebridge.chargepoint.transactions import sampling, transactions
from chargebridge.chargepoint.transactions.ledger import CONNECTOR
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import SessionEnded, SessionStarted
from chargebridge.ocpp16.enums import Reason
from chargebridge.ocpp16.text import fit

END_AWAITED_S: Final = 3600.0
"""The end of a session that a newer one has followed is waited for so long; a driver owes it for good."""
WAITING_AT_MOST: Final = 64
"""Events that wait; above it the oldest session is reported at once, or the running one ends at once."""


def session_started(charge_point: ChargePoint, event: SessionStarted) -> None:
    """Begin the transaction of a session (`TX-8`), when its turn comes; a repeat begins nothing."""
    if event.session <= reported_sessions.newest(charge_point) or _is_known(charge_point, event):
        # Of an older one that is unknown, too: it is over, and its end reports all of it.
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"start of session {event.session}: a repeat")
    elif charge_point.running is not None:
        _defer(charge_point, event)
    else:
        transactions.begin(charge_point, event)


def session_ended(charge_point: ChargePoint, event: SessionEnded) -> None:
    """End the transaction of a session, or report one that began and ended unseen, when its turn comes."""
    running = charge_point.running
    if _is_known(charge_point, event):
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"end of session {event.session}: a repeat")
    elif running is not None and event.session != running.session:
        _defer(charge_point, event)
    else:
        transactions.end(charge_point, event)
        _take_waiting(charge_point)
        if charge_point.running is None:
            _is_over(charge_point)


def _is_known(charge_point: ChargePoint, event: SessionStarted | SessionEnded) -> bool:
    if isinstance(event, SessionEnded) and reported_sessions.assumed(charge_point, event.session) is not None:
        return waiting_sessions.is_waiting(charge_point, event)  # its record may contain more
    return reported_sessions.is_reported(charge_point, event) or waiting_sessions.is_waiting(
        charge_point, event
    )


def _is_over(charge_point: ChargePoint) -> None:
    """Do what has waited for the end of the transaction: none is running any more."""
    availability.apply_scheduled(charge_point, transaction_over=True)
    charge_point.transaction_over = True


def _defer(charge_point: ChargePoint, event: SessionStarted | SessionEnded) -> None:
    """Keep an event of another session than the running one until its turn comes."""
    state, was_known = charge_point.state, waiting_sessions.newer_is_known(charge_point)
    state.waiting_events = tuple(sorted((*state.waiting_events, event), key=waiting_sessions.order))
    charge_point.mark_dirty()
    if waiting_sessions.newer_is_known(charge_point) and not was_known:
        _await_end(charge_point)
    if len(state.waiting_events) > WAITING_AT_MOST:
        running = charge_point.running
        if running is not None and state.waiting_events[0].session > running.session:
            assume_running_ended(charge_point)
        else:
            _take(charge_point, state.waiting_events[0])


def _await_end(charge_point: ChargePoint) -> None:
    """Wait for the end of the running session, from now on if a newer one is known."""
    state, waits = charge_point.state, waiting_sessions.newer_is_known(charge_point)
    if waits:
        state.end_awaited_until_ms = charge_point.now.utc_ms + round(END_AWAITED_S * 1000)
        charge_point.set_timer(Timer.SESSION_END, END_AWAITED_S)
    else:
        state.end_awaited_until_ms = None
        charge_point.cancel_timer(Timer.SESSION_END)
    sampling.schedule(charge_point)  # of a session that is over no samples are taken
    token, state.waiting_token = state.waiting_token, None
    if token is not None:
        authorization.decide_waiting_token(charge_point, token)


def _take_waiting(charge_point: ChargePoint) -> None:
    """Take the events that waited for the end of a session, in the order of the sessions."""
    if not charge_point.state.waiting_events:
        return
    while (ready := _ready(charge_point)) is not None:
        _take(charge_point, ready)
    _await_end(charge_point)


def _ready(charge_point: ChargePoint) -> SessionStarted | SessionEnded | None:
    """Return the first of what waits that concerns the running session, or the first if none is running."""
    running = charge_point.running
    return next(
        (
            event
            for event in charge_point.state.waiting_events
            if running is None or event.session == running.session
        ),
        None,
    )


def _take(charge_point: ChargePoint, event: SessionStarted | SessionEnded) -> None:
    state = charge_point.state
    state.waiting_events = tuple(waiting for waiting in state.waiting_events if waiting is not event)
    charge_point.mark_dirty()
    if isinstance(event, SessionStarted):
        transactions.begin(charge_point, event)
    else:
        transactions.end(charge_point, event)


def assume_running_ended(charge_point: ChargePoint) -> None:
    """Assume the end of a session whose end did not come: not later than the next one's beginning."""
    running = charge_point.running
    if running is None or not waiting_sessions.newer_is_known(charge_point):
        return
    following = next(event for event in charge_point.state.waiting_events if event.session > running.session)
    if isinstance(following, SessionStarted):
        at_ms, register_wh = following.at_ms, following.register_wh
    else:
        at_ms, register_wh = following.started_at_ms, following.start_register_wh
    if following.session > running.session + 1:
        # Energy of a session in between, unknown yet, must not be reported twice.
        known = transactions.up_to_newest_reading(charge_point) or running
        at_ms, register_wh = min(at_ms, known.register_ms), known.register_wh
    transactions.assume_end(charge_point, running, at_ms, register_wh)
    _take_waiting(charge_point)
    if charge_point.running is None:
        _is_over(charge_point)


def abandon(charge_point: ChargePoint) -> None:
    """End the running transaction with the newest reading: its charger will say nothing more.

    The sessions that waited for it are reported, too.
    """
    charge_point.state.waiting_token = None
    newest = charge_point.state.waiting_events[-1] if waiting_sessions.newer_is_known(charge_point) else None
    while waiting_sessions.newer_is_known(charge_point):
        assume_running_ended(charge_point)
    known = transactions.up_to_newest_reading(charge_point)
    if known is not None:
        transactions.stop(
            charge_point, known, known.register_ms, known.register_wh, Reason.OTHER, assumed=True
        )
        charge_point.abandoned = known
    elif isinstance(newest, SessionEnded):
        charge_point.abandoned = _record(charge_point, newest)
    _take_waiting(charge_point)


def forget_abandoned(charge_point: ChargePoint) -> None:
    """Forget how far the last session of the former charger was reported: another charger has come."""
    charge_point.abandoned = None


def _record(charge_point: ChargePoint, ended: SessionEnded) -> Transaction:
    """Return an ended session as its transaction reports it, without a number."""
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


def resume(charge_point: ChargePoint) -> None:
    """Go on waiting for the end of the running session, after a restart."""
    until_ms = charge_point.state.end_awaited_until_ms
    if until_ms is not None:
        charge_point.set_timer_until(Timer.SESSION_END, until_ms, END_AWAITED_S)
