"""A queued message is set aside by hand: it is a dead letter, and what is behind it is sent (`Q-4`)."""

import json

import pytest

from chargebridge.chargepoint.records import MessageKind, SendState, Settlement
from chargebridge.chargepoint.transactions import thinning
from chargebridge.chargepoint.turn import CloseLink, Operation, OperatorAnswered, OperatorAsked

pytestmark = pytest.mark.unit

WHO = Settlement("Jana Kovar", "it is in the way")
REASON = "set aside by Jana Kovar: it is in the way"
STARTED = {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}
EDGES = ("StartTransaction", "StopTransaction")


@pytest.fixture
def bench(new_bench):
    overrides = {"meter_values_as_they_come": True}
    return new_bench(overrides=overrides, configuration={"StopTxnSampledData": ""}).ready()


def answers(bench):
    found = [output for output in bench.outputs if isinstance(output, OperatorAnswered)]
    bench.outputs = []
    return [(one.accepted, one.detail) for one in found]


def ask(bench, message, **changes):
    """An operator sets a message aside, as a list of the queue has named it."""
    named = {"sequence": message.sequence, "fingerprint": message.fingerprint, **changes}
    bench.turn(OperatorAsked(5, Operation.SET_ASIDE, settlement=WHO, **named))
    return answers(bench)


def queued(bench, kind, nth=0):
    return [message for message in bench.store.queue.values() if message.kind is kind][nth]


def sent(bench):
    """What was sent of transactions, with the id and the register."""
    found = []
    for action, payload in bench.said():
        if action in EDGES:
            found.append((action, payload.get("transactionId")))
        elif action == "MeterValues":
            found.append((payload["meterValue"][0]["sampledValue"][0]["value"], payload["transactionId"]))
    return found


def offline_session(bench, samples=3):
    """A whole session while the central system is away."""
    bench.link_down()
    bench.begin()
    for n in range(samples):
        bench.wait(1)
        bench.energy(1001 + n)
    bench.wait(1)
    bench.end(1500)
    bench.said()


class TestOneThatWaits:
    def test_a_stop_at_the_end(self, bench):
        offline_session(bench, 1)
        stop = queued(bench, MessageKind.STOP)
        assert ask(bench, stop) == [(True, "stop of transaction 1 is a dead letter")]
        bench.boot()
        assert bench.store.transactions[1].stop is SendState.DEAD
        assert bench.store.queue == {}
        ((letter, reason),) = bench.store.dead
        assert (letter.kind, reason) == (MessageKind.STOP, REASON)

    def test_its_history_says_who_when_and_why(self, bench):
        offline_session(bench, 1)
        ask(bench, queued(bench, MessageKind.STOP))
        ((letter, _),) = bench.store.dead
        assert [(one.attempt, one.at_ms, one.reason) for one in letter.history] == [(0, bench.utc_ms, REASON)]

    def test_its_earlier_attempts_stay_in_its_history(self, bench):
        bench.begin()
        while bench.open_call[1] != "StartTransaction":
            bench.answer()
        bench.refuse()
        ask(bench, queued(bench, MessageKind.START))
        ((letter, _),) = bench.store.dead
        assert [one.reason for one in letter.history] == ["InternalError: no", REASON]

    def test_a_start_leaves_the_others_without_an_id(self, bench):
        offline_session(bench, 2)
        ask(bench, queued(bench, MessageKind.START))
        bench.link_up()
        bench.settle()
        assert sent(bench) == [("1001", -1), ("1002", -1), ("StopTransaction", -1)]
        assert bench.store.transactions[1].start is SendState.DEAD

    def test_a_sample_in_the_middle(self, bench):
        offline_session(bench, 3)
        ask(bench, queued(bench, MessageKind.METER_VALUES, 1))
        bench.link_up()
        bench.settle()
        assert sent(bench) == [("StartTransaction", None), ("1001", 7), ("1003", 7), ("StopTransaction", 7)]

    def test_no_measurement_counts_as_refused_for_it(self, bench):
        offline_session(bench, 3)
        ask(bench, queued(bench, MessageKind.METER_VALUES, 1))
        assert not bench.cp.state.measurements_refused

    def test_one_that_waits_for_its_retry_holds_up_the_next_no_longer(self, bench):
        bench.begin()
        while bench.open_call[1] != "StartTransaction":
            bench.answer()
        bench.refuse()
        bench.wait(1)
        bench.energy(1100)
        bench.said()
        assert bench.open_call is None
        ask(bench, queued(bench, MessageKind.START))
        assert sent(bench) == [("1100", -1)]

    @pytest.mark.parametrize("restarts", [False, True])
    def test_one_far_behind_that_is_in_the_store_only(self, bench, restarts):
        offline_session(bench, 60)
        ask(bench, queued(bench, MessageKind.METER_VALUES, 40))
        ask(bench, queued(bench, MessageKind.METER_VALUES, 50))
        assert thinning.length(bench.cp) == len(bench.store.queue) == 60
        if restarts:
            bench.restart()
            assert thinning.length(bench.cp) == 60
        bench.link_up()
        bench.settle()
        registers = [what for what, _ in sent(bench) if what not in EDGES]
        assert registers == [str(1001 + n) for n in range(60) if n not in {40, 51}]
        assert thinning.length(bench.cp) == 0
        assert bench.store.queue == {}

    def test_all_that_is_in_the_store_only(self, bench):
        offline_session(bench, 20)
        for message in list(bench.store.queue.values())[16:]:
            assert ask(bench, message)[0][0]
        assert thinning.length(bench.cp) == 16
        bench.begin(2, register_wh=1500)
        bench.link_up()
        bench.settle()
        assert bench.store.queue == {}
        assert bench.store.transactions[2].start is SendState.ANSWERED

    def test_a_start_in_the_store_whose_transaction_ends_while_it_is_read(self, bench):
        offline_session(bench, 20)
        bench.begin(2, register_wh=1500)
        start = queued(bench, MessageKind.START, 1)
        bench.hold_pages = True
        assert ask(bench, start) == []
        bench.wait(1)
        bench.end(1800)
        bench.hold_pages = False
        bench.deliver_pages()
        assert answers(bench) == [(True, "start of transaction 2 is a dead letter")]
        transaction = bench.store.transactions[2]
        assert (transaction.start, transaction.stop) == (SendState.DEAD, SendState.QUEUED)
        assert transaction.meter_stop_wh == 1800

    def test_one_that_comes_into_memory_while_it_is_read(self, bench):
        offline_session(bench, 20)
        stop = queued(bench, MessageKind.STOP)
        bench.link_up()
        bench.hold_pages = True
        bench.settle()  # sixteen messages, and the next are being read
        assert ask(bench, stop) == []
        bench.hold_pages = False
        bench.deliver_pages()
        bench.settle()
        ((accepted, _),) = answers(bench)
        assert accepted
        assert [letter.kind for letter, _ in bench.store.dead] == [MessageKind.STOP]
        assert bench.store.queue == {}
        assert ("StopTransaction", 7) not in sent(bench)

    def test_it_is_sent_again_with_its_transaction(self, bench):
        offline_session(bench, 1)
        ask(bench, queued(bench, MessageKind.START))
        bench.link_up()
        bench.settle()
        bench.said()
        bench.turn(OperatorAsked(1, Operation.REDELIVER))
        bench.settle()
        assert sent(bench) == [("StartTransaction", None), ("StopTransaction", 7)]
        assert (bench.store.queue, bench.store.dead) == ({}, [])

    def test_it_can_be_settled(self, bench):
        offline_session(bench, 1)
        ask(bench, queued(bench, MessageKind.START))
        bench.turn(OperatorAsked(1, Operation.SETTLE, 1, WHO))
        assert answers(bench) == [(True, "settled: 1 message of 1 transaction")]


