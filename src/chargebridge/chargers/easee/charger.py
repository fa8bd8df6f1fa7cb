"""One charger at work in the driver: its twin, what nobody has acknowledged yet, and what is asked of it."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import (
    ChargerCommand,
    ChargerEvent,
    Measured,
    Restarted,
    SessionEnded,
    SessionStarted,
    TokenPresented,
)

MAX_PENDING: Final = 1000
"""Events of one charger that wait to be acknowledged; above it measurements make room."""


class PendingObservation:
    """An observation of which not all that it tells is acknowledged.

    Args:
        update: the observation.
    """

    __slots__ = ("deliveries", "key", "left")

    def __init__(self, update: Update) -> None:
        self.key = (update.id, update.at_ms, update.value)
        self.deliveries = [] if update.delivery is None else [update.delivery]
        self.left = 0
        """Events of it that nobody has acknowledged."""


def must_arrive(event: ChargerEvent) -> bool:
    """Whether an event has to arrive; of all others only the present counts."""
    if isinstance(event, Measured):
        return event.session is not None
    return isinstance(event, SessionStarted | SessionEnded | TokenPresented | Restarted)


class Charger:
    """One charger.

    Args:
        twin: what is known of it.
    """

    __slots__ = (
        "_number",
        "_pending_session",
        "_sources",
        "announced",
        "commands",
        "limit_due",
        "pending",
        "pending_end",
        "processed",
        "reachable",
        "serial",
        "silent",
        "twin",
        "watched",
        "worker",
    )

    def __init__(self, twin: Twin) -> None:
        self.serial = twin.serial
        self.twin = twin
        self.watched = False
        self.announced = False
        """Whether the sink has been told what it is, since it is watched."""
        self.reachable = False
        """What the sink was told last."""
        self.silent = False
        """Nothing was heard of it for too long."""
        self.pending: dict[int, tuple[ChargerEvent, PendingObservation | None]] = {}
        """Events that nobody has acknowledged, by number, in order."""
        self.pending_end: PendingObservation | None = None
        """The end record of a session that waits for what shows why it ended."""
        self.processed: list[int] = []
        """Deliveries that may be acknowledged to the broker as soon as the twin is written down."""
        self.commands: deque[ChargerCommand] = deque()
        """What is asked of it, in order; the first is being carried out."""
        self.worker: asyncio.Task[None] | None = None
        self.limit_due = False
        """Somebody else has raised its volatile limit; it will be set again."""
        self._sources: dict[tuple[int, int, str], PendingObservation] = {}
        self._number = 0
        self._pending_session: int | None = None

    @property
    def settled(self) -> bool:
        """Whether everything that its twin knows has been taken over by the sink for good."""
        return not self.pending and self.pending_end is None

    def snapshot(self) -> bytes:
        """Return what is known of it, to be written down."""
        return msgspec.json.encode(self.twin.record)

    def is_redelivered(self, update: Update) -> bool:
        """Take note of an observation that came before and still waits to be acknowledged."""
        source = self._sources.get((update.id, update.at_ms, update.value))
        if source is None:
            return False
        if update.delivery is not None:
            source.deliveries.append(update.delivery)
        return True

    def number_events(
        self, events: Iterable[ChargerEvent], source: PendingObservation
    ) -> Iterator[tuple[ChargerEvent, int]]:
        """Yield events with the numbers under which they are acknowledged; 0 for those that are not kept.

        Args:
            events: what an observation has told.
            source: that observation; an end that was held has its own.
        """
        for event in events:
            if not must_arrive(event):
                yield event, 0
                continue
            own: PendingObservation = source
            if isinstance(event, SessionEnded) and event.session == self._pending_session:
                own, self.pending_end, self._pending_session = self.pending_end or source, None, None
            own.left += 1
            self._number += 1
            self._sources[own.key] = own
            self.pending[self._number] = event, own
            if len(self.pending) > MAX_PENDING:
                self._make_room()
            yield event, self._number

    def _make_room(self) -> None:
        """Forget the oldest measurement that nobody keeps elsewhere; starts, ends and tokens stay."""
        for number, (event, source) in self.pending.items():
            if isinstance(event, Measured) and not (source is not None and source.deliveries):
                self.acknowledge(number)
                return

    def hold_end(self, source: PendingObservation, session: int) -> None:
        """Keep the cause of a session's end that is not told yet."""
        self.pending_end, self._pending_session = source, session
        self._sources[source.key] = source

    def finish(self, source: PendingObservation) -> None:
        """Let an observation be forgotten if nothing of it waits any more."""
        if source.left == 0 and source is not self.pending_end:
            self._sources.pop(source.key, None)
            self.processed += source.deliveries
            source.deliveries = []

    def acknowledge(self, number: int) -> bool:
        """Forget an event; False if it was forgotten before."""
        found = self.pending.pop(number, None)
        if found is None:
            return False
        _, source = found
        if source is not None:
            source.left -= 1
            self.finish(source)
        return True

    def drop_pending(self) -> None:
        """Forget everything that waits: nobody will ask for it."""
        for _, source in self.pending.values():
            if source is not None:
                source.left = 0
                self.finish(source)
        self.pending.clear()
        if self.pending_end is not None:
            source, self.pending_end, self._pending_session = self.pending_end, None, None
            self.twin.settle()
            self.finish(source)
