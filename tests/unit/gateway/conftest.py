"""A bench for the runtime: every port of it in memory, honest, and moved by hand."""

import heapq
import json

import pytest
from msgspec import structs

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import Settings
from chargebridge.chargepoint.records import (
    Attempted,
    ChangeLocalList,
    ClearTokenCache,
    DeadLetter,
    Dequeue,
    DropProfile,
    Enqueue,
    ListFound,
    ListQuery,
    PutCached,
    PutProfile,
    PutSamples,
    PutTransaction,
    QueuePage,
    QueueQuery,
    SaveState,
    SessionQuery,
    SessionsFound,
    SetConfiguration,
    StoredChargePoint,
    TokenQuery,
    TokensFound,
)
from chargebridge.chargers.model import Capability
from chargebridge.clock import Instant
from chargebridge.gateway.turns.binding import Binding, Receipt
from chargebridge.gateway.turns.runtime import Runtime
from chargebridge.gateway.turns.traces import Traces
from chargebridge.link import Endpoint, LinkState
from chargebridge.link.track_record import TrackRecord
from chargebridge.store.errors import EarlierTurnFailedError, StoreUnavailableError

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z
USUAL_ANSWERS = {
    "BootNotification": {"status": "Accepted", "currentTime": "2026-01-02T10:00:00Z", "interval": 300},
    "Heartbeat": {"currentTime": "2026-01-02T10:00:00Z"},
    "MeterValues": {},
    "StartTransaction": {"transactionId": 7, "idTagInfo": {"status": "Accepted"}},
    "StatusNotification": {},
    "StopTransaction": {},
}


class HandClock:
    """A clock and the loop's `call_later`, moved by hand."""

    speed = 1.0

    def __init__(self):
        self.mono = 1000.0
        self.timers = []
        self.armed = 0
        self._order = 0

    def now(self):
        return Instant(T0_MS + round((self.mono - 1000.0) * 1000), self.mono)

    def call_later(self, seconds, callback):
        assert seconds >= 0
        self._order += 1
        self.armed += 1
        timer = HandTimer(self, self.mono + seconds, self._order, callback)
        heapq.heappush(self.timers, timer)
        return timer

    @property
    def pending(self):
        return [timer for timer in self.timers if not timer.cancelled]

    def advance(self, seconds):
        until = self.mono + seconds
        while self.timers and self.timers[0].at <= until:
            timer = heapq.heappop(self.timers)
            if not timer.cancelled:
                self.mono = max(self.mono, timer.at)
                timer.callback()
        self.mono = until


class HandTimer:
    def __init__(self, clock, at, order, callback):
        self.at, self.order, self.callback = at, order, callback
        self.cancelled = False
        self._clock = clock

    def __lt__(self, other):
        return (self.at, self.order) < (other.at, other.order)

    def cancel(self):
        self.cancelled = True


class MemoryJournal:
    """Keeps records when told to `commit`, or loses them when told to `fail`; like the real one it
    distrusts what comes of a charge point after a failure, until that is `recovered`."""

    def __init__(self):
        self.listener = None
        self.entries = []
        self.stored = {}
        self.set_aside = []
        self.distrusted = set()
        self.unreadable = False
        self.damaged = {}
        """Errors of loading, by charge point."""
        self.failing_reads = 0

    def submit(self, charge_point, records, token):
        self.entries.append(("turn", charge_point, records, token))

    def submit_set_aside(self, charge_point, entry, token):
        self.entries.append(("turn", charge_point, [entry], token))

    def read(self, charge_point, query, token):
        self.entries.append(("read", charge_point, query, token))

    def recovered(self, charge_point):
        self.entries.append(("recovered", charge_point, None, None))

    def load(self, charge_point):
        if self.unreadable:
            raise StoreUnavailableError("the disk is gone")
        if charge_point in self.damaged:
            raise self.damaged[charge_point]
        return self._of(charge_point).load()

    def _of(self, charge_point):
        return self.stored.setdefault(charge_point, Stored())

    def commit(self, first=None):
        """Make what was submitted durable, or only so much of it; then tell."""
        entries, self.entries = self.entries[:first], self.entries[first:] if first is not None else []
        committed, failed, answers = [], [], []
        for kind, charge_point, content, token in entries:
            if kind == "recovered":
                self.distrusted.discard(charge_point)
            elif kind == "read" and self.failing_reads:
                self.failing_reads -= 1
                failed.append(token)
            elif kind == "read":
                answers.append((token, content, self._of(charge_point).answer(content)))
            elif charge_point in self.distrusted:
                failed.append(token)
            else:
                for record in content:
                    if type(record).__name__ == "SetAside":
                        self.set_aside.append(record)
                    else:
                        self._of(charge_point).take(record)
                committed.append(token)
        if committed:
            self.listener.committed(committed)
        if failed:
            self.listener.commit_failed(failed, EarlierTurnFailedError("an earlier one failed"))
        for token, query, found in answers:
            self.listener.answered(token, query, found)

    def fail(self, first=None, error=None):
        """Lose what was submitted, or only so much of it; then tell why."""
        entries, self.entries = self.entries[:first], self.entries[first:] if first is not None else []
        tokens = []
        for kind, charge_point, _, token in entries:
            if kind == "recovered":
                self.distrusted.discard(charge_point)
            else:
                self.distrusted.add(charge_point)
                tokens.append(token)
        self.listener.commit_failed(tokens, error or StoreUnavailableError("the disk is full"))


