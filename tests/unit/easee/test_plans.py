"""Plans that a weekly charge plan can express, and that it expresses the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.twin.plans import weekly_plan
from chargebridge.chargers.model import Plan, PlanPeriod
from chargebridge.chargers.plan_limits import plan_limit_ma

pytestmark = pytest.mark.unit

MONDAY_MS = 1_767_571_200_000  # 2026-01-05T00:00Z
NOW_MS = MONDAY_MS + 3 * 86_400_000


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
        st.tuples(st.integers(1, 1439), st.sampled_from([0, 5_000, 6_000, 10_000, 15_900, 32_000])),
        max_size=6,
        unique_by=lambda one: one[0],
    ),
    st.sampled_from([86_400, 604_800]),
    st.integers(-3 * 1440, 1440),
)
def test_a_repeated_plan_says_the_same_each_minute_of_the_week(
    later: list[tuple[int, int]], repeat_s: int, start_minute: int
) -> None:
    periods = (PlanPeriod(0, 16_000), *(PlanPeriod(minute * 60, ma) for minute, ma in sorted(later)))
    plan = Plan(start_ms=MONDAY_MS + start_minute * 60_000, periods=periods, repeat_s=repeat_s)
    body = weekly_plan(plan, NOW_MS)
    assert body is not None
    for minute in range(0, 7 * 1440, 7):
        limit_ma = plan_limit_ma(plan, MONDAY_MS + 14 * 86_400_000 + minute * 60_000)
        assert limit_ma is not None
        expected = limit_ma // 1000 * 1000 if limit_ma >= 6_000 else 0
        assert said(body, minute // 1440, minute % 1440) == expected


def test_a_constant_limit_holds_all_week() -> None:
    body = weekly_plan(Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),)), NOW_MS)
    assert body is not None
    assert all(said(body, day, minute) == 10_000 for day in range(7) for minute in (0, 720, 1439))


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
