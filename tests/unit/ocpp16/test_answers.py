"""Answers of central systems, read field by field (`RPC-14`)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from chargebridge.ocpp16.answers import (
    WHOLE,
    AuthorizeAnswer,
    BootAnswer,
    StartAnswer,
    StopAnswer,
    TokenInfo,
    id_tag_info,
    read_authorize,
    read_boot,
    read_start,
    read_stop,
)
from chargebridge.ocpp16.datatypes import IdTagInfo
from chargebridge.ocpp16.enums import AuthorizationStatus as Status
from chargebridge.ocpp16.enums import RegistrationStatus

pytestmark = pytest.mark.unit

READERS = (read_authorize, read_boot, read_start, read_stop)


def raw(payload: object) -> Raw:
    return Raw(payload if isinstance(payload, bytes) else json.dumps(payload).encode())


class TestTransactionId:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            (b"4711", 4711),
            (b"0", 0),
            (b"-1", -1),
            (b"-5", -5),
            (b"9223372036854775807", 2**63 - 1),
            (b"-9223372036854775808", -(2**63)),
            (b"4711.0", 4711),
            (b"4.711e3", 4711),
            (b"47110E-1", 4711),
            (b'"4711"', 4711),
            (b'"4711 "', 4711),
            (b'" 4711"', 4711),
            (b'"+4711"', 4711),
            (b'"-5"', -5),
            (b'"004711"', 4711),
            (b'"4711.0"', 4711),
        ],
    )
    def test_rpc_14_what_says_exactly_one_integer_is_one(self, text: bytes, value: int) -> None:
        assert read_start(Raw(b'{"transactionId":%b}' % text)) == (StartAnswer(transaction_id=value), ())

    @pytest.mark.parametrize(
        "text",
        [
            b"4711.5",
            b"9223372036854775808",
            b"1e19",
            b"1e999999",
            b"1e-999999",
            b"true",
            b"false",
            b"[4711]",
            b'{"id":4711}',
            b'""',
            b'" "',
            b'"seven"',
            b'"4711a"',
            b'"47 11"',
            b'"4711.5"',
            b'"0x12"',
            b'"1e3"',
            b'"\xd9\xa1"',
            b'"9223372036854775808"',
            b'"%b"' % (b"1" * 100_000),
        ],
    )
    def test_rpc_14_anything_else_is_none(self, text: bytes) -> None:
        assert read_start(Raw(b'{"transactionId":%b}' % text)) == (StartAnswer(), ("transactionId",))

    @pytest.mark.parametrize("payload", [{}, {"transactionId": None}])
    def test_rpc_14_what_is_not_there_is_not_complained_about(self, payload: object) -> None:
        assert read_start(raw(payload)) == (StartAnswer(), ())


class TestTokenInfo:
    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("Accepted", Status.ACCEPTED),
            ("accepted", Status.ACCEPTED),
            ("ACCEPTED", Status.ACCEPTED),
            (" Accepted ", Status.ACCEPTED),
            ("blocked", Status.BLOCKED),
            ("ConcurrentTX", Status.CONCURRENT_TX),
            ("NoCredit", Status.INVALID),
            ("Unknown", Status.INVALID),
            ("Acceptedd", Status.INVALID),
        ],
    )
    def test_rpc_14_a_status_in_any_letter_case_and_another_word_is_a_refusal(
        self, word: str, status: Status
    ) -> None:
        answer = read_authorize(raw({"idTagInfo": {"status": word}}))
        assert answer == (AuthorizeAnswer(id_tag_info=TokenInfo(status=status)), ())

    @pytest.mark.parametrize("value", ["", " ", 7, True, ["Accepted"], {"status": "Accepted"}])
    def test_rpc_14_what_is_no_word_is_absent(self, value: object) -> None:
        answer = read_authorize(raw({"idTagInfo": {"status": value}}))
        assert answer == (AuthorizeAnswer(id_tag_info=TokenInfo()), ("idTagInfo.status",))

    @pytest.mark.parametrize(
        "value",
        ["", "2030-01-01 00:00:00", "2030-02-30T00:00:00Z", "01/01/2030", "never", 1893456000, True, {}],
    )
    def test_rpc_14_an_expiry_date_that_cannot_be_read_is_absent(self, value: object) -> None:
        answer = read_stop(raw({"idTagInfo": {"status": "Accepted", "expiryDate": value}}))
        said = StopAnswer(id_tag_info=TokenInfo(status=Status.ACCEPTED))
        assert answer == (said, ("idTagInfo.expiryDate",))

    @pytest.mark.parametrize("value", ["X" * 21, 5, ["P"], {"parent": "P"}])
    def test_rpc_14_a_parent_that_cannot_be_read_is_absent(self, value: object) -> None:
        answer = read_start(raw({"idTagInfo": {"status": "Accepted", "parentIdTag": value}}))
        said = StartAnswer(id_tag_info=TokenInfo(status=Status.ACCEPTED))
        assert answer == (said, ("idTagInfo.parentIdTag",))

    @pytest.mark.parametrize("value", ["Accepted", 1, True, [], [{"status": "Accepted"}]])
    def test_rpc_14_what_is_no_object_is_absent(self, value: object) -> None:
        answer = read_start(raw({"transactionId": 5, "idTagInfo": value}))
        assert answer == (StartAnswer(transaction_id=5), ("idTagInfo",))

    def test_rpc_14_every_field_by_itself(self) -> None:
        said = {"status": "blocked", "expiryDate": "2030-01-01T00:00:00Z", "parentIdTag": "P", "more": 1}
        answer = read_start(raw({"transactionId": "x", "idTagInfo": said, "idToken": {}}))
        info = TokenInfo(status=Status.BLOCKED, expiry_date="2030-01-01T00:00:00Z", parent_id_tag="P")
        assert answer == (StartAnswer(id_tag_info=info), ("transactionId",))

    def test_rpc_14_without_a_status_nothing_is_said_of_a_token(self) -> None:
        assert id_tag_info(None) is None
        assert id_tag_info(TokenInfo(parent_id_tag="P")) is None
        assert id_tag_info(TokenInfo(parent_id_tag="P"), Status.INVALID) == IdTagInfo(
            status=Status.INVALID, parent_id_tag="P"
        )


class TestBoot:
    @pytest.mark.parametrize("word", ["Accepted", "accepted", "ACCEPTED"])
    def test_rpc_14_the_status_is_enough(self, word: str) -> None:
        assert read_boot(raw({"status": word})) == (BootAnswer(status=RegistrationStatus.ACCEPTED), ())

    @pytest.mark.parametrize("value", ["OK", "", 1, True, {}])
    def test_rpc_14_no_other_word_is_a_registration(self, value: object) -> None:
        assert read_boot(raw({"status": value})) == (BootAnswer(), ("status",))

    @pytest.mark.parametrize("value", ["300", 300.0, "300.0"])
    def test_rpc_14_an_interval_that_says_a_number(self, value: object) -> None:
        answer = read_boot(raw({"status": "Pending", "interval": value}))
        assert answer == (BootAnswer(status=RegistrationStatus.PENDING, interval=300), ())

    @pytest.mark.parametrize("value", ["5 minutes", "PT5M", 12.5, True, {}])
    def test_rpc_14_an_interval_that_says_none(self, value: object) -> None:
        answer = read_boot(raw({"status": "Pending", "interval": value, "currentTime": "now"}))
        assert answer == (BootAnswer(status=RegistrationStatus.PENDING), ("interval", "currentTime"))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "payload", [b"[]", b'"Accepted"', b"7", b"true", b"[1,2", b'{"a":"\\x"}', b"[" * 5000]
)
def test_rpc_14_a_payload_that_is_no_object_has_nothing_in_it(read, payload: bytes) -> None:  # type: ignore[no-untyped-def]
    message, unusable = read(Raw(payload))
    assert (message, unusable) == (type(message)(), (WHOLE,))


@given(
    st.sampled_from(READERS),
    st.dictionaries(
        st.sampled_from(["status", "interval", "currentTime", "transactionId", "idTagInfo", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["status", "expiryDate", "parentIdTag"]), inner)
            ),
            max_leaves=8,
        ),
    ),
)
def test_rpc_14_no_answer_breaks_the_reader_nor_is_it_quoted(read, payload: object) -> None:  # type: ignore[no-untyped-def]
    _, unusable = read(raw(payload))
    assert set(unusable) <= {
        WHOLE,
        "status",
        "interval",
        "currentTime",
        "transactionId",
        "idTagInfo",
        "idTagInfo.status",
        "idTagInfo.expiryDate",
        "idTagInfo.parentIdTag",
    }
