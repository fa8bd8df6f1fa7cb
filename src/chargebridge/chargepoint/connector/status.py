"""StatusNotification: the status of the connectors, and its sequence (`ST-*`, OCPP 1.6 §4.9).

The status is computed from the state, never stored by itself. Each change is reported in order while the
link is open. Where the charger skips a step that OCPP requires, that step is reported, too.
"""

from collections.abc import Mapping
from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.model.volatile import StatusReport
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import ChargerState, Fault
from chargebridge.clock import format_utc
from chargebridge.ocpp16.enums import ChargePointErrorCode as ErrorCode
from chargebridge.ocpp16.enums import ChargePointStatus as Status
from chargebridge.ocpp16.messages import StatusNotification
from chargebridge.ocpp16.text import fit_ascii

CHARGER_OFFLINE: Final = "charger offline"
EV_SIDE_DISCONNECTED: Final = "EV side disconnected"
REASON_SETTLES_S: Final = 5.0
"""A reason (vendorErrorCode) that changes alone is reported after so long, if it is another one then: one
limit reaches a charger by several commands, and each changes the reason."""
MOST_UNSENT: Final = 16
"""Changes that wait to be sent; above that detours are left out, oldest first."""
_MOST_HANG_UPS: Final = 3
"""Ends of the connection at a StatusNotification in a row; behind that, statuses no longer come first."""

_ERRORS: Final[Mapping[Fault, ErrorCode]] = {
    Fault.CONNECTOR_LOCK: ErrorCode.CONNECTOR_LOCK_FAILURE,
    Fault.EV_COMMUNICATION: ErrorCode.EV_COMMUNICATION_ERROR,
    Fault.GROUND: ErrorCode.GROUND_FAILURE,
    Fault.HIGH_TEMPERATURE: ErrorCode.HIGH_TEMPERATURE,
    Fault.INTERNAL: ErrorCode.INTERNAL_ERROR,
    Fault.OVER_CURRENT: ErrorCode.OVER_CURRENT_FAILURE,
    Fault.OVER_VOLTAGE: ErrorCode.OVER_VOLTAGE,
    Fault.POWER_METER: ErrorCode.POWER_METER_FAILURE,
    Fault.POWER_SWITCH: ErrorCode.POWER_SWITCH_FAILURE,
    Fault.READER: ErrorCode.READER_FAILURE,
    Fault.UNDER_VOLTAGE: ErrorCode.UNDER_VOLTAGE,
    Fault.WEAK_SIGNAL: ErrorCode.WEAK_SIGNAL,
    Fault.OTHER: ErrorCode.OTHER_ERROR,
}
ACTIVE: Final = frozenset({Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE})

_WITH_CAR_TROUBLE: Final = frozenset(
    {Status.PREPARING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE, Status.FINISHING, Status.FAULTED},
)

_IN_SESSION: Final[Mapping[ChargerState, Status]] = {
    ChargerState.CHARGING: Status.CHARGING,
    ChargerState.READY: Status.SUSPENDED_EV,
    ChargerState.AWAITING_START: Status.SUSPENDED_EVSE,
    ChargerState.DISABLED: Status.SUSPENDED_EVSE,
}


# Steps that are no transition of OCPP 1.6 §4.9, and the status to pass through instead.
_DETOURS: Final[Mapping[tuple[Status, Status], Status]] = {
    (Status.AVAILABLE, Status.FINISHING): Status.PREPARING,
    (Status.PREPARING, Status.UNAVAILABLE): Status.AVAILABLE,
    (Status.CHARGING, Status.PREPARING): Status.FINISHING,
    (Status.SUSPENDED_EV, Status.PREPARING): Status.FINISHING,
    (Status.SUSPENDED_EVSE, Status.PREPARING): Status.FINISHING,
    (Status.FINISHING, Status.CHARGING): Status.PREPARING,
    (Status.FINISHING, Status.SUSPENDED_EV): Status.PREPARING,
    (Status.FINISHING, Status.SUSPENDED_EVSE): Status.PREPARING,
    (Status.UNAVAILABLE, Status.FINISHING): Status.PREPARING,
}


