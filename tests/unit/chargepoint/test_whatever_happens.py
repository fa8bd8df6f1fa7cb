"""Random lives of a charge point: whatever happens, in whatever order, the account is right.

A small world plays charger, link, time and central system. Anything may be repeated, lost or late,
and the process may begin anew after any turn. In the end everything is answered, and what the central
system was told must be what the charger did.
"""

import json
from collections import defaultdict
from itertools import pairwise
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.turn import Operation, OperatorAsked, SendFrame
from chargebridge.chargers.model import (
    ChargerState,
    EndSession,
    Fault,
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
from chargebridge.ocpp16.enums import RegistrationStatus
from chargebridge.ocpp16.timestamps import parse_timestamp
from tests.seeds import seeds

pytestmark = pytest.mark.unit

LISTED = [
    {"idTag": "TAG1", "idTagInfo": {"status": "Blocked"}},
    {"idTag": "TAG2", "idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}},
]
REQUESTS = [
    ("RemoteStartTransaction", {"idTag": "REMOTE"}),
    ("RemoteStopTransaction", {"transactionId": 1}),
    ("UnlockConnector", {"connectorId": 1}),
    ("Reset", {"type": "Soft"}),
    ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
    ("ChangeAvailability", {"connectorId": 1, "type": "Operative"}),
    ("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "20"}),
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "40"}),
    ("ChangeConfiguration", {"key": "AllowOfflineTxForUnknownId", "value": "true"}),
    ("ChangeConfiguration", {"key": "LocalPreAuthorize", "value": "true"}),
    ("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "false"}),
    ("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "true"}),
    ("ChangeConfiguration", {"key": "StopTransactionOnInvalidId", "value": "false"}),
    ("SendLocalList", {"listVersion": 3, "updateType": "Full", "localAuthorizationList": LISTED}),
    ("SendLocalList", {"listVersion": 4, "updateType": "Differential", "localAuthorizationList": LISTED[:1]}),
    ("SendLocalList", {"listVersion": 5, "updateType": "Full"}),
    ("GetLocalListVersion", {}),
    ("ClearCache", {}),
    ("GetConfiguration", {}),
    ("TriggerMessage", {"requestedMessage": "BootNotification"}),
    ("TriggerMessage", {"requestedMessage": "MeterValues"}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
    ("SetChargingProfile", {"connectorId": 1}),
]
AWAITED_S = 40.0
IDLE = {ChargerState.DISCONNECTED, ChargerState.AWAITING_TOKEN}
GARBAGE = [b"", b"[3,", b'[3,"x",{}]', b'[2,"x"]', b'[7,"x",{}]', b"\xff"]

# Those that make dead letters have lives of their own, in `test_dead_letters`.
OPERATIONS = [one for one in Operation if one not in {Operation.SET_ASIDE, Operation.END}]

OPS = st.one_of(
    st.tuples(
        st.sampled_from(["state"]),
        st.sampled_from([(state, fault) for state in ChargerState for fault in (None, Fault.GROUND)]),
    ),
    st.tuples(st.just("answer"), st.sampled_from(["well", "well", "well", "error", "garbage", "lost", "no"])),
    st.tuples(st.just("boot says"), st.sampled_from(["Accepted", "Accepted", "Pending", "Rejected"])),
    st.tuples(st.just("start says"), st.sampled_from(["Accepted", "Accepted", "Invalid"])),
    st.tuples(st.just("token"), st.sampled_from(["TAG1", "TAG2"])),
    st.tuples(st.just("ask"), st.sampled_from(REQUESTS)),
    st.tuples(st.just("frame"), st.sampled_from(GARBAGE)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 5, 31, 130])),
    st.tuples(st.just("repeat"), st.integers(0, 200)),
    st.tuples(st.just("outcome"), st.sampled_from(list(Outcome))),
    st.tuples(st.just("end"), st.sampled_from(list(SessionEnd))),
    st.tuples(st.just("operator"), st.sampled_from(OPERATIONS)),
    st.tuples(st.just("events come"), st.integers(0, 9)),
    st.tuples(
        st.sampled_from(
            [
                "begin",
                "measure",
                "measure much",
                "unseen session",
                "reachable",
                "unreachable",
                "charger restarts",
                "link up",
                "link down",
                "serve",
                "process restarts",
                "hold pages",
                "deliver pages",
                "late answer",
                "events wait",
            ]
        ),
        st.none(),
    ),
)


class World:
    """One charger with one charge point and a central system that may do as it likes."""

    def __init__(self, new_bench, preset, *, honest):
        self.honest = honest
        """Its states and outcomes are true: no state without a token while a session runs."""
        self.bench = new_bench(
            preset,
            {"meter_values_outside_transactions": True},
            # Enough that nothing is given up; giving up has tests of its own.
            configuration={"TransactionMessageAttempts": "1000", "TransactionMessageRetryInterval": "3"},
            end_awaited_s=300.0 if honest else AWAITED_S,
        )
        self.said_otherwise = None
        """(session, time of the state, since when): the charger says that the running session is over."""
        self.register = 1000
        self.session = 0
        self.running = None
        self.sessions = []
        self.told = []
        self.waiting = None
        self.boot_says = self.start_says = "Accepted"
        self.ids = {}
        self.started = []
        self.stopped = {}
        self.registers = []
        self.old_calls = []

    # --- the charger

    def tell(self, event):
        if self.waiting is not None:
            self.waiting.append(event)
        else:
            self.told.append(event)
            self.bench.tell(event)

    def tell_what_waits(self, order):
        """The cloud is back, and tells what happened meanwhile in any order."""
        waiting, self.waiting = self.waiting or [], None
        Random(order).shuffle(waiting)
        for event in waiting:
            self.tell(event)

    @property
    def now(self):
        return self.bench.utc_ms

    def act(self, what, argument):
        bench = self.bench
        match what:
            case "state":
                state, fault = argument
                if self.honest and state in IDLE and (self.running is not None or self.waiting is not None):
                    return
                self.tell(StateChanged(at_ms=self.now, state=state, fault=fault))
            case "token":
                bench._pass(1)
                self.tell(TokenPresented(at_ms=self.now, id_tag=argument))
            case "begin" if self.running is None:
                self.begin()
                session, started_ms, start_wh = self.running
                self.tell(
                    SessionStarted(at_ms=started_ms, session=session, id_tag="TAG1", register_wh=start_wh)
                )
            case "measure":
                bench._pass(1)
                self.register += 7
                readings = (Reading(Quantity.ENERGY_WH, self.register), Reading(Quantity.POWER_W, 3680.0))
                session = self.running[0] if self.running else None
                self.tell(Measured(at_ms=self.now, readings=readings, session=session))
            case "measure much":
                for _ in range(20):
                    self.act("measure", None)
            case "end" if self.running is not None:
                self.end(argument)
            case "unseen session" if self.running is None:
                self.begin()
                bench._pass(2)
                self.end(SessionEnd.EV_DISCONNECTED)
            case "reachable" | "unreachable":
                self.tell(Reachable(at_ms=self.now, reachable=what == "reachable"))
            case "charger restarts":
                self.tell(Restarted(at_ms=self.now, firmware="v1"))
            case "repeat" if self.told:
                again = self.told[-1 - argument % len(self.told)]
                if isinstance(again, SessionStarted) and self.said_otherwise is not None:
                    self.said_otherwise = (*self.said_otherwise[:2], inf)  # perhaps the answer to a question
                bench.tell(again)
            case "outcome" if bench.commands:
                command = bench.commands.pop(0)
                ends = isinstance(command, EndSession) and argument is Outcome.DONE and self.honest
                if ends and self.waiting is not None:
                    argument = Outcome.UNKNOWN  # the cloud is away
                bench.done(command, argument)
                if ends and self.running is not None and self.running[0] == command.session:
                    self.end(SessionEnd.DEAUTHORIZED)
            case "events wait":
                self.waiting = self.waiting or []
            case "events come":
                self.tell_what_waits(argument)
            case "operator":
                bench.turn(OperatorAsked(1, argument))
            case "wait":
                if bench.open_call is not None:
                    self.remember_call()
                bench.wait(argument)
            case "process restarts":
                bench.restart()
            case "hold pages":
                bench.hold_pages = True
            case "deliver pages":
                bench.hold_pages = False
                bench.deliver_pages()
            case _:
                self.act_as_central_system(what, argument)

    def begin(self):
        self.session += 1
        self.bench._pass(1)
        self.running = (self.session, self.now, self.register)

    def end(self, reason):
        session, started_ms, start_wh = self.running
        self.bench._pass(1)
        self.register += 3
        self.running = None
        self.sessions.append((session, started_ms, start_wh, self.now, self.register))
        self.tell(
            SessionEnded(
                at_ms=self.now,
                session=session,
                id_tag="TAG1",
                started_at_ms=started_ms,
                start_register_wh=start_wh,
                register_wh=self.register,
                reason=reason,
            )
        )

    # --- the link and the central system

    def act_as_central_system(self, what, argument):
        bench = self.bench
        match what:
            case "link up" if not bench.linked:
                bench.link_up()
            case "link down" if bench.linked:
                bench.link_down()
            case "boot says":
                self.boot_says = argument
            case "start says":
                self.start_says = argument
            case "ask" if bench.linked:
                bench.ask(*argument)
            case "frame" if bench.linked:
                bench.frame(argument)
            case "serve":
                self.serve()
            case "late answer" if self.old_calls and bench.linked:
                id, call = self.old_calls[-1]
                late = bench.cp.late_call
                if (late is not None and late.id == id) or id in bench.cp.attempts:
                    bench.frame(json.dumps([3, id, self.process(*call) or {}]).encode())
                elif bench.open_call is None or bench.open_call[0] != id:
                    bench.frame(json.dumps([3, id, {}]).encode())
            case "answer" if bench.open_call is not None:
                self.answer(argument)

    def remember_call(self):
        self.old_calls.append((self.bench.open_call[0], self.bench.calls[-1]))

    def answer(self, how):
        bench = self.bench
        if how != "no":
            self.remember_call()
        match how:
            case "well":
                bench.answer(self.process(*bench.calls[-1]))
            case "error":
                bench.refuse()
            case "garbage":
                # No answer to these two is unreadable: that there is one is all that matters.
                unreadable = bench.open_call[1] not in {"StopTransaction", "MeterValues"}
                bench.answer({"x": 1} if unreadable else self.process(*bench.calls[-1]))
            case "lost":
                self.process(*bench.calls[-1])
                bench.link_down()

    def serve(self):
        while self.bench.open_call is not None:
            self.answer("well")

    def process(self, action, payload):
        """Take a message in like a central system that knows a repeated Start when it sees one."""
        match action:
            case "BootNotification":
                return {"status": self.boot_says, "currentTime": "2026-01-02T10:00:00Z", "interval": 50}
            case "StartTransaction":
                key = (payload["idTag"], payload["timestamp"], payload["meterStart"])
                if key not in self.ids:
                    self.ids[key] = len(self.ids) + 1
                    self.started.append(key)
                    assert len(self.stopped) == len(self.started) - 1, "one transaction at a time"
                info = {"status": self.start_says, "parentIdTag": "FAMILY"}
                return {"transactionId": self.ids[key], "idTagInfo": info}
            case "StopTransaction":
                assert payload["transactionId"] == len(self.started), "the id its Start got"
                told = (payload["timestamp"], payload["meterStop"])
                assert self.stopped.setdefault(payload["transactionId"], told) == told
            case "MeterValues" if payload["meterValue"][0]["sampledValue"][0]["context"] != "Trigger":
                if "transactionId" in payload:
                    assert payload["transactionId"] == len(self.started)
                    assert payload["transactionId"] not in self.stopped
                    registers = [
                        int(sample["value"])
                        for sample in payload["meterValue"][0]["sampledValue"]
                        if sample["unit"] == "Wh"
                    ]
                    self.registers += registers
                    assert self.registers == sorted(self.registers)
        return None


def check_turn(world, was_silent):
    """Rules that hold after every turn."""
    bench, cp = world.bench, world.bench.cp
    if len(bench.turns) == 1:
        ((_, effects),) = bench.turns
        frames = [json.loads(output.data) for output in effects.outputs if isinstance(output, SendFrame)]
        calls = {frame[2] for frame in frames if frame[0] == 2}
        if was_silent:
            assert {frame[2] for frame in frames} <= {"BootNotification"}, "silence while Rejected"
        if cp.registration is None:
            assert calls <= {"BootNotification"}, "nothing before Accepted"
        if cp.registration is RegistrationStatus.PENDING:
            assert not calls & {"StartTransaction", "StopTransaction", "Authorize"}
    rebuilt = VirtualChargePoint(bench.settings, bench.store.load())
    assert rebuilt.state == cp.state
    assert rebuilt.running == cp.running
    assert dict(rebuilt.configuration) == dict(cp.configuration)
    assert rebuilt.queue[: len(cp.queue)] == cp.queue
    assert (rebuilt.next_sequence, rebuilt.next_transaction) == (cp.next_sequence, cp.next_transaction)
    assert len(cp.queue) <= 16


def check_end(world):
    """No transaction runs for longer than the bound while its charger, which is reachable, says otherwise."""
    cp, mono = world.bench.cp, world.bench.mono
    states, running = cp.state.states, cp.running
    if running is None or cp.state.charger not in IDLE or states.newest_ms <= running.started_ms:
        world.said_otherwise = None
        return
    otherwise = running.session, states.newest_ms
    if world.said_otherwise is None or world.said_otherwise[:2] != otherwise or not cp.reachable:
        world.said_otherwise = (*otherwise, mono)
    assert mono - world.said_otherwise[2] <= AWAITED_S


def come_to_rest(world):
    """Everything heals: the charger is there, nobody charges, and the central system answers."""
    bench = world.bench
    world.boot_says = world.start_says = "Accepted"
    world.act("deliver pages", None)
    world.tell_what_waits(0)
    bench._pass(1)
    world.act("reachable", None)
    if world.running is not None:
        world.end(SessionEnd.EV_DISCONNECTED)
    bench._pass(200)
    world.act("state", (ChargerState.DISCONNECTED, None))
    for _ in range(60):
        if not bench.linked:
            bench.link_up()
        world.serve()
        for command in bench.asked():
            bench.done(command)
        bench.wait(min(max(bench.cp.wake_at - bench.mono, 0.0), 20))
        world.serve()


def check_account(world):
    """The central system knows what the charger did, and nothing is left to do."""
    told = [
        (
            parse_timestamp(timestamp),
            start_wh,
            parse_timestamp(world.stopped[number][0]),
            world.stopped[number][1],
        )
        for number, (_, timestamp, start_wh) in enumerate(world.started, 1)
    ]
    if world.honest:
        assert sorted(told) == [tuple(edges) for _, *edges in world.sessions]
    check_energy(world)
    check_rest(world)


def check_energy(world):
    """Each session is in transactions that follow each other, of which none begins like another one."""
    pieces = defaultdict(list)
    for transaction in world.bench.store.transactions.values():
        pieces[transaction.session].append(transaction)
    begins = [(one.id_tag, one.started_ms, one.meter_start_wh) for of in pieces.values() for one in of]
    assert len(set(begins)) == len(begins)
    assert pieces.keys() == {session for session, *_ in world.sessions}
    behind = [*(start_wh for _, _, start_wh, _, _ in world.sessions), world.register][1:]
    for (session, _, start_wh, _, stop_wh), next_wh in zip(world.sessions, behind, strict=True):
        edges = sorted((one.meter_start_wh, one.meter_stop_wh) for one in pieces[session])
        assert edges[0][0] == start_wh
        assert stop_wh <= edges[-1][1] <= next_wh
        assert all(one[1] == later[0] for one, later in pairwise(edges)), edges
        assert len(edges) == 1 or any(one.assumed for one in pieces[session])


def check_rest(world):
    assert world.bench.store.queue == {}
    assert world.bench.store.dead == []
    cp = world.bench.cp
    assert (cp.queue, cp.transactions, cp.statuses, cp.triggered) == ([], {}, [], [])
    assert (cp.call, cp.late_call, cp.authorizing, cp.held_unlock) == (None, None, None, None)
    assert (cp.held_list, cp.token_statuses, cp.list_transfer) == (None, (), None)
    assert cp.state.list_kept == cp.state.list_revision
    assert (cp.state.list_version == 0) == (world.bench.store.listed == {})
    assert cp.state.issued_commands == ()
    assert set(cp.timers) <= {Timer.HEARTBEAT}
    assert not any(isinstance(command, EndSession) for command in world.bench.asked())


def live(new_bench, preset, ops, *, honest=True):
    world = World(new_bench, preset, honest=honest)
    world.bench.ready()
    for what, argument in ops:
        world.bench.turns.clear()
        silent = world.bench.cp.silent
        world.act(what, argument)
        check_turn(world, silent)
        if not honest:
            check_end(world)
    come_to_rest(world)
    check_account(world)


@pytest.mark.simulation
@given(st.sampled_from(["easee", "ocpp16"]), st.lists(OPS, max_size=40))
def test_every_session_becomes_one_transaction(new_bench, preset, ops):
    live(new_bench, preset, ops)


LIKELY = [
    *[("answer", "well")] * 6,
    *[("answer", how) for how in ("error", "garbage", "lost", "no")],
    *[("boot says", status) for status in ("Accepted", "Accepted", "Accepted", "Pending", "Rejected")],
    *[("ask", request) for request in REQUESTS],
    *[("frame", data) for data in GARBAGE[:3]],
    *[("wait", seconds) for seconds in (0.5, 0.5, 5, 5, 31, 130)],
    *[("outcome", outcome) for outcome in Outcome],
    *[("end", reason) for reason in SessionEnd],
    *[("state", (state, None)) for state in ChargerState],
    *[("repeat", back) for back in (0, 1, 2, 5, 10, 50)],
    *[("start says", status) for status in ("Accepted", "Accepted", "Invalid")],
    *[("token", id_tag) for id_tag in ("TAG1", "TAG1", "TAG2")],
    *[(what, None) for what in ("begin", "begin", "unseen session", "reachable", "unreachable")],
    *[(what, None) for what in ("measure", "measure", "measure", "measure much", "charger restarts")],
    *[(what, None) for what in ("link up", "link up", "link up", "link down", "serve", "serve")],
    *[("events wait", None), ("events come", 1), ("events come", 2)],
    *[(what, None) for what in ("process restarts", "hold pages", "deliver pages", "late answer")],
]


@pytest.mark.simulation
@pytest.mark.parametrize("seed", seeds(60, 15))
def test_long_lives_are_accounted_for(new_bench, seed):
    random = Random(seed)
    preset = random.choice(["easee", "ocpp16"])
    live(new_bench, preset, random.choices(LIKELY, k=200))


@pytest.mark.simulation
@given(st.sampled_from(["easee", "ocpp16"]), st.lists(OPS, max_size=40))
def test_no_energy_is_lost_or_doubled_whatever_the_charger_says_of_itself(new_bench, preset, ops):
    live(new_bench, preset, ops, honest=False)


@pytest.mark.simulation
@pytest.mark.parametrize("seed", seeds(60, 15))
def test_long_lives_with_a_charger_that_contradicts_itself(new_bench, seed):
    random = Random(seed)
    preset = random.choice(["easee", "ocpp16"])
    live(new_bench, preset, random.choices(LIKELY, k=200), honest=False)
