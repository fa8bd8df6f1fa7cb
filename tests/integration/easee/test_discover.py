"""`chargebridge discover`: a fleet is brought in from an account."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from chargebridge.config import ConfigurationError, load
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


async def run(file: Path, *options: str) -> tuple[int, str, str]:
    """Return the exit code, and what was printed to the standard output and the standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chargebridge",
        "discover",
        "--config",
        str(file),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "160"},
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def discover(file: Path, *options: str) -> tuple[int, str]:
    code, output, errors = await run(file, *options)
    return code, output + errors


async def found_by(file: Path, *options: str, code: int = 0) -> dict[str, object]:
    """Return the JSON document; there must be nothing else on the standard output."""
    ended, output, errors = await run(file, "--json", *options)
    assert ended == code, errors
    return json.loads(output)


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
        # Another central system, and another driver, beside these leave it right.
        others = '[central_systems.other]\nurl = "ws://other.example"\n[drivers.other]\ntype = "simulator"\n'
        file.write_text(written + others)
        with pytest.raises(ConfigurationError) as caught:
            load(file)
        assert {problem.key for problem in caught.value.problems} == {
            "charge_points.1.central_system",
            "charge_points.1.driver",
        }, "the one that was there before names none of them"
        file.write_text(written)
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


# --- odd lists -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["null_id", "no_id", "number_for_id", "null", "text"])
async def test_an_odd_entry_costs_itself_with_a_warning(stage, tmp_path, how):
    async with stage(chargers=3) as site:
        wrong = site.cloud.misbehaviour
        wrong.odd_how, wrong.odd_next = how, 1
        code, output, errors = await run(configuration(site, tmp_path), "--write")
        assert code == 0, errors
        assert "EH000002" in output
        assert errors.splitlines()[0].startswith(
            "warning: 1 odd entry of the list of chargers is left out; the"
        )
        # The list of sites has it, too, in its own entry.
        assert [one.charger for one in load(tmp_path / "chargebridge.toml").charge_points] == [
            "EH000002",
            "EH000001",
            "EH000003",
        ]


@pytest.mark.parametrize("how", ["null_fields", "text_for_numbers", "number_for_name"])
async def test_an_odd_field_costs_that_field_at_most(stage, tmp_path, how):
    async with stage(chargers=2) as site:
        wrong = site.cloud.misbehaviour
        wrong.odd_how, wrong.odd_next = how, 1
        document = await found_by(configuration(site, tmp_path))
        assert [one["charger"] for one in document["found"]] == ["EH000001", "EH000002"]
        assert document["warnings"] == []
        first = document["found"][0]
        assert (first["name"], first["model"]) == {
            "null_fields": ("", ""),
            "text_for_numbers": ("EH000001", "Home"),
            "number_for_name": ("4711", "Home"),
        }[how]


@pytest.mark.parametrize("how", ["null_circuits", "no_circuits", "null_chargers", "null_site"])
async def test_chargers_without_a_site_are_shown_without_one(stage, tmp_path, how):
    async with stage(chargers=2) as site:
        site.cloud.misbehaviour.odd_how, site.cloud.misbehaviour.odd_next = how, 1
        document = await found_by(configuration(site, tmp_path))
        assert [(one["charger"], one["site"]) for one in document["found"]] == [
            ("EH000001", ""),
            ("EH000002", ""),
        ]


@pytest.mark.parametrize("how", ["null_names", "text_for_currents"])
async def test_a_site_without_names_goes_by_its_numbers(stage, tmp_path, how):
    async with stage(chargers=1) as site:
        site.cloud.misbehaviour.odd_how, site.cloud.misbehaviour.odd_next = how, 1
        (one,) = (await found_by(configuration(site, tmp_path)))["found"]
        assert one["site_id"]
        assert one["site"] == (one["site_id"] if how == "null_names" else "Site 1")
        assert one["circuit"].endswith("(32 A)")


async def test_an_equalizer_is_no_charger(stage, tmp_path):
    async with stage(chargers=2) as site:
        site.cloud.misbehaviour.odd_how, site.cloud.misbehaviour.odd_next = "equalizer", 1
        document = await found_by(configuration(site, tmp_path))
        assert "QP000001" not in str(document)


