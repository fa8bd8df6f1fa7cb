"""What is said between a charge point and its central system, frame by frame."""

import json
import re
from collections import defaultdict

from chargebridge.chargers.model import CommandOutcome, Outcome, Reachable, Restarted
from chargebridge.emulators.central_system import conformance
from chargebridge.ocpp16.enums import ChargePointStatus
from chargebridge.ocpp16.timestamps import parse_timestamp
from tests.simulation.invariants import ANSWERED, BOOT_FIRST, ONE_CALL, RESET, TRUE_READINGS, WIRE
from tests.simulation.trace import Broken

CALL_TIMEOUT_S = 30.0
RETURN_S = 110.0
"""How long a charger that restarts is waited for at least, less what a slow disk takes."""
_QUEUED = frozenset({"StartTransaction", "MeterValues", "StopTransaction"})


class Speaker:
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


class Conversation:
    """Watches each frame.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._world = watch.world
        self.speakers = defaultdict(Speaker)
        self._decided_ms = {}
        """By frame that waits for the disk: when it was decided to send it."""
        self._answered = defaultdict(dict)
        """By charge point: when an answer to a message of a transaction has first reached it in this life."""

    def decided(self, data):
        """A turn sends a frame: a time-out runs from there; it leaves when the disk has taken it."""
        self._decided_ms[data] = self._world.timeline.now_ms

    def take_decided_ms(self, data):
        """Return when it was decided to send a frame that leaves now."""
        return self._decided_ms.pop(data, self._world.timeline.now_ms)

    def queue_changed(self, identity):
        """A message was given up, or is queued again: it may be sent once more."""
        self.speakers[identity].attempts.clear()

    # --- connections ----------------------------------------------------------------------------------

    def taken_up(self, identity):
        """A new process has loaded a charge point."""
        self.speakers[identity].resets_ms = None  # its host's clock may have been set meanwhile
        self.speakers[identity].registration = None
        self.connection_closes(identity)

    def connection_closes(self, identity):
        """From here on answers may be lost that have arrived: they are not durable, or not listened to."""
        self.speakers[identity].attempts.clear()
        self._answered[identity].clear()

    def link_opened(self, identity):
        speaker = self.speakers[identity]
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
        speaker, now_ms = self.speakers[identity], self._world.timeline.now_ms
        if reason != "reset":
            return
        if speaker.reset_answered_ms is not None:
            after_s = (now_ms - speaker.reset_answered_ms) / 1000
            self._watch.require(RESET, identity, after_s >= 0.9, f"closed {after_s:.1f} s after the answer")
        speaker.resets_ms = now_ms

    def operator_boots(self, identity):
        """An operator has it boot, whether its charger is back or not."""
        self.speakers[identity].resets_ms = None

    def reported(self, identity, word):
        """Something comes from a charger: it may say that the charger is back, or has never been away."""
        returns = isinstance(word, Restarted) or (isinstance(word, Reachable) and word.reachable)
        fails = isinstance(word, CommandOutcome) and word.outcome is not Outcome.DONE
        if returns or fails:
            self.speakers[identity].resets_ms = None

    # --- frames of the charge point -------------------------------------------------------------------

    def said(self, identity, frame, data, now_ms):
        """A frame leaves the gateway, which was decided at this time."""
        require = self._watch.require
        speaker = self.speakers[identity]
        if frame[0] != 2:
            known = speaker.garbled or frame[1] in speaker.asked
            require(WIRE, identity, known, f"an answer to {frame[1]!r}, which nobody asked")
            self._note_reset(speaker, frame, now_ms)
            return
        _, id, action, payload = frame
        open_call = speaker.open_call
        if open_call is not None:
            age_s = (now_ms - open_call[2]) / 1000
            require(ONE_CALL, identity, age_s >= CALL_TIMEOUT_S, f"{open_call[1]} waits for {age_s:.1f} s")
        require(WIRE, identity, id not in speaker.used, f"the id {id} is used twice (RPC-3)")
        speaker.used.add(id)
        speaker.open_call = (id, action, now_ms)
        # Triggered values are of no queue, and what was told under -1 is told again when its Start is.
        of_queue = action in _QUEUED and b'"Trigger"' not in data
        if of_queue and payload.get("transactionId") != -1:
            # An event of the charger that came twice may be two messages, with the same content.
            head = self._world.process.bindings[identity].charge_point.queue[:1]
            message = f"{action} {[one.sequence for one in head]} {json.dumps(payload)}"
            # One that waits for the disk was decided before the answer came.
            answered_ms = self._answered[identity].get(message, now_ms)
            require(ANSWERED, identity, now_ms <= answered_ms, f"again: {message}")
            speaker.attempts[id] = message
        if action == "BootNotification":
            speaker.boot_ids.add(id)
            self._check_return(identity, speaker, now_ms)
        else:
            allowed = speaker.registration == "Accepted" or (
                speaker.registration == "Pending" and speaker.triggered
            )
            require(BOOT_FIRST, identity, allowed, f"{action} while {speaker.registration}")
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
                    holds = int(sample["value"]) == true_wh or self._watch.transactions.is_assumed(
                        identity, parse_timestamp(one["timestamp"]), int(sample["value"]), true_wh
                    )
                    self._watch.require(TRUE_READINGS, identity, holds, text)

    def _note_reset(self, speaker, frame, now_ms):
        asked = self._world.central.asked(frame[1])
        if asked is not None and asked[1] == "Reset" and frame[0] == 3 and frame[2]["status"] == "Accepted":
            speaker.reset_answered_ms = now_ms

    def _check_return(self, identity, speaker, now_ms):
        resets_ms, speaker.resets_ms = speaker.resets_ms, None
        if resets_ms is not None and self._world.host_clock.offset_ms == 0:
            after_s = (now_ms - resets_ms) / 1000
            text = f"it boots {after_s:.0f} s after the reset, and the charger is not back"
            self._watch.require(RESET, identity, after_s >= RETURN_S, text)

    # --- frames of the central system -----------------------------------------------------------------

    def heard(self, identity, frame):
        """A frame reaches the gateway."""
        speaker = self.speakers[identity]
        if isinstance(frame, list) and len(frame) > 1 and isinstance(frame[1], str):
            speaker.asked.add(frame[1])
        match frame:
            case [2, str(), "TriggerMessage", _]:
                speaker.triggered = True
            case [3, str(id), payload]:
                if id in speaker.boot_ids and isinstance(payload, dict):
                    said = str(payload.get("status")).capitalize()  # in any letter case
                    if said == "Accepted":
                        self._watch.promises.boot_accepted(identity)
                    if said in {"Accepted", "Pending", "Rejected"}:
                        speaker.statuses.clear()  # a boot begins anew
                        speaker.registration = said
                self._note_answered(speaker, id)
                message = speaker.attempts.get(id, "")
                if message and not speaker.garbled and settles(message, payload):
                    self._answered[identity].setdefault(message, self._world.timeline.now_ms)
            case [4, str(id), *_]:
                self._note_answered(speaker, id)
                speaker.attempts.pop(id, None)

    def garbled(self, identity):
        """A spoilt frame is on its way to a charge point."""
        self.speakers[identity].garbled = True

    @staticmethod
    def _note_answered(speaker, id):
        speaker.was_answered |= id in speaker.used
        if speaker.open_call is not None and speaker.open_call[0] == id:
            speaker.open_call = None


def settles(message, payload):
    """Whether an answer is one that a message can be settled by: of a Start, one with an id."""
    if not message.startswith("StartTransaction"):
        return True
    return isinstance(payload, dict) and re.fullmatch(r"\d+(\.0)?", str(payload.get("transactionId")).strip())
