"""Ends of sessions that never come, by both ways into Easee: the next driver charges, the books are right.

Three ways lose one: the driver's file, a message of the operator's queue, a record that no cloud has.
"""

import asyncio
import contextlib

import aiohttp
import pytest

from chargebridge.chargepoint.turn import Operation
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import ScaledClock
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings
from chargebridge.emulators.easee_cloud.bus.operator_bus import delete_bus
from chargebridge.ocpp16.messages import RemoteStopTransaction
from tests.integration.easee.broker import new_operator
from tests.integration.easee.stage import Client
from tests.services import RABBITMQ

pytestmark = pytest.mark.integration

SERIAL = "EH000001"
SPEED = 20.0
"""Networks do not get faster with the clock: a minute of it has to be enough for a busy machine."""
END_AWAITED_S = 30
MINUTE_MS = 60_000


class Place:
    """A charger behind Easee's cloud, its charge point, and the central system."""

    def __init__(self, site, way, chargers, cloud, client, central_system, wait_until):
        self.site, self.way, self.chargers, self.cloud = site, way, chargers, cloud
        self.client, self.central_system, self.until = client, central_system, wait_until
        self.gateway = None

    @contextlib.asynccontextmanager
    async def running(self):
        """Run the gateway, and wait until the charger can be reached."""
        async with self.site.gateway() as self.gateway:
            await self.until(self.is_ready)
            yield self.gateway

    def is_ready(self):
        view = self.gateway.charge_point("CP1")
        return view.charger_reachable and view.registration == "Accepted"

    @property
    def file(self):
        return self.site.folder / "state" / "easee.easee.sqlite3"

    def lose_file(self):
        """Move the driver's file away, as its own error message advises."""
        for path in self.file.parent.glob(f"{self.file.name}*"):
            path.rename(path.with_name(f"away-{path.name}"))

    @property
    def now_ms(self):
        return self.site.clock.now().utc_ms

    def act(self, action, **arguments):
        return self.chargers.act(SERIAL, action, arguments)

    def view(self):
        return self.act("view")

    async def later(self, seconds):
        until_ms = self.now_ms + round(seconds * 1000)
        await self.until(lambda: self.now_ms >= until_ms)

    async def charge(self, token):
        """Let a car come whose driver presents a token; return after how many seconds energy flows."""
        began_ms = self.now_ms
        self.act("plug_in", battery_kwh=400, max_current_a=32)
        self.act("present_token", id_tag=token)
        await self.until(lambda: self.view()["power_w"] > 0)
        return (self.now_ms - began_ms) / 1000

    async def charge_unseen(self, token):
        """Let a whole session happen while no gateway runs."""
        self.act("plug_in", battery_kwh=400, max_current_a=32)
        await self.client.command("start_charging")
        await self.until(lambda: self.view()["power_w"] > 0)
        await self.later(120)
        self.act("unplug")

    async def is_charging(self):
        await self.until(lambda: self.gateway.charge_point("CP1").charger_state == "charging")

    def transactions(self):
        return [one for one in self.central_system.ledger.transactions() if one.identity == "CP1"]

    async def books(self, count):
        """Wait until so many transactions are stopped, then compare them with the register."""
        await self.until(lambda: sum(not one.is_open for one in self.transactions()) >= count)
        await self.until(lambda: self.gateway.charge_point("CP1").queued_messages == 0)
        told = self.transactions()
        assert len(told) == count
        assert sum(one.energy_wh for one in told) == self.view()["register_wh"]
        assert self.central_system.violations == []
        return told

    def finished(self, session):
        return next(one for one in self.chargers.world.finished_sessions() if one.session == session)


def is_whole(transaction, session):
    """Whether a transaction is a session to the Wh and the second, as its charger accounts for it."""
    return (
        transaction.id_tag == session.id_tag
        and transaction.meter_start_wh == session.start_register_wh
        and transaction.meter_stop_wh == session.stop_register_wh
        and transaction.stopped_at_ms == session.stopped_at_ms
    )


@contextlib.asynccontextmanager
async def standing(site, way, wait_until, operator):
    site.speed = SPEED
    site.clock = ScaledClock(SPEED, site.origin_ms, site.origin_ms)
    world = World()
    chargers = SimulatedCloud(world, site.clock)
    chargers.add(ChargerSettings(serial=SERIAL))
    chargers.start()
    bus = {} if operator is None else {"amqp_url": RABBITMQ.needed(), "operator_id": operator}
    settings = EaseeCloudSettings(ping_s=1.0, integration_account=operator is not None, **bus)
    cloud = EaseeCloud(chargers, site.clock, settings)
    await cloud.start()
    try:
        async with site.central_system() as central_system, aiohttp.ClientSession() as http:
            client = Client(cloud, http)
            assert await client.login() == 200
            site.reach(central_system)
            site.drivers = {
                "easee": {
                    "type": "easee",
                    "way": way,
                    "user_name": "driver@example.com",
                    "password": "charge-me",
                    "url": cloud.url,
                    "stream_url": cloud.stream_url,
                    "rebuild_after_s": 60,
                }
            }
            site.charge_points = [{"identity": "CP1", "charger": SERIAL, "end_awaited_s": END_AWAITED_S}]
            yield Place(site, way, chargers, cloud, client, central_system, wait_until)
    finally:
        await cloud.stop()
        chargers.stop()
        world.close()


