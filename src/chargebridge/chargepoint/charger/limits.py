"""The limit in force, and how the charger comes to keep it (`SC-6`, `SC-8`, `SC-17`).

A charger keeps one plan in its own memory and follows it by itself, with or without us. Whenever
that gives another limit than what holds here, a volatile limit corrects it. Plans wear the memory,
so they are written seldom; what they cannot say, or may not be written any more, the volatile limit
carries out alone.
"""

from msgspec import structs

from chargebridge.chargepoint.charger import commands
from chargebridge.chargepoint.configuration import configuration, dynamic_currents, profile_writes
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Purpose
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.rules import plans, schedules
from chargebridge.chargepoint.rules.schedules import EvaluationContext, Installed
from chargebridge.chargers.model import Capability, LimitShown, Plan, SetLimit
from chargebridge.chargers.plan_limits import next_plan_change_ms, plan_limit_ma, same_limits
from chargebridge.ocpp16.enums import AuthorizationStatus, ChargingProfileKindType, ChargingProfilePurposeType

GRACE_MS = 60_000
"""A volatile limit is sent with an end this much later than needed: it lasts until the next one is there."""
PLANS_DIFFER_MS = 60_000
"""A plan that differs from the stored one for no longer than this is not written: central systems send the
same limit with a new start again and again, by clocks that may be ahead. The volatile limit bridges it."""
LONGEST_TIMER_S = 900.0
"""The limit is looked at this often at least: the host's clock may be set meanwhile."""
LOOK_AHEAD = 8
"""Changes to come among which the plan is looked for while no profile holds."""
_PURPOSE = ChargingProfilePurposeType


def evaluation_context(charge_point: ChargePoint, connector: int = 1) -> EvaluationContext:
    """Return what the installed profiles are seen against now."""
    settings = charge_point.settings
    return EvaluationContext(
        merged=settings.behaviour.purposes_merged,
        connector=connector,
        charging_since_ms=_charging_since_ms(charge_point),
        now_ms=charge_point.now.utc_ms,
        hardware_ma=settings.max_current_a * 1000,
        phases=settings.phases,
    )


def _charging_since_ms(charge_point: ChargePoint) -> int | None:
    """Return when the running transaction began; None too if it has not yet, by a clock ahead."""
    running = charge_point.running
    return None if running is None or running.started_ms > charge_point.now.utc_ms else running.started_ms


def applicable_profiles(charge_point: ChargePoint) -> tuple[Installed, ...]:
    """Return the profiles that count now: those for other transactions do not."""
    running = charge_point.running
    number = None if running is None else running.number
    return tuple(
        installed
        for installed in charge_point.profiles
        if installed.transaction == number
        or installed.profile.charging_profile_purpose is not _PURPOSE.TX_PROFILE
    )


def binding_profiles(charge_point: ChargePoint) -> tuple[Installed, ...]:
    """Return the profiles that bind the charger now: an override sets the stored ones aside."""
    profiles = applicable_profiles(charge_point)
    if not _overridden(charge_point):
        return profiles
    # What protects the grid is not the driver's to override where it is kept apart.
    kept = {_PURPOSE.TX_PROFILE}
    if charge_point.settings.behaviour.purposes_merged:
        kept.add(_PURPOSE.CHARGE_POINT_MAX_PROFILE)
    return tuple(one for one in profiles if one.profile.charging_profile_purpose in kept)


def _overridden(charge_point: ChargePoint) -> bool:
    running = charge_point.running
    return running is not None and charge_point.state.overridden == running.session


def _refused(charge_point: ChargePoint) -> bool:
    """Whether the running transaction goes on without energy (`TX-4`)."""
    running, limit = charge_point.running, charge_point.state.limit
    if running is None or running.id_tag_status in {None, AuthorizationStatus.ACCEPTED.value}:
        return False
    # One that idles gets nothing for the time that its end takes either, if it is to end after all.
    idles = limit is not None and limit.limit_ma == 0
    return idles or not configuration.boolean(charge_point, "StopTransactionOnInvalidId")


