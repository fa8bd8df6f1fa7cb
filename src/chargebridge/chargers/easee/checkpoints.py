"""Writing down what is known of chargers, and letting the broker forget what is written down.

A message of the queue is acknowledged when two things are true: all that it told is durable at the sink, and
what is known of its charger is written down. So a process that is killed at any moment is told again what was
not taken, and knows for a repeat what was.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

import structlog

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.memory import Memory

WRITE_S: Final = 0.5
"""Real seconds after which what is new is written down."""

_log = structlog.get_logger(__name__)


class Notebook:
    """Writes chargers down, many at once, as long as there is anything new.

    Of most chargers nothing is, while they charge: what is measured is told, and has to be acknowledged, but
    changes nothing that is known of them.

    Args:
        memory: where to.
        acknowledge: lets the broker forget deliveries.
    """

    def __init__(self, memory: Memory, acknowledge: Callable[[list[int]], None]) -> None:
        self._memory = memory
        self._acknowledge = acknowledge
        self._new: dict[str, Charger] = {}
        self._writing: asyncio.Task[None] | None = None
        self._stopped = False
        self._failing = False

    def note(self, charger: Charger) -> None:
        """Write a charger down soon if anything of it is new, and acknowledge what it was told by."""
        self._new[charger.serial] = charger
        if self._writing is None and not self._stopped:
            self._writing = asyncio.get_running_loop().create_task(self._write_on())

    async def stop(self) -> None:
        """Write down the rest.

        Raises:
            sqlite3.Error: it could not be written; the broker will tell again what it tells of.
        """
        self._stopped = True
        if self._writing is not None:
            await self._writing
        await self._write()

    async def _write_on(self) -> None:
        try:
            while self._new and not self._stopped:
                await asyncio.sleep(WRITE_S)
                try:
                    await self._write()
                except sqlite3.Error as error:
                    if not self._failing:
                        self._failing = True
                        _log.error("what is known of chargers cannot be written down", error=str(error))
                else:
                    if self._failing:
                        self._failing = False
                        _log.warning("what is known of chargers is written down again")
        finally:
            self._writing = None

    async def _write(self) -> None:
        # Of a charger that waits for the sink nothing is written: it would be known, and never told.
        settled = [charger for charger in self._new.values() if charger.settled]
        if not settled:
            return
        changed = [charger for charger in settled if charger.twin.unwritten]
        records = [(charger.serial, charger.snapshot()) for charger in changed]
        deliveries: list[int] = []
        for charger in changed:
            charger.twin.unwritten = False
        for charger in settled:
            del self._new[charger.serial]
            deliveries += charger.done
            charger.done = []
        try:
            if records:
                await asyncio.to_thread(self._memory.write, records)
        except sqlite3.Error:
            settled[0].done += deliveries
            for charger in settled:
                self._new[charger.serial] = charger
            for charger in changed:
                charger.twin.unwritten = True
            raise
        if deliveries:
            self._acknowledge(deliveries)
