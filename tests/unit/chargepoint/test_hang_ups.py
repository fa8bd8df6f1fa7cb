"""A message at which the central system hangs up does not stand in the way for ever (`Q-12`)."""

import pytest

from chargebridge.chargepoint.behaviour import EVERY_MEASURAND
from chargebridge.chargepoint.turn import Notice, NoticeKind, Operation, OperatorAsked
from chargebridge.chargers.model import Quantity, Reading, SessionEnd

pytestmark = pytest.mark.unit

Q = Quantity
KINDS = ["StartTransaction", "MeterValues", "StopTransaction"]
CODES = [1000, 1001, 1006, 1011]


@pytest.fixture
def bench(new_bench):
    return new_bench(overrides={"meter_values_as_they_come": True}).ready()


def queue_one(bench, kind):
    """Have a message of this kind at the head of the queue."""
    bench.begin()
    if kind != "StartTransaction":
        bench.settle()
        bench.wait(1)
        if kind == "MeterValues":
            bench.energy(1100)
        else:
            bench.end()


def until(bench, *kinds):
    """Answer what comes until one of these is sent; return which, or None if nothing more comes."""
    while bench.open_call is not None:
        if bench.open_call[1] in kinds:
            return bench.open_call[1]
        bench.answer()
    return None


def hang_up_at(bench, *kinds, times=1, code=1011):
    """Connect, and hang up when one of these is sent, so often; all else is answered."""
    for _ in range(times):
        if not bench.linked:
            bench.link_up()
        assert until(bench, *kinds) in kinds
        bench.hang_up(code)


def live(bench, *kinds, seconds, code=1011):
    """A central system that hangs up at these; the link is up again after a second. Returns what it took."""
    taken = []
    until_s = bench.mono + seconds
    while bench.mono < until_s:
        if not bench.linked:
            bench.link_up()
        elif bench.open_call is None:
            bench.wait(1)
        elif bench.open_call[1] in kinds:
            bench.hang_up(code)
            bench.wait(1)
        else:
            taken.append(bench.open_call[1])
            bench.answer()
    return taken


def notices(bench, kind):
    return [one.detail for one in bench.outputs if isinstance(one, Notice) and one.kind is kind]


def attempts(bench):
    return bench.store.queue[min(bench.store.queue)].attempts


