"""Checkpoints of the twins: saved in batches, before the messages that they came from are acknowledged.

A message of the queue is acknowledged when two things are true: the sink has made all of its events durable,
and the twin of its charger is saved. After a kill at any moment the broker therefore delivers again what was
not taken over, and the saved twins recognize the rest as repeats.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.memory import Memory

SAVE_AFTER_S: Final = 0.5
"""Real seconds for which changes are collected before they are saved."""

_log = structlog.get_logger(__name__)


class Checkpoint(NamedTuple):
    """One save: the records to write together, and what they release once they are written."""

    records: list[tuple[str, bytes]]
    """Serials and records, as JSON."""
    settled: list[tuple[Charger, list[int]]]
    """Chargers that are saved as they are, with the deliveries that may be acknowledged then."""
    changed: list[Charger]
    """Those of them whose twin has changed."""
    earlier: list[tuple[Charger, bytes]]
    """Chargers that are saved as they were before the events that wait."""


class DueCheckpoints:
    """Decides what may be saved, and what may be acknowledged once it is. Pure: it writes nothing itself.

    A charger with events that the sink has not acknowledged is not saved as it is: after a restart those
    events would be known, and never reported. It is saved as it was before them.
    """

    def __init__(self) -> None:
        self._due: dict[str, Charger] = {}

    def __bool__(self) -> bool:
        return bool(self._due)

    def add(self, charger: Charger) -> None:
        """Take note that a charger has to be saved, or has messages to acknowledge."""
        self._due[charger.serial] = charger

    def take(self) -> Checkpoint | None:
        """Return what may be saved now; None if nothing may. `written` or `failed` follows."""
        due = list(self._due.values())
        settled = [charger for charger in due if charger.settled]
        changed = [charger for charger in settled if charger.twin.unsaved]
        earlier = [(charger, charger.earlier_record) for charger in due if charger.earlier_record is not None]
        records = [(charger.serial, charger.snapshot()) for charger in changed]
        records += [(charger.serial, record) for charger, record in earlier if not charger.settled]
        if not settled and not records:
            return None
        for charger in changed:
            charger.twin.unsaved = False
        released: list[tuple[Charger, list[int]]] = []
        for charger in settled:
            del self._due[charger.serial]
            released.append((charger, charger.processed))
            charger.processed = []
        return Checkpoint(records, released, changed, earlier)

    def written(self, checkpoint: Checkpoint) -> list[int]:
        """Take note that a checkpoint is durable; return the deliveries to acknowledge to the broker."""
        for charger, record in checkpoint.earlier:
            if charger.earlier_record is record:  # else there is a newer one by now
                charger.earlier_record = None
        return [delivery for _, deliveries in checkpoint.settled for delivery in deliveries]

    def failed(self, checkpoint: Checkpoint) -> None:
        """Take note that nothing of a checkpoint was written: all of it is due again."""
        for charger, deliveries in checkpoint.settled:
            # Each with its own charger: another one may have unacknowledged events by the next time.
            charger.processed = deliveries + charger.processed
            self._due[charger.serial] = charger
        for charger in checkpoint.changed:
            charger.twin.unsaved = True


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
        self._due = DueCheckpoints()
        self._saving: asyncio.Task[None] | None = None
        self._stopped = False
        self._failing = False

    def add(self, charger: Charger) -> None:
        """Save a charger's twin soon if it has changed, and acknowledge the messages it came from."""
        self._due.add(charger)
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
        checkpoint = self._due.take()
        if checkpoint is None:
            return
        try:
            if checkpoint.records:
                await asyncio.to_thread(self._memory.write, checkpoint.records)
        except sqlite3.Error:
            self._due.failed(checkpoint)
            raise
        deliveries = self._due.written(checkpoint)
        if deliveries:
            self._acknowledge(deliveries)
