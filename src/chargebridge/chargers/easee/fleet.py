"""All chargers of the driver: what the cloud says goes to their twins, and what is new by it to the sink."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from chargebridge.chargers.easee.charger import Cause, Charger
from chargebridge.chargers.easee.settings import Settings
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Gap, TwinRecord
from chargebridge.chargers.easee.twin.twin import INFO, KNOWN, Twin
from chargebridge.chargers.easee.twin.wire import Response, Update
from chargebridge.chargers.model import ChargerCommand, ChargerEvent, EventSink, Reachable, SetLimit
from chargebridge.clock import Clock, Instant

SETTLE_S: Final = 2.0
"""Seconds that a replay takes, and that the end of a session waits for what shows why."""
SHORTEST_SETTLE_S: Final = 0.3
"""Real seconds, if the clock runs fast: networks do not."""
SWEEP_S: Final = 60.0
"""Seconds between two looks for chargers that have fallen silent."""
FORGET_S: Final = 5.0
"""Real seconds after which nobody is expected to listen to a charger again."""
QUIET_S: Final = 1.0
"""Real seconds without a message after which nothing waits any more in a queue that was just opened."""
CATCH_UP_S: Final = 60.0
"""Real seconds after which a queue counts as caught up with, however much still comes."""
RECENT_MS: Final = 120_000
"""A message of so short a time ago shows that all that waited before it has come."""
WORD_EVERY_S: Final = 900.0
"""Seconds after which even an idle charger says something."""
LEAST_STALL_S: Final = 120.0
LIMIT_AGAIN_S: Final = 30.0
"""Seconds before a volatile limit that somebody else has raised is set again."""
_LIMIT_VALID_MS: Final = 60_000
_REACHABILITY: Final = frozenset({Observation.CHARGER_OP_MODE, Observation.CONNECTED_TO_CLOUD})

_log = structlog.get_logger(__name__)


class Receipt(NamedTuple):
    """What an event is acknowledged with."""

    serial: str
    number: int


class Cloud(Protocol):
    """What the fleet needs of the way to Easee's cloud."""

    replays: bool
    """Whether it begins each time with all that is known of a charger."""

    def follow(self, charger: Charger) -> bool:
        """See that observations of a charger come; returns whether a replay will come first."""

    def unfollow(self, charger: Charger) -> None:
        """Let nothing come of a charger any more."""

    def give(self, charger: Charger, command: ChargerCommand) -> None:
        """Have a command carried out."""

    def responded(self, response: Response) -> None:
        """Take what became of a command, whosever it is."""

    def rebuild(self, charger: Charger, gap: Gap) -> None:
        """Find out what was missed."""

    def note(self, charger: Charger) -> None:
        """Write down what is new of a charger, and let the broker forget what it came by."""

    def acknowledge(self, deliveries: list[int]) -> None:
        """Let the broker forget messages that told nothing."""


