"""The values that are stored: transactions, the messages of the queue, charging profiles, tokens."""

from enum import StrEnum
from zlib import crc32

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
    assumed: bool = False
    """Its end was assumed, since the record of its session did not come in time. What that contains more is
    another transaction of the same session. While it is open: before a restore."""


class Restored(Struct, frozen=True):
    """A restore of the store from a backup: what was sent in between is not in it."""

    taken_ms: int
    """UTC; when the backup was taken."""
    until_ms: int
    """UTC; until then the gateway may have gone on after the backup, and sent what the store lacks."""


class ReportedSession(Struct, frozen=True):
    """The point up to which a session of a charger is reported, by this charge point or another."""

    session: int
    at_ms: int
    register_wh: int


class ReportedSpan(Struct, frozen=True):
    """A session of a charger with where its transactions begin and end, at whichever charge points."""

    start_wh: int
    end: ReportedSession
    """The last of their ends; up to the newest reading where one has not ended."""


class Attempt(Struct, frozen=True):
    """A transmission of a message that the central system failed to process, or that an operator gave up."""

    attempt: int
    """From 1 each time that the message is queued; numbers that are missing have been left out. Of an entry
    by an operator: how many attempts there were."""
    at_ms: int
    """UTC; when it was known to have failed, or the operator asked."""
    reason: str


class QueuedMessage(Struct, frozen=True):
    """One transaction-related message that the central system has not answered yet."""

    sequence: int
    """Rises for each charge point; the order of delivery. Starts at 1 again when an empty queue is loaded.
    Numbers that are missing were set aside, or moved to the end."""
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

    @property
    def fingerprint(self) -> str:
        """Eight hex digits by which people name a message, beside a number that may be another's by now."""
        content = f"{self.transaction} {self.kind.value} ".encode() + self.payload
        return f"{crc32(content):08x}"


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
