"""docs/behaviour.md names tests that are there, and those of a field's rows fail when it is flipped."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chargebridge.chargepoint.behaviour import Behaviour

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "behaviour.md").read_text(encoding="utf-8")


def run_pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Most of its time would go into plugins that nothing here needs; the configuration asks for this one.
    plugins = ["-p", "pytest_timeout", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--tb=no", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def named(text: str) -> list[str]:
    """The ids of the tests that a text links to, each once."""
    found = re.findall(r"\[`(?P<file>\S+?\.py)::(\S+?)`\]\(\.\./tests/(?P=file)\)", text)
    return list(dict.fromkeys(f"tests/{file}::{name}" for file, name in found))


def shown_by(field: str) -> list[str]:
    """The tests of all rows that name this field, and no other, in their last but one column."""
    return named("".join(re.findall(rf"^\|.*\| `{field}` \|(.*)\|$", DOCUMENT, re.MULTILINE)))


def test_every_test_that_is_named_is_collected() -> None:
    assert named(DOCUMENT)
    ran = run_pytest("--collect-only", *named(DOCUMENT))
    assert ran.returncode == pytest.ExitCode.OK, ran.stdout + ran.stderr


@pytest.mark.parametrize("field", Behaviour.__struct_fields__)
def test_each_test_that_shows_a_field_fails_when_it_is_flipped(field: str) -> None:
    tests = shown_by(field)
    assert tests
    ran = run_pytest("--flip", field, "-rA", *tests)
    outcomes = re.findall(r"^(PASSED|FAILED|ERROR|XFAIL|XPASS) (\S+)", ran.stdout, re.MULTILINE)
    for test in tests:
        # Of a test that is named without its case, all cases.
        told = {outcome for outcome, id in outcomes if id == test or id.startswith(f"{test}[")}
        assert told == {"FAILED"}, f"{test}: {ran.stdout}{ran.stderr}"
