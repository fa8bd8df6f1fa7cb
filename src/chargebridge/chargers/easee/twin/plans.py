"""Converts a plan into the weekly charge plan of Easee's cloud, if it can be expressed as one.

A weekly charge plan has ranges of minutes, in UTC, each with a limit in whole amperes; outside of them the
charger offers nothing. A day has two ranges at most. So it expresses only plans that repeat daily or weekly,
without beginning or end, in whole minutes, and with few changes.

No range begins and ends at the same time of day, since nothing documents what that means: a whole day is two
ranges, and one that lasts until midnight ends at 00:00. Whether the charger understands that so is read from
the schedule that it shows (`schedules`).
"""

from typing import Final

from chargebridge.chargers.model import Plan
from chargebridge.chargers.plan_limits import next_plan_change_ms, plan_limit_ma

DAY_MINUTES: Final = 24 * 60
RANGES_A_DAY: Final = 2
LOWEST_A: Final = 6
"""Below this current a charger offers nothing."""
HIGHEST_A: Final = 32
"""The highest limit of a range."""
_MINUTE_MS: Final = 60_000
_WEEK_MS: Final = 7 * DAY_MINUTES * _MINUTE_MS
_MONDAY_MS: Final = 4 * DAY_MINUTES * _MINUTE_MS
"""1970-01-05, a Monday."""
_REPEATS_S: Final = (86_400, 604_800)


def weekly_plan(plan: Plan, now_ms: int, max_current_a: int = HIGHEST_A) -> dict[str, object] | None:
    """Return the body of `weekly_charge_plan` for a plan; None if it cannot be expressed.

    Args:
        plan: the plan.
        now_ms: UTC; a plan that begins later cannot be expressed.
        max_current_a: the current that the charger can offer. A limit above 32 A says the same as 32 A to a
            charger that offers no more.
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
        ranges = _ranges(plan, monday_ms + day * DAY_MINUTES * _MINUTE_MS, max_current_a)
        if ranges is None or len(ranges) > RANGES_A_DAY:
            return None
        if ranges:
            days.append({"dayOfWeek": day, "ranges": [_range(*one) for one in ranges]})
    return {"isEnabled": True, "days": days}


def _ranges(plan: Plan, midnight_ms: int, max_current_a: int) -> list[tuple[int, int, int]] | None:
    """Return (first minute, minute after the last one, amperes) of one day; None: it cannot be expressed."""
    ranges: list[tuple[int, int, int]] = []
    at_ms, end_ms = midnight_ms, midnight_ms + DAY_MINUTES * _MINUTE_MS
    while at_ms < end_ms:
        limit_ma = plan_limit_ma(plan, at_ms)
        change_ms = next_plan_change_ms(plan, at_ms)
        until_ms = end_ms if change_ms is None else min(change_ms, end_ms)
        if limit_ma is None or (until_ms - midnight_ms) % _MINUTE_MS:
            return None
        amperes = limit_ma // 1000
        if amperes > HIGHEST_A:
            if max_current_a > HIGHEST_A:
                return None
            amperes = HIGHEST_A
        start, stop = (at_ms - midnight_ms) // _MINUTE_MS, (until_ms - midnight_ms) // _MINUTE_MS
        if amperes >= LOWEST_A:
            if ranges and ranges[-1][1:] == (start, amperes):
                start = ranges.pop()[0]
            ranges.append((start, stop, amperes))
        at_ms = until_ms
    if ranges and ranges[0][:2] == (0, DAY_MINUTES):
        amperes = ranges[0][2]
        return [(0, DAY_MINUTES // 2, amperes), (DAY_MINUTES // 2, DAY_MINUTES, amperes)]
    return ranges


def _range(start: int, stop: int, amperes: int) -> dict[str, object]:
    return {"startTime": _clock(start), "stopTime": _clock(stop), "chargingCurrentLimit": amperes}


def _clock(minute: int) -> str:
    """Return a minute of the day as text; midnight at its end is written like the one at its beginning."""
    hour, minute = divmod(minute % DAY_MINUTES, 60)
    return f"{hour:02}:{minute:02}Z"
