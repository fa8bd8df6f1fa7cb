"""Checkpoints of the twins: saved in batches, before the messages that they came from are acknowledged.

A message of the queue is acknowledged when two things are true: the sink has made all of its events durable,
and the twin of its charger is saved. After a kill at any moment the broker therefore delivers again what was
not taken over, and the saved twins recognize the rest as repeats.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

import structlog

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.memory import Memory

SAVE_AFTER_S: Final = 0.5
"""Real seconds for which changes are collected before they are saved."""

_log = structlog.get_logger(__name__)


class Checkpointer:
    """Persists twins in batches, then acknowledges the messages they came from.

    While a charger charges, most messages change nothing in its twin: measurements are reported and
    acknowledged, but not saved.

    Args:
        memory: the file of the twins.
        acknowledge: acknowledges deliveries to the broker.
        save_after_s: real seconds for which changes are collected.
    """

    def __init__(
        self, memory: Memory, acknowledge: Callable[[list[int]], None], *, save_after_s: float = SAVE_AFTER_S
    ) -> None:
        self._memory = memory
        self._acknowledge = acknowledge
        self._save_after_s = save_after_s
        self._due: dict[str, Charger] = {}
        self._saving: asyncio.Task[None] | None = None
        self._stopped = False
        self._failing = False

    def add(self, charger: Charger) -> None:
        """Save a charger's twin soon if it has changed, and acknowledge the messages it came from."""
        self._due[charger.serial] = charger
        if self._saving is None and not self._stopped:
            self._saving = asyncio.get_running_loop().create_task(self._save_while_due())

    async def stop(self) -> None:
        """Save the rest.

        Raises:
            sqlite3.Error: it could not be saved; the broker will deliver those messages again.
        """
        self._stopped = True
        if self._saving is not None:
            await self._saving
        await self._save()

    async def _save_while_due(self) -> None:
        try:
            while self._due and not self._stopped:
                await asyncio.sleep(self._save_after_s)
                try:
                    await self._save()
                except sqlite3.Error as error:
                    if not self._failing:
                        self._failing = True
                        _log.error("charger states cannot be saved, retrying", error=str(error))
                else:
                    if self._failing:
                        self._failing = False
                        _log.warning("charger states are saved again")
        finally:
            self._saving = None

    async def _save(self) -> None:
        # A charger with events that the sink has not acknowledged is not saved as it is: after a restart
        # those events would be known, and never reported. It is saved as it was before them.
        due = list(self._due.values())
        settled = [charger for charger in due if charger.settled]
        changed = [charger for charger in settled if charger.twin.unsaved]
        earlier = [(charger, charger.earlier_record) for charger in due]
        records = [(charger.serial, charger.snapshot()) for charger in changed]
        records += [
            (charger.serial, record)
            for charger, record in earlier
            if record is not None and not charger.settled
        ]
        if not settled and not records:
            return
        deliveries: list[int] = []
        for charger in changed:
            charger.twin.unsaved = False
        for charger in settled:
            del self._due[charger.serial]
            deliveries += charger.processed
            charger.processed = []
        try:
            if records:
                await asyncio.to_thread(self._memory.write, records)
        except sqlite3.Error:
            if settled:
                settled[0].processed += deliveries
            for charger in settled:
                self._due[charger.serial] = charger
            for charger in changed:
                charger.twin.unsaved = True
            raise
        for charger, record in earlier:
            if charger.earlier_record is record:  # else there is a newer one by now
                charger.earlier_record = None
        if deliveries:
            self._acknowledge(deliveries)
