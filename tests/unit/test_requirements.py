"""docs/requirements.md and the names of tests agree: each rule that applies is shown, no other is named."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
RULES = dict(re.findall(r"^\| `([A-Z]+-\d+)` \| [^|]+ \|([^|]*)\|$", PAGE, flags=re.MULTILINE))
"""What is done about each rule, by its name."""
APPLYING = [rule for rule, decision in RULES.items() if not decision.startswith(" Does not apply: ")]
PREFIXES = "|".join(sorted({rule.partition("-")[0] for rule in RULES}))
NAMED = re.compile(rf"(?<=_)({PREFIXES.lower()})_(\d+)(?:_to_(\d+))?(?=_|$)")
WRITTEN = re.compile(rf"`((?:{PREFIXES})-\d+)`")


def rules_named_by(test: str) -> Iterator[str]:
    """Yield `TX-7` for `test_tx_7_waits`, and each of three for `test_ll_4_to_6`."""
    for prefix, first, last in NAMED.findall(test):
        yield from (f"{prefix.upper()}-{number}" for number in range(int(first), int(last or first) + 1))


@cache
def names_by_rule() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for rule in rules_named_by(node.name):
                    found.setdefault(rule, []).append(f"{path.name}::{node.name}")
    return found


def test_every_row_is_read() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| `[A-Z]+-", line)]
    assert len(RULES) == len(rows)
    assert len(APPLYING) > 150


@pytest.mark.parametrize("rule", APPLYING)
def test_a_rule_that_applies_is_shown_by_a_test(rule: str) -> None:
    assert rule in names_by_rule()


def test_no_test_names_a_rule_that_there_is_not() -> None:
    assert {rule: tests for rule, tests in names_by_rule().items() if rule not in RULES} == {}


def test_neither_does_code_or_document() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    unknown = {
        (path.name, rule)
        for path in files
        for rule in WRITTEN.findall(path.read_text(encoding="utf-8"))
        if rule not in RULES
    }
    assert unknown == set()
