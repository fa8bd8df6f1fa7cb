"""Events of other sessions than the running one wait for its end; whether a newer session is among them."""

from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargers.model import SessionEnded, SessionStarted

SHORTENED_WAIT_S: Final = 5.0
"""Seconds to wait for the end of a session while a driver stands at the reader."""


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


def shorten_wait(charge_point: ChargePoint) -> None:
    """Wait only some seconds for the end of the running session: a driver stands at the reader."""
    left_s = charge_point.timers.get(Timer.SESSION_END, 0.0) - charge_point.now.mono
    if left_s > SHORTENED_WAIT_S:
        charge_point.state.end_awaited_until_ms = charge_point.now.utc_ms + round(SHORTENED_WAIT_S * 1000)
        charge_point.set_timer(Timer.SESSION_END, SHORTENED_WAIT_S)
