"""Signing in to an account: one pair of tokens for all requests, renewed by one request at a time.

A refresh token works once. Two refreshes at the same time would invalidate each other's, and so would a
refresh whose answer is lost. So all requests wait for the same renewal, and it continues when the request
that started it is cancelled.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable
from random import Random
from typing import Annotated, Final

import msgspec
import structlog
from msgspec import Meta, Struct

from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.endpoints import SIGN_IN
from chargebridge.chargers.easee.account.failures import NotSent
from chargebridge.chargers.easee.account.pacing import RequestPacer
from chargebridge.chargers.easee.account.secret import Secret, Tokens
from chargebridge.chargers.easee.account.transport import (
    LostError,
    Received,
    UnreachableError,
    is_gateway_refusal,
    refusal,
)
from chargebridge.clock import Clock

RENEW_EARLY_S: Final = (60.0, 120.0)
"""Seconds before its end at which a token is renewed, chosen at random to spread the load."""
RENEW_AGAIN_S: Final = 10.0
"""Seconds before a failed renewal is retried while the token is still valid."""
LONGEST_LIFE_S: Final = 48 * 3600.0
"""The longest `expiresIn` that is believed: a clock that was set must not make a token eternal."""
YOUNG_S: Final = 30.0
"""The age in seconds below which a refused token is not renewed: a new one would be refused, too."""
BAD_PASSWORD: Final = 100
UNVERIFIED: Final = 727
"""`errorCode` of a login whose e-mail address is not confirmed yet."""
FIRST_REFUSAL_S: Final = 10 * 60.0
FIRST_OUTAGE_S: Final = 30.0
LONGEST_REFUSAL_S: Final = 6 * 3600.0

_log = structlog.get_logger(__name__)


class _TokenAnswer(Struct, frozen=True, rename="camel"):
    access_token: Annotated[str, Meta(min_length=1, max_length=65536)]
    expires_in: Annotated[float, Meta(gt=0)]
    refresh_token: Annotated[str, Meta(max_length=65536)] = ""


_decoder: Final = msgspec.json.Decoder(_TokenAnswer, strict=False)


class SignIn:
    """The tokens of one account.

    Args:
        user: its name: an e-mail address, or a phone number with its country code.
        password: its password.
        pacer: sends the requests.
        clock: the clock of the driver.
        random: chooses how early a token is renewed.
        load: returns the saved tokens, None if there are none.
        save: saves tokens over a restart; may raise OSError.
    """

    def __init__(
        self,
        user: str,
        password: Secret,
        *,
        pacer: RequestPacer,
        clock: Clock,
        random: Random,
        load: Callable[[], Tokens | None],
        save: Callable[[Tokens], None],
    ) -> None:
        self._user = user
        self._password = password
        self._pacer = pacer
        self._clock = clock
        self._random = random
        self._save = save
        self._tokens: Tokens | None = None
        self._taken_s = 0.0
        self._renew_at_s = 0.0
        self._ends_s = 0.0
        self._renewal: asyncio.Task[None] | None = None
        self._refusals = 0
        self._refused_until_s = 0.0
        self._refusal_reason = ""
        kept = load()
        if kept is not None:
            left_s = (kept.expires_ms - clock.now().utc_ms) / 1000
            self._use(kept, min(max(left_s, 0.0), LONGEST_LIFE_S))
            # Its age is unknown; if it is refused, it must not count as new.
            self._taken_s = -math.inf

    def __repr__(self) -> str:
        return f"SignIn({self._user!r})"

    async def close(self) -> None:
        """Wait a short time for a renewal in flight, so that its refresh token is not lost."""
        renewal = self._renewal
        if renewal is not None:
            await asyncio.wait({renewal}, timeout=5)
            renewal.cancel()
            await asyncio.wait({renewal})

    async def token(self, deadline_s: float) -> Secret:
        """Return a valid token, renewed if necessary.

        Raises:
            NotSent: there is none before the deadline.
        """
        while True:
            tokens, now_s = self._tokens, self._pacer.now_s()
            if tokens is not None and now_s < self._renew_at_s:
                return Secret(tokens.access)
            if tokens is None or now_s >= self._ends_s:
                await self._renewed(deadline_s)
                continue
            # It is still valid: one attempt to renew it early, whose failure does not matter yet.
            if self._renewal is not None or self._may_send():
                with contextlib.suppress(NotSent):
                    await self._renewed(deadline_s)
            if self._tokens is tokens:
                self._renew_at_s = min(self._pacer.now_s() + RENEW_AGAIN_S, self._ends_s)

    def refused(self, token: Secret) -> bool:
        """Take note that a call was refused with this token; return whether another one might help."""
        if self._tokens is not None and self._tokens.access == token.reveal():
            if self._pacer.now_s() - self._taken_s < YOUNG_S:
                return False
            # It is invalid, whatever its `expiresIn` was.
            self._renew_at_s = self._ends_s = -math.inf
        return True

    async def renewed(self, deadline_s: float) -> Secret:
        """Return a token that is no older than half a minute.

        Raises:
            NotSent: there is none before the deadline.
        """
        if self._tokens is not None and self._pacer.now_s() - self._taken_s >= YOUNG_S:
            self._renew_at_s = min(self._renew_at_s, self._pacer.now_s())
        return await self.token(deadline_s)

    # --- renewing --------------------------------------------------------------------------------

    async def _renewed(self, deadline_s: float) -> None:
        """Join one attempt to renew; returning does not mean that it succeeded."""
        now_s = self._pacer.now_s()
        if now_s < self._refused_until_s:
            raise NotSent(self._refusal_reason, self._refused_until_s)
        if self._renewal is None:
            await self._pacer.until_ready(SIGN_IN, Kind.COMMAND, deadline_s)
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(self._renew_token())
            self._renewal.add_done_callback(self._forget)
        await asyncio.shield(self._renewal)

    def _forget(self, _: asyncio.Task[None]) -> None:
        self._renewal = None

    async def _renew_token(self) -> None:
        try:
            # Other requests may have used up the budget meanwhile; then the next waiter starts another one.
            if self._may_send() and not await self._refreshed() and self._may_send():
                await self._log_in()
        except (UnreachableError, LostError) as error:
            # The breaker backs off; the waiting requests retry when it lets them.
            _log.info("token renewal failed, retrying", account=self._user, error=str(error))

    def _may_send(self) -> bool:
        return self._pacer.is_ready(SIGN_IN, Kind.COMMAND)

    async def _refreshed(self) -> bool:
        """Use the refresh token; return False if the password is needed."""
        tokens = self._tokens
        if tokens is None or not tokens.refresh:
            return False
        body = {"accessToken": tokens.access, "refreshToken": tokens.refresh}
        received = await self._pacer.send_at_once("POST", "/api/accounts/refresh_token", body)
        if received.status < 300:
            if self._take(received):
                return True
        elif not _is_refusal(received):
            return True  # the cloud failed: it is retried when the breaker allows it
        _log.info("refresh token refused", account=self._user, status=received.status)
        # It may be invalid now: it is never used again.
        self._tokens = Tokens(tokens.access, "", tokens.expires_ms)
        return False

    async def _log_in(self) -> None:
        body = {"userName": self._user, "password": self._password.reveal()}
        received = await self._pacer.send_at_once("POST", "/api/accounts/login", body)
        if received.status < 300 and self._take(received):
            if self._refusals:
                _log.warning("signed in again", account=self._user)
            self._refusals, self._refusal_reason = 0, ""
        elif received.status < 300:
            self._refuse("the answer to a login contains no tokens; is `url` right?", FIRST_REFUSAL_S)
        elif _is_refusal(received):
            reason = refusal(received)
            if reason.code == BAD_PASSWORD:
                self._refuse("the cloud refuses `user_name` and `password` of this account", FIRST_REFUSAL_S)
            elif reason.code == UNVERIFIED:
                self._refuse(
                    "the e-mail address of `user_name` is not confirmed yet: open the link in the e-mail of"
                    " Easee, or request a new one in the Easee app",
                    FIRST_REFUSAL_S,
                )
            else:
                # A 400 or 401 without that code is also what an outage looks like.
                self._refuse(f"the cloud refuses the login ({reason})", FIRST_OUTAGE_S)

    def _refuse(self, reason: str, first_wait_s: float) -> None:
        """Back off from logins: repeating a refused one would lock the account."""
        wait_s = min(first_wait_s * 2.0 ** min(self._refusals, 16), LONGEST_REFUSAL_S)
        log = _log.error if first_wait_s == FIRST_REFUSAL_S else _log.warning
        if reason == self._refusal_reason:
            log = _log.info  # it is logged already
        log(f"cannot sign in: {reason}", account=self._user, next_attempt_in_s=wait_s)
        self._refused_until_s = self._pacer.now_s() + wait_s
        self._refusal_reason = reason
        self._refusals += 1

    # --- tokens ----------------------------------------------------------------------------------

    def _take(self, received: Received) -> bool:
        try:
            answer = _decoder.decode(received.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        now_ms = self._clock.now().utc_ms
        life_s = min(answer.expires_in, LONGEST_LIFE_S)
        tokens = Tokens(answer.access_token, answer.refresh_token, now_ms + int(life_s * 1000))
        self._use(tokens, life_s)
        try:
            self._save(tokens)
        except OSError as error:
            # It only costs one login after a restart.
            _log.warning("tokens cannot be saved", account=self._user, error=str(error))
        return True

    def _use(self, tokens: Tokens, life_s: float) -> None:
        now_s = self._pacer.now_s()
        early_s = min(self._random.uniform(*RENEW_EARLY_S), life_s / 2)
        self._tokens = tokens
        self._taken_s = now_s
        self._ends_s = now_s + life_s
        self._renew_at_s = self._ends_s - early_s


def _is_refusal(received: Received) -> bool:
    """Whether the cloud itself refuses a login: failures, a 429 and the gateway say nothing about it."""
    return 300 <= received.status < 500 and received.status != 429 and not is_gateway_refusal(received)