class Stored:
    """What a store makes of the records of one charge point."""

    def __init__(self):
        self.document, self.configuration = None, {}
        self.transactions, self.queue, self.next_sequence = {}, {}, 1
        self.samples, self.profiles = {}, {}
        self.local_list, self.cache = {}, {}

    def take(self, record):
        match record:
            case SaveState(document):
                self.document = document
            case SetConfiguration(key, value):
                self.configuration[key] = value
            case PutTransaction(transaction):
                self.transactions[transaction.number] = transaction
            case Enqueue(message):
                assert message.sequence == self.next_sequence
                self.next_sequence += 1
                self.queue[message.sequence] = message
            case Attempted(sequence, attempts, not_before_ms, _, without_data):
                self.queue[sequence] = structs.replace(
                    self.queue[sequence],
                    attempts=attempts,
                    not_before_ms=not_before_ms,
                    without_data=without_data,
                )
            case Dequeue(sequence) | DeadLetter(sequence):
                del self.queue[sequence]
            case PutSamples(number, document):
                self.samples[number] = document
            case PutProfile(profile):
                self.profiles[profile.profile_id] = profile
            case DropProfile(profile_id):
                self.profiles.pop(profile_id, None)
            case ChangeLocalList(full, put, drop):
                kept = {} if full else self.local_list
                kept |= {token.id_tag.lower(): token for token in put}
                self.local_list = {tag: kept[tag] for tag in kept.keys() - {tag.lower() for tag in drop}}
                self.cache = {tag: self.cache[tag] for tag in self.cache.keys() - self.local_list.keys()}
            case PutCached(token) if token.id_tag.lower() not in self.local_list:
                self.cache[token.id_tag.lower()] = token  # nobody fills it here
            case ClearTokenCache():
                self.cache = {}

    def answer(self, query):
        match query:
            case QueueQuery(after, limit):
                return self.page(after, limit)
            case TokenQuery(id_tags):
                tags = {tag.lower() for tag in id_tags}
                return TokensFound(
                    listed=tuple(self.local_list[tag] for tag in sorted(tags & self.local_list.keys())),
                    cached=tuple(self.cache[tag] for tag in sorted(tags & self.cache.keys())),
                    list_length=len(self.local_list),
                )
            case ListQuery():
                return ListFound(tuple(self.local_list[tag] for tag in sorted(self.local_list)))
            case SessionQuery(from_ms, until_ms, limit):
                ended = [t for t in self.transactions.values() if t.stopped_ms is not None]
                wanted = sorted((t.started_ms, t.number) for t in ended if from_ms <= t.started_ms < until_ms)
                found = tuple(self.transactions[number] for _, number in wanted[:limit])
                return SessionsFound(found, more=len(wanted) > limit)

    def page(self, after, limit):
        behind = [self.queue[sequence] for sequence in sorted(self.queue) if sequence > after]
        numbers = {message.transaction for message in behind[:limit]}
        return QueuePage(
            messages=tuple(behind[:limit]),
            transactions=tuple(self.transactions[number] for number in sorted(numbers)),
            more=len(behind) > limit,
        )

    def load(self):
        opened = tuple(t for t in self.transactions.values() if t.stopped_ms is None)
        return StoredChargePoint(
            document=self.document,
            configuration=dict(self.configuration),
            open_transactions=opened,
            next_transaction=max(self.transactions, default=0) + 1,
            next_sequence=self.next_sequence,
            queue=self.page(0, 16),
            profiles=tuple(self.profiles[profile_id] for profile_id in sorted(self.profiles)),
            samples=next((self.samples.get(transaction.number) for transaction in opened), None),
        )


