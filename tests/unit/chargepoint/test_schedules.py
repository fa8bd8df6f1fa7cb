"""Which limit charging profiles give, and when; tests are named after the requirement they show.

Schedules are written and read as the specification's examples are: `[s:limit]` is a limit that holds from
s seconds after X, the time of the request.
"""

from decimal import Decimal

import pytest
from msgspec import structs

from chargebridge.chargepoint.rules.schedules import (
    EvaluationContext,
    Installed,
    LimitInterval,
    limit_intervals,
    limit_ma,
    next_change_ms,
    prevailing,
)
from chargebridge.clock import format_utc
from chargebridge.ocpp16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargebridge.ocpp16.enums import (
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    RecurrencyKindType,
)
from chargebridge.ocpp16.timestamps import parse_timestamp

pytestmark = pytest.mark.unit

A, W = ChargingRateUnitType.A, ChargingRateUnitType.W
MAX = ChargingProfilePurposeType.CHARGE_POINT_MAX_PROFILE
DEFAULT = ChargingProfilePurposeType.TX_DEFAULT_PROFILE
TX = ChargingProfilePurposeType.TX_PROFILE
DAILY, WEEKLY = RecurrencyKindType.DAILY, RecurrencyKindType.WEEKLY

X = "2024-05-14T07:30:00Z"
X_MS = parse_timestamp(X)
LONG_AGO = "2024-01-01T00:00:00Z"
DAY_S = 86_400

STANDARD = EvaluationContext(
    merged=True, connector=1, charging_since_ms=None, now_ms=X_MS, hardware_ma=80_000
)
OVERRIDING = structs.replace(STANDARD, merged=False)


def after_x(seconds: int) -> str:
    return format_utc(X_MS + seconds * 1000)


def profile(
    *periods: tuple[int, str],
    purpose: ChargingProfilePurposeType = DEFAULT,
    level: int = 0,
    connector: int = 0,
    start: str | None = LONG_AGO,
    recurs: RecurrencyKindType | None = None,
    duration: int | None = None,
    unit: ChargingRateUnitType = A,
    phases: int | None = None,
    valid_from: str | None = None,
    valid_to: str | None = None,
) -> Installed:
    """An installed profile: Relative without a start, Recurring if it recurs, or else Absolute."""
    kind = ChargingProfileKindType.ABSOLUTE if start else ChargingProfileKindType.RELATIVE
    schedule = ChargingSchedule(
        charging_rate_unit=unit,
        charging_schedule_period=tuple(
            ChargingSchedulePeriod(start_period=second, limit=Decimal(limit), number_phases=phases)
            for second, limit in periods
        ),
        duration=duration,
        start_schedule=start,
    )
    return Installed(
        connector=connector,
        profile=ChargingProfile(
            charging_profile_id=1,
            stack_level=level,
            charging_profile_purpose=purpose,
            charging_profile_kind=ChargingProfileKindType.RECURRING if recurs else kind,
            charging_schedule=schedule,
            recurrency_kind=recurs,
            valid_from=valid_from,
            valid_to=valid_to,
        ),
    )


def composite(
    profiles: list[Installed],
    duration: int,
    unit: ChargingRateUnitType = A,
    context: EvaluationContext = STANDARD,
) -> str:
    x_ms = context.now_ms
    found = limit_intervals(profiles, context, x_ms, x_ms + duration * 1000, unit)
    return "".join(f"[{(stretch.at_ms - x_ms) / 1000:g}:{stretch.limit}]" for stretch in found)


