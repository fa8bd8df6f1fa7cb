"""The pure half of the Easee driver on simulated ports: its fleet, its twins, and what it saves when."""

import sqlite3

import msgspec
from msgspec import structs

from chargebridge.chargers.easee import command_effects
from chargebridge.chargers.easee.checkpoints import SAVE_AFTER_S, DueCheckpoints
from chargebridge.chargers.easee.fleet import Fleet
from chargebridge.chargers.easee.operator.deliveries import Deliveries
from chargebridge.chargers.easee.read_results import ReadResults
from chargebridge.chargers.easee.reading import ENERGY, SESSIONS
from chargebridge.chargers.easee.settings import Settings
from chargebridge.chargers.easee.twin import rebuilding, repeats
from chargebridge.chargers.easee.twin.commands import NotPossibleError, limit_in_amperes, steps_for
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.rebuilding import ListedSession
from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.twin import USED
from chargebridge.chargers.model import (
    CommandOutcome,
    Outcome,
    ReportSessions,
    Restarted,
    SessionEnded,
    SessionStarted,
    SetLimit,
    TokenPresented,
)
from tests.simulation.faults import Kind

SAVED = "a driver saves nothing of an event that is not durable"
RELEASED = "a message is acknowledged when its events are durable and its twin is saved"
MISSED_TAG = "MISSED"
RECONNECTED_S = 100.0
"""How long it takes at most until a driver has noticed that its connection broke, and has another one."""

_FLUSH_S = 0.05
_PRODUCT = 1
_READ = sorted(
    USED - {Observation.CHARGING_SESSION, Observation.CHARGING_SESSION_START, Observation.USER_ID_TOKEN}
)


class _Timers:
    """The timers of a process, which end with it."""

    def __init__(self, process):
        self._process = process

    def later(self, delay_s, act):
        self._process.later(delay_s, act)

    def cancel(self):
        """Only a process that ends cancels them, and then nothing of it happens any more."""


class _Sink:
    """The gateway's sink, with somebody who listens."""

    def __init__(self, process):
        self._process = process

    def charger_event(self, serial, event, receipt):
        process = self._process
        process.world.trace.add(process.world.identity_of(serial), "::", event)
        process.watch.reported(process.world.identity_of(serial), event)
        process.sink.charger_event(serial, event, receipt)

    def charger_known(self, info):
        self._process.world.vendor.outlets[info.serial].listener = self._process
        self._process.sink.charger_known(info)

    def command_outcome(self, serial, outcome):
        self._process.watch.reported(self._process.world.identity_of(serial), outcome)
        self._process.sink.command_outcome(serial, outcome)

    def cloud_connected(self):
        self._process.sink.cloud_connected()

    def cloud_disconnected(self, reason):
        self._process.sink.cloud_disconnected(reason)


class _Message:
    """What has become of a message of the queue."""

    def __init__(self, serial, order, *, changed, numbers):
        self.serial = serial
        self.order = order
        self.changed = changed
        """Whether it has changed its charger's record."""
        self.numbers = numbers
        """Those of its events that have to be acknowledged."""
        self.pending_end = None
        """The session whose end record it is, while that waits for its reason."""


class EaseeDriver:
    """The port `Driver`: what ships of the Easee driver, without its event loop, sockets and threads.

    Args:
        process: the life of the gateway that it belongs to.
        vendor: the simulated cloud.
    """

    def __init__(self, process, vendor):
        self._process = process
        self.connection = Connection(process, vendor)
        self._fleet = self.connection.fleet

    def watch(self, serial):
        self._fleet.watch(serial)

    def unwatch(self, serial):
        self._fleet.unwatch(serial)

    def acknowledge(self, receipt):
        self._show(receipt.serial)
        self._fleet.acknowledge(receipt)

    def command(self, serial, command):
        self._show(serial)
        self._fleet.command(serial, command)

    def _show(self, serial):
        self._process.step(Kind.CRASH_AT_OUTPUT)
        self._process.watch.about_to_show(self._process.world.identity_of(serial))

    def die(self, share):
        """The process is gone."""
        self.connection.die(share)


