"""ChangeAvailability: operative and inoperative (`AV-*`, `ST-9`, OCPP 1.6 §5.2)."""

from chargebridge.chargepoint.charger import commands
from chargebridge.chargepoint.connector import status
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargers.model import Capability, ChargerState
from chargebridge.ocpp16.enums import AvailabilityStatus, AvailabilityType
from chargebridge.ocpp16.messages import ChangeAvailability, ChangeAvailabilityResponse

_NOBODY_THERE = frozenset({None, ChargerState.DISCONNECTED, ChargerState.DISABLED, ChargerState.FAULTED})


def operative(charge_point: ChargePoint) -> bool:
    """Whether a transaction may start as far as availability goes (`AV-6`)."""
    state = charge_point.state
    return state.operative and state.connector_operative and charge_point.settled


def change_availability(
    charge_point: ChargePoint,
    request: ChangeAvailability,
) -> ChangeAvailabilityResponse:
    """Answer ChangeAvailability: now, or when the transaction on the connector is over (`AV-1`)."""
    unknown = request.connector_id not in {0, 1}
    if unknown or commands.refused_as_read_only(charge_point, "ChangeAvailability"):
        return ChangeAvailabilityResponse(status=AvailabilityStatus.REJECTED)
    state = charge_point.state
    wanted = request.type is AvailabilityType.OPERATIVE
    # A newer request replaces a scheduled one (AV-5).
    waiting = tuple(change for change in state.scheduled if change[0] != request.connector_id)
    if waiting != state.scheduled:
        state.scheduled = waiting
        charge_point.mark_dirty()
    present = state.connector_operative if request.connector_id else state.operative
    disabled = state.charger is ChargerState.DISABLED  # perhaps by the maker's own app
    if present != wanted or (wanted and disabled):
        charge_point.mark_dirty()
        if not wanted and not _idle(charge_point):
            state.scheduled = (*waiting, (request.connector_id, wanted))
            return ChangeAvailabilityResponse(status=AvailabilityStatus.SCHEDULED)
        _apply(charge_point, request.connector_id, wanted)
    return ChangeAvailabilityResponse(status=AvailabilityStatus.ACCEPTED)


def _idle(charge_point: ChargePoint) -> bool:
    state = charge_point.state
    return charge_point.running is None and state.intent is None and state.charger in _NOBODY_THERE


def apply_scheduled(charge_point: ChargePoint, *, transaction_over: bool = False) -> None:
    """Carry out scheduled changes, when a transaction has ended or the connector is free."""
    state = charge_point.state
    if state.scheduled and (transaction_over or _idle(charge_point)):
        scheduled, state.scheduled = state.scheduled, ()
        for number, wanted in scheduled:
            _apply(charge_point, number, wanted)


def _apply(charge_point: ChargePoint, number: int, wanted: bool) -> None:
    state = charge_point.state
    if number:
        state.connector_operative = wanted
    else:
        state.operative = wanted
    charge_point.mark_dirty()
    if Capability.AVAILABILITY in charge_point.settings.capabilities:
        commands.set_available(charge_point, available=state.operative and state.connector_operative)


def described(charge_point: ChargePoint) -> None:
    """Command the availability of a newly described charger, where it may be another one."""
    state = charge_point.state
    usable = state.operative and state.connector_operative
    had_another = state.newest_elsewhere is not None
    if (had_another or not usable) and Capability.AVAILABILITY in charge_point.settings.capabilities:
        commands.set_available(charge_point, available=usable)


def restored(charge_point: ChargePoint) -> None:
    """Command the availability that the store says: since the backup another may have been commanded."""
    state = charge_point.state
    if Capability.AVAILABILITY in charge_point.settings.capabilities:
        commands.set_available(charge_point, available=state.operative and state.connector_operative)


def begin_settling(charge_point: ChargePoint) -> None:
    """After a reset or restart an inoperative charge point is Available for some seconds, if it behaves so.

    They begin when it is registered and when the charger is back: of one that is still booting nothing
    new is reported.
    """
    if not (charge_point.accepted and charge_point.reachable):
        return
    seconds = charge_point.settings.behaviour.available_after_boot_s
    state = charge_point.state
    restarted, charge_point.restarted = charge_point.restarted, False
    if restarted and seconds > 0 and not (state.operative and state.connector_operative):
        charge_point.settled = False
        charge_point.set_timer(Timer.SETTLE, seconds)


def settled(charge_point: ChargePoint) -> None:
    """Report Unavailable: the seconds of Available are over."""
    charge_point.settled = True
    status.refresh(charge_point)
