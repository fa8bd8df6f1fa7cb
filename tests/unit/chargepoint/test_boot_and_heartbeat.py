"""Registration and heartbeats (`BOOT-*`, `HB-*`)."""

import pytest

from chargebridge.chargepoint.model.state import SerialIn
from chargebridge.chargers.model import Authorize, ChargerState, Unlock

pytestmark = pytest.mark.unit

PENDING = {"status": "Pending", "currentTime": "2026-01-02T10:00:00Z", "interval": 120}
REJECTED = {"status": "Rejected", "currentTime": "2026-01-02T10:00:00Z", "interval": 120}


def accepted(interval):
    return {"status": "Accepted", "currentTime": "2026-01-02T10:00:00Z", "interval": interval}


def actions(calls):
    return [action for action, _ in calls]


class TestRegistration:
    def test_boot_1_says_who_it_is(self, new_bench):
        bench = new_bench(software="0.1")
        bench.charger_restarts(firmware="v42")
        bench.link_up()
        assert bench.said() == [
            (
                "BootNotification",
                {
                    "chargePointVendor": "Maker",
                    "chargePointModel": "Home",
                    "chargePointSerialNumber": "EH1",
                    "firmwareVersion": "v42/0.1",
                },
            )
        ]

    @pytest.mark.parametrize(
        ("serial_in", "fields"),
        [
            ("chargePointSerialNumber", {"chargePointSerialNumber"}),
            ("chargeBoxSerialNumber", {"chargeBoxSerialNumber"}),
            ("both", {"chargePointSerialNumber", "chargeBoxSerialNumber"}),
        ],
    )
    def test_boot_1_the_serial_number_is_where_it_is_configured(self, new_bench, serial_in, fields):
        bench = new_bench(serial_in=SerialIn(serial_in))
        bench.link_up()
        ((_, payload),) = bench.said()
        assert {name: value for name, value in payload.items() if "Serial" in name} == dict.fromkeys(
            fields, "EH1"
        )

    def test_boot_1_without_a_serial_number_neither_field_is_there(self, new_bench):
        bench = new_bench(serial="", serial_in=SerialIn.BOTH)
        bench.link_up()
        ((_, payload),) = bench.said()
        assert not [name for name in payload if "Serial" in name]

    def test_boot_1_a_configured_firmware_is_the_whole_of_it(self, new_bench):
        bench = new_bench(software="0.1", firmware="7.7")
        bench.charger_restarts(firmware="v42")
        bench.link_up()
        ((_, payload),) = bench.said()
        assert payload["firmwareVersion"] == "7.7"

    def test_boot_1_cuts_what_is_too_long_and_spells_it_in_ascii(self, new_bench):
        bench = new_bench(software="x" * 80)
        bench.link_up()
        (_, payload), *_ = bench.said()
        assert payload["firmwareVersion"] == "x" * 50

    def test_boot_2_nothing_else_is_said_before_the_answer(self, bench):
        bench.reachable()
        bench.begin()
        bench.link_up()
        bench.state(ChargerState.CHARGING)
        bench.energy(1100)
        bench.wait(29)
        assert actions(bench.said()) == ["BootNotification"]

    def test_boot_3_the_interval_becomes_the_heartbeat_interval(self, ready):
        key = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        assert ready.ask("GetConfiguration", {"key": ["HeartbeatInterval"]}) == {"configurationKey": [key]}

    @pytest.mark.parametrize(("interval", "value"), [(300, "300"), (0, "77"), (-1, "77"), (10**9, "86400")])
    def test_boot_3_the_interval_overwrites_a_written_key(self, ready, interval, value):
        ready.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "77"})
        ready.charger_restarts()
        ready.answer(accepted(interval))
        ready.serve()
        for _ in range(2):
            (key,) = ready.ask("GetConfiguration", {"key": ["HeartbeatInterval"]})["configurationKey"]
            assert key["value"] == value
            ready.restart()
            ready.link_up()
            ready.answer(accepted(0))
            ready.serve()

    def test_boot_3_one_that_is_written_afterwards_counts(self, ready):
        ready.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "77"})
        assert ready.cp.heartbeat_interval_s == 77

    @pytest.mark.parametrize("written", ["77", "0"])
    def test_boot_3_under_a_fixed_interval_a_written_key_stays(self, new_bench, written):
        bench = new_bench("easee").ready()
        bench.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": written})
        bench.charger_restarts()
        bench.answer(accepted(300))
        bench.serve()
        (key,) = bench.ask("GetConfiguration", {"key": ["HeartbeatInterval"]})["configurationKey"]
        assert key["value"] == written

    def test_boot_3_interval_0_keeps_the_own_value(self, bench):
        bench.link_up()
        bench.answer(accepted(600))
        bench.serve()
        bench.charger_restarts()
        bench.answer(accepted(0))
        assert bench.cp.heartbeat_interval_s == 600

    def test_boot_3_more_than_a_day_is_a_day(self, bench):
        bench.link_up()
        bench.answer(accepted(10**9))
        assert bench.cp.heartbeat_interval_s == 86_400

    def test_boot_4_statuses_of_both_connectors_follow(self, bench):
        bench.reachable()
        bench.state(ChargerState.DISCONNECTED)
        bench.link_up()
        bench.settle()
        assert bench.statuses() == ["0 Available", "1 Available"]

    @pytest.mark.parametrize("answer", [PENDING, REJECTED])
    def test_boot_5_waits_for_the_interval(self, bench, answer):
        bench.link_up()
        bench.answer(answer)
        bench.said()
        bench.wait(119)
        assert bench.said() == []
        bench.wait(1)
        assert actions(bench.said()) == ["BootNotification"]

    def test_boot_5_interval_0_waits_for_its_own(self, bench):
        bench.link_up()
        bench.answer({**PENDING, "interval": 0})
        bench.said()
        bench.wait(29)
        assert bench.said() == []
        bench.wait(1)
        assert actions(bench.said()) == ["BootNotification"]

    @pytest.mark.parametrize("answer", [PENDING, REJECTED])
    def test_boot_5_a_reconnect_does_not_shorten_the_interval(self, bench, answer):
        bench.link_up()
        bench.answer(answer)
        bench.said()
        bench.wait(60)
        bench.link_down()
        bench.link_up()
        bench.wait(59)
        assert bench.said() == []
        bench.wait(1)
        assert actions(bench.said()) == ["BootNotification"]

    @pytest.mark.parametrize("answer", [PENDING, REJECTED])
    def test_a_boot_whose_answer_was_lost_with_its_link_is_sent_again(self, bench, answer):
        bench.link_up()
        bench.answer(answer)
        bench.wait(120)
        bench.said()
        bench.link_down()
        bench.link_up()
        assert actions(bench.said()) == ["BootNotification"]

    def test_boot_6_silent_while_rejected(self, bench):
        bench.link_up()
        bench.answer(REJECTED)
        bench.said()
        assert bench.ask("GetConfiguration") is None
        assert bench.ask("NoSuchAction") is None
        bench.frame(b'[2,"broken"]')
        bench.state(ChargerState.FAULTED)
        bench.wait(119)
        assert (bench.answers, bench.said()) == ({}, [])

    def test_boot_6_speaks_again_when_the_interval_is_over(self, bench):
        bench.link_up()
        bench.answer(REJECTED)
        bench.wait(120)
        assert bench.ask("ClearCache") == {"status": "Rejected"}

    def test_boot_6_a_held_answer_is_not_given_while_rejected(self, new_bench):
        bench = new_bench("easee").ready()
        bench.ask("UnlockConnector", {"connectorId": 1})
        bench.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
        bench.answer(REJECTED)
        (unlock,) = bench.asked(Unlock)
        bench.done(unlock)
        assert "cs1" not in bench.answers

    def test_boot_7_answers_but_says_nothing_while_pending(self, bench):
        bench.link_up()
        bench.answer(PENDING)
        bench.said()
        assert bench.ask("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "30"}) == {
            "status": "Accepted"
        }
        bench.state(ChargerState.FAULTED)
        bench.begin()
        bench.wait(100)
        assert bench.said() == []

    @pytest.mark.parametrize("message", ["Heartbeat", "StatusNotification", "BootNotification"])
    def test_boot_7_sends_what_is_triggered_while_pending(self, bench, message):
        bench.link_up()
        bench.answer(PENDING)
        bench.said()
        trigger = {"requestedMessage": message}
        assert bench.ask("TriggerMessage", trigger) == {"status": "Accepted"}
        assert actions(bench.said()) == [message]

    @pytest.mark.parametrize("before", [None, PENDING])
    def test_boot_8_starts_nothing_before_acceptance(self, bench, before):
        bench.reachable()
        bench.state(ChargerState.AWAITING_TOKEN)
        bench.link_up()
        if before:
            bench.answer(before)
        assert bench.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}
        assert bench.asked(Authorize) == []

    def test_boot_8_stops_nothing_while_pending(self, charging):
        charging.charger_restarts()
        charging.answer(PENDING)
        assert charging.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Rejected"}

    def test_boot_9_an_error_is_asked_again(self, bench):
        bench.link_up()
        bench.refuse()
        bench.said()
        bench.wait(26)
        assert bench.said() == []
        bench.wait(7)
        assert actions(bench.said()) == ["BootNotification"]

    def test_boot_9_an_answer_that_cannot_be_read_is_none(self, bench):
        bench.link_up()
        bench.answer({"status": "Perhaps"})
        bench.said()
        bench.wait(33)
        assert actions(bench.said()) == ["BootNotification"]

    def test_boot_9_silence_is_asked_again_and_then_the_link_is_deaf(self, bench):
        bench.link_up()
        bench.wait(64)
        assert actions(bench.said()) == ["BootNotification", "BootNotification"]
        assert bench.linked
        bench.wait(30)
        assert not bench.linked

    def test_a_late_answer_to_a_boot_still_counts(self, bench):
        bench.link_up()
        call = bench.open_call
        bench.wait(35)
        bench.open_call = call
        bench.answer()
        assert bench.cp.accepted
        bench.serve()
        bench.said()
        bench.wait(200)
        assert bench.said() == []

    def test_one_boot_is_sent_after_a_reconnect_that_came_before_the_retry(self, bench):
        bench.link_up()
        bench.refuse()
        bench.link_down()
        bench.link_up()
        bench.said()
        bench.wait(29)
        bench.answer()
        assert actions(bench.serve()) == ["StatusNotification", "StatusNotification"]

    def test_boot_10_what_charged_before_acceptance_is_queued(self, bench):
        bench.reachable()
        bench.begin()
        bench.link_up()
        assert actions(bench.serve()) == [
            "BootNotification",
            "StatusNotification",
            "StatusNotification",
            "StartTransaction",
        ]

    def test_boot_11_a_boot_is_not_triggered_once_registered(self, ready):
        trigger = {"requestedMessage": "BootNotification"}
        assert ready.ask("TriggerMessage", trigger) == {"status": "Rejected"}

    def test_boot_11_unless_it_behaves_so(self, new_bench):
        bench = new_bench(overrides={"trigger_boot_when_accepted": True}).ready()
        bench.said()
        trigger = {"requestedMessage": "BootNotification"}
        assert bench.ask("TriggerMessage", trigger) == {"status": "Accepted"}
        assert actions(bench.said()) == ["BootNotification"]

    def test_boot_12_the_newest_answer_counts(self, new_bench):
        bench = new_bench("easee").ready()
        bench.said()
        bench.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
        bench.answer(PENDING)
        bench.said()
        bench.begin()
        assert bench.said() == []
        bench.wait(120)
        assert actions(bench.serve()) == [
            "BootNotification",
            "StatusNotification",
            "StatusNotification",
            "StartTransaction",
        ]

    @pytest.mark.parametrize("answer", [PENDING, REJECTED])
    def test_boot_12_a_queue_waits_while_not_registered_any_more(self, new_bench, answer):
        bench = new_bench("easee").ready()
        bench.link_down()
        bench.begin()
        bench.link_up()
        bench.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
        while bench.open_call[1] != "BootNotification":
            bench.answer()
        bench.answer(answer)
        bench.said()
        bench.wait(119)
        assert bench.said() == []
        bench.wait(1)
        assert actions(bench.serve())[-1] == "StartTransaction"

    def test_ws_8_a_mere_reconnect_sends_statuses_only(self, ready):
        ready.link_down()
        ready.said()
        ready.link_up()
        assert actions(ready.serve()) == ["StatusNotification", "StatusNotification"]

    def test_a_restart_of_the_gateway_boots_again(self, ready):
        ready.restart()
        ready.said()
        assert actions(ready.boot()) == ["BootNotification", "StatusNotification", "StatusNotification"]


