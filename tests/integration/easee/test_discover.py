"""`chargebridge discover`: a fleet is brought in from an account."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from chargebridge.config import load
from tests.integration.easee.stage import Stage

pytestmark = pytest.mark.integration


def configuration(site: Stage, folder: Path, password: str = "charge-me", url: str | None = None) -> Path:
    file = folder / "chargebridge.toml"
    file.write_text(
        f"""\
[central_systems.main]
url = "ws://127.0.0.1:9/ocpp"

[drivers.home]
type = "easee"
way = "account"
user_name = "driver@example.com"
password = "{password}"
url = "{url or site.cloud.url}"
stream_url = "{site.cloud.stream_url}"

[[charge_points]]
identity = "CP1"
charger = "EH000002\""""
    )
    file.chmod(0o600)
    return file


async def discover(file: Path, *options: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chargebridge",
        "discover",
        "--config",
        str(file),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "160"},
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_chargers_are_shown_with_sites_circuits_and_charge_points(stage, tmp_path):
    async with stage(chargers=3, chargers_a_circuit=2, product_code=100) as site:
        code, output = await discover(configuration(site, tmp_path))
        assert code == 0, output
        row = next(line for line in output.splitlines() if "EH000002" in line)
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert cells == ["Site 1", "1 (32 A)", "EH000002", "EH000002", "Easee Charge", "CP1"]
        assert "EH000003" in output


async def test_charge_points_are_written_for_those_that_have_none_once(stage, tmp_path):
    async with stage(chargers=3) as site:
        file = configuration(site, tmp_path)
        before = file.read_text()
        code, output = await discover(file, "--write")
        assert code == 0, output
        assert "2 charge points added" in output
        assert file.read_text().startswith(before)
        assert file.stat().st_mode & 0o777 == 0o600
        assert [one.charger for one in load(file).charge_points] == ["EH000002", "EH000001", "EH000003"]
        assert [(one.vendor, one.model) for one in load(file).charge_points[1:]] == [("Easee", "Home")] * 2
        written = file.read_text()
        assert (await discover(file, "--write"))[0] == 0
        assert file.read_text() == written


async def test_a_product_that_is_not_known_is_left_to_the_driver(stage, tmp_path):
    async with stage(chargers=1, product_code=999) as site:
        file = configuration(site, tmp_path)
        code, output = await discover(file, "--write")
        assert code == 0, output
        (_, one) = load(file).charge_points
        assert (one.vendor, one.model) == ("Easee", None)


async def test_a_wrong_password_is_one_clear_error_without_it(stage, tmp_path):
    async with stage() as site:
        code, output = await discover(configuration(site, tmp_path, "not-the-one"), "--write")
        assert code == 1
        assert len(output.strip().splitlines()) == 1
        assert "refuses `user_name` and `password`" in output
        assert "not-the-one" not in output


async def test_a_cloud_that_is_not_there_is_one_clear_error(stage, tmp_path):
    async with stage() as site:
        file = configuration(site, tmp_path, url="http://127.0.0.1:9")
        before = file.read_text()
        code, output = await discover(file, "--write")
        assert code == 1
        assert "http://127.0.0.1:9" in output
        assert file.read_text() == before
