"""A simulated charger that speaks MQTT, in the words of different makers."""

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping

import aiomqtt
from chargebridge.drivers import SetLimit
from chargebridge.testing import contract

from tests.cable import Cable

POWER_W = 3680.0


class Dialect:
    """How a maker's charger says and understands things; `topic` is the charger's own prefix."""

    will = ("online", "offline")
    """What is said at a connect and by the last will."""

    def __init__(self, topic: str) -> None:
        self.topic = topic

    def settings(self) -> dict[str, object]:
        """Return the driver's settings for it."""
        raise NotImplementedError

    def state(self, charger: "MqttCharger") -> Mapping[str, str]:
        """Return all that it says now, by topic; it is retained."""
        raise NotImplementedError

    def token(self, id_tag: str) -> tuple[str, str]:
        """Return what it says when a token is presented."""
        raise NotImplementedError

    def take(self, charger: "MqttCharger", topic: str, payload: str) -> None:
        """Carry out a message."""
        raise NotImplementedError


class Plain(Dialect):
    """One topic for each value, plain payloads: as evcc and ESPHome do."""

    def settings(self) -> dict[str, object]:
        t = self.topic
        return {
            "availability": {"topic": f"{t}/online"},
            "connected": {"topic": f"{t}/status", "map": {"A": False, "B": True, "C": True}},
            "enabled": {"topic": f"{t}/enabled"},
            "power": {"topic": f"{t}/power"},
            "energy": {"topic": f"{t}/energy", "scale": 1000},
            "offered": {"topic": f"{t}/maxcurrent"},
            "token": {"topic": f"{t}/rfid"},
            "switch": {"topic": f"{t}/set/enable", "on": "true", "off": "false"},
            "limit": {"topic": f"{t}/set/maxcurrent"},
            "ask": [{"topic": f"{t}/set/report"}],
        }

    def state(self, charger: "MqttCharger") -> Mapping[str, str]:
        status = ("C" if charger.power_w else "B") if charger.car else "A"
        values = {
            "status": status,
            "enabled": "true" if charger.enabled else "false",
            "power": f"{charger.power_w}",
            "energy": f"{charger.counter_wh / 1000:.6f}",
            "maxcurrent": f"{charger.limit_a}",
        }
        return {f"{self.topic}/{name}": value for name, value in values.items()}

    def token(self, id_tag: str) -> tuple[str, str]:
        return f"{self.topic}/rfid", id_tag

    def take(self, charger: "MqttCharger", topic: str, payload: str) -> None:
        match topic.removeprefix(f"{self.topic}/set/"):
            case "enable":
                charger.enabled = payload == "true"
            case "maxcurrent":
                charger.limit_a = int(payload)


class Json(Dialect):
    """One topic with a JSON document: as Tasmota and many Modbus gateways do."""

    will = ("Online", "Offline")

    def settings(self) -> dict[str, object]:
        t = self.topic
        return {
            "availability": {"topic": f"{t}/online"},
            "connected": {"topic": f"{t}/STATE", "path": "car.plugged"},
            "enabled": {"topic": f"{t}/STATE", "path": "/POWER"},
            "power": {"topic": f"{t}/STATE", "path": "ENERGY.Power"},
            "energy": {"topic": f"{t}/STATE", "path": "ENERGY.Total", "scale": 1000},
            "offered": {"topic": f"{t}/STATE", "path": "limits.0", "scale": 0.001},
            "token": {"topic": f"{t}/RFID", "path": "uid"},
            "switch": {"topic": f"{t}/set/POWER", "on": "ON", "off": "OFF"},
            "limit": {"topic": f"{t}/set/limit", "template": '{"max": {milliamps}}'},
            "ask": [{"topic": f"{t}/set/STATE"}],
        }

    def state(self, charger: "MqttCharger") -> Mapping[str, str]:
        document = {
            "car": {"plugged": charger.car},
            "POWER": "ON" if charger.enabled else "OFF",
            "ENERGY": {"Power": charger.power_w, "Total": charger.counter_wh / 1000},
            "limits": [charger.limit_a * 1000],
        }
        return {f"{self.topic}/STATE": json.dumps(document)}

    def token(self, id_tag: str) -> tuple[str, str]:
        return f"{self.topic}/RFID", json.dumps({"uid": id_tag})

    def take(self, charger: "MqttCharger", topic: str, payload: str) -> None:
        match topic.removeprefix(f"{self.topic}/set/"):
            case "POWER":
                charger.enabled = payload == "ON"
            case "limit":
                charger.limit_a = json.loads(payload)["max"] // 1000


