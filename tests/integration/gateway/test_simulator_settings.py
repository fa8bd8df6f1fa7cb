"""What a central system sees of the settings of simulated chargers."""

import pytest

from chargebridge.ocpp16.messages import ChangeConfiguration, GetConfiguration, UnlockConnector

pytestmark = pytest.mark.integration

SETTINGS = {"type": "simulator", "traffic": "none"}


def samples_in(payload):
    return [sample for value in payload["meterValue"] for sample in value["sampledValue"]]


async def test_ul_2_a_fixed_cable_has_no_lock_to_open(site, visitor):
    site.drivers["sim"] = SETTINGS | {"fixed_cable": True}
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        assert (await cs.call("CP1", UnlockConnector(connector_id=1))).status == "NotSupported"
        await someone.end_session()
        await someone.reconcile()


async def test_tx_15_of_a_fixed_cable_the_key_is_false_for_ever(site, visitor):
    site.drivers["sim"] = SETTINGS | {"fixed_cable": True}
    key = "UnlockConnectorOnEVSideDisconnect"
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        await visitor(gateway, cs).ready()
        assert (await cs.call("CP1", ChangeConfiguration(key=key, value="true"))).status == "Rejected"
        (found,) = (await cs.call("CP1", GetConfiguration(key=(key,)))).configuration_key
        assert found.value == "false"


async def test_meter_values_hold_what_the_charger_measures(site, visitor):
    site.drivers["sim"] = SETTINGS | {"measures": ["power_w", "current_a.L1"]}
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        wanted = "Power.Active.Import,Current.Import,Energy.Active.Import.Register"
        for value, status in ((f"{wanted},Voltage", "Rejected"), (wanted, "Accepted")):
            key = ChangeConfiguration(key="MeterValuesSampledData", value=value)
            assert (await cs.call("CP1", key)).status == status
        await someone.begin_session()
        # The charger measures power and current a minute after the start.
        sent = await someone.expect("MeterValues", lambda sent: len(samples_in(sent)) > 1)
        samples = samples_in(sent)
        shown = {(sample.get("measurand"), sample.get("phase")) for sample in samples}
        assert shown == {
            ("Power.Active.Import", None),
            ("Current.Import", "L1"),
            ("Energy.Active.Import.Register", None),
        }
        await someone.end_session()
        await someone.reconcile()


async def test_a_token_of_the_chargers_cache_charges_while_its_cloud_is_away(site, visitor):
    site.drivers["sim"] = SETTINGS | {"cached_tokens": ["KNOWN"]}
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.act("lose_cloud")
        await someone.act("plug_in")
        await someone.act("present_token", id_tag="KNOWN")
        await someone.act("regain_cloud")
        await someone.expect("StartTransaction", {"idTag": "KNOWN"})
        await someone.end_session()
        await someone.reconcile()
