"""The first BootNotification of a charge point whose charger is described late, or not at all (`BOOT-1`)."""

import contextlib
import socket

import pytest

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.remote.server import CloudServer
from chargebridge.chargers.simulator.world import World

pytestmark = pytest.mark.integration

TOKEN = "a secret of this test"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.asynccontextmanager
async def chargers(site, port):
    """The chargers' cloud, which was away until now."""
    cloud = SimulatedCloud(World(), site.clock)
    cloud.start()
    cloud.add(ChargerSettings(serial="CP1"))
    server = CloudServer(cloud, TOKEN, port)
    await server.start()
    try:
        yield
    finally:
        await server.stop()
        cloud.stop()


async def test_boot_1_a_driver_that_is_away_holds_the_boot_for_a_minute_and_a_description_brings_another(
    site, pypi_central_system
):
    port = free_port()
    site.drivers = {"sim": {"type": "simulator", "connect": f"127.0.0.1:{port}", "token": TOKEN}}
    async with pypi_central_system() as cs, site.reach(cs).gateway(chargers_described_s=0.05) as gateway:
        before_ms = gateway.clock.now().utc_ms
        await cs.hears("BootNotification", charge_point_vendor="chargebridge", charge_point_model="Virtual")
        assert gateway.clock.now().utc_ms - before_ms >= 60_000
        async with chargers(site, port):
            await cs.hears("BootNotification", charge_point_model="Simulated AC 3x32 A")
            await cs.hears("StatusNotification", connector_id=1, error_code="NoError")