class MqttCharger(contract.Charger):
    """A charger with a relay, a meter and a reader; run it with `async with`."""

    def __init__(self, serial: str, make_dialect: Callable[[str], Dialect], host: str, port: int) -> None:
        super().__init__(serial)
        self.dialect = make_dialect(f"test/{uuid.uuid4().hex[:12]}/{serial}")
        self.car = False
        self.enabled = False
        self.limit_a = 16
        self.counter_wh = 4711.25
        self.obeys = True
        """Whether it carries out what it receives."""
        self.received: list[tuple[str, str]] = []
        self._something_came = asyncio.Event()
        self._cable = Cable(host, port)
        self._client: aiomqtt.Client | None = None
        self._connected = asyncio.Event()
        self._mended = asyncio.Event()
        self._mended.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def power_w(self) -> float:
        return POWER_W if self.car and self.enabled else 0.0

    async def __aenter__(self) -> "MqttCharger":
        await self._cable.__aenter__()
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._connected.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connected.wait()
        assert self._client is not None
        for topic in (*self.dialect.state(self), f"{self.dialect.topic}/online"):
            await self._client.publish(topic, "", qos=1, retain=True)
        assert self._task is not None
        while not self._task.done():  # the library may lose a cancellation before Python 3.12
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=0.2)
        await self._cable.__aexit__()

    async def _run(self) -> None:
        online = f"{self.dialect.topic}/online"
        will = aiomqtt.Will(online, self.dialect.will[1], qos=1, retain=True)
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", self._cable.port, will=will, timeout=3) as client:
                    await client.subscribe(f"{self.dialect.topic}/set/#", qos=1)
                    self._client = client
                    await client.publish(online, self.dialect.will[0], qos=1, retain=True)
                    await self.publish()
                    self._connected.set()
                    async for message in client.messages:
                        await self._take(str(message.topic), message.payload.decode())
            except (aiomqtt.MqttError, OSError):
                pass  # it was cut, and tries again as long as it is
            finally:
                self._client = None
            await self._mended.wait()

    async def _take(self, topic: str, payload: str) -> None:
        self.received.append((topic, payload))
        if self.obeys:
            self.dialect.take(self, topic, payload)
        self._something_came.set()
        await self.publish()

    async def limited_to(self, limit_a: int) -> None:
        """Wait until this limit was set."""
        while self.limit_a != limit_a:
            self._something_came.clear()
            await self._something_came.wait()

    async def publish(self) -> None:
        """Say all there is to say, if the broker can be reached."""
        if self._client is not None:
            for topic, payload in self.dialect.state(self).items():
                await self._client.publish(topic, payload, qos=1, retain=True)

    async def plug_in(self) -> None:
        self.car = True
        await self.publish()

    async def unplug(self) -> None:
        self.car = False
        await self.publish()

    async def present_token(self, id_tag: str) -> None:
        assert self._client is not None
        topic, payload = self.dialect.token(id_tag)
        await self._client.publish(topic, payload, qos=1)

    async def charge(self) -> None:
        await self.draw(30)

    async def draw(self, energy_wh: float) -> None:
        assert self.power_w, "no car draws here"
        self.counter_wh += energy_wh
        await self.publish()

    def probe(self, step: int, *, number: int, expires_ms: int) -> SetLimit:
        return SetLimit(number=number, expires_ms=expires_ms, limit_ma=6000 + 1000 * step)

    async def probed(self) -> int | None:
        return self.limit_a - 6

    async def go_offline(self) -> None:
        self._mended.clear()
        self._connected.clear()
        await self._cable.cut()

    async def come_back(self) -> None:
        self._cable.mend()
        self._mended.set()
        await self._connected.wait()
