"""A central system that follows the sun: it rewrites its limit every few seconds, all day long.

evcc does so, with one TxDefaultProfile from now on, and 0 A to pause. Profiles are kept in memory that
wears, so it must not be written each time; the limit is followed exactly all the same.
"""

import pytest

from chargebridge.chargepoint.configuration.profile_writes import WINDOW_DAYS, WRITES_A_DAY
from chargebridge.clock import format_utc

pytestmark = [pytest.mark.unit, pytest.mark.simulation]

DAY_S = 86_400
CLOUDS_A = (0, 6, 6.4, 7.1, 9.8, 13, 16, 14.2, 11, 8, 6.1, 0, 0, 6)
"""Passing clouds; what follows each other differs, now and then it does not."""


def rewrite(world, ampere):
    profile = {
        "chargingProfileId": 16,
        "stackLevel": 8,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "startSchedule": format_utc(world.now_ms),
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": ampere}],
        },
    }
    answer = world.ask("SetChargingProfile", connectorId=1, csChargingProfiles=profile)
    assert answer == {"status": "Accepted"}


def follow_the_sun(world, seconds, every_s):
    """Rewrite again and again, and see after each time that it is followed."""
    for n in range(seconds // every_s):
        ampere = CLOUDS_A[n % len(CLOUDS_A)]
        rewrite(world, ampere)
        assert world.offered_a == ampere
        world.wait(every_s)
        assert (world.limit_a, world.offered_a) == (ampere, ampere)
    assert world.transactions == [1]


@pytest.mark.parametrize(
    ("preset", "seconds", "every_s"), [("easee", DAY_S, 30), ("easee-1.8", 3600, 5), ("ocpp16", 3600, 5)]
)
def test_with_the_compatibility_the_memory_is_never_written(new_world, preset, seconds, every_s):
    world = new_world(preset, ["evcc"]).charging()
    follow_the_sun(world, seconds, every_s)
    assert world.memory_writes == 0


def test_without_it_no_more_than_the_memory_can_bear(new_world):
    world = new_world("easee").charging()
    follow_the_sun(world, DAY_S, 30)
    assert world.memory_writes == WRITES_A_DAY * WINDOW_DAYS
    for _ in range(WINDOW_DAYS - 2):
        world.wait(DAY_S)
        rewrite(world, 10)
    assert world.offered_a == 10
    assert world.memory_writes == WRITES_A_DAY * WINDOW_DAYS
