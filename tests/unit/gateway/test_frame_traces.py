"""Traces: bounded, and without secrets."""

import pytest

from chargebridge.gateway.turns.traces import Direction, Frame, Traces
from chargebridge.ocpp16.redaction import LONGEST_SHOWN, redact

pytestmark = pytest.mark.unit


def frame(text, charge_point=1, direction=Direction.RECEIVED):
    return Frame(charge_point, 1_767_348_000_000, direction, text.encode())


def texts(traces, charge_point=1, limit=100):
    return [shown.text for shown in traces.recent(charge_point, limit)]


def test_the_newest_frames_of_all_charge_points_are_kept():
    traces = Traces(3)
    for number in range(5):
        traces.add(frame(f"[{number}]", charge_point=number % 2))
    assert texts(traces, 0) == ["[2]", "[4]"]
    assert texts(traces, 1) == ["[3]"]


def test_recent_frames_are_the_newest_oldest_first():
    traces = Traces(10)
    for number in range(5):
        traces.add(frame(f"[{number}]"))
    assert texts(traces, limit=2) == ["[3]", "[4]"]


def test_the_bound_can_change_while_it_runs():
    traces = Traces(3)
    for number in range(3):
        traces.add(frame(f"[{number}]"))
    traces.keep(2)
    assert texts(traces) == ["[1]", "[2]"]
    traces.keep(3)
    traces.add(frame("[3]"))
    assert texts(traces) == ["[1]", "[2]", "[3]"]


def test_long_frames_take_the_place_of_several():
    traces = Traces(100)  # 204,800 bytes
    for number in range(30):
        traces.add(frame(f"[{number:02}]" + 9_996 * " "))
    assert [text[:4] for text in texts(traces)] == [f"[{number}]" for number in range(10, 30)]
    for number in range(100):
        traces.add(frame(f"[{number}]"))
    assert texts(traces) == [f"[{number}]" for number in range(100)]


def test_one_frame_has_room_however_long_it_is():
    traces = Traces(1)
    traces.add(frame("[" + 100_000 * " " + "]"))
    assert [len(text) for text in texts(traces)] == [LONGEST_SHOWN]


def test_none_are_kept_if_none_are_wanted():
    traces = Traces(0)
    traces.add(frame("[2]"))
    assert texts(traces) == []


def test_the_newest_of_each_charge_point():
    traces = Traces(10)
    for number in range(5):
        traces.add(frame(f"[{number}]", charge_point=number % 2))
    newest = traces.newest([0, 1, 7])
    assert {key: shown.text for key, shown in newest.items()} == {0: "[4]", 1: "[3]"}


def test_a_frame_is_shown_with_its_time_and_direction():
    traces = Traces(1)
    traces.add(frame("[2]", direction=Direction.SENT))
    (shown,) = traces.recent(1, 1)
    assert (shown.time, shown.direction) == ("2026-01-02T10:00:00.000Z", Direction.SENT)


def test_a_huge_frame_is_shown_in_part():
    traces = Traces(1)
    traces.add(frame("x" * (LONGEST_SHOWN + 5)))
    (shown,) = traces.recent(1, 1)
    assert len(shown.text) == LONGEST_SHOWN


def test_of_a_huge_frame_no_more_is_kept_than_is_shown():
    traces = Traces(20_000)
    traces.add(frame("é" * 500_000))
    assert [len(kept.data) for kept in traces._frames] == [LONGEST_SHOWN]


def test_a_secret_is_not_shown_because_the_frame_was_cut_before_its_key():
    padding = "x" * LONGEST_SHOWN
    traces = Traces(1)
    traces.add(
        frame(f'[2,"1","ChangeConfiguration",{{"value":"hunter2","x":"{padding}","key":"AuthorizationKey"}}]')
    )
    (text,) = texts(traces)
    assert text.startswith('[2,"1","ChangeConfiguration",{"value":"***"')


def test_a_hostile_frame_of_a_megabyte_is_shown_before_anybody_gets_tired():
    traces = Traces(1)
    traces.add(frame('[2,"x","y",{' + '"value":"",' * 90_000))
    (text,) = texts(traces)
    assert len(text) == LONGEST_SHOWN


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"hunter2"}]',
            '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"***"}]',
        ),
        (
            '[2,"1","ChangeConfiguration",{"value":"hunter2","key":"AuthorizationKey"}]',
            '[2,"1","ChangeConfiguration",{"value":"***","key":"AuthorizationKey"}]',
        ),
        (
            '{ "key" : "authorizationKEY" ,\n "value" : "hunter2" }',
            '{ "key" : "authorizationKEY" ,\n "value" : "***" }',
        ),
        (
            r'{"key":"AuthorizationKey","value":"hun\"ter2\\"}',
            '{"key":"AuthorizationKey","value":"***"}',
        ),
        (
            r'{"value":"hun\"ter2","key":"AuthorizationKey"}',
            '{"value":"***","key":"AuthorizationKey"}',
        ),
        (
            '{"key":"AuthorizationKey","readonly":false,"value":"hunter2"}',
            '{"key":"AuthorizationKey","readonly":false,"value":"***"}',
        ),
    ],
)
def test_the_authorization_key_is_never_shown(said, shown, direction):
    traces = Traces(1)
    seen = []
    traces.watch(1, seen.append)
    traces.add(frame(said, direction=direction))
    assert texts(traces) == [shown]
    assert [one.text for one in seen] == [shown]
    assert traces.newest([1])[1].text == shown


def test_other_values_are_shown():
    said = '[2,"1","ChangeConfiguration",{"key":"HeartbeatInterval","value":"300"}]'
    assert redact(said) == said


def test_who_watches_a_charge_point_sees_its_new_frames_until_they_stop():
    traces = Traces(10)
    seen, others = [], []
    traces.add(frame("[0]"))
    unwatch = traces.watch(1, seen.append)
    traces.watch(2, others.append)
    traces.add(frame("[1]"))
    unwatch()
    traces.add(frame("[2]"))
    assert [shown.text for shown in seen] == ["[1]"]
    assert others == []


def test_who_stops_watching_at_a_frame_keeps_it_from_nobody():
    traces = Traces(10)
    seen = []
    unwatch = traces.watch(1, lambda shown: unwatch())
    traces.watch(1, seen.append)
    traces.add(frame("[1]"))
    assert [shown.text for shown in seen] == ["[1]"]


@pytest.mark.parametrize(
    "payload",
    [
        r'{"key":"\u0041uthorizationKey","value":"hunter2"}',
        r'{"k\u0065y":"AuthorizationKey","value":"hunter2"}',
        r'{"v\u0061lue":"hunter2","key":"AUTHORIZATIONKEY"}',
        '{"value":"hunter2","more":{"a":1},"key":"AuthorizationKey"}',
        '{"key":"AuthorizationKey","value":["hunter2"]}',
    ],
)
def test_an_authorization_key_in_disguise_is_not_shown_either(payload):
    text = redact(f'[2,"1","ChangeConfiguration",{payload}]')
    assert "hunter2" not in text
    assert "***" in text
