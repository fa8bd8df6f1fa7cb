"""A register that never runs backwards."""

import random

import pytest

from chargebridge_driver_mqtt.meter import LONGEST_GAP_MS, Meter

MOST_W = 12_000.0


def counted(*readings: float, every_s: int = 60) -> list[int]:
    meter = Meter()
    registers = []
    for number, reading in enumerate(readings, 1):
        meter.count(reading, number * every_s * 1000, MOST_W)
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
        ((1_000_000, 0, 0, 1_000_050), [1_000_000, 1_000_000, 1_000_000, 1_000_050]),  # 0 while it starts
        ((9000, 5000, 4990, 9010, 9020), [9000, 9000, 9000, 9010, 9020]),  # an old reading, from elsewhere
        ((1000, 990, 5, 1000), [1000, 1000, 1005, 1005]),
        ((1_000_000, 400_000, 400_010), [1_000_000, 1_000_000, 1_000_010]),  # set by hand
        ((1000, 2_000_000_000, 1010), [1000, 1000, 1010]),  # a glitch
        ((1000, 2_000_000, 2_000_010, 2_000_020), [1000, 1000, 1010, 1020]),  # Wh after kWh; a new meter
        ((1000, 2_000_000, 9_000_000, 9_000_010), [1000, 1000, 1000, 1010]),
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
                meter.count(10 ** random_.uniform(-3, 9), now_ms, MOST_W)
            case 1:
                meter.integrate(random_.uniform(-100, 22_000), now_ms, MOST_W)
            case _:
                meter.hold(now_ms)
        assert meter.register_uwh >= before
        before = meter.register_uwh


def test_power_is_added_up() -> None:
    meter = Meter()
    meter.integrate(3600, 0, MOST_W)
    meter.integrate(7200, 10_000, MOST_W)
    meter.hold(15_000)
    meter.hold(20_000)
    assert meter.register_wh == 10 + 20


def test_a_reading_holds_for_five_minutes_at_most() -> None:
    meter = Meter()
    meter.integrate(3600, 0, MOST_W)
    for now_ms in range(0, 10 * LONGEST_GAP_MS, 1000):
        meter.hold(now_ms)
    assert meter.register_wh == LONGEST_GAP_MS // 1000
    meter.integrate(3600, 10 * LONGEST_GAP_MS, MOST_W)
    assert meter.register_wh == LONGEST_GAP_MS // 1000


def test_more_power_than_a_charger_can_have_is_not_added_up() -> None:
    meter = Meter()
    meter.integrate(1e9, 0, MOST_W)
    meter.hold(60_000)
    assert meter.register_wh == 200


def test_a_counter_set_back_may_come_to_where_it_was_by_itself() -> None:
    assert counted(500, 0, 200, 400, 600, every_s=3600) == [500, 500, 700, 900, 1100]


def test_what_was_charged_in_a_long_absence_counts() -> None:
    assert counted(1000, 81_000, every_s=1) == [1000, 81_000]
    assert counted(1000, 401_000, every_s=36 * 3600) == [1000, 401_000]


def test_an_old_fall_is_forgotten() -> None:
    meter = Meter()
    hour_ms = 3_600_000
    for reading, now_ms in ((50_000, 0), (0, hour_ms), (30_000, 100 * hour_ms), (0, 101 * hour_ms)):
        meter.count(reading, now_ms, MOST_W)
    assert meter.register_wh == 80_000
    meter.count(30_010, 101 * hour_ms + 1000, MOST_W)
    assert meter.register_wh == 80_010
