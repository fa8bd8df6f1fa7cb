"""The documents name tests that are there, and those of a field's rows fail when it is flipped."""

import os
import re
import subprocess
import sys

import pytest

from chargebridge.chargepoint.behaviour import Behaviour
from tests.documents import ROOT, document, named

pytestmark = pytest.mark.integration

DOCUMENT = document("behaviour.md")


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


def shown_by(field: str) -> list[str]:
    """The tests of all rows that name this field, and no other, in their last but one column."""
    return named("".join(re.findall(rf"^\|.*\| `{field}` \|(.*)\|$", DOCUMENT, re.MULTILINE)))


@pytest.mark.parametrize("page", ["behaviour.md", "reliability.md"])
def test_every_test_that_is_named_is_collected(page: str) -> None:
    tests = named(document(page))
    assert tests
    ran = run_pytest("--collect-only", *tests)
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
