"""A recording shows offline what a central system would have been sent of it."""

import gzip
import json
from pathlib import Path

import msgspec
import pytest

from chargebridge.chargers.easee.recording.file import (
    FORMAT,
    Ended,
    Header,
    Lost,
    Opened,
    QueueMessage,
    Recording,
    RecordingError,
    RestAnswer,
    StreamMessage,
    Subscribed,
    Writer,
    embed,
    extract,
)
from chargebridge.clock import format_utc
from chargebridge.replay.report import Report, as_json, report_of
from chargebridge.replay.stage import Replay

pytestmark = pytest.mark.unit

RECORDINGS = Path(__file__).parents[1] / "easee" / "recordings"
TOKEN = "04A1B2C3D4E5F6"


def replayed(name: str) -> Report:
    return report_of(Replay(Recording(RECORDINGS / f"{name}.jsonl")))


def sessions(report):
    return [(one.id_tag, one.energy_wh) for charger in report.charge_points for one in charger.sessions]


def statuses(report):
    return [one.status for charger in report.charge_points for one in charger.statuses if one.connector == 1]


@pytest.mark.parametrize(
    ("name", "tag", "energy_wh"),
    [
        ("rfid-tap", TOKEN, 7420),
        ("session-record", None, 3612),
        ("late-session-energy", TOKEN, 22030),
        ("car-takes-nothing", TOKEN, 1200),
        ("ready-with-power", TOKEN, 1250),
    ],
)
def test_a_recorded_session_is_one_transaction_with_its_energy_and_its_token(name, tag, energy_wh):
    report = replayed(name)
    [(id_tag, energy)] = sessions(report)
    assert energy == energy_wh
    assert tag is None or id_tag == tag
    assert report.charge_points[0].energy_wh == energy_wh
    assert report.ended == "written by hand"
    assert report.source


def test_a_tap_whose_start_record_comes_first_is_authorized():
    [charge_point] = replayed("rfid-tap").charge_points
    assert charge_point.authorized == [TOKEN]
    assert statuses(replayed("rfid-tap"))[:4] == ["Available", "Preparing", "Charging", "Finishing"]


def test_op_mode_6_is_charging_while_power_flows():
    assert statuses(replayed("ready-with-power"))[1:5] == [
        "Preparing",
        "SuspendedEV",
        "Charging",
        "Finishing",
    ]


def test_energy_that_is_told_late_changes_no_register():
    report = replayed("late-session-energy")
    [charge_point] = report.charge_points
    [session] = charge_point.sessions
    assert (session.meter_start_wh, session.meter_stop_wh) == (100_000, 122_030)
    assert charge_point.missing_sessions == 0


def test_a_car_that_takes_nothing_is_connected_until_it_leaves():
    told = statuses(replayed("car-takes-nothing"))
    assert told[0] == "Available"
    assert "Preparing" in told
    assert "Charging" in told
    assert told[-1] == "Available"


def test_what_the_driver_does_not_know_or_cannot_read_is_counted():
    report = replayed("ready-with-power")
    assert report.unknown_observations == {"999": 2}
    assert report.unknown_values == {"ReasonForNoCurrent 201": 1}
    assert report.unreadable == {
        "message of the stream: DecodeError: Input data was truncated": 1,
        "value of observation 124 (LIFETIME_ENERGY)": 1,
    }


def test_the_same_recording_gives_the_same_report():
    assert as_json(replayed("rfid-tap")) == as_json(replayed("rfid-tap"))
    assert json.loads(as_json(replayed("rfid-tap")))["charge_points"][0]["charger"] == "EHTEST01"


# --- the file ---------------------------------------------------------------------------------------

HEADER = Header(format=FORMAT, version=1, way="account", chargebridge="1.0", started_ms=1_767_348_000_000)
UPDATE = '{"type":1,"target":"ProductUpdate","arguments":[]}'


