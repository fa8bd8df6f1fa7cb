"""The virtual charge point: one input, one turn.

`ChargePoint` holds the state and the frame of a turn; what a turn does is in one module for each
concern of OCPP, whose functions take the charge point as their first argument. Nothing here knows
a socket, a clock, a database or asyncio.
"""

from collections.abc import Callable, Mapping
from math import inf
from types import MappingProxyType
from typing import Final
from zlib import crc32

from msgspec import structs

from chargebridge.chargepoint import (
    authorization,
    availability,
    boot,
    calls,
    central_system,
    charger,
    charger_settings,
    configuration,
    data_transfer,
    dead_letters,
    delivery,
    kept_list,
    limits,
    local_list,
    outcomes,
    remote_control,
    sampling,
    sessions,
    smart_charging,
    status,
    transaction_data,
    transactions,
)
from chargebridge.chargepoint.meter_values import Latest
from chargebridge.chargepoint.open_call import OpenCall
from chargebridge.chargepoint.records import (
    LettersFound,
    LettersQuery,
    ListFound,
    QueuedMessage,
    QueuePage,
    Record,
    SaveState,
    SessionQuery,
    SessionsFound,
    StoredChargePoint,
    TokenQuery,
    TokensFound,
    Transaction,
)
from chargebridge.chargepoint.schedules import Installed
from chargebridge.chargepoint.state import Settings, State, dump, load
from chargebridge.chargepoint.status import Reported
from chargebridge.chargepoint.timers import Timer
from chargebridge.chargepoint.triggers import Triggered
from chargebridge.chargepoint.turn import (
    Assigned,
    ChargerTold,
    CommandEnded,
    Described,
    Effects,
    FrameReceived,
    Input,
    LinkClosed,
    LinkOpened,
    Notice,
    NoticeKind,
    OperatorAsked,
    Output,
    Released,
    SetPing,
    StoreRead,
    Woken,
)
from chargebridge.clock import Instant
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.ocpp16.text import fit

