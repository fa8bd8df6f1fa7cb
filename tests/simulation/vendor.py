"""Simulated chargers with cars, the vendor's cloud that keeps their events, and the driver's way to it."""

from random import Random

from msgspec import structs

from chargebridge.chargers.model import (
    CommandOutcome,
    Fault,
    Outcome,
    Reachable,
    ReportSessions,
    SessionEnded,
    SessionStarted,
)
from chargebridge.chargers.simulator.bay import Bay
from chargebridge.chargers.simulator.hardware.charger import NotPossibleError
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.traffic import PACES, Traffic, Visitor
from tests.simulation.faults import Kind
from tests.simulation.metered_charger import MeteredCharger

_MEASURE_EVERY_S = 180
_LATEST_S = 2400
"""How late an event may be while the stream is up."""
_GREETS_S = 2.0
"""How long a driver's connection takes at most until it is greeted."""


class _Driver:
    """The port `Driver`."""

    def __init__(self, process, vendor):
        self._process = process
        self._vendor = vendor

    def watch(self, serial):
        self._vendor.watch(serial, self._process)

    def unwatch(self, serial):
        self._vendor.unwatch(serial)

    def acknowledge(self, receipt):
        self._show(receipt[0])
        self._vendor.acknowledge(*receipt)

    def command(self, serial, command):
        self._show(serial)
        self._vendor.command(serial, command, self._process)

    def _show(self, serial):
        self._process.step(Kind.CRASH_AT_OUTPUT)
        self._process.watch.about_to_show(self._process.world.identity_of(serial))

    def die(self, share):
        """The process is gone: of this driver nothing is on its way to a disk."""


class Outlet:
    """One charger with its visitors, and the channel on which the driver hears of it."""

    def __init__(self, serial, bay):
        self.serial = serial
        self.bay = bay
        self.watcher = None
        """The process that wants to hear of it."""
        self.listener = None
        """The same, once it has been greeted."""
        self.channel = 0
        """Rises when the channel breaks: what is under way on the old one is lost."""
        self.arrives_ms = self.obeys_ms = 0
        """When the last event arrives that keeps its place, and the last command: they keep their order."""
        self.wakes_ms = None
        self.numbered = 0
        """The newest session number that is taken, or left out."""
        self.behind_ms = 0
        """Until when an event is late, or lost until then."""
        self.finished = []
        """Every session that has ended, as the charger accounts for it."""
        self.reported = set()
        """(start or end, session): what has reached the cloud so far."""
        self.start_missed = 0
        """The newest session whose start no driver has got: its end has to tell all."""
        self.loses = None
        """What befalls the next edge of a session, whatever the dice say."""
        self.missed = set()
        """Sessions whose end is delivered to nobody who does not look for it."""
        self.introduced = False
        """Whether a charge point has taken any of its sessions, so that it remembers the charger."""
        self.lost = {}
        """By number: the sessions whose end nobody will ever tell."""

    @property
    def charger(self):
        return self.bay.charger


