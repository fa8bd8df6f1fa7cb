"""Gathers facts: each answer and message is redacted before it becomes one."""

import asyncio
from typing import Final

import msgspec

from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import CallFailedError, Refused
from chargebridge.chargers.easee.account.transport import Answer, Received
from chargebridge.chargers.easee.probe.judging.facts import Exchange, Facts
from chargebridge.chargers.easee.redaction import Redactor

WAIT_S: Final = 10.0
"""Seconds for which a request waits to be sent: somebody waits for it at a terminal."""
EXCHANGES_AT_MOST: Final = 500
_SIGN_IN: Final = {"/api/accounts/login": "login", "/api/accounts/refresh_token": "refresh"}


class Gatherer:
    """Makes calls one after the other, and keeps what was answered.

    Args:
        facts: receives the exchanges.
        redactor: takes out whatever identifies somebody.
    """

    def __init__(self, facts: Facts, redactor: Redactor) -> None:
        self.facts = facts
        self.redactor = redactor
        self.account: Account | None = None
        self.into = facts.exchanges
        """Where exchanges are kept; the active part keeps those of a question apart."""
        self._name, self._method, self._path = "", "GET", ""
        self._sent_s = 0.0

    def watch(self, method: str, path: str, received: Received) -> None:
        """Keep an exchange; see `transport.Watch`."""
        sign_in = _SIGN_IN.get(path)
        name = self._name if sign_in is None else sign_in
        shown = self._path if sign_in is None else path
        now_s = asyncio.get_running_loop().time()
        if len(self.into) < EXCHANGES_AT_MOST:
            self.into.append(
                Exchange(
                    name=name,
                    method=method,
                    path=shown,
                    status=received.status,
                    body=self._body(path, received.body),
                    retry_after=received.retry_after and received.retry_after[:60],
                    took_ms=round((now_s - self._sent_s) * 1000),
                )
            )
        self._sent_s = now_s

    def _body(self, path: str, body: bytes) -> object:
        text = body.decode(errors="replace")
        return decoded(self.redactor.answer(path, text)) if text.strip() else None

    async def call(
        self,
        name: str,
        path: str,
        shown: str,
        *,
        method: str = "GET",
        body: object = None,
        wait_s: float = WAIT_S,
    ) -> Answer:
        """Make one call, keep its answer, and return it.

        Args:
            name: what it is for.
            path: below the base URL, or a whole URL.
            shown: the path with placeholders.
            method: the HTTP method.
            body: the JSON body.
            wait_s: for how long it may wait to be sent, in seconds.

        Raises:
            CallFailedError: there is no answer that is a 2xx; this, too, is kept.
        """
        assert self.account is not None
        self._name, self._method, self._path = name, method, shown
        self._sent_s = asyncio.get_running_loop().time()
        kept = len(self.into)
        kind = Kind.READ if method == "GET" else Kind.COMMAND
        try:
            return await self.account.request(method, path, body, kind=kind, timeout_s=wait_s)
        except CallFailedError as error:
            if not any(one.name == name for one in self.into[kept:]):
                self.into.append(Exchange(name=name, method=method, path=shown, failure=reason(error)))
            raise

    async def read(self, name: str, path: str, shown: str) -> Answer | None:
        """Make one GET and keep its answer; return None if there is none."""
        try:
            return await self.call(name, path, shown)
        except CallFailedError:
            return None  # it is kept, and the question counts as not seen


def reason(error: CallFailedError) -> str:
    """Return why a call failed, without texts of others, which may identify somebody."""
    return f"HTTP {error.status}" if isinstance(error, Refused) else str(error).partition(": ")[0]


def decoded(text: str) -> object:
    """Return decoded JSON; the text itself if it is not JSON."""
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value
