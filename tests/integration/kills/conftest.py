"""Chargers, cloud and central system in the test's process, the gateway in its own process."""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from chargebridge.demo.failure_report import failure_report
from chargebridge.demo.fault_injection import FaultInjector
from chargebridge.demo.faults import Moment
from chargebridge.demo.testbed import DemoSettings, DemoTestbed

PATIENCE_S = 60.0
"""Only a failure takes so long."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run coroutine functions on the loop that the program uses."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    uvloop.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


class Scenario:
    """One run of chargers, cloud, central system and gateway, as a test drives it."""

    def __init__(self, testbed: DemoTestbed) -> None:
        self.testbed = testbed
        self.injector = FaultInjector(testbed, print)
        self.ended_before = 0

    @property
    def central_system(self):
        return self.testbed.central_system

    async def until(self, condition: Callable[[], Awaitable[bool] | bool], what: str) -> None:
        """Wait for a condition of other processes, which can only be polled."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    found = condition()
                    if (await found) if inspect.isawaitable(found) else found:
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.show(self.testbed.identities[:3])
            raise AssertionError(f"not within {PATIENCE_S:g} s: {what}") from None

    async def sessions_run(self, count: int = 3) -> None:
        await self.until(lambda: len(self.testbed.world.running_sessions()) >= count, f"{count} sessions run")
        self.ended_before = len(self.testbed.world.finished_sessions())

    async def session_has_ended(self) -> None:
        """Wait until one of the running sessions has ended at its charger."""
        await self.until(
            lambda: len(self.testbed.world.finished_sessions()) > self.ended_before, "a session has ended"
        )

    async def killed_when_it_is_up(self) -> None:
        """Kill the gateway once its API lists its charge points."""

        async def is_up() -> bool:
            return await self.testbed.gateway.listed("charge-points?limit=1") != []

        await self.until(is_up, "the gateway shows its charge points")
        await self.injector.kill_now(Moment.IDLE)

    async def all_delivered(self) -> None:
        """Wait until every queue of the gateway is empty."""

        async def is_empty() -> bool:
            return await self.testbed.gateway.listed("transactions?undelivered=true") == []

        await self.until(is_empty, "every queue is empty")

    async def all_connected(self) -> None:
        fleet = len(self.testbed.identities)
        await self.until(lambda: self.central_system.connections == fleet, "all are connected")

    async def all_reported(self) -> None:
        """Stop new cars, and wait until every session has its transaction."""
        self.testbed.cloud.stop_arrivals()
        await self.until(lambda: self.testbed.is_complete, "every session has its transaction")

    async def dead_letters(self) -> list[dict[str, Any]]:
        return await self.testbed.gateway.listed("dead-letters?limit=500")

    def reconciles(self) -> None:
        """Require that both sides agree to the Wh, and that no side found a fault."""
        outcome = self.testbed.outcome()
        wrong = [*outcome.complaints(), *self.injector.lost, *self.testbed.gateway.errors()]
        self.show(wrong)
        assert wrong == []
        assert outcome.sessions > 0

    def show(self, complaints) -> None:
        print(f"seed {self.testbed.settings.seed}", *complaints, sep="\n")
        print(*failure_report(self.testbed, complaints), sep="\n")
        print(self.testbed.gateway.log_tail())


@pytest.fixture
def scenario_of(tmp_path: Path):
    @contextlib.asynccontextmanager
    async def running(charge_points=6, speed=300.0, seed=1, **settings):
        configuration = {
            "TransactionMessageAttempts": "1000",
            "TransactionMessageRetryInterval": "15",
            **settings.pop("configuration", {}),
        }
        testbed = DemoTestbed(
            DemoSettings(tmp_path, charge_points, speed, seed, configuration=configuration, **settings)
        )
        scenario = Scenario(testbed)
        await testbed.start()
        try:
            yield scenario
        finally:
            await testbed.stop()
            testbed.close()

    return running
