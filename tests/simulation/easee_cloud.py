"""A simulated Easee cloud: the emulator's notation, an operator's queue, an account's stream."""

import heapq
import sqlite3
from collections import defaultdict

from msgspec import structs

from chargebridge.chargers.easee.executor import BUS_COMMAND_EXPIRY_S, OUTCOME_TIMEOUT_S
from chargebridge.chargers.easee.memory import Memory
from chargebridge.chargers.easee.silence import CATCH_UP_S
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.taps import AUTHORIZED_MS
from chargebridge.chargers.easee.twin.vocabulary import AUTH_REASON_USER
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import (
    Authorize,
    CommandOutcome,
    Configure,
    Outcome,
    Reboot,
    SessionEnded,
    SessionStarted,
    SetAvailable,
    SetLimit,
    StateChanged,
    Withdraw,
)
from chargebridge.clock import format_utc
from chargebridge.emulators.easee_cloud.charger.cloud_charger import (
    Authorization,
    CloudCharger,
    initial_values,
    settings_of,
)
from chargebridge.emulators.easee_cloud.charger.last_values import LastValues
from chargebridge.emulators.easee_cloud.charger.layout import Layout
from chargebridge.emulators.easee_cloud.charger.limits import ChargerLimits
from chargebridge.emulators.easee_cloud.charger.measurements import report_lifetime_energy
from chargebridge.emulators.easee_cloud.charger.notation import boolean
from chargebridge.emulators.easee_cloud.charger.observer import Observer, begun_ms
from chargebridge.emulators.easee_cloud.charger.report import Report
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.settings import Cadence, EaseeCloudSettings
from tests.simulation.easee_driver import MISSED_TAG, RECONNECTED_S, RELEASED, EaseeDriver
from tests.simulation.faults import Kind
from tests.simulation.vendor import Vendor

WAYS = ("account", "operator")
_CONFIGURED_BEFORE_MS = 90 * 86_400_000
_LATEST_S = 240
"""How late an observation may be; a missed session is rebuilt after 600 s."""
_BUFFERED_MS = 30_000
_ENERGIES = {Observation.SESSION_ENERGY, Observation.LIFETIME_ENERGY}
_AUTHORIZATION_MS = 180_000
_NO_TAG = "NOTAG"
_TAGS_OF_MISSED = {MISSED_TAG, _NO_TAG}
_WRONG_MS = AUTHORIZED_MS - 300_000
_REBUILT = """
    SELECT 1 FROM transactions JOIN charge_points ON charge_points.id = charge_point
    WHERE identity = ? AND id_tag = ? AND rebuilt AND meter_start_wh <= ? AND meter_stop_wh >= ?
"""
_PREFETCH = (60, 20_000)


class DriverFile(Memory):
    """The driver's own file: it outlives the gateway's processes, and can be full."""

    def __init__(self):
        super().__init__(None)
        self.is_full = False

    def write(self, records):
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        super().write(records)


class Queue:
    """An operator's queue: it keeps each message until it is acknowledged, and delivers it again.

    Args:
        world: of the timeline and the faults.
        prefetch: the most unacknowledged messages of a consumer.
    """

    def __init__(self, world, prefetch):
        self.prefetch = prefetch
        self._world = world
        self._messages = {}
        self._ready = []
        """Numbers of messages that nobody has, the oldest first."""
        self._published = 0
        self._consumer = None
        self._unacknowledged = {}
        """By delivery tag of the present consumer: the number of the message."""
        self._tag = 0
        self._pumping = False

    def __len__(self):
        return len(self._messages)

    def publish(self, update):
        self._published += 1
        self._messages[self._published] = self._world.timeline.now_ms, update
        heapq.heappush(self._ready, self._published)
        self._pump_soon()

    def consume(self, consumer):
        """Deliver to this consumer from now on."""
        self._consumer, self._tag = consumer, 0
        self._pump_soon()

    def cancel(self):
        """The connection of the consumer is gone: what it has not acknowledged goes back to its place."""
        self._consumer = None
        for number in self._unacknowledged.values():
            heapq.heappush(self._ready, number)
        self._unacknowledged.clear()

    def acknowledge(self, consumer, tag, *, up_to):
        """Forget a message, or all up to a tag."""
        if consumer is not self._consumer:
            return
        tags = [one for one in self._unacknowledged if one <= tag] if up_to else [tag]
        known = tag in self._unacknowledged
        self._world.watch.require(RELEASED, "", known, f"the broker closes the channel: unknown tag {tag}")
        for one in tags:
            del self._messages[self._unacknowledged.pop(one)]
        self._pump_soon()

    def _pump_soon(self):
        if self._consumer is not None and not self._pumping:
            self._pumping = True
            self._world.timeline.after(self._world.faults.random.uniform(0.001, 0.02), self._pump)

    def _pump(self):
        self._pumping = False
        if self._consumer is None or not self._ready:
            return
        if len(self._unacknowledged) >= self.prefetch:
            for identity, _ in self._world.outlets():
                self._world.watch.disturbed(identity)  # news of every charger wait
            self._world.vendor.hold_up(CATCH_UP_S)
            self._world.timeline.after(10, self._pump_soon)
            return
        number = heapq.heappop(self._ready)
        self._tag += 1
        self._unacknowledged[self._tag] = number
        self._pump_soon()
        published_ms, update = self._messages[number]
        if published_ms < self._world.timeline.now_ms - 5000:
            self._world.vendor.hold_up(CATCH_UP_S, update.serial)  # it is of a backlog
        self._consumer.arrived(self._tag, update)


