"""Cancelling tasks so that they really end."""

import asyncio
from collections.abc import Iterable
from typing import Final

AGAIN_S: Final = 0.2
"""Real seconds after which a task that goes on is cancelled again."""


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end.

    Once is not enough: before Python 3.12, `asyncio.wait_for` loses a cancellation that comes just when what
    it waits for is done (python/cpython#86296), and the MQTT library waits by it.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)


async def finished(task: asyncio.Future[object], within_s: float) -> bool:
    """Wait for the end of something that must not be left half done, even if this is cancelled meanwhile.

    Returns:
        False if it took too long; it is cancelled then.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not task.done() and (left_s := deadline - loop.time()) > 0:
        try:
            await asyncio.wait({task}, timeout=left_s)
        except asyncio.CancelledError:
            continue  # it is ending already
    if not task.done():
        task.cancel()
        return False
    return True
