"""Acknowledgements of messages: each exactly once, in few frames, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.operator.deliveries import HOLD_S, Deliveries

pytestmark = pytest.mark.unit


def arrived(many, base=0, prefetch=1000):
    deliveries = Deliveries(base, prefetch)
    for tag in range(1, many + 1):
        assert deliveries.arrived(tag) == base + tag
    return deliveries


def test_what_came_first_and_is_safe_goes_out_as_one():
    deliveries = arrived(1000)
    for number in range(1, 501):
        deliveries.acknowledge(number, 0.0)
    assert deliveries.due(0.0) == [(500, True)]
    assert deliveries.due(0.0) == []


def test_what_overtook_a_slower_one_waits_for_it():
    deliveries = arrived(3)
    deliveries.acknowledge(2, 0.0)
    deliveries.acknowledge(3, 0.0)
    assert deliveries.due(0.5) == []
    deliveries.acknowledge(1, 0.6)
    assert deliveries.due(0.6) == [(3, True)]


def test_but_not_for_long():
    deliveries = arrived(3)
    deliveries.acknowledge(2, 0.0)
    deliveries.acknowledge(3, 0.5)
    assert deliveries.due(HOLD_S) == [(2, False)]
    assert deliveries.due(HOLD_S + 0.5) == [(3, False)]
    assert not deliveries.waiting


def test_and_not_when_the_broker_would_have_to_wait():
    deliveries = arrived(10, prefetch=8)
    for number in (2, 3, 4):
        deliveries.acknowledge(number, 0.0)
    assert deliveries.due(0.0) == [(2, False)]


def test_all_up_to_is_said_of_one_that_the_broker_still_knows():
    deliveries = arrived(3)
    deliveries.acknowledge(3, 0.0)
    assert deliveries.due(HOLD_S) == [(3, False)]
    deliveries.acknowledge(1, HOLD_S)
    deliveries.acknowledge(2, HOLD_S)
    assert deliveries.due(HOLD_S) == [(2, True)]


def test_at_the_end_nothing_waits():
    deliveries = arrived(3)
    deliveries.acknowledge(2, 0.0)
    assert deliveries.due(0.0, all_of_it=True) == [(2, False)]


def test_deliveries_of_an_earlier_connection_and_unknown_ones_are_passed_over():
    old = arrived(5)
    new = arrived(2, base=old.last)
    for number in (-1, 0, 1, 5, 8, 10**20):
        assert not new.acknowledge(number, 0.0)
    assert new.acknowledge(6, 0.0)
    assert not new.acknowledge(6, 0.0)
    assert new.due(0.0) == [(1, True)]


@pytest.mark.simulation
@given(st.data(), st.integers(1, 60))
def test_a_broker_forgets_what_is_safe_and_nothing_else(data, many):
    deliveries = Deliveries(data.draw(st.integers(0, 10**9)), data.draw(st.integers(1, 20)))
    at_broker: dict[int, int] = {}
    safe: set[int] = set()
    now_s, arrived = 0.0, 0
    for _ in range(many):
        match data.draw(st.sampled_from(["arrive", "acknowledge", "flush"])):
            case "arrive":
                arrived += 1
                at_broker[arrived] = deliveries.arrived(arrived)
            case "acknowledge" if at_broker:
                number = data.draw(st.sampled_from(sorted(at_broker.values())))
                assert deliveries.acknowledge(number, now_s) == (number not in safe)
                safe.add(number)
            case "flush":
                now_s += data.draw(st.floats(0, 2))
                tell(deliveries.due(now_s), at_broker, safe)
    tell(deliveries.due(now_s + 2 * HOLD_S), at_broker, safe)
    assert not safe & set(at_broker.values())
    assert len(deliveries) == len(at_broker)


def tell(told, at_broker, safe):
    """Do as RabbitMQ does: it closes the channel if it does not know the tag itself."""
    for tag, up_to in told:
        assert tag in at_broker
        for gone in [known for known in at_broker if known == tag or (up_to and known < tag)]:
            assert at_broker[gone] in safe
            del at_broker[gone]
