"""The proof: pyeasee, which Home Assistant uses, works against the emulated cloud with two URLs changed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta

import pyeasee
import pytest
import websockets.asyncio.client
from pyeasee.charger import ChargerState
from pyeasee.exceptions import BadRequestException, NotFoundException

from chargebridge.emulators.easee_cloud import EaseeCloud
from tests.integration.easee.stage import SERIAL, Stage, until

pytestmark = [
    pytest.mark.integration,
    # pyeasee makes its errors in a way that aiohttp is going to do away with.
    pytest.mark.filterwarnings("ignore:code argument is deprecated:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def undo_what_pyeasee_does_to_websockets(monkeypatch):
    connect = websockets.asyncio.client.connect
    monkeypatch.setattr(connect, "__aiter__", connect.__aiter__)


class Received:
    """The observations that pyeasee has received and converted."""

    def __init__(self) -> None:
        self.values: dict[int, object] = {}
        self.count = 0

    async def __call__(self, serial: str, data_type: int, id: int, value: object) -> None:
        assert serial == SERIAL
        self.values[id] = value
        self.count += 1

    async def shows(self, id: int, value: object) -> None:
        await until(lambda: self.values.get(id) == value, f"pyeasee passes {value} on for {id}")


@asynccontextmanager
async def easee_at(cloud: EaseeCloud) -> AsyncIterator[pyeasee.Easee]:
    easee = pyeasee.Easee("driver@example.com", "charge-me")
    easee.base = cloud.url
    easee.sr_base = cloud.stream_url
    try:
        yield easee
    finally:
        await easee.close()


@asynccontextmanager
async def charging(site: Stage) -> AsyncIterator[tuple[pyeasee.Easee, pyeasee.Charger, Received]]:
    """A charger of pyeasee's that it has subscribed to and that charges."""
    async with easee_at(site.cloud) as easee:
        [charger] = await easee.get_chargers()
        received = Received()
        await easee.sr_subscribe(charger, received)
        await received.shows(109, 1)
        site.act("plug_in", battery_kwh=400)
        await received.shows(109, 2)
        assert received.values[96] == 55
        await charger.start()
        await received.shows(109, 3)
        yield easee, charger, received


class TestReading:
    async def test_chargers_sites_and_circuits(self, stage):
        async with stage(chargers=3, chargers_a_circuit=2) as site, easee_at(site.cloud) as easee:
            chargers = await easee.get_chargers()
            assert [charger.id for charger in chargers] == ["EH000001", "EH000002", "EH000003"]
            [found] = await easee.get_sites()
            circuits = found.get_circuits()
            assert [[one.id for one in circuit.get_chargers()] for circuit in circuits] == [
                ["EH000001", "EH000002"],
                ["EH000003"],
            ]
            [product] = await easee.get_account_products()
            assert product["circuits"] == found["circuits"]
            assert found.get_equalizers() == []
            assert (await easee.get_site_state(found.id))["circuitStates"]
            assert len(await easee.get_observation_properties()) > 100
            assert (await found.get_users())["siteUsers"]

    async def test_state_and_config_are_what_pyeasee_expects(self, stage):
        async with stage(serves_state=True) as site, easee_at(site.cloud) as easee:
            [charger] = await easee.get_chargers()
            async with site.client.stream() as stream:
                await stream.shows(109, "1")
            answer = await easee.get(
                f"/api/chargers/{charger.id}/state"
            )  # it has a shape for it, and no call
            state = ChargerState(await answer.json())
            assert state["chargerOpMode"] == "DISCONNECTED"
            assert state["reasonForNoCurrent"].startswith("(50)")
            assert state["isOnline"] is True
            assert state["latestPulse"].tzinfo is UTC
            config = await charger.get_config()
            assert (config["phaseMode"], config["localNodeType"]) == ("Auto", "Master")
            observations = await charger.get_observations(31, 80)
            assert [one["value"] for one in observations["observations"]] == [True, 317]
            assert (await charger.get_latest_firmware())["latestFirmware"] == 318
            assert await charger.get_operator() is None
            await charger.set_operator(7)
            assert (await charger.get_operator())["id"] == 7

    async def test_a_wrong_password_is_a_bad_request(self, stage):
        async with stage() as site, easee_at(site.cloud) as easee:
            easee.password = "guess"
            with pytest.raises(BadRequestException):
                await easee.get_chargers()

    async def test_a_token_that_is_not_good_any_more_is_replaced(self, stage):
        async with stage() as site, easee_at(site.cloud) as easee:
            await easee.connect()
            await easee._refresh_token()
            assert site.cloud.statistics.refreshes == 1
            await easee.get_chargers()


