"""Single requests, each at its time: what was answered is told to the breaker here, and nowhere else."""

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
"""`asyncio.sleep`, or what a test puts in its place; real seconds."""

LONGEST_SLEEP_S: Final = 0.25
"""Real seconds: what is waited for may come earlier than it seemed, when a trial succeeds."""


class RequestPacer:
    """What may be asked of one cloud, when, and for how long that is waited for.

    Args:
        transport: what carries requests.
        budget: what says when they may leave.
        clock: whose seconds all waits are counted in.
        sleep: waits for real seconds.
        on_throttled: learns until when the cloud wants to be left alone, in UTC milliseconds.
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
        """Return the present on the driver's clock, in monotonic seconds."""
        return self._clock.now().mono

    async def until_ready(self, kind: Kind, deadline_s: float) -> None:
        """Wait until a request may leave; whoever returns from here may send one before it awaits again.

        Raises:
            NotSent: that will not be before the deadline.
        """
        while (at_s := self.budget.ready_at(kind, now_s := self.now_s())) > now_s:
            if at_s > deadline_s:
                raise NotSent(self._wait_reason(now_s), at_s)
            await self._sleep(min((at_s - now_s) / self._clock.speed, LONGEST_SLEEP_S))

    def _wait_reason(self, now_s: float) -> str:
        breaker = self.budget.breaker
        if breaker.throttled_until_s > now_s:
            return "the cloud has told us to be quiet (429)"
        return "the cloud is in trouble" if breaker.ready_at(now_s) > now_s else "the rate limit is reached"

    async def send(
        self, method: str, path: str, body: object = None, *, kind: Kind, token: Secret | None = None
    ) -> Received:
        """Send one request for which `until_ready` has waited; return its answer whatever it says.

        Raises:
            UnreachableError: it did not leave.
            LostError: it left, and no answer came that can be read.
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
        """Note a 429 on a connection that is no request; return when the silence ends, in seconds."""
        now, breaker = self._clock.now(), self.budget.breaker
        breaker.throttled(
            breaker.sent(now.mono), now.mono, retry_after_s=retry_after_s(retry_after, now.utc_ms)
        )
        self._save_throttling()
        return breaker.throttled_until_s

    def _save_throttling(self) -> None:
        now = self._clock.now()
        self._on_throttled(now.utc_ms + round((self.budget.breaker.throttled_until_s - now.mono) * 1000))
