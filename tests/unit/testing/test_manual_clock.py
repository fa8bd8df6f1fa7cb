"""The clock that a test moves by hand."""

import pytest

from chargebridge.drivers import Instant
from chargebridge.testing import ManualClock

pytestmark = pytest.mark.unit


def test_it_stands() -> None:
    clock = ManualClock(1_800_000_000_000)
    assert clock.now() == clock.now() == Instant(1_800_000_000_000, 0.0)


def test_it_advances_in_both_readings() -> None:
    clock = ManualClock(1_800_000_000_000)
    clock.advance(1.5)
    assert clock.now() == Instant(1_800_000_001_500, 1.5)


def test_only_utc_jumps() -> None:
    clock = ManualClock(1_800_000_000_000)
    clock.jump(-3600)
    assert clock.now() == Instant(1_799_996_400_000, 0.0)


def test_it_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="does not run backwards"):
        ManualClock().advance(-1)
