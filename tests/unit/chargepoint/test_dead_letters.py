"""What was given up: why it was, and that it can be sent again, whole and once (`Q-4`, `TX-6`)."""

import json
from random import Random

import pytest

from chargebridge.chargepoint.records import Attempt, Settlement
from chargebridge.chargepoint.transactions import thinning
from chargebridge.chargepoint.turn import Notice, NoticeKind, Operation, OperatorAnswered, OperatorAsked
from chargebridge.chargers.model import SessionEnd
from chargebridge.clock import format_utc
from tests.seeds import seeds

pytestmark = pytest.mark.unit

AS_THEY_COME = {"meter_values_as_they_come": True}
STARTED = {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}
MESSAGES = {"StartTransaction", "MeterValues", "StopTransaction"}


@pytest.fixture
def ready(new_bench):
    return new_bench(
        overrides=AS_THEY_COME, configuration={"TransactionMessageAttempts": "1", "StopTxnSampledData": ""}
    ).ready()


def of_transactions(calls):
    return [(action, payload) for action, payload in calls if action in MESSAGES]


def short(calls):
    """Start, Stop and each sample's register, with the id they carry."""
    told = []
    for action, payload in of_transactions(calls):
        samples = payload.get("meterValue")
        what = samples[0]["sampledValue"][0]["value"] if samples else action
        told.append((what, payload.get("transactionId")))
    return told


def serve_refusing(bench, *actions):
    """Answer CALLs until there are none, those of these actions with an error."""
    while bench.open_call is not None:
        if bench.open_call[1] in actions:
            bench.refuse()
        else:
            bench.answer()
    return bench.said()


def until(bench, action):
    while bench.open_call[1] != action:
        bench.answer()


def session(bench, *registers, refusing=()):
    """A session from 1000 Wh over these registers, answered as it goes; the last one ends it."""
    bench.begin()
    told = serve_refusing(bench, *refusing)
    for register in registers[:-1]:
        bench.wait(1)
        bench.energy(register)
        told += serve_refusing(bench, *refusing)
    bench.wait(1)
    bench.end(registers[-1], SessionEnd.EV_DISCONNECTED)
    return told + serve_refusing(bench, *refusing)


def send_again(bench, transaction=None, ask=1):
    bench.turn(OperatorAsked(ask, Operation.REDELIVER, transaction))
    return answer_of(bench)


def answer_of(bench):
    answers = [output for output in bench.outputs if isinstance(output, OperatorAnswered)]
    bench.outputs = []
    return (answers[-1].accepted, answers[-1].detail) if answers else None


NOTHING = (False, "there are no dead letters")


class TestHistory:
    @pytest.fixture
    def patient(self, new_bench):
        return new_bench(configuration={"TransactionMessageAttempts": "12"}).ready()

    def fail(self, bench, times):
        for _ in range(times):
            while bench.open_call is None or bench.open_call[1] != "StartTransaction":
                if bench.open_call is None:
                    bench.wait(bench.cp.wake_at - bench.mono)
                else:
                    bench.answer()
            bench.refuse()

    def test_each_attempt_is_kept_with_its_time_and_reason_while_the_message_waits(self, patient):
        patient.begin()
        until(patient, "StartTransaction")
        id, *_ = patient.open_call
        patient.open_call = None
        patient.frame(json.dumps([4, id, "InternalError", "no database", {}]).encode())
        patient.wait(60)
        until(patient, "StartTransaction")
        patient.wait(30)
        patient.answer({"currentTime": "2026-01-02T10:00:00Z"})
        told = (
            Attempt(1, patient.utc_ms - 90_000, "InternalError: no database"),
            Attempt(2, patient.utc_ms, "no answer in time"),
        )
        assert patient.store.queue[1].history == told
        patient.restart()
        assert patient.cp.queue[0].history == told

    def test_of_many_attempts_the_first_and_the_newest_are_kept(self, patient):
        patient.begin()
        self.fail(patient, 12)
        ((letter, reason),) = patient.store.dead
        assert [one.attempt for one in letter.history] == [1, 2, 5, 6, 7, 8, 9, 10, 11, 12]
        assert (letter.attempts, reason) == (12, letter.history[-1].reason)

    def test_what_is_given_up_is_told_with_its_transaction_and_reason(self, patient):
        patient.begin()
        self.fail(patient, 12)
        (told,) = [
            output
            for output in patient.outputs
            if isinstance(output, Notice) and output.kind is NoticeKind.DEAD_LETTER
        ]
        assert told.detail.startswith("start of transaction 1, at attempt 12: InternalError")

    def test_a_message_that_is_sent_again_has_its_attempts_from_zero_and_keeps_its_history(self, ready):
        session(ready, 1500, refusing=["StopTransaction"])
        ready.wait(10)
        send_again(ready)
        until(ready, "StopTransaction")
        (message,) = ready.store.queue.values()
        assert message.attempts == 0
        assert [one.at_ms for one in message.history] == [ready.utc_ms - 10_000]
        ready.refuse()
        ((letter, _),) = ready.store.dead
        assert [(one.attempt, one.at_ms) for one in letter.history] == [
            (1, ready.utc_ms - 10_000),
            (1, ready.utc_ms),
        ]


