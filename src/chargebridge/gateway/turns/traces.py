"""Frame traces: the newest frames of the whole fleet, for operators.

They are in memory within one bound for all, so that they cost the same however large the fleet is. Secrets
are masked when frames are read, before they leave this module.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from msgspec import Struct, structs

from chargebridge.clock import format_utc
from chargebridge.ocpp16.redaction import LONGEST_SHOWN, redact_json, shown


class Direction(StrEnum):
    """Which way a frame went."""

    SENT = "sent"
    """To the central system."""
    RECEIVED = "received"


class Frame(Struct, frozen=True, gc=False):
    """One frame as it crossed the link."""

    charge_point: int
    utc_ms: int
    direction: Direction
    data: bytes


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame as people may see it: secrets are masked."""

    time: str
    direction: Direction
    text: str


BYTES_EACH: Final = 2048
"""Of all frames that are kept, on average; most have a few hundred."""


def _cut(frame: Frame) -> Frame:
    """Keep the beginning of a long frame, without secrets that only its end would give away.

    The search for secrets as they are nearly always written is left to the showing of what is left:
    in a long hostile frame it would never end.
    """
    text = redact_json(frame.data.decode(errors="replace"))
    return structs.replace(frame, data=text.encode()[:LONGEST_SHOWN])


def show(frame: Frame) -> ShownFrame:
    """Return a frame with its secrets masked."""
    return ShownFrame(format_utc(frame.utc_ms), frame.direction, shown(frame.data))


class Traces:
    """Keeps the newest frames and hands new ones to those who watch.

    Args:
        frames: how many to keep, of all charge points together.
    """

    def __init__(self, frames: int) -> None:
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._most = frames
        self._watchers: dict[int, list[Callable[[ShownFrame], None]]] = {}

    def keep(self, frames: int) -> None:
        """Set how many frames are kept from now on, of all charge points together."""
        self._most = frames
        self._make_room()

    def add(self, frame: Frame) -> None:
        """Keep a frame, in the place of the oldest; of several, if it is longer than they were."""
        if len(frame.data) > LONGEST_SHOWN:
            frame = _cut(frame)
        self._frames.append(frame)
        self._bytes += len(frame.data)
        self._make_room()
        if self._watchers:
            for watcher in tuple(self._watchers.get(frame.charge_point, ())):
                watcher(show(frame))

    def _make_room(self) -> None:
        most_bytes = max(self._most * BYTES_EACH, LONGEST_SHOWN)
        while len(self._frames) > self._most or self._bytes > most_bytes:
            self._bytes -= len(self._frames.popleft().data)

    def recent(self, charge_point: int, limit: int) -> list[ShownFrame]:
        """Return the newest frames of one charge point, oldest first."""
        found: list[Frame] = []
        for frame in reversed(self._frames):
            if frame.charge_point == charge_point:
                found.append(frame)
                if len(found) == limit:
                    break
        return [show(frame) for frame in reversed(found)]

    def newest(self, charge_points: Iterable[int]) -> dict[int, ShownFrame]:
        """Return the newest frame of each of these charge points, where there is one."""
        wanted = set(charge_points)
        found: dict[int, ShownFrame] = {}
        for frame in reversed(self._frames):
            if frame.charge_point in wanted:
                wanted.remove(frame.charge_point)
                found[frame.charge_point] = show(frame)
                if not wanted:
                    break
        return found

    def watch(self, charge_point: int, watcher: Callable[[ShownFrame], None]) -> Callable[[], None]:
        """Call `watcher` with each new frame of a charge point until the returned function is called."""
        self._watchers.setdefault(charge_point, []).append(watcher)

        def unwatch() -> None:
            watchers = self._watchers[charge_point]
            watchers.remove(watcher)
            if not watchers:
                del self._watchers[charge_point]

        return unwatch
