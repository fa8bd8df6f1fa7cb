"""Rows of the store as operators see them, and `SetAside`, the runtime's own record."""

from msgspec import Struct

from chargebridge.chargepoint.records import QueuedMessage, Transaction

Pair = tuple[str, str]
"""The identity of a charge point, and the name of the central system it belongs to."""


class SetAside(Struct, frozen=True):
    """An input whose turn failed twice; its charge point goes on without it."""

    at_ms: int
    input: str
    error: str


class Settled(Struct, frozen=True):
    """Who has settled something, when, and why."""

    at_ms: int
    by: str
    reason: str


class ChargePointRow(Struct, frozen=True):
    """A charge point of the store."""

    id: int
    identity: str
    central_system: str
    undelivered: int
    """Messages in its queue."""


class Cursor(Struct, frozen=True, array_like=True):
    """The end of a page of transactions; the next page continues behind it."""

    started_ms: int
    charge_point: int
    number: int


class QueueCursor(Struct, frozen=True, array_like=True):
    """The end of a page of queued messages; the next page continues behind it."""

    charge_point: int
    sequence: int


class QueuedRow(Struct, frozen=True):
    """A transaction-related message that the central system has not answered yet."""

    charge_point: int
    """Its number in the store."""
    identity: str
    central_system: str
    message: QueuedMessage
    since_ms: int
    """UTC; when what it says happened."""


class TransactionRow(Struct, frozen=True):
    """A transaction with its charge point and central system."""

    identity: str
    central_system: str
    transaction: Transaction
    cursor: Cursor


class DeadLetterRow(Struct, frozen=True):
    """A transaction-related message that failed at all its attempts."""

    id: int
    charge_point: int
    """Its number in the store."""
    identity: str
    central_system: str
    message: QueuedMessage
    at_ms: int
    reason: str
    settled: Settled | None = None


class SetAsideRow(Struct, frozen=True):
    """An input that was set aside, with its charge point and central system."""

    id: int
    identity: str
    central_system: str
    entry: SetAside
    settled: Settled | None = None


class Counts(Struct, frozen=True):
    """Counts of the records in the store."""

    charge_points: int
    transactions: int
    open_transactions: int
    queued: int
    dead_letters: int
    """That are not settled."""
    set_aside: int
    """That are not settled."""
