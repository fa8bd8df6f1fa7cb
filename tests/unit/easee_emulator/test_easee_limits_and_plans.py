"""Which limit is the lowest, what ends when, and charge plans as plans of chargers."""

import json

import pytest

from chargebridge.chargers.model import Plan, PlanPeriod
from chargebridge.chargers.plan_limits import plan_limit_ma
from chargebridge.emulators.easee_cloud.charger.limits import Cause, ChargerLimits, CircuitLimits, least_of
from chargebridge.emulators.easee_cloud.charger.plans import (
    DAY_S,
    MONDAY_MS,
    WEEK_S,
    PlanError,
    Range,
    delayed_plan,
    next_time_ms,
    repeating_plan,
    schedule_text,
    second_of_day,
    utc_offset_s,
)

pytestmark = pytest.mark.unit

HOUR_MS = 3_600_000


def circuit() -> CircuitLimits:
    return CircuitLimits(rated_a=32, maximum_a=(32, 32, 32), offline_a=(10, 10, 10), default_dynamic_a=40)


def charger(plan: Plan | None = None) -> ChargerLimits:
    return ChargerLimits(rated_a=32, maximum_a=32, lasting_a=32, plan=plan)


class TestLimits:
    def test_the_lowest_wins_and_says_what_it_is(self):
        one, fuse = charger(), circuit()
        assert one.lowest(fuse, 0) == (32, Cause.NOTHING)
        fuse.set_dynamic((20, 20, 20), None)
        assert one.lowest(fuse, 0) == (20, Cause.DYNAMIC_CIRCUIT)
        one.set_dynamic(16, None)
        assert one.lowest(fuse, 0) == (16, Cause.DYNAMIC_CHARGER)
        one.maximum_a = 10
        assert one.lowest(fuse, 0) == (10, Cause.CHARGER)
        fuse.maximum_a = (8, 8, 8)
        assert one.lowest(fuse, 0) == (8, Cause.CIRCUIT)
        one.plan = Plan(start_ms=0, periods=(PlanPeriod(0, 6900),))
        assert one.lowest(fuse, 0) == (6, Cause.SCHEDULE)

    @pytest.mark.parametrize(
        ("phases", "least"), [((16, 16, 16), 16), ((16, 0, 0), 16), ((16, 0, 16), 0), ((0, 0, 0), 0)]
    )
    def test_p2_and_p3_at_0_leave_one_phase(self, phases, least):
        assert least_of(phases) == least

    def test_a_change_of_the_phase_mode_raises_the_dynamic_current_whatever_it_was(self):
        one = charger()
        one.set_dynamic(20, None)
        one.set_dynamic(8, until_ms=9000)
        one.raised_until_ms = 7000
        assert (one.expire(6999), one.dynamic_a) == (False, 32)
        assert (one.expire(7000), one.dynamic_a) == (True, 8)
        assert (one.expire(9000), one.dynamic_a) == (True, 20)
        one.raised_until_ms = 20_000
        one.set_dynamic(10, None)
        assert one.dynamic_a == 10

    def test_a_temporary_dynamic_current_of_a_charger_ends_with_the_one_before(self):
        one = charger()
        one.set_dynamic(20, None)
        one.set_dynamic(8, until_ms=1000)
        assert (one.expire(999), one.dynamic_a) == (False, 8)
        assert (one.expire(1000), one.dynamic_a) == (True, 20)
        assert one.reset_dynamic() == 32

    def test_that_of_a_circuit_ends_with_its_offline_limit(self):
        fuse = circuit()
        fuse.set_dynamic((20, 20, 20), until_ms=1000)
        assert fuse.expire(1000)
        assert fuse.dynamic_a == (10, 10, 10)
        fuse.restart()
        assert fuse.dynamic_a == (40, 40, 40)

    def test_a_charger_follows_its_plan_by_itself_unless_something_else_limits_too(self):
        one, fuse = charger(Plan(start_ms=0, periods=(PlanPeriod(0, 13_000),))), circuit()
        assert one.beside_plan_ma(fuse, 0) is None
        one.set_dynamic(20, None)
        assert one.beside_plan_ma(fuse, 0) == 13_000
        one.set_dynamic(9, None)
        assert one.beside_plan_ma(fuse, 0) == 9000
        one.overridden = True
        one.set_dynamic(20, None)
        assert one.beside_plan_ma(fuse, 0) == 20_000


