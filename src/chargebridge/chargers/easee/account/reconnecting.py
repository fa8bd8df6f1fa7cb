"""Reconnecting for ever, with back-off and jitter."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from random import Random

from msgspec import Struct

from chargebridge.clock import Clock


class Backoff(Struct, frozen=True):
    """A growing, bounded back-off with jitter, in real seconds: broker and hub are on a real network."""

    first_s: float = 1.0
    longest_s: float = 60.0
    healthy_after_s: float = 60.0
    """A connection that lasted so long resets the failures. A shorter one counts as a failure itself."""

    def failures_after(self, failures: int, lasted_s: float) -> int:
        """Return the failures in a row after a connection that lasted so long; 0.0 if it never opened."""
        return 1 if lasted_s >= self.healthy_after_s else failures + 1

    def wait_s(self, failures: int, random: Random) -> float:
        """Return the wait after so many failures in a row, in real seconds; half of it is jitter."""
        # Bounded before it is raised: a week of failures must not overflow a float.
        wait_s = min(self.first_s * 2.0 ** min(failures - 1, 30), self.longest_s)
        return wait_s * (1 - 0.5 * random.random())


class ConnectionEnd(Struct, frozen=True):
    """The end of a connection."""

    reason: str
    opened_at: float | None = None
    """The loop's time; None: it never opened."""
    not_before_s: float = -math.inf
    """The earliest time for the next connection, as `Instant.mono`."""


async def keep_connected(
    connect: Callable[[], Awaitable[ConnectionEnd]], backoff: Backoff, random: Random, clock: Clock
) -> None:
    """Reconnect whenever a connection has ended, for ever.

    Args:
        connect: opens a connection and holds it; returns when it has ended.
        backoff: the back-off, in real seconds.
        random: the source of jitter.
        clock: the clock of `ConnectionEnd.not_before_s`.
    """
    loop, failures = asyncio.get_running_loop(), 0
    while True:
        ended = await connect()
        lasted_s = 0.0 if ended.opened_at is None else loop.time() - ended.opened_at
        failures = backoff.failures_after(failures, lasted_s)
        await asyncio.sleep(backoff.wait_s(failures, random))
        left_s = ended.not_before_s - clock.now().mono
        if left_s > 0:
            await asyncio.sleep(left_s / clock.speed)
