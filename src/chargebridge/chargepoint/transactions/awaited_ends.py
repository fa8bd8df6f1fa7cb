"""The end of a session that its charger does not have any more, while its record has not come.

A transaction runs only while its charger has that session. The evidence that it has not:

* its state, newer than the session's beginning: no car is there, or nobody is authorized;
* an event of a newer session, or what was measured in one;
* it has carried out an `EndSession`.

The record, which alone knows when and why the session ended, is on its way then. So it is awaited, for
`Settings.end_awaited_s`, and the driver is asked for it meanwhile. The wait runs while the charger can be
reached, and begins anew when it is back. The evidence is withdrawn if the session goes on after all: by a
state in which it is authorized (unless the car was gone), by its beginning as the answer to the question, by
energy long after the `EndSession`. A newer session is never withdrawn.
"""

from math import isfinite
from typing import Final

from msgspec import structs

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.charger import commands, waiting_sessions
from chargebridge.chargepoint.charger.waiting_sessions import IDLE
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Ending, Evidence, Purpose
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import Transaction
from chargebridge.chargepoint.transactions import in_doubt, latest_values, transactions
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import (
    ChargerState,
    Measured,
    Quantity,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from chargebridge.ocpp16.enums import Reason

GRACE_PART: Final = 0.1
"""The driver is asked for the record after this part of the wait, since it usually comes within seconds."""
LONGEST_GRACE_S: Final = 30.0
_AUTHORIZED: Final = frozenset({ChargerState.AWAITING_START, ChargerState.READY, ChargerState.CHARGING})


# --- evidence ---------------------------------------------------------------------------------------


def began(charge_point: ChargePoint) -> None:
    """Look at the running session, which has just begun here: its charger may have reported more already."""
    state, running = charge_point.state, charge_point.running
    if running is None:
        return
    if waiting_sessions.newer_is_known(charge_point):
        newer_session(charge_point)
        return
    # A session may end at the time at which it has begun; if it has not, another state withdraws this one.
    earlier_ms = 1 if state.charger is ChargerState.AWAITING_TOKEN else 0
    if state.states.is_later_than(running.started_ms - earlier_ms, charge_point.now.utc_ms):
        _take_state(charge_point, state.states.newest_ms)
    elif charge_point.state_repeated_ms > running.started_ms:
        _take_state(charge_point, charge_point.state_repeated_ms)


def state_changed(charge_point: ChargePoint, event: StateChanged) -> None:
    """Take a new state of the charger for evidence, or against it."""
    ending = charge_point.state.ending
    if event.state in IDLE:
        if not charge_point.state.edges.is_later_than(event.at_ms, charge_point.now.utc_ms):
            _take_state(charge_point, event.at_ms)
    elif ending is None:
        pass
    elif event.state in _AUTHORIZED and _can_go_on(ending):
        _withdraw(charge_point)
    elif ending.idle:
        _note_register(charge_point, ending)


def _can_go_on(ending: Ending) -> bool:
    return not ending.unplugged and ending.evidence is not Evidence.NEWER_SESSION


def repeats_news(charge_point: ChargePoint, event: StateChanged) -> bool:
    """Whether the same state as before is evidence now: the running session began in between."""
    state, running = charge_point.state, charge_point.running
    return (
        running is not None
        and event.state in IDLE
        and state.states.newest_ms <= running.started_ms < event.at_ms
    )


def newer_session(charge_point: ChargePoint) -> None:
    """The running session is over: a newer one is known."""
    ending = charge_point.state.ending
    if ending is None:
        _await(charge_point, Ending(Evidence.NEWER_SESSION, None, idle=False))
    elif ending.evidence is not Evidence.NEWER_SESSION:
        _note_register(charge_point, structs.replace(ending, evidence=Evidence.NEWER_SESSION))


def end_carried_out(charge_point: ChargePoint) -> None:
    """The charger has carried out the `EndSession` of the running session: its record is due."""
    if charge_point.running is not None and charge_point.state.ending is None:
        _await(charge_point, Ending(Evidence.COMMAND, charge_point.now.utc_ms, idle=_is_idle(charge_point)))


def measured(charge_point: ChargePoint, event: Measured) -> None:
    """Take what is measured in a newer session for evidence.

    Energy long after an `EndSession` is evidence against its being carried out.
    """
    ending, running = charge_point.state.ending, charge_point.running
    if running is not None and event.session is not None and event.session > running.session:
        newer_session(charge_point)
        return
    if ending is None or ending.evidence is not Evidence.COMMAND or running is None:
        return
    assert ending.since_ms is not None
    late = charge_point.now.utc_ms - ending.since_ms > LONGEST_GRACE_S * 1000
    if late and event.session == running.session:
        known = latest_values.register(charge_point)
        newest = _energy(event)
        if newest is not None and known is not None and newest > known.wh:
            _withdraw(charge_point)


def confirmed(charge_point: ChargePoint, event: SessionStarted) -> None:
    """Withdraw the evidence if the driver, which was asked, answers that the charger has the session."""
    ending, running = charge_point.state.ending, charge_point.running
    if ending is None or running is None or event.session != running.session:
        return
    asked = commands.outstanding(charge_point, Purpose.SESSIONS) is not None
    if asked and ending.evidence is not Evidence.NEWER_SESSION:
        _withdraw(charge_point)


def _take_state(charge_point: ChargePoint, at_ms: int) -> None:
    state, ending = charge_point.state, charge_point.state.ending
    unplugged = state.charger is ChargerState.DISCONNECTED
    if charge_point.running is None or not _is_idle(charge_point):
        return
    if unplugged and not configuration.boolean(charge_point, "StopTransactionOnEVSideDisconnect"):
        return
    unseen_until_ms = charge_point.state_unseen_until_ms
    # Otherwise it may have ended long before, and others may have begun and ended since.
    is_seen_at_once = unseen_until_ms is not None and at_ms > unseen_until_ms
    if ending is None:
        since_ms = at_ms if is_seen_at_once else None
        _await(charge_point, Ending(Evidence.STATE, since_ms, unplugged=unplugged, idle=is_seen_at_once))
    elif ending.evidence is Evidence.COMMAND:
        state.ending = structs.replace(
            ending,
            evidence=Evidence.STATE,
            since_ms=at_ms if is_seen_at_once else ending.since_ms,
            unplugged=unplugged,
            idle=is_seen_at_once,
        )
        charge_point.mark_dirty()
    elif unplugged and not ending.unplugged and ending.evidence is Evidence.STATE:
        state.ending = structs.replace(ending, unplugged=True)
        charge_point.mark_dirty()


def _is_idle(charge_point: ChargePoint) -> bool:
    return charge_point.state.charger in IDLE


# --- the wait ---------------------------------------------------------------------------------------


def _await(charge_point: ChargePoint, ending: Ending) -> None:
    charge_point.state.ending = ending
    charge_point.mark_dirty()
    if charge_point.reachable:
        _begin_wait(charge_point, ending, charge_point.settings.end_awaited_s)


def _begin_wait(charge_point: ChargePoint, ending: Ending, wait_s: float) -> None:
    until_ms = charge_point.now.utc_ms + round(wait_s * 1000)
    charge_point.state.ending = structs.replace(ending, until_ms=until_ms)
    charge_point.set_timer(Timer.SESSION_END, wait_s)
    charge_point.set_timer(Timer.SESSION_REPORT, min(_grace_s(charge_point), wait_s))
    charge_point.mark_dirty()


def _grace_s(charge_point: ChargePoint) -> float:
    return min(charge_point.settings.end_awaited_s * GRACE_PART, LONGEST_GRACE_S)


def charger_returned(charge_point: ChargePoint) -> None:
    """Begin the wait anew, or go on with it after a restart of ours: the record may be on its way."""
    ending = charge_point.state.ending
    if ending is not None:
        longest_s, until_ms = charge_point.settings.end_awaited_s, ending.until_ms
        left_s = longest_s if until_ms is None else (until_ms - charge_point.now.utc_ms) / 1000
        hurried = charge_point.state.waiting_token is not None
        wait_s = charge_point.settings.end_hurried_s if hurried else max(left_s, _grace_s(charge_point))
        _begin_wait(charge_point, ending, min(wait_s, longest_s))


def resume(charge_point: ChargePoint) -> None:
    """Go on with the wait where a charge point was rebuilt while its charger can be reached, as it stays."""
    if charge_point.reachable:
        charger_returned(charge_point)


def charger_left(charge_point: ChargePoint) -> None:
    """Wait no longer for what cannot come: the wait begins anew when the charger is back."""
    ending = charge_point.state.ending
    if ending is not None:
        charge_point.state.ending = structs.replace(ending, until_ms=None)
        charge_point.cancel_timer(Timer.SESSION_END)
        charge_point.cancel_timer(Timer.SESSION_REPORT)
        charge_point.mark_dirty()


def ask_for_record(charge_point: ChargePoint) -> None:
    """Ask the driver for the record of the running session, which is over."""
    running, ending = charge_point.running, charge_point.state.ending
    if running is not None and ending is not None and charge_point.reachable:
        detail = f"session {running.session}: {ending.evidence}"
        charge_point.notice(NoticeKind.END_AWAITED, detail)
        commands.report_sessions(charge_point, running.session, running.started_ms, running.meter_start_wh)


def _withdraw(charge_point: ChargePoint) -> None:
    """Let the transaction run on; whoever wanted to charge meanwhile does."""
    waiting_sessions.forget_ending(charge_point)
    authorization.forget_waiting(charge_point)


# --- the end that is assumed ------------------------------------------------------------------------


def assume(charge_point: ChargePoint, running: Transaction) -> None:
    """End the running transaction at the newest register that certainly belongs to its session.

    The driver is asked for the record in any case: what that contains more becomes another transaction.
    """
    if Timer.SESSION_REPORT in charge_point.timers:
        ask_for_record(charge_point)
    ending = charge_point.state.ending or Ending(Evidence.NEWER_SESSION, None, idle=False)
    known = transactions.up_to_newest_reading(charge_point) or running
    register_wh = known.register_wh
    if not in_doubt.may_have_ended(charge_point, running, known.register_ms):
        since_wh = _register_since(charge_point, ending)
        register_wh = max(register_wh, ending.register_wh or 0, since_wh or 0)
    # An end that a command has shown has the host's time, which may be behind the charger's.
    at_ms = max(known.register_ms, ending.since_ms or 0)
    following = _following(charge_point, running)
    if following is not None:
        started_ms, start_wh = _beginning(following)
        if following.session == running.session + 1:
            at_ms = started_ms if ending.since_ms is None else min(at_ms, started_ms)
            register_wh = start_wh
        else:
            # Neither energy nor time of a session in between, unknown yet, must be reported twice: what was
            # seen since a later one began says nothing of when this one has ended.
            at_ms = min(known.register_ms, started_ms) if at_ms > started_ms else at_ms
    reason = Reason.EV_DISCONNECTED if ending.unplugged else Reason.OTHER
    transactions.assume_end(
        charge_point, running, at_ms, register_wh, reason, last=following is None, unplugged=ending.unplugged
    )


def _following(charge_point: ChargePoint, running: Transaction) -> SessionStarted | SessionEnded | None:
    waiting = charge_point.state.waiting_events
    return next((event for event in waiting if event.session > running.session), None)


def _beginning(event: SessionStarted | SessionEnded) -> tuple[int, int]:
    if isinstance(event, SessionStarted):
        return event.at_ms, event.register_wh
    return event.started_at_ms, event.start_register_wh


def _note_register(charge_point: ChargePoint, ending: Ending) -> None:
    """Note the register so far: from now on it may be another session's."""
    register_wh = ending.register_wh if not ending.idle else _register_since(charge_point, ending)
    charge_point.state.ending = structs.replace(ending, idle=False, register_wh=register_wh)
    charge_point.mark_dirty()


def _register_since(charge_point: ChargePoint, ending: Ending) -> int | None:
    """Return the register measured of no session, while no other one can have begun; None: it was not."""
    running, newest = charge_point.running, (charge_point.latest or {}).get((Quantity.ENERGY_WH, 0))
    if running is None or newest is None or newest.session is not None or not ending.idle:
        return None
    return _energy(newest) if newest.at_ms >= running.started_ms else None


def _energy(event: Measured) -> int | None:
    for reading in event.readings:
        if (reading.quantity, reading.phase) == (Quantity.ENERGY_WH, 0) and isfinite(reading.value):
            return int(reading.value)
    return None
