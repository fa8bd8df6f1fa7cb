"""Two plans are equal if they give the same limits from now on: to write one for the other wears."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargepoint.turn import Notice, NoticeKind
from chargebridge.chargers.model import Plan, PlanPeriod, StorePlan
from chargebridge.chargers.plan_limits import plan_limit_ma, same_limits
from chargebridge.clock import format_utc

pytestmark = pytest.mark.unit

DAY_S, HOUR_S = 86_400, 3_600
NOW_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z


def plan(*periods, start_s=0, **fields):
    """A plan of (second, ampere) pairs, with times in seconds from now on."""
    bounds = {name: NOW_MS + fields.pop(name) * 1000 for name in ("from_ms", "until_ms") if name in fields}
    limits = tuple(PlanPeriod(offset_s, ampere * 1000) for offset_s, ampere in periods)
    return Plan(start_ms=NOW_MS + start_s * 1000, periods=limits, **bounds, **fields)


TEN = plan((0, 10))
EQUAL = {
    "an earlier start": (TEN, plan((0, 10), start_s=-HOUR_S)),
    "a start long ago": (TEN, plan((0, 10), start_s=-(10**9))),
    "periods that are over": (TEN, plan((0, 6), (60, 32), (120, 10), start_s=-120)),
    "periods that change nothing": (TEN, plan((0, 10), (60, 10))),
    "a bound that is over": (TEN, plan((0, 10), start_s=-60, from_ms=-30)),
    "the same later on": (plan((0, 10), (60, 6)), plan((0, 10), (HOUR_S + 60, 6), start_s=-HOUR_S)),
    "the same end": (plan((0, 10), duration_s=60), plan((0, 10), start_s=-60, duration_s=120)),
    "an end by another bound": (plan((0, 10), duration_s=60), plan((0, 10), until_ms=60)),
    "over, and none": (plan((0, 10), start_s=-60, duration_s=60), None),
    "not valid any more, and none": (plan((0, 10), start_s=-60, until_ms=0), None),
    "another day of a daily one": (
        plan((0, 10), (HOUR_S, 6), repeat_s=DAY_S),
        plan((0, 10), (HOUR_S, 6), start_s=-9 * DAY_S, repeat_s=DAY_S),
    ),
    "another turn of a daily one": (
        plan((0, 10), (HOUR_S, 6), repeat_s=DAY_S),
        plan((0, 6), (23 * HOUR_S, 10), start_s=HOUR_S - 2 * DAY_S, repeat_s=DAY_S),
    ),
    "daily and weekly": (
        plan((0, 10), repeat_s=DAY_S),
        plan((0, 10), start_s=-60, repeat_s=7 * DAY_S),
    ),
    "daily and for ever": (plan((0, 10), repeat_s=DAY_S), TEN),
}
DIFFERENT = {
    "another limit": (TEN, plan((0, 6))),
    "a later start": (TEN, plan((0, 10), start_s=1)),
    "an end": (TEN, plan((0, 10), duration_s=10**9)),
    "a bound far ahead": (plan((0, 10), repeat_s=DAY_S), plan((0, 10), repeat_s=DAY_S, until_ms=10**9)),
    "one hour of a week": (
        plan(*((day * DAY_S, 10) for day in range(7)), repeat_s=7 * DAY_S),
        plan((0, 10), (6 * DAY_S + HOUR_S, 9), (6 * DAY_S + 2 * HOUR_S, 10), repeat_s=7 * DAY_S),
    ),
    "a later period": (plan((0, 10), (10**8, 6)), TEN),
    "one, and none": (TEN, None),
    "a gap each day": (plan((0, 10), repeat_s=DAY_S), plan((0, 10), duration_s=DAY_S - 1, repeat_s=DAY_S)),
    "daily, and over after a year": (
        plan((0, 10), (60, 6), repeat_s=DAY_S),
        plan((0, 10), (60, 6), repeat_s=DAY_S, until_ms=365 * DAY_S),
    ),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_plans_are_equal_if_they_give_the_same_limits_from_now_on(one, other):
    assert same_limits(one, other, NOW_MS)
    assert same_limits(other, one, NOW_MS)


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_plans_differ_if_any_limit_does_however_late(one, other):
    assert not same_limits(one, other, NOW_MS)
    assert not same_limits(other, one, NOW_MS)


def test_no_plan_equals_no_plan():
    assert same_limits(None, None, NOW_MS)


_bounds = st.none() | st.integers(-5, 40).map(lambda second: NOW_MS + second * 1000)
_plans = st.builds(
    Plan,
    start_ms=st.integers(-30, 10).map(lambda second: NOW_MS + second * 1000),
    periods=st.lists(st.integers(1, 2), min_size=1, max_size=3).map(
        lambda limits: tuple(PlanPeriod(3 * n, limit) for n, limit in enumerate(limits))
    ),
    duration_s=st.none() | st.integers(1, 12),
    repeat_s=st.sampled_from([None, 6, 12]),
    from_ms=_bounds,
    until_ms=_bounds,
)


@given(one=_plans, other=st.none() | _plans)
def test_it_agrees_with_a_look_at_each_second(one, other):
    def limit_ma(plan, second):
        return None if plan is None else plan_limit_ma(plan, NOW_MS + second * 1000)

    # Every edge lies within 60 s, and after that 12 s show what repeats.
    seconds = range(90)
    equal = all(limit_ma(one, second) == limit_ma(other, second) for second in seconds)
    assert same_limits(one, other, NOW_MS) is equal


class TestWear:
    @staticmethod
    def set_limit(bench, ampere, start_s=0, id=1):
        profile = {
            "chargingProfileId": id,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "startSchedule": format_utc(bench.utc_ms + start_s * 1000),
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": ampere}],
            },
        }
        payload = {"connectorId": 1, "csChargingProfiles": profile}
        assert bench.ask("SetChargingProfile", payload) == {"status": "Accepted"}
        return [command.plan for command in bench.obey() if isinstance(command, StorePlan)]

    @pytest.mark.parametrize("start_s", [-3600, -1, 0, 1, 59])
    @pytest.mark.parametrize("preset", ["easee", "ocpp16"])
    def test_the_same_limit_with_a_later_start_is_not_written_again(self, new_bench, preset, start_s):
        bench = new_bench(preset).ready()
        assert len(self.set_limit(bench, 10)) == 1
        for number in range(80):
            bench.live(60)
            assert self.set_limit(bench, 10, start_s, id=number) == []
        bench.live(120)
        bench.obey()
        kinds = [output.kind for output in bench.outputs if isinstance(output, Notice)]
        assert kinds.count(NoticeKind.PROFILE_WRITTEN) == 1
        assert bench.cp.state.limit is None

    def test_what_only_a_wrong_clock_took_for_equal_is_written_once_that_is_set(self, new_bench):
        """Seed 601 of the simulation: the charger, whose clock was right, went on by the old plan."""
        bench = new_bench("easee").ready()

        def limited(ampere, start_ms, id):
            periods = [{"startPeriod": 0, "limit": ampere}, {"startPeriod": 1800, "limit": 13}]
            profile = {
                "chargingProfileId": id,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "startSchedule": format_utc(start_ms),
                    "chargingSchedulePeriod": periods,
                },
            }
            bench.ask("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
            return [command.plan for command in bench.obey() if isinstance(command, StorePlan)]

        start_ms = bench.utc_ms
        assert len(limited(10, start_ms, 1)) == 1
        bench.utc_ms += 10_000_000
        assert limited(8, start_ms + 60_000, 1) == []
        bench.utc_ms -= 10_000_000
        bench.live(1)
        bench.ask("GetConfiguration", {"key": ["HeartbeatInterval"]})
        (written,) = [command.plan for command in bench.obey() if isinstance(command, StorePlan)]
        assert written.start_ms == start_ms + 60_000

    def test_another_limit_is_written(self, new_bench):
        bench = new_bench("easee").ready()
        self.set_limit(bench, 10)
        assert len(self.set_limit(bench, 9)) == 1

    def test_one_that_begins_much_later_is_written(self, new_bench):
        bench = new_bench("easee").ready()
        self.set_limit(bench, 10)
        assert len(self.set_limit(bench, 10, start_s=61)) == 1

    def test_what_is_written_at_an_unknown_outcome_is_written_again(self, new_bench):
        bench = new_bench("easee").ready()
        self.set_limit(bench, 10)
        bench.cp.state.plan_unknown = True
        assert len(self.set_limit(bench, 10)) == 1
