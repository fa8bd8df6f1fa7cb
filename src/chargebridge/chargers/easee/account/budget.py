"""The request budget and the circuit breaker for Easee's cloud.

Easee's rate limits are not published; the figures are those that other clients use without being throttled.
A client that continues after a 429 has its address blocked for 24 hours *from its last request*, and with it
everybody behind that address: so throttling is obeyed to the second. Pure: time and chance are handed in.
"""

import math
from collections import deque
from enum import StrEnum
from random import Random
from typing import Final

from msgspec import Struct

MARGIN_S: Final = 5.0
"""Extra length of a window: the cloud counts a request at its arrival, we count it when it is sent."""
RECHECK_S: Final = 0.25
"""Seconds between two checks while a trial request is in flight."""

FIRST_BACKOFF_S: Final = 1.0
LONGEST_BACKOFF_S: Final = 120.0
THROTTLED_S: Final = 15 * 60.0
"""Throttling after a 429 without `Retry-After`."""
BLOCKED_S: Final = 24 * 3600 + 15 * 60.0
"""Throttling after a 429 that announces a block, or that follows right after another throttling."""
RIGHT_AFTER_S: Final = 10 * 60.0
LONGEST_RETRY_AFTER_S: Final = 7 * 24 * 3600.0
"""The longest `Retry-After` that is believed."""


class Kind(StrEnum):
    """The purpose of a request; its share of the budget depends on it."""

    COMMAND = "command"
    """A request that somebody waits for; also signing in."""
    READ = "read"
    """A read in the background; leaves a share of the budget to commands."""
    SETTING = "setting"
    """A write in the background, such as a lasting setting; leaves the same share to commands."""
    SESSIONS = "sessions"
    """A read of charging sessions between dates, with a limit of its own."""
    SITE = "site"
    """A read of a site with its circuits, with a limit of its own."""


class Limits(Struct, frozen=True):
    """The limits of one account: requests in a window of seconds."""

    requests: int = 500
    reads: int = 400
    """The part of `requests` for reads; the rest is reserved for commands."""
    window_s: float = 300.0
    rare: int = 10
    """For each of `SESSIONS` and `SITE`."""
    rare_window_s: float = 3600.0


class Ticket(Struct, frozen=True, gc=False):
    """A request that was sent; its result is reported with this ticket."""

    number: int
    sent_s: float