class TestChargerRestart:
    def test_the_charger_booted_so_does_the_charge_point(self, ready):
        ready.said()
        ready.charger_restarts()
        assert actions(ready.serve()) == ["BootNotification", "StatusNotification", "StatusNotification"]

    def test_a_replay_of_the_restart_boots_nothing(self, ready):
        ready.charger_restarts()
        ready.serve()
        ready.charger_restarts()
        assert ready.said() == []

    def test_a_call_under_way_is_waited_for_and_no_heartbeat_precedes_the_boot(self, ready):
        ready.state(ChargerState.AWAITING_TOKEN)
        ready.said()
        ready.charger_restarts()
        ready.wait(30)
        assert actions(ready.said()) == ["BootNotification"]

    def test_a_transaction_message_under_way_is_sent_again_and_no_attempt_is_counted(self, ready):
        ready.begin()
        ready.answer()
        ready.said()
        assert ready.open_call[1] == "StartTransaction"
        ready.charger_restarts()
        ready.wait(30)
        assert actions(ready.serve())[-1] == "StartTransaction"
        assert ready.store.dead == []

    def test_a_time_out_in_the_turn_of_the_restart_is_not_probed(self, ready):
        ready.state(ChargerState.AWAITING_TOKEN)
        ready.said()
        ready._pass(30)
        ready.charger_restarts()
        assert actions(ready.said()) == ["BootNotification"]


