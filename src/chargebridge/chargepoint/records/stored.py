"""The records of a turn, which a charge point makes durable, and what is read back.

Neutral towards the protocol version: messages are opaque here, so that the store needs to know
nothing of OCPP. One turn's records are committed together or not at all.
"""

from enum import StrEnum

from msgspec import Struct


class SendState(StrEnum):
    """The state of delivery of a Start or Stop of a transaction to the central system."""

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
    """The charger's number of the session that this transaction reports."""
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
    """The status of its idTag in the answer to the Start."""
    parent_id_tag: str | None = None
    sampled_ms: int = 0
    """When the newest values in a sample were measured, queued or dropped for want of room; older ones are
    repeats."""
    register_wh: int = 0
    """The newest register reading known of this transaction."""
    register_ms: int = 0
    """When that was measured."""
    stopped_ms: int | None = None
    meter_stop_wh: int | None = None
    stop_reason: str | None = None
    stop_tag: str | None = None
    stop: SendState = SendState.NONE
    rebuilt: bool = False
    """Its session was rebuilt (`SessionEnded.rebuilt`): its energy is exact, the rest need not be."""


class ReportedSession(Struct, frozen=True):
    """The point up to which a session of a charger is reported, by this charge point or another."""

    session: int
    at_ms: int
    register_wh: int


class ReportedSpan(Struct, frozen=True):
    """A session of a charger with where its transactions begin and end, at whichever charge points."""

    start_wh: int
    end: ReportedSession
    """The last of their ends; up to the newest sample where one has not ended."""


class Attempt(Struct, frozen=True):
    """A transmission of a message that the central system failed to process."""

    attempt: int
    """From 1 each time that the message is queued; numbers that are missing have been left out."""
    at_ms: int
    """UTC; when it was known to have failed."""
    reason: str


class QueuedMessage(Struct, frozen=True):
    """One transaction-related message that the central system has not answered yet."""

    sequence: int
    """Rises for each charge point; the order of delivery. Starts at 1 again when an empty queue is loaded."""
    kind: MessageKind
    transaction: int
    """`Transaction.number`."""
    payload: bytes = b""
    """The samples of a METER_VALUES or a STOP; all else is in the transaction's record."""
    attempts: int = 0
    """Transmissions so far that the central system failed to process (`Q-4`)."""
    not_before_ms: int | None = None
    """UTC; a retry waits until then."""
    history: tuple[Attempt, ...] = ()
    """Why it was not processed so far: the first attempts and the newest."""
    without_data: bool = False
    """A STOP is sent without its samples: the central system does not take it with them."""


class StoredProfile(Struct, frozen=True):
    """A charging profile that the central system has installed."""

    profile_id: int
    """The central system's; there is at most one profile of an id."""
    connector: int
    purpose: str
    stack_level: int
    document: bytes
    """The profile as JSON."""
    transaction: int | None = None
    """`Transaction.number` of the transaction that a profile is for."""


class Token(Struct, frozen=True):
    """An entry of the local list or the cache. Tags are compared without regard to case."""

    id_tag: str
    status: str
    """AuthorizationStatus of OCPP: Accepted, Blocked, Expired, Invalid, ConcurrentTx."""
    expires_ms: int | None = None
    parent_id_tag: str | None = None


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

    `sampled_ms`, `register_wh` and `register_ms` are 0 for messages that carry no sample; otherwise they
    become the transaction's.
    """

    message: QueuedMessage
    sampled_ms: int = 0
    register_wh: int = 0
    register_ms: int = 0


class Attempted(Struct, frozen=True):
    """The central system failed to process a message; it waits for its next attempt.

    Its fields are those of the message from now on.
    """

    sequence: int
    attempts: int
    not_before_ms: int | None
    history: tuple[Attempt, ...] = ()
    """Of the message, this attempt included."""
    without_data: bool = False


class Dequeue(Struct, frozen=True, gc=False):
    """The central system has answered a message."""

    sequence: int


class DeadLetter(Struct, frozen=True):
    """Move a message from the queue to the dead letters, with its history (`Q-4`)."""

    sequence: int
    at_ms: int
    reason: str


class Redeliver(Struct, frozen=True):
    """Move dead letters of a transaction into the queue again: Start, samples in their order, Stop.

    Their attempts count from zero, their history stays.
    """

    transaction: int
    through: int
    """The newest of them, by its number in the store; later ones stay dead."""
    first_sequence: int
    """Where the first of them goes; the others follow one by one."""


class Settlement(Struct, frozen=True):
    """An operator's word that something needs no more attention: it was dealt with by hand."""

    by: str
    """Who says so."""
    reason: str
    """Why, or how it was dealt with."""


class Settle(Struct, frozen=True):
    """Settle the dead letters of a transaction: they are kept, and not redelivered any more."""

    transaction: int
    through: int
    """The newest of them, by its number in the store."""
    at_ms: int
    settlement: Settlement


