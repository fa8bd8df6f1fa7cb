"""Converts a plan into the weekly charge plan of Easee's cloud, if it can be expressed as one.

A weekly charge plan has ranges of minutes, in UTC, each with a limit; outside of them the charger offers
nothing. So it expresses only plans that repeat daily or weekly, without beginning or end, in whole minutes.
"""

from typing import Final

from chargebridge.chargers.model import Plan
from chargebridge.chargers.plan_limits import next_plan_change_ms, plan_limit_ma

DAY_MINUTES: Final = 24 * 60
_MINUTE_MS: Final = 60_000
_WEEK_MS: Final = 7 * DAY_MINUTES * _MINUTE_MS
_MONDAY_MS: Final = 4 * DAY_MINUTES * _MINUTE_MS
"""1970-01-05, a Monday."""
_LOWEST_MA: Final = 6_000
_REPEATS_S: Final = (86_400, 604_800)


def weekly_plan(plan: Plan, now_ms: int) -> dict[str, object] | None:
    """Return the body of `weekly_charge_plan` for a plan; None if it cannot be expressed.

    Args:
        plan: the plan.
        now_ms: UTC; a plan that begins later cannot be expressed.
    """
    forever = plan.repeat_s is None and len(plan.periods) == 1 and plan.duration_s is None
    if not (forever or plan.repeat_s in _REPEATS_S) or plan.start_ms > now_ms:
        return None
    if plan.from_ms is not None or plan.until_ms is not None:
        return None
    if plan.repeat_s is not None and plan.start_ms % _MINUTE_MS:
        return None
    # A week that lies wholly after the beginning; all later weeks are the same.
    monday_ms = _MONDAY_MS + -(-(max(plan.start_ms, _MONDAY_MS) - _MONDAY_MS) // _WEEK_MS) * _WEEK_MS
    days: list[dict[str, object]] = []
    for day in range(7):
        ranges = _ranges(plan, monday_ms + day * DAY_MINUTES * _MINUTE_MS)
        if ranges is None:
            return None
        if ranges:
            days.append({"dayOfWeek": day, "ranges": ranges})
    return {"isEnabled": True, "days": days}


def _ranges(plan: Plan, midnight_ms: int) -> list[dict[str, object]] | None:
    """Return the ranges of one day; None if a limit of it cannot be expressed."""
    ranges: list[dict[str, object]] = []
    at_ms, end_ms = midnight_ms, midnight_ms + DAY_MINUTES * _MINUTE_MS
    while at_ms < end_ms:
        limit_ma = plan_limit_ma(plan, at_ms)
        change_ms = next_plan_change_ms(plan, at_ms)
        until_ms = end_ms if change_ms is None else min(change_ms, end_ms)
        if limit_ma is None or (until_ms - midnight_ms) % _MINUTE_MS:
            return None
        if limit_ma >= _LOWEST_MA:
            start, stop = (at_ms - midnight_ms) // _MINUTE_MS, (until_ms - midnight_ms) // _MINUTE_MS
            ranges.append(
                {
                    "startTime": _clock(start),
                    "stopTime": _clock(stop),
                    "chargingCurrentLimit": limit_ma // 1000,
                }
            )
        at_ms = until_ms
    return ranges


def _clock(minute: int) -> str:
    """Return a minute of the day as text; midnight at its end is written like the one at its beginning."""
    hour, minute = divmod(minute % DAY_MINUTES, 60)
    return f"{hour:02}:{minute:02}Z"
