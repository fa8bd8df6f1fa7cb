"""docs/interoperability.md and the central systems that tests run agree: names, versions, what is refused."""

import json
import re

import pytest

from tests.documents import ROOT, document, rows, tables
from tests.integration.gateway.interoperability.libraries import LIBRARIES

pytestmark = pytest.mark.unit

PAGE = document("interoperability.md")
FOLDER = ROOT / "tests/integration/gateway/interoperability"


def section(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading, without its own heading."""
    (text,) = re.findall(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return rows(text)[2:]


def in_code(cell: str) -> str:
    """Return what is in backticks first."""
    return re.findall(r"`([^`]+)`", cell)[0]


RUN = {in_code(cells[0]): cells[1] for cells in section("Run with each change")}


def installed() -> dict[str, str]:
    """Return the versions of the lock files, by package."""
    lock = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))
    npm = {
        path.removeprefix("node_modules/"): package["version"]
        for path, package in lock["packages"].items()
        if path
    }
    pypi = re.findall(
        r"^(\S+)==(\S+)", (ROOT / "requirements-dev.lock").read_text(encoding="utf-8"), re.MULTILINE
    )
    return npm | dict(pypi)


@pytest.mark.parametrize("table", tables(PAGE))
def test_every_row_has_the_columns_of_its_table(table: str) -> None:
    header, *rest = (line.count("|") for line in table.splitlines())
    assert set(rest) == {header}


def test_what_is_said_to_be_run_is_run() -> None:
    """Two more than the list: a judge within the program of another, and one with test modules of its own."""
    assert set(RUN) == {library.name for library in LIBRARIES} | {"typed-ocpp", "ocpp"}
    assert all((FOLDER / library.program).is_file() for library in LIBRARIES)


@pytest.mark.parametrize("name", RUN)
def test_the_version_is_the_one_that_is_installed(name: str) -> None:
    assert RUN[name] == installed()[name]


def test_what_is_said_to_be_refused_is_refused() -> None:
    said: dict[str, list[tuple[str, str]]] = {}
    for name, action, code, _ in section("What they refuse"):
        said.setdefault(in_code(name), []).append((in_code(action), in_code(code)))
    assert said == {library.name: list(library.refuses) for library in LIBRARIES if library.refuses}