@pytest.mark.parametrize("name", ["one.jsonl", "one.jsonl.gz"])
def test_a_file_has_all_that_was_written_even_if_its_writer_was_killed(tmp_path, name):
    writer = Writer(tmp_path / name, HEADER, 10_000)
    lines = [Opened(t=1), StreamMessage(t=2, message=embed(UPDATE)), Ended(t=3, reason="enough")]
    for line in lines:
        writer.write(line)
    assert list(Recording(tmp_path / name).lines()) == lines  # it is not closed
    writer.close()
    assert list(Recording(tmp_path / name).lines()) == lines
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_the_first_line_has_format_and_version(tmp_path):
    Writer(tmp_path / "one.jsonl", HEADER, 10_000).close()
    header = json.loads((tmp_path / "one.jsonl").read_text())
    assert header["format"] == "chargebridge easee recording"
    assert header["version"] == 1


def test_a_line_that_was_written_halfway_is_left_out(tmp_path):
    path = tmp_path / "one.jsonl"
    writer = Writer(path, HEADER, 10_000)
    writer.write(Opened(t=1))
    writer.close()
    path.write_bytes(path.read_bytes() + b'{"kind":"opened","t"')
    recording = Recording(path)
    assert list(recording.lines()) == [Opened(t=1)]
    assert recording.unreadable == [3]


def test_a_file_that_exists_is_not_overwritten(tmp_path):
    (tmp_path / "one.jsonl").write_text("mine")
    with pytest.raises(RecordingError, match="exists; name a file that does not"):
        Writer(tmp_path / "one.jsonl", HEADER, 10_000)
    assert (tmp_path / "one.jsonl").read_text() == "mine"