class TestWorkedExamples:
    def test_example_1_the_daily_profile_of_the_specification_in_both_units(self) -> None:
        daily = profile(
            (0, "11000"),
            (28_800, "6000"),
            (72_000, "11000"),
            start="2013-01-01T00:00Z",
            recurs=DAILY,
            duration=DAY_S,
            unit=W,
        )
        assert composite([daily], 50_400, W) == "[0:11000.0][1800:6000.0][45000:11000.0]"
        assert composite([daily], 50_400, A) == "[0:15.9][1800:8.6][45000:15.9]"

    def test_example_2_the_maximum_caps_what_the_default_allows(self) -> None:
        maximum = profile((0, "16"), purpose=MAX)
        default = profile((0, "32"), (600, "10"), (1200, "20"), start=X, duration=1800)
        assert composite([maximum, default], 2400) == "[0:16.0][600:10.0][1200:16.0]"

    def test_example_3_a_level_that_ends_falls_back_to_the_one_below(self) -> None:
        low = profile((0, "10"), recurs=DAILY)
        high = profile((0, "6"), level=1, start=after_x(300), duration=300)
        assert composite([low, high], 900) == "[0:10.0][300:6.0][600:10.0]"

    def test_example_4_a_weekly_night_ends_on_tuesday_morning(self) -> None:
        tuesday = structs.replace(STANDARD, now_ms=parse_timestamp("2024-05-14T05:00Z"))
        night = profile((0, "32"), level=1, start="2024-01-01T22:00Z", recurs=WEEKLY, duration=28_800)
        assert composite([night, profile((0, "6"))], 7200, context=tuesday) == "[0:32.0][3600:6.0]"

    def test_example_5_a_relative_profile_counts_from_the_start_of_its_transaction(self) -> None:
        charging = structs.replace(STANDARD, charging_since_ms=X_MS - 500_000)
        relative = profile(
            (0, "20"), (600, "12"), (1200, "8"), purpose=TX, connector=1, start=None, duration=1500
        )
        assert (
            composite([relative, profile((0, "10"))], 1500, context=charging)
            == "[0:20.0][100:12.0][700:8.0][1000:10.0]"
        )

    def test_example_6_a_level_that_is_no_longer_valid_falls_back(self) -> None:
        high = profile((0, "12"), level=1, valid_to=after_x(200))
        assert composite([high, profile((0, "16"))], 600) == "[0:12.0][200:16.0]"

    def test_example_7_a_default_of_one_connector_replaces_that_of_all_for_it_alone(self) -> None:
        of_all, of_one = profile((0, "16")), profile((0, "10"), connector=1)
        second = structs.replace(STANDARD, connector=2)
        assert composite([of_all, of_one], 60) == "[0:10.0]"
        assert composite([of_all, of_one], 60, context=second) == "[0:16.0]"
        assert composite([of_all], 60) == "[0:16.0]"

    def test_example_8_what_lies_beyond_one_recurrence_is_never_executed(self) -> None:
        daily = profile((0, "10"), (90_000, "20"), recurs=DAILY, duration=172_800)
        assert composite([daily], 2 * DAY_S) == "[0:10.0]"

    def test_example_9_limits_of_different_units_are_compared_in_the_one_asked_for(self) -> None:
        profiles = [profile((0, "11000"), purpose=MAX, unit=W), profile((0, "20"))]
        assert composite(profiles, 60, A) == "[0:15.9]"
        assert composite(profiles, 60, W) == "[0:11000.0]"

    def test_example_10_watts_on_one_phase(self) -> None:
        single = profile((0, "3680"), unit=W, phases=1)
        assert limit_intervals([single], STANDARD, X_MS, X_MS, A) == [LimitInterval(X_MS, Decimal(16), 1)]

    def test_example_11_a_duration_shorter_than_the_periods_cuts_them(self) -> None:
        high = profile((0, "10"), (100, "20"), (300, "30"), level=1, start=X, duration=200)
        assert composite([high, profile((0, "14"))], 400) == "[0:10.0][100:20.0][200:14.0]"

    def test_example_12_a_profile_waits_for_its_validity_though_its_schedule_has_begun(self) -> None:
        later = profile((0, "7"), level=1, valid_from=after_x(120))
        assert composite([later, profile((0, "25"), purpose=MAX)], 300) == "[0:25.0][120:7.0]"


