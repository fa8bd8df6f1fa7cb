"""UnlockConnector, Reset and what an operator asks (`UL-*`, `RE-*`)."""

import pytest

from chargebridge.chargepoint.turn import (
    ChargerReleased,
    CloseLink,
    CommandCharger,
    Notice,
    Operation,
    OperatorAnswered,
    OperatorAsked,
    SendFrame,
)
from chargebridge.chargers.model import (
    Authorize,
    Capability,
    ChargerState,
    EndSession,
    Outcome,
    Reboot,
    SessionEnd,
    Unlock,
    Withdraw,
)

pytestmark = pytest.mark.unit

S = ChargerState


def unlock(bench, connector=1):
    return bench.ask("UnlockConnector", {"connectorId": connector})


def kinds(bench):
    return [type(command) for command in bench.asked()]


class TestUnlock:
    @pytest.mark.parametrize(
        ("outcome", "status"),
        [(Outcome.DONE, "Unlocked"), (Outcome.REFUSED, "UnlockFailed"), (Outcome.UNKNOWN, "UnlockFailed")],
    )
    def test_ul_2_the_answer_waits_for_the_charger(self, ready, outcome, status):
        assert unlock(ready) is None
        (command,) = ready.asked()
        assert isinstance(command, Unlock)
        ready.done(command, outcome)
        assert ready.reply("cs1") == {"status": status}

    def test_ul_2_but_no_longer_than_10_seconds(self, ready):
        unlock(ready)
        ready.wait(9.9)
        assert ready.reply("cs1") is None
        ready.wait(0.1)
        assert ready.reply("cs1") == {"status": "UnlockFailed"}
        (command,) = ready.asked()
        ready.done(command)
        assert len(ready.answers) == 1

    @pytest.mark.parametrize("connector", [0, 2, -1])
    def test_ul_2_other_connectors(self, ready, connector):
        assert unlock(ready, connector) == {"status": "NotSupported"}

    def test_ul_2_a_charger_without_a_lock(self, new_bench):
        bench = new_bench(capabilities=frozenset()).ready()
        assert unlock(bench) == {"status": "NotSupported"}

    def test_ul_2_a_charger_that_cannot_be_reached(self, ready):
        ready.reachable(False)
        assert unlock(ready) == {"status": "UnlockFailed"}

    def test_a_second_one_meanwhile_fails(self, ready):
        unlock(ready)
        assert unlock(ready) == {"status": "UnlockFailed"}

    def test_ul_1_the_transaction_ends_first(self, charging):
        unlock(charging)
        assert kinds(charging) == [EndSession]
        charging.end()
        (command,) = charging.asked()
        assert isinstance(command, Unlock)
        charging.done(command)
        assert charging.reply("cs1") == {"status": "Unlocked"}
        (stop,) = [payload for action, payload in charging.serve() if action == "StopTransaction"]
        assert stop["reason"] == "UnlockCommand"

    def test_ul_1_an_end_that_comes_too_late_unlocks_nothing(self, charging):
        unlock(charging)
        charging.wait(10)
        assert charging.reply("cs1") == {"status": "UnlockFailed"}
        charging.asked()
        charging.end()
        assert charging.asked() == []
        (stop,) = [payload for action, payload in charging.serve() if action == "StopTransaction"]
        assert stop["reason"] == "UnlockCommand"

    def test_a_held_answer_dies_with_its_link(self, ready):
        unlock(ready)
        (command,) = ready.asked()
        ready.link_down()
        ready.boot()
        ready.done(command)
        ready.wait(20)
        assert ready.answers == {}

    def test_the_outcome_of_one_whose_link_is_gone_does_not_answer_another(self, ready):
        unlock(ready)
        (old,) = ready.asked()
        ready.link_down()
        ready.boot()
        ready.begin()
        unlock(ready)
        ready.done(old)
        assert ready.reply("cs2") is None

    def test_one_shot_it_is_not_repeated_after_a_restart_and_forgotten_after_its_time(self, ready):
        unlock(ready)
        ready.asked()
        ready.restart()
        assert ready.asked() == []
        ready.wait(61)
        ready.reachable()
        assert ready.asked() == []
        assert ready.cp.state.issued_commands == ()

    @pytest.mark.parametrize("documented", [False, True])
    def test_it_changes_the_configuration_only_if_documented(self, new_bench, documented):
        bench = new_bench(overrides={"unlock_sets_unlock_on_ev_side_disconnect": documented}).ready()
        unlock(bench)
        key = "UnlockConnectorOnEVSideDisconnect"
        (entry,) = bench.ask("GetConfiguration", {"key": [key]})["configurationKey"]
        assert entry["value"] == ("true" if documented else "false")
        assert bench.store.configuration == ({key: "true"} if documented else {})