@pytest.mark.parametrize(
    ("fault", "reason"), [(403, "403"), ("refused", "HTTP 403"), (404, "HTTP 404"), ("garbage", "malformed")]
)
async def test_a_list_of_chargers_that_is_refused_leaves_the_other_and_says_so(
    stage, tmp_path, fault, reason
):
    async with stage(chargers=2) as site:
        site.cloud.misbehaviour.path_faults = {"/api/chargers": fault}
        file = configuration(site, tmp_path)
        with file.open("a") as config:
            config.write('\n[[charge_points]]\nidentity = "EH999999"\n')
        document = await found_by(file, code=3)
        assert [one["charger"] for one in document["found"]] == ["EH000001", "EH000002"]
        assert document["complete"] is False
        (warning,) = document["warnings"]
        assert warning.startswith("the list of chargers cannot be read: ")
        assert reason in warning
        assert document["gone"] == []
        assert [one["identity"] for one in document["not_known"]] == ["EH999999"]
        _, output, _ = await run(file)
        assert (
            "1 charge point whose charger may be gone; not known: the list of chargers cannot be read"
            in output
        )


@pytest.mark.parametrize("fault", [403, "refused", 500, "garbage"])
async def test_a_list_of_sites_that_is_refused_leaves_the_chargers(stage, tmp_path, fault):
    async with stage(chargers=2) as site:
        site.cloud.misbehaviour.path_faults = {"/api/accounts/products": fault}
        file = configuration(site, tmp_path)
        document = await found_by(file, "--write", code=3)
        assert document["added"] == ["EH000001"]
        assert len(load(file).charge_points) == 2
        assert document["warnings"][0].startswith("the list of sites cannot be read: ")
        assert document["not_known_reason"] is None, "the list of chargers is whole"


async def test_both_lists_refused_is_one_clear_error(stage, tmp_path):
    async with stage() as site:
        site.cloud.misbehaviour.path_faults = {
            "/api/chargers": "refused",
            "/api/accounts/products": "refused",
        }
        code, output = await discover(configuration(site, tmp_path))
        assert (code, len(output.splitlines())) == (1, 1)
        assert "HTTP 403" in output


async def test_a_cloud_that_wants_a_pause_is_one_error_with_when_to_retry(stage, tmp_path):
    async with stage() as site:
        site.cloud.misbehaviour.too_many, site.cloud.misbehaviour.retry_after_s = 1.0, 50
        code, output = await discover(configuration(site, tmp_path))
        assert (code, len(output.splitlines())) == (1, 1)
        assert "429" in output
        assert "; try again in " in output


# --- options ---------------------------------------------------------------------------------------


async def test_chargers_of_one_site_are_shown_and_written(stage, tmp_path):
    async with stage(chargers=4, circuits_a_site=2) as site:
        file = configuration(site, tmp_path)
        document = await found_by(file)
        by_site = {one["charger"]: one["site"] for one in document["found"]}
        assert sorted(set(by_site.values())) == ["Site 1", "Site 2"]
        second = [serial for serial, name in by_site.items() if name == "Site 2"]
        code, output = await discover(file, "--site", "site 2", "--write")
        assert code == 0, output
        assert f"{len(second)} charge points added" in output
        assert "EH000001" not in output
        assert {one.charger for one in load(file).charge_points} == {"EH000002", *second}
        code, output = await discover(file, "--site", "Site 3")
        assert code == 2
        assert "--site: found the site 'Site 3'" in output
        assert "Site 1, Site 2" in output


async def test_site_and_circuit_are_written_as_labels(stage, tmp_path):
    async with stage(chargers=1) as site:
        file = configuration(site, tmp_path)
        assert (await discover(file, "--write"))[0] == 0
        assert load(file).charge_points[-1].labels == (("circuit", "1 (32 A)"), ("site", "Site 1"))


async def test_identities_follow_a_pattern_shown_before_and_after(stage, tmp_path):
    async with stage(chargers=3) as site:
        file = configuration(site, tmp_path)
        before = file.read_text()
        code, output = await discover(file, "--identity", "CP-{n:04}")
        assert code == 0, output
        assert "2 chargers without a charge point; --write would add to" in output
        assert "  CP-0001: charger EH000001, Site 1, 1 (32 A)" in output.splitlines()
        assert "+ CP-0001" in output
        assert file.read_text() == before
        code, output = await discover(file, "--identity", "CP-{n:04}", "--write")
        assert code == 0, output
        assert "2 charge points added" in output
        assert "  CP-0002: charger EH000003, Site 1, 3 (32 A)" in output.splitlines()
        assert [(one.identity, one.charger) for one in load(file).charge_points[1:]] == [
            ("CP-0001", "EH000001"),
            ("CP-0002", "EH000003"),
        ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{nonsense}", "its fields are {serial}"),
        ("CP", "{serial} or {n} in it"),
    ],
)
async def test_a_bad_pattern_is_one_clear_error_before_anything_is_asked(stage, tmp_path, pattern, expected):
    async with stage() as site:
        code, output = await discover(configuration(site, tmp_path), "--identity", pattern)
        assert code == 2
        assert output.startswith("--identity: found ")
        assert expected in output
        assert site.cloud.statistics.logins == 1, "that of the stage itself"