@pytest.mark.parametrize("kind", KINDS)
class TestEachKind:
    @pytest.mark.parametrize("code", CODES)
    def test_q_12_three_in_a_row_are_free_and_each_further_one_is_an_attempt(self, bench, kind, code):
        queue_one(bench, kind)
        hang_up_at(bench, kind, times=3, code=code)
        assert attempts(bench) == 0
        hang_up_at(bench, kind, code=code)
        assert attempts(bench) == 1
        bench.link_up()
        assert until(bench, kind) is None  # it waits like after any failed attempt
        bench.wait(60)
        hang_up_at(bench, kind, code=code)
        assert attempts(bench) == 2

    def test_q_12_it_ends_as_a_dead_letter_with_the_reason(self, bench, kind):
        queue_one(bench, kind)
        live(bench, kind, seconds=300)
        ((message, reason),) = bench.store.dead
        assert (message.attempts, bench.store.queue) == (3, {})
        assert reason == "the connection ended at it, 6 in a row: closed by the central system: 1011"

    def test_q_12_the_queue_goes_on(self, bench, kind):
        queue_one(bench, kind)
        live(bench, kind, seconds=300)
        bench.wait(1)
        if kind != "StopTransaction":
            bench.end(2000)
        taken = live(bench, seconds=60)
        bench.begin(session=2, register_wh=2000)
        taken += live(bench, seconds=60)
        assert "StartTransaction" in taken
        assert bench.store.queue == {}

    def test_q_12_the_operator_is_told_once_before_it_counts(self, bench, kind):
        queue_one(bench, kind)
        hang_up_at(bench, kind, times=2)
        assert notices(bench, NoticeKind.HANG_UP) == []
        hang_up_at(bench, kind, times=2)
        (detail,) = notices(bench, NoticeKind.HANG_UP)
        name = {"StartTransaction": "start", "MeterValues": "meter_values", "StopTransaction": "stop"}[kind]
        assert detail == (
            f"{name} of transaction 1: the connection ended at it, 3 in a row:"
            " closed by the central system: 1011"
        )

    def test_q_12_also_while_it_is_doubted_after_a_time_out(self, bench, kind):
        queue_one(bench, kind)
        hang_up_at(bench, kind, times=3)
        bench.link_up()
        until(bench, kind)
        bench.wait(30)
        assert bench.open_call[1] == "Heartbeat"
        bench.hang_up()
        assert attempts(bench) == 1

    def test_q_12_an_answer_in_between_ends_the_row(self, bench, kind):
        queue_one(bench, kind)
        hang_up_at(bench, kind, times=3)
        bench.link_up()
        bench.settle()
        assert bench.store.queue == {}
        assert bench.store.dead == []
        assert bench.cp.hang_ups == 0

    def test_q_12_so_does_an_end_at_something_else(self, bench, kind):
        queue_one(bench, kind)
        hang_up_at(bench, kind, times=3)
        bench.link_up()
        bench.answer()  # a status; the connection ends at the next one
        bench.hang_up()
        hang_up_at(bench, kind, times=3)
        assert attempts(bench) == 0

    def test_q_12_not_one_where_nothing_was_answered(self, bench, kind):
        """Between two of the row: whoever answers nothing is away, which says nothing of the message."""
        queue_one(bench, kind)
        hang_up_at(bench, kind, times=3)
        bench.link_up()
        bench.hang_up()
        hang_up_at(bench, kind)
        assert attempts(bench) == 1

    @pytest.mark.parametrize("nights", [1, 30])
    def test_q_3_a_central_system_that_is_down_closes_at_everything_and_costs_no_attempt(
        self, bench, kind, nights
    ):
        queue_one(bench, kind)
        bench.hang_up()
        for _ in range(100 * nights):
            bench.wait(300)
            bench.link_up()
            bench.hang_up()
        assert attempts(bench) == 0
        assert notices(bench, NoticeKind.HANG_UP) == []
        bench.link_up()
        bench.settle()
        assert bench.store.dead == []
        assert bench.store.queue == {}

    def test_q_3_nor_do_ends_that_are_our_own(self, bench, kind):
        """Taken down by an operator, by a reload, or since no pong came."""
        queue_one(bench, kind)
        for _ in range(20):
            if not bench.linked:
                bench.link_up()
            until(bench, kind)
            bench.link_down()
        assert attempts(bench) == 0

    def test_q_3_nor_a_central_system_that_hangs(self, bench, kind):
        queue_one(bench, kind)
        for _ in range(20):
            if not bench.linked:
                bench.link_up()
            until(bench, kind)
            bench.wait(60)
            assert not bench.linked
        assert attempts(bench) == 0

    def test_q_12_the_row_is_forgotten_by_a_restart_and_attempts_are_not(self, bench, kind):
        queue_one(bench, kind)
        hang_up_at(bench, kind, times=4)
        bench.restart()
        bench.wait(60)
        hang_up_at(bench, kind, times=3)
        assert attempts(bench) == 1
        hang_up_at(bench, kind)
        assert attempts(bench) == 2

    def test_q_4_redelivered_it_is_told_once_the_central_system_is_mended(self, bench, kind):
        queue_one(bench, kind)
        live(bench, kind, seconds=300)
        assert len(bench.store.dead) == 1
        bench.said()
        bench.turn(OperatorAsked(1, Operation.REDELIVER))
        bench.settle()
        assert kind in [action for action, _ in bench.said()]
        assert (bench.store.dead, bench.store.queue) == ([], {})


class TestMeasurements:
    def test_q_10_one_at_which_it_hangs_up_costs_the_others_before_a_stop_no_connection(self, bench):
        """Each would cost a connection, and the link waits longer and longer for the next one."""
        bench.begin()
        bench.settle()
        bench.link_down()
        for register in range(1001, 1041):
            bench.wait(1)
            bench.energy(register)
        bench.end(2000)
        connections = bench.epoch
        taken = live(bench, "MeterValues", seconds=130)
        assert "StopTransaction" in taken
        assert bench.epoch - connections <= 10
        assert len(bench.store.dead) == 40
        assert {reason for _, reason in bench.store.dead[1:16]} == {
            "not sent: the connection ends at MeterValues"
        }

    def test_q_10_without_a_stop_each_has_its_attempt(self, bench):
        bench.begin()
        bench.settle()
        bench.wait(1)
        bench.energy(1001)
        live(bench, "MeterValues", seconds=300)
        assert len(bench.store.dead) == 1
        bench.energy(1002)
        bench.energy(1003)
        bench.wait(1)
        bench.energy(1004)
        dead = len(bench.store.dead)
        hang_up_at(bench, "MeterValues")
        assert len(bench.store.dead) == dead + 1


