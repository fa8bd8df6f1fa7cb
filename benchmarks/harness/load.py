"""Puts observations on an operator's bus at a steady rate, cheap enough never to be the bottleneck.

They are what the emulated cloud publishes (`chargebridge.emulators.easee_cloud.bus.operator_bus`), in the
same AMQP frames but for the timestamp and the value. Here these frames are made once for each charger, and
many of them go out in one write: a few us a message instead of 70. It does without confirms, since there each
batch waits for the one before.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import pamqp.commands
import pamqp.frame
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import RoutingKey
from chargebridge.clock import format_utc

TICK_S: Final = 0.002
AT_ONCE: Final = 250
"""Messages of a write where there is no pace."""
_TIME: Final = b"YYYY-MM-DDThh:mm:ss.mmmZ"
_VALUE: Final = b"V.VVV"
_BODY: Final = b'{"Timestamp":"%b","Value":"%b"}' % (_TIME, _VALUE)


class Load:
    """Publishes the power of chargers, one after the other, each time another one.

    Args:
        channel: an open channel, of which nobody else publishes anything.
        exchange: where to.
        serials: the chargers.
    """

    def __init__(self, channel: Channel, exchange: str, serials: Sequence[str]) -> None:
        self._channel = channel
        number = channel.number
        self._publish = [
            pamqp.frame.marshal(
                pamqp.commands.Basic.Publish(
                    exchange=exchange,
                    routing_key=RoutingKey.OBSERVATION.format(serial=serial, id=int(Observation.TOTAL_POWER)),
                ),
                number,
            )
            for serial in serials
        ]
        properties = pamqp.commands.Basic.Properties(
            content_type="application/json", delivery_mode=2, headers={"ArrivalTime": _TIME.decode()}
        )
        header = pamqp.frame.marshal(ContentHeader(body_size=len(_BODY), properties=properties), number)
        body = pamqp.frame.marshal(ContentBody(_BODY), number)
        # What stays the same before, between and after: time of arrival, time, value.
        first, between, rest = (header + body).split(_TIME)
        self._parts = (first, between, *rest.split(_VALUE))
        self._sent = 0
        self._round_ms = 0
        """When the last one of the round before was made."""

    async def publish(self, count: int, rate: float) -> float:
        """Publish so many observations, each made when it leaves; return how many seconds it took.

        Args:
            count: how many.
            rate: of them in a second; 0: as fast as the broker takes them.
        """
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while sent < count:
            if rate:
                due = min(count, int((loop.time() - began) * rate) + 1)
                await self._write(due - sent, drain=False)
                sent = due
                await asyncio.sleep(TICK_S)
            else:
                some = min(AT_ONCE, count - sent)
                await self._write(some, drain=True)
                sent += some
        return loop.time() - began

    async def _write(self, count: int, *, drain: bool) -> None:
        if not count:
            return
        drained = asyncio.get_running_loop().create_future() if drain else None
        data = b"".join(self._message() for _ in range(count))
        await self._channel.write_queue.put(ChannelFrame(data, should_close=False, drain_future=drained))
        if drained is not None:
            await drained

    def _message(self) -> bytes:
        turn, charger = divmod(self._sent, len(self._publish))
        self._sent += 1
        at_ms = time.time_ns() // 1_000_000
        # Of one charger each is later than the one before, however few chargers there are.
        at_ms = max(at_ms, self._round_ms + 1)
        if charger == len(self._publish) - 1:
            self._round_ms = at_ms
        stamp = format_utc(at_ms).encode()
        first, between, before, after = self._parts
        value = b"%.3f" % (1 + turn % 9000 / 1000)
        return b"".join((self._publish[charger], first, stamp, between, stamp, before, value, after))
