"""`chargebridge easee record` and `replay` as a user calls them."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chargebridge.cli import app
from tests.integration.easee.stage import SERIAL, until

pytestmark = pytest.mark.integration

RECORDINGS = Path(__file__).parents[2] / "unit" / "easee" / "recordings"
CONFIGURATION = """
[clock]
speed = {speed}
real_origin_ms = {real_ms}
simulated_origin_ms = {simulated_ms}

[central_systems.main]
url = "ws://127.0.0.1:9/ocpp"

[drivers.home]
type = "easee"
way = "account"
user_name = "driver@example.com"
password = "charge-me"
url = "{url}"
stream_url = "{stream_url}"

[drivers.other]
type = "simulator"
"""


def configuration(path: Path, site) -> Path:
    clock = site.clock
    path.touch(mode=0o600)
    path.write_text(
        CONFIGURATION.format(
            speed=clock.speed,
            real_ms=clock.real_origin_ms,
            simulated_ms=clock.simulated_origin_ms,
            url=site.cloud.url,
            stream_url=site.cloud.stream_url,
        )
    )
    return path


async def test_a_recording_ends_with_a_summary_at_a_signal_and_can_be_replayed(stage, tmp_path):
    file = tmp_path / "easee.jsonl"
    async with stage(speed=60.0) as site:
        config = configuration(tmp_path / "gateway.toml", site)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chargebridge", "easee", "record", "--config", config, file),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await until(lambda: file.exists() and '"kind":"stream"' in file.read_text())
        process.send_signal(signal.SIGINT)
        output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert b"it ended as stopped by hand" in output
    assert SERIAL not in file.read_text() + output.decode()
    report = json.loads(replay(file, "--json").output)
    assert report["ended"] == "stopped by hand"
    [charge_point] = report["charge_points"]
    assert charge_point["statuses"]
    assert charge_point["sessions"] == []


def replay(*arguments):
    result = CliRunner().invoke(app, ["easee", "replay", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


def test_a_replay_is_shown_as_tables():
    output = replay(RECORDINGS / "ready-with-power.jsonl").output
    for shown in (
        "EHTEST05: sessions: 1, 1250 Wh",
        "04A1B2C3D4E5F6",
        "2026-03-01T10:00:46.300Z",
        "EVDisconnected",
        "Preparing",
        "Unknown observations",
        "ReasonForNoCurrent 201",
        "value of observation 124 (LIFETIME_ENERGY)",
        "written by hand",
    ):
        assert shown in output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--for", "soon", "new.jsonl"], "--for soon: expected a time such as 24h, 90m or 1h30m"),
        (["--driver", "other", "new.jsonl"], "--driver 'other' is no driver of type `easee`; one of: home"),
        (["old.jsonl"], "old.jsonl exists; name a file that does not"),
    ],
)
async def test_what_is_wrong_with_a_call_is_said(stage, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.jsonl").touch()
    async with stage() as site:
        config = configuration(tmp_path / "gateway.toml", site)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chargebridge", "easee", "record", "--config", config, *arguments),
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
    assert process.returncode in {1, 2}
    assert errors.decode() == f"{expected}\n"


def test_what_is_no_recording_is_said(tmp_path):
    (tmp_path / "one").write_text("{}")
    result = CliRunner().invoke(app, ["easee", "replay", str(tmp_path / "one")])
    assert result.exit_code == 1
    assert "one is no recording of `chargebridge easee record`" in result.output
