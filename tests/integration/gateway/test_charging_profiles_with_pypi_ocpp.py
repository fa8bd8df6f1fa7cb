"""Smart charging over a real WebSocket with PyPI's `ocpp`: the charger's current follows what is set."""

import pytest
from ocpp.exceptions import PropertyConstraintViolationError
from ocpp.v16 import call

from chargebridge.clock import format_utc

pytestmark = pytest.mark.integration

EASEE, EASEE_1_8, OCPP16 = "easee", "easee-1.8", "ocpp16"
every_preset = pytest.mark.parametrize("preset", [EASEE, EASEE_1_8, OCPP16])
OFFERED_EVERY_MINUTE = {"MeterValuesSampledData": "Current.Offered", "MeterValueSampleInterval": "60"}


def profile(number, *limits, **differs):
    """A TxDefaultProfile without an end, of (seconds from its start, A) pairs; of one limit for always.

    `differs` is what differs from that, `unit` among it.
    """
    unit = differs.pop("unit", "A")
    starts = [one if isinstance(one, tuple) else (0, one) for one in limits]
    schedule = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in starts],
        **differs.pop("schedule", {}),
    }
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    } | differs


TX_PROFILE = {"chargingProfilePurpose": "TxProfile"}
MAX_PROFILE = {"chargingProfilePurpose": "ChargePointMaxProfile"}
RELATIVE = {"chargingProfileKind": "Relative"}
RECURRING = {
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "schedule": {"startSchedule": "2026-01-01T00:00:00Z"},
}


async def set_profile(pair, profile, connector=1):
    answer = await pair.call(
        call.SetChargingProfile(connector_id=connector, cs_charging_profiles=profile),
    )
    return answer.status


async def clear(pair, **which):
    return (await pair.call(call.ClearChargingProfile(**which))).status


async def composite(pair, duration=600, **which):
    """The periods of the composite schedule, as (start, limit) pairs."""
    answer = await pair.call(
        call.GetCompositeSchedule(**{"connector_id": 1, "duration": duration} | which),
    )
    assert answer.status == "Accepted"
    periods = answer.charging_schedule["charging_schedule_period"]
    return [(one["start_period"], one["limit"]) for one in periods]


async def hears_offered(pair, ampere):
    """Wait for MeterValues whose Current.Offered is this."""
    while True:
        values = await pair.hears("MeterValues")
        (value,) = values["meter_value"]
        for sampled in value["sampled_value"]:
            if sampled["measurand"] == "Current.Offered" and sampled["value"] == ampere:
                return


# --- the charger obeys ------------------------------------------------------------------------------


@every_preset
async def test_the_chargers_current_follows_the_profile_and_its_end(pypi, preset):
    async with pypi(preset, configuration=OFFERED_EVERY_MINUTE) as pair:
        await pair.ready()
        await pair.charging()
        await pair.sees(limit_in_force_a=32.0, currents_a=[16.0, 16.0, 16.0])
        assert await set_profile(pair, profile(1, 10.0)) == "Accepted"
        await pair.sees(limit_in_force_a=10.0, currents_a=[10.0, 10.0, 10.0])
        await hears_offered(pair, "10.00")
        assert await composite(pair) == [(0, 10.0)]
        assert await clear(pair, id=1) == "Accepted"
        await pair.sees(limit_in_force_a=32.0, currents_a=[16.0, 16.0, 16.0])
        await hears_offered(pair, "32.00")
        assert await composite(pair) == [(0, 32.0)]


