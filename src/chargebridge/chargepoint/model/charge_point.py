"""A charge point without its concerns: its state, and the verbs of a turn that every concern uses.

The concerns of OCPP are on the floors above, as functions whose first argument is the charge
point.
"""

from collections.abc import Mapping
from math import inf
from types import MappingProxyType
from typing import Final
from zlib import crc32

from msgspec import structs

from chargebridge.chargepoint.model import state, volatile
from chargebridge.chargepoint.model.open_call import OpenCall
from chargebridge.chargepoint.model.state import Settings, State
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.model.volatile import (
    Authorizing,
    HeldList,
    HeldTransfer,
    HeldUnlock,
    Latest,
    ListTransfer,
    Redelivery,
    SettingAside,
    StatusReport,
    TokenStatus,
    Triggered,
)
from chargebridge.chargepoint.records import QueuedMessage, Record, StoredChargePoint, Transaction
from chargebridge.chargepoint.rules import keys, measurands, schedules
from chargebridge.chargepoint.rules.schedules import Installed
from chargebridge.chargepoint.turn import Notice, NoticeKind, Output, SendFrame
from chargebridge.chargers.model import Capability, Configure, LimitShown
from chargebridge.clock import Instant
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.ocpp16.fields import Response
from chargebridge.ocpp16.frames import encode_result
from chargebridge.ocpp16.text import fit

LONGEST_DETAIL: Final = 300
"""Characters of a notice: what others say goes into it, such as why a charger has refused something."""
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_FRESH: Final = StoredChargePoint()


# Never written to: a charge point with messages makes a list of its own.
_EMPTY: Final[list] = []  # type: ignore[type-arg]  # shared by lists of several types


