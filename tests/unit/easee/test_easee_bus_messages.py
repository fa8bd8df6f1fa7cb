"""Messages on an operator's bus."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.twin.bus_messages import (
    BODY_LIMIT,
    MessageReader,
    Patterns,
    command_body,
    command_key,
)
from chargebridge.chargers.easee.twin.wire import Pulse, Response, Update

pytestmark = pytest.mark.unit

OBSERVATION = b'{"Timestamp":"2026-03-01T12:00:00.1234567Z","Value":"16.5"}'
RESPONSE = b'{"Id":48,"Timestamp":"x","DeliveredAt":"y","WasAccepted":false,"ResultCode":0,"Comment":"no"}'


@pytest.fixture
def reader():
    return MessageReader(Patterns())


def test_an_observation(reader):
    assert reader.read("EH123456.O.114", OBSERVATION, 7) == Update("EH123456", 114, 1772366400123, "16.5", 7)


@pytest.mark.parametrize(
    ("value", "text"), [('"1"', "1"), ("true", "true"), ("1.10", "1.10"), ("null", ""), ('"\\u00e6"', "æ")]
)
def test_a_value_that_is_no_text_is_taken_as_it_is_written(reader, value, text):
    body = b'{"Timestamp":"2026-03-01T12:00:00Z","Value":%b}' % value.encode()
    assert reader.read("EH1.O.1", body, 1).value == text


def test_a_response_is_named_by_its_key(reader):
    told = reader.read("EH1.CR.48.638221803786325061", RESPONSE, 9)
    assert told == Response("EH1", 48, 638221803786325061, accepted=False, comment="no", delivery=9)


def test_a_pulse_says_whose_it_is_and_nothing_else(reader):
    assert reader.read("EH1.P", b"whatever", 1) == Pulse("EH1")


@pytest.mark.parametrize(
    "key", ["", "EH1", "EH1.O", "EH1.O.x", "EH1.O.1.2", ".O.1", "EH1.X.1", "EH1.CR.1", "E H.O.1"]
)
def test_other_keys_are_unknown(reader, key):
    with pytest.raises(LookupError):
        reader.read(key, OBSERVATION, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"Timestamp":"yesterday","Value":"1"}',
        b'{"Timestamp":"2026-03-01T12:00:00Z"}',
        b'{"Timestamp":"2026-03-01T12:00:00Z","Value":"\xff"}',
        b'{"Timestamp":"2026-03-01T12:00:00Z","Value":' + b"[" * 5000,
        OBSERVATION + b" " * BODY_LIMIT,
    ],
)
def test_other_bodies_make_no_sense(reader, body):
    with pytest.raises(ValueError):
        reader.read("EH1.O.1", body, 1)


@given(st.text(), st.binary())
def test_nothing_else_is_raised(key, body):
    try:
        MessageReader(Patterns()).read(key, body, 1)
    except (LookupError, ValueError):
        return


@given(st.binary(), st.sampled_from(["EH1.O.1", "EH1.CR.1.2"]))
def test_no_body_raises_anything_else(body, key):
    try:
        MessageReader(Patterns()).read(key, body, 1)
    except ValueError:
        return


def test_the_longest_body_is_read():
    body = OBSERVATION + b" " * (BODY_LIMIT - len(OBSERVATION))
    assert MessageReader(Patterns()).read("EH1.O.114", body, 1).serial == "EH1"
    with pytest.raises(ValueError, match=f"a body of {BODY_LIMIT + 1} bytes"):
        MessageReader(Patterns()).read("EH1.O.114", body + b" ", 1)


def test_patterns_are_settings():
    reader = MessageReader(Patterns(observation="obs/{id}/of/{serial}", pulse="{serial}+"))
    assert reader.read("obs/114/of/EH1", OBSERVATION, 1).serial == "EH1"
    assert reader.read("EH1+", b"", 1) == Pulse("EH1")


@pytest.mark.parametrize(
    "patterns",
    [
        {"observation": "{serial}"},
        {"response": "{serial}.{id}"},
        {"command": "x"},
        {"pulse": "{serial}{serial}"},
    ],
)
def test_a_pattern_that_says_too_little_is_refused(patterns):
    with pytest.raises(ValueError, match="once in the routing key"):
        MessageReader(Patterns(**patterns))


def test_a_command_has_its_tick_in_key_and_body():
    assert (
        command_key("{serial}.C.{id}.{ticks}", "EH1", 48, 638221803786325061) == "EH1.C.48.638221803786325061"
    )
    assert json.loads(command_body(48, 638221803786325061, 1686583588632, ["16", ""])) == {
        "Id": 48,
        "Timestamp": "2023-06-12T15:26:18.6325061Z",
        "ExpiresAt": "2023-06-12T15:26:28.6320000Z",
        "Arguments": [{"Id": 1, "Value": "16"}, {"Id": 2, "Value": ""}],
    }