class TestOneThatIsUnanswered:
    """The answer may be on its way: whichever turn comes first decides, and the CALL is over first."""

    @pytest.fixture
    def under_way(self, bench):
        bench.begin()
        while bench.open_call[1] != "StartTransaction":
            bench.answer()
        bench.wait(1)
        bench.energy(1100)
        bench.said()
        detail = "it is being sent: unless it is answered, it becomes a dead letter when that is over"
        assert ask(bench, queued(bench, MessageKind.START)) == [(True, detail)]
        assert bench.store.dead == []
        return bench

    def test_answered_it_is_delivered_and_no_letter(self, under_way):
        under_way.answer(STARTED)
        assert sent(under_way) == [("1100", 7)]
        assert under_way.store.dead == []
        assert under_way.store.transactions[1].start is SendState.ANSWERED
        assert under_way.cp.state.aside is None

    def test_refused_it_is_a_letter_at_once(self, under_way):
        under_way.refuse()
        assert sent(under_way) == [("1100", -1)]
        ((letter, reason),) = under_way.store.dead
        assert reason == REASON
        assert [one.reason for one in letter.history] == ["InternalError: no", REASON]

    def test_an_unusable_answer_is_none(self, under_way):
        under_way.answer({"transactionId": "seven"})
        assert [letter.kind for letter, _ in under_way.store.dead] == [MessageKind.START]

    def test_with_the_end_of_the_connection(self, under_way):
        under_way.link_down()
        assert [reason for _, reason in under_way.store.dead] == [REASON]
        under_way.link_up()
        under_way.settle()
        assert sent(under_way) == [("1100", -1)]

    def test_over_a_restart(self, under_way):
        under_way.restart()
        assert [reason for _, reason in under_way.store.dead] == [REASON]
        assert under_way.cp.state.aside is None

    def test_after_its_time_out_when_the_link_is_not_deaf(self, under_way):
        under_way.wait(30)
        assert under_way.open_call[1] == "Heartbeat"
        assert under_way.store.dead == []
        under_way.answer()
        assert [reason for _, reason in under_way.store.dead] == [REASON]
        under_way.settle()
        assert sent(under_way) == [("1100", -1)]

    def test_an_answer_before_the_probe_is_answered_still_counts(self, under_way):
        id = under_way.open_call[0]
        under_way.wait(30)
        under_way.frame(json.dumps([3, id, STARTED]).encode())
        under_way.answer()
        assert under_way.store.dead == []
        assert under_way.store.transactions[1].transaction_id == 7

    def test_asked_twice_it_is_one_letter(self, under_way):
        ask(under_way, queued(under_way, MessageKind.START))
        under_way.refuse()
        assert len(under_way.store.dead) == 1

    def test_one_before_its_own_start_is_set_aside_even_if_it_is_answered(self, bench):
        """The answer to a message under -1 means nothing, as its Start is sent again behind it."""
        bench.begin()
        while bench.open_call[1] != "StartTransaction":
            bench.answer()
        bench.refuse()
        ask(bench, queued(bench, MessageKind.START))
        bench.end(1500)
        while bench.open_call[1] != "StopTransaction":
            bench.answer()
        bench.said()
        bench.turn(OperatorAsked(1, Operation.REDELIVER))
        bench.outputs = []
        ask(bench, queued(bench, MessageKind.STOP))
        bench.answer()
        assert [letter.kind for letter, _ in bench.store.dead] == [MessageKind.STOP]
        bench.settle()
        assert sent(bench) == [("StartTransaction", None)]


