"""The middleware of every request: statistics, the block, injected faults, rate limits, access token."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.accounts import Accounts
from chargebridge.emulators.easee_cloud.misbehaviour import BLOCK_S, Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.problems import ProblemError, refusal_of_the_gateway
from chargebridge.emulators.easee_cloud.rest.odd_lists import path_fault
from chargebridge.emulators.easee_cloud.rest.rate_limits import Limiter
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.statistics import Statistics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BLOCK_TEXT: Final = (
    "Too many requests from a third party system."
    " Your IP address is blocked for 24 hours from the last request."
)


class Middleware:
    """Wraps the handlers.

    Args:
        accounts: knows which tokens are valid.
        settings: of the cloud.
        misbehaviour: the faults to emulate.
        dice: decides when a fault happens.
        statistics: the cloud's counters.
        clock: the cloud's time.
        is_reachable: returns whether the cloud has a connection to a charger.
    """

    def __init__(
        self,
        accounts: Accounts,
        settings: EaseeCloudSettings,
        misbehaviour: Misbehaviour,
        dice: Dice,
        statistics: Statistics,
        clock: Clock,
        is_reachable: Callable[[str], bool],
    ) -> None:
        self._accounts = accounts
        self._misbehaviour = misbehaviour
        self._dice = dice
        self._statistics = statistics
        self._clock = clock
        self._is_reachable = is_reachable
        self._limiter = Limiter(settings.rate_limits)
        self._unavailable_until_ms = 0
        self._last_request_ms: int | None = None
        """The time of the last request, while the address is blocked."""

    def wrap(self, kind: str, handler: Handler, *, public: bool = False, stream: bool = False) -> Handler:
        """Return a handler that passes its requests through the middleware first.

        Args:
            kind: the kind of request, for the statistics and `Misbehaviour.fail_kind`.
            handler: the handler to wrap.
            public: requests need no token.
            stream: the token may also come in the query, as `access_token`.
        """

        async def wrapped(request: web.Request) -> web.StreamResponse:
            in_flight = self._statistics.in_flight
            in_flight[kind] += 1
            most = self._statistics.most_in_flight
            most[kind] = max(most[kind], in_flight[kind])
            status = 500
            try:
                refusal = await self._refusal(request, kind, public=public, stream=stream)
                response = await self._answer(handler, request) if refusal is None else refusal
                status = response.status
            except web.HTTPException as error:
                status = error.status
                raise
            else:
                return response
            finally:
                in_flight[kind] -= 1
                self._statistics.requests[kind, status] += 1

        return wrapped

    async def _answer(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ProblemError as problem:
            return problem.response(request.path)

    async def _refusal(
        self, request: web.Request, kind: str, *, public: bool, stream: bool
    ) -> web.Response | None:
        if self._misbehaviour.slow_s:
            await asyncio.sleep(self._misbehaviour.slow_s)
        now_ms = self._clock.now().utc_ms
        if self._is_blocked(now_ms):
            self._statistics.requests_while_blocked += 1
            wrong = self._misbehaviour
            if wrong.block_status == 403:
                return refusal_of_the_gateway(403, BLOCK_TEXT if wrong.block_announced else "Forbidden")
            return self._too_many(BLOCK_TEXT if wrong.block_announced else "Too Many Requests")
        failed = path_fault(self._misbehaviour.path_faults, request.path)
        if failed is not None:
            return failed
        fault = self._fault(kind, now_ms, public=public)
        if fault is not None:
            return self._fail(fault, request)
        if not self._limiter.passes(request, kind, now_ms):
            return self._too_many("Too Many Requests")
        if not public and not self._accounts.accepts(_token(request, stream=stream)):
            return ProblemError(
                HTTPStatus.UNAUTHORIZED, "The access token is missing, wrong or expired."
            ).response(request.path)
        return self._unreachable(request, kind)

    def _unreachable(self, request: web.Request, kind: str) -> web.Response | None:
        """Return the answer to a request that would have to reach a charger and cannot."""
        serial = request.match_info.get("charger")
        if serial is None or kind not in _TO_CHARGERS or request.method == "GET":
            return None
        wrong = self._misbehaviour
        if serial == wrong.unreachable_charger:
            return self._fail(HTTPStatus.GATEWAY_TIMEOUT, request)
        if not self._is_reachable(serial) and self._dice("unreachable", wrong.unreachable):
            return self._fail(HTTPStatus.GATEWAY_TIMEOUT, request)
        return None

    def _is_blocked(self, now_ms: int) -> bool:
        if not self._misbehaviour.blocked:
            self._last_request_ms = None
            return False
        if self._last_request_ms is not None and now_ms >= self._last_request_ms + BLOCK_S * 1000:
            self._misbehaviour.blocked = False
            self._last_request_ms = None
            return False
        self._last_request_ms = now_ms
        return True

    def _fault(self, kind: str, now_ms: int, *, public: bool) -> int | None:
        wrong = self._misbehaviour
        if kind in _HANDSHAKE:
            name = _HANDSHAKE[kind]
            if self._dice(name, getattr(wrong, name)):
                return HTTPStatus.TOO_MANY_REQUESTS
        elif now_ms < self._unavailable_until_ms:
            return HTTPStatus.SERVICE_UNAVAILABLE
        elif self._dice("unavailable", wrong.unavailable):
            self._unavailable_until_ms = now_ms + round(wrong.unavailable_s * 1000)
            return HTTPStatus.SERVICE_UNAVAILABLE
        if wrong.fail_next and wrong.fail_kind in ("", kind):
            wrong.fail_next -= 1
            return wrong.fail_status
        for name, status in _FAULTS.items():
            if public and status is HTTPStatus.UNAUTHORIZED:
                continue
            if self._dice(name, getattr(wrong, name)):
                return status
        return None

    def _fail(self, status: int, request: web.Request) -> web.Response:
        match status:
            case HTTPStatus.TOO_MANY_REQUESTS:
                return self._too_many("Too Many Requests")
            case HTTPStatus.FORBIDDEN:
                return refusal_of_the_gateway(status, "Forbidden")
            case HTTPStatus.BAD_GATEWAY | HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.GATEWAY_TIMEOUT:
                phrase = HTTPStatus(status).phrase
                html = f"<html><head><title>{status} {phrase}</title></head></html>"
                return web.Response(status=status, text=html, content_type="text/html")
            case HTTPStatus.UNAUTHORIZED:
                return ProblemError(HTTPStatus.UNAUTHORIZED, "Unauthorized").response(request.path)
            case _ if status in _KNOWN:
                return ProblemError(HTTPStatus(status), "[Empty in production]").response(request.path)
            case _:
                return refusal_of_the_gateway(status, "Error")

    def _too_many(self, text: str) -> web.Response:
        return refusal_of_the_gateway(HTTPStatus.TOO_MANY_REQUESTS, text, self._misbehaviour.retry_after_s)


_FAULTS: Final = {
    "unauthorized": HTTPStatus.UNAUTHORIZED,
    "forbidden": HTTPStatus.FORBIDDEN,
    "too_many": HTTPStatus.TOO_MANY_REQUESTS,
    "server_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "bad_gateway": HTTPStatus.BAD_GATEWAY,
}
_HANDSHAKE: Final = {"negotiate": "too_many_negotiations", "stream": "too_many_streams"}
"""Faults of the stream's host alone, by the kind of request."""
_TO_CHARGERS: Final = frozenset({"command", "settings", "plan"})
"""Kinds of requests that the cloud passes on to a charger."""
_KNOWN: Final = frozenset(int(status) for status in HTTPStatus)


def _token(request: web.Request, *, stream: bool) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.query.get("access_token", "") if stream else ""
