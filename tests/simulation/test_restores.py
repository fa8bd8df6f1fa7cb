"""Backups of any age are restored at any moment, while everybody goes on charging, from fixed seeds."""

import pytest

from tests.simulation.restores import run

pytestmark = pytest.mark.simulation

FOUND = {
    8: "the driver was asked from the newest session on that it had repeated by itself",
    301: "the rest of a session whose end was assumed was sent, though all of it may have been before",
    105: "an end that was assumed had the energy of sessions that had followed unseen",
    14001: "a second restore forgot which sessions the first one had missed",
}
"""Seeds that once found a defect."""


def test_the_books_are_right_or_the_difference_is_a_dead_letter():
    worlds = [run(seed, 4, 12.0) for seed in range(200, 208)]
    assert sum(world.restores for world in worlds) >= 3
    assert sum(world.held_back for world in worlds) > 0


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_mended_stays_mended(seed):
    run(seed)
