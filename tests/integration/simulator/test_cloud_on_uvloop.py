"""The cloud on the event loop that the gateway runs on."""

import asyncio

import pytest
import uvloop

from chargebridge.chargers.model import ChargerEvent, ChargerInfo, CommandOutcome
from chargebridge.chargers.simulator.cloud import CHARGERS_A_STEP, SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import SystemClock

pytestmark = pytest.mark.integration


class Listener:
    """Knows when every charger has introduced itself."""

    def __init__(self, wanted: int) -> None:
        self.met: set[str] = set()
        self.all_met = asyncio.Event()
        self._wanted = wanted

    def charger_described(self, info: ChargerInfo) -> None:
        self.met.add(info.serial)
        if len(self.met) == self._wanted:
            self.all_met.set()

    def event_received(self, serial: str, number: int, event: ChargerEvent) -> None:
        """What they say is not looked at here."""

    def command_ended(self, serial: str, outcome: CommandOutcome) -> None:
        """Nobody gives commands."""


async def greet(count: int) -> int:
    cloud = SimulatedCloud(World(), SystemClock())
    for number in range(count):
        cloud.add(ChargerSettings(serial=f"SIM{number}"))
    subscriber = Listener(count)
    cloud.start()
    for serial in list(cloud.world):
        cloud.subscribe(serial, subscriber)
    async with asyncio.timeout(30):
        await subscriber.all_met.wait()
    cloud.stop()
    cloud.world.close()
    return len(subscriber.met)


def test_more_chargers_than_one_step_takes_are_greeted_on_uvloop():
    count = CHARGERS_A_STEP * 2 + 1
    assert uvloop.run(greet(count)) == count
