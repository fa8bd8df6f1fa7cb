"""Cancellation of background tasks: of those that miss one, and by libraries that mean something else."""

import asyncio
from typing import Any, Final

import structlog

CLEAN_UP_S: Final = 4.0
"""Real seconds in which a cancelled task may still disconnect and save; drivers have 5 to stop."""
AGAIN_S: Final = 0.5
"""Real seconds in which a task ends that was cancelled a second time."""

_log = structlog.get_logger(__name__)


def is_cancelled() -> bool:
    """Return whether somebody has cancelled the running task.

    A `CancelledError` without that is a library's: `aiormq` cancels its waiters when a connection breaks.
    A task that let it through would end unseen.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def end(*tasks: asyncio.Task[Any], clean_up_s: float = CLEAN_UP_S, again_s: float = AGAIN_S) -> None:
    """Cancel tasks and wait until they have ended; how they end is not looked at.

    A cancellation can get lost: `asyncio.wait_for` before Python 3.12 returns its result instead of raising
    it if both come at once, and libraries use it. So a task that goes on is cancelled again, and one that
    goes on even then is abandoned.

    Args:
        tasks: the tasks.
        clean_up_s: real seconds before they are cancelled again.
        again_s: real seconds before they are abandoned.
    """
    left = set(tasks)
    for wait_s in (clean_up_s, again_s):
        for task in left:
            task.cancel()
        if left:
            _, left = await asyncio.wait(left, timeout=wait_s)
    for task in left:
        _log.error("task abandoned: it does not end", task=task.get_name())
