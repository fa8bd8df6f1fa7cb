"""The status of the connectors (`ST-*`) and operative or not (`AV-*`)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargepoint.connector.status import MOST_UNSENT
from chargebridge.chargers.model import (
    ChargerState,
    Fault,
    Reachable,
    SessionEnd,
    SetAvailable,
    StateChanged,
)

pytestmark = pytest.mark.unit

S = ChargerState
LEGAL = {
    # OCPP 1.6 §4.9, as far as there are no reservations
    "Available": {"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Unavailable", "Faulted"},
    "Preparing": {"Available", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Faulted"},
    "Charging": {"Available", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"},
    "SuspendedEV": {"Available", "Charging", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"},
    "SuspendedEVSE": {"Available", "Charging", "SuspendedEV", "Finishing", "Unavailable", "Faulted"},
    "Finishing": {"Available", "Preparing", "Unavailable", "Faulted"},
    "Unavailable": {"Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Faulted"},
    "Faulted": {
        "Available",
        "Preparing",
        "Charging",
        "SuspendedEV",
        "SuspendedEVSE",
        "Finishing",
        "Unavailable",
    },
}


def change(bench, connector, kind):
    answer = bench.ask("ChangeAvailability", {"connectorId": connector, "type": kind})
    bench.settle()
    return answer["status"]


class TestWalk:
    def test_st_11_plug_first(self, ready):
        ready.statuses()
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.token()
        ready.settle()
        ready.begin()
        ready.state(S.CHARGING)
        ready.settle()
        assert ready.statuses() == ["1 Preparing", "1 Charging"]

    def test_st_11_tag_first(self, ready):
        ready.said()
        ready.token()
        ready.settle()
        ready.begin()
        ready.state(S.CHARGING)
        ready.settle()
        assert ready.statuses() == ["1 Preparing", "1 Charging"]

    def test_st_1_a_status_that_was_not_taken_does_not_make_the_walk_jump(self, charging):
        charging.state(S.READY)
        charging.refuse()
        charging.state(S.DISCONNECTED)  # the end of the session is still on its way
        charging.settle()
        assert charging.statuses() == ["1 SuspendedEV", "0 Available", "1 SuspendedEV"]

    @pytest.mark.parametrize("sessions", range(6, 12))
    def test_st_1_a_walk_that_is_too_long_to_wait_leaves_out_ways_round(self, charging, sessions):
        charging.state(S.READY)  # its status waits for an answer that does not come
        for session in range(2, sessions):
            charging.end(1000 * session)
            charging.state(S.AWAITING_TOKEN)
            charging.begin(session=session, register_wh=1000 * session)
            charging.state(S.CHARGING)
        charging.state(S.READY)
        charging.state(S.AWAITING_START)
        assert len(charging.cp.statuses) <= MOST_UNSENT
        charging.settle()
        walk = [words.split()[1] for words in charging.statuses() if words[0] == "1"]
        assert (walk[0], walk[-1]) == ("SuspendedEV", "SuspendedEVSE")
        for before, after in itertools.pairwise(walk):
            assert after in LEGAL[before], walk

    def test_st_11_local_stop_then_unplug(self, charging):
        charging.token()
        charging.end()
        charging.state(S.AWAITING_TOKEN)
        charging.settle()
        charging.state(S.DISCONNECTED)
        charging.settle()
        assert charging.statuses() == ["1 Finishing", "1 Available"]

    def test_the_charger_may_tell_its_state_before_the_end_of_its_session(self, charging):
        charging.state(S.AWAITING_TOKEN)
        assert charging.statuses() == []
        charging.end()
        charging.settle()
        assert charging.statuses() == ["1 Finishing"]

    def test_the_next_car_prepares_although_the_last_end_was_told_after_the_unplugging(self, charging):
        charging.state(S.DISCONNECTED)
        charging.end(reason=SessionEnd.EV_DISCONNECTED)
        charging.settle()
        charging.state(S.AWAITING_TOKEN)
        charging.settle()
        assert charging.statuses() == ["1 Finishing EV side disconnected", "1 Available", "1 Preparing"]

    @pytest.mark.parametrize(
        ("state", "told"),
        [
            (S.READY, "1 SuspendedEV"),
            (S.AWAITING_START, "1 SuspendedEVSE"),
            (S.DISABLED, "1 SuspendedEVSE"),
        ],
    )
    def test_st_4_who_suspends(self, charging, state, told):
        charging.state(state)
        assert charging.statuses() == [told]

    def test_st_4_says_why_no_current_is_offered(self, charging):
        charging.state(S.AWAITING_START, reason="load balancing")
        assert charging.statuses() == ["1 SuspendedEVSE load balancing"]

    def test_st_5_a_warning_leaves_the_status(self, charging):
        charging.state(S.CHARGING, fault=Fault.HIGH_TEMPERATURE)
        assert charging.statuses() == ["1 Charging HighTemperature"]

    def test_st_5_car_trouble_is_not_told_where_it_is_not_allowed(self, charging):
        charging.state(S.CHARGING, fault=Fault.EV_COMMUNICATION)
        assert charging.statuses() == []
        charging.state(S.READY, fault=Fault.EV_COMMUNICATION)
        assert charging.statuses() == ["1 SuspendedEV EVCommunicationError"]

    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            (Fault.CONNECTOR_LOCK, "ConnectorLockFailure"),
            (Fault.GROUND, "GroundFailure"),
            (Fault.INTERNAL, "InternalError"),
            (Fault.OVER_CURRENT, "OverCurrentFailure"),
            (Fault.OVER_VOLTAGE, "OverVoltage"),
            (Fault.POWER_METER, "PowerMeterFailure"),
            (Fault.POWER_SWITCH, "PowerSwitchFailure"),
            (Fault.READER, "ReaderFailure"),
            (Fault.UNDER_VOLTAGE, "UnderVoltage"),
            (Fault.WEAK_SIGNAL, "WeakSignal"),
            (Fault.OTHER, "OtherError"),
            (None, "OtherError"),
        ],
    )
    def test_st_6_a_fault_by_its_code(self, ready, fault, code):
        ready.said()
        ready.state(S.FAULTED, fault=fault)
        assert ready.statuses() == [f"1 Faulted {code}"]

    def test_st_7_only_the_state_of_now_is_told_after_being_offline(self, ready):
        ready.link_down()
        for state in (S.AWAITING_TOKEN, S.FAULTED, S.DISCONNECTED, S.AWAITING_TOKEN):
            ready.state(state)
        ready.said()
        ready.boot()
        ready.link_down()
        ready.link_up()
        ready.settle()
        assert ready.statuses() == ["0 Available", "1 Preparing"]

    def test_st_8_the_time_is_that_of_the_report(self, ready):
        ready.said()
        ready.wait(5)
        ready.state(S.AWAITING_TOKEN)
        ((_, payload),) = ready.said()
        assert payload["timestamp"] == "2026-01-02T10:00:05.000Z"

    def test_st_10_a_fault_stops_nothing_by_itself_and_starts_nothing(self, charging):
        charging.state(S.FAULTED, fault=Fault.GROUND)
        charging.settle()
        charging.state(S.CHARGING)
        charging.settle()
        assert charging.statuses() == ["1 Faulted GroundFailure", "1 Charging"]
        charging.end()
        charging.state(S.FAULTED, fault=Fault.GROUND)
        charging.settle()
        assert charging.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}

    def test_a_triggered_status_repeats_the_error_of_the_fault(self, ready):
        ready.state(S.FAULTED, fault=Fault.GROUND)
        ready.settle()
        ready.statuses()
        ready.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})
        assert ready.statuses() == ["1 Faulted GroundFailure"]

    def test_repeats_and_late_states_change_nothing(self, ready):
        ready.wait(10)
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.said()
        ready.state(S.AWAITING_TOKEN)
        ready.utc_ms -= 5_000
        ready.state(S.DISCONNECTED)
        assert ready.said() == []

    def test_a_charger_whose_clock_was_ahead_is_heard_afterwards(self, ready):
        event_time = ready.utc_ms + 3_600_000
        ready.statuses()
        ready.tell(
            StateChanged(at_ms=event_time, state=S.AWAITING_TOKEN),
        )
        ready.settle()
        ready.wait(1)
        ready.state(S.DISCONNECTED)
        ready.settle()
        assert ready.statuses() == ["1 Preparing", "1 Available"]

    def test_the_newest_of_many_changes_is_told_when_the_central_system_is_slow(self, ready):
        ready.statuses()
        for _ in range(30):
            ready.state(S.FAULTED)
            ready.state(S.DISCONNECTED)
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        told = ready.statuses()
        assert len(told) == 17
        assert told[-1] == "1 Preparing"


class TestUnknownCharger:
    def test_a_charger_never_seen_is_unavailable(self, bench):
        bench.link_up()
        bench.settle()
        assert bench.statuses() == ["0 Unavailable", "1 Unavailable"]

    def test_nothing_is_told_unprompted(self, charging):
        charging.reachable(False)
        charging.state(S.READY)
        assert charging.statuses() == []

    def test_what_must_be_told_repeats_the_last_and_says_so(self, charging):
        charging.reachable(False)
        charging.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})
        assert charging.statuses() == ["1 Charging OtherError charger offline"]

    def test_a_reconnect_meanwhile_says_so_too(self, charging):
        charging.reachable(False)
        charging.link_down()
        charging.link_up()
        charging.settle()
        assert charging.statuses() == [
            "0 Available OtherError charger offline",
            "1 Charging OtherError charger offline",
        ]
        charging.reachable()
        charging.settle()
        assert charging.statuses() == ["0 Available", "1 Charging"]

    def test_back_again_it_tells_what_has_changed_in_legal_steps(self, charging):
        charging.reachable(False)
        charging.end()
        charging.state(S.AWAITING_TOKEN)
        charging.settle()
        assert charging.statuses() == []
        charging.reachable()
        charging.settle()
        assert charging.statuses() == ["1 Finishing"]

    def test_back_again_after_an_offline_report_the_walk_is_legal(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.live(121)
        ready.reachable(False)
        ready.link_down()
        ready.link_up()
        ready.settle()
        assert ready.statuses()[-1] == "1 Finishing OtherError charger offline"
        ready.begin()
        ready.state(S.CHARGING)
        ready.reachable()
        ready.settle()
        assert ready.statuses() == ["0 Available", "1 Preparing", "1 Charging"]

    def test_a_driver_that_comes_back_may_say_since_when(self, ready):
        since = Reachable(at_ms=ready.utc_ms, reachable=True)
        ready.wait(60)
        ready.reachable(False)
        ready.wait(60)
        ready.tell(since)
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Accepted"}

    def test_nothing_can_start(self, ready):
        ready.reachable(False)
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}


class TestAvailability:
    def test_av_1_an_idle_connector_at_once(self, ready):
        ready.statuses()
        assert change(ready, 1, "Inoperative") == "Accepted"
        assert ready.statuses() == ["1 Unavailable"]
        (command,) = ready.asked()
        assert isinstance(command, SetAvailable)
        assert command.available is False

    def test_av_1_a_waiting_car_schedules_it(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.statuses()
        assert change(ready, 1, "Inoperative") == "Scheduled"
        ready.state(S.DISCONNECTED)
        ready.settle()
        assert ready.statuses() == ["1 Available", "1 Unavailable"]

    def test_av_1_a_transaction_schedules_it_and_its_end_carries_it_out(self, charging):
        assert change(charging, 1, "Inoperative") == "Scheduled"
        assert charging.statuses() == []
        charging.end()
        charging.settle()
        assert charging.statuses() == ["1 Unavailable"]

    def test_av_1_the_end_of_a_remote_start_that_came_to_nothing_carries_it_out(self, ready):
        ready.ask("RemoteStartTransaction", {"idTag": "TAG1"})
        ready.settle()
        assert change(ready, 1, "Inoperative") == "Scheduled"
        ready.statuses()
        ready.wait(120, answering=True)
        assert ready.statuses() == ["1 Available", "1 Unavailable"]

    def test_av_1_nothing_new_starts_before_a_scheduled_end(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        change(ready, 0, "Inoperative")
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}

    def test_av_2_already_so(self, ready):
        ready.said()
        assert change(ready, 1, "Operative") == "Accepted"
        assert (ready.said(), ready.asked()) == ([], [])

    def test_av_3_connector_0_reports_both(self, ready):
        ready.statuses()
        change(ready, 0, "Inoperative")
        change(ready, 0, "Operative")
        assert ready.statuses() == ["0 Unavailable", "1 Unavailable", "0 Available", "1 Available"]

    @pytest.mark.parametrize("connector", [-1, 2])
    def test_av_4_an_unknown_connector(self, ready, connector):
        assert change(ready, connector, "Inoperative") == "Rejected"

    def test_av_5_a_scheduled_change_outlives_a_restart(self, charging):
        change(charging, 1, "Inoperative")
        charging.restart()
        charging.boot()
        charging.end()
        charging.settle()
        assert charging.statuses() == ["1 Unavailable"]

    def test_av_5_inoperative_outlives_a_restart(self, ready):
        change(ready, 0, "Inoperative")
        ready.restart()
        ready.said()
        ready.link_up()
        ready.settle()
        assert ready.statuses() == ["0 Unavailable", "1 Unavailable"]

    def test_av_5_a_newer_request_replaces_a_scheduled_one(self, charging):
        change(charging, 1, "Inoperative")
        assert change(charging, 1, "Operative") == "Accepted"
        charging.end()
        charging.settle()
        assert charging.statuses() == ["1 Finishing"]

    def test_av_6_nothing_starts_while_unavailable(self, ready):
        change(ready, 1, "Inoperative")
        ready.asked()
        ready.token()
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}
        (refusal,) = ready.asked()
        assert (refusal.id_tag, refusal.accepted) == ("TAG1", False)

    def test_a_charger_that_refuses_is_asked_again(self, ready):
        change(ready, 1, "Inoperative")
        (command,) = ready.asked()
        ready.done(command, "refused")
        ready.wait(31, answering=True)
        (again,) = ready.asked()
        assert (again.available, again.number > command.number) == (False, True)
        ready.done(again)
        ready.live(1000)
        assert ready.asked() == []

    def test_a_desire_that_expired_unheard_is_asked_anew(self, ready):
        ready.reachable(False)
        change(ready, 1, "Inoperative")
        assert ready.asked() == []
        ready.wait(31 * 86_400, answering=True)
        ready.reachable()
        (command,) = ready.asked()
        assert command.available is False
        assert command.expires_ms > ready.utc_ms

    def test_the_end_of_a_session_does_not_end_the_asking(self, charging):
        change(charging, 0, "Inoperative")
        charging.end()
        charging.settle()
        (command,) = charging.asked()
        charging.done(command, "refused")
        charging.begin(session=2)
        charging.end()
        charging.wait(61, answering=True)
        assert SetAvailable in {type(command) for command in charging.asked()}

    def test_a_charger_without_the_capability_is_not_asked(self, new_bench):
        bench = new_bench(capabilities=frozenset()).ready()
        assert change(bench, 0, "Inoperative") == "Accepted"
        assert bench.asked() == []


EVENTS = st.one_of(
    st.sampled_from([("state", state) for state in ChargerState]),
    st.sampled_from(
        [
            ("fault", None),
            ("begin", None),
            ("end", SessionEnd.DEAUTHORIZED),
            ("end", SessionEnd.EV_DISCONNECTED),
            ("token", None),
            ("remote start", None),
            ("remote stop", None),
            ("reach", True),
            ("reach", False),
            ("wait", 1),
            ("wait", 130),
        ]
    ),
    st.tuples(
        st.just("availability"),
        st.tuples(st.integers(0, 1), st.sampled_from(["Operative", "Inoperative"])),
    ),
)


@given(st.lists(EVENTS, max_size=25))
def test_st_1_every_walk_is_legal_while_online(new_bench, events):
    bench = new_bench().ready()
    session = 0
    for what, argument in events:
        match what:
            case "state":
                bench.state(argument)
            case "fault":
                bench.state(S.CHARGING, fault=Fault.EV_COMMUNICATION)
            case "begin":
                session += 1
                bench.begin(session=session, register_wh=1000 * session)
            case "end" if session:
                bench.end(1000 * session + 500, argument)
            case "token":
                bench.token()
            case "remote start":
                bench.ask("RemoteStartTransaction", {"idTag": "TAG2"})
            case "remote stop":
                bench.ask("RemoteStopTransaction", {"transactionId": 7})
            case "reach":
                bench.reachable(argument)
            case "wait":
                bench.wait(argument, answering=True)
            case "availability":
                change(bench, *argument)
        bench.settle()
        bench.wait(0.1)
    walk = [words.split()[1] for words in ["1 Available", *bench.statuses()] if words[0] == "1"]
    # The scene before was left at Available; repeats differ in their error only.
    for before, after in itertools.pairwise(walk):
        assert after == before or after in LEGAL[before], (before, after)


class TestAStatusThatFails:
    def told(self, bench):
        return [
            payload["status"]
            for action, payload in bench.said()
            if action == "StatusNotification" and payload["connectorId"] == 1
        ]

    def test_it_is_told_again_with_the_next_heartbeat(self, charging):
        charging.said()
        charging.state(S.READY)
        charging.refuse()
        assert self.told(charging) == ["SuspendedEV"]
        charging.wait(200, answering=True)
        assert self.told(charging) == []
        charging.wait(150, answering=True)
        assert self.told(charging) == ["SuspendedEV"]

    def test_once_it_is_told_it_is_not_told_again(self, charging):
        charging.state(S.READY)
        charging.refuse()
        charging.wait(350, answering=True)
        charging.said()
        charging.wait(1000, answering=True)
        assert self.told(charging) == []