class TestHeartbeat:
    def test_hb_1_after_the_interval_without_exchange(self, ready):
        ready.said()
        assert ready.live(269) == []
        assert ready.live(62) == [("Heartbeat", {})]

    def test_hb_1_is_left_out_when_the_link_was_busy(self, ready):
        ready.wait(200)
        ready.state(ChargerState.FAULTED)
        ready.serve()
        assert ready.live(299) == []
        assert ready.live(1) == [("Heartbeat", {})]

    def test_a_fixed_interval_is_kept_whatever_the_boot_answer_says(self, new_bench):
        bench = new_bench(overrides={"heartbeat_interval_s": 100}).ready()
        bench.said()
        bench.wait(89)
        assert bench.said() == []
        bench.wait(22)
        assert bench.said() == [("Heartbeat", {})]

    def test_a_fixed_interval_does_not_care_for_other_messages(self, new_bench):
        bench = new_bench(overrides={"heartbeat_interval_s": 100}).ready()
        bench.wait(80)
        bench.state(ChargerState.AWAITING_TOKEN)
        bench.serve()
        bench.wait(31)
        assert bench.said() == [("Heartbeat", {})]

    def test_hb_2_a_written_interval_takes_effect_at_once(self, ready):
        ready.said()
        ready.wait(100)
        ready.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "20"})
        ready.wait(22)
        assert ready.said() == [("Heartbeat", {})]

    @pytest.mark.parametrize("preset", ["easee", "ocpp16"])
    def test_hb_3_interval_0_means_none(self, new_bench, preset):
        bench = new_bench(preset).ready()
        bench.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "0"})
        bench.said()
        bench.wait(100_000)
        assert bench.said() == []

    def test_hb_4_the_central_systems_clock_is_not_followed(self, ready):
        ready.wait(325, answering=False)
        ready.answer({"currentTime": "2031-01-01T00:00:00Z"})
        ready.said()
        ready.begin()
        ready.answer()
        assert ready.said()[-1][1]["timestamp"] == "2026-01-02T10:05:25.000Z"

    def test_stops_while_nothing_is_known_of_the_charger(self, ready):
        ready.reachable(False)
        ready.said()
        ready.wait(3000)
        assert ready.said() == []
        ready.reachable()
        ready.serve()
        ready.said()
        ready.wait(700)
        assert ("Heartbeat", {}) in ready.said()

    def test_one_that_is_due_is_not_sent_when_the_charger_goes_away(self, new_bench):
        bench = new_bench("easee", call_timeout_s=500.0).ready()
        bench.state(ChargerState.AWAITING_TOKEN)
        bench.wait(200)
        bench.reachable(False)
        bench.said()
        bench.serve()
        assert bench.said() == []


