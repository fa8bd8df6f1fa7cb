"""Transactions and the delivery of their messages (`TX-*`, `Q-*`)."""

import pytest
from msgspec import structs

from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import QueuePage, QueueQuery
from chargebridge.chargepoint.turn import ChargerAssigned, ChargerReleased, ReadStore, StoreRead
from chargebridge.chargers.model import (
    ChargerState,
    EndSession,
    Measured,
    Quantity,
    Reading,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    TokenPresented,
)
from chargebridge.clock import format_utc

pytestmark = pytest.mark.unit

# Samples are queued in the same way whenever they are taken; here each reading is one.
AS_THEY_COME = {"meter_values_as_they_come": True}


@pytest.fixture
def ready(new_bench):
    return new_bench(overrides=AS_THEY_COME).ready()


@pytest.fixture
def charging(ready):
    return ready.charging()


S = ChargerState
PROBED = {"currentTime": "2026-01-02T10:00:00Z"}


def ended(session, started_ms, at_ms, start_wh, stop_wh, id_tag="TAG1", reason=SessionEnd.EV_DISCONNECTED):
    return SessionEnded(
        at_ms=at_ms,
        session=session,
        id_tag=id_tag,
        started_at_ms=started_ms,
        start_register_wh=start_wh,
        register_wh=stop_wh,
        reason=reason,
    )


def started(transaction_id=7, status="Accepted"):
    return {"transactionId": transaction_id, "idTagInfo": {"status": status}}


def of_transactions(calls):
    return [
        (action, payload)
        for action, payload in calls
        if action in {"StartTransaction", "StopTransaction", "MeterValues"}
    ]


def until(bench, action):
    """Answer calls until one of this action waits for its answer."""
    while bench.open_call[1] != action:
        bench.answer()


def idle(bench):
    """Nothing is left in memory, but the next heartbeat."""
    cp = bench.cp
    return (cp.queue, cp.transactions, cp.statuses, cp.triggered) == ([], {}, [], []) and set(cp.timers) <= {
        Timer.HEARTBEAT
    }