class TestReset:
    @pytest.mark.parametrize("kind", ["Soft", "Hard"])
    def test_re_1_the_answer_then_the_command_then_the_close(self, ready, kind):
        ready.outputs.clear()
        assert ready.ask("Reset", {"type": kind}) == {"status": "Accepted"}
        assert [type(output) for output in ready.outputs] == [SendFrame]
        ready.wait(1)
        assert [type(output) for output in ready.outputs] == [SendFrame, CommandCharger, CloseLink]
        assert kinds(ready) == [Reboot]

    @pytest.mark.parametrize("kind", ["Soft", "Hard"])
    def test_re_1_the_link_stays_open_for_a_second_after_the_answer(self, ready, kind):
        ready.ask("Reset", {"type": kind})
        ready.wait(0.99)
        assert ready.linked
        ready.wait(0.01)
        assert not ready.linked

    def test_re_1_each_answer_to_a_reset_has_its_second(self, ready):
        for _ in range(3):
            assert ready.ask("Reset", {"type": "Soft"}) == {"status": "Accepted"}
            ready.wait(0.6)
            assert ready.linked
        ready.wait(0.4)
        assert not ready.linked

    def test_re_1_resets_without_end_hold_nothing_for_longer_than_the_wait(self, ready):
        for _ in range(62):
            ready.ask("Reset", {"type": "Soft"})
            ready.wait(0.5)
            if not ready.linked:
                break
        assert not ready.linked
        assert kinds(ready) == [Reboot]

    def test_re_1_meanwhile_calls_of_the_central_system_are_answered(self, ready):
        ready.ask("Reset", {"type": "Soft"})
        key = {"key": "ConnectionTimeOut", "value": "30"}
        assert ready.ask("ChangeConfiguration", key) == {"status": "Accepted"}
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}
        ready.wait(1)
        assert not ready.linked

    def test_re_1_meanwhile_own_calls_are_sent_and_their_answers_waited_for(self, ready):
        ready.ask("Reset", {"type": "Soft"})
        ready.state(ChargerState.AWAITING_TOKEN)
        assert ready.open_call[1] == "StatusNotification"
        ready.wait(20)
        assert ready.linked
        ready.answer()
        assert not ready.linked

    @pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
    def test_re_1_re_2_a_transaction_is_stopped_and_its_stop_answered_first(self, charging, kind, reason):
        charging.ask("Reset", {"type": kind})
        assert kinds(charging) == [EndSession]
        charging.end()
        while charging.open_call and charging.open_call[1] != "StopTransaction":
            charging.answer()
        (stop,) = [payload for action, payload in charging.said() if action == "StopTransaction"]
        assert stop["reason"] == reason
        assert charging.linked
        charging.wait(1)
        assert charging.linked
        charging.answer()
        assert not charging.linked
        assert kinds(charging) == [Reboot]

    def test_re_1_a_stop_without_an_answer_is_queued_over_the_reset(self, charging):
        charging.ask("Reset", {"type": "Soft"})
        charging.end()
        charging.wait(30)
        assert not charging.linked
        charging.comes_back()
        assert charging.serve()[-1][0] == "StopTransaction"

    def test_a_session_that_does_not_end_does_not_hold_the_reset(self, charging):
        charging.ask("Reset", {"type": "Hard"})
        charging.wait(30, answering=True)
        assert not charging.linked
        charging.end(reason=SessionEnd.REBOOT)
        charging.comes_back()
        assert charging.serve()[-1][1]["reason"] == "HardReset"

    def test_re_3_a_new_connection_boots_and_tells_statuses(self, ready):
        ready.ask("Reset", {"type": "Soft"})
        ready.wait(1)
        ready.said()
        ready.comes_back()
        assert [action for action, _ in ready.serve()] == [
            "BootNotification",
            "StatusNotification",
            "StatusNotification",
        ]

    def test_the_restart_that_the_reset_caused_is_no_second_boot(self, ready):
        ready.ask("Reset", {"type": "Soft"})
        ready.wait(1)
        ready.comes_back()
        assert [action for action, _ in ready.serve()].count("BootNotification") == 1
        ready.wait(1)
        ready.charger_restarts()
        assert ready.said()[0][0] == "BootNotification"

    def test_a_second_reset_while_one_waits_is_the_same_reset(self, charging):
        charging.ask("Reset", {"type": "Soft"})
        assert charging.ask("Reset", {"type": "Hard"}) == {"status": "Accepted"}
        charging.end()
        charging.wait(1)
        said = charging.serve()
        assert [payload["reason"] for action, payload in said if action == "StopTransaction"] == ["SoftReset"]
        assert kinds(charging) == [EndSession, Reboot]

    def test_nothing_starts_while_a_reset_waits(self, charging):
        charging.ask("Reset", {"type": "Soft"})
        charging.end()
        charging.asked()
        assert charging.ask("RemoteStartTransaction", {"idTag": "TAG2"}) == {"status": "Rejected"}

    def test_an_authorization_that_waits_for_a_car_is_withdrawn(self, ready):
        ready.ask("RemoteStartTransaction", {"idTag": "TAG1"})
        ready.settle()
        ready.ask("Reset", {"type": "Soft"})
        ready.wait(1, answering=True)
        assert kinds(ready) == [Authorize, Withdraw, Reboot]

    def test_the_link_is_not_closed_while_the_central_system_answers_a_call(self, ready):
        ready.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
        assert ready.open_call[1] == "StatusNotification"
        assert ready.ask("Reset", {"type": "Soft"}) == {"status": "Accepted"}
        ready.wait(1)
        assert ready.linked
        ready.answer()
        assert not ready.linked

    def test_a_call_that_is_never_answered_does_not_hold_the_reset(self, ready):
        ready.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
        ready.ask("Reset", {"type": "Soft"})
        ready.wait(30)
        assert Reboot in kinds(ready)

    def test_a_reset_goes_on_after_a_restart_of_the_gateway(self, charging):
        charging.ask("Reset", {"type": "Soft"})
        charging.asked()
        charging.restart()
        charging.boot()
        charging.wait(30, answering=True)
        assert Reboot in kinds(charging)

    def test_a_reboot_is_not_repeated_after_a_restart_of_the_gateway(self, ready):
        ready.ask("Reset", {"type": "Soft"})
        ready.wait(1)
        assert kinds(ready) == [Reboot]
        ready.restart()
        assert ready.asked() == []

    @pytest.mark.parametrize("reason", ["unreachable", "incapable"])
    def test_re_1_rejected_where_it_cannot_be_done(self, new_bench, reason):
        capabilities = frozenset() if reason == "incapable" else frozenset(Capability)
        bench = new_bench(capabilities=capabilities).ready()
        if reason == "unreachable":
            bench.reachable(False)
        assert bench.ask("Reset", {"type": "Soft"}) == {"status": "Rejected"}
        assert bench.linked

    @pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.EXPIRED])
    def test_re_4_a_charger_that_did_not_restart_is_told(self, ready, outcome):
        ready.ask("Reset", {"type": "Soft"})
        ready.wait(1)
        (command,) = ready.asked()
        ready.done(command, outcome)
        assert ready.pause_s == 0
        ready.boot()
        ready.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 0})
        assert ready.statuses() == ["0 Available ResetFailure"]
        ready.settle()
        ready.wait(1)
        ready.charger_restarts()
        ready.settle()
        assert ready.statuses() == ["0 Available", "1 Available"]

    def test_re_4_a_reset_is_tried_again_as_often_as_reset_retries_says(self, ready):
        ready.ask("ChangeConfiguration", {"key": "ResetRetries", "value": "1"})
        ready.ask("Reset", {"type": "Soft"})
        ready.wait(1)
        (first,) = ready.asked(Reboot)
        ready.done(first, Outcome.REFUSED)
        ready.boot()
        ready.restart()
        ready.reachable()
        ready.boot()
        ready.wait(30)
        (second,) = ready.asked(Reboot)
        assert second.number > first.number
        ready.done(second, Outcome.REFUSED)
        assert "0 Available ResetFailure" in ready.statuses() + (ready.settle() or ready.statuses())
        ready.wait(60, answering=True)
        assert ready.asked(Reboot) == []

    def test_re_4_nobody_knows_is_no_failure(self, ready):
        ready.ask("Reset", {"type": "Soft"})
        ready.wait(1)
        (command,) = ready.asked()
        ready.done(command, Outcome.UNKNOWN)
        ready.wait(120)
        ready.link_up()
        ready.settle()
        assert ready.statuses() == ["0 Available", "1 Available"]


