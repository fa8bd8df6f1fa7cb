"""Pydantic's errors explained to operators, without secret values."""

import difflib
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Final

from pydantic_core import ErrorDetails

from chargebridge.config.problems import UnexpectedError

_SECRETS: Final = frozenset({"password", "key_password", "token", "url", "configuration", "overrides"})
"""Keys whose values are never shown; the last two because secrets get there by mistake."""
_LONGEST_VALUE: Final = 60
_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (str, "a string"),
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a float"),
    (dict, "a table"),
    (list, "an array"),
    ((date, datetime, time), "a date or time"),
)


def kind(value: object) -> str:
    """Return TOML's word for a value, with an article."""
    return next((name for types, name in _KINDS if isinstance(value, types)), "something else")


def nearest(key: str, known: Iterable[str]) -> str:
    """Return the known key that is nearest to an unknown one."""
    known = tuple(known)
    close = difflib.get_close_matches(key, known, 1)
    return f"`{close[0]}`, perhaps" if close else f"one of {', '.join(known)}"


def explain(error: ErrorDetails, known: Iterable[str]) -> UnexpectedError:
    """Return the value found and the one expected.

    Args:
        error: one of `ValidationError.errors()`.
        known: the keys of the table that was validated.
    """
    match error["type"]:
        case "extra_forbidden":
            return UnexpectedError("an unknown key", nearest(str(error["loc"][-1]), known))
        case "missing":
            return UnexpectedError("nothing", "this key, which has no default")
        case "list_type":
            return UnexpectedError(_found(error), "an array of names")
        case "value_error" if isinstance(reason := error.get("ctx", {}).get("error"), UnexpectedError):
            return reason
    expected = error["msg"].removeprefix("Input should be ")
    return UnexpectedError(_found(error), expected[0].lower() + expected[1:])


def _found(error: ErrorDetails) -> str:
    value = error["input"]
    hidden = not _SECRETS.isdisjoint(error["loc"])
    if hidden or not isinstance(value, str | int | float) or len(text := repr(value)) > _LONGEST_VALUE:
        return f"{kind(value)} of {len(value)} characters" if isinstance(value, str) else kind(value)
    return text if not isinstance(value, bool) else str(value).lower()
