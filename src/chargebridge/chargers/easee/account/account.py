"""One account at Easee's cloud: calls to the REST API, and what is certain about a failed one."""

import asyncio
from collections.abc import Callable
from functools import partial
from importlib import metadata
from random import Random
from typing import Final

import aiohttp

from chargebridge.chargers.easee.account.budget import Budget, Kind, Limits
from chargebridge.chargers.easee.account.endpoints import HANDSHAKE, Endpoint, endpoint_of
from chargebridge.chargers.easee.account.failures import (
    CallFailedError,
    ChargerUnreachable,
    NoAnswer,
    NotSent,
)
from chargebridge.chargers.easee.account.pacing import RequestPacer, Sleep
from chargebridge.chargers.easee.account.pauses import Pauses, SavedPauses
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
    is_charger_unreachable,
    is_gateway_refusal,
    refusal,
    watch_nothing,
)
from chargebridge.chargers.model import Pause
from chargebridge.clock import Clock

STREAM_REFUSED: Final = "the hub accepts no more connections for a while (429); commands go on"


def load_nothing() -> None:
    """Load no tokens."""


def save_nothing(_: Tokens) -> None:
    """Save no tokens."""


def save_no_pauses(_: SavedPauses) -> None:
    """Save no pauses."""


class Account:
    """Calls with one account; all of them share its tokens and its request budget (`endpoints`, `budget`).

    Args:
        base_url: the URL of the REST API, such as `https://api.easee.com`.
        user: the account's name: an e-mail address, or a phone number with its country code.
        password: its password.
        session: the connections; the caller closes it after this account.
        clock: the clock of the driver: tokens, rate limits and waits use its seconds, sockets real ones.
        random: the source of jitter.
        load: returns the saved tokens, None if there are none.
        save: saves tokens over a restart; may raise OSError.
        pauses: the saved pauses that began before this program started.
        save_pauses: saves the pauses over a restart: a block by the cloud starts again with every request.
        requests_per_5_min: the budget of all requests; a fifth of it is reserved for commands.
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
        pauses: SavedPauses | None = None,
        save_pauses: Callable[[SavedPauses], None] = save_no_pauses,
        requests_per_5_min: int = Limits().requests,
        version: str = metadata.version("chargebridge"),
        sleep: Sleep = asyncio.sleep,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        watch: Watch = watch_nothing,
    ) -> None:
        self._user = user
        self._clock = clock
        limits = Limits(requests=requests_per_5_min, background=max(requests_per_5_min * 4 // 5, 1))
        self._transport = Transport(base_url, session, f"chargebridge/{version}", answer_timeout_s, watch)
        self._budget = Budget(random, limits)
        self._pauses = Pauses(self._budget, clock, user, save_pauses)
        self._pauses.resume(pauses or SavedPauses())
        self._pacer = RequestPacer(self._transport, self._budget, clock, self._pauses, sleep)
        self._sign_in = SignIn(
            user, Secret(password), pacer=self._pacer, clock=clock, random=random, load=load, save=save
        )
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

        What certainly was not done is retried until the time-out: no connection, a 401, a 429, a 503, a
        refusal by the gateway. A GET is also retried when its outcome is unknown.

        Args:
            method: the HTTP method.
            path: below the base URL, beginning with `/`; or a whole URL.
            body: the JSON body; None: no body.
            kind: its purpose: its share of the request budget and its place among those that wait.
            timeout_s: for how long it may wait to be sent, in seconds of the driver's clock. After that it
                waits up to 30 real seconds for the answer.

        Raises:
            NotSent: it was certainly not done: no token, no budget, no connection, a pause after a 429.
            Refused: it was certainly not done: the cloud refuses it. `NotFound` for a 404,
                `ChargerUnreachable` for the 504 of a charger.
            NoAnswer: the outcome is unknown.
        """
        deadline_s, endpoint = self._pacer.now_s() + timeout_s, endpoint_of(method, path)
        get_token, renewed = partial(self._token, deadline_s), False
        while True:
            try:
                received, token = await self._pacer.send(
                    method, path, body, kind=kind, deadline_s=deadline_s, get_token=get_token
                )
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
                failure = _failure_of(endpoint, received)
            if isinstance(failure, NoAnswer) and method != "GET":
                raise failure
            at_s = self._budget.ready_at(endpoint, kind, self._pacer.now_s())
            # The stream has a back-off of its own, and a reason to show.
            if at_s > deadline_s or endpoint is HANDSHAKE:
                if isinstance(failure, NotSent):
                    if self._budget.block.until_s >= at_s:
                        failure = NotSent(self._budget.wait_reason(endpoint, kind, self._pacer.now_s()))
                    failure.until_s = at_s
                raise failure

    async def _token(self, deadline_s: float) -> Secret:
        """Return a token for a request.

        When refusals look like a block, a new token is the request to another endpoint that shows it.
        """
        if self._closed:
            raise NotSent("the account is closed")
        if self._budget.block.suspected:
            return await self._sign_in.renewed(deadline_s)
        return await self._sign_in.token(deadline_s)

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

    def stream_opened(self) -> None:
        """Take note that the hub has accepted a connection."""
        self._pacer.stream_opened()

    def stream_refused(self, received: Received) -> None:
        """Take note of a 429 of the hub to a connection: it concerns the stream alone."""
        self._pacer.stream_refused(received)

    def stream_pause(self) -> tuple[str, float] | None:
        """Return why the stream may not be opened yet, and its end as `Instant.mono`; None: it may."""
        now_s, block = self._pacer.now_s(), self._budget.block
        if block.until_s > now_s:
            return block.reason, block.until_s
        until_s = self._budget.paused_until(HANDSHAKE)
        return (STREAM_REFUSED, until_s) if until_s > now_s else None

    def pauses(self) -> tuple[Pause, ...]:
        """Return what is not sent at present, since the cloud asks for it or fails."""
        return self._pauses.current()

    @property
    def waiting(self) -> int:
        """The number of requests that wait for their turn."""
        return self._pacer.waiting

    @property
    def waiting_s(self) -> float:
        """About how long it takes until the last of them is sent, in seconds of the driver's clock."""
        return self._pacer.waiting_s


def _failure_of(endpoint: Endpoint, received: Received) -> CallFailedError:
    """Return what is certain about a call whose answer is not a 2xx.

    Raises:
        Refused: a retry makes no sense.
    """
    if received.status == 429:
        return NotSent(f"throttled: too many requests to this endpoint: {endpoint.name} (429)")
    if received.status == 503:
        return NotSent("the cloud asks to try again in a minute (503)")
    if is_charger_unreachable(endpoint, received):
        raise ChargerUnreachable
    if is_gateway_refusal(received):
        return NotSent("refused by the cloud's gateway (403)")
    if received.status >= 500:
        return NoAnswer(f"HTTP {received.status}")
    raise refusal(received)
