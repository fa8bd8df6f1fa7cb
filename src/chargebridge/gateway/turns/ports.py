"""The runtime's port to the store."""

from collections.abc import Sequence
from typing import Protocol

from chargebridge.chargepoint.records import Query, Record, StoredChargePoint
from chargebridge.store.rows import SetAside


class Journal(Protocol):
    """Makes turns durable, and reports them when they are; see `JournalListener`."""

    def submit(self, charge_point: int, records: Sequence[Record], token: object) -> None:
        """Make a turn durable; never blocks."""

    def submit_set_aside(self, charge_point: int, entry: SetAside, token: object) -> None:
        """Store an input whose turn failed twice; reported like a turn."""

    def read(self, charge_point: int, query: Query, token: object) -> None:
        """Answer a query of a charge point, after everything submitted before."""

    def recovered(self, charge_point: int) -> None:
        """Trust a charge point again that was rebuilt: its next turns are computed from durable records."""

    def load(self, charge_point: int) -> StoredChargePoint:
        """Return the durable records of a charge point."""
