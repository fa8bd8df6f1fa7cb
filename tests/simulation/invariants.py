"""What has to hold all along, watched from outside; and the account at the end.

Each invariant has a name, by which `Broken` tells which one does not hold.
"""

import json
import re
from collections import Counter, defaultdict, deque

import msgspec

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.connector import status
from chargebridge.chargepoint.model.open_call import CallKind
from chargebridge.chargepoint.model.state import dump
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import (
    Attempted,
    DeadLetter,
    MessageKind,
    PutTransaction,
    Redeliver,
    Requeue,
    SendState,
)
from chargebridge.chargepoint.turn import Notice, NoticeKind, SendFrame
from chargebridge.chargers.model import CommandOutcome, Outcome, Reachable, Restarted
from chargebridge.emulators.central_system import conformance
from chargebridge.emulators.central_system.violations import Rule
from chargebridge.ocpp16.enums import ChargePointStatus
from chargebridge.ocpp16.timestamps import parse_timestamp
from tests.simulation.trace import Broken

DURABLE = "nothing is visible before it is durable"
ENERGY = "every Wh is in exactly one transaction, with the charger's own edges"
ORDER = "order holds"
ONE_CALL = "at most one CALL of ours is unanswered"
BOOT_FIRST = "nothing before registration but what it allows"
KEPT = "nothing visible is forgotten by a restart"
REGISTER = "meter readings never run backwards"
TRUE_READINGS = "a sample tells what the register showed at its time"
LIMIT = "the current never exceeds the plan in force for longer than its delay"
DRAINS = "after the last fault everything comes to rest"
WIRE = "what is said is OCPP"
RESET = "a reset closes the link a moment after its answer, and boots when the charger is back"
ANSWERED = "what was answered is not sent again"
NIGHTS = "a connection that breaks is no attempt, but at the same message the fourth time in a row"
BOOKS = "refused measurements delay a Start or Stop by one retry interval at most"

CALL_TIMEOUT_S = 30.0
RETURN_S = 110.0
"""How long a charger that restarts is waited for at least, less what a slow disk takes."""
LIMIT_DELAY_S = 300.0
"""How long a charger may go on offering more than is in force while nothing disturbs: two attempts at a
command that nobody answered (60 s each), and what the vendor's cloud takes."""

_SEVERITY = {
    Rule.METER_BACKWARDS: REGISTER,
    Rule.OVERLAP: ORDER,
    Rule.AFTER_STOP: ORDER,
    Rule.STOP_CHANGED: ENERGY,
    Rule.UNKNOWN_TRANSACTION: ORDER,
    Rule.BOOT_FIRST: BOOT_FIRST,
    Rule.REJECTED_SILENCE: BOOT_FIRST,
}
_QUEUED = frozenset({"StartTransaction", "MeterValues", "StopTransaction"})
_WATCHED_HERE = frozenset({Rule.STATUS, Rule.BOOT_INTERVAL, Rule.BOOT_FIRST, Rule.MESSAGE_ID})


class _Speaker:
    """What is known from outside of one charge point's side of the conversation."""

    def __init__(self):
        self.registration = None
        """The newest answer to a BootNotification that has reached it in this life."""
        self.open_call = None
        """(id, action, since when in ms)."""
        self.boot_ids = set()
        self.asked = set()
        """Ids of the central system's calls on this connection, as they have arrived."""
        self.used = set()
        self.garbled = False
        """A spoilt frame has arrived on this connection: it may have had any id."""
        self.statuses = {}
        self.triggered = False
        self.reset_answered_ms = None
        """When a Reset was accepted on this connection."""
        self.resets_ms = None
        """Since when the charger restarts for a Reset, and nothing has been heard of its return."""
        self.was_answered = False
        """Whether any CALL was answered on this connection."""
        self.attempts = {}
        """By id: the messages of transactions that were sent on this connection and are not answered."""


