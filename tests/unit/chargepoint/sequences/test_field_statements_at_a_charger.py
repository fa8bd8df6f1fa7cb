"""What charge points in the field get wrong towards the charger, one telling test each (`FIELD-*`)."""

import pytest

from chargebridge.chargepoint.behaviour import COMPATIBILITY, PRESETS
from chargebridge.clock import format_utc

pytestmark = pytest.mark.unit

REGISTER = "Energy.Active.Import.Register"
HOW = pytest.mark.parametrize(
    ("preset", "compatibility"),
    [(preset, names) for preset in PRESETS for names in [(), *((name,) for name in COMPATIBILITY)]],
)


def profile(world, *periods, id=1, starts_in_s=0):
    return {
        "chargingProfileId": id,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "startSchedule": format_utc(world.now_ms + starts_in_s * 1000),
            "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
        },
    }


def limit(world, *periods, **fields):
    wanted = profile(world, *periods, **fields)
    return world.ask("SetChargingProfile", connectorId=1, csChargingProfiles=wanted)["status"]


def composite(world, connector, duration_s):
    answer = world.ask("GetCompositeSchedule", connectorId=connector, duration=duration_s)
    periods = answer["chargingSchedule"]["chargingSchedulePeriod"]
    return [(period["startPeriod"], period["limit"]) for period in periods]


def test_field_8_after_a_remote_stop_with_the_cable_in_a_new_remote_start_charges(new_world):
    world = new_world("ocpp16", strict=True).charging()
    world.wait(60)
    assert world.ask("RemoteStopTransaction", transactionId=1) == {"status": "Accepted"}
    world.wait(600)
    assert world.start() == "Accepted"
    world.wait(60)
    world.unplug()
    walk = [told["status"] for told in world.told("StatusNotification") if told["connectorId"] == 1]
    assert walk == [
        "Available",
        "Preparing",
        "Charging",
        "Finishing",
        "Preparing",
        "Charging",
        "Finishing",
        "Available",
    ]


@pytest.mark.simulation
@HOW
def test_field_9_an_accepted_limit_is_in_force_and_0_suspends_until_a_later_one(
    new_world, preset, compatibility
):
    world = new_world(preset, compatibility).charging()
    for ampere, flows_a, status in [
        (10, 10, "Charging"),
        (0, 0, "SuspendedEVSE"),
        (8, 8, "Charging"),
        (0, 0, "SuspendedEVSE"),
        (32, 32, "Charging"),
    ]:
        assert limit(world, (0, ampere)) == "Accepted"
        world.wait(5)
        assert (world.current_a, world.status) == (flows_a, status)
        world.wait(3600)
        assert (world.current_a, world.status) == (flows_a, status)
    assert world.told("StopTransaction") == []


@HOW
def test_field_11_what_is_told_of_the_limits_to_come_is_what_the_charger_keeps_to(
    new_world, preset, compatibility
):
    world = new_world(preset, compatibility).charging()
    assert limit(world, (0, 10), (300, 0), (600, 16), starts_in_s=120) == "Accepted"
    told = [(0, 32), (120, 10), (420, 0), (720, 16)]
    assert composite(world, 1, 1800) == composite(world, 0, 1800) == told
    began_ms = world.now_ms
    for start, ampere in told:
        world.wait(start + 5 - (world.now_ms - began_ms) / 1000)
        assert composite(world, 1, 0) == composite(world, 0, 0) == [(0, ampere)]
        assert (world.limit_a, world.current_a) == (ampere, ampere)


def registers(heard):
    """Every register that was told, in the order of the times it was told for: (time, Wh)."""
    found = []
    for _, action, payload in heard:
        if action == "StartTransaction":
            found.append((payload["timestamp"], payload["meterStart"]))
        for value in payload.get("meterValue", payload.get("transactionData", ())):
            for sample in value["sampledValue"]:
                if sample["measurand"] == REGISTER:
                    assert sample["unit"] == "Wh"
                    found.append((value["timestamp"], int(sample["value"])))
        if action == "StopTransaction":
            found.append((payload["timestamp"], payload["meterStop"]))
    return found


@pytest.mark.parametrize("preset", PRESETS)
def test_field_12_one_register_in_wh_that_no_restart_resets(new_world, preset):
    world = new_world(preset, strict=True).boot()
    for key, value in [
        ("MeterValuesSampledData", REGISTER),
        ("StopTxnSampledData", REGISTER),
        ("MeterValueSampleInterval", "60"),
    ]:
        world.ask("ChangeConfiguration", key=key, value=value)
    world.plug_in()
    restarts = [
        lambda: None,
        world.gateway_restarts,
        lambda: world.charger.power_cycle(world.now_ms),
        lambda: world.gateway_restarts(lambda: world.charger.power_cycle(world.now_ms)),
        lambda: world.ask("Reset", type="Hard"),
    ]
    for happens in restarts:
        world.start()
        world.wait(600)
        happens()
        world.wait(600)
        if not world.bench.linked:
            world.boot()
        if world.bench.cp.running is not None:
            world.ask("RemoteStopTransaction", transactionId=world.transactions[-1])
            world.wait(30)
    told = registers(world.heard)
    assert [wh for _, wh in sorted(told)] == sorted(wh for _, wh in told)
    starts, stops = world.told("StartTransaction"), world.told("StopTransaction")
    assert len(starts) == len(stops) == len(restarts)
    for start, stop in zip(starts, stops, strict=True):
        data = stop["transactionData"]
        begin, end = data[0]["sampledValue"][0], data[-1]["sampledValue"][0]
        assert (begin["context"], int(begin["value"])) == ("Transaction.Begin", start["meterStart"])
        assert (end["context"], int(end["value"])) == ("Transaction.End", stop["meterStop"])
        assert stop["meterStop"] > start["meterStart"] + 1000
    edges = [(start["meterStart"], stop["meterStop"]) for start, stop in zip(starts, stops, strict=True)]
    assert [begin for begin, _ in edges[1:]] == [end for _, end in edges[:-1]]
    assert edges[-1][1] == world.register_wh
