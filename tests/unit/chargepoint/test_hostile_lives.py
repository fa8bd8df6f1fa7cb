"""Normal life with a central system whose every frame may be spoilt: nothing is raised, and all heals."""

import json
from copy import deepcopy
from random import Random

import pytest

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.turn import SendFrame
from chargebridge.chargers.model import ChargerState, Outcome, SessionEnd
from chargebridge.emulators.central_system.validation import schema_error
from chargebridge.ocpp16.actions import ACTIONS
from chargebridge.ocpp16.frames import CallErrorCode
from tests.seeds import seeds

pytestmark = pytest.mark.unit

PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "validTo": "2026-01-02T20:00:00Z",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "duration": 86_400,
        "startSchedule": "2026-01-02T10:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.1}, {"startPeriod": 60, "limit": 0}],
    },
}
INFO = {"status": "Accepted", "expiryDate": "2026-01-02T11:00:00Z", "parentIdTag": "P"}
RANGE = "start:'2026-01-01T00:00:00Z',stop:'2026-01-03T00:00:00Z'"
CALLS = [
    ("RemoteStartTransaction", {"idTag": "REMOTE", "connectorId": 1}),
    ("RemoteStopTransaction", {"transactionId": 7}),
    ("UnlockConnector", {"connectorId": 1}),
    ("Reset", {"type": "Soft"}),
    ("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}),
    ("ChangeAvailability", {"connectorId": 0, "type": "Operative"}),
    ("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "20"}),
    ("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "10"}),
    ("ChangeConfiguration", {"key": "DynamicChargerCurrent", "value": "10;60"}),
    ("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "true"}),
    ("GetConfiguration", {"key": ["HeartbeatInterval"]}),
    ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}),
    (
        "SendLocalList",
        {"listVersion": 3, "updateType": "Full", "localAuthorizationList": [{"idTag": "TAG1"}]},
    ),
    (
        "SendLocalList",
        {
            "listVersion": 9,
            "updateType": "Differential",
            "localAuthorizationList": [{"idTag": "TAG1", "idTagInfo": INFO}],
        },
    ),
    ("SetChargingProfile", {"connectorId": 0, "csChargingProfiles": PROFILE}),
    ("ClearChargingProfile", {"stackLevel": 0}),
    ("GetCompositeSchedule", {"connectorId": 1, "duration": 3600}),
    ("DataTransfer", {"vendorId": "no.easee", "messageId": "ListEaseeSessions", "data": RANGE}),
    ("ClearCache", {}),
]
ANSWERS = {
    "BootNotification": {"status": "Accepted", "currentTime": "2026-01-02T10:00:00Z", "interval": 300},
    "Authorize": {"idTagInfo": INFO},
    "StartTransaction": {"transactionId": 7, "idTagInfo": INFO},
    "StopTransaction": {"idTagInfo": INFO},
    "Heartbeat": {"currentTime": "2026-01-02T10:00:00Z"},
}
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 7, 60, 2**31, 2**63 - 1, -(2**63), 2**63, 0.1, 6.05, -0.1, 1e14, 1e300),
    *(
        "",
        "A",
        "TAG1",
        "tag1",
        "x" * 21,
        "\x00",
        "\n",
        "ü",
        "Full",
        "Blocked",
        "Recurring",
        "Daily",
        "Relative",
    ),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "W", "Power", "true", "0", "-1", "1e-999999"),
    *([], {}, [[]], [{}], {"idTag": "B"}, INFO, PROFILE),
]
BYTES = [*b'[]{}",:\\\x00\xff0-eE', *b"29"]


