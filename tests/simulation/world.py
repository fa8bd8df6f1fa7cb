"""A whole installation: chargers, vendor's cloud, gateway, central system, and what befalls them."""

from random import Random

from chargebridge.audit import Audit, PhysicalSession
from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.model.state import Settings
from chargebridge.chargepoint.turn import UNANSWERED, Operation, OperatorAsked
from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.ocpp16.timestamps import parse_timestamp
from tests.simulation.acts import Acts
from tests.simulation.central import ERRORS, CentralSystem
from tests.simulation.disk import Disk
from tests.simulation.easee_cloud import EaseeVendor
from tests.simulation.faults import (
    EASEE_ONLY,
    MEAN_HOURS,
    MEAN_HOURS_EACH,
    NOT_BY_EASEE,
    OUR_OWN,
    Faults,
    Kind,
)
from tests.simulation.invariants import DRAINS, ENERGY, LIVENESS
from tests.simulation.invariants.liveness import SERVED_WITHIN_S
from tests.simulation.invariants.watch import Watch
from tests.simulation.process import Process
from tests.simulation.timeline import HOUR_MS, HostClock, PowerCut, Timeline
from tests.simulation.trace import Broken, Trace
from tests.simulation.vendor import Vendor

PRESETS = ("easee", "easee-1.8", "ocpp16")
AUDIT = "an independent audit of the frames agrees"
_SOONEST_MS = 10_000
"""Of a CALL after one that timed out: 30 s, less what a slow disk may take of it."""
_WITH_DEAD_LETTERS = """
    SELECT DISTINCT identity FROM transactions JOIN charge_points ON charge_points.id = charge_point
    WHERE start = 'dead' OR stop = 'dead'
"""
REST_HOURS = 8
"""How long everything may take to come to rest after the last fault."""
_STEPS = {
    Kind.CRASH_BEFORE_COMMIT,
    Kind.CRASH_AFTER_COMMIT,
    Kind.CRASH_AT_OUTPUT,
    Kind.CRASH_IN_TURN,
}


_REGISTER = "Energy.Active.Import.Register"
_KEYS = {
    "AllowOfflineTxForUnknownId": "true",
    # Samples of every kind, where the behaviour has them.
    "MeterValueSampleInterval": "240",
    "ClockAlignedDataInterval": "900",
    "MeterValuesAlignedData": f"{_REGISTER},Power.Active.Import",
    "StopTxnSampledData": _REGISTER,
    "StopTxnAlignedData": _REGISTER,
}