class TestSendingAgain:
    def test_start_samples_and_stop_are_told_as_they_were(self, ready):
        was = session(ready, 1100, 1200, 1500, refusing=MESSAGES)
        ready.live(3600)
        ready.said()
        assert send_again(ready) == (True, "queued again: 4 messages of 1 transaction")
        told = of_transactions(ready.serve())
        assert short(told) == [
            ("StartTransaction", None),
            ("1100", 7),
            ("1200", 7),
            ("StopTransaction", 7),
        ]
        assert told == [
            (action, payload | ({"transactionId": 7} if "transactionId" in payload else {}))
            for action, payload in of_transactions(was)
        ]
        assert (ready.store.dead, ready.store.queue) == ([], {})

    def test_a_stop_that_was_answered_without_its_start_follows_it_as_it_was(self, new_bench):
        bench = new_bench(
            configuration={
                "TransactionMessageAttempts": "1",
                "MeterValueSampleInterval": "10",
                "StopTxnSampledData": "Energy.Active.Import.Register",
            }
        ).ready()
        bench.begin()
        serve_refusing(bench, "StartTransaction")
        for register in (1100, 1200):
            bench.energy(register)
            bench.live(10)
        bench.end(1500)
        (stop,) = [payload for action, payload in bench.serve() if action == "StopTransaction"]
        assert stop["transactionId"] == -1
        assert len(stop["transactionData"]) == 4
        # What would be told of another transaction now makes no difference.
        bench.ask("ChangeConfiguration", {"key": "StopTxnSampledData", "value": ""})
        bench.restart()
        bench.boot()
        assert send_again(bench) == (True, "queued again: 2 messages of 1 transaction")
        again = of_transactions(bench.serve())
        assert again[-1] == ("StopTransaction", stop | {"transactionId": 7})
        assert bench.store.samples[1] is None
        assert send_again(bench) == NOTHING

    def test_a_stop_without_transaction_data_has_none_when_it_is_sent_again(self, ready):
        session(ready, 1500, refusing=["StartTransaction"])
        ready.ask(
            "ChangeConfiguration", {"key": "StopTxnSampledData", "value": "Energy.Active.Import.Register"}
        )
        send_again(ready)
        assert "transactionData" not in ready.serve()[-1][1]

    def test_a_letter_whose_start_was_answered_is_sent_with_its_id(self, ready):
        session(ready, 1100, 1500, refusing=["MeterValues", "StopTransaction"])
        ready.restart()
        ready.boot()
        send_again(ready, 1)
        assert short(ready.serve()) == [("1100", 7), ("StopTransaction", 7)]

    def test_only_what_was_given_up_is_told_again(self, ready):
        session(ready, 1100, 1500, refusing=["MeterValues"])
        send_again(ready, 1)
        assert short(ready.serve()) == [("1100", 7)]

    def test_twice_in_a_row_the_second_is_refused(self, ready):
        session(ready, 1500, refusing=MESSAGES)
        ready.link_down()
        assert send_again(ready, 1)[0]
        assert send_again(ready, 1) == NOTHING
        assert short(ready.boot()) == [("StartTransaction", None), ("StopTransaction", 7)]

    def test_two_at_once_the_second_is_refused(self, ready):
        session(ready, 1500, refusing=MESSAGES)
        ready.hold_pages = True
        send_again(ready, 1, ask=1)
        assert send_again(ready, 1, ask=2) == (
            False,
            "dead letters are being redelivered; try again when that is done",
        )
        ready.hold_pages = False
        ready.deliver_pages()
        assert answer_of(ready) == (True, "queued again: 2 messages of 1 transaction")
        assert short(ready.serve()) == [("StartTransaction", None), ("StopTransaction", 7)]

    def test_of_a_transaction_that_never_was_there_is_nothing(self, ready):
        assert send_again(ready, 12345) == NOTHING

    def test_behind_what_waits(self, ready):
        session(ready, 1500, refusing=MESSAGES)
        ready.link_down()
        ready.begin(session=2, register_wh=1500)
        ready.end(1600)
        send_again(ready)
        told = of_transactions(ready.boot())
        assert [payload.get("meterStart", payload.get("meterStop")) for _, payload in told] == [
            1500,
            1600,
            1000,
            1500,
        ]

    def test_while_the_charger_cannot_be_reached(self, ready):
        session(ready, 1500, refusing=MESSAGES)
        ready.reachable(False)
        assert send_again(ready)[0]

    def test_many_transactions_are_sent_again_in_several_turns(self, ready):
        for number in range(1, 251):
            ready.begin(session=number, register_wh=1000 + number)
            ready.end(1001 + number)
            serve_refusing(ready, *MESSAGES)
        assert len(ready.store.dead) == 500
        assert send_again(ready) == (True, "queued again: 500 messages of 250 transactions")
        assert ready.store.dead == []
        told = of_transactions(ready.serve())
        starts = [payload["meterStart"] for _, payload in told if "meterStart" in payload]
        assert starts == list(range(1001, 1251))

    def test_they_are_counted(self, ready):
        session(ready, 1100, 1500, refusing=MESSAGES)
        ready.turn(OperatorAsked(1, Operation.REDELIVER))
        (notice,) = [
            output
            for output in ready.outputs
            if isinstance(output, Notice) and output.kind is NoticeKind.REDELIVERED
        ]
        assert (notice.times, notice.detail) == (3, "3 messages of transaction 1")


