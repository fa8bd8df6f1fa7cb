"""Settings of drivers: a table of the configuration, converted so that all its problems are said at once."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

AnySettings = TypeVar("AnySettings", bound=Struct)


def convert_settings(
    table: Mapping[str, object], kind: type[AnySettings], found: Iterable[str] = ()
) -> AnySettings:
    """Convert the table of a driver in the configuration to a struct of settings.

    Args:
        table: plain values by key.
        kind: with `forbid_unknown_fields=True`, if unknown keys are to be refused.
        found: problems that are known already, each with its key at the end.

    Raises:
        ValueError: something is wrong; a line for each problem, with the key at its end (`$.key`). Values are
            not in it, but of those with a fixed set of values.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    problems = []
    if kind.__struct_config__.forbid_unknown_fields:
        problems += [f"Object contains unknown field `{key}`" for key in table if key not in fields]
    for key, field in fields.items():
        if key not in table:
            if field.required:
                problems.append(f"Object missing required field `{key}`")
            continue
        try:
            msgspec.convert(table[key], field.type)
        except msgspec.ValidationError as error:
            text, _, inside = str(error).partition(" - at `$")
            problems.append(f"{text} - at `$.{key}{inside or '`'}")
    problems += found
    if problems:
        raise ValueError("\n".join(problems))
    try:
        return msgspec.convert(dict(table), kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
