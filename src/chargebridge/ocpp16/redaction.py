"""Secrets in frames: masked before people see them."""

import re
from typing import Final

from msgspec import DecodeError
from msgspec.json import decode, encode

LONGEST_SHOWN: Final = 16_384
"""Characters of a frame that people see."""

SECRET_KEYS: Final = frozenset({"authorizationkey"})
"""Written by a ChangeConfiguration; a GetConfiguration never returns it (CF-9)."""
_MASK: Final = "***"
# As it is nearly always written, so that the frame is shown as it was but for the secret; and where a
# frame was cut off, so that it is no JSON.
_SECRET_VALUE: Final = re.compile(
    r'("key"\s*:\s*"AuthorizationKey"[^{}]*?"value"\s*:\s*")(?:[^"\\]|\\.)*'
    r'|("value"\s*:\s*")(?:[^"\\]|\\.)*("[^{}]*?"key"\s*:\s*"AuthorizationKey")',
    re.IGNORECASE,
)


def shown(frame: bytes) -> str:
    """Return a frame as people may see it: secrets are masked, and a long one is cut off."""
    text = frame.decode(errors="replace")
    if len(text) > LONGEST_SHOWN:
        # First as JSON: the pattern below takes too long for a long frame that is hostile.
        text = redact_json(text)[:LONGEST_SHOWN]
    return redact(text)[:LONGEST_SHOWN]


def redact(text: str) -> str:
    """Mask the values of secret configuration keys in a frame, however they are written."""
    return redact_json(
        _SECRET_VALUE.sub(lambda found: f"{found[1] or found[2]}{_MASK}{found[3] or ''}", text)
    )


def redact_json(text: str) -> str:
    """Mask them in a frame that is JSON; any other text stays as it is."""
    try:
        frame = decode(text)
        return encode(frame).decode() if _mask(frame) else text
    except (DecodeError, RecursionError):
        return text


def _mask(value: object) -> int:
    """Mask the secrets in decoded JSON; returns how many there were."""
    if isinstance(value, list):
        return sum(map(_mask, value))
    if not isinstance(value, dict):
        return 0
    masked = sum(map(_mask, value.values()))
    key = value.get("key")
    if isinstance(key, str) and key.lower() in SECRET_KEYS and value.get("value", _MASK) != _MASK:
        value["value"] = _MASK
        masked += 1
    return masked
