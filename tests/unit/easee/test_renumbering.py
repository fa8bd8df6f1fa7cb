"""A driver without its file numbers sessions too low, where the charger has started its ids again."""

import pytest

from chargebridge.chargers.easee.twin import renumbering
from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.model import ReportSessions, SessionEnded, SessionStarted
from tests.unit.easee.test_reported_again import Bench, began_ms, end, ended_ms, mode, start, start_wh

pytestmark = pytest.mark.unit


def wanted(first, from_ms, from_wh):
    return ReportSessions(number=1, expires_ms=2**60, first=first, from_ms=from_ms, from_wh=from_wh)


@pytest.fixture
def bench():
    """The driver's file is lost; the charger has started its ids again, and has had sessions 3 and 4."""
    bench = Bench(TwinRecord(first_contact=True))
    bench.say(end(3), start(4), mode(3, began_ms(4) + 1), live=False)
    bench.twin.end_first_contact()
    bench.twin.start_if_due()
    return bench


def test_the_session_that_the_charge_point_knows_as_running_ends_under_its_number(bench):
    """It began as number 51, and is over."""
    assert renumbering.align(bench.twin.record, wanted(51, began_ms(3), start_wh(3))) == 48
    assert bench.again(51) == [(SessionEnded, 51, False), (SessionStarted, 52, False)]
    assert bench.say(end(3), live=False) == []
    assert bench.say(end(4)) == [(SessionEnded, 52, False)]
    assert bench.say(start(5), mode(3, began_ms(5) + 1)) == [(SessionStarted, 53, False)]


def test_one_behind_the_newest_that_it_knows_follows_it(bench):
    """Number 51 ended where 3 begins."""
    assert renumbering.align(bench.twin.record, wanted(52, ended_ms(2), start_wh(3))) == 49
    assert [number for _, number, _ in bench.again(52)] == [52, 53]


@pytest.mark.parametrize(
    "asked",
    [
        wanted(3, began_ms(3), start_wh(3)),  # its own number
        wanted(4, ended_ms(3), start_wh(4)),  # the next one, which is known
        wanted(5, ended_ms(4), start_wh(5)),  # one that never was
        wanted(5, began_ms(4), start_wh(4)),  # it ended at once, as far as the charge point knows
        wanted(1, began_ms(1), start_wh(1)),
        wanted(51, began_ms(2), start_wh(2)),  # energy lies in between: it may be any
        wanted(51, 0, start_wh(3)),  # when it began is not known
    ],
)
def test_numbers_that_are_in_order_stay(bench, asked):
    before = bench.again(1)
    assert renumbering.align(bench.twin.record, asked) == 0
    assert bench.again(1) == before


def test_of_an_older_file_only_the_later_sessions_are_raised():
    bench = Bench()
    bench.charge(1, 2)
    bench.say(end(3))
    assert renumbering.align(bench.twin.record, wanted(9, began_ms(3), start_wh(3))) == 6
    assert [number for _, number, _ in bench.again(1)] == [1, 2, 9]
    assert bench.say(end(2)) == []