class TestOneThatIsGone:
    GONE = (
        "there is no such message in the queue any more: it was answered, given up or moved; list the queue"
    )

    def test_answered_meanwhile(self, bench):
        offline_session(bench, 0)
        stop = queued(bench, MessageKind.STOP)
        bench.link_up()
        bench.settle()
        assert ask(bench, stop) == [(False, self.GONE)]
        assert bench.store.dead == []

    @pytest.mark.parametrize("nth", [2, 40])
    def test_another_message_has_its_number(self, bench, nth):
        offline_session(bench, 60)
        message = queued(bench, MessageKind.METER_VALUES, nth)
        assert ask(bench, message, fingerprint="00000000") == [(False, self.GONE)]
        assert bench.store.dead == []

    def test_one_beyond_the_queue(self, bench):
        offline_session(bench, 0)
        assert ask(bench, queued(bench, MessageKind.STOP), sequence=999) == [(False, self.GONE)]

    def test_one_at_a_time_is_read(self, bench):
        offline_session(bench, 60)
        bench.hold_pages = True
        ask(bench, queued(bench, MessageKind.METER_VALUES, 40))
        refusal = (False, "another message is being set aside; try again when that is done")
        assert ask(bench, queued(bench, MessageKind.METER_VALUES, 41)) == [refusal]


class TestAWholeQueue:
    """A charge point that is leaving the configuration is ended by an operator."""

    def end(self, bench):
        bench.turn(OperatorAsked(5, Operation.END, settlement=WHO))
        return answers(bench)

    def test_all_of_it_are_dead_letters(self, bench):
        offline_session(bench, 40)
        assert self.end(bench) == [(True, "42 queued messages became dead letters")]
        assert (bench.store.queue, len(bench.store.dead)) == ({}, 42)
        assert {reason for _, reason in bench.store.dead} == {"ended by Jana Kovar: it is in the way"}
        transaction = bench.store.transactions[1]
        assert (transaction.start, transaction.stop) == (SendState.DEAD, SendState.DEAD)
        assert thinning.length(bench.cp) == 0

    def test_while_one_is_unanswered_its_connection_is_closed_first(self, bench):
        bench.begin()
        while bench.open_call[1] != "StartTransaction":
            bench.answer()
        bench.end(1500)
        effects = bench.turn(OperatorAsked(5, Operation.END, settlement=WHO))
        assert any(isinstance(output, CloseLink) for output in effects.outputs)
        assert len(bench.store.dead) == 2

    def test_while_more_of_it_is_being_read(self, bench):
        offline_session(bench, 40)
        bench.hold_pages = True
        bench.link_up()
        bench.settle()
        self.end(bench)
        bench.hold_pages = False
        bench.deliver_pages()
        assert (bench.cp.queue, bench.store.queue) == ([], {})
        bench.begin(2, register_wh=1500)
        bench.link_up()
        bench.settle()
        assert bench.store.transactions[2].start is SendState.ANSWERED

    def test_it_is_sent_again_as_any_other(self, bench):
        offline_session(bench, 1)
        self.end(bench)
        bench.turn(OperatorAsked(1, Operation.REDELIVER))
        bench.link_up()
        bench.settle()
        assert sent(bench) == [("StartTransaction", None), ("1001", 7), ("StopTransaction", 7)]

    def test_an_empty_one(self, bench):
        assert self.end(bench) == [(True, "0 queued messages became dead letters")]

    def test_not_while_a_transaction_runs(self, bench):
        bench.begin()
        assert self.end(bench) == [(False, "a transaction is running; try again when that is over")]