class Watch:
    """Watches a world.

    Args:
        world: the one that is watched.
    """

    def __init__(self, world):
        self._world = world
        self._speakers = defaultdict(_Speaker)
        self._visible = {}
        """By charge point: how it was at the end of the newest turn of which anything was let go."""
        self._turns = defaultdict(deque)
        """By charge point: (token, how it was) of the turns behind that, which nobody has seen yet."""
        self._exceeds_since_ms = {}
        self._disturbed_ms = defaultdict(int)
        self._ever_given_up = defaultdict(set)
        """By charge point: kinds, and the edges of transactions whose Stop was given up."""
        self._assumed = Counter()
        """By charge point: sessions that were ended without the charger's word."""
        self._decided_ms = {}
        """By frame that waits for the disk: when it was decided to send it."""
        self.promised = defaultdict(dict)
        """By charge point: what its central system was told `Accepted`, by name."""
        self._answered = defaultdict(set)
        """By charge point: messages of transactions of which an answer has reached it in this life."""
        self._breaks = defaultdict(lambda: (0, 0))
        """By charge point: the message at which its connection broke, and how often in a row."""
        self._paused_s = defaultdict(float)
        """By charge point: how long refused measurements have waited with a Start or Stop behind them."""
        self.checks = Counter()

    def require(self, invariant, identity, holds, text):
        """Break off unless something holds."""
        self.checks[invariant] += 1
        if not holds:
            raise Broken(invariant, identity, text)

    # --- nothing visible is forgotten ----------------------------------------------------------------

    def turn_ended(self, key, records, token):
        """A turn is on its way to the disk."""
        identity = token.binding.charge_point.settings.identity
        for record in records:
            if isinstance(record, DeadLetter | Redeliver | Requeue):
                self._speakers[identity].attempts.clear()
            if isinstance(record, DeadLetter):
                self._ever_given_up[identity].add("message")
            elif isinstance(record, PutTransaction):
                one = record.transaction
                edges = one.id_tag, one.started_ms, one.meter_start_wh
                if one.start is SendState.DEAD:
                    self._ever_given_up[identity] |= {"start", edges}
                if one.stop is SendState.DEAD:
                    self._ever_given_up[identity].add(edges)
        self._look_at_breaks(identity, records)
        self._look_at_pauses(identity, token.binding.charge_point, records)
        self._turns[key].append((token, snapshot(token.binding.charge_point)))
        for output in token.outputs:
            if isinstance(output, Notice) and output.kind is NoticeKind.END_ASSUMED:
                self._assumed[identity] += 1
            if isinstance(output, SendFrame):
                # A time-out runs from the turn; the frame leaves when the disk has taken it.
                self._decided_ms[output.data] = self._world.timeline.now_ms

    def _look_at_pauses(self, identity, charge_point, records):
        """Add up the pauses of MeterValues, from the first one behind which a Start or Stop waits."""
        edges = [message for message in charge_point.queue if message.kind is not MessageKind.METER_VALUES]
        if not edges:
            self._paused_s[identity] = 0.0
            return
        head = charge_point.queue[0]
        for record in records:
            attempted = isinstance(record, Attempted) and record.sequence == head.sequence
            if attempted and head.kind is MessageKind.METER_VALUES and record.not_before_ms is not None:
                self._paused_s[identity] += charge_point.timers.get(Timer.RETRY, 0) - charge_point.now.mono
                pauses_s = self._paused_s[identity]
                interval_s = configuration.integer(charge_point, "TransactionMessageRetryInterval")
                self.require(BOOKS, identity, pauses_s <= interval_s, f"{pauses_s:.0f} s of pauses")

    def connection_lost(self, identity):
        """A connection has broken, and the charge point is about to learn of it."""
        charge_point = self._world.process.bindings[identity].charge_point
        unanswered = [call.kind for call in (charge_point.call, charge_point.late_call) if call is not None]
        if CallKind.QUEUE in unanswered and self._speakers[identity].was_answered:
            sequence = charge_point.queue[0].sequence
            before, times = self._breaks[identity]
            self._breaks[identity] = sequence, times + 1 if before == sequence else 1

    def _look_at_breaks(self, identity, records):
        now_ms = self._world.process.bindings[identity].charge_point.now.utc_ms
        for record in records:
            if not isinstance(record, Attempted) or record.history[-1].at_ms != now_ms:
                continue  # of an attempt that was counted before, the pause is another one now
            if record.history[-1].reason.startswith("the connection ended"):
                sequence, times = self._breaks[identity]
                at_it = sequence == record.sequence
                known = self._measurements_refused(identity) or self._is_long_stop(identity)
                text = f"message {record.sequence}, after {times} breaks at {sequence}"
                self.require(NIGHTS, identity, at_it and (times > 3 or known), text)

    def _is_long_stop(self, identity):
        """Whether the head is one that may get stuck for its length: there a deaf link counts as well."""
        head = self._world.process.bindings[identity].charge_point.queue[:1]
        return any(one.kind is MessageKind.STOP and len(one.payload) >= 1000 for one in head)

    def _measurements_refused(self, identity):
        state = self._world.process.bindings[identity].charge_point.state
        return state.measurements_refused

    def about_to_show(self, identity):
        """Something leaves the gateway for a charge point: what that has become was submitted before."""
        binding = self._world.process.bindings.get(identity)
        if binding is None or binding.backlog is not None:
            return
        now = snapshot(binding.charge_point)
        turns = self._turns[binding.key]
        latest = turns[-1][1] if turns else self._visible[binding.key]
        self.require(
            DURABLE, identity, _difference(latest, now) == "", f"unsaved: {_difference(latest, now)}"
        )

    def turn_durable(self, token):
        turns = self._turns[token.binding.key] if hasattr(token, "binding") else None
        while turns:
            past, image = turns.popleft()
            self._visible[token.binding.key] = image
            if past is token:
                break

    def turns_failed(self, tokens):
        failed = {id(token) for token in tokens}
        for turns in self._turns.values():
            kept = [turn for turn in turns if id(turn[0]) not in failed]
            turns.clear()
            turns.extend(kept)

    def taken_up(self, key, charge_point):
        """A new process has loaded a charge point."""
        loaded = snapshot(charge_point)
        identity = charge_point.settings.identity
        candidates = [self._visible[key]] if key in self._visible else []
        candidates += [image for _, image in self._turns.pop(key, ())]
        if candidates:
            differences = [_difference(candidate, loaded) for candidate in candidates]
            self.require(
                KEPT, identity, "" in differences, f"what is stored is not what was: {differences[-1]}"
            )
        self._visible[key] = loaded
        self._speakers[identity].resets_ms = None  # its host's clock may have been set meanwhile
        self.connection_closes(identity)
        self._breaks.pop(identity, None)
        for name, value in self.promised[identity].items():
            self._check_promise(charge_point, name, value)
        self._speakers[identity].registration = None

    def _check_promise(self, charge_point, name, value):
        identity = charge_point.settings.identity
        kind, _, which = name.partition(" ")
        match kind:
            case "key":
                now = configuration.text(charge_point, which)
                self.require(KEPT, identity, now == value, f"{which} is {now!r} and was set to {value!r}")
            case "profile":
                kept = {installed.profile.charging_profile_id for installed in charge_point.profiles}
                self.require(
                    KEPT, identity, (int(which) in kept) is value, f"profiles {kept}, not {name}: {value}"
                )
            case "list":
                now = charge_point.state.list_version
                self.require(KEPT, identity, now == value, f"the list's version is {now}, not {value}")

    # --- what is said ---------------------------------------------------------------------------------

    def connection_closes(self, identity):
        """From here on answers may be lost that have arrived: they are not durable, or not listened to."""
        self._speakers[identity].attempts.clear()
        self._answered[identity].clear()
        self._paused_s[identity] = 0.0

    def link_opened(self, identity):
        speaker = self._speakers[identity]
        speaker.attempts.clear()
        speaker.was_answered = False
        speaker.open_call = None
        speaker.used.clear()
        speaker.boot_ids.clear()
        speaker.asked.clear()
        speaker.garbled = False
        speaker.statuses.clear()
        speaker.triggered = False
        speaker.reset_answered_ms = None

    def closed(self, identity, reason):
        """The gateway closes a connection."""
        speaker, now_ms = self._speakers[identity], self._world.timeline.now_ms
        if reason != "reset":
            return
        if speaker.reset_answered_ms is not None:
            after_s = (now_ms - speaker.reset_answered_ms) / 1000
            self.require(RESET, identity, after_s >= 0.9, f"closed {after_s:.1f} s after the answer")
        speaker.resets_ms = now_ms

    def reported(self, identity, word):
        """Something comes from a charger: it may say that the charger is back, or has never been away."""
        returns = isinstance(word, Restarted) or (isinstance(word, Reachable) and word.reachable)
        fails = isinstance(word, CommandOutcome) and word.outcome is not Outcome.DONE
        if returns or fails:
            self._speakers[identity].resets_ms = None

    def said(self, identity, data):
        """A frame leaves the gateway."""
        frame = json.loads(data)
        decided_ms = self._decided_ms.pop(data, None)
        speaker = self._speakers[identity]
        if frame[0] != 2:
            self.require(
                WIRE,
                identity,
                speaker.garbled or frame[1] in speaker.asked,
                f"an answer to {frame[1]!r}, which nobody asked",
            )
            self._note_promise(identity, frame)
            self._note_reset(speaker, frame, decided_ms)
            return
        _, id, action, payload = frame
        now_ms = decided_ms if decided_ms is not None else self._world.timeline.now_ms
        open_call = speaker.open_call
        if open_call is not None:
            age_s = (now_ms - open_call[2]) / 1000
            self.require(
                ONE_CALL, identity, age_s >= CALL_TIMEOUT_S, f"{open_call[1]} waits for {age_s:.1f} s"
            )
        self.require(WIRE, identity, id not in speaker.used, f"the id {id} is used twice (RPC-3)")
        speaker.used.add(id)
        speaker.open_call = (id, action, now_ms)
        # Triggered values are of no queue, and what was told under -1 is told again when its Start is.
        of_queue = action in _QUEUED and b'"Trigger"' not in data
        if of_queue and payload.get("transactionId") != -1:
            # An event of the charger that came twice may be two messages, with the same content.
            head = self._world.process.bindings[identity].charge_point.queue[:1]
            message = f"{action} {[one.sequence for one in head]} {json.dumps(payload)}"
            self.require(ANSWERED, identity, message not in self._answered[identity], f"again: {message}")
            speaker.attempts[id] = message
        if action == "BootNotification":
            speaker.boot_ids.add(id)
            self._check_return(identity, speaker, now_ms)
        else:
            allowed = speaker.registration == "Accepted" or (
                speaker.registration == "Pending" and speaker.triggered
            )
            self.require(BOOT_FIRST, identity, allowed, f"{action} while {speaker.registration}")
        if action == "StatusNotification":
            connector, now = payload["connectorId"], ChargePointStatus(payload["status"])
            for finding in conformance.status_findings(connector, speaker.statuses.get(connector), now):
                raise Broken(WIRE, identity, finding.text)
            speaker.statuses[connector] = now
        self._check_readings(identity, payload.get("meterValue") or payload.get("transactionData") or ())

    def _check_readings(self, identity, meter_values):
        charger = self._world.vendor.outlets[self._world.serial_of(identity)].charger
        for one in meter_values:
            true_wh = charger.true_register_wh(parse_timestamp(one["timestamp"]))
            for sample in one["sampledValue"]:
                if sample["measurand"] == "Energy.Active.Import.Register":
                    text = f"{sample['value']} Wh at {one['timestamp']}, and it was {true_wh} Wh"
                    self.require(TRUE_READINGS, identity, int(sample["value"]) == true_wh, text)

    def _note_reset(self, speaker, frame, decided_ms):
        asked = self._world.central.asked(frame[1])
        if asked is not None and asked[1] == "Reset" and frame[0] == 3 and frame[2]["status"] == "Accepted":
            now_ms = self._world.timeline.now_ms
            speaker.reset_answered_ms = decided_ms if decided_ms is not None else now_ms

    def _check_return(self, identity, speaker, now_ms):
        resets_ms, speaker.resets_ms = speaker.resets_ms, None
        if resets_ms is not None and self._world.host_clock.offset_ms == 0:
            after_s = (now_ms - resets_ms) / 1000
            text = f"it boots {after_s:.0f} s after the reset, and the charger is not back"
            self.require(RESET, identity, after_s >= RETURN_S, text)

    def heard(self, identity, data):
        """A frame reaches the gateway."""
        speaker = self._speakers[identity]
        try:
            frame = json.loads(data)
        except ValueError:
            return
        if isinstance(frame, list) and len(frame) > 1 and isinstance(frame[1], str):
            speaker.asked.add(frame[1])
        match frame:
            case [2, str(), "TriggerMessage", _]:
                speaker.triggered = True
            case [2, str(), str(action), dict(payload)]:
                self._doubt_promises(identity, action, payload)
            case [3, str(id), payload]:
                if id in speaker.boot_ids and isinstance(payload, dict):
                    said = str(payload.get("status")).capitalize()  # in any letter case
                    if said == "Accepted":
                        self._doubt_interval(identity)
                    if said in {"Accepted", "Pending", "Rejected"}:
                        speaker.statuses.clear()  # a boot begins anew
                        speaker.registration = said
                self._note_answered(speaker, id)
                speaker.was_answered |= id in speaker.used
                message = speaker.attempts.get(id, "")
                if message and not speaker.garbled and _settles(message, payload):
                    self._answered[identity].add(message)
            case [4, str(id), *_]:
                self._note_answered(speaker, id)
                speaker.was_answered |= id in speaker.used
                speaker.attempts.pop(id, None)

    def garbled(self, identity):
        """A spoilt frame is on its way to a charge point."""
        self._speakers[identity].garbled = True

    @staticmethod
    def _note_answered(speaker, id):
        if speaker.open_call is not None and speaker.open_call[0] == id:
            speaker.open_call = None

    def _doubt_interval(self, identity):
        """The interval of a boot answer overwrites what was written, unless it is a fixed one."""
        behaviour = self._world.process.bindings[identity].charge_point.settings.behaviour
        if behaviour.heartbeat_interval_s is None:
            self.promised[identity].pop("key HeartbeatInterval", None)

    def _doubt_promises(self, identity, action, payload):
        """Another change is asked for: until it is answered, the old and the new may be true."""
        promised = self.promised[identity]
        if action == "ClearChargingProfile":
            self._world.limit_asked(identity, None)
        elif action == "SetChargingProfile" and "csChargingProfiles" in payload:
            self._world.limit_asked(identity, payload["csChargingProfiles"].get("chargingSchedule", ""))
        doubted = {
            "ChangeConfiguration": f"key {payload.get('key')}",
            "SetChargingProfile": "profile ",
            "ClearChargingProfile": "profile ",
            "SendLocalList": "list ",
        }.get(action)
        for name in [name for name in promised if doubted is not None and name.startswith(doubted)]:
            del promised[name]

    def _note_promise(self, identity, frame):
        asked = self._world.central.asked(frame[1])
        if asked is None or frame[0] != 3:
            return
        _, action, payload = asked
        promised, status = self.promised[identity], frame[2].get("status")
        match action, status:
            case "ChangeConfiguration", "Accepted":
                promised[f"key {payload['key']}"] = payload["value"]
            case "SetChargingProfile", "Accepted":
                promised[f"profile {payload['csChargingProfiles']['chargingProfileId']}"] = True
                self._world.limit_accepted(identity, payload["csChargingProfiles"]["chargingSchedule"])
            case "ClearChargingProfile", "Accepted":
                promised["profile 1"] = False
                self._world.limit_accepted(identity, None)
            case "SendLocalList", "Accepted":
                promised["list "] = payload["listVersion"]
        # A change that was asked for twice, by a doubled frame or again, is answered each time.

    def objected(self, identity, finding, data):
        """The central system has something to object to."""
        if finding.rule in _WATCHED_HERE or self._excused(identity, finding, data):
            return
        raise Broken(_SEVERITY.get(finding.rule, WIRE), identity, f"{finding.rule.value}: {finding.text}")

    def _excused(self, identity, finding, data):
        """Some things cannot be otherwise, and are not our doing."""
        given_up = self._ever_given_up[identity]
        match finding.rule:
            case Rule.METER_BACKWARDS if b'"MeterValues"' in data and "message" in given_up:
                return True  # last values told again, sent again by the operator after the truth
            case Rule.OVERLAP:
                # Nobody had told of the end, as that was given up; or the operator has an old one sent again.
                still_open = self._world.central.edges(int(finding.text.split()[1]))
                return bool({still_open, start_edges(data)} & given_up)
            case Rule.UNKNOWN_TRANSACTION:
                return "start" in given_up  # -1 stands for what was given up (TX-6)
            case Rule.AFTER_STOP:
                return "message" in given_up  # sent again by the operator, when the Stop had been told
            case Rule.METER_BACKWARDS:
                return b"StartTransaction" in data and self._world.is_late(identity, start_edges(data)[1])
        return False

    # --- the limit ------------------------------------------------------------------------------------

    def disturbed(self, identity):
        """Something is wrong with this charger or the way to it: it may take longer now."""
        self._disturbed_ms[identity] = self._world.timeline.now_ms

    def look_at_limits(self):
        """Compare what chargers offer with what is in force."""
        world, now_ms = self._world, self._world.timeline.now_ms
        process = world.process
        quiet = process is not None and process.alive and world.vendor.stream_up and not world.disk_is_full
        for identity, outlet in world.outlets():
            allowed_a = world.allowed_a(identity)
            charger = outlet.charger
            offered_a = charger.record.outlet.offered_ca / 100
            obeys = (
                charger.reachable and outlet.obeys_ms <= now_ms + 5000
            )  # no late command holds up the next
            undisturbed = quiet and obeys and world.host_clock.offset_ms == 0
            if not undisturbed:
                self.disturbed(identity)
            if offered_a <= allowed_a + 0.05:
                self._exceeds_since_ms.pop(identity, None)
                self.checks[LIMIT] += offered_a > 0 and allowed_a < 32
                continue
            since_ms = self._exceeds_since_ms.setdefault(identity, now_ms)
            since_ms = max(since_ms, self._disturbed_ms[identity])
            late_s = (now_ms - since_ms) / 1000
            text = f"offers {offered_a} A for {late_s:.0f} s while {allowed_a} A are allowed"
            self.require(LIMIT, identity, late_s <= LIMIT_DELAY_S, text)

    # --- the account ----------------------------------------------------------------------------------

    def settle_accounts(self):
        """Everything has come to rest: compare what chargers did with what was told of it."""
        for identity, outlet in self._world.outlets():
            self._rested(identity, outlet)
            self._reconcile(identity, outlet)

    def _rested(self, identity, outlet):
        world = self._world
        charge_point = world.process.bindings[identity].charge_point
        for name, is_at_rest in {
            "it is registered": charge_point.online,
            "the queue is empty": not charge_point.queue,
            "no transaction runs": charge_point.running is None,
            "nothing more is asked of the charger": not charge_point.state.issued_commands,
            "the charger is reachable": charge_point.reachable,
        }.items():
            self.require(
                DRAINS,
                identity,
                is_at_rest,
                f"not so: {name}: {charge_point} {charge_point.state.issued_commands}",
            )
        self.require(DRAINS, identity, outlet.charger.record.car is None, "a car is still there")
        usable = charge_point.state.operative and charge_point.state.connector_operative
        self.require(
            DRAINS, identity, outlet.charger.record.available is usable, "the charger's availability"
        )
        for connector in (0, 1):
            now = status.current(charge_point, connector).status
            told = world.central.ledger.connector(identity, connector)
            text = f"connector {connector} is {now}, and {told.status} was told"
            self.require(DRAINS, identity, told.status == now, text)

    def _reconcile(self, identity, outlet):
        delivered = Counter(
            (one.id_tag, one.started_at_ms, one.start_register_wh, one.at_ms, one.register_wh)
            for one in outlet.finished
        )
        told = Counter(
            (one.id_tag, one.started_at_ms, one.meter_start_wh, one.stopped_at_ms, one.meter_stop_wh)
            for one in self._world.central.ledger.transactions()
            if one.identity == identity
        )
        untold, invented = delivered - told, told - delivered
        if self._assumed[identity]:
            self._put_together(untold, invented)
        self._world.vendor.excuse(identity, untold, invented, assumed=self._assumed[identity])
        self.require(
            ENERGY,
            identity,
            not untold and not invented,
            f"not told: {list(untold)}; told too much: {list(invented)}",
        )
        self._no_gaps(identity, outlet)

    @staticmethod
    def _put_together(untold, invented):
        """A session whose end had to be assumed: its parts hold its energy, all of it and no more."""
        for session in list(untold):
            id_tag, at_ms, register_wh, _, stop_wh = session
            parts = []
            while register_wh < stop_wh or not parts:
                part = next((p for p in invented if p[0] == id_tag and p[1:3] == (at_ms, register_wh)), None)
                if part is None or part in parts:
                    break
                parts.append(part)
                at_ms, register_wh = part[3:]
            if register_wh == stop_wh:
                del untold[session]
                for part in parts:
                    del invented[part]

    def _no_gaps(self, identity, outlet):
        previous_wh = 0
        for one in sorted(outlet.finished, key=lambda one: one.session):
            gap = one.start_register_wh - previous_wh
            self.require(ENERGY, identity, gap == 0, f"{gap} Wh before session {one.session}")
            previous_wh = one.register_wh
        register_wh = outlet.charger.record.outlet.register_wh
        self.require(ENERGY, identity, register_wh == previous_wh, "energy after the last session")


