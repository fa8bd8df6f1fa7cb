"""A charger behind an emulated Easee Cloud, by both ways into it, with a gateway and a central system."""

import contextlib

import aiohttp

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import ScaledClock
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings
from tests.integration.easee.stage import Client
from tests.services import RABBITMQ

SERIAL = "EH000001"
SPEED = 20.0
"""Networks do not get faster with the clock: a minute of it has to be enough for a busy machine."""
END_AWAITED_S = 30


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
    # The charger's own record shows whose session it was, also where a driver has lost its memory of it.
    bus["start_keeps_token"] = True
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