LONGEST_DETAIL: Final = 300
"""Characters of a notice: what others say goes into it, such as why a charger has refused something."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_FRESH: Final = StoredChargePoint()


class ChargePoint:
    """One virtual charge point.

    Args:
        settings: what the configuration says of it.
        stored: what the store knows of it; None for one that has never run.
    """

    __slots__ = (
        "_changed",
        "_outputs",
        "_records",
        "abandoned",
        "authorizing",
        "boot_due",
        "boot_interval_s",
        "boot_silences",
        "call",
        "call_number",
        "call_prefix",
        "clock_due_ms",
        "configuration",
        "configured",
        "epoch",
        "giving",
        "heard_mono",
        "heartbeat_due",
        "held",
        "held_list",
        "held_transfer",
        "is_new",
        "late_call",
        "latest",
        "loaded_through",
        "measured_ms",
        "next_sequence",
        "next_transaction",
        "now",
        "offer",
        "probe_due",
        "profiles",
        "queue",
        "reachable",
        "reading_queue",
        "registration",
        "reported",
        "restarted",
        "running",
        "samples",
        "sending_again",
        "settings",
        "settled",
        "state",
        "status_failed",
        "statuses",
        "telemetry",
        "tight_through",
        "timers",
        "transaction_over",
        "transactions",
        "triggered",
        "unsampled_wh",
        "verdicts",
        "wake_at",
        "written",
    )

    # All that a charge point is, in one place.
    def __init__(  # noqa: PLR0915
        self, settings: Settings, stored: StoredChargePoint | None = None
    ) -> None:
        stored = stored or _FRESH
        self.is_new = stored.document is None
        self.state = State() if stored.document is None else load(stored.document)
        self.reachable = False
        """Whether the charger's cloud can reach it: unknown, so not, until its driver says so."""
        self.configuration: Mapping[str, str] = stored.configuration or _NOTHING
        self.now = Instant(0, 0.0)
        self.timers: dict[Timer, float] = {}
        self.wake_at = inf
        """The monotonic time at which a `Woken` is wanted; infinity if never."""

        # The link and the calls on it.
        self.epoch = 0
        """Of the open connection; 0 while there is none."""
        self.call: OpenCall | None = None
        """Ours that waits for its answer: at most one (`RPC-5`)."""
        self.late_call: OpenCall | None = None
        """One that has timed out, until a Heartbeat has told whether the link is deaf."""
        self.probe_due = False
        self.call_number = 0
        self.call_prefix = ""
        self.heard_mono = 0.0
        """When the central system last answered."""

        # Registration.
        self.registration: RegistrationStatus | None = None
        self.boot_due = True
        self.boot_silences = 0
        self.boot_interval_s = 0
        self.heartbeat_due = False
        self.restarted = False
        """The boot under way is one of a reset or a restart of the charger."""
        self.settled = True
        """False during the Available that follows such a boot."""

        # What is to be said when its turn comes. Shared empty values: idle costs nothing.
        self.statuses: list[Reported] = _EMPTY
        self.reported: tuple[Reported | None, Reported | None] = (None, None)
        self.status_failed = False
        """The central system did not take a status: the present ones are told again."""
        self.triggered: list[Triggered] = _EMPTY
        self.telemetry: bytes | None = None
        """A MeterValues of no transaction."""
        self.latest: Latest | None = None
        self.authorizing: authorization.Authorizing | None = None
        self.held: remote_control.HeldUnlock | None = None
        self.held_list: local_list.HeldList | None = None
        self.held_transfer: data_transfer.HeldTransfer | None = None
        self.verdicts: tuple[local_list.Verdict, ...] = ()
        """What the central system said of tokens, and the list is being asked about."""
        self.giving: kept_list.Giving | None = None

        self.profiles: tuple[Installed, ...] = tuple(map(smart_charging.loaded, stored.profiles))
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
        """How far the newest session was told of when its charger was given up; it may go on elsewhere."""
        self.unsampled_wh = 0
        """The newest register reading of the running one, where no sample has told it yet."""
        self.measured_ms = 0
        """When the newest values that were forwarded as they came were measured, by the charger's clock."""
        self.samples = transaction_data.load(stored.samples)
        """What the StopTransaction of the running one will tell, so far (`MV-7`)."""
        self.clock_due_ms = 0
        """UTC; the moment of the next clock-aligned sample."""
        self.queue: list[QueuedMessage] = list(stored.queue.messages) or _EMPTY
        """The head of the queue; more is in the store while `loaded_through < next_sequence - 1`."""
        self.next_sequence = stored.next_sequence
        self.next_transaction = stored.next_transaction
        self.loaded_through = (
            self.queue[-1].sequence if self.queue and stored.queue.more else stored.next_sequence - 1
        )
        self.reading_queue = False
        self.tight_through = 0
        """The end of the queue when a sample was last left out for its length."""
        self.sending_again: dead_letters.SendingAgain | None = None

        # Facts of a turn, for the concerns above those that find them out; empty between turns.
        self.transaction_over = False
        """The last session has ended and none is running."""
        self.written: tuple[str, ...] = ()
        """The configuration keys that were written."""

        self._records: list[Record] = []
        self._outputs: list[Output] = []
        self._changed = False
        self.adopt(settings)

    def __repr__(self) -> str:
        return (
            f"<ChargePoint {self.settings.identity} {self.registration or 'unregistered'}"
            f" {status.connector(self).status} queue={len(self.queue)}>"
        )

    def adopt(self, settings: Settings) -> None:
        """Go by these settings from now on; also between two turns.

        Args:
            settings: as configured; what they leave open the driver's word on the charger fills in.
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
                phases=info.phases,
                max_current_a=info.max_current_a,
            )
        self.settings = settings
        self.offer = configuration.offer(settings.behaviour, settings.capabilities)
        sampling.schedule(self)

    # --- a turn -----------------------------------------------------------------------------------

    def resume(self, now: Instant) -> Effects:
        """Take up the loaded state: give again what it owes the charger, and set its deadlines.

        Called once, before any input.
        """
        self._begin(now)
        charger.check_identity(self)
        if self.is_new:
            configuration.write_initial(self)
            self.changed()
        if "WebSocketPingInterval" in self.configuration:
            _set_ping(self)
        authorization.resume(self)
        remote_control.resume(self)
        sessions.resume(self)
        delivery.resume(self)
        sampling.schedule(self)
        limits.refresh(self)
        return self._finish()

    def handle(self, an_input: Input, now: Instant) -> Effects:
        """Take one input and return what it leads to.

        Args:
            an_input: what happened.
            now: when; `mono` must not run backwards.
        """
        self._begin(now)
        if self.wake_at <= now.mono:
            self._fire()
        match an_input:
            case FrameReceived():
                if an_input.epoch == self.epoch:
                    central_system.frame_received(self, an_input.data)
            case ChargerTold():
                charger.told(self, an_input.event)
            case Woken():
                pass  # what is overdue has been done already, as before any other input
            case StoreRead():
                self._store_read(an_input)
            case CommandEnded():
                outcomes.ended(self, an_input.outcome)
            case LinkOpened():
                calls.link_opened(self, an_input.epoch)
            case LinkClosed():
                if an_input.epoch == self.epoch:
                    calls.link_lost(self)
            case Described():
                charger.described(self, an_input.info)
            case Released():
                charger.released(self)
            case Assigned():
                charger.assigned(self, an_input)
            case OperatorAsked():
                remote_control.operator_asked(self, an_input)
        return self._finish()

    def _store_read(self, read: StoreRead) -> None:
        if isinstance(read.found, QueuePage):
            delivery.page_read(self, read.found)
        elif isinstance(read.query, SessionQuery) and isinstance(read.found, SessionsFound):
            data_transfer.sessions_read(self, read.query, read.found)
        elif isinstance(read.query, TokenQuery) and isinstance(read.found, TokensFound):
            authorization.tokens_read(self, read.query, read.found)
            local_list.tokens_read(self, read.query, read.found)
        elif isinstance(read.query, LettersQuery) and isinstance(read.found, LettersFound):
            queued = dead_letters.letters_read(self, read.query, read.found)
            if queued is not None:
                data_transfer.sent_again(self, queued)
        elif isinstance(read.found, ListFound):
            kept_list.list_read(self, read.found)

    def _begin(self, now: Instant) -> None:
        self.now = now
        self._records = []
        self._outputs = []

    def _finish(self) -> Effects:
        # What was found out in this turn, and others act on.
        if self.transaction_over:
            self.transaction_over = False
            remote_control.session_over(self)
        while self.written:
            name, *rest = self.written
            self.written = tuple(rest)
            _EFFECTS.get(name, charger_settings.refresh)(self)
        # What waits for a condition.
        if self.state.reset is not None:
            remote_control.proceed_with_reset(self)
        # What follows from the state.
        if self._changed:
            if self.state.scheduled:
                availability.apply_scheduled(self)
            status.refresh(self)
            charger_settings.refresh(self)
            limits.refresh(self)
        # What is said next.
        if self.call is None and self.epoch:
            calls.advance(self)
        if self._changed:
            self._changed = False
            self._records.append(SaveState(dump(self.state)))
        self.wake_at = min(self.timers.values(), default=inf)
        return Effects(self._records, self._outputs)

    def _fire(self) -> None:
        mono = self.now.mono
        for timer in [timer for timer, deadline in self.timers.items() if deadline <= mono]:
            # One that fired may have cancelled or renewed another.
            if self.timers.get(timer, inf) <= mono:
                del self.timers[timer]
                _TIMERS[timer](self)

    # --- what the concerns use --------------------------------------------------------------------

    def record(self, record: Record) -> None:
        """Make this durable with the turn."""
        self._records.append(record)

    def let_out(self, output: Output) -> None:
        """Let this out once the turn is durable."""
        self._outputs.append(output)

    def notice(self, kind: NoticeKind, detail: str, times: int = 1) -> None:
        """Tell the operator's side; never carries secrets, and no more than fits into a line of a log."""
        self._outputs.append(Notice(kind, fit(detail, LONGEST_DETAIL), times))

    def changed(self) -> None:
        """The durable state is not what it was; it is saved at the end of the turn."""
        self._changed = True

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

    def drop_link(self, reason: str) -> None:
        """Close the connection once what was said before is written; it comes back by itself."""
        calls.drop_link(self, reason)

    @property
    def accepted(self) -> bool:
        """Whether the central system has registered this charge point."""
        return self.registration is RegistrationStatus.ACCEPTED

    @property
    def online(self) -> bool:
        """Whether the central system can be asked."""
        return self.epoch != 0 and self.accepted

    @property
    def heartbeat_interval_s(self) -> int:
        """Seconds between heartbeats: as written, else as the behaviour says, else as the boot answer."""
        written = self.configuration.get("HeartbeatInterval")
        if written is not None:
            return int(written)
        fixed = self.settings.behaviour.heartbeat_interval_s
        return self.boot_interval_s if fixed is None else fixed


