"""Plans that a weekly charge plan can express, and that it expresses the same."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chargebridge.chargers.easee.twin.plans import weekly_plan
from chargebridge.chargers.easee.twin.schedules import limit_a, limits_of_plan, shown_limits
from chargebridge.chargers.model import Plan, PlanPeriod
from chargebridge.chargers.plan_limits import plan_limit_ma
from chargebridge.clock import format_utc

pytestmark = pytest.mark.unit

MONDAY_MS = 1_767_571_200_000  # 2026-01-05T00:00Z
NOW_MS = MONDAY_MS + 3 * 86_400_000


def as_shown(plan: Plan, repeat: str) -> str:
    """Return a plan as a charger's firmware shows it, in observation 62."""
    periods = [[one.offset_s, one.limit_ma // 1000] for one in plan.periods]
    start = format_utc(plan.start_ms)
    return json.dumps(
        {"StartSchedule": start, "ProfileKind": "Recurring", "RecurrencyKind": repeat, "Periods": periods}
    )


def said(body: dict[str, object], weekday: int, minute: int) -> int:
    """Return the limit in mA that a weekly plan gives; 0 outside of its ranges."""
    for day in body["days"]:  # type: ignore[attr-defined]
        if day["dayOfWeek"] != weekday:
            continue
        for one in day["ranges"]:
            start, stop = (int(one[key][:2]) * 60 + int(one[key][3:5]) for key in ("startTime", "stopTime"))
            if start <= minute < (stop or 1440):
                return int(one["chargingCurrentLimit"]) * 1000
    return 0


@given(
    st.lists(
        st.tuples(st.integers(1, 1439), st.sampled_from([0, 5_000, 6_000, 10_000, 15_900, 32_000, 80_000])),
        max_size=4,
        unique_by=lambda one: one[0],
    ),
    st.sampled_from([86_400, 604_800]),
    st.integers(-3 * 1440, 1440),
)
def test_a_plan_has_valid_ranges_says_the_same_each_minute_and_is_recognized_when_it_is_shown(
    later: list[tuple[int, int]], repeat_s: int, start_minute: int
) -> None:
    periods = (PlanPeriod(0, 16_000), *(PlanPeriod(minute * 60, ma) for minute, ma in sorted(later)))
    plan = Plan(start_ms=MONDAY_MS + start_minute * 60_000, periods=periods, repeat_s=repeat_s)
    body = weekly_plan(plan, NOW_MS)
    assume(body is not None)
    for day in body["days"]:
        assert 1 <= len(day["ranges"]) <= 2
        for one in day["ranges"]:
            assert one["startTime"] != one["stopTime"]
            assert 6 <= one["chargingCurrentLimit"] <= 32
            assert isinstance(one["chargingCurrentLimit"], int)
    wanted = limits_of_plan(body)
    shown = shown_limits(as_shown(plan, "Daily" if repeat_s == 86_400 else "Weekly"))
    for minute in range(0, 7 * 1440, 7):
        at_ms = MONDAY_MS + 14 * 86_400_000 + minute * 60_000
        limit_ma = plan_limit_ma(plan, at_ms)
        assert limit_ma is not None
        expected = min(limit_ma // 1000, 32) if limit_ma >= 6_000 else 0
        assert said(body, minute // 1440, minute % 1440) == expected * 1000
        assert limit_a(wanted, at_ms) == expected
        assert min(limit_a(shown, at_ms) or 0, 32) == expected
    if all(one.limit_ma < 33_000 for one in periods):
        assert shown == wanted


def test_a_constant_limit_holds_all_week_in_two_ranges_a_day() -> None:
    body = weekly_plan(Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),)), NOW_MS)
    assert body is not None
    assert body["days"][0]["ranges"] == [
        {"startTime": "00:00Z", "stopTime": "12:00Z", "chargingCurrentLimit": 10},
        {"startTime": "12:00Z", "stopTime": "00:00Z", "chargingCurrentLimit": 10},
    ]
    assert all(said(body, day, minute) == 10_000 for day in range(7) for minute in (0, 720, 1439))
    assert limits_of_plan(body) == ((0, 10),)


def test_a_range_ends_where_the_limit_changes_and_equal_ones_are_one() -> None:
    periods = (
        PlanPeriod(0, 10_000),
        PlanPeriod(3600, 10_900),
        PlanPeriod(7200, 0),
        PlanPeriod(79_200, 16_000),
    )
    body = weekly_plan(Plan(start_ms=0, periods=periods, repeat_s=86_400), NOW_MS)
    assert body is not None
    assert body["days"][6]["ranges"] == [
        {"startTime": "00:00Z", "stopTime": "02:00Z", "chargingCurrentLimit": 10},
        {"startTime": "22:00Z", "stopTime": "00:00Z", "chargingCurrentLimit": 16},
    ]


def test_a_day_of_three_ranges_is_not_possible() -> None:
    periods = (PlanPeriod(0, 10_000), PlanPeriod(3600, 12_000), PlanPeriod(7200, 16_000))
    assert weekly_plan(Plan(start_ms=0, periods=periods, repeat_s=86_400), NOW_MS) is None


@pytest.mark.parametrize(
    ("limit_ma", "most_a", "range_a"),
    [(80_000, 32, 32), (33_000, 40, None), (80_000, 40, None), (32_900, 40, 32), (20_000, 16, 20)],
)
def test_a_limit_is_capped_only_where_the_charger_cannot_offer_more(
    limit_ma: int, most_a: int, range_a: int | None
) -> None:
    body = weekly_plan(Plan(start_ms=0, periods=(PlanPeriod(0, limit_ma),)), NOW_MS, most_a)
    found = None if body is None else body["days"][0]["ranges"][0]["chargingCurrentLimit"]
    assert found == range_a


@pytest.mark.parametrize(
    "plan",
    [
        Plan(start_ms=0, periods=(PlanPeriod(0, 10_000), PlanPeriod(600, 16_000))),
        Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),), duration_s=3600),
        Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),), duration_s=3600, repeat_s=86_400),
        Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),), until_ms=NOW_MS + 1),
        Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),), from_ms=5, repeat_s=86_400),
        Plan(start_ms=NOW_MS + 60_000, periods=(PlanPeriod(0, 10_000),), repeat_s=86_400),
        Plan(start_ms=0, periods=(PlanPeriod(0, 10_000), PlanPeriod(90, 16_000)), repeat_s=86_400),
        Plan(start_ms=30_000, periods=(PlanPeriod(0, 10_000),), repeat_s=86_400),
    ],
    ids=["once", "ends", "pauses", "until", "from", "not begun", "half minutes", "start within a minute"],
)
def test_what_a_weekly_plan_cannot_say_is_not_said(plan: Plan) -> None:
    assert weekly_plan(plan, NOW_MS) is None
