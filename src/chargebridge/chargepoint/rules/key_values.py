"""The forms of the values of configuration keys.

Each takes the text that was written and returns it as it is stored, or raises `InvalidValueError`.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final


class InvalidValueError(ValueError):
    """A value that a key cannot take; the text says what is expected."""


def integer(low: int, high: int = 2**31 - 1) -> Callable[[str], str]:
    """Return the form of a whole number from `low` to `high`."""

    def normalize(value: str) -> str:
        text = value.strip()
        if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 11:
            raise InvalidValueError(f"a whole number from {low} to {high}")
        if not low <= int(text) <= high:
            raise InvalidValueError(f"a whole number from {low} to {high}")
        return str(int(text))

    return normalize


def boolean(value: str) -> str:
    """Return `true` or `false`."""
    text = value.strip().lower()
    if text not in {"true", "false"}:
        raise InvalidValueError("true or false")
    return text


_ROTATIONS: Final = frozenset(
    {"NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR"},
)


def phase_rotation(value: str) -> str:
    """Return the value of `ConnectorPhaseRotation`, without spaces."""
    items = [item.strip() for item in value.split(",")] if value.strip() else []
    for item in items:
        connector, dot, rotation = item.partition(".")
        if connector not in {"0", "1"} or not dot or rotation not in _ROTATIONS:
            raise InvalidValueError("items such as 1.RST for connectors 0 and 1")
    return ",".join(items)


def free_charging_tag(value: str) -> str:
    """Return the idTag that free charging is reported with, or nothing."""
    text = value.strip()
    if text and not (5 <= len(text) <= 20 and text.isascii() and text.isprintable()):
        raise InvalidValueError("5 to 20 ASCII characters, or nothing")
    return text


_MOST_AMPERE: Final = 1000
_LONGEST_S: Final = 7 * 86_400
_AMPERE: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{0,20})?|\.[0-9]{1,20}")
"""Plain: `1e-999999` is a number, too, and a million digits long when it is written out."""

_DYNAMIC_CURRENT_EXPECTED: Final = (
    f"ampere from 0 to {_MOST_AMPERE}, one value or three, then optionally ; and seconds up to {_LONGEST_S},"
    " such as 16 or 10.5;300 or 10,16,16;600"
)


def dynamic_current(value: str) -> str:
    """Return one current or three, and seconds if there is a `;`; nothing ends the limit."""
    if not value.strip():
        return ""
    currents, _, seconds = value.partition(";")
    texts = [_ampere(text) for text in currents.split(",")]
    if len(texts) not in {1, 3}:
        raise InvalidValueError(_DYNAMIC_CURRENT_EXPECTED)
    if ";" not in value:
        return ",".join(texts)
    text = seconds.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 0 < int(text) <= _LONGEST_S):
        raise InvalidValueError(_DYNAMIC_CURRENT_EXPECTED)
    return f"{','.join(texts)};{int(text)}"


def _ampere(text: str) -> str:
    text = text.strip()
    if not _AMPERE.fullmatch(text) or Decimal(text) > _MOST_AMPERE:
        raise InvalidValueError(_DYNAMIC_CURRENT_EXPECTED)
    return f"{Decimal(text).normalize():f}"
