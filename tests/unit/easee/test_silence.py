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


@pytest.mark.parametrize(
    ("chargers", "speed", "stalled_s"),
    [(1, 1.0, 1500.0), (50, 1.0, 180.0), (5000, 1.0, 120.0), (50, 960.0, 4800.0), (1, 960.0, 4800.0)],
)
def test_a_queue_is_stalled_when_so_many_chargers_would_have_sent_something(
    chargers: int, speed: float, stalled_s: float
):
    changes: list[bool] = []
    queue = QueueHealth(lambda: changes.append(queue.current), lambda delay_s, act: None, 1500, speed)
    queue.message_arrived(0, Instant(0, 0.0))
    queue.check_stalled(stalled_s, chargers)
    assert queue.current
    queue.check_stalled(stalled_s + 1, chargers)
    assert not queue.current
    queue.message_arrived(0, Instant(0, stalled_s + 2))
    assert changes == [False, True]
