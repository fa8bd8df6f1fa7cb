"""What the charger tells: each event to the concern it is for."""

from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import structs

from chargebridge.chargepoint import (
    authorization,
    availability,
    boot,
    calls,
    commands,
    configuration,
    heard,
    kept_list,
    limits,
    memory_wear,
    meter_values,
    outcomes,
    remote_control,
    sessions,
    status,
    transactions,
)
from chargebridge.chargepoint.records import Told
from chargebridge.chargepoint.state import Purpose, State
from chargebridge.chargepoint.timers import Timer
from chargebridge.chargepoint.turn import Assigned, NoticeKind
from chargebridge.chargers.model import (
    Capability,
    ChargerEvent,
    ChargerInfo,
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
    match heard.believed(charge_point, event):
        case None:
            charge_point.notice(NoticeKind.EVENT_IGNORED, f"{type(event).__name__}: a replay")
        case Measured() as event:
            meter_values.measured(charge_point, event)
        case StateChanged() as event:
            _state_changed(charge_point, event)
        case SessionStarted() as event:
            transactions.session_started(charge_point, event)
        case SessionEnded() as event:
            transactions.session_ended(charge_point, event)
        case TokenPresented() as event:
            authorization.token_presented(charge_point, event)
        case Reachable() as event:
            _reachable(charge_point, event)
        case Restarted() as event:
            remote_control.charger_restarted(charge_point, event)


def _state_changed(charge_point: "ChargePoint", event: StateChanged) -> None:
    state = charge_point.state
    now_ms, newest = charge_point.now.utc_ms, event.at_ms == state.states.newest_ms
    if state.states.is_later_than(event.at_ms, now_ms) or (state.states.repeats(event.at_ms) and not newest):
        charge_point.notice(NoticeKind.EVENT_IGNORED, "state: older than the last")
        return
    same = (event.state, event.reason, event.fault) == (state.charger, state.reason, state.fault)
    if same:
        return
    if state.charger is ChargerState.DISCONNECTED:
        limits.lost(charge_point)  # by a newly plugged-in car
    state.states = state.states.with_event(event.at_ms, now_ms)
    heard.note(charge_point, event.at_ms)
    state.charger = event.state
    state.reason, state.fault = event.reason, event.fault
    if event.state is ChargerState.DISCONNECTED:
        state.finished = state.unplugged = False
        state.locked = None
    charge_point.changed()
    authorization.car_waits(charge_point)


def _reachable(charge_point: "ChargePoint", event: Reachable) -> None:
    if event.reachable == charge_point.reachable:
        if event.reachable:
            outcomes.reconcile(charge_point)
        return
    # No look at its time: a driver that comes back tells since when, which may be long before it left.
    charge_point.reachable = event.reachable
    if event.reachable:
        availability.begin_settling(charge_point)
        status.refresh(charge_point)
        outcomes.reconcile(charge_point)
        boot.schedule_heartbeat(charge_point)
    else:
        charge_point.heartbeat_due = False


def described(charge_point: "ChargePoint", info: ChargerInfo) -> None:
    """Take in what the driver says of the charger."""
    state = charge_point.state
    if info == state.info:
        return
    comes_from_elsewhere = state.info is None and state.told is not None
    state.info = structs.replace(info, capabilities=_shared(info.capabilities))
    state.firmware = state.firmware or info.firmware
    if Capability.PLAN not in info.capabilities:
        state.plan_unknown = state.plan is not None  # does it still follow what it has?
    charge_point.adopt(charge_point.configured)
    configuration.take_back_what_cannot_be(charge_point)
    availability.described(charge_point)
    if comes_from_elsewhere:
        # It may keep list, cache and limit of whoever had it before.
        state.list_revision += 1
        state.foreign_cache = Capability.CACHE in info.capabilities
        if Capability.LIMIT in info.capabilities:
            commands.set_limit(charge_point, None, None)
    charge_point.changed()
    if charge_point.reachable:
        outcomes.reconcile(charge_point)


@lru_cache(maxsize=64)
def _shared(capabilities: frozenset[Capability]) -> frozenset[Capability]:
    """Return one set for all chargers that can do the same."""
    return capabilities


def released(charge_point: "ChargePoint") -> None:
    """The charger is no longer this charge point's: what runs ends with what is known of it.

    What the central system has said of availability stays. Another charger counts its sessions and
    its time anew.
    """
    charge_point.reachable = False
    if commands.outstanding(charge_point, Purpose.PLAN) is not None:
        limits.plan_perhaps_written(charge_point)
    transactions.abandon(charge_point)
    remote_control.held_answer_overdue(charge_point)
    charge_point.authorizing = charge_point.latest = charge_point.telemetry = None
    calls.disown_authorize(charge_point)
    charge_point.heartbeat_due = False
    kept_list.forget(charge_point)
    for timer in (
        Timer.CONNECTION,
        Timer.COMMAND,
        Timer.RESET,
        Timer.REBOOT,
        Timer.LIMIT,
        Timer.SESSION_END,
        Timer.RESTART,
    ):
        charge_point.cancel_timer(timer)
    state = charge_point.state
    charge_point.state = State(
        operative=state.operative,
        connector_operative=state.connector_operative,
        scheduled=state.scheduled,
        command_number=state.command_number,
        list_version=state.list_version,
        list_revision=state.list_revision,
        list_conflict=state.list_conflict,
        dynamic=state.dynamic,
    )
    charge_point.adopt(charge_point.configured)
    charge_point.changed()


def assigned(charge_point: "ChargePoint", assigned: Assigned) -> None:
    """A charger is this charge point's from now on: what was told of it before is not told again."""
    charge_point.state.told = (
        Told(assigned.session, assigned.at_ms, assigned.register_wh) if assigned.session else None
    )
    sessions.told_elsewhere(charge_point, assigned.since_ms, assigned.lately)
    charge_point.state.profile_writes = memory_wear.lately(charge_point, assigned.profile_writes)
    # It may keep the plan of its last charge point; to be rid of one that is not there wears its memory.
    charge_point.state.plan_unknown = bool(assigned.session or assigned.profile_writes)
    charge_point.state.charger_name = charge_point.settings.charger
    charge_point.abandoned = None
    charge_point.changed()


def check_identity(charge_point: "ChargePoint") -> None:
    """At the start: what is stored may be of another charger, replaced while nothing ran here."""
    state, present = charge_point.state, charge_point.settings.charger
    if state.charger_name and state.charger_name != present:
        released(charge_point)
    if charge_point.state.charger_name != present:
        charge_point.state.charger_name = present
        charge_point.changed()
