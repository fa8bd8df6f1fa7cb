"""Pacing: which link of a whole fleet may start the next connection attempt.

Pure: time and randomness are handed in.
"""

import math
from random import Random
from typing import Generic, TypeVar

Link = TypeVar("Link")
Target = TypeVar("Target")


class _Queue(Generic[Link]):
    """The links that wait for one central system, and whether it responds."""

    __slots__ = ("in_flight", "places", "unresponsive", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Link] = []
        self.places: dict[Link, int] = {}
        self.in_flight = 0
        self.unresponsive = False

    def add(self, link: Link) -> None:
        if link not in self.places:
            self.places[link] = len(self.waiting)
            self.waiting.append(link)

    def remove(self, link: Link) -> None:
        place = self.places.pop(link, None)
        if place is not None:
            last = self.waiting.pop()
            if last is not link:
                self.waiting[place] = last
                self.places[last] = place

    def pick(self, random: Random) -> Link:
        link = self.waiting[int(random.random() * len(self.waiting))]
        self.remove(link)
        return link


class Pacer(Generic[Target, Link]):
    """Spreads attempts over time (a token bucket) and bounds how many are under way.

    Central systems take turns, so that one with a thousand waiting links does not hold up the one
    link of another. One central system never takes more than half of the free places, and one that
    last let an attempt run into its deadline gets a single place until it answers again. Among the
    links of one central system the order is random.

    Args:
        connects_per_s: attempts that may start in a second, above 0.
        concurrent_handshakes: attempts that may be under way at once, at least 1.
        random: the source of the order.

    Raises:
        ValueError: a limit out of range.
    """

    def __init__(self, *, connects_per_s: float, concurrent_handshakes: int, random: Random) -> None:
        if not 0 < connects_per_s < math.inf:
            raise ValueError(f"connects_per_s must be above 0, not {connects_per_s}")
        if concurrent_handshakes < 1:
            raise ValueError(f"concurrent_handshakes must be at least 1, not {concurrent_handshakes}")
        self._rate = connects_per_s
        # A tenth of a second's worth: more than one slot of the fleet's timer, less than a flood.
        self._burst = max(1.0, connects_per_s / 10)
        self._tokens = self._burst
        self._refilled_at = -math.inf
        self._free = concurrent_handshakes
        self._random = random
        self._queues: dict[Target, _Queue[Link]] = {}
        self._turns: dict[Target, None] = {}  # an ordered set: targets with waiting links, next first

    def add(self, target: Target, link: Link) -> None:
        """Queue an attempt of `link`; a link waits at most once."""
        self._queues.setdefault(target, _Queue()).add(link)
        self._turns.setdefault(target)

    def remove(self, target: Target, link: Link) -> None:
        """Take `link` out of the queue, if it waits there."""
        queue = self._queues.get(target)
        if queue is not None:
            queue.remove(link)
            self._tidy(target, queue)

    def take(self, now: float) -> Link | None:
        """Start the next attempt, if one may start; `finished` must follow when it is over.

        Args:
            now: seconds on a monotonic clock.
        """
        self._refill(now)
        if self._tokens < 1 or self._free < 1:
            return None
        for target in self._turns:
            queue = self._queues[target]
            if queue.in_flight < (1 if queue.unresponsive else self._free):
                link = queue.pick(self._random)
                queue.in_flight += 1
                self._free -= 1
                self._tokens -= 1
                del self._turns[target]
                if queue.waiting:
                    self._turns[target] = None
                return link
        return None

    def finished(self, target: Target, *, answered: bool | None) -> None:
        """Free the place of an attempt that opened, failed or was abandoned.

        Args:
            target: the central system of that attempt.
            answered: False if no conclusive answer came before the deadline; a refusal is an answer,
                too. None if the attempt was abandoned, which shows nothing.
        """
        queue = self._queues[target]
        queue.in_flight -= 1
        if answered is not None:
            queue.unresponsive = not answered
        self._free += 1
        self._tidy(target, queue)

    def next_at(self, now: float) -> float | None:
        """Return when `take` is worth another call for want of tokens, or None.

        None also when only `finished` or `add` can change the answer.
        """
        self._refill(now)
        if not self._turns or self._free < 1 or self._tokens >= 1:
            return None
        return now + (1 - self._tokens) / self._rate

    def _refill(self, now: float) -> None:
        if now > self._refilled_at:
            self._tokens = min(self._burst, self._tokens + (now - self._refilled_at) * self._rate)
            self._refilled_at = now

    def _tidy(self, target: Target, queue: _Queue[Link]) -> None:
        if not queue.waiting:
            self._turns.pop(target, None)
            # A silent central system is remembered: its links come back from back-off.
            if not queue.in_flight and not queue.unresponsive:
                del self._queues[target]
