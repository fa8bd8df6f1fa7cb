"""Names of others are shown without what could mislead a terminal or a reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.plain_text import one_line

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Villa Süd", "Villa Süd"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]0;title\x07x", "]0;titlex"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("\u2066isolated\u2069", "isolated"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("line\u2028separator", "line separator"),
        ("C1\x9b31m", "C131m"),
        ("lone\ud800surrogate", "lonesurrogate"),
        ("  spaces  ", "spaces"),
        ("車庫 🔌", "車庫 🔌"),
        ("x" * 500, "x" * 100),
    ],
)
def test_a_name_is_one_printable_line(text, shown):
    assert one_line(text) == shown


@given(st.text(max_size=300))
def test_whatever_comes_is_printable_and_short(text):
    shown = one_line(text)
    assert shown.isprintable()
    assert len(shown) <= 100
    assert one_line(shown) == shown
