"""The end comes in time, whatever a driver, a central system or the disk does."""

import asyncio
import base64
import contextlib
import hashlib
import signal
import sqlite3
import sys
import threading

import pytest

from chargebridge.chargers.model import SessionEnded, SessionStarted
from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.time_limits import DEFAULT_TIME_LIMITS, TimeLimits
from chargebridge.service import END_BY_FORCE_S
from chargebridge.store.errors import StateDirectoryInUseError, StoreUnavailableError

pytestmark = pytest.mark.integration

STUBBORN_DRIVER = """
import asyncio, threading
from chargebridge.chargers.model import ChargerInfo, Reachable

class StubbornDriver:
    made = []

    def __init__(self, name, settings, sink, clock, state_dir):
        self.how, self.sink = settings["stop"], sink
        self.left_alone = asyncio.Event()
        StubbornDriver.made.append(self)

    async def start(self):
        pass

    async def stop(self):
        if self.how == "blocks":
            threading.Event().wait()
        if self.how == "raises":
            raise OSError("no socket")
        while not self.left_alone.is_set():
            try:
                await self.left_alone.wait()
            except asyncio.CancelledError:
                if self.how == "hangs":
                    raise

    def watch(self, serial):
        self.sink.charger_known(ChargerInfo(serial=serial, vendor="Stubborn", model="One"))
        self.sink.charger_event(serial, Reachable(at_ms=1_800_000_000_000, reachable=True), None)

    def unwatch(self, serial):
        pass

    def command(self, serial, command):
        pass

    def acknowledge(self, receipt):
        pass
"""


class DeafCentralSystem:
    """Opens WebSockets and says nothing more, not even goodbye."""

    def __init__(self):
        self.connected = asyncio.Event()
        self._end = asyncio.Event()

    async def _serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        (key,) = [line.split(": ")[1] for line in head if line.lower().startswith("sec-websocket-key")]
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: ocpp1.6\r\nSec-WebSocket-Accept: %b\r\n\r\n" % base64.b64encode(digest)
        )
        self.connected.set()
        await self._end.wait()
        writer.transport.abort()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ocpp"
        return self

    async def __aexit__(self, *exception):
        self._end.set()
        self._server.close()


@pytest.fixture
def stubborn(tmp_path, monkeypatch):
    """Install a driver that does not stop as it should."""
    folder = tmp_path / "site-packages"
    info = folder / "stubborn_driver-1.dist-info"
    info.mkdir(parents=True)
    (folder / "stubborn_driver.py").write_text(STUBBORN_DRIVER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn-driver\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[chargebridge.drivers]\nstubborn = stubborn_driver:StubbornDriver\n"
    )
    monkeypatch.syspath_prepend(folder)
    yield folder
    sys.modules.pop("stubborn_driver", None)


def test_the_parts_fit_into_the_whole():
    api_s = 3
    assert DEFAULT_TIME_LIMITS.stop_s == 47
    assert DEFAULT_TIME_LIMITS.stop_s + api_s < END_BY_FORCE_S < 60


@pytest.mark.parametrize("how", ["hangs", "ignores being told", "raises"])
async def test_a_driver_that_does_not_stop_is_left_alone_and_delivers_nothing(site, stubborn, how):
    site.drivers = {name: {"type": "stubborn", "stop": how} for name in ("one", "two")}
    site.charge_points = [{"identity": "CP1", "driver": "one"}, {"identity": "CP2", "driver": "two"}]
    async with site.central_system() as cs:
        gateway = Gateway(site.reach(cs).read(), limits=TimeLimits(driver_stop_s=0.1, driver_cancel_s=0.1))
        await gateway.start()
        await gateway.stop()
        drivers = sys.modules["stubborn_driver"].StubbornDriver.made[-2:]
        turns = gateway.figures().turns
        for driver, serial in zip(drivers, ("CP1", "CP2"), strict=True):
            driver.watch(serial)
            driver.left_alone.set()
        assert gateway.figures().turns == turns
        await asyncio.sleep(0)
        # The state directory is free again.
        Gateway(site.read()).store.close()


async def test_a_driver_that_is_replaced_and_does_not_stop_delivers_nothing_either(site, stubborn):
    site.drivers = {"one": {"type": "stubborn", "stop": "hangs"}}
    async with site.central_system() as cs, site.reach(cs).gateway(driver_stop_s=0.1) as gateway:
        (old,) = sys.modules["stubborn_driver"].StubbornDriver.made[-1:]
        site.drivers = {"one": {"type": "simulator", "traffic": "none"}}
        await gateway.reload(site.read())
        turns = gateway.figures().turns
        old.watch("CP1")
        assert gateway.figures().turns == turns


async def test_a_central_system_that_never_closes_is_left(site):
    async with DeafCentralSystem() as cs:
        gateway = Gateway(site.reach(cs).read(), limits=TimeLimits(links_stop_s=0.1))
        await gateway.start()
        await cs.connected.wait()
        await gateway.stop()
        assert gateway.figures().link_states == {"down": 1}


async def test_a_disk_that_hangs_is_not_waited_for_and_nothing_is_acknowledged(site, visitor, wait_until):
    async with site.central_system() as cs:
        gateway = Gateway(site.reach(cs).read(), limits=TimeLimits(links_stop_s=1.0, store_stop_s=0.2))
        await gateway.start()
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.settled()
        with contextlib.closing(sqlite3.connect(gateway.store.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await someone.act("unplug")
            told = cs.ledger.transactions()
            with pytest.raises(StoreUnavailableError, match=r"did not answer within"):
                await gateway.stop()
            with pytest.raises(StateDirectoryInUseError):
                Gateway(site.read())
            other.execute("ROLLBACK")
        # The journal's thread commits late; nobody hears of it any more.
        await wait_until(lambda: not any(one.name == "journal" for one in threading.enumerate()))
        await asyncio.sleep(0)
        assert cs.ledger.transactions() == told
        with contextlib.closing(sqlite3.connect(site.folder / "state" / "sim.sqlite")) as world:
            kept = [event for (event,) in world.execute("SELECT event FROM kept_event")]
        assert any(SessionEnded.__name__ in event for event in kept)
        assert not any(SessionStarted.__name__ in event for event in kept)


async def test_a_second_signal_during_the_stop_is_harmless(site):
    async with DeafCentralSystem() as cs, site.reach(cs).process() as process:
        await asyncio.wait_for(cs.connected.wait(), 20)
        process.terminate()
        ended = asyncio.ensure_future(process.wait())
        # It waits for the answer to its close frame meanwhile.
        signals = 0
        while not (await asyncio.wait({ended}, timeout=0.02))[0]:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                process.send_signal((signal.SIGTERM, signal.SIGINT)[signals % 2])
                signals += 1
        assert signals > 1
        assert ended.result() == 0
        assert "stopped" in site.logged()
        assert "Traceback" not in site.logged()


async def test_a_loop_that_is_held_up_at_the_end_is_ended_by_force(site, stubborn):
    site.drivers = {"one": {"type": "stubborn", "stop": "blocks"}}
    impatient = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        " from pathlib import Path; from chargebridge.gateway.provisioning import read;"
        " from chargebridge.service import run;"
        " path = Path(sys.argv[2]); run(path, read(path), end_by_force_s=0.5)"
    )
    async with DeafCentralSystem() as cs:
        site.reach(cs).write()
        with site.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", impatient, str(stubborn), str(site.path)),
                stdout=log,
                stderr=log,
            )
        await asyncio.wait_for(cs.connected.wait(), 20)
        process.terminate()
        assert await process.wait() == 1
        assert "ended by force" in site.logged()