class TestReturnFromAReset:
    """The charge point is back when its charger is, and reports no error of a restart that was asked for."""

    @pytest.fixture
    def resetting(self, ready):
        ready.ask("Reset", {"type": "Hard"})
        ready.wait(1)
        ready.obey()
        ready.said()
        return ready

    def test_re_3_the_link_stays_closed_until_the_charger_is_back(self, resetting):
        assert (resetting.linked, resetting.pause_s) == (False, 120)
        resetting.reachable(False)
        resetting.wait(20)
        assert resetting.pause_s == 120
        resetting.reachable()
        assert resetting.pause_s == 120
        resetting.charger_restarts(firmware="v43")
        assert resetting.pause_s == 0
        resetting.link_up()
        said = resetting.serve()
        assert said[0][1]["firmwareVersion"] == "v43"
        assert [payload["errorCode"] for _, payload in said[1:]] == ["NoError", "NoError"]

    def test_re_3_a_connection_before_that_says_nothing(self, resetting):
        resetting.reachable(False)
        resetting.link_up()
        resetting.wait(20)
        assert resetting.said() == []
        assert resetting.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}
        resetting.reachable()
        resetting.charger_restarts()
        said = [action for action, _ in resetting.serve()]
        assert said == ["BootNotification", "StatusNotification", "StatusNotification"]

    def test_re_3_a_restart_that_is_reported_first_waits_for_the_charger(self, resetting):
        resetting.reachable(False)
        resetting.charger_restarts()
        assert resetting.pause_s == 120
        resetting.reachable()
        assert resetting.pause_s == 0

    def test_re_3_a_charger_that_is_back_and_reports_no_restart_is_waited_for_a_moment_longer(
        self, resetting
    ):
        resetting.reachable(False)
        resetting.wait(20)
        resetting.reachable()
        resetting.wait(4)
        assert resetting.pause_s == 120
        resetting.wait(1)
        assert resetting.pause_s == 0

    def test_re_3_a_charger_that_does_not_come_back_is_not_waited_for_for_ever(self, resetting):
        resetting.reachable(False)
        resetting.wait(119)
        assert resetting.pause_s == 120
        resetting.wait(1)
        assert resetting.pause_s == 0
        resetting.link_up()
        resetting.settle()
        offline = "Available OtherError charger offline"
        assert resetting.statuses() == [f"0 {offline}", f"1 {offline}"]

    @pytest.mark.parametrize("seconds", [0, 60])
    def test_re_3_a_restart_of_the_gateway_goes_on_waiting_to_the_same_end(self, resetting, seconds):
        resetting.reachable(False)
        resetting.wait(seconds)
        resetting.start()
        resetting.link_up()
        resetting.wait(119 - seconds)
        assert resetting.said() == []
        resetting.wait(1)
        assert [action for action, _ in resetting.said()] == ["BootNotification"]

    def test_re_3_a_restart_of_the_gateway_before_the_charger_restarts_is_not_its_return(self, ready):
        ready.ask("Reset", {"type": "Hard"})
        ready.start()
        ready.link_up()
        ready.serve()
        assert ready.asked(Reboot) == []
        ready.reachable()
        ready.serve()
        ready.obey()
        assert not ready.linked
        ready.said()
        ready.link_up()
        ready.wait(10)
        ready.reachable(False)
        ready.wait(20)
        assert ready.said() == []
        ready.reachable()
        ready.charger_restarts()
        said = ready.serve()
        assert [action for action, _ in said] == ["BootNotification"] + ["StatusNotification"] * 2
        assert [payload["errorCode"] for _, payload in said[1:]] == ["NoError", "NoError"]

    @pytest.mark.parametrize(("seconds", "commanded"), [(29, 0), (30, 1)])
    def test_re_3_a_charger_that_has_just_gone_away_is_restarted_when_it_is_back(
        self, ready, seconds, commanded
    ):
        ready.ask("Reset", {"type": "Hard"})
        ready.reachable(False)
        ready.wait(seconds)
        assert len(ready.asked(Reboot)) == commanded
        ready.reachable()
        assert len(ready.asked(Reboot)) == 1 - commanded

    def test_re_3_a_host_whose_clock_was_set_back_waits_no_longer_than_that(self, resetting):
        resetting.utc_ms -= 10**9
        resetting.start()
        resetting.link_up()
        resetting.wait(120)
        assert [action for action, _ in resetting.said()] == ["BootNotification"]

    def test_re_3_a_charger_that_is_taken_away_meanwhile_is_not_waited_for(self, resetting):
        resetting.turn(ChargerReleased())
        assert resetting.pause_s == 0
        resetting.link_up()
        assert [action for action, _ in resetting.said()] == ["BootNotification"]

    def test_a_restart_that_nobody_asked_for_closes_nothing_and_boots_at_once(self, ready):
        ready.said()
        ready.charger_restarts()
        assert ready.linked
        assert [action for action, _ in ready.said()] == ["BootNotification"]

    def test_an_operators_reset_needs_no_second(self, ready):
        ready.turn(OperatorAsked(5, Operation.RESET))
        assert (ready.linked, ready.pause_s) == (False, 120)


