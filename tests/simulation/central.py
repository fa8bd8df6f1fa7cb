"""The central system of the simulation: the bundled one's business, with all that can be wrong with it."""

import json
from random import Random
from zlib import crc32

from chargebridge.clock import Instant, format_utc
from chargebridge.emulators.central_system.ledger import Ledger
from chargebridge.emulators.central_system.policy import Policy
from chargebridge.emulators.central_system.reception import Reception
from chargebridge.emulators.central_system.responder import Responder
from chargebridge.emulators.central_system.scripting import (
    AS_USUAL,
    NOTHING,
    Altered,
    CallRefused,
    Delayed,
    Lost,
    Raw,
)
from chargebridge.emulators.central_system.session import Session
from chargebridge.emulators.central_system.transcript import Transcript
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.ocpp16.frames import Call, decode_frame
from chargebridge.ocpp16.messages import BootNotificationResponse
from tests.simulation.faults import Kind
from tests.simulation.network import Connection

_ACTIONS = (
    "Authorize",
    "BootNotification",
    "Heartbeat",
    "MeterValues",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
)


def _every_sixth(data):
    """Whether a message is one of six by what it says, however often and under whichever id it is sent."""
    payload = json.loads(data)[3]
    moments = [payload.get("timestamp"), *(value["timestamp"] for value in payload.get("meterValue", ()))]
    return crc32(json.dumps(moments).encode()) % 6 == 0


def _token(**odd):
    """Change the idTagInfo of an answer, if it has one."""
    return lambda usual: {
        **usual,
        **({"idTagInfo": {**usual["idTagInfo"], **odd}} if "idTagInfo" in usual else {}),
    }


_ODD_TOKENS = (
    _token(expiryDate=""),
    _token(expiryDate="2030-01-01 00:00:00"),
    _token(status="accepted"),
    _token(parentIdTag=7),
    _token(more={}),
)
_ODD = {
    "Authorize": _ODD_TOKENS,
    "BootNotification": (
        lambda usual: {"status": usual["status"]},
        lambda usual: {**usual, "status": usual["status"].upper(), "interval": "300"},
        lambda usual: {**usual, "currentTime": "today", "interval": None},
    ),
    "StartTransaction": (
        *_ODD_TOKENS,
        lambda usual: {"transactionId": usual["transactionId"]},
        lambda usual: {"transactionId": usual["transactionId"], "idTagInfo": {}},
        lambda usual: {**usual, "transactionId": f"{usual['transactionId']} "},
        lambda usual: {**usual, "transactionId": float(usual["transactionId"])},
    ),
    "StopTransaction": (*_ODD_TOKENS, lambda usual: [], lambda usual: {"idTagInfo": "Accepted"}),
    "MeterValues": (lambda usual: {"status": "Accepted"}, lambda usual: None),
    "Heartbeat": (lambda usual: {}, lambda usual: {"currentTime": 0}),
    "StatusNotification": (lambda usual: {"status": "Accepted"},),
}
"""By action: what a central system may answer that no schema allows, and that can be used all the same."""


ERRORS = (
    "FormationViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "TypeConstraintViolation",
    "NotSupported",
    "NotImplemented",
    "ProtocolError",
    "InternalError",
    "GenericError",
    "SecurityError",
    "Nonsense",
)


class _Admitting(Responder):
    """Who may say what is watched where it is said: here frames may have been lost before."""

    def admit(self, session, action, now, report):
        pass


class _TrueClock:
    speed = 1.0

    def __init__(self, timeline):
        self._timeline = timeline

    def now(self):
        return Instant(self._timeline.now_ms, self._timeline.now_ms / 1000)


