from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.link.pacing import Pacer

pytestmark = pytest.mark.unit


def pacer(connects_per_s=1e6, concurrent_handshakes=1000, seed=1):
    return Pacer(
        connects_per_s=connects_per_s, concurrent_handshakes=concurrent_handshakes, random=Random(seed)
    )


def take_all(pacer, now):
    taken = []
    while (link := pacer.take(now)) is not None:
        taken.append(link)
    return taken


def test_attempts_start_at_the_rate():
    paced = pacer(connects_per_s=20)
    for n in range(100):
        paced.add("a", n)
    assert len(take_all(paced, 0.0)) == 2
    assert paced.next_at(0.0) == pytest.approx(0.05)
    assert len(take_all(paced, 0.05)) == 1
    assert len(take_all(paced, 0.1)) == 1
    assert len(take_all(paced, 3600.0)) == 2  # an idle hour saves up no stampede


def test_the_order_among_links_is_random():
    paced = pacer()
    for n in range(100):
        paced.add("a", n)
    order = take_all(paced, 0.0)
    assert sorted(order) == list(range(100))
    assert order != list(range(100))


def test_central_systems_take_turns():
    paced = pacer()
    for n in range(4):
        paced.add("a", f"a{n}")
    paced.add("b", "b0")
    assert [link[0] for link in take_all(paced, 0.0)] == ["a", "b", "a", "a", "a"]


def test_one_central_system_gets_half_of_the_places():
    paced = pacer(concurrent_handshakes=8)
    for n in range(20):
        paced.add("a", f"a{n}")
    assert len(take_all(paced, 0.0)) == 4
    paced.add("b", "b0")
    assert take_all(paced, 0.0) == ["b0"]
    assert paced.next_at(0.0) is None


def test_one_that_does_not_answer_gets_one_place_until_it_does():
    paced = pacer(concurrent_handshakes=8)
    for n in range(20):
        paced.add("a", n)
    assert len(take_all(paced, 0.0)) == 4
    for _ in range(4):
        paced.finished("a", answered=False)
    assert len(take_all(paced, 1.0)) == 1
    paced.finished("a", answered=None)
    assert len(take_all(paced, 2.0)) == 1
    paced.finished("a", answered=True)
    assert len(take_all(paced, 3.0)) == 4


def test_a_removed_link_is_not_taken_and_an_added_one_once():
    paced = pacer()
    for link in ("x", "y", "z", "x"):
        paced.add("a", link)
    paced.remove("a", "x")
    paced.remove("a", "never added")
    paced.remove("b", "never added")
    assert sorted(take_all(paced, 0.0)) == ["y", "z"]
    assert paced.next_at(0.0) is None


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=60),
    st.integers(1, 6),
    st.integers(0, 9),
)
def test_every_link_gets_its_turn_once(waiting, concurrent_handshakes, seed):
    paced = pacer(concurrent_handshakes=concurrent_handshakes, seed=seed)
    for target, link in waiting:
        paced.add(target, (target, link))
    taken = []
    while batch := take_all(paced, 0.0):
        assert len(batch) <= concurrent_handshakes
        for target, _ in batch:
            paced.finished(target, answered=True)
        taken += batch
    assert sorted(taken) == sorted(set(waiting))


@pytest.mark.parametrize("limits", [{"connects_per_s": 0}, {"concurrent_handshakes": 0}])
def test_a_limit_that_lets_nobody_through_is_refused(limits):
    with pytest.raises(ValueError, match=next(iter(limits))):
        pacer(**limits)
