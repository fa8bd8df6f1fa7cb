"""Whole gateways with their configuration files, in this process or in one of their own."""

import asyncio
import contextlib
import inspect
import json
import os
import signal
import sys
import threading
import time

import pytest
import uvloop

from chargebridge.clock import ScaledClock
from chargebridge.emulators.central_system import CentralSystem, Kind
from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.provisioning import read

SPEED = 60.0
"""Simulated seconds in a real one."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run coroutine functions on the loop that the program uses."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    threads = threading.active_count()
    uvloop.run(_bounded(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})))
    assert threading.active_count() <= threads
    return True


async def _bounded(test):
    """Run a test; whatever it leaves behind on the loop is its fault."""
    async with asyncio.timeout(60):
        await test
    # What ends with this round of the loop has ended.
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []


class Site:
    """A folder with a configuration file, and what runs by it.

    `central_systems`, `drivers` and `charge_points` are tables; `write` makes a file of them.
    """

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "gateway.toml"
        self.origin_ms = time.time_ns() // 1_000_000
        self.clock = ScaledClock(SPEED, self.origin_ms, self.origin_ms)
        self.central_systems = {}
        self.drivers = {"sim": {"type": "simulator", "traffic": "none"}}
        self.charge_points = [{"identity": "CP1"}]
        self.tables = {"api": {"enabled": False}, "state": {"directory": "state"}}
        self.log = folder / "gateway.log"
        self.ahead_ms = 0
        """How much later it is for gateways than for central systems."""

    def reach(self, central_system, name="main"):
        self.central_systems[name] = {
            "url": central_system.url,
            "reconnect_min_s": 0.05,
            "reconnect_max_s": 0.2,
            "call_timeout_s": 1.0,
        }
        return self

    def write(self):
        lines = []
        for section, tables in (("central_systems", self.central_systems), ("drivers", self.drivers)):
            for name, table in tables.items():
                lines += [f"[{section}.{name}]", *_pairs(table)]
        clock = {
            "speed": SPEED,
            "real_origin_ms": self.origin_ms,
            "simulated_origin_ms": self.origin_ms + self.ahead_ms,
        }
        for name, table in {**self.tables, "clock": clock}.items():
            lines += [f"[{name}]", *_pairs(table)]
        for table in self.charge_points:
            lines += ["[[charge_points]]", *_pairs({"behaviour": "ocpp16"} | table)]
        self.path.touch(mode=0o600)
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.path

    def read(self):
        return read(self.write())

    @contextlib.asynccontextmanager
    async def gateway(self):
        """Run a gateway in this process."""
        gateway = Gateway(self.read())
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.stop(2.0)

    def central_system(self, **settings):
        return CentralSystem(self.clock, **({"validate": True, "call_timeout_s": 0.8} | settings))

    def command(self, *python):
        return [sys.executable, *python, "-m", "chargebridge", "run", "--config", str(self.path)]

    @contextlib.asynccontextmanager
    async def process(self):
        """Run a gateway in a process of its own; killed at the end, if it still runs."""
        self.write()
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.command(), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def logged(self):
        return self.log.read_text(encoding="utf-8")


def _pairs(table):
    def value(one):
        if isinstance(one, dict):
            return "{ " + ", ".join(f"{key} = {value(inner)}" for key, inner in one.items()) + " }"
        return json.dumps(one)

    return [f"{key} = {value(one)}" for key, one in table.items()]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


class Visitor:
    """Somebody at a charger, and what the central system hears of it."""

    def __init__(self, gateway, central_system, identity="CP1"):
        self.gateway, self.central_system, self.identity = gateway, central_system, identity
        self.taken = set()
        self.begin = 0

    def skip(self):
        """Expect only what is said from now on."""
        said = self.central_system.exchanges(self.identity)
        self.begin = said[-1].index + 1 if said else 0

    async def act(self, action, **arguments):
        return await self.gateway.act(self.identity, action, arguments)

    async def expect(self, action, where=None):
        """A CALL of the charge point, said already or awaited; each is returned once, in any order."""
        for exchange in self.central_system.exchanges(self.identity):
            new = exchange.index >= self.begin and exchange.index not in self.taken
            if new and (exchange.action, exchange.kind) == (action, Kind.CALL) and _fits(exchange, where):
                self.taken.add(exchange.index)
                return exchange.payload
        self.central_system.skip(self.identity)
        exchange = await self.central_system.expect(self.identity, action, where)
        self.taken.add(exchange.index)
        return exchange.payload

    async def ready(self):
        """Registered, both connectors Available."""
        await self.expect("BootNotification")
        await self.expect("StatusNotification", {"connectorId": 1, "status": "Available"})

    async def begin_session(self, id_tag="TAG"):
        """Plug in and present a token; returns when the transaction is under way."""
        await self.act("plug_in")
        await self.expect("StatusNotification", {"connectorId": 1, "status": "Preparing"})
        await self.act("present_token", id_tag=id_tag)
        await self.expect("StartTransaction", {"idTag": id_tag})
        await self.expect("StatusNotification", {"connectorId": 1, "status": "Charging"})

    async def end_session(self):
        """Unplug; returns the StopTransaction."""
        await self.act("unplug")
        return await self.expect("StopTransaction")

    async def settled(self):
        """Wait until everything is delivered."""
        await until(lambda: self.gateway.charge_point(self.identity).waiting_messages == 0)

    async def reconcile(self, transactions=1):
        """What the central system knows is what the charger did."""
        await self.settled()
        view = await self.act("view")
        told = [one for one in self.central_system.ledger.transactions() if one.identity == self.identity]
        assert len(told) == transactions
        assert all(not one.is_open for one in told)
        assert sum(one.energy_wh for one in told) == view["register_wh"]
        assert self.central_system.violations == []
        return told


def _fits(exchange, where):
    if callable(where):
        return where(exchange.payload)
    return (where or {}).items() <= exchange.payload.items()


async def until(condition):
    """Look at a state that nothing announces, as often as the loop comes round."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing announces it
            # Gives way to the loop and its timers; no test depends on how long it takes.
            await asyncio.sleep(0.01)


@pytest.fixture
def wait_until():
    return until


@pytest.fixture
def visitor():
    return Visitor


@pytest.fixture
def kill():
    """SIGKILL a process, and see it end."""

    async def kill(process):
        os.kill(process.pid, signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL

    return kill