class TestWhichProfileGoesFirst:
    def test_sc_4_at_the_same_level_the_connector_goes_before_the_whole_charge_point(self) -> None:
        of_all, of_one = profile((0, "6")), profile((0, "10"), connector=1)
        assert prevailing([of_all, of_one], STANDARD, DEFAULT, X_MS) is of_one

    def test_sc_4_a_higher_level_for_all_connectors_goes_before_a_lower_one_for_this(self) -> None:
        of_all, of_one = profile((0, "6"), level=1), profile((0, "10"), connector=1)
        assert prevailing([of_all, of_one], STANDARD, DEFAULT, X_MS) is of_all

    def test_sc_5_before_its_validity_a_profile_alone_leaves_the_charger_to_itself(self) -> None:
        assert composite([profile((0, "10"), valid_from=after_x(60))], 120) == "[0:80.0][60:10.0]"

    def test_sc_12_each_level_that_is_not_active_gives_way_to_the_next_lower_one(self) -> None:
        profiles = [
            profile((0, "6"), level=2, start=X, duration=100),
            profile((0, "8"), level=1, start=X, duration=200),
            profile((0, "12"), level=0, start=X, duration=300),
        ]
        assert composite(profiles, 400) == "[0:6.0][100:8.0][200:12.0][300:80.0]"

    def test_sc_12_without_an_end_the_highest_level_leaves_nothing_to_the_lower_ones(self) -> None:
        profiles = [profile((0, "20"), level=1), profile((0, "6"))]
        assert composite(profiles, 30 * DAY_S) == "[0:20.0]"

    def test_sc_14_a_transaction_profile_overrules_the_default_even_if_it_allows_more(self) -> None:
        profiles = [profile((0, "20"), purpose=TX, connector=1), profile((0, "10"))]
        assert composite(profiles, 60) == "[0:20.0]"

    def test_sc_14_outside_its_duration_a_transaction_profile_leaves_the_default_in_force(self) -> None:
        brief = profile((0, "20"), purpose=TX, connector=1, start=after_x(60), duration=60)
        assert composite([brief, profile((0, "10"))], 180) == "[0:10.0][60:20.0][120:10.0]"

    def test_each_purpose_has_its_own_prevailing_profile(self) -> None:
        maximum, default = profile((0, "16"), purpose=MAX), profile((0, "10"), start=X, duration=60)
        assert prevailing([maximum, default], STANDARD, MAX, X_MS) is maximum
        assert prevailing([maximum, default], STANDARD, DEFAULT, X_MS + 59_999) is default
        assert prevailing([maximum, default], STANDARD, DEFAULT, X_MS + 60_000) is None
        assert prevailing([maximum, default], STANDARD, TX, X_MS) is None


class TestPurposes:
    PROFILES = (
        profile((0, "16"), purpose=MAX),
        profile((0, "25"), start=after_x(60), duration=60),
    )

    def test_merged_the_lower_one_of_maximum_and_default_counts(self) -> None:
        assert composite([*self.PROFILES], 180, context=STANDARD) == "[0:16.0]"

    def test_not_merged_an_active_default_overrides_the_maximum(self) -> None:
        assert composite([*self.PROFILES], 180, context=OVERRIDING) == "[0:16.0][60:25.0][120:16.0]"

    def test_not_merged_a_transaction_profile_can_only_lower_what_the_others_give(self) -> None:
        of_transaction = profile((0, "32"), (90, "10"), purpose=TX, connector=1, start=X)
        assert (
            composite([*self.PROFILES, of_transaction], 180, context=OVERRIDING)
            == "[0:16.0][60:25.0][90:10.0]"
        )

    def test_not_merged_a_transaction_profile_alone_is_the_limit(self) -> None:
        alone = profile((0, "20"), purpose=TX, connector=1)
        assert composite([alone], 60, context=OVERRIDING) == "[0:20.0]"


class TestConnectors:
    def test_in_the_standard_a_profile_of_another_connector_is_none_of_this_one(self) -> None:
        assert composite([profile((0, "10"), connector=2)], 60) == "[0:80.0]"

    def test_sc_23_the_whole_charge_point_draws_what_its_one_connector_does_up_to_the_maximum(self) -> None:
        whole = structs.replace(STANDARD, connector=0)
        default = profile((0, "10"), (60, "20"), connector=1, start=X)
        maximum = profile((0, "16"), purpose=MAX)
        assert composite([default, maximum], 120, context=whole) == "[0:10.0][60:16.0]"


