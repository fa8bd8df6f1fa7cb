"""The official schemas as oracle: all they allow is understood, all we say is valid, the rest refused."""

import copy
import json
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from importlib.resources import files
from typing import Any, get_args, get_origin

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft6Validator, FormatChecker
from msgspec import Raw, Struct
from msgspec.structs import fields

from chargebridge.ocpp16 import messages
from chargebridge.ocpp16.actions import ACTIONS
from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.fields import Rate, Request, Response, Timestamp, Uri
from chargebridge.ocpp16.frames import (
    CallErrorCode,
    PayloadError,
    decode_frame,
    decode_request,
    decode_response,
    encode_call,
    encode_call_raw,
    encode_result,
)

pytestmark = pytest.mark.unit

Schema = dict[str, Any]

SCHEMAS: dict[str, Schema] = {
    path.name.removesuffix(".json"): json.loads(path.read_text(), parse_float=Decimal)
    for path in sorted(files("chargebridge.ocpp16").joinpath("schemas").iterdir(), key=lambda path: path.name)
    if path.name.endswith(".json")
}

few_examples = settings(max_examples=12, phases=[Phase.generate, Phase.shrink])
every_schema = pytest.mark.parametrize("name", SCHEMAS)

# --- the oracle ----------------------------------------------------------------------------------

formats = FormatChecker(formats=[])


@formats.checks("date-time", raises=ValueError)
def is_rfc_3339(text: object) -> bool:
    found = re.fullmatch(
        r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", str(text), re.ASCII
    )
    if found is None:
        return False
    leap_second_as_any = re.sub(r":60$", ":59", found[2])
    datetime.fromisoformat(f"{found[1]}T{leap_second_as_any}")
    return found[4] in "Zz" or (int(found[4][1:3]) < 24 and int(found[4][4:6]) < 60)


@formats.checks("uri")
def is_uri(text: object) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]*\Z", str(text)) is not None


def refine(schema: Schema) -> Schema:
    """Apply what `messages` says was taken from the specification instead of from the schema."""
    schema = copy.deepcopy(schema)
    for part in walk(schema):
        if "Hertz" in part.get("enum", ()):
            part["enum"].remove("Hertz")
        for name in ("sampledValue", "chargingSchedulePeriod"):
            if name in part.get("properties", {}):
                part["properties"][name]["minItems"] = 1
    return schema


def walk(schema: Schema) -> Iterator[Schema]:
    yield schema
    for part in (*schema.get("properties", {}).values(), *schema.get("definitions", {}).values()):
        yield from walk(part)
    if "items" in schema:
        yield from walk(schema["items"])


def validator(schema: Schema) -> Draft4Validator | Draft6Validator:
    kind = Draft6Validator if "draft-06" in schema["$schema"] else Draft4Validator
    return kind(schema, format_checker=formats)


REFINED = {name: refine(schema) for name, schema in SCHEMAS.items()}


def resolve(schema: Schema, root: Schema) -> Schema:
    if "$ref" in schema:
        return root["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


def decode(name: str, payload: bytes) -> Request | Response:
    if name in ACTIONS:
        call = decode_frame(encode_call_raw("1", name, payload))
        return decode_request(call)
    return decode_response(name.removesuffix("Response"), Raw(payload))


def frame_payload(message: Request | Response) -> object:
    """What of a message arrives at the other end."""
    frame = encode_call("1", message) if isinstance(message, Request) else encode_result("1", message)
    return json.loads(frame, parse_float=Decimal)[-1]


# --- all that is valid is understood -------------------------------------------------------------

TIMESTAMPS = ["2026-03-29T01:59:59.999Z", "2024-02-29T23:59:60Z", "1999-12-31t00:00:00.123456789+14:00"]
URIS = ["ftp://user:pa%20ss@example.com/logs/?a=b#c", "https://[::1]:8443/", "urn:x:y"]
characters = st.characters(exclude_categories=["Cs"])


def instances(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    schema = resolve(schema, root)
    match schema:
        case {"enum": values}:
            return st.sampled_from(values)
        case {"format": "date-time"}:
            return st.sampled_from(TIMESTAMPS)
        case {"format": "uri"}:
            return st.sampled_from(URIS)
        case {"type": "string"}:
            limit = schema.get("maxLength", 2000)
            return st.text(characters, max_size=min(limit, 30)) | st.just("é" * limit)
        case {"type": "integer"}:
            return st.integers(-(2**63), 2**63 - 1)
        case {"type": "number"}:
            return st.decimals(-(10**6), 10**6, places=1) | st.integers(0, 100)
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "array", "items": items}:
            return st.lists(instances(items, root), min_size=schema.get("minItems", 0), max_size=2)
    strategies = {name: instances(part, root) for name, part in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: strategy for name, strategy in strategies.items() if name in required},
        optional={name: strategy for name, strategy in strategies.items() if name not in required},
    )


@pytest.mark.simulation
@every_schema
@few_examples
@given(data=st.data())
def test_what_a_schema_allows_is_understood_and_said_again_the_same(name: str, data: st.DataObject) -> None:
    instance = data.draw(instances(REFINED[name], REFINED[name]))
    validator(SCHEMAS[name]).validate(instance)

    message = decode(name, ENCODER.encode(instance))

    assert type(message).__name__ == name
    assert frame_payload(message) == instance


