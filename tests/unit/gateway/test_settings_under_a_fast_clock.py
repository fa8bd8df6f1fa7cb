"""Waits for others are real seconds, however fast the clock runs: no clock makes networks faster."""

import pytest

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.clock import ScaledClock
from chargebridge.config import CentralSystemSettings, ChargePointSettings, Configuration
from chargebridge.gateway.provisioning import SettingsFactory

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("speed", "awaited_s", "hurried_s"), [(1.0, 60.0, 5.0), (960.0, 57_600.0, 4800.0)])
def test_a_record_is_awaited_in_real_seconds_also_where_somebody_wants_to_charge(speed, awaited_s, hurried_s):
    charge_point = ChargePointSettings(
        identity="CP1",
        central_system="main",
        driver="cloud",
        charger="EH1",
        behaviour=behaviour(),
        end_awaited_s=60,
    )
    configuration = Configuration(
        central_systems={"main": CentralSystemSettings(url="ws://a.example")},
        drivers={},
        charge_points=(charge_point,),
    )
    settings = SettingsFactory(configuration, ScaledClock(speed, 0, 0)).make(charge_point)
    assert (settings.end_awaited_s, settings.end_hurried_s) == (awaited_s, hurried_s)