class TestOperatorBoots:
    """`BOOT-5`: the interval is the charge point's to keep, and its operator's to cut short."""

    @pytest.fixture(params=["Rejected", "Pending"])
    def refused(self, request, bench):
        bench.link_up()
        bench.answer({"status": request.param, "currentTime": "2026-01-02T10:00:00Z", "interval": 86400})
        bench.said()
        bench.outputs.clear()
        return bench

    @staticmethod
    def boot(bench):
        bench.turn(OperatorAsked(5, Operation.BOOT))
        (answer,) = [output for output in bench.outputs if isinstance(output, OperatorAnswered)]
        return answer.accepted, answer.detail

    def test_boot_5_at_once(self, refused):
        assert self.boot(refused) == (True, "it boots now")
        assert [action for action, _ in refused.said()] == ["BootNotification"]
        refused.serve()
        assert refused.cp.accepted

    def test_boot_5_with_the_next_connection(self, refused):
        refused.link_down()
        assert self.boot(refused) == (True, "it boots with its next connection")
        refused.link_up()
        assert [action for action, _ in refused.said()] == ["BootNotification"]

    def test_boot_5_a_refused_one_waits_for_the_new_interval(self, refused):
        self.boot(refused)
        refused.answer({"status": "Rejected", "currentTime": "2026-01-02T10:00:00Z", "interval": 600})
        refused.said()
        refused.wait(599)
        assert refused.said() == []
        refused.wait(1)
        assert [action for action, _ in refused.said()] == ["BootNotification"]

    def test_boot_5_one_under_way_is_not_doubled(self, refused):
        self.boot(refused)
        refused.outputs.clear()
        self.boot(refused)
        refused.serve()
        assert [action for action, _ in refused.said()].count("BootNotification") <= 1

    def test_boot_5_it_ends_the_wait_for_the_charger(self, ready):
        ready.ask("Reset", {"type": "Soft"})
        ready.wait(1)
        ready.outputs.clear()
        assert self.boot(ready) == (True, "it boots with its next connection")
        assert ready.pause_s == 0

    def test_boot_5_one_that_is_registered_does_not_boot(self, ready):
        ready.outputs.clear()
        ready.said()
        assert self.boot(ready) == (False, "the central system has registered this charge point already")
        assert ready.said() == []


