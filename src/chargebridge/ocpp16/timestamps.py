"""Date-times as OCPP writes them (VAL-3)."""

import re
from datetime import date
from typing import Final

TIMESTAMP_PATTERN: Final = (
    r"^(?!0000)"
    # The calendar, leap years included: a date that does not exist is refused, never moved.
    r"((?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8])))"
    r"|(?:(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29))"
    r"[Tt]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]|60)(?:[.,]([0-9]+))?)?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?\Z"
)
"""ISO 8601's complete date and time of day in extended format, of the years 1 to 9999.

Wider than RFC 3339 (the `date-time` of the schemas) in four points that central systems need:
no zone, no seconds, a comma before the fraction, and zone offsets such as `+0200` and `+02`.
"""

_match = re.compile(TIMESTAMP_PATTERN).match
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def parse_timestamp(text: str) -> int:
    """Read a date-time and return it in milliseconds since 1970-01-01T00:00Z.

    Any number of fraction digits is understood, and cut to milliseconds. A value without zone is
    taken as UTC, one without seconds as a full minute; a leap second is the first of the next minute.

    Raises:
        ValueError: if `text` is anything else. Nothing is guessed.
    """
    found = _match(text)
    if found is None:
        raise ValueError("not a date and time of ISO 8601")
    day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = found.groups(default="0")
    seconds = (date.fromisoformat(day).toordinal() - _EPOCH_DAY) * 86_400
    seconds += int(hour) * 3600 + int(minute) * 60 + int(second)
    offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
    seconds += offset if sign == "-" else -offset
    return seconds * 1000 + int(fraction[:3].ljust(3, "0"))
