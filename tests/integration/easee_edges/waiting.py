"""Waiting for what a test expects, where no event announces it."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; the time-out of the test ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - nothing announces it
        await asyncio.sleep(0.005)
