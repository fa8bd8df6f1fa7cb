"""Times in responses: whatever a charge point has sent, they can be written."""

from typing import Final

from chargebridge.clock import format_utc
from chargebridge.ocpp16.timestamps import parse_timestamp

EARLIEST_MS: Final = parse_timestamp("1000-01-01T00:00:00Z")
LATEST_MS: Final = parse_timestamp("9999-12-31T23:59:59.999Z")


def shown_time(utc_ms: int) -> str:
    """Write a time; one beyond the years 1000 to 9999 is written as the nearest within them."""
    return format_utc(min(max(utc_ms, EARLIEST_MS), LATEST_MS))


def shown_time_or_none(utc_ms: int | None) -> str | None:
    """Write a time, if there is one."""
    return None if utc_ms is None else shown_time(utc_ms)
