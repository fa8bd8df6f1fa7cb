"""docs/requirements.md and the names of tests agree: each rule that applies is shown, no other is named."""

import re

import pytest

from tests.documents import ROOT, document, named_after

pytestmark = pytest.mark.unit

PAGE = document("requirements.md")
RULES = dict(re.findall(r"^\| `([A-Z]+-\d+)` \| [^|]+ \|([^|]*)\|$", PAGE, flags=re.MULTILINE))
"""What is done about each rule, by its name."""
APPLYING = [rule for rule, decision in RULES.items() if not decision.startswith(" Does not apply: ")]
PREFIXES = frozenset(rule.partition("-")[0] for rule in RULES)
WRITTEN = re.compile(rf"`((?:{'|'.join(sorted(PREFIXES))})-\d+)`")


def test_every_row_is_read() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| `[A-Z]+-", line)]
    assert len(RULES) == len(rows)
    assert len(APPLYING) > 150


@pytest.mark.parametrize("rule", APPLYING)
def test_a_rule_that_applies_is_shown_by_a_test(rule: str) -> None:
    assert rule in named_after(PREFIXES)


def test_no_test_names_a_rule_that_there_is_not() -> None:
    assert {rule: tests for rule, tests in named_after(PREFIXES).items() if rule not in RULES} == {}


def test_neither_does_code_or_document() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    unknown = {
        (path.name, rule)
        for path in files
        for rule in WRITTEN.findall(path.read_text(encoding="utf-8"))
        if rule not in RULES
    }
    assert unknown == set()
