"""Events of other sessions than the running one wait for its end; whether a newer session is among them."""

from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargers.model import SessionEnded, SessionStarted

END_HURRIED_S: Final = 5.0
"""Not longer than this while somebody stands at the reader."""


def is_held(charge_point: ChargePoint, event: SessionStarted | SessionEnded) -> bool:
    """Whether the same was told before, and waits."""
    key = order(event)
    return any(order(held) == key for held in charge_point.state.held)


def order(event: SessionStarted | SessionEnded) -> tuple[int, bool]:
    """Return the key by which events are sorted: by session, its start before its end."""
    return event.session, isinstance(event, SessionEnded)


def succeeded(charge_point: ChargePoint) -> bool:
    """Whether a newer session than the running one is known, so that the running one is over."""
    held, running = charge_point.state.held, charge_point.running
    return bool(held) and running is not None and held[-1].session > running.session


def hurry(charge_point: ChargePoint) -> None:
    """Somebody stands at the reader: wait no longer than a moment for the end of the running session."""
    left_s = charge_point.timers.get(Timer.SESSION_END, 0.0) - charge_point.now.mono
    if left_s > END_HURRIED_S:
        charge_point.state.held_until_ms = charge_point.now.utc_ms + round(END_HURRIED_S * 1000)
        charge_point.set_timer(Timer.SESSION_END, END_HURRIED_S)
