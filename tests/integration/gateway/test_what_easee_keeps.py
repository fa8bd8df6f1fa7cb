"""Behind Easee's cloud: what the charger shows of limits and plans, and a driver that writes nothing."""

import pytest

from chargebridge.ocpp16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargebridge.ocpp16.enums import (
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    RemoteStartStopStatus,
)
from chargebridge.ocpp16.messages import (
    ChangeConfiguration,
    RemoteStartTransaction,
    RemoteStopTransaction,
    SetChargingProfile,
)
from tests.integration.gateway.behind_easee import SERIAL

pytestmark = pytest.mark.integration

PLAN_PATH = f"/api/chargers/{SERIAL}/weekly_charge_plan"
WRITES = ("command", "settings", "plan", "circuit_settings")
READ_ONLY = "the driver is read-only (read_only = true)"


def profile(limit):
    schedule = ChargingSchedule(
        charging_rate_unit=ChargingRateUnitType.A,
        charging_schedule_period=(ChargingSchedulePeriod(start_period=0, limit=limit),),
    )
    return ChargingProfile(
        charging_profile_id=1,
        stack_level=0,
        charging_profile_purpose=ChargingProfilePurposeType.TX_DEFAULT_PROFILE,
        charging_profile_kind=ChargingProfileKindType.RELATIVE,
        charging_schedule=schedule,
    )


async def limit_to(place, amperes):
    request = SetChargingProfile(connector_id=1, cs_charging_profiles=profile(amperes))
    answer = await place.central_system.call("CP1", request)
    assert answer.status is ChargingProfileStatus.ACCEPTED


def charging(place):
    return place.gateway.charge_point("CP1").charging


async def test_the_limit_shown_is_the_chargers_and_not_the_wish(place):
    async with place() as standing, standing.running():
        await standing.until(lambda: charging(standing).limit_a == 32)
        standing.cloud.misbehaviour.ignored = 1.0
        standing.cloud.misbehaviour.lost = 1.0  # by the bus
        standing.cloud.misbehaviour.lost_executed = 0.0
        standing.cloud.misbehaviour.plan_not_shown = 1.0
        await limit_to(standing, 10)
        await standing.until(lambda: charging(standing).wished_limit_a == 10)
        assert charging(standing).limit_a == 32
        standing.cloud.misbehaviour.ignored = 0.0
        standing.cloud.misbehaviour.lost = 0.0
        await standing.until(lambda: charging(standing).limit_a == 10)  # it is sent again
        # Somebody raises it with the app.
        await standing.client.command("set_dynamic_charger_current", {"amps": 32, "minutes": 0})
        await standing.until(lambda: charging(standing).limit_a == 32)
        assert charging(standing).wished_limit_a == 10


async def test_a_plan_that_is_shown_takes_the_place_of_the_volatile_limit(place):
    async with place() as standing, standing.running():
        standing.cloud.misbehaviour.plan_delay_s = 20.0
        await limit_to(standing, 10)
        await standing.until(lambda: charging(standing).volatile_limit_a == 10)
        assert charging(standing).plan_stored is False
        await standing.until(lambda: charging(standing).plan_stored)
        await standing.until(lambda: charging(standing).volatile_limit_a is None)
        assert (charging(standing).limit_a, charging(standing).plan_impossible) == (10, False)
        assert standing.view()["limit_in_force_a"] == 10


async def test_a_plan_that_is_never_shown_leaves_the_volatile_limit_and_says_so_once(place, capfd):
    async with place() as standing, standing.running():
        standing.cloud.misbehaviour.plan_not_shown = 1.0
        await limit_to(standing, 10)
        await standing.until(lambda: charging(standing).plan_impossible)
        for amperes in (11, 12, 13):
            await limit_to(standing, amperes)
            await standing.until(lambda wanted=amperes: charging(standing).volatile_limit_a == wanted)
        assert charging(standing).plan_stored is False
        assert (await standing.client.call("GET", PLAN_PATH))[0] == 404
        # One was written, and deleted again.
        await standing.until(lambda: standing.view()["plan"] is None)
        assert standing.cloud.statistics.count("plan", 200) == 2
    assert capfd.readouterr().out.count("plan sent and not shown by the charger") == 1


async def test_a_read_only_driver_shows_everything_and_writes_nothing(place):
    async with place() as standing:
        standing.site.drivers["easee"]["read_only"] = True
        async with standing.running():
            before = standing.cloud.statistics.as_dict()
            start = RemoteStartTransaction(id_tag="04AABBCC")
            answer = await standing.central_system.call("CP1", start)
            assert answer.status is RemoteStartStopStatus.REJECTED
            await standing.central_system.call(
                "CP1", ChangeConfiguration(key="LocalAuthorizeOffline", value="false")
            )
            for token in ("04AABBCC", "04AABBDD"):
                standing.act("plug_in", battery_kwh=400, max_current_a=32)
                standing.act("present_token", id_tag=token)
                # The owner's app, say, lets it charge.
                await standing.client.command("start_charging")
                await standing.is_charging()
                await standing.until(lambda: standing.gateway.charge_point("CP1").transaction is not None)
                await standing.later(60)
                running = standing.transactions()[-1]
                stop = RemoteStopTransaction(transaction_id=running.id)
                answer = await standing.central_system.call("CP1", stop)
                assert answer.status is RemoteStartStopStatus.REJECTED
                standing.act("unplug")
                await standing.until(lambda: not standing.transactions()[-1].is_open)
            await standing.books(2)
            await standing.until(lambda: charging(standing).limit_a == 32)
            assert charging(standing).wished_limit_a is None
            after = standing.cloud.statistics.as_dict()
        written = {
            name: count - before["requests"].get(name, 0)
            for name, count in after["requests"].items()
            if name.split()[0] in WRITES
        }
        assert sum(written.values()) == 2  # of the app
        assert after["bus_commands"] == 0
