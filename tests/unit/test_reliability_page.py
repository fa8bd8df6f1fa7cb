"""docs/reliability.md and the tests agree: each statement has tests, and each test that it names is there."""

import re

import pytest

from tests.documents import LINKS, all_tests, document, named, named_after, rows, tables

pytestmark = pytest.mark.unit

PAGE = document("reliability.md")
STATEMENTS = {cells[0].strip("`"): cells[1:] for cells in rows(PAGE) if cells[0].startswith("`")}
THREAD = r"\[(?P<repository>[\w.-]+/[\w.-]+)#(?P<number>\d+)\]\(https://github\.com/(?P=repository)/issues/(?P=number)\)"


@pytest.mark.parametrize("table", tables(PAGE))
def test_every_row_has_the_columns_of_its_table(table: str) -> None:
    header, *rest = (line.count("|") for line in table.splitlines())
    assert set(rest) == {header}


def test_the_statements_are_numbered_without_gaps_or_doubles() -> None:
    assert len(STATEMENTS) == PAGE.count("\n| `FIELD-")
    assert set(STATEMENTS) == {f"FIELD-{number}" for number in range(1, len(STATEMENTS) + 1)}
    assert len(STATEMENTS) >= 29


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_says_where_it_was_not_kept(statement: str) -> None:
    text, threads, _ = STATEMENTS[statement]
    assert text.endswith(".")
    assert all(re.fullmatch(THREAD, thread) for thread in threads.split(", "))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_links_tests_that_are_there(statement: str) -> None:
    shown = STATEMENTS[statement][2]
    assert LINKS.fullmatch(shown)
    assert [test for test in named(shown) if test not in all_tests()] == []


@pytest.mark.parametrize(("statement", "tests"), named_after(frozenset({"FIELD"})).items())
def test_a_test_that_is_named_after_a_statement_is_in_its_row(statement: str, tests: list[str]) -> None:
    assert [test for test in tests if test not in named(STATEMENTS[statement][2])] == []