class TestStart:
    def test_tx_1_with_the_chargers_own_edge(self, ready):
        ready.said()
        ready.utc_ms += 1234
        ready.begin(id_tag="TAG1", register_wh=4711)
        assert of_transactions(ready.serve()) == [
            (
                "StartTransaction",
                {
                    "connectorId": 1,
                    "idTag": "TAG1",
                    "meterStart": 4711,
                    "timestamp": "2026-01-02T10:00:01.234Z",
                },
            )
        ]

    def test_tx_1_the_real_start_when_delivered_later(self, ready):
        ready.link_down()
        ready.begin()
        ready.wait(3600)
        (start,) = of_transactions(ready.boot())
        assert start[1]["timestamp"] == "2026-01-02T10:00:00.000Z"

    @pytest.mark.parametrize("transaction_id", [0, -5, 2**31 - 1])
    def test_tx_3_any_integer_is_an_id(self, ready, transaction_id):
        ready.begin()
        until(ready, "StartTransaction")
        ready.answer(started(transaction_id))
        ready.end()
        (stop,) = of_transactions(ready.serve())[1:]
        assert stop[1]["transactionId"] == transaction_id
        assert ready.store.dead == []

    @pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
    def test_tx_4_a_start_that_is_not_accepted_is_stopped(self, ready, status):
        ready.begin()
        until(ready, "StartTransaction")
        ready.answer(started(7, status))
        (command,) = ready.asked()
        assert isinstance(command, EndSession)
        ready.end()
        assert of_transactions(ready.serve())[-1][1]["reason"] == "DeAuthorized"

    def test_tx_4_one_that_is_over_already_is_not(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.end(reason=SessionEnd.EV_DISCONNECTED)
        ready.answer(started(9, "Invalid"))
        assert ready.asked() == []
        assert of_transactions(ready.serve())[-1][1]["transactionId"] == 9
        assert ready.store.transactions[1].id_tag_status == "Invalid"

    def test_tx_4_nor_is_the_session_after_it(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.end()
        ready.begin(session=2, register_wh=1500)
        ready.answer(started(9, "Invalid"))
        assert ready.asked() == []

    def test_tx_6_what_follows_a_start_that_was_given_up_carries_minus_1(self, ready):
        ready.ask("ChangeConfiguration", {"key": "TransactionMessageAttempts", "value": "1"})
        ready.begin()
        until(ready, "StartTransaction")
        ready.refuse()
        ready.wait(1)
        ready.energy(1100)
        ready.end()
        meter_values, stop = of_transactions(ready.serve())[-2:]
        assert (meter_values[1]["transactionId"], stop[1]["transactionId"]) == (-1, -1)

    def test_tx_7_everything_waits_behind_the_start_and_takes_its_id(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.wait(1)
        ready.energy(1100)
        ready.end()
        ready.said()
        ready.answer(started(99))
        said = of_transactions(ready.serve())
        assert [(action, payload["transactionId"]) for action, payload in said] == [
            ("MeterValues", 99),
            ("StopTransaction", 99),
        ]

    def test_a_session_without_a_tag_carries_a_configured_one(self, new_bench):
        bench = new_bench(tag_for_untagged="FREE").ready()
        bench.begin(id_tag=None)
        assert of_transactions(bench.serve())[0][1]["idTag"] == "FREE"

    def test_a_session_without_a_tag_carries_that_of_whoever_was_authorized(self, ready):
        ready.ask("RemoteStartTransaction", {"idTag": "REMOTE"})
        ready.begin(id_tag=None)
        assert of_transactions(ready.serve())[0][1]["idTag"] == "REMOTE"

    def test_a_repeat_of_the_start_starts_nothing(self, charging):
        charging.begin()
        assert of_transactions(charging.serve()) == []
        charging.end()
        charging.serve()
        charging.begin()
        assert of_transactions(charging.serve()) == []

    def test_a_session_whose_predecessor_did_not_end_ends_it(self, charging):
        charging.wait(60)
        charging.begin(session=2, register_wh=2000)
        assert of_transactions(charging.live(299)) == []
        stop, start = of_transactions(charging.live(1))
        assert (stop[1]["meterStop"], stop[1]["reason"], start[1]["meterStart"]) == (2000, "Other", 2000)
        assert stop[1]["timestamp"] == start[1]["timestamp"]


class TestStop:
    def test_tx_9_with_the_chargers_own_edge(self, charging):
        charging.live(600)
        charging.end(4500, SessionEnd.EV_DISCONNECTED)
        assert of_transactions(charging.serve()) == [
            (
                "StopTransaction",
                {
                    "meterStop": 4500,
                    "timestamp": "2026-01-02T10:10:01.000Z",
                    "transactionId": 7,
                    "reason": "EVDisconnected",
                },
            )
        ]

    @pytest.mark.parametrize(
        ("end", "reason"),
        [
            (SessionEnd.DEAUTHORIZED, "Other"),
            (SessionEnd.EV_DISCONNECTED, "EVDisconnected"),
            (SessionEnd.POWER_LOSS, "PowerLoss"),
            (SessionEnd.REBOOT, "Reboot"),
            (SessionEnd.FAULT, "Other"),
            (SessionEnd.OTHER, "Other"),
        ],
    )
    def test_tx_10_reasons_of_ends_that_nobody_here_asked_for(self, charging, end, reason):
        charging.end(reason=end)
        assert of_transactions(charging.serve())[0][1]["reason"] == reason

    def test_tx_10_a_pulled_cable_is_that_even_if_an_end_was_asked_for(self, charging):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.end(reason=SessionEnd.EV_DISCONNECTED)
        assert of_transactions(charging.serve())[0][1]["reason"] == "EVDisconnected"

    def test_tx_11_it_cannot_be_refused(self, charging):
        charging.end()
        until(charging, "StopTransaction")
        charging.answer({"idTagInfo": {"status": "Invalid"}})
        assert charging.store.queue == {}

    def test_tx_13_meter_stop_is_never_below_what_was_told(self, charging):
        charging.wait(1)
        charging.energy(1800)
        charging.end(1700)
        assert of_transactions(charging.serve())[-1][1]["meterStop"] == 1800

    def test_tx_13_the_next_transaction_begins_where_the_last_ended(self, charging):
        charging.end(1500)
        charging.begin(session=2, register_wh=1500)
        stop, start = of_transactions(charging.serve())
        assert stop[1]["meterStop"] == start[1]["meterStart"] == 1500

    def test_a_session_that_began_and_ended_unseen_is_told_whole(self, ready):
        ready.utc_ms += 7_200_000
        ready.tell(ended(1, ready.utc_ms - 3_600_000, ready.utc_ms - 60_000, 100, 900))
        start, stop = of_transactions(ready.serve())
        assert (start[1]["timestamp"], start[1]["meterStart"]) == ("2026-01-02T11:00:00.000Z", 100)
        assert (stop[1]["timestamp"], stop[1]["meterStop"]) == ("2026-01-02T11:59:00.000Z", 900)
        assert stop[1]["transactionId"] == 7

    def test_an_unseen_session_ends_the_one_before_it(self, charging):
        charging.live(600)
        charging.tell(ended(2, charging.utc_ms - 60_000, charging.utc_ms, 2000, 2500))
        assert [action for action, _ in of_transactions(charging.live(3600))] == [
            "StopTransaction",
            "StartTransaction",
            "StopTransaction",
        ]

    def test_a_repeat_of_the_end_stops_nothing(self, charging):
        charging.end()
        charging.serve()
        charging.end()
        charging.restart()
        charging.boot()
        charging.end()
        assert of_transactions(charging.serve()) == []

    def test_a_vendors_whole_history_told_again_is_no_new_transaction(self, ready):
        history = [ended(n, n * 1000, n * 1000 + 500, n * 10, n * 10 + 5) for n in range(1, 40)]
        for event in (*history, *history):
            ready.tell(event)
            ready.settle()
        assert len(ready.store.transactions) == 39

    def test_an_end_that_does_not_come_true_is_asked_for_again(self, charging):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        (first,) = charging.asked()
        charging.done(first)
        charging.live(31)
        (second,) = charging.asked(EndSession)
        assert isinstance(second, EndSession)
        assert second.number > first.number
        charging.end()
        charging.live(1000)
        assert charging.asked() == []

    def test_an_end_is_asked_for_again_after_a_restart_and_keeps_its_reason(self, charging):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        (command,) = charging.asked()
        charging.restart()
        assert charging.asked() == [command]
        charging.end()
        assert charging.boot()[-1][1]["reason"] == "Remote"

    def test_an_end_whose_command_expired_is_asked_for_anew(self, charging):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.reachable(False)
        charging.asked()
        charging.wait(700, answering=True)
        charging.reachable()
        (command,) = charging.asked()
        assert command.expires_ms > charging.utc_ms

    def test_an_end_asked_for_does_not_end_the_next_session(self, charging):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.end()
        charging.begin(session=2, register_wh=1500)
        charging.asked()
        charging.restart()
        charging.reachable(False)
        charging.reachable()
        assert charging.asked() == []


class TestRemoteStop:
    def test_rs_7_a_known_id(self, charging):
        assert charging.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Accepted"}
        charging.end()
        charging.state(S.AWAITING_TOKEN)
        said = charging.serve()
        assert of_transactions(said)[0][1]["reason"] == "Remote"
        assert [payload["status"] for action, payload in said if action == "StatusNotification"] == [
            "Finishing"
        ]
        assert charging.ask("RemoteStartTransaction", {"idTag": "TAG2"}) == {"status": "Accepted"}

    def test_rs_7_another_id(self, charging):
        assert charging.ask("RemoteStopTransaction", {"transactionId": 8}) == {"status": "Rejected"}

    def test_rs_7_not_before_the_start_is_answered(self, ready):
        ready.begin()
        assert ready.ask("RemoteStopTransaction", {"transactionId": -1}) == {"status": "Rejected"}

    def test_rs_7_not_while_the_charger_cannot_be_reached(self, charging):
        charging.reachable(False)
        assert charging.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Rejected"}

    def test_rs_7_a_second_one_changes_nothing(self, charging):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.asked()
        assert charging.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Accepted"}
        assert charging.asked() == []


class TestRetries:
    def test_q_3_not_being_connected_is_no_attempt(self, ready):
        ready.begin()
        for _ in range(20):
            until(ready, "StartTransaction")
            ready.link_down()
            ready.link_up()
        until(ready, "StartTransaction")
        assert ready.store.queue[1].attempts == 0

    def test_q_4_q_5_the_pauses_grow_linearly_and_then_it_is_set_aside(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.said()
        ready.refuse()
        assert of_transactions(ready.live(59)) == []
        ready.wait(1)
        assert ready.open_call[1] == "StartTransaction"
        ready.refuse()
        ready.said()
        assert of_transactions(ready.live(119)) == []
        ready.wait(1)
        assert ready.open_call[1] == "StartTransaction"
        ready.refuse()
        ((message, reason),) = ready.store.dead
        assert (message.kind, message.attempts, reason) == ("start", 3, "InternalError: no")

    def test_q_4_later_messages_still_flow(self, ready):
        ready.begin()
        ready.end()
        for _ in range(3):
            while ready.open_call is None:
                ready.wait(60)
            until(ready, "StartTransaction")
            ready.refuse()
        until(ready, "StopTransaction")
        ready.answer()
        assert idle(ready)

    def test_q_5_attempts_0_means_one(self, ready):
        ready.ask("ChangeConfiguration", {"key": "TransactionMessageAttempts", "value": "0"})
        ready.begin()
        until(ready, "StartTransaction")
        ready.refuse()
        assert len(ready.store.dead) == 1

    @pytest.mark.parametrize("kind", ["MeterValues", "StopTransaction"])
    def test_q_4_every_kind_is_set_aside(self, charging, kind):
        charging.ask("ChangeConfiguration", {"key": "TransactionMessageAttempts", "value": "1"})
        charging.wait(1)
        charging.energy(1100)
        charging.end()
        until(charging, kind)
        charging.refuse()
        charging.settle()
        assert len(charging.store.dead) == 1
        assert idle(charging)

    def test_q_6_the_same_content_under_a_new_id(self, charging):
        charging.ask("ChangeConfiguration", {"key": "TransactionMessageRetryInterval", "value": "0"})
        charging.wait(1)
        charging.energy(1100)
        charging.end()
        for kind in ("MeterValues", "StopTransaction"):
            until(charging, kind)
            (id1, _, _), call1 = charging.open_call, charging.said()[-1]
            charging.refuse()
            charging.wait(0)
            until(charging, kind)
            (id2, _, _), call2 = charging.open_call, charging.said()[-1]
            assert id1 != id2
            assert call1 == call2
            charging.answer()

    def test_field_3_a_retried_start_repeats_everything_even_after_its_session_and_a_restart(self, ready):
        ready.begin(id_tag="TAG1", register_wh=4711)
        until(ready, "StartTransaction")
        (_, first) = ready.said()[-1]
        ready.refuse()
        ready.wait(10)
        ready.end(register_wh=5000)
        ready.restart()
        ready.boot()
        ready.wait(60, answering=True)
        starts = [payload for action, payload in ready.said() if action == "StartTransaction"]
        assert starts == [first]

    def test_q_6_an_answer_that_cannot_be_read_is_a_failure(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.answer({"idTagInfo": {}})
        assert ready.store.queue[1].attempts == 1

    def test_the_attempts_and_the_pause_outlive_a_restart(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.refuse()
        ready.wait(20)
        ready.restart()
        ready.said()
        ready.boot()
        assert of_transactions(ready.live(39)) == []
        ready.wait(1)
        assert ready.open_call[1] == "StartTransaction"
        assert ready.store.queue[1].attempts == 1

    def test_q_2_others_overtake_a_message_that_waits(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.refuse()
        ready.said()
        ready.state(S.CHARGING)
        assert [action for action, _ in ready.said()] == ["StatusNotification"]

    def test_q_8_after_a_reconnect_statuses_then_the_queue_in_order(self, charging):
        charging.link_down()
        charging.wait(60)
        charging.energy(1100)
        charging.end()
        charging.begin(session=2, register_wh=1500)
        charging.link_up()
        assert [action for action, _ in charging.serve()] == [
            "StatusNotification",
            "StatusNotification",
            "MeterValues",
            "StopTransaction",
            "StartTransaction",
        ]

    def test_field_2_a_session_offline_with_a_restart_in_between_is_delivered_once(self, ready):
        ready.link_down()
        ready.begin(register_wh=100)
        ready.wait(60)
        ready.energy(150)
        ready.restart()
        ready.wait(60)
        ready.end(200)
        ready.restart()
        ready.said()
        said = of_transactions(ready.boot())
        assert [action for action, _ in said] == ["StartTransaction", "MeterValues", "StopTransaction"]
        (_, start), (_, values), (_, stop) = said
        (value,) = values["meterValue"]
        assert (start["timestamp"], start["meterStart"]) == ("2026-01-02T10:00:00.000Z", 100)
        assert (value["timestamp"], value["sampledValue"][0]["value"]) == ("2026-01-02T10:01:00.000Z", "150")
        assert (stop["timestamp"], stop["meterStop"]) == ("2026-01-02T10:02:00.000Z", 200)
        assert start["idTag"] == "TAG1"
        assert values["transactionId"] == stop["transactionId"] == 7
        ready.restart()
        assert of_transactions(ready.boot()) == []


class TestDeafOrFailing:
    def test_a_time_out_is_followed_by_a_heartbeat(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.said()
        ready.wait(30)
        assert ready.said() == [("Heartbeat", {})]

    def test_answered_the_time_out_was_an_attempt(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.wait(30)
        ready.answer(PROBED)
        assert ready.store.queue[1].attempts == 1
        assert ready.linked

    def test_unanswered_the_link_is_deaf_and_nothing_is_counted(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.wait(60)
        assert not ready.linked
        assert ready.store.queue[1].attempts == 0

    def test_a_night_of_a_hung_central_system_costs_no_dead_letter(self, charging):
        charging.end()
        for _ in range(100):
            charging.wait(300)
            charging.link_up() if not charging.linked else None
        charging.settle()
        assert charging.store.dead == []
        assert idle(charging)

    def test_a_late_answer_is_taken_and_the_time_out_forgotten(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        late = ready.open_call
        ready.wait(30)
        probe, ready.open_call = ready.open_call, late
        ready.answer(started(5))
        ready.open_call = probe
        ready.answer(PROBED)
        assert ready.store.transactions[1].transaction_id == 5
        assert ready.store.queue == {}

    def test_an_answer_twice_counts_once(self, charging):
        charging.wait(1)
        charging.energy(1100)
        call = charging.open_call
        charging.wait(1)
        charging.energy(1200)
        charging.answer()
        after = charging.open_call
        charging.open_call = call
        charging.answer()
        charging.open_call = after
        assert len(charging.store.queue) == 1

    def test_a_heartbeat_without_answer_is_followed_by_another(self, ready):
        ready.live(260)
        ready.wait(100)
        assert ready.said() == [("Heartbeat", {}), ("Heartbeat", {})]


class TestPages:
    @pytest.fixture
    def long(self, charging):
        """A queue of 40 samples and the Stop, behind a link that is down."""
        charging.link_down()
        for n in range(1, 41):
            charging.wait(1)
            charging.energy(1000 + n)
        charging.end(2000)
        charging.said()
        return charging

    def registers(self, bench):
        return [
            int(payload["meterValue"][0]["sampledValue"][0]["value"])
            for action, payload in bench.said()
            if action == "MeterValues"
        ]

    def test_only_the_head_is_in_memory(self, long):
        assert len(long.cp.queue) == 16

    def test_all_of_it_is_delivered_in_order_and_nothing_stays_in_memory(self, long):
        long.link_up()
        long.settle()
        assert self.registers(long) == list(range(1001, 1041))
        assert long.store.queue == {}
        assert idle(long)

    def test_the_next_page_is_asked_for_behind_the_head(self, long):
        long.link_up()
        long.settle()
        reads = [output.query for output in long.outputs if isinstance(output, ReadStore)]
        first = long.store.next_sequence - 41
        asked = [query for query in reads if isinstance(query, QueueQuery)]
        assert asked == [QueueQuery(first + 15, 16), QueueQuery(first + 31, 16)]

    def test_so_it_is_after_a_restart(self, long):
        long.restart()
        assert len(long.cp.queue) == 16
        long.link_up()
        long.settle()
        assert self.registers(long) == list(range(1001, 1041))
        assert idle(long)

    def test_what_comes_while_a_page_is_on_its_way_waits_behind_it(self, charging):
        charging.link_down()
        for n in range(1, 21):
            charging.wait(1)
            charging.energy(1000 + n)
        charging.hold_pages = True
        charging.link_up()
        charging.settle()
        charging.wait(1)
        charging.energy(1100)
        charging.end(2000)
        charging.begin(session=2, register_wh=2000)
        charging.settle()
        charging.hold_pages = False
        charging.deliver_pages()
        charging.settle()
        said = of_transactions(charging.said())
        assert [action for action, _ in said] == (
            ["MeterValues"] * 21 + ["StopTransaction", "StartTransaction"]
        )
        assert said[-2][1]["transactionId"] == 7

    def test_what_ended_while_its_start_was_on_its_way_keeps_its_end(self, charging):
        charging.link_down()
        for n in range(1, 21):
            charging.wait(1)
            charging.energy(1000 + n)
        charging.end(1100)
        charging.begin(session=2, register_wh=1100)
        charging.hold_pages = True
        charging.link_up()
        charging.settle()
        charging.wait(5)
        charging.end(1200, SessionEnd.EV_DISCONNECTED)
        charging.hold_pages = False
        charging.deliver_pages()
        charging.settle()
        assert of_transactions(charging.said())[-1][1]["meterStop"] == 1200
        transaction = charging.store.transactions[2]
        assert (transaction.transaction_id, transaction.meter_stop_wh) == (7, 1200)
        assert idle(charging)

    def test_a_page_that_was_not_asked_for_is_ignored(self, charging):
        charging.wait(1)
        charging.energy(1100)
        page = charging.store.page(0, 16)
        charging.turn(StoreRead(QueueQuery(0, 16), page))
        charging.turn(StoreRead(QueueQuery(0, 16), QueuePage()))
        assert len(of_transactions(charging.serve())) == 1
        assert charging.store.queue == {}

    def test_an_old_page_does_not_take_the_place_of_the_one_asked_for(self, long):
        old = long.store.page(0, 16)
        long.hold_pages = True
        long.link_up()
        long.settle()
        long.turn(StoreRead(QueueQuery(0, 16), old))
        long.hold_pages = False
        long.deliver_pages()
        long.settle()
        assert self.registers(long) == list(range(1001, 1041))

    def test_an_idle_charge_point_keeps_nothing(self, charging):
        charging.end()
        charging.state(S.DISCONNECTED)
        charging.settle()
        assert idle(charging)


class TestReleased:
    def test_what_runs_ends_with_the_newest_sample(self, charging):
        charging.wait(5)
        charging.energy(1100)
        charging.wait(5)
        charging.turn(ChargerReleased())
        (stop,) = [payload for action, payload in charging.serve() if action == "StopTransaction"]
        assert (stop["meterStop"], stop["timestamp"], stop["reason"]) == (
            1100,
            "2026-01-02T10:00:06.000Z",
            "Other",
        )
        assert idle(charging)

    def test_another_charger_begins_anew(self, charging):
        charging.turn(ChargerReleased())
        charging.settle()
        charging.wait(1)
        charging.reachable()
        charging.state(S.DISCONNECTED)
        charging.begin(session=1, register_wh=5)
        charging.end(register_wh=9, reason=SessionEnd.EV_DISCONNECTED)
        starts = [payload for action, payload in charging.serve() if action == "StartTransaction"]
        assert [start["meterStart"] for start in starts] == [5]

    def test_nothing_more_is_asked_of_it(self, charging):
        charging.ask("UnlockConnector", {"connectorId": 1})
        charging.ask("Reset", {"type": "Soft"})
        charging.asked()
        charging.turn(ChargerReleased())
        assert charging.reply("cs1") == {"status": "UnlockFailed"}
        charging.live(100)
        assert charging.asked() == []

    def test_what_the_central_system_said_of_availability_stays(self, ready):
        ready.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
        ready.turn(ChargerReleased())
        ready.settle()
        ready.said()
        ready.reachable()
        ready.state(S.DISCONNECTED)
        ready.settle()
        assert ready.statuses() == []
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}


class TestAssigned:
    """A charger comes that other charge points told of, or comes back in the middle of a session."""

    EDGE_MS = 1_767_348_006_000

    def come(self, bench, session=5, at_ms=EDGE_MS, register_wh=1400):
        bench.turn(ChargerReleased())
        bench.turn(ChargerAssigned(session, at_ms, register_wh))
        bench.reachable()
        bench.state(S.CHARGING)
        bench.serve()

    def tell_end(self, bench, session, register_wh):
        bench.tell(
            SessionEnded(
                at_ms=self.EDGE_MS + 9_000,
                session=session,
                id_tag="TAG1",
                started_at_ms=self.EDGE_MS - 6_000,
                start_register_wh=1000,
                register_wh=register_wh,
                reason=SessionEnd.EV_DISCONNECTED,
            )
        )
        edges = {"StartTransaction", "StopTransaction"}
        return [payload for action, payload in bench.serve() if action in edges]

    def test_only_what_is_left_of_a_session_is_told(self, ready):
        self.come(ready)
        start, stop = self.tell_end(ready, 5, 1500)
        assert (start["meterStart"], start["timestamp"]) == (1400, "2026-01-02T10:00:06.000Z")
        assert (stop["meterStop"], stop["timestamp"]) == (1500, "2026-01-02T10:00:15.000Z")

    def test_a_session_all_of_which_was_told_is_not_told_again(self, ready):
        self.come(ready)
        assert self.tell_end(ready, 5, 1400) == []

    def test_an_older_session_is_a_repeat(self, ready):
        self.come(ready)
        assert self.tell_end(ready, 4, 1500) == []

    def test_a_newer_session_is_told_whole(self, ready):
        self.come(ready)
        start, stop = self.tell_end(ready, 6, 1500)
        assert (start["meterStart"], stop["meterStop"]) == (1000, 1500)

    def test_a_start_told_again_begins_where_the_last_transaction_ended(self, ready):
        self.come(ready)
        ready.tell(SessionStarted(at_ms=self.EDGE_MS - 6_000, session=5, id_tag="TAG1", register_wh=1000))
        (start,) = [payload for action, payload in ready.serve() if action == "StartTransaction"]
        assert (start["meterStart"], start["timestamp"]) == (1400, "2026-01-02T10:00:06.000Z")

    def test_it_is_remembered_over_a_restart(self, ready):
        self.come(ready)
        ready.restart()
        ready.boot()
        assert self.tell_end(ready, 4, 1500) == []

    def test_another_charger_put_there_while_nothing_ran_begins_anew(self, charging):
        charging.settle()
        charging.settings = structs.replace(charging.settings, charger="sim/OTHER")
        charging.restart()
        charging.boot()
        charging.reachable()
        charging.state(S.DISCONNECTED)
        charging.wait(1)
        charging.begin(session=1, id_tag="TAG2", register_wh=5)
        charging.end(register_wh=9, reason=SessionEnd.EV_DISCONNECTED)
        told = [
            (action, payload.get("meterStart", payload.get("meterStop")))
            for action, payload in charging.serve()
            if action in {"StartTransaction", "StopTransaction"}
        ]
        assert told == [("StartTransaction", 5), ("StopTransaction", 9)]


class TestClockOfTheCharger:
    @pytest.mark.parametrize("at_ms", [0, 86_400_000, 10**15, -1])
    def test_an_impossible_time_is_told_as_now_and_loses_no_energy(self, ready, at_ms):
        ready.tell(SessionStarted(at_ms=at_ms, session=1, id_tag="TAG1", register_wh=1000))
        ready.tell(
            SessionEnded(
                at_ms=at_ms,
                session=1,
                id_tag="TAG1",
                started_at_ms=at_ms,
                start_register_wh=1000,
                register_wh=1500,
                reason=SessionEnd.EV_DISCONNECTED,
            )
        )
        start, stop = [payload for action, payload in ready.serve() if action.endswith("Transaction")]
        assert (start["meterStart"], stop["meterStop"]) == (1000, 1500)
        assert start["timestamp"] == stop["timestamp"] == format_utc(ready.utc_ms)

    def test_a_sample_from_the_future_does_not_silence_the_charger(self, charging):
        day_ms = 86_400_000
        ahead = Measured(
            at_ms=charging.utc_ms + day_ms, readings=(Reading(Quantity.ENERGY_WH, 1100),), session=1
        )
        charging.tell(ahead)
        charging.serve()
        charging.wait(5)
        charging.energy(1200)
        assert [action for action, _ in charging.serve()] == ["MeterValues"]

    def test_a_token_from_the_future_does_not_silence_the_reader(self, ready):
        ready.tell(TokenPresented(at_ms=ready.utc_ms + 86_400_000, id_tag="TAG1"))
        ready.answer({"idTagInfo": {"status": "Invalid"}})
        ready.said()
        ready.wait(5)
        ready.token("TAG2")
        assert [payload for action, payload in ready.serve() if action == "Authorize"] == [{"idTag": "TAG2"}]

    def test_a_restart_from_the_future_does_not_hide_the_next_one(self, ready):
        ready.tell(Restarted(at_ms=ready.utc_ms + 86_400_000))
        ready.serve()
        ready.wait(5)
        ready.charger_restarts()
        assert "BootNotification" in [action for action, _ in ready.serve()]


class TestWattHours:
    def test_field_12_one_monotonic_register_from_start_to_stop(self, charging):
        for register in (1000, 1200, 1100, 1300):
            charging.wait(5)
            charging.measure(Reading(Quantity.ENERGY_WH, register), Reading(Quantity.POWER_W, 3600.5))
        charging.end(1400)
        said = of_transactions(charging.serve())
        registers = [
            int(value["value"])
            for action, payload in said[:-1]
            for value in payload["meterValue"][0]["sampledValue"]
            if value["measurand"] == "Energy.Active.Import.Register"
        ]
        assert registers == [1000, 1200, 1300]
        assert said[-1][1]["meterStop"] == 1400
