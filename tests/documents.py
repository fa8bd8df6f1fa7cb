"""What documents say of tests, and the tests there are: what holds the pages of `docs/` against them."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINKS = re.compile(r"(\[`(\S+?\.py)::\S+?`\]\(\.\./tests/\2\) ?)+")
"""A cell that links tests, and holds nothing else."""


def document(name: str) -> str:
    """Return the text of a page of `docs/`."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def tables(text: str) -> list[str]:
    """Return the tables of a page."""
    return re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of all tables, headings among them."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


def named(text: str) -> list[str]:
    """Return the ids of the tests that a text links to, each once."""
    found = re.findall(r"\[`(?P<file>\S+?\.py)::(\S+?)`\]\(\.\./tests/(?P=file)\)", text)
    return list(dict.fromkeys(f"tests/{file}::{name}" for file, name in found))


@cache
def all_tests() -> tuple[str, ...]:
    """Return the ids of all tests, without the cases of those that have some."""
    found: list[str] = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        # Lines, not a syntax tree: each process that collects tests reads all of these files.
        group = ""
        for indent, keyword, name in _DEFINED.findall(path.read_text(encoding="utf-8")):
            if not indent:
                group = f"{name}::" if keyword == "class" else ""
            if name.startswith("test_"):
                found.append(f"{path.relative_to(ROOT).as_posix()}::{group}{name}")
    return tuple(found)


_DEFINED = re.compile(r"^(|    )(?:async )?(class|def) (\w+)", re.MULTILINE)


@cache
def named_after(prefixes: frozenset[str]) -> dict[str, list[str]]:
    """Return the tests that are named after a rule, by rule.

    `test_tx_7_waits` is named after `TX-7`, `test_ll_4_to_6` after three rules.

    Args:
        prefixes: what the names of rules begin with, such as `TX`.
    """
    found: dict[str, list[str]] = {}
    carried = re.compile(rf"(?<=_)({'|'.join(sorted(prefixes)).lower()})_(\d+)(?:_to_(\d+))?(?=_|$)")
    for test in all_tests():
        for prefix, first, last in carried.findall(test.rpartition("::")[2]):
            for number in range(int(first), int(last or first) + 1):
                found.setdefault(f"{prefix.upper()}-{number}", []).append(test)
    return found
