"""Reads the schedule that a charger shows (observation 62), to compare it with the plan that was sent.

Both become the limits of a week (`WeekLimits`). The format of the observation is that of the firmware:
`{"StartSchedule", "ProfileKind", "RecurrencyKind", "Periods": [[offset, limit], …]}`. That offsets are
seconds from the start, and limits amperes, is inferred from OCPP, whose words these are.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from chargebridge.chargers.easee.twin.plans import LOWEST_A
from chargebridge.chargers.easee.twin.ticks import parse_time

WeekLimits = tuple[tuple[int, int], ...]
"""(second of the week from Monday 00:00 UTC, amperes from then on): the first at 0, no two neighbours alike;
0 A where the charger offers nothing. Empty: there is no schedule, and so no limit of it."""
LONGEST: Final = 8192
"""Characters of an observation that are read."""
_MOST_PERIODS: Final = 1000
_DAY_S: Final = 86_400
_WEEK_S: Final = 7 * _DAY_S
_MONDAY_S: Final = 4 * _DAY_S
"""1970-01-05, a Monday."""
_REPEATS: Final = {"daily": _DAY_S, "0": _DAY_S, "weekly": _WEEK_S, "1": _WEEK_S}
"""The numbers are those of OCPP's own order; inferred."""
_MILLISECONDS_FROM: Final = 100_000_000_000
"""A start above this is in milliseconds, below it in seconds."""


class NoScheduleError(ValueError):
    """An observation is not a schedule that can be read; the text says why."""


def limits_of_plan(body: Mapping[str, object]) -> WeekLimits:
    """Return the limits of a `weekly_charge_plan` as `plans.weekly_plan` makes it."""
    edges = [(0, 0)]
    for day in msgspec.convert(body["days"], list[_Day]):
        for one in day.ranges:
            start_s, stop_s = _second(one.start_time), _second(one.stop_time) or _DAY_S
            midnight_s = day.day_of_week * _DAY_S
            edges += [(midnight_s + start_s, one.charging_current_limit), (midnight_s + stop_s, 0)]
    # Where one range ends and another begins, the beginning counts.
    return _merged(sorted(edges, key=lambda edge: (edge[0], edge[1] != 0)))


def shown_limits(text: str) -> WeekLimits:
    """Return the limits of the schedule that a charger shows.

    Raises:
        NoScheduleError: it cannot be read, or does not repeat.
    """
    if not text.strip():
        return ()
    if len(text) > LONGEST:
        raise NoScheduleError(f"a schedule of {len(text)} characters")
    try:
        document: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NoScheduleError(f"not JSON: {error}") from None
    while isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not document:
        return ()
    if not isinstance(document, dict):
        raise NoScheduleError("not an object")
    fields = {str(name).lower(): value for name, value in document.items()}
    periods = _periods(fields.get("periods"))
    if not periods:
        return ()
    recurrency = fields.get("recurrencykind")
    repeat_s = _REPEATS.get(str(recurrency).lower())
    if repeat_s is None:
        if len(periods) == 1 and recurrency in {None, ""}:
            return ((0, periods[0][1]),)
        raise NoScheduleError(f"it repeats neither daily nor weekly: {str(recurrency)[:40]}")
    if periods[-1][0] >= repeat_s:
        raise NoScheduleError("a period begins after the schedule has begun again")
    return _repeated(periods, _start_s(fields.get("startschedule")), repeat_s)


def limit_a(limits: WeekLimits, at_ms: int) -> int | None:
    """Return the limit at a time in UTC milliseconds; None: there is no schedule."""
    second = (at_ms // 1000 - _MONDAY_S) % _WEEK_S
    return next((amperes for start_s, amperes in reversed(limits) if start_s <= second), None)


class _Range(msgspec.Struct, frozen=True, rename="camel"):
    start_time: str
    stop_time: str
    charging_current_limit: int


class _Day(msgspec.Struct, frozen=True, rename="camel"):
    day_of_week: int
    ranges: list[_Range]


def _second(clock: str) -> int:
    return int(clock[:2]) * 3600 + int(clock[3:5]) * 60


def _periods(value: object) -> list[tuple[int, int]]:
    """Return (offset in seconds, amperes), by offset."""
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MOST_PERIODS:
        raise NoScheduleError("its periods are no list of a sensible length")
    found = sorted(_period(one) for one in value)
    if any(offset_s < 0 for offset_s, _ in found):
        raise NoScheduleError("a period begins before the schedule")
    return found


def _period(value: object) -> tuple[int, int]:
    if isinstance(value, dict):
        fields = {str(name).lower(): one for name, one in value.items()}
        value = [fields.get("offset", fields.get("startperiod")), fields.get("limit")]
    if not isinstance(value, list) or len(value) < 2:
        raise NoScheduleError("a period is not a pair of offset and limit")
    amperes = int(_number(value[1]))
    return int(_number(value[0])), amperes if amperes >= LOWEST_A else 0


def _number(value: object) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = float("nan")
        if abs(number) < 1e15:
            return number
    raise NoScheduleError(f"not a number: {str(value)[:40]}")


def _start_s(value: object) -> int:
    if value is None:
        raise NoScheduleError("it has no start")
    if isinstance(value, str) and not value.strip().isdecimal():
        try:
            return parse_time(value) // 1000
        except ValueError:
            raise NoScheduleError(f"its start is not a time: {value[:40]}") from None
    number = int(_number(value))
    return number // 1000 if number > _MILLISECONDS_FROM else number


def _repeated(periods: list[tuple[int, int]], start_s: int, repeat_s: int) -> WeekLimits:
    edges = sorted(
        ((start_s - _MONDAY_S + lap + offset_s) % _WEEK_S, amperes)
        for lap in range(0, _WEEK_S, repeat_s)
        for offset_s, amperes in dict(periods).items()
    )
    return _merged([(0, edges[-1][1]), *edges])


def _merged(edges: Iterable[tuple[int, int]]) -> WeekLimits:
    """Return edges in order, of those at one time the last, without those that change nothing."""
    limits: list[tuple[int, int]] = []
    for second, amperes in dict(edges).items():
        if second < _WEEK_S and (not limits or limits[-1][1] != amperes):
            limits.append((second, amperes))
    return tuple(limits)
