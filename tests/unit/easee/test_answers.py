"""What an answer to a command says: tickets to follow, a refusal, or nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.twin.answers import CommandAnswer, Ticket, read_answer

pytestmark = pytest.mark.unit

TICKS = 638_000_000_000_000_001
TICKET = {"device": "EH000001", "commandId": 48, "ticks": TICKS}


def read(body: object) -> CommandAnswer:
    return read_answer(json.dumps(body).encode(), "EH000001")


@pytest.mark.parametrize(
    "body",
    [
        TICKET,
        [TICKET],
        {**TICKET, "wasAccepted": None},
        {"commandId": "48", "ticks": str(TICKS)},
        {"serialNumber": "EH000001", "id": 48, "ticks": TICKS, "comment": None, "more": [1]},
        {name.upper(): value for name, value in TICKET.items()},
        [TICKET, "text", None, {"ticks": "soon"}],
    ],
)
def test_a_ticket_is_followed_in_whatever_notation_it_comes(body):
    assert read(body).tickets == (Ticket("EH000001", 48, TICKS),)
    assert read(body).refusal is None
    assert not read(body).accepted


def test_settings_have_a_ticket_each():
    assert len(read([TICKET, {**TICKET, "commandId": 47, "ticks": TICKS + 1}]).tickets) == 2


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({**TICKET, "wasAccepted": False, "comment": "no"}, "no"),
        ({"wasAccepted": "False", "comment": "x" * 999}, "x" * 200),
        ([TICKET, {"wasAccepted": False}], "the cloud answers wasAccepted false"),
    ],
)
def test_not_accepted_is_a_refusal_with_its_comment(body, refusal):
    assert read(body).refusal == refusal


@pytest.mark.parametrize(
    ("body", "accepted"), [({"wasAccepted": True}, True), ({"wasAccepted": None}, False)]
)
def test_accepted_without_a_ticket_is_the_outcome(body, accepted):
    assert read(body) == CommandAnswer(accepted=accepted)
    assert read([{"wasAccepted": True}, {"wasAccepted": None}]) == CommandAnswer()
    assert not read([TICKET, {"wasAccepted": True}]).accepted


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"[]", b"{}", b"null", b"<html>", b"\xff", b'{"ticks": 0}', b"[" * 9000, b'"text"', b"7"]
    + [json.dumps({"ticks": ticks}).encode() for ticks in (True, -1, 1.5, "-1", "9" * 30, None, [])],
    ids=range(18),
)
def test_everything_else_says_nothing(body):
    assert read_answer(body, "EH000001") == CommandAnswer()


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda one: json.dumps(one).encode())
)
def test_whatever_comes_is_read(body):
    assert isinstance(read_answer(body, "EH000001"), CommandAnswer)
