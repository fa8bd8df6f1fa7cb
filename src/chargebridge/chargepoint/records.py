"""What a charge point makes durable: the records of its turns, and what is read back.

Neutral towards the protocol version: messages are opaque here, so that the store needs to know
nothing of OCPP. One turn's records are committed together or not at all.
"""

from enum import StrEnum

from msgspec import Struct


class SendState(StrEnum):
    """How far a Start or Stop of a transaction has come on its way to the central system."""

    NONE = "none"
    """There is nothing to send yet."""
    QUEUED = "queued"
    ANSWERED = "answered"
    DEAD = "dead"
    """Given up after all attempts; kept as a dead letter."""


class MessageKind(StrEnum):
    """Transaction-related messages (`Q-1`), which are delivered in order."""

    START = "start"
    METER_VALUES = "meter_values"
    STOP = "stop"


class Transaction(Struct, frozen=True):
    """One transaction, with the send-state of its Start and Stop.

    Everything a StartTransaction or StopTransaction says is taken from here, so that a retry
    repeats it exactly (`TX-1`, `Q-6`).
    """

    number: int
    """Rises from 1 for each charge point; internal only, never sent (`TX-7`)."""
    session: int
    """The charger's number of the session that this transaction tells of."""
    connector: int
    id_tag: str
    started_ms: int
    meter_start_wh: int
    charger: str = ""
    """Driver and serial number of the charger: sessions are numbered by it."""
    start: SendState = SendState.QUEUED
    transaction_id: int | None = None
    """Given by the central system; any integer is legal (`TX-3`). None until it has answered."""
    id_tag_status: str | None = None
    """The central system's verdict in its answer to the Start."""
    parent_id_tag: str | None = None
    sampled_ms: int = 0
    """When the newest queued sample was taken; older ones are repeats."""
    register_wh: int = 0
    """The newest register reading known of this transaction."""
    stopped_ms: int | None = None
    meter_stop_wh: int | None = None
    stop_reason: str | None = None
    stop_tag: str | None = None
    stop: SendState = SendState.NONE


class QueuedMessage(Struct, frozen=True):
    """One transaction-related message that the central system has not answered yet."""

    sequence: int
    """Rises for each charge point; the order of delivery. Begins anew when an empty queue is loaded."""
    kind: MessageKind
    transaction: int
    """`Transaction.number`."""
    payload: bytes = b""
    """What the transaction's record does not hold: the samples of a METER_VALUES."""
    attempts: int = 0
    """Transmissions so far that the central system failed to process (`Q-4`)."""
    not_before_ms: int | None = None
    """UTC; a retry waits until then."""


# --- records of a turn --------------------------------------------------------------------------


class SaveState(Struct, frozen=True):
    """The charge point's own state, whole, as JSON."""

    document: bytes


class SetConfiguration(Struct, frozen=True):
    """A configuration key that differs from its default; None removes the difference."""

    key: str
    value: str | None


class PutTransaction(Struct, frozen=True):
    """Insert or replace a transaction."""

    transaction: Transaction


class Enqueue(Struct, frozen=True, gc=False):
    """Append a message to the queue, and note the sample it carries in its transaction.

    `sampled_ms` and `register_wh` are 0 for messages that carry no sample; otherwise they become
    the transaction's.
    """

    message: QueuedMessage
    sampled_ms: int = 0
    register_wh: int = 0


class Attempted(Struct, frozen=True):
    """The central system failed to process a message; it waits for its next attempt."""

    sequence: int
    attempts: int
    not_before_ms: int


class Dequeue(Struct, frozen=True, gc=False):
    """The central system has answered a message."""

    sequence: int


class Bury(Struct, frozen=True):
    """Move a message from the queue to the dead letters (`Q-4`)."""

    sequence: int
    at_ms: int
    reason: str


Record = SaveState | SetConfiguration | PutTransaction | Enqueue | Attempted | Dequeue | Bury


# --- what is read back --------------------------------------------------------------------------


class QueuePage(Struct, frozen=True):
    """The next messages of a queue with the transactions they belong to."""

    messages: tuple[QueuedMessage, ...] = ()
    transactions: tuple[Transaction, ...] = ()
    more: bool = False
    """There are messages behind these."""


class StoredChargePoint(Struct, frozen=True):
    """All that a charge point is rebuilt from."""

    document: bytes | None = None
    """As saved; None for a charge point that has never run."""
    configuration: dict[str, str] = {}
    open_transactions: tuple[Transaction, ...] = ()
    """Those that have not ended (`stopped_ms` is None)."""
    next_transaction: int = 1
    next_sequence: int = 1
    queue: QueuePage = QueuePage()
    """The head of the queue."""
