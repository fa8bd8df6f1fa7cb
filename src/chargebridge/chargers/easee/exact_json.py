"""JSON as it was written: numbers keep their digits, objects their order and repeated fields. Pure."""

import json
from typing import Final

from msgspec import Struct

DEEPEST: Final = 40
"""Levels of a document."""


class Number(Struct, frozen=True):
    """A JSON number as it was written."""

    text: str


class Object(Struct, frozen=True):
    """A JSON object with its fields in order, even if one comes twice."""

    fields: list[tuple[str, object]]


class Null(Struct, frozen=True):
    """The document `null`."""


def parse(text: str) -> object | None:
    """Return a JSON document with its numbers as they are written; None: it is none, or too deep."""
    try:
        document: object = json.loads(
            text,
            parse_float=Number,
            parse_int=Number,
            parse_constant=Number,
            object_pairs_hook=Object,
        )
    except (ValueError, RecursionError):
        return None
    if document is None:
        return Null()
    return document if _is_shallow(document) else None


def _is_shallow(document: object) -> bool:
    """Return whether a document is no deeper than `DEEPEST`."""
    level = [document]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            for inner in (
                one
                if isinstance(one, list)
                else [value for _, value in one.fields]
                if isinstance(one, Object)
                else ()
            )
        ]
        if not level:
            return True
    return False


def write(value: object) -> str:
    """Write what `parse` returned."""
    match value:
        case Object(fields=fields):
            return "{" + ",".join(f"{json.dumps(name)}:{write(one)}" for name, one in fields) + "}"
        case list():
            return "[" + ",".join(map(write, value)) + "]"
        case Number(text=text):
            return text
        case Null():
            return "null"
        case _:
            return json.dumps(value)
