"""Answers of a central system with odd fields: what can be used is used (`RPC-14`)."""

import pytest

from chargebridge.chargepoint.records import SendState
from chargebridge.chargepoint.turn import Notice, NoticeKind
from chargebridge.chargers.model import Authorize, EndSession

pytestmark = pytest.mark.unit


def until(bench, action):
    while bench.open_call[1] != action:
        bench.answer()


def notices(bench, kind=NoticeKind.ANSWER_PARTLY_UNUSABLE):
    return [one.detail for one in bench.outputs if isinstance(one, Notice) and one.kind is kind]


def answer_raw(bench, payload):
    """Answer the open CALL with this JSON."""
    id, _, _ = bench.open_call
    bench.open_call = None
    bench.frame(b'[3,"%b",%b]' % (id.encode(), payload))


class TestStart:
    @pytest.mark.parametrize(
        "rest",
        [
            b'"idTagInfo":{"status":"Accepted","expiryDate":NaN}',
            b'"idTagInfo":{"status":"Accepted","expiryDate":%b}' % (b"9" * 6000),
            b'"idTagInfo":{"status":"Accepted"},"price":NaN',
            b'"idTagInfo":{"status":"Accepted"},"message":"a\tb"',
            rb'"idTagInfo":{"status":"Accepted"},"message":"\ud83d"',
            b'"idTagInfo":{"status":"Accepted"},"count":%b' % (b"9" * 6000),
        ],
    )
    def test_rpc_14_also_where_something_else_is_no_json(self, ready, rest):
        ready.begin()
        until(ready, "StartTransaction")
        answer_raw(ready, b'{"transactionId":56,%b}' % rest)
        transaction = ready.store.transactions[1]
        assert (transaction.start, transaction.transaction_id) == (SendState.ANSWERED, 56)
        assert transaction.id_tag_status == "Accepted"
        assert ready.store.queue == {}

    @pytest.mark.parametrize(
        ("payload", "transaction_id", "status"),
        [
            ({"transactionId": 56, "idTagInfo": {"status": "Accepted", "expiryDate": ""}}, 56, "Accepted"),
            (
                {
                    "transactionId": 56,
                    "idTagInfo": {"status": "Accepted", "expiryDate": "2030-01-01 00:00:00"},
                },
                56,
                "Accepted",
            ),
            ({"transactionId": 56, "idTagInfo": {"status": "accepted"}}, 56, "Accepted"),
            ({"transactionId": 56, "idTagInfo": {"status": None}}, 56, None),
            ({"transactionId": 56, "idTagInfo": {"status": 7}}, 56, None),
            ({"transactionId": 56, "idTagInfo": {}}, 56, None),
            ({"transactionId": 56, "idTagInfo": None}, 56, None),
            ({"transactionId": 56, "idTagInfo": "Accepted"}, 56, None),
            ({"transactionId": 56}, 56, None),
            ({"transactionId": "4711"}, 4711, None),
            ({"transactionId": "4711 ", "idTagInfo": {"status": "Accepted"}}, 4711, "Accepted"),
            ({"transactionId": 4711.0, "idTagInfo": {"status": "Accepted"}}, 4711, "Accepted"),
            ({"transactionId": -1, "idTagInfo": {"status": "Accepted"}}, -1, "Accepted"),
            ({"transactionId": 0, "idTagInfo": {"status": "Accepted"}}, 0, "Accepted"),
            (
                {"transactionId": 5, "idTagInfo": {"status": "Accepted", "parentIdTag": "P" * 21}},
                5,
                "Accepted",
            ),
            ({"transactionId": 5, "idTagInfo": {"status": "Accepted"}, "reservationId": 1}, 5, "Accepted"),
        ],
    )
    def test_rpc_14_an_id_is_all_that_a_start_needs(self, ready, payload, transaction_id, status):
        ready.begin()
        until(ready, "StartTransaction")
        ready.answer(payload)
        transaction = ready.store.transactions[1]
        assert (transaction.start, transaction.transaction_id) == (SendState.ANSWERED, transaction_id)
        assert transaction.id_tag_status == status
        assert ready.store.queue == {}
        assert ready.asked(EndSession) == []
        accepted = {"status": "Accepted"}
        assert ready.ask("RemoteStopTransaction", {"transactionId": transaction_id}) == accepted
        ready.end()
        assert ready.serve()[-1][1]["transactionId"] == transaction_id

    @pytest.mark.parametrize(
        "payload",
        [
            b"{}",
            b"[]",
            b'"56"',
            b'{"idTagInfo":{"status":"Accepted"}}',
            b'{"transactionId":null,"idTagInfo":{"status":"Accepted"}}',
            b'{"transactionId":true}',
            b'{"transactionId":""}',
            b'{"transactionId":"a1b2"}',
            b'{"transactionId":4711.5}',
            b'{"transactionId":[4711]}',
            b'{"transactionId":9223372036854775808}',
            b'{"transactionId":1e999999}',
        ],
    )
    def test_rpc_14_without_an_id_the_attempt_has_failed(self, ready, payload):
        ready.begin()
        until(ready, "StartTransaction")
        answer_raw(ready, payload)
        assert ready.store.queue[1].attempts == 1
        assert ready.store.transactions[1].start is SendState.QUEUED
        assert ready.store.cached == {}

    @pytest.mark.parametrize("word", ["NoCredit", "blocked", "Rejected", "INVALID", "Unknown"])
    def test_tx_4_another_word_is_a_refusal(self, ready, word):
        ready.begin()
        until(ready, "StartTransaction")
        ready.answer({"transactionId": 56, "idTagInfo": {"status": word}})
        assert len(ready.asked(EndSession)) == 1
        assert ready.store.transactions[1].id_tag_status in {"Blocked", "Invalid"}
        assert ready.store.cached["tag1"].status in {"Blocked", "Invalid"}
        ready.end()
        assert ready.serve()[-1][1]["reason"] == "DeAuthorized"

    def test_rpc_14_a_parent_without_a_status_is_used(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        ready.answer({"transactionId": 56, "idTagInfo": {"parentIdTag": "FAMILY"}})
        assert ready.store.transactions[1].parent_id_tag == "FAMILY"
        assert ready.store.cached == {}

    def test_rpc_14_the_operator_is_told_which_field_and_never_its_value(self, ready):
        ready.begin()
        until(ready, "StartTransaction")
        odd = {"status": "Accepted", "expiryDate": "s3cret", "parentIdTag": ["s3cret"]}
        ready.answer({"transactionId": 56, "idTagInfo": odd, "more": "s3cret"})
        assert notices(ready) == ["StartTransaction: idTagInfo.expiryDate, idTagInfo.parentIdTag"]

    def test_rpc_14_what_is_as_it_should_be_is_no_notice(self, ready):
        ready.begin()
        ready.serve()
        assert notices(ready) == []


class TestStop:
    @pytest.mark.parametrize(
        ("payload", "cached"),
        [
            (b'{"idTagInfo":{"status":"blocked","expiryDate":""}}', "Blocked"),
            (b'{"idTagInfo":{"status":"NoCredit"}}', "Invalid"),
            (b'{"idTagInfo":{"expiryDate":"2030-01-01T00:00:00Z"}}', None),
            (b'{"idTagInfo":{}}', None),
            (b'{"idTagInfo":7}', None),
            (b"[]", None),
            (b"null", None),
        ],
    )
    def test_tx_11_that_there_is_an_answer_decides_and_the_cache_takes_what_it_can(
        self, ready, payload, cached
    ):
        ready.begin()
        ready.serve()
        ready.store.cached = {}
        ready.token("TAG1")
        ready.end()
        until(ready, "StopTransaction")
        answer_raw(ready, payload)
        assert ready.store.queue == {}
        entry = ready.store.cached.get("tag1")
        assert (None if entry is None else entry.status) == cached


@pytest.mark.parametrize("payload", [b"[]", b"7", b'{"status":"Rejected"}', b'{"currentTime":7}'])
def test_rpc_14_all_other_messages_need_no_more_than_an_answer(new_bench, payload):
    bench = new_bench(overrides={"meter_values_as_they_come": True}).ready().charging()
    bench.wait(1)
    bench.energy(1100)
    answer_raw(bench, payload)
    assert bench.store.queue == {}
    bench.wait(300)
    assert bench.open_call[1] == "Heartbeat"
    answer_raw(bench, payload)
    bench.end()
    until(bench, "StopTransaction")
    answer_raw(bench, payload)
    assert bench.store.queue == {}
    assert notices(bench, NoticeKind.CALL_FAILED) == []


class TestAuthorize:
    @pytest.fixture
    def known(self, ready):
        """TAG1 is in the cache, and unknown tags may start offline: offline it would charge."""
        ready.ask("ChangeConfiguration", {"key": "AllowOfflineTxForUnknownId", "value": "true"})
        ready.token("TAG1")
        ready.answer()
        ready.asked()
        ready.wait(200, answering=True)
        ready.said()
        ready.commands = []
        assert ready.store.cached["tag1"].status == "Accepted"
        return ready

    @pytest.mark.parametrize(
        ("payload", "cached"),
        [
            (b'{"idTagInfo":{"status":"NoCredit"}}', "Invalid"),
            (b'{"idTagInfo":{"status":"blocked"}}', "Blocked"),
            (b'{"idTagInfo":{"status":"Blocked","expiryDate":""}}', "Blocked"),
            (b'{"idTagInfo":{"status":null}}', "Invalid"),
            (b'{"idTagInfo":{"status":7}}', "Invalid"),
            (b'{"idTagInfo":{"status":""}}', "Invalid"),
            (b'{"idTagInfo":{}}', "Invalid"),
            (b'{"idTagInfo":null}', "Invalid"),
            (b'{"status":"Accepted"}', "Invalid"),
            (b"{}", "Invalid"),
            (b"null", "Invalid"),
            (b"[]", "Invalid"),
        ],
    )
    def test_az_4_what_does_not_accept_refuses_for_the_decision_and_for_the_cache(
        self, known, payload, cached
    ):
        known.token("TAG1")
        answer_raw(known, payload)
        assert [one.accepted for one in known.asked(Authorize)] == [False]
        assert known.store.cached["tag1"].status == cached

    @pytest.mark.parametrize(
        "info",
        [
            {"status": "accepted"},
            {"status": "ACCEPTED", "expiryDate": ""},
            {"status": "Accepted", "expiryDate": "2030-01-01 00:00:00"},
            {"status": "Accepted", "parentIdTag": 5},
            {"status": "Accepted", "expiryDate": None, "parentIdTag": None},
        ],
    )
    def test_az_4_accepted_in_any_letter_case_whatever_else_is_there(self, known, info):
        known.token("TAG1")
        known.answer({"idTagInfo": info})
        assert [one.accepted for one in known.asked(Authorize)] == [True]
        assert known.store.cached["tag1"].expires_ms is None

    def test_az_4_an_error_says_nothing_of_the_token_so_it_is_decided_as_offline(self, known):
        known.token("TAG1")
        known.refuse("InternalError")
        assert [one.accepted for one in known.asked(Authorize)] == [True]
        assert known.store.cached["tag1"].status == "Accepted"

    @pytest.mark.parametrize(("info", "conflict"), [({"status": "NoCredit"}, True), ({}, False)])
    def test_ll_9_only_what_was_said_contradicts_the_list(self, ready, info, conflict):
        entry = {"idTag": "TAG1", "idTagInfo": {"status": "Accepted"}}
        update = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
        ready.ask("SendLocalList", update)
        ready.token("TAG1")
        ready.answer({"idTagInfo": info})
        assert [one.accepted for one in ready.asked(Authorize)] == [False]
        assert bool(notices(ready, NoticeKind.LOCAL_LIST_CONFLICT)) is conflict

    def test_az_2_two_tags_without_a_parent_are_of_no_group(self, ready):
        """A parent of "" is none, else any tag could stop any session."""
        for tag in ("TAG1", "TAG2"):
            ready.token(tag)
            ready.answer({"idTagInfo": {"status": "Accepted", "parentIdTag": ""}})
            ready.wait(200, answering=True)
        ready.begin(id_tag="TAG1")
        ready.serve()
        ready.link_down()
        ready.commands = []
        ready.token("TAG2")
        assert ready.asked(EndSession) == []
        assert {token.parent_id_tag for token in ready.store.cached.values()} == {None}


class TestBoot:
    @pytest.mark.parametrize(
        "payload",
        [
            {"status": "Accepted"},
            {"status": "accepted", "currentTime": "2026-01-02T10:00:00Z", "interval": 300},
            {"status": "Accepted", "interval": 300},
            {"status": "Accepted", "currentTime": None, "interval": None},
            {"status": "Accepted", "currentTime": "2026-01-02 10:00:00", "interval": 300},
            {"status": "Accepted", "currentTime": 1767348000, "interval": "300"},
            {"status": "Accepted", "currentTime": "2026-01-02T10:00:00Z", "interval": 300.0},
            {"status": "Accepted", "currentTime": "2026-01-02T10:00:00Z", "interval": "soon"},
        ],
    )
    @pytest.mark.parametrize("preset", ["ocpp16", "easee"])
    def test_boot_3_accepted_is_a_registration_whatever_else_is_there(self, new_bench, preset, payload):
        bench = new_bench(preset)
        bench.link_up()
        bench.answer(payload)
        assert bench.cp.accepted
        assert bench.cp.heartbeat_interval_s == (300 if preset == "ocpp16" else 180)

    def test_boot_3_an_interval_of_before_goes_before_the_default(self, bench):
        bench.link_up()
        bench.answer({"status": "Accepted", "interval": 70})
        bench.settle()
        bench.charger_restarts()
        bench.answer({"status": "Accepted"})
        assert bench.cp.heartbeat_interval_s == 70

    @pytest.mark.parametrize("status", ["Pending", "pending", "REJECTED"])
    @pytest.mark.parametrize("interval", [{}, {"interval": None}, {"interval": "soon"}, {"interval": -5}])
    def test_boot_5_without_an_interval_it_waits_for_its_own(self, bench, status, interval):
        bench.link_up()
        bench.answer({"status": status, **interval})
        assert not bench.cp.accepted
        bench.said()
        bench.wait(29)
        assert bench.said() == []
        bench.wait(1)
        assert [action for action, _ in bench.said()] == ["BootNotification"]

    @pytest.mark.parametrize("payload", [b"{}", b"[]", b'{"status":"OK"}', b'{"status":1,"interval":300}'])
    def test_boot_9_without_a_status_it_boots_again_and_the_operator_knows(self, bench, payload):
        bench.link_up()
        answer_raw(bench, payload)
        assert not bench.cp.accepted
        assert notices(bench, NoticeKind.BOOT_NOT_ACCEPTED) == ["an answer without a status that OCPP knows"]
        bench.said()
        bench.wait(30)
        assert [action for action, _ in bench.said()] == ["BootNotification"]


def test_ca_1_a_token_that_was_refused_by_another_word_is_not_accepted_offline_later(ready):
    ready.token("TAG1")
    ready.answer()
    ready.wait(200, answering=True)
    ready.token("TAG1")
    ready.answer({"idTagInfo": {"status": "NoCredit"}})
    ready.link_down()
    ready.commands = []
    ready.wait(10)
    ready.token("TAG1")
    assert [one.accepted for one in ready.asked(Authorize)] == [False]


class TestFrames:
    """An answer whose frame has too few elements, too many, or others than OCPP-J has."""

    @pytest.mark.parametrize(
        "rest",
        [
            '"InternalError"',
            '"InternalError",""',
            '"InternalError",null,{}',
            '"InternalError","",null',
            '"InternalError","",{},1',
            '"InternalError",5,[]',
            '500,"",{}',
            "null",
        ],
    )
    def test_rpc_14_an_error_is_one_at_once(self, ready, rest):
        ready.begin()
        until(ready, "StartTransaction")
        id, _, _ = ready.open_call
        ready.open_call = None
        ready.frame(f'[4,"{id}",{rest}]'.encode())
        assert ready.store.queue[1].attempts == 1
        assert len(notices(ready)) == (0 if rest == '"InternalError","",null' else 1)

    @pytest.mark.parametrize("rest", [',{"transactionId":56},{}', ',{"transactionId":56},"x",1'])
    def test_rpc_14_further_elements_are_ignored(self, ready, rest):
        ready.begin()
        until(ready, "StartTransaction")
        id, _, _ = ready.open_call
        ready.open_call = None
        ready.frame(f'[3,"{id}"{rest}]'.encode())
        assert ready.store.transactions[1].transaction_id == 56

    def test_rpc_14_without_a_payload_it_is_an_answer_all_the_same(self, ready):
        ready.begin()
        ready.settle()
        ready.end()
        until(ready, "StopTransaction")
        id, _, _ = ready.open_call
        ready.open_call = None
        ready.frame(f'[3,"{id}"]'.encode())
        assert ready.store.queue == {}

    @pytest.mark.parametrize(
        "frame",
        [b"[3]", b"[3,5,{}]", b'{"3":"id"}', b'["3","id",{}]', b'[3,"nobody asked",{},{}]', b'[4,"x"]'],
    )
    def test_rpc_7_what_answers_nothing_is_ignored(self, ready, frame):
        ready.begin()
        until(ready, "StartTransaction")
        ready.frame(frame)
        assert ready.store.queue[1].attempts == 0
        assert ready.open_call[1] == "StartTransaction"