def current(charge_point: ChargePoint, number: int) -> StatusReport:
    """Return the present status of a connector, as it is to be reported."""
    state = charge_point.state
    if not charge_point.reachable and state.charger is not None:
        # The present one is unknown: the last is repeated, and marked as such.
        last = charge_point.reported_statuses[number] or _known(charge_point, number)
        return last._replace(error=ErrorCode.OTHER_ERROR, info=CHARGER_OFFLINE, vendor_error="")
    return _known(charge_point, number)


def _known(charge_point: ChargePoint, number: int) -> StatusReport:
    return connector(charge_point) if number else _whole(charge_point)


def _whole(charge_point: ChargePoint) -> StatusReport:
    state = charge_point.state
    usable = state.charger is not None and (state.operative or not charge_point.settled)
    status = Status.AVAILABLE if usable else Status.UNAVAILABLE
    if state.reset_failed:
        return StatusReport(0, status, ErrorCode.RESET_FAILURE)
    if state.list_conflict is not None:
        info = f"local list differs for idTag {state.list_conflict}"  # 50 characters at most
        return StatusReport(0, status, ErrorCode.LOCAL_LIST_CONFLICT, info)
    return StatusReport(0, status)


def connector(charge_point: ChargePoint) -> StatusReport:
    """Return the status of the charger's one connector."""
    state = charge_point.state
    status = _status(charge_point)
    error = _ERRORS[state.fault] if state.fault is not None else ErrorCode.NO_ERROR
    if status is Status.FAULTED and state.fault is None:
        error = ErrorCode.OTHER_ERROR
    if error is ErrorCode.EV_COMMUNICATION_ERROR and status not in _WITH_CAR_TROUBLE:
        error = ErrorCode.NO_ERROR  # ST-5
    info = EV_SIDE_DISCONNECTED if status is Status.FINISHING and state.unplugged else ""
    vendor_error = fit_ascii(state.reason, 50) if status is Status.SUSPENDED_EVSE else ""
    return StatusReport(1, status, error, info, vendor_error)


def _status(charge_point: ChargePoint) -> Status:
    state = charge_point.state
    charger = state.charger
    if charger is None:
        return Status.UNAVAILABLE
    if charger is ChargerState.FAULTED:
        return Status.FAULTED
    if charge_point.running is not None:
        status = _IN_SESSION.get(charger)
        if status is not None:
            return status
        # The session's edges and the charger's state arrive one after the other.
        before = charge_point.reported_statuses[1]
        return before.status if before is not None and before.status in ACTIVE else Status.PREPARING
    if not (state.operative and state.connector_operative) or charger is ChargerState.DISABLED:
        return Status.AVAILABLE if not charge_point.settled else Status.UNAVAILABLE
    if charger is ChargerState.DISCONNECTED:
        return Status.PREPARING if state.intent is not None else Status.AVAILABLE
    return Status.FINISHING if state.finished and state.intent is None else Status.PREPARING


def refresh(charge_point: ChargePoint, *, settled: bool = False) -> None:
    """Queue the statuses that have changed; while offline only the newest counts (`ST-7`).

    Args:
        charge_point: whose statuses.
        settled: queue a status whose reason alone has changed, too, which otherwise waits (`ST-4`).
    """
    if not charge_point.reachable:
        return  # nothing unprompted while the charger is unknown
    settles = False
    for number in (0, 1):
        report, last = _known(charge_point, number), charge_point.reported_statuses[number]
        if not charge_point.status_failed:
            if report == last:
                continue
            if not settled and last is not None and report._replace(vendor_error=last.vendor_error) == last:
                settles = True
                continue
        if charge_point.online and last is not None:
            detour = _DETOURS.get((last.status, report.status))
            if detour is not None:
                _queue(charge_point, StatusReport(number, detour))
        _queue(charge_point, report)
    charge_point.status_failed = False
    if not settles:
        charge_point.cancel_timer(Timer.REASON)
    elif Timer.REASON not in charge_point.timers:
        charge_point.set_timer(Timer.REASON, REASON_SETTLES_S)


