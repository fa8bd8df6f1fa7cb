"""A scripted cloud, a clock that is moved by hand, and a captured log."""

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable
from random import Random

import aiohttp
import pytest
import structlog
import uvloop
from aiohttp import web

from chargebridge.chargers.easee.account.account import Account
from chargebridge.clock import Instant

PASSWORD = "correct horse battery staple"
USER = "owner@example.com"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run coroutine functions, on the loop that the program uses unless a test says otherwise."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    standard = pyfuncitem.get_closest_marker("parametrize") and pyfuncitem.funcargs.get("loop") == "asyncio"
    factory = asyncio.new_event_loop if standard else uvloop.new_event_loop
    errors: list[object] = []

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: errors.append(context))
        runner.run(bounded())
    assert errors == []
    return True


class HandClock:
    """Time that passes when somebody sleeps, or when it is told to."""

    speed = 1.0

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.slept: list[float] = []

    def now(self) -> Instant:
        return Instant(1_800_000_000_000 + int(self.passed_s * 1000), 5_000.0 + self.passed_s)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed_s += seconds
        await asyncio.sleep(0)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Cloud:
    """An HTTP server with Easee's way of signing in; whatever else it answers is scripted.

    A script is a list: the first answers come from it, one by one, and the last one stays.
    """

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, str]] = []
        self.times: list[float] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[object] = []
        self.scripts: dict[str, list[object]] = {}
        self.life_s: float = 3600
        self.password = PASSWORD
        self.issued = 0
        self.good_tokens: set[str] = set()
        self.good_refreshes: set[str] = set()
        self.burned = 0
        self.url = ""
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def count(self, path: str) -> int:
        return sum(asked == path for _, asked in self.asked)

    async def is_asked(self, path: str, times: int = 1) -> None:
        """Wait until a path has been asked for so often."""
        while self.count(path) < times:
            self._news.clear()
            await self._news.wait()

    @property
    def logins(self) -> int:
        return self.count("/api/accounts/login")

    @property
    def refreshes(self) -> int:
        return self.count("/api/accounts/refresh_token")

    def script(self, path: str, *answers: object) -> None:
        self.scripts[path] = list(answers)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append((request.method, request.path))
        self.times.append(self.clock.passed_s)
        self.headers.append(dict(request.headers))
        self.bodies.append(json.loads(body) if body else None)
        self._news.set()
        script = self.scripts.get(request.path)
        if script:
            answer = script.pop(0) if len(script) > 1 else script[0]
            if answer is not None:
                return await self._answer(request, answer)
        if request.path == "/api/accounts/login":
            if self.bodies[-1] != {"userName": USER, "password": self.password}:
                problem = {"errorCode": 100, "errorCodeName": "InvalidUserPassword", "status": 400}
                return web.json_response(problem, status=400)
            return self.tokens()
        if request.path == "/api/accounts/refresh_token":
            refresh = self.bodies[-1]["refreshToken"]
            if refresh not in self.good_refreshes:
                self.burned += 1
                return web.json_response({"errorCode": 727, "title": "Bad refresh token"}, status=400)
            self.good_refreshes.discard(refresh)
            return self.tokens()
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.good_tokens:
            return web.Response(status=401)
        return web.json_response({"you": "are welcome"})

    async def _answer(self, request: web.Request, answer: object) -> web.StreamResponse:
        if callable(answer):
            return await answer(request)
        status, body, *headers = answer
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(status=status, body=content, headers=headers[0] if headers else None)

    def tokens(self) -> web.Response:
        self.issued += 1
        access, refresh = f"access-secret-{self.issued}", f"refresh-secret-{self.issued}"
        self.good_tokens = {access}
        self.good_refreshes.add(refresh)
        return web.json_response(
            {
                "accessToken": access,
                "expiresIn": self.life_s,
                "accessClaims": ["User"],
                "tokenType": "Bearer",
                "refreshToken": refresh,
            }
        )


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def log(caplog):
    """What was logged: nothing secret may be in it, nor in what libraries say at their most talkative."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        yield events
    assert not [event for event in events if "failed unexpectedly" in event["event"]]
    text = "\n".join([repr(events), *(record.getMessage() for record in caplog.get_records("call"))])
    assert PASSWORD not in text
    assert "access-secret" not in text
    assert "refresh-secret" not in text


class Site:
    """A cloud, and accounts at it."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.cloud = Cloud(clock)
        self.kept: list[object] = []
        self._session: aiohttp.ClientSession | None = None
        self._accounts: list[Account] = []

    async def __aenter__(self) -> "Site":
        await self.cloud.start()
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        for account in self._accounts:
            await account.close()
        await self._session.close()
        await self.cloud.stop()

    def account(self, password: str = PASSWORD, url: str | None = None, **settings: object) -> Account:
        arguments = {
            "session": self._session,
            "clock": self.clock,
            "random": Random(1),
            "sleep": self.clock.sleep,
            "version": "1.2.3",
            "load": lambda: self.kept[-1] if self.kept else None,
            "save": self.kept.append,
        }
        account = Account(url or self.cloud.url, USER, password, **(arguments | settings))
        self._accounts.append(account)
        return account


@pytest.fixture
def site(clock, log) -> Site:
    return Site(clock)
