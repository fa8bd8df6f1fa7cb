"""How often Easee's cloud may be asked, and when it must be left alone.

Its limits are not published; the figures are those that clients keep and do well with. Who goes on asking
after a 429 has his address blocked for 24 hours *from the last request*, and with it everybody behind that
address: so silence is kept to the second. Pure: time and chance are handed in.
"""

import math
from collections import deque
from enum import StrEnum
from random import Random
from typing import Final

from msgspec import Struct

MARGIN_S: Final = 5.0
"""The cloud counts when a request arrives, we when it leaves: a window is kept so much longer."""
RECHECK_S: Final = 0.25
"""How soon to ask again while a request is out on whose answer everything depends."""

FIRST_BACKOFF_S: Final = 1.0
LONGEST_BACKOFF_S: Final = 120.0
THROTTLED_S: Final = 15 * 60.0
"""Silence after a 429 that does not say how long."""
BLOCKED_S: Final = 24 * 3600 + 15 * 60.0
"""Silence after a 429 that speaks of a block, or that follows right upon the silence after another."""
RIGHT_AFTER_S: Final = 10 * 60.0
LONGEST_RETRY_AFTER_S: Final = 7 * 24 * 3600.0
"""Who says more has lost his mind, not his patience."""


class Kind(StrEnum):
    """What a request is for: its share of the budget depends on it."""

    COMMAND = "command"
    """Whatever somebody waits for; also signing in."""
    READ = "read"
    """Catching up in the background: leaves a share of the budget to commands."""
    SESSIONS = "sessions"
    """Charging sessions between dates: a read, and rare."""
    SITE = "site"
    """A site with its circuits: a read, and rare."""


class Limits(Struct, frozen=True):
    """So many requests in so many seconds, for one account."""

    requests: int = 500
    reads: int = 400
    """Of `requests`; the others are kept for commands."""
    window_s: float = 300.0
    rare: int = 10
    """For each of `SESSIONS` and `SITE`."""
    rare_window_s: float = 3600.0


class Ticket(Struct, frozen=True, gc=False):
    """One request that was sent; what became of it is told under its ticket."""

    number: int
    sent_s: float


class _Window:
    """The moments of the last requests of a class."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._span_s = window_s + MARGIN_S
        self._sent: deque[float] = deque(maxlen=limit)

    def ready_at(self, limit: int) -> float:
        """Return when fewer than `limit` of them are younger than the window."""
        return self._sent[-limit] + self._span_s if len(self._sent) >= limit else -math.inf

    def note(self, now_s: float) -> None:
        self._sent.append(now_s)


class Breaker:
    """Keeps away from a cloud that is in trouble, or that is cross with us.

    After a failure it waits, longer each time, and then lets a single request try before all others go.

    Args:
        random: where jitter comes from.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self._open_until_s = -math.inf
        """Because of failures; a success ends it."""
        self._throttled_until_s = -math.inf
        """Because of a 429; nothing but time ends it."""
        self._throttled_without_success = False
        self._throttles = 0
        """How often in a row silence was broken only to be told to keep it."""
        self._trial: Ticket | None = None
        self._numbers = 0

    @property
    def throttled_until_s(self) -> float:
        """Until when a 429 keeps everything back, in the past if none does: seconds of the same clock."""
        return self._throttled_until_s

    def resume_throttling(self, until_s: float) -> None:
        """Go on with a silence that began in another life of this program."""
        self._throttled_until_s = until_s
        self._throttled_without_success, self._throttles = True, 1

    def ready_at(self, now_s: float) -> float:
        """Return the earliest moment, in seconds of the clock that is handed in, for the next request."""
        at = max(self._open_until_s, self._throttled_until_s)
        return max(at, now_s + RECHECK_S) if self._trial is not None else at

    def sent(self, now_s: float) -> Ticket:
        """Note that a request leaves."""
        self._numbers += 1
        ticket = Ticket(self._numbers, now_s)
        if self._failures:
            self._trial = ticket
        return ticket

    def succeeded(self, ticket: Ticket) -> None:
        """Note that the cloud did answer, whatever it said."""
        # A late answer to an early request says nothing of the trouble since then.
        if self._is_news(ticket):
            self._failures = 0
            self._open_until_s = -math.inf
            self._throttled_without_success = False
        self.abandoned(ticket)

    def failed(self, ticket: Ticket, now_s: float) -> None:
        """Note that the cloud, or what is in front of it, is in trouble; or that it cannot be reached."""
        if self._is_news(ticket):
            self._open_until_s = max(self._open_until_s, now_s + self._next_backoff_s())
        self.abandoned(ticket)

    def throttled(
        self, ticket: Ticket, now_s: float, *, retry_after_s: float | None = None, blocked: bool = False
    ) -> None:
        """Note a 429.

        Args:
            ticket: of the request.
            now_s: when it was answered.
            retry_after_s: what the answer asks for, in seconds.
            blocked: the answer speaks of a block.
        """
        # Many may be out when the first is refused: the others are no new offence, but may say more.
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
        # Word for word; but who says "in half a minute" and refuses then is not believed twice.
        wait_s = max(min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S), least_s)
        self._throttled_until_s = max(self._throttled_until_s, now_s + wait_s)
        self._throttled_without_success = True
        self.abandoned(ticket)

    def abandoned(self, ticket: Ticket) -> None:
        """Note that nobody waits for the answer to a request any more."""
        if self._trial == ticket:
            self._trial = None

    def _is_news(self, ticket: Ticket) -> bool:
        """Say whether a request left after all that is known: many are out when trouble begins."""
        return ticket.sent_s >= max(self._open_until_s, self._throttled_until_s)

    def _next_backoff_s(self) -> float:
        # Bounded before it is raised: a week of failures must not overflow a float.
        wait_s = min(FIRST_BACKOFF_S * 2.0 ** min(self._failures, 16), LONGEST_BACKOFF_S)
        self._failures += 1
        return wait_s * (1 - 0.5 * self._random.random())


class Budget:
    """What one account may still ask of the cloud.

    Args:
        random: where jitter comes from.
        limits: how much at all.
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
        """Return when a request may leave, as far as it is known now; not after `now_s`: at once.

        Args:
            kind: what it is for.
            now_s: the present, in seconds of a clock that never runs backwards.
        """
        limits = self._limits
        share = limits.requests if kind is Kind.COMMAND else limits.reads
        at = max(self.breaker.ready_at(now_s), self._all.ready_at(share))
        rare = self._rare.get(kind)
        return at if rare is None else max(at, rare.ready_at(limits.rare))

    def take(self, kind: Kind, now_s: float) -> Ticket:
        """Note that a request leaves, and return what its end is told to the breaker with.

        Raises:
            RuntimeError: it must not leave yet.
        """
        if self.ready_at(kind, now_s) > now_s:
            raise RuntimeError(f"a request ({kind}) left before its time")
        self._all.note(now_s)
        rare = self._rare.get(kind)
        if rare is not None:
            rare.note(now_s)
        return self.breaker.sent(now_s)
