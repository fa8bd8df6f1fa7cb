"""Gates: when requests of one endpoint and one purpose may be sent, after failures and while they are paused.

Pure: time and chance are handed in.
"""

import math
from random import Random
from typing import Final

from msgspec import Struct

from chargebridge.chargers.easee.account.endpoints import Endpoint

FIRST_BACKOFF_S: Final = 1.0
LONGEST_BACKOFF_S: Final = 120.0
"""For requests in the background."""
RECHECK_S: Final = 0.25
"""Seconds between two checks while a trial request is in flight."""
JITTER: Final = 0.25
"""The share of a pause by which it may be longer."""
LONGEST_RETRY_AFTER_S: Final = 7 * 24 * 3600.0
"""The longest `Retry-After` that is believed."""


class Ticket(Struct, frozen=True, gc=False):
    """A request that was sent; its result is reported with this ticket."""

    number: int
    sent_s: float
    endpoint: Endpoint
    urgent: bool
    """Whether somebody waits for it."""


class Gate:
    """The requests of one endpoint and one purpose.

    After a failure it waits, longer each time. In the background it then lets a single trial request pass
    before all others.

    Args:
        random: the source of jitter.
        longest_backoff_s: the longest wait after failures, in seconds.
        one_trial: let one request pass before all others after failures.
    """

    def __init__(self, random: Random, longest_backoff_s: float, *, one_trial: bool) -> None:
        self._random = random
        self._longest_backoff_s = longest_backoff_s
        self._one_trial = one_trial
        self._failures = 0
        self._trial: Ticket | None = None
        self.backoff_until_s = -math.inf
        """The end of the back-off after failures; a success ends it early."""
        self.backoff_reason = ""
        self.paused_until_s = -math.inf
        """The end of a pause that the cloud has requested; only time ends it."""
        self.pause_reason = ""
        self.refusals = 0
        """429s in a row, each to the first request after a pause."""

    def ready_at(self, now_s: float) -> float:
        """Return the earliest time for the next request, in seconds of the clock that is handed in."""
        at = max(self.backoff_until_s, self.paused_until_s)
        return max(at, now_s + RECHECK_S) if self._trial is not None else at

    def is_current(self, ticket: Ticket) -> bool:
        """Whether a request was sent after the last known failure: many are in flight when failures begin."""
        return ticket.sent_s >= max(self.backoff_until_s, self.paused_until_s)

    def sent(self, ticket: Ticket) -> None:
        """Take note that a request is sent."""
        if self._failures and self._one_trial:
            self._trial = ticket

    def answered(self, ticket: Ticket) -> None:
        """Take note that the cloud answered a request, with any status that says so."""
        # A late answer to an early request says nothing about failures since then.
        if self.is_current(ticket):
            self._failures = 0
            self.backoff_until_s = -math.inf

    def failed(self, ticket: Ticket, now_s: float, reason: str) -> None:
        """Take note that the cloud or its gateway failed, or was unreachable."""
        if self.is_current(ticket):
            # Bounded before it is raised: a week of failures must not overflow a float.
            wait_s = min(FIRST_BACKOFF_S * 2.0 ** min(self._failures, 16), self._longest_backoff_s)
            self._failures += 1
            self.backoff_until_s = now_s + wait_s * (1 - 0.5 * self._random.random())
            self.backoff_reason = reason

    def throttled(self, ticket: Ticket, now_s: float, retry_after_s: float | None) -> float:
        """Take note of a 429; return the end of the pause that it asks for.

        Args:
            ticket: the ticket of the request.
            now_s: when the answer came.
            retry_after_s: the answer's `Retry-After`, in seconds.
        """
        # Many may be in flight when the first is throttled: the others count only if they ask for longer.
        if self.is_current(ticket):
            self.refusals += 1
        asked_s = min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
        if retry_after_s is not None and self.refusals < 2:
            return now_s + max(asked_s, FIRST_BACKOFF_S)
        endpoint = ticket.endpoint
        wait_s = min(endpoint.first_pause_s * 2.0 ** min(self.refusals - 1, 16), endpoint.longest_pause_s)
        return now_s + max(asked_s, wait_s * (1 + JITTER * self._random.random()))

    def pause(self, until_s: float, reason: str) -> None:
        """Send nothing until then; a longer pause stays."""
        if until_s > self.paused_until_s:
            self.paused_until_s, self.pause_reason = until_s, reason

    def abandoned(self, ticket: Ticket) -> None:
        """Take note that the answer to a request is not waited for any longer."""
        if self._trial == ticket:
            self._trial = None