class TestPlans:
    def test_a_week_offers_nothing_outside_of_its_ranges(self):
        tuesday_s = DAY_S
        plan = repeating_plan(
            [Range(tuesday_s + 6 * 3600, tuesday_s + 8 * 3600, 16, WEEK_S)], WEEK_S, MONDAY_MS
        )
        tuesday_ms = MONDAY_MS + 52 * WEEK_S * 1000 + tuesday_s * 1000
        limits = [plan_limit_ma(plan, tuesday_ms + hour * HOUR_MS) for hour in (5, 6, 7, 8)]
        assert limits == [0, 16_000, 16_000, 0]

    def test_a_range_over_midnight_and_over_the_end_of_the_week(self):
        plan = repeating_plan([Range(22 * 3600, 30 * 3600, 10, DAY_S)], DAY_S, 0)
        assert [plan_limit_ma(plan, hour * HOUR_MS) for hour in (21, 22, 23, 24, 29, 30)] == [
            0,
            10_000,
            10_000,
            10_000,
            10_000,
            0,
        ]

    def test_a_range_of_a_whole_day(self):
        plan = repeating_plan([Range(0, 0, 10, DAY_S)], DAY_S, 0)
        assert plan.periods == (PlanPeriod(0, 10_000),)

    def test_where_ranges_overlap_the_lower_limit_wins(self):
        plan = repeating_plan([Range(0, 7200, 16, DAY_S), Range(3600, 10_800, 8, DAY_S)], DAY_S, 0)
        assert [period.limit_ma for period in plan.periods] == [16_000, 8000, 0]

    def test_no_ranges_are_no_plan(self):
        assert repeating_plan([], DAY_S, 0) is None

    def test_a_delayed_start(self):
        plan = delayed_plan(1000, 61_000, 16)
        assert (plan_limit_ma(plan, 60_999), plan_limit_ma(plan, 61_000)) == (0, 16_000)
        assert plan_limit_ma(delayed_plan(1000, 500, 16), 1000) == 16_000

    @pytest.mark.parametrize(
        ("text", "second"), [("06:30Z", 23_400), ("06:30", 23_400), ("00:00:59", 59), ("24:00Z", DAY_S)]
    )
    def test_times_of_day(self, text, second):
        assert second_of_day(text) == second

    @pytest.mark.parametrize("text", ["", "6", "25:00", "aa:bb", "06:60"])
    def test_what_is_no_time_of_day(self, text):
        with pytest.raises(PlanError):
            second_of_day(text)

    def test_time_zones(self):
        assert utc_offset_s("Europe/Oslo", 1_800_000_000_000) == 3600
        with pytest.raises(PlanError):
            utc_offset_s("Nowhere/Land", 0)

    def test_the_next_time_of_a_second_of_the_day(self):
        day_ms = DAY_S * 1000
        assert next_time_ms(3600, 10 * day_ms) == 10 * day_ms + HOUR_MS
        assert next_time_ms(3600, 10 * day_ms + HOUR_MS) == 11 * day_ms + HOUR_MS


@pytest.mark.parametrize(
    ("plan", "kind", "recurrency", "periods"),
    [
        (Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),), repeat_s=DAY_S), "Recurring", "Daily", [[0, 10]]),
        (
            Plan(start_ms=0, periods=(PlanPeriod(0, 0), PlanPeriod(60, 16_000)), repeat_s=WEEK_S),
            "Recurring",
            "Weekly",
            [[0, 0], [60, 16]],
        ),
        (Plan(start_ms=0, periods=(PlanPeriod(0, 8_000),)), "Absolute", None, [[0, 8]]),
    ],
)
def test_a_plan_is_shown_in_the_format_of_the_firmware(plan, kind, recurrency, periods):
    assert json.loads(schedule_text(plan)) == {
        "StartSchedule": "1970-01-01T00:00:00.000Z",
        "ProfileKind": kind,
        "RecurrencyKind": recurrency,
        "Periods": periods,
    }


def test_no_plan_is_shown_as_nothing():
    assert schedule_text(None) == ""
