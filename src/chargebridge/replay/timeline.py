"""The time of a replay: it passes only as far as the next thing that happens."""

import heapq
from collections.abc import Callable
from math import ceil

from chargebridge.clock import Instant


class Timer:
    """A call that waits on a timeline."""

    __slots__ = ("act", "cancelled")

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act
        self.cancelled = False

    def cancel(self) -> None:
        """Do not make this call."""
        self.cancelled = True


class Timeline:
    """A clock, and what is going to happen, in order. It is the clock and the timers of a replay.

    Args:
        start_ms: UTC; where it begins.
        speed: seconds of this clock in what counts as a real second.
    """

    def __init__(self, start_ms: int, speed: float) -> None:
        self.speed = speed
        self._start_ms = self._now_ms = start_ms
        self._heap: list[tuple[int, int, Timer]] = []
        self._order = 0

    def now(self) -> Instant:
        """Return the present instant."""
        return Instant(self._now_ms, (self._now_ms - self._start_ms) / 1000)

    def call_later(self, delay_s: float, act: Callable[[], None]) -> Timer:
        """Make a call after so many real seconds; what falls on one moment happens as it was entered."""
        timer = Timer(act)
        self._order += 1
        at_ms = self._now_ms + ceil(max(delay_s, 0.0) * self.speed * 1000)
        heapq.heappush(self._heap, (at_ms, self._order, timer))
        return timer

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Make a call after so many real seconds."""
        self.call_later(delay_s, act)

    def cancel(self) -> None:
        """Make none of the calls that wait."""
        self._heap.clear()

    def pass_until(self, until_ms: int) -> None:
        """Let everything happen that is due until a moment; a moment that is past changes nothing."""
        while self._heap and self._heap[0][0] <= until_ms:
            at_ms, _, timer = heapq.heappop(self._heap)
            self._now_ms = max(self._now_ms, at_ms)
            if not timer.cancelled:
                timer.act()
        self._now_ms = max(self._now_ms, until_ms)
