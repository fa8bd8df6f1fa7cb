"""Coroutine tests run on the program's loop."""

import asyncio

import pytest
import uvloop

from tests.integration.easee.conftest import rabbitmq_url

__all__ = ["rabbitmq_url"]


@pytest.fixture
def run():
    """Runs a check; whatever it leaves behind on the loop is its fault."""

    def run(check) -> None:
        uvloop.run(_bounded(check))

    return run


async def _bounded(check) -> None:
    async with asyncio.timeout(100):
        await check
    # What ends with these rounds of the loop has ended.
    for _ in range(5):
        await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []
