"""`Retry-After` of a refused handshake: seconds or a date."""

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, InvalidUpgrade
from websockets.http11 import Response

from chargebridge.link.refusals import retry_after_s

pytestmark = pytest.mark.unit

NOW_S = 1_767_348_000.0  # Fri, 02 Jan 2026 10:00:00 GMT


def refused(*headers):
    return InvalidStatus(Response(503, "Service Unavailable", Headers(headers)))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("Fri, 02 Jan 2026 10:02:00 GMT", 120),
        ("Friday, 02-Jan-26 10:02:00 GMT", 120),
        ("Fri Jan  2 10:02:00 2026", 120),
        ("Fri, 02 Jan 2026 11:02:00 +0100", 120),
        ("Fri, 02 Jan 2026 09:00:00 GMT", 0),
        ("Fri, 32 Jan 2026 09:00:00 GMT", 0),
        ("Fri, 02 Jan 99999 09:00:00 GMT", 0),
        ("-5", 0),
        ("1e3", 0),
        ("9" * 5000, 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_it_is_seconds_or_a_date(value, seconds):
    assert retry_after_s(refused(("Retry-After", value)), NOW_S) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Fri, 02 Jan 2026 09:00:00 GMT", 3720),
        ("Fri, 02 Jan 2026 10:01:30 GMT", 30),
        ("what time is it", 120),
    ],
)
def test_a_date_is_seen_against_the_clock_that_wrote_it(date, seconds):
    error = refused(("Date", date), ("Retry-After", "Fri, 02 Jan 2026 10:02:00 GMT"))
    assert retry_after_s(error, NOW_S) == seconds


def test_the_first_that_can_be_read_counts():
    assert retry_after_s(refused(("Retry-After", "soon"), ("Retry-After", "9")), NOW_S) == 9


@pytest.mark.parametrize("error", [refused(), InvalidUpgrade("Upgrade"), ValueError()])
def test_nothing_is_asked_for(error):
    assert retry_after_s(error, NOW_S) == 0
