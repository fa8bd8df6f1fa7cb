"""Tokens at the reader and remote starts (`AZ-*`, `RS-1` to `RS-6`)."""

import pytest

from chargebridge.chargepoint.records import PutCached, Token
from chargebridge.chargepoint.turn import ChargerReleased
from chargebridge.chargers.model import (
    Authorize,
    Capability,
    ChargerState,
    EndSession,
    Fault,
    SessionEnd,
    SessionStarted,
    SetLimit,
    TokenPresented,
    Unlock,
    Withdraw,
)

pytestmark = pytest.mark.unit

S = ChargerState


def verdicts(bench):
    """Commands as words: `+TAG` lets charge, `-TAG` refuses, `withdraw`, `end SESSION`, `unlock`."""
    words = []
    for command in bench.asked():
        if isinstance(command, Authorize):
            words.append(("+" if command.accepted else "-") + command.id_tag)
        elif isinstance(command, Withdraw):
            words.append("withdraw")
        elif isinstance(command, EndSession):
            words.append(f"end {command.session}")
        elif isinstance(command, Unlock):
            words.append("unlock")
    return words


def change(bench, key, value):
    assert bench.ask("ChangeConfiguration", {"key": key, "value": value}) == {"status": "Accepted"}


def info(status, **more):
    return {"idTagInfo": {"status": status, **more}}


