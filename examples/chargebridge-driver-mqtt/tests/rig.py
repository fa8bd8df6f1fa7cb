"""The driver against a real broker and simulated chargers, for the contract suite."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from chargebridge.drivers import Driver, EventSink
from chargebridge.testing.contract import Rig, WrongSettings

from chargebridge_driver_mqtt import MqttDriver
from tests.cable import Cable
from tests.mqtt_charger import Dialect, MqttCharger

CHARGER = {"energy": {"topic": "e"}, "connected": {"topic": "c"}}


def with_charger(**settings: object) -> dict[str, object]:
    return {"chargers": {"C1": {**CHARGER, **settings}}}


class MqttRig(Rig):
    wrong_settings = (
        WrongSettings({}, "chargers"),
        WrongSettings({"chargers": {}}, "chargers"),
        WrongSettings({"chargers": {"C1": {}}}, "chargers.C1.energy"),
        WrongSettings({**with_charger(), "brocker": "mqtt://x"}, "brocker"),
        WrongSettings({**with_charger(), "broker": "http://x"}, "broker"),
        WrongSettings(with_charger(switch={"topic": "s"}), "chargers.C1.enabled"),
    )

    def __init__(self, chargers: list[MqttCharger], cable: Cable) -> None:
        super().__init__(chargers)
        self._cable = cable
        self._table = {one.serial: {**one.dialect.settings(), "settle_s": 0.5} for one in chargers}

    def _make(self, port: int, sink: EventSink, state_dir: Path) -> Driver:
        return self.make_driver_with(
            {"broker": f"mqtt://127.0.0.1:{port}", "chargers": self._table}, sink, state_dir
        )

    def make_driver(self, sink: EventSink, state_dir: Path) -> Driver:
        return self._make(self._cable.port, sink, state_dir)

    def make_lost_driver(self, sink: EventSink, state_dir: Path) -> Driver:
        return self._make(9, sink, state_dir)

    def make_driver_with(self, settings: Mapping[str, object], sink: EventSink, state_dir: Path) -> Driver:
        return MqttDriver("home", settings, sink, self.clock, state_dir)

    async def cut_cloud(self) -> None:
        await self._cable.cut()

    async def restore_cloud(self) -> None:
        self._cable.mend()


def rig_of(make_dialect: Callable[[str], Dialect], host: str, port: int):
    """Return what makes a rig with two chargers of one dialect."""

    @asynccontextmanager
    async def make(_: Path) -> AsyncIterator[Rig]:
        async with AsyncExitStack() as stack:
            cable = await stack.enter_async_context(Cable(host, port))
            chargers = [
                await stack.enter_async_context(MqttCharger(serial, make_dialect, host, port))
                for serial in ("C1", "C2")
            ]
            yield MqttRig(chargers, cable)

    return make
