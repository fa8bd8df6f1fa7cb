"""Coroutine tests run on the program's loop; the broker is asked for where it is needed."""

import asyncio
import inspect

import pytest
import uvloop

from tests.integration.easee.stage import set_stage
from tests.services import RABBITMQ


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine functions on the loop that the program uses; what they leave behind is their fault."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    uvloop.run(_bounded(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})))
    return True


async def _bounded(test) -> None:
    async with asyncio.timeout(90):
        await test
    # What ends with these rounds of the loop has ended.
    for _ in range(5):
        await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []


@pytest.fixture(autouse=True)
def nothing_breaks_unseen(caplog):
    """An exception in a handler or callback is logged, and nobody would notice."""
    yield
    unseen = [record for record in caplog.records if record.name in {"asyncio", "aiohttp.server"}]
    assert unseen == []


@pytest.fixture
def stage():
    """Makes stages: `async with stage(chargers=2) as site`."""
    return set_stage


@pytest.fixture
def rabbitmq_url() -> str:
    """The broker of this machine."""
    return RABBITMQ.needed()