class TestAvailableAfterBoot:
    @pytest.fixture
    def inoperative(self, new_bench):
        bench = new_bench(overrides={"available_after_boot_s": 2.0}).ready()
        bench.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
        bench.serve()
        return bench

    def test_documented_an_inoperative_charge_point_is_available_for_a_moment(self, inoperative):
        inoperative.charger_restarts()
        inoperative.settle()
        assert inoperative.statuses() == ["0 Available", "1 Available"]
        assert inoperative.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}
        inoperative.wait(2)
        inoperative.settle()
        assert inoperative.statuses() == ["0 Unavailable", "1 Unavailable"]

    def test_that_moment_begins_when_a_charger_that_was_reset_is_back(self, inoperative):
        inoperative.said()
        inoperative.ask("Reset", {"type": "Hard"})
        inoperative.wait(1)
        inoperative.comes_back()
        inoperative.settle()
        assert inoperative.statuses() == ["0 Available", "1 Available"]
        inoperative.wait(2)
        inoperative.settle()
        assert inoperative.statuses() == ["0 Unavailable", "1 Unavailable"]

    def test_that_moment_comes_once_for_each_boot(self, inoperative):
        inoperative.charger_restarts()
        inoperative.settle()
        inoperative.wait(2)
        inoperative.settle()
        inoperative.reachable(False)
        inoperative.settle()
        inoperative.statuses()
        inoperative.reachable()
        inoperative.settle()
        assert "1 Available" not in inoperative.statuses()

    def test_standard_it_is_unavailable_at_once(self, new_bench):
        bench = new_bench().ready()
        bench.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
        bench.serve()
        bench.statuses()
        bench.charger_restarts()
        bench.settle()
        assert bench.statuses() == ["0 Unavailable", "1 Unavailable"]

    def test_a_restart_of_the_gateway_is_no_such_boot(self, inoperative):
        inoperative.restart()
        inoperative.said()
        inoperative.link_up()
        inoperative.settle()
        assert inoperative.statuses() == ["0 Unavailable", "1 Unavailable"]


