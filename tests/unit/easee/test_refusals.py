"""Refusals of Easee's cloud are told in words that a terminal can show."""

import pytest

from chargebridge.chargers.easee.account.failures import NotFound, Refused

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("refused", "text"),
    [
        (Refused(400, 100, "InvalidUserPassword", "wrong"), "HTTP 400: 100 InvalidUserPassword: wrong"),
        (
            Refused(400, 113),
            "HTTP 400: 113: an error of the charger, whose meaning Easee does not publish",
        ),
        (Refused(400, 113, "", "Cable"), "HTTP 400: 113: Cable"),
        (Refused(400, 999), "HTTP 400: 999"),
        (NotFound(404, None, "", "\x1b[31mno\r\nsuch\u202e"), "HTTP 404: [31mno such"),
        (Refused(403, None, "x" * 500), "HTTP 403: " + "x" * 200),
    ],
)
def test_a_refusal_is_one_printable_line(refused, text):
    assert str(refused) == text
