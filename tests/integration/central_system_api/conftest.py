"""A central system with its API, and charge points that say what a test wants."""

import asyncio
import contextlib
import functools
import json
from itertools import count
from urllib.parse import quote

import httpx
import pytest
from websockets.asyncio.client import connect

from chargebridge.clock import SystemClock
from chargebridge.emulators.central_system import CentralSystem
from chargebridge.emulators.central_system.api import ApiServer, ApiSettings

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}


class ChargePoint:
    """A charge point; it answers nothing by itself."""

    def __init__(self, websocket):
        self.websocket = websocket
        self._ids = count(1)

    async def receive(self):
        async with asyncio.timeout(5):
            return json.loads(await self.websocket.recv())

    async def send(self, *frame):
        await self.websocket.send(json.dumps(frame))

    async def call(self, action, payload):
        """Send a CALL, and return the frame that answers it."""
        await self.send(2, str(next(self._ids)), action, payload)
        return await self.receive()

    async def result(self, payload):
        """Answer the next CALL, and return it."""
        frame = await self.receive()
        await self.send(3, frame[1], payload)
        return frame

    async def error(self, code, description="", details=None):
        frame = await self.receive()
        await self.send(4, frame[1], code, description, {} if details is None else details)
        return frame


class Site:
    """The central system and a client of its API."""

    def __init__(self, central_system, server, client):
        self.central_system, self.server, self.client = central_system, server, client

    @contextlib.asynccontextmanager
    async def connected(self, identity="CP-1"):
        """A charge point that has not booted."""
        url = f"{self.central_system.url}/{quote(identity, safe='')}"
        async with connect(url, subprotocols=["ocpp1.6"]) as websocket:
            yield ChargePoint(websocket)

    @contextlib.asynccontextmanager
    async def booted(self, identity="CP-1"):
        """A charge point that is accepted."""
        async with self.connected(identity) as charge_point:
            answer = await charge_point.call("BootNotification", BOOT)
            assert answer[2]["status"] == "Accepted"
            yield charge_point

    async def request(self, method, path, body=None, status=None, **parameters):
        """Send a request; `status` is the one to expect, else any of success. Returns the body."""
        answer = await self.client.request(method, path, json=body, params=parameters or None)
        assert answer.status_code == status if status else answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def get(self, path, status=None, **parameters):
        return await self.request("GET", path, None, status, **parameters)

    async def post(self, path, body=None, status=None, **parameters):
        return await self.request("POST", path, body, status, **parameters)

    async def put(self, path, body, status=None):
        return await self.request("PUT", path, body, status)


@contextlib.asynccontextmanager
async def _site(**options):
    settings = ApiSettings(port=0, **options)
    async with CentralSystem(SystemClock(), validate=True) as central_system:
        server = ApiServer(central_system, settings)
        await server.start()
        headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
        try:
            async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
                yield Site(central_system, server, client)
        finally:
            await server.stop()


@pytest.fixture
def a_site():
    """Return what makes a site of settings of the API."""
    return _site


@pytest.fixture
def at_site():
    """Run a scenario at a site; each has a time limit of its own."""

    def play(scenario, **options):
        @functools.wraps(scenario)
        async def played():
            async with asyncio.timeout(30), _site(**options) as site:
                await scenario(site)

        asyncio.run(played())

    return play
