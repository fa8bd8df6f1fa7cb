"""The driver is built on the public face of chargebridge alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(ROOT.glob("src/**/*.py"))
TESTS = sorted(ROOT.glob("tests/**/*.py"))


def of_chargebridge(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return {name for name in found if name == "chargebridge" or name.startswith("chargebridge.")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_driver_imports_chargebridge_drivers_only(path: Path) -> None:
    assert of_chargebridge(path) <= {"chargebridge.drivers"}


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_its_tests_import_chargebridge_testing_as_well(path: Path) -> None:
    allowed = {"chargebridge.drivers", "chargebridge.testing", "chargebridge.testing.contract"}
    assert of_chargebridge(path) <= allowed


def test_there_is_something_to_look_at() -> None:
    assert any("chargebridge.drivers" in of_chargebridge(path) for path in SOURCES)
    assert any("chargebridge.testing" in of_chargebridge(path) for path in TESTS)
