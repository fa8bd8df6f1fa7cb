"""Intake of the charger's sessions: each becomes one transaction, in its turn (`TX-8`, `Q-1`).

A charger that was away from its cloud reports its sessions late, several at once, in any order, and more
than once. Its sessions have numbers that rise, so each becomes one transaction whatever the order:

* An event of a *newer* session than the running one shows that the running one is over. Its own end is
  on its way, and only that knows when and why; so the newer one waits for it, as long as `awaited_ends`
  says. If nothing comes until then, its end is assumed. If its record comes after all, and contains more
  energy, that becomes a transaction of its own.
* An *older* session than the running one waits until that has ended, however long it takes: transactions
  of one connector never overlap at the central system.

What waits is part of the durable state, since its events are acknowledged to the driver.
"""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.charger import commands, reported_sessions, waiting_sessions
from chargebridge.chargepoint.connector import availability
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Evidence, Purpose, Run
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import Transaction
from chargebridge.chargepoint.transactions import awaited_ends, sampling, transactions
from chargebridge.chargepoint.transactions.ledger import CONNECTOR
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import SessionEnded, SessionStarted
from chargebridge.ocpp16.enums import Reason
from chargebridge.ocpp16.text import fit

WAITING_AT_MOST: Final = 64
"""Events that wait; above it the oldest session is reported at once, or the running one ends at once."""


def session_started(charge_point: ChargePoint, event: SessionStarted) -> None:
    """Begin the transaction of a session (`TX-8`), when its turn comes; a repeat begins nothing.

    One that runs is the present, even if it began before the charger came here: it takes current now.
    """
    if event.session <= reported_sessions.newest(charge_point) or _is_known(charge_point, event):
        awaited_ends.confirmed(charge_point, event)
        # Of an older one that is unknown, too: it is over, and its end reports all of it.
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"start of session {event.session}: a repeat")
    elif charge_point.running is not None:
        _defer(charge_point, event)
    else:
        _begin(charge_point, event)


def session_ended(charge_point: ChargePoint, event: SessionEnded) -> None:
    """End the transaction of a session, or report one that began and ended unseen, when its turn comes."""
    running = charge_point.running
    if _is_anothers(charge_point, event):
        whole = Run(event.session, event.session, event.start_register_wh, event.register_wh)
        _set_aside(charge_point, event, whole)
    elif _is_known(charge_point, event):
        charge_point.notice(NoticeKind.EVENT_IGNORED, f"end of session {event.session}: a repeat")
    elif running is not None and event.session != running.session:
        _defer(charge_point, event)
    elif _others_may_precede(charge_point, event):
        _wait(charge_point, event)
    else:
        _end(charge_point, event)
        _ended(charge_point)


def all_reported(charge_point: ChargePoint) -> None:
    """Process what has waited for the driver's answer: it has reported all sessions that it knows."""
    if charge_point.running is not None and _ready(charge_point) is not None:
        _ended(charge_point)


def _others_may_precede(charge_point: ChargePoint, event: SessionEnded) -> bool:
    """Whether the driver, which was asked, may still report sessions between this one and a newer one."""
    newer = next((one for one in charge_point.state.waiting_events if one.session > event.session), None)
    asked = commands.outstanding(charge_point, Purpose.SESSIONS) is not None
    return asked and newer is not None and newer.session > event.session + 1


def _begin(charge_point: ChargePoint, event: SessionStarted) -> None:
    transactions.report_rest(charge_point, event.session, event.at_ms, event.register_wh)
    transactions.begin(charge_point, event)
    awaited_ends.began(charge_point)


def _end(charge_point: ChargePoint, event: SessionEnded) -> None:
    if charge_point.running is None:
        transactions.report_rest(charge_point, event.session, event.started_at_ms, event.start_register_wh)
    transactions.end(charge_point, event)


def _is_anothers(charge_point: ChargePoint, event: SessionEnded) -> bool:
    """Whether a driver without a memory has found a session that was over before the charger came here."""
    state = charge_point.state
    remembers = (
        charge_point.running is not None
        or state.newest_elsewhere is not None
        or state.register_wh is not None
    )
    return event.found and not remembers


def _set_aside(charge_point: ChargePoint, event: SessionEnded, run: Run) -> None:
    reported_sessions.mark_reported(charge_point, run)
    detail = f"session {event.session}: found at a charger that is new here"
    charge_point.notice(NoticeKind.EVENT_IGNORED, detail)


