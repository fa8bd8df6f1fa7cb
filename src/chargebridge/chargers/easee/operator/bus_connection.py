"""One connection to an operator's broker, from its opening to its end.

`aio-pika` connects and publishes. Messages are read from the `aiormq` channel beneath it, which costs a third
less than `aio-pika`'s wrapper around each of them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

import aio_pika
import aiormq
from aio_pika.connection import make_url
from aio_pika.exceptions import AMQPError, PublishError
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)
from msgspec import Struct

from chargebridge import tasks
from chargebridge.chargers.easee.account.failures import DETAIL_LIMIT, NoAnswer, NotSent
from chargebridge.chargers.easee.operator.deliveries import Deliveries

CONNECT_S: Final = 30.0
"""Real seconds for connecting, and for each step of it."""
CONFIRM_S: Final = 30.0
"""Real seconds in which the broker confirms a command."""
LAST_ACKNOWLEDGEMENTS_S: Final = 1.0
CLOSE_S: Final = 2.5
"""Real seconds for closing; with those for the last acknowledgements less than `tasks.CLEAN_UP_S`."""
LONGEST_TTL_MS: Final = 2**32 - 1
"""RabbitMQ closes the channel of a message that is to live longer."""
FLUSH_S: Final = 0.02
"""Real seconds for which acknowledgements are collected."""
HEARTBEAT_S: Final = 60

# `Bus` logs the same events, once and with their context.
for _name in ("aiormq", "aio_pika"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class BrokerInfo(Struct, frozen=True, rename="camel"):
    """A broker's address, credentials and queue, as the cloud returns them."""

    server: str
    port: int
    queue_name: str
    exchange_name: str
    username: str
    password: str
    use_ssl: bool = True
    virtual_host: str = "/"

    def __repr__(self) -> str:
        return f"BrokerInfo({self.server!r}, {self.port}, {self.queue_name!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("server", self.server), ("port", self.port), ("queue_name", self.queue_name)]


class BrokerLostError(Exception):
    """The connection failed to open, or it has ended.

    Args:
        reason: the reason, for an operator.
        info_rejected: the broker refuses this address or these credentials: they have to be fetched again.
    """

    def __init__(self, reason: str, *, info_rejected: bool = False) -> None:
        super().__init__(reason[:DETAIL_LIMIT])
        self.info_rejected = info_rejected


MessageHandler = Callable[[str, bytes, int, bool], bool]
"""Handles a message: routing key, body, number of the delivery, and whether it was delivered before. Returns
whether it can be acknowledged at once."""


class BusConnection:
    """One connection.

    Args:
        broker: its address, credentials and queue.
        base: the highest number of a delivery of an earlier connection.
        prefetch: the most messages that are not acknowledged yet.
        opened: is called when the connection is open, before the first message.
        take: handles messages.
    """

    def __init__(
        self, broker: BrokerInfo, base: int, prefetch: int, opened: Callable[[], None], take: MessageHandler
    ) -> None:
        self._broker_info = broker
        self._prefetch = prefetch
        self._opened = opened
        self._handler = take
        self._ended = False
        self._reported_open = False
        self._connection: aio_pika.abc.AbstractConnection | None = None
        self._outgoing: aio_pika.abc.AbstractChannel | None = None
        self._channel_lock = asyncio.Lock()
        self._published = 0
        self._unconfirmed = 0
        self._deliveries = Deliveries(base, prefetch)
        self._something_due = asyncio.Event()

    @property
    def last_delivery(self) -> int:
        """The highest number of a delivery so far."""
        return self._deliveries.last

    async def run(self) -> None:
        """Connect, and stay connected.

        Raises:
            BrokerLostError: always, at the end.
        """
        connection = await connect(self._broker_info)
        try:
            self._connection = connection
            await self._run_connection(connection)
        except asyncio.CancelledError:
            if tasks.is_cancelled():
                raise
            raise BrokerLostError("connection closed by the broker") from None
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            raise _broker_lost(error, "connection closed by the broker") from None
        finally:
            self._ended = True
            self._connection = None
            await close(connection)

    def acknowledge(self, deliveries: Iterable[int]) -> None:
        """Acknowledge these messages soon; those of earlier connections are skipped."""
        now_s = asyncio.get_running_loop().time()
        for number in deliveries:
            self._deliveries.acknowledge(number, now_s)
        if self._deliveries.waiting:
            self._something_due.set()

    async def publish(self, key: str, body: bytes, expires_in_ms: int) -> None:
        """Publish a command.

        Raises:
            NotSent: it was certainly not published.
            NoAnswer: the outcome is unknown.
        """
        expiration_s = min(expires_in_ms, LONGEST_TTL_MS) / 1000
        message = aio_pika.Message(body, content_type="application/json", expiration=expiration_s)
        exchange = await self._exchange()
        self._published += 1
        mine, alone = self._published, self._unconfirmed == 0
        self._unconfirmed += 1
        # In a task of its own: when a channel closes, `aiormq` cancels its waiters.
        publishing = asyncio.ensure_future(exchange.publish(message, key, mandatory=True))
        publishing.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.wait({publishing}, timeout=CONFIRM_S)
        finally:
            self._unconfirmed -= 1
            publishing.cancel()
        if publishing.cancelled() or not publishing.done():
            raise NoAnswer("the broker has not confirmed the command")
        _raise_outcome(publishing.exception(), alone=alone and self._published == mine)

    async def _exchange(self) -> aio_pika.abc.AbstractExchange:
        """Return the exchange for commands, on a channel of its own: a refused command closes its channel.

        Raises:
            NotSent: there is no channel.
        """
        async with self._channel_lock:
            if self._connection is None:
                raise NotSent("the broker is not connected")
            try:
                async with asyncio.timeout(CONNECT_S):
                    if self._outgoing is None or self._outgoing.is_closed:
                        self._outgoing = await self._connection.channel(on_return_raises=True)
                    return await self._outgoing.get_exchange(self._broker_info.exchange_name, ensure=False)
            except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
                raise NotSent(f"the broker opens no channel for commands: {_text(error)}") from None

    # --- connecting and consuming ------------------------------------------------------------------

    async def _run_connection(self, connection: aio_pika.abc.AbstractConnection) -> None:
        cancelled = asyncio.get_running_loop().create_future()

        def cancel(_: object) -> None:
            if not cancelled.done():
                cancelled.set_result(None)

        async with asyncio.timeout(CONNECT_S):
            incoming = await connection.channel(publisher_confirms=False)
            channel = await incoming.get_underlay_channel()
            channel.on_consumer_cancel_callbacks.add(cancel)
            await channel.basic_qos(prefetch_count=self._prefetch)
            await channel.basic_consume(self._broker_info.queue_name, self._on_message)
        self._report_open()
        flushing = asyncio.get_running_loop().create_task(self._flush(channel))
        ends = (cancelled, channel.closing, flushing)
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._flush_all(channel)
            raise
        finally:
            flushing.cancel()
        if cancelled.done():
            raise BrokerLostError("the broker has deleted the queue", info_rejected=True)
        for end in ends:
            if end.done():
                end.result()
        raise BrokerLostError("the broker has closed the channel")

    def _report_open(self) -> None:
        if not self._reported_open:
            self._reported_open = True
            self._opened()

    async def _on_message(self, message: DeliveredMessage) -> None:
        # Each is a task; none of them awaits, so that they keep their order.
        delivery = message.delivery
        if self._ended or not isinstance(delivery, aiormq.spec.Basic.Deliver):
            return
        self._report_open()
        number = self._deliveries.arrived(delivery.delivery_tag or 0)
        key = delivery.routing_key or ""
        if self._handler(key, message.body, number, bool(delivery.redelivered)):
            self.acknowledge((number,))

    # --- acknowledging -----------------------------------------------------------------------------

    async def _flush(self, channel: aiormq.abc.AbstractChannel) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._something_due.wait()
            self._something_due.clear()
            while self._deliveries.waiting:
                await asyncio.sleep(FLUSH_S)
                for tag, up_to in self._deliveries.due(loop.time()):
                    await channel.basic_ack(tag, multiple=up_to, wait=False)

    async def _flush_all(self, channel: aiormq.abc.AbstractChannel) -> None:
        """Send the remaining acknowledgements, so that their messages are not delivered again."""
        try:
            async with asyncio.timeout(LAST_ACKNOWLEDGEMENTS_S):
                for tag, up_to in self._deliveries.due(0.0, all_of_it=True):
                    await channel.basic_ack(tag, multiple=up_to, wait=True)
        except (AMQPError, OSError, TimeoutError, RuntimeError):
            return  # they are delivered again, and recognized


