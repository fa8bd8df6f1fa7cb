"""What a charge point says by itself, to a central system that nobody here wrote: PyPI's `ocpp`.

It checks every payload, in and out, against its own copy of the official schemas. What the central
system asks for is in `test_calls_with_pypi_ocpp`.
"""

import pytest
from ocpp.v16 import call
from ocpp.v16.enums import RegistrationStatus

from chargebridge.chargepoint.turn import NoticeKind, Operation

pytestmark = pytest.mark.integration

EASEE, EASEE_1_8, OCPP16 = "easee", "easee-1.8", "ocpp16"
every_preset = pytest.mark.parametrize("preset", [EASEE, EASEE_1_8, OCPP16])
FASTER = 600.0
"""Simulated seconds in a real one, where minutes have to pass."""
REGISTER = "Energy.Active.Import.Register"
BLOCKED = {"id_tags": {"BAD": {"status": "Blocked"}}}


async def change(pair, key, value):
    assert (await pair.call(call.ChangeConfiguration(key=key, value=value))).status == "Accepted"


def sampled(values):
    """What a MeterValues tells: the contexts in it, and the measurands."""
    told = [one for value in values["meter_value"] for one in value["sampled_value"]]
    return {one["context"] for one in told}, {one["measurand"] for one in told}


# --- BootNotification, Heartbeat --------------------------------------------------------------------


@pytest.mark.parametrize("first", [RegistrationStatus.pending, RegistrationStatus.rejected])
async def test_nothing_but_boots_is_said_until_one_is_accepted(pypi, first):
    async with pypi(central_system={"boot_answers": [first, first]}) as pair:
        boot = await pair.hears("BootNotification")
        assert (boot["charge_point_vendor"], boot["charge_point_serial_number"]) == ("chargebridge", "CP1")
        await pair.hears("BootNotification")
        assert pair.cs.heard == []
        await pair.ready()
        assert pair.gateway.charge_point("CP1").registration == "Accepted"


async def test_heartbeats_follow_the_interval_of_the_boot_answer(pypi):
    async with pypi(OCPP16, central_system={"interval_s": 20}) as pair:
        await pair.ready()
        interval = await pair.call(call.GetConfiguration(key=["HeartbeatInterval"]))
        assert interval.configuration_key[0]["value"] == "20"
        await pair.hears("Heartbeat")
        await pair.hears("Heartbeat")


@pytest.mark.parametrize("preset", [EASEE, EASEE_1_8])
async def test_heartbeats_come_about_every_3_minutes_whatever_the_boot_answer_says(site, pypi, preset):
    site.speed = FASTER
    async with pypi(preset, central_system={"interval_s": 20}) as pair:
        await pair.ready()
        began_ms = pair.now_ms
        await pair.hears("Heartbeat")
        assert pair.now_ms - began_ms > 150_000


