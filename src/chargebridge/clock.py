"""Time: every part of the program is handed an `Instant`, and reads no clock itself.

One clock drives chargers, charge points and the central system. In a simulation that clock may
run faster than the wall clock; sockets never do.
"""

import time
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct


class Instant(Struct, frozen=True, gc=False):
    """An instant, in two readings of one clock."""

    utc_ms: int
    """Milliseconds since 1970-01-01T00:00Z. May jump when the host's clock is set."""
    mono: float
    """Seconds on a clock that never runs backwards; only differences mean anything."""


class Clock(Protocol):
    """The runtime's port to the time."""

    @property
    def speed(self) -> float:
        """Seconds of this clock that pass in one real second."""

    def now(self) -> Instant:
        """Return the present instant."""


class SystemClock:
    """The host's clock."""

    speed = 1.0

    def now(self) -> Instant:
        """Return the host's UTC and monotonic time."""
        return Instant(time.time_ns() // 1_000_000, time.monotonic())


class ScaledClock:
    """A simulated clock that two processes on one machine can share.

    Args:
        speed: simulated seconds in one real second, above 0.
        real_origin_ms: a time of the host's clock, in milliseconds since 1970.
        simulated_origin_ms: the time of this clock at that instant.
    """

    def __init__(self, speed: float, real_origin_ms: int, simulated_origin_ms: int) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.speed = speed
        self.real_origin_ms = real_origin_ms
        self.simulated_origin_ms = simulated_origin_ms
        # Monotonic from here on: the host's clock is read once, so that setting it changes nothing.
        self._mono_origin = time.monotonic() - (time.time_ns() / 1e6 - real_origin_ms) / 1000

    def now(self) -> Instant:
        """Return the simulated instant; `mono` runs at the simulated speed too."""
        elapsed = (time.monotonic() - self._mono_origin) * self.speed
        return Instant(self.simulated_origin_ms + int(elapsed * 1000), elapsed)


def format_utc(utc_ms: int) -> str:
    """Write a time as `YYYY-MM-DDThh:mm:ss.mmmZ`, the form every known central system parses."""
    seconds, milliseconds = divmod(utc_ms, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


_seconds: dict[int, str] = {}


def _second(seconds: int) -> str:
    # Messages of one fleet cluster in the same few seconds; formatting is the expensive part.
    text = _seconds.get(seconds)
    if text is None:
        if len(_seconds) >= 256:
            _seconds.clear()
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _seconds[seconds] = text
    return text