def _settles(message, payload):
    """Whether an answer is one that a message can be settled by: of a Start, one with an id."""
    if not message.startswith("StartTransaction"):
        return True
    return isinstance(payload, dict) and re.fullmatch(r"\d+(\.0)?", str(payload.get("transactionId")).strip())


def start_edges(data):
    """Return tag, start and register of a StartTransaction."""
    payload = json.loads(data)[3]
    return payload["idTag"], parse_timestamp(payload["timestamp"]), payload["meterStart"]


def snapshot(charge_point: VirtualChargePoint):
    """Return all that must outlive the process."""
    return (
        dump(charge_point.state),
        dict(charge_point.configuration),
        charge_point.profiles,
        charge_point.next_transaction,
        charge_point.running,
        charge_point.samples,
        tuple(charge_point.queue),
    )


_PARTS = ("state", "configuration", "profiles", "next transaction", "running", "samples", "queue")


def _difference(was, now):
    """Say what differs, in short; empty if nothing does."""
    for part, one, other in zip(_PARTS, was, now, strict=True):
        if part == "queue":
            # The head of it: how much of it is in memory hangs on what has been read.
            shorter = min(len(one), len(other))
            one, other = one[:shorter], other[:shorter]  # noqa: PLW2901
        if one != other:
            if part == "state":
                return _in_state(msgspec.json.decode(one), msgspec.json.decode(other))
            return f"{part}: {str(one)[:600]} became {str(other)[:600]}"
    return ""


def _in_state(was, now):
    names = [name for name in was | now if was.get(name) != now.get(name)]
    return "; ".join(f"{name}: {was.get(name)} became {now.get(name)}" for name in names)[:1200]
