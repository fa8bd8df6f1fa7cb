"""Outages of the store: which charge points wait for it, and which of them retries.

A store fails for all charge points, so one retries for all: after a second, and while that fails after longer
and longer pauses. When its retry is durable twice as many retry next, and so on, until no charge point waits.
So a long outage costs next to nothing, and its end is no stampede of thousands.
"""

from collections.abc import Callable
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

import structlog

from chargebridge.gateway.turns.wheel import CallLater, Cancellable

SHORTEST_PAUSE_S: Final = 1.0
"""Real seconds from a failure to the first retry."""
LONGEST_PAUSE_S: Final = 30.0
"""Real seconds between two retries at most: it may take this long until room on the disk is noticed."""
MOST_AT_ONCE: Final = 64
"""Charge points that retry at once, at most: each is read from the store, and the loop has other work."""

_log = structlog.get_logger()


class Waiting(Protocol):
    """Something that waits for the store: anything that can be a member of a set."""

    def __hash__(self) -> int:
        """Be a member of a set."""


Waiter = TypeVar("Waiter", bound=Waiting)


class StoreOutage(Generic[Waiter]):
    """The outage of the store, if there is one.

    Args:
        call_later: of the event loop.
        retry: has a waiter retry. `settled` follows when its retry is durable or it has nothing on the way
            to the disk, `wait` if the store fails it again.
    """

    def __init__(self, call_later: CallLater, retry: Callable[[Waiter], None]) -> None:
        self._call_later = call_later
        self._retry = retry
        self._waiting: dict[Waiter, None] = {}
        self._retrying: set[Waiter] = set()
        self._at_once = 1
        self._pause_s = SHORTEST_PAUSE_S
        self._has_failed = False
        """The store has failed one of the present retries."""
        self._timer: Cancellable | None = None
        self.reason: str | None = None
        """Why the store failed last; None: there is no outage."""

    def __len__(self) -> int:
        """Return the number of charge points that wait for the store."""
        return len(self._waiting) + len(self._retrying)

    def begin(self, reason: str) -> None:
        """Note that the store has failed; `wait` follows for each charge point concerned."""
        if self.reason is None:
            _log.error("store failed", reason=reason)
        self.reason = reason

    def wait(self, one: Waiter, *, has_failed: bool = True) -> None:
        """Have a charge point retry, when it is its turn.

        Args:
            one: the charge point.
            has_failed: the store has failed its retry; otherwise it was only not ready to retry.
        """
        self._waiting[one] = None
        if one in self._retrying:
            self._retrying.remove(one)
            self._has_failed |= has_failed
        self._proceed()

    def settled(self, one: Waiter) -> None:
        """Note that a retry is durable or waits for something else; unknown charge points are ignored."""
        self._waiting.pop(one, None)
        self._retrying.discard(one)
        self._proceed()

    def stop(self) -> None:
        """Retry no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self._retrying.clear()

    def _proceed(self) -> None:
        if self._retrying or self._timer is not None:
            return
        if not self._waiting:
            if self.reason is not None:
                self._end()
            return
        delay_s = self._pause_s
        if self._has_failed:
            self._at_once = 1
            delay_s = self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        elif self._at_once > 1:
            delay_s = 0.0
        self._timer = self._call_later(delay_s, self._retry_batch)

    def _retry_batch(self) -> None:
        self._timer, self._has_failed = None, False
        chosen = list(islice(self._waiting, self._at_once))
        # Before the first retry: its outcome must not look like the end of the round.
        self._retrying.update(chosen)
        # Taken back by the first that fails.
        self._at_once = min(2 * self._at_once, MOST_AT_ONCE)
        for one in chosen:
            self._waiting.pop(one, None)
        for one in chosen:
            self._retry(one)
        self._proceed()

    def _end(self) -> None:
        _log.warning("store recovered")
        self.reason = None
        self._at_once, self._pause_s, self._has_failed = 1, SHORTEST_PAUSE_S, False