async def test_heartbeats_follow_the_key_as_soon_as_it_is_written(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await change(pair, "HeartbeatInterval", "20")
        await pair.hears("Heartbeat")
        await pair.hears("Heartbeat")


# --- Authorize, StartTransaction, StatusNotification, StopTransaction -------------------------------


async def test_a_session_at_the_charger(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await pair.act("plug_in")
        await pair.hears("StatusNotification", connector_id=1, status="Preparing")
        await pair.act("present_token", id_tag="TAG")
        await pair.hears("Authorize", id_tag="TAG")
        start = await pair.hears("StartTransaction", id_tag="TAG", connector_id=1)
        await pair.hears("StatusNotification", connector_id=1, status="Charging")
        await pair.hears("MeterValues", connector_id=1, transaction_id=41)
        await pair.act("unplug")
        stop = await pair.hears("StopTransaction", transaction_id=41, reason="EVDisconnected")
        register_wh = (await pair.act("view"))["register_wh"]
        assert stop["meter_stop"] - start["meter_start"] == register_wh > 0


async def test_every_status_of_a_session_and_of_a_fault_is_told(pypi):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await pair.charging()
        await pair.act("pause_car")
        await pair.hears("StatusNotification", connector_id=1, status="SuspendedEV")
        await pair.act("resume_car")
        await pair.hears("StatusNotification", connector_id=1, status="Charging")
        await pair.act("present_token", id_tag="TAG")
        await pair.hears("StatusNotification", connector_id=1, status="Finishing")
        await pair.hears("StopTransaction", id_tag="TAG")
        await pair.act("raise_fault", fault="ground")
        await pair.hears("StatusNotification", connector_id=1, status="Faulted", error_code="GroundFailure")
        await pair.act("clear_fault")
        await pair.act("unplug")
        await pair.hears("StatusNotification", connector_id=1, status="Available", error_code="NoError")


async def test_a_token_that_is_refused_charges_nothing(pypi, wait_until):
    async with pypi(EASEE, central_system=BLOCKED) as pair:
        await pair.ready()
        await pair.act("plug_in")
        await pair.act("present_token", id_tag="BAD")
        await pair.hears("Authorize", id_tag="BAD")
        await wait_until(lambda: NoticeKind.AUTHORIZATION_REFUSED in pair.gateway.figures().notices)
        await pair.act("present_token", id_tag="GOOD")
        await pair.hears("StartTransaction", id_tag="GOOD")
        assert pair.cs.said("StartTransaction", id_tag="BAD") == []


async def test_a_token_of_the_same_parent_stops(pypi):
    family = {"status": "Accepted", "parentIdTag": "FAMILY"}
    async with pypi(EASEE, central_system={"id_tags": {"MUM": family, "DAD": family}}) as pair:
        await pair.ready()
        await pair.charging("MUM")
        await pair.act("present_token", id_tag="DAD")
        await pair.hears("Authorize", id_tag="DAD")
        await pair.hears("StopTransaction", id_tag="DAD")


async def test_a_transaction_whose_tag_is_refused_at_its_start_ends(pypi):
    async with pypi(EASEE, configuration={"LocalPreAuthorize": "true"}) as pair:
        await pair.ready()
        await pair.charging("TAG")
        await pair.over()
        pair.cs.id_tags["TAG"] = {"status": "Expired"}
        await pair.act("plug_in")
        await pair.act("present_token", id_tag="TAG")
        await pair.hears("StopTransaction", transaction_id=42, reason="DeAuthorized")


async def test_or_goes_on_without_energy_where_that_is_configured(pypi):
    configuration = {"LocalPreAuthorize": "true", "StopTransactionOnInvalidId": "false"}
    async with pypi(EASEE, configuration=configuration) as pair:
        await pair.ready()
        await pair.charging("TAG")
        await pair.over()
        pair.cs.id_tags["TAG"] = {"status": "Expired"}
        await pair.act("plug_in")
        await pair.act("present_token", id_tag="TAG")
        await pair.hears("StatusNotification", connector_id=1, status="SuspendedEVSE")
        await pair.sees(power_w=0.0, current_offered_a=0.0)
        assert (await pair.over())["transaction_id"] == 42


async def test_the_tokens_of_cache_and_list_charge_while_the_central_system_cannot_be_asked(pypi, wait_until):
    async with pypi(EASEE) as pair:
        await pair.ready()
        await pair.charging("CACHED")
        await pair.over()
        listed = [{"idTag": "LISTED", "idTagInfo": {"status": "Accepted"}}]
        request = call.SendLocalList(list_version=1, update_type="Full", local_authorization_list=listed)
        assert (await pair.call(request)).status == "Accepted"
        pair.gateway.link_down("CP1")
        await wait_until(lambda: pair.gateway.charge_point("CP1").link.state != "open")
        for id_tag in ("CACHED", "LISTED"):
            await pair.act("plug_in")
            await pair.act("present_token", id_tag=id_tag)
            await pair.sees(session={"id_tag": id_tag})
            await pair.act("unplug")
        await pair.act("present_token", id_tag="STRANGER")
        await wait_until(lambda: NoticeKind.AUTHORIZATION_REFUSED in pair.gateway.figures().notices)
        pair.gateway.link_up("CP1")
        for id_tag in ("CACHED", "LISTED"):
            await pair.hears("StartTransaction", id_tag=id_tag)
            await pair.hears("StopTransaction", reason="EVDisconnected")


@pytest.mark.parametrize(
    ("configuration", "id_tag", "charges"),
    [
        ({}, "TAG", True),
        ({"LocalAuthorizeOffline": "false"}, "TAG", False),
        ({}, "STRANGER", False),
        ({"AllowOfflineTxForUnknownId": "true"}, "STRANGER", True),
    ],
)
async def test_the_keys_say_who_charges_offline(pypi, wait_until, configuration, id_tag, charges):
    async with pypi(EASEE, configuration=configuration) as pair:
        await pair.ready()
        await pair.charging("TAG")
        await pair.over()
        pair.gateway.link_down("CP1")
        await wait_until(lambda: pair.gateway.charge_point("CP1").link.state != "open")
        await pair.act("plug_in")
        await pair.act("present_token", id_tag=id_tag)
        if charges:
            await pair.sees(session={"id_tag": id_tag})
        else:
            await wait_until(lambda: NoticeKind.AUTHORIZATION_REFUSED in pair.gateway.figures().notices)
            await pair.sees(session=None)


# --- MeterValues ------------------------------------------------------------------------------------


async def test_meter_values_are_forwarded_as_they_come(pypi):
    async with pypi(EASEE, configuration={"MeterValueSampleInterval": "0"}) as pair:
        await pair.ready()
        transaction = await pair.charging()
        values = await pair.hears("MeterValues", connector_id=1, transaction_id=transaction)
        contexts, measurands = sampled(values)
        assert contexts == {"Sample.Periodic"}
        assert measurands == {
            "Current.Import",
            "Current.Offered",
            REGISTER,
            "Power.Active.Import",
            "Voltage",
            "Temperature",
        }


@pytest.mark.parametrize(
    ("preset", "configuration"), [(EASEE_1_8, {}), (OCPP16, {"MeterValueSampleInterval": "0"})]
)
async def test_meter_values_are_sampled_once_an_interval_is_written(pypi, preset, configuration, wait_until):
    async with pypi(preset, configuration=configuration) as pair:
        await pair.ready()
        transaction = await pair.charging()
        await wait_until(lambda: (pair.gateway.charge_point("CP1").power_w or 0) > 0)
        assert pair.cs.said("MeterValues") == []
        await change(pair, "MeterValueSampleInterval", "30")
        for _ in range(2):
            values = await pair.hears("MeterValues", connector_id=1, transaction_id=transaction)
            assert sampled(values) == ({"Sample.Periodic"}, {REGISTER})


async def test_meter_values_are_sampled_by_the_clock_in_and_outside_transactions(pypi, wait_until):
    configuration = {
        "MeterValueSampleInterval": "0",
        "ClockAlignedDataInterval": "60",
        "MeterValuesAlignedData": f"{REGISTER},Voltage",
    }
    async with pypi(OCPP16, configuration=configuration) as pair:
        await pair.ready()
        transaction = await pair.charging()
        await wait_until(lambda: (pair.gateway.charge_point("CP1").power_w or 0) > 0)
        await pair.settled()
        pair.cs.heard.clear()
        values = await pair.hears("MeterValues", connector_id=1, transaction_id=transaction)
        assert sampled(values) == ({"Sample.Clock"}, {REGISTER, "Voltage"})
        await pair.over()
        pair.cs.heard.clear()
        outside = await pair.hears("MeterValues", connector_id=1)
        assert "transaction_id" not in outside
        assert sampled(outside) == ({"Sample.Clock"}, {REGISTER, "Voltage"})


async def test_meter_values_outside_transactions_where_the_endpoint_wants_them(site, pypi):
    site.speed = FASTER
    async with pypi(EASEE, overrides={"meter_values_outside_transactions": True}) as pair:
        await pair.ready()
        values = await pair.hears("MeterValues", connector_id=1)
        assert "transaction_id" not in values


@every_preset
async def test_a_stop_tells_the_meter_at_begin_and_end_where_that_is_configured(pypi, preset):
    async with pypi(preset, configuration={"StopTxnSampledData": REGISTER}) as pair:
        await pair.ready()
        await pair.charging()
        stop = await pair.over()
        begin, *_, end = [value["sampled_value"][0] for value in stop["transaction_data"]]
        assert (begin["context"], begin["value"]) == ("Transaction.Begin", "0")
        assert (end["context"], end["value"]) == ("Transaction.End", str(stop["meter_stop"]))


# --- free charging ----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", [EASEE, EASEE_1_8])
class TestFreeCharging:
    """Easee's keys freecharging and rfidtagfreecharging: a plugged-in car charges at once."""

    async def begin(self, pair):
        await pair.ready()
        await change(pair, "freecharging", "True")
        await change(pair, "rfidfreecharging", "FREE1")
        await pair.sees(settings={"free_charging_tag": "FREE1", "authorization_required": False})

    async def test_a_car_charges_at_once_with_the_tag(self, pypi, preset):
        async with pypi(preset) as pair:
            await self.begin(pair)
            await pair.act("plug_in")
            await pair.hears("StartTransaction", id_tag="FREE1")
            await pair.hears("StatusNotification", connector_id=1, status="Charging")
            assert pair.cs.said("Authorize") == []
            await pair.over()

    async def test_also_while_the_link_is_down(self, pypi, preset, wait_until):
        async with pypi(preset) as pair:
            await self.begin(pair)
            pair.gateway.link_down("CP1")
            await wait_until(lambda: pair.gateway.charge_point("CP1").link.state != "open")
            await pair.act("plug_in")
            await pair.sees(session={"id_tag": "FREE1"}, currents_a=[16.0, 16.0, 16.0])
            pair.gateway.link_up("CP1")
            await pair.hears("StartTransaction", id_tag="FREE1")
            await pair.over()

    async def test_also_while_the_charger_is_away_from_its_cloud(self, pypi, preset):
        async with pypi(preset) as pair:
            await self.begin(pair)
            await pair.act("lose_cloud")
            await pair.act("plug_in")
            await pair.sees(session={"id_tag": "FREE1"}, currents_a=[16.0, 16.0, 16.0])
            await pair.act("regain_cloud")
            await pair.hears("StartTransaction", id_tag="FREE1")
            await pair.over()

    async def test_what_was_stopped_on_purpose_does_not_begin_anew(self, pypi, preset):
        async with pypi(preset) as pair:
            await self.begin(pair)
            await pair.act("plug_in")
            await pair.hears("StartTransaction", id_tag="FREE1")
            await pair.settled()
            stop = call.RemoteStopTransaction(transaction_id=41)
            assert (await pair.call(stop)).status == "Accepted"
            await pair.hears("StopTransaction", transaction_id=41, reason="Remote")
            await pair.hears("StatusNotification", connector_id=1, status="Finishing")
            await pair.sees(session=None)
            await pair.act("unplug")
            await pair.act("plug_in")
            await pair.hears("StartTransaction", id_tag="FREE1")

    async def test_not_while_inoperative_whatever_is_reset_meanwhile(self, pypi, preset):
        async with pypi(preset) as pair:
            await self.begin(pair)
            await pair.call(call.ChangeAvailability(connector_id=0, type="Inoperative"))
            await pair.sees(available=False)
            await pair.act("plug_in")
            assert (await pair.call(call.Reset(type="Hard"))).status == "Accepted"
            await pair.hears("StatusNotification", connector_id=1, status="Available", error_code="NoError")
            await pair.hears("StatusNotification", connector_id=1, status="Unavailable", error_code="NoError")
            await pair.sees(session=None)
            await pair.call(call.ChangeAvailability(connector_id=0, type="Operative"))
            await pair.hears("StartTransaction", id_tag="FREE1")

    async def test_only_when_both_keys_are_set(self, pypi, preset):
        async with pypi(preset) as pair:
            await pair.ready()
            await change(pair, "freecharging", "true")
            await pair.act("plug_in")
            await pair.hears("StatusNotification", connector_id=1, status="Preparing")
            await pair.sees(session=None)
            await change(pair, "rfidtagfreecharging", "FREE1")
            await pair.hears("StartTransaction", id_tag="FREE1")

    async def test_external_authorization_excludes_it(self, pypi, preset):
        keys = ["freecharging", "ExternalAuthorizationRequired"]
        async with pypi(preset) as pair:
            await self.begin(pair)
            read = await pair.call(call.GetConfiguration(key=keys))
            assert [one["value"] for one in read.configuration_key] == ["true", "false"]
            await change(pair, "ExternalAuthorizationRequired", "true")
            read = await pair.call(call.GetConfiguration(key=keys))
            assert [one["value"] for one in read.configuration_key] == ["false", "true"]
            await pair.sees(settings={"free_charging_tag": None, "authorization_required": True})


async def test_free_charging_is_no_key_of_the_standard(pypi):
    async with pypi(OCPP16) as pair:
        await pair.ready()
        answer = await pair.call(call.ChangeConfiguration(key="freecharging", value="true"))
        assert answer.status == "NotSupported"


# --- a charge point that is registered late -----------------------------------------------------------


async def _boot_by_its_operator(pair):
    assert await pair.gateway.perform("CP1", Operation.BOOT) == (True, "it boots now")


async def _link_down_and_up(pair):
    pair.gateway.link_down("CP1")
    pair.gateway.link_up("CP1")


@pytest.mark.parametrize("cut_short", [_boot_by_its_operator, _link_down_and_up])
@pytest.mark.parametrize("status", [RegistrationStatus.rejected, RegistrationStatus.pending])
async def test_boot_5_one_that_was_refused_for_a_day_boots_when_its_operator_says_so(
    pypi, wait_until, status, cut_short
):
    central_system = {"boot_answers": [status], "refused_interval_s": 86_400 * 30}
    async with pypi("ocpp16", central_system=central_system) as pair:
        await pair.hears("BootNotification")
        await wait_until(lambda: pair.gateway.charge_point("CP1").registration == status.value)
        await cut_short(pair)
        await pair.ready()
        assert await pair.gateway.perform("CP1", Operation.BOOT) == (
            False,
            "the central system has registered this charge point already",
        )
