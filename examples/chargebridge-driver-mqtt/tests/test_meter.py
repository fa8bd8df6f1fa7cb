"""A register that never runs backwards."""

import random

import pytest

from chargebridge_driver_mqtt.meter import LONGEST_GAP_MS, Meter


def counted(*readings: float) -> list[int]:
    meter = Meter()
    registers = []
    for reading in readings:
        meter.count(reading)
        registers.append(meter.register_wh)
    return registers


@pytest.mark.parametrize(
    ("readings", "registers"),
    [
        ((4711.9, 4712.0), [4711, 4712]),
        ((1000, 1500, 20, 70), [1000, 1500, 1520, 1570]),  # set back: it goes on
        ((1000, 999, 1000, 1001), [1000, 1000, 1000, 1001]),  # it wavers
        ((1000, 700, 710), [1000, 1000, 1010]),  # corrected
        ((0, 0.4, 0.8, 1.2), [0, 0, 0, 1]),
        ((-5, 3), [0, 3]),
    ],
)
def test_the_register_follows_the_counter(readings: tuple[float, ...], registers: list[int]) -> None:
    assert counted(*readings) == registers


@pytest.mark.parametrize("seed", range(20))
def test_it_never_runs_backwards(seed: int) -> None:
    random_ = random.Random(seed)
    meter, before = Meter(), 0
    now_ms = 0
    for _ in range(500):
        now_ms += random_.randrange(-1000, 400_000)
        match random_.randrange(3):
            case 0:
                meter.count(random_.uniform(-10, 10_000))
            case 1:
                meter.integrate(random_.uniform(-100, 22_000), now_ms)
            case _:
                meter.hold(now_ms)
        assert meter.register_uwh >= before
        before = meter.register_uwh


def test_power_is_added_up() -> None:
    meter = Meter()
    meter.integrate(3600, 0)
    meter.integrate(7200, 10_000)
    meter.hold(15_000)
    meter.hold(20_000)
    assert meter.register_wh == 10 + 20


def test_a_reading_holds_for_five_minutes_at_most() -> None:
    meter = Meter()
    meter.integrate(3600, 0)
    for now_ms in range(0, 10 * LONGEST_GAP_MS, 1000):
        meter.hold(now_ms)
    assert meter.register_wh == LONGEST_GAP_MS // 1000
    meter.integrate(3600, 10 * LONGEST_GAP_MS)
    assert meter.register_wh == LONGEST_GAP_MS // 1000
