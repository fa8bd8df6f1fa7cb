"""Silence of one charger, and of a queue of many, at any speed of the clock."""

import pytest

from chargebridge.chargers.easee.silence import LastContacts, QueueHealth
from chargebridge.clock import Instant

pytestmark = pytest.mark.unit


def test_the_longest_silent_come_first_and_once_until_they_send_something_again():
    contacts = LastContacts(silent_after_s=1500, speed=1)
    contacts.note("A", 0.0)
    contacts.note("B", 100.0)
    contacts.expect("A", 1000.0)  # there was one
    contacts.note("C", 200.0)
    contacts.forget("C")
    assert list(contacts.take_silent(1499.0)) == []
    assert list(contacts.take_silent(1700.0)) == ["A", "B"]
    assert list(contacts.take_silent(9999.0)) == []
    contacts.note("A", 10_000.0)
    assert list(contacts.take_silent(11_500.0)) == ["A"]


@pytest.mark.parametrize(("speed", "silent_s"), [(1.0, 1500.0), (300.0, 1500.0), (960.0, 4800.0)])
def test_a_charger_is_silent_after_five_real_seconds_at_the_least(speed: float, silent_s: float):
    contacts = LastContacts(1500, speed)
    contacts.note("A", 0.0)
    assert list(contacts.take_silent(silent_s - 1)) == []
    assert list(contacts.take_silent(silent_s)) == ["A"]


class Fleet:
    """Chargers with periods of their own, and a driver that looks at them once a minute.

    Args:
        periods: in seconds, by serial.
        in_step: whether all begin at the same time; else each has its own offset.
    """

    def __init__(self, periods: dict[str, float], *, in_step: bool, silent_after_s: float = 1500) -> None:
        self.changes: list[bool] = []
        self.silent: set[str] = set()
        self.ever_silent: set[str] = set()
        self.contacts = LastContacts(silent_after_s, 1.0)
        self.queue = QueueHealth(self._changed, lambda delay_s, act: None, silent_after_s, 1.0)
        self.now = 0.0
        self.queue.message_arrived(0, Instant(0, 0.0))
        count = len(periods)
        self._periods = periods
        self._next = {
            serial: period * (1.0 if in_step else number / count)
            for number, (serial, period) in enumerate(periods.items(), 1)
        }
        for serial in periods:
            self.contacts.note(serial, 0.0)

    def _changed(self) -> None:
        self.changes.append(self.queue.current)

    def live(self, seconds: float, *, sending: float = 1.0) -> None:
        """Let time pass; only this part of the chargers' messages arrives, by their number."""
        until = self.now + seconds
        speaking = set(list(self._periods)[: round(sending * len(self._periods))])
        while self.now < until:
            self.now += 60.0
            for serial, period in self._periods.items():
                while self._next[serial] <= self.now:
                    if serial in speaking:
                        self.contacts.note(serial, self._next[serial])
                        self.silent.discard(serial)
                        self.queue.delivers(self._next[serial])
                    self._next[serial] += period
            self.silent |= set(self.contacts.take_silent(self.now))
            self.ever_silent |= self.silent
            self.queue.check_stalled(self.now, len(self.silent), len(self._periods))


@pytest.mark.parametrize("in_step", [True, False])
@pytest.mark.parametrize("chargers", [1, 1000])
def test_a_fleet_of_idle_chargers_is_never_away_whether_they_speak_in_step_or_not(
    chargers: int, in_step: bool
):
    fleet = Fleet({f"EH{number}": 900.0 for number in range(chargers)}, in_step=in_step)
    fleet.live(36 * 3600)
    assert fleet.queue.current
    assert fleet.changes == []
    assert fleet.ever_silent == set()


def test_nor_is_one_that_charges_by_day_and_is_idle_in_step_at_night():
    fleet = Fleet(dict.fromkeys(map(str, range(200)), 30.0), in_step=False)
    fleet.live(14 * 3600)
    for serial in fleet._periods:
        fleet._periods[serial] = 900.0
        fleet._next[serial] = fleet.now + 900.0
    fleet.live(10 * 3600)
    assert fleet.changes == []
    assert fleet.ever_silent == set()


@pytest.mark.parametrize("known_for_s", [0, 24 * 3600])
def test_a_queue_that_delivers_nothing_is_stalled_when_most_chargers_are_overdue(known_for_s: int):
    fleet = Fleet({f"EH{number}": 900.0 for number in range(1000)}, in_step=False)
    fleet.live(known_for_s)
    fleet.live(840, sending=0.0)
    assert fleet.queue.current
    fleet.live(1500, sending=0.0)
    assert not fleet.queue.current
    fleet.live(60)
    assert fleet.changes == [False, True]


def test_a_queue_that_delivers_something_of_somebody_is_not_stalled():
    fleet = Fleet({f"EH{number}": 60.0 for number in range(100)}, in_step=False)
    fleet.live(3600)
    fleet.live(24 * 3600, sending=0.05)
    assert fleet.queue.current
    assert len(fleet.silent) == 95


def test_each_charger_is_judged_by_its_own_period_up_to_the_setting():
    periods = {"idle": 900.0, "hourly": 3600.0}
    fleet = Fleet(periods, in_step=True, silent_after_s=7200)
    fleet.live(3600)
    assert fleet.contacts.limit_s("idle") == fleet.contacts.limit_s("hourly") == 7200
    fleet.live(24 * 3600)
    assert fleet.ever_silent == set()
    assert fleet.contacts.limit_s("idle") == 1200
    assert fleet.contacts.limit_s("hourly") == 4800
    fleet.live(1500, sending=0.0)
    assert fleet.silent == {"idle"}
    fleet.live(3600, sending=0.0)
    assert fleet.silent == {"idle", "hourly"}


def test_one_that_speaks_every_hour_is_away_in_between_if_the_setting_says_so():
    fleet = Fleet({"hourly": 3600.0}, in_step=True, silent_after_s=1500)
    fleet.live(24 * 3600)
    assert fleet.contacts.limit_s("hourly") == 1500
    assert fleet.ever_silent == {"hourly"}


def test_the_time_without_a_connection_is_not_a_charger_s_own_period():
    contacts = LastContacts(7200, 1.0)
    contacts.note("A", 0.0)
    assert list(contacts.take_silent(1.0)) == []
    for mono in range(900, 15 * 3600, 900):
        if 4 * 3600 <= mono < 5 * 3600:
            continue
        (contacts.begin_anew if mono == 5 * 3600 else contacts.note)("A", float(mono))
        assert list(contacts.take_silent(mono)) == []
    assert contacts.limit_s("A") == 1200
