"""Views of the limits at a charge point: plain data, read from the live object."""

from dataclasses import dataclass

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.charger import limits
from chargebridge.chargepoint.configuration import profile_writes
from chargebridge.chargers.model import Capability, SetLimit
from chargebridge.clock import format_utc


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A charging profile that the central system has installed."""

    id: int
    connector: int
    purpose: str
    stack_level: int
    kind: str


@dataclass(frozen=True, slots=True)
class DynamicCurrentView:
    """A current limit that a configuration key has set for a while."""

    key: str
    value: str
    """As it was written."""
    until: str | None
    """When it ends; null: when the key is written again."""


@dataclass(frozen=True, slots=True)
class ChargingView:
    """The limits of charging, where they come from, and how the charger keeps them."""

    limit_a: float | None
    """The limit that the charger has now, for each phase: the lowest that it shows, or else has confirmed;
    null: unknown."""
    wished_limit_a: float | None
    """The limit that it is to have now, for each phase; null: it is not known to support limits."""
    profiles: list[ProfileView]
    dynamic_currents: list[DynamicCurrentView]
    """The dynamic currents in force."""
    plan_stored: bool | None
    """Whether the charger keeps a plan in its own memory; null: unknown."""
    plan_impossible: bool
    """The charger could not keep the last profile as a plan: volatile limits carry it out instead."""
    volatile_limit_a: float | None
    """The volatile limit that the charger has confirmed, for each phase; null: none."""
    profile_writes_today: int
    """Writes of profiles to the charger's memory since midnight UTC."""
    profile_writes_remaining: int
    """Writes left in the write budget of its memory."""
    write_budget_exceeded: bool
    """Profiles come too often for the charger's memory: volatile limits carry them out instead."""


def charging_view(charge_point: VirtualChargePoint) -> ChargingView:
    """Show the limits at a charge point, as of its last turn."""
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    shown_ma = limits.shown_ma(charge_point)
    limited = Capability.LIMIT in charge_point.settings.capabilities
    return ChargingView(
        limit_a=None if shown_ma is None else shown_ma / 1000,
        wished_limit_a=limits.in_force_ma(charge_point) / 1000 if limited else None,
        profiles=_profiles(charge_point),
        dynamic_currents=[
            DynamicCurrentView(
                current.key,
                current.text,
                None if current.until_ms is None else format_utc(current.until_ms),
            )
            for current in state.dynamic
            if current.until_ms is None or current.until_ms > now_ms
        ],
        plan_stored=None if state.plan_unknown else state.plan is not None,
        plan_impossible=state.plan_impossible is not None,
        volatile_limit_a=_volatile_limit_a(state.limit, now_ms),
        profile_writes_today=int(profile_writes.today(charge_point)),
        profile_writes_remaining=profile_writes.remaining(charge_point),
        write_budget_exceeded=state.write_budget_exceeded,
    )


def _volatile_limit_a(confirmed: SetLimit | None, now_ms: int) -> float | None:
    if confirmed is None or confirmed.limit_ma is None:
        return None
    over = confirmed.until_ms is not None and confirmed.until_ms <= now_ms
    return None if over else confirmed.limit_ma / 1000


def _profiles(charge_point: VirtualChargePoint) -> list[ProfileView]:
    return [
        ProfileView(
            installed.profile.charging_profile_id,
            installed.connector,
            installed.profile.charging_profile_purpose.value,
            installed.profile.stack_level,
            installed.profile.charging_profile_kind.value,
        )
        for installed in charge_point.profiles
    ]
