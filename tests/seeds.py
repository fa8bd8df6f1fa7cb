"""Seeds of random lives: the first in the developer's inner loop, all of them with every change in CI."""

import pytest


def seeds(all_of_them: int, in_the_inner_loop: int) -> list[object]:
    """Return so many seeds for `parametrize`; those beyond the inner loop are marked `simulation`."""
    beyond = range(in_the_inner_loop, all_of_them)
    return [*range(in_the_inner_loop), *(pytest.param(seed, marks=pytest.mark.simulation) for seed in beyond)]
