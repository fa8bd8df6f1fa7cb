"""DataTransfer of vendor `no.easee`: sessions listed and imported, a schedule overridden (`DT-*`)."""

import json

import pytest

from chargebridge.chargepoint.central_system.data_transfer import RangeError, read_range
from chargebridge.chargers.model import Capability, OverrideSchedule, SessionEnd, SessionEnded

pytestmark = pytest.mark.unit

DAY = "start:'2026-01-02T00:00:00Z', stop:'2026-01-03T00:00:00Z'"
FROM_MS, UNTIL_MS = 1_767_312_000_000, 1_767_398_400_000


def transfer(bench, message, data=None, vendor="no.easee"):
    asked = {"vendorId": vendor, "messageId": message} | ({} if data is None else {"data": data})
    return bench.ask("DataTransfer", asked)


def read(answer):
    assert answer["status"] == "Accepted"
    return json.loads(answer["data"])


@pytest.fixture
def easee(new_bench):
    return new_bench("easee").ready()


class TestWhoIsMeant:
    @pytest.mark.parametrize("vendor", ["com.example", "no.easee.more", ""])
    def test_dt_1_an_unknown_vendor(self, easee, vendor):
        assert transfer(easee, "ListEaseeSessions", DAY, vendor) == {"status": "UnknownVendorId"}

    @pytest.mark.parametrize("message", ["", "ListSessions", "ListEaseeSessions "])
    def test_dt_1_an_unknown_message(self, easee, message):
        assert transfer(easee, message) == {"status": "UnknownMessageId"}

    def test_dt_1_no_message_at_all(self, easee):
        assert easee.ask("DataTransfer", {"vendorId": "no.easee"}) == {"status": "UnknownMessageId"}

    @pytest.mark.parametrize("message", ["ListEaseeSessions", "listeaseesessions", "LISTEASEESESSIONS"])
    def test_message_and_vendor_are_compared_without_regard_to_case(self, easee, message):
        assert read(transfer(easee, message, DAY, "NO.Easee")) == []

    def test_standard_no_vendor_is_known(self, new_bench):
        bench = new_bench("ocpp16").ready()
        assert transfer(bench, "ListEaseeSessions", DAY) == {"status": "UnknownVendorId"}


class TestReading:
    @pytest.mark.parametrize(
        "data",
        [
            DAY,
            "{" + DAY + "}",
            json.dumps({"start": "2026-01-02T00:00:00Z", "stop": "2026-01-03T00:00:00Z"}),
            "{start:\\'2026-01-02T00:00:00.000Z\\',stop:\\'2026-01-03T00:00:00.000Z\\'}",
            '{\\"start\\": \\"2026-01-02T01:00:00+01:00\\", \\"stop\\": \\"2026-01-03T00:00:00\\"}',
            "{ Stop : '2026-01-03T00:00Z' , Start : '2026-01-02T00:00Z', more: 'x' }",
        ],
    )
    def test_loose_and_strict_json(self, data):
        assert read_range(data) == (FROM_MS, UNTIL_MS)

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ("", "start: expected a moment such as start:'2021-03-01T00:00:00Z'"),
            ("start:'2026-01-02T00:00:00Z'", "stop: expected a moment"),
            ("start:'yesterday', stop:'2026-01-03T00:00:00Z'", "start: expected a moment"),
            ("start:'2026-01-03T00:00:00Z', stop:'2026-01-02T00:00:00Z'", "stop: expected a moment after"),
            ("start:'2026-01-01T00:00:00Z', stop:'2026-02-01T00:00:01Z'", "by 31 days at most"),
        ],
    )
    def test_what_is_no_range_is_refused_with_its_reason(self, easee, data, expected):
        with pytest.raises(RangeError, match=expected.replace("'", ".")):
            read_range(data)
        answer = transfer(easee, "ListEaseeSessions", data)
        assert answer["status"] == "Rejected"
        assert expected in json.loads(answer["data"])["error"]


class TestListing:
    def test_sessions_that_started_in_the_time_are_listed(self, easee):
        easee.charging()
        easee.live(60)
        easee.end(register_wh=1500)
        easee.settle()
        assert read(transfer(easee, "ListEaseeSessions", DAY)) == [
            {
                "connectorId": 1,
                "idTag": "TAG1",
                "meterStart": 1000,
                "start": "2026-01-02T10:00:01.000Z",
                "meterStop": 1500,
                "stop": "2026-01-02T10:01:01.000Z",
                "sequenceNumber": 1,
            }
        ]

    def test_a_running_session_is_not(self, easee):
        easee.charging()
        assert read(transfer(easee, "ListEaseeSessions", DAY)) == []

    def test_one_that_started_before_is_not(self, easee):
        easee.charging()
        easee.end()
        later = "start:'2026-01-02T10:00:02Z', stop:'2026-01-03T00:00:00Z'"
        assert read(transfer(easee, "ListEaseeSessions", later)) == []

    def test_more_than_fit_into_an_answer(self, easee):
        for number in range(1, 1002):
            easee.tell(
                SessionEnded(
                    at_ms=easee.utc_ms,
                    session=number,
                    id_tag="A",
                    started_at_ms=easee.utc_ms,
                    start_register_wh=0,
                    register_wh=0,
                    reason=SessionEnd.OTHER,
                )
            )
        answer = transfer(easee, "ListEaseeSessions", DAY)
        assert "choose a shorter time" in json.loads(answer["data"])["error"]

    def test_two_at_once(self, easee):
        easee.hold_pages = True
        assert transfer(easee, "ListEaseeSessions", DAY) is None
        assert transfer(easee, "ListEaseeSessions", DAY)["status"] == "Rejected"
        easee.deliver_pages()
        assert read(easee.reply("cs1")) == []

    def test_an_answer_dies_with_its_link(self, easee):
        easee.hold_pages = True
        transfer(easee, "ListEaseeSessions", DAY)
        easee.link_down()
        easee.deliver_pages()
        assert easee.answers == {}
        easee.hold_pages = False
        easee.boot()
        assert read(transfer(easee, "ListEaseeSessions", DAY)) == []

    def test_what_was_read_for_a_connection_that_is_gone_answers_nothing_on_the_next(self, easee):
        easee.hold_pages = True
        transfer(easee, "ImportEaseeSessions", DAY)
        easee.link_down()
        easee.boot()
        transfer(easee, "ImportEaseeSessions", DAY)
        easee.turn(easee.pages.pop(0))
        assert easee.reply("cs2") is None
        easee.deliver_pages()
        assert read(easee.reply("cs2")) == {"imported": 0, "alreadyAnswered": 0, "waiting": 0}


