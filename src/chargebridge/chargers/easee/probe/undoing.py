"""Undoes what the active part has changed: after each question, after an error, and after Ctrl-C."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from chargebridge.chargers.easee.account.failures import CallFailedError

ATTEMPTS: Final = 3
AGAIN_S: Final = 2.0
"""Real seconds between two attempts."""


class Undo(Struct, frozen=True):
    """One change, and how it is undone."""

    what: str
    """What is done, for the terminal."""
    by_hand: str
    """How a person does the same."""
    do: Callable[[], Awaitable[bool]]
    """Does it; returns whether the charger has confirmed it."""


class Undoing:
    """The changes that are not undone yet.

    Args:
        say: shows a line at the terminal.
        longest_s: real seconds for one of them.
        again_s: real seconds between two attempts.
    """

    def __init__(self, say: Callable[[str], None], longest_s: float, again_s: float = AGAIN_S) -> None:
        self._say = say
        self._longest_s = longest_s
        self._again_s = again_s
        self._open: list[Undo] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, undo: Undo) -> None:
        """Take note of a change, before it is made."""
        self._open.append(undo)

    def drop(self, undo: Undo) -> None:
        """Forget a change: it was undone, or certainly not made."""
        if undo in self._open:
            self._open.remove(undo)

    async def all(self) -> list[Undo]:
        """Undo everything, the newest first; return what could not be undone.

        A cancellation does not stop it; it is raised again at the end.
        """
        undoing = asyncio.get_running_loop().create_task(self._all())
        cancelled = False
        while not undoing.done():
            try:
                await asyncio.shield(undoing)
            except asyncio.CancelledError:
                cancelled = True
                self._say("One moment: the charger is being put back as it was.")
        if cancelled:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()  # is raised at the next wait, when the caller has kept what it needs
        return undoing.result()

    async def _all(self) -> list[Undo]:
        left = []
        while self._open:
            undo = self._open.pop()
            # Before it is tried: if this program is killed meanwhile, a person knows what to do.
            self._say(f"{undo.what} (if this fails: {undo.by_hand})")
            if not await self._one(undo):
                left.append(undo)
                self._say(f"NOT UNDONE. Please do it by hand: {undo.by_hand}")
        return left

    async def _one(self, undo: Undo) -> bool:
        try:
            async with asyncio.timeout(self._longest_s):
                for attempt in range(ATTEMPTS):
                    if attempt:
                        await asyncio.sleep(self._again_s)
                    try:
                        if await undo.do():
                            return True
                    except CallFailedError as error:
                        self._say(f"  attempt {attempt + 1}: {error}")
        except TimeoutError:
            self._say(f"  not confirmed after {self._longest_s:g} s")
        return False
