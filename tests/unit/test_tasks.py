"""Background tasks end, also those that miss a cancellation."""

import asyncio
import contextlib

import pytest
import structlog

from chargebridge import tasks

pytestmark = pytest.mark.unit


async def missing(cancellations: int) -> None:
    """Go on after so many cancellations."""
    for _ in range(cancellations):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def started(cancellations: int) -> asyncio.Task[None]:
    task = asyncio.create_task(missing(cancellations), name=f"misses {cancellations}")
    await asyncio.sleep(0)
    return task


def test_tasks_that_go_on_are_cancelled_again():
    async def life() -> None:
        misses_none, misses_one = await started(0), await started(1)
        await tasks.end(misses_none, misses_one, clean_up_s=0.01)
        assert misses_none.cancelled()
        assert misses_one.cancelled()

    with structlog.testing.capture_logs() as log:
        asyncio.run(life())
    assert log == []


def test_a_task_that_never_ends_holds_nobody_up():
    async def life() -> None:
        task = await started(2)
        await tasks.end(task, clean_up_s=0.01, again_s=0.01)
        assert not task.done()
        task.cancel()

    with structlog.testing.capture_logs() as log:
        asyncio.run(life())
    assert [event["task"] for event in log] == ["misses 2"]


def test_what_has_ended_is_not_waited_for():
    async def life() -> None:
        task = await started(0)
        task.cancel()
        await asyncio.wait({task})
        await tasks.end(task)
        await tasks.end()

    asyncio.run(life())
