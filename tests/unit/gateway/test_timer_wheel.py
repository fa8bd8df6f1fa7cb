"""The timer wheel: deadlines of thousands, met in slots, with one timer of the loop."""

from itertools import pairwise
from math import inf

import pytest

from chargebridge.gateway.turns.wheel import NEVER, SLOT_S, TimerWheel

pytestmark = pytest.mark.unit


class Sleeper:
    def __init__(self, again=()):
        self.slot = NEVER
        self.again = list(again)


class Wakes:
    """A wheel that takes down who was woken when."""

    def __init__(self, clock):
        self.clock = clock
        self.log = []
        self.wheel = TimerWheel(clock, clock.call_later, self._woken)

    def _woken(self, sleeper):
        assert sleeper.slot == NEVER
        self.log.append((sleeper, self.clock.mono))
        if sleeper.again:
            self.wheel.wake(sleeper, sleeper.again.pop(0))


@pytest.fixture
def wakes(clock):
    return Wakes(clock)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.049, 0.05, 0.051, 1.0, 7.77, 3600.0, 86400.03])
def test_a_sleeper_is_woken_never_early_and_at_most_a_slot_late(wakes, clock, seconds):
    sleeper = Sleeper()
    wakes.wheel.wake(sleeper, clock.mono + seconds)
    clock.advance(seconds + 1)
    ((woken, at),) = wakes.log
    assert woken is sleeper
    assert 1000.0 + seconds <= at <= 1000.0 + seconds + SLOT_S + 0.001 + 1e-6


def test_thousands_of_sleepers_cost_one_timer_of_the_loop(wakes, clock):
    sleepers = [Sleeper() for _ in range(5000)]
    for number, sleeper in enumerate(sleepers):
        wakes.wheel.wake(sleeper, clock.mono + 60 - number % 600 / 10)
        assert len(clock.pending) == 1
    clock.advance(61)
    assert len(wakes.log) == 5000
    assert clock.pending == []
    # One for each slot, and one for each earlier deadline that came in or was met a hair early.
    assert clock.armed < 1500


def test_those_of_one_slot_are_woken_together(wakes, clock):
    sleepers = [Sleeper() for _ in range(3)]
    for sleeper, offset in zip(sleepers, (0.01, 0.02, 0.03), strict=True):
        wakes.wheel.wake(sleeper, 1000.0 + offset)
    clock.advance(1)
    assert [at for _, at in wakes.log] == [wakes.log[0][1]] * 3


def test_an_earlier_deadline_replaces_a_later_one_and_wakes_once(wakes, clock):
    sleeper = Sleeper()
    wakes.wheel.wake(sleeper, 1010.0)
    wakes.wheel.wake(sleeper, 1002.0)
    clock.advance(20)
    assert [at for _, at in wakes.log] == [pytest.approx(1002.0, abs=SLOT_S)]


def test_a_later_deadline_leaves_the_earlier_wake_up(wakes, clock):
    sleeper = Sleeper()
    wakes.wheel.wake(sleeper, 1002.0)
    wakes.wheel.wake(sleeper, 1010.0)
    clock.advance(20)
    assert len(wakes.log) == 1


def test_who_is_woken_may_enter_again(wakes, clock):
    sleeper = Sleeper(again=[1005.0, 1010.0])
    wakes.wheel.wake(sleeper, 1001.0)
    clock.advance(20)
    assert [round(at) for _, at in wakes.log] == [1001, 1005, 1010]


def test_who_enters_again_for_the_past_waits_for_the_next_slot(wakes, clock):
    sleeper = Sleeper(again=[999.0, 999.0, 999.0])
    wakes.wheel.wake(sleeper, 1001.0)
    clock.advance(20)
    times = [at for _, at in wakes.log]
    assert [later - earlier for earlier, later in pairwise(times)] == [pytest.approx(SLOT_S, abs=0.002)] * 3


def test_after_a_long_sleep_of_the_machine_everybody_is_woken_once(wakes, clock):
    first, second = Sleeper(again=[1500.0]), Sleeper()
    wakes.wheel.wake(first, 1001.0)
    wakes.wheel.wake(second, 1400.0)
    (timer,) = clock.pending
    clock.mono = 9000.0
    timer.cancel()
    timer.callback()
    assert [sleeper for sleeper, _ in wakes.log] == [first, second]
    clock.advance(1)
    assert [sleeper for sleeper, _ in wakes.log] == [first, second, first]


def test_no_deadline_wakes_nobody(wakes, clock):
    wakes.wheel.wake(Sleeper(), inf)
    assert clock.pending == []


def test_a_stopped_wheel_wakes_nobody(wakes, clock):
    wakes.wheel.wake(Sleeper(), 1001.0)
    wakes.wheel.stop()
    clock.advance(20)
    assert wakes.log == []


def test_slots_are_as_wide_as_the_clock_is_fast(clock):
    clock.speed = 600.0
    wakes = Wakes(clock)
    wakes.wheel.wake(Sleeper(), 1000.0 + 31.0)
    (timer,) = clock.pending
    # 31 simulated seconds lie in the slot that ends after 60, which is 0.1 real seconds away at most.
    assert 31 / 600 <= timer.at - 1000.0 <= 0.1 + 1e-9