class TestWhileTheTransactionRuns:
    def test_what_follows_takes_the_id_of_its_start(self, ready):
        ready.begin()
        serve_refusing(ready, "StartTransaction")
        ready.wait(1)
        ready.energy(1100)
        assert short(ready.serve())[-1] == ("1100", -1)
        assert send_again(ready)[0]
        ready.wait(1)
        ready.energy(1200)
        ready.end(1500)
        assert short(ready.serve()) == [("StartTransaction", None), ("1200", 7), ("StopTransaction", 7)]
        assert ready.store.queue == {}

    def test_what_waits_already_goes_behind_its_start(self, ready):
        ready.begin()
        serve_refusing(ready, "StartTransaction")
        ready.said()
        ready.link_down()
        for register in (1100, 1200):
            ready.wait(1)
            ready.energy(register)
        ready.end(1500)
        send_again(ready)
        ready.restart()
        assert short(ready.boot()) == [
            ("StartTransaction", None),
            ("1100", 7),
            ("1200", 7),
            ("StopTransaction", 7),
        ]

    def test_what_waits_of_another_transaction_keeps_its_place(self, ready):
        ready.begin()
        serve_refusing(ready, "StartTransaction")
        ready.link_down()
        ready.wait(1)
        ready.end(1500)
        ready.begin(session=2, register_wh=1500)
        send_again(ready)
        told = of_transactions(ready.boot())
        assert [payload.get("meterStart", payload.get("meterStop")) for _, payload in told] == [
            1500,
            1000,
            1500,
        ]

    def given_up_sample_and_waiting_stop(self, bench):
        bench.begin()
        bench.wait(1)
        bench.energy(1100)
        serve_refusing(bench, "MeterValues")
        bench.link_down()
        bench.end(1500)

    def test_a_stop_that_waits_follows_a_sample_that_was_given_up(self, ready):
        self.given_up_sample_and_waiting_stop(ready)
        send_again(ready)
        assert short(ready.boot()) == [("1100", 7), ("StopTransaction", 7)]

    def test_tx_8_but_no_stop_goes_behind_the_start_of_the_next_transaction(self, ready):
        self.given_up_sample_and_waiting_stop(ready)
        ready.begin(session=2, register_wh=1500)
        send_again(ready)
        assert short(ready.boot()) == [("StopTransaction", 7), ("StartTransaction", None), ("1100", 7)]

    def test_what_waits_for_its_retry_goes_behind_its_start_at_once(self, new_bench):
        bench = new_bench(configuration={"TransactionMessageAttempts": "2"}).ready()
        bench.begin()
        until(bench, "StartTransaction")
        bench.refuse()
        bench.wait(60)
        until(bench, "StartTransaction")
        bench.refuse()
        bench.end(1500)
        until(bench, "StopTransaction")
        bench.refuse()
        bench.said()
        send_again(bench)
        assert short(bench.serve()) == [("StartTransaction", None), ("StopTransaction", 7)]
        assert bench.store.queue == {}

    @pytest.mark.parametrize("become", ["answered", "refused", "lost"])
    def test_what_is_under_way_without_an_id_is_told_again_behind_its_start(self, ready, become):
        ready.begin()
        serve_refusing(ready, "StartTransaction")
        ready.wait(1)
        ready.end(1500)
        until(ready, "StopTransaction")
        ready.said()
        send_again(ready)
        if become == "answered":
            ready.answer()
        elif become == "refused":
            ready.refuse()
        else:
            ready.link_down()
            ready.link_up()
        assert short(ready.serve()) == [("StartTransaction", None), ("StopTransaction", 7)]
        assert (ready.store.queue, ready.store.dead) == ({}, [])

    def test_a_long_queue_of_its_own_follows_its_start(self, ready):
        ready.begin()
        serve_refusing(ready, "StartTransaction")
        ready.link_down()
        ready.said()
        for n in range(40):
            ready.wait(1)
            ready.energy(1001 + n)
        ready.end(1500)
        send_again(ready)
        told = short(ready.boot())
        assert told[0] == ("StartTransaction", None)
        assert sorted(told[1:]) == sorted([*((str(1001 + n), 7) for n in range(40)), ("StopTransaction", 7)])
        assert ready.store.queue == {}

    def test_what_is_given_up_while_the_store_is_asked_is_sent_again_too(self, ready):
        ready.begin()
        serve_refusing(ready, "StartTransaction")
        ready.wait(1)
        ready.end(1500)
        until(ready, "StopTransaction")
        ready.said()
        ready.hold_pages = True
        send_again(ready)
        ready.refuse()
        ready.hold_pages = False
        ready.deliver_pages()
        assert answer_of(ready) == (True, "queued again: 2 messages of 1 transaction")
        assert short(ready.serve()) == [("StartTransaction", None), ("StopTransaction", 7)]

    def test_what_is_answered_while_the_store_is_asked_is_not_forgotten(self, ready):
        ready.begin()
        serve_refusing(ready, "StartTransaction")
        ready.wait(1)
        ready.end(1500)
        until(ready, "StopTransaction")
        ready.said()
        ready.hold_pages = True
        send_again(ready)
        ready.answer()
        ready.hold_pages = False
        ready.deliver_pages()
        assert short(ready.serve()) == [("StartTransaction", None), ("StopTransaction", 7)]


