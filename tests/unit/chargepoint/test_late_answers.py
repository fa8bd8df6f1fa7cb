"""A late answer is an answer: the first to any attempt of a message settles it (`RPC-6`)."""

import json

import pytest

from chargebridge.chargepoint.records import SendState
from chargebridge.chargers.model import EndSession

pytestmark = pytest.mark.unit

KINDS = ["StartTransaction", "MeterValues", "StopTransaction"]


@pytest.fixture
def bench(new_bench):
    return new_bench(overrides={"meter_values_as_they_come": True}).ready()


def until(bench, action):
    """Let time pass, and answer calls, until one of this action waits for its answer; return its id."""
    while bench.open_call is None or bench.open_call[1] != action:
        if bench.open_call is None:
            bench.wait(60)
        else:
            bench.answer()
    return bench.open_call[0]


def send(bench, kind):
    """Have a message of this kind sent for the first time; return its id."""
    bench.begin()
    if kind != "StartTransaction":
        bench.settle()
        bench.wait(1)
        if kind == "MeterValues":
            bench.energy(1100)
        else:
            bench.end()
    return until(bench, kind)


def time_out(bench):
    """Leave the open CALL unanswered until it counts as failed."""
    bench.wait(30)
    assert bench.open_call[1] == "Heartbeat"
    bench.answer()


def late(bench, id, payload=None):
    good = {"transactionId": 5, "idTagInfo": {"status": "Accepted"}}
    bench.frame(json.dumps([3, id, good if payload is None else payload]).encode())


def sent(bench, kind):
    return [payload for action, payload in bench.said() if action == kind]


@pytest.mark.parametrize("kind", KINDS)
class TestEachKind:
    def test_rpc_6_while_it_waits_for_its_next_attempt_nothing_is_sent_again(self, bench, kind):
        id = send(bench, kind)
        time_out(bench)
        bench.wait(5)
        bench.said()
        late(bench, id)
        assert bench.store.queue == {}
        bench.live(1000)
        assert sent(bench, kind) == []
        assert bench.store.dead == []

    def test_rpc_6_while_the_next_attempt_is_under_way(self, bench, kind):
        first = send(bench, kind)
        time_out(bench)
        second = until(bench, kind)
        assert first != second
        late(bench, first)
        assert bench.store.queue == {}
        bench.said()
        # The next CALL waits for the answer to the repeat, which is none to any message (RPC-5).
        bench.token("OTHER")
        assert bench.said() == []
        bench.answer({"transactionId": 6, "idTagInfo": {"status": "Blocked"}})
        assert bench.store.transactions[1].transaction_id == (5 if kind == "StartTransaction" else 7)
        assert bench.asked(EndSession) == []
        bench.live(1000)
        assert sent(bench, kind) == []

    def test_rpc_6_of_three_attempts_the_first_answer_counts_and_the_others_are_repeats(self, bench, kind):
        ids = [send(bench, kind)]
        time_out(bench)
        ids.append(until(bench, kind))
        time_out(bench)
        ids.append(until(bench, kind))
        late(bench, ids[1])
        late(bench, ids[0], {"transactionId": 6})
        late(bench, ids[2], {"transactionId": 7})
        if kind == "StartTransaction":
            assert bench.store.transactions[1].transaction_id == 5
        assert bench.store.queue == {}
        assert bench.store.dead == []

    def test_rpc_6_a_repeat_that_is_not_answered_shows_only_whether_the_link_is_deaf(self, bench, kind):
        first = send(bench, kind)
        time_out(bench)
        until(bench, kind)
        late(bench, first)
        time_out(bench)
        assert bench.linked
        assert bench.store.queue == {}
        assert bench.store.dead == []

    def test_rpc_6_between_time_out_and_heartbeat(self, bench, kind):
        first = send(bench, kind)
        time_out(bench)
        until(bench, kind)
        bench.wait(30)
        late(bench, first)  # while the second attempt is being doubted
        bench.answer()
        assert bench.store.queue == {}
        assert bench.store.dead == []

    def test_rpc_6_an_error_that_comes_late_changes_nothing(self, bench, kind):
        id = send(bench, kind)
        time_out(bench)
        (before,) = bench.store.queue.values()
        bench.frame(json.dumps([4, id, "InternalError", "", {}]).encode())
        assert list(bench.store.queue.values()) == [before]

    def test_rpc_6_another_connection_brings_no_answer_of_this_one(self, bench, kind):
        id = send(bench, kind)
        time_out(bench)
        bench.link_down()
        bench.link_up()
        late(bench, id)
        assert len(bench.store.queue) == 1


