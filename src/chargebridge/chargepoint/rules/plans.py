"""A charging profile as a plan that a charger can keep and follow by itself."""

from typing import Final

from chargebridge.chargepoint.rules import schedules
from chargebridge.chargepoint.rules.schedules import EvaluationContext
from chargebridge.chargers.model import Plan, PlanPeriod
from chargebridge.ocpp16.datatypes import ChargingProfile
from chargebridge.ocpp16.enums import ChargingProfileKindType, ChargingRateUnitType, RecurrencyKindType
from chargebridge.ocpp16.timestamps import parse_timestamp

_REPEATS_S: Final = {RecurrencyKindType.DAILY: 86_400, RecurrencyKindType.WEEKLY: 604_800}


def plan_of(profile: ChargingProfile, context: EvaluationContext) -> Plan | None:
    """Return a profile as a plan; None if it cannot be one.

    What counts from the start of a transaction is not known to the charger beforehand; only if it
    says the same at any time, it can be kept.
    """
    schedule = profile.charging_schedule
    unit, starts_ms = schedule.charging_rate_unit, _milliseconds(schedule.start_schedule)
    if profile.charging_profile_kind is ChargingProfileKindType.RELATIVE or starts_ms is None:
        if len(schedule.charging_schedule_period) > 1 or schedule.duration is not None:
            return None
        starts_ms = 0
    repeat_s = _REPEATS_S[profile.recurrency_kind] if profile.recurrency_kind is not None else None
    return Plan(
        start_ms=starts_ms,
        periods=tuple(
            PlanPeriod(
                period.start_period,
                schedules.limit_in_tenths(period, unit, context, ChargingRateUnitType.A)[0] * 100,
            )
            for period in schedule.charging_schedule_period
        ),
        duration_s=schedule.duration,
        repeat_s=repeat_s,
        from_ms=_milliseconds(profile.valid_from),
        until_ms=_milliseconds(profile.valid_to),
    )


def _milliseconds(timestamp: str | None) -> int | None:
    return None if timestamp is None else parse_timestamp(timestamp)
