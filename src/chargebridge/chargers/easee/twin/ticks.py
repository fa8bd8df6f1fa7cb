"""Easee's notations of time and energy, without rounding: .NET ticks, ISO times, kWh with six decimals.

A tick count has 18 digits, more than a float can hold, and a register in kWh times 1000 is not a whole number
of Wh in binary. So no value here becomes a float.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

TICKS_PER_MS: Final = 10_000
_EPOCH_TICKS: Final = 621_355_968_000_000_000
"""1970-01-01T00:00Z."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?", re.ASCII
)
_UWH_PER_KWH: Final = 1_000_000_000
_HIGHEST_KWH: Final = 100_000_000


def ticks_of(utc_ms: int) -> int:
    """Return a time in UTC milliseconds as a .NET tick count."""
    return _EPOCH_TICKS + utc_ms * TICKS_PER_MS


def utc_ms_of_ticks(ticks: int) -> int:
    """Return a .NET tick count as UTC milliseconds, rounded down."""
    return (ticks - _EPOCH_TICKS) // TICKS_PER_MS


def parse_time(text: str) -> int:
    """Return an ISO 8601 time as UTC milliseconds, rounded down; without a zone it is UTC.

    Raises:
        ValueError: the text is not such a time.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(f"not an ISO 8601 time: {text[:40]!r}")
    seconds, fraction, zone = found.groups()
    return _whole_ms(seconds, zone) + int((fraction or "0").ljust(3, "0")[:3])


@lru_cache(maxsize=1024)
def _whole_ms(seconds: str, zone: str | None) -> int:
    # Observations of a fleet cluster in the same few seconds, and parsing these costs most.
    time = datetime.fromisoformat(seconds + ("+00:00" if zone in (None, "Z") else zone))
    return (time - _EPOCH) // timedelta(milliseconds=1)


def format_time(utc_ms: int) -> str:
    """Return a time in the notation of Easee's commands: ISO 8601 with seven decimals."""
    seconds, ms = divmod(utc_ms, 1000)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{ms:03}0000Z"


def uwh_of_kwh(kwh: Decimal) -> int:
    """Return an energy in kWh as whole microwatt-hours, rounded down; exact to nine decimals.

    Raises:
        ValueError: it is negative, or more than a meter can show.
    """
    if not kwh.is_finite() or not 0 <= kwh < _HIGHEST_KWH:
        raise ValueError(f"implausible energy: {str(kwh)[:40]} kWh")
    return int(kwh * _UWH_PER_KWH)


def wh_of_uwh(uwh: int) -> int:
    """Return microwatt-hours as whole Wh: a register is floored here and nowhere else."""
    return uwh // 1_000_000
