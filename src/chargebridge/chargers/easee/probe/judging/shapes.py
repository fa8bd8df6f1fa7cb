"""The shape of JSON: names and types without values, so that it can be shown to anybody."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

DEEPEST: Final = 5
NAMES_AT_MOST: Final = 60
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_INTEGER: Final = re.compile(r"-?\d+", re.ASCII)
_DECIMAL: Final = re.compile(r"-?\d+\.(\d+)", re.ASCII)
_HEX: Final = re.compile(r"[0-9A-Fa-f]{8,20}", re.ASCII)


def shape(value: object, depth: int = 0) -> str:
    """Return the shape of a JSON value, such as `[{id: text, productCode: number | null}]`."""
    if isinstance(value, Mapping):
        return _object_shape([value], depth)
    if isinstance(value, list):
        if not value:
            return "[]"
        return f"[{_joined(value, depth + 1)}]" if depth < DEEPEST else "[…]"
    return _type(value)


def _joined(values: Iterable[object], depth: int) -> str:
    """Return the one shape of several values: all types that occur at the same place."""
    objects = [value for value in values if isinstance(value, Mapping)]
    others = dict.fromkeys(shape(value, depth) for value in values if not isinstance(value, Mapping))
    shapes = [_object_shape(objects, depth)] if objects else []
    return " | ".join([*shapes, *others])


def _object_shape(objects: list[Mapping[object, object]], depth: int) -> str:
    names = dict.fromkeys(str(name) for one in objects for name in one)
    if depth >= DEEPEST:
        return "{…}"
    parts = []
    for name in list(names)[:NAMES_AT_MOST]:
        there = [one[name] for one in objects if name in one]
        optional = "?" if len(there) < len(objects) else ""
        parts.append(f"{name[:60]}{optional}: {_joined(there, depth + 1)}")
    if len(names) > NAMES_AT_MOST:
        parts.append(f"… {len(names) - NAMES_AT_MOST} more")
    return "{" + ", ".join(parts) + "}"


def _type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
    return type(value).__name__


def text_kind(text: str) -> str:
    """Return how a text is written, without the text: `time, 3 decimals, Z`, `0 or 1`, `14 hex digits`."""
    if not text:
        return "empty"
    if text in {"0", "1"}:
        return "0 or 1"
    if text.lower() in {"true", "false"}:
        return "the word true or false"
    if time := _TIME.fullmatch(text):
        zone = "no zone" if time[2] is None else "Z" if time[2] == "Z" else "offset"
        return f"time, {len(time[1] or '')} decimals, {zone}"
    if _INTEGER.fullmatch(text) and len(text) < 8:
        return "whole number"
    if decimal := _DECIMAL.fullmatch(text):
        return f"number with {len(decimal[1])} decimals"
    if _HEX.fullmatch(text):
        case = "" if text.isdigit() else ", upper case" if text == text.upper() else ", lower case"
        return f"{len(text)} hex digits{case}"
    if text[0] in "{[":
        try:
            return f"JSON {shape(msgspec.json.decode(text))}"
        except msgspec.DecodeError:
            pass
    return f"text, {len(text)} characters"


def value_kind(value: object) -> str:
    """Return how a JSON value is written, without the value."""
    return text_kind(value) if isinstance(value, str) else _type(value)