def spoil_value(value, random):
    """Return the value with something changed in it, at whatever depth."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        name = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {key: part for key, part in value.items() if key != name}
            case 1:
                return {**value, random.choice(["surprise", "", "idTag"]): deepcopy(random.choice(VALUES))}
        return {**value, name: spoil_value(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        if random.randrange(4) == 0:
            return value * 2
        return [*value[:at], spoil_value(value[at], random), *value[at + 1 :]]
    if isinstance(value, int) and random.random() < 0.3:
        return value + random.choice((-1, 1, 10**6))
    alike = [other for other in VALUES if type(other) is type(value)]
    return deepcopy(random.choice(alike if alike and random.random() < 0.6 else VALUES))


def spoil_bytes(data, random):
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(changed) + 1)
        changed[at : at + random.randrange(3)] = bytes(random.choices(BYTES, k=random.randrange(3)))
    return bytes(changed)


class Life:
    """One charge point, a charger with a car, and a central system out of its mind."""

    def __init__(self, bench, random):
        self.bench = bench
        self.random = random
        self.calls = {}
        self.number = 0
        self.session = 0
        self.charges = False
        self.register = 1000

    def frame(self, frame):
        """Send a frame, spoilt or not."""
        random = self.random
        if random.randrange(3) == 0:
            frame = [*frame[:-1], spoil_value(frame[-1], random)]
        data = json.dumps(frame).encode()
        if random.randrange(12) == 0:
            data = spoil_bytes(data, random)
        self.remember(data)
        self.send(data)

    def remember(self, data):
        """Note which actions an id stands for, by what is really sent."""
        try:
            match json.loads(data):
                case [2, str(id), str(action), _] if action in ACTIONS:
                    self.calls.setdefault(id, set()).add(action)
        except ValueError:
            pass  # not even JSON any more

    def send(self, data):
        bench = self.bench
        was = bench.open_call
        if was is not None and bench.cp.call is not None and f'"{was[0]}"'.encode() in data:
            bench.open_call = None  # it may be the answer; if it was not, the call is still open
        before = bench.cp.call
        bench.frame(data)
        if bench.linked and before is not None and bench.cp.call is before:
            bench.open_call = was

    def call(self):
        action, payload = self.random.choice(CALLS)
        self.number += 1
        self.frame([2, f"cs{self.number}", action, payload])

    def answer(self):
        id, action, _ = self.bench.open_call
        if self.random.randrange(10) == 0:
            self.frame([4, id, self.random.choice([*CallErrorCode, "Oops"]), "no\n", {}])
        else:
            self.frame([3, id, ANSWERS.get(action, {})])

    def step(self):
        bench, random = self.bench, self.random
        match random.randrange(24):
            case 0 | 1 | 2 | 3 | 4 | 5 | 6 if bench.linked:
                self.call()
            case 7 | 8 | 9 | 10 | 11 | 12 if bench.open_call is not None:
                self.answer()
            case 13:
                bench.state(random.choice(list(ChargerState)))
            case 14:
                bench._pass(1)
                bench.token(random.choice(["TAG1", "REMOTE", "B"]))
            case 15 | 16:
                self.drive()
            case 17 if self.charges:
                bench._pass(1)
                self.register += 10
                bench.energy(self.register, session=self.session)
            case 18 if bench.commands:
                bench.done(bench.commands.pop(0), random.choice(list(Outcome)))
            case 19:
                bench.wait(random.choice((0.5, 5, 31, 130)))
            case 20:
                bench.reachable(random.random() < 0.8)
            case 21 if random.randrange(4) == 0:
                bench.restart()
            case 22 if bench.linked and random.randrange(3) == 0:
                bench.link_down()
            case _ if not bench.linked:
                bench.link_up()

    def drive(self):
        self.bench._pass(1)
        if self.charges:
            self.bench.end(self.register, self.random.choice(list(SessionEnd)))
        else:
            self.session += 1
            self.bench.begin(self.session, self.random.choice(["TAG1", "REMOTE", ""]), self.register)
        self.charges = not self.charges

    def check(self):
        """Hold what holds after every turn: valid answers, and a state that can be read back."""
        bench = self.bench
        for _, effects in bench.turns:
            for output in effects.outputs:
                if isinstance(output, SendFrame):
                    self.check_frame(json.loads(output.data))
        bench.turns.clear()
        bench.outputs.clear()
        bench.answers.clear()
        bench.calls.clear()
        rebuilt = VirtualChargePoint(bench.settings, bench.store.load())
        assert rebuilt.state == bench.cp.state
        assert rebuilt.profiles == bench.cp.profiles
        assert dict(rebuilt.configuration) == dict(bench.cp.configuration)
        assert (rebuilt.next_sequence, rebuilt.next_transaction) == (
            bench.cp.next_sequence,
            bench.cp.next_transaction,
        )
        assert len(bench.cp.queue) <= 16

    def check_frame(self, frame):
        match frame:
            case [2, _, action, payload]:
                assert schema_error(action, json.dumps(payload).encode()) is None
            case [3, id, payload]:
                # A spoilt id may be one that is in use.
                data = json.dumps(payload).encode()
                assert any(schema_error(f"{action}Response", data) is None for action in self.calls[id])
            case [4, _, code, description, details]:
                assert code in list(CallErrorCode)
                assert len(description) <= 255
                assert description.isprintable()
                assert details == {}

    def come_to_rest(self):
        bench = self.bench
        bench.reachable()
        if self.charges:
            self.drive()
        bench._pass(400)
        bench.state(ChargerState.DISCONNECTED)
        for _ in range(12):
            if not bench.linked:
                bench.link_up()
            bench.settle()
            bench.obey()
            bench.wait(60)
            bench.settle()
        self.check()
        assert bench.cp.accepted
        assert bench.store.queue == {}
        assert bench.ask("GetConfiguration")["configurationKey"]


def live(bench, random, steps):
    life = Life(bench.ready(), random)
    for _ in range(steps):
        life.step()
        life.check()
    life.come_to_rest()


@pytest.mark.simulation
@pytest.mark.parametrize("seed", seeds(16, 4))
@pytest.mark.parametrize("preset", ["easee", "easee-1.8", "ocpp16"])
def test_nothing_that_is_said_breaks_a_charge_point(new_bench, preset, seed):
    random = Random(f"{preset}{seed}")
    live(new_bench(preset, {"tolerate_extra_fields": seed % 2 == 0}), random, 120)