def reason_settled(charge_point: ChargePoint) -> None:
    """Report the reason that holds now, if it is another one than was reported."""
    refresh(charge_point, settled=True)


def not_delivered(charge_point: ChargePoint) -> None:
    """Report all statuses again, with the next heartbeat or change: the central system failed to take one.

    Often enough to be right, too seldom to flood. The sequence goes on from what was meant to be sent.
    """
    charge_point.status_failed = True


def unplugged(charge_point: ChargePoint) -> None:
    """Report Finishing after a session that ended at the car's side, even if the car is gone (`TX-14`).

    Not where Unavailable has waited for that end: then that is reported at once (`AV-1`).
    """
    if any(not operative for _, operative in charge_point.state.scheduled):
        return
    last = charge_point.reported_statuses[1]
    gone = not charge_point.state.finished
    if gone and charge_point.online and charge_point.reachable and last is not None and last.status in ACTIVE:
        _queue(charge_point, StatusReport(1, Status.FINISHING, info=EV_SIDE_DISCONNECTED))


def connected(charge_point: ChargePoint) -> bool:
    """Report the state of now first on a new connection, unless connections end at that again and again.

    Then all else would wait for ever behind it. So it comes with the next heartbeat or change (`Q-12`).

    Returns:
        Whether it comes first.
    """
    if charge_point.status_hang_ups < _MOST_HANG_UPS:
        announce(charge_point)
        return True
    not_delivered(charge_point)
    return False


def hung_up(charge_point: ChargePoint) -> None:
    """Count an end of the connection at a StatusNotification."""
    charge_point.status_hang_ups += 1


def forget_hang_ups(charge_point: ChargePoint) -> None:
    """Count anew: the connection ends at everything."""
    charge_point.status_hang_ups = 0


def heartbeat_answered(charge_point: ChargePoint) -> None:
    """Notify the operator if the connection ends at statuses: the central system is not away."""
    if charge_point.status_hang_ups == _MOST_HANG_UPS:
        detail = f"status: the connection ended at it, {_MOST_HANG_UPS} in a row"
        charge_point.notice(NoticeKind.HANG_UP, detail)


def answered(charge_point: ChargePoint) -> None:
    """Count anew once the central system has answered all statuses that were to be sent."""
    if not charge_point.statuses:
        charge_point.status_hang_ups = 0


def announce(charge_point: ChargePoint) -> None:
    """Queue the state of now for connector 0 and 1 (`BOOT-4`, after every connect)."""
    charge_point.statuses = []
    for number in (0, 1):
        report = current(charge_point, number)
        _queue(charge_point, report)


def _queue(charge_point: ChargePoint, report: StatusReport) -> None:
    whole, outlet = charge_point.reported_statuses
    charge_point.reported_statuses = (whole, report) if report.connector else (report, outlet)
    if charge_point.online:
        charge_point.statuses = _without_detours([*charge_point.statuses, report])


def _without_detours(reports: list[StatusReport]) -> list[StatusReport]:
    """Shorten what waits to be sent, if it is too much: the sequence stays one that OCPP allows.

    What lies between a status and the same one again is left out. There are nine statuses, so among
    so many reports one comes back.
    """
    while len(reports) > MOST_UNSENT:
        seen: dict[tuple[int, Status], int] = {}
        for place, report in enumerate(reports):
            first = seen.setdefault((report.connector, report.status), place)
            if first != place:
                reports = [
                    other
                    for at, other in enumerate(reports)
                    if not first <= at < place or other.connector != report.connector
                ]
                break
    return reports


def notification(charge_point: ChargePoint, report: StatusReport) -> StatusNotification:
    """Write a report; its time is that of the report, not of the beginning of the status."""
    return StatusNotification(
        connector_id=report.connector,
        status=report.status,
        error_code=report.error,
        info=report.info or None,
        vendor_error_code=report.vendor_error or None,
        timestamp=format_utc(charge_point.now.utc_ms),
    )