async def test_an_identity_that_is_taken_writes_nothing(stage, tmp_path):
    async with stage(chargers=3) as site:
        file = configuration(site, tmp_path)
        file.write_text(file.read_text().replace('"CP1"', '"EH000003"'))
        before = file.read_text()
        code, output = await discover(file, "--write")
        assert code == 2, output
        assert (
            "--identity: charger EH000003: the identity 'EH000003' is that of the charge point of" in output
        )
        assert "nothing was written" in output
        assert file.read_text() == before
        code, output, errors = await run(file)
        assert code == 0, "who only looks sees the chargers"
        assert "EH000001" in output
        assert "warning: no identity for 1 charger" in errors


async def test_charge_points_whose_charger_is_gone_are_named(stage, tmp_path):
    async with stage(chargers=2) as site:
        file = configuration(site, tmp_path)
        with file.open("a") as config:
            config.write('\n[[charge_points]]\nidentity = "OLD"\ncharger = "EH999999"\n')
        code, output = await discover(file)
        assert code == 0
        assert (
            "1 charge point whose charger this account cannot see any more:\n  OLD (charger EH999999)"
            in output
        )
        document = await found_by(file)
        assert document["gone"] == [{"identity": "OLD", "central_system": "main", "charger": "EH999999"}]


async def test_an_odd_entry_may_be_the_charger_that_seems_to_be_gone(stage, tmp_path):
    async with stage(chargers=2) as site:
        site.cloud.misbehaviour.odd_how, site.cloud.misbehaviour.odd_entries = "null_id", 1.0
        document = await found_by(configuration(site, tmp_path))
        assert document["gone"] == []
        assert [one["identity"] for one in document["not_known"]] == ["CP1"]
        assert document["not_known_reason"] == "the list of chargers has entries that cannot be read"


async def test_the_json_document_has_these_keys(stage, tmp_path):
    async with stage(chargers=2) as site:
        file = configuration(site, tmp_path)
        document = await found_by(file)
        assert list(document) == [
            "driver",
            "complete",
            "found",
            "shown",
            "gone",
            "not_known",
            "not_known_reason",
            "added",
            "problems",
            "warnings",
        ]
        assert document["shown"] == [{"identity": "CP1", "central_system": "main", "charger": "EH000002"}]
        new, known = document["found"]
        assert new == {
            "charger": "EH000001",
            "name": "EH000001",
            "vendor": "Easee",
            "model": "Home",
            "site": "Site 1",
            "site_id": new["site_id"],
            "circuit": "1 (32 A)",
            "charge_point": None,
            "identity": "EH000001",
        }
        assert (known["charge_point"], known["identity"]) == ("CP1", None)
        written = await found_by(file, "--write")
        assert (written["added"], written["found"][0]["charge_point"]) == (["EH000001"], "EH000001")


async def test_names_are_printed_and_written_without_control_characters(stage, tmp_path):
    async with stage(chargers=1) as site:
        wrong = site.cloud.misbehaviour
        wrong.odd_how, wrong.odd_entries = "control_signs", 1.0
        file = configuration(site, tmp_path)
        before = file.read_text()
        _, output, errors = await run(file, "--write")
        document = await found_by(file)
        added = file.read_text().removeprefix(before)
        for text in (output, errors, str(document), added):
            assert all(line.isprintable() for line in text.splitlines()), text
        assert added.count("[[charge_points]]") == 2, "one is in the comment"
        assert len(load(file).charge_points) == 2
        assert "[31mVilla[0m [[charge_points]]" in added


async def test_5000_chargers_are_a_summary_and_written_in_one_go(stage, tmp_path):
    async with stage(chargers=5000, chargers_a_circuit=25, circuits_a_site=2) as site:
        file = configuration(site, tmp_path)
        code, output = await discover(file)
        assert code == 0, output
        assert "5000 chargers at 100 sites" in output
        assert "--site NAME shows the chargers of a site" in output
        assert "… and 4979 more" in output
        assert len(output.splitlines()) < 150
        code, output = await discover(file, "--write", "--identity", "{site}-{n:02}")
        assert code == 0, output
        assert "4999 charge points added" in output
        assert len(load(file).charge_points) == 5000
        code, output = await discover(file, "--site", "Site 7")
        assert code == 0, output
        assert "50 chargers" in output