class MemoryLink:
    """A link whose other end is the test."""

    def __init__(self):
        self.state, self.epoch = LinkState.DOWN, 0
        self.said, self.closed, self.pauses, self.ping_s = [], [], [], None
        self.endpoints = (Endpoint("ws://csms.example/ocpp"),)
        self.owner = None
        self.record = TrackRecord()

    @property
    def endpoint(self):
        return self.endpoints[0]

    def open(self):
        self.epoch += 1
        self.state = LinkState.OPEN
        self.owner.link_opened(self.epoch)

    def lose(self):
        self.state = LinkState.WAITING
        self.owner.link_closed(self.epoch, "lost", 1006)

    def receive(self, *frame):
        self.owner.frame_received(self.epoch, json.dumps(frame).encode())

    def send(self, epoch, data):
        if epoch != self.epoch or self.state is not LinkState.OPEN:
            return False
        self.said.append(json.loads(data))
        return True

    def close(self, epoch, reason, pause_s=0.0):
        if epoch == self.epoch and self.state is LinkState.OPEN:
            self.state = LinkState.CLOSING
            self.closed.append(reason)
            self.pauses.append(pause_s)

    def reopen(self):
        self.pauses.append("over")

    def set_ping_interval(self, seconds):
        self.ping_s = seconds

    @property
    def calls(self):
        return [frame[2] for frame in self.said if frame[0] == 2]


class MemoryDriver:
    """A driver that takes everything down."""

    def __init__(self):
        self.acknowledged, self.commands, self.watched = [], [], []
        self.broken = False

    def watch(self, serial):
        self.watched.append(("watch", serial))

    def unwatch(self, serial):
        self.watched.append(("unwatch", serial))

    def acknowledge(self, receipt):
        self._use_socket()
        self.acknowledged.append(receipt)

    def command(self, serial, command):
        self._use_socket()
        self.commands.append((serial, command))

    def _use_socket(self):
        if self.broken:
            raise OSError("the driver has lost its socket")


class Faults:
    """Defects of charge points: which turns raise, and how often, after they have changed the state."""

    def __init__(self):
        self.turns, self.wanted, self.resumes = 0, lambda an_input: True, 0

    def new_charge_point(self, settings, stored):
        return FragileChargePoint(settings, stored, self)


class FragileChargePoint(VirtualChargePoint):
    """A charge point with defects."""

    def __init__(self, settings, stored, faults):
        super().__init__(settings, stored)
        self.faults = faults

    def handle(self, an_input, now):
        effects = super().handle(an_input, now)
        if self.faults.turns and self.faults.wanted(an_input):
            self.faults.turns -= 1
            raise RuntimeError("a defect")
        return effects

    def resume(self, now):
        if self.faults.resumes:
            self.faults.resumes -= 1
            raise RuntimeError("a defect")
        return super().resume(now)


class Bench:
    """A runtime with one charge point, `binding`, and more on demand."""

    def __init__(self):
        self.faults = Faults()
        self.clock = HandClock()
        self.journal = MemoryJournal()
        self.traces = Traces(1000)
        self.runtime = Runtime(
            self.clock, self.journal, self.clock.call_later, self.traces, self.faults.new_charge_point
        )
        self.journal.listener = self.runtime
        self.driver = MemoryDriver()
        self.answered = set()
        self.all_said = []
        self.binding = self.add(1)

    @property
    def link(self):
        return self.binding.link

    def add(self, key):
        # A charger with settings of its own is set to them first; here each command is a test's own.
        capabilities = frozenset(Capability) - {Capability.SETTINGS}
        settings = Settings(
            identity=f"CP{key}", vendor="V", model="M", capabilities=capabilities, software="0"
        )
        charge_point = self.runtime.new_charge_point(settings, self.journal.load(key))
        binding = Binding(
            key,
            "main",
            charge_point,
            f"EH{key}",
            self.driver,
            self.runtime.turn,
            self.runtime.outage_log,
        )
        binding.link = MemoryLink()
        binding.link.owner = binding
        self.runtime.resume(binding)
        return binding

    def break_turns(self, times, wanted):
        """Let turns raise for inputs that `wanted` picks, so many times."""
        self.faults.turns, self.faults.wanted = times, wanted

    def tell(self, an_input, token=None, binding=None):
        receipt = None if token is None else Receipt(self.driver, token)
        self.runtime.turn(binding or self.binding, an_input, receipt)

    def settle(self):
        """Commit until nothing more comes of it."""
        while self.journal.entries:
            self.journal.commit()

    def answer_all(self, answers=None, *, settle=True):
        """Answer every CALL as it comes, until nothing more is said; with `settle=False` only those said."""
        answers = USUAL_ANSWERS | (answers or {})
        said = 0
        while said < len(self.link.said):
            frame = self.link.said[said]
            said += 1
            if frame[0] == 2 and frame[1] not in self.answered:
                self.answered.add(frame[1])
                self.link.receive(3, frame[1], answers[frame[2]])
                if settle:
                    self.settle()

    def boot(self):
        """Connect and register, with everything said, answered and durable."""
        self.settle()
        self.link.open()
        self.settle()
        self.answer_all()
        self.all_said += self.link.said
        self.link.said.clear()


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def clock():
    return HandClock()