class TestUnitsAndPhases:
    def test_sc_9_watts_are_shared_by_three_phases_unless_it_is_said_otherwise(self) -> None:
        assert limit_ma([profile((0, "6900"), unit=W)], STANDARD, X_MS) == 10_000
        assert limit_ma([profile((0, "6900"), unit=W, phases=2)], STANDARD, X_MS) == 15_000

    def test_sc_9_amperes_become_watts_with_the_phases_of_their_period(self) -> None:
        assert composite([profile((0, "10"))], 0, W) == "[0:6900.0]"
        assert composite([profile((0, "10"), phases=1)], 0, W) == "[0:2300.0]"

    def test_sc_9_the_nominal_voltage_converts(self) -> None:
        other = structs.replace(STANDARD, voltage_v=240)
        assert composite([profile((0, "10"), phases=1)], 0, W, other) == "[0:2400.0]"

    def test_sc_9_a_limit_for_more_phases_than_there_are_is_taken_as_it_is(self) -> None:
        single = structs.replace(STANDARD, phases=1)
        for limit, unit in (("10", A), ("6900", W)):
            three = profile((0, limit), unit=unit, phases=3)
            assert limit_intervals([three], single, X_MS, X_MS, A) == [LimitInterval(X_MS, Decimal(10), 3)]

    @pytest.mark.parametrize("phases", [0, -1])
    def test_a_number_of_phases_that_cannot_be_counts_as_not_given(self, phases: int) -> None:
        odd = profile((0, "6900"), unit=W, phases=phases)
        assert limit_intervals([odd], STANDARD, X_MS, X_MS, A) == [LimitInterval(X_MS, Decimal(10), 3)]

    def test_sc_24_limits_are_rounded_down_to_one_decimal(self) -> None:
        assert composite([profile((0, "6000"), unit=W)], 0, A) == "[0:8.6]"  # 8.695...
        assert limit_ma([profile((0, "6000"), unit=W)], STANDARD, X_MS) == 8600

    def test_sc_24_without_any_limit_the_hardware_is_the_limit(self) -> None:
        single = structs.replace(STANDARD, hardware_ma=16_050, phases=1)
        assert limit_intervals([], single, X_MS, X_MS + 1, A) == [LimitInterval(X_MS, Decimal(16), 1)]
        assert limit_intervals([], single, X_MS, X_MS + 1, W) == [LimitInterval(X_MS, Decimal("3691.5"), 1)]

    def test_sc_24_no_profile_lifts_the_limit_above_the_hardware(self) -> None:
        assert composite([profile((0, "125"))], 60) == "[0:80.0]"
        assert composite([profile((0, "999999999999999"), unit=W)], 60, W) == "[0:55200.0]"

    def test_sc_24_neighbours_of_equal_limit_are_one_but_not_if_their_phases_differ(self) -> None:
        first = profile((0, "10"), (30, "10"), start=X, duration=60, level=1)
        on_one_phase = profile((0, "10"), phases=1)
        assert limit_intervals([first, on_one_phase], STANDARD, X_MS, X_MS + 90_000, A) == [
            LimitInterval(X_MS, Decimal(10), 3),
            LimitInterval(X_MS + 60_000, Decimal(10), 1),
        ]

    def test_of_equal_limits_that_of_the_transaction_says_the_phases(self) -> None:
        default, maximum = profile((0, "16"), phases=1), profile((0, "16"), purpose=MAX, phases=3)
        assert limit_intervals([maximum, default], STANDARD, X_MS, X_MS, A) == [
            LimitInterval(X_MS, Decimal(16), 1)
        ]

    def test_a_limit_of_zero_is_a_limit_and_less_is_no_less(self) -> None:
        assert limit_ma([profile((0, "0"))], STANDARD, X_MS) == 0
        assert limit_ma([profile((0, "-5"))], STANDARD, X_MS) == 0


