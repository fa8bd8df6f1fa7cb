"""After a restore of the store from a backup: what the charger may know that the store does not."""

from typing import Final

from chargebridge.chargepoint.charger import commands, reported_sessions
from chargebridge.chargepoint.connector import availability
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Purpose
from chargebridge.chargers.model import Capability, Outcome

_FINAL: Final = frozenset({Outcome.DONE, Outcome.REFUSED, Outcome.IMPOSSIBLE})


def resume(charge_point: ChargePoint) -> None:
    """Have the charger brought to what the store says: it may have confirmed something else since."""
    charge_point.restored_anew = False
    charge_point.mark_dirty()
    availability.restored(charge_point)
    if Capability.LIMIT in charge_point.settings.capabilities and charge_point.state.limit is None:
        commands.set_limit(charge_point, None, None)


def ask_for_missed_sessions(charge_point: ChargePoint) -> None:
    """Have the driver report the running session and every later one, once it can be asked."""
    state, running = charge_point.state, charge_point.running
    if not state.missed_wanted or commands.outstanding(charge_point, Purpose.SESSIONS) is not None:
        return
    if running is not None:
        edge = running.session, running.started_ms, running.meter_start_wh
    else:
        assert state.register_wh is not None
        edge = reported_sessions.newest(charge_point) + 1, state.register_ms, state.register_wh
    commands.report_sessions(charge_point, *edge)


def sessions_reported(charge_point: ChargePoint, outcome: Outcome) -> None:
    """Ask no more, if the driver has looked or never will; else once more in a while."""
    if not charge_point.state.missed_wanted:
        return
    if outcome in _FINAL:
        charge_point.state.missed_wanted = False
        charge_point.mark_dirty()
    else:
        commands.check_in(charge_point, commands.RETRY_S)
