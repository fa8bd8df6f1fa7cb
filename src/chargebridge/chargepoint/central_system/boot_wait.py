"""What a BootNotification waits for: the first description of the charger, or its return from a reset.

Either wait is a deadline, so that a charge point whose driver or charger is away comes up all the same.
"""

from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.turn import ReopenLink

DESCRIPTION_WAIT_S: Final = 60.0
"""The longest wait for a driver to say what a charger is that nobody has described yet (`BOOT-1`)."""
RETURN_WAIT_S: Final = 120.0
"""The longest wait for a charger that restarts for a Reset (`RE-3`)."""
AFTER_RETURN_S: Final = 5.0
"""A charger that is back has so long to report its restart: with that comes what it is and does now."""


def waits(charge_point: ChargePoint) -> bool:
    """Return whether a BootNotification that is due waits for the charger."""
    return Timer.CHARGER in charge_point.timers


def first_contact(charge_point: ChargePoint) -> None:
    """Wait for the first description of the charger, once, if nothing else says what it is.

    What a first BootNotification says stays in the inventory of the central system.
    """
    if charge_point.contacted:
        return
    charge_point.contacted = True
    state, settings = charge_point.state, charge_point.settings
    undescribed = state.charger_name and state.info is None  # one that has lost its charger learns nothing
    if undescribed and not (settings.vendor and settings.model) and not waits(charge_point):
        charge_point.set_timer(Timer.CHARGER, DESCRIPTION_WAIT_S)


def described(charge_point: ChargePoint) -> None:
    """Wait for the description no longer: it is there."""
    if not charge_point.state.return_until_ms:
        charge_point.cancel_timer(Timer.CHARGER)


def for_return(charge_point: ChargePoint) -> None:
    """Wait for the charger, which restarts."""
    charge_point.state.return_until_ms = charge_point.now.utc_ms + round(RETURN_WAIT_S * 1000)
    charge_point.set_timer(Timer.CHARGER, RETURN_WAIT_S)
    charge_point.mark_dirty()


def returned(charge_point: ChargePoint) -> None:
    """Wait no longer for a charger that can be reached again and has reported its restart."""
    state = charge_point.state
    if not (state.return_until_ms and charge_point.reachable):
        return
    if state.last_reset is not None and state.last_reset.restarted_ms is not None:
        over(charge_point)
    else:
        deadline = charge_point.timers[Timer.CHARGER]
        charge_point.set_timer(Timer.CHARGER, min(AFTER_RETURN_S, deadline - charge_point.now.mono))


def over(charge_point: ChargePoint) -> None:
    """Wait no longer: the BootNotification goes out with the next connection, or now."""
    charge_point.cancel_timer(Timer.CHARGER)
    if charge_point.state.return_until_ms:
        charge_point.state.return_until_ms = 0
        charge_point.mark_dirty()
        if not charge_point.epoch:
            charge_point.emit(ReopenLink("the wait for the charger is over"))


def resume(charge_point: ChargePoint) -> None:
    """After a restart of the process: go on waiting for a charger that was reset."""
    if charge_point.state.return_until_ms:
        charge_point.set_timer_until(Timer.CHARGER, charge_point.state.return_until_ms, RETURN_WAIT_S)