class Fleet:
    """The chargers, by serial. Listens to the stream or the bus.

    Args:
        settings: of the driver.
        sink: where events go.
        clock: whose time chargers live in.
    """

    def __init__(self, settings: Settings, sink: EventSink, clock: Clock) -> None:
        self.chargers: dict[str, Charger] = {}
        self.counts: Counter[str] = Counter({"unknown id": 0, "unknown serial": 0, "unreadable": 0})
        """What could not be used, by why."""
        self.records: dict[str, TwinRecord] = {}
        """What was known of chargers when it was last written down."""
        self._settings = settings
        self._sink = sink
        self._clock = clock
        self._settle_s = max(SETTLE_S / clock.speed, SHORTEST_SETTLE_S)
        self._cloud: Cloud | None = None
        self._open = False
        """Whether the way to the cloud is open."""
        self._subscribed: dict[str, int] = {}
        """The number of each charger's subscription on this connection."""
        self._subscriptions = 0
        self._replaying: set[str] = set()
        """Chargers of which what comes is a replay yet."""
        self._fresh: set[str] = set()
        """Chargers of which something has come since they were subscribed."""
        self._behind = False
        """What waited in the queue is still coming: what is known of chargers is of before."""
        self._stalled = False
        """The queue is open, and nothing has come of any charger for longer than can be."""
        self._last_word = 0.0
        """When anything came of any charger, by the clock's monotonic seconds."""
        self._words = 0
        """How many observations have come."""
        self._opened_ms = 0
        """Since when the way is open, by our clock."""
        self._heard: OrderedDict[str, float] = OrderedDict()
        """When each charger was heard last, by the clock's monotonic seconds; the longest silent first."""
        self._timers: set[asyncio.TimerHandle] = set()

    def open(self, cloud: Cloud, records: dict[str, TwinRecord]) -> None:
        """Begin to work: what the cloud says comes from now on."""
        self._cloud, self.records = cloud, records
        for charger in self.chargers.values():
            charger.twin = self._twin(charger.serial)
            self._follow(cloud, charger)
        self._later(SWEEP_S / self._clock.speed, self._sweep)

    def close(self) -> None:
        """Tell nothing any more."""
        self._cloud, self._open = None, False
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # --- who is listened to -------------------------------------------------------------------------

    def charger(self, serial: str) -> Charger:
        """Return a charger, a new one if need be."""
        charger = self.chargers.get(serial)
        if charger is None:
            charger = self.chargers[serial] = Charger(self._twin(serial))
        return charger

    def watch(self, serial: str) -> None:
        """Tell the sink of a charger, beginning with what is known of it."""
        charger = self.charger(serial)
        charger.watched, charger.introduced = True, False
        if self._cloud is not None:
            self._follow(self._cloud, charger)

    def unwatch(self, serial: str) -> None:
        """Tell nothing of a charger; what waits is kept for a moment, in case somebody else listens then."""
        charger = self.chargers.get(serial)
        if charger is not None:
            charger.watched = charger.introduced = charger.reachable = False
            if self._cloud is not None:
                self._later(FORGET_S, lambda: self._forget(charger))

    def acknowledge(self, receipt: Receipt) -> None:
        """An event is durable at the sink."""
        charger = self.chargers.get(receipt.serial)
        if charger is not None and charger.acknowledge(receipt.number) and self._cloud is not None:
            self._cloud.note(charger)

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Have a command carried out."""
        charger = self.charger(serial)
        if self._cloud is not None:
            charger.limit_due = charger.limit_due and not isinstance(command, SetLimit)
            self._cloud.give(charger, command)

    def _follow(self, cloud: Cloud, charger: Charger) -> None:
        replay_follows = charger.watched and cloud.follow(charger)
        if charger.watched and not (replay_follows and charger.serial not in self._subscribed):
            asyncio.get_running_loop().call_soon(self._introduce, charger)

    def _forget(self, charger: Charger) -> None:
        if charger.watched or self._cloud is None:
            return
        charger.give_up()
        self._cloud.unfollow(charger)
        for known in (self._subscribed, self._heard):
            known.pop(charger.serial, None)
        # What happens until somebody listens again is somebody else's.
        self.records[charger.serial] = self._new_record()
        charger.twin = self._twin(charger.serial)
        self._cloud.note(charger)

    def _twin(self, serial: str) -> Twin:
        record = self.records.get(serial)
        if record is None:
            record = self.records[serial] = self._new_record()
        return Twin(serial, record)

    def _new_record(self) -> TwinRecord:
        # The queue is ours, whatever is in it; what an account's stream replays at first is not.
        return TwinRecord(first_contact=self._settings.way == "account")

    # --- what the cloud says ------------------------------------------------------------------------

    def stream_opened(self) -> None:
        """The way is open: by the bus comes all that waits, by the stream what is subscribed."""
        self._open = True
        now = self._clock.now()
        mono, self._opened_ms = now.mono, now.utc_ms
        self._last_word, self._stalled = mono, False
        if self._cloud is not None and not self._cloud.replays:
            self._behind = True
            self._later(QUIET_S, lambda: self._look_whether_quiet(self._words))
            self._later(CATCH_UP_S, self._caught_up)
        for serial, charger in self.chargers.items():
            self._heard[serial], charger.silent = mono, False
            self._tell_reachable(charger)

    def _look_whether_quiet(self, words: int) -> None:
        if self._behind and self._open:
            if words == self._words:
                self._caught_up()
            else:
                self._later(QUIET_S, lambda: self._look_whether_quiet(self._words))

    def _caught_up(self) -> None:
        """What is known of chargers is of now."""
        if self._behind:
            self._behind = False
            for charger in self.chargers.values():
                self._tell_reachable(charger)

    def _word_came(self, update: Update, now: Instant) -> None:
        """Something has come by the queue: it is not stalled, and perhaps caught up with."""
        self._last_word, self._words = now.mono, self._words + 1
        if self._behind and update.at_ms >= now.utc_ms - RECENT_MS:
            self._caught_up()
        if self._stalled:
            self._stalled = False
            for charger in self.chargers.values():
                self._tell_reachable(charger)

    def _see_whether_stalled(self, mono: float) -> None:
        """A cloud that says nothing of a whole fleet is away, whatever its broker does."""
        expected_s = WORD_EVERY_S / max(sum(one.introduced for one in self.chargers.values()), 1)
        patience_s = min(max(10 * expected_s, LEAST_STALL_S), float(self._settings.silent_after_s))
        if not self._stalled and mono - self._last_word > patience_s:
            self._stalled = True
            _log.warning("nothing comes of any charger; Easee's cloud counts as away", silent_s=patience_s)
            for charger in self.chargers.values():
                self._tell_reachable(charger)

    def stream_lost(self, reason: str) -> None:
        """The way is closed: of no charger anything is known any more."""
        if self._open:
            _log.warning("Easee's cloud is away", reason=reason)
        self._open = self._behind = False
        self._subscribed.clear()
        self._fresh.clear()
        self._replaying.clear()
        for charger in self.chargers.values():
            self._tell_reachable(charger)

    def subscribed(self, serial: str) -> None:
        """A charger's replay is on its way; what it changes is told when it has come."""
        self._fresh.discard(serial)
        self._replaying.add(serial)
        self._subscriptions += 1
        self._subscribed[serial] = subscription = self._subscriptions
        self._later(self._settle_s, lambda: self._replayed(serial, subscription))

    def updated(self, update: Update) -> None:
        """Take an observation of a charger."""
        cloud, charger = self._cloud, self.chargers.get(update.serial)
        if cloud is None:
            return
        if charger is None or not charger.watched:
            self.counts["unknown serial"] += 1
            if update.delivery is not None:
                cloud.acknowledge([update.delivery])
            return
        if charger.is_redelivered(update):
            return
        now = self._clock.now()
        if update.delivery is not None:
            self._word_came(update, now)
        live = self._is_live(cloud, update)
        if live:
            self._heard_of(charger, now.mono)
        if update.id not in KNOWN:
            self.counts["unknown id"] += 1
            self._discard(cloud, charger, update)
            return
        held = charger.twin.record.held
        try:
            events = charger.twin.observe(update, now.utc_ms, live=live)
        except (ValueError, msgspec.MsgspecError) as error:
            self.counts["unreadable"] += 1
            _log.info("unreadable observation", charger=update.serial, id=update.id, error=str(error)[:200])
            self._discard(cloud, charger, update)
            return
        cause = Cause(update)
        if update.id in _REACHABILITY:
            self._tell_reachable(charger)
        self._deliver(charger, events, cause)
        holds = charger.twin.record.held
        if holds is not None and holds is not held:
            charger.hold(cause, holds.session)
            self._later(self._settle_s, lambda: self._settle(charger, cause))
        charger.finish(cause)
        cloud.note(charger)
        if cloud.replays:
            self._fresh.add(charger.serial)
            if live and not charger.introduced:
                self._introduce(charger)  # its replay took longer than it may
        if update.id in INFO and charger.introduced:
            self._sink.charger_known(charger.twin.info)
        if update.id == Observation.DYNAMIC_CHARGER_CURRENT and live:
            self._look_at_limit(charger)

    def responded(self, response: Response) -> None:
        """Take what became of a command, whosever it is."""
        if self._cloud is not None:
            if response.delivery is not None:
                self._cloud.acknowledge([response.delivery])
            self._cloud.responded(response)

    def rebuilt(self, charger: Charger, events: list[ChargerEvent]) -> None:
        """Tell of sessions that were missed, as they were put together."""
        charger.twin.unwritten = True
        if self._cloud is not None and events:
            cause = Cause(Update(charger.serial, 0, events[0].at_ms, "rebuilt"))
            self._deliver(charger, events, cause)
            charger.finish(cause)
            self._cloud.note(charger)

    def products_read(self, products: dict[str, int]) -> None:
        """Take what kinds of chargers there are."""
        for serial, product in products.items():
            charger = self.chargers.get(serial)
            if charger is not None and charger.twin.record.product != product and self._cloud is not None:
                charger.twin.record.product = product
                charger.twin.unwritten = True
                self._cloud.note(charger)
                if charger.introduced:
                    self._sink.charger_known(charger.twin.info)

    def _is_live(self, cloud: Cloud, update: Update) -> bool:
        """Whether an observation has happened while somebody listened: no replay, and not read.

        Not by its own time, since nobody's clock need be right.
        """
        if not cloud.replays:
            return update.delivery is not None
        return update.serial in self._subscribed and update.serial not in self._replaying

    def _discard(self, cloud: Cloud, charger: Charger, update: Update) -> None:
        """An observation tells nothing; the broker may forget it."""
        if update.delivery is not None:
            charger.done.append(update.delivery)
            cloud.note(charger)

    # --- telling ------------------------------------------------------------------------------------

    def _deliver(self, charger: Charger, events: list[ChargerEvent], cause: Cause) -> None:
        for event, number in charger.keep(events, cause):
            if charger.introduced and not isinstance(event, Reachable):  # told where it changes
                receipt = Receipt(charger.serial, number) if number else None
                self._sink.charger_event(charger.serial, event, receipt)
        if not charger.introduced and self._cloud is not None and not self._cloud.replays:
            self._introduce(charger)

    def _introduce(self, charger: Charger) -> None:
        """Tell all that is known of a charger, to somebody who has begun to listen."""
        if not charger.watched or charger.introduced or not charger.twin.known or self._cloud is None:
            return
        charger.introduced = True
        now = self._clock.now()
        self._heard.setdefault(charger.serial, now.mono)
        self._sink.charger_known(charger.twin.info)
        charger.reachable = self._is_reachable(charger)
        reachable = Reachable(at_ms=now.utc_ms, reachable=charger.reachable)
        self._sink.charger_event(charger.serial, reachable, None)
        self._tell_state(charger)
        for number, (event, _) in list(charger.pending.items()):
            self._sink.charger_event(charger.serial, event, Receipt(charger.serial, number))

    def _replayed(self, serial: str, subscription: int) -> None:
        if self._subscribed.get(serial) != subscription:
            return  # there has been another one since
        self._replaying.discard(serial)
        charger = self.chargers.get(serial)
        if charger is None or serial not in self._fresh:
            return  # nothing has come: it is introduced when something does
        charger.twin.contact_made()
        if self._cloud is not None:
            self._cloud.note(charger)
        if charger.introduced:
            self._sink.charger_known(charger.twin.info)
            self._tell_reachable(charger)
        else:
            self._introduce(charger)

    def _is_reachable(self, charger: Charger) -> bool:
        return (
            self._cloud is not None
            and self._open
            and not (self._behind or self._stalled)
            and (not self._cloud.replays or charger.serial in self._fresh)
            and charger.twin.connected
            and not charger.silent
        )

    def _tell_reachable(self, charger: Charger) -> None:
        reachable = self._is_reachable(charger)
        if charger.introduced and reachable != charger.reachable:
            charger.reachable = reachable
            event = Reachable(at_ms=self._clock.now().utc_ms, reachable=reachable)
            self._sink.charger_event(charger.serial, event, None)
            if reachable:
                self._tell_state(charger)

    def _tell_state(self, charger: Charger) -> None:
        state = charger.twin.state
        if state is not None:
            self._sink.charger_event(charger.serial, state, None)

    def _settle(self, charger: Charger, cause: Cause) -> None:
        if charger.held is cause and self._cloud is not None:
            self._deliver(charger, charger.twin.settle(), cause)
            charger.finish(cause)
            self._cloud.note(charger)

    # --- silence, and what was missed ---------------------------------------------------------------

    def _heard_of(self, charger: Charger, mono: float) -> None:
        self._heard[charger.serial] = mono
        self._heard.move_to_end(charger.serial)
        if charger.silent:
            charger.silent = False
            self._tell_reachable(charger)

    def _sweep(self) -> None:
        """See which chargers have said nothing for too long, and which gaps nothing has filled."""
        self._later(SWEEP_S / self._clock.speed, self._sweep)
        if self._cloud is None or not self._open:
            return
        now = self._clock.now()
        if not self._cloud.replays:
            self._see_whether_stalled(now.mono)
        for serial, mono in list(self._heard.items()):
            if mono > now.mono - self._settings.silent_after_s:
                break
            del self._heard[serial]
            charger = self.chargers.get(serial)
            if charger is not None:
                charger.silent = True
                self._tell_reachable(charger)
        due_ms = now.utc_ms - self._settings.rebuild_after_s * 1000
        if self._opened_ms > due_ms:
            return  # true records may still be on their way
        for charger in self.chargers.values():
            for gap in charger.twin.record.gaps:
                if gap.noticed_ms <= due_ms and charger.watched:
                    self._cloud.rebuild(charger, gap)

    # --- the volatile limit -------------------------------------------------------------------------

    def _look_at_limit(self, charger: Charger) -> None:
        """Somebody else may have raised the limit: a driver with the app, or a car that was plugged in."""
        if not charger.limit_due and self._limit_is_exceeded(charger):
            charger.limit_due = True
            self._later(LIMIT_AGAIN_S / self._clock.speed, lambda: self._limit_again(charger))

    def _limit_is_exceeded(self, charger: Charger) -> bool:
        record, shown = charger.twin.record, charger.twin.dynamic_current_a
        if record.limit_a is None or shown is None or shown <= record.limit_a:
            return False
        return record.limit_until_ms is None or record.limit_until_ms > self._clock.now().utc_ms

    def _limit_again(self, charger: Charger) -> None:
        due, charger.limit_due = charger.limit_due, False
        limit_a = charger.twin.record.limit_a
        if not due or limit_a is None or self._cloud is None or not self._limit_is_exceeded(charger):
            return
        again = SetLimit(
            number=0,
            expires_ms=self._clock.now().utc_ms + _LIMIT_VALID_MS,
            limit_ma=limit_a * 1000,
            until_ms=charger.twin.record.limit_until_ms,
        )
        self._cloud.give(charger, again)

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(handle)
            act()

        handle = asyncio.get_running_loop().call_later(delay_s, run)
        self._timers.add(handle)
