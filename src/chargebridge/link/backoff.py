"""Back-off: the waits between the connection attempts of a link."""

import math
from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """The waits between connection attempts: growing, bounded, and different for each link.

    OCPP 1.6 has no standard keys for these (`WS-10`).

    Raises:
        ValueError: a figure is out of range; the text names it.
    """

    min_s: float = 2.0
    """Longest wait after the first failure, in seconds."""
    max_s: float = 300.0
    """Longest wait at all, in seconds."""
    multiplier: float = 2.0
    """How much longer each wait is than the one before it."""
    jitter: float = 0.5
    """Share of a wait, 0 to 1, that is random: 0.5 makes 10 s anything from 5 s to 10 s."""
    healthy_after_s: float = 30.0
    """A connection that lasted this long, in seconds, ends the failures before it. A shorter one is
    a failure itself, so that a central system that accepts and then closes is not flooded; one on which a
    call was answered is the first failure, again and again."""
    _last_step: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.min_s <= self.max_s < math.inf:
            raise ValueError(f"back-off: 0 < min_s <= max_s is needed, not {self.min_s} and {self.max_s}")
        if not 1 <= self.multiplier < math.inf:
            raise ValueError(f"back-off: multiplier must be at least 1, not {self.multiplier}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"back-off: jitter must be from 0 to 1, not {self.jitter}")
        if not self.healthy_after_s >= 0:
            raise ValueError(f"back-off: healthy_after_s must be at least 0, not {self.healthy_after_s}")
        growth = math.log(self.multiplier)
        # Beyond this step the wait is max_s anyway; a week of failures must not overflow a float.
        last = math.ceil(math.log(self.max_s / self.min_s) / growth) if growth else 0
        object.__setattr__(self, "_last_step", last)

    def delay_s(self, failures: int, random: Random) -> float:
        """Return the wait before the next attempt, in seconds.

        Args:
            failures: attempts that failed in a row. 0 is a healthy connection that was lost: the
                wait is then anything up to `min_s`, so that a fleet does not return as one.
            random: the source of jitter.
        """
        if failures <= 0:
            return self.min_s * random.random()
        wait = min(self.max_s, self.min_s * self.multiplier ** min(failures - 1, self._last_step))
        return wait * (1 - self.jitter * random.random())
