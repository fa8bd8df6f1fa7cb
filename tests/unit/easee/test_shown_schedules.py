"""The schedule that a charger shows (observation 62): read liberally, and compared by what it limits."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.twin.schedules import NoScheduleError, limit_a, shown_limits

pytestmark = pytest.mark.unit

MONDAY_MS = 1_767_571_200_000  # 2026-01-05T00:00Z
HOUR_S = 3600


def shown(**changes: object) -> str:
    schedule = {
        "StartSchedule": "2026-01-05T00:00:00Z",
        "ProfileKind": "Recurring",
        "RecurrencyKind": "Daily",
        "Periods": [[0, 16], [6 * HOUR_S, 0]],
    }
    return json.dumps({**schedule, **changes})


def test_a_daily_schedule_holds_each_day():
    limits = shown_limits(shown())
    assert limits[:3] == ((0, 16), (6 * HOUR_S, 0), (24 * HOUR_S, 16))
    assert [limit_a(limits, MONDAY_MS + hour * HOUR_S * 1000) for hour in (0, 5, 6, 23, 24, 30)] == [
        16,
        16,
        0,
        0,
        16,
        0,
    ]


def test_a_weekly_schedule_may_begin_on_any_day():
    limits = shown_limits(shown(StartSchedule="2026-01-07T10:00:00Z", RecurrencyKind="Weekly"))
    begin_s = (2 * 24 + 10) * HOUR_S
    assert limits == ((0, 0), (begin_s, 16), (begin_s + 6 * HOUR_S, 0))


@pytest.mark.parametrize(
    "changes",
    [
        {"StartSchedule": "2026-01-05T01:00:00+01:00"},
        {"StartSchedule": MONDAY_MS // 1000},
        {"StartSchedule": MONDAY_MS},
        {"StartSchedule": str(MONDAY_MS // 1000)},
        {"RecurrencyKind": "daily"},
        {"RecurrencyKind": 0},
        {"Periods": [[0, 16.0], ["21600", "0"]]},
        {"Periods": [[21600, 5], [0, 16]]},
        {"Periods": [{"Offset": 0, "Limit": 16}, {"StartPeriod": 21600, "Limit": 0}]},
        {"Periods": [[0, 16, 3], [21600, 0, 3]]},
        {"Periods": [[0, 16], [7200, 16], [21600, 0]]},
        {"Duration": None, "Id": 7},
    ],
)
def test_other_notations_of_the_same_are_read_the_same(changes):
    assert shown_limits(shown(**changes)) == shown_limits(shown())


def test_an_array_of_one_schedule_and_names_in_another_case_are_read():
    camel = {name[0].lower() + name[1:]: value for name, value in json.loads(shown()).items()}
    assert shown_limits(json.dumps([camel])) == shown_limits(shown())


@pytest.mark.parametrize("text", ["", "  ", "{}", "null", "[]", shown(Periods=[]), shown(Periods=None), '""'])
def test_nothing_is_no_schedule(text):
    assert shown_limits(text) == ()
    assert limit_a(shown_limits(text), MONDAY_MS) is None


def test_one_limit_without_an_end_holds_always():
    assert shown_limits(shown(ProfileKind="Absolute", RecurrencyKind=None, Periods=[[0, 10]])) == ((0, 10),)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[" * 5000,
        '"text"',
        "7",
        shown(RecurrencyKind="Monthly"),
        shown(RecurrencyKind=None),
        shown(StartSchedule=None),
        shown(StartSchedule="noon"),
        shown(StartSchedule=[]),
        shown(Periods=[[0]]),
        shown(Periods=[[-1, 16]]),
        shown(Periods=[[0, None]]),
        shown(Periods=[[0, "a lot"]]),
        shown(Periods=[[0, 16], [90_000, 0]]),
        shown(Periods=[[0, 16]] * 1001),
        shown(Periods="16"),
        shown(Periods=[[0, 1e300]]),
        shown(Note="x" * 9000),
    ],
    ids=range(18),
)
def test_what_is_no_schedule_of_a_week_is_not_taken_for_one(text):
    with pytest.raises(NoScheduleError):
        shown_limits(text)


@given(st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_a_charger_shows_it_is_read_or_refused(text):
    try:
        limits = shown_limits(text)
    except NoScheduleError:
        return
    assert isinstance(limits, tuple)
