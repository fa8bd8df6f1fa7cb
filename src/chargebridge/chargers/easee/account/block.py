"""The block of a whole account or address, told from the limit of one endpoint.

Easee blocks an address for 24 hours *from its last request*, and with it everybody behind that address.
Nothing but silence ends it. One endpoint alone, the hub for example, may refuse for long while all others
answer. Pure: time is handed in.
"""

import math
from typing import Final

from chargebridge.chargers.easee.account.endpoints import SIGN_IN
from chargebridge.chargers.easee.account.gates import LONGEST_RETRY_AFTER_S, RECHECK_S, Ticket

PAUSED_S: Final = 15 * 60.0
"""The first pause of all requests, without `Retry-After`."""
BLOCKED_S: Final = 24 * 3600 + 15 * 60.0
"""The silence that a block needs."""
ENOUGH: Final = 3
"""Refusals in a row, and different endpoints, that are evidence."""

REFUSED_EVERYWHERE: Final = "the cloud refuses requests to several endpoints"
BLOCKED: Final = "the cloud blocks this account or address for 24 hours from its last request"


class Block:
    """Collects refusals (429, or 403 of the gateway) until the cloud answers, and decides on silence.

    The rule, for refusals with no answer of the cloud in between:

    - a text that announces a block: 24 hours of silence;
    - three refusals, of sign-in among others or of three different endpoints: all requests are paused, as
      long as `Retry-After` says, or 15 minutes;
    - the first request after that is refused, too: 24 hours of silence; with `Retry-After` only when it is
      refused once more.
    """

    def __init__(self) -> None:
        self._refused: dict[str, int] = {}
        """Refusals since the cloud answered, by endpoint."""
        self._last_s: dict[str, float] = {}
        """When the last of them came."""
        self._trial: Ticket | None = None
        self.steps = 0
        """Pauses of all requests in a row, with no answer in between."""
        self.until_s = -math.inf
        self.reason = ""

    @property
    def suspected(self) -> bool:
        """Whether it is worth a request to another endpoint to find out."""
        return not self.steps and sum(self._refused.values()) >= ENOUGH - 1

    def ready_at(self, now_s: float) -> float:
        """Return the earliest time for the next request; after a pause, one request is sent first."""
        return max(self.until_s, now_s + RECHECK_S) if self._trial is not None else self.until_s

    def sent(self, ticket: Ticket) -> None:
        """Take note that a request is sent."""
        if self.steps:
            self._trial = ticket

    def abandoned(self, ticket: Ticket) -> None:
        """Take note that the answer to a request is not waited for any longer."""
        if self._trial == ticket:
            self._trial = None

    def answered(self, ticket: Ticket) -> None:
        """Take note that the cloud answered otherwise than by a refusal."""
        if ticket.sent_s >= max(self.until_s, *self._last_s.values(), -math.inf):
            self._refused.clear()
            self._last_s.clear()
            self.steps = 0

    def refused(
        self, ticket: Ticket, now_s: float, *, retry_after_s: float | None = None, announced: bool = False
    ) -> None:
        """Take note of a refusal.

        Args:
            ticket: the ticket of the request.
            now_s: when the answer came.
            retry_after_s: the answer's `Retry-After`, in seconds.
            announced: its text announces a block.
        """
        name = ticket.endpoint.name
        # Of many in flight to the same endpoint, one counts.
        if ticket.sent_s >= self._last_s.get(name, -math.inf):
            self._refused[name] = self._refused.get(name, 0) + 1
            self._last_s[name] = now_s
        asked_s = min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
        if self.steps and ticket.sent_s < self.until_s:
            # It was in flight when the pause began. A block counts from it, too.
            least_s = BLOCKED_S if announced or self.reason == BLOCKED else 0.0
            if announced:
                self.reason = BLOCKED
            self.until_s = max(self.until_s, now_s + max(asked_s, least_s))
        elif announced or self.steps or self._is_evident():
            self.steps += 1
            blocked = announced or self.steps > 2 or (self.steps == 2 and retry_after_s is None)
            if blocked:
                self.reason, wait_s = BLOCKED, max(asked_s, BLOCKED_S)
            else:
                least_s = PAUSED_S if retry_after_s is None or self.steps > 1 else 0.0
                self.reason, wait_s = REFUSED_EVERYWHERE, max(asked_s, least_s)
            self.until_s = max(self.until_s, now_s + wait_s)

    def resume(self, until_s: float, steps: int, reason: str) -> None:
        """Continue a pause that began before a restart."""
        self.until_s, self.steps, self.reason = until_s, steps, reason

    def _is_evident(self) -> bool:
        names, refusals = self._refused.keys(), sum(self._refused.values())
        return refusals >= ENOUGH and (SIGN_IN.name in names or len(names) >= ENOUGH)
