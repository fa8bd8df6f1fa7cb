"""Values out of MQTT messages: a place in the payload, a meaning of its words, a factor for its numbers."""

import math
from typing import Final

import msgspec

from chargebridge_driver_mqtt.settings import Source

Value = bool | float | str

MOST: Final = 2_147_483_647
"""Beyond this no number is believed; OCPP's integers end there in most central systems."""
LONGEST_TOKEN: Final = 20
"""Characters of an idTag (OCPP 1.6)."""
PAYLOAD_LIMIT: Final = 65_536
"""Bytes of a payload that is read; no charger says more."""
TRUE_WORDS: Final = frozenset({"1", "on", "true", "yes", "online", "connected", "enabled"})
FALSE_WORDS: Final = frozenset({"0", "off", "false", "no", "offline", "disconnected", "disabled"})

_FLAGS: Final = frozenset({"availability", "connected", "enabled"})
_WORDS: Final = frozenset({"token"})


class UnreadableError(ValueError):
    """A message does not have what its source says; the text says why."""


def read(name: str, source: Source, payload: bytes) -> Value | None:
    """Return the value of a source in a message; None: this message does not carry it.

    Args:
        name: of the value, such as `power`; decides whether it is a flag, a number or a word.
        source: where it is in the message.
        payload: of the message.

    Raises:
        UnreadableError: the message cannot be understood.
    """
    if len(payload) > PAYLOAD_LIMIT:
        raise UnreadableError(f"a payload of more than {PAYLOAD_LIMIT} bytes")
    found: object
    if source.path:
        found = _at_path(source.path, payload)
        if found is None:
            return None
    else:
        try:
            found = payload.decode().strip()
        except UnicodeDecodeError:
            raise UnreadableError("the payload is no UTF-8 text") from None
    word = _as_word(found)
    meant = source.map.get(word, found)
    if name in _FLAGS:
        return _flag(meant, word)
    if name in _WORDS:
        return _token(_as_word(meant))
    number = _number(meant, word) * (1.0 if word in source.map else source.scale)
    if abs(number) > MOST or (name == "energy" and number < 0):
        raise UnreadableError(f"{word[:40]!r} cannot be")
    return number


def _at_path(path: str, payload: bytes) -> object:
    try:
        node: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnreadableError("the payload is no JSON, and a path was given") from None
    if path.startswith("/"):
        steps = [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    else:
        steps = path.split(".")
    for step in steps:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
        else:
            return None
    return node


def _as_word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _token(word: str) -> str:
    if len(word) > LONGEST_TOKEN:
        raise UnreadableError(f"a token of {len(word)} characters, and OCPP 1.6 takes {LONGEST_TOKEN}")
    return word


def _flag(meant: object, word: str) -> bool:
    if isinstance(meant, bool):
        return meant
    lower = _as_word(meant).lower()
    if lower in TRUE_WORDS:
        return True
    if lower in FALSE_WORDS:
        return False
    raise UnreadableError(f"{word[:40]!r} is neither on nor off; say what it means in `map`")


def _number(meant: object, word: str) -> float:
    if isinstance(meant, bool):
        return float(meant)
    if isinstance(meant, int | float | str):
        try:
            number = float(meant)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise UnreadableError(f"{word[:40]!r} is no number")