class World:
    """Everything, from one seed.

    Args:
        seed: of all dice.
        charge_points: how many there are.
        pace: of the traffic; None: cars only come by hand.
        wild: whether anything goes wrong by the dice.
        presets: of the charge points, in turn.
        configuration: keys that charge points begin with.
        number_gap: each session's number is higher than the one before by this at most.
        queue_limit: of the charge points.
        spared: faults that do not come by the dice.
        easee: the chargers are behind Easee's cloud, by the way of an `account` or an `operator`.
        heeds_audit: whether a finding of the audit ends the run, as a broken invariant does.
    """

    def __init__(
        self,
        seed,
        charge_points=1,
        *,
        pace=None,
        wild=False,
        presets=PRESETS,
        configuration=None,
        number_gap=1,
        queue_limit=5000,
        spared=OUR_OWN,
        easee=None,
        heeds_audit=True,
    ):
        self.number_gap = number_gap
        self.seed = seed
        self.timeline = Timeline()
        self.host_clock = HostClock(self.timeline)
        self.trace = Trace(self.timeline)
        spared |= NOT_BY_EASEE if easee else EASEE_ONLY
        self.faults = Faults(Random(f"{seed}/faults"), wild=wild, spared=spared)
        self._storms = wild
        self.redelivers = Random(f"{seed}/operator").random() < 0.6
        """Whether the operator has dead letters sent again. Where they stay, it shows which are too many."""
        self.watch = Watch(self)
        self.faults.listener = self.watch.struck
        self.audit = Audit(_SOONEST_MS)
        self._heeds_audit = heeds_audit
        self.settings = {}
        self._limits = {}
        identities = [f"CP{number:03}" for number in range(1, charge_points + 1)]
        for key, identity in enumerate(identities, 1):
            self.settings[key] = Settings(
                identity=identity,
                charger=f"sim/{self.serial_of(identity)}",
                behaviour=behaviour(presets[key % len(presets)]),
                configuration={
                    **_KEYS,
                    "StopTxnSampledData": "" if key % 2 else _REGISTER,
                    **(configuration or {}),
                },
                tag_for_untagged="NOTAG",
                software="simulated",
                queue_limit=queue_limit,
            )
        self.disk = Disk([(identity, "main") for identity in identities])
        self.disk_is_full = False
        serials = [self.serial_of(identity) for identity in identities]
        self.vendor = (
            EaseeVendor(self, serials, pace, seed, easee) if easee else Vendor(self, serials, pace, seed)
        )
        self.central = CentralSystem(self)
        self.acts = Acts(self, Random(f"{seed}/acts"))
        self.process = None
        self.steps = 0
        """Moments so far at which the power could have been cut."""
        self.cut_at = None
        """The step at which it is cut; for those who cut it at every one."""
        self.keeps = None
        """How much of what is on its way reaches the disk at a power cut: 0, 1, or None: by the dice."""
        self.kills = 0
        self._life = 0
        self.start_process()

    @staticmethod
    def serial_of(identity):
        return f"EH{identity[2:]}"

    @staticmethod
    def identity_of(serial):
        return f"CP{serial[2:]}"

    def outlets(self):
        return [(self.identity_of(serial), outlet) for serial, outlet in self.vendor.outlets.items()]

    # --- time

    def run(self, hours):
        """Let so many hours pass."""
        self.timeline.run(self.timeline.now_ms + round(hours * HOUR_MS), self.power_cut)

    def step(self, kind):
        """Something is about to become durable or visible: cut the power now, or not."""
        self.steps += 1
        if self.steps == self.cut_at:
            raise PowerCut
        if self.faults.strikes(kind):
            raise PowerCut

    # --- the gateway

    def start_process(self):
        self.trace.add("", "##", "the gateway starts")
        self._life += 1
        self.audit.restarted()
        self.process = Process(self)
        self.timeline.after(0.0, self.process.start)

    def power_cut(self):
        """The process is gone, and comes back after a while."""
        self.trace.add("", "##", "the power is cut")
        self._end_process()
        self._start_again(self.faults.seconds(1, 600) if self.faults.wild else 5)

    def stay_down(self, hours):
        """Kill the gateway and let nobody notice for so long."""
        if self.process is not None:
            self.faults.note(Kind.DOWN_LONG)
            self._end_process()
            self._start_again(hours * 3600)

    def _end_process(self):
        self.kills += 1
        process, self.process = self.process, None
        process.die()
        self.vendor.process_died()
        self.central.process_died()

    def _start_again(self, seconds):
        life = self._life
        self.timeline.after(seconds, lambda: life == self._life and self.start_process())

    # --- what is known of limits, without asking the charge point

    def limit_asked(self, identity, schedule):
        """Until it is answered, the old limit or the new one may hold."""
        try:
            asked = _read(schedule)
        except (KeyError, TypeError, ValueError):
            asked = None  # a frame that was spoilt on its way
        self._limits.setdefault(identity, [None]).append(asked)

    def limit_accepted(self, identity, schedule):
        self._limits[identity] = [_read(schedule)]

    def allowed_a(self, identity):
        """Return what the central system's profile allows now, in A per phase; the most that may hold."""
        return max(map(self._limit_a, self._limits.get(identity, [None])))

    def _limit_a(self, schedule):
        if schedule is None:
            return 32.0
        start_ms, periods = schedule
        gone_s = (self.timeline.now_ms - start_ms) / 1000
        return min([limit for start_s, limit in periods if start_s <= gone_s][-1], 32.0)

    def is_late(self, identity, started_ms, register_wh):
        """Say whether a session that began there is older than one that was told already."""
        return any(
            one.identity == identity
            and (
                one.started_at_ms > started_ms
                or (one.started_at_ms == started_ms and one.meter_start_wh > register_wh)
            )
            for one in self.central.ledger.transactions()
        )

    # --- what befalls everything

    def let_it_storm(self, hours):
        """Let all that can go wrong go wrong for so long, with everybody busy."""
        spared = self.faults.spared
        until_ms = self.timeline.now_ms + round(hours * HOUR_MS)
        for kind, mean in MEAN_HOURS.items():
            if kind not in spared:
                self._again(until_ms, mean, lambda kind=kind: self._trouble(kind))
        for outlet in self.vendor.outlets.values():
            for kind, mean in MEAN_HOURS_EACH.items():
                self._again(
                    until_ms, mean, lambda outlet=outlet, kind=kind: self.vendor.trouble(outlet, kind)
                )
        self.acts.begin(until_ms)
        self._look()
        self.run(hours)

    def _again(self, until_ms, mean, trouble):
        at_ms = self.timeline.now_ms + round(self.faults.hours_to(mean) * HOUR_MS)

        def strike():
            trouble()
            self._again(until_ms, mean, trouble)

        if at_ms < until_ms:
            self.timeline.at(at_ms, strike)

    def _trouble(self, kind):
        faults, after = self.faults, self.timeline.after
        self.trace.add("", "##", kind.value)
        match kind:
            case Kind.CENTRAL_AWAY | Kind.CENTRAL_AWAY_LONG:
                faults.note(kind)
                long = kind is Kind.CENTRAL_AWAY_LONG
                self.central.leave()
                after(
                    faults.seconds(86_400, 3 * 86_400) if long else faults.seconds(2, 7200),
                    self._central_back,
                )
            case Kind.CENTRAL_DEAF:
                faults.note(kind)
                self.central.deaf = True
                after(faults.seconds(20, 7200), lambda: setattr(self.central, "deaf", False))
            case Kind.REFUSES_MEASUREMENTS:
                self.central.measurements_get = faults.random.choice(ERRORS)
                after(faults.seconds(60, 14_400), self._take_measurements)
            case Kind.CLOSES_ALL:
                self.central.closes_all = True
                after(faults.seconds(60, 1800), lambda: setattr(self.central, "closes_all", False))
            case Kind.CENTRAL_SLOW:
                self.central.slow = True
                after(faults.seconds(20, 7200), lambda: setattr(self.central, "slow", False))
            case Kind.REFUSES_ALL:
                self.central.refuses_all = True
                after(faults.seconds(20, 7200), lambda: setattr(self.central, "refuses_all", False))
            case Kind.BOOT_PENDING | Kind.BOOT_REJECTED:
                pending = kind is Kind.BOOT_PENDING
                self.central.boot_says = (
                    RegistrationStatus.PENDING if pending else RegistrationStatus.REJECTED
                )
                if self.process is not None:
                    self.power_cut()  # charge points boot when the gateway does
                after(faults.seconds(120, 7200), self._accept_again)
            case Kind.STREAM_DOWN:
                faults.note(kind)
                self.vendor.break_stream()
                after(faults.seconds(5, 14_400), self.vendor.restore_stream)
            case Kind.DRIVER_FORGETS:
                faults.note(kind)
                self.vendor.forget()
            case Kind.DISK_FULL:
                faults.note(kind)
                self.disk_is_full = True
                self.disk.fill()
                after(faults.seconds(30, 7200), self._make_room)
            case Kind.CLOCK_BACK | Kind.CLOCK_FORWARD:
                faults.note(kind)
                seconds = faults.seconds(1, 86_400)
                self.host_clock.offset_ms += round(seconds * 1000 * (1 if kind is Kind.CLOCK_FORWARD else -1))
                after(faults.seconds(60, 14_400), self._set_clock_right)
            case Kind.FILE_FULL:
                faults.note(kind)
                self.vendor.file.is_full = True
                after(faults.seconds(30, 7200), self.vendor.make_room)
            case Kind.DOWN_LONG:
                self.stay_down(faults.seconds(1, 30))

    def _central_back(self):
        self.central.away = False

    def _take_measurements(self):
        self.central.measurements_get = ""

    def _accept_again(self):
        self.central.boot_says = RegistrationStatus.ACCEPTED

    def _make_room(self):
        self.disk_is_full = False
        self.disk.make_room()

    def _set_clock_right(self):
        self.host_clock.offset_ms = 0

    def _look(self):
        self.watch.look()
        self.timeline.after(60, self._look)

    # --- coming to rest

    def come_to_rest(self, hours=REST_HOURS):
        """End all faults, let the cars leave, and settle the accounts after so long."""
        self.trace.add("", "##", "the last fault is over")
        self.faults.wild = False
        self._central_back()
        self._accept_again()
        self._make_room()
        self.vendor.make_room()
        self._set_clock_right()
        self._take_measurements()
        self.central.deaf = self.central.refuses_all = self.central.slow = False
        self.central.closes_all = False
        for outlet in self.vendor.outlets.values():
            self.vendor.act(outlet.serial, "regain_cloud")
            self.vendor.act(outlet.serial, "clear_fault")
        self.vendor.stop_arrivals()
        if self.process is None:
            self.start_process()
        self.run(hours / 8)
        self.vendor.break_stream()
        self.vendor.restore_stream()
        for _ in range(4):
            self.run(hours / 2)
            # Each StopTransaction whose data is refused takes minutes, and there may be many of them.
            if not any(binding.charge_point.queue for binding in self.process.bindings.values()):
                break
        # Whatever the central system hangs up at, the queues have gone on.
        for identity, binding in self.process.bindings.items():
            waiting = list(binding.charge_point.queue)
            self.watch.require(DRAINS, identity, not waiting, f"it still waits: {waiting}")
        self.central.hangs_up_at = ""
        if self._storms:
            self._serve_everybody()
        if self.redelivers:
            for identity, binding in self.process.bindings.items():
                self.audit.redelivered(identity)
                self.process.runtime.turn(binding, OperatorAsked(UNANSWERED, Operation.REDELIVER))
        self.run(hours / 2)
        if self.redelivers:
            self.watch.require(ENERGY, "", self.disk.counts().dead_letters == 0, "dead letters are left")
        self._settle_audit()
        self.watch.settle_accounts()

    def _serve_everybody(self):
        """Let a car come to each charger, by token or remote start: nothing excuses anybody any more."""
        for identity, _ in self.outlets():
            for connector in (0, 1):
                operative = {"connectorId": connector, "type": "Operative"}
                self.central.ask(identity, "ChangeAvailability", operative)
        self.run(0.1)
        asked = {}
        for number, (identity, outlet) in enumerate(self.outlets()):
            self.vendor.act(outlet.serial, "plug_in", _a_car())
            if number % 2:
                self.vendor.act(outlet.serial, "present_token", "TAGLAST")
            else:
                start = {"idTag": "REMOTE", "connectorId": 1}
                asked[identity] = self.central.ask(identity, "RemoteStartTransaction", start)
        self.run(SERVED_WITHIN_S / 3600)
        for identity, outlet in self.outlets():
            answer = self.central.answers.get(asked.get(identity))
            served = outlet.charger.record.session is not None
            self.watch.require(LIVENESS, identity, served, f"nobody charges at last, the answer is {answer}")
        self.run(0.05)
        for _, outlet in self.outlets():
            self.vendor.act(outlet.serial, "unplug")
        self.run(0.2)

    # --- the audit

    def audit_sent(self, identity, data):
        self.audit.sent(self.timeline.now_ms, identity, data)
        self._agrees()

    def audit_received(self, identity, data):
        self.audit.received(identity, data)
        self._agrees()

    def _settle_audit(self):
        sessions = (
            PhysicalSession(
                identity,
                one.start_register_wh,
                one.register_wh,
                one.started_at_ms,
                one.at_ms,
                one.id_tag,
                self.vendor.other_tags(outlet, one),
            )
            for identity, outlet in self.outlets()
            for one in outlet.finished
        )
        dead = {identity for (identity,) in self.disk.connection.execute(_WITH_DEAD_LETTERS)}
        lost = {identity for identity, outlet in self.outlets() if outlet.lost}
        self.audit.close_books(incomplete=dead)
        self.audit.reconcile(sessions, assumed=self.watch.accounts.assumed, incomplete=dead | lost)
        self._agrees()

    def _agrees(self):
        self.watch.checks[AUDIT] += 1
        if self._heeds_audit and self.audit.findings:
            identity, _, text = self.audit.findings[0].partition(": ")
            raise Broken(AUDIT, identity, text)


def _read(schedule):
    if schedule is None:
        return None
    return (
        parse_timestamp(schedule["startSchedule"]),
        [(period["startPeriod"], period["limit"]) for period in schedule["chargingSchedulePeriod"]],
    )


def _a_car():
    return Car(battery_wh=60_000, charged_uj=20_000 * UJ_PER_WH, max_current_a=16)
