"""Sessions that may have been missed: the register of an idle charger is above the newest transaction's end.

The driver is asked once for each such edge. What it finds is reported like any other session; energy that
no session explains stays a notice.
"""

from math import isfinite
from typing import Final

from chargebridge.chargepoint.charger import commands, reported_sessions
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.transactions import latest_values
from chargebridge.chargepoint.transactions.latest_values import ENERGY
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import Measured

_EXPECTED_S: Final = 30.0
"""A session is usually reported so soon after the register has risen by it."""


def measured(charge_point: ChargePoint, event: Measured) -> None:
    """Look whether the register has risen behind the newest transaction, without a session."""
    edge_wh = charge_point.state.register_wh
    if charge_point.running is not None or edge_wh is None or Timer.MISSED_SESSIONS in charge_point.timers:
        return
    if edge_wh != charge_point.state.reports_asked_wh and any(
        reading.quantity is ENERGY and isfinite(reading.value) and reading.value > edge_wh
        for reading in event.readings
    ):
        charge_point.set_timer(Timer.MISSED_SESSIONS, _EXPECTED_S)


def ask(charge_point: ChargePoint) -> None:
    """Ask the driver for sessions behind the newest transaction, if the register is still above its end."""
    state, register = charge_point.state, latest_values.register(charge_point)
    edge_wh = state.register_wh
    if charge_point.running is not None or not charge_point.reachable or edge_wh is None or register is None:
        return  # a reading that comes later brings it up again
    if register.wh <= edge_wh:
        return
    newest = reported_sessions.newest(charge_point)
    charge_point.notice(
        NoticeKind.ENERGY_WITHOUT_SESSION, f"{register.wh - edge_wh} Wh since session {newest}"
    )
    ask_once(charge_point, edge_wh)


def ask_once(charge_point: ChargePoint, edge_wh: int) -> None:
    """Ask the driver for all sessions behind the newest transaction, which ends at this register.

    If that end was assumed, the record of that session may be what is missing: it is asked for, too.
    """
    state = charge_point.state
    if edge_wh == state.reports_asked_wh:
        return
    state.reports_asked_wh = edge_wh
    charge_point.mark_dirty()
    newest = reported_sessions.newest(charge_point)
    start = next((one for one in state.recent_starts if one.session == newest), None)
    if start is not None and reported_sessions.assumed(charge_point, newest) is not None:
        commands.report_sessions(charge_point, newest, start.at_ms, start.register_wh)
    else:
        commands.report_sessions(charge_point, newest + 1, state.register_ms, edge_wh)
