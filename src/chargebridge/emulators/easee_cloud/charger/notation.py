"""Formats numbers and times as Easee's cloud does. Energy never becomes a float."""

from datetime import UTC, datetime
from typing import Final

from chargebridge.chargers.easee.twin.ticks import TICKS_PER_MS, ticks_of, utc_ms_of_ticks
from chargebridge.clock import format_utc

YES: Final = "1"
NO: Final = "0"
_TICKS_A_SECOND: Final = 1000 * TICKS_PER_MS


def kwh(wh: int, decimals: int = 3) -> str:
    """Format an energy in whole Wh as kWh, exactly, with at least three decimals."""
    return f"{wh // 1000}.{wh % 1000:03d}".ljust(len(str(wh // 1000)) + 1 + decimals, "0")


def decimal(value: float, places: int) -> str:
    """Format a measured value with as many decimals as it needs, at most `places`."""
    text = f"{value:.{places}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def boolean(value: bool) -> str:
    """Format a boolean as chargers do: 1 or 0."""
    return YES if value else NO


def iso_of_ticks(ticks: int) -> str:
    """Format a .NET tick count as ISO 8601 with all of its seven decimals."""
    fraction = (ticks - ticks_of(0)) % _TICKS_A_SECOND
    return f"{format_utc(utc_ms_of_ticks(ticks))[:-4]}{fraction:07d}Z"


def hour_of(utc_ms: int) -> int:
    """Return the clock hour of a time, counted from 1970."""
    return utc_ms // 3_600_000


def midnight_ms(utc_ms: int) -> int:
    """Return the start of the UTC day of a time."""
    moment = datetime.fromtimestamp(utc_ms / 1000, UTC)
    return int(moment.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 1000
