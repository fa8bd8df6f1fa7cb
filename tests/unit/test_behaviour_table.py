"""docs/behaviour.md names every field of a behaviour with its values, and only tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from chargebridge.chargepoint.behaviour import PRESETS, Behaviour

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "behaviour.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(\S+?\.py)::(\S+?)`", DOCUMENT)))
ROWS = {
    cells[0].strip("` "): [cell.strip() for cell in cells[1:]]
    for cells in (line.strip("|").split("|") for line in DOCUMENT.splitlines() if line.startswith("| `"))
}


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of the tests of a file, those of classes as `Class::test`."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    names = functions(module)
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{name}" for name in functions(node)}
    return frozenset(names)


def functions(node: ast.Module | ast.ClassDef) -> set[str]:
    found = {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    return {name for name in found if name.startswith("test_")}


def written(value: object) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[f"{path}::{name}" for path, name in NAMED])
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    file = ROOT / (path if "/" in path else f"tests/unit/chargepoint/{path}")
    assert file.is_file()
    assert name in names_in(file)


@pytest.mark.parametrize("field", Behaviour.__struct_fields__)
def test_every_field_is_described_with_its_value_in_each_preset(field: str) -> None:
    presets = ("easee", "ocpp16")
    assert ROWS[field][:2] == [written(getattr(PRESETS[preset], field)) for preset in presets]


def test_every_preset_has_a_column() -> None:
    assert set(PRESETS) == {"easee", "ocpp16"}