class Connection:
    """Everything between the fleet and the cloud (`ports.Cloud`), and the driver's file.

    Args:
        process: the life of the gateway that it belongs to.
        vendor: the simulated cloud.
    """

    def __init__(self, process, vendor):
        self._process = process
        self._vendor = vendor
        self._faults = process.world.faults
        self._settings = Settings(
            way=vendor.way, user_name="a@example.com", password="p", missed_tag=MISSED_TAG
        )
        self.replays = vendor.way == "account"
        self.fleet = Fleet(self._settings, _Sink(process), process.world.host_clock, timers=_Timers(process))
        self._results = ReadResults(self.fleet, _Sink(process))
        self._due = DueCheckpoints()
        self._saving = False
        self._writing = None
        self._deliveries = None
        self._last_delivery = 0
        self._connection = 0
        self._flushing = False
        self._subscribed = set()
        self._rebuilding = set()
        self._messages = {}
        """By delivery: messages that are not acknowledged to the broker."""
        self._order = 0
        self._saved_order = {}
        """By charger: the message up to which its saved record goes."""
        self._saved = vendor.file.records()
        """By charger: the record that was saved last."""
        self.fleet.open(self, vendor.file.records())
        process.later(self._faults.random.uniform(0.1, 3), self._connect)

    def die(self, share):
        """The process is gone: a write that is under way has reached the disk, or has not."""
        writing, self._writing = self._writing, None
        if writing is not None and share >= 0.5 and not self._vendor.file.is_full:
            self._vendor.file.write(writing.records)

    # --- the connection

    def _connect(self):
        if not self._vendor.connect(self):
            self._process.later(self._faults.seconds(1, 30), self._connect)
            return
        self._connection += 1
        self._deliveries = Deliveries(self._last_delivery, self._vendor.queue.prefetch)
        self.fleet.connection_opened()
        if self.replays:
            for charger in list(self.fleet.chargers.values()):
                if charger.watched:
                    self._subscribe(charger.serial)

    def connection_broken(self):
        """The connection is gone; that is noticed after a while."""
        number = self._connection
        self._process.later(self._faults.seconds(0.1, 60), lambda: self._notice(number))

    def _notice(self, number):
        if number == self._connection:
            self._connection += 1
            self._last_delivery, self._deliveries = self._deliveries.last, None
            self._subscribed.clear()
            self.fleet.connection_lost("broken")
            self.fleet.connection_failed("broken")
            self._connect()

    def is_subscribed(self, serial):
        return serial in self._subscribed

    def _subscribe(self, serial):
        number = self._connection
        self._process.later(
            self._faults.random.uniform(0.1, 2),
            lambda: number == self._connection and self._vendor.client is self and self._replay(serial),
        )

    def _replay(self, serial):
        self._subscribed.add(serial)
        self.fleet.subscribed(serial)
        for update in list(self._vendor.replay(serial)):
            self.received(update)

    # --- messages

    def arrived(self, tag, update):
        """A message of the queue is there."""
        if not self._process.alive or self._deliveries is None or self._vendor.client is not self:
            return
        delivery = self._deliveries.arrived(tag)
        self.received(structs.replace(update, delivery=delivery))

    def received(self, update):
        """Take an observation, and note what becomes of it."""
        if not self._process.alive:
            return
        charger = self.fleet.chargers.get(update.serial)
        if update.delivery is None or charger is None:
            self.fleet.observation_received(update)
            return
        before, numbers = charger.snapshot(), set(charger.pending)
        end_before = charger.twin.record.pending_end
        self._order += 1
        message = _Message(update.serial, self._order, changed=True, numbers=set())
        self._messages[update.delivery] = message
        self.fleet.observation_received(update)
        message.changed = charger.snapshot() != before
        message.numbers = set(charger.pending) - numbers
        end = charger.twin.record.pending_end
        if end is not None and end is not end_before:
            message.pending_end = end.session

    def acknowledge(self, deliveries):
        """Acknowledge messages to the broker."""
        if self._deliveries is None:
            return
        mono = self._process.world.host_clock.now().mono
        for delivery in deliveries:
            self._check_released(delivery)
            self._deliveries.acknowledge(delivery, mono)
        if self._deliveries.waiting and not self._flushing:
            self._flushing = True
            self._process.later(_FLUSH_S, self._flush)

    def _flush(self):
        self._flushing = False
        if self._deliveries is None:
            return
        for tag, up_to in self._deliveries.due(self._process.world.host_clock.now().mono):
            self._process.step(Kind.CRASH_AT_OUTPUT)
            if self._vendor.client is self:
                self._vendor.queue.acknowledge(self, tag, up_to=up_to)
        if self._deliveries.waiting:
            self._flushing = True
            self._process.later(_FLUSH_S, self._flush)

    def _check_released(self, delivery):
        message = self._messages.pop(delivery, None)
        if message is None:
            return
        watch, identity = self._process.watch, self._process.world.identity_of(message.serial)
        charger = self.fleet.chargers[message.serial]
        owed = sorted(message.numbers & charger.pending.keys())
        watch.require(RELEASED, identity, not owed, f"events {owed} are not durable")
        held = charger.twin.record.pending_end
        waits = held is not None and held.session == message.pending_end
        watch.require(RELEASED, identity, not waits, "the end of its session is not reported")
        saved = not message.changed or self._saved_order.get(message.serial, 0) >= message.order
        watch.require(RELEASED, identity, saved, "the twin is not saved")

    # --- `ports.Cloud`

    def subscribe(self, charger):
        serial = charger.serial
        if charger.twin.record.product is None:
            self._process.later(5.0, lambda: self._results.products_read({serial: _PRODUCT}))
        if self.replays:
            if self._vendor.client is self:
                self._subscribe(serial)
            return True
        if not charger.twin.state_known:
            self._process.later(self._faults.random.uniform(1, 5), lambda: self._read_state(charger))
        return False

    def _read_state(self, charger):
        if not charger.twin.state_known:
            updates = [one for one in self._vendor.replay(charger.serial) if one.id in _READ]
            self._results.state_read(updates)

    def read_sessions(self, charger):
        """See `ports.Cloud`."""
        self._process.later(self._faults.random.uniform(1, 5), lambda: self._read_sessions(charger))

    def _read_sessions(self, charger):
        if charger.twin.record.unread and charger.watched:
            self._results.sessions_read(charger, self._last_sessions(charger))

    def _last_sessions(self, charger):
        """Return what the cloud shows of a charger's last sessions, their records first."""
        updates = [one for one in self._vendor.replay(charger.serial) if one.id in SESSIONS | ENERGY]
        ranks = {int(Observation.CHARGING_SESSION): 0, int(Observation.CHARGING_SESSION_START): 1}
        return sorted(updates, key=lambda one: ranks.get(one.id, 2))

    def _report_sessions(self, charger, command):
        """Carry out a `ReportSessions` as the driver does, in one step."""
        record, now_ms = charger.twin.record, self._process.world.host_clock.now().utc_ms
        reported = repeats.reported_edges(record)
        read = self._last_sessions(charger)
        self._results.sessions_read(charger, read)
        if self._results.align(charger, command):
            reported = repeats.reported_edges(record)
        listed = self._listed(charger)
        gap = rebuilding.known_gap(record, command.first)
        if gap is None or not rebuilding.is_certain(gap, listed):
            gap = repeats.missing_sessions(record, command, now_ms)
        rebuilt = [] if gap is None else rebuilding.rebuild(record, gap, listed, MISSED_TAG)
        running = rebuilding.car_has_gone(charger.twin)
        if running is not None and running.id >= command.first:
            ended = rebuilding.end_unrecorded(charger.twin, read, listed, MISSED_TAG)
            if ended is None:
                self._results.register_read(charger, rebuilding.best_register(charger.twin, read))
            else:
                rebuilt.append(ended)
        reported |= {(one.session, True) for one in rebuilt}
        self._results.report_again(charger, command.first, reported)
        self._report(charger.serial, CommandOutcome(command.number, Outcome.DONE))

    def unsubscribe(self, charger):
        self._subscribed.discard(charger.serial)

    def submit(self, charger, command):
        """Carry out a command as the executor does, in one step."""
        now_ms = self._process.world.host_clock.now().utc_ms
        outcome, steps = None, ()
        if isinstance(command, ReportSessions) and charger.announced and command.expires_ms > now_ms:
            seconds = self._faults.random.uniform(0.5, 5)
            self._process.later(seconds, lambda: self._report_sessions(charger, command))
            return
        if command.expires_ms <= now_ms:
            outcome = CommandOutcome(command.number, Outcome.EXPIRED)
        elif not charger.reachable:
            outcome = CommandOutcome(command.number, Outcome.REFUSED, "charger unreachable")
        else:
            try:
                status = self._settings.authorize_status
                steps = steps_for(
                    command, charger.twin, now_ms, bus=not self.replays, authorize_status=status
                )
            except NotPossibleError as error:
                outcome = CommandOutcome(command.number, Outcome.IMPOSSIBLE, str(error))
        if outcome is not None:
            self._process.later(0.01, lambda: self._report(charger.serial, outcome))
            return
        if command_effects.prepare(charger, command, now_ms):
            self.checkpoint(charger)
        if not steps:
            done = CommandOutcome(command.number, Outcome.DONE)
            self._process.later(0.01, lambda: self.command_ended(charger.serial, command, done))
            return
        if isinstance(command, SetLimit) and command.limit_ma is not None:
            command = structs.replace(command, limit_ma=limit_in_amperes(command, charger.twin) * 1000)
        self._vendor.command(charger.serial, command, self._process)

    def command_ended(self, serial, command, outcome):
        """The outcome of a command is there."""
        charger = self.fleet.chargers[serial]
        now_ms = self._process.world.host_clock.now().utc_ms
        events = command_effects.apply_outcome(charger, command, outcome.outcome, now_ms)
        self.fleet.deliver_read(charger, events)
        self._report(serial, outcome)

    def _report(self, serial, outcome):
        if outcome.number:
            _Sink(self._process).command_outcome(serial, outcome)

    def response_received(self, response):
        """Outcomes come by themselves here."""

    def rebuild(self, charger, gap):
        if (charger.serial, gap) not in self._rebuilding:
            self._rebuilding.add((charger.serial, gap))
            self._process.later(self._faults.random.uniform(1, 60), lambda: self._rebuild(charger, gap))

    def _rebuild(self, charger, gap):
        self._rebuilding.discard((charger.serial, gap))
        record = charger.twin.record
        if gap in record.gaps:
            events = rebuilding.rebuild(record, gap, self._listed(charger), MISSED_TAG)
            self._results.sessions_rebuilt(charger, events)

    def _listed(self, charger):
        """Return the cloud's list of a charger's sessions."""
        return [
            ListedSession(one.started_at_ms, one.at_ms, (one.register_wh - one.start_register_wh) * 1_000_000)
            for one in self._vendor.cloud[charger.serial].finished
        ]

    # --- the driver's file

    def checkpoint(self, charger):
        self._due.add(charger)
        self._save_soon()

    def _save_soon(self):
        if not self._saving:
            self._saving = True
            self._process.later(SAVE_AFTER_S, self._save)

    def _save(self):
        checkpoint = self._due.take()
        self._saving = False
        if checkpoint is None:
            if self._due:
                self._save_soon()
            return
        self._saving = True
        orders = {}
        for serial, record in checkpoint.records:
            self._check_saved(serial, record)
            if record == self.fleet.chargers[serial].snapshot():
                orders[serial] = self._order
        self._writing = checkpoint
        slow = self._faults.strikes(Kind.FILE_SLOW)
        seconds = self._faults.seconds(1, 20) if slow else 0.004
        self._process.later(seconds, lambda: self._write(checkpoint, orders))

    def _write(self, checkpoint, orders):
        self._process.step(Kind.CRASH_BEFORE_SAVE)
        self._writing = None
        try:
            if checkpoint.records:
                self._vendor.file.write(checkpoint.records)
        except sqlite3.Error:
            self._due.failed(checkpoint)
            self._saving = False
            self._save_soon()
            return
        self._process.later(0.002, lambda: self._written(checkpoint, orders))
        self._process.step(Kind.CRASH_AFTER_SAVE)

    def _written(self, checkpoint, orders):
        self._saved_order |= orders
        for serial, text in checkpoint.records:
            self._saved[serial] = msgspec.json.decode(text, type=TwinRecord)
        self._saving = False
        deliveries = self._due.written(checkpoint)
        if deliveries:
            self.acknowledge(deliveries)
        if self._due:
            self._save_soon()

    def _check_saved(self, serial, text):
        """A record that is about to be saved must not know what the gateway may forget."""
        record = msgspec.json.decode(text, type=TwinRecord)
        charger, identity = self.fleet.chargers[serial], self._process.world.identity_of(serial)
        known, before = [], self._saved.get(serial, TwinRecord())
        for event, _ in charger.pending.values():
            match event:
                case SessionEnded(session=session) if session in before.reported:
                    pass  # it is reported again: it was durable long ago
                case SessionStarted(session=session) if session == _started(before):
                    pass
                case SessionEnded(session=session) if session in record.reported:
                    known.append(event)
                case SessionStarted(session=session) if record.running is not None:
                    if record.running.id == session and record.running.reported:
                        known.append(event)
                case TokenPresented(at_ms=at_ms) if _seen_ms(record, Observation.USER_ID_TOKEN) >= at_ms:
                    known.append(event)
                case Restarted(at_ms=at_ms) if _seen_ms(record, Observation.SOFTWARE_RELEASE) >= at_ms:
                    known.append(event)
        self._process.watch.require(SAVED, identity, not known, f"not durable, and saved: {known}")
        held = record.pending_end
        self._process.watch.require(SAVED, identity, held is None, f"an end that is not reported: {held}")


def _started(record):
    """Return the running session if its start is reported."""
    return record.running.id if record.running is not None and record.running.reported else None


def _seen_ms(record, observation):
    seen = record.seen.get(observation)
    return 0 if seen is None else seen.at_ms
