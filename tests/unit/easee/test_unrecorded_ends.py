"""The newest session has no end record: it ends by what else the cloud shows, or not at all."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.twin import rebuilding, repeats
from chargebridge.chargers.easee.twin.rebuilding import ListedSession
from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import SessionEnd, SessionEnded, SessionStarted

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000
MIN = 60_000
WH = 1_000_000
SERIAL = "EH000001"
START_WH, STOP_WH = 50_000, 61_234
GONE_MS = T0 + 60 * MIN


def value(id, at_ms, text):
    return Update(SERIAL, id, at_ms, str(text))


def start(session=5, auth="TAG", at_ms=T0, wh=START_WH):
    text = {"Id": session, "MeterValue": wh / 1000, "Start": format_time(at_ms), "Auth": auth}
    return value(223, at_ms, json.dumps(text))


def end(session=5, stop_wh=STOP_WH, started_ms=T0, stopped_ms=GONE_MS):
    text = {
        "Id": session,
        "Start": format_time(started_ms),
        "Stop": format_time(stopped_ms),
        "MeterValueStart": START_WH / 1000,
        "MeterValueStop": stop_wh / 1000,
        "Auth": "TAG",
    }
    return value(129, stopped_ms, json.dumps(text))


def listed(energy_wh=STOP_WH - START_WH, *, began_ms=T0, gone_ms=GONE_MS, **more):
    return ListedSession(began_ms, gone_ms, energy_wh * WH, **more)


@pytest.fixture
def twin():
    """A car has charged by a token, its last energy was 9 kWh, and it has gone."""
    twin = Twin(SERIAL, TwinRecord())
    for update in (start(), value(109, T0 + 1, 3), value(121, T0 + 50 * MIN, 9), value(109, GONE_MS, 1)):
        twin.observe(update, update.at_ms)
    return twin


def read(twin, *updates):
    for update in updates:
        twin.observe(update, GONE_MS + MIN, live=False)
    return updates


def test_the_lifetime_energy_after_the_car_has_gone_ends_it(twin):
    updates = read(twin, value(124, GONE_MS + 1000, STOP_WH / 1000))
    assert rebuilding.shows_the_end(twin, updates)
    ended = rebuilding.end_unrecorded(twin, updates, (), "MISSED")
    assert ended == SessionEnded(
        at_ms=GONE_MS,
        session=5,
        id_tag="TAG",
        started_at_ms=T0,
        start_register_wh=START_WH,
        register_wh=STOP_WH,
        reason=SessionEnd.EV_DISCONNECTED,
        rebuilt=True,
    )
    assert repeats.sessions_again(twin, 5) == [ended]
    assert rebuilding.end_unrecorded(twin, updates, (), "MISSED") is None


def test_so_does_one_after_the_power_went_to_zero_and_stayed_there(twin):
    updates = read(twin, value(120, GONE_MS - 30 * MIN, 0), value(124, GONE_MS - 10 * MIN, STOP_WH / 1000))
    ended = rebuilding.end_unrecorded(twin, updates, (), "MISSED")
    assert (ended.register_wh, ended.at_ms) == (STOP_WH, GONE_MS)


@pytest.mark.parametrize("power", [7.4, "?", -1])
def test_one_from_while_the_car_may_have_charged_does_not(twin, power):
    updates = (value(120, GONE_MS - 30 * MIN, power), value(124, GONE_MS - 10 * MIN, STOP_WH / 1000))
    assert not rebuilding.shows_the_end(twin, updates)
    assert rebuilding.end_unrecorded(twin, updates, (), "MISSED") is None


def test_the_list_of_sessions_ends_it_with_its_own_time(twin):
    entry = listed(gone_ms=GONE_MS - 5 * MIN)
    ended = rebuilding.end_unrecorded(twin, (), [entry], "MISSED")
    assert (ended.register_wh, ended.at_ms, ended.rebuilt) == (STOP_WH, GONE_MS - 5 * MIN, True)


def test_an_entry_whose_car_was_there_long_before_is_its_own(twin):
    ended = rebuilding.end_unrecorded(twin, (), [listed(began_ms=T0 - 300 * MIN)], "MISSED")
    assert ended.register_wh == STOP_WH


@pytest.mark.parametrize(
    "entry",
    [
        listed(8_000),  # less than was measured in it
        listed(90_000),  # more than can have flowed
        listed(began_ms=T0 - 90 * MIN, gone_ms=T0 - 30 * MIN),
        listed(began_ms=GONE_MS + MIN, gone_ms=GONE_MS + 30 * MIN),
        listed(gone_ms=GONE_MS + 30 * MIN),
    ],
)
def test_an_entry_of_another_session_does_not(twin, entry):
    assert rebuilding.end_unrecorded(twin, (), [entry], "MISSED") is None
    assert twin.record.running is not None


def test_its_own_id_decides_between_two_entries_and_their_times_without(twin):
    near, far = listed(11_000), listed(10_000, began_ms=T0 - 40 * MIN)
    assert rebuilding.end_unrecorded(twin, (), [far, near], "MISSED").register_wh == START_WH + 11_000


def test_an_id_that_is_the_chargers_decides_between_two_entries(twin):
    near, own = listed(11_000, id=4), listed(10_000, began_ms=T0 - 40 * MIN, id=5)
    assert rebuilding.end_unrecorded(twin, (), [near, own], "MISSED").register_wh == START_WH + 10_000


def test_more_than_the_meter_has_counted_is_not_believed(twin):
    updates = read(twin, value(124, GONE_MS + 1000, STOP_WH / 1000))
    ended = rebuilding.end_unrecorded(twin, updates, [listed(15_000)], "MISSED")
    assert ended.register_wh == STOP_WH


def test_session_energy_alone_does_not_end_it_but_is_reported(twin):
    """A stale repeat looks like it: what comes of it is an end that a later record can correct."""
    updates = read(twin, value(121, GONE_MS, 11.234))
    assert rebuilding.end_unrecorded(twin, updates, (), "MISSED") is None
    measured = rebuilding.best_register(twin, updates)
    assert (measured.session, measured.readings[0].value, measured.at_ms) == (5, STOP_WH, GONE_MS)
    assert rebuilding.best_register(twin, updates) is None


@pytest.mark.parametrize("energy", ["0", "8", "500", "?"])
def test_nothing_is_reported_of_energy_that_is_stale_or_implausible(twin, energy):
    assert rebuilding.best_register(twin, [value(121, GONE_MS, energy)]) is None


def test_a_record_that_comes_late_and_contains_as_much_is_a_repeat(twin):
    rebuilding.end_unrecorded(twin, (), [listed()], "MISSED")
    assert twin.observe(end(), GONE_MS + 90 * MIN) == []
    assert twin.settle() == []


def test_one_that_contains_more_is_reported(twin):
    rebuilding.end_unrecorded(twin, (), [listed(10_000)], "MISSED")
    events = [*twin.observe(end(), GONE_MS + 90 * MIN), *twin.settle()]
    assert [(one.session, one.register_wh, one.rebuilt) for one in events] == [(5, STOP_WH, False)]
    assert twin.observe(end(), GONE_MS + 91 * MIN) == []


def test_the_next_session_begins_where_it_ended_and_leaves_no_gap(twin):
    rebuilding.end_unrecorded(twin, (), [listed()], "MISSED")
    events = twin.observe(start(6, at_ms=GONE_MS + 10 * MIN, wh=STOP_WH), GONE_MS + 10 * MIN)
    events += twin.observe(value(109, GONE_MS + 10 * MIN + 1, 3), GONE_MS + 10 * MIN)
    assert [one.session for one in events if isinstance(one, SessionStarted)] == [6]
    assert twin.record.gaps == []
    # Energy of the session before that comes hours late is none of the next one's.
    late = value(121, GONE_MS + 30 * MIN, (STOP_WH - START_WH) / 1000)
    assert twin.observe(late, GONE_MS + 30 * MIN) == []
    assert twin.record.register_wh == STOP_WH


def test_it_outlives_the_process(twin):
    rebuilding.end_unrecorded(twin, (), [listed()], "MISSED")
    record = msgspec.json.decode(msgspec.json.encode(twin.record), type=TwinRecord)
    events = Twin(SERIAL, record).observe(end(), GONE_MS + 90 * MIN)
    assert not any(isinstance(event, SessionEnded) for event in events)


def test_a_car_that_is_still_there_ends_nothing():
    twin = Twin(SERIAL, TwinRecord())
    for update in (start(), value(109, T0 + 1, 3), value(109, T0 + 5 * MIN, 7)):
        twin.observe(update, update.at_ms)
    assert rebuilding.end_unrecorded(twin, (), [listed()], "MISSED") is None


def test_a_car_that_nobody_authorized_has_no_session_to_end():
    twin = Twin(SERIAL, TwinRecord())
    for update in (start(auth=""), value(109, T0 + 1, 7), value(109, GONE_MS, 1)):
        twin.observe(update, update.at_ms)
    read_after = (value(124, GONE_MS + 1000, START_WH / 1000),)
    assert rebuilding.end_unrecorded(twin, read_after, (), "MISSED") is None


def test_a_session_that_the_drivers_file_does_not_know_is_ended_with_the_token_of_the_list():
    twin = Twin(SERIAL, TwinRecord(first_contact=True))
    for update in (start(auth=""), value(109, GONE_MS, 1)):
        twin.observe(update, GONE_MS + MIN, live=False)
    ended = rebuilding.end_unrecorded(twin, (), [listed(tag="LISTED")], "MISSED")
    assert (ended.session, ended.id_tag, ended.register_wh) == (5, "LISTED", STOP_WH)


@given(
    st.integers(0, 20_000),
    st.integers(0, 59),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_whatever_is_shown_it_ends_with_all_of_its_energy_or_not_at_all(
    used_wh, measured_after_min, has_list, has_register, record_follows
):
    """Every Wh once: what was rebuilt, a record that follows, and the next session meet."""
    twin = Twin(SERIAL, TwinRecord())
    stop_wh = START_WH + used_wh
    at_ms = T0 + measured_after_min * MIN
    so_far = used_wh * measured_after_min // 60
    for update in (start(), value(109, T0 + 1, 3), value(121, at_ms, so_far / 1000), value(109, GONE_MS, 1)):
        twin.observe(update, update.at_ms)
    updates = read(
        twin,
        value(
            124,
            GONE_MS + 1 if has_register else at_ms,
            (stop_wh if has_register else START_WH + so_far) / 1000,
        ),
    )
    entries = [listed(used_wh, tag="OTHER")] if has_list else []
    ended = rebuilding.end_unrecorded(twin, updates, entries, "MISSED")
    events = [] if ended is None else [ended]
    if record_follows:
        events += twin.observe(end(stop_wh=stop_wh), GONE_MS + MIN) + twin.settle()
    events += twin.observe(start(6, at_ms=GONE_MS + 5 * MIN, wh=stop_wh), GONE_MS + 5 * MIN)
    for gap in list(twin.record.gaps):
        events += rebuilding.rebuild(twin.record, gap, entries, "MISSED")
    (one,) = [event for event in events if isinstance(event, SessionEnded)]
    assert (one.start_register_wh, one.register_wh, one.id_tag) == (START_WH, stop_wh, "TAG")
    assert (ended is not None) == (has_list or has_register)