class Requeue(Struct, frozen=True):
    """Move a waiting message behind all others; its attempts count from zero, its history stays.

    A STOP is sent with its samples again.
    """

    sequence: int
    new_sequence: int


class PutSamples(Struct, frozen=True):
    """Store the transactionData of a transaction; None: forget it.

    While it runs, the samples so far. Afterwards, what a Stop has said that was answered without its
    Start, in case both are sent again.
    """

    transaction: int
    document: bytes | None


class PutProfile(Struct, frozen=True):
    """Install a profile, replacing the one of its id."""

    profile: StoredProfile


class DropProfile(Struct, frozen=True):
    """Remove an installed profile."""

    profile_id: int


class PutProfileWrites(Struct, frozen=True):
    """Store the number of profiles written to a charger's memory on a day; it belongs to the charger."""

    charger: str
    day: int
    """Since 1970-01-01, UTC."""
    writes: int


class ChangeLocalList(Struct, frozen=True):
    """Change the local list; `full` empties it first. What it lists leaves the cache (`CA-1`)."""

    full: bool
    put: tuple[Token, ...] = ()
    drop: tuple[str, ...] = ()


class PutCached(Struct, frozen=True):
    """Remember the central system's status of a token, unless the local list holds it (`CA-1`).

    Above `room` entries those that are not valid leave first, then the oldest (`CA-3`).
    """

    token: Token
    at_ms: int
    room: int


class ClearTokenCache(Struct, frozen=True):
    """Forget all of the cache (`CA-5`)."""


Record = (
    SaveState
    | SetConfiguration
    | PutTransaction
    | Enqueue
    | Attempted
    | Dequeue
    | DeadLetter
    | Redeliver
    | Settle
    | Requeue
    | PutSamples
    | PutProfile
    | DropProfile
    | PutProfileWrites
    | ChangeLocalList
    | PutCached
    | ClearTokenCache
)


# --- queries and what they find ---------------------------------------------------------------------


class QueueQuery(Struct, frozen=True):
    """The next messages of the queue behind this sequence number; answered by a `QueuePage`."""

    after: int
    limit: int


class TokenQuery(Struct, frozen=True):
    """Look up these idTags in list and cache; answered by `TokensFound`."""

    id_tags: tuple[str, ...]


class TokensFound(Struct, frozen=True):
    """Found entries; what is in neither is left out. The list goes before the cache (§3.5.3)."""

    listed: tuple[Token, ...] = ()
    cached: tuple[Token, ...] = ()
    list_length: int = 0
    """Entries of the whole local list."""


class ListQuery(Struct, frozen=True):
    """The whole local list; answered by `ListFound`."""


class ListFound(Struct, frozen=True):
    """Every entry of the local list, by idTag."""

    tokens: tuple[Token, ...] = ()


class SessionQuery(Struct, frozen=True):
    """Ended transactions that started in [from_ms, until_ms), by start; answered by `SessionsFound`."""

    from_ms: int
    until_ms: int
    limit: int


class SessionsFound(Struct, frozen=True):
    """The transactions of a `SessionQuery`; `more` if the limit cut them."""

    transactions: tuple[Transaction, ...] = ()
    more: bool = False


class DeadLettersQuery(Struct, frozen=True):
    """Transactions with dead letters, by number; answered by `DeadLettersFound`."""

    after: int
    """Only those with a greater number."""
    limit: int
    transactions: tuple[int, ...] | None = None
    """Only these, by number; None: all."""


class DeadTransaction(Struct, frozen=True):
    """A transaction with dead letters."""

    transaction: Transaction
    messages: int
    """How many, of all kinds."""
    through: int
    """The newest of them, by its number in the store."""
    start: bool
    """Whether its Start is among them."""
    stop: bool
    stop_data: bytes | None = None
    """As put by `PutSamples`."""


class DeadLettersFound(Struct, frozen=True):
    """The transactions of a `DeadLettersQuery`; `more` if the limit cut them."""

    transactions: tuple[DeadTransaction, ...] = ()
    more: bool = False


Query = QueueQuery | TokenQuery | ListQuery | SessionQuery | DeadLettersQuery
"""A query to the store, answered after everything that was made durable before it was sent."""


class QueuePage(Struct, frozen=True):
    """The next messages of a queue with the transactions they belong to."""

    messages: tuple[QueuedMessage, ...] = ()
    transactions: tuple[Transaction, ...] = ()
    more: bool = False
    """There are messages behind these."""


Found = QueuePage | TokensFound | ListFound | SessionsFound | DeadLettersFound
"""The answer to a `Query`."""


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
    profiles: tuple[StoredProfile, ...] = ()
    samples: bytes | None = None
    """As put by `PutSamples` for the transaction that has not ended."""