ACTS = (
    *("begin", "sample", "end", "answer", "answer", "refuse", "refuse", "wait", "restart", "link"),
    *("send again", "send again one", "set aside", "import", "hold", "deliver"),
)


class Life:
    """Sessions, refusals, restarts and operators in any order, before a central system that keeps books."""

    def __init__(self, new_bench, seed):
        self.random = Random(seed)
        self.bench = new_bench(
            overrides=AS_THEY_COME | {"easee_extensions": True},
            configuration={"TransactionMessageAttempts": "2", "TransactionMessageRetryInterval": "3"},
        ).ready()
        self.bench.said()
        self.session, self.register, self.running = 0, 1000, False
        self.sessions = []
        self.ids, self.stops, self.samples, self.told_samples = {}, {}, {}, {}

    def act(self):
        bench = self.bench
        match self.random.choice(ACTS):
            case "begin" if not self.running:
                self.session, self.running = self.session + 1, True
                bench._pass(1)
                self.began = format_utc(bench.utc_ms), self.register
                bench.begin(self.session, "TAG", self.register)
            case "sample" if self.running:
                bench._pass(1)
                self.register += 1
                bench.energy(self.register, self.session)
            case "end" if self.running:
                bench._pass(1)
                self.register += 1
                self.running = False
                self.sessions.append((*self.began, format_utc(bench.utc_ms), self.register))
                bench.end(self.register, SessionEnd.EV_DISCONNECTED)
            case "answer" if bench.open_call is not None:
                bench.answer(self.process(*bench.calls[-1]))
            case "refuse" if bench.open_call is not None:
                bench.refuse()
            case "wait":
                bench.wait(self.random.choice([1, 5, 31]))
            case "restart":
                bench.restart()
            case "link":
                bench.link_down() if bench.linked else bench.link_up()
            case "send again":
                bench.turn(OperatorAsked(1, Operation.REDELIVER))
            case "send again one":
                number = self.random.randint(1, max(self.session, 1))
                bench.turn(OperatorAsked(1, Operation.REDELIVER, number))
            case "set aside" if bench.store.queue:
                message = self.random.choice(list(bench.store.queue.values()))
                named = {"sequence": message.sequence, "fingerprint": message.fingerprint}
                who = Settlement("Jana Kovar", "it is in the way")
                bench.turn(OperatorAsked(1, Operation.SET_ASIDE, settlement=who, **named))
            case "import" if bench.linked:
                data = "start:'2026-01-02T00:00:00Z', stop:'2026-01-03T00:00:00Z'"
                asked = {"vendorId": "no.easee", "messageId": "ImportEaseeSessions", "data": data}
                bench.ask("DataTransfer", asked)
            case "hold":
                bench.hold_pages = True
            case "deliver":
                self.deliver()
            case _:
                pass  # makes no sense now

    def deliver(self):
        self.bench.hold_pages = False
        self.bench.deliver_pages()

    def process(self, action, payload):
        match action:
            case "StartTransaction":
                key = payload["timestamp"], payload["meterStart"]
                assert key not in self.ids, "a Start that was answered is sent again"
                id = self.ids[key] = len(self.ids) + 1
                return {"transactionId": id, "idTagInfo": {"status": "Accepted"}}
            case "StopTransaction" if payload["transactionId"] != -1:
                assert payload["transactionId"] in self.ids.values()
                assert payload["transactionId"] not in self.stops, "a Stop that was answered is sent again"
                self.stops[payload["transactionId"]] = payload["timestamp"], payload["meterStop"]
            case "MeterValues" if payload.get("transactionId", -1) != -1:
                (value,) = payload["meterValue"]
                told = self.told_samples.setdefault(payload["transactionId"], [])
                told.append(int(value["sampledValue"][0]["value"]))
        return None

    def heal(self):
        """The central system is mended, and operators ask until nothing is dead."""
        bench = self.bench
        self.deliver()
        if self.running:
            bench._pass(1)
            self.register += 1
            self.sessions.append((*self.began, format_utc(bench.utc_ms), self.register))
            bench.end(self.register, SessionEnd.EV_DISCONNECTED)
        for _ in range(40):
            if not bench.linked:
                bench.link_up()
            while bench.open_call is not None:
                bench.answer(self.process(*bench.calls[-1]))
            bench.turn(OperatorAsked(1, Operation.REDELIVER))
            bench.wait(min(max(bench.cp.wake_at - bench.mono, 0), 10))


