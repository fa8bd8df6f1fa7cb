"""Whole gateways with their configuration files, in this process or in one of their own."""

import asyncio
import contextlib
import inspect
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest
import uvloop
from ocpp.routing import on
from ocpp.v16 import ChargePoint as PypiChargePoint
from ocpp.v16 import call_result
from ocpp.v16.enums import RegistrationStatus
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import State, dump
from chargebridge.chargers.model import ChargerState
from chargebridge.clock import ScaledClock
from chargebridge.emulators.central_system import CentralSystem, Kind
from chargebridge.emulators.easee_cloud.bus.operator_bus import delete_bus
from chargebridge.gateway.gateway import Gateway
from chargebridge.gateway.provisioning import read
from chargebridge.gateway.time_limits import TimeLimits
from chargebridge.store.journal import STORE_FILE, SqliteStore
from tests.integration.easee.broker import new_operator
from tests.integration.gateway.behind_easee import standing
from tests.services import RABBITMQ

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
        self.speed = SPEED
        """Of gateways."""
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
            "speed": self.speed,
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
    async def gateway(self, new_charge_point=VirtualChargePoint, **limits):
        """Run a gateway in this process."""
        limits = TimeLimits(**{"links_stop_s": 2.0} | limits)
        gateway = Gateway(self.read(), limits=limits, new_charge_point=new_charge_point)
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.stop()

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
        await until(lambda: self.gateway.charge_point(self.identity).queued_messages == 0)

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


async def until(condition, timeout_s=30):
    """Look at a state that nothing announces, as often as the loop comes round."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - nothing announces it
            # Gives way to the loop and its timers; no test depends on how long it takes.
            await asyncio.sleep(0.01)


@pytest.fixture
def wait_until():
    return until


@pytest.fixture(params=["account", "operator"])
def way(request):
    return request.param


@pytest.fixture
def place(site, way, wait_until):
    """Makes a place behind Easee's cloud that the way in leads to."""
    operator = new_operator() if way == "operator" else None
    yield lambda: standing(site, way, wait_until, operator)
    if operator is not None:
        asyncio.run(delete_bus(RABBITMQ.needed(), operator))


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


# --- a central system that nobody here wrote: PyPI's `ocpp` -----------------------------------------


class PypiSession(PypiChargePoint):
    """One connection of a charge point, seen from the central system, which keeps what it says.

    Every payload, in and out, is checked against the package's own copy of the official schemas.
    """

    def __init__(self, identity, websocket, central_system):
        super().__init__(identity, websocket, response_timeout=5)
        self.central_system = central_system

    def hear(self, action, payload):
        self.central_system.heard.append((action, payload))
        self.central_system.news.set()
        if action in self.central_system.failing:
            raise RuntimeError(f"no {action} today")

    @on("BootNotification")
    def on_boot(self, **payload):
        self.hear("BootNotification", payload)
        answers = self.central_system.boot_answers
        status = answers.pop(0) if answers else RegistrationStatus.accepted
        interval = (
            self.central_system.interval_s
            if status is RegistrationStatus.accepted
            else self.central_system.refused_interval_s
        )
        return call_result.BootNotification(current_time=_NOW, interval=interval, status=status)

    @on("StatusNotification")
    def on_status(self, **payload):
        self.hear("StatusNotification", payload)
        return call_result.StatusNotification()

    @on("Heartbeat")
    def on_heartbeat(self):
        self.hear("Heartbeat", {})
        return call_result.Heartbeat(current_time=_NOW)

    @on("Authorize")
    def on_authorize(self, **payload):
        self.hear("Authorize", payload)
        return call_result.Authorize(id_tag_info=self.central_system.verdict(payload["id_tag"]))

    @on("StartTransaction")
    def on_start(self, **payload):
        self.hear("StartTransaction", payload)
        self.central_system.last_transaction += 1
        return call_result.StartTransaction(
            transaction_id=self.central_system.last_transaction,
            id_tag_info=self.central_system.verdict(payload["id_tag"]),
        )

    @on("MeterValues")
    def on_meter_values(self, **payload):
        self.hear("MeterValues", payload)
        return call_result.MeterValues()

    @on("StopTransaction")
    def on_stop(self, **payload):
        self.hear("StopTransaction", payload)
        return call_result.StopTransaction()

    @on("FirmwareStatusNotification")
    def on_firmware_status(self, **payload):
        self.hear("FirmwareStatusNotification", payload)
        return call_result.FirmwareStatusNotification()

    @on("DiagnosticsStatusNotification")
    def on_diagnostics_status(self, **payload):
        self.hear("DiagnosticsStatusNotification", payload)
        return call_result.DiagnosticsStatusNotification()


