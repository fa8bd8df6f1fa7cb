"""The state of a charger, derived from its op mode and related observations."""

from collections.abc import Mapping
from typing import Final

from chargebridge.chargers.easee.twin.vocabulary import OpMode, ReasonForNoCurrent
from chargebridge.chargers.model import ChargerState, Fault

FAULTS: Final[Mapping[int, Fault]] = {
    OpMode.ERROR: Fault.OTHER,
    OpMode.ERRATIC_EV: Fault.EV_COMMUNICATION,
    OpMode.ERROR_TEMPERATURE_TOO_HIGH: Fault.HIGH_TEMPERATURE,
    OpMode.ERROR_DEAD_POWERBOARD: Fault.INTERNAL,
    OpMode.ERROR_OVERCURRENT: Fault.OVER_CURRENT,
    OpMode.ERROR_PEN_FAULT: Fault.GROUND,
}
WAITS_FOR_TOKEN: Final = frozenset(
    {
        OpMode.AWAITING_AUTHENTICATION,
        OpMode.DEAUTHENTICATING,
        OpMode.AWAITING_AUTHORIZATION,
        OpMode.AUTHENTICATING,
    }
)
OFFERS: Final = frozenset({OpMode.COMPLETED, OpMode.READY_TO_CHARGE, OpMode.START_CHARGING})
OFFLINE: Final = frozenset({OpMode.OFFLINE, OpMode.OFFLINE_EXTENDED})


def state_of(
    mode: int,
    reason: int | None,
    *,
    enabled: bool,
    in_session: bool,
    authorized: bool,
    flows: bool = False,
) -> ChargerState | None:
    """Return the state of a charger; None: its cloud does not know it.

    Args:
        mode: observation 109; not a fault.
        reason: the reason for no current, observation 96.
        enabled: observation 31.
        in_session: whether a session is running.
        authorized: whether the plugged-in car may charge.
        flows: whether current has flowed since the charger reported this mode; one that is ready to charge
            may stay so while it charges.
    """
    if mode == OpMode.CHARGING or (mode == OpMode.READY_TO_CHARGE and flows):
        return ChargerState.CHARGING
    if mode in OFFLINE:
        return None
    if not in_session and (not enabled or reason == ReasonForNoCurrent.CHARGER_DISABLED):
        return ChargerState.DISABLED
    if mode == OpMode.DISCONNECTED:
        return ChargerState.DISCONNECTED
    pending = reason == ReasonForNoCurrent.PENDING_AUTHORIZATION
    if mode in WAITS_FOR_TOKEN or pending or not authorized:
        return ChargerState.AWAITING_TOKEN
    return ChargerState.READY if mode in OFFERS else ChargerState.AWAITING_START
