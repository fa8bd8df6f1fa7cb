"""Bounds and corners of the picture of a charger, each exactly where it is."""

import json

import pytest

from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import ChargerState, SessionStarted, StateChanged

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000
MIN = 60_000
DAY = 86_400_000


class Bench:
    def __init__(self, product=None):
        self.twin = Twin("EH123456", TwinRecord(product=product))

    def say(self, number, value, at_ms=T0, now_ms=None):
        text = value if isinstance(value, str) else json.dumps(value)
        return self.twin.observe(Update("EH123456", number, at_ms, text), now_ms or at_ms)

    def start(self, session, at_ms, auth):
        record = {
            "Id": session,
            "MeterValue": 1.0,
            "Start": format_time(at_ms),
            "Auth": auth,
            "AuthReason": 1,
        }
        return self.say(223, record, at_ms)


@pytest.mark.parametrize(
    ("product", "model"), [(1, "Home"), (400, "Charge One"), (None, "Charger"), (9999, "Charger")]
)
def test_a_product_that_is_not_known_is_a_charger(product, model):
    assert Bench(product).twin.info.model == model


@pytest.mark.parametrize(("grid", "phases"), [("1", 3), ("3", 1), ("5", 1), ("31", 1), ("4", 3)])
def test_a_grid_with_one_phase_makes_a_charger_of_one_phase(grid, phases):
    bench = Bench()
    bench.say(21, grid)
    assert bench.twin.info.phases == phases


def test_a_start_without_a_token_takes_the_one_that_comes_with_its_repeat():
    bench = Bench()
    bench.say(42, "1")
    bench.say(109, "2")
    assert not any(isinstance(event, SessionStarted) for event in bench.start(7, T0 + MIN, ""))
    bench.start(7, T0 + MIN, "TAG1")
    (started,) = (e for e in bench.say(109, "3", T0 + MIN) if isinstance(e, SessionStarted))
    assert (started.session, started.id_tag, started.at_ms) == (7, "TAG1", T0 + MIN)


def test_a_token_that_comes_after_the_start_was_reported_changes_nothing():
    bench = Bench()
    bench.say(42, "0")
    assert any(isinstance(event, SessionStarted) for event in bench.start(7, T0 + MIN, ""))
    assert bench.start(7, T0 + MIN, "TAG1") == []
    assert bench.twin.record.running.tag is None


@pytest.mark.parametrize(("ahead_ms", "blocks"), [(2 * DAY, True), (2 * DAY + 1, False)])
def test_a_clock_that_is_more_than_two_days_ahead_blocks_no_later_observation(ahead_ms, blocks):
    """The first op mode bears a time of the future; the next one has the right time."""
    bench = Bench()
    bench.say(109, "1", T0 + ahead_ms, now_ms=T0)
    following = bench.say(109, "2", T0 + 1000, now_ms=T0)
    assert [isinstance(event, StateChanged) for event in following] == ([] if blocks else [True])


def test_no_state_has_an_earlier_time_than_the_one_before():
    bench = Bench()
    bench.say(42, "1")
    bench.say(109, "2")
    bench.twin.mark_authorized("TAG1", T0)
    bench.twin.authorization_carried_out("TAG1")
    before = [e for e in bench.start(7, T0 + 10 * MIN, "TAG1") if isinstance(e, StateChanged)]
    after = [e for e in bench.say(109, "3", T0 + 9 * MIN) if isinstance(e, StateChanged)]
    assert [event.at_ms for event in before] == [T0 + 10 * MIN]
    assert [(event.state, event.at_ms) for event in after] == [(ChargerState.CHARGING, T0 + 10 * MIN)]


@pytest.mark.parametrize(("number", "newest", "older"), [(121, "0.5", "0.6"), (124, "1.5", "1.6")])
def test_an_energy_that_is_older_than_the_newest_is_ignored_even_if_it_is_more(number, newest, older):
    bench = Bench()
    bench.say(42, "1")
    bench.say(109, "3")
    bench.start(7, T0, "TAG1")
    (measured,) = bench.say(number, newest, T0 + 20 * MIN)
    assert measured.readings[0].value == 1500
    assert bench.say(number, older, T0 + 15 * MIN) == []
    assert bench.twin.record.register_wh == 1500


@pytest.mark.parametrize(("later_ms", "values"), [(-1, []), (0, [1600])])
def test_what_was_measured_before_the_end_of_a_session_is_in_its_record(later_ms, values):
    bench = Bench()
    bench.say(42, "1")
    bench.say(109, "3")
    bench.start(7, T0, "TAG1")
    end = {"Id": 7, "Start": format_time(T0), "Stop": format_time(T0 + 20 * MIN), "EnergyKwh": 0.5}
    bench.say(129, end | {"MeterValueStart": 1.0, "MeterValueStop": 1.5, "Auth": "TAG1"}, T0 + 20 * MIN)
    bench.twin.settle()
    measured = bench.say(124, "1.6", T0 + 20 * MIN + later_ms)
    assert [event.readings[0].value for event in measured] == values


def test_the_first_energy_of_a_session_counts_however_little_the_one_before_has_shown():
    """Only an energy that was shown can come again as a stale repeat; of the session before none was."""
    bench = Bench()
    bench.say(42, "1")
    bench.say(109, "3")
    bench.start(7, T0, "TAG1")
    end = {"Id": 7, "Start": format_time(T0), "Stop": format_time(T0 + 20 * MIN), "EnergyKwh": 1.0}
    bench.say(129, end | {"MeterValueStart": 1.0, "MeterValueStop": 2.0, "Auth": "TAG1"}, T0 + 20 * MIN)
    bench.twin.settle()
    again = {"Id": 8, "MeterValue": 2.0, "Start": format_time(T0 + 30 * MIN), "Auth": "TAG1", "AuthReason": 1}
    bench.say(223, again, T0 + 30 * MIN)
    bench.say(109, "3", T0 + 30 * MIN)
    (measured,) = bench.say(121, "0.04", T0 + 35 * MIN)
    assert measured.readings[0].value == 2040
