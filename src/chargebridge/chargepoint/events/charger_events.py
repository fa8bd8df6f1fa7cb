"""Events of the charger: each goes to its concern."""

from functools import lru_cache
from typing import TypeVar

from msgspec import structs

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.central_system import boot_wait, calls, registration, resets, unlocking
from chargebridge.chargepoint.charger import (
    charger_settings,
    clock,
    commands,
    limits,
    list_copy,
    reported_sessions,
)
from chargebridge.chargepoint.configuration import configuration, profile_writes
from chargebridge.chargepoint.connector import availability, status
from chargebridge.chargepoint.events import command_outcomes
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Purpose, Settings, State
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import ReportedSession
from chargebridge.chargepoint.transactions import (
    awaited_ends,
    meter_values,
    missed_sessions,
    sampling,
    sessions,
)
from chargebridge.chargepoint.turn import ChargerAssigned, NoticeKind
from chargebridge.chargers.model import (
    Capability,
    ChargerEvent,
    ChargerInfo,
    ChargerState,
    LimitShown,
    Measured,
    Quantity,
    Reachable,
    Restarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)


def received(charge_point: ChargePoint, event: ChargerEvent) -> None:
    """Take one event; the driver may repeat it, and may be late with it."""
    match clock.with_plausible_times(charge_point, event):
        case None:
            charge_point.notice(NoticeKind.EVENT_IGNORED, f"{type(event).__name__}: a replay")
        case Measured() as event:
            awaited_ends.measured(charge_point, event)
            missed_sessions.measured(charge_point, event)
            meter_values.measured(charge_point, event)
        case StateChanged() as event:
            _state_changed(charge_point, event)
        case SessionStarted() as event:
            sessions.session_started(charge_point, event)
        case SessionEnded() as event:
            sessions.session_ended(charge_point, event)
        case TokenPresented() as event:
            authorization.token_presented(charge_point, event)
        case Reachable() as event:
            _reachable(charge_point, event)
        case LimitShown() as event:
            charge_point.limit_shown = event
        case Restarted() as event:
            resets.charger_restarted(charge_point, event)


def _state_changed(charge_point: ChargePoint, event: StateChanged) -> None:
    state = charge_point.state
    now_ms, newest = charge_point.now.utc_ms, event.at_ms == state.states.newest_ms
    if state.states.is_later_than(event.at_ms, now_ms) or (state.states.repeats(event.at_ms) and not newest):
        charge_point.notice(NoticeKind.EVENT_IGNORED, "state: older than the last")
        return
    if charge_point.state_unseen_until_ms is None and charge_point.reachable:
        charge_point.state_unseen_until_ms = max(event.at_ms, now_ms)
    same = (event.state, event.reason, event.fault) == (state.charger, state.reason, state.fault)
    if same and not awaited_ends.repeats_news(charge_point, event):
        repeated_ms = min(event.at_ms, now_ms)
        charge_point.state_repeated_ms = max(charge_point.state_repeated_ms, repeated_ms)
        return
    charge_point.state_repeated_ms = 0
    if state.charger is ChargerState.DISCONNECTED:
        limits.volatile_limit_lost(charge_point)  # by a newly plugged-in car
    state.states = state.states.with_event(event.at_ms, now_ms)
    clock.advance(charge_point, event.at_ms)
    state.charger = event.state
    state.reason, state.fault = event.reason, event.fault
    if event.state is ChargerState.DISCONNECTED:
        state.finished = state.unplugged = False
        state.locked = None
    charge_point.mark_dirty()
    awaited_ends.state_changed(charge_point, event)
    authorization.refresh_connection_timeout(charge_point)


def _reachable(charge_point: ChargePoint, event: Reachable) -> None:
    if event.reachable == charge_point.reachable:
        if event.reachable:
            command_outcomes.reconcile(charge_point)
        return
    # Its time does not matter: a driver that comes back says since when, which may be long before it left.
    charge_point.reachable = event.reachable
    charge_point.state_unseen_until_ms = None
    if event.reachable:
        awaited_ends.charger_returned(charge_point)
        boot_wait.returned(charge_point)
        availability.begin_settling(charge_point)
        status.refresh(charge_point)
        command_outcomes.reconcile(charge_point)
        registration.schedule_heartbeat(charge_point)
    else:
        awaited_ends.charger_left(charge_point)
        registration.charger_left(charge_point)


