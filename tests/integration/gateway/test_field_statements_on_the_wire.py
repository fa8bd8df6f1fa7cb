"""What charge points in the field get wrong, where it takes a connection or a restart (`FIELD-*`)."""

import pytest
from ocpp.v16 import call

from chargebridge.emulators.central_system import NOTHING, Admission, Direction, Kind
from chargebridge.ocpp16.enums import MessageTrigger
from chargebridge.ocpp16.messages import GetConfiguration, TriggerMessage

pytestmark = pytest.mark.integration


def calls_of(central_system):
    return [
        exchange.action
        for exchange in central_system.exchanges("CP1")
        if exchange.kind is Kind.CALL and exchange.direction is Direction.FROM_CHARGE_POINT
    ]


async def test_field_4_one_call_at_a_time_while_those_of_the_central_system_are_answered(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        cs.answer("StatusNotification", lambda identity, request: NOTHING)
        await someone.act("plug_in")
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Preparing"})
        before = calls_of(cs)
        await someone.act("present_token", id_tag="TAG")
        for _ in range(20):
            answer = await cs.call("CP1", GetConfiguration(key=("NumberOfConnectors",)))
            assert answer.configuration_key[0].value == "1"
            answer = await cs.call("CP1", TriggerMessage(requested_message=MessageTrigger.HEARTBEAT))
            assert answer.status == "Accepted"
        assert calls_of(cs) == before
        cs.answer_as_usual("StatusNotification")
        await someone.expect("Heartbeat")  # is it deaf, or did it fail?
        await someone.expect("StartTransaction", {"idTag": "TAG"})
        assert cs.violations == []  # a CALL before the time-out of another would be one


async def test_field_10_a_profile_that_was_replaced_or_cleared_does_not_come_back(site, pypi):
    def profile(id, ampere):
        return {
            "chargingProfileId": id,
            "stackLevel": 3,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": ampere}],
            },
        }

    async def limit(pair):
        answer = await pair.call(call.GetCompositeSchedule(connector_id=1, duration=60))
        (period,) = answer.charging_schedule["charging_schedule_period"]
        return period["limit"]

    async with pypi("ocpp16") as pair:
        await pair.ready()
        for id, ampere in [(1, 10.0), (2, 8.0)]:
            wanted = call.SetChargingProfile(connector_id=1, cs_charging_profiles=profile(id, ampere))
            assert (await pair.call(wanted)).status == "Accepted"
        await pair.sees(limit_in_force_a=8.0)
    async with pypi("ocpp16") as pair:
        await pair.ready()
        assert await limit(pair) == 8.0
        await pair.sees(limit_in_force_a=8.0)
        assert (await pair.call(call.ClearChargingProfile(id=1))).status == "Unknown"
        assert (await pair.call(call.ClearChargingProfile(id=2))).status == "Accepted"
        await pair.sees(limit_in_force_a=32.0)
    async with pypi("ocpp16") as pair:
        await pair.ready()
        assert await limit(pair) == 32.0
        await pair.sees(limit_in_force_a=32.0)
        assert (await pair.call(call.ClearChargingProfile())).status == "Unknown"


async def test_field_17_a_link_that_looks_open_but_is_deaf_is_torn_down(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        for action in ("StatusNotification", "Heartbeat"):
            cs.answer(action, lambda identity, request: NOTHING)  # pings are still answered
        await someone.act("plug_in")
        await cs.wait_disconnected("CP1")
        for action in ("StatusNotification", "Heartbeat"):
            cs.answer_as_usual(action)
        await cs.wait_connected("CP1")
        await someone.act("present_token", id_tag="TAG")
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Charging"})
        await someone.end_session()
        await someone.reconcile()


@pytest.mark.parametrize("whose", ["central system", "charge point"])
async def test_field_25_a_hex_key_is_bytes_and_a_changed_one_counts_from_the_next_connection_on(
    site, visitor, whose
):
    keys = {"CP1": bytes.fromhex("00112233445566778899aabbccddeeff00112233")}

    def configure():
        table = site.central_systems["main"] if whose == "central system" else site.charge_points[0]
        table["password"] = keys["CP1"].hex()

    async with site.central_system(admission=Admission(passwords=keys)) as cs:
        site.reach(cs)
        configure()
        async with site.gateway() as gateway:
            someone = visitor(gateway, cs)
            await someone.ready()
            keys["CP1"] = b"\xff\x00 no text, of 20 b"
            configure()
            await gateway.reload(site.read())
            assert gateway.charge_point("CP1").link.reconnects == 0
            assert cs.connected("CP1")
            cs.close("CP1")
            await cs.wait_disconnected("CP1")
            await cs.wait_connected("CP1")
            await someone.begin_session()
