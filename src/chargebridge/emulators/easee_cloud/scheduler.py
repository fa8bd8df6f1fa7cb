"""Runs actions at times of the cloud's clock, with one heap and one timer of the event loop."""

import asyncio
import heapq
from collections.abc import Callable, Hashable
from typing import Final

from chargebridge.clock import Clock

SHORTEST_WAIT_S: Final = 0.02
LONGEST_WAIT_S: Final = 3600.0
_STALE_ALLOWED: Final = 1000


class Scheduler:
    """Runs actions when they are due; while nothing is due, it does nothing.

    Args:
        clock: the cloud's time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Hashable]] = []
        self._entries: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._running = False

    def start(self) -> None:
        """Start, within the running event loop; overdue actions run at once."""
        self._running = True
        self._set_timer()

    def stop(self) -> None:
        """Stop; the actions stay scheduled."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def now_ms(self) -> int:
        """The present time in UTC milliseconds."""
        return self._clock.now().utc_ms

    def schedule(self, key: Hashable, due_ms: int, action: Callable[[], None]) -> None:
        """Run an action at a time in UTC milliseconds; it replaces the one with the same key."""
        self._count += 1
        self._entries[key] = (self._count, action)
        heapq.heappush(self._heap, (due_ms, self._count, key))
        if len(self._heap) > 2 * len(self._entries) + _STALE_ALLOWED:
            self._heap = [item for item in self._heap if self._is_scheduled(item)]
            heapq.heapify(self._heap)
        self._set_timer()

    def cancel(self, key: Hashable) -> None:
        """Cancel the action with this key, if there is one."""
        self._entries.pop(key, None)

    def _is_scheduled(self, item: tuple[int, int, Hashable]) -> bool:
        entry = self._entries.get(item[2])
        return entry is not None and entry[0] == item[1]

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._heap and not self._is_scheduled(self._heap[0]):
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
                if self._is_scheduled(item):
                    self._entries.pop(item[2])[1]()
        finally:
            self._set_timer()
