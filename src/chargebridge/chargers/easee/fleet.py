"""All chargers of the driver: passes observations to their twins, and the twins' events to the sink."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from chargebridge.chargers.easee.charger import Charger, PendingObservation, Receipt
from chargebridge.chargers.easee.limit_keeping import LimitKeeper
from chargebridge.chargers.easee.ports import Cloud
from chargebridge.chargers.easee.settings import Settings
from chargebridge.chargers.easee.silence import QUIET_S, SWEEP_S, LastContacts, QueueHealth
from chargebridge.chargers.easee.subscriptions import Subscriptions
from chargebridge.chargers.easee.timers import Timers, Timing
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.twin import DOCUMENTED, INFO, LIMITS, Twin
from chargebridge.chargers.easee.twin.wire import Response, Update
from chargebridge.chargers.model import ChargerCommand, ChargerEvent, EventSink, Reachable, SetLimit
from chargebridge.clock import Clock

SETTLE_S: Final = 2.0
"""Seconds that a replay takes, and for which the end of a session waits for its reason."""
SHORTEST_SETTLE_S: Final = 0.3
"""The shortest such wait in real seconds, however fast the clock runs: networks do not get faster."""
REASON_SHOWS_S: Final = 5.0
"""Seconds after which a reason for no current that may be gone in a moment is reported."""
FORGET_S: Final = 5.0
"""Real seconds after which an unwatched charger is forgotten."""
_SHOWS_LIMIT: Final = frozenset({*LIMITS, Observation.CHARGING_SCHEDULE})
_REACHABILITY: Final = frozenset({Observation.CHARGER_OP_MODE, Observation.CONNECTED_TO_CLOUD})

_TAPS: Final = frozenset({Observation.CHARGING_SESSION_START, Observation.USER_ID_TOKEN})

_log = structlog.get_logger(__name__)


class Fleet:
    """The chargers, by serial: the listener of the stream or the bus.

    Args:
        settings: the settings of the driver.
        sink: receives the events.
        clock: the clock by which the chargers live.
        forget_s: real seconds after which an unwatched charger is forgotten.
        quiet_s: real seconds without a message after which a newly opened queue counts as empty.
        timers: those of the event loop, if there are no others.
    """

    def __init__(
        self,
        settings: Settings,
        sink: EventSink,
        clock: Clock,
        *,
        forget_s: float = FORGET_S,
        quiet_s: float = QUIET_S,
        timers: Timing | None = None,
    ) -> None:
        self.chargers: dict[str, Charger] = {}
        self.counts: Counter[str] = Counter({"unknown id": 0, "unknown serial": 0, "unreadable": 0})
        """The number of observations that could not be used, by reason."""
        self.records: dict[str, TwinRecord] = {}
        """The saved records of the twins."""
        self._settings = settings
        self._forget_s = forget_s
        self._sink = sink
        self._clock = clock
        self._settle_s = max(SETTLE_S / clock.speed, SHORTEST_SETTLE_S)
        self._cloud: Cloud | None = None
        self._open = False
        """Whether the connection to the cloud is open."""
        self._opened_at = 0.0
        """When the connection was opened, in the clock's monotonic seconds."""
        self._timers = timers or Timers()
        self.later = later = self._timers.later
        self._subscriptions = Subscriptions(self._replayed, later, self._settle_s)
        silent_after_s, self._replays = settings.silent_after_s, settings.way == "account"
        self._contacts = LastContacts(silent_after_s, clock.speed)
        self._queue = QueueHealth(
            self._report_all_reachable, later, silent_after_s, clock.speed, quiet_s=quiet_s
        )
        self._limits = LimitKeeper(self._submit, later, clock)

    @property
    def replaying(self) -> set[str]:
        """Serials whose replay is still arriving."""
        return self._subscriptions.replaying

    def open(self, cloud: Cloud, records: dict[str, TwinRecord]) -> None:
        """Start to take observations from the cloud."""
        self._cloud, self.records = cloud, records
        for charger in self.chargers.values():
            charger.twin = self._twin(charger.serial)
            self._subscribe(cloud, charger)
        self.later(SWEEP_S / self._clock.speed, self._sweep)

    def close(self) -> None:
        """Stop all timers; no events follow."""
        self._cloud, self._open = None, False
        self._timers.cancel()

    # --- watched chargers ---------------------------------------------------------------------------

    def charger(self, serial: str) -> Charger:
        """Return a charger; create it if it is missing."""
        charger = self.chargers.get(serial)
        if charger is None:
            charger = self.chargers[serial] = Charger(self._twin(serial))
        return charger

    def watch(self, serial: str) -> None:
        """Send the events of a charger to the sink, beginning with its present state."""
        charger = self.charger(serial)
        charger.watched, charger.announced, charger.limit_shown = True, False, None
        if self._cloud is not None:
            self._subscribe(self._cloud, charger)

    def unwatch(self, serial: str) -> None:
        """Stop the events of a charger; pending ones are kept for a while, in case it is watched again."""
        charger = self.chargers.get(serial)
        if charger is not None:
            charger.watched = charger.announced = charger.reachable = False
            if self._cloud is not None:
                self.later(self._forget_s, lambda: self._forget(charger))

    def acknowledge(self, receipt: Receipt) -> None:
        """Take note that an event is durable at the sink."""
        charger = self.chargers.get(receipt.serial)
        if charger is not None and charger.acknowledge(receipt.number) and self._cloud is not None:
            self._cloud.checkpoint(charger)

    def _submit(self, charger: Charger, command: ChargerCommand) -> None:
        if self._cloud is not None:
            self._cloud.submit(charger, command)

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Carry out a command."""
        charger = self.charger(serial)
        if self._cloud is not None:
            if isinstance(command, SetLimit):
                charger.limit_due = False  # a newer one takes its place
            self._cloud.submit(charger, command)

    def _subscribe(self, cloud: Cloud, charger: Charger) -> None:
        replay_follows = charger.watched and cloud.subscribe(charger)
        if charger.watched and not (replay_follows and charger.serial not in self._subscriptions):
            self.later(0.0, lambda: self._announce(charger))

    def _forget(self, charger: Charger) -> None:
        if charger.watched or self._cloud is None:
            return
        charger.drop_pending()
        charger.earlier_record = None
        charger.state_read = False
        self._cloud.unsubscribe(charger)
        self._subscriptions.end(charger.serial)
        self._contacts.forget(charger.serial)
        # Sessions until the charger is watched again belong to another owner.
        self.records[charger.serial] = self._new_record()
        charger.twin = self._twin(charger.serial)
        self._cloud.checkpoint(charger)

    def _twin(self, serial: str) -> Twin:
        record = self.records.get(serial)
        if record is None:
            record = self.records[serial] = self._new_record()
        trusts_token = self._settings.trust_token_without_authorization
        return Twin(serial, record, trusts_token=trusts_token, read_only=self._settings.read_only)

    def _new_record(self) -> TwinRecord:
        # Everything in the operator's queue is news; the first replay of an account's stream is not.
        return TwinRecord(first_contact=self._replays, unread=not self._replays)

    # --- messages of the cloud ----------------------------------------------------------------------

    def connection_opened(self) -> None:
        """Take note that the connection is open: the backlog of the queue or the subscriptions follow."""
        self._open = True
        self._sink.cloud_connected()
        mono = self._opened_at = self._clock.now().mono
        if self._cloud is not None and not self._cloud.replays:
            self._queue.opened(mono)
        for serial, charger in self.chargers.items():
            self._contacts.begin_anew(serial, mono)
            charger.silent = False
            self._report_reachable(charger)

    def connection_lost(self, reason: str) -> None:
        """Take note that the connection is lost: the state of every charger is unknown now."""
        if self._open:
            _log.debug("connection to Easee's cloud lost, chargers unreachable", reason=reason)
        self._open = False
        self._queue.closed()
        self._subscriptions.clear()
        self._report_all_reachable()

    def connection_failed(self, reason: str) -> None:
        """Report to the gateway that there is no connection, and why."""
        self._sink.cloud_disconnected(reason)

    def subscribed(self, serial: str) -> None:
        """Take note that a charger's replay follows; its changes are reported when it is complete."""
        self._subscriptions.begin(serial)

    def observation_received(self, update: Update) -> None:
        """Take an observation of a charger from stream or queue."""
        if self._cloud is not None:
            self._take(self._cloud, update, live=self._is_live(self._cloud, update))

    def observation_read(self, update: Update, *, found: bool) -> None:
        """Take an observation that was read by REST; `found`: since nothing was known of the charger."""
        if self._cloud is not None:
            self._take(self._cloud, update, live=False, found=found)

    def _take(self, cloud: Cloud, update: Update, *, live: bool, found: bool = False) -> None:
        charger = self.chargers.get(update.serial)
        if charger is None or not charger.watched:
            self.counts["unknown serial"] += 1
            if update.delivery is not None:
                cloud.acknowledge([update.delivery])
            return
        if charger.is_redelivered(update):
            return
        now = self._clock.now()
        if update.delivery is not None:
            self._queue.message_arrived(update.at_ms, now)
        if live:
            self._note_contact(charger, now.mono)
        if update.id not in DOCUMENTED:
            self.counts["unknown id"] += 1
            self._discard(cloud, charger, update)
            return
        if live and charger.end_first_contact():
            cloud.checkpoint(charger)
        if update.id in _TAPS:
            charger.keep_record()  # as it is before somebody is authorized because of it
        end_before = charger.twin.record.pending_end
        try:
            events = charger.twin.observe(update, now.utc_ms, live=live, found=found)
        except (ValueError, msgspec.MsgspecError) as error:
            self.counts["unreadable"] += 1
            _log.info("observation unreadable", charger=update.serial, id=update.id, error=str(error)[:200])
            self._discard(cloud, charger, update)
            return
        source = PendingObservation(update)
        if update.id in _REACHABILITY:
            self._report_reachable(charger)
        self._deliver(charger, events, source)
        end_now = charger.twin.record.pending_end
        if end_now is not None and end_now is not end_before:
            charger.hold_end(source, end_now.session)
            self.later(self._settle_s, lambda: self.settle(charger, source))
        charger.finish(source)
        cloud.checkpoint(charger)
        self._await_start(charger)
        if charger.twin.flashes and update.id == Observation.REASON_FOR_NO_CURRENT:
            self.later(REASON_SHOWS_S / self._clock.speed, lambda: self._show_reason(charger))
        if cloud.replays:
            self._subscriptions.active.add(charger.serial)
            if live and not charger.announced:
                self._announce(charger)  # its replay came too late
        if update.id in INFO and charger.announced:
            self._sink.charger_known(charger.twin.info)
        if update.id == Observation.CHARGING_SCHEDULE and charger.schedule_news is not None:
            charger.schedule_news.set()
        if update.id in _SHOWS_LIMIT:
            self._report_limit(charger, now.utc_ms)
        if update.id == Observation.DYNAMIC_CHARGER_CURRENT and live and not self._settings.read_only:
            self._limits.limit_reported(charger)

    def pulse_received(self, serial: str) -> None:
        """Take a pulse, the sign of life of a charger in an operator's queue."""
        charger = self.chargers.get(serial)
        mono = self._clock.now().mono
        if self._cloud is not None:
            self._queue.delivers(mono)
            if charger is not None and charger.watched:
                self._note_contact(charger, mono)

    def response_received(self, response: Response) -> None:
        """Take a charger's response to a command, whoever sent the command."""
        if self._cloud is not None:
            self._queue.delivers(self._clock.now().mono)
            if response.delivery is not None:
                self._cloud.acknowledge([response.delivery])
            self._cloud.response_received(response)

    def deliver_read(self, charger: Charger, events: Sequence[ChargerEvent]) -> None:
        """Report events that do not come of an observation: they were read, or a command has ended."""
        if self._cloud is not None and events:
            source = PendingObservation(Update(charger.serial, 0, events[0].at_ms, "read"))
            self._deliver(charger, events, source)
            charger.finish(source)
        self.checkpoint(charger)

    def checkpoint(self, charger: Charger) -> None:
        """Have the twin of a charger saved, which has changed."""
        charger.twin.unsaved = True
        if self._cloud is not None:
            self._cloud.checkpoint(charger)

    def _is_live(self, cloud: Cloud, update: Update) -> bool:
        """Whether an observation is live: neither replayed nor read by REST.

        Its own time does not count, since no clock has to be right.
        """
        if not cloud.replays:
            return update.delivery is not None
        return self._subscriptions.is_live(update.serial)

    def _discard(self, cloud: Cloud, charger: Charger, update: Update) -> None:
        """Acknowledge an observation without any event."""
        if update.delivery is not None:
            charger.processed.append(update.delivery)
            cloud.checkpoint(charger)

    # --- events -------------------------------------------------------------------------------------

    def _deliver(self, charger: Charger, events: Sequence[ChargerEvent], source: PendingObservation) -> None:
        for event, number in charger.number_events(events, source):
            if charger.announced and not isinstance(event, Reachable):  # see `_report_reachable`
                receipt = Receipt(charger.serial, number) if number else None
                self._sink.charger_event(charger.serial, event, receipt)
        if not charger.announced and self._cloud is not None and not self._cloud.replays:
            self._announce(charger)

    def _announce(self, charger: Charger) -> None:
        """Report the present state of a newly watched charger, then its pending events."""
        if not charger.watched or charger.announced or not charger.twin.state_known or self._cloud is None:
            return
        due = PendingObservation(Update(charger.serial, 0, 0, "due"))
        for _ in charger.number_events(charger.twin.start_if_due(), due):
            """It was authorized before a restart; it is sent with all that waits, below."""
        self._await_start(charger)
        charger.announced = True
        now = self._clock.now()
        self._contacts.expect(charger.serial, now.mono)
        self._sink.charger_known(charger.twin.info)
        charger.reachable = self._is_reachable(charger)
        reachable = Reachable(at_ms=now.utc_ms, reachable=charger.reachable)
        self._sink.charger_event(charger.serial, reachable, None)
        self._report_state(charger)
        self._report_limit(charger, now.utc_ms)
        for number, (event, _) in list(charger.pending.items()):
            self._sink.charger_event(charger.serial, event, Receipt(charger.serial, number))
        register = charger.twin.idle_register
        if register is not None:
            self._sink.charger_event(charger.serial, register, None)

    def _replayed(self, serial: str) -> None:
        charger = self.chargers.get(serial)
        if charger is None or serial not in self._subscriptions.active:
            return  # it is announced with its first observation
        if self._cloud is not None:
            charger.end_first_contact()
            self.deliver_read(charger, charger.twin.begin_if_due(waited=True))
        if charger.announced:
            self._sink.charger_known(charger.twin.info)
            self._report_reachable(charger)
        else:
            self._announce(charger)

    def _is_reachable(self, charger: Charger) -> bool:
        return (
            self._cloud is not None
            and self._open
            and self._queue.current
            and (not self._cloud.replays or charger.serial in self._subscriptions.active)
            and charger.twin.connected
            and not charger.silent
        )

    def _report_all_reachable(self) -> None:
        for charger in self.chargers.values():
            self._report_reachable(charger)

    def _report_reachable(self, charger: Charger) -> None:
        reachable = self._is_reachable(charger)
        if charger.announced and reachable != charger.reachable:
            charger.reachable = reachable
            event = Reachable(at_ms=self._clock.now().utc_ms, reachable=reachable)
            self._sink.charger_event(charger.serial, event, None)
            if reachable:
                self._report_state(charger)

    def _report_state(self, charger: Charger) -> None:
        state = charger.twin.state
        if state is not None:
            self._sink.charger_event(charger.serial, state, None)
        if charger.reachable and charger.twin.record.unread and self._cloud is not None:
            self._cloud.read_sessions(charger)  # not while the queue has a backlog: its records are news

    def _report_limit(self, charger: Charger, now_ms: int) -> None:
        event = charger.limit_news(now_ms) if charger.announced else None
        if event is not None:
            self._sink.charger_event(charger.serial, event, None)

    def settle(self, charger: Charger, source: PendingObservation) -> None:
        """Report the pending end of this record without waiting for its reason any longer."""
        if charger.pending_end is source and self._cloud is not None:
            self._deliver(charger, charger.twin.settle(), source)
            charger.finish(source)
            self._cloud.checkpoint(charger)

    def _await_start(self, charger: Charger) -> None:
        if charger.twin.start_waits:
            self.later(self._settle_s, lambda: self._begin_anyway(charger))

    def _begin_anyway(self, charger: Charger) -> None:
        if charger.twin.start_waits:
            self.deliver_read(charger, charger.twin.begin_if_due(waited=True))

    def _show_reason(self, charger: Charger) -> None:
        if charger.twin.flashes:
            self.deliver_read(charger, charger.twin.show_reason(self._clock.now().utc_ms))

    # --- silent chargers and missed sessions --------------------------------------------------------

    def _note_contact(self, charger: Charger, mono: float) -> None:
        self._contacts.note(charger.serial, mono)
        if charger.silent:
            charger.silent = False
            self._report_reachable(charger)

    def _sweep(self) -> None:
        """Find chargers that are silent for too long, and gaps whose sessions have to be rebuilt."""
        self.later(SWEEP_S / self._clock.speed, self._sweep)
        if self._cloud is None or not self._open:
            return
        now = self._clock.now()
        for one in self.chargers.values():
            if one.twin.schedule:
                self._report_limit(one, now.utc_ms)  # its schedule changes it without a message
        for serial in self._contacts.take_silent(now.mono):
            charger = self.chargers.get(serial)
            if charger is not None:
                charger.silent = True
                self._report_reachable(charger)
        if not self._cloud.replays:
            sending = [one for one in self.chargers.values() if one.announced and one.twin.connected]
            self._queue.check_stalled(now.mono, sum(one.silent for one in sending), len(sending))
        if now.mono - self._opened_at < self._settings.rebuild_after_s:
            return  # the missing records may still arrive
        due_ms = now.utc_ms - self._settings.rebuild_after_s * 1000
        for charger in self.chargers.values():
            for gap in charger.twin.record.gaps:
                # Noticed in the future: somebody has set the clock back since.
                waits = due_ms < gap.noticed_ms <= now.utc_ms
                if not waits and charger.watched:
                    self._cloud.rebuild(charger, gap)