class TestCharging:
    async def test_start_pause_resume_and_stop(self, stage):
        async with stage(speed=60) as site, charging(site) as (_, charger, received):
            started = json.loads(received.values[223])
            assert (started["Auth"], started["AuthReason"]) == ("100001", 6)
            await until(lambda: received.values.get(120, 0) > 10)
            await charger.pause()
            await received.shows(48, 0.0)
            assert (received.values[109], received.values[96]) == (2, 52)
            await charger.resume()
            await received.shows(48, 32.0)
            await received.shows(109, 3)
            await charger.stop()
            await received.shows(96, 55)
            ended = json.loads(received.values[129])
            assert (ended["Id"], ended["MeterValueStart"]) == (1, 0.0)
            assert ended["EnergyKwh"] == site.view()["register_wh"] / 1000
            site.act("unplug")
            await received.shows(109, 1)
            [session] = await charger.get_sessions_between_dates(*_these_days())
            assert session["kiloWattHours"] == ended["EnergyKwh"]
            assert await charger.get_consumption_between_dates(*_these_days()) == ended["EnergyKwh"]

    async def test_currents_of_charger_and_circuit(self, stage):
        async with stage() as site, charging(site) as (easee, charger, received):
            await charger.set_dynamic_charger_current(12)
            await received.shows(48, 12.0)
            await until(lambda: site.view()["current_offered_a"] == 12)
            [found] = await easee.get_sites()
            [circuit] = found.get_circuits()
            [master] = circuit.get_chargers()
            await master.set_dynamic_charger_circuit_current(10, timeToLive=60)
            await received.shows(113, 10.0)
            await received.shows(96, 27)
            await circuit.set_max_current(8)
            await received.shows(24, 8.0)
            await until(lambda: site.view()["current_offered_a"] == 8)
            await circuit.set_max_offline_current(6)
            await received.shows(52, 6)
            await charger.set_max_charger_current(7)
            await received.shows(47, 7.0)
            await until(lambda: site.view()["current_offered_a"] == 7)

    async def test_settings(self, stage):
        async with stage() as site, charging(site) as (_, charger, received):
            await charger.lockCablePermanently(True)
            await received.shows(30, True)
            await charger.smart_charging(True)
            await received.shows(102, True)
            await received.shows(46, 22)
            await charger.enable_idle_current(True)
            await received.shows(37, True)
            await charger.phaseMode(1)
            await received.shows(38, 1)
            await charger.limitToSinglePhaseCharging(False)
            await received.shows(38, 2)
            await charger.set_led_strip_brightness(5)
            await received.shows(40, 5)
            await charger.smartButtonEnabled(False)
            await received.shows(44, False)
            await charger.enable_charger(False)
            await received.shows(31, False)
            await charger.force_update_lifetimeenergy()
            await charger.force_update_opmode()
            await charger.set_access("whitelist")
            await charger.delete_access()

    async def test_plans(self, stage):
        async with stage() as site, charging(site) as (_, charger, received):
            with pytest.raises(NotFoundException):
                await charger.get_basic_charge_plan()
            await charger.set_basic_charge_plan("1", time(0, 0), time(23, 59, 59), limit=9)
            await until(lambda: received.values.get(62))
            plan = await charger.get_basic_charge_plan()
            assert plan["periods"][0]["maximumAmps"] == 9
            await until(lambda: site.view()["current_offered_a"] == 9)
            await charger.enable_basic_charge_plan(True)
            await charger.delete_basic_charge_plan()
            await received.shows(62, "")
            later = datetime.now(UTC) + timedelta(hours=2)
            await charger.set_basic_charge_plan("1", later.time())
            await received.shows(96, 54)
            await charger.override_schedule()
            await received.shows(109, 3)
            await charger.disable_delayed_charge_plan()
            await received.shows(62, "")

    async def test_a_reboot(self, stage):
        async with stage(speed=600) as site, charging(site) as (_, charger, received):
            await charger.reboot()
            await until(lambda: received.values.get(89))
            assert received.values[250] is True


def _these_days() -> tuple[datetime, datetime]:
    now = datetime.now(UTC).replace(tzinfo=None)
    return now - timedelta(days=2), now + timedelta(days=2)
