"""What is to happen at a moment of the clock, in one heap behind one timer of the event loop."""

import asyncio
import heapq
from collections.abc import Callable, Hashable
from typing import Final

from chargebridge.clock import Clock

SHORTEST_WAIT_S: Final = 0.02
LONGEST_WAIT_S: Final = 3600.0
_STALE_ALLOWED: Final = 1000


class Scheduler:
    """Does things when the clock says so; nothing while nothing is due.

    Args:
        clock: whose time counts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Hashable]] = []
        self._entries: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._running = False

    def start(self) -> None:
        """Begin, within the running event loop; what is overdue is done at once."""
        self._running = True
        self._set_timer()

    def stop(self) -> None:
        """Let everything wait."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def now_ms(self) -> int:
        """The present moment, in UTC milliseconds."""
        return self._clock.now().utc_ms

    def schedule(self, key: Hashable, due_ms: int, action: Callable[[], None]) -> None:
        """Do this at a moment in UTC milliseconds, instead of what was to be done under this key."""
        self._count += 1
        self._entries[key] = (self._count, action)
        heapq.heappush(self._heap, (due_ms, self._count, key))
        if len(self._heap) > 2 * len(self._entries) + _STALE_ALLOWED:
            self._heap = [item for item in self._heap if self._is_wanted(item)]
            heapq.heapify(self._heap)
        self._set_timer()

    def cancel(self, key: Hashable) -> None:
        """Do not do what was to be done under this key."""
        self._entries.pop(key, None)

    def _is_wanted(self, item: tuple[int, int, Hashable]) -> bool:
        entry = self._entries.get(item[2])
        return entry is not None and entry[0] == item[1]

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._heap and not self._is_wanted(self._heap[0]):
            heapq.heappop(self._heap)
        if not self._running or not self._heap:
            return
        wait_s = (self._heap[0][0] - self._clock.now().utc_ms) / 1000 / self._clock.speed
        wait_s = min(max(wait_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now_ms = self._clock.now().utc_ms
        try:
            while self._heap and self._heap[0][0] <= now_ms:
                item = heapq.heappop(self._heap)
                if self._is_wanted(item):
                    self._entries.pop(item[2])[1]()
        finally:
            self._set_timer()