def test_rpc_6_35_s_for_every_start_is_one_start_each(bench):
    """Everything is answered 35 s late, and a call times out after 30 s."""
    due = []
    for session in range(1, 4):
        bench.begin(session=session, register_wh=1000 * session)
        for second in range(400):
            if bench.open_call is not None and bench.open_call[1] in KINDS:
                id, action, at = bench.open_call
                if all(id != other for other, _, _ in due):
                    due.append((id, action, at + 35))
            elif bench.open_call is not None:
                bench.answer()
            for id, action, at in due:
                if at == bench.mono:
                    if bench.open_call is not None and bench.open_call[0] == id:
                        bench.open_call = None
                    late(bench, id, {"transactionId": session} if action == "StartTransaction" else {})
            bench.wait(1)
            if second == 200:
                bench.end(1000 * session + 500)
    calls = bench.said()
    starts = [payload["meterStart"] for action, payload in calls if action == "StartTransaction"]
    stops = [payload["transactionId"] for action, payload in calls if action == "StopTransaction"]
    assert (starts, stops) == ([1000, 2000, 3000], [1, 2, 3])
    assert bench.store.queue == {}
    assert bench.store.dead == []


class TestStart:
    @pytest.mark.parametrize(
        "payload", [{}, {"transactionId": "x"}, [], {"idTagInfo": {"status": "Accepted"}}]
    )
    def test_rpc_6_an_unusable_late_answer_is_no_answer_and_no_attempt(self, bench, payload):
        id = send(bench, "StartTransaction")
        time_out(bench)
        (before,) = bench.store.queue.values()
        late(bench, id, payload)
        assert list(bench.store.queue.values()) == [before]
        late(bench, id)
        assert bench.store.transactions[1].transaction_id == 5

    def test_tx_7_what_follows_takes_the_id_of_the_late_answer(self, bench):
        id = send(bench, "StartTransaction")
        bench.wait(10)
        bench.energy(1100)
        bench.end()
        bench.wait(20)
        bench.answer()
        late(bench, id)
        following = [payload["transactionId"] for action, payload in bench.serve() if action in KINDS[1:]]
        assert following == [5, 5]

    def test_tx_4_a_late_refusal_stops_the_transaction(self, bench):
        id = send(bench, "StartTransaction")
        time_out(bench)
        late(bench, id, {"transactionId": 5, "idTagInfo": {"status": "Blocked"}})
        assert len(bench.asked(EndSession)) == 1

    def test_rs_7_it_can_be_stopped_remotely_from_then_on(self, bench):
        id = send(bench, "StartTransaction")
        time_out(bench)
        late(bench, id)
        assert bench.ask("RemoteStopTransaction", {"transactionId": 5}) == {"status": "Accepted"}


class TestLastAttempt:
    """The answer to the last attempt may be late, too: a Start or Stop waits a pause for it."""

    @pytest.fixture
    def once(self, bench):
        bench.ask("ChangeConfiguration", {"key": "TransactionMessageAttempts", "value": "1"})
        return bench

    @pytest.mark.parametrize("kind", ["StartTransaction", "StopTransaction"])
    def test_q_4_the_answer_to_the_last_attempt_is_waited_for(self, once, kind):
        id = send(once, kind)
        time_out(once)
        once.wait(59)
        assert once.store.dead == []
        late(once, id)
        assert once.store.queue == {}
        once.live(1000)
        assert once.store.dead == []

    @pytest.mark.parametrize("kind", ["StartTransaction", "StopTransaction"])
    def test_q_4_then_it_is_given_up_without_another_attempt(self, once, kind):
        send(once, kind)
        time_out(once)
        once.said()
        once.wait(60)
        ((message, reason),) = once.store.dead
        assert (message.attempts, reason) == (1, "no answer in time")
        assert sent(once, kind) == []

    @pytest.mark.parametrize("kind", ["StartTransaction", "StopTransaction"])
    def test_q_4_also_after_a_restart(self, once, kind):
        send(once, kind)
        time_out(once)
        once.restart()
        once.wait(60)
        assert len(once.store.dead) == 1
        assert once.store.transactions[1].start is (
            SendState.DEAD if kind == "StartTransaction" else SendState.ANSWERED
        )

    def test_q_4_measurements_are_not_worth_the_wait(self, once):
        send(once, "MeterValues")
        time_out(once)
        assert len(once.store.dead) == 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_q_4_an_error_is_an_answer(self, once, kind):
        send(once, kind)
        once.refuse()
        assert len(once.store.dead) == 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_rpc_6_the_answer_to_a_dead_letter_is_ignored(self, once, kind):
        id = send(once, kind)
        time_out(once)
        once.wait(60)
        dead = list(once.store.dead)
        late(once, id)
        assert once.store.dead == dead
        assert once.store.transactions[1].transaction_id in {None, 7}


def test_the_attempts_that_are_remembered_are_bounded(bench):
    bench.ask("ChangeConfiguration", {"key": "TransactionMessageAttempts", "value": "1000"})
    bench.ask("ChangeConfiguration", {"key": "TransactionMessageRetryInterval", "value": "0"})
    bench.begin()
    for _ in range(50):
        until(bench, "StartTransaction")
        time_out(bench)
        bench.wait(0)
    assert len(bench.cp.attempts) == 16
