"""What the store gives to those who look at it, and the one record of the runtime's own."""

from msgspec import Struct

from chargebridge.chargepoint.records import QueuedMessage, Transaction

Pair = tuple[str, str]
"""The identity of a charge point, and the name of the central system it belongs to."""


class SetAside(Struct, frozen=True):
    """An input that raised twice and that its charge point goes on without."""

    at_ms: int
    input: str
    error: str


class ChargePointRow(Struct, frozen=True):
    """A charge point the store knows of."""

    id: int
    identity: str
    central_system: str
    undelivered: int
    """Messages in its queue."""


class Cursor(Struct, frozen=True, array_like=True):
    """Where a page of transactions ended; the next page continues behind it."""

    started_ms: int
    charge_point: int
    number: int


class TransactionRow(Struct, frozen=True):
    """A transaction and whose it is."""

    identity: str
    central_system: str
    transaction: Transaction
    cursor: Cursor


class DeadLetter(Struct, frozen=True):
    """A message that was given up."""

    id: int
    identity: str
    central_system: str
    message: QueuedMessage
    at_ms: int
    reason: str


class SetAsideRow(Struct, frozen=True):
    """An input that was set aside, and whose it was."""

    id: int
    identity: str
    central_system: str
    entry: SetAside


class Counts(Struct, frozen=True):
    """How much the store holds."""

    charge_points: int
    transactions: int
    open_transactions: int
    queued: int
    dead_letters: int
    set_aside: int
