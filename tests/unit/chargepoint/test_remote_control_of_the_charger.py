"""UnlockConnector, Reset and what an operator asks (`UL-*`, `RE-*`)."""

import pytest

from chargebridge.chargepoint.turn import (
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
        assert [type(output) for output in ready.outputs] == [SendFrame, CommandCharger, CloseLink]
        assert kinds(ready) == [Reboot]

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
        charging.answer()
        assert not charging.linked
        assert kinds(charging) == [Reboot]

    def test_re_1_a_stop_without_an_answer_is_queued_over_the_reset(self, charging):
        charging.ask("Reset", {"type": "Soft"})
        charging.end()
        charging.wait(30)
        assert not charging.linked
        assert charging.boot()[-1][0] == "StopTransaction"

    def test_a_session_that_does_not_end_does_not_hold_the_reset(self, charging):
        charging.ask("Reset", {"type": "Hard"})
        charging.wait(30, answering=True)
        assert not charging.linked
        charging.end(reason=SessionEnd.REBOOT)
        assert charging.boot()[-1][1]["reason"] == "HardReset"

    def test_re_3_a_new_connection_boots_and_tells_statuses(self, ready):
        ready.ask("Reset", {"type": "Soft"})
        ready.said()
        assert [action for action, _ in ready.boot()] == [
            "BootNotification",
            "StatusNotification",
            "StatusNotification",
        ]

    def test_the_restart_that_the_reset_caused_is_no_second_boot(self, ready):
        ready.ask("Reset", {"type": "Soft"})
        ready.boot()
        ready.wait(20)
        ready.charger_restarts()
        assert ready.said() == []
        ready.wait(1)
        ready.charger_restarts()
        assert ready.said()[0][0] == "BootNotification"

    def test_a_second_reset_while_one_waits_is_the_same_reset(self, charging):
        charging.ask("Reset", {"type": "Soft"})
        assert charging.ask("Reset", {"type": "Hard"}) == {"status": "Accepted"}
        charging.end()
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
        assert kinds(ready) == [Authorize, Withdraw, Reboot]

    def test_the_link_is_not_closed_while_the_central_system_answers_a_call(self, ready):
        ready.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
        assert ready.open_call[1] == "StatusNotification"
        assert ready.ask("Reset", {"type": "Soft"}) == {"status": "Accepted"}
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
        ready.asked()
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
        ready.boot()
        (command,) = ready.asked()
        ready.done(command, outcome)
        ready.settle()
        assert ready.statuses() == ["0 Available ResetFailure"]
        ready.wait(1)
        ready.charger_restarts()
        ready.settle()
        assert ready.statuses() == ["0 Available", "1 Available"]

    def test_re_4_a_reset_is_tried_again_as_often_as_reset_retries_says(self, ready):
        ready.ask("ChangeConfiguration", {"key": "ResetRetries", "value": "1"})
        ready.ask("Reset", {"type": "Soft"})
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
        ready.boot()
        (command,) = ready.asked()
        ready.done(command, Outcome.UNKNOWN)
        assert ready.statuses() == []


class TestOperator:
    def ask(self, bench, operation):
        bench.outputs.clear()
        bench.turn(OperatorAsked(5, operation))
        return [output for output in bench.outputs if isinstance(output, OperatorAnswered)]

    def test_stops_a_transaction(self, charging):
        assert self.ask(charging, Operation.STOP_TRANSACTION) == [
            OperatorAnswered(5, True, "passed on to the charger")
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

    @pytest.mark.parametrize("operation", sorted(set(Operation) - {Operation.REDELIVER, Operation.SETTLE}))
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