def test_a_file_is_full_when_it_has_reached_its_limit(tmp_path):
    writer = Writer(tmp_path / "one.jsonl", HEADER, 1000)
    assert not writer.is_full
    for _ in range(50):
        writer.write(Opened(t=1))
    assert writer.is_full
    writer.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b'{"format":"other","way":"account","chargebridge":"1","started_ms":1}',
        b"\x1f\x8b",
        b"\xff",
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, content):
    for name in ("one.jsonl", "one.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecordingError, match=r"no recording|cannot be read"):
            Recording(tmp_path / name)


def test_a_newer_format_is_refused_with_its_version(tmp_path):
    header = msgspec.structs.replace(HEADER, chargebridge="7.0", version=9)
    (tmp_path / "one.gz").write_bytes(gzip.compress(msgspec.json.encode(header)))
    with pytest.raises(RecordingError, match=r"version 9 .* made by chargebridge 7\.0"):
        Recording(tmp_path / "one.gz")


def recording_of(tmp_path, header, *lines):
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "one.jsonl"
    writer = Writer(path, header, 1_000_000)
    for line in lines:
        writer.write(line)
    writer.close()
    return Recording(path)


def observation(t, id, value):
    argument = {"mid": "EH1", "dataType": 6, "id": id, "timestamp": format_utc(t), "value": value}
    return StreamMessage(
        t=t, message=embed(json.dumps({"type": 1, "target": "ProductUpdate", "arguments": [argument]}))
    )


def session_record(t, id, start_kwh, stop_kwh):
    times = {"Start": format_utc(t - 600_000), "Stop": format_utc(t)}
    energies = {"MeterValueStart": start_kwh, "MeterValueStop": stop_kwh, "EnergyKwh": stop_kwh - start_kwh}
    return observation(t, 129, json.dumps({"Id": id, "Auth": TOKEN, "AuthReason": 1, **times, **energies}))


def subscribed(t, *updates):
    return [Opened(t=t), Subscribed(t=t, charger="EH1"), *updates]


def missed_session(*, body):
    """Of three sessions the second began and ended while the stream was away; a list of sessions follows."""
    began, later = HEADER.started_ms, HEADER.started_ms + 7_200_000
    lines = subscribed(
        began, *(observation(began, id, value) for id, value in ((124, "0"), (109, "1"), (250, "1")))
    )
    lines += [observation(began + 60_000, 109, "3"), session_record(began + 700_000, 1, 0.0, 1.0)]
    lines += [observation(began + 700_000, 109, "1"), Lost(t=began + 800_000, reason="gone")]
    lines += subscribed(later, session_record(later, 3, 3.0, 3.5), observation(later, 109, "1"))
    path = "/api/sessions/charger/EH1/sessions/2026-01-01T00:00:00Z/2026-01-03T00:00:00Z"
    lines.append(RestAnswer(t=later + 60_000, path=path, status=200, body=embed(body)))
    return [*lines, Ended(t=later + 60_000, reason="enough")]


def test_a_session_that_the_stream_missed_is_rebuilt_from_the_recorded_list(tmp_path):
    times = {"carConnected": "2026-01-02T10:20:00Z", "carDisconnected": "2026-01-02T10:50:00Z"}
    lines = missed_session(body=json.dumps([{**times, "kiloWattHours": 2.0, "sessionId": 2}]))
    report = report_of(Replay(recording_of(tmp_path, HEADER, *lines)))
    [charge_point] = report.charge_points
    assert sorted(one.energy_wh for one in charge_point.sessions) == [500, 1000, 2000]
    assert charge_point.missing_sessions == 0
    assert report.notices["transaction_rebuilt"] == 1


def test_an_answer_that_is_no_json_is_counted(tmp_path):
    report = report_of(Replay(recording_of(tmp_path, HEADER, *missed_session(body="<html>"))))
    assert report.unreadable == {
        "answer to /api/sessions/charger/…/sessions/…/…: JSON is malformed: invalid character (byte 0)": 1
    }


def test_what_the_cloud_refused_to_the_recorder_is_shown(tmp_path):
    began = HEADER.started_ms
    refused = RestAnswer(t=began, path="/api/accounts/products", status=403, error="HTTP 403: forbidden")
    unanswered = RestAnswer(t=began, path="/api/chargers", status=None, error="throttled by the cloud (429)")
    report = report_of(Replay(recording_of(tmp_path, HEADER, refused, unanswered)))
    assert report.refusals == {
        "read: HTTP 403: forbidden": 1,
        "read: throttled by the cloud (429)": 1,
    }


def test_a_line_of_another_year_does_not_hold_up_the_replay(tmp_path):
    began_ms = HEADER.started_ms
    lines = [Opened(t=began_ms), Opened(t=began_ms + 50 * 86_400_000), Ended(t=began_ms + 1, reason="enough")]
    report = report_of(Replay(recording_of(tmp_path, HEADER, *lines)))
    assert (report.lines, report.unreadable_lines, report.ended) == (2, [3], "enough")


@pytest.mark.parametrize("pattern", ["x", "{serial}{serial}{id}"])
def test_patterns_of_routing_keys_that_make_no_sense_are_refused(tmp_path, pattern):
    header = msgspec.structs.replace(HEADER, way="operator", patterns={"observation": pattern})
    with pytest.raises(RecordingError, match="wrong patterns"):
        Replay(recording_of(tmp_path, header))


def test_a_queue_with_keys_of_its_own_is_replayed_by_them(tmp_path):
    header = msgspec.structs.replace(HEADER, way="operator", patterns={"observation": "obs.{id}.{serial}"})
    body = embed('{"Timestamp":"2026-01-02T10:00:00Z","Value":"3"}')
    lines = [
        Opened(t=HEADER.started_ms),
        QueueMessage(t=HEADER.started_ms + 1000, key="obs.109.EH1", body=body),
        QueueMessage(t=HEADER.started_ms + 2000, key="EH1.X.109", body=body),
        QueueMessage(t=HEADER.started_ms + 3000, key="obs.120.EH1", body=embed("{")),
    ]
    report = report_of(Replay(recording_of(tmp_path, header, *lines)))
    assert [one.charger for one in report.charge_points] == ["EH1"]
    assert report.unreadable == {
        "body of the queue: Input data was truncated": 1,
        "routing key: {serial}.X.{number}": 1,
    }
    assert report.ended == ""
    assert report.failures == {}


@pytest.mark.parametrize(
    "text", [UPDATE, "", "null", '"text"', '{"broken":', "[NaN]", "12", '{"a":\n1}', "\ud800"]
)
def test_any_text_comes_out_of_a_line_as_it_went_in(text):
    line = RestAnswer(t=1, path="/", status=200, body=embed(text))
    assert extract(line.body) == text.encode(errors="replace").decode()
