"""Our own drivers, and chargers that each of them can reach, for the contract suite."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from unittest import SkipTest
from urllib.parse import urlsplit

from chargebridge.chargers.easee.driver import EaseeDriver
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.driver import SimulatorDriver
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.remote.server import CloudServer
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import ScaledClock
from chargebridge.drivers import Driver, EventSink, SetLimit
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings
from chargebridge.testing.contract import Charger, Rig, WrongSettings
from tests.integration.easee.broker import Cable
from tests.integration.easee.stage import until

SERIALS: Final = ("EH000001", "EH000002")
SPEED: Final = 60.0
BASE_MA: Final = 6_000
NOWHERE: Final = 9
"""The port of the discard service, which listens nowhere any more."""

Act = Callable[..., dict[str, object]]


class SimulatedCharger(Charger):
    """A simulated charger, moved by hand; `act` reaches it, whatever its driver knows."""

    def __init__(self, serial: str, act: Act) -> None:
        super().__init__(serial)
        self._act = act

    def view(self) -> dict[str, object]:
        return self._act(self.serial, "view", {})

    async def plug_in(self) -> None:
        self._act(self.serial, "plug_in", {"battery_kwh": 400.0})

    async def unplug(self) -> None:
        self._act(self.serial, "unplug", {})

    async def present_token(self, id_tag: str) -> None:
        self._act(self.serial, "present_token", {"id_tag": id_tag})

    async def charge(self) -> None:
        wanted_wh = self.view()["register_wh"] + 30
        await until(lambda: self.view()["register_wh"] >= wanted_wh, "the car draws 30 Wh")

    async def go_offline(self) -> None:
        self._act(self.serial, "lose_cloud", {})

    async def come_back(self) -> None:
        self._act(self.serial, "regain_cloud", {})

    def probe(self, step: int, *, number: int, expires_ms: int) -> SetLimit:
        return SetLimit(number=number, expires_ms=expires_ms, limit_ma=BASE_MA + 1000 * step)

    async def probed(self) -> int | None:
        limit_a = self.view()["limit_in_force_a"]
        step = round(limit_a - BASE_MA / 1000)
        return step if 0 <= step <= 9 else None


def fast_clock() -> ScaledClock:
    now_ms = time.time_ns() // 1_000_000
    return ScaledClock(SPEED, now_ms, now_ms)


class SimulatorRig(Rig):
    """The simulator's driver, with its chargers in this process."""

    unknown_serial = None
    wrong_settings = (
        WrongSettings({"traffic": "heavy"}, "traffic"),
        WrongSettings({"phases": 2}, "phases"),
        WrongSettings({"sped": 1}, "sped"),
    )

    def __init__(self) -> None:
        self.clock = fast_clock()
        self._driver: SimulatorDriver | None = None
        super().__init__([SimulatedCharger(serial, self._act) for serial in SERIALS])

    def _act(self, serial: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        assert self._driver is not None
        if self._driver.cloud is None:
            raise SkipTest("these chargers live in their driver: without it nothing happens")
        return self._driver.cloud.act(serial, action, arguments)

    def make_driver(self, sink: EventSink, state_dir: Path) -> Driver:
        self._driver = SimulatorDriver("sim", {"traffic": "none"}, sink, self.clock, state_dir)
        return self._driver

    def make_driver_with(self, settings: Mapping[str, object], sink: EventSink, state_dir: Path) -> Driver:
        return SimulatorDriver("sim", settings, sink, self.clock, state_dir)


class RemoteRig(Rig):
    """The simulator's driver, with its chargers behind a socket that can be cut."""

    wrong_settings = (
        WrongSettings({"connect": "192.0.2.1:7001", "token": "secret"}, "connect"),
        WrongSettings({"connect": "127.0.0.1:7001"}, "token"),
    )

    def __init__(self, clock: ScaledClock, cloud: SimulatedCloud, server: CloudServer) -> None:
        self.clock = clock
        self._cloud, self._server = cloud, server
        super().__init__([SimulatedCharger(serial, cloud.act) for serial in SERIALS])

    def make_driver(self, sink: EventSink, state_dir: Path) -> Driver:
        return self._make(self._server.port, sink, state_dir)

    def make_lost_driver(self, sink: EventSink, state_dir: Path) -> Driver:
        return self._make(NOWHERE, sink, state_dir)

    def _make(self, port: int, sink: EventSink, state_dir: Path) -> Driver:
        settings = {"connect": f"127.0.0.1:{port}", "token": "secret"}
        return SimulatorDriver("sim", settings, sink, self.clock, state_dir)

    def make_driver_with(self, settings: Mapping[str, object], sink: EventSink, state_dir: Path) -> Driver:
        return SimulatorDriver("sim", settings, sink, self.clock, state_dir)

    async def cut_cloud(self) -> None:
        await self._server.stop()

    async def restore_cloud(self) -> None:
        await self._server.start()


class EaseeRig(Rig):
    """The driver for Easee's cloud, by an account or as an operator."""

    wrong_settings = (
        WrongSettings({"way": "telepathy", "user_name": "a", "password": "b"}, "way"),
        WrongSettings({"way": "account", "user_name": "a"}, "password"),
        WrongSettings({"way": "account", "user_name": "a", "password": "b", "sped": 1}, "sped"),
    )

    def __init__(
        self,
        way: str,
        clock: ScaledClock,
        chargers: SimulatedCloud,
        cloud: EaseeCloud,
        cable: Cable | None = None,
    ) -> None:
        self.clock = clock
        self._way, self._emulator, self._cable = way, cloud, cable
        super().__init__([SimulatedCharger(serial, chargers.act) for serial in SERIALS])

    def make_driver(self, sink: EventSink, state_dir: Path) -> Driver:
        return self._make(self._emulator.url, self._emulator.stream_url, sink, state_dir)

    def make_lost_driver(self, sink: EventSink, state_dir: Path) -> Driver:
        nowhere = f"http://127.0.0.1:{NOWHERE}"
        return self._make(nowhere, f"{nowhere}/hubs/chargers", sink, state_dir)

    def _make(self, url: str, stream_url: str, sink: EventSink, state_dir: Path) -> Driver:
        settings = {
            "way": self._way,
            "user_name": "driver@example.com",
            "password": "charge-me",
            "url": url,
            "stream_url": stream_url,
        }
        return EaseeDriver("easee", settings, sink, self.clock, state_dir)

    def make_driver_with(self, settings: Mapping[str, object], sink: EventSink, state_dir: Path) -> Driver:
        return EaseeDriver("easee", settings, sink, self.clock, state_dir)

    async def cut_cloud(self) -> None:
        if self._cable is None:
            await self._emulator.stop()
        else:
            self._cable.cut()

    async def restore_cloud(self) -> None:
        if self._cable is None:
            await self._emulator.start()
        else:
            self._cable.mend()


@asynccontextmanager
async def simulator(_: Path) -> AsyncIterator[Rig]:
    yield SimulatorRig()


@asynccontextmanager
async def simulator_behind_a_socket(_: Path) -> AsyncIterator[Rig]:
    clock = fast_clock()
    async with _simulated(clock) as cloud:
        server = CloudServer(cloud, "secret", 0)
        await server.start()
        try:
            yield RemoteRig(clock, cloud, server)
        finally:
            await server.stop()


@asynccontextmanager
async def easee_by_account(_: Path) -> AsyncIterator[Rig]:
    clock = fast_clock()
    async with _simulated(clock) as chargers, _emulated(chargers, clock, ping_s=1.0) as cloud:
        yield EaseeRig("account", clock, chargers, cloud)


@asynccontextmanager
async def easee_by_operator(url: str, operator: str) -> AsyncIterator[Rig]:
    """Let the cloud and the driver reach the broker through a cable that can be cut."""
    clock, broker = fast_clock(), urlsplit(url)
    port = broker.port or 5672
    async with Cable(broker.hostname or "127.0.0.1", port) as cable, _simulated(clock) as chargers:
        through = url.replace(f":{port}", f":{cable.port}")
        settings = {"amqp_url": through, "operator_id": operator, "integration_account": True}
        async with _emulated(chargers, clock, **settings) as cloud:
            await until(lambda: cloud.statistics.broker_connections, "the cloud has found its broker")
            yield EaseeRig("operator", clock, chargers, cloud, cable)


@asynccontextmanager
async def _emulated(
    chargers: SimulatedCloud, clock: ScaledClock, **settings: object
) -> AsyncIterator[EaseeCloud]:
    cloud = EaseeCloud(chargers, clock, EaseeCloudSettings(**settings))
    await cloud.start()
    try:
        yield cloud
    finally:
        await cloud.stop()


@asynccontextmanager
async def _simulated(clock: ScaledClock) -> AsyncIterator[SimulatedCloud]:
    world = World()
    cloud = SimulatedCloud(world, clock)
    for serial in SERIALS:
        cloud.add(ChargerSettings(serial=serial))
    cloud.start()
    try:
        yield cloud
    finally:
        cloud.stop()
        world.close()
