"""An emulated Easee Cloud with many chargers on a real broker, in a process of its own (see `side_process`).

    {"do": "charge", "rate": R}                  R drivers a second plug their cars in and present a token
    {"do": "publish", "to": X, "rate": R, "count": N}
                                                 puts N observations on a queue, R a second (0: all at once)
    {"do": "queue", "of": X}                     messages that wait in it, undelivered
    {"do": "stats"}                              counters of the emulated cloud

X is `gateway` or `bare`: the operator's queue, or one like it that the bare consumer reads. On its way out it
deletes all that it has declared.
"""

import argparse
import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Final

import aiormq
import uvloop
from aiormq.abc import AbstractChannel
from aiormq.channel import Channel

from benchmarks.harness.answering import Command, answer_all
from benchmarks.harness.load import Load
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import SystemClock
from chargebridge.config.sections import LogFormat, LogLevel, LogSettings
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings
from chargebridge.emulators.easee_cloud.settings import RateLimits
from chargebridge.logs import set_up

NEVER_S: Final = 86_400
"""Between measurements of the simulated chargers: while it is measured, only the load is on the queue."""
CAR: Final = {"battery_kwh": 1000, "charged_kwh": 0}
"""One that is not full before the benchmark is over."""
TOKEN: Final = "04BE9C0FFEE"


class Cloud:
    """The emulated cloud, and the load on its queue.

    Args:
        chargers: the simulated chargers.
        cloud: that speaks for them.
        loads: by whose queue it is.
        queues: likewise.
        channel: to look at queues with.
    """

    def __init__(
        self,
        chargers: SimulatedCloud,
        cloud: EaseeCloud,
        loads: Mapping[str, Load],
        queues: Mapping[str, str],
        channel: AbstractChannel,
    ) -> None:
        self._chargers = chargers
        self._cloud = cloud
        self._loads = loads
        self._queues = queues
        self._channel = channel

    async def obey(self, command: Command) -> Mapping[str, object]:
        """Do what a command says."""
        match command["do"]:
            case "charge":
                return {"lasted_s": await self._charge(command["rate"])}
            case "publish":
                lasted_s = await self._loads[command["to"]].publish(command["count"], command["rate"])
                return {"lasted_s": lasted_s}
            case "queue":
                declared = await self._channel.queue_declare(self._queues[command["of"]], passive=True)
                return {"ready": declared.message_count}
        return {"cpu_s": time.process_time(), **self._cloud.statistics.as_dict()}

    async def _charge(self, rate: float) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, serial in enumerate(self._chargers.world, 1):
            self._chargers.act(serial, "plug_in", CAR)
            self._chargers.act(serial, "present_token", {"id_tag": TOKEN})
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        return loop.time() - began


async def serve(url: str, count: int) -> None:
    """Serve until standard input closes."""
    operator = f"bench-{uuid.uuid4().hex[:12]}"
    clock, world = SystemClock(), World()
    chargers = SimulatedCloud(world, clock)
    serials = [f"EH{number:06}" for number in range(count)]
    for serial in serials:
        chargers.add(ChargerSettings(serial=serial, measure_every_s=NEVER_S))
    many = 10_000_000
    settings = EaseeCloudSettings(
        integration_account=True,
        amqp_url=url,
        operator_id=operator,
        rate_limits=RateLimits(overall=many, by_endpoint=False),
    )
    cloud = EaseeCloud(chargers, clock, settings)
    connection = await aiormq.connect(url)
    try:
        # As the cloud declares its own, and before it does, so that what is declared is deleted, too.
        queues = {name: f"Operator_{operator}{rest}.Q" for name, rest in (("gateway", ""), ("bare", ".bare"))}
        loads: dict[str, Load] = {}
        channel = await connection.channel()
        for name, queue in queues.items():
            exchange = queue.removesuffix(".Q") + ".O.X"
            await channel.exchange_declare(exchange, exchange_type="topic", durable=True)
            await channel.queue_declare(queue, durable=True)
            await channel.queue_bind(queue, exchange, "#")
            sender = await connection.channel(publisher_confirms=False)
            assert isinstance(sender, Channel)
            loads[name] = Load(sender, exchange, serials)
        chargers.start()
        await cloud.start()
        started = {"url": cloud.url, "bare_queue": queues["bare"]}
        await answer_all(started, Cloud(chargers, cloud, loads, queues, channel).obey)
    finally:
        await cloud.stop()
        chargers.stop()
        world.close()
        await _delete_all(connection, operator)


async def _delete_all(connection: aiormq.abc.AbstractConnection, operator: str) -> None:
    """Leave nothing of the operator at the broker; what is not there is no error."""
    channel = await connection.channel()
    for name in (f"Operator_{operator}", f"Operator_{operator}.bare"):
        for queue in (f"{name}.Q", f"{name}.C.Q"):
            await channel.queue_delete(queue)
        for exchange in (f"{name}.O.X", f"{name}.C.X"):
            await channel.exchange_delete(exchange)
    await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, required=True)
    arguments = parser.parse_args()
    set_up(LogSettings(level=LogLevel.WARNING, format=LogFormat.JSON))
    uvloop.run(serve(arguments.url, arguments.count))


if __name__ == "__main__":
    main()
