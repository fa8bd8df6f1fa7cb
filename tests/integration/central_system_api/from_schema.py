"""Values for the JSON schemas of an OpenAPI description, right ones and wrong ones."""

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
"""Any JSON."""

_FORMATS = {
    "date-time": st.datetimes(datetime(1000, 1, 1)).map(lambda one: f"{one.isoformat()}Z"),
    "uri": st.sampled_from(["ftp://a", "https://example.org/log?x=1#y"]),
}


class Schemas:
    """The schemas of one description.

    Args:
        document: the OpenAPI description.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]["schemas"]

    def right(self, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        """Return values that are valid."""
        return self._values(schema, wrong=False)

    def wrong(self, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        """Return values of which some part may be anything."""
        return self._values(schema, wrong=True)

    def _values(self, schema: dict[str, Any], *, wrong: bool) -> st.SearchStrategy[Any]:
        values = self._right(schema, wrong=wrong)
        # Mostly right: a body with one wrong field comes further than one in which all are.
        return st.integers(0, 9).flatmap(lambda dice: ANYTHING if dice == 0 else values) if wrong else values

    def _right(self, schema: dict[str, Any], *, wrong: bool) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self._right(self._components[schema["$ref"].rpartition("/")[2]], wrong=wrong)
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if "const" in schema:
            return st.just(schema["const"])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return st.one_of(self._values(one, wrong=wrong) for one in schema[several])
        match schema.get("type"):
            case "string":
                size = {"min_size": schema.get("minLength", 0), "max_size": schema.get("maxLength", 40)}
                size["max_size"] = min(size["max_size"], 40)
                return _FORMATS.get(schema.get("format", ""), st.text(**size))
            case "integer":
                return st.integers(schema.get("minimum"), schema.get("maximum"))
            case "number":
                lowest = schema.get("minimum", schema.get("exclusiveMinimum", -1000) // 1)
                highest = schema.get("maximum", 1000)
                return st.integers(int(lowest) + 1, int(highest)).map(float)
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
            case "array":
                return st.lists(
                    self._values(schema["items"], wrong=wrong), min_size=schema.get("minItems", 0), max_size=3
                )
            case "object":
                return self._objects(schema, wrong=wrong)
            case _:
                return ANYTHING

    def _objects(self, schema: dict[str, Any], *, wrong: bool) -> st.SearchStrategy[Any]:
        properties = {
            name: self._values(one, wrong=wrong) for name, one in schema.get("properties", {}).items()
        }
        required = set(schema.get("required", ()))
        others = schema.get("additionalProperties")
        objects = st.fixed_dictionaries(
            {name: one for name, one in properties.items() if name in required},
            optional={name: one for name, one in properties.items() if name not in required},
        )
        if isinstance(others, dict) or others is True:
            values = self._values(others, wrong=wrong) if isinstance(others, dict) else ANYTHING
            names = st.text(min_size=1, max_size=20)
            return st.builds(
                lambda one, more: more | one, objects, st.dictionaries(names, values, max_size=3)
            )
        if wrong:
            return st.builds(
                lambda one, more: more | one,
                objects,
                st.dictionaries(st.text(max_size=5), ANYTHING, max_size=1),
            )
        return objects
