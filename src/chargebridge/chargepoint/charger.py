"""What the charger tells: each event to the concern it is for."""

from typing import TYPE_CHECKING

from chargebridge.chargepoint import (
    authorization,
    boot,
    calls,
    commands,
    meter_values,
    remote_control,
    transactions,
)
from chargebridge.chargepoint.state import State, Told
from chargebridge.chargepoint.timers import Timer
from chargebridge.chargepoint.turn import Assigned, NoticeKind
from chargebridge.chargers.model import (
    ChargerEvent,
    ChargerState,
    Measured,
    Reachable,
    Restarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint


def told(charge_point: "ChargePoint", event: ChargerEvent) -> None:
    """Take one event; the driver may repeat it, and may be late with it."""
    match event:
        case Measured():
            meter_values.measured(charge_point, event)
        case StateChanged():
            _state_changed(charge_point, event)
        case SessionStarted():
            transactions.session_started(charge_point, event)
        case SessionEnded():
            transactions.session_ended(charge_point, event)
        case TokenPresented():
            authorization.token_presented(charge_point, event)
        case Reachable():
            _reachable(charge_point, event)
        case Restarted():
            remote_control.charger_restarted(charge_point, event)


def _state_changed(charge_point: "ChargePoint", event: StateChanged) -> None:
    state = charge_point.state
    if event.at_ms < state.charger_ms:
        charge_point.notice(NoticeKind.EVENT_IGNORED, "state: older than the last")
        return
    same = (event.state, event.reason, event.fault) == (state.charger, state.reason, state.fault)
    if same and state.charger_ms:
        return
    # A charger's clock that was ahead must not silence it until then.
    state.charger, state.charger_ms = event.state, min(event.at_ms, charge_point.now.utc_ms)
    state.reason, state.fault = event.reason, event.fault
    if event.state is ChargerState.DISCONNECTED:
        state.finished = False
    charge_point.changed()
    authorization.car_waits(charge_point)


def _reachable(charge_point: "ChargePoint", event: Reachable) -> None:
    state = charge_point.state
    if event.reachable == state.reachable:
        if event.reachable:
            commands.reconcile(charge_point)
        return
    # No look at its time: a driver that comes back tells since when, which may be long before it left.
    state.reachable = event.reachable
    charge_point.changed()
    if event.reachable:
        commands.reconcile(charge_point)
        boot.schedule_heartbeat(charge_point)
    else:
        charge_point.heartbeat_due = False


def released(charge_point: "ChargePoint") -> None:
    """The charger is no longer this charge point's: what runs ends with what is known of it.

    What the central system has said of availability stays. Another charger counts its sessions and
    its time anew.
    """
    transactions.abandon(charge_point)
    remote_control.held_answer_overdue(charge_point)
    charge_point.authorizing = charge_point.latest = charge_point.telemetry = None
    calls.disown_authorize(charge_point)
    charge_point.heartbeat_due = False
    for timer in (Timer.CONNECTION, Timer.COMMAND, Timer.RESET):
        charge_point.cancel_timer(timer)
    state = charge_point.state
    charge_point.state = State(
        boots=state.boots,
        operative=state.operative,
        connector_operative=state.connector_operative,
        scheduled=state.scheduled,
        command_number=state.command_number,
    )
    charge_point.changed()


def assigned(charge_point: "ChargePoint", assigned: Assigned) -> None:
    """A charger is this charge point's from now on: what was told of it before is not told again."""
    charge_point.state.told = (
        Told(assigned.session, assigned.at_ms, assigned.register_wh) if assigned.session else None
    )
    charge_point.changed()
