"""Each key of a TOML text is found in the line where it stands."""

import pytest

from chargebridge.config.lines import key_lines, line_of

pytestmark = pytest.mark.unit

TEXT = '''# a comment with [brackets] and x = 1
top = 1
dotted."a b".c = """
not = "a key"
[nor.a.table]"""
array = [  # with a comment ]
  "x = ]",
  { inline = 1 },
]
[table]
'quoted' = 'a # b'
[[things]]
name = "first"
[things.sub]
x = 2026-01-01T00:00:00Z
[[things]]
name = """a \\""" quote
"""
[[ things . more ]]
y = {z = [1, 2]}
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("top",), 2),
        (("dotted", "a b", "c"), 3),
        (("dotted", "a b"), 3),
        (("array",), 6),
        (("array", 1, "inline"), 6),
        (("table", "quoted"), 11),
        (("things",), 12),
        (("things", 0, "name"), 13),
        (("things", 0, "sub", "x"), 15),
        (("things", 1), 16),
        (("things", 1, "name"), 17),
        (("things", 1, "more", 0, "y", "z"), 20),
        (("table", "absent"), 10),
        (("absent",), None),
        ((), None),
    ],
)
def test_the_line_of_a_key(key: tuple[str | int, ...], line: int | None) -> None:
    assert line_of(key, key_lines(TEXT)) == line