def in_force_ma(charge_point: ChargePoint) -> int:
    """Return what the charger may offer now, in mA per phase: the lowest of all that bounds it."""
    if _refused(charge_point):
        return 0
    planned = schedules.limit_ma(
        binding_profiles(charge_point), evaluation_context(charge_point), charge_point.now.utc_ms
    )
    dynamic = dynamic_currents.limit_ma(charge_point)
    return planned if dynamic is None else min(planned, dynamic)


# --- the charger ------------------------------------------------------------------------------------


def refresh(charge_point: ChargePoint, *, again: bool = False) -> None:
    """Bring the charger to what is in force, and look again when that changes.

    Args:
        charge_point: whose charger.
        again: send the volatile limit even if the charger has confirmed the very same.
    """
    state = charge_point.state
    if not (
        charge_point.profiles
        or state.dynamic
        or state.plan
        or state.plan_unknown
        or state.limit
        or state.issued_commands
    ) and not _refused(charge_point):
        charge_point.cancel_timer(Timer.LIMIT)
        return
    if Capability.LIMIT not in charge_point.settings.capabilities:
        return
    dynamic_currents.forget_expired(charge_point)
    if charge_point.reachable:
        if Capability.PLAN in charge_point.settings.capabilities:
            _refresh_plan(charge_point)
        _refresh_limit(charge_point, again=again)
    change_ms = _next_change_ms(charge_point)
    if change_ms is None:
        charge_point.cancel_timer(Timer.LIMIT)
    else:
        charge_point.set_timer_until(Timer.LIMIT, change_ms, LONGEST_TIMER_S)


def _next_change_ms(charge_point: ChargePoint) -> int | None:
    now_ms, plan, running = charge_point.now.utc_ms, charge_point.state.plan, charge_point.running
    profiles, around = binding_profiles(charge_point), evaluation_context(charge_point)
    if around.charging_since_ms is None:
        profiles = tuple(map(_waiting, profiles))
    changes = (
        schedules.next_change_ms(profiles, around, now_ms),
        running.started_ms if running is not None and running.started_ms > now_ms else None,
        dynamic_currents.next_change_ms(charge_point),
        None if plan is None else next_plan_change_ms(plan, now_ms),
    )
    return min((change for change in changes if change is not None), default=None)


def _waiting(installed: Installed) -> Installed:
    """Return a profile as it is without a transaction: what counts from its start stays at the beginning."""
    profile = installed.profile
    schedule = profile.charging_schedule
    relative = profile.charging_profile_kind is ChargingProfileKindType.RELATIVE
    if (schedule.start_schedule is not None and not relative) or schedule.duration == 0:
        return installed
    first = structs.replace(
        schedule, charging_schedule_period=schedule.charging_schedule_period[:1], duration=None
    )
    return structs.replace(installed, profile=structs.replace(profile, charging_schedule=first))


def _refresh_plan(charge_point: ChargePoint) -> None:
    if commands.outstanding(charge_point, Purpose.PLAN) is not None:
        return  # one at a time: what comes after it is seen when it has ended
    wanted = _wanted_plan(charge_point)
    from_ms = charge_point.now.utc_ms + PLANS_DIFFER_MS
    if same_limits(wanted, charge_point.state.plan, from_ms) and not charge_point.state.plan_unknown:
        profile_writes.rearm_warning(charge_point)
    elif profile_writes.remaining(charge_point):
        commands.store_plan(charge_point, wanted)
    elif charge_point.profiles:
        profile_writes.warn_over_budget(charge_point)


def _wanted_plan(charge_point: ChargePoint) -> Plan | None:
    """Return the one profile that the charger is to keep, as a plan; None: none."""
    if not charge_point.settings.behaviour.plans_in_memory:
        return None
    purposes = (_PURPOSE.TX_DEFAULT_PROFILE, _PURPOSE.CHARGE_POINT_MAX_PROFILE)
    if charge_point.settings.behaviour.purposes_merged:
        # While its cloud is away none merges them, so the one that protects the grid is kept.
        purposes = (_PURPOSE.CHARGE_POINT_MAX_PROFILE, _PURPOSE.TX_DEFAULT_PROFILE)
    around = evaluation_context(charge_point)
    at_ms: int | None = charge_point.now.utc_ms
    for _ in range(LOOK_AHEAD):
        if at_ms is None:
            break
        for purpose in purposes:
            installed = schedules.prevailing(charge_point.profiles, around, purpose, at_ms)
            if installed is not None:
                plan = plans.plan_of(installed.profile, around)
                return None if plan == charge_point.state.plan_impossible else plan
        at_ms = schedules.next_change_ms(charge_point.profiles, around, at_ms)
    return None


