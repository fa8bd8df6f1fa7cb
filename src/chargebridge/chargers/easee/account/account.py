"""One account at Easee's cloud: calls to its REST interface, and what is certain when one fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import metadata
from random import Random
from typing import Final

import aiohttp

from chargebridge.chargers.easee.account.budget import Budget, Kind, Limits
from chargebridge.chargers.easee.account.failures import CallFailedError, NoAnswer, NotSent
from chargebridge.chargers.easee.account.pacing import RequestPacer, Sleep
from chargebridge.chargers.easee.account.secret import Secret, Tokens
from chargebridge.chargers.easee.account.sign_in import SignIn
from chargebridge.chargers.easee.account.transport import (
    ANSWER_TIMEOUT_S,
    Answer,
    LostError,
    Received,
    Transport,
    UnreachableError,
    is_gateway_refusal,
    refusal,
)
from chargebridge.clock import Clock

MAX_CONCURRENT: Final = 8
"""Requests that are out at the same time: so many commands, and so many reads."""


def load_nothing() -> None:
    """Know of no tokens."""


def save_nothing(_: Tokens) -> None:
    """Keep no tokens."""


def report_nothing(_: int) -> None:
    """Tell nobody until when the cloud wants to be left alone."""


class Account:
    """Calls on behalf of one account; all of them share its tokens and its budget.

    Args:
        base_url: where the cloud's REST interface is, such as `https://api.easee.com`.
        user: the account's name: an address of mail, or a phone number with its country code.
        password: its password.
        session: the connections; whoever opened it closes it, after this.
        clock: the driver's; tokens, rate limits and patience count its seconds, sockets count real ones.
        random: chance.
        load: returns the tokens that were kept last, None if there are none.
        save: keeps tokens over a restart; may raise OSError.
        throttled_until_ms: the end of a throttling that began before this program started, in UTC ms.
        on_throttled: is called with the end of each throttling, in UTC ms, to be saved: a block by the
            cloud starts again with every request.
        requests_per_5_min: what the cloud allows; a fifth of it is kept for commands.
        version: of this program, as it names itself to the cloud.
        sleep: waits for real seconds.
        answer_timeout_s: real seconds for one exchange.
    """

    def __init__(
        self,
        base_url: str,
        user: str,
        password: str,
        *,
        session: aiohttp.ClientSession,
        clock: Clock,
        random: Random,
        load: Callable[[], Tokens | None] = load_nothing,
        save: Callable[[Tokens], None] = save_nothing,
        throttled_until_ms: int = 0,
        on_throttled: Callable[[int], None] = report_nothing,
        requests_per_5_min: int = Limits().requests,
        version: str = metadata.version("chargebridge"),
        sleep: Sleep = asyncio.sleep,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._user = user
        self._clock = clock
        limits = Limits(requests=requests_per_5_min, reads=max(requests_per_5_min * 4 // 5, 1))
        self._transport = Transport(base_url, session, f"chargebridge/{version}", answer_timeout_s)
        budget, now = Budget(random, limits), clock.now()
        if throttled_until_ms > now.utc_ms:
            budget.breaker.resume_throttling(now.mono + (throttled_until_ms - now.utc_ms) / 1000)
        self._pacer = RequestPacer(self._transport, budget, clock, sleep, on_throttled)
        self._sign_in = SignIn(
            user, Secret(password), pacer=self._pacer, clock=clock, random=random, load=load, save=save
        )
        # Apart, so that reads that hang do not keep commands waiting.
        self._for_commands = asyncio.Semaphore(MAX_CONCURRENT)
        self._for_reads = asyncio.Semaphore(MAX_CONCURRENT)
        self._closed = False

    def __repr__(self) -> str:
        return f"Account({self._user!r})"

    async def close(self) -> None:
        """Let a renewal of the tokens that is out come home; every later call raises NotSent."""
        self._closed = True
        await self._sign_in.close()

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        kind: Kind = Kind.COMMAND,
        timeout_s: float,
    ) -> Answer:
        """Make one call and return its answer, which is a 2xx.

        Whatever is certainly not done is tried again while patience lasts: no connection, a 401, a 429, a
        refusal by the gateway. A GET is also tried again when nobody knows what became of it.

        Args:
            method: of HTTP.
            path: below the base URL, beginning with `/`; or a whole URL.
            body: what is sent as JSON; None: no body.
            kind: what it is for.
            timeout_s: for how long it may wait to be sent, in seconds of the driver's clock. Once it has
                been sent, its answer is waited for, for up to 30 real seconds.

        Raises:
            NotSent: it was certainly not done: no token, no budget, no connection, silence after a 429.
            Refused: it was certainly not done: the cloud says no. `NotFound` if it says 404.
            NoAnswer: nobody knows.
        """
        deadline_s = self._pacer.now_s() + timeout_s
        async with self._slot(kind, deadline_s):
            renewed = False
            while True:
                token = await self._sign_in.token(deadline_s)
                await self._pacer.until_ready(kind, deadline_s)
                try:
                    received = await self._pacer.send(method, path, body, kind=kind, token=token)
                except UnreachableError as error:
                    failure: CallFailedError = NotSent(f"the cloud cannot be reached: {error}")
                except LostError as error:
                    failure = NoAnswer(str(error))
                else:
                    if received.status < 300:
                        return Answer(received.status, received.body)
                    if received.status == 401 and not renewed and self._sign_in.refused(token):
                        renewed = True
                        continue
                    failure = _failure_of(received)
                if isinstance(failure, NoAnswer) and method != "GET":
                    raise failure
                at_s = self._pacer.budget.ready_at(kind, self._pacer.now_s())
                if at_s > deadline_s:
                    if isinstance(failure, NotSent):
                        failure.until_s = at_s
                    raise failure

    async def token(self, timeout_s: float, *, new: bool = False) -> Secret:
        """Return a token for a connection of another kind.

        Args:
            timeout_s: for how long it may be waited for, in seconds of the driver's clock.
            new: renew it, unless that was done within the last half minute.

        Raises:
            NotSent: there is none.
        """
        if self._closed:
            raise NotSent("the account is closed")
        deadline_s = self._pacer.now_s() + timeout_s
        return await (self._sign_in.renewed(deadline_s) if new else self._sign_in.token(deadline_s))

    def headers(self, url: str, token: Secret) -> dict[str, str]:
        """Return the headers that open a connection of another kind to a URL: who asks, and cookies.

        A balancer in front of several servers may keep in a cookie which of them has negotiated.
        """
        return self._transport.headers(url, token)

    def throttled(self, retry_after: str | None) -> float:
        """Note a 429 on a connection of another kind; return when silence ends, as `Instant.mono`.

        Args:
            retry_after: the header of that name.
        """
        return self._pacer.throttled(retry_after)

    @asynccontextmanager
    async def _slot(self, kind: Kind, deadline_s: float) -> AsyncIterator[None]:
        """Hold one of the places for requests that are out.

        Raises:
            NotSent: none is free before the deadline.
        """
        places = self._for_commands if kind is Kind.COMMAND else self._for_reads
        left_s = (deadline_s - self._pacer.now_s()) / self._clock.speed
        try:
            async with asyncio.timeout(max(left_s, 0.0)):
                await places.acquire()
        except TimeoutError:
            raise NotSent("too many other requests are waiting") from None
        try:
            if self._closed:
                raise NotSent("the account is closed")
            yield
        finally:
            places.release()


def _failure_of(received: Received) -> CallFailedError:
    """Return what is certain of a call that was not answered with a 2xx.

    Raises:
        Refused: it makes no sense to try it again.
    """
    if received.status == 429:
        return NotSent("the cloud has told us to be quiet (429)")
    if is_gateway_refusal(received):
        return NotSent("the cloud's gateway refuses everything (403)")
    if received.status >= 500:
        return NoAnswer(f"HTTP {received.status}")
    raise refusal(received)
