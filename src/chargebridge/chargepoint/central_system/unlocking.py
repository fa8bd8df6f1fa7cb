"""UnlockConnector: the answer is held until the charger has tried (`UL-*`, OCPP 1.6 §5.18)."""

from typing import Final

from chargebridge.chargepoint.charger import commands, stopping
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Purpose
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.model.volatile import HeldUnlock
from chargebridge.chargepoint.transactions import sessions
from chargebridge.chargepoint.turn import OperatorAnswered
from chargebridge.chargers.model import Capability
from chargebridge.ocpp16.enums import Reason, UnlockStatus
from chargebridge.ocpp16.messages import UnlockConnector, UnlockConnectorResponse

HELD_ANSWER_S: Final = 10.0
"""The central system waits no longer than this for an answer that the charger decides."""


def unlock_connector(
    charge_point: ChargePoint,
    request: UnlockConnector,
    call_id: str,
) -> UnlockConnectorResponse | None:
    """Answer UnlockConnector, or hold the answer until the charger has tried (`UL-1`, `UL-2`)."""
    if request.connector_id != 1 or Capability.UNLOCK not in charge_point.settings.capabilities:
        return UnlockConnectorResponse(status=UnlockStatus.NOT_SUPPORTED)
    if charge_point.settings.behaviour.unlock_sets_unlock_on_ev_side_disconnect:
        configuration.write(charge_point, "UnlockConnectorOnEVSideDisconnect", "true")
    if not begin(charge_point, call_id, 0):
        return UnlockConnectorResponse(status=UnlockStatus.UNLOCK_FAILED)
    return None


def begin(charge_point: ChargePoint, call_id: str, ask: int) -> bool:
    """Have the charger unlock, after the end of its session; return False if that is impossible now.

    Args:
        charge_point: whose charger.
        call_id: message id of the UnlockConnector that waits for the answer; empty for an operator.
        ask: number of the operator's request that waits for it; 0 for the central system.
    """
    if charge_point.held_unlock is not None or not charge_point.reachable:
        return False
    sessions.make_way(charge_point)  # the session that charges now is meant
    running = charge_point.running is not None
    charge_point.held_unlock = HeldUnlock(call_id, ask, waits_for_session=running)
    charge_point.set_timer(Timer.HELD_ANSWER, HELD_ANSWER_S)
    if running:
        stopping.request_stop(charge_point, Reason.UNLOCK_COMMAND)
    else:
        commands.unlock(charge_point)
    return True


def session_over(charge_point: ChargePoint) -> None:
    """Unlock now if an unlock has waited for the end of the session."""
    held = charge_point.held_unlock
    if held is not None and held.waits_for_session:
        charge_point.held_unlock = held._replace(waits_for_session=False)
        commands.unlock(charge_point)


def ended(charge_point: ChargePoint, *, unlocked: bool) -> None:
    """Answer who waits: the charger has tried to unlock."""
    if unlocked and charge_point.state.locked is not None:
        charge_point.state.locked = None
        charge_point.mark_dirty()
    held = charge_point.held_unlock
    if held is None or held.waits_for_session:
        return  # the outcome of one whose link is gone
    _answer(charge_point, held, unlocked=unlocked)


def _answer(charge_point: ChargePoint, held: HeldUnlock, *, unlocked: bool) -> None:
    charge_point.held_unlock = None
    charge_point.cancel_timer(Timer.HELD_ANSWER)
    if held.ask:
        detail = "unlocked" if unlocked else "the charger did not unlock"
        charge_point.emit(OperatorAnswered(held.ask, unlocked, detail))
    else:
        status = UnlockStatus.UNLOCKED if unlocked else UnlockStatus.UNLOCK_FAILED
        charge_point.answer(held.call_id, UnlockConnectorResponse(status=status))


def held_answer_overdue(charge_point: ChargePoint) -> None:
    """Answer that the charger did not unlock in time; whatever it does later is not repeated."""
    commands.forget(charge_point, Purpose.UNLOCK)
    if charge_point.held_unlock is not None:
        _answer(charge_point, charge_point.held_unlock, unlocked=False)


def link_lost(charge_point: ChargePoint) -> None:
    """Drop a held answer with its link."""
    if charge_point.held_unlock is not None and not charge_point.held_unlock.ask:
        charge_point.held_unlock = None
        charge_point.cancel_timer(Timer.HELD_ANSWER)
