"""A profile in the place of another, at once, offline, and as a hint (`SC-6`, `SC-8`, `SC-10`, `SC-11`)."""

import pytest

from chargebridge.chargers.model import Capability, SetLimit, StorePlan

pytestmark = pytest.mark.unit

T0 = "2026-01-02T10:00:00Z"
VOLATILE_ONLY = frozenset(Capability) - {Capability.PLAN, Capability.OVERRIDE}


def profile(*limits, purpose="TxDefaultProfile", id=1, stack=0, **schedule):
    """Absolute from 10:00 on; the limits follow each other by an hour."""
    periods = [{"startPeriod": 3600 * n, "limit": limit} for n, limit in enumerate(limits)]
    return {
        "chargingProfileId": id,
        "stackLevel": stack,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "startSchedule": T0,
            "chargingSchedulePeriod": periods,
            **schedule,
        },
    }


def install(bench, profile):
    answer = bench.ask("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
    return answer["status"]


def composite(bench):
    answer = bench.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 3600})
    return [period["limit"] for period in answer["chargingSchedule"]["chargingSchedulePeriod"]]


def limits(bench):
    """The limits that the charger was given since the last time, in mA; it has them now."""
    return [command.limit_ma for command in bench.obey() if isinstance(command, SetLimit)]


@pytest.fixture
def charging(new_bench):
    return new_bench("ocpp16", capabilities=VOLATILE_ONLY).ready().charging()


class TestReplacing:
    def test_sc_6_between_the_old_profile_and_the_new_one_there_is_no_moment_without(self, charging):
        install(charging, profile(10))
        assert limits(charging) == [10_000]
        install(charging, profile(16))
        assert limits(charging) == [16_000]

    def test_sc_6_nor_in_the_memory_of_a_charger_that_keeps_a_plan(self, new_bench):
        bench = new_bench("ocpp16").ready()
        install(bench, profile(10))
        bench.obey()
        install(bench, profile(16))
        plans = [command.plan for command in bench.obey() if isinstance(command, StorePlan)]
        assert [plan.periods[0].limit_ma for plan in plans] == [16_000]

    def test_sc_6_a_refused_profile_replaces_nothing(self, charging):
        install(charging, profile(10))
        assert install(charging, profile(16, stack=99)) == "Rejected"
        assert composite(charging) == [10]


class TestDefaultOfARunningTransaction:
    def test_sc_8_a_new_one_holds_at_once(self, charging):
        install(charging, profile(10))
        assert limits(charging) == [10_000]

    def test_sc_8_so_does_its_removal(self, charging):
        install(charging, profile(10))
        charging.obey()
        charging.ask("ClearChargingProfile", {"id": 1})
        assert limits(charging) == [None]

    def test_sc_8_but_a_profile_of_the_transaction_itself_goes_before_it(self, charging):
        install(charging, profile(12, purpose="TxProfile", id=2))
        assert limits(charging) == [12_000]
        install(charging, profile(10))
        assert limits(charging) == []


class TestOffline:
    def test_sc_10_the_schedule_of_the_transaction_goes_on(self, charging):
        install(charging, profile(12, 8, purpose="TxProfile"))
        assert limits(charging) == [12_000]
        charging.link_down()
        charging.wait(3600)
        assert limits(charging) == [8_000]

    def test_sc_10_the_default_holds_for_whoever_comes_next(self, charging):
        install(charging, profile(10))
        install(charging, profile(12, purpose="TxProfile", id=2))
        charging.obey()
        charging.link_down()
        charging.end()
        assert limits(charging) == [10_000]

    def test_sc_10_without_any_there_is_no_limit(self, charging):
        charging.link_down()
        charging.wait(7200)
        assert limits(charging) == []


def test_sc_11_the_minimum_charging_rate_is_a_hint_and_lifts_no_limit(charging):
    assert install(charging, profile(7, minChargingRate=10.0)) == "Accepted"
    assert composite(charging) == [7]
    assert limits(charging) == [7_000]
