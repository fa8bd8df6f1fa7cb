"""Energies of earlier sessions that come again with the present time: none is charged to the next session."""

import json

import msgspec
import pytest

from chargebridge.chargers.easee.twin.records import ENERGIES_REMEMBERED, TwinRecord
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import Measured, Quantity

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000
MIN = 60_000
HOUR = 60 * MIN


class Bench:
    """A twin of a charger that needs no token; a time is in minutes since T0."""

    def __init__(self):
        self.twin = Twin("EH000001", TwinRecord())
        self.say(42, "0", 0)

    def say(self, number, value, minute):
        """Feed an observation; return the registers in Wh that are measured."""
        text = value if isinstance(value, str) else json.dumps(value)
        at_ms = T0 + minute * MIN
        events = self.twin.observe(Update("EH000001", number, at_ms, text), at_ms)
        measured = [one for event in events if isinstance(event, Measured) for one in event.readings]
        return [one.value for one in measured if one.quantity is Quantity.ENERGY_WH]

    def start(self, session, minute, kwh):
        self.say(109, "3", minute)
        record = {"Id": session, "MeterValue": kwh, "Start": format_time(T0 + minute * MIN)}
        self.say(223, record, minute)

    def end(self, session, minutes, kwh, *, at=None):
        times = [format_time(T0 + minute * MIN) for minute in minutes]
        record = {"Id": session, "Start": times[0], "Stop": times[1]}
        self.say(129, record | {"MeterValueStart": kwh[0], "MeterValueStop": kwh[1]}, at or minutes[1])
        self.twin.settle()

    def restart(self):
        record = msgspec.json.decode(msgspec.json.encode(self.twin.record), type=TwinRecord)
        self.twin = Twin("EH000001", record)


@pytest.fixture
def bench():
    return Bench()


@pytest.mark.parametrize("restarted", [False, True])
def test_one_of_the_session_before_the_last_is_none_of_this_one(bench, restarted):
    """A short session, of which no energy was shown, is between them."""
    bench.start(1, 0, 10.0)
    bench.say(121, "1.02", 30)
    bench.end(1, (0, 40), (10.0, 11.033))
    bench.start(2, 60, 11.033)
    bench.end(2, (60, 62), (11.033, 11.033))
    bench.start(3, 80, 11.033)
    if restarted:
        bench.restart()
    assert bench.say(121, "1.033", 85) == []
    assert bench.say(121, "0.4", 90) == [11_433]


@pytest.mark.parametrize("shown", ["0.6", "1.033"])
def test_one_of_a_session_whose_end_record_has_not_come(bench, shown):
    """Its energy is what the register says between both starts."""
    bench.start(1, 0, 10.0)
    bench.say(121, shown, 30)
    bench.start(2, 60, 11.033)
    assert bench.say(121, shown, 65) == []
    assert bench.say(121, "1.033", 66) == []
    assert bench.say(121, "0.4", 70) == [11_433]
    bench.end(1, (0, 40), (10.0, 11.033), at=75)
    assert bench.say(121, "0.7", 80) == [11_733]
    assert bench.say(121, "0.9", 85) == [11_933]


def test_one_of_a_session_that_was_missed(bench):
    bench.start(1, 0, 10.0)
    bench.end(1, (0, 40), (10.0, 15.0))
    bench.start(3, 120, 16.033)
    assert bench.say(121, "1.033", 125) == []
    assert bench.say(121, "0.4", 130) == [16_433]


def test_one_that_was_missed_between_the_last_shown_and_the_end(bench):
    bench.start(1, 0, 10.0)
    bench.say(121, "0.3", 10)
    bench.end(1, (0, 60), (10.0, 15.0))
    bench.start(2, 80, 15.0)
    assert bench.say(121, "1.033", 85) == []
    assert bench.say(121, "1.033", 86) == []
    assert bench.say(121, "0.4", 90) == []
    assert bench.say(121, "0.7", 95) == [15_700]


def test_true_first_energies_count_at_once(bench):
    bench.start(1, 0, 10.0)
    bench.say(121, "1.0", 20)
    bench.end(1, (0, 21), (10.0, 11.033))
    bench.start(2, 60, 11.033)
    assert bench.say(121, "0.02", 61) == [11_053]
    bench.say(121, "1.967", 70)
    bench.end(2, (60, 70), (11.033, 13.0))
    bench.start(3, 80, 13.0)
    assert bench.say(121, "0.5", 85) == [13_500]


def test_only_so_many_are_remembered(bench):
    for session in range(3 * ENERGIES_REMEMBERED):
        bench.start(session + 1, session * 60, 10.0)
        bench.say(121, str(1 + session), session * 60 + 50)
        bench.end(session + 1, (session * 60, session * 60 + 55), (10.0, 12.0 + session))
    assert len(bench.twin.record.earlier_uwh) == ENERGIES_REMEMBERED