class TestAtTheReader:
    def test_az_1_energy_only_after_authorization(self, ready):
        ready.said()
        ready.token()
        assert ready.said() == [("Authorize", {"idTag": "TAG1"})]
        assert verdicts(ready) == []
        ready.answer()
        assert verdicts(ready) == ["+TAG1"]

    def test_the_authorization_is_valid_for_connection_timeout(self, ready):
        ready.token()
        ready.answer()
        (command,) = ready.asked()
        assert command.expires_ms == ready.utc_ms + 120_000

    @pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
    def test_az_4_not_accepted_starts_nothing(self, ready, status):
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.statuses()
        ready.token()
        ready.answer(info(status))
        assert verdicts(ready) == ["-TAG1"]
        assert ready.statuses() == []

    def test_az_2_the_same_tag_stops_without_being_authorized(self, charging):
        charging.token("tag1")
        assert charging.said() == []
        assert verdicts(charging) == ["end 1"]
        charging.end()
        charging.settle()
        assert charging.said()[-1][1]["reason"] == "Local"

    def test_tx_9_the_stop_carries_the_tag_that_asked_for_it(self, charging):
        charging.token("tag1")
        charging.end()
        charging.settle()
        (stop,) = [payload for action, payload in charging.said() if action == "StopTransaction"]
        assert (stop["idTag"], stop["reason"]) == ("tag1", "Local")

    def test_az_2_another_tag_without_a_known_parent_is_refused(self, charging):
        charging.token("OTHER")
        assert (charging.said(), verdicts(charging)) == ([], ["-OTHER"])

    def test_az_2_the_parent_is_no_tag(self, new_bench):
        bench = with_parent(new_bench)
        bench.token("FAMILY")
        bench.answer(info("Invalid"))
        assert verdicts(bench) == ["-FAMILY"]

    def test_az_2_another_tag_of_the_same_parent_stops(self, new_bench):
        bench = with_parent(new_bench)
        bench.token("OTHER")
        assert bench.said() == [("Authorize", {"idTag": "OTHER"})]
        bench.answer(info("Accepted", parentIdTag="family"))
        assert verdicts(bench) == ["end 1"]
        bench.end()
        bench.settle()
        (stop,) = [payload for action, payload in bench.said() if action == "StopTransaction"]
        assert (stop["idTag"], stop["reason"]) == ("OTHER", "Local")

    @pytest.mark.parametrize(
        "answer",
        [info("Accepted"), info("Accepted", parentIdTag="STRANGERS"), info("Blocked", parentIdTag="FAMILY")],
    )
    def test_az_2_another_tag_of_another_parent_does_not_stop(self, new_bench, answer):
        bench = with_parent(new_bench)
        bench.token("OTHER")
        bench.answer(answer)
        assert verdicts(bench) == ["-OTHER"]

    def test_az_3_the_parent_may_be_known_from_the_answer_to_the_start(self, ready):
        ready.state(S.CHARGING)
        ready.settle()
        ready.begin()
        ready.answer()
        ready.answer({"transactionId": 7, **info("Accepted", parentIdTag="FAMILY")})
        ready.settle()
        ready.asked()
        ready.token("OTHER")
        ready.answer(info("Accepted", parentIdTag="FAMILY"))
        assert verdicts(ready) == ["end 1"]

    def test_az_2_a_silent_central_system_does_not_stop_for_another_tag(self, new_bench):
        bench = with_parent(new_bench)
        bench.token("OTHER")
        bench.refuse()
        assert verdicts(bench) == ["-OTHER"]

    def test_az_5_the_same_tag_again_cancels(self, ready):
        ready.token()
        ready.settle()
        ready.statuses()
        ready.wait(5)
        ready.token("tag1")
        ready.settle()
        assert verdicts(ready) == ["+TAG1", "withdraw"]
        assert ready.statuses() == ["1 Available"]

    def test_az_5_another_tag_does_not(self, ready):
        ready.token()
        ready.settle()
        ready.wait(5)
        ready.token("OTHER")
        assert verdicts(ready) == ["+TAG1", "-OTHER"]

    def test_az_6_tag_first_and_no_car(self, ready):
        ready.token()
        ready.settle()
        ready.statuses()
        ready.wait(119)
        assert ready.statuses() == []
        ready.wait(1)
        assert ready.statuses() == ["1 Available"]
        assert verdicts(ready) == ["+TAG1", "withdraw"]

    def test_az_6_plug_first_and_no_tag(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.statuses()
        ready.wait(120)
        assert ready.statuses() == ["1 Finishing"]
        assert verdicts(ready) == []

    def test_az_6_plug_first_then_a_tag_that_comes_to_nothing(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.wait(100)
        ready.token()
        ready.settle()
        ready.statuses()
        ready.wait(119)
        assert ready.statuses() == []
        ready.wait(1)
        assert ready.statuses() == ["1 Finishing"]

    def test_az_6_a_written_timeout_counts_for_whoever_waits(self, ready):
        ready.token()
        ready.settle()
        change(ready, "ConnectionTimeOut", "10")
        ready.statuses()
        ready.wait(10)
        assert ready.statuses() == ["1 Available"]

    def test_az_6_a_written_timeout_counts_for_a_waiting_car(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        change(ready, "ConnectionTimeOut", "10")
        ready.statuses()
        ready.wait(10)
        assert ready.statuses() == ["1 Finishing"]

    def test_az_6_each_car_has_the_whole_time(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.wait(50)
        ready.state(S.DISCONNECTED)
        ready.settle()
        ready.wait(50)
        ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.statuses()
        ready.wait(119)
        assert ready.statuses() == []
        ready.wait(1)
        assert ready.statuses() == ["1 Finishing"]

    @pytest.mark.parametrize("moment", ["intent", "car"])
    def test_az_6_the_wait_goes_on_over_a_restart(self, ready, moment):
        ready.token() if moment == "intent" else ready.state(S.AWAITING_TOKEN)
        ready.settle()
        ready.wait(100)
        ready.restart()
        ready.boot()
        ready.wait(19)
        assert ready.statuses() == []
        ready.wait(1)
        assert ready.statuses() == ["1 Available" if moment == "intent" else "1 Finishing"]

    def test_an_overdue_wait_ends_right_after_a_restart(self, ready):
        ready.token()
        ready.settle()
        ready.asked()
        ready.utc_ms += 500_000
        ready.restart()
        ready.wait(0)
        assert verdicts(ready) == ["withdraw"]

    def test_a_clock_jump_does_not_prolong_the_wait(self, ready):
        ready.token()
        ready.settle()
        ready.utc_ms -= 10**9
        ready.restart()
        ready.asked()
        ready.wait(120)
        assert verdicts(ready) == ["withdraw"]

    def test_a_token_while_finishing_begins_anew(self, charging):
        charging.end()
        charging.state(S.AWAITING_TOKEN)
        charging.settle()
        charging.wait(1)
        charging.token("TAG2")
        charging.settle()
        assert verdicts(charging) == ["+TAG2"]
        assert charging.statuses() == ["1 Finishing", "1 Preparing"]

    def test_a_second_token_waits_for_the_answer_to_the_first(self, ready):
        ready.said()
        ready.token()
        ready.wait(1)
        ready.token("OTHER")
        assert ready.said() == [("Authorize", {"idTag": "TAG1"})]
        assert verdicts(ready) == []

    def test_a_replay_of_a_token_does_nothing(self, ready):
        event = TokenPresented(at_ms=ready.utc_ms, id_tag="TAG1")
        ready.tell(event)
        ready.settle()
        ready.asked()
        ready.tell(event)
        ready.restart()
        ready.asked()
        ready.tell(event)
        assert ready.asked() == []

    def test_a_token_presented_long_ago_does_nothing(self, ready):
        event = TokenPresented(at_ms=ready.utc_ms, id_tag="TAG1")
        ready.wait(121)
        ready.tell(event)
        ready.said()
        assert ready.asked() == []

    def test_an_answer_for_a_charger_that_was_released_means_nothing(self, ready):
        ready.token()
        ready.turn(ChargerReleased())
        ready.answer()
        assert verdicts(ready) == []

    def test_the_verdict_on_one_token_is_none_on_another(self, ready):
        ready.token("GOOD")
        ready.turn(ChargerReleased())
        ready.reachable()
        ready.state(S.AWAITING_TOKEN)
        ready.wait(1)
        ready.token("OTHER")
        ready.answer({"idTagInfo": {"status": "Accepted"}})
        assert verdicts(ready) == []

    def test_a_session_that_began_meanwhile_wins_over_the_answer(self, ready):
        ready.token()
        ready.begin(id_tag="KEYFOB")
        ready.answer()
        assert verdicts(ready) == ["-TAG1"]

    @pytest.mark.parametrize("state", [S.FAULTED, S.DISABLED])
    def test_nothing_starts_where_nothing_can(self, ready, state):
        ready.state(state, fault=Fault.GROUND if state is S.FAULTED else None)
        ready.settle()
        ready.said()
        ready.token()
        assert (ready.said(), verdicts(ready)) == ([], ["-TAG1"])

    def test_a_tag_is_cut_to_what_ocpp_can_carry(self, ready):
        ready.said()
        ready.token("X" * 30)
        assert ready.said() == [("Authorize", {"idTag": "X" * 20})]

    @pytest.mark.parametrize("outcome", ["refused", "unknown", "expired"])
    def test_a_charger_that_does_not_take_it_ends_the_intent(self, ready, outcome):
        ready.token()
        ready.settle()
        ready.statuses()
        (command,) = ready.asked()
        ready.done(command, outcome)
        assert ready.statuses() == ["1 Available"]

    def test_a_car_waits_on_when_the_charger_did_not_take_it(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.token()
        ready.settle()
        ready.statuses()
        (command,) = ready.asked()
        ready.done(command, "refused")
        ready.wait(120)
        assert ready.statuses() == ["1 Finishing"]


def with_parent(new_bench):
    bench = new_bench().ready()
    bench.token()
    bench.answer(info("Accepted", parentIdTag="FAMILY"))
    bench.settle()
    bench.wait(1)
    bench.begin()
    bench.state(S.CHARGING)
    bench.settle()
    bench.said()
    bench.asked()
    return bench


def cached(bench, id_tag, parent, status="Accepted"):
    bench.store.commit([PutCached(Token(id_tag, status, None, parent), 0, 500)])


class TestAnotherTagOfTheSameParent:
    def test_az_2_is_good_by_the_cache_alone_where_that_may_decide(self, new_bench):
        bench = with_parent(new_bench)
        change(bench, "LocalPreAuthorize", "true")
        cached(bench, "OTHER", "family")
        bench.token("OTHER")
        assert (bench.said(), verdicts(bench)) == ([], ["end 1"])

    @pytest.mark.parametrize(
        ("authorize_offline", "parent", "status", "verdict"),
        [
            ("true", "FAMILY", "Accepted", "end 1"),
            ("true", "STRANGERS", "Accepted", "-OTHER"),
            ("true", "FAMILY", "Blocked", "-OTHER"),
            ("false", "FAMILY", "Accepted", "-OTHER"),
        ],
    )
    def test_az_2_stops_offline_if_the_cache_knows_it(
        self, new_bench, authorize_offline, parent, status, verdict
    ):
        bench = with_parent(new_bench)
        change(bench, "LocalAuthorizeOffline", authorize_offline)
        change(bench, "AllowOfflineTxForUnknownId", "true")
        bench.asked()
        cached(bench, "OTHER", parent, status)
        bench.link_down()
        bench.token("OTHER")
        assert verdicts(bench) == [verdict]

    def test_az_2_an_unknown_tag_never_stops_offline(self, new_bench):
        bench = with_parent(new_bench)
        change(bench, "AllowOfflineTxForUnknownId", "true")
        bench.asked()
        bench.link_down()
        bench.token("OTHER")
        assert verdicts(bench) == ["-OTHER"]

    def test_az_3_the_parent_may_be_known_from_the_cache_when_the_tag_starts(self, ready):
        change(ready, "LocalPreAuthorize", "true")
        cached(ready, "TAG1", "FAMILY")
        ready.asked()
        ready.token()
        ready.begin()
        assert ready.cp.running.parent_id_tag == "FAMILY"

    def test_az_3_or_from_the_list_when_another_tag_comes(self, charging):
        family = {"status": "Accepted", "parentIdTag": "FAMILY"}
        entries = [{"idTag": "tag1", "idTagInfo": family}, {"idTag": "OTHER", "idTagInfo": family}]
        payload = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": entries}
        charging.ask("SendLocalList", payload)
        charging.asked()
        charging.link_down()
        charging.token("OTHER")
        assert verdicts(charging) == ["end 1"]

    def test_one_whose_session_ends_meanwhile_does_not_end_the_next(self, new_bench):
        bench = with_parent(new_bench)
        bench.token("OTHER")
        bench.end(reason=SessionEnd.EV_DISCONNECTED)
        bench.wait(1)
        bench.begin(session=2, id_tag="NEXT", register_wh=1500)
        bench.answer(info("Accepted", parentIdTag="FAMILY"))
        assert verdicts(bench) == ["-OTHER"]


def refused(bench, *, offline=False, parent=None):
    """A session of TAG1 that the central system refuses in its answer to the Start."""
    if offline:
        bench.link_down()
    bench.state(S.AWAITING_TOKEN)
    bench.begin()
    bench.state(S.CHARGING)
    if offline:
        bench.wait(600)
        bench.link_up()
    while bench.open_call[1] != "StartTransaction":
        bench.answer()
    more = {} if parent is None else {"parentIdTag": parent}
    bench.answer({"transactionId": 7, **info("Blocked", **more)})
    bench.settle()
    return bench


def locked(new_bench, **settings):
    """The cable of TAG1, of the parent FAMILY, after its session was ended for that."""
    bench = refused(new_bench(**settings).ready(), parent="FAMILY")
    bench.asked()
    bench.end()
    bench.state(S.AWAITING_TOKEN)
    bench.serve()
    bench.wait(1)
    return bench


class TestRefusedAfterTheStart:
    @pytest.mark.parametrize("offline", [False, True])
    def test_tx_4_it_is_stopped_and_the_cable_stays(self, ready, offline):
        refused(ready, offline=offline)
        (command,) = ready.asked(EndSession)
        assert (command.session, command.keep_locked) == (1, True)
        ready.end()
        (stop,) = [payload for action, payload in ready.serve() if action == "StopTransaction"]
        assert stop["reason"] == "DeAuthorized"

    @pytest.mark.parametrize("offline", [False, True])
    def test_tx_4_or_it_goes_on_without_energy(self, ready, offline):
        change(ready, "StopTransactionOnInvalidId", "false")
        refused(ready, offline=offline)
        (limit,) = ready.asked(SetLimit)
        assert limit.limit_ma == 0
        ready.live(3600)
        assert ready.asked(EndSession) == []
        assert ready.cp.running is not None

    def test_tx_4_it_is_stopped_when_it_may_not_go_on_any_more(self, ready):
        change(ready, "StopTransactionOnInvalidId", "false")
        refused(ready)
        ready.asked()
        change(ready, "StopTransactionOnInvalidId", "true")
        assert verdicts(ready) == ["end 1"]

    def test_az_1_nor_does_it_get_energy_for_the_time_that_its_end_takes(self, ready):
        change(ready, "StopTransactionOnInvalidId", "false")
        refused(ready)
        ready.obey()
        change(ready, "StopTransactionOnInvalidId", "true")
        assert ready.asked(SetLimit) == []
        ready.end()
        assert [limit.limit_ma for limit in ready.asked(SetLimit)] == [None]

    def test_tx_4_its_own_tag_gets_the_cable_back(self, new_bench):
        bench = locked(new_bench)
        bench.token("tag1")
        assert (bench.said(), verdicts(bench)) == ([], ["unlock"])

    def test_tx_4_so_does_another_of_the_same_parent(self, new_bench):
        bench = locked(new_bench)
        bench.token("OTHER")
        bench.answer(info("Accepted", parentIdTag="FAMILY"))
        assert verdicts(bench) == ["unlock"]

    def test_tx_4_and_offline_if_the_cache_knows_it(self, new_bench):
        bench = locked(new_bench)
        cached(bench, "OTHER", "FAMILY")
        bench.link_down()
        bench.token("OTHER")
        assert verdicts(bench) == ["unlock"]

    def test_tx_4_nobody_else_gets_it(self, new_bench):
        bench = locked(new_bench)
        bench.token("OTHER")
        bench.answer(info("Accepted", parentIdTag="STRANGERS"))
        assert verdicts(bench) == ["-OTHER"]

    def test_tx_4_the_cable_waits_over_a_restart(self, new_bench):
        bench = locked(new_bench)
        bench.restart()
        bench.asked()
        bench.token()
        assert verdicts(bench) == ["unlock"]

    def test_tx_4_a_charger_that_did_not_unlock_is_asked_again_by_the_tag(self, new_bench):
        bench = locked(new_bench)
        bench.token()
        (command,) = bench.asked(Unlock)
        bench.done(command, "refused")
        bench.wait(1)
        bench.token()
        assert verdicts(bench) == ["unlock"]

    @pytest.mark.parametrize("how", ["unlocked by the tag", "UnlockConnector", "unplugged"])
    def test_tx_4_then_the_tag_is_one_like_any_other(self, new_bench, how):
        bench = locked(new_bench)
        match how:
            case "unlocked by the tag":
                bench.token()
            case "UnlockConnector":
                bench.ask("UnlockConnector", {"connectorId": 1})
            case "unplugged":
                bench.state(S.DISCONNECTED)
        bench.obey()
        bench.serve()
        bench.wait(1)
        bench.token()
        assert [action for action, _ in bench.said()] == ["Authorize"]

    def test_tx_4_a_session_that_the_central_system_starts_takes_the_cable_over(self, new_bench):
        bench = locked(new_bench)
        bench.ask("RemoteStartTransaction", {"idTag": "PAID"})
        bench.begin(session=2, id_tag="PAID", register_wh=1500)
        bench.end(register_wh=1600)
        bench.asked()
        bench.settle()
        bench.token("OTHER")
        bench.answer()
        assert verdicts(bench) == ["+OTHER"]

    def test_tx_4_a_cable_that_was_pulled_is_not_waited_for(self, ready):
        refused(ready)
        ready.end(reason=SessionEnd.EV_DISCONNECTED)
        assert ready.cp.state.locked is None

    def test_tx_4_without_a_lock_nothing_is_kept(self, new_bench):
        bench = locked(new_bench, capabilities=frozenset(Capability) - {Capability.UNLOCK})
        bench.said()
        bench.token()
        assert [action for action, _ in bench.said()] == ["Authorize"]


class TestOffline:
    def test_a_token_is_refused(self, ready):
        ready.link_down()
        ready.token()
        assert verdicts(ready) == ["-TAG1"]

    @pytest.mark.parametrize(("allowed", "verdict"), [("false", "-TAG1"), ("true", "+TAG1")])
    def test_unless_unknown_tags_may_start(self, ready, allowed, verdict):
        change(ready, "AllowOfflineTxForUnknownId", allowed)
        ready.link_down()
        ready.token()
        assert verdicts(ready) == [verdict]

    @pytest.mark.parametrize("how", ["error", "silence", "link lost", "reconnect", "restart"])
    def test_so_is_one_whose_authorize_is_not_answered(self, ready, how):
        change(ready, "AllowOfflineTxForUnknownId", "true")
        ready.token()
        match how:
            case "error":
                ready.refuse()
            case "silence":
                ready.wait(30)
                ready.answer({"currentTime": "2026-01-02T10:00:00Z"})
            case "link lost":
                ready.link_down()
            case "reconnect":
                ready.link_up()
            case "restart":
                ready.charger_restarts()
                ready.wait(30)
        assert verdicts(ready) == ["+TAG1"]

    def test_one_that_waits_to_be_asked_is_not_left_waiting_by_a_restart_of_the_charger(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.token()
        ready.charger_restarts()
        assert verdicts(ready) == ["-TAG1"]

    def test_the_same_tag_stops_offline(self, charging):
        charging.link_down()
        charging.token()
        assert verdicts(charging) == ["end 1"]

    def test_another_tag_does_not_even_of_the_same_parent(self, new_bench):
        bench = with_parent(new_bench)
        bench.link_down()
        bench.token("OTHER")
        assert verdicts(bench) == ["-OTHER"]


class TestRemoteStart:
    def test_rs_1_answers_first_and_authorizes_nobody_a_second_time(self, ready):
        ready.said()
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Accepted"}
        assert verdicts(ready) == ["+TAG1"]
        assert [action for action, _ in ready.said()] == ["StatusNotification"]

    def test_rs_2_authorizes_it_like_one_at_the_reader_if_asked_to(self, ready):
        change(ready, "AuthorizeRemoteTxRequests", "true")
        ready.said()
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Accepted"}
        assert ready.said() == [("Authorize", {"idTag": "TAG1"})]
        ready.answer(info("Blocked"))
        assert verdicts(ready) == ["-TAG1"]

    @pytest.mark.parametrize(
        ("connector", "status"), [(None, "Accepted"), (1, "Accepted"), (0, "Rejected"), (2, "Rejected")]
    )
    def test_rs_3_connectors(self, ready, connector, status):
        payload = {"idTag": "TAG1"} | ({} if connector is None else {"connectorId": connector})
        assert ready.ask("RemoteStartTransaction", payload) == {"status": status}

    def test_rs_3_not_beside_a_running_transaction(self, charging):
        assert charging.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}

    def test_rs_4_waits_for_the_car_and_no_longer(self, ready):
        ready.statuses()
        ready.ask("RemoteStartTransaction", {"idTag": "TAG1"})
        ready.settle()
        ready.wait(120, answering=True)
        assert ready.statuses() == ["1 Preparing", "1 Available"]

    def test_rs_5_a_charging_profile_is_ignored_without_smart_charging(self, ready):
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
            },
        }
        payload = {"idTag": "TAG1", "chargingProfile": profile}
        assert ready.ask("RemoteStartTransaction", payload) == {"status": "Accepted"}

    def test_rs_6_a_second_one_is_rejected(self, ready):
        ready.ask("RemoteStartTransaction", {"idTag": "TAG1"})
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG2"}) == {"status": "Rejected"}

    def test_a_restart_of_the_gateway_asks_again_under_the_same_number(self, ready):
        ready.ask("RemoteStartTransaction", {"idTag": "TAG1"})
        (command,) = ready.asked()
        ready.restart()
        assert ready.asked() == [command]
        ready.begin(id_tag=None)
        ready.boot()
        (start,) = list(ready.store.transactions.values())
        assert start.id_tag == "TAG1"

    def test_once_begun_it_is_not_asked_again(self, ready):
        ready.ask("RemoteStartTransaction", {"idTag": "TAG1"})
        ready.begin()
        ready.end(reason=SessionEnd.EV_DISCONNECTED)
        ready.asked()
        ready.restart()
        assert ready.asked() == []

    def test_a_charger_that_comes_back_is_asked_again(self, ready):
        ready.ask("RemoteStartTransaction", {"idTag": "TAG1"})
        (command,) = ready.asked()
        ready.reachable(False)
        ready.reachable()
        assert ready.asked() == [command]

    def test_it_is_not_asked_after_its_time(self, ready):
        ready.ask("RemoteStartTransaction", {"idTag": "TAG1"})
        ready.settle()
        ready.asked()
        ready.utc_ms += 200_000
        ready.restart()
        ready.wait(0)
        assert verdicts(ready) == ["withdraw"]
        assert ready.cp.state.intent is None


class TestWhatBeganUnseen:
    """A session that began while the charger or this process was away is nobody's to end."""

    def test_an_intent_that_times_out_meanwhile_does_not_end_it(self, ready):
        assert ready.ask("RemoteStartTransaction", {"idTag": "PAID"}) == {"status": "Accepted"}
        ready.serve()
        ready.reachable(False)
        began_ms = ready.utc_ms + 1_000
        ready.live(300)
        ready.asked()
        ready.reachable()
        ready.tell(SessionStarted(at_ms=began_ms, session=1, id_tag="PAID", register_wh=1000))
        ready.state(S.CHARGING)
        ready.live(300)
        assert "end 1" not in verdicts(ready)
        assert ready.cp.running is not None

    def test_a_stop_asked_for_one_session_does_not_end_the_next(self, charging):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        assert verdicts(charging) == ["end 1"]
        charging.reachable(False)
        charging.reachable()
        assert verdicts(charging)[0] == "end 1"
        charging.end()
        charging.wait(1)
        charging.begin(session=2, id_tag="NEXT", register_wh=1500)
        charging.live(600)
        assert "end 2" not in verdicts(charging)
