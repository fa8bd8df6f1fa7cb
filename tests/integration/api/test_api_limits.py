"""What the central system asks of charging, as the API shows it."""

import pytest

from chargebridge.ocpp16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargebridge.ocpp16.enums import (
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    ConfigurationStatus,
)
from chargebridge.ocpp16.messages import ChangeConfiguration, SetChargingProfile

pytestmark = pytest.mark.integration

TEN_AMPERE = ChargingProfile(
    charging_profile_id=7,
    stack_level=3,
    charging_profile_purpose=ChargingProfilePurposeType.TX_DEFAULT_PROFILE,
    charging_profile_kind=ChargingProfileKindType.ABSOLUTE,
    charging_schedule=ChargingSchedule(
        start_schedule="2026-01-01T00:00:00Z",
        charging_rate_unit=ChargingRateUnitType.A,
        charging_schedule_period=(ChargingSchedulePeriod(start_period=0, limit=10.0),),
    ),
)


async def configure(site, key, value):
    answer = await site.central_system.call("CP-1", ChangeConfiguration(key=key, value=value))
    assert answer.status is ConfigurationStatus.ACCEPTED


def test_profile_is_shown_with_the_limit_that_it_gives(at_site):
    async def scenario(site):
        shown = (await site.get("/charge-points/CP-1"))["charging"]
        assert (shown["limit_a"], shown["wished_limit_a"]) == (32.0, 32.0)
        answer = await site.central_system.call(
            "CP-1", SetChargingProfile(connector_id=1, cs_charging_profiles=TEN_AMPERE)
        )
        assert answer.status is ChargingProfileStatus.ACCEPTED
        shown = (await site.get("/charge-points/CP-1"))["charging"]
        assert shown["wished_limit_a"] == 10.0
        assert shown["profiles"] == [
            {"id": 7, "connector": 1, "purpose": "TxDefaultProfile", "stack_level": 3, "kind": "Absolute"}
        ]
        (listed,) = (await site.get("/charge-points"))["items"]
        assert listed["charging"]["profiles"] == shown["profiles"]

    at_site(scenario)


def test_free_charging_is_shown_without_its_tag(at_site):
    async def scenario(site):
        assert (await site.get("/charge-points/CP-1"))["free_charging"] is False
        await configure(site, "rfidtagfreecharging", "FREE-FOR-ALL")
        await configure(site, "freecharging", "true")
        answer = await site.client.get("/charge-points/CP-1")
        assert answer.json()["free_charging"] is True
        assert "FREE-FOR-ALL" not in answer.text

    at_site(scenario, preset="easee")


def test_current_of_the_moment_is_shown_as_it_was_written(at_site):
    async def scenario(site):
        await configure(site, "DynamicChargerCurrent", "8.5")
        shown = (await site.get("/charge-points/CP-1"))["charging"]
        assert shown["wished_limit_a"] == 8.5
        assert shown["dynamic_currents"] == [{"key": "DynamicChargerCurrent", "value": "8.5", "until": None}]

    at_site(scenario, preset="easee")


def test_local_list_is_empty_to_begin_with(at_site):
    async def scenario(site):
        shown = await site.get("/charge-points/CP-1")
        assert shown["local_list"] == {"version": 0, "kept_by_charger": True}

    at_site(scenario)