@pytest.mark.simulation
@pytest.mark.parametrize("seed", seeds(150, 30))
def test_whatever_was_refused_is_told_once_with_its_own_edges(new_bench, seed):
    life = Life(new_bench, seed)
    for _ in range(150):
        life.act()
        rebuilt = type(life.bench.cp)(life.bench.settings, life.bench.store.load())
        assert rebuilt.queue[: len(life.bench.cp.queue)] == life.bench.cp.queue
        assert rebuilt.next_sequence == life.bench.cp.next_sequence
        assert thinning.length(rebuilt) == thinning.length(life.bench.cp) == len(life.bench.store.queue)
        assert rebuilt.running == life.bench.cp.running
    life.heal()
    bench = life.bench
    told = sorted((*key, *life.stops[id]) for key, id in life.ids.items())
    assert told == life.sessions
    assert (bench.store.queue, bench.store.dead) == ({}, [])
    for (_, start_wh), id in life.ids.items():
        registers = life.told_samples.get(id, [])
        assert len(set(registers)) == len(registers)
        assert all(start_wh <= register <= life.stops[id][1] for register in registers)
    assert (bench.cp.queue, bench.cp.transactions) == ([], {})


class TestSettling:
    """An operator has dealt with them by hand (`Q-4`)."""

    WHO = Settlement("Jana Kovar", "entered by hand")

    def settle(self, bench, transaction=None, ask=1):
        bench.turn(OperatorAsked(ask, Operation.SETTLE, transaction, self.WHO))
        return answer_of(bench)

    @pytest.fixture
    def given_up(self, new_bench):
        bench = new_bench(configuration={"TransactionMessageAttempts": "1"}).ready()
        for session, start in ((1, 1000), (2, 2000)):
            bench.begin(session, register_wh=start)
            serve_refusing(bench, "StartTransaction", "StopTransaction")
            bench.end(start + 500, SessionEnd.EV_DISCONNECTED)
            serve_refusing(bench, "StartTransaction", "StopTransaction")
        assert len(bench.store.dead) == 4
        return bench

    def test_q_4_settled_letters_are_counted_noted_and_not_sent_again(self, given_up):
        bench = given_up
        assert self.settle(bench, 1) == (True, "settled: 2 messages of 1 transaction")
        assert {letter.transaction for letter, _ in bench.store.dead} == {2}
        assert send_again(bench, 1) == NOTHING
        assert self.settle(bench, 1) == NOTHING
        assert self.settle(bench) == (True, "settled: 2 messages of 1 transaction")
        assert send_again(bench) == NOTHING
        bench.wait(3600)
        assert "StartTransaction" not in [call[0] for call in bench.said()]

    def test_the_notice_says_who_and_why(self, given_up):
        given_up.turn(OperatorAsked(1, Operation.SETTLE, 2, self.WHO))
        (notice,) = [
            output
            for output in given_up.outputs
            if isinstance(output, Notice) and output.kind is NoticeKind.SETTLED
        ]
        assert (notice.detail, notice.times) == (
            "2 messages of transaction 2, by Jana Kovar: entered by hand",
            2,
        )

    def test_it_needs_neither_the_link_nor_the_charger(self, given_up):
        given_up.restart()
        assert self.settle(given_up) == (True, "settled: 4 messages of 2 transactions")