class TestOperator:
    def ask(self, bench, operation):
        bench.outputs.clear()
        bench.turn(OperatorAsked(5, operation))
        return [output for output in bench.outputs if isinstance(output, OperatorAnswered)]

    def test_stops_a_transaction(self, charging):
        assert self.ask(charging, Operation.STOP_TRANSACTION) == [
            OperatorAnswered(
                5,
                True,
                "passed on to the charger; once it has carried that out, the transaction ends within 300 s,"
                " even if no record of the session comes",
            )
        ]
        assert kinds(charging) == [EndSession]
        charging.end()
        (stop,) = [payload for action, payload in charging.serve() if action == "StopTransaction"]
        assert stop["reason"] == "Remote"

    def test_cannot_stop_what_does_not_run(self, ready):
        assert self.ask(ready, Operation.STOP_TRANSACTION) == [
            OperatorAnswered(5, False, "no transaction is running")
        ]

    def test_resets(self, ready):
        assert self.ask(ready, Operation.RESET) == [OperatorAnswered(5, True, "passed on to the charger")]
        assert kinds(ready) == [Reboot]

    def test_unlocks_and_hears_when_the_charger_has_tried(self, ready):
        assert self.ask(ready, Operation.UNLOCK) == []
        (command,) = ready.asked()
        ready.link_down()
        ready.done(command)
        assert ready.outputs[-1] == OperatorAnswered(5, True, "unlocked")

    def test_hears_that_the_charger_did_not_unlock(self, ready):
        self.ask(ready, Operation.UNLOCK)
        ready.wait(10)
        assert OperatorAnswered(5, False, "the charger did not unlock") in ready.outputs

    def test_one_unlock_at_a_time(self, ready):
        self.ask(ready, Operation.UNLOCK)
        assert self.ask(ready, Operation.UNLOCK) == [OperatorAnswered(5, False, "an unlock is under way")]

    @pytest.mark.parametrize(
        ("operation", "detail"),
        [
            (Operation.UNLOCK, "the charger has nothing to unlock"),
            (Operation.RESET, "the charger cannot be restarted"),
        ],
    )
    def test_what_the_charger_cannot_do(self, new_bench, operation, detail):
        bench = new_bench(capabilities=frozenset()).ready()
        assert self.ask(bench, operation) == [OperatorAnswered(5, False, detail)]

    @pytest.mark.parametrize("operation", [Operation.STOP_TRANSACTION, Operation.RESET, Operation.UNLOCK])
    def test_a_charger_that_cannot_be_reached(self, charging, operation):
        charging.reachable(False)
        assert self.ask(charging, operation) == [OperatorAnswered(5, False, "the charger cannot be reached")]


def test_a_command_that_failed_is_noticed(ready):
    ready.token()
    ready.settle()
    (command,) = ready.asked()
    ready.done(command, Outcome.REFUSED)
    assert Notice("command_failed", "Authorize: refused") in ready.outputs


def test_the_outcome_of_an_unknown_command_means_nothing(ready):
    ready.token()
    ready.settle()
    (command,) = ready.asked()
    ready.done(Reboot(number=99, expires_ms=0), Outcome.REFUSED)
    assert ready.cp.state.issued_commands[0].command == command
