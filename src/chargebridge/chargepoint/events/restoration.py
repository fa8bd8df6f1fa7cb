"""After a restore of the store from a backup: what the charger may know that the store does not."""

from typing import Final

from chargebridge.chargepoint.charger import commands, reported_sessions
from chargebridge.chargepoint.connector import availability
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Purpose
from chargebridge.chargepoint.records import ReportedSession
from chargebridge.chargers.model import Capability, Outcome

_FINAL: Final = frozenset({Outcome.DONE, Outcome.REFUSED, Outcome.IMPOSSIBLE})


def resume(charge_point: ChargePoint) -> None:
    """Have the charger brought to what the store says: it may have confirmed something else since."""
    charge_point.restored_anew = False
    # What an earlier restore has missed may not have been found by the time of the backup.
    edges = (charge_point.state.missed_from, _missed_from(charge_point))
    known = (edge for edge in edges if edge is not None)
    charge_point.state.missed_from = min(known, key=lambda edge: edge.session, default=None)
    charge_point.mark_dirty()
    availability.restored(charge_point)
    if Capability.LIMIT in charge_point.settings.capabilities and charge_point.state.limit is None:
        commands.set_limit(charge_point, None, None)


def _missed_from(charge_point: ChargePoint) -> ReportedSession | None:
    """Return the first session that may have been missed; None: there is no edge to look from."""
    state, running = charge_point.state, charge_point.running
    if running is not None:
        return ReportedSession(running.session, running.started_ms, running.meter_start_wh)
    if state.register_wh is None:
        return None
    return ReportedSession(reported_sessions.newest(charge_point) + 1, state.register_ms, state.register_wh)


def ask_for_missed_sessions(charge_point: ChargePoint) -> None:
    """Have the driver report the session that ran at the backup and every later one, once it can be asked.

    Not from the newest one that is known by then: what the driver repeats by itself may come first.
    """
    missed = charge_point.state.missed_from
    if missed is not None and commands.outstanding(charge_point, Purpose.SESSIONS) is None:
        commands.report_sessions(charge_point, missed.session, missed.at_ms, missed.register_wh)


def sessions_reported(charge_point: ChargePoint, first: int, outcome: Outcome) -> None:
    """Ask no more, if the driver has looked or never will; else once more in a while.

    Args:
        charge_point: whose driver.
        first: the first session that it was asked for.
        outcome: of that.
    """
    missed = charge_point.state.missed_from
    if missed is None:
        return
    if outcome in _FINAL and first <= missed.session:
        charge_point.state.missed_from = None
        charge_point.mark_dirty()
    else:
        commands.check_in(charge_point, commands.RETRY_S)
