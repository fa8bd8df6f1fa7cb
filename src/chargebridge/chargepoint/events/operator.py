"""Operations that an operator requests by way of the API."""

from chargebridge.chargepoint.central_system import calls, dead_letters, registration, resets, unlocking
from chargebridge.chargepoint.charger import commands, stopping, waiting_sessions
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.records import Transaction
from chargebridge.chargepoint.transactions import sessions, setting_aside
from chargebridge.chargepoint.turn import Operation, OperatorAnswered, OperatorAsked
from chargebridge.chargers.model import Capability
from chargebridge.ocpp16.enums import Reason, ResetType


def operator_asked(charge_point: ChargePoint, asked: OperatorAsked) -> None:
    """Carry out what an operator requests, with the same care as for the central system."""
    if asked.operation in {Operation.REDELIVER, Operation.SETTLE}:
        dead_letters.operator_asked(charge_point, asked)
        return  # answered when the store has read them
    if asked.operation is Operation.SET_ASIDE:
        setting_aside.operator_asked(charge_point, asked)
        return  # likewise, if it is not in memory
    if asked.operation is Operation.END:
        calls.drop_link(charge_point, "an operator has ended this charge point")
        setting_aside.end_all(charge_point, asked)
        return
    if asked.operation is Operation.BOOT:
        accepted, detail = _boot(charge_point)
    elif asked.operation is Operation.STOP_TRANSACTION:
        accepted, detail = _stop(charge_point)
    elif charge_point.settings.read_only:
        accepted, detail = False, commands.READ_ONLY
    elif not charge_point.reachable:
        accepted, detail = False, "the charger cannot be reached"
    elif asked.operation is Operation.RESET:
        running = charge_point.running
        accepted = resets.begin(charge_point, ResetType.SOFT)
        detail = _passed_on(charge_point, running) if accepted else "the charger cannot be restarted"
    elif Capability.UNLOCK not in charge_point.settings.capabilities:
        accepted, detail = False, "the charger has nothing to unlock"
    elif unlocking.begin(charge_point, "", asked.ask):
        return  # answered when the charger has tried
    else:
        accepted, detail = False, "an unlock is under way"
    charge_point.emit(OperatorAnswered(asked.ask, accepted, detail))


def _stop(charge_point: ChargePoint) -> tuple[bool, str]:
    running, over = charge_point.running, waiting_sessions.is_over(charge_point)
    if running is None:
        return False, "no transaction is running"
    if not charge_point.reachable and not over:
        return False, "the charger cannot be reached"
    if charge_point.settings.read_only and not over:
        return False, commands.READ_ONLY
    sessions.end_soon(charge_point)
    if charge_point.running is running:
        stopping.request_stop(charge_point, Reason.REMOTE)
    return True, _passed_on(charge_point, running)


def _passed_on(charge_point: ChargePoint, running: Transaction | None) -> str:
    """Say what becomes of the transaction that was running when the operator asked."""
    passed_on = "passed on to the charger"
    if running is None:
        return passed_on
    if charge_point.running is None or charge_point.running.number != running.number:
        return "the charger does not have this session any more: its transaction has ended"
    if waiting_sessions.is_over(charge_point):
        wait_s = charge_point.settings.end_hurried_s
        return f"the charger does not have this session any more: its transaction ends within {wait_s:g} s"
    wait_s = charge_point.settings.end_awaited_s
    return (
        f"{passed_on}; once it has carried that out, the transaction ends within {wait_s:g} s,"
        " even if no record of the session comes"
    )


def _boot(charge_point: ChargePoint) -> tuple[bool, str]:
    if not registration.boot_now(charge_point):
        return False, "the central system has registered this charge point already"
    if not charge_point.epoch:
        return True, "it boots with its next connection"
    return True, "it boots now"
