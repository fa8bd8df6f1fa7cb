"""A look at an operator's queue that takes nothing from it.

Messages are fetched without being acknowledged and go back to their places; the broker marks them as
delivered before. It is done only while nothing else consumes the queue: one consumer at a time has a message.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelNotFoundEntity
from msgspec import Struct

from chargebridge import tasks
from chargebridge.chargers.easee.operator.bus_connection import (
    CONNECT_S,
    BrokerInfo,
    BrokerLostError,
    close,
    connect,
)

LOOK_S: Final = 30.0
"""Real seconds for all messages."""


class QueuedMessage(Struct, frozen=True):
    """A message that waits in the queue."""

    key: str
    body: bytes
    headers: tuple[str, ...]


class QueueLook(Struct, frozen=True):
    """What a look at a queue shows."""

    consumers: int
    waiting: int
    messages: tuple[QueuedMessage, ...] | None
    """None: they were left alone, since another program consumes the queue."""


class NoQueueError(BrokerLostError):
    """The broker has no such queue."""


async def look(broker: BrokerInfo, most: int) -> QueueLook:
    """Look at the first messages of a queue, and leave them there.

    Args:
        broker: its address, credentials and queue.
        most: the most messages to look at.

    Raises:
        NoQueueError: the broker has no such queue.
        BrokerLostError: the broker cannot be reached, or refuses.
    """
    connection = await connect(broker)
    try:
        async with asyncio.timeout(CONNECT_S):
            channel = await connection.channel()
            queue = await channel.declare_queue(broker.queue_name, passive=True)
        consumers = queue.declaration_result.consumer_count or 0
        waiting = queue.declaration_result.message_count or 0
        if consumers:
            return QueueLook(consumers, waiting, None)
        fetched: list[AbstractIncomingMessage] = []
        try:
            async with asyncio.timeout(LOOK_S):
                while len(fetched) < most:
                    message = await queue.get(no_ack=False, fail=False)
                    if message is None:
                        break
                    fetched.append(message)
        finally:
            if fetched:
                # If this is lost, the broker does the same when the connection ends.
                await fetched[-1].nack(multiple=True, requeue=True)
        return QueueLook(consumers, waiting, tuple(map(_queued, fetched)))
    except ChannelNotFoundEntity:
        raise NoQueueError(f"the broker has no queue {broker.queue_name}") from None
    except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
        reason = f"the queue {broker.queue_name} cannot be looked at: {type(error).__name__}"
        raise BrokerLostError(reason) from None
    except asyncio.CancelledError:
        if tasks.is_cancelled():
            raise
        raise BrokerLostError("the broker has closed the connection") from None
    finally:
        await close(connection)


def _queued(message: AbstractIncomingMessage) -> QueuedMessage:
    headers: Mapping[str, object] = message.headers or {}
    return QueuedMessage(message.routing_key or "", message.body, tuple(map(str, headers)))
