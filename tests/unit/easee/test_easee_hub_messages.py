"""Messages of a SignalR hub: read exactly, and harmless if they cannot be read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.twin.hub_messages import SEPARATOR, Closing, Refusal, Unreadable, read_frame
from chargebridge.chargers.easee.twin.wire import Response, Update

pytestmark = pytest.mark.unit

OBSERVATION = {
    "mid": "EH123456",
    "dataType": 3,
    "id": 124,
    "timestamp": "2026-03-01T12:00:00.1234567Z",
    "value": "1234.567891",
}
RESPONSE = {
    "serialNumber": "EH123456",
    "id": 48,
    "timestamp": "2023-06-12T15:26:18.632506Z",
    "deliveredAt": "2023-06-12T15:26:18.1Z",
    "wasAccepted": True,
    "resultCode": 0,
    "comment": None,
    "ticks": 638221803786325060,
}


def call(target, *arguments):
    return json.dumps({"type": 1, "target": target, "arguments": arguments}) + SEPARATOR


def read(frame):
    return list(read_frame(frame))


@pytest.mark.parametrize("target", ["ProductUpdate", "ChargerUpdate"])
def test_an_observation_keeps_its_text_and_its_own_time(target):
    assert read(call(target, OBSERVATION)) == [Update("EH123456", 124, 1772366400123, "1234.567891")]


@pytest.mark.parametrize(
    ("value", "text"), [("", ""), ('æ"', 'æ"'), (1.10, "1.1"), (True, "true"), (7, "7"), (None, "")]
)
def test_a_value_that_is_no_text_is_taken_as_it_is_written(value, text):
    assert read(call("ProductUpdate", OBSERVATION | {"value": value}))[0].value == text


def test_ticks_are_exact_to_the_last_of_18_digits():
    assert read(call("CommandResponse", RESPONSE)) == [
        Response("EH123456", 48, 638221803786325060, accepted=True)
    ]


def test_a_refused_command_tells_why():
    refused = RESPONSE | {"wasAccepted": False, "comment": "c" * 1000}
    assert read(call("CommandResponse", refused)) == [
        Response("EH123456", 48, 638221803786325060, accepted=False, comment="c" * 500)
    ]


def test_a_frame_may_hold_many_messages():
    frame = call("ProductUpdate", OBSERVATION) + '{"type":6}\x1e' + call("CommandResponse", RESPONSE)
    assert [type(said) for said in read(frame)] == [Update, Response]


def test_pings_results_and_calls_without_use_are_skipped():
    assert read('{"type":6}\x1e{"type":3,"invocationId":"EH1","result":null}\x1e') == []
    assert read(call("SubscribeToMyProduct", 1, 2)) == []


def test_a_call_that_failed_is_reported_under_its_name():
    frame = '{"type":3,"invocationId":"EH1","error":"no access"}\x1e'
    assert read(frame) == [Refusal("EH1", "no access")]


def test_the_hub_may_say_that_it_closes():
    assert read('{"type":7,"error":"restarting","allowReconnect":true}\x1e') == [Closing("restarting")]
    assert read('{"type":7}\x1e') == [Closing("")]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "{}",
        '{"type":"1"}',
        '{"type":1,"target":"ProductUpdate","arguments":[]}',
        '{"type":1,"target":"ProductUpdate","arguments":[{},{}]}',
        '{"type":1,"target":"ProductUpdate","arguments":[{"mid":"EH1","id":109,"timestamp":"x","value":"1"}]}',
        '{"type":1,"target":"CommandResponse","arguments":[{"serialNumber":"EH1","id":1,"ticks":6.3e17,"wasAccepted":true}]}',
        '{"type":1,"target":"CommandResponse","arguments":[{"serialNumber":"EH1","id":1,"ticks":1,"wasAccepted":null}]}',
        "[" * 5000,
        '{"type":1,"target":"ProductUpdate","arguments":[' + "[" * 5000,
        "\ud800",
    ],
)
def test_what_makes_no_sense_does_not_hide_what_follows(text):
    said = read(text + SEPARATOR + call("ProductUpdate", OBSERVATION))
    assert [type(one) for one in said] == [Unreadable, Update]


@given(st.text())
def test_no_frame_raises(frame):
    read(frame)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    st.sampled_from(["ProductUpdate", "CommandResponse", "Other"]),
    st.dictionaries(st.sampled_from(sorted({*OBSERVATION, *RESPONSE})), JSON),
)
def test_no_argument_raises(target, argument):
    read(call(target, argument))