class Vendor:
    """All chargers, and the cloud between them and the gateway.

    Args:
        world: they live in.
        serials: of the chargers.
        pace: of the traffic, or None: only hands from outside bring cars.
        seed: of the traffic.
    """

    def __init__(self, world, serials, pace, seed):
        self._world = world
        self._faults = world.faults
        self._timeline = world.timeline
        self.stream_up = True
        self.outlets = {}
        self._gaps = Random(f"{seed}/gaps")
        traffic = Traffic(seed, PACES[pace]) if pace else None
        for serial in serials:
            settings = ChargerSettings(serial=serial, measure_every_s=_MEASURE_EVERY_S)
            charger = MeteredCharger.installed(settings, self._timeline.now_ms)
            visitor = Visitor(traffic, charger, None) if traffic else None
            self.outlets[serial] = Outlet(serial, Bay(charger, visitor, {}, 0))
            self.settle(self.outlets[serial])

    # --- the chargers' own life

    def settle(self, outlet):
        """Take what a charger has to tell, and wake it when it wants to do something."""
        outlet.finished += outlet.charger.take_finished()
        events = outlet.bay.collect()[0]
        for kept in events:
            if not self._goes_missing(outlet, kept):
                self._pass_on(outlet, kept)
        identity = self._world.identity_of(outlet.serial)
        self._world.watch.charger_acted(identity, outlet, [kept.event for kept in events])
        self._skip_numbers(outlet)
        due_ms = outlet.bay.due_ms
        if outlet.wakes_ms is None or due_ms < outlet.wakes_ms:
            outlet.wakes_ms = due_ms
            self._timeline.at(due_ms, lambda: self._wake(outlet, due_ms))

    def _goes_missing(self, outlet, kept):
        """Whether an edge of a session gets lost on its way, where nobody owes it any more."""
        event, identity = kept.event, self._world.identity_of(outlet.serial)
        if not isinstance(event, SessionStarted | SessionEnded):
            return False
        edge = type(event), event.session
        if edge in outlet.reported:
            return False  # it is reported again, on request
        outlet.reported.add(edge)
        if isinstance(event, SessionStarted):
            if not self._loses(outlet, Kind.START_MISSED):
                return False
            outlet.start_missed = event.session
        elif event.session == outlet.start_missed:
            return False
        elif self._loses(outlet, Kind.END_LOST):
            outlet.charger.record.lost_ends.append(event.session)
            outlet.lost[event.session] = event
        elif self._loses(outlet, Kind.END_MISSED):
            outlet.missed.add(event.session)
        else:
            return False
        outlet.bay.acknowledge(kept.number)
        self._world.trace.add(identity, "!!", f"never delivered: {event}")
        return True

    def _loses(self, outlet, kind):
        if outlet.loses is kind:
            outlet.loses = None
            return True
        return self._faults.strikes(kind, self._world.identity_of(outlet.serial))

    def _skip_numbers(self, outlet):
        """Where numbers have gaps: the next session's is one of many."""
        record = outlet.charger.record
        if self._world.number_gap > 1 and record.last_session != outlet.numbered:
            record.last_session += self._gaps.randrange(self._world.number_gap)
            outlet.numbered = record.last_session

    def _wake(self, outlet, due_ms):
        if outlet.wakes_ms == due_ms:
            outlet.wakes_ms = None
            outlet.bay.advance(self._timeline.now_ms)
            self.settle(outlet)

    def act(self, serial, name, *arguments):
        """Let something happen to a charger; returns whether it was possible."""
        outlet = self.outlets[serial]
        outlet.bay.advance(self._timeline.now_ms)
        try:
            getattr(outlet.charger, name)(*arguments, self._timeline.now_ms)
        except NotPossibleError:
            return False
        finally:
            outlet.bay.reacted()
            self.settle(outlet)
        self._world.trace.add(self._world.identity_of(serial), "!!", f"charger: {name}")
        return True

    def trouble(self, outlet, kind):
        """Let something befall a charger, and end after a while where it does not end by itself."""
        self._faults.note(kind, self._world.identity_of(outlet.serial))
        self._world.watch.disturbed(self._world.identity_of(outlet.serial))
        if kind is Kind.CHARGER_AWAY:
            self.act(outlet.serial, "lose_cloud")
            long = self._faults.random.random() < 0.1
            hours = self._faults.seconds(6, 40) if long else self._faults.seconds(0.01, 4)
            self._timeline.after(hours * 3600, lambda: self.act(outlet.serial, "regain_cloud"))
        elif kind is Kind.CHARGER_POWER:
            self.act(outlet.serial, "power_cycle")
        else:
            fault = self._faults.random.choice((Fault.GROUND, Fault.OVER_CURRENT, Fault.WEAK_SIGNAL))
            self.act(outlet.serial, "raise_fault", fault)
            self._timeline.after(
                self._faults.seconds(30, 7200), lambda: self.act(outlet.serial, "clear_fault")
            )

    # --- the stream

    def _pass_on(self, outlet, kept):
        process = outlet.listener
        if process is None or not self.stream_up:
            return  # what is kept comes with the next greeting
        faults, identity, now_ms = self._faults, self._world.identity_of(outlet.serial), self._timeline.now_ms
        if isinstance(kept.event, Reachable):
            # The driver's own word, which it keeps in order (see `Reachable`).
            self._deliver_later(outlet, process, kept, faults.random.uniform(0.1, 1))
            return
        seconds, overtaken = faults.random.uniform(0.1, 1), False
        if faults.strikes(Kind.EVENT_LOST, identity):
            self._world.trace.add(identity, "::", f"lost: {kept.event}")
            # A driver owes it: it notices in time that nobody has acknowledged, and asks its cloud anew.
            seconds = faults.seconds(30, _LATEST_S)
            outlet.behind_ms = max(outlet.behind_ms, now_ms + round((seconds + _GREETS_S) * 1000))
            self._timeline.after(seconds, lambda: self._tell_anew(outlet, process))
            return
        if faults.strikes(Kind.EVENT_REORDERED, identity):
            seconds, overtaken = faults.seconds(1, _LATEST_S), True
        elif faults.strikes(Kind.EVENT_LATE, identity):
            seconds = faults.seconds(5, 600)
        if seconds > 1:
            outlet.behind_ms = max(outlet.behind_ms, now_ms + round(seconds * 1000))
        self._deliver_later(outlet, process, kept, seconds, overtaken=overtaken)
        if not overtaken and faults.strikes(Kind.EVENT_DOUBLED, identity):
            self._deliver_later(outlet, process, kept, faults.seconds(0.1, 3600), overtaken=True)

    def _tell_anew(self, outlet, process):
        if outlet.watcher is process and process.alive and self.stream_up:
            self._greet_soon(outlet)

    def _deliver_later(self, outlet, process, kept, seconds, *, overtaken=False):
        channel, now_ms = outlet.channel, self._timeline.now_ms
        at_ms = now_ms + round(seconds * 1000)
        if not overtaken:
            at_ms = outlet.arrives_ms = max(at_ms, outlet.arrives_ms)
        self._timeline.at(
            at_ms,
            lambda: outlet.channel == channel and process.alive and process.heard(outlet.serial, kept),
        )

    def break_stream(self):
        """The connection to the cloud breaks; the driver notices after a while."""
        self.stream_up = False
        for outlet in self.outlets.values():
            self._break_channel(outlet)
        process = self._world.process
        self._timeline.after(self._faults.seconds(0.1, 60), lambda: self._tell_loss(process))

    def _tell_loss(self, process):
        if process is None or not process.alive or self.stream_up:
            return
        now_ms = self._world.host_clock.now().utc_ms
        for outlet in self.outlets.values():
            process.heard_nothing(outlet.serial, Reachable(at_ms=now_ms, reachable=False))

    def restore_stream(self):
        self.stream_up = True
        for outlet in self.outlets.values():
            if outlet.watcher is not None:
                self._greet_soon(outlet)

    @staticmethod
    def _break_channel(outlet):
        outlet.channel += 1

    # --- the driver

    def driver_of(self, process):
        """Return the driver of a new process."""
        return _Driver(process, self)

    def watch(self, serial, process):
        """Tell this process of a charger from now on, beginning with what is known of it."""
        self.outlets[serial].watcher = process
        self._greet_soon(self.outlets[serial])

    def unwatch(self, serial):
        outlet = self.outlets[serial]
        self._break_channel(outlet)
        outlet.watcher = outlet.listener = None

    def _greet_soon(self, outlet):
        self._break_channel(outlet)
        outlet.listener = None
        channel, process = outlet.channel, outlet.watcher
        self._timeline.after(
            self._faults.random.uniform(0.1, _GREETS_S), lambda: self._greet(outlet, process, channel)
        )

    def _greet(self, outlet, process, channel):
        if not process.alive or outlet.channel != channel:
            return
        outlet.listener = process
        if not self.stream_up:
            return
        outlet.arrives_ms = self._timeline.now_ms
        for kept in outlet.bay.greeting() + outlet.bay.idle_values():
            self._deliver_later(outlet, process, kept, 0.0)
        process.sink.charger_known(outlet.charger.settings.info)

    def process_died(self):
        for serial in self.outlets:
            self.unwatch(serial)

    def acknowledge(self, serial, number):
        outlet = self.outlets[serial]
        taken = outlet.bay.kept.get(number)
        outlet.introduced = outlet.introduced or isinstance(taken, SessionStarted | SessionEnded)
        if not self._faults.strikes(Kind.RECEIPT_LOST, self._world.identity_of(serial)):
            outlet.bay.acknowledge(number)

    def command(self, serial, command, process):
        """Have a command carried out, unless it gets lost; its expiry is by the host's clock."""
        faults, world = self._faults, self._world
        outlet, identity = self.outlets[serial], world.identity_of(serial)
        world.trace.add(identity, "=>", command)
        if not self.stream_up:
            self._end(process, serial, CommandOutcome(command.number, Outcome.REFUSED, "no stream"), 0.1)
            return
        host_ms = world.host_clock.now().utc_ms
        own = structs.replace(command, expires_ms=command.expires_ms - (host_ms - self._timeline.now_ms))
        if faults.strikes(Kind.COMMAND_LOST, identity):
            world.watch.disturbed(identity)
            if faults.random.random() < 0.5:
                self._end(process, serial, CommandOutcome(command.number, Outcome.UNKNOWN), 30)
            return
        seconds = faults.random.uniform(0.1, 2)
        if faults.strikes(Kind.COMMAND_LATE, identity):
            world.watch.disturbed(identity)
            seconds = faults.seconds(10, 1200)
        tells = not faults.strikes(Kind.OUTCOME_LOST, identity)
        if not tells:
            world.watch.disturbed(identity)
        outlet.obeys_ms = max(outlet.obeys_ms, self._timeline.now_ms + round(seconds * 1000))
        self._timeline.at(outlet.obeys_ms, lambda: self._carry_out(outlet, own, process, tells=tells))
        if faults.strikes(Kind.COMMAND_DOUBLED, identity):
            again = seconds + faults.seconds(0.1, 100)
            self._timeline.after(again, lambda: self._carry_out(outlet, own, process, tells=False))

    def _carry_out(self, outlet, command, process, *, tells):
        now_ms, seconds = self._timeline.now_ms, 0.1
        outlet.bay.advance(now_ms)
        if isinstance(command, ReportSessions):
            self.settle(outlet)  # what has happened until now comes first
            outcome = self._report_sessions(outlet, command)
        else:
            outcome = outlet.charger.carry_out(command, now_ms)
        outlet.bay.reacted()
        self.settle(outlet)
        self._carried_out(outlet, command, outcome)
        self._world.trace.add(self._world.identity_of(outlet.serial), "=|", outcome)
        if isinstance(command, ReportSessions):
            seconds += max(outlet.arrives_ms - now_ms, 0) / 1000  # behind what it has found
        if tells:
            self._end(process, outlet.serial, outcome, seconds)
        elif self._faults.random.random() < 0.5:
            unknown = CommandOutcome(command.number, Outcome.UNKNOWN)
            self._end(process, outlet.serial, unknown, 30)

    def _carried_out(self, outlet, command, outcome):
        """A command was carried out, or not."""

    def _report_sessions(self, outlet, command):
        """Let the cloud report what it lists; the charger need not be reachable for that."""
        if command.expires_ms <= self._timeline.now_ms:
            return CommandOutcome(command.number, Outcome.EXPIRED)
        outlet.bay.report_sessions(command.first, outlet.finished)
        return CommandOutcome(command.number, Outcome.DONE)

    def forget(self):
        """The driver's own file is lost: it repeats what its cloud lists, and knows of nothing else."""
        for outlet in self.outlets.values():
            if not outlet.introduced:
                continue  # a charge point that remembers nothing takes its sessions for somebody else's
            outlet.bay.advance(self._timeline.now_ms)
            self.settle(outlet)
            outlet.bay.kept.clear()
            outlet.bay.report_sessions(0, outlet.finished)
            for number, event in [(kept.number, kept.event) for kept in outlet.bay.collect()[0]]:
                outlet.bay.kept[number] = structs.replace(event, found=True)
            if outlet.watcher is not None:
                self._greet_soon(outlet)

    def _end(self, process, serial, outcome, seconds):
        def ended():
            if process.alive:
                process.watch.reported(self._world.identity_of(serial), outcome)
                process.sink.command_outcome(serial, outcome)

        self._timeline.after(seconds, ended)

    # --- coming to rest

    def make_room(self):
        """End what befalls a file of the driver's own; this one has none."""

    def is_rebuilt(self, data):
        """Whether a StartTransaction is of a session that the driver has rebuilt; here it never does."""
        return False

    def excuse(self, sessions, told):
        """Replace what cannot be reported as the charger accounts for it; here everything can."""

    def other_tags(self, outlet, session):
        """Return idTags that a session may have been booked on besides its own; here each shows its token."""
        return frozenset()

    def stop_arrivals(self):
        for outlet in self.outlets.values():
            if outlet.bay.visitor is not None:
                outlet.bay.advance(self._timeline.now_ms)
                outlet.bay.visitor.stop_arrivals(self._timeline.now_ms)
                outlet.wakes_ms = None
                self.settle(outlet)
