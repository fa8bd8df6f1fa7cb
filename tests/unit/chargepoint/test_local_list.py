"""The local authorization list (`LL-*`), and the charger's copy of it."""

import pytest

from chargebridge.chargepoint.records import ListFound, ListQuery, PutCached, Token
from chargebridge.chargepoint.turn import (
    ChargerAssigned,
    ChargerDescribed,
    ChargerReleased,
    NoticeKind,
    ReadStore,
    StoreRead,
)
from chargebridge.chargers.model import Authorize, Capability, ChargerInfo, KeepList, ListedToken

pytestmark = pytest.mark.unit

ACCEPTED, FAILED = {"status": "Accepted"}, {"status": "Failed"}
NO_LIST = frozenset(Capability) - {Capability.LOCAL_LIST}


def entry(id_tag, status="Accepted", **info):
    return {"idTag": id_tag, "idTagInfo": {"status": status, **info}}


def full(version, *entries):
    return {"listVersion": version, "updateType": "Full", "localAuthorizationList": list(entries)}


def differential(version, *entries):
    return {**full(version, *entries), "updateType": "Differential"}


def removed(id_tag):
    return {"idTag": id_tag}


def send(bench, payload):
    return bench.ask("SendLocalList", payload)


def version(bench):
    return bench.ask("GetLocalListVersion")["listVersion"]


def listed(bench):
    return {token.id_tag: token.status for token in bench.store.listed.values()}


def conflicts(bench):
    return [told for told in bench.statuses() if "LocalListConflict" in told]


@pytest.fixture
def three(ready):
    """Version 5: one accepted, one blocked, one that is somewhere already."""
    assert (
        send(ready, full(5, entry("GOOD"), entry("BAD", "Blocked"), entry("BUSY", "ConcurrentTx")))
        == ACCEPTED
    )
    ready.obey()
    ready.said()
    return ready


