"""Events of other sessions than the running one wait for its end; whether that session is over already."""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.charger import commands
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Evidence, Purpose
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargers.model import ChargerState, SessionEnded, SessionStarted

IDLE: Final = frozenset({ChargerState.DISCONNECTED, ChargerState.AWAITING_TOKEN})
"""States in which no session runs."""


def is_waiting(charge_point: ChargePoint, event: SessionStarted | SessionEnded) -> bool:
    """Whether the same event was reported before, and waits."""
    key = order(event)
    return any(order(waiting) == key for waiting in charge_point.state.waiting_events)


def order(event: SessionStarted | SessionEnded) -> tuple[int, bool]:
    """Return the key by which events are sorted: by session, its start before its end."""
    return event.session, isinstance(event, SessionEnded)


def newer_is_known(charge_point: ChargePoint) -> bool:
    """Whether a newer session than the running one is known, so that the running one is over."""
    waiting, running = charge_point.state.waiting_events, charge_point.running
    return bool(waiting) and running is not None and waiting[-1].session > running.session


def is_over(charge_point: ChargePoint) -> bool:
    """Whether the charger does not have the running session any more, and its record is awaited."""
    return charge_point.state.ending is not None


def leaves_nothing_running(charge_point: ChargePoint) -> bool:
    """Whether the running session is over, and no newer one runs at the charger, as far as is known."""
    if not is_over(charge_point):
        return False
    state = charge_point.state
    if not newer_is_known(charge_point):
        # A newer one may be known by what was measured in it alone.
        followed = state.ending is not None and state.ending.evidence is Evidence.NEWER_SESSION
        return not followed or state.charger in IDLE
    newest = state.waiting_events[-1]
    return isinstance(newest, SessionEnded) or (
        state.charger in IDLE and state.states.is_later_than(newest.at_ms, charge_point.now.utc_ms)
    )


def shorten_wait(charge_point: ChargePoint) -> None:
    """Wait for the record of the running session only until it is some seconds late, and ask for it now."""
    ending, deadline = charge_point.state.ending, charge_point.timers.get(Timer.SESSION_END)
    if ending is None or deadline is None:
        return  # while the charger cannot be reached, the wait has not begun
    left_s = deadline - charge_point.now.mono
    hurried_s = charge_point.settings.end_hurried_s
    if left_s <= hurried_s:
        return
    waited_s = max(charge_point.settings.end_awaited_s - left_s, 0.0)
    wait_s = max(hurried_s - waited_s, 0.0)
    until_ms = charge_point.now.utc_ms + round(wait_s * 1000)
    charge_point.state.ending = structs.replace(ending, until_ms=until_ms)
    charge_point.set_timer(Timer.SESSION_END, wait_s)
    if Timer.SESSION_REPORT in charge_point.timers:
        charge_point.set_timer(Timer.SESSION_REPORT, 0.0)
    charge_point.mark_dirty()


def forget_ending(charge_point: ChargePoint) -> None:
    """Await no record any more: the session has ended, or goes on."""
    if charge_point.state.ending is not None:
        charge_point.state.ending = None
        charge_point.cancel_timer(Timer.SESSION_END)
        charge_point.cancel_timer(Timer.SESSION_REPORT)
        commands.forget(charge_point, Purpose.SESSIONS)
        charge_point.mark_dirty()
