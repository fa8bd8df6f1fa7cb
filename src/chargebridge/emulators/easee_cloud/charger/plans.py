"""Charge plans as Easee's cloud takes them, as the plan that a simulated charger keeps.

Outside of what a plan allows nothing is offered. Where ranges of a plan overlap the lower limit wins.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chargebridge.chargers.model import Plan, PlanPeriod

DAY_S: Final = 86_400
WEEK_S: Final = 7 * DAY_S
MONDAY_MS: Final = 4 * DAY_S * 1000
"""1970-01-05, a Monday."""
RANGES_AT_MOST: Final = 200
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class PlanError(ValueError):
    """A plan cannot be understood; the text says why."""


class Range:
    """A part of a day or week in which so much is allowed, in seconds from its beginning.

    Args:
        start_s: when it begins.
        stop_s: when it ends; one that is not behind the start lies in the next round.
        limit_a: what it allows per phase, in amperes.
        lap_s: after how long everything repeats.
    """

    __slots__ = ("limit_a", "start_s", "stop_s")

    def __init__(self, start_s: int, stop_s: int, limit_a: float, lap_s: int) -> None:
        if not 0 <= limit_a <= 500:
            raise PlanError(f"no limit of a range: {limit_a}")
        self.start_s = start_s % lap_s
        length_s = (stop_s - start_s) % lap_s or lap_s
        self.stop_s = self.start_s + length_s
        self.limit_a = int(limit_a)

    def allows(self, at_s: int, lap_s: int) -> bool:
        """Return whether a moment lies in it."""
        return self.start_s <= at_s < self.stop_s or self.start_s <= at_s + lap_s < self.stop_s


def repeating_plan(ranges: Sequence[Range], lap_s: int, start_ms: int) -> Plan | None:
    """Return a plan that repeats daily or weekly; None without any range: that is no plan.

    Args:
        ranges: when how much is allowed.
        lap_s: after how long everything repeats.
        start_ms: the beginning of a round in UTC milliseconds.
    """
    if len(ranges) > RANGES_AT_MOST:
        raise PlanError(f"more than {RANGES_AT_MOST} ranges")
    if not ranges:
        return None
    edges = sorted({0} | {one.start_s for one in ranges} | {one.stop_s % lap_s for one in ranges})
    periods: list[PlanPeriod] = []
    for edge_s in edges:
        allowed = [one.limit_a for one in ranges if one.allows(edge_s, lap_s)]
        limit_ma = 1000 * min(allowed, default=0)
        if not periods or periods[-1].limit_ma != limit_ma:
            periods.append(PlanPeriod(edge_s, limit_ma))
    return Plan(start_ms=start_ms, periods=tuple(periods), repeat_s=lap_s)


def delayed_plan(now_ms: int, start_ms: int, limit_a: float) -> Plan:
    """Return a plan that offers nothing until a moment, and so much from then on."""
    if not 0 <= limit_a <= 500:
        raise PlanError(f"no limit of a plan: {limit_a}")
    limit_ma = 1000 * int(limit_a)
    wait_s = -(-(start_ms - now_ms) // 1000)
    if wait_s <= 0:
        return Plan(start_ms=now_ms, periods=(PlanPeriod(0, limit_ma),))
    return Plan(start_ms=now_ms, periods=(PlanPeriod(0, 0), PlanPeriod(wait_s, limit_ma)))


def second_of_day(text: str) -> int:
    """Return a time of day (`HH:MM`, with seconds and a Z if there are any) in seconds from midnight."""
    parts = text.removesuffix("Z").split(":")
    if len(parts) not in (2, 3) or not all(part.isdecimal() and len(part) <= 2 for part in parts):
        raise PlanError(f"no time of day: {text[:20]!r}")
    hour, minute, second = (*map(int, parts), 0)[:3]
    if hour > 24 or minute > 59 or second > 59:
        raise PlanError(f"no time of day: {text[:20]!r}")
    return hour * 3600 + minute * 60 + second


def utc_offset_s(timezone: str, at_ms: int) -> int:
    """Return by how many seconds a time zone is ahead of UTC at a moment."""
    try:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
        offset = moment.astimezone(ZoneInfo(timezone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError):
        raise PlanError(f"no time zone: {timezone[:40]!r}") from None
    return int((offset or timedelta()).total_seconds())


def next_time_ms(second: int, now_ms: int) -> int:
    """Return the next moment in UTC milliseconds at which it is so many seconds after midnight UTC."""
    midnight_ms = now_ms // (DAY_S * 1000) * DAY_S * 1000
    at_ms = midnight_ms + second % DAY_S * 1000
    return at_ms if at_ms > now_ms else at_ms + DAY_S * 1000