class PypiCentralSystem:
    """A central system made of the package `ocpp`, for one charge point."""

    def __init__(self):
        self.heard, self.boot_answers, self.interval_s, self.last_transaction = [], [], 300, 40
        self.refused_interval_s = 10
        self.id_tags = {}
        """What is said of a token; of any other, that it is Accepted."""
        self.failing = set()
        """Actions that are answered with a CALLERROR."""
        self.news = asyncio.Event()
        self.session = None
        self.tap = None
        """Wraps each connection, to see its frames; None: nobody wants to."""

    def verdict(self, id_tag):
        return self.id_tags.get(id_tag, {"status": "Accepted"})

    async def serve_one(self, websocket):
        assert websocket.subprotocol == "ocpp1.6"
        identity = websocket.request.path.rpartition("/")[2]
        connection = websocket if self.tap is None else self.tap(identity, websocket)
        self.session = PypiSession(identity, connection, self)
        with contextlib.suppress(ConnectionClosed):
            await self.session.start()

    async def __aenter__(self):
        self.server = await serve(self.serve_one, "127.0.0.1", 0, subprotocols=["ocpp1.6"])
        self.url = f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/ocpp"
        return self

    async def __aexit__(self, *exception):
        self.server.close()
        await self.server.wait_closed()

    def said(self, action, **where):
        """The messages that fit among those not taken yet."""
        return [
            payload for said, payload in self.heard if said == action and where.items() <= payload.items()
        ]

    async def hears(self, action, **where):
        """Take the next message that fits, said already or awaited."""
        async with asyncio.timeout(8):
            while not (found := self.said(action, **where)):
                self.news.clear()
                await self.news.wait()
        self.heard.remove((action, found[0]))
        return found[0]


class PypiPair:
    """A gateway with one simulated charger, and the central system `cs` that it is connected to."""

    def __init__(self, gateway, central_system):
        self.gateway, self.cs = gateway, central_system

    @property
    def now_ms(self):
        """The simulated moment, in UTC milliseconds."""
        return self.gateway.clock.now().utc_ms

    async def hears(self, action, **where):
        return await self.cs.hears(action, **where)

    async def call(self, payload, **options):
        return await self.cs.session.call(payload, suppress=False, **options)

    async def act(self, action, **arguments):
        return await self.gateway.act("CP1", action, arguments)

    async def sees(self, **where):
        """Wait until the charger's own view of itself is so; a dict says what is in a dict."""
        async with asyncio.timeout(8):
            while not _is_so(view := await self.act("view"), where):  # noqa: ASYNC110 - as in `until`
                await asyncio.sleep(0.01)
        return view

    async def ready(self):
        """Registered, both connectors Available."""
        await self.hears("BootNotification")
        await self.hears("StatusNotification", connector_id=0, status="Available")
        await self.hears("StatusNotification", connector_id=1, status="Available")

    async def charging(self, id_tag="TAG", **car):
        """Plug a car in and present a token; returns the id of the transaction once energy flows."""
        await self.act("plug_in", **car)
        await self.hears("StatusNotification", connector_id=1, status="Preparing")
        await self.act("present_token", id_tag=id_tag)
        await self.hears("StartTransaction", id_tag=id_tag)
        await self.hears("StatusNotification", connector_id=1, status="Charging")
        await until(lambda: self.gateway.charge_point("CP1").transaction.transaction_id is not None)
        return self.cs.last_transaction

    async def over(self):
        """Unplug; returns the StopTransaction once nothing waits to be delivered any more."""
        await self.act("unplug")
        stop = await self.hears("StopTransaction")
        await self.hears("StatusNotification", connector_id=1, status="Available")
        await self.settled()
        return stop

    async def settled(self):
        """Wait until everything is delivered."""
        await until(lambda: self.gateway.charge_point("CP1").queued_messages == 0)


@pytest.fixture
def pypi_central_system():
    return PypiCentralSystem


@pytest.fixture
def store_with_dead_letters(site):
    """Give the site a store in which messages wait and dead letters lie."""
    directory = site.folder / "state"
    directory.mkdir(mode=0o700)
    SqliteStore(directory).close()
    state = State(charger=ChargerState.DISCONNECTED, charger_name="sim/CP1", register_wh=4100)
    with contextlib.closing(sqlite3.connect(directory / STORE_FILE, isolation_level=None)) as connection:
        connection.executescript((Path(__file__).parent / "dead_letters.sql").read_text(encoding="utf-8"))
        connection.execute("INSERT INTO states VALUES (1, ?)", (dump(state).decode(),))


_NOW = "2026-01-02T10:00:00Z"


def _is_so(view, where):
    return all(
        _is_so(view[name] or {}, value) if isinstance(value, dict) else view.get(name) == value
        for name, value in where.items()
    )


@pytest.fixture
def pypi(site):
    """Run a gateway with charge point CP1 and a simulated charger, connected to PyPI's `ocpp`.

    `central_system` are attributes of the central system, the others are keys of the charge point.
    """

    @contextlib.asynccontextmanager
    async def pair(behaviour="easee", *, central_system=None, **charge_point):
        site.charge_points = [{"identity": "CP1", "behaviour": behaviour, **charge_point}]
        async with PypiCentralSystem() as cs:
            for name, value in (central_system or {}).items():
                setattr(cs, name, value)
            async with site.reach(cs).gateway() as gateway:
                yield PypiPair(gateway, cs)

    return pair