class CentralSystem:
    """Answers, records, asks; away, deaf, refusing or mistaken when the faults want it.

    Args:
        world: it lives in.
    """

    def __init__(self, world):
        self._world = world
        self._faults = world.faults
        self.ledger = Ledger()
        self.measurements_get = ""
        """The error that MeterValues and Stops with transactionData get; empty: none."""
        # Of the whole world, also when all faults are over.
        self._data_gets = ""
        if Kind.REFUSES_DATA not in self._faults.spared and self._faults.wild:
            nature = Random(f"{world.seed}/central")
            self._data_gets = nature.choice(("", nature.choice(ERRORS)))
        self.hangs_up_at = ""
        """The action at some messages of which it hangs up, the same ones each time; empty: none."""
        if Kind.HANGS_UP not in self._faults.spared and self._faults.wild:
            nature = Random(f"{world.seed}/hang-ups")
            self.hangs_up_at = nature.choice(("", "StartTransaction", "MeterValues", "StopTransaction"))
        self.away = self.deaf = self.refuses_all = self.slow = self.closes_all = False
        self.boot_says = RegistrationStatus.ACCEPTED
        self.answers = {}
        """What was answered to calls of the central system, by their ids."""
        self._responder = _Admitting(self.ledger, Policy(), 300)
        self._reception = Reception(self._responder, _TrueClock(world.timeline), validate=False)
        for action in _ACTIONS:
            self._reception.handlers[action, None] = self._decide(action)
        self._sessions = {}
        self._asked = {}
        self._number = 0
        self._at_hand = ""
        """The id of the call that is being answered."""

    # --- connections

    def connect(self, link, process):
        """Take a handshake, or refuse it."""
        connection = Connection(self._world, link, process)

        def decide():
            if not process.alive:
                return
            if self.away:
                link.refused()
                return
            session = self._session(link.identity)
            if session.connection is not None:
                session.connection.cut()
            session.connection = connection
            link.opened(connection)

        self._world.timeline.after(0.1, decide)

    def lost(self, connection):
        session = self._session(connection.identity)
        if session.connection is connection:
            session.connection = None

    def leave(self):
        """Be away: every connection breaks, and nobody gets a new one."""
        self.away = True
        for session in self._sessions.values():
            if session.connection is not None:
                session.connection.cut()

    def process_died(self):
        for session in self._sessions.values():
            if session.connection is not None:
                session.connection.process_died()

    def _session(self, identity):
        session = self._sessions.get(identity)
        if session is None:
            session = self._sessions[identity] = Session(identity, Transcript(1), 30.0)
        return session

    # --- what charge points say

    def received(self, connection, data, *, again):
        """Take a frame; `again`: the network has doubled it."""
        session = self._session(connection.identity)
        if session.connection is not connection or self.deaf:
            return
        if self.closes_all:
            self._faults.note(Kind.CLOSES_ALL, connection.identity)
            connection.hang_up()
            return
        frame = decode_frame(data)
        if not isinstance(frame, Call):
            if not again:
                self.answers.setdefault(frame.id, []).append(json.loads(data))
            return

        if frame.action == self.hangs_up_at and _every_sixth(data):
            self._faults.note(Kind.HANGS_UP, connection.identity)
            connection.hang_up()
            return

        def report(finding):
            self._world.watch.objected(connection.identity, finding, data)

        self._at_hand = frame.id
        verdict = self._reception.take(session, frame, report)
        for reply in verdict.replies:
            if verdict.delay_s:
                self._world.timeline.after(
                    verdict.delay_s, lambda frame=reply.frame: connection.to_charge_point(frame)
                )
            else:
                connection.to_charge_point(reply.frame)

    def _decide(self, action):
        faults = self._faults

        def handler(identity, request):
            if action == "BootNotification" and self.boot_says is not RegistrationStatus.ACCEPTED:
                pending = self.boot_says is RegistrationStatus.PENDING
                faults.note(Kind.BOOT_PENDING if pending else Kind.BOOT_REJECTED, identity)
                return BootNotificationResponse(
                    status=self.boot_says,
                    current_time=format_utc(self._world.timeline.now_ms),
                    interval=120,
                )
            transactional = action in {"StartTransaction", "MeterValues", "StopTransaction"}
            with_data = action == "StopTransaction" and request.transaction_data is not None
            if with_data and self._data_gets:
                faults.note(Kind.REFUSES_DATA, identity)
                return CallRefused(self._data_gets, "no data")
            if (with_data or action == "MeterValues") and self.measurements_get:
                faults.note(Kind.REFUSES_MEASUREMENTS, identity)
                return CallRefused(self.measurements_get, "no measurements")
            if self.refuses_all and transactional:
                faults.note(Kind.REFUSES_ALL, identity)
                return CallRefused("InternalError", "the database is away")
            if self.slow and transactional:
                faults.note(Kind.CENTRAL_SLOW, identity)
                return Delayed(faults.seconds(31, 150))
            if faults.strikes(Kind.ANSWER_MISSING, identity):
                return Lost()
            if faults.strikes(Kind.MESSAGE_IGNORED, identity):
                return NOTHING
            if faults.strikes(Kind.ANSWER_LATE, identity):
                return Delayed(faults.seconds(2, 200))
            if faults.strikes(Kind.ANSWER_ERROR, identity):
                return CallRefused(faults.random.choice(ERRORS))
            if faults.strikes(Kind.ANSWER_WRONG, identity):
                # A StartTransaction answered like that has not been understood; all else has been taken.
                if action == "StartTransaction":
                    return Raw(self._nonsense())
                self._session(identity).connection.to_charge_point(self._nonsense())
                return Lost()
            if action in _ODD and faults.strikes(Kind.ANSWER_ODD, identity):
                change = faults.random.choice(_ODD[action])
                return Altered(change)
            return AS_USUAL

        return handler

    def _nonsense(self):
        """An answer to the call at hand, with a payload that nobody understands."""
        return json.dumps([3, self._at_hand, {"status": 7, "transactionId": "seven"}]).encode()

    # --- what it asks

    def ask(self, identity, action, payload):
        """Send a CALL, if the charge point is connected; return its id."""
        connection = self._session(identity).connection
        if connection is None or self.away or self.deaf:
            return None
        self._number += 1
        id = f"cs{self._number}"
        self._asked[id] = (identity, action, payload)
        connection.to_charge_point(json.dumps([2, id, action, payload]).encode())
        return id

    def asked(self, id):
        return self._asked.get(id)

    def edges(self, transaction_id):
        """Return tag, start and register of a transaction."""
        one = self.ledger.transaction(transaction_id)
        return one.id_tag, one.started_at_ms, one.meter_start_wh

    def open_transaction(self, identity):
        """Return the id of the transaction that it believes to run, or None."""
        latest = self.ledger.latest_transaction(identity, 1)
        return latest.id if latest is not None and latest.is_open else None
