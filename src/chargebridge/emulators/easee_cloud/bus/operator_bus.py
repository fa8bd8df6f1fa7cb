"""The operator's AMQP 0-9-1 bus: publishes observations, pulses and responses, consumes commands.

Easee documents only the names of queue and exchange. That clients publish commands to the exchange and
consume everything else from the queue is inferred from these names. Routing keys and bodies are those of
the Masterloop platform, whose connection fields and command numbers the bus shares.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import aio_pika
import msgspec
import structlog
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage
from aiormq.exceptions import AMQPError
from msgspec import Struct

from chargebridge import tasks
from chargebridge.chargers.easee.twin.ticks import parse_time
from chargebridge.clock import Clock, format_utc
from chargebridge.emulators.easee_cloud.acknowledgement import PendingAcknowledgement
from chargebridge.emulators.easee_cloud.bus.outbox import BusMessage, Outbox
from chargebridge.emulators.easee_cloud.charger.last_values import Observed
from chargebridge.emulators.easee_cloud.commands.dispatch import Ticket, body_of
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.statistics import Statistics

BATCH: Final = 500
"""Messages published without waiting for a confirm in between."""
CONNECT_TIMEOUT_S: Final = 10.0
CONFIRM_TIMEOUT_S: Final = 30.0
"""Real seconds without a confirm after which the connection is given up."""
RETRY_S: Final = (0.2, 5.0)
"""Shortest and longest wait between two attempts to connect, in real seconds."""
PREFETCH: Final = 200
COMMAND_BYTES: Final = 64 * 1024

_log = structlog.get_logger(__name__)
_encoder = msgspec.json.Encoder()


class Argument(Struct, frozen=True, rename="pascal"):
    """An argument of a command. Ids count from 1."""

    id: int
    value: str | int | float | bool


class BusCommand(Struct, frozen=True, rename="pascal"):
    """The body of a command."""

    id: int
    expires_at: str | None = None
    arguments: Sequence[Argument] = ()

    def texts(self) -> list[str]:
        """Return the arguments as texts in the order of their ids; missing ones are empty."""
        by_id = {argument.id: argument.value for argument in self.arguments}
        most = min(max(by_id, default=0), 20)
        return [_text(by_id.get(position, "")) for position in range(1, most + 1)]


Take = Callable[[str, int, list[str], int | None, int | None], None]
"""Accepts a command: serial, command id, arguments, ticks, and its expiry in UTC milliseconds."""


class OperatorBus:
    """Stays connected to the broker, and keeps messages while the broker is away.

    Args:
        url: the broker's, as `amqp://USER:PASSWORD@HOST:PORT/`.
        settings: the operator's id, the patterns of routing keys, and the limit of the outbox.
        take: accepts commands; raises ValueError for unknown chargers.
        statistics: the counters of the cloud.
        clock: the cloud's time.
    """

    def __init__(
        self, url: str, settings: EaseeCloudSettings, take: Take, statistics: Statistics, clock: Clock
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
            raise ValueError("expected the broker's URL as amqp://USER:PASSWORD@HOST:PORT/")
        self.outbox = Outbox(settings.outbox_limit)
        """The messages that wait to be published."""
        self.on_room: Callable[[], None] = lambda: None
        """Called after each published batch: the outbox may accept refused chargers again."""
        self._url = url
        self._prefix = f"Operator_{settings.operator_id}"
        self._keys = settings.routing_keys
        self._command_key = _pattern(self._keys.command)
        self._take = take
        self._statistics = statistics
        self._clock = clock
        self._not_empty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- publishing -----------------------------------------------------------------------------------

    def observe(
        self, serial: str, observed: Observed, acknowledgement: PendingAcknowledgement | None
    ) -> None:
        """Publish an observation; the acknowledgement counts it when the broker has confirmed it."""
        if not self.outbox.accepts(serial, observed.id):
            if acknowledgement is not None:
                acknowledgement.abandon()
            return
        body = b'{"Timestamp":"%b","Value":%b}' % (
            format_utc(observed.at_ms).encode(),
            _encoder.encode(observed.text),
        )
        self._put(self._keys.observation.format(serial=serial, id=observed.id), body, acknowledgement)

    def respond(self, ticket: Ticket) -> None:
        """Publish the response to a command."""
        if not self.outbox.accepts(ticket.device, None):
            return
        status = body_of(ticket, ticket.ticks)
        body = {
            "Id": status["id"],
            "Timestamp": status["timestamp"],
            "DeliveredAt": status["deliveredAt"],
            "WasAccepted": status["wasAccepted"],
            "ResultCode": status["resultCode"],
            "Comment": status["comment"],
        }
        key = self._keys.response.format(serial=ticket.device, id=ticket.command, ticks=ticket.ticks)
        self._put(key, _encoder.encode(body), None)

    def pulse(self, serial: str, at_ms: int) -> None:
        """Publish a pulse, the sign of life of a charger."""
        if self.outbox.accepts(serial, None):
            body = {"Timestamp": format_utc(at_ms), "MID": serial, "PulseId": 0}
            self._put(self._keys.pulse.format(serial=serial), _encoder.encode(body), None)

    def _put(self, key: str, body: bytes, acknowledgement: PendingAcknowledgement | None) -> None:
        arrived = format_utc(self._clock.now().utc_ms)
        self.outbox.put(BusMessage(key, body, arrived, acknowledgement))
        self._not_empty.set()

    # --- the connection -------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect in the background, and stay connected."""
        self._task = asyncio.create_task(self._stay_connected())
        self._task.add_done_callback(_log_end)

    async def stop(self) -> None:
        """Disconnect. Unconfirmed messages stay in the outbox until the next start."""
        if self._task is not None:
            await tasks.end(self._task)
            self._task = None

    async def _stay_connected(self) -> None:
        shortest_s, longest_s = RETRY_S
        wait_s = shortest_s
        while True:
            try:
                # Not by `connect(timeout=...)`: before Python 3.12 it can lose the cancellation of a stop.
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    connection = await aio_pika.connect(self._url)
                async with connection:
                    channel = await connection.channel(publisher_confirms=True)
                    observations = await self._declare(channel)
                    self._statistics.broker_connections += 1
                    _log.info("connected to the broker", operator=self._prefix)
                    wait_s = shortest_s
                    await self._publish(channel, observations)
            except (AMQPError, OSError, TimeoutError, RuntimeError, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and tasks.is_cancelled():
                    raise
                # The libraries raise RuntimeError for a channel that has just been closed.
                _log.warning(
                    "broker disconnected, reconnecting",
                    error=str(error) or type(error).__name__,
                    retry_s=wait_s,
                )
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, longest_s)

    async def _declare(self, channel: AbstractChannel) -> AbstractExchange:
        """Declare queues and exchanges, consume commands, and return the exchange of observations."""
        await channel.set_qos(prefetch_count=PREFETCH)
        topic = aio_pika.ExchangeType.TOPIC
        commands = await channel.declare_exchange(f"{self._prefix}.C.X", topic, durable=True)
        ours = await channel.declare_queue(f"{self._prefix}.C.Q", durable=True)
        await ours.bind(commands, "#")
        observations = await channel.declare_exchange(f"{self._prefix}.O.X", topic, durable=True)
        theirs = await channel.declare_queue(f"{self._prefix}.Q", durable=True)
        await theirs.bind(observations, "#")
        await ours.consume(self._on_command)
        return observations

    async def _publish(self, channel: AbstractChannel, exchange: AbstractExchange) -> None:
        lost = asyncio.get_running_loop().create_future()

        def closed(*_: object) -> None:
            if not lost.done():
                lost.set_result(None)

        channel.close_callbacks.add(closed)
        while True:
            waiting = asyncio.ensure_future(self._not_empty.wait())
            try:
                await asyncio.wait((waiting, lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if lost.done():
                raise ConnectionResetError("the broker has closed the channel")
            self._not_empty.clear()
            while batch := self.outbox.take(BATCH):
                await self._publish_batch(exchange, batch)
                self.on_room()

    async def _publish_batch(self, exchange: AbstractExchange, batch: list[BusMessage]) -> None:
        """Publish a batch in order without waiting in between; return unconfirmed messages to the outbox."""
        unconfirmed = batch
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                # Tasks start in the order in which they were created, and the channel keeps that order.
                results = await asyncio.gather(
                    *(
                        exchange.publish(_message(message), message.routing_key, mandatory=False)
                        for message in batch
                    ),
                    return_exceptions=True,
                )
            unconfirmed = []
            failure: BaseException | None = None
            for message, result in zip(batch, results, strict=True):
                if isinstance(result, BaseException):
                    failure = result
                    unconfirmed.append(message)
                else:
                    self._statistics.published += 1
                    if message.acknowledgement is not None:
                        message.acknowledgement.count_delivered()
            if failure is not None:
                raise ConnectionResetError(f"not confirmed: {failure}") from failure
        finally:
            self.outbox.put_back(unconfirmed)
            if unconfirmed:
                self._not_empty.set()

    # --- consuming ------------------------------------------------------------------------------------

    async def _on_command(self, message: AbstractIncomingMessage) -> None:
        try:
            self._read(message)
        except ValueError as error:
            self._statistics.bus_commands_unreadable += 1
            _log.warning("bus command rejected", key=message.routing_key, error=str(error))
        await message.ack()

    def _read(self, message: AbstractIncomingMessage) -> None:
        self._statistics.bus_commands += 1
        key = self._command_key.fullmatch(message.routing_key or "")
        if key is None:
            raise ValueError("the routing key is not one of a command")
        if len(message.body) > COMMAND_BYTES:
            raise ValueError(f"the body is longer than {COMMAND_BYTES} bytes")
        try:
            command = msgspec.json.decode(message.body, type=BusCommand)
        except (RecursionError, msgspec.MsgspecError) as error:
            raise ValueError(str(error)) from None
        parts = key.groupdict()
        ticks = int(parts["ticks"]) if parts.get("ticks") else None
        expires_ms = None if command.expires_at is None else parse_time(command.expires_at)
        self._take(parts["serial"], command.id, command.texts(), ticks, expires_ms)


async def delete_bus(url: str, operator_id: str) -> None:
    """Delete an operator's queues and exchanges with their messages.

    Args:
        url: the broker's, as `amqp://USER:PASSWORD@HOST:PORT/`.
        operator_id: the operator, as in `EaseeCloudSettings.operator_id`.

    Raises:
        OSError, aio_pika.exceptions.AMQPError: the broker cannot be reached, or refuses.
    """
    prefix = f"Operator_{operator_id}"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for queue in (f"{prefix}.Q", f"{prefix}.C.Q"):
            await channel.queue_delete(queue)
        for exchange in (f"{prefix}.C.X", f"{prefix}.O.X"):
            await channel.exchange_delete(exchange)


def _log_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("operator bus stopped unexpectedly", exc_info=error)


def _message(message: BusMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers={"ArrivalTime": message.arrived},
    )


def _pattern(key: str) -> re.Pattern[str]:
    """Return the regular expression for routing keys that were formatted with a pattern."""
    parts = {"serial": r"(?P<serial>[^.]+)", "id": r"(?P<id>\d{1,9})", "ticks": r"(?P<ticks>\d{1,19})"}
    text = re.escape(key)
    for name, part in parts.items():
        text = text.replace(re.escape("{" + name + "}"), part)
    return re.compile(text, re.ASCII)


def _text(value: str | int | float | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
