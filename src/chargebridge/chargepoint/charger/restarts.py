"""Restarts of the charger: which one is that of a Reset (`RE-*`)."""

from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.ocpp16.enums import Reason, ResetType

RESTART_EXPECTED_S: Final = 600.0
"""After a reset the charger's next restart is ours for so long."""
REASONS: Final = {ResetType.SOFT: Reason.SOFT_RESET, ResetType.HARD: Reason.HARD_RESET}
RESETS: Final = frozenset(REASONS.values())
_CLOCKS_APART_MS: Final = 60_000
"""The charger's clock, by which a session ended, may be so far from the host's."""


def expect(charge_point: ChargePoint) -> None:
    """Take the charger's next restart for that of a Reset."""
    charge_point.state.restart_expected_ms = charge_point.now.utc_ms + round(RESTART_EXPECTED_S * 1000)
    charge_point.set_timer(Timer.RESTART, RESTART_EXPECTED_S)
    charge_point.mark_dirty()


def restart_overdue(charge_point: ChargePoint) -> None:
    """Take the charger's next restart for its own again."""
    charge_point.state.restart_expected_ms = 0
    charge_point.cancel_timer(Timer.RESTART)
    charge_point.mark_dirty()


def reset_at(charge_point: ChargePoint, at_ms: int) -> Reason | None:
    """Return the reason of a session that ended with a restart at this time, if that was our reset's."""
    reset = charge_point.state.last_reset
    if reset is None:
        return None
    until_ms = reset.restarted_ms
    if until_ms is None:
        until_ms = reset.asked_ms + round(RESTART_EXPECTED_S * 1000)
    return REASONS[reset.kind] if reset.asked_ms - _CLOCKS_APART_MS <= at_ms <= until_ms else None