class _Window:
    """The times of the last requests of a kind."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._span_s = window_s + MARGIN_S
        self._sent: deque[float] = deque(maxlen=limit)

    def ready_at(self, limit: int) -> float:
        """Return when fewer than `limit` of them are younger than the window."""
        return self._sent[-limit] + self._span_s if len(self._sent) >= limit else -math.inf

    def note(self, now_s: float) -> None:
        self._sent.append(now_s)


class Breaker:
    """A circuit breaker: backs off from a cloud that fails, and stays silent after a 429.

    After a failure it waits, longer each time, then lets a single trial request pass before all others.

    Args:
        random: the source of jitter.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self._open_until_s = -math.inf
        """The end of the back-off after failures; a success ends it early."""
        self._throttled_until_s = -math.inf
        """The end of throttling after a 429; only time ends it."""
        self._throttled_without_success = False
        self._throttles = 0
        """The number of 429s in a row, each to the first request after a throttling."""
        self._trial: Ticket | None = None
        self._numbers = 0

    @property
    def throttled_until_s(self) -> float:
        """When throttling ends, in seconds of the same clock; in the past if there is none."""
        return self._throttled_until_s

    def resume_throttling(self, until_s: float) -> None:
        """Continue a throttling that began before a restart."""
        self._throttled_until_s = until_s
        self._throttled_without_success, self._throttles = True, 1

    def ready_at(self, now_s: float) -> float:
        """Return the earliest time for the next request, in seconds of the clock that is handed in."""
        at = max(self._open_until_s, self._throttled_until_s)
        return max(at, now_s + RECHECK_S) if self._trial is not None else at

    def sent(self, now_s: float) -> Ticket:
        """Take note that a request is sent."""
        self._numbers += 1
        ticket = Ticket(self._numbers, now_s)
        if self._failures:
            self._trial = ticket
        return ticket

    def succeeded(self, ticket: Ticket) -> None:
        """Take note that the cloud answered, with any status."""
        # A late answer to an early request says nothing about failures since then.
        if self._is_current(ticket):
            self._failures = 0
            self._open_until_s = -math.inf
            self._throttled_without_success = False
        self.abandoned(ticket)

    def failed(self, ticket: Ticket, now_s: float) -> None:
        """Take note that the cloud or its gateway failed, or was unreachable."""
        if self._is_current(ticket):
            self._open_until_s = max(self._open_until_s, now_s + self._next_backoff_s())
        self.abandoned(ticket)

    def throttled(
        self, ticket: Ticket, now_s: float, *, retry_after_s: float | None = None, blocked: bool = False
    ) -> None:
        """Take note of a 429.

        Args:
            ticket: the ticket of the request.
            now_s: when the answer came.
            retry_after_s: the answer's `Retry-After`, in seconds.
            blocked: the answer announces a block.
        """
        # Many may be in flight when the first is throttled: the others count only if they ask for longer.
        fresh = ticket.sent_s >= self._throttled_until_s
        unanswered = fresh and self._throttled_without_success
        soon = fresh and 0.0 <= now_s - self._throttled_until_s < RIGHT_AFTER_S
        least_s = self._next_backoff_s() if fresh else 0.0
        if fresh:
            self._throttles = self._throttles + 1 if unanswered else 1
        if blocked or self._throttles > 2 or (retry_after_s is None and (unanswered or soon)):
            least_s = BLOCKED_S
        elif unanswered or retry_after_s is None:
            least_s = max(least_s, THROTTLED_S)
        # `Retry-After` is obeyed exactly, until the first request after it is throttled again.
        wait_s = max(min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S), least_s)
        self._throttled_until_s = max(self._throttled_until_s, now_s + wait_s)
        self._throttled_without_success = True
        self.abandoned(ticket)

    def abandoned(self, ticket: Ticket) -> None:
        """Take note that the answer to a request is not waited for any longer."""
        if self._trial == ticket:
            self._trial = None

    def _is_current(self, ticket: Ticket) -> bool:
        """Whether a request was sent after the last known failure: many are in flight when failures begin."""
        return ticket.sent_s >= max(self._open_until_s, self._throttled_until_s)

    def _next_backoff_s(self) -> float:
        # Bounded before it is raised: a week of failures must not overflow a float.
        wait_s = min(FIRST_BACKOFF_S * 2.0 ** min(self._failures, 16), LONGEST_BACKOFF_S)
        self._failures += 1
        return wait_s * (1 - 0.5 * self._random.random())


class Budget:
    """The requests that one account may still send.

    Args:
        random: the source of jitter.
        limits: the limits of the account.
    """

    def __init__(self, random: Random, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._all = _Window(self._limits.requests, self._limits.window_s)
        self._rare = {
            kind: _Window(self._limits.rare, self._limits.rare_window_s)
            for kind in (Kind.SESSIONS, Kind.SITE)
        }
        self.breaker: Final = Breaker(random)

    def ready_at(self, kind: Kind, now_s: float) -> float:
        """Return when a request may be sent, as far as it is known now; not after `now_s`: at once.

        Args:
            kind: its purpose.
            now_s: the present, in seconds of a monotonic clock.
        """
        limits = self._limits
        share = limits.requests if kind is Kind.COMMAND else limits.reads
        at = max(self.breaker.ready_at(now_s), self._all.ready_at(share))
        rare = self._rare.get(kind)
        return at if rare is None else max(at, rare.ready_at(limits.rare))

    def take(self, kind: Kind, now_s: float) -> Ticket:
        """Take note that a request is sent; return the ticket for its result.

        Raises:
            RuntimeError: it must not be sent yet.
        """
        if self.ready_at(kind, now_s) > now_s:
            raise RuntimeError(f"a request ({kind}) was sent too early")
        self._all.note(now_s)
        rare = self._rare.get(kind)
        if rare is not None:
            rare.note(now_s)
        return self.breaker.sent(now_s)
