"""The inputs of a turn of a charge point, and its outputs."""

from enum import StrEnum
from typing import Final, NamedTuple

from msgspec import Struct

from chargebridge.chargepoint.records import Found, Query, Record, ReportedSpan, Settlement
from chargebridge.chargers.model import ChargerCommand, ChargerEvent, ChargerInfo, CommandOutcome, Configure

# --- inputs ---------------------------------------------------------------------------------------


class LinkOpened(Struct, frozen=True):
    """The WebSocket to the central system is open; `epoch` rises with every connection."""

    epoch: int


class LinkClosed(Struct, frozen=True):
    """That connection is gone, and with it whatever was under way on it."""

    epoch: int
    reason: str = ""
    """For people."""
    code: int | None = None
    """By which the central system ended it (RFC 6455 §7.4.1), 1006 if it just broke; None: we did."""


class FrameReceived(Struct, frozen=True, gc=False):
    """One text message of the central system."""

    epoch: int
    data: bytes


class ChargerReported(Struct, frozen=True):
    """The charger has reported an event."""

    event: ChargerEvent


class CommandEnded(Struct, frozen=True):
    """A command given to the charger has an outcome."""

    outcome: CommandOutcome


class StoreRead(Struct, frozen=True):
    """The store's answer to a `ReadStore`."""

    query: Query
    found: Found


class TimerFired(Struct, frozen=True):
    """A deadline has passed."""


class ChargerDescribed(Struct, frozen=True):
    """Its driver has described what the charger is and can do."""

    info: ChargerInfo


class ChargerReleased(Struct, frozen=True):
    """The charger is this charge point's no longer: nothing more will come of it."""


class ChargerAssigned(Struct, frozen=True):
    """A charger has come that may have had other charge points, with what they have reported of it."""

    session: int
    """The newest session that any transaction reports; 0 for none."""
    at_ms: int
    register_wh: int
    """Up to where it is reported: the newest reading in that transaction."""
    profile_writes: tuple[tuple[int, int], ...] = ()
    """(day since 1970, writes): how often profiles were written to its memory."""
    since_ms: int | None = None
    """UTC; of the older sessions that ended later than that, those are reported that are among `lately`.
    None: all of them."""
    lately: tuple[ReportedSpan, ...] = ()
    """Older sessions that are reported, by number, rising."""
    settings: Configure | None = None
    """What its last charge point may have set it to, other than chargers usually are; its number is 0."""


class Operation(StrEnum):
    """The operations that an operator may request of a charge point, beside its central system."""

    STOP_TRANSACTION = "stop_transaction"
    RESET = "reset"
    UNLOCK = "unlock"
    BOOT = "boot"
    """Send a BootNotification at once, whatever interval the central system has named when it refused one."""
    REDELIVER = "redeliver"
    """Queue dead letters once more."""
    SETTLE = "settle"
    """Settle dead letters: an operator has dealt with them by hand."""
    SET_ASIDE = "set_aside"
    """Make a queued message a dead letter."""
    END = "end"
    """Make the whole queue dead letters, at a charge point that is leaving the configuration."""


UNANSWERED: Final = 0
"""The number of a request whose answer nobody awaits."""


class OperatorAsked(Struct, frozen=True):
    """An operator's request; its number `ask` comes back in `OperatorAnswered`."""

    ask: int
    operation: Operation
    transaction: int | None = None
    """For REDELIVER and SETTLE: of which transaction, by `Transaction.number`; None: of all."""
    settlement: Settlement | None = None
    """For SETTLE, SET_ASIDE and END: who, and why."""
    sequence: int = 0
    """For SET_ASIDE: `QueuedMessage.sequence`."""
    fingerprint: str = ""
    """For SET_ASIDE: `QueuedMessage.fingerprint`; if it is another, the message is not there any more."""


Input = (
    LinkOpened
    | LinkClosed
    | FrameReceived
    | ChargerReported
    | CommandEnded
    | StoreRead
    | TimerFired
    | ChargerDescribed
    | ChargerReleased
    | ChargerAssigned
    | OperatorAsked
)


# --- outputs --------------------------------------------------------------------------------------


