"""The limits of a stored plan over time: which one it sets at a time, and when it may set another."""

from itertools import pairwise
from math import lcm

from chargebridge.chargers.model import Plan


def plan_limit_ma(plan: Plan, at_ms: int) -> int | None:
    """Return the limit in mA per phase at a time in UTC milliseconds; None: the plan sets none."""
    if plan.from_ms is not None and at_ms < plan.from_ms:
        return None
    if plan.until_ms is not None and at_ms >= plan.until_ms:
        return None
    offset_ms = at_ms - plan.start_ms
    if offset_ms < 0:
        return None
    if plan.repeat_s is not None:
        offset_ms %= plan.repeat_s * 1000
    if plan.duration_s is not None and offset_ms >= plan.duration_s * 1000:
        return None
    limit_ma = None
    for period in plan.periods:
        if period.offset_s * 1000 > offset_ms:
            break
        limit_ma = period.limit_ma
    return limit_ma


def next_plan_change_ms(plan: Plan, after_ms: int) -> int | None:
    """Return the first time after this one at which the plan may set another limit; None: never."""
    edges = {period.offset_s for period in plan.periods}
    if plan.duration_s is not None:
        edges.add(plan.duration_s)
    times = {plan.from_ms, plan.until_ms, plan.start_ms} - {None}
    if plan.repeat_s is None:
        times |= {plan.start_ms + edge * 1000 for edge in edges}
    else:
        lap_ms = plan.repeat_s * 1000
        lap = max((after_ms - plan.start_ms) // lap_ms, 0)
        begins = (plan.start_ms + lap * lap_ms, plan.start_ms + (lap + 1) * lap_ms)
        times |= {begin + edge * 1000 for begin in begins for edge in edges if edge < plan.repeat_s}
    return min((time for time in times if time is not None and time > after_ms), default=None)


def same_limits(one: Plan | None, other: Plan | None, from_ms: int) -> bool:
    """Return whether two plans set the same limits at any time from this one on.

    Args:
        one: None: no plan, which sets no limit.
        other: likewise.
        from_ms: UTC milliseconds.
    """
    if one == other:
        return True
    found = [plan for plan in (one, other) if plan is not None]
    # Between two edges that do not come again, both repeat: one lap of both says all of that time.
    lap_ms = lcm(*(plan.repeat_s or 1 for plan in found)) * 1000
    edges = sorted({from_ms} | {edge for plan in found for edge in _lasting_edges(plan) if edge > from_ms})
    for begin, end in pairwise([*edges, edges[-1] + lap_ms]):
        at_ms: int | None = begin
        while at_ms is not None and at_ms < min(end, begin + lap_ms):
            if _limit_ma(one, at_ms) != _limit_ma(other, at_ms):
                return False
            changes = (next_plan_change_ms(plan, at_ms) for plan in found)
            at_ms = min((change for change in changes if change is not None), default=None)
    return True


def _limit_ma(plan: Plan | None, at_ms: int) -> int | None:
    return None if plan is None else plan_limit_ma(plan, at_ms)


def _lasting_edges(plan: Plan) -> set[int]:
    """Return the times that a plan has but once: its bounds, and its periods if it does not repeat."""
    edges = {plan.from_ms, plan.until_ms, plan.start_ms}
    if plan.repeat_s is None:
        edges |= {plan.start_ms + period.offset_s * 1000 for period in plan.periods}
        if plan.duration_s is not None:
            edges.add(plan.start_ms + plan.duration_s * 1000)
    return {edge for edge in edges if edge is not None}
