"""A gateway with this driver, between a central system and a simulated charger on a real broker."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from chargebridge.drivers import SystemClock
from chargebridge.testing import CentralSystem

from tests.conftest import Broker
from tests.mqtt_charger import Dialect, Json, MqttCharger, Plain


def toml(value: object) -> str:
    """Write a value as TOML, tables inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value)


@asynccontextmanager
async def gateway(
    folder: Path, central_system: CentralSystem, broker: Broker, charger: MqttCharger
) -> AsyncIterator[None]:
    """Run chargebridge as its users do."""
    settings = {**charger.dialect.settings(), "measure_every_s": 0.05, "settle_s": 0.5}
    path = folder / "gateway.toml"
    path.write_text(
        f"""
[central_systems.main]
url = "{central_system.url}"
reconnect_min_s = 0.1
call_timeout_s = 2.0
[drivers.home]
type = "mqtt"
broker = "mqtt://{broker.host}:{broker.port}"
chargers = {toml({charger.serial: settings})}
[state]
directory = "state"
[api]
enabled = false
[[charge_points]]
identity = "CP1"
charger = "{charger.serial}"
behaviour = "ocpp16"
""",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "chargebridge", "run", "--config", str(path)]
    with (folder / "gateway.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            yield
            process.terminate()
            async with asyncio.timeout(20):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def expect(central_system: CentralSystem, action: str, **where: object) -> dict[str, object]:
    exchange = await central_system.expect("CP1", action, where or None, timeout_s=20)
    return exchange.payload


@pytest.mark.parametrize("dialect", [Plain, Json])
async def test_a_transaction_has_the_energy_that_the_charger_counted(
    dialect: type[Dialect], broker: Broker, tmp_path: Path
) -> None:
    async with (
        CentralSystem(SystemClock(), validate=True) as central_system,
        MqttCharger("garage", dialect, *broker) as charger,
        gateway(tmp_path, central_system, broker, charger),
    ):
        await expect(central_system, "BootNotification")
        await expect(central_system, "StatusNotification", connectorId=1, status="Available")
        before_wh = charger.counter_wh
        await charger.plug_in()
        await expect(central_system, "StatusNotification", connectorId=1, status="Preparing")
        await charger.present_token("04AABBCC")
        start = await expect(central_system, "StartTransaction", idTag="04AABBCC")
        assert start["meterStart"] == int(before_wh)
        await expect(central_system, "StatusNotification", connectorId=1, status="Charging")
        for _ in range(5):
            await charger.draw(100.4)
        await charger.unplug()
        await expect(central_system, "StatusNotification", connectorId=1, status="Available")
        stop = await expect(central_system, "StopTransaction")
        assert stop["meterStop"] == int(before_wh + 502)
        [transaction] = central_system.ledger.transactions()
        assert transaction.energy_wh == int(before_wh + 502) - int(before_wh)
        assert central_system.violations == []
    central_system.ledger.close()


async def test_a_restart_of_the_gateway_in_a_transaction_loses_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        CentralSystem(SystemClock(), validate=True) as central_system,
        MqttCharger("garage", Plain, *broker) as charger,
    ):
        async with gateway(tmp_path, central_system, broker, charger):
            await expect(central_system, "StatusNotification", connectorId=1, status="Available")
            await charger.plug_in()
            await expect(central_system, "StatusNotification", connectorId=1, status="Preparing")
            await charger.present_token("04AABBCC")
            await expect(central_system, "StatusNotification", connectorId=1, status="Charging")
            await charger.draw(1000)
        await charger.draw(500)
        await charger.unplug()
        async with gateway(tmp_path, central_system, broker, charger):
            await expect(central_system, "StopTransaction")
        [transaction] = central_system.ledger.transactions()
        assert transaction.energy_wh == 1500
    central_system.ledger.close()
