"""Issues and checks tokens: access tokens live shortly, refresh tokens work once."""

import hmac
from random import Random
from typing import Final

from msgspec import Struct

from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings

SESSIONS_KEPT: Final = 1000
"""Logins that are remembered; one more ends the oldest."""
ACCESS_TOKENS_KEPT: Final = 5000


class Tokens(Struct, frozen=True):
    """The two tokens that a client receives for a password or a refresh token."""

    access: str
    refresh: str


class _Session(Struct):
    """A login; one refresh token of it is valid at a time."""

    refresh: str
    refresh_until_ms: int


class Accounts:
    """The one account: issues tokens and knows which of them are valid.

    Args:
        settings: user name and password, and how long tokens are valid.
        clock: decides when tokens expire.
    """

    def __init__(self, settings: EaseeCloudSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._random = Random(f"tokens/{settings.seed}")  # noqa: S311 - of an emulator, and reproducible
        self._sessions: dict[int, _Session] = {}
        self._access: dict[str, tuple[int, int]] = {}
        """By token: the number of its login, and when it expires in UTC milliseconds."""
        self._logins = 0

    def login(self, user_name: str, password: str) -> Tokens | None:
        """Return the tokens of a new login; None for a wrong user name or password."""
        wanted = self._settings
        right = hmac.compare_digest(password.encode(), wanted.password.encode())
        if user_name != wanted.user_name or not right:
            return None
        self._logins += 1
        self._sessions[self._logins] = _Session("", 0)
        if len(self._sessions) > SESSIONS_KEPT:
            self._end_session(next(iter(self._sessions)))
        return self._tokens(self._logins)

    def refresh(self, access: str, refresh: str, *, refused: bool) -> Tokens | None:
        """Return new tokens; None if the refresh token is used, too old, or of another access token.

        Args:
            access: the access token to be replaced; it may have expired.
            refresh: the refresh token that came with it.
            refused: refuse even a valid refresh token, which cannot be used again then.
        """
        number = self._access.get(access, (0, 0))[0]
        session = self._sessions.get(number)
        if session is None or not session.refresh or session.refresh != refresh:
            return None
        good = self._clock.now().utc_ms < session.refresh_until_ms and not refused
        session.refresh = ""
        return self._tokens(number) if good else None

    def accepts(self, access: str) -> bool:
        """Return whether an access token is valid now."""
        expires_ms = self._access.get(access, (0, 0))[1]
        return self._clock.now().utc_ms < expires_ms

    def revoke_all(self) -> None:
        """Make every token invalid."""
        self._sessions.clear()
        self._access.clear()

    def _tokens(self, number: int) -> Tokens:
        now_ms = self._clock.now().utc_ms
        tokens = Tokens(access=self._token("access"), refresh=self._token("refresh"))
        session = self._sessions[number]
        session.refresh = tokens.refresh
        session.refresh_until_ms = now_ms + round(self._settings.refresh_life_s * 1000)
        self._access[tokens.access] = (number, now_ms + round(self._settings.token_life_s * 1000))
        while len(self._access) > ACCESS_TOKENS_KEPT:
            del self._access[next(iter(self._access))]
        return tokens

    def _token(self, kind: str) -> str:
        return f"{kind}.{self._random.getrandbits(256):064x}"

    def _end_session(self, number: int) -> None:
        del self._sessions[number]
        self._access = {token: kept for token, kept in self._access.items() if kept[0] != number}