def _is_known(charge_point: ChargePoint, event: SessionStarted | SessionEnded) -> bool:
    if isinstance(event, SessionEnded) and reported_sessions.assumed(charge_point, event.session) is not None:
        return waiting_sessions.is_waiting(charge_point, event)  # its record may contain more
    return reported_sessions.is_reported(charge_point, event) or waiting_sessions.is_waiting(
        charge_point, event
    )


def _ended(charge_point: ChargePoint) -> None:
    """Do what has waited for the end of the transaction."""
    _take_waiting(charge_point)
    if waiting_sessions.is_over(charge_point):
        # So is the next one: whoever wants to charge means none of them.
        if charge_point.state.waiting_token is not None:
            waiting_sessions.shorten_wait(charge_point)
    else:
        authorization.decide_waiting(charge_point)
    if charge_point.running is None:
        availability.apply_scheduled(charge_point, transaction_over=True)
        charge_point.transaction_over = True


def _take_waiting(charge_point: ChargePoint) -> None:
    """Take the events that waited for the end of a session, in the order of the sessions."""
    if charge_point.state.waiting_events:
        while (ready := _ready(charge_point)) is not None:
            _take(charge_point, ready)
        sampling.schedule(charge_point)  # of a session that is over no samples are taken


def _defer(charge_point: ChargePoint, event: SessionStarted | SessionEnded) -> None:
    """Keep an event of another session than the running one until its turn comes."""
    state, was_known = charge_point.state, waiting_sessions.newer_is_known(charge_point)
    _wait(charge_point, event)
    if waiting_sessions.newer_is_known(charge_point) and not was_known:
        awaited_ends.newer_session(charge_point)
        sampling.schedule(charge_point)  # of a session that is over no samples are taken
    if len(state.waiting_events) > WAITING_AT_MOST:
        running = charge_point.running
        if running is not None and state.waiting_events[0].session > running.session:
            assume_running_ended(charge_point)
        elif running is not None and state.waiting_events[0].session == running.session:
            _ended(charge_point)  # its record has waited for others that may precede the newer ones
        else:
            _take(charge_point, state.waiting_events[0])


def _wait(charge_point: ChargePoint, event: SessionStarted | SessionEnded) -> None:
    waiting = (*charge_point.state.waiting_events, event)
    charge_point.state.waiting_events = tuple(sorted(waiting, key=waiting_sessions.order))
    charge_point.mark_dirty()


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
        _begin(charge_point, event)
    else:
        _end(charge_point, event)


def assume_running_ended(charge_point: ChargePoint) -> None:
    """End the transaction of a session that is over, without its record if it has not come.

    Nothing if none is over.
    """
    running = charge_point.running
    if running is not None and waiting_sessions.is_over(charge_point):
        if _ready(charge_point) is None:
            awaited_ends.assume(charge_point, running)
        _ended(charge_point)


def make_way(charge_point: ChargePoint) -> None:
    """End the transaction of a session that is over, for one who means whatever happens at the charger now.

    At once if a newer session is known, else as soon as its record is some seconds late.
    """
    ending = charge_point.state.ending
    if ending is not None and ending.evidence is Evidence.NEWER_SESSION:
        assume_running_ended(charge_point)
    else:
        end_soon(charge_point)


def end_soon(charge_point: ChargePoint) -> None:
    """End the transaction of a session that is over, as soon as its record is some seconds late.

    At once while the charger cannot be reached: nobody knows when it will be.
    """
    waiting_sessions.shorten_wait(charge_point)
    if charge_point.timers.get(Timer.SESSION_END, 0.0) <= charge_point.now.mono:
        assume_running_ended(charge_point)


def abandon(charge_point: ChargePoint) -> None:
    """End the running transaction with the newest reading: its charger will say nothing more.

    The sessions that waited for it are reported, too.
    """
    authorization.forget_waiting(charge_point)
    newest = charge_point.state.waiting_events[-1] if waiting_sessions.newer_is_known(charge_point) else None
    while waiting_sessions.newer_is_known(charge_point):
        assume_running_ended(charge_point)
    known = transactions.up_to_newest_reading(charge_point)
    if known is not None:
        # The rest begins there, at another charge point: not as this transaction did.
        known = structs.replace(known, register_ms=transactions.after_beginning(known, known.register_ms))
        transactions.stop(
            charge_point, known, known.register_ms, known.register_wh, Reason.OTHER, released=True
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
