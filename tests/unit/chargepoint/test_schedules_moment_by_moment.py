"""Random charging profiles: the engine that goes by boundaries agrees with one that looks at every moment.

The other one is the pseudo code of the requirements as it stands, in exact fractions and Python's own
calendar, asked again each half second. Numbers are few and small, so that boundaries collide.
"""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargepoint.rules.schedules import (
    EvaluationContext,
    Installed,
    limit_intervals,
    limit_ma,
    next_change_ms,
    prevailing,
)
from chargebridge.ocpp16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargebridge.ocpp16.enums import (
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    RecurrencyKindType,
)

pytestmark = [pytest.mark.unit, pytest.mark.simulation]

SUMMER_TIME = timezone(timedelta(hours=2))
T0 = datetime(2024, 5, 14, 7, 30, tzinfo=UTC)
T0_MS = int(T0.timestamp()) * 1000
STEP_MS = 500
WINDOW_MS = 20_000
DAY_S, WEEK_S = 86_400, 604_800

MAX = ChargingProfilePurposeType.CHARGE_POINT_MAX_PROFILE
DEFAULT = ChargingProfilePurposeType.TX_DEFAULT_PROFILE
TX = ChargingProfilePurposeType.TX_PROFILE

seconds = st.sampled_from((0, 1, 2, 3, 5, 8, 12))
durations = st.sampled_from((0, 1, 3, 8, 15, DAY_S - 5, DAY_S, DAY_S + 5, WEEK_S + 5))
period_starts = st.sets(st.sampled_from((1, 2, 3, 5, 8, DAY_S - 3, DAY_S, DAY_S + 2)), max_size=3)
rates = {
    ChargingRateUnitType.A: st.sampled_from(tuple(map(Decimal, ("0", "6", "7.5", "10", "13", "40")))),
    ChargingRateUnitType.W: st.sampled_from(tuple(map(Decimal, ("0", "1380", "3680", "6000", "11000")))),
}


@st.composite
def moments(draw):
    """A date-time a few seconds from T0, which may be written with a zone."""
    moment = T0 + timedelta(seconds=draw(seconds) - 3)
    return moment.astimezone(draw(st.sampled_from((UTC, SUMMER_TIME)))).isoformat()


@st.composite
def charging_profiles(draw, purpose):
    kind = draw(st.sampled_from(ChargingProfileKindType))
    recurring = kind is ChargingProfileKindType.RECURRING
    unit = draw(st.sampled_from(ChargingRateUnitType))
    schedule = ChargingSchedule(
        charging_rate_unit=unit,
        charging_schedule_period=tuple(
            ChargingSchedulePeriod(
                start_period=start,
                limit=draw(rates[unit]),
                number_phases=draw(st.sampled_from((None, 1, 2, 3))),
            )
            for start in (0, *sorted(draw(period_starts)))
        ),
        duration=draw(st.none() | durations),
        start_schedule=draw(moments() if recurring else st.none() | moments()),
    )
    return ChargingProfile(
        charging_profile_id=1,
        stack_level=draw(st.integers(0, 2)),
        charging_profile_purpose=purpose,
        charging_profile_kind=kind,
        charging_schedule=schedule,
        recurrency_kind=draw(st.sampled_from(RecurrencyKindType)) if recurring else None,
        valid_from=draw(st.none() | st.none() | moments()),
        valid_to=draw(st.none() | st.none() | moments()),
    )


@st.composite
def kept(draw):
    """An installed profile, for a connector that can have one of its purpose."""
    purpose = draw(st.sampled_from(ChargingProfilePurposeType))
    connector = {MAX: st.just(0), DEFAULT: st.integers(0, 2), TX: st.integers(1, 2)}[purpose]
    return Installed(draw(connector), draw(charging_profiles(purpose)))


def place(installed):
    """Where a profile is kept: another one there would have replaced it."""
    profile = installed.profile
    return profile.charging_profile_purpose, profile.stack_level, installed.connector


many_kept = st.lists(kept(), min_size=1, max_size=6, unique_by=place)
half_seconds = st.integers(-8, 30).map(lambda number: T0_MS + number * STEP_MS)
days_later = st.sampled_from((0, 1, 7, 8)).map(lambda days: days * DAY_S * 1000)
circumstances_of = st.builds(
    EvaluationContext,
    merged=st.booleans(),
    connector=st.integers(0, 2),
    charging_since_ms=st.none() | half_seconds,
    now_ms=half_seconds,
    hardware_ma=st.sampled_from((16_000, 32_050)),
    phases=st.sampled_from((1, 3)),
)


