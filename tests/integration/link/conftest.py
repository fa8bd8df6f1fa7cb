"""Owners that remember, and fleets that end with their test."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest
import uvloop

from chargebridge.link import Backoff, Endpoint, Fleet


class RecordingOwner:
    """Remembers what a link told it; awaits what it has not been told yet."""

    def __init__(self) -> None:
        self.told: list[tuple[str | int | bytes, ...]] = []
        self.failures: list[str] = []
        self.codes: list[int | None] = []
        """Of the ends of connections."""
        self._news = asyncio.Event()

    def _note(self, *what: str | int | bytes) -> None:
        self.told.append(what)
        self._news.set()

    def link_opened(self, epoch: int) -> None:
        self._note("opened", epoch)

    def frame_received(self, epoch: int, data: bytes) -> None:
        assert type(data) is bytes
        self._note("frame", epoch, data)

    def link_closed(self, epoch: int, reason: str, code: int | None) -> None:
        self.codes.append(code)
        self._note("closed", epoch, reason)

    def link_failed(self, reason: str) -> None:
        self.failures.append(reason)

    def link_unstable(self, reason: str) -> None:
        self._note("unstable", reason)

    def link_stable(self) -> None:
        self._note("stable")

    def count(self, kind: str) -> int:
        return sum(what[0] == kind for what in self.told)

    async def has(self, kind: str, times: int = 1) -> tuple[str | int | bytes, ...]:
        """Wait until it was told `kind` that often; return the last of them."""
        async with asyncio.timeout(10):
            while self.count(kind) < times:
                self._news.clear()
                await self._news.wait()
        return [what for what in self.told if what[0] == kind][times - 1]


@pytest.fixture
def owner_type() -> type[RecordingOwner]:
    return RecordingOwner


@pytest.fixture
def quick_endpoint() -> Callable[..., Endpoint]:
    """An endpoint whose back-off does not keep a test waiting."""

    def build(url: str, **settings: object) -> Endpoint:
        backoff = Backoff(min_s=0.05, max_s=0.1, healthy_after_s=60)
        return Endpoint(url, **({"backoff": backoff, "open_timeout_s": 5} | settings))  # type: ignore[arg-type]

    return build


@pytest.fixture(params=["uvloop", "asyncio"])
def run_fleet(request: pytest.FixtureRequest) -> Callable[[Callable[[Fleet], Awaitable[None]]], None]:
    """Run a scenario with a started fleet, on the loop we ship with and on the standard one."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(scenario: Callable[[Fleet], Awaitable[None]]) -> None:
        async def main() -> None:
            fleet = Fleet(connects_per_s=1000, concurrent_handshakes=100, random=Random(1))
            fleet.start()
            try:
                await scenario(fleet)
            finally:
                await fleet.stop(1)

        errors: list[dict[str, object]] = []
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: errors.append(context))
            runner.run(main())
        assert errors == []

    return run