class ChargePoint:
    """One virtual charge point.

    Args:
        settings: what the configuration says of it.
        stored: what the store knows of it; None for one that has never run.
    """

    __slots__ = (
        "_dirty",
        "_outputs",
        "_records",
        "abandoned",
        "advised",
        "answered_here",
        "answered_mono",
        "attempts",
        "authorizing",
        "boot_due",
        "boot_interval_s",
        "boot_timeouts",
        "booted_as",
        "call",
        "call_number",
        "call_prefix",
        "clock_due_ms",
        "clock_ms",
        "configuration",
        "configured",
        "contacted",
        "epoch",
        "hang_ups",
        "heartbeat_due",
        "held_list",
        "held_transfer",
        "held_unlock",
        "is_new",
        "late_call",
        "latest",
        "left_settings",
        "limit_shown",
        "list_transfer",
        "loaded_through",
        "measurable",
        "measured_ms",
        "near_limit_through",
        "next_sequence",
        "next_transaction",
        "now",
        "offer",
        "probe_due",
        "profiles",
        "queue",
        "queue_gaps",
        "reachable",
        "reading_queue",
        "redelivery",
        "registration",
        "reported_statuses",
        "restarted",
        "restored_anew",
        "running",
        "samples",
        "setting_aside",
        "settings",
        "settled",
        "state",
        "state_repeated_ms",
        "state_unseen_until_ms",
        "status_failed",
        "status_hang_ups",
        "statuses",
        "telemetry",
        "timers",
        "token_statuses",
        "transaction_over",
        "transactions",
        "triggered",
        "unsampled",
        "unsampled_by_clock",
        "unsampled_ms",
        "unsampled_wh",
        "wake_at",
        "written",
    )

    # All that a charge point is, in one place.
    def __init__(  # noqa: PLR0915
        self, settings: Settings, stored: StoredChargePoint | None = None
    ) -> None:
        stored = stored or _FRESH
        self.is_new = stored.document is None
        self.state = State() if stored.document is None else state.load(stored.document)
        self.restored_anew = stored.restored is not None and stored.restored != self.state.restored
        """The store was restored from a backup, and this charge point has not run since."""
        if stored.restored is not None and self.restored_anew:
            self.state = state.after_restore(self.state, stored.restored)
        self.reachable = False
        """Whether the charger's cloud can reach it: unknown, so not, until its driver says so."""
        self.limit_shown: LimitShown | None = None
        """The newest limit that the charger shows; None: its driver has not said."""
        self.state_repeated_ms = 0
        """The latest time at which the charger has reported its present state again."""
        self.state_unseen_until_ms: int | None = None
        """Up to this time the charger may have had other states, unseen, since it could not be reached.

        None: it cannot be reached, or has not reported its state since it can.
        """
        self.configuration: Mapping[str, str] = stored.configuration or _NOTHING
        self.now = Instant(0, 0.0)
        self.timers: dict[Timer, float] = {}
        self.wake_at = inf
        """The monotonic time at which a `TimerFired` is wanted; infinity if never."""

        # The link and the calls on it.
        self.epoch = 0
        """Of the open connection; 0 while there is none."""
        self.call: OpenCall | None = None
        """Ours that waits for its answer: at most one (`RPC-5`)."""
        self.late_call: OpenCall | None = None
        """One that has timed out, until a Heartbeat has shown whether the link is deaf."""
        self.probe_due = False
        self.call_number = 0
        self.call_prefix = ""
        self.answered_here = False
        """Whether the central system has answered anything on this connection."""
        self.answered_mono = 0.0
        """When the central system last answered."""

        # Registration.
        self.registration: RegistrationStatus | None = None
        self.boot_due = True
        self.boot_timeouts = 0
        self.boot_interval_s = 0
        self.booted_as: tuple[str, str, str] | None = None
        """The vendor, model and serial number of the last BootNotification; None: there was none."""
        self.contacted = False
        """There was a connection to the central system, in this process."""
        self.heartbeat_due = False
        self.restarted = False
        """The boot under way is one of a reset or a restart of the charger."""
        self.settled = True
        """False during the Available that follows such a boot."""

        # Messages that are sent when their turn comes. Shared empty values: idle costs nothing.
        self.statuses: list[StatusReport] = _EMPTY
        self.reported_statuses: tuple[StatusReport | None, StatusReport | None] = (None, None)
        self.status_failed = False
        """The central system did not take a status: the present ones are sent again."""
        self.status_hang_ups = 0
        """How often in a row the connection has ended at a StatusNotification."""
        self.triggered: list[Triggered] = _EMPTY
        self.telemetry: bytes | None = None
        """A MeterValues of no transaction."""
        self.latest: Latest | None = None
        self.authorizing: Authorizing | None = None
        self.held_unlock: HeldUnlock | None = None
        self.held_list: HeldList | None = None
        self.held_transfer: HeldTransfer | None = None
        self.token_statuses: tuple[TokenStatus, ...] = ()
        """Statuses of tokens by the central system, while the list is being read."""
        self.list_transfer: ListTransfer | None = None

        self.profiles: tuple[Installed, ...] = tuple(map(schedules.loaded, stored.profiles))
        """The charging profiles that are installed."""

        # Transactions and their messages.
        self.transactions: dict[int, Transaction] = {
            transaction.number: transaction
            for transaction in (*stored.open_transactions, *stored.queue.transactions)
        }
        self.running: Transaction | None = max(
            (transaction for transaction in self.transactions.values() if transaction.stopped_ms is None),
            key=lambda transaction: transaction.number,
            default=None,
        )
        self.abandoned: Transaction | None = None
        """The newest session, as far as it was reported when its charger was released; it may go on."""
        self.left_settings: tuple[str, Configure] | None = None
        """The charger that was released, and what it may have been set to that is unusual."""
        self.unsampled_wh = 0
        """The newest register reading of the running one that has come since, in a sample or not."""
        self.unsampled_ms = 0
        """When that was measured; 0 if none has come."""
        self.measured_ms = 0
        """The time of the newest values of the running one, by the charger's clock."""
        self.unsampled = self.unsampled_by_clock = 0
        """The quantities that were measured since they were in a sample at intervals, or by the clock."""
        self.samples = volatile.load_samples(stored.samples)
        """The transactionData of the running one so far (`MV-7`)."""
        self.clock_due_ms = 0
        """UTC; the time of the clock for which the next clock-aligned sample is."""
        self.clock_ms = 0
        """When the newest values in a clock-aligned sample were measured."""
        self.queue: list[QueuedMessage] = list(stored.queue.messages) or _EMPTY
        """The head of the queue; more is in the store while `loaded_through < next_sequence - 1`."""
        self.next_sequence = stored.next_sequence
        self.next_transaction = stored.next_transaction
        self.loaded_through = (
            self.queue[-1].sequence if self.queue and stored.queue.more else stored.next_sequence - 1
        )
        self.queue_gaps = 0
        """Numbers behind `loaded_through` that no message has: those were set aside."""
        if stored.queued is not None:
            behind = self.next_sequence - 1 - self.loaded_through
            self.queue_gaps = behind - (stored.queued - len(self.queue))
        self.reading_queue = False
        self.hang_ups = 0
        """How often in a row the connection has ended at the head, while others were answered."""
        self.advised = False
        """The operator knows of the compatibility that spells a temperature's unit differently."""
        self.attempts: tuple[str, ...] = ()
        """Message ids of the attempts of the head on this connection, as far as they have no answer."""
        self.near_limit_through = 0
        """The end of the queue when a sample was last dropped for its length."""
        self.redelivery: Redelivery | None = None
        self.setting_aside: SettingAside | None = None

        # Facts of a turn, for the concerns above those that find them out; empty between turns.
        self.transaction_over = False
        """The last session has ended and none is running."""
        self.written: tuple[str, ...] = ()
        """The configuration keys that were written."""

        self._records: list[Record] = []
        self._outputs: list[Output] = []
        self._dirty = False
        self.apply_settings(settings)

    def apply_settings(self, settings: Settings) -> None:
        """Go by these settings from now on, as far as data goes.

        Args:
            settings: as configured; the driver's description of the charger fills in what they leave open.
        """
        self.configured = settings
        info = self.state.info
        if info is not None:
            settings = structs.replace(
                settings,
                vendor=settings.vendor or info.vendor,
                model=settings.model or info.model,
                serial=settings.serial or info.serial,
                capabilities=info.capabilities,
                read_only=info.read_only,
                phases=info.phases,
                max_current_a=info.max_current_a,
                measures=info.measures,
                measures_by_phase=info.measures_by_phase,
            )
        self.settings = settings
        self.offer = keys.offer(settings.behaviour, settings.capabilities)
        self.measurable = measurands.measurable(
            settings.phases,
            settings.measures,
            settings.measures_by_phase,
            temperature=info is None or Capability.TEMPERATURE in settings.capabilities,
        )

    # --- the verbs of a turn ----------------------------------------------------------------------

    def record(self, record: Record) -> None:
        """Add a record, which becomes durable with the turn."""
        self._records.append(record)

    def emit(self, output: Output) -> None:
        """Emit an output; it leaves once the turn is durable."""
        self._outputs.append(output)

    def answer(self, call_id: str, response: Response) -> None:
        """Answer a CALL whose answer was held, unless the charge point has to be silent (`BOOT-6`)."""
        if not self.silent:
            self._outputs.append(SendFrame(self.epoch, encode_result(call_id, response)))

    def notice(self, kind: NoticeKind, detail: str, times: int = 1) -> None:
        """Notify the operator; never with secrets, and with no more than fits into a line of a log."""
        self._outputs.append(Notice(kind, fit(detail, LONGEST_DETAIL), times))

    def notice_unusable(self, action: str, fields: tuple[str, ...]) -> None:
        """Notify the operator of fields of an answer that cannot be used; never of their values."""
        if fields:
            self.notice(NoticeKind.ANSWER_PARTLY_UNUSABLE, f"{action}: {', '.join(fields)}")

    def mark_dirty(self) -> None:
        """Have the durable state saved at the end of the turn, since it has changed."""
        self._dirty = True

    def set_timer(self, timer: Timer, seconds: float) -> None:
        """Set or move a deadline."""
        self.timers[timer] = self.now.mono + seconds

    def set_timer_until(self, timer: Timer, utc_ms: int, at_most_s: float) -> None:
        """Set a deadline that was stored as UTC, clamped against jumps of the host's clock."""
        self.set_timer(timer, min(max((utc_ms - self.now.utc_ms) / 1000, 0.0), at_most_s))

    def cancel_timer(self, timer: Timer) -> None:
        """Forget a deadline, set or not."""
        self.timers.pop(timer, None)

    def jitter(self, seconds: float) -> float:
        """Shorten a duration by a tenth at most, so that a fleet does not act in step."""
        spread = crc32(f"{self.settings.identity}/{self.call_number}".encode()) / 2**32
        return seconds * (0.9 + 0.1 * spread)

    @property
    def accepted(self) -> bool:
        """Whether the central system has registered this charge point."""
        return self.registration is RegistrationStatus.ACCEPTED

    @property
    def online(self) -> bool:
        """Whether the charge point is connected and registered."""
        return self.epoch != 0 and self.accepted

    @property
    def silent(self) -> bool:
        """Whether nothing may be sent, not even answers (`BOOT-6`)."""
        return self.registration is RegistrationStatus.REJECTED and (
            self.boot_due or Timer.BOOT in self.timers
        )

    @property
    def heartbeat_interval_s(self) -> int:
        """Seconds between heartbeats: as written, else as the behaviour says, else as the boot answer."""
        written = self.configuration.get("HeartbeatInterval")
        if written is not None:
            return int(written)
        fixed = self.settings.behaviour.heartbeat_interval_s
        return self.boot_interval_s if fixed is None else fixed
