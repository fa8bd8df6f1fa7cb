"""Watchers of live frames: a bounded number of them, each with a bounded queue."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.turns.traces import ShownFrame

MOST_WATCHERS: Final = 32
MOST_WAITING: Final = 256
"""Frames in the queue of one watcher, at most; then the oldest are lost."""


class TooManyWatchersError(Exception):
    """There are as many watchers as possible."""


class Watcher:
    """A client that watches the frames of one charge point."""

    def __init__(self) -> None:
        self._frames: deque[ShownFrame] = deque()
        self._lost = 0
        self._changed = asyncio.Event()
        self._over = False

    def add(self, frame: ShownFrame) -> None:
        """Queue a frame for the watcher; if the queue is full, the oldest is lost."""
        if len(self._frames) == MOST_WAITING:
            self._frames.popleft()
            self._lost += 1
        self._frames.append(frame)
        self._changed.set()

    def end(self) -> None:
        """Let the watcher take the queued frames, and then no more."""
        self._over = True
        self._changed.set()

    async def take(self, timeout_s: float) -> tuple[int, list[ShownFrame]] | None:
        """Return how many frames were lost and those that came after them; None if nothing more comes.

        Args:
            timeout_s: real seconds; after them there may be no frame in the answer.
        """
        if not self._frames and not self._over:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
        self._changed.clear()
        if self._over and not self._frames:
            return None
        taken = self._lost, list(self._frames)
        self._lost = 0
        self._frames.clear()
        return taken


class Watchers:
    """All watchers of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._watchers: dict[Watcher, Callable[[], None]] = {}

    def watch(self, identity: str) -> Watcher:
        """Add a watcher, until `leave`.

        Raises:
            UnknownChargePointError: there is no charge point of this identity.
            TooManyWatchersError: there are too many already.
        """
        if len(self._watchers) >= MOST_WATCHERS:
            raise TooManyWatchersError(f"{MOST_WATCHERS} clients watch already")
        watcher = Watcher()
        self._watchers[watcher] = self._gateway.watch_frames(identity, watcher.add)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Remove a watcher."""
        self._watchers.pop(watcher)()

    def end(self) -> None:
        """End all watchers: the program stops."""
        for watcher in self._watchers:
            watcher.end()
