from random import Random

import pytest

from chargebridge.link import Backoff

pytestmark = pytest.mark.unit


class Always(Random):
    """Chance that always says the same."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


def test_ws_10_waits_double_up_to_the_longest():
    backoff = Backoff(min_s=2, max_s=300, multiplier=2, jitter=0)
    assert [backoff.delay_s(n, Random(1)) for n in range(1, 11)] == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_ws_10_jitter_takes_a_share_of_the_wait():
    backoff = Backoff(min_s=10, max_s=300, jitter=0.5)
    assert backoff.delay_s(1, Always(0.0)) == 10
    assert backoff.delay_s(1, Always(1.0)) == 5


def test_a_healthy_connection_that_was_lost_waits_less_than_the_least():
    assert Backoff(min_s=10).delay_s(0, Always(0.3)) == 3


@pytest.mark.parametrize("multiplier", [1.0, 1.0001, 2.0, 1e300])
def test_years_of_failures_do_not_overflow(multiplier):
    backoff = Backoff(min_s=2, max_s=300, multiplier=multiplier, jitter=0)
    assert backoff.delay_s(10**9, Random(1)) == (2 if multiplier == 1 else 300)


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ({"min_s": 0}, "0 < min_s <= max_s is needed"),
        ({"min_s": 400}, "0 < min_s <= max_s is needed"),
        ({"max_s": float("inf")}, "0 < min_s <= max_s is needed"),
        ({"multiplier": 0.5}, "multiplier must be at least 1"),
        ({"jitter": 1.5}, "jitter must be from 0 to 1"),
        ({"healthy_after_s": -1}, "healthy_after_s must be at least 0"),
    ],
)
def test_a_figure_that_makes_no_sense_is_named(setting, error):
    with pytest.raises(ValueError, match=error):
        Backoff(**setting)
