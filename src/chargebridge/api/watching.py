"""Those who watch frames live: a bounded queue each, and not too many of them."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.turns.traces import ShownFrame

MOST_WATCHERS: Final = 32
MOST_WAITING: Final = 256
"""Frames that wait for one watcher; above that the oldest are lost."""


class TooManyWatchersError(Exception):
    """Nobody more can watch now."""


class Watcher:
    """One who watches the frames of one charge point. A context manager that ends the watching.

    Args:
        end: called once, when nobody watches any more.
    """

    def __init__(self) -> None:
        self._frames: deque[ShownFrame] = deque()
        self._lost = 0
        self._news = asyncio.Event()
        self._over = False

    def add(self, frame: ShownFrame) -> None:
        """Keep a frame for the watcher, in the place of the oldest if too many wait."""
        if len(self._frames) == MOST_WAITING:
            self._frames.popleft()
            self._lost += 1
        self._frames.append(frame)
        self._news.set()

    def end(self) -> None:
        """Let the watcher see what waits, and then no more."""
        self._over = True
        self._news.set()

    async def take(self, timeout_s: float) -> tuple[int, list[ShownFrame]] | None:
        """Return how many frames were lost and those that came after them; None if nothing more comes.

        Args:
            timeout_s: real seconds; after them there may be no frame in the answer.
        """
        if not self._frames and not self._over:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
        self._news.clear()
        if self._over and not self._frames:
            return None
        taken = self._lost, list(self._frames)
        self._lost = 0
        self._frames.clear()
        return taken


class Watchers:
    """All who watch frames of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._watchers: dict[Watcher, Callable[[], None]] = {}

    def watch(self, identity: str) -> Watcher:
        """Let somebody watch, until `leave`.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
            TooManyWatchersError: so many watch already.
        """
        if len(self._watchers) >= MOST_WATCHERS:
            raise TooManyWatchersError(f"{MOST_WATCHERS} watch already")
        watcher = Watcher()
        self._watchers[watcher] = self._gateway.watch_frames(identity, watcher.add)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Forget one who watched."""
        self._watchers.pop(watcher)()

    def end(self) -> None:
        """End all watching: the program stops."""
        for watcher in self._watchers:
            watcher.end()