class TestLongStop:
    @pytest.fixture
    def stop(self, new_bench):
        """A long StopTransaction is under way."""
        keys = {"StopTxnSampledData": "Energy.Active.Import.Register", "MeterValueSampleInterval": "60"}
        bench = new_bench(configuration=keys).ready().charging()
        for register in range(1001, 1021):
            bench.energy(register)
            bench.wait(60, answering=True)
        bench.end(2000, SessionEnd.EV_DISCONNECTED)
        until(bench, "StopTransaction")
        bench.said()
        return bench

    @staticmethod
    def told(bench):
        return [
            "with" if "transactionData" in payload else "without"
            for action, payload in bench.said()
            if action == "StopTransaction"
        ]

    def test_q_11_at_1009_it_is_sent_at_once_without_its_data(self, stop):
        stop.hang_up(1009, "closed by the central system: 1009 'message too big'")
        stop.link_up()
        stop.settle()
        assert self.told(stop) == ["without"]
        assert stop.store.dead == []
        (detail,) = notices(stop, NoticeKind.TRANSACTION_DATA_LEFT_OUT)
        assert "22 samples" in detail
        assert "1009 'message too big'" in detail

    @pytest.mark.parametrize("code", [1006, 1011, 1002])
    def test_q_11_at_a_limit_of_a_proxy_it_is_with_the_first_end_that_counts(self, stop, code):
        stop.hang_up(code)
        hang_up_at(stop, "StopTransaction", times=2, code=code)
        stop.link_up()
        until(stop, "StopTransaction")
        assert self.told(stop) == ["with"] * 3
        stop.hang_up(code)
        stop.link_up()
        stop.settle()
        assert self.told(stop) == ["without"]
        assert stop.store.dead == []

    def test_q_11_where_it_gets_stuck_on_its_way(self, stop):
        for _ in range(4):
            stop.wait(60)
            assert not stop.linked
            stop.link_up()
            until(stop, "StopTransaction")
        assert self.told(stop) == ["with"] * 3 + ["without"]
        stop.settle()
        assert stop.store.dead == []

    def test_q_12_if_it_is_not_its_length_it_is_given_up_after_that(self, stop):
        live(stop, "StopTransaction", seconds=600)
        assert "without" in self.told(stop)
        ((message, _),) = stop.store.dead
        assert message.attempts == 3

    def test_q_11_1009_at_a_short_message_is_an_end_like_any_other(self, bench):
        queue_one(bench, "StartTransaction")
        hang_up_at(bench, "StartTransaction", times=3, code=1009)
        assert attempts(bench) == 0

    def test_q_10_1009_at_long_measurements_gives_them_up(self, new_bench):
        overrides = {"meter_values_as_they_come": True, "sampled_data_by_default": EVERY_MEASURAND}
        bench = new_bench(overrides=overrides).ready().charging()
        bench.wait(1)
        phases = [Reading(kind, 16.5, n) for kind in (Q.VOLTAGE_V, Q.CURRENT_A) for n in (1, 2, 3)]
        kinds = (Q.ENERGY_WH, Q.POWER_W, Q.TEMPERATURE_C, Q.CURRENT_OFFERED_A)
        bench.measure(*phases, *(Reading(kind, 1100) for kind in kinds))
        until(bench, "MeterValues")
        (message,) = bench.store.queue.values()
        assert len(message.payload) >= 1000
        bench.hang_up(1009)
        assert [(dead.sequence, dead.attempts) for dead, _ in bench.store.dead] == [(message.sequence, 1)]


class TestStatuses:
    """Statuses come first on each connection, so what ends it at one of them would stop all else."""

    def test_q_12_statuses_do_not_stand_in_the_way_of_transactions(self, bench):
        bench.link_down()
        queue_one(bench, "StartTransaction")
        bench.end(2000)
        taken = live(bench, "StatusNotification", seconds=60)
        assert bench.store.queue == {}
        assert taken[0] == "Heartbeat"
        assert {"StartTransaction", "StopTransaction"} <= set(taken)
        (detail,) = notices(bench, NoticeKind.HANG_UP)
        assert detail == "status: the connection ended at it, 3 in a row"

    def test_q_12_also_where_only_the_last_of_them_ends_it(self, bench):
        bench.link_down()
        for _ in range(3):
            bench.link_up()
            bench.answer()
            assert bench.open_call[1] == "StatusNotification"
            bench.hang_up()
        bench.link_up()
        assert bench.open_call[1] == "Heartbeat"

    def test_q_12_statuses_are_reported_with_the_next_heartbeat(self, bench):
        bench.link_down()
        hang_up_at(bench, "StatusNotification", times=3)
        bench.link_up()
        assert until(bench, "StatusNotification") is None
        bench.wait(300)
        assert until(bench, "StatusNotification") is not None
        bench.settle()
        bench.link_down()
        bench.link_up()
        assert bench.open_call[1] == "StatusNotification"

    def test_q_12_one_that_ends_at_everything_gets_them_first_when_it_is_back(self, bench):
        bench.link_down()
        hang_up_at(bench, "StatusNotification", times=3)
        bench.link_up()
        assert bench.open_call[1] == "Heartbeat"
        bench.hang_up()
        bench.link_up()
        assert bench.open_call[1] == "StatusNotification"
