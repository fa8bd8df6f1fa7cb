"""The reference for chargers behind a message queue: takes messages and has the broker forget them, no more.

`aiormq` on uvloop, acknowledged many at a time: what a Python program could at best have. It reads nothing
of a message but its timestamp, and keeps nothing. A process of its own (see `side_process`):

    {"do": "time"}      from now on, takes how old messages are
    {"do": "delays"}    and returns that, as of now
    {"do": "stats"}     how many came, and the CPU time
"""

import argparse
import asyncio
import time
from collections.abc import Mapping
from typing import Final

import aiormq
import uvloop
from aiormq.abc import AbstractChannel, DeliveredMessage

from benchmarks.harness.answering import Command, answer_all
from benchmarks.harness.delays import Delays

PREFETCH: Final = 20_000
ACKNOWLEDGE_S: Final = 0.02
"""As often as the gateway."""
_TIMESTAMP: Final = b'"Timestamp":"'


class Consumer:
    """Takes messages from a channel.

    Args:
        channel: an open one.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._delays = Delays()
        self._newest_tag = self._acknowledged_tag = 0

    async def take(self, message: DeliveredMessage) -> None:
        """Take a message."""
        body = message.body
        begin = body.index(_TIMESTAMP) + len(_TIMESTAMP)
        self._delays.take(body[begin : begin + 24])
        self._newest_tag = message.delivery_tag or 0

    async def acknowledge(self) -> None:
        """Have the broker forget what has come, again and again."""
        while True:
            await asyncio.sleep(ACKNOWLEDGE_S)
            if self._newest_tag > self._acknowledged_tag:
                self._acknowledged_tag = self._newest_tag
                await self._channel.basic_ack(self._newest_tag, multiple=True, wait=False)

    async def obey(self, command: Command) -> Mapping[str, object]:
        """Do what a command says."""
        match command["do"]:
            case "time":
                self._delays = Delays()
            case "delays":
                return self._delays.report()
        return {"timed": len(self._delays), "cpu_s": time.process_time()}


async def serve(url: str, queue: str) -> None:
    """Serve until standard input closes."""
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=False)
    consumer = Consumer(channel)
    await channel.basic_qos(prefetch_count=PREFETCH)
    await channel.basic_consume(queue, consumer.take)
    acknowledging = asyncio.create_task(consumer.acknowledge())
    await answer_all({}, consumer.obey)
    acknowledging.cancel()
    await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--queue", required=True)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.url, arguments.queue))


if __name__ == "__main__":
    main()
