"""Deadlines of thousands of links on one coarse timer.

An idle fleet costs wake-ups, not bytes: deadlines that fall into one slot are one wake-up. Pure:
time is handed in.
"""

import heapq
import math
from typing import Generic, Protocol, TypeVar

NEVER = math.inf
"""The deadline of an item that waits for nothing."""


class Scheduled(Protocol):
    """Something with one deadline at a time. Both fields belong to the `Schedule`."""

    deadline: float
    """Seconds on the schedule's clock, or `NEVER`."""
    slot: int
    """The slot that holds it, 0 for none."""


Item = TypeVar("Item", bound=Scheduled)


class Schedule(Generic[Item]):
    """Deadlines, rounded up to slots.

    Moving a deadline further away costs nothing: the item is found in its old slot and moves on
    then. That is the common case, a pong that arrives before its deadline.

    Args:
        slot_s: width of a slot in seconds; nothing fires early, or more than a slot late.
    """

    def __init__(self, slot_s: float) -> None:
        self._slot_s = slot_s
        self._slots: dict[int, list[Item]] = {}
        self._order: list[int] = []

    def set(self, item: Item, deadline: float) -> None:
        """Give `item` its deadline, in place of the one it has; `NEVER` cancels."""
        item.deadline = deadline
        if deadline == NEVER:
            return
        slot = max(1, math.ceil(deadline / self._slot_s))
        if item.slot and item.slot <= slot:
            return
        item.slot = slot
        items = self._slots.get(slot)
        if items is None:
            self._slots[slot] = [item]
            heapq.heappush(self._order, slot)
        else:
            items.append(item)

    def next_at(self) -> float | None:
        """Return when `due` is worth a call, or None while nothing is scheduled."""
        return self._order[0] * self._slot_s if self._order else None

    def due(self, now: float) -> list[Item]:
        """Take out the items whose deadline has come; each then has the deadline `NEVER`."""
        due: list[Item] = []
        while self._order and self._order[0] * self._slot_s <= now:
            slot = heapq.heappop(self._order)
            for item in self._slots.pop(slot):
                if item.slot != slot:
                    continue  # it moved to an earlier slot
                item.slot = 0
                if item.deadline <= now:
                    item.deadline = NEVER
                    due.append(item)
                else:
                    self.set(item, item.deadline)
        return due
