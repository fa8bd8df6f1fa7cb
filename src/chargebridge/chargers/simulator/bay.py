"""A parking bay: one charger, the drivers who come to it, and its unacknowledged events."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from chargebridge.chargers.model import (
    ChargerEvent,
    LimitShown,
    Measured,
    Reachable,
    Restarted,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.chargers.simulator.hardware.charger import SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerRecord, ChargerSettings
from chargebridge.chargers.simulator.hardware.tokens import LocalList
from chargebridge.chargers.simulator.traffic import NEVER_MS, Traffic, Visitor, VisitorRecord

KeptEvent = SessionStarted | SessionEnded | TokenPresented | Measured | Restarted
"""An event that the cloud keeps until it is acknowledged; of all others only the newest value matters."""

SESSIONS_LISTED: Final = 64
"""The newest ended sessions of a charger that its cloud lists, and can report again."""

MEASUREMENTS_KEPT: Final = 120
"""The most measurements of one charger that its cloud keeps; above it the oldest one is dropped."""


class BayRecord(Struct, kw_only=True):
    """The saved state of a bay, without the kept events and the charger's local list."""

    settings: ChargerSettings
    charger: ChargerRecord
    visitor: VisitorRecord | None = None
    last_number: int = 0
    """The number of the newest kept event."""


class Kept(Struct, frozen=True, gc=False):
    """An event with the number by which it is acknowledged; 0 for one that is not kept."""

    number: int
    event: ChargerEvent


class Bay:
    """Moves a charger and its visitors through time together.

    Args:
        charger: the charger.
        visitor: the drivers that come to it, if any.
        kept: unacknowledged events by number, oldest first.
        last_number: the number of the newest event ever kept.
    """

    def __init__(
        self,
        charger: SimulatedCharger,
        visitor: Visitor | None,
        kept: dict[int, KeptEvent],
        last_number: int,
    ) -> None:
        self.charger = charger
        self.visitor = visitor
        self.kept = kept
        self._last_number = last_number
        self._written_list = charger.local_list
        self._measured = deque(number for number, event in kept.items() if isinstance(event, Measured))
        self._repeats: list[SessionEnded | SessionStarted] = []

    @classmethod
    def from_record(
        cls,
        record: BayRecord,
        traffic: Traffic | None,
        kept: dict[int, KeptEvent],
        local_list: LocalList | None,
    ) -> "Bay":
        """Return the bay with its saved state."""
        charger = SimulatedCharger(record.settings, record.charger, local_list)
        visitor = Visitor(traffic, charger, record.visitor) if traffic else None
        return cls(charger, visitor, kept, record.last_number)

    def record(self) -> BayRecord:
        """Return the state of the bay, to be saved."""
        return BayRecord(
            settings=self.charger.settings,
            charger=self.charger.record,
            visitor=self.visitor.record if self.visitor else None,
            last_number=self._last_number,
        )

    @property
    def due_ms(self) -> int:
        """When something happens here next."""
        return min(self.charger.next_ms, self.visitor.due_ms if self.visitor else NEVER_MS)

    def advance(self, now_ms: int) -> None:
        """Do everything that is due up to `now_ms`, in order."""
        charger, visitor = self.charger, self.visitor
        if visitor is None:
            charger.advance(now_ms)
            return
        while (due_ms := self.due_ms) <= now_ms:
            charger.advance(due_ms)
            visitor.react(due_ms)
            if visitor.due_ms <= due_ms:
                visitor.act(due_ms)
                visitor.react(due_ms)
        charger.advance(now_ms)

    def reacted(self) -> None:
        """Let the visitor react to an action of somebody else on the charger."""
        if self.visitor is not None:
            self.visitor.react(self.charger.record.outlet.at_ms)

    def collect(self) -> tuple[list[Kept], list[int]]:
        """Take over the charger's new events.

        Returns:
            The new events in order, and the numbers of old measurements that had to make room.
        """
        collected: list[Kept] = []
        dropped: list[int] = []
        for event in self.charger.take_events():
            if isinstance(event, Reachable | StateChanged | LimitShown) or (
                isinstance(event, Measured) and event.session is None
            ):
                collected.append(Kept(0, event))
                continue
            self._last_number += 1
            self.kept[self._last_number] = event
            collected.append(Kept(self._last_number, event))
            if isinstance(event, Measured):
                self._measured.append(self._last_number)
                dropped += self._make_room()
        return collected + self._collect_repeats(), dropped

    def _collect_repeats(self) -> list[Kept]:
        repeats, self._repeats = self._repeats, []
        unacknowledged = {event: number for number, event in self.kept.items() if event in repeats}
        collected = []
        for event in repeats:
            number = unacknowledged.get(event)
            if number is None:
                number = self._last_number = self._last_number + 1
                self.kept[number] = event
            collected.append(Kept(number, event))
        return collected

    def report_sessions(self, first: int, ended: Sequence[SessionEnded]) -> None:
        """Report sessions again, with the next `collect`: those that are over, then the one that runs.

        Its cloud answers, so the charger need not be reachable. What the charger has lost, or still buffers,
        the cloud does not know.

        Args:
            first: the number of the first session.
            ended: all that the charger has ended, oldest first; the newest of them are listed.
        """
        record = self.charger.record
        buffered = {
            (type(event), event.session) for event in record.buffered if not isinstance(event, Restarted)
        }
        for event in ended[-SESSIONS_LISTED:]:
            lost = event.session in record.lost_ends
            if event.session >= first and not lost and (SessionEnded, event.session) not in buffered:
                self._repeats.append(event)
        running = record.session
        if running is None or running.number < first or running.number == record.lost_start:
            return
        if (SessionStarted, running.number) not in buffered:
            self._repeats.append(running.started())

    def take_new_list(self) -> LocalList | None:
        """Return the charger's local list if it was replaced since the last call, else None."""
        if self.charger.local_list is self._written_list:
            return None
        self._written_list = self.charger.local_list
        return self._written_list

    def greeting(self) -> list[Kept]:
        """Return the events for a new subscriber: the present state, then the kept events."""
        charger = self.charger
        reachable = Reachable(at_ms=charger.record.outlet.at_ms, reachable=charger.reachable)
        present = [Kept(0, reachable), Kept(0, charger.current_state)]
        return present + [Kept(number, event) for number, event in self.kept.items()]

    def idle_values(self) -> list[Kept]:
        """Return what an idle charger measures, for a new subscriber; in a session it measures soon."""
        charger = self.charger
        if charger.record.session is not None or not charger.reachable:
            return []
        return [Kept(0, charger.measured(charger.record.outlet.at_ms))]

    def acknowledge(self, number: int) -> bool:
        """Release a kept event; return False if it was released before."""
        return self.kept.pop(number, None) is not None

    def _make_room(self) -> list[int]:
        """Drop the oldest measurement if there are too many."""
        if len(self._measured) <= MEASUREMENTS_KEPT:
            return []
        # Acknowledged ones are still listed; they leave here, so that an acknowledgement costs nothing.
        self._measured = deque(number for number in self._measured if number in self.kept)
        if len(self._measured) <= MEASUREMENTS_KEPT:
            return []
        number = self._measured.popleft()
        del self.kept[number]
        return [number]
