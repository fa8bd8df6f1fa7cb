"""Times and energies in Easee's notation, exact."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.twin.ticks import (
    format_time,
    parse_time,
    ticks_of,
    utc_ms_of_ticks,
    uwh_of_kwh,
    wh_of_uwh,
)

pytestmark = pytest.mark.unit


def test_ticks_of_the_documented_example() -> None:
    assert utc_ms_of_ticks(638221803786325060) == parse_time("2023-06-12T15:26:18.632Z")


@given(st.integers(0, 4_102_444_800_000))
def test_a_time_survives_ticks_and_text(utc_ms: int) -> None:
    assert utc_ms_of_ticks(ticks_of(utc_ms)) == utc_ms
    assert parse_time(format_time(utc_ms)) == utc_ms


@pytest.mark.parametrize(
    ("text", "utc_ms"),
    [
        ("2026-01-01T00:00:00Z", 1767225600000),
        ("2026-01-01T00:00:00", 1767225600000),
        ("2026-01-01T02:00:00.5+02:00", 1767225600500),
        ("2026-01-01T00:00:00.1239999Z", 1767225600123),
    ],
)
def test_times_are_read_with_and_without_fraction_and_zone(text: str, utc_ms: int) -> None:
    assert parse_time(text) == utc_ms


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-01", "2026-13-01T00:00:00Z", "\uff12026-01-01T00:00:00Z"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)


@given(st.integers(0, 10**9))
def test_every_wh_of_a_register_in_kwh_is_found_again(wh: int) -> None:
    assert wh_of_uwh(uwh_of_kwh(Decimal(f"{wh // 1000}.{wh % 1000:03}000"))) == wh


def test_a_register_is_floored_and_never_rounded() -> None:
    assert wh_of_uwh(uwh_of_kwh(Decimal("1.999999"))) == 1999
    assert wh_of_uwh(uwh_of_kwh(Decimal("0.001"))) == 1
