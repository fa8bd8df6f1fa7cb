"""One charger of the driver: its twin, its unacknowledged events, and its commands."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import (
    ChargerCommand,
    ChargerEvent,
    LimitShown,
    Measured,
    Restarted,
    SessionEnded,
    SessionStarted,
    TokenPresented,
)

MAX_PENDING: Final = 1000
"""The number of unacknowledged events of a charger above which measurements are dropped."""


class PendingObservation:
    """An observation with events that are not acknowledged yet.

    Args:
        update: the observation.
    """

    __slots__ = ("deliveries", "key", "left")

    def __init__(self, update: Update) -> None:
        self.key = (update.id, update.at_ms, update.value)
        self.deliveries = [] if update.delivery is None else [update.delivery]
        self.left = 0
        """The number of its unacknowledged events."""


def must_arrive(event: ChargerEvent) -> bool:
    """Whether an event must reach the sink; of all others only the newest value counts."""
    if isinstance(event, Measured):
        return event.session is not None
    return isinstance(event, SessionStarted | SessionEnded | TokenPresented | Restarted)


class Receipt(NamedTuple):
    """The receipt of an event, with which it is acknowledged."""

    serial: str
    number: int


class Charger:
    """One charger.

    Args:
        twin: its digital twin.
    """

    __slots__ = (
        "_number",
        "_pending_session",
        "_sources",
        "announced",
        "commands",
        "earlier_record",
        "limit_due",
        "limit_shown",
        "pending",
        "pending_end",
        "processed",
        "reachable",
        "schedule_news",
        "serial",
        "silent",
        "state_read",
        "twin",
        "watched",
        "worker",
    )

    def __init__(self, twin: Twin) -> None:
        self.serial = twin.serial
        self.twin = twin
        self.watched = False
        self.announced = False
        """Whether its present state was reported to the sink since it is watched."""
        self.reachable = False
        """Whether it was last reported to the sink as reachable."""
        self.silent = False
        """It has sent nothing for too long."""
        self.state_read = False
        """Its state was read by REST, or cannot be: what is not known of it stays so."""
        self.pending: dict[int, tuple[ChargerEvent, PendingObservation | None]] = {}
        """Its unacknowledged events by number, in order."""
        self.pending_end: PendingObservation | None = None
        """The end record of a session that waits for its reason."""
        self.processed: list[int] = []
        """Deliveries that may be acknowledged to the broker as soon as the twin is saved."""
        self.commands: deque[ChargerCommand] = deque()
        """Its commands in order; the first one is in progress."""
        self.worker: asyncio.Task[None] | None = None
        self.limit_shown: LimitShown | None = None
        """The limit that was last reported to the sink, since the charger is watched."""
        self.schedule_news: asyncio.Event | None = None
        """Is set when it has shown its schedule, while somebody waits for that."""
        self.limit_due = False
        """Somebody else has raised its volatile limit; it will be sent again."""
        self.earlier_record: bytes | None = None
        """Its record from before the events that wait, to be saved in place of the present one."""
        self._sources: dict[tuple[int, int, str], PendingObservation] = {}
        self._number = 0
        self._pending_session: int | None = None

    @property
    def settled(self) -> bool:
        """Whether the sink has made all events of its twin durable."""
        return not self.pending and self.pending_end is None

    def snapshot(self) -> bytes:
        """Return the record of its twin as JSON, to be saved."""
        return msgspec.json.encode(self.twin.record)

    def keep_record(self) -> None:
        """Have the record saved as it is now, whatever events follow; not if some wait already."""
        if self.settled:
            self.earlier_record = self.snapshot()

    def limit_news(self, now_ms: int) -> LimitShown | None:
        """Return the lowest limit that it shows now; None if the sink knows that."""
        limit_ma, known = self.twin.limit_ma(now_ms), self.limit_shown
        if known is not None and known.limit_ma == limit_ma:
            return None
        self.limit_shown = LimitShown(at_ms=now_ms, limit_ma=limit_ma)
        return self.limit_shown

    def keep_authorization(self) -> None:
        """Have it saved whom a command authorizes, even where the tap that led to it still waits."""
        if self.earlier_record is not None and not self.settled:
            record = msgspec.json.decode(self.earlier_record, type=TwinRecord)
            record.authorized = self.twin.record.authorized
            self.earlier_record = msgspec.json.encode(record)

    def end_first_contact(self) -> bool:
        """End the first contact: sessions are news from now on. Return whether it ended just now.

        This is saved at once, without what was found and still waits: after a restart it is no first contact.
        """
        if not self.twin.end_first_contact():
            return False
        self.earlier_record = (
            self.snapshot() if self.settled else msgspec.json.encode(self.twin.first_record())
        )
        return True

    def is_redelivered(self, update: Update) -> bool:
        """Whether an observation is a duplicate of one with unacknowledged events; notes its delivery."""
        source = self._sources.get((update.id, update.at_ms, update.value))
        if source is None:
            return False
        if update.delivery is not None:
            source.deliveries.append(update.delivery)
        return True

    def number_events(
        self, events: Iterable[ChargerEvent], source: PendingObservation
    ) -> Iterator[tuple[ChargerEvent, int]]:
        """Yield events with the numbers under which they are acknowledged; 0 for those that need not arrive.

        Args:
            events: the events of an observation.
            source: that observation; a pending end has its own.
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
        """Drop the oldest measurement that no broker delivers again; starts, ends and tokens stay."""
        for number, (event, source) in self.pending.items():
            if isinstance(event, Measured) and not (source is not None and source.deliveries):
                self.acknowledge(number)
                return

    def hold_end(self, source: PendingObservation, session: int) -> None:
        """Keep the end record of a session whose end is not reported yet."""
        self.pending_end, self._pending_session = source, session
        self._sources[source.key] = source

    def finish(self, source: PendingObservation) -> None:
        """Release an observation if all of its events are acknowledged."""
        if source.left == 0 and source is not self.pending_end:
            self._sources.pop(source.key, None)
            self.processed += source.deliveries
            source.deliveries = []

    def acknowledge(self, number: int) -> bool:
        """Release an event; return False if it was released before."""
        found = self.pending.pop(number, None)
        if found is None:
            return False
        _, source = found
        if source is not None:
            source.left -= 1
            self.finish(source)
        return True

    def drop_pending(self) -> None:
        """Drop all pending events of an unwatched charger."""
        for _, source in self.pending.values():
            if source is not None:
                source.left = 0
                self.finish(source)
        self.pending.clear()
        if self.pending_end is not None:
            source, self.pending_end, self._pending_session = self.pending_end, None, None
            self.twin.settle()
            self.finish(source)
