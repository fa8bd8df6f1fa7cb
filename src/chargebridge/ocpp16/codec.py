"""JSON encoder and decoders, with the one field type that msgspec lacks: a decimal written as a number."""

import json
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Final, TypeVar

import msgspec

_T = TypeVar("_T")

_TENTH: Final = Decimal("0.1")
_RATE_BOUND: Final = Decimal(10**15)

ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
"""Encodes every frame; shared, because it holds no state."""


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent beyond what Decimal can hold; `_rate` refuses what is infinite.
        return Decimal("Infinity")


def _rate(_type: type, value: object) -> Decimal:
    """Decode a `fields.Rate`, the only type that msgspec cannot decode itself (VAL-4)."""
    if type(value) is int:
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise TypeError("Expected a number")
    # Comparing rounds nothing, so it cannot overflow as `abs` does.
    if not -_RATE_BOUND < value < _RATE_BOUND:
        raise ValueError("Expected a number below 10^15")
    # Decimal arithmetic: in binary, 8.1 is no multiple of 0.1. And no `%`, which rounds what is tiny to 0.
    if value != value.quantize(_TENTH):
        raise ValueError("Expected a number with at most one fraction digit")
    return value


def new_decoder(message: type[_T]) -> msgspec.json.Decoder[_T]:
    """Build a strict decoder of this type; expensive to build, cheap to use."""
    return msgspec.json.Decoder(message, dec_hook=_rate, float_hook=_decimal)


_UNTYPED: Final = msgspec.json.Decoder(float_hook=_decimal)


def decode_untyped(data: bytes | msgspec.Raw) -> object:
    """Decode any JSON to dicts, lists and scalars; numbers that are not integers become decimals."""
    return _UNTYPED.decode(data)


def convert(value: object, message: type[_T]) -> _T:
    """Convert the result of `decode_untyped` into a message, as strictly as its decoder would."""
    return msgspec.convert(value, message, dec_hook=_rate)


_LONGEST_INTEGER: Final = 20


def _finite(text: str) -> float | None:
    value = float(text)
    return value if isfinite(value) else None


def _short(text: str) -> int | None:
    return int(text) if len(text) <= _LONGEST_INTEGER else None


def repair(data: bytes) -> bytes:
    """Rewrite what some programs write for JSON as JSON.

    `NaN` and numbers beyond all use become `null`, control characters in texts are spelt in JSON, halves of
    surrogate pairs become `?`, and a byte order mark goes.

    Raises:
        ValueError: if it is not even that.
        RecursionError: if it is nested without end.
    """
    value = json.loads(
        data.decode("utf-8-sig"),
        strict=False,
        parse_constant=lambda _: None,
        parse_float=_finite,
        parse_int=_short,
    )
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode(errors="replace")