class SendFrame(NamedTuple):
    """Send this text message on the connection of this epoch."""

    epoch: int
    data: bytes


class CloseLink(NamedTuple):
    """Close that connection once what was sent before is written; the link reconnects by itself."""

    epoch: int
    reason: str
    pause_s: float = 0.0
    """It does so after this pause at the earliest, or when a `ReopenLink` ends that."""


class ReopenLink(NamedTuple):
    """Connect now, if only such a pause holds the link back."""

    reason: str


class SetPing(NamedTuple):
    """Send pings at this interval in seconds; 0 means none (`WS-9`)."""

    interval_s: int


class CommandCharger(NamedTuple):
    """Have the charger do this."""

    command: ChargerCommand


class ReadStore(NamedTuple):
    """Ask the store; a `StoreRead` brings the answer."""

    query: Query


class OperatorAnswered(NamedTuple):
    """The answer to an operator's request."""

    ask: int
    accepted: bool
    detail: str


class NoticeKind(StrEnum):
    """Things worth counting, and worth a line in the operator's log."""

    FRAME_REFUSED = "frame_refused"
    CALL_FAILED = "call_failed"
    CALL_TIMED_OUT = "call_timed_out"
    ANSWER_PARTLY_UNUSABLE = "answer_partly_unusable"
    """An answer of the central system has fields that cannot be used; they are as if absent."""
    DEAF_LINK = "deaf_link"
    BOOT_NOT_ACCEPTED = "boot_not_accepted"
    HANG_UP = "hang_up"
    """The connection ends at the same message again and again, while others are answered."""
    DEAD_LETTER = "dead_letter"
    TRANSACTION_DATA_LEFT_OUT = "transaction_data_left_out"
    """A StopTransaction is sent without its transactionData, with which it was not processed."""
    COMPATIBILITY_ADVISED = "compatibility_advised"
    """The central system refuses what a compatibility of the configuration would change."""
    REDELIVERED = "redelivered"
    """Dead letters are queued once more, on request."""
    SETTLED = "settled"
    """Dead letters were dealt with by hand, as an operator says."""
    TRANSACTION_STARTED = "transaction_started"
    TRANSACTION_STOPPED = "transaction_stopped"
    TRANSACTION_REBUILT = "transaction_rebuilt"
    """It reports a session whose record never came: its energy is exact, the rest need not be."""
    AUTHORIZATION_REFUSED = "authorization_refused"
    COMMAND_FAILED = "command_failed"
    COMMAND_LATE = "command_late"
    """A lasting wish did not reach the charger while it was valid; it is sent again."""
    EVENT_IGNORED = "event_ignored"
    END_ASSUMED = "end_assumed"
    """A transaction was ended without a record of its session, since the charger does not have that any more;
    or energy behind such an end became another transaction."""
    END_AWAITED = "end_awaited"
    """The running session is over at the charger, and its record has not come: the driver is asked for it."""
    ENERGY_WITHOUT_SESSION = "energy_without_session"
    """The register has risen since the newest transaction, and no session is known that explains it."""
    IMPLAUSIBLE_TIME = "implausible_time"
    PROFILE_WRITTEN = "profile_written"
    """A profile went into the charger's memory, which wears it."""
    WRITE_BUDGET_EXCEEDED = "write_budget_exceeded"
    """Profiles come too often for the charger's memory: they are carried out by the volatile limit now."""
    LOCAL_LIST_CONFLICT = "local_list_conflict"
    QUEUE_NEAR_LIMIT = "queue_near_limit"
    """So many messages wait that samples are dropped from now on."""
    SAMPLE_DROPPED = "sample_dropped"


class Notice(NamedTuple):
    """A notice to the operator; `detail` holds no secrets."""

    kind: NoticeKind
    detail: str
    times: int = 1
    """How often it has happened."""


Output = SendFrame | CloseLink | ReopenLink | SetPing | CommandCharger | ReadStore | OperatorAnswered | Notice


class Effects(NamedTuple):
    """The results of a turn: records to make durable, then outputs to emit, in order."""

    records: list[Record]
    outputs: list[Output]
