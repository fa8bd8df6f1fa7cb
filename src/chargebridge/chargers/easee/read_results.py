"""Applies what was read by REST to the chargers: states, product codes, and sessions that were missed."""

from collections.abc import Sequence
from typing import Final

import structlog

from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.fleet import Fleet
from chargebridge.chargers.easee.twin import renumbering, repeats
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import ChargerEvent, EventSink, Measured, ReportSessions, SessionEnded

_log = structlog.get_logger(__name__)

QUEUE_LAG_S: Final = 5.0
"""Real seconds by which the operator's queue may be behind the values that the cloud shows."""


class ReadResults:
    """The owner of reads (`reading.Owner`).

    Args:
        fleet: the chargers.
        sink: receives their descriptions.
    """

    def __init__(self, fleet: Fleet, sink: EventSink) -> None:
        self._fleet = fleet
        self._sink = sink

    def state_read(self, updates: Sequence[Update]) -> None:
        """Take the state of a charger."""
        for update in updates:
            self._fleet.observation_read(update, found=False)

    def sessions_found(self, charger: Charger, updates: Sequence[Update]) -> None:
        """Take the last sessions of a charger of which nothing was known, once the queue has had its say.

        A session that began just now is in the queue, too, and there it is news.
        """
        record = charger.twin.record

        def take() -> None:
            if record.unread and charger.twin.record is record:
                self.sessions_read(charger, updates, found=True)

        self._fleet.later(QUEUE_LAG_S, take)

    def sessions_read(self, charger: Charger, updates: Sequence[Update], *, found: bool = False) -> None:
        """Take the last sessions of a charger; not as found if a charge point, which remembers it, asked."""
        record = charger.twin.record
        for update in updates:
            self._fleet.observation_read(update, found=found)
        if record.unread:
            record.unread = False
            self._fleet.checkpoint(charger)

    def sessions_rebuilt(self, charger: Charger, events: Sequence[ChargerEvent]) -> None:
        """Report sessions that were missed and rebuilt."""
        self._fleet.deliver_read(charger, events)

    def register_read(self, charger: Charger, measured: Measured | None) -> None:
        """Report the register that was read of a session whose end is not known."""
        if measured is not None:
            self._fleet.deliver_read(charger, [measured])

    def align(self, charger: Charger, command: ReportSessions) -> bool:
        """Raise the numbers of sessions that are too low; return whether they were."""
        self._settle(charger)
        by = renumbering.align(charger.twin.record, command)
        if by:
            _log.warning("session numbers were too low", charger=charger.serial, by=by)
            self._fleet.checkpoint(charger)
        return by > 0

    def report_again(self, charger: Charger, first: int, reported: set[tuple[int, bool]]) -> None:
        """Report the known sessions from `first` on again, except those that wait to be acknowledged.

        Args:
            charger: the charger.
            first: the number of the first session.
            reported: `repeats.reported_edges` of before its last records were read: if those brought all that
                is wanted, nothing is reported twice. Otherwise all of it comes again, in order.
        """
        self._settle(charger)
        waiting = [event for event, _ in charger.pending.values()]
        events = [event for event in repeats.sessions_again(charger.twin, first) if event not in waiting]
        if any((event.session, isinstance(event, SessionEnded)) in reported for event in events):
            self._fleet.deliver_read(charger, events)

    def _settle(self, charger: Charger) -> None:
        if charger.pending_end is not None:
            self._fleet.settle(charger, charger.pending_end)

    def products_read(self, products: dict[str, int]) -> None:
        """Take the product codes of chargers."""
        for serial, product in products.items():
            charger = self._fleet.chargers.get(serial)
            if charger is not None and charger.twin.record.product != product:
                charger.twin.record.product = product
                self._fleet.checkpoint(charger)
                if charger.announced:
                    self._sink.charger_known(charger.twin.info)