class TestTime:
    def test_sc_13_without_a_duration_the_last_period_holds_for_ever(self) -> None:
        endless = profile((0, "10"), (60, "8"), start=X)
        assert limit_ma([endless], STANDARD, X_MS + 3650 * DAY_S * 1000) == 8000
        assert next_change_ms([endless], STANDARD, X_MS + 60_000) is None

    def test_sc_13_a_duration_longer_than_the_periods_extends_the_last_one(self) -> None:
        extended = profile((0, "10"), (60, "8"), start=X, duration=300)
        assert composite([extended], 600) == "[0:10.0][60:8.0][300:80.0]"

    def test_sc_15_a_recurring_schedule_starts_at_the_same_time_of_each_day_in_utc(self) -> None:
        # Clocks in Europe are changed on 31 March 2024; the schedule is not.
        nightly = profile((0, "6"), start="2024-03-29T22:00:00+01:00", recurs=DAILY, duration=3600)
        starts = [stretch.at_ms for stretch in _of_march([nightly]) if stretch.limit == 6]
        assert [format_utc(start) for start in starts] == [
            "2024-03-30T21:00:00.000Z",
            "2024-03-31T21:00:00.000Z",
            "2024-04-01T21:00:00.000Z",
        ]

    def test_sc_16_a_recurring_schedule_does_not_reach_back_before_its_start(self) -> None:
        from_tomorrow = profile((0, "10"), start=after_x(DAY_S), recurs=DAILY)
        assert composite([from_tomorrow], 2 * DAY_S) == "[0:80.0][86400:10.0]"

    def test_sc_25_a_boundary_is_at_each_period_end_of_schedule_wrap_and_edge_of_validity(self) -> None:
        daily = profile(
            (0, "10"),
            (600, "20"),
            start=X,
            recurs=DAILY,
            duration=1200,
            valid_from=after_x(300),
            valid_to=after_x(DAY_S + 900),
        )
        boundaries, moment_ms = [], next_change_ms([daily], STANDARD, X_MS)
        while moment_ms is not None:
            boundaries.append((moment_ms - X_MS) // 1000)
            moment_ms = next_change_ms([daily], STANDARD, moment_ms)
        assert boundaries == [300, 600, 1200, DAY_S, DAY_S + 600, DAY_S + 900]

    def test_sc_25_what_has_not_begun_is_waited_for(self) -> None:
        assert next_change_ms([profile((0, "10"), start=after_x(60))], STANDARD, X_MS) == X_MS + 60_000

    def test_nothing_installed_never_changes(self) -> None:
        assert next_change_ms([], STANDARD, X_MS) is None

    def test_validity_is_half_open(self) -> None:
        valid = profile((0, "10"), valid_from=X, valid_to=after_x(60))
        limits = [limit_ma([valid], STANDARD, X_MS + ms) for ms in (-1, 0, 59_999, 60_000)]
        assert limits == [80_000, 10_000, 10_000, 80_000]

    def test_a_window_without_length_tells_what_holds_at_its_moment(self) -> None:
        assert composite([profile((0, "10"), (60, "8"), start=X)], 0) == "[0:10.0]"

    def test_a_window_ends_before_its_last_moment(self) -> None:
        two = profile((0, "10"), (60, "8"), start=X)
        assert composite([two], 60) == "[0:10.0]"
        assert composite([two], 61) == "[0:10.0][60:8.0]"

    def test_an_absolute_profile_without_a_start_counts_from_the_start_of_charging(self) -> None:
        absolute = profile((0, "20"), (600, "12"))
        floating = structs.replace(
            absolute,
            profile=structs.replace(
                absolute.profile,
                charging_schedule=structs.replace(absolute.profile.charging_schedule, start_schedule=None),
            ),
        )
        charging = structs.replace(STANDARD, charging_since_ms=X_MS - 500_000)
        assert composite([floating], 700, context=charging) == "[0:20.0][100:12.0]"
        assert composite([floating], 700) == "[0:20.0][600:12.0]"

    def test_a_relative_profile_is_deaf_to_the_start_in_its_schedule(self) -> None:
        relative = structs.replace(
            profile((0, "20"), (600, "12")).profile, charging_profile_kind=ChargingProfileKindType.RELATIVE
        )
        assert composite([Installed(0, relative)], 700) == "[0:20.0][600:12.0]"

    def test_without_a_transaction_a_relative_profile_counts_from_the_request(self) -> None:
        assert composite([profile((0, "20"), (600, "12"), start=None)], 700) == "[0:20.0][600:12.0]"

    def test_a_month_of_hours_is_seven_hundred_and_twenty_stretches(self) -> None:
        hourly = profile(*((hour * 3600, str(6 + hour)) for hour in range(24)), start=X, recurs=DAILY)
        month = limit_intervals([hourly], STANDARD, X_MS, X_MS + 30 * DAY_S * 1000, A)
        assert len(month) == 720
        assert month[-1] == LimitInterval(X_MS + 719 * 3_600_000, Decimal(29), 3)


def _of_march(profiles: list[Installed]) -> list[LimitInterval]:
    from_ms, until_ms = parse_timestamp("2024-03-30T00:00Z"), parse_timestamp("2024-04-02T00:00Z")
    return limit_intervals(profiles, STANDARD, from_ms, until_ms, A)
