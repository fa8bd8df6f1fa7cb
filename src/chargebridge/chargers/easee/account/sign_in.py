"""Signing in to an account: one token pair for everybody, renewed by one request at a time.

A refresh token works once. Two refreshes at the same time would burn each other's, and so would a refresh
whose answer is not kept; that is why everybody who needs a token waits for the same renewal, which goes on
when whoever caused it has left.
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
"""A token is renewed so long before its end; each at another moment, for chance keeps fleets apart."""
RENEW_AGAIN_S: Final = 10.0
"""How soon it is tried again when that fails, while the token is still good."""
LONGEST_LIFE_S: Final = 48 * 3600.0
"""What `expiresIn` may claim at most: a clock that was set must not make a token eternal."""
YOUNG_S: Final = 30.0
"""A token of this age that is refused would not be better if it were renewed."""
BAD_PASSWORD: Final = 100
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
        user: its name: an address of mail, or a phone number with its country code.
        password: its password.
        pacer: how requests are made.
        clock: the driver's.
        random: when exactly before its end a token is renewed.
        load: returns the tokens that were kept last, None if there are none.
        save: keeps tokens over a restart; may raise OSError.
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
        self._refused_why = ""
        kept = load()
        if kept is not None:
            left_s = (kept.expires_ms - clock.now().utc_ms) / 1000
            self._use(kept, min(max(left_s, 0.0), LONGEST_LIFE_S))
            # Its age is not known; if it is refused, it must not pass for new.
            self._taken_s = -math.inf

    def __repr__(self) -> str:
        return f"SignIn({self._user!r})"

    async def close(self) -> None:
        """Let a renewal that is out come home, so that its refresh token is not lost; but not for long."""
        renewal = self._renewal
        if renewal is not None:
            await asyncio.wait({renewal}, timeout=5)
            renewal.cancel()
            await asyncio.wait({renewal})

    async def token(self, deadline_s: float) -> Secret:
        """Return a token that is good, after a renewal if need be.

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
            # It is still good. One attempt to renew it early; if that fails, it is no reason to do nothing.
            if self._renewal is not None or self._may_send():
                with contextlib.suppress(NotSent):
                    await self._renewed(deadline_s)
            if self._tokens is tokens:
                self._renew_at_s = min(self._pacer.now_s() + RENEW_AGAIN_S, self._ends_s)

    def refused(self, token: Secret) -> bool:
        """Note that a call was refused with this token; return whether another one might help."""
        if self._tokens is not None and self._tokens.access == token.reveal():
            if self._pacer.now_s() - self._taken_s < YOUNG_S:
                return False
            # Whatever was said of its end, it is no good any more.
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
        """Take part in one attempt to renew; returning does not mean that it succeeded."""
        now_s = self._pacer.now_s()
        if now_s < self._refused_until_s:
            raise NotSent(self._refused_why, self._refused_until_s)
        if self._renewal is None:
            await self._pacer.until_ready(Kind.COMMAND, deadline_s)
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(self._renew_token())
            self._renewal.add_done_callback(self._forget)
        await asyncio.shield(self._renewal)

    def _forget(self, _: asyncio.Task[None]) -> None:
        self._renewal = None

    async def _renew_token(self) -> None:
        try:
            # Others may have used up what was free when this was begun; then whoever waits begins another.
            if self._may_send() and not await self._refreshed() and self._may_send():
                await self._log_in()
        except (UnreachableError, LostError) as error:
            # The breaker knows; whoever waits tries again when it lets him.
            _log.info("the cloud cannot be asked for a token", account=self._user, error=str(error))

    def _may_send(self) -> bool:
        now_s = self._pacer.now_s()
        return self._pacer.budget.ready_at(Kind.COMMAND, now_s) <= now_s

    async def _refreshed(self) -> bool:
        """Use the refresh token; return whether the password is not needed now."""
        tokens = self._tokens
        if tokens is None or not tokens.refresh:
            return False
        body = {"accessToken": tokens.access, "refreshToken": tokens.refresh}
        received = await self._pacer.send("POST", "/api/accounts/refresh_token", body, kind=Kind.COMMAND)
        if received.status < 300:
            if self._take(received):
                return True
        elif not _is_refusal(received):
            return True  # trouble: it is tried again when the breaker lets us
        _log.info("the refresh token is not accepted", account=self._user, status=received.status)
        # It may be burned: it is never shown again.
        self._tokens = Tokens(tokens.access, "", tokens.expires_ms)
        return False

    async def _log_in(self) -> None:
        body = {"userName": self._user, "password": self._password.reveal()}
        received = await self._pacer.send("POST", "/api/accounts/login", body, kind=Kind.COMMAND)
        if received.status < 300 and self._take(received):
            if self._refusals:
                _log.warning("signed in again", account=self._user)
            self._refusals, self._refused_why = 0, ""
        elif received.status < 300:
            self._refuse(
                "the cloud answers a login with something else than tokens; is `url` right?", FIRST_REFUSAL_S
            )
        elif _is_refusal(received):
            why = refusal(received)
            if why.code == BAD_PASSWORD:
                self._refuse("the cloud refuses `user_name` and `password` of this account", FIRST_REFUSAL_S)
            else:
                # A 400 or 401 without that code is also what an outage looks like.
                self._refuse(f"the cloud refuses the login ({why})", FIRST_OUTAGE_S)

    def _refuse(self, why: str, first_wait_s: float) -> None:
        """Remember that a login makes no sense for a while: repeating it would lock the account."""
        wait_s = min(first_wait_s * 2.0 ** min(self._refusals, 16), LONGEST_REFUSAL_S)
        log = _log.error if first_wait_s == FIRST_REFUSAL_S else _log.warning
        if why == self._refused_why:
            log = _log.info  # it has been said
        log(f"cannot sign in: {why}", account=self._user, next_attempt_in_s=wait_s)
        self._refused_until_s = self._pacer.now_s() + wait_s
        self._refused_why = why
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
            # It costs one login after a restart, and no more.
            _log.warning("the tokens could not be kept", account=self._user, error=str(error))
        return True

    def _use(self, tokens: Tokens, life_s: float) -> None:
        now_s = self._pacer.now_s()
        early_s = min(self._random.uniform(*RENEW_EARLY_S), life_s / 2)
        self._tokens = tokens
        self._taken_s = now_s
        self._ends_s = now_s + life_s
        self._renew_at_s = self._ends_s - early_s


def _is_refusal(received: Received) -> bool:
    """Say whether the cloud itself has looked at it and said no: trouble and 429 say nothing of it."""
    return 300 <= received.status < 500 and received.status != 429 and not is_gateway_refusal(received)
