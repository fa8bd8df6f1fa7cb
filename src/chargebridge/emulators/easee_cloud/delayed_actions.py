"""Things that are done a little later, in real time, whatever the clock says."""

import asyncio
from collections.abc import Callable
from typing import Final

DELAYED_AT_MOST: Final = 100_000
"""Beyond that things are done at once."""


class DelayedActions:
    """Remembers what is still to be done, so that none of it is lost at the end."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[asyncio.TimerHandle, Callable[[], None]]] = {}
        self._count = 0

    def run_in(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something in so many real seconds."""
        if len(self._waiting) >= DELAYED_AT_MOST:
            action()
            return
        self._count += 1
        key = self._count
        timer = asyncio.get_running_loop().call_later(delay_s, self._do, key)
        self._waiting[key] = (timer, action)

    def run_all_now(self) -> None:
        """Wait for nothing any more."""
        while self._waiting:  # some of it postpones something else
            self._do(next(iter(self._waiting)))

    def _do(self, key: int) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            waiting[0].cancel()
            waiting[1]()