def plan_written(charge_point: ChargePoint, plan: Plan | None) -> None:
    """Note that the charger keeps this plan now."""
    profile_writes.count(charge_point)
    charge_point.state.plan, charge_point.state.plan_unknown = plan, False


def plan_impossible(charge_point: ChargePoint, plan: Plan | None) -> None:
    """Keep no plan in the charger, since it cannot keep this one and an older one would bind it, too."""
    charge_point.state.plan_impossible = plan
    charge_point.mark_dirty()
    refresh(charge_point)


def firmware_changed(charge_point: ChargePoint) -> None:
    """Try again what the charger could not keep: another firmware may."""
    charge_point.state.plan_impossible = None


def plan_unknown(charge_point: ChargePoint) -> None:
    """Count a plan that may have been written, and write it again: the outcome is unknown."""
    profile_writes.count(charge_point)
    charge_point.state.plan_unknown = True


def _refresh_limit(charge_point: ChargePoint, *, again: bool) -> None:
    wanted_ma = in_force_ma(charge_point)
    wanted: tuple[int | None, int | None] = (None, None)
    if wanted_ma != _own_ma(charge_point):
        change_ms = _next_change_ms(charge_point)
        wanted = (wanted_ma, None if change_ms is None else change_ms + GRACE_MS)
    issued = commands.outstanding(charge_point, Purpose.LIMIT)
    present = issued if isinstance(issued, SetLimit) else charge_point.state.limit
    if again or wanted != ((None, None) if present is None else (present.limit_ma, present.until_ms)):
        commands.set_limit(charge_point, *wanted)


def _own_ma(charge_point: ChargePoint) -> int | None:
    """Return what the charger offers by itself; None if that is not known."""
    state, running = charge_point.state, charge_point.running
    hardware_ma = charge_point.settings.max_current_a * 1000
    if state.plan_unknown or (running is not None and state.override_unknown == running.session):
        return None
    plan = None if _overridden(charge_point) else state.plan
    planned = None if plan is None else plan_limit_ma(plan, charge_point.now.utc_ms)
    return hardware_ma if planned is None else min(planned, hardware_ma)


def shown_ma(charge_point: ChargePoint) -> int | None:
    """Return the limit that the charger has, in mA per phase, as it shows or has confirmed; None: unknown."""
    shown: LimitShown | None = charge_point.limit_shown
    if shown is not None:
        return shown.limit_ma
    if Capability.LIMIT not in charge_point.settings.capabilities:
        return None
    confirmed, now_ms = charge_point.state.limit, charge_point.now.utc_ms
    if confirmed is None or confirmed.limit_ma is None:
        return _own_ma(charge_point)
    if confirmed.until_ms is not None and confirmed.until_ms <= now_ms:
        return _own_ma(charge_point)
    return min(confirmed.limit_ma, charge_point.settings.max_current_a * 1000)


def volatile_limit_lost(charge_point: ChargePoint) -> None:
    """Send the volatile limit again: after a restart, or with another car, the charger may have lost it."""
    if charge_point.state.overridden is not None:
        charge_point.state.overridden = None
        charge_point.mark_dirty()
    resend(charge_point)


def resend(charge_point: ChargePoint) -> None:
    """Send the volatile limit again: whether the charger has it is unknown."""
    issued = commands.outstanding(charge_point, Purpose.LIMIT)
    refresh(charge_point, again=issued is not None or charge_point.state.limit is not None)


def overridden(charge_point: ChargePoint) -> None:
    """Note that the charger has set its plan aside for the running session."""
    running = charge_point.running
    charge_point.state.overridden = None if running is None else running.session
    charge_point.state.override_unknown = None


def override_unknown(charge_point: ChargePoint) -> None:
    """Do not rely on the charger's plan: whether it has set that aside is unknown."""
    running = charge_point.running
    charge_point.state.override_unknown = None if running is None else running.session
    charge_point.mark_dirty()
