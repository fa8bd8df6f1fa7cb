"""The timer wheel: deadlines of thousands of charge points, coalesced in slots, with one timer of the loop.

An idle fleet costs wake-ups, not bytes; so deadlines that lie close together are met together, up
to one slot late and never early.
"""

import heapq
from collections.abc import Callable
from math import ceil, floor, inf
from typing import Final, Generic, Protocol, TypeVar

from chargebridge.clock import Clock

SLOT_S: Final = 0.05
"""Width of a slot in real seconds."""
SHORTEST_WAIT_S: Final = 0.001
"""Timers of a loop are rounded: one that fires a little early must not be armed again for next to nothing."""
NEVER: Final = 2**62


class Sleeper(Protocol):
    """Something that is woken at a deadline."""

    slot: int
    """The slot that it is entered in; `NEVER` if in none. Belongs to the wheel."""


class Cancellable(Protocol):
    """A timer of the event loop."""

    def cancel(self) -> None:
        """Do not fire."""


CallLater = Callable[[float, Callable[[], None]], Cancellable]
"""The event loop's `call_later`: real seconds, and what to do then."""


AnySleeper = TypeVar("AnySleeper", bound=Sleeper)


class TimerWheel(Generic[AnySleeper]):
    """Wakes sleepers at their deadlines.

    Args:
        clock: in whose monotonic seconds deadlines are.
        call_later: of the event loop.
        woken: called for each sleeper whose slot has come; it enters itself again if it wants.
    """

    def __init__(self, clock: Clock, call_later: CallLater, woken: Callable[[AnySleeper], None]) -> None:
        self._clock = clock
        self._call_later = call_later
        self._woken = woken
        self._width = SLOT_S * clock.speed
        self._sleepers: dict[int, list[AnySleeper]] = {}
        self._slots: list[int] = []
        self._passed = -1
        """The newest slot that has come; nothing is entered there any more."""
        self._timer: Cancellable | None = None

    def wake(self, sleeper: AnySleeper, mono: float) -> None:
        """Wake this sleeper at this monotonic time or earlier."""
        if mono == inf:
            return
        # Behind the slots that have come: a deadline in the past is met in the next one, not at once
        # and for ever.
        slot = max(ceil(mono / self._width), self._passed + 1)
        if slot >= sleeper.slot:
            return  # woken before that; it enters its next deadline then
        sleeper.slot = slot
        there = self._sleepers.get(slot)
        if there is not None:
            there.append(sleeper)
            return
        self._sleepers[slot] = [sleeper]
        heapq.heappush(self._slots, slot)
        if self._slots[0] == slot:
            self._arm()

    def stop(self) -> None:
        """Wake no sleeper any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._sleepers.clear()
        self._slots.clear()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        left = self._slots[0] * self._width - self._clock.now().mono
        self._timer = self._call_later(max(left / self._clock.speed, SHORTEST_WAIT_S), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._passed = floor(self._clock.now().mono / self._width)
        while self._slots and self._slots[0] <= self._passed:
            slot = heapq.heappop(self._slots)
            for sleeper in self._sleepers.pop(slot):
                if sleeper.slot == slot:
                    sleeper.slot = NEVER
                    self._woken(sleeper)
        if self._slots and self._timer is None:
            self._arm()
