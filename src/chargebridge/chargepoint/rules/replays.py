"""Recognizes repeated and late events of a charger by their times.

Two clocks take part, the charger's and the host's, and either may be wrong or be set meanwhile. What counts
is the order by the charger's own clock. The host's only shows whether the charger's was ahead when it
reported something, since a charger whose clock has been set right must not stay silent until that time comes.
"""

from typing import Final

from msgspec import Struct

FUTURE_MS: Final = 2 * 86_400_000
"""A charger's time that is further ahead is not believed."""
SKEW_MS: Final = 300_000
"""Two clocks that differ by less count as equal."""
REMEMBERED: Final = 8
"""Single times that are kept where the order of two clocks means nothing."""


class EventTimes(Struct, frozen=True):
    """Recognizes repeated and late events of one kind by the times that the charger gave them."""

    until_ms: int = 0
    """The newest that was not ahead of the host's clock when it was reported."""
    ahead: tuple[int, ...] = ()
    """Those that were ahead of it, in the order they were reported; only later ones than `until_ms`."""

    @property
    def newest_ms(self) -> int:
        """The latest time of all, by the charger's clock."""
        return max(self.ahead, default=self.until_ms)

    def repeats(self, at_ms: int) -> bool:
        """Whether exactly this time was reported before, as far as it is remembered."""
        return at_ms == self.until_ms or at_ms in self.ahead

    def is_later_than(self, at_ms: int, now_ms: int) -> bool:
        """Whether something later than `at_ms` was reported already.

        Args:
            at_ms: by the charger's clock.
            now_ms: by the host's.
        """
        if at_ms >= self.newest_ms:
            return False
        if at_ms > now_ms + SKEW_MS:
            return True  # the host's clock is behind, or the charger's ahead as it was before
        # What lies days ahead was reported under clocks that have been set right since.
        return at_ms < self.until_ms <= now_ms + FUTURE_MS

    def with_event(self, at_ms: int, now_ms: int) -> "EventTimes":
        """Return the times with one more event; arguments as above."""
        before_ms = self.until_ms if self.until_ms <= now_ms + FUTURE_MS or at_ms > now_ms + SKEW_MS else 0
        until_ms = max(before_ms, min(at_ms, now_ms))
        ahead = tuple(time_ms for time_ms in (*self.ahead, at_ms) if time_ms > until_ms)
        return EventTimes(until_ms, ahead[-REMEMBERED:])