async def connect(broker: BrokerInfo) -> aio_pika.abc.AbstractConnection:
    """Connect to a broker.

    Raises:
        BrokerLostError: it cannot be reached, or refuses the credentials.
    """
    try:
        url = make_url(
            host=broker.server,
            port=broker.port,
            login=broker.username,
            password=broker.password,
            virtualhost=broker.virtual_host,
            ssl=broker.use_ssl,
            heartbeat=HEARTBEAT_S,
        )
    except ValueError:
        raise BrokerLostError("the broker's address is invalid", info_rejected=True) from None
    # Not `aio_pika.connect`: if it fails, it leaves a connection to the garbage collector, which closes
    # it in any thread.
    connection = aio_pika.Connection(url)
    try:
        # Not by `connect(timeout=...)`: before Python 3.12 it can lose the cancellation of a stop.
        async with asyncio.timeout(CONNECT_S):
            await connection.connect()
    except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
        await close(connection)
        raise _broker_lost(error, "the broker cannot be reached") from None
    except asyncio.CancelledError:
        await close(connection)
        if tasks.is_cancelled():
            raise
        raise BrokerLostError("the broker cannot be reached: it closed the connection") from None
    except BaseException:
        await close(connection)
        raise
    return connection


async def close(connection: aio_pika.abc.AbstractConnection) -> None:
    """Close a connection to a broker, which is gone within a short time in any case."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await connection.close()
    except (AMQPError, OSError, TimeoutError, RuntimeError):
        return  # the broker closes its side after a time-out
    except asyncio.CancelledError:
        if tasks.is_cancelled():
            raise


def _broker_lost(error: Exception, what: str) -> BrokerLostError:
    wrong = isinstance(
        error,
        AuthenticationError
        | ProbableAuthenticationError
        | ConnectionNotAllowed
        | ChannelAccessRefused
        | ChannelNotFoundEntity,
    )
    return BrokerLostError(f"{what}: {_text(error)}", info_rejected=wrong)


def _text(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return f"{type(error).__name__}: {error}"[:DETAIL_LIMIT]


def _raise_outcome(error: BaseException | None, *, alone: bool) -> None:
    """Raise what is certain about a command that was published.

    Args:
        error: the error of publishing, if any.
        alone: no other command was in flight. A channel that is closed because of one command fails all of
            them, and the earlier ones may have been published.
    """
    match error:
        case None:
            return
        case PublishError():
            raise NotSent("the broker has no route for this command")
        case ChannelNotFoundEntity() | ChannelAccessRefused() if alone:
            raise NotSent(f"the broker refuses commands: {_text(error)}")
        case ChannelInvalidStateError() | ValueError():
            raise NotSent(f"the command was not sent: {_text(error)}")
        case _:
            raise NoAnswer(f"the broker has not confirmed the command: {_text(error)}")