@every_preset
@pytest.mark.parametrize("limit", [0.0, 3.0])
async def test_what_no_car_can_be_offered_pauses_the_transaction_until_a_later_limit(pypi, preset, limit):
    async with pypi(preset) as pair:
        await pair.ready()
        transaction = await pair.charging()
        assert await set_profile(pair, profile(1, limit)) == "Accepted"
        paused = await pair.hears("StatusNotification", connector_id=1, status="SuspendedEVSE")
        assert (paused["error_code"], paused["vendor_error_code"]) == ("NoError", "LimitedByPlan")
        await pair.sees(limit_in_force_a=limit, current_offered_a=0.0, power_w=0.0)
        assert await set_profile(pair, profile(2, 8.0)) == "Accepted"
        await pair.hears("StatusNotification", connector_id=1, status="Charging")
        await pair.sees(limit_in_force_a=8.0, currents_a=[8.0, 8.0, 8.0])
        assert pair.cs.said("StopTransaction") == []
        stop = await pair.over()
        assert stop["transaction_id"] == transaction


@every_preset
async def test_a_car_that_comes_under_a_limit_of_nothing_waits_in_its_transaction(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await set_profile(pair, profile(1, 0.0)) == "Accepted"
        await pair.sees(limit_in_force_a=0.0)
        await pair.act("plug_in")
        await pair.act("present_token", id_tag="TAG")
        await pair.hears("StartTransaction", id_tag="TAG")
        await pair.hears("StatusNotification", connector_id=1, status="SuspendedEVSE")
        assert await clear(pair) == "Accepted"
        await pair.hears("StatusNotification", connector_id=1, status="Charging")
        await pair.sees(currents_a=[16.0, 16.0, 16.0])


async def test_what_is_set_while_the_charger_is_away_is_followed_when_it_is_back(pypi, wait_until):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await pair.charging()
        await pair.act("lose_cloud")
        await wait_until(lambda: not pair.gateway.charge_point("CP1").charger_reachable)
        assert await set_profile(pair, profile(1, 10.0)) == "Accepted"
        assert await set_profile(pair, profile(2, 7.0)) == "Accepted"
        await pair.act("regain_cloud")
        await pair.sees(currents_a=[7.0, 7.0, 7.0], plan_writes=1)


async def test_a_schedule_is_followed_from_period_to_period(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await pair.charging()
        starts_ms = pair.now_ms
        two_steps = profile(1, (0, 12.0), (180, 7.0), schedule={"startSchedule": format_utc(starts_ms)})
        assert await set_profile(pair, two_steps) == "Accepted"
        await pair.sees(currents_a=[12.0, 12.0, 12.0])
        (first, second) = await composite(pair)
        assert (first, second[1]) == ((0, 12.0), 7.0)
        assert 0 < second[0] <= 180
        changed = await pair.sees(currents_a=[7.0, 7.0, 7.0])
        assert changed["at_ms"] >= starts_ms + 180_000


async def test_a_plan_is_carried_out_though_the_charger_is_away_from_its_cloud(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await pair.charging()
        two_steps = profile(1, (0, 12.0), (180, 7.0), schedule={"startSchedule": format_utc(pair.now_ms)})
        assert await set_profile(pair, two_steps) == "Accepted"
        await pair.sees(currents_a=[12.0, 12.0, 12.0], plan_writes=1)
        await pair.act("lose_cloud")
        await pair.sees(currents_a=[7.0, 7.0, 7.0])


@every_preset
async def test_a_profile_survives_a_reset(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await set_profile(pair, profile(1, 9.0)) == "Accepted"
        await pair.sees(limit_in_force_a=9.0)
        assert (await pair.call(call.Reset(type="Hard"))).status == "Accepted"
        await pair.ready()
        assert await composite(pair) == [(0, 9.0)]
        await pair.charging()
        await pair.sees(currents_a=[9.0, 9.0, 9.0], plan_writes=1)


# --- what is accepted -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "answers"),
    [
        pytest.param(
            profile(1, 8.0, **RELATIVE), ("NotSupported", "NotSupported", "Accepted"), id="relative"
        ),
        pytest.param(profile(1, 8.0, **TX_PROFILE), ("NotSupported", "Accepted", "Accepted"), id="tx"),
        pytest.param(
            profile(1, 8.0, **TX_PROFILE, **RECURRING),
            ("NotSupported", "Rejected", "Accepted"),
            id="tx-recurring",
        ),
        pytest.param(
            profile(1, 8.0, **TX_PROFILE, **RELATIVE),
            ("NotSupported", "NotSupported", "Accepted"),
            id="tx-relative",
        ),
        pytest.param(profile(1, 5520.0, unit="W"), ("Rejected", "Rejected", "Accepted"), id="watt"),
        pytest.param(profile(1, 8.0, **MAX_PROFILE), ("Accepted", "Accepted", "Rejected"), id="max-on-1"),
        pytest.param(profile(1, 8.0, **RECURRING), ("Accepted", "Accepted", "Accepted"), id="recurring"),
    ],
)
@pytest.mark.parametrize("preset", [EASEE, EASEE_1_8, OCPP16])
async def test_each_preset_carries_out_what_it_accepts(pypi, preset, offered, answers):
    expected = dict(zip((EASEE, EASEE_1_8, OCPP16), answers, strict=True))[preset]
    async with pypi(preset) as pair:
        await pair.ready()
        await pair.charging()
        assert await set_profile(pair, offered) == expected
        ampere = 8.0 if expected == "Accepted" else 32.0
        assert await composite(pair) == [(0, ampere)]
        await pair.sees(limit_in_force_a=ampere)


@pytest.mark.parametrize(
    ("preset", "status"), [(EASEE, "NotSupported"), (EASEE_1_8, "Rejected"), (OCPP16, "Rejected")]
)
async def test_a_tx_profile_without_its_transaction(pypi, preset, status):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await set_profile(pair, profile(1, 8.0, **TX_PROFILE)) == status
        transaction = await pair.charging()
        elsewhere = profile(1, 8.0, **TX_PROFILE, transactionId=transaction + 1)
        assert await set_profile(pair, elsewhere) == status
        await pair.sees(limit_in_force_a=32.0)


@pytest.mark.parametrize("preset", [EASEE_1_8, OCPP16])
async def test_a_tx_profile_ends_with_its_transaction(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        transaction = await pair.charging()
        of_it = profile(1, 8.0, **TX_PROFILE, transactionId=transaction)
        assert await set_profile(pair, of_it) == "Accepted"
        await pair.sees(currents_a=[8.0, 8.0, 8.0], plan_writes=0)
        await pair.over()
        await pair.charging()
        await pair.sees(currents_a=[16.0, 16.0, 16.0])
        assert await clear(pair, id=1) == "Unknown"


async def test_tx_profiles_of_easee_1_8_neither_stack_nor_reach_a_charger_that_is_away(pypi, wait_until):
    async with pypi(EASEE_1_8) as pair:
        await pair.ready()
        await pair.charging()
        assert await set_profile(pair, profile(1, 8.0, **TX_PROFILE | {"stackLevel": 1})) == "Accepted"
        assert await set_profile(pair, profile(2, 12.0, **TX_PROFILE)) == "Accepted"
        await pair.sees(currents_a=[12.0, 12.0, 12.0])
        assert await clear(pair, id=1) == "Unknown"
        await pair.act("lose_cloud")
        await wait_until(lambda: not pair.gateway.charge_point("CP1").charger_reachable)
        assert await set_profile(pair, profile(3, 10.0, **TX_PROFILE)) == "Rejected"


async def test_higher_tx_profiles_prevail_where_they_stack(pypi):
    async with pypi(OCPP16) as pair:
        await pair.ready()
        await pair.charging()
        high = profile(1, 8.0, **TX_PROFILE | {"stackLevel": 1})
        assert await set_profile(pair, high) == "Accepted"
        assert await set_profile(pair, profile(2, 12.0, **TX_PROFILE)) == "Accepted"
        await pair.sees(currents_a=[8.0, 8.0, 8.0])
        assert await clear(pair, id=1) == "Accepted"
        await pair.sees(currents_a=[12.0, 12.0, 12.0])


@pytest.mark.parametrize(("preset", "ampere"), [(EASEE, 14.0), (EASEE_1_8, 14.0), (OCPP16, 9.0)])
async def test_a_tx_default_profile_overrides_the_maximum_or_stays_below_it(pypi, preset, ampere):
    async with pypi(preset) as pair:
        await pair.ready()
        await pair.charging()
        assert await set_profile(pair, profile(1, 9.0, **MAX_PROFILE), connector=0) == "Accepted"
        await pair.sees(currents_a=[9.0, 9.0, 9.0])
        assert await set_profile(pair, profile(2, 14.0)) == "Accepted"
        await pair.sees(limit_in_force_a=ampere, currents_a=[ampere] * 3)
        assert await composite(pair) == [(0, ampere)]
        assert await composite(pair, connector_id=0) == [(0, ampere)]


async def test_a_profile_that_says_nothing_sensible_is_rejected(pypi):
    async with pypi(OCPP16) as pair:
        await pair.ready()
        for nonsense in (
            profile(1, (5, 10.0)),
            profile(1, (0, 10.0), (60, 8.0), (30, 6.0)),
            profile(1, 10.0, recurrencyKind="Daily"),
            profile(1, 10.0, stackLevel=99),
            profile(1, 10.0, validFrom="2026-02-01T00:00:00Z", validTo="2026-01-01T00:00:00Z"),
        ):
            assert await set_profile(pair, nonsense) == "Rejected"
        with pytest.raises(PropertyConstraintViolationError):
            await set_profile(pair, profile(1, 10.0), connector=2)
        assert await clear(pair) == "Unknown"


async def test_relative_profiles_where_home_assistant_needs_them(pypi):
    async with pypi(EASEE, compatibility=["home-assistant"]) as pair:
        await pair.ready()
        await pair.charging()
        assert await set_profile(pair, profile(1, 8.0, **RELATIVE)) == "Accepted"
        await pair.sees(currents_a=[8.0, 8.0, 8.0])


async def test_profiles_rewritten_all_the_time_wear_nothing_where_evcc_needs_that(pypi):
    async with pypi(EASEE, compatibility=["evcc"]) as pair:
        await pair.ready()
        await pair.charging()
        for ampere in (10.0, 12.0, 9.0):
            assert await set_profile(pair, profile(1, ampere)) == "Accepted"
            await pair.sees(currents_a=[ampere] * 3, plan_writes=0)


# --- remote start with a profile --------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "ampere"), [(EASEE, 16.0), (EASEE_1_8, 8.0), (OCPP16, 8.0)])
async def test_a_remote_start_brings_a_profile_where_transactions_have_them(pypi, preset, ampere):
    async with pypi(preset) as pair:
        await pair.ready()
        await pair.act("plug_in")
        start = call.RemoteStartTransaction(
            id_tag="APP", connector_id=1, charging_profile=profile(1, 8.0, **TX_PROFILE)
        )
        assert (await pair.call(start)).status == "Accepted"
        await pair.hears("StartTransaction", id_tag="APP")
        await pair.sees(currents_a=[ampere] * 3)


@pytest.mark.parametrize("preset", [EASEE_1_8, OCPP16])
async def test_a_remote_start_with_a_profile_that_is_not_its_transactions_is_rejected(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        start = call.RemoteStartTransaction(id_tag="APP", connector_id=1, charging_profile=profile(1, 8.0))
        assert (await pair.call(start)).status == "Rejected"


# --- ClearChargingProfile, GetCompositeSchedule -----------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "on_0"), [(EASEE, "Accepted"), (EASEE_1_8, "Accepted"), (OCPP16, "Unknown")]
)
async def test_profiles_are_cleared_by_id_or_by_what_they_are(pypi, preset, on_0):
    async with pypi(preset) as pair:
        await pair.ready()
        assert await clear(pair) == "Unknown"
        assert await set_profile(pair, profile(1, 9.0, **MAX_PROFILE), connector=0) == "Accepted"
        assert await set_profile(pair, profile(2, 14.0, stackLevel=1)) == "Accepted"
        assert await set_profile(pair, profile(3, 12.0)) == "Accepted"
        assert await clear(pair, id=4) == "Unknown"
        assert await clear(pair, stack_level=1, charging_profile_purpose="ChargePointMaxProfile") == "Unknown"
        assert await clear(pair, stack_level=1) == "Accepted"
        assert await clear(pair, connector_id=0, charging_profile_purpose="TxDefaultProfile") == on_0
        assert await clear(pair) == "Accepted"
        assert await clear(pair) == "Unknown"
        await pair.sees(limit_in_force_a=32.0)


async def test_a_composite_schedule_of_nowhere_is_rejected(pypi):
    async with pypi(OCPP16) as pair:
        await pair.ready()
        answer = await pair.call(call.GetCompositeSchedule(connector_id=2, duration=600))
        assert (answer.status, answer.charging_schedule) == ("Rejected", None)


@pytest.mark.parametrize("preset", [EASEE, EASEE_1_8])
async def test_a_composite_schedule_in_watt_is_rejected_where_only_ampere_counts(pypi, preset):
    async with pypi(preset) as pair:
        await pair.ready()
        asked = call.GetCompositeSchedule(connector_id=1, duration=600, charging_rate_unit="W")
        assert (await pair.call(asked)).status == "Rejected"


async def test_a_composite_schedule_in_watt(pypi):
    async with pypi(OCPP16) as pair:
        await pair.ready()
        assert await set_profile(pair, profile(1, 10.0)) == "Accepted"
        assert await composite(pair, charging_rate_unit="W") == [(0, 6900.0)]


# --- the current of the moment ----------------------------------------------------------------------


@pytest.mark.parametrize("key", ["DynamicChargerCurrent", "DynamicCircuitCurrent"])
async def test_a_dynamic_current_bounds_what_profiles_allow_and_wears_nothing(pypi, key):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await pair.charging()
        for value, status in (("8", "Accepted"), ("many", "Rejected"), ("", "Accepted")):
            answer = await pair.call(call.ChangeConfiguration(key=key, value=value))
            assert (value, answer.status) == (value, status)
            ampere = 16.0 if value == "" else 8.0
            await pair.sees(currents_a=[ampere] * 3, plan_writes=0)


async def test_a_dynamic_current_of_no_ampere_pauses_for_its_seconds(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await pair.charging()
        await pair.call(call.ChangeConfiguration(key="DynamicChargerCurrent", value="0;60"))
        paused = await pair.hears("StatusNotification", connector_id=1, status="SuspendedEVSE")
        assert paused["vendor_error_code"] == "LimitedByCentralSystem"
        await pair.hears("StatusNotification", connector_id=1, status="Charging")
        read = await pair.call(call.GetConfiguration(key=["DynamicChargerCurrent"]))
        assert read.configuration_key[0]["value"] == ""


async def test_a_dynamic_current_that_the_charger_forgets_in_a_reset_is_given_anew(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await pair.call(call.ChangeConfiguration(key="DynamicChargerCurrent", value="9"))
        await pair.sees(limit_ma=9000)
        assert (await pair.call(call.Reset(type="Soft"))).status == "Accepted"
        await pair.sees(limit_ma=None, reachable=False)
        await pair.sees(limit_ma=9000, reachable=True)


async def test_the_wear_of_the_chargers_memory_is_told(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        assert await set_profile(pair, profile(1, 10.0)) == "Accepted"
        await pair.sees(plan_writes=1)
        read = await pair.call(call.GetConfiguration(key=["ProfileWritesToday"]))
        assert read.configuration_key[0]["value"] == "1"
