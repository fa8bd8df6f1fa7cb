"""Operations that an operator requests by way of the API."""

from chargebridge.chargepoint.central_system import calls, dead_letters, registration, resets, unlocking
from chargebridge.chargepoint.charger import stopping
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.transactions import setting_aside
from chargebridge.chargepoint.turn import Operation, OperatorAnswered, OperatorAsked
from chargebridge.chargers.model import Capability
from chargebridge.ocpp16.enums import Reason, ResetType


def operator_asked(charge_point: ChargePoint, asked: OperatorAsked) -> None:
    """Carry out what an operator requests, with the same care as for the central system."""
    accepted, detail = True, "passed on to the charger"
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
    elif not charge_point.reachable:
        accepted, detail = False, "the charger cannot be reached"
    elif asked.operation is Operation.STOP_TRANSACTION:
        if charge_point.running is None:
            accepted, detail = False, "no transaction is running"
        else:
            stopping.request_stop(charge_point, Reason.REMOTE)
    elif asked.operation is Operation.RESET:
        if not resets.begin(charge_point, ResetType.SOFT):
            accepted, detail = False, "the charger cannot be restarted"
    elif Capability.UNLOCK not in charge_point.settings.capabilities:
        accepted, detail = False, "the charger has nothing to unlock"
    elif unlocking.begin(charge_point, "", asked.ask):
        return  # answered when the charger has tried
    else:
        accepted, detail = False, "an unlock is under way"
    charge_point.emit(OperatorAnswered(asked.ask, accepted, detail))


def _boot(charge_point: ChargePoint) -> tuple[bool, str]:
    if not registration.boot_now(charge_point):
        return False, "the central system has registered this charge point already"
    if not charge_point.epoch:
        return True, "it boots with its next connection"
    return True, "it boots now"
