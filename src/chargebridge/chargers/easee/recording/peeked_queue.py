"""An operator's queue, read without taking anything from it: nothing is acknowledged.

The broker keeps every message that is not acknowledged, and puts it back in its place as soon as the
connection is closed, with a note that it was delivered before. A queue has one reader at a time, so the
gateway must not run meanwhile; neither can it by mistake, since the broker gives the queue to this reader
alone.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import aiormq
from aio_pika.exceptions import AMQPError
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from chargebridge.chargers.easee.operator.bus_connection import (
    CONNECT_S,
    BrokerInfo,
    BrokerLostError,
    close,
    connect,
)

MESSAGES_AT_MOST: Final = 65_535
"""A broker gives no more messages that are not acknowledged, as the protocol counts them."""
RENEW_S: Final = 20 * 60.0
"""Real seconds after which the queue is opened again. A broker lets nobody hold a message longer than half an
hour, if it is set up as usual."""
CONNECTIONS_AT_MOST: Final = 6
"""A broker may drop a message of some kinds of queues that it has delivered 20 times."""

WAITS_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0)


class QueueInUseError(Exception):
    """Somebody else reads the queue."""


class PeekedQueue:
    """Reads a queue without acknowledging anything.

    Args:
        broker: its address and its queue.
        opened: is called when the queue is open, with the number of messages that wait in it.
        take: is called with the routing key and the body of each message, and whether it was delivered to
            somebody before; once for each, however often the queue is opened again.
        lost: is called with the reason when the connection is lost, or an attempt has failed.
        renew_s: real seconds for which it stays open.
        waits_s: real seconds before each new attempt; after so many in a row that fail there is none.
    """

    def __init__(
        self,
        broker: BrokerInfo,
        opened: Callable[[int], None],
        take: Callable[[str, bytes, bool], None],
        lost: Callable[[str], None],
        *,
        renew_s: float = RENEW_S,
        waits_s: Sequence[float] = WAITS_S,
    ) -> None:
        self._broker = broker
        self._opened = opened
        self._take = take
        self._lost = lost
        self._renew_s = renew_s
        self._waits_s = waits_s
        self._connections = 0
        self._taken: Counter[bytes] = Counter()
        """Digests of the messages that were taken."""
        self._again: Counter[bytes] = Counter()
        """Those of them that this connection has not delivered again yet."""
        self._full = asyncio.Event()
        self._reading = False

    async def run(self) -> str:
        """Read until nothing more can be read, and return why; to be cancelled for an earlier end.

        Raises:
            QueueInUseError: somebody else reads the queue.
            BrokerLostError: the broker cannot be reached, for several times in a row.
        """
        failures = 0
        while self._connections < CONNECTIONS_AT_MOST:
            before = self._connections
            try:
                await self._read_once()
            except BrokerLostError as error:
                failures = failures + 1 if self._connections == before else 1
                if failures > len(self._waits_s):
                    raise
                self._lost(str(error))
                await asyncio.sleep(self._waits_s[failures - 1])
            if self._full.is_set():
                return f"the broker hands out no more than {MESSAGES_AT_MOST} messages that stay in the queue"
        minutes = round(CONNECTIONS_AT_MOST * self._renew_s / 60)
        return (
            f"a queue is read for {minutes} minutes at most, as a broker may drop what it delivers too often"
        )

    async def _read_once(self) -> None:
        connection = await connect(self._broker)
        self._again = self._taken.copy()
        try:
            async with asyncio.timeout(CONNECT_S):
                incoming = await connection.channel(publisher_confirms=False)
                channel = await incoming.get_underlay_channel()
                await self._open(channel)
            ends = {asyncio.ensure_future(self._full.wait())}
            try:
                done, _ = await asyncio.wait(
                    {*ends, channel.closing}, timeout=self._renew_s, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for end in ends:
                    end.cancel()
            if channel.closing in done and not self._full.is_set():
                channel.closing.result()
                raise BrokerLostError("the broker has closed the channel")
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            raise BrokerLostError(_text(error)) from None
        finally:
            self._reading = False
            await close(connection)

    async def _open(self, channel: aiormq.abc.AbstractChannel) -> None:
        name = self._broker.queue_name
        declared = await channel.queue_declare(name, passive=True)
        if declared.consumer_count:
            raise QueueInUseError
        await channel.basic_qos(prefetch_count=MESSAGES_AT_MOST)
        self._reading = True
        self._connections += 1
        self._opened(declared.message_count or 0)
        try:
            # Exclusive: whoever else wants to read the queue meanwhile is refused.
            await channel.basic_consume(name, self._on_message, exclusive=True)
        except ChannelAccessRefused:
            raise QueueInUseError from None

    async def _on_message(self, message: DeliveredMessage) -> None:
        # Each is a task; none of them awaits, so that they keep their order.
        delivery = message.delivery
        if not self._reading or not isinstance(delivery, aiormq.spec.Basic.Deliver):
            return
        key = delivery.routing_key or ""
        digest = hashlib.blake2b(key.encode() + b"\0" + message.body, digest_size=16).digest()
        if self._again[digest] > 0:
            self._again[digest] -= 1
            return
        self._taken[digest] += 1
        self._take(key, message.body, bool(delivery.redelivered))
        if self._taken.total() >= MESSAGES_AT_MOST:
            self._full.set()


def _text(error: Exception) -> str:
    if isinstance(error, ChannelNotFoundEntity):
        return "the broker does not have the operator's queue"
    return f"the broker has ended the connection: {type(error).__name__}"
