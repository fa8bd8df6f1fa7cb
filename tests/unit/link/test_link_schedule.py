import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.link.schedule import NEVER, Schedule

pytestmark = pytest.mark.unit


class Item:
    def __init__(self) -> None:
        self.deadline = NEVER
        self.slot = 0


def test_a_deadline_is_rounded_up_to_its_slot():
    schedule, item = Schedule(0.5), Item()
    schedule.set(item, 10.2)
    assert schedule.next_at() == 10.5
    assert schedule.due(10.4) == []
    assert schedule.due(10.5) == [item]
    assert schedule.next_at() is None


def test_deadlines_in_one_slot_are_one_wake_up():
    schedule, items = Schedule(0.5), [Item() for _ in range(3)]
    for item, deadline in zip(items, (10.1, 10.3, 10.5), strict=True):
        schedule.set(item, deadline)
    assert schedule.due(10.5) == items


def test_a_deadline_can_move_both_ways_and_away():
    schedule, item = Schedule(0.5), Item()
    schedule.set(item, 10.0)
    schedule.set(item, 20.0)
    assert schedule.due(10.0) == []
    schedule.set(item, 15.0)
    assert schedule.due(14.0) == []
    assert schedule.due(15.0) == [item]
    assert schedule.due(30.0) == []
    schedule.set(item, 40.0)
    schedule.set(item, NEVER)
    assert schedule.due(50.0) == []
    assert schedule.next_at() is None


@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(0, 100)), max_size=40),
    st.lists(st.floats(0, 120), max_size=10),
)
def test_each_item_comes_once_at_its_last_deadline(settings, asked_at):
    schedule = Schedule(0.05)
    items = [Item() for _ in range(5)]
    wanted = {}
    for index, deadline in settings:
        schedule.set(items[index], deadline)
        wanted[index] = deadline
    came = {}
    for now in [*sorted(asked_at), 200.0]:
        for item in schedule.due(now):
            index = items.index(item)
            assert index not in came
            assert item.deadline == NEVER
            assert wanted[index] <= now
            came[index] = now
    assert came.keys() == wanted.keys()
