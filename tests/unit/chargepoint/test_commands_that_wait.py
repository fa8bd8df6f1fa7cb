"""Lasting commands that did not reach the charger, and are tried again when it works (`SC-*`)."""

import pytest

from chargebridge.chargers.model import ClearCache, EndSession, Outcome, SetAvailable

pytestmark = pytest.mark.unit


@pytest.fixture
def bench(new_bench):
    return new_bench().ready()


def fail(bench, kind, outcome, times):
    """Let commands of this kind end so, again and again; return the time between the last two."""
    sent_at = []
    for _ in range(times):
        while not (commands := bench.asked(kind)):
            bench.live(5)
        sent_at.append(bench.mono)
        bench.done(commands[-1], outcome)
    return sent_at[-1] - sent_at[-2]


def waits(bench, kind, at_most_s):
    """How long it takes until a command of this kind is sent."""
    for seconds in range(0, at_most_s, 5):
        if bench.asked(kind):
            return seconds
        bench.live(5)
    return None


def change_availability(bench, availability="Inoperative"):
    bench.ask("ChangeAvailability", {"connectorId": 0, "type": availability})


def something_else_is_done(bench):
    bench.ask("ClearCache")
    (command,) = bench.asked(ClearCache)
    bench.done(command)


@pytest.mark.parametrize("outcome", [Outcome.EXPIRED, Outcome.UNKNOWN])
def test_what_did_not_reach_it_is_sent_soon_after_something_else_was_done(bench, outcome):
    change_availability(bench)
    assert fail(bench, SetAvailable, outcome, 12) >= 1800
    something_else_is_done(bench)
    assert waits(bench, SetAvailable, 3600) <= 30


def test_what_it_refuses_is_sent_more_and_more_seldom_whatever_else_is_done(bench):
    change_availability(bench)
    fail(bench, SetAvailable, Outcome.REFUSED, 12)
    something_else_is_done(bench)
    assert waits(bench, SetAvailable, 1800) is None


def test_what_still_does_not_reach_it_becomes_rare_again(bench):
    change_availability(bench)
    fail(bench, SetAvailable, Outcome.EXPIRED, 12)
    something_else_is_done(bench)
    assert fail(bench, SetAvailable, Outcome.EXPIRED, 8) >= 500


def test_a_charger_that_comes_back_is_sent_it_at_once(bench):
    change_availability(bench)
    fail(bench, SetAvailable, Outcome.EXPIRED, 12)
    bench.reachable(False)
    bench.reachable()
    assert len(bench.asked(SetAvailable)) == 1


def test_a_charge_point_that_is_rebuilt_while_it_can_be_reached_sends_again_what_was_lost(bench):
    """The driver repeats nothing then, so nothing else would remind the charge point."""
    change_availability(bench)
    bench.asked(SetAvailable)
    bench.rebuild()
    assert waits(bench, SetAvailable, 60) == 30


def test_so_is_the_end_of_a_session_that_was_promised(new_bench):
    bench = new_bench().ready().charging()
    bench.token("TAG1")
    assert len(bench.asked(EndSession)) == 1
    bench.rebuild()
    assert waits(bench, EndSession, 60) == 30
