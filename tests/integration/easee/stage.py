"""An emulated Easee Cloud with simulated chargers, and a client that knows only HTTP and WebSockets."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.traffic import Traffic
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import ScaledClock
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings

SERIAL = "EH000001"
PATIENCE_S = 20.0
"""Only a failure takes so long."""


async def until(condition: Callable[[], object], what: str = "what was waited for") -> None:
    """Wait until something is true."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - what is waited for happens at somebody else's place
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"did not happen: {what}") from None


@dataclass
class Stream:
    """A client's end of the stream: everything that was said on it."""

    socket: aiohttp.ClientWebSocketResponse
    messages: list[dict[str, object]] = field(default_factory=list)

    async def say(self, **message: object) -> None:
        await self.socket.send_str(json.dumps(message) + "\x1e")

    async def subscribe(self, serial: str = SERIAL, *, replay: bool = True) -> None:
        name = f"subscription {serial} {len(self.messages)}"
        arguments = [serial, replay]
        await self.say(type=1, target="SubscribeWithCurrentState", arguments=arguments, invocationId=name)
        done = {"type": 3, "invocationId": name, "result": None}
        await until(lambda: done in self.messages, name)

    async def listen(self) -> None:
        async for message in self.socket:
            self.messages += [json.loads(text) for text in message.data.split("\x1e") if text]

    def of(self, target: str) -> list[dict[str, object]]:
        return [one["arguments"][0] for one in self.messages if one.get("target") == target]

    @property
    def updates(self) -> list[tuple[int, str]]:
        """All observations so far, as (id, value)."""
        return [(one["id"], one["value"]) for one in self.of("ProductUpdate")]

    @property
    def responses(self) -> list[dict[str, object]]:
        return self.of("CommandResponse")

    def last(self, id: int) -> str | None:
        return next((value for one, value in reversed(self.updates) if one == id), None)

    async def shows(self, id: int, value: str) -> None:
        await until(lambda: self.last(id) == value, f"observation {id} is {value}")

    def forget(self) -> None:
        self.messages.clear()


class Client:
    """A REST client of the emulated cloud."""

    def __init__(self, cloud: EaseeCloud, http: aiohttp.ClientSession) -> None:
        self.cloud = cloud
        self.http = http
        self.tokens: dict[str, object] = {}

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.tokens.get('accessToken', '')}"}

    async def login(self, user="driver@example.com", password="charge-me") -> int:
        body = {"userName": user, "password": password}
        status, answer = await self.call("POST", "/api/accounts/login", body)
        if status == 200:
            self.tokens = answer
        return status

    async def refresh(self, tokens: Mapping[str, object] | None = None) -> int:
        used = tokens or self.tokens
        body = {key: used[key] for key in ("accessToken", "refreshToken")}
        status, answer = await self.call("POST", "/api/accounts/refresh_token", body)
        if status == 200:
            self.tokens = answer
        return status

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        async with self.http.request(
            method, self.cloud.url + path, json=body, headers=self.headers
        ) as response:
            text = await response.text()
            with contextlib.suppress(ValueError):
                return response.status, json.loads(text)
            return response.status, text

    async def get(self, path: str) -> object:
        status, answer = await self.call("GET", path)
        assert status == 200, (path, status, answer)
        return answer

    async def command(self, name: str, body: object = None, serial: str = SERIAL) -> tuple[int, object]:
        return await self.call("POST", f"/api/chargers/{serial}/commands/{name}", body)

    async def settings(self, serial: str = SERIAL, **body: object) -> tuple[int, object]:
        return await self.call("POST", f"/api/chargers/{serial}/settings", body)

    async def negotiate(self) -> str:
        url = f"{self.cloud.stream_url}/negotiate"
        async with self.http.post(url, headers=self.headers) as response:
            assert response.status == 200
            return (await response.json())["connectionId"]

    @asynccontextmanager
    async def stream(self, *serials: str, replay: bool = True) -> AsyncIterator[Stream]:
        """Open a stream, negotiated, and subscribe."""
        url = f"{self.cloud.stream_url}?id={await self.negotiate()}"
        async with self.http.ws_connect(url, headers=self.headers) as opened:
            await opened.send_str('{"protocol":"json","version":1}\x1e')
            assert await opened.receive_str() == "{}\x1e"
            stream = Stream(opened)
            task = asyncio.create_task(stream.listen())
            try:
                for serial in serials or (SERIAL,):
                    await stream.subscribe(serial, replay=replay)
                yield stream
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@dataclass
class Stage:
    """Chargers, their emulated cloud, and a client that has logged in."""

    cloud: EaseeCloud
    chargers: SimulatedCloud
    clock: ScaledClock
    client: Client

    def act(self, action: str, serial: str = SERIAL, **arguments: object) -> dict[str, object]:
        return self.chargers.act(serial, action, arguments)

    def view(self, serial: str = SERIAL) -> dict[str, object]:
        return self.act("view", serial)

    async def charges(self, stream: Stream, serial: str = SERIAL, token: str = "04AABBCC") -> None:
        """Let a car come and charge, authorized by its token."""
        self.act("plug_in", serial, battery_kwh=400)
        self.act("present_token", serial, id_tag=token)
        await until(lambda: stream.last(128) == token)
        status, _ = await self.client.command("start_charging", serial=serial)
        assert status == 202
        await stream.shows(109, "3")


@asynccontextmanager
async def set_stage(
    *,
    chargers: int = 1,
    speed: float = 60.0,
    rated_current_a: int = 32,
    phases: int = 3,
    measure_every_s: int = 60,
    traffic: Traffic | None = None,
    **settings: object,
) -> AsyncIterator[Stage]:
    """Set up everything, and take it down."""
    now_ms = time.time_ns() // 1_000_000
    clock = ScaledClock(speed, now_ms, now_ms)
    world = World(traffic=traffic)
    simulated = SimulatedCloud(world, clock)
    for number in range(1, chargers + 1):
        simulated.add(
            ChargerSettings(
                serial=f"EH{number:06d}",
                phases=phases,
                rated_current_a=rated_current_a,
                measure_every_s=measure_every_s,
            )
        )
    simulated.start()
    cloud = EaseeCloud(simulated, clock, EaseeCloudSettings(**settings))
    await cloud.start()
    try:
        async with aiohttp.ClientSession() as http:
            client = Client(cloud, http)
            assert await client.login() == 200
            yield Stage(cloud, simulated, clock, client)
    finally:
        await cloud.stop()
        simulated.stop()
        world.close()
