"""Converts charge plans of Easee's API into the plan that a simulated charger stores.

Outside the ranges of a plan the charger offers nothing. Where ranges overlap, the lower limit wins.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from chargebridge.chargers.model import Plan, PlanPeriod
from chargebridge.clock import format_utc

DAY_S: Final = 86_400
WEEK_S: Final = 7 * DAY_S
MONDAY_MS: Final = 4 * DAY_S * 1000
"""1970-01-05, a Monday."""
RANGES_AT_MOST: Final = 200
_REPEATS: Final = {DAY_S: "Daily", WEEK_S: "Weekly"}
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class PlanError(ValueError):
    """A plan is invalid; the text says why."""


class Range:
    """A range of a day or week with a limit.

    Args:
        start_s: its start, in seconds from the start of the day or week.
        stop_s: its end; one at or before the start lies in the next day or week.
        limit_a: the limit per phase, in amperes.
        period_s: the length of the day or week.
    """

    __slots__ = ("limit_a", "start_s", "stop_s")

    def __init__(self, start_s: int, stop_s: int, limit_a: float, period_s: int) -> None:
        if not 0 <= limit_a <= 500:
            raise PlanError(f"the limit of a range is not between 0 and 500 A: {limit_a}")
        self.start_s = start_s % period_s
        length_s = (stop_s - start_s) % period_s or period_s
        self.stop_s = self.start_s + length_s
        self.limit_a = int(limit_a)

    def covers(self, at_s: int, period_s: int) -> bool:
        """Return whether a time lies in the range."""
        return self.start_s <= at_s < self.stop_s or self.start_s <= at_s + period_s < self.stop_s


def repeating_plan(ranges: Sequence[Range], period_s: int, start_ms: int) -> Plan | None:
    """Return a plan that repeats daily or weekly; None without any range.

    Args:
        ranges: the ranges of the plan, with their limits.
        period_s: the length of the day or week.
        start_ms: the start of any day or week, in UTC milliseconds.
    """
    if len(ranges) > RANGES_AT_MOST:
        raise PlanError(f"a plan has more than {RANGES_AT_MOST} ranges")
    if not ranges:
        return None
    edges = sorted({0} | {one.start_s for one in ranges} | {one.stop_s % period_s for one in ranges})
    periods: list[PlanPeriod] = []
    for edge_s in edges:
        allowed = [one.limit_a for one in ranges if one.covers(edge_s, period_s)]
        limit_ma = 1000 * min(allowed, default=0)
        if not periods or periods[-1].limit_ma != limit_ma:
            periods.append(PlanPeriod(edge_s, limit_ma))
    return Plan(start_ms=start_ms, periods=tuple(periods), repeat_s=period_s)


def delayed_plan(now_ms: int, start_ms: int, limit_a: float) -> Plan:
    """Return a plan that offers nothing before `start_ms`, and `limit_a` from then on."""
    if not 0 <= limit_a <= 500:
        raise PlanError(f"the limit of a plan is not between 0 and 500 A: {limit_a}")
    limit_ma = 1000 * int(limit_a)
    wait_s = -(-(start_ms - now_ms) // 1000)
    if wait_s <= 0:
        return Plan(start_ms=now_ms, periods=(PlanPeriod(0, limit_ma),))
    return Plan(start_ms=now_ms, periods=(PlanPeriod(0, 0), PlanPeriod(wait_s, limit_ma)))


def schedule_text(plan: Plan | None) -> str:
    """Return a plan as the firmware shows it, in observation 62; empty without one.

    That offsets are seconds from the start, and limits amperes, is inferred.
    """
    if plan is None:
        return ""
    repeats = _REPEATS.get(plan.repeat_s or 0)
    schedule = {
        "StartSchedule": format_utc(plan.start_ms),
        "ProfileKind": "Absolute" if repeats is None else "Recurring",
        "RecurrencyKind": repeats,
        "Periods": [[period.offset_s, period.limit_ma // 1000] for period in plan.periods],
    }
    return msgspec.json.encode(schedule).decode()


def second_of_day(text: str) -> int:
    """Return a time of day (`HH:MM` or `HH:MM:SS`, with or without a Z) in seconds from midnight."""
    parts = text.removesuffix("Z").split(":")
    if len(parts) not in (2, 3) or not all(part.isdecimal() and len(part) <= 2 for part in parts):
        raise PlanError(f"not a time of day: {text[:20]!r}")
    hour, minute, second = (*map(int, parts), 0)[:3]
    if hour > 24 or minute > 59 or second > 59:
        raise PlanError(f"not a time of day: {text[:20]!r}")
    return hour * 3600 + minute * 60 + second


def utc_offset_s(timezone: str, at_ms: int) -> int:
    """Return the offset of a time zone from UTC at a time, in seconds."""
    try:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
        offset = moment.astimezone(ZoneInfo(timezone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError):
        raise PlanError(f"unknown time zone: {timezone[:40]!r}") from None
    return int((offset or timedelta()).total_seconds())


def next_time_ms(second: int, now_ms: int) -> int:
    """Return the next time, in UTC milliseconds, that lies `second` seconds after a UTC midnight."""
    midnight_ms = now_ms // (DAY_S * 1000) * DAY_S * 1000
    at_ms = midnight_ms + second % DAY_S * 1000
    return at_ms if at_ms > now_ms else at_ms + DAY_S * 1000