def described(charge_point: ChargePoint, info: ChargerInfo) -> None:
    """Take over the driver's description of the charger."""
    state = charge_point.state
    if info == state.info:
        return
    if state.info is not None and state.info.firmware != info.firmware:
        limits.firmware_changed(charge_point)
    comes_from_elsewhere = state.info is None and state.newest_elsewhere is not None
    state.info = structs.replace(
        info,
        capabilities=_shared(info.capabilities),
        measures=_shared(info.measures),
        measures_by_phase=_shared(info.measures_by_phase),
    )
    state.firmware = state.firmware or info.firmware
    state.released_ms = 0
    if Capability.PLAN not in info.capabilities:
        state.plan_unknown = state.plan is not None  # does it still follow what it has?
    adopt(charge_point, charge_point.configured)
    if info.read_only:
        commands.forget_unsendable(charge_point)
    else:
        configuration.withdraw_unsupported_values(charge_point)
    availability.described(charge_point)
    if comes_from_elsewhere:
        # It may keep list, cache and limit of whoever had it before.
        state.list_revision += 1
        state.foreign_cache = Capability.CACHE in info.capabilities
        if Capability.LIMIT in info.capabilities:
            commands.set_limit(charge_point, None, None)
    charge_point.mark_dirty()
    boot_wait.described(charge_point)
    if registration.outdated(charge_point):
        calls.silence(charge_point)
        registration.begin_anew(charge_point)
    if charge_point.reachable:
        command_outcomes.reconcile(charge_point)


_Set = TypeVar("_Set", frozenset[Capability], frozenset[Quantity] | None)


@lru_cache(maxsize=64)
def _shared(values: _Set) -> _Set:
    """Return one set for all chargers that can do or measure the same."""
    return values


def released(charge_point: ChargePoint) -> None:
    """Let go of the charger: a running transaction ends with what is known of it.

    What the central system has said of availability stays. Another charger counts its sessions and
    its time from the beginning.
    """
    charge_point.reachable = False
    charge_point.limit_shown = None
    charge_point.state_repeated_ms = 0
    charge_point.state_unseen_until_ms = None
    if commands.outstanding(charge_point, Purpose.PLAN) is not None:
        limits.plan_unknown(charge_point)
    sessions.abandon(charge_point)
    unlocking.held_answer_overdue(charge_point)
    authorization.forget(charge_point)
    meter_values.forget(charge_point)
    calls.disown_authorize(charge_point)
    registration.charger_left(charge_point)
    boot_wait.over(charge_point)
    list_copy.forget(charge_point)
    for timer in (
        Timer.CONNECTION,
        Timer.COMMAND,
        Timer.RESET,
        Timer.RESET_CLOSE,
        Timer.REBOOT,
        Timer.LIMIT,
        Timer.SESSION_END,
        Timer.SESSION_REPORT,
        Timer.MISSED_SESSIONS,
        Timer.RESTART,
    ):
        charge_point.cancel_timer(timer)
    charger_settings.leave(charge_point)
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
        aside=state.aside,
        released_ms=state.released_ms or charge_point.now.utc_ms,
    )
    adopt(charge_point, charge_point.configured)
    charge_point.mark_dirty()


def assigned(charge_point: ChargePoint, assigned: ChargerAssigned) -> None:
    """Take over a charger: what was reported of it before is not reported again."""
    charge_point.state.newest_elsewhere = (
        ReportedSession(assigned.session, assigned.at_ms, assigned.register_wh) if assigned.session else None
    )
    reported_sessions.take_over_reported(charge_point, assigned.since_ms, assigned.lately)
    profile_writes.take_over(charge_point, assigned.profile_writes)
    charger_settings.take_over(charge_point, assigned.settings)
    # It may keep the plan of its last charge point; to be rid of one that is not there wears its memory.
    charge_point.state.plan_unknown = bool(assigned.session or assigned.profile_writes)
    charge_point.state.charger_name = charge_point.settings.charger
    charge_point.state.released_ms = 0
    sessions.forget_abandoned(charge_point)
    charge_point.mark_dirty()


def adopt(charge_point: ChargePoint, settings: Settings) -> None:
    """Go by these settings from now on; arguments as of `VirtualChargePoint.adopt`."""
    charge_point.apply_settings(settings)
    sampling.schedule(charge_point)


def check_identity(charge_point: ChargePoint) -> None:
    """Let go of the stored charger, at the start, if another one is configured now."""
    state, present = charge_point.state, charge_point.settings.charger
    if state.charger_name and state.charger_name != present:
        released(charge_point)
    if charge_point.state.charger_name != present:
        charge_point.state.charger_name = present
        charge_point.mark_dirty()
