"""One account at Easee's cloud: calls to the REST API, and what is certain about a failed one."""

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
    Watch,
    is_gateway_refusal,
    refusal,
    watch_nothing,
)
from chargebridge.clock import Clock

MAX_CONCURRENT: Final = 8
"""The most requests in flight: so many commands, and so many reads."""


def load_nothing() -> None:
    """Load no tokens."""


def save_nothing(_: Tokens) -> None:
    """Save no tokens."""


def report_nothing(_: int) -> None:
    """Save no throttling."""


class Account:
    """Calls with one account; all of them share its tokens and its request budget.

    Args:
        base_url: the URL of the REST API, such as `https://api.easee.com`.
        user: the account's name: an e-mail address, or a phone number with its country code.
        password: its password.
        session: the connections; the caller closes it after this account.
        clock: the clock of the driver: tokens, rate limits and waits use its seconds, sockets real ones.
        random: the source of jitter.
        load: returns the saved tokens, None if there are none.
        save: saves tokens over a restart; may raise OSError.
        throttled_until_ms: the end of a throttling that began before this program started, in UTC ms.
        on_throttled: is called with the end of each throttling, in UTC ms, to be saved: a block by the
            cloud starts again with every request.
        requests_per_5_min: the request budget; a fifth of it is reserved for commands.
        version: the version of this program in its User-Agent.
        sleep: waits for so many real seconds.
        answer_timeout_s: real seconds for one exchange.
        watch: is shown every exchange.
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
        watch: Watch = watch_nothing,
    ) -> None:
        self._user = user
        self._clock = clock
        limits = Limits(requests=requests_per_5_min, reads=max(requests_per_5_min * 4 // 5, 1))
        self._transport = Transport(base_url, session, f"chargebridge/{version}", answer_timeout_s, watch)
        budget, now = Budget(random, limits), clock.now()
        if throttled_until_ms > now.utc_ms:
            budget.breaker.resume_throttling(now.mono + (throttled_until_ms - now.utc_ms) / 1000)
        self._pacer = RequestPacer(self._transport, budget, clock, sleep, on_throttled)
        self._sign_in = SignIn(
            user, Secret(password), pacer=self._pacer, clock=clock, random=random, load=load, save=save
        )
        # Separate, so that hanging reads do not delay commands.
        self._for_commands = asyncio.Semaphore(MAX_CONCURRENT)
        self._for_reads = asyncio.Semaphore(MAX_CONCURRENT)
        self._closed = False

    def __repr__(self) -> str:
        return f"Account({self._user!r})"

    async def close(self) -> None:
        """Finish a renewal of the tokens in flight; every later call raises NotSent."""
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

        What certainly was not done is retried until the time-out: no connection, a 401, a 429, a refusal by
        the gateway. A GET is also retried when its outcome is unknown.

        Args:
            method: the HTTP method.
            path: below the base URL, beginning with `/`; or a whole URL.
            body: the JSON body; None: no body.
            kind: its share of the request budget.
            timeout_s: for how long it may wait to be sent, in seconds of the driver's clock. After that it
                waits up to 30 real seconds for the answer.

        Raises:
            NotSent: it was certainly not done: no token, no budget, no connection, throttled after a 429.
            Refused: it was certainly not done: the cloud refuses it. `NotFound` for a 404.
            NoAnswer: the outcome is unknown.
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
                    failure: CallFailedError = NotSent(f"the cloud is unreachable: {error}")
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
            timeout_s: for how long to wait for it, in seconds of the driver's clock.
            new: renew it, unless it is younger than half a minute.

        Raises:
            NotSent: there is no valid token.
        """
        if self._closed:
            raise NotSent("the account is closed")
        deadline_s = self._pacer.now_s() + timeout_s
        return await (self._sign_in.renewed(deadline_s) if new else self._sign_in.token(deadline_s))

    def headers(self, url: str, token: Secret) -> dict[str, str]:
        """Return the headers for a connection of another kind to a URL: token, User-Agent and cookies.

        A load balancer may keep in a cookie which server has negotiated.
        """
        return self._transport.headers(url, token)

    def throttled(self, retry_after: str | None) -> float:
        """Take note of a 429 on a connection of another kind; return when throttling ends, as `Instant.mono`.

        Args:
            retry_after: the header `Retry-After`.
        """
        return self._pacer.throttled(retry_after)

    @asynccontextmanager
    async def _slot(self, kind: Kind, deadline_s: float) -> AsyncIterator[None]:
        """Hold one of the slots for requests in flight.

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
    """Return what is certain about a call whose answer is not a 2xx.

    Raises:
        Refused: a retry makes no sense.
    """
    if received.status == 429:
        return NotSent("throttled by the cloud (429)")
    if is_gateway_refusal(received):
        return NotSent("refused by the cloud's gateway (403)")
    if received.status >= 500:
        return NoAnswer(f"HTTP {received.status}")
    raise refusal(received)
