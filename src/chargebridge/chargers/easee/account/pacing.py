"""Paces requests: each waits for the request budget, and its answer goes to the circuit breaker."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from chargebridge.chargers.easee.account.budget import Budget, Kind
from chargebridge.chargers.easee.account.failures import NotSent
from chargebridge.chargers.easee.account.secret import Secret
from chargebridge.chargers.easee.account.transport import (
    LostError,
    Received,
    Transport,
    UnreachableError,
    announces_block,
    is_gateway_refusal,
    retry_after_s,
)
from chargebridge.clock import Clock

Sleep: TypeAlias = Callable[[float], Awaitable[object]]
"""`asyncio.sleep` or its replacement in a test; real seconds."""

LONGEST_SLEEP_S: Final = 0.25
"""Real seconds between two checks: a successful trial request can end the wait early."""


class RequestPacer:
    """Sends requests to one cloud when the budget and the circuit breaker allow it.

    Args:
        transport: sends the requests.
        budget: decides when they may be sent.
        clock: the clock of all waits.
        sleep: waits for so many real seconds.
        on_throttled: is called with the end of each throttling, in UTC milliseconds.
    """

    def __init__(
        self,
        transport: Transport,
        budget: Budget,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        on_throttled: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._on_throttled = on_throttled
        self.budget: Final = budget

    def now_s(self) -> float:
        """Return the present in monotonic seconds of the driver's clock."""
        return self._clock.now().mono

    async def until_ready(self, kind: Kind, deadline_s: float) -> None:
        """Wait until a request may be sent; the caller must send it before it awaits anything else.

        Raises:
            NotSent: it may not be sent before the deadline.
        """
        while (at_s := self.budget.ready_at(kind, now_s := self.now_s())) > now_s:
            if at_s > deadline_s:
                raise NotSent(self._wait_reason(now_s), at_s)
            await self._sleep(min((at_s - now_s) / self._clock.speed, LONGEST_SLEEP_S))

    def _wait_reason(self, now_s: float) -> str:
        breaker = self.budget.breaker
        if breaker.throttled_until_s > now_s:
            return "throttled by the cloud (429)"
        return "backing off from the cloud" if breaker.ready_at(now_s) > now_s else "request budget used up"

    async def send(
        self, method: str, path: str, body: object = None, *, kind: Kind, token: Secret | None = None
    ) -> Received:
        """Send one request after `until_ready`; return its answer with any status.

        Raises:
            UnreachableError: it was not sent.
            LostError: it was sent, and no readable answer came.
        """
        breaker = self.budget.breaker
        ticket = self.budget.take(kind, self.now_s())
        try:
            received = await self._transport.exchange(method, path, body, token)
        except (UnreachableError, LostError):
            breaker.failed(ticket, self.now_s())
            raise
        except BaseException:
            breaker.abandoned(ticket)
            raise
        now = self._clock.now()
        if received.status == 429:
            breaker.throttled(
                ticket,
                now.mono,
                retry_after_s=retry_after_s(received.retry_after, now.utc_ms),
                blocked=announces_block(received),
            )
            self._save_throttling()
        elif received.status >= 500 or is_gateway_refusal(received):
            breaker.failed(ticket, now.mono)
        else:
            breaker.succeeded(ticket)
        return received

    def throttled(self, retry_after: str | None) -> float:
        """Take note of a 429 outside of `send`; return when throttling ends, in monotonic seconds."""
        now, breaker = self._clock.now(), self.budget.breaker
        breaker.throttled(
            breaker.sent(now.mono), now.mono, retry_after_s=retry_after_s(retry_after, now.utc_ms)
        )
        self._save_throttling()
        return breaker.throttled_until_s

    def _save_throttling(self) -> None:
        now = self._clock.now()
        self._on_throttled(now.utc_ms + round((self.budget.breaker.throttled_until_s - now.mono) * 1000))
