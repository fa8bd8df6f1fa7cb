"""While the store fails: which charge points wait for it, and which of them tries whether it works again.

A store fails for all of them, so one tries for all: after a second, and while that fails after longer
and longer pauses. When its try has become durable twice as many try next, and so on, until nobody waits.
So a long outage costs next to nothing, and its end is no stampede of thousands.
"""

from collections.abc import Callable
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

import structlog

from chargebridge.gateway.turns.wheel import CallLater, Cancellable

SHORTEST_PAUSE_S: Final = 1.0
"""Real seconds from a failure to the first try."""
LONGEST_PAUSE_S: Final = 30.0
"""Real seconds between two tries at most: so long it may take until room on the disk is noticed."""
MOST_AT_ONCE: Final = 64
"""How many try at once at most: each is read from the store, and the loop has other things to do."""

_log = structlog.get_logger()


class Waiting(Protocol):
    """Who waits: anything that is the same as itself only."""

    def __hash__(self) -> int:
        """Be one of a set."""


Anyone = TypeVar("Anyone", bound=Waiting)


class Outage(Generic[Anyone]):
    """An outage of the store, or none.

    Args:
        call_later: of the event loop.
        try_again: lets one that waits try. It is said to be `settled` when what it tried is durable or
            nothing of it is on its way, and to `wait` again if the store has failed it.
    """

    def __init__(self, call_later: CallLater, try_again: Callable[[Anyone], None]) -> None:
        self._call_later = call_later
        self._try_again = try_again
        self._waiting: dict[Anyone, None] = {}
        self._trying: set[Anyone] = set()
        self._at_once = 1
        self._pause_s = SHORTEST_PAUSE_S
        self._has_failed = False
        """One of those that try was failed."""
        self._timer: Cancellable | None = None
        self.reason: str | None = None
        """Why the store failed last; None while there is no outage."""

    def __len__(self) -> int:
        """Return how many wait for the store."""
        return len(self._waiting) + len(self._trying)

    def begin(self, reason: str) -> None:
        """The store has failed; who is struck by it comes to `wait`."""
        if self.reason is None:
            _log.error("the store fails, and nothing is acknowledged until it works again", reason=reason)
        self.reason = reason

    def wait(self, one: Anyone, *, has_failed: bool = True) -> None:
        """Let this one try again, in its turn.

        Args:
            one: who waits.
            has_failed: the store has failed what it tried; else it only was not ready for that.
        """
        self._waiting[one] = None
        if one in self._trying:
            self._trying.remove(one)
            self._has_failed |= has_failed
        self._go_on()

    def settled(self, one: Anyone) -> None:
        """What this one has tried is durable, or it waits for something else; unknown ones are ignored."""
        self._waiting.pop(one, None)
        self._trying.discard(one)
        self._go_on()

    def stop(self) -> None:
        """Let nobody try any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self._trying.clear()

    def _go_on(self) -> None:
        if self._trying or self._timer is not None:
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
        self._timer = self._call_later(delay_s, self._try)

    def _try(self) -> None:
        self._timer, self._has_failed = None, False
        chosen = list(islice(self._waiting, self._at_once))
        # Before the first of them tries: what becomes of one must not look like the end of the round.
        self._trying.update(chosen)
        # Taken back by the first that fails.
        self._at_once = min(2 * self._at_once, MOST_AT_ONCE)
        for one in chosen:
            self._waiting.pop(one, None)
        for one in chosen:
            self._try_again(one)
        self._go_on()

    def _end(self) -> None:
        _log.warning("the store works again, and everything goes on")
        self.reason = None
        self._at_once, self._pause_s, self._has_failed = 1, SHORTEST_PAUSE_S, False