class EaseeVendor(Vendor):
    """All chargers behind a simulated Easee cloud.

    Args:
        world: they live in.
        serials: of the chargers.
        pace: of the traffic.
        seed: of the traffic.
        way: by which the gateway reaches the cloud: `account` or `operator`.
    """

    def __init__(self, world, serials, pace, seed, way):
        self.way = way
        self.settings = EaseeCloudSettings(
            cadence=Cadence(session_energy_s=300, lifetime_energy_s=1200),
            firmware=317,
            # The driver has no use for the rating of a cable; without it a seed stays the same world.
            rated_without_cable=True,
        )
        self.file = DriverFile()
        self.queue = Queue(world, _PREFETCH[seed % 2])
        self.client = None
        """The connection of the present process, while it stands."""
        self.cloud = {}
        self._layout = Layout(self.settings)
        self._observer = Observer(
            self.settings,
            Misbehaviour(
                ready_with_power=0.1,
                start_at_plug_in=seed % 3 == 0,
                start_with_token_only=seed % 5 == 4,
            ),
            Dice(seed, {}),
        )
        self._last_number = 0
        self._by_account = {}
        """By charger: the token that the account has authorized for the next session; those it has begun."""
        self._authorized = defaultdict(list)
        """By charger: (time, token, how wrong the host's clock was) of each authorization by the gateway."""
        self._buffer_arrives_ms = defaultdict(int)
        """By charger: when all that it has kept while it was away has arrived."""
        self._let_charge_ms = {}
        """By charger and number of a session: when that was let charge, and not when its record began."""
        self._waiting = {}
        """By our number of a command: the process, and the driver's own number."""
        super().__init__(world, serials, pace, seed)

    def settle(self, outlet):
        if outlet.serial not in self.cloud:
            self._adopt(outlet)
        super().settle(outlet)
        self._align(outlet)

    def _align(self, outlet):
        """Let sessions begin as their records do: with the tap, a moment before they were authorized."""
        started_ms = self.cloud[outlet.serial].started_ms
        for one in outlet.finished:
            self._let_charge_ms.setdefault((outlet.serial, one.session), one.started_at_ms)
        outlet.finished = [
            structs.replace(one, started_at_ms=started_ms.get(one.session, one.started_at_ms))
            for one in outlet.finished
        ]

    def _goes_missing(self, outlet, kept):
        missing = super()._goes_missing(outlet, kept)
        if missing and isinstance(kept.event, SessionStarted):
            one = kept.event  # its record has begun with the tap all the same
            begun_ms(self.cloud[outlet.serial], one.session, one.register_wh, one.at_ms)
        return missing

    def _adopt(self, outlet):
        info = outlet.charger.settings.info
        circuit = self._layout.place(outlet.serial, info.max_current_a)
        now_ms, rated_a = self._timeline.now_ms, info.max_current_a
        values = initial_values(
            info, circuit, self.settings, it_grid=False, at_ms=now_ms - _CONFIGURED_BEFORE_MS
        )
        charger = self.cloud[outlet.serial] = CloudCharger(
            serial=outlet.serial,
            info=info,
            circuit=circuit,
            limits=ChargerLimits(rated_a=rated_a, maximum_a=rated_a, lasting_a=rated_a),
            last_values=LastValues(values),
            it_grid=False,
        )
        charger.car, charger.register_wh = False, 0
        report = Report(charger.last_values, now_ms)
        report_lifetime_energy(charger, 0, report)
        report.add(Observation.CHARGING_SESSION, _before(format_utc(now_ms)))
        self._by_account[outlet.serial] = (None, set())
        self._observer.observe(charger, outlet.charger.current_state)

    # --- observations

    def _pass_on(self, outlet, kept):
        # The cloud keeps last values and queue: what a charger has reported to it is safe.
        charger = self.cloud[outlet.serial]
        event = self._as_authorized(outlet.serial, kept.event)
        outlet.bay.acknowledge(kept.number)
        self._publish(outlet, self._observer.observe(charger, event))
        if charger.limits_due and charger.reachable:
            charger.limits_due = False
            self._apply_limit(outlet)
        elif isinstance(event, StateChanged) and outlet.charger.record.limits.volatile_ma is None:
            self._show_reset(outlet)

    def _show_reset(self, outlet):
        """Report that a charger has lost its limit, where the cloud has not seen the car that came."""
        charger = self.cloud[outlet.serial]
        if charger.limits.dynamic_a < charger.limits.rated_a:
            report = Report(charger.last_values, self._timeline.now_ms)
            report.add(Observation.DYNAMIC_CHARGER_CURRENT, str(charger.limits.reset_dynamic()))
            self._publish(outlet, report.observed)

    def _apply_limit(self, outlet):
        """Give a charger the limit in force: a car that has come, a restart and time reset it."""
        limits = self.cloud[outlet.serial].limits
        if limits.expire(self._timeline.now_ms):
            report = Report(self.cloud[outlet.serial].last_values, self._timeline.now_ms)
            report.add_if_changed(Observation.DYNAMIC_CHARGER_CURRENT, str(limits.dynamic_a))
            self._publish(outlet, report.observed)
        limit_ma = None if limits.dynamic_a >= limits.rated_a else limits.dynamic_a * 1000
        if outlet.charger.record.limits.volatile_ma != limit_ma:
            until_ms = limits.temporary_until_ms
            self._carry_out_own(
                outlet, SetLimit(number=0, expires_ms=0, limit_ma=limit_ma, until_ms=until_ms)
            )

    def _as_authorized(self, serial, event):
        """A session that the account has authorized has its user for a token."""
        tag, sessions = self._by_account[serial]
        if isinstance(event, SessionStarted):
            if tag is not None and event.id_tag == tag:
                sessions.add(event.session)
            self._by_account[serial] = (None, sessions)  # an authorization is for one session
        if isinstance(event, SessionStarted | SessionEnded) and event.session in sessions:
            self.cloud[serial].auth_reasons[event.session] = AUTH_REASON_USER
            return structs.replace(event, id_tag=str(self.settings.user_id))
        return event

    def _publish(self, outlet, observed):
        faults = self._faults
        for one in observed:
            update = Update(outlet.serial, one.id, one.at_ms, one.text)
            # A charger that was away sends its buffer in order, and energies after it: they do not name
            # their session, so nobody could say whose they are.
            buffered = self._timeline.now_ms - one.at_ms > _BUFFERED_MS
            behind = one.id in _ENERGIES and self._timeline.now_ms < self._buffer_arrives_ms[outlet.serial]
            if not buffered and not behind and faults.strikes(Kind.EVENT_REORDERED):
                self._send_later(outlet, update, faults.seconds(1, _LATEST_S), overtaken=True)
                continue
            late = faults.strikes(Kind.EVENT_LATE)
            self._send_later(
                outlet, update, faults.seconds(5, _LATEST_S) if late else faults.random.uniform(0.1, 1)
            )
            if buffered:
                self._buffer_arrives_ms[outlet.serial] = outlet.arrives_ms
            if faults.strikes(Kind.EVENT_DOUBLED):
                after_s = (outlet.arrives_ms - self._timeline.now_ms) / 1000
                self._send_later(outlet, update, after_s + faults.seconds(0.1, _LATEST_S), overtaken=True)

    def _send_later(self, outlet, update, seconds, *, overtaken=False):
        at_ms = self._timeline.now_ms + round(seconds * 1000)
        if not overtaken:
            at_ms = outlet.arrives_ms = max(at_ms, outlet.arrives_ms)
        if at_ms > self._timeline.now_ms + 1000:
            # What the driver learns late, such as a limit that a car has reset, it mends late.
            identity = self._world.identity_of(outlet.serial)
            outlet.behind_ms = max(outlet.behind_ms, at_ms)
            self._world.watch.disturbed(identity)
            self._timeline.at(at_ms, lambda: self._world.watch.disturbed(identity))
        if self.way == "operator":
            self._timeline.at(at_ms, lambda: self.queue.publish(update))
        else:
            client = self.client
            self._timeline.at(at_ms, lambda: self.client is client and self._stream(update))

    def _stream(self, update):
        if self.client is not None and self.client.is_subscribed(update.serial):
            self.client.received(update)

    def replay(self, serial):
        """Yield the last value of every observation of a charger."""
        for one in self.cloud[serial].last_values:
            yield Update(serial, one.id, one.at_ms, one.text)

    # --- the connection

    def driver_of(self, process):
        """Return the driver of a new process."""
        return EaseeDriver(process, self)

    def connect(self, client):
        """Take up a connection; returns whether that is possible."""
        if not self.stream_up:
            return False
        self.client = client
        self.hold_up(CATCH_UP_S)
        if self.way == "operator":
            self.queue.consume(client)
        return True

    def break_stream(self):
        self.stream_up = False
        client, self.client = self.client, None
        self.queue.cancel()
        if client is not None:
            client.connection_broken()

    def restore_stream(self):
        self.stream_up = True
        self.hold_up(RECONNECTED_S)

    def hold_up(self, seconds, serial=None):
        """Take note that what a charger reports, or any of them, may be known later than usual."""
        until_ms = self._timeline.now_ms + round(seconds * 1000)
        for outlet in self.outlets.values() if serial is None else (self.outlets[serial],):
            outlet.behind_ms = max(outlet.behind_ms, until_ms)

    def process_died(self):
        self.client = None
        self.queue.cancel()
        for outlet in self.outlets.values():
            outlet.listener = None

    def make_room(self):
        self.file.is_full = False

    # --- the account

    def is_rebuilt(self, data):
        """Whether a StartTransaction is of a session that the driver has rebuilt."""
        return self.way == "account" and b"StartTransaction" in data and MISSED_TAG.encode() in data

    def excuse(self, sessions, told):
        """A stream shows only last values: what was missed is rebuilt with its energy, without its token."""
        if self.way == "operator":
            return
        for beginning in [one for one in told if told[one].id_tag in _TAGS_OF_MISSED]:
            known = next((one for one in sessions.values() if one[1:] == told[beginning][1:]), None)
            if known is not None:
                del told[beginning]
                told[known.beginning] = known
        for number in [number for number, one in sessions.items() if one.start_wh == one.stop_wh]:
            if sessions[number].beginning not in told:
                del sessions[number]  # nothing was charged, and nobody has seen it
        missed = [one for one in sessions.values() if told.get(one.beginning) != one]
        rebuilt = [one for one in told.values() if one not in sessions.values()]
        if missed and _stretches(missed) == _stretches(rebuilt) is not None:
            for one in rebuilt:
                del told[one.beginning]
            told.update((one.beginning, one) for one in missed)

    def other_tags(self, outlet, session):
        """Return tokens that a session may have been booked on though it had another one.

        An account is shown its own user instead of the token. So the driver takes the one that it has
        authorized last, not knowing whether it was one before that; of a session that was rebuilt none. If
        the host's clock was wrong then, it takes none either.
        """
        if self.way == "operator":
            return frozenset()
        identity = self._world.identity_of(outlet.serial)
        # By its registers: the number of one that was rebuilt need not be the charger's.
        edges = identity, MISSED_TAG, session.start_register_wh, session.register_wh
        rows = self._world.disk.connection.execute(_REBUILT, edges)
        began_ms = self._let_charge_ms[outlet.serial, session.session]
        _, by_account = self._by_account[outlet.serial]
        authorized = {
            one
            for at_ms, tag, wrong_ms in self._authorized[outlet.serial]
            if session.session in by_account and began_ms - AUTHORIZED_MS <= at_ms <= began_ms
            for one in ((tag, _NO_TAG) if wrong_ms > _WRONG_MS else (tag,))
        }
        return frozenset({MISSED_TAG} if rows.fetchone() is not None else ()) | authorized

    # --- commands

    def command(self, serial, command, process):
        """Send a command to its charger, with a number of the cloud's own; each has an outcome in time."""
        if isinstance(command, Authorize) and command.accepted:
            now_ms = self._timeline.now_ms
            wrong_ms = abs(self._world.host_clock.now().utc_ms - now_ms)
            self._authorized[serial].append((now_ms, command.id_tag, wrong_ms))
            if self.file.is_full:  # a driver that is killed now does not know it any more
                self._authorized[serial].append((now_ms, _NO_TAG, wrong_ms))
        elif isinstance(command, Withdraw) and self._authorized[serial]:
            at_ms, tag, wrong_ms = self._authorized[serial].pop()
            now_ms = self._timeline.now_ms
            wrong_ms = max(wrong_ms, abs(self._world.host_clock.now().utc_ms - now_ms))
            self._authorized[serial].append((at_ms, tag, wrong_ms))
        self._last_number += 1
        expires_ms = min(
            command.expires_ms, self._world.host_clock.now().utc_ms + round(BUS_COMMAND_EXPIRY_S * 1000)
        )
        own = structs.replace(command, number=self._last_number, expires_ms=expires_ms)
        self._waiting[own.number] = process, command
        unknown = CommandOutcome(own.number, Outcome.UNKNOWN)
        self._timeline.after(OUTCOME_TIMEOUT_S, lambda: self._end(process, serial, unknown, 0.0))
        super().command(serial, own, process)
        # One that is later than that has expired when it comes: those behind it do not wait for it.
        latest_ms = self._timeline.now_ms + round(BUS_COMMAND_EXPIRY_S * 1000)
        self.outlets[serial].obeys_ms = min(self.outlets[serial].obeys_ms, latest_ms)

    def _carry_out(self, outlet, command, process, *, tells):
        charger, serial = self.cloud[outlet.serial], outlet.serial
        match command:
            case Reboot():
                charger.reboot_pending = True
            case Authorize(id_tag=tag, accepted=True):
                if self.way == "account":
                    self._by_account[serial] = tag, self._by_account[serial][1]
                else:
                    reason = self.settings.remote_start_auth_reason
                    until_ms = self._timeline.now_ms + _AUTHORIZATION_MS
                    charger.authorization = Authorization(tag, reason, until_ms)
        super()._carry_out(outlet, command, process, tells=tells)

    def _carry_out_own(self, outlet, command):
        """Carry out what the cloud itself does at a charger."""
        self._last_number += 1
        now_ms = self._timeline.now_ms
        own = structs.replace(command, number=self._last_number, expires_ms=now_ms + 60_000)
        self._timeline.at(now_ms, lambda: self._carry_out(outlet, own, None, tells=False))

    def _carried_out(self, outlet, command, outcome):
        if outcome.outcome is not Outcome.DONE:
            return
        charger = self.cloud[outlet.serial]
        report = Report(charger.last_values, self._timeline.now_ms)
        match command:
            case SetAvailable(available=available):
                report.add(Observation.IS_ENABLED, boolean(available))
            case Configure():
                charger.rules = charger.rules.changed_by(command)
                for id, text in settings_of(charger.rules).items():
                    report.add_if_changed(id, text)
            case SetLimit(limit_ma=limit_ma, until_ms=until_ms):
                amperes = charger.limits.rated_a if limit_ma is None else limit_ma // 1000
                charger.limits.set_dynamic(amperes, until_ms)
                if until_ms is not None:
                    self._timeline.at(until_ms, lambda: self._apply_limit(outlet))
                report.add(Observation.DYNAMIC_CHARGER_CURRENT, str(amperes))
        self._observer.report_mode(charger, report)
        self._publish(outlet, report.observed)

    def _end(self, process, serial, outcome, seconds):
        if process is None or outcome.number not in self._waiting:
            return
        process, command = self._waiting.pop(outcome.number)
        ours = CommandOutcome(command.number, outcome.outcome, outcome.detail)
        self._timeline.after(
            seconds, lambda: process.alive and process.driver.connection.command_ended(serial, command, ours)
        )


def _before(at):
    """Return the record of a session of before the first contact: a charger that was tried has one."""
    edges = f'"Start":"{at}","Stop":"{at}","MeterValueStart":0,"MeterValueStop":0'
    return f'{{"Id":0,{edges},"EnergyKwh":0,"Auth":""}}'


def _stretches(sessions):
    """Return the stretches of the register that sessions cover; None if two of them overlap."""
    stretches = []
    for from_wh, to_wh in sorted((one.start_wh, one.stop_wh) for one in sessions):
        if stretches and from_wh < stretches[-1][1]:
            return None
        if stretches and from_wh == stretches[-1][1]:
            stretches[-1][1] = to_wh
        elif to_wh > from_wh:
            stretches.append([from_wh, to_wh])
    return stretches
