"""Lists of Easee's cloud are read entry by entry."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.lists import (
    Oddities,
    UnreadableListError,
    number_of,
    read_inner_list,
    read_list,
    text_of,
)

pytestmark = pytest.mark.unit


class Entry(msgspec.Struct):
    id: str
    code: int | None = None


def entry(number: int) -> dict[str, object]:
    return {"id": f"EH{number:06}", "code": number, "more": {"nested": [1, None]}}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.integers(1, 6), st.data())
def test_any_mutation_of_one_entry_leaves_the_others(size, data):
    entries: list[object] = [entry(number) for number in range(size)]
    place = data.draw(st.integers(0, size - 1))
    field = data.draw(st.sampled_from(["id", "code"]))
    entries[place] = data.draw(ANYTHING | ANYTHING.map(lambda value: entry(place) | {field: value}))
    odd = Oddities("the list")
    found = read_list(json.dumps(entries).encode(), Entry, odd)
    others = [f"EH{number:06}" for number in range(size) if number != place]
    assert [one.id for one in found if one.id in others] == others
    assert len(found) + odd.count == size


@given(st.lists(st.sampled_from([b'{"id":"A"}', b'{"id":null}', b"7", b'{"id":"\xff"}', b"{}"]), max_size=8))
def test_what_is_found_and_what_is_odd_is_all_there_is(entries):
    odd = Oddities("the list")
    found = read_list(b"[" + b",".join(entries) + b"]", Entry, odd)
    assert len(found) == entries.count(b'{"id":"A"}')
    assert len(found) + odd.count == len(entries)


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"<html>", b"[1,]", b"5", b"[" * 100_000])
def test_what_is_no_list_is_refused_as_a_whole(body):
    with pytest.raises(UnreadableListError):
        read_list(body, Entry, Oddities("the list"))


def test_null_is_an_empty_list():
    assert read_list(b"null", Entry, Oddities("the list")) == []


def test_an_inner_list_that_is_none_is_one_odd_entry():
    odd = Oddities("the list")
    assert read_inner_list(b'{"a": 1}', Entry, odd) == []
    assert odd.count == 1


def test_an_entry_nested_too_deep_costs_itself():
    odd = Oddities("the list")
    deep = b'{"id":"B","x":' + b"[" * 500 + b"]" * 500 + b"}"
    found = read_list(b'[{"id":"A"},' + deep + b"]", Entry, odd)
    assert found[0].id == "A"


def test_a_warning_is_one_line_with_how_many_and_the_first_reason():
    odd = Oddities("the list of chargers")
    assert odd.warning == ""
    read_list(b'[{"id":null}]', Entry, odd)
    assert odd.warning == (
        "1 odd entry of the list of chargers is left out; the first: Expected `str`, got `null` - at `$.id`"
    )
    read_list(b"[" + b",".join([b"{}"] * 5000) + b"]", Entry, odd)
    assert odd.warning.startswith(
        "5001 odd entries of the list of chargers are left out; the first: Expected"
    )
    assert len(odd.warning) < 300


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        ("12", "12", 12),
        (12, "12", 12),
        (1.5, "1.5", None),
        (None, "", None),
        (True, "", None),
        ("x", "x", None),
        ("²", "²", None),
        ({}, "", None),
        ("9" * 30, "9" * 30, None),
    ],
)
def test_texts_and_numbers_are_read_in_each_others_place(value, text, number):
    assert text_of(value) == text
    assert number_of(value) == number
