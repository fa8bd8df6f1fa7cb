"""A connection with the broker that is closed however it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiomqtt
import structlog

from chargebridge_driver_mqtt.cancelling import finished
from chargebridge_driver_mqtt.payloads import PAYLOAD_LIMIT

BROKER_S: Final = 3.0
"""Real seconds that the broker has for an answer."""

MOST_WAITING: Final = 2_000
"""Messages that have come and are not looked at yet."""

_log = structlog.get_logger(__name__)


class Inbox(asyncio.Queue[aiomqtt.Message]):
    """Messages that wait. Beyond a bound the oldest make room: the newest say how things are.

    The end of a long payload is dropped, since it is not read.
    """

    def _put(self, item: aiomqtt.Message) -> None:
        if isinstance(item.payload, bytes) and len(item.payload) > PAYLOAD_LIMIT:
            item.payload = item.payload[: PAYLOAD_LIMIT + 1]
        if self.qsize() >= MOST_WAITING:
            self._get()
        super()._put(item)


@asynccontextmanager
async def entered(client: aiomqtt.Client) -> AsyncIterator[aiomqtt.Client]:
    """Connect, and disconnect however it ends.

    The library leaves a connection open if it is cancelled while it connects.
    """
    entering: asyncio.Future[object] = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        if await finished(entering, BROKER_S) and entering.exception() is None:
            await _leave(client)
        raise
    try:
        yield client
    finally:
        await _leave(client)


async def _leave(client: aiomqtt.Client) -> None:
    leaving: asyncio.Future[object] = asyncio.ensure_future(client.__aexit__(None, None, None))
    if await finished(leaving, BROKER_S) and (error := leaving.exception()) is not None:
        _log.debug("the connection had ended before", error=str(error))