@pytest.fixture(params=["account", "operator"])
def way(request):
    return request.param


@pytest.fixture
def place(site, way, wait_until):
    """Makes a place that the way in leads to."""
    operator = new_operator() if way == "operator" else None
    yield lambda: standing(site, way, wait_until, operator)
    if operator is not None:
        asyncio.run(delete_bus(RABBITMQ.needed(), operator))


async def test_a_file_that_was_lost_while_a_car_charges_loses_nothing(place):
    async with place() as here:
        async with here.running():
            await here.charge("ONE")
            await here.is_charging()
            await here.later(60)
        here.lose_file()
        async with here.running():
            await here.is_charging()
            await here.later(60)
            here.act("unplug")
            (told,) = await here.books(1)
            assert is_whole(told, here.finished(1))
            assert await here.charge("TWO") < 60
            await here.is_charging()
            here.act("unplug")
            told = await here.books(2)
            assert is_whole(told[1], here.finished(2))


async def test_a_file_that_was_lost_while_a_car_left_loses_nothing(place):
    async with place() as here:
        async with here.running():
            await here.charge("ONE")
            await here.is_charging()
            await here.later(60)
        here.act("unplug")
        here.lose_file()
        async with here.running():
            (told,) = await here.books(1)
            assert is_whole(told, here.finished(1))
            assert await here.charge("TWO") < 60
            here.act("unplug")
            await here.books(2)


async def test_a_file_that_was_lost_while_others_charged_loses_no_energy(place, way):
    async with place() as here:
        async with here.running():
            await here.charge("ONE")
            await here.is_charging()
            await here.later(60)
        here.act("unplug")
        await here.charge_unseen("TWO")
        await here.charge_unseen("THREE")
        here.lose_file()
        async with here.running():
            told = await here.books(3)
            assert told[0].id_tag == "ONE"
            assert told[0].meter_stop_wh == here.finished(1).stop_register_wh
            assert [one.meter_start_wh for one in told[1:]] == [one.meter_stop_wh for one in told[:-1]]
            assert told[2].meter_stop_wh == here.finished(3).stop_register_wh
            assert await here.charge("FOUR") < 60
            await here.is_charging()
            here.act("unplug")
            told = await here.books(4)
            assert is_whole(told[3], here.finished(4))


@pytest.mark.parametrize("way", ["operator"])
async def test_a_message_that_the_queue_lost_is_found_at_the_cloud(place):
    async with place() as here, here.running():
        await here.charge("ONE")
        await here.is_charging()
        await here.later(60)
        here.cloud.misbehaviour.lose_next_messages, here.cloud.misbehaviour.lose_id = 1, 129
        here.act("unplug")
        assert await here.charge("TWO") < 60
        await here.until(lambda: len(here.transactions()) == 2)
        (ended, running) = here.transactions()
        assert is_whole(ended, here.finished(1))
        await here.is_charging()
        here.act("unplug")
        told = await here.books(2)
        assert is_whole(told[1], here.finished(2))
        assert running.id == told[1].id


async def test_a_message_that_the_queue_lost_ends_the_transaction_although_nobody_comes(place, way):
    if way == "account":
        pytest.skip("a stream has no queue")
    async with place() as here, here.running():
        await here.charge("ONE")
        await here.is_charging()
        await here.later(60)
        here.cloud.misbehaviour.lose_next_messages, here.cloud.misbehaviour.lose_id = 1, 129
        here.act("unplug")
        (told,) = await here.books(1)
        assert is_whole(told, here.finished(1))


async def test_a_record_that_no_cloud_has_blocks_nobody(place):
    async with place() as here, here.running():
        await here.charge("ONE")
        await here.is_charging()
        await here.later(120)
        here.cloud.misbehaviour.lose_next_ends = 1
        here.act("unplug")
        assert await here.charge("TWO") < 60
        await here.is_charging()
        first = here.transactions()[0]
        assert (first.is_open, first.id_tag) == (False, "ONE")
        assert first.meter_stop_wh <= here.finished(1).stop_register_wh
        await here.later(60)
        here.act("unplug")
        # What the assumed end lacks is a transaction of its own, as soon as the next session shows how much.
        await here.until(
            lambda: (
                sum(one.energy_wh or 0 for one in here.transactions()) == here.view()["register_wh"]
                and not any(one.is_open for one in here.transactions())
            )
        )
        assert here.central_system.violations == []


@pytest.mark.parametrize("asks", ["operator", "central system"])
async def test_a_stop_ends_a_transaction_whose_session_is_over(place, asks):
    async with place() as here, here.running() as gateway:
        await here.charge("ONE")
        await here.is_charging()
        await here.later(60)
        here.cloud.misbehaviour.lose_next_ends = 1
        here.act("unplug")
        await here.until(lambda: here.view()["state"] == "disconnected")
        await here.until(lambda: gateway.charge_point("CP1").charger_state == "disconnected")
        began_ms = here.now_ms
        if asks == "operator":
            accepted, detail = await gateway.perform("CP1", Operation.STOP_TRANSACTION)
            assert accepted
            assert "the charger does not have this session any more" in detail
        else:
            stop = RemoteStopTransaction(transaction_id=here.transactions()[0].id)
            assert (await here.central_system.call("CP1", stop)).status == "Accepted"
        await here.until(lambda: not here.transactions()[0].is_open)
        assert here.now_ms - began_ms < MINUTE_MS