class TestUnknownAtTheStart:
    def test_nothing_is_claimed_of_a_charger_until_its_driver_has_spoken(self, charging):
        charging.settle()
        charging.start()
        reports = [payload for action, payload in charging.boot() if action == "StatusNotification"]
        assert [(report["status"], report["errorCode"], report.get("info")) for report in reports] == [
            ("Available", "OtherError", "charger offline"),
            ("Charging", "OtherError", "charger offline"),
        ]

    def test_a_remote_start_that_cannot_happen_is_rejected(self, ready):
        ready.start()
        ready.boot()
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}

    def test_what_it_is_doing_is_told_as_soon_as_that_is_known(self, charging):
        charging.settle()
        charging.start()
        charging.boot()
        charging.said()
        charging.reachable()
        reports = [payload for action, payload in charging.serve() if action == "StatusNotification"]
        assert [(report["status"], report["errorCode"]) for report in reports] == [
            ("Available", "NoError"),
            ("Charging", "NoError"),
        ]


class TestARestartWhileABootIsUnanswered:
    def test_it_boots_again(self, ready):
        ready.charger_restarts(firmware="1")
        assert ready.open_call[1] == "BootNotification"
        ready.wait(1)
        ready.charger_restarts(firmware="2")
        said = ready.serve()
        boots = [payload["firmwareVersion"] for action, payload in said if action == "BootNotification"]
        assert boots == ["1", "2"]
