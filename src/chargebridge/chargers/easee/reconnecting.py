"""How long to wait before a lost connection is made again."""

from random import Random

from msgspec import Struct


class Waits(Struct, frozen=True):
    """Growing, bounded, and different each time. Real seconds: a broker or a hub is on a real network."""

    first_s: float = 1.0
    longest_s: float = 60.0
    healthy_after_s: float = 60.0
    """A connection that lasted so long ends the failures before it. A shorter one is a failure itself."""

    def failures_after(self, failures: int, lasted_s: float) -> int:
        """Return how many have failed in a row after one that lasted so long; 0.0 if it never opened."""
        return 1 if lasted_s >= self.healthy_after_s else failures + 1

    def wait_s(self, failures: int, random: Random) -> float:
        """Return the wait after so many failures in a row, in real seconds; half of it is chance."""
        # Bounded before it is raised: a week of failures must not overflow a float.
        wait_s = min(self.first_s * 2.0 ** min(failures - 1, 30), self.longest_s)
        return wait_s * (1 - 0.5 * random.random())
