"""`chargebridge easee probe` at a terminal: its report, its errors, and Ctrl-C."""

import asyncio
import json
import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from tests.integration.easee.stage import SERIAL, Stage, until
from tests.integration.easee.test_discover import configuration

pytestmark = pytest.mark.integration


async def start(file: Path, *options: str, terminal: int | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chargebridge",
        "easee",
        "probe",
        "--config",
        str(file),
        "--listen",
        "1",
        *options,
        stdin=asyncio.subprocess.DEVNULL if terminal is None else terminal,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "160"},
    )


async def run(file: Path, *options: str) -> tuple[int, str]:
    process = await start(file, *options)
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def limit(site: Stage) -> object:
    body = await site.client.get(f"/state/{SERIAL}/observations?ids=48")
    return body["observations"][0]["value"]


async def test_a_report_is_written_as_markdown_and_as_json(stage, tmp_path):
    async with stage(speed=1.0, chargers=2, connected_as_word=True) as site:
        file = configuration(site, tmp_path)
        markdown = tmp_path / "report.md"
        code, output = await run(file, "--out", str(markdown))
        assert code == 0, output
        assert markdown.read_text().startswith("# Probe of an Easee account\n")
        assert (await run(file, "--out", str(tmp_path / "report.json")))[0] == 0
        report = json.loads((tmp_path / "report.json").read_text())
        assert {one["verdict"] for one in report["assumptions"]} == {"confirmed", "contradicted", "not seen"}
        assert "EH00000" not in markdown.read_text()


async def test_without_a_file_the_report_goes_to_standard_output(stage, tmp_path):
    async with stage(speed=1.0, chargers=2) as site:
        code, output = await run(configuration(site, tmp_path))
        assert code == 0
        assert "| token-life | An access token lives for 3600 s. | confirmed |" in output


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (("--driver", "office"), 2, "'office' is no driver of the type easee; one of: home"),
        (("--out", "report.txt"), 2, "expected a name that ends with .md or .json"),
        (("--charger", "EH000009"), 1, "the account sees no charger EH000009"),
        (("--charger", "EH000001", "--active", "EH000002"), 2, "two chargers"),
        (("--out", "/nowhere/report.md"), 2, "/nowhere/report.md: there is no such folder"),
    ],
)
async def test_wrong_options_are_one_clear_error(stage, tmp_path, options, code, error):
    async with stage(speed=1.0, chargers=2) as site:
        found, output = await run(configuration(site, tmp_path), *options)
        assert found == code, output
        lines = [line for line in output.strip().splitlines() if not line.startswith("Reading")]
        assert len(lines) == 1
        assert error in lines[0]


async def test_a_wrong_password_is_one_clear_error_without_it(stage, tmp_path):
    async with stage(speed=1.0) as site:
        code, output = await run(configuration(site, tmp_path, "not-the-one"))
        assert code == 1
        assert "refuses `user_name` and `password`" in output
        assert "not-the-one" not in output


async def test_without_a_terminal_only_what_was_agreed_to_is_done(stage, tmp_path):
    async with stage(speed=1.0, command_delay_s=0.1) as site:
        code, output = await run(configuration(site, tmp_path), "--active", SERIAL)
        assert code == 0, output
        assert dict(site.cloud.statistics.commands) == {}
        site.act("plug_in", battery_kwh=77)
        code, output = await run(configuration(site, tmp_path), "--active", SERIAL, "--yes")
        assert code == 0, output
        assert site.cloud.statistics.commands[48] == 2
        assert await limit(site) == 32
        assert output.count("this needs a yes at a terminal") == 3
        assert site.cloud.statistics.commands[25] == 0


async def test_each_question_is_asked_at_the_terminal_and_ctrl_c_undoes(stage, tmp_path):
    async with stage(speed=1.0) as site:
        ours, theirs = pty.openpty()
        try:
            process = await start(configuration(site, tmp_path), "--active", SERIAL, terminal=theirs)
            os.write(ours, b"n\ny\n")  # not the setting, but the limit
            await until(lambda: site.cloud.statistics.commands[48] == 1)
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            output, _ = await process.communicate()
        finally:
            os.close(ours)
            os.close(theirs)
        text = output.decode()
        assert process.returncode == 130, text
        assert "The limit is set back to 32 A." in text
        assert "interrupted; there is no report" in text
        assert await limit(site) == 32
