"""The queries to the store and their answers, and what a charge point is rebuilt from."""

from msgspec import Struct

from chargebridge.chargepoint.records.stored import QueuedMessage, StoredProfile, Token, Transaction


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
    queued: int | None = None
    """Messages in the queue, in all; None: it has no gaps, so their numbers say."""
    profiles: tuple[StoredProfile, ...] = ()
    samples: bytes | None = None
    """As put by `PutSamples` for the transaction that has not ended."""
