"""What is shipped for users needs no test framework, and has what they call it for."""

import ast
import inspect
from pathlib import Path

import pytest

from chargebridge import testing
from chargebridge.testing import contract
from tests.documents import document

pytestmark = pytest.mark.unit

SOURCES = sorted(Path(inspect.getfile(testing)).parent.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_needs_no_test_framework(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            imported.add(node.module.partition(".")[0])
    assert imported.isdisjoint({"pytest", "_pytest", "hypothesis", "nose"})


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parent.name == "contract"])
def test_the_contract_is_written_against_the_public_face(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chargebridge"):
            assert (node.module or "").startswith(("chargebridge.drivers", "chargebridge.testing"))


def test_every_check_has_a_sentence_and_says_what_it_does() -> None:
    names = [check.name for check in contract.CHECKS]
    assert len(names) == len(set(names))
    for check in contract.CHECKS:
        assert check.sentence.endswith(".")
        assert check.body.__doc__


def test_calls_can_be_made_with_what_is_shipped() -> None:
    reset = testing.messages.Reset(type=testing.enums.ResetType.SOFT)
    assert reset.type == "Soft"


MODULES = {"enums", "messages"}
NAMES = [
    *(f"chargebridge.testing.{name}" for name in sorted(set(testing.__all__) - MODULES)),
    *(f"chargebridge.testing.contract.{name}" for name in contract.__all__),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_in_the_reference(name: str) -> None:
    assert f":: {name}\n" in document("site/testing.md")