# --- all that can be said is valid ---------------------------------------------------------------


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Draw what a field of this type may hold."""
    if annotation is Timestamp:
        return st.sampled_from(TIMESTAMPS)
    if annotation is Uri:
        return st.sampled_from(URIS)
    if annotation is Rate:
        return st.decimals(-(10**6), 10**6, places=1)
    if hasattr(annotation, "__metadata__"):
        meta = annotation.__metadata__[0]
        inner, origin = annotation.__origin__, get_origin(annotation.__origin__)
        if origin is tuple:
            return st.lists(values(get_args(inner)[0]), min_size=meta.min_length, max_size=2).map(tuple)
        if inner is int:
            return st.integers(meta.ge, meta.le)
        return st.text(characters, max_size=min(meta.max_length, 30)) | st.just("x" * meta.max_length)
    if get_origin(annotation) is tuple:
        return st.lists(values(get_args(annotation)[0]), max_size=2).map(tuple)
    if issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    if issubclass(annotation, Struct):
        return structs(annotation)
    return st.from_type(annotation)


def structs(message: type[Struct]) -> st.SearchStrategy[Any]:
    return st.builds(
        message,
        **{
            field.name: values(field.type) if field.required else st.none() | values(field.type)
            for field in fields(message)
        },
    )


@pytest.mark.simulation
@every_schema
@few_examples
@given(data=st.data())
def test_what_can_be_said_is_valid_and_understood_by_ourselves(name: str, data: st.DataObject) -> None:
    message = data.draw(structs(getattr(messages, name)))

    payload = frame_payload(message)

    validator(SCHEMAS[name]).validate(payload)
    assert decode(name, ENCODER.encode(payload)) == message


# --- all that is invalid is refused --------------------------------------------------------------


def complete(schema: Schema, root: Schema) -> Any:
    """Build the instance that has every field, as long as it may be."""
    schema = resolve(schema, root)
    match schema:
        case {"enum": allowed}:
            return allowed[0]
        case {"format": "date-time"}:
            return TIMESTAMPS[0]
        case {"format": "uri"}:
            return URIS[0]
        case {"type": "string"}:
            return "x" * schema.get("maxLength", 20)
        case {"type": "integer"}:
            return 1
        case {"type": "number"}:
            return Decimal("8.1")
        case {"type": "boolean"}:
            return True
        case {"type": "array", "items": items}:
            return [complete(items, root)]
    return {name: complete(part, root) for name, part in schema.get("properties", {}).items()}


FORMATION = CallErrorCode.FORMATION_VIOLATION
PROPERTY = CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION
SAMPLES: dict[str, list[object]] = {
    "string": ["text"],
    "integer": [7],
    "number": [7, Decimal("7.5")],
    "boolean": [True],
    "array": [[]],
    "object": [{}],
    "null": [None],
}


def mutations(schema: Schema, root: Schema) -> Iterator[tuple[object, CallErrorCode]]:
    """Spoil the complete instance in one place at a time; say which code each deserves."""
    schema = resolve(schema, root)
    whole = complete(schema, root)
    kind = schema["type"]
    for other, samples in SAMPLES.items():
        if other != kind and (kind, other) != ("number", "integer"):
            yield from ((sample, FORMATION) for sample in samples if kind != "integer" or sample != 7)
    match schema:
        case {"enum": [*allowed]}:
            yield allowed[0].lower() + "?", PROPERTY
            yield "", PROPERTY
        case {"format": "date-time"}:
            for text in ("", "yesterday", "2023-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01", "0"):
                yield text, FORMATION
        case {"format": "uri"}:
            yield from ((text, FORMATION) for text in ("", "no scheme", "http://a b", "://x"))
        case {"maxLength": limit}:
            yield "x" * (limit + 1), FORMATION
        case {"multipleOf": _}:
            yield Decimal("8.11"), FORMATION
            yield Decimal("1E-30"), FORMATION
        case {"minItems": 1}:
            yield [], FORMATION
    if kind == "array":
        yield from (([whole[0], bad], code) for bad, code in mutations(schema["items"], root))
    if kind == "object":
        yield {**whole, "surprise": 1}, FORMATION
        for name in schema.get("required", ()):
            yield {key: value for key, value in whole.items() if key != name}, FORMATION
        for name, part in schema.get("properties", {}).items():
            yield from (({**whole, name: bad}, code) for bad, code in mutations(part, root))


@every_schema
def test_rpc_11_what_a_schema_forbids_is_refused_with_the_right_code(name: str) -> None:
    schema = REFINED[name]
    oracle = validator(schema)
    assert frame_payload(decode(name, ENCODER.encode(complete(schema, schema)))) == complete(schema, schema)

    for bad, code in mutations(schema, schema):
        if bad is None:
            continue  # A payload of null is an empty object (RPC-4).
        assert not oracle.is_valid(bad), bad
        with pytest.raises(PayloadError) as refusal:
            decode(name, ENCODER.encode(bad))
        assert refusal.value.code is code, bad
        assert 0 < len(refusal.value.description) <= 255


# --- the set as a whole --------------------------------------------------------------------------


def test_there_are_28_actions_of_edition_2_and_11_of_the_security_extension() -> None:
    assert len(ACTIONS) == 39
    assert set(SCHEMAS) == {*ACTIONS, *(f"{name}Response" for name in ACTIONS)}
    assert all(action.request is getattr(messages, name) for name, action in ACTIONS.items())
    assert all(action.response is getattr(messages, f"{name}Response") for name, action in ACTIONS.items())


@every_schema
def test_messages_are_immutable_all_the_way_down(name: str) -> None:
    message = decode(name, ENCODER.encode(complete(REFINED[name], REFINED[name])))
    assert hash(message) == hash(copy.copy(message))
