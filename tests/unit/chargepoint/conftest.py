"""A bench for one virtual charge point: link, charger, clock and an obliging store, all in memory."""

import json
from math import inf

import pytest
from msgspec import structs

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import Settings
from chargebridge.chargepoint.records import (
    Attempted,
    ChangeLocalList,
    ClearTokenCache,
    DeadLetter,
    DeadLetterAll,
    DeadLettersFound,
    DeadLettersQuery,
    DeadTransaction,
    Dequeue,
    DropProfile,
    Enqueue,
    ListFound,
    ListQuery,
    PutCached,
    PutDeadLetter,
    PutProfile,
    PutProfileWrites,
    PutSamples,
    PutTransaction,
    QueuePage,
    QueueQuery,
    Redeliver,
    Requeue,
    SaveState,
    SendState,
    SessionQuery,
    SessionsFound,
    SetConfiguration,
    Settle,
    StoredChargePoint,
    TokenQuery,
    TokensFound,
)
from chargebridge.chargepoint.turn import (
    ChargerReported,
    CloseLink,
    CommandCharger,
    CommandEnded,
    FrameReceived,
    LinkClosed,
    LinkOpened,
    ReadStore,
    ReopenLink,
    SendFrame,
    StoreRead,
    TimerFired,
)
from chargebridge.chargers.model import (
    Capability,
    ChargerState,
    CommandOutcome,
    Measured,
    Outcome,
    Quantity,
    Reachable,
    Reading,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.clock import Instant
from chargebridge.ocpp16.actions import ACTIONS

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z

_ANSWERS = {
    "BootNotification": {"status": "Accepted", "currentTime": "2026-01-02T10:00:00Z", "interval": 300},
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "Heartbeat": {"currentTime": "2026-01-02T10:00:00Z"},
    "StartTransaction": {"transactionId": 7, "idTagInfo": {"status": "Accepted"}},
}


class MemoryStore:
    """What a store makes of records, in the simplest way that is right."""

    def __init__(self):
        self.document = None
        self.configuration = {}
        self.transactions = {}
        self.queue = {}
        self.dead = []
        self.letters, self.numbers = 0, []
        self.next_sequence = 1
        self.profiles = {}
        self.profile_writes = {}
        self.samples = {}
        self.restored = None
        self.listed = {}
        self.cached = {}

    def commit(self, records):
        for record in records:
            match record:
                case SaveState(document):
                    self.document = document
                case SetConfiguration(key, value):
                    self.configuration[key] = value
                case PutTransaction(transaction):
                    self.transactions[transaction.number] = transaction
                case Enqueue(message, sampled_ms, register_wh, register_ms):
                    assert message.sequence == self.next_sequence
                    self.next_sequence += 1
                    self.queue[message.sequence] = message
                    if sampled_ms:
                        self.note_sample(message, sampled_ms, register_wh, register_ms)
                case Attempted(sequence, attempts, not_before_ms, history, without_data):
                    self.queue[sequence] = structs.replace(
                        self.queue[sequence],
                        attempts=attempts,
                        not_before_ms=not_before_ms,
                        history=history,
                        without_data=without_data,
                    )
                case Dequeue(sequence):
                    del self.queue[sequence]
                case DeadLetter(sequence, _, reason):
                    self.dead.append((self.queue.pop(sequence), reason))
                    self.letters += 1
                    self.numbers.append(self.letters)
                case PutDeadLetter(message, _, reason, sampled_ms, register_wh, register_ms):
                    self.dead.append((message, reason))
                    self.letters += 1
                    self.numbers.append(self.letters)
                    if sampled_ms:
                        self.note_sample(message, sampled_ms, register_wh, register_ms)
                case DeadLetterAll(_, reason):
                    self.bury_all(reason)
                case Redeliver(transaction, through, first_sequence):
                    self.unbury(transaction, through, first_sequence)
                case Settle(transaction, through):
                    self.settle(transaction, through)
                case Requeue(sequence, new_sequence):
                    self.queue_again(self.queue.pop(sequence), new_sequence)
                case PutSamples(transaction, document):
                    self.samples[transaction] = document
                case PutProfile(profile):
                    self.profiles[profile.profile_id] = profile
                case DropProfile(profile_id):
                    del self.profiles[profile_id]
                case PutProfileWrites(charger, day, writes):
                    self.profile_writes[charger, day] = writes
                case ChangeLocalList(full, put, drop):
                    self.change_list(full, put, drop)
                case PutCached(token):
                    if token.id_tag.lower() not in self.listed:
                        self.cached[token.id_tag.lower()] = token
                case ClearTokenCache():
                    self.cached = {}

    def note_sample(self, message, sampled_ms, register_wh, register_ms):
        self.transactions[message.transaction] = structs.replace(
            self.transactions[message.transaction],
            sampled_ms=sampled_ms,
            register_wh=register_wh,
            register_ms=register_ms,
        )

    def bury_all(self, reason):
        for sequence in sorted(self.queue):
            message = self.queue.pop(sequence)
            self.dead.append((message, reason))
            self.letters += 1
            self.numbers.append(self.letters)
            if message.kind != "meter_values":
                change = {message.kind.value: SendState.DEAD}
                transaction = structs.replace(self.transactions[message.transaction], **change)
                self.transactions[message.transaction] = transaction

    def queue_again(self, message, sequence):
        assert sequence == self.next_sequence
        self.next_sequence += 1
        fresh = structs.replace(
            message, sequence=sequence, attempts=0, not_before_ms=None, without_data=False
        )
        self.queue[sequence] = fresh

    def settle(self, transaction, through):
        letters = zip(self.numbers, self.dead, strict=True)
        left = [one for one in letters if one[0] > through or one[1][0].transaction != transaction]
        self.numbers, self.dead = [number for number, _ in left], [letter for _, letter in left]

    def unbury(self, transaction, through, first_sequence):
        letters = list(zip(self.numbers, self.dead, strict=True))
        risen = [one for one in letters if one[0] <= through and one[1][0].transaction == transaction]
        self.numbers = [number for number, _ in letters if number not in dict(risen)]
        self.dead = [letter for number, letter in letters if number not in dict(risen)]
        order = ("start", "meter_values", "stop")
        messages = sorted((message for _, (message, _) in risen), key=lambda m: order.index(m.kind))
        for sequence, message in enumerate(messages, first_sequence):
            self.queue_again(message, sequence)

    def letters_of(self, number):
        letters = zip(self.numbers, self.dead, strict=True)
        return [(letter, message) for letter, (message, _) in letters if message.transaction == number]

    def find_letters(self, query):
        wanted = self.transactions if query.transactions is None else query.transactions
        dead = [
            DeadTransaction(
                transaction=self.transactions[number],
                messages=len(letters),
                through=max(letter for letter, _ in letters),
                start=any(message.kind == "start" for _, message in letters),
                stop=any(message.kind == "stop" for _, message in letters),
                stop_data=self.samples.get(number),
            )
            for number in sorted(wanted)
            if number > query.after and (letters := self.letters_of(number))
        ]
        return DeadLettersFound(tuple(dead[: query.limit]), more=len(dead) > query.limit)

    def change_list(self, full, put, drop):
        kept = {} if full else self.listed
        dropped = {id_tag.lower() for id_tag in drop}
        self.listed = {key: token for key, token in kept.items() if key not in dropped}
        self.listed |= {token.id_tag.lower(): token for token in put}
        self.cached = {key: token for key, token in self.cached.items() if key not in self.listed}

    def read(self, query):
        match query:
            case QueueQuery(after, limit):
                return self.page(after, limit)
            case SessionQuery(from_ms, until_ms, limit):
                found = sorted(
                    (t.started_ms, t.number, t)
                    for t in self.transactions.values()
                    if t.stopped_ms is not None and from_ms <= t.started_ms < until_ms
                )
                return SessionsFound(tuple(t for _, _, t in found[:limit]), more=len(found) > limit)
            case TokenQuery(id_tags):
                keys = [id_tag.lower() for id_tag in id_tags]
                return TokensFound(
                    listed=tuple(self.listed[key] for key in keys if key in self.listed),
                    cached=tuple(self.cached[key] for key in keys if key in self.cached),
                    list_length=len(self.listed),
                )
            case DeadLettersQuery():
                return self.find_letters(query)
            case ListQuery():
                return ListFound(tuple(token for _, token in sorted(self.listed.items())))
        raise AssertionError(query)

    def page(self, after, limit):
        behind = [self.queue[sequence] for sequence in sorted(self.queue) if sequence > after]
        messages = tuple(behind[:limit])
        numbers = {message.transaction for message in messages}
        return QueuePage(
            messages=messages,
            transactions=tuple(self.transactions[number] for number in sorted(numbers)),
            more=len(behind) > limit,
        )

    def load(self):
        open_transactions = tuple(t for t in self.transactions.values() if t.stopped_ms is None)
        return StoredChargePoint(
            document=self.document,
            configuration=dict(self.configuration),
            open_transactions=open_transactions,
            next_transaction=max(self.transactions, default=0) + 1,
            next_sequence=self.next_sequence,
            queue=self.page(0, 16),
            queued=len(self.queue),
            profiles=tuple(self.profiles.values()),
            samples=next((self.samples.get(t.number) for t in open_transactions), None),
            restored=self.restored,
        )


class Bench:
    """Plays everything around one charge point.

    `calls` and `commands` collect what has come out since they were last taken; `answers` maps ids of
    calls of the central system to frames. A turn's records are committed before its outputs are seen.
    """

    def __init__(self, preset="ocpp16", overrides=None, capabilities=frozenset(Capability), **settings):
        self.settings = Settings(
            behaviour=behaviour(preset, overrides),
            capabilities=capabilities,
            **{
                "charger": "sim/SIM1",
                "identity": "CP1",
                "serial": "EH1",
                "vendor": "Maker",
                "model": "Home",
                **settings,
            },
        )
        self.utc_ms, self.mono = T0_MS, 1000.0
        self.store = MemoryStore()
        self.epoch = 0
        self.linked = False
        self.pause_s = 0.0
        """For how long the link was to stay closed; 0 if that is over."""
        self.hold_pages = False
        self.pages = []
        self.calls, self.commands, self.outputs, self.answers, self.turns = [], [], [], {}, []
        self.open_call = None
        self._seen_ids = set()
        self._call_number = 0
        self._meter_mono, self._meter = inf, None
        self.start()

    # --- turns

    @property
    def now(self):
        return Instant(self.utc_ms, self.mono)

    def start(self):
        """Build the charge point from the store, as a process does that has just begun."""
        self.cp = VirtualChargePoint(self.settings, self.store.load())
        self.linked, self.open_call, self.pages = False, None, []
        self._take(self.cp.resume(self.now))

    def restart(self):
        """Begin anew; the driver tells soon what it told before of reaching the charger."""
        reachable = self.cp.reachable
        self.start()
        if reachable:
            self.reachable()

    def rebuild(self):
        """Build it anew in the same process, as after a turn that failed: the driver repeats nothing."""
        failed, self.cp = self.cp, VirtualChargePoint(self.settings, self.store.load())
        self.cp.reachable = failed.reachable
        self.cp.state_unseen_until_ms = failed.state_unseen_until_ms
        self.linked, self.open_call, self.pages = False, None, []
        self._take(self.cp.resume(self.now))

    def turn(self, an_input):
        effects = self.cp.handle(an_input, self.now)
        self._take(effects)
        return effects

    def _take(self, effects):
        self.store.commit(effects.records)
        self.turns.append((self.now, effects))
        self.outputs += effects.outputs
        reads = []
        for output in effects.outputs:
            match output:
                case SendFrame(epoch, data):
                    assert self.linked
                    assert epoch == self.epoch
                    self._sent(json.loads(data))
                case CloseLink(epoch, _, pause_s):
                    assert epoch == self.epoch
                    self.linked, self.open_call = False, None
                    self.pause_s = pause_s
                case ReopenLink():
                    self.pause_s = 0.0
                case CommandCharger(command):
                    self.commands.append(command)
                case ReadStore(query):
                    reads.append(query)
        self.pages += [StoreRead(query, self.store.read(query)) for query in reads]
        if not self.hold_pages:
            self.deliver_pages()

    def deliver_pages(self):
        while self.pages:
            self.turn(self.pages.pop(0))

    def _sent(self, frame):
        if frame[0] != 2:
            self.answers[frame[1]] = frame
            return
        _, id, action, payload = frame
        if self.open_call is not None:
            assert self.mono - self.open_call[2] >= self.settings.call_timeout_s, "two CALLs at once (RPC-5)"
        assert len(id) <= 36
        assert id not in self._seen_ids, "a message id is used once (RPC-3)"
        self._seen_ids.add(id)
        ACTIONS[action].request_decoder.decode(json.dumps(payload))
        self.open_call = (id, action, self.mono)
        self.calls.append((action, payload))

    def wait(self, seconds, *, answering=False):
        """Let time pass, waking the charge point whenever it wants to be."""
        until = self.mono + seconds
        while (at := min(self.cp.wake_at, self._meter_mono)) <= until:
            assert at < inf
            self._pass(max(at - self.mono, 0.0))
            if at == self._meter_mono:
                self._read_meter()
            else:
                self.turn(TimerFired())
            if answering:
                self.settle()
        self._pass(until - self.mono)

    def live(self, seconds):
        """Let time pass while the central system answers at once; return what was said meanwhile."""
        self.wait(seconds, answering=True)
        return self.said()

    def _pass(self, seconds):
        self.mono += seconds
        self.utc_ms += round(seconds * 1000)

    # --- the link and the central system

    def link_up(self):
        self.epoch += 1
        self.linked, self.open_call, self.pause_s = True, None, 0.0
        self.turn(LinkOpened(self.epoch))

    def link_down(self):
        self.linked, self.open_call = False, None
        self.turn(LinkClosed(self.epoch))

    def hang_up(self, code=1011, reason="closed by the central system: 1011"):
        """The central system closes the connection, or cuts it."""
        self.linked, self.open_call = False, None
        self.turn(LinkClosed(self.epoch, reason, code))

    def frame(self, data):
        return self.turn(FrameReceived(self.epoch, data))

    def answer(self, payload=None):
        """Answer the open CALL, by default to its satisfaction."""
        id, action, _ = self.open_call
        self.open_call = None
        self.frame(json.dumps([3, id, _ANSWERS.get(action, {}) if payload is None else payload]).encode())

    def refuse(self, code="InternalError"):
        id, _, _ = self.open_call
        self.open_call = None
        self.frame(json.dumps([4, id, code, "no", {}]).encode())

    def serve(self):
        """Answer CALLs until there are none; return what was said meanwhile."""
        self.settle()
        return self.said()

    def settle(self):
        """Answer CALLs until there are none."""
        while self.open_call is not None:
            self.answer()

    def said(self):
        calls, self.calls = self.calls, []
        return calls

    def asked(self, *kinds):
        """What the charger was asked to do since the last time; of these kinds, if any are named."""
        commands, self.commands = self.commands, []
        return [command for command in commands if not kinds or isinstance(command, kinds)]

    def ask(self, action, payload=None):
        """Send a CALL of the central system; return its answer's payload, a CALLERROR's code, or None."""
        self._call_number += 1
        id = f"cs{self._call_number}"
        self.frame(json.dumps([2, id, action, payload or {}]).encode())
        return self.reply(id)

    def reply(self, id):
        frame = self.answers.get(id)
        return None if frame is None else frame[2]

    def boot(self):
        """Connect, register, and tell the first statuses."""
        self.link_up()
        return self.serve()

    # --- the charger

    def tell(self, event):
        return self.turn(ChargerReported(event))

    def reachable(self, yes=True):
        self.tell(Reachable(at_ms=self.utc_ms, reachable=yes))

    def state(self, state, reason="", fault=None):
        self.tell(StateChanged(at_ms=self.utc_ms, state=state, reason=reason, fault=fault))

    def token(self, id_tag="TAG1"):
        self.tell(TokenPresented(at_ms=self.utc_ms, id_tag=id_tag))

    def begin(self, session=1, id_tag="TAG1", register_wh=1000):
        self._session = (session, id_tag, self.utc_ms, register_wh)
        self.tell(SessionStarted(at_ms=self.utc_ms, session=session, id_tag=id_tag, register_wh=register_wh))

    def end(self, register_wh=1500, reason=SessionEnd.DEAUTHORIZED):
        session, id_tag, started_ms, start_wh = self._session
        self.tell(
            SessionEnded(
                at_ms=self.utc_ms,
                session=session,
                id_tag=id_tag,
                started_at_ms=started_ms,
                start_register_wh=start_wh,
                register_wh=register_wh,
                reason=reason,
            )
        )

    def measure(self, *readings, session=1):
        self.tell(Measured(at_ms=self.utc_ms, readings=readings, session=session))

    def metering(self, every_s=10, *readings, session=1, before_s=1):
        """The charger measures this from now on, at such an interval; first so long before it is over."""
        self._meter = every_s, readings or (Reading(Quantity.ENERGY_WH, 1000),), session
        self._meter_mono = self.mono + every_s - before_s

    def _read_meter(self):
        every_s, readings, session = self._meter
        self._meter_mono += every_s
        if self.cp.reachable:
            self.measure(*readings, session=session)

    def energy(self, register_wh, session=1):
        self.measure(Reading(Quantity.ENERGY_WH, register_wh), session=session)

    def charger_restarts(self, firmware=""):
        self.tell(Restarted(at_ms=self.utc_ms, firmware=firmware))

    def done(self, command, outcome=Outcome.DONE):
        self.turn(CommandEnded(CommandOutcome(command.number, outcome)))

    def comes_back(self, firmware=""):
        """The charger restarts, as it was commanded to; the link opens again."""
        self.reachable(False)
        self.wait(20)
        self.reachable()
        self.charger_restarts(firmware)
        if not self.linked:
            assert self.pause_s == 0
            self.link_up()

    def obey(self):
        """The charger does all that it was asked to; return what that was."""
        obeyed = []
        while self.commands:
            command = self.commands.pop(0)
            obeyed.append(command)
            self.done(command)
        return obeyed

    # --- whole scenes

    def ready(self):
        """A registered charge point whose charger is there, without a car."""
        self.reachable()
        self.state(ChargerState.DISCONNECTED)
        self.boot()
        self.obey()
        return self

    def charging(self, transaction_id=7):
        """A car charges with TAG1 by the charger's session 1; the central system knows all of it."""
        self.state(ChargerState.AWAITING_TOKEN)
        self.token()
        self.serve()
        self.wait(1)
        self.begin()
        self.state(ChargerState.CHARGING)
        while self.open_call is not None:
            start = self.open_call[1] == "StartTransaction"
            payload = {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}}
            self.answer(payload if start else None)
        self.obey()
        self.said()
        return self

    def statuses(self):
        """What the StatusNotifications said since the last time: `connector status [error] [info]`."""
        told = []
        for action, payload in self.said():
            if action == "StatusNotification":
                words = [str(payload["connectorId"]), payload["status"]]
                if payload["errorCode"] != "NoError":
                    words.append(payload["errorCode"])
                words += [payload[name] for name in ("info", "vendorErrorCode") if name in payload]
                told.append(" ".join(words))
        return told


@pytest.fixture(scope="session")
def new_bench():
    return Bench


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def ready():
    return Bench().ready()


@pytest.fixture
def charging():
    return Bench().ready().charging()
