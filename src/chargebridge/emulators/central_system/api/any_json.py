"""Any JSON, from a client or a charge point: written, read, and refused if no response could hold it."""

import math
from typing import Final

import msgspec

from chargebridge.rest.problems import RefusedError

DEEPEST: Final = 100
"""Arrays and objects within each other; responses are limited to some 250."""


def encoded(payload: object, where: str = "payload") -> bytes:
    """Return the JSON text of a value from a client.

    Args:
        payload: the value.
        where: the field of the body that it comes from.

    Raises:
        RefusedError: 422; it is nested too deeply, or holds infinity or half of a surrogate pair.
    """
    if (wrong := _unshowable(payload)) is not None:
        raise RefusedError(422, f"body.{where}: {wrong}", "POST …/frames sends any text")
    try:
        return msgspec.json.encode(payload)
    except (UnicodeEncodeError, OverflowError) as error:
        raise RefusedError(422, f"body.{where}: cannot be written as JSON: {error}") from error


def encoded_text(text: str) -> bytes:
    """Return text of a client as UTF-8.

    Raises:
        RefusedError: 422; it holds half of a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RefusedError(422, f"body.text: cannot be written as UTF-8: {error.reason}") from error


def decoded(payload: bytes) -> object:
    """Return the JSON of a charge point.

    Raises:
        RefusedError: 502; no response can hold it.
    """
    try:
        value: object = msgspec.json.decode(payload)
    except msgspec.DecodeError as error:
        raise _not_shown(str(error)) from error
    return showable(value)


def showable(value: object) -> object:
    """Return a value from a charge point as it is.

    Raises:
        RefusedError: 502; no response can hold it.
    """
    if (wrong := _unshowable(value)) is not None:
        raise _not_shown(wrong)
    return value


def _not_shown(wrong: str) -> RefusedError:
    return RefusedError(502, f"the answer cannot be shown: {wrong}", "GET …/frames shows its text")


def _unshowable(value: object, depth: int = 0) -> str | None:
    """Return why a response cannot hold a value; None: it can."""
    if isinstance(value, float) and not math.isfinite(value):
        return "it holds a number that is too large"
    if not isinstance(value, dict | list):
        return None
    if depth == DEEPEST:
        return f"it is nested more than {DEEPEST} deep"
    items = value.values() if isinstance(value, dict) else value
    return next((wrong for item in items if (wrong := _unshowable(item, depth + 1)) is not None), None)