class TestImporting:
    @staticmethod
    def give_up(bench, *kinds):
        """Let the central system refuse the Start, the Stop or both until they are given up."""
        bench.ask("ChangeConfiguration", {"key": "TransactionMessageAttempts", "value": "1"})
        bench.state("awaiting_token")
        bench.token()
        bench.settle()
        bench.begin()
        bench.live(1)
        bench.end()
        while bench.open_call is not None:
            if bench.open_call[1] in kinds:
                bench.refuse()
            else:
                bench.answer()
        bench.said()

    def test_what_is_answered_is_counted_and_not_told_again(self, easee):
        easee.charging()
        easee.end()
        easee.settle()
        easee.said()
        counts = read(transfer(easee, "ImportEaseeSessions", DAY))
        assert counts == {"imported": 0, "alreadyAnswered": 1, "waiting": 0}
        assert easee.serve() == []

    def test_what_waits_is_left_to_its_turn(self, easee):
        easee.charging()
        easee.end()
        counts = read(transfer(easee, "ImportEaseeSessions", DAY))
        assert counts == {"imported": 0, "alreadyAnswered": 0, "waiting": 1}

    def test_what_was_given_up_is_told_again_start_before_stop(self, new_bench):
        bench = new_bench("easee").ready()
        self.give_up(bench, "StartTransaction", "StopTransaction")
        assert len(bench.store.dead) == 2
        counts = read(transfer(bench, "ImportEaseeSessions", DAY))
        assert counts == {"imported": 1, "alreadyAnswered": 0, "waiting": 0}
        assert bench.store.dead == []
        start, stop = bench.serve()
        assert start[0] == "StartTransaction"
        assert (start[1]["meterStart"], start[1]["timestamp"]) == (1000, "2026-01-02T10:00:00.000Z")
        assert (stop[0], stop[1]["transactionId"], stop[1]["meterStop"]) == ("StopTransaction", 7, 1500)
        again = read(transfer(bench, "ImportEaseeSessions", DAY))
        assert again == {"imported": 0, "alreadyAnswered": 1, "waiting": 0}

    def test_a_stop_that_was_answered_without_its_start_follows_it(self, new_bench):
        bench = new_bench("easee").ready()
        self.give_up(bench, "StartTransaction")
        transfer(bench, "ImportEaseeSessions", DAY)
        assert [(action, payload.get("transactionId")) for action, payload in bench.serve()] == [
            ("StartTransaction", None),
            ("StopTransaction", 7),
        ]

    def test_only_the_stop_if_the_start_is_known(self, new_bench):
        bench = new_bench("easee").ready()
        self.give_up(bench, "StopTransaction")
        transfer(bench, "ImportEaseeSessions", DAY)
        ((action, payload),) = bench.serve()
        assert (action, payload["transactionId"]) == ("StopTransaction", 7)


class TestOverriding:
    def test_the_charger_is_asked_once(self, easee):
        easee.charging()
        assert transfer(easee, "OverrideSchedule") == {"status": "Accepted"}
        assert len(easee.asked(OverrideSchedule)) == 1
        easee.restart()
        easee.boot()
        assert easee.asked(OverrideSchedule) == []

    @pytest.mark.parametrize(
        ("prepare", "data", "reason"),
        [
            (lambda bench: bench, None, "no session is running"),
            (lambda bench: bench.charging(), "{}", "takes no data"),
            (lambda bench: bench.charging().reachable(False), None, "cannot be reached"),
        ],
    )
    def test_what_cannot_be_is_rejected_with_its_reason(self, easee, prepare, data, reason):
        prepare(easee)
        answer = transfer(easee, "OverrideSchedule", data)
        assert answer["status"] == "Rejected"
        assert reason in json.loads(answer["data"])["error"]

    def test_a_charger_that_keeps_no_plan_needs_not_be_asked(self, new_bench):
        able = frozenset({Capability.LIMIT})
        bench = new_bench("easee", capabilities=able).ready().charging()
        assert transfer(bench, "OverrideSchedule") == {"status": "Accepted"}
        assert bench.asked(OverrideSchedule) == []
