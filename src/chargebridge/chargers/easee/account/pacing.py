"""Paces requests: each waits for its turn and the request budget, and its answer goes to the budget."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from chargebridge.chargers.easee.account.budget import Budget, Kind
from chargebridge.chargers.easee.account.endpoints import Endpoint, endpoint_of
from chargebridge.chargers.easee.account.failures import NotSent
from chargebridge.chargers.easee.account.gates import RECHECK_S, Ticket
from chargebridge.chargers.easee.account.pauses import Pauses
from chargebridge.chargers.easee.account.secret import Secret
from chargebridge.chargers.easee.account.transport import (
    LostError,
    Received,
    Transport,
    UnreachableError,
    announces_block,
    is_charger_unreachable,
    is_gateway_refusal,
    retry_after_s,
)
from chargebridge.clock import Clock

Sleep: TypeAlias = Callable[[float], Awaitable[object]]
"""`asyncio.sleep` or its replacement in a test; real seconds."""

LONGEST_SLEEP_S: Final = 0.25
"""Real seconds between two checks: a successful trial request can end the wait early."""
MAX_CONCURRENT: Final = 8
"""The most requests in flight of each kind."""


class RequestPacer:
    """Sends requests to one cloud when the budget allows it.

    Args:
        transport: sends the requests.
        budget: decides when they may be sent.
        clock: the clock of all waits.
        pauses: reports and saves the pauses of the budget.
        sleep: waits for so many real seconds.
    """

    def __init__(
        self,
        transport: Transport,
        budget: Budget,
        clock: Clock,
        pauses: Pauses,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._pauses = pauses
        self.budget: Final = budget
        # Each kind has places of its own, so that hanging reads do not delay commands.
        self._places = {kind: asyncio.Semaphore(MAX_CONCURRENT) for kind in Kind}
        self._lines: dict[tuple[str, Kind], asyncio.Lock] = {}
        """The first of each line waits for the budget, the others for their turn."""
        self._waiting: Counter[tuple[Endpoint, Kind]] = Counter()

    def now_s(self) -> float:
        """Return the present in monotonic seconds of the driver's clock."""
        return self._clock.now().mono

    @property
    def waiting(self) -> int:
        """The number of requests that wait to be sent."""
        return self._waiting.total()

    @property
    def waiting_s(self) -> float:
        """About how long it takes until the last of them is sent, in seconds of the driver's clock."""
        now_s = self.now_s()
        return max(
            (self.budget.wait_s(*line, count, now_s) for line, count in self._waiting.items() if count),
            default=0.0,
        )

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        kind: Kind,
        deadline_s: float,
        get_token: Callable[[], Awaitable[Secret]],
    ) -> tuple[Received, Secret]:
        """Send one request when its turn has come; return its answer with any status, and its token.

        Args:
            method: the HTTP method.
            path: below the base URL, beginning with `/`; or a whole URL.
            body: the JSON body; None: no body.
            kind: its purpose.
            deadline_s: until when it may wait to be sent.
            get_token: returns an access token.

        Raises:
            NotSent: it may not be sent before the deadline.
            UnreachableError: it was not sent.
            LostError: it was sent, and no readable answer came.
        """
        endpoint = endpoint_of(method, path)
        self._check(endpoint, kind, deadline_s)
        self._waiting[endpoint, kind] += 1
        try:
            line = self._lines.setdefault((endpoint.name, kind), asyncio.Lock())
            await self._acquire(line, deadline_s)
            try:
                secret = await get_token()
                await self._wait_with_place(endpoint, kind, deadline_s)
                ticket = self.budget.take(endpoint, kind, self.now_s())
            finally:
                line.release()
        finally:
            self._waiting[endpoint, kind] -= 1
        try:
            return await self._exchange(ticket, method, path, body, secret), secret
        finally:
            self._places[kind].release()

    async def until_ready(self, endpoint: Endpoint, kind: Kind, deadline_s: float) -> None:
        """Wait until a request may be sent; the caller must send it before it awaits anything else.

        Raises:
            NotSent: it may not be sent before the deadline.
        """
        while (at_s := self._ready_at(endpoint, kind)) > (now_s := self.now_s()):
            self._check(endpoint, kind, deadline_s)
            await self._sleep(min((at_s - now_s) / self._clock.speed, LONGEST_SLEEP_S))

    async def send_at_once(self, method: str, path: str, body: object) -> Received:
        """Send one request to sign in, after `until_ready`; raises like `send`, but for `NotSent`."""
        endpoint = endpoint_of(method, path)
        ticket = self.budget.take(endpoint, Kind.COMMAND, self.now_s())
        return await self._exchange(ticket, method, path, body, None)

    def is_ready(self, endpoint: Endpoint, kind: Kind) -> bool:
        """Return whether a request may be sent at once."""
        return self._ready_at(endpoint, kind) <= self.now_s()

    def stream_opened(self) -> None:
        """Take note that the hub has accepted a connection."""
        self.budget.stream_opened()
        self._pauses.update()

    def stream_refused(self, received: Received) -> None:
        """Take note of a 429 to a connection of the hub."""
        now = self._clock.now()
        self.budget.stream_refused(
            now.mono,
            retry_after_s=retry_after_s(received.retry_after, now.utc_ms),
            announced=announces_block(received),
        )
        self._pauses.update(refused=True)

    # --- waiting ------------------------------------------------------------------------------------

    def _ready_at(self, endpoint: Endpoint, kind: Kind) -> float:
        at_s = self.budget.ready_at(endpoint, kind, self.now_s())
        if kind is not Kind.COMMAND and self._waiting[endpoint, Kind.COMMAND]:
            # Whoever waits for an answer goes first.
            return max(at_s, self.now_s() + RECHECK_S)
        return at_s

    def _check(self, endpoint: Endpoint, kind: Kind, deadline_s: float) -> None:
        """Raise NotSent if it is known that a request may not be sent before its deadline."""
        now_s = self.now_s()
        at_s = self.budget.ready_at(endpoint, kind, now_s)
        if at_s > max(deadline_s, now_s):
            raise NotSent(self.budget.wait_reason(endpoint, kind, now_s), at_s)

    async def _wait_with_place(self, endpoint: Endpoint, kind: Kind, deadline_s: float) -> None:
        """Wait until a request may be sent, and for a place in flight, which the caller has to release."""
        places = self._places[kind]
        while True:
            await self.until_ready(endpoint, kind, deadline_s)
            await self._acquire(places, deadline_s)
            if self.is_ready(endpoint, kind):
                return
            places.release()

    async def _acquire(self, lock: asyncio.Lock | asyncio.Semaphore, deadline_s: float) -> None:
        left_s = (deadline_s - self.now_s()) / self._clock.speed
        try:
            async with asyncio.timeout(max(left_s, 0.0)):
                await lock.acquire()
        except TimeoutError:
            raise NotSent("too many other requests are waiting") from None

    # --- sending ------------------------------------------------------------------------------------

    async def _exchange(
        self, ticket: Ticket, method: str, path: str, body: object, token: Secret | None
    ) -> Received:
        """Send one request; its result goes to the budget."""
        budget = self.budget
        try:
            received = await self._transport.exchange(method, path, body, token)
        except UnreachableError:
            budget.unreachable(ticket, self.now_s())
            raise
        except LostError:
            budget.lost(ticket, self.now_s())
            raise
        except BaseException:
            budget.abandoned(ticket)
            raise
        refused = self._note(ticket, received)
        self._pauses.update(refused=refused)
        return received

    def _note(self, ticket: Ticket, received: Received) -> bool:
        """Take note of an answer; return whether it was a refusal that pauses something."""
        budget, now = self.budget, self._clock.now()
        asked_s = retry_after_s(received.retry_after, now.utc_ms)
        if received.status == 429:
            announced = announces_block(received)
            budget.throttled(ticket, now.mono, retry_after_s=asked_s, announced=announced)
        elif is_gateway_refusal(received):
            budget.forbidden(ticket, now.mono, announced=announces_block(received))
        else:
            if received.status == 503:
                budget.busy(ticket, now.mono, asked_s)
            elif received.status >= 500 and not is_charger_unreachable(ticket.endpoint, received):
                budget.failed(ticket, now.mono, f"HTTP {received.status}")
            else:
                budget.answered(ticket)
            return False
        return True