class TestVersion:
    def test_ll_1_an_empty_list_has_version_0(self, ready):
        assert version(ready) == 0

    def test_ll_1_else_it_is_the_one_that_was_sent(self, three):
        assert version(three) == 5

    def test_ll_1_without_a_list_it_is_minus_1(self, three):
        three.ask("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "false"})
        assert version(three) == -1
        three.ask("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "true"})
        assert version(three) == 5

    @pytest.mark.parametrize("number", [7, 0, -1])
    @pytest.mark.parametrize("listed_as", [{"localAuthorizationList": []}, {}])
    def test_ll_2_a_full_update_without_entries_clears_to_version_0(self, three, listed_as, number):
        payload = {"listVersion": number, "updateType": "Full", **listed_as}
        assert send(three, payload) == ACCEPTED
        assert (version(three), listed(three)) == (0, {})

    def test_ll_2_so_does_a_differential_one_that_removes_the_last(self, ready):
        send(ready, full(1, entry("GOOD")))
        assert send(ready, differential(2, removed("good"))) == ACCEPTED
        assert (version(ready), listed(ready)) == (0, {})


class TestUpdates:
    def test_ll_2_a_full_update_replaces_everything(self, three):
        info = {"expiryDate": "2026-02-01T00:00:00Z", "parentIdTag": "FAMILY"}
        assert send(three, full(3, entry("NEW", **info))) == ACCEPTED
        assert three.store.listed == {"new": Token("NEW", "Accepted", 1_769_904_000_000, "FAMILY")}
        assert version(three) == 3

    def test_ll_3_a_differential_update_adds_replaces_and_removes(self, three):
        payload = differential(
            6, entry("NEW", "Expired"), entry("bad", "Invalid"), removed("Good"), removed("NONE")
        )
        assert send(three, payload) == ACCEPTED
        assert listed(three) == {"NEW": "Expired", "bad": "Invalid", "BUSY": "ConcurrentTx"}
        assert version(three) == 6

    @pytest.mark.parametrize("listed_as", [{"localAuthorizationList": []}, {}])
    def test_ll_3_one_without_entries_only_sets_the_version(self, three, listed_as):
        assert send(three, {"listVersion": 6, "updateType": "Differential", **listed_as}) == ACCEPTED
        assert (version(three), len(listed(three))) == (6, 3)

    def test_ll_8_the_list_outlives_a_restart(self, three):
        three.restart()
        three.boot()
        assert version(three) == 5

    def test_ll_8_no_verdict_changes_it(self, three):
        three.token("GOOD")
        three.answer({"idTagInfo": {"status": "Blocked"}})
        assert listed(three)["GOOD"] == "Accepted"

    def test_ca_1_what_is_listed_leaves_the_cache(self, ready):
        ready.store.commit([PutCached(Token("GOOD", "Accepted"), 0, 500)])
        send(ready, full(1, entry("good", "Blocked")))
        assert ready.store.cached == {}

    @pytest.mark.parametrize(("tag", "verdict"), [("GOOD", True), ("BUSY", True), ("BAD", False)])
    def test_ll_10_accepted_and_concurrent_tx_are_valid(self, three, tag, verdict):
        three.link_down()
        three.token(tag)
        (command,) = three.asked(Authorize)
        assert command.accepted is verdict


class TestFailures:
    """Whatever fails leaves list and version as they were."""

    @pytest.mark.parametrize(
        ("payload", "status"),
        [
            (differential(5, entry("NEW")), "VersionMismatch"),
            (differential(4, entry("NEW")), "VersionMismatch"),
            (differential(0, entry("NEW")), "Failed"),
            (differential(-1), "Failed"),
            (full(0, entry("NEW")), "Failed"),
            (full(-1, entry("NEW")), "Failed"),
            (full(6, entry("NEW"), removed("GOOD")), "Failed"),
            (full(6, entry("NEW"), entry("new")), "Failed"),
            (differential(6, entry("NEW"), removed("new")), "Failed"),
            (full(6, *[entry(f"TAG{number}") for number in range(1001)]), "Failed"),
            (differential(6, *[removed(f"TAG{number}") for number in range(1001)]), "Failed"),
            (full(6, entry("A\x00B")), "Failed"),
            (differential(6, entry("")), "Failed"),
        ],
        ids=[
            "ll_4 same version",
            "ll_4 older version",
            "ll_5 version 0",
            "ll_5 version -1",
            "ll_5 full with version 0",
            "ll_5 full with version -1",
            "ll_6 full without info",
            "ll_6 twice in a full one",
            "ll_6 twice in a differential one",
            "ll_6 too many in a full one",
            "ll_6 too many in a differential one",
            "ll_6 a tag with a control character",
            "ll_6 a tag of nothing",
        ],
    )
    def test_ll_4_to_6(self, three, payload, status):
        assert send(three, payload) == {"status": status}
        assert (version(three), len(listed(three)), three.asked(KeepList)) == (5, 3, [])

    def test_ll_6_a_list_can_have_10000_entries_and_no_more(self, ready):
        thousands = [[entry(f"TAG{thousand}-{number}") for number in range(1000)] for thousand in range(10)]
        for number, entries in enumerate(thousands, 1):
            assert send(ready, differential(number, *entries)) == ACCEPTED
        assert send(ready, differential(11, entry("NEW"))) == FAILED
        assert (version(ready), len(ready.store.listed)) == (10, 10_000)
        assert send(ready, differential(11, entry("NEW"), removed("tag0-0"), entry("tag0-1"))) == ACCEPTED
        assert len(ready.store.listed) == 10_000

    def test_ll_7_without_a_list_there_is_nothing_to_update(self, three):
        three.ask("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "false"})
        assert send(three, full(6, entry("NEW"))) == {"status": "NotSupported"}
        assert len(listed(three)) == 3


class TestHeldAnswer:
    def test_a_differential_update_is_answered_when_the_store_has_spoken(self, three):
        three.hold_pages = True
        assert send(three, differential(6, entry("NEW"))) is None
        assert version(three) == 5
        three.deliver_pages()
        assert three.reply("cs2") == ACCEPTED
        assert version(three) == 6

    @pytest.mark.parametrize("payload", [differential(7, entry("NEXT")), full(7, entry("NEXT"))])
    def test_another_one_meanwhile_fails(self, three, payload):
        three.hold_pages = True
        send(three, differential(6, entry("NEW")))
        assert send(three, payload) == FAILED
        three.deliver_pages()
        assert (version(three), "NEW" in listed(three)) == (6, True)

    def test_it_dies_with_its_link(self, three):
        three.hold_pages = True
        send(three, differential(6, entry("NEW")))
        three.link_down()
        three.link_up()
        three.serve()
        three.deliver_pages()
        assert "cs2" not in three.answers
        assert (version(three), len(listed(three))) == (5, 3)

    def test_what_was_read_before_the_list_changed_counts_for_nothing(self, three):
        three.hold_pages = True
        send(three, differential(6, {"idTag": "A"}))
        three.link_down()
        three.boot()
        assert send(three, full(7)) == ACCEPTED
        send(three, differential(8, {"idTag": "A"}))
        three.deliver_pages()
        assert (version(three), listed(three)) == (0, {})

    def test_boot_6_it_is_as_good_as_unsaid_when_the_registration_is_rejected_meanwhile(self, three):
        three.hold_pages = True
        send(three, differential(6, entry("NEW")))
        three.charger_restarts()
        three.answer({"status": "Rejected", "currentTime": "2026-01-02T10:00:00Z", "interval": 300})
        three.deliver_pages()
        assert "cs2" not in three.answers
        assert len(listed(three)) == 3


class TestCopyOfTheCharger:
    def test_the_charger_is_given_the_list_after_the_answer(self, ready):
        ready.hold_pages = True
        info = {"expiryDate": "2026-02-01T00:00:00Z", "parentIdTag": "FAMILY"}
        entries = [entry("BAD", "Blocked"), entry("BUSY", "ConcurrentTx"), entry("GOOD", **info)]
        assert send(ready, full(5, *entries)) == ACCEPTED
        assert ready.asked(KeepList) == []
        ready.deliver_pages()
        (command,) = ready.asked(KeepList)
        assert (command.version, command.expires_ms) == (5, ready.utc_ms + 600_000)
        assert command.tokens == (
            ListedToken("BAD", accepted=False),
            ListedToken("BUSY", accepted=True),
            ListedToken("GOOD", True, 1_769_904_000_000, "FAMILY"),
        )

    def test_once_confirmed_it_is_not_given_again(self, three):
        three.reachable(False)
        three.reachable()
        three.restart()
        three.wait(100)
        assert three.asked(KeepList) == []

    def test_an_empty_list_is_given_without_reading_it(self, three):
        three.outputs.clear()
        send(three, full(1))
        assert not any(isinstance(output, ReadStore) for output in three.outputs)
        (command,) = three.asked(KeepList)
        assert (command.version, command.tokens) == (0, ())

    def test_a_charger_that_is_away_gets_it_when_it_is_back(self, ready):
        ready.reachable(False)
        send(ready, full(5, entry("GOOD")))
        assert ready.asked(KeepList) == []
        ready.reachable()
        (command,) = ready.asked(KeepList)
        assert command.version == 5

    @pytest.mark.parametrize("outcome", ["refused", "expired", "unknown"])
    def test_one_that_did_not_take_it_is_given_it_again(self, ready, outcome):
        send(ready, full(5, entry("GOOD")))
        (command,) = ready.asked(KeepList)
        ready.done(command, outcome)
        ready.wait(19)
        assert ready.asked(KeepList) == []
        ready.wait(11)  # its own pause is between 20 and 30 s
        (again,) = ready.asked(KeepList)
        assert again.number > command.number
        ready.done(again)
        assert ready.cp.state.list_kept == ready.cp.state.list_revision

    def test_a_slow_cloud_has_ten_minutes_to_say_what_became_of_it(self, ready):
        send(ready, full(5, entry("GOOD")))
        (command,) = ready.asked(KeepList)
        ready.live(590)
        assert ready.asked(KeepList) == []
        ready.done(command)
        assert ready.cp.state.list_kept == ready.cp.state.list_revision

    def test_one_that_says_nothing_until_then_is_given_it_again(self, ready):
        send(ready, full(5, entry("GOOD")))
        (command,) = ready.asked(KeepList)
        ready.live(601)
        (again,) = ready.asked(KeepList)
        ready.done(command)
        assert ready.cp.state.list_kept < ready.cp.state.list_revision
        ready.done(again)
        assert ready.cp.state.list_kept == ready.cp.state.list_revision

    def test_a_list_that_changes_on_its_way_is_given_anew(self, ready):
        send(ready, full(5, entry("GOOD")))
        (command,) = ready.asked(KeepList)
        send(ready, full(6, entry("NEW")))
        assert ready.asked(KeepList) == []
        ready.done(command)
        (newer,) = ready.asked(KeepList)
        assert (newer.version, newer.tokens) == (6, (ListedToken("NEW", accepted=True),))

    def test_a_list_that_changes_while_it_is_read_is_read_anew(self, ready):
        ready.hold_pages = True
        send(ready, full(5, entry("GOOD")))
        send(ready, full(6, entry("NEW")))
        ready.deliver_pages()
        (command,) = ready.asked(KeepList)
        assert command.version == 6

    def test_a_charger_that_comes_and_goes_while_it_is_read_gets_the_newest(self, ready):
        ready.hold_pages = True
        send(ready, full(5, entry("GOOD")))
        ready.reachable(False)
        ready.reachable()
        send(ready, full(6, entry("NEW")))
        ready.deliver_pages()
        (command,) = ready.asked(KeepList)
        assert (command.version, command.tokens) == (6, (ListedToken("NEW", accepted=True),))

    def test_a_charger_that_went_while_it_was_read_gets_it_when_it_is_back(self, ready):
        ready.hold_pages = True
        send(ready, full(5, entry("GOOD")))
        ready.reachable(False)
        ready.deliver_pages()
        assert ready.asked(KeepList) == []
        ready.reachable()
        ready.deliver_pages()
        (command,) = ready.asked(KeepList)
        assert command.version == 5

    def test_a_list_that_nobody_asked_for_is_ignored(self, three):
        three.turn(StoreRead(ListQuery(), ListFound((Token("GOOD", "Accepted"),))))
        assert three.asked(KeepList) == []

    def test_a_list_on_its_way_is_given_again_after_a_restart(self, ready):
        send(ready, full(5, entry("GOOD")))
        (command,) = ready.asked(KeepList)
        ready.restart()
        (again,) = ready.asked(KeepList)
        assert again.number > command.number

    def test_a_list_that_is_switched_off_is_an_empty_one_to_the_charger(self, three):
        three.ask("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "false"})
        (command,) = three.asked(KeepList)
        assert (command.version, command.tokens) == (0, ())
        three.done(command)
        three.ask("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "true"})
        (command,) = three.asked(KeepList)
        assert (command.version, len(command.tokens)) == (5, 3)

    def test_a_charger_that_keeps_no_list_is_not_bothered(self, new_bench):
        bench = new_bench(capabilities=NO_LIST).ready()
        assert send(bench, full(5, entry("GOOD"))) == ACCEPTED
        assert bench.asked(KeepList) == []

    def test_another_charger_gets_it_too(self, three):
        three.turn(ChargerReleased())
        three.reachable()
        (command,) = three.asked(KeepList)
        assert command.version == 5

    def test_a_charger_that_comes_is_rid_of_the_list_it_had_elsewhere(self, ready):
        ready.turn(ChargerReleased())
        ready.turn(ChargerAssigned(session=3, at_ms=ready.utc_ms, register_wh=100))
        capabilities = frozenset({Capability.LOCAL_LIST})
        ready.turn(ChargerDescribed(ChargerInfo("EH9", "Easee", "Home", capabilities=capabilities)))
        ready.reachable()
        (command,) = ready.asked(KeepList)
        assert (command.version, command.tokens) == (0, ())

    def test_no_list_stays_in_memory(self, three):
        assert (three.cp.list_transfer, three.cp.held_list, three.cp.token_statuses) == (None, None, ())
        assert b"GOOD" not in three.store.document


class TestConflicts:
    def start(self, bench, id_tag, status):
        bench.begin(id_tag=id_tag)
        while bench.open_call[1] != "StartTransaction":
            bench.answer()
        bench.answer({"transactionId": 7, "idTagInfo": {"status": status}})
        bench.settle()

    @pytest.mark.parametrize(
        ("id_tag", "status", "told"),
        [
            ("GOOD", "Blocked", True),
            ("BUSY", "Invalid", True),
            ("BAD", "Accepted", True),
            ("GOOD", "Accepted", False),
            ("GOOD", "ConcurrentTx", False),
            ("BAD", "Expired", False),
            ("OTHER", "Blocked", False),
        ],
    )
    def test_ll_9_an_answer_to_a_start_that_contradicts_the_list_is_told(self, three, id_tag, status, told):
        self.start(three, id_tag, status)
        expected = [f"0 Available LocalListConflict local list differs for idTag {id_tag}"] if told else []
        assert conflicts(three) == expected
        notices = [
            output
            for output in three.outputs
            if getattr(output, "kind", None) is NoticeKind.LOCAL_LIST_CONFLICT
        ]
        assert len(notices) == told

    def test_ll_9_an_entry_whose_time_has_passed_refuses(self, ready):
        send(ready, full(1, entry("OLD", expiryDate="2026-01-01T00:00:00Z")))
        self.start(ready, "OLD", "Accepted")
        assert len(conflicts(ready)) == 1

    def test_ll_9_so_is_an_answer_to_authorize(self, three):
        three.token("GOOD")
        three.answer({"idTagInfo": {"status": "Blocked"}})
        three.settle()
        assert len(conflicts(three)) == 1

    def test_ll_9_it_is_told_once_until_the_list_changes(self, three):
        for second in range(2):
            three.wait(second)
            three.token("GOOD")
            three.answer({"idTagInfo": {"status": "Blocked"}})
            three.settle()
        assert len(conflicts(three)) == 1
        send(three, full(6, entry("GOOD", "Blocked")))
        three.settle()
        assert three.statuses() == ["0 Available"]

    def test_ll_9_each_entry_is_told(self, three):
        three.token("GOOD")
        three.answer({"idTagInfo": {"status": "Blocked"}})
        three.settle()
        three.wait(1)
        three.token("BUSY")
        three.answer({"idTagInfo": {"status": "Blocked"}})
        three.settle()
        assert [told.split()[-1] for told in conflicts(three)] == ["GOOD", "BUSY"]

    def test_ll_9_it_is_over_when_the_central_system_agrees_again(self, three):
        three.token("GOOD")
        three.answer({"idTagInfo": {"status": "Blocked"}})
        three.serve()
        three.wait(1)
        three.token("good")
        three.answer()
        three.settle()
        assert "0 Available" in three.statuses()

    def test_ll_9_it_is_told_again_after_a_restart(self, three):
        three.token("GOOD")
        three.answer({"idTagInfo": {"status": "Blocked"}})
        three.serve()
        three.restart()
        three.link_up()
        three.settle()
        assert len(conflicts(three)) == 1

    def test_ll_9_without_a_list_there_is_no_conflict_and_nothing_to_look_up(self, ready):
        ready.outputs.clear()
        self.start(ready, "GOOD", "Blocked")
        assert conflicts(ready) == []
        assert not any(isinstance(output, ReadStore) for output in ready.outputs)
