"""The rate limits of the API: one for each endpoint that has a published one, and one for all requests."""

from collections import deque
from typing import Final, NamedTuple

from aiohttp import web

from chargebridge.emulators.easee_cloud.settings import RateLimits

CHARGERS_COUNTED: Final = 10_000
"""Limits that are counted for each charger: one more forgets the oldest."""


class RateLimit:
    """A sliding-window rate limit.

    Args:
        most: the number of requests that pass within the window.
        window_s: the length of the window, in seconds of the clock.
    """

    def __init__(self, most: int, window_s: int) -> None:
        self._most = most
        self._window_ms = window_s * 1000
        self._passed: deque[int] = deque()

    def passes(self, now_ms: int) -> bool:
        """Return whether a request passes now; one that passes is counted."""
        passed = self._passed
        while passed and passed[0] <= now_ms - self._window_ms:
            passed.popleft()
        if len(passed) >= self._most:
            return False
        passed.append(now_ms)
        return True


class _Published(NamedTuple):
    """A limit in the texts of Easee's OpenAPI."""

    endpoint: str
    most: int
    window_s: int


_CHARGER_LIST: Final = _Published("charger list", 2, 60)
_SETTINGS: Final = _Published("settings", 20, 60)
_SESSION_LISTS: Final = _Published("session lists", 20, 600)
_CIRCUIT_SETTINGS: Final = _Published("circuit settings", 20, 60)
_POLLS: Final = _Published("polls", 1, 180)
_BY_KIND: Final = {
    ("GET", "chargers"): _CHARGER_LIST,
    ("POST", "settings"): _SETTINGS,
    ("GET", "session_ongoing"): _SESSION_LISTS,
    ("GET", "session_latest"): _SESSION_LISTS,
    ("GET", "session_list"): _SESSION_LISTS,
    ("GET", "session_total"): _SESSION_LISTS,
    ("POST", "circuit_settings"): _CIRCUIT_SETTINGS,
    ("POST", "circuit_dynamic"): _CIRCUIT_SETTINGS,
}
"""By method and kind of request."""


class Limiter:
    """Decides whether requests pass.

    Args:
        settings: which limits are in force, and how they are counted.
    """

    def __init__(self, settings: RateLimits) -> None:
        self._settings = settings
        self._overall = RateLimit(settings.overall, settings.overall_window_s)
        self._limits: dict[tuple[str, str], RateLimit] = {}
        """By endpoint, and the charger if they are counted for each."""

    def passes(self, request: web.Request, kind: str, now_ms: int) -> bool:
        """Return whether a request passes now; one that passes is counted.

        Args:
            request: the request.
            kind: its kind, as in the statistics.
            now_ms: the present, in UTC milliseconds.
        """
        if not self._overall.passes(now_ms):
            return False
        published = self._published(request, kind)
        if published is None or not self._settings.by_endpoint:
            return True
        charger = request.match_info.get("charger", "") if self._settings.for_each_charger else ""
        key = published.endpoint, charger
        limit = self._limits.get(key)
        if limit is None:
            if len(self._limits) >= CHARGERS_COUNTED:
                del self._limits[next(iter(self._limits))]
            limit = self._limits[key] = RateLimit(published.most, published.window_s)
        return limit.passes(now_ms)

    def _published(self, request: web.Request, kind: str) -> _Published | None:
        name = request.match_info.get("name", "")
        if kind == "command" and name.startswith("poll_"):
            return _POLLS._replace(endpoint=name[:40])
        return _BY_KIND.get((request.method, kind))