# Never written to: whoever has something to say makes a list of its own.
_EMPTY: Final[list] = []  # type: ignore[type-arg]  # shared by lists of several types


_TIMERS: Final[Mapping[Timer, Callable[[ChargePoint], None]]] = {
    Timer.CALL: calls.timed_out,
    Timer.BOOT: boot.interval_over,
    Timer.HEARTBEAT: boot.heartbeat_interval_over,
    Timer.RETRY: delivery.retry_interval_over,
    Timer.CONNECTION: authorization.connection_timed_out,
    Timer.HELD_ANSWER: remote_control.held_answer_overdue,
    Timer.SETTLE: availability.settled,
    Timer.RESET: remote_control.reset_overdue,
    Timer.REBOOT: remote_control.reboot_again,
    Timer.COMMAND: outcomes.try_again,
    Timer.LIMIT: limits.refresh,
    Timer.SAMPLE: sampling.interval_over,
    Timer.CLOCK: sampling.clock_due,
    Timer.LIST: kept_list.retry,
    Timer.SESSION_END: sessions.wait_no_longer,
    Timer.RESTART: remote_control.restart_overdue,
}


def _set_ping(charge_point: ChargePoint) -> None:
    charge_point.let_out(SetPing(configuration.integer(charge_point, "WebSocketPingInterval")))


_EFFECTS: Final[Mapping[str, Callable[[ChargePoint], None]]] = {
    "HeartbeatInterval": boot.schedule_heartbeat,
    "WebSocketPingInterval": _set_ping,
    "ConnectionTimeOut": authorization.connection_timeout_changed,
    "LocalAuthListEnabled": local_list.switched,
    "MeterValueSampleInterval": sampling.schedule,
    "ClockAlignedDataInterval": sampling.schedule,
    "StopTransactionOnInvalidId": transactions.heed_refusal,
}
"""What a written key leads to (`CF-5`); any other may be a setting of the charger."""