def milliseconds(text):
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def active(profile, context, at_ms):
    """The period of a profile that holds at a moment, or nothing."""
    if profile.valid_from is not None and at_ms < milliseconds(profile.valid_from):
        return None
    if profile.valid_to is not None and at_ms >= milliseconds(profile.valid_to):
        return None
    schedule = profile.charging_schedule
    start_ms = context.charging_since_ms
    if start_ms is None:
        start_ms = context.now_ms
    if profile.charging_profile_kind != "Relative" and schedule.start_schedule is not None:
        start_ms = milliseconds(schedule.start_schedule)
    recurrence_s = {None: None, "Daily": DAY_S, "Weekly": WEEK_S}[profile.recurrency_kind]
    while recurrence_s is not None and start_ms + recurrence_s * 1000 <= at_ms:
        start_ms += recurrence_s * 1000
    offset_s = Fraction(at_ms - start_ms, 1000)
    if offset_s < 0 or (schedule.duration is not None and offset_s >= schedule.duration):
        return None
    return [period for period in schedule.charging_schedule_period if period.start_period <= offset_s][-1]


def highest(profiles, context, purpose, at_ms):
    """The prevailing profile of a purpose with its period, or nothing."""
    connector = context.connector or 1
    best = None
    for installed in profiles:
        if installed.profile.charging_profile_purpose is not purpose:
            continue
        if installed.connector not in (0, connector):
            continue
        period = active(installed.profile, context, at_ms)
        rank = (installed.profile.stack_level, installed.connector)
        if period is not None and (best is None or rank > best[0]):
            best = rank, installed, period
    return best[1:] if best else None


def converted(found, unit, context):
    installed, period = found
    limit, phases = Fraction(period.limit), period.number_phases or 3
    given = installed.profile.charging_schedule.charging_rate_unit
    if given is unit:
        return limit
    if unit == "A":
        return limit / (context.voltage_v * phases)
    # A charger with fewer phases draws on those that it has.
    return limit * context.voltage_v * min(phases, context.phases)


def limit_at(profiles, context, unit, at_ms):
    """The exact limit at a moment."""
    maximum, default, transaction = (
        highest(profiles, context, purpose, at_ms) for purpose in (MAX, DEFAULT, TX)
    )
    ampere = Fraction(context.hardware_ma, 1000)
    limits = [ampere if unit == "A" else ampere * context.voltage_v * context.phases]
    chosen = [transaction or default, maximum] if context.merged else [transaction, default or maximum]
    limits += [converted(found, unit, context) for found in chosen if found]
    return min(limits)


def tenths(limit):
    return Decimal(floor(limit * 10)) / 10


@given(many_kept, circumstances_of, half_seconds, days_later, st.sampled_from(ChargingRateUnitType))
def test_stretches_say_at_each_moment_what_the_pseudo_code_says(profiles, context, from_ms, later_ms, unit):
    from_ms += later_ms
    found = limit_intervals(profiles, context, from_ms, from_ms + WINDOW_MS, unit)
    assert found[0].at_ms == from_ms
    for one, other in pairwise(found):
        assert one.at_ms < other.at_ms
        assert one[1:] != other[1:]
    for at_ms in range(from_ms, from_ms + WINDOW_MS, STEP_MS):
        limit = [stretch.limit for stretch in found if stretch.at_ms <= at_ms][-1]
        assert limit == tenths(limit_at(profiles, context, unit, at_ms))


@given(many_kept, circumstances_of, half_seconds, days_later)
def test_at_a_moment_limit_and_prevailing_profiles_are_those_of_the_pseudo_code(
    profiles, context, at_ms, later_ms
):
    at_ms += later_ms
    ampere = limit_at(profiles, context, ChargingRateUnitType.A, at_ms)
    assert limit_ma(profiles, context, at_ms) == floor(ampere * 10) * 100
    for purpose in ChargingProfilePurposeType:
        expected = highest(profiles, context, purpose, at_ms)
        assert prevailing(profiles, context, purpose, at_ms) is (expected[0] if expected else None)


@given(many_kept, circumstances_of, half_seconds, days_later)
def test_nothing_changes_before_the_next_change(profiles, context, after_ms, later_ms):
    after_ms += later_ms
    change_ms = next_change_ms(profiles, context, after_ms)
    assert change_ms is None or change_ms > after_ms
    quiet_until_ms = after_ms + WINDOW_MS if change_ms is None else min(change_ms, after_ms + WINDOW_MS)
    for unit in ChargingRateUnitType:
        now = limit_at(profiles, context, unit, after_ms)
        for at_ms in range(after_ms, quiet_until_ms, STEP_MS):
            assert limit_at(profiles, context, unit, at_ms) == now
