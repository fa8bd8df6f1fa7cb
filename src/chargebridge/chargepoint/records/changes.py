"""The records of a turn: changes to what is stored, which are committed together or not at all."""

from msgspec import Struct

from chargebridge.chargepoint.records.stored import Attempt, QueuedMessage, StoredProfile, Token, Transaction


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


class DeadLetterAll(Struct, frozen=True):
    """Move the whole queue to the dead letters; each history ends with the reason.

    The Starts and Stops of their transactions are dead from now on.
    """

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
    | DeadLetterAll
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
