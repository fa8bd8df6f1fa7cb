"""The tool behind `make mutants`: what it changes, what it leaves alone, and that its list is up to date."""

import ast
from pathlib import Path

import pytest

from tests.mutants.__main__ import EXPLAINED, ROOT, chosen, explained, key, selected
from tests.mutants.mutations import mutations
from tests.mutants.selection import PACKAGES, SLOW, SUITES, Covered

pytestmark = pytest.mark.unit


def changes(source):
    return [found.apply(source.encode()).decode() for found in mutations("a.py", source.encode())]


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("x = a < b", ["x = (a <= b)"]),
        ("x = a < b <= c", ["x = (a <= b <= c)", "x = (a < b < c)"]),
        ("x = a is None", ["x = (a is not None)"]),
        ("x = a and b", ["x = (a or b)"]),
        ("x = not a", ["x = (a)"]),
        ("x = -a", ["x = (a)"]),
        ("x = a + b", ["x = (a - b)"]),
        ("x |= a", ["pass", "x &= a"]),
        ("x = 30", ["x = (31)"]),
        ("x = True", ["x = (False)"]),
        ("x.y = a", ["pass"]),
        ("f(a, b=c)", ["pass", "(f(a))"]),
        ("x = [a for a in b if a]", ["x = [a for a in b if (True)]"]),
        ("x = a if b else c", ["x = a if (not b) else c"]),
        ("raise E", ["pass"]),
        ("del a", ["pass"]),
        ("def f():\n    return a", ["def f():\n    return (None)"]),
        ("def f():\n    return", ["def f():\n    pass"]),
        ("if a:\n    b", ["if (not a):\n    b", "if a:\n    pass"]),
        ("while a:\n    continue", ["while (not a):\n    continue", "while a:\n    break"]),
    ],
)
def test_each_place_has_its_changes(source, changed):
    assert sorted(changes(source)) == sorted(changed)


@pytest.mark.parametrize(
    "source",
    [
        '"""Text."""',
        "x = 'text'",
        "x: int | None",
        "import a",
        "assert a < 1",
        "log.info('text', number=1)",
        "self._log.warning('text', number=1)",
        "def __repr__(self):\n    return a + 1",
        "x = f'{a + 1}'",
        "@d(1)\nclass A(B):\n    x: int",
    ],
)
def test_texts_for_people_and_types_are_left_alone(source):
    assert changes(source) == []


def test_places_are_in_bytes():
    assert changes("x = 'é' if a else b") == ["x = 'é' if (not a) else b"]


def test_a_change_knows_its_function_and_its_statement():
    source = b"class A:\n    x = 1\n\n    def f(self):\n        return g(\n            2,\n        )\n"
    found = {(one.function, one.line, one.last_line, one.old) for one in mutations("a.py", source)}
    assert found == {("", 2, 2, "1"), ("A.f", 5, 7, "g(2)"), ("A.f", 5, 7, "2")}


def test_a_condition_of_many_lines_is_run_on_any_of_them():
    source = b"def f():\n    if (\n        a\n        and b\n    ):\n        c\n"
    (both, *_) = mutations("a.py", source)
    assert (both.line, both.last_line) == (2, 5)
    assert selected(ROOT, "twin", both, Covered(["one"], {"a.py": {"4": [0]}})) == ["one"]


def test_what_runs_at_import_is_tried_by_all_tests_that_run_or_name_its_file(tmp_path):
    (tmp_path / "tests/unit/easee").mkdir(parents=True)
    (tmp_path / "tests/unit/easee/test_b.py").write_text("from chargebridge.a import B\n")
    (tmp_path / "tests/unit/easee/test_c.py").write_text("from chargebridge import c, a\n")
    (tmp_path / "tests/unit/easee/test_d.py").write_text("from chargebridge.ab import a\n")
    path = "src/chargebridge/a.py"
    outside, inside = mutations(path, b"x = 1\ndef f():\n    return None if x else 2\n")[:2]
    covered = Covered(["one", "two"], {path: {"": [0, 1], "3": [1]}})
    named = ["tests/unit/easee/test_b.py", "tests/unit/easee/test_c.py"]
    assert selected(tmp_path, "twin", outside, covered) == [*named, "one", "two"]
    assert selected(tmp_path, "twin", inside, covered) == ["two"]
    assert selected(tmp_path, "twin", inside, Covered([], {})) == []


def test_all_sources_can_be_changed_and_a_seed_chooses():
    sample, possible = chosen(PACKAGES, 40, 1)
    assert possible > 5000
    assert sample == chosen(PACKAGES, 40, 1)[0] != chosen(PACKAGES, 40, 2)[0]
    for _, mutation in sample:
        ast.parse(mutation.apply((ROOT / mutation.path).read_bytes()))


def test_the_packages_and_their_tests_are_there():
    assert PACKAGES.keys() == SUITES.keys()
    for path in [*PACKAGES.values(), *(path for suite in SUITES.values() for path in suite)]:
        assert (ROOT / path).is_dir()
    for path in [path for suite in SLOW.values() for path in suite]:
        assert (ROOT / path).is_file()


def test_every_explained_change_is_possible_and_says_why():
    for path, function, old, new in explained():
        known = {key(one) for one in mutations(path, (ROOT / path).read_bytes())}
        assert (path, function, old, new) in known, f"{EXPLAINED.name}: {path} has no {old} → {new} any more"
    assert all(len(why) > 20 for why in explained().values())
    assert Path(EXPLAINED).stat().st_size < 20_000
