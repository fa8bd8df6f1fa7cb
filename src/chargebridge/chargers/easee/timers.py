"""The timers of the driver, which end with it."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Timing(Protocol):
    """Calls functions later, until `cancel`."""

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Call a function after so many real seconds; after 0 it is called by itself, too."""

    def cancel(self) -> None:
        """Cancel all calls that wait."""


class Timers:
    """The timers of the event loop."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.TimerHandle] = set()

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Call a function after so many real seconds."""

        def run() -> None:
            self._waiting.discard(handle)
            act()

        handle = asyncio.get_running_loop().call_later(delay_s, run)
        self._waiting.add(handle)

    def cancel(self) -> None:
        """Cancel all calls that wait."""
        for timer in self._waiting:
            timer.cancel()
        self._waiting.clear()
