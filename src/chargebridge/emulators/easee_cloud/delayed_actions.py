"""Runs actions a little later, in real time and not by the cloud's clock."""

import asyncio
from collections.abc import Callable
from typing import Final

DELAYED_AT_MOST: Final = 100_000
"""With so many waiting, an action runs at once."""


class DelayedActions:
    """The actions that wait; the owner can run all of them before it stops."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[asyncio.TimerHandle, Callable[[], None]]] = {}
        self._count = 0

    def run_in(self, delay_s: float, action: Callable[[], None]) -> None:
        """Run an action in so many real seconds."""
        if len(self._waiting) >= DELAYED_AT_MOST:
            action()
            return
        self._count += 1
        key = self._count
        timer = asyncio.get_running_loop().call_later(delay_s, self._run, key)
        self._waiting[key] = (timer, action)

    def run_all_now(self) -> None:
        """Run every waiting action now."""
        while self._waiting:  # an action may add another one
            self._run(next(iter(self._waiting)))

    def _run(self, key: int) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            waiting[0].cancel()
            waiting[1]()
