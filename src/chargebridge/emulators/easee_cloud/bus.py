"""The operator's message bus: observations, pulses and responses go out, commands come in (AMQP 0-9-1).

Only the names of queue and exchange are documented. That the exchange takes commands and the queue gives
everything else is inferred from these names; routing keys and bodies are those of the Masterloop platform,
whose connection fields and command numbers the bus has.
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

from chargebridge.chargers.easee.twin.ticks import parse_time
from chargebridge.clock import Clock, format_utc
from chargebridge.emulators.easee_cloud.commands import Ticket, body_of
from chargebridge.emulators.easee_cloud.letters import Letter, Letters
from chargebridge.emulators.easee_cloud.receipt import Receipt
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings
from chargebridge.emulators.easee_cloud.shadow import Observed
from chargebridge.emulators.easee_cloud.statistics import Statistics

BATCH: Final = 500
"""Messages that are on their way to the broker at a time."""
CONNECT_TIMEOUT_S: Final = 10.0
CONFIRM_TIMEOUT_S: Final = 30.0
"""Real seconds after which a broker that confirms nothing is left."""
RETRY_S: Final = (0.2, 5.0)
"""Real seconds between two attempts to connect: at first, and at most."""
PREFETCH: Final = 200
COMMAND_BYTES: Final = 64 * 1024

_log = structlog.get_logger(__name__)
_encoder = msgspec.json.Encoder()


class Argument(Struct, frozen=True, rename="pascal"):
    """An argument of a command; ids count from 1."""

    id: int
    value: str | int | float | bool


class BusCommand(Struct, frozen=True, rename="pascal"):
    """The body of a command."""

    id: int
    expires_at: str | None = None
    arguments: Sequence[Argument] = ()

    def texts(self) -> list[str]:
        """Return the arguments in the order of their ids; missing ones are empty."""
        by_id = {argument.id: argument.value for argument in self.arguments}
        most = min(max(by_id, default=0), 20)
        return [_text(by_id.get(position, "")) for position in range(1, most + 1)]


Take = Callable[[str, int, list[str], int | None, int | None], None]
"""Takes a command: serial, number, arguments, ticks, and when it expires in UTC milliseconds."""


class OperatorBus:
    """Keeps connected to the broker, and loses nothing while it is away.

    Args:
        url: of the broker.
        settings: the operator, and patterns of routing keys.
        take: takes commands; raises ValueError for those that it cannot.
        statistics: counts.
        clock: whose time counts.

    Raises:
        ValueError: the URL is none of a broker.
    """

    def __init__(
        self, url: str, settings: EaseeCloudSettings, take: Take, statistics: Statistics, clock: Clock
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
            raise ValueError("expected the broker's URL as amqp://USER:PASSWORD@HOST:PORT/")
        self.letters = Letters()
        """What waits to be published."""
        self.on_room: Callable[[], None] = lambda: None
        """Called when messages have gone out, so that there may be room for what was missed."""
        self._url = url
        self._prefix = f"Operator_{settings.operator_id}"
        self._keys = settings.routing_keys
        self._command_key = _pattern(self._keys.command)
        self._take = take
        self._statistics = statistics
        self._clock = clock
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- what goes out --------------------------------------------------------------------------------

    def observe(self, serial: str, observed: Observed, receipt: Receipt | None) -> None:
        """Publish an observation, and tell the receipt when the broker has confirmed it."""
        if not self.letters.takes(serial, observed.id):
            if receipt is not None:
                receipt.give_up()
            return
        body = b'{"Timestamp":"%b","Value":%b}' % (
            format_utc(observed.at_ms).encode(),
            _encoder.encode(observed.text),
        )
        self._put(self._keys.observation.format(serial=serial, id=observed.id), body, receipt)

    def respond(self, ticket: Ticket) -> None:
        """Publish the answer to a command."""
        if not self.letters.takes(ticket.device, None):
            return
        told = body_of(ticket, ticket.ticks)
        body = {
            "Id": told["id"],
            "Timestamp": told["timestamp"],
            "DeliveredAt": told["deliveredAt"],
            "WasAccepted": told["wasAccepted"],
            "ResultCode": told["resultCode"],
            "Comment": told["comment"],
        }
        key = self._keys.response.format(serial=ticket.device, id=ticket.command, ticks=ticket.ticks)
        self._put(key, _encoder.encode(body), None)

    def pulse(self, serial: str, at_ms: int) -> None:
        """Publish a sign of life."""
        if self.letters.takes(serial, None):
            body = {"Timestamp": format_utc(at_ms), "MID": serial, "PulseId": 0}
            self._put(self._keys.pulse.format(serial=serial), _encoder.encode(body), None)

    def _put(self, key: str, body: bytes, receipt: Receipt | None) -> None:
        arrived = format_utc(self._clock.now().utc_ms)
        self.letters.put(Letter(key, body, arrived, receipt))
        self._news.set()

    # --- the connection -------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, and stay connected; does not wait for it."""
        self._task = asyncio.create_task(self._stay_connected())
        self._task.add_done_callback(_complain)

    async def stop(self) -> None:
        """Disconnect; what is not confirmed waits for the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _stay_connected(self) -> None:
        shortest_s, longest_s = RETRY_S
        wait_s = shortest_s
        while True:
            try:
                connection = await aio_pika.connect(self._url, timeout=CONNECT_TIMEOUT_S)
                async with connection:
                    channel = await connection.channel(publisher_confirms=True)
                    observations = await self._declare(channel)
                    self._statistics.broker_connections += 1
                    _log.info("connected to the broker", operator=self._prefix)
                    wait_s = shortest_s
                    await self._publish(channel, observations)
            except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
                # RuntimeError: what the libraries say of a channel that has just been closed.
                _log.warning("the broker is away", error=str(error) or type(error).__name__, retry_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, longest_s)

    async def _declare(self, channel: AbstractChannel) -> AbstractExchange:
        """Declare what clients find, begin to take commands, and return where observations go."""
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
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait((news, lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            if lost.done():
                raise ConnectionResetError("the broker has closed the channel")
            self._news.clear()
            while letters := self.letters.take(BATCH):
                await self._publish_batch(exchange, letters)
                self.on_room()

    async def _publish_batch(self, exchange: AbstractExchange, letters: list[Letter]) -> None:
        """Publish messages in their order, all on their way at once; those not confirmed wait again."""
        unconfirmed = letters
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                # Tasks begin in their order, and the channel lets them through in it.
                results = await asyncio.gather(
                    *(
                        exchange.publish(_message(letter), letter.routing_key, mandatory=False)
                        for letter in letters
                    ),
                    return_exceptions=True,
                )
            unconfirmed = []
            failure: BaseException | None = None
            for letter, result in zip(letters, results, strict=True):
                if isinstance(result, BaseException):
                    failure = result
                    unconfirmed.append(letter)
                else:
                    self._statistics.published += 1
                    if letter.receipt is not None:
                        letter.receipt.one_is_out()
            if failure is not None:
                raise ConnectionResetError(f"not confirmed: {failure}") from failure
        finally:
            self.letters.put_back(unconfirmed)
            if unconfirmed:
                self._news.set()

    # --- what comes in --------------------------------------------------------------------------------

    async def _on_command(self, message: AbstractIncomingMessage) -> None:
        try:
            self._read(message)
        except ValueError as error:
            self._statistics.bus_commands_unreadable += 1
            _log.warning("a command on the bus is not understood", key=message.routing_key, error=str(error))
        await message.ack()

    def _read(self, message: AbstractIncomingMessage) -> None:
        self._statistics.bus_commands += 1
        key = self._command_key.fullmatch(message.routing_key or "")
        if key is None:
            raise ValueError("no routing key of a command")
        if len(message.body) > COMMAND_BYTES:
            raise ValueError("too long")
        try:
            command = msgspec.json.decode(message.body, type=BusCommand)
        except (RecursionError, msgspec.MsgspecError) as error:
            raise ValueError(str(error)) from None
        parts = key.groupdict()
        ticks = int(parts["ticks"]) if parts.get("ticks") else None
        expires_ms = None if command.expires_at is None else parse_time(command.expires_at)
        self._take(parts["serial"], command.id, command.texts(), ticks, expires_ms)


async def delete_bus(url: str, operator_id: str) -> None:
    """Delete an operator's queues and exchanges, with all that is in them.

    Args:
        url: of the broker.
        operator_id: whose they are.

    Raises:
        OSError, aio_pika.exceptions.AMQPError: the broker cannot be asked.
    """
    prefix = f"Operator_{operator_id}"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for queue in (f"{prefix}.Q", f"{prefix}.C.Q"):
            await channel.queue_delete(queue)
        for exchange in (f"{prefix}.C.X", f"{prefix}.O.X"):
            await channel.exchange_delete(exchange)


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("the operator's bus has ended", exc_info=error)


def _message(letter: Letter) -> aio_pika.Message:
    return aio_pika.Message(
        letter.body,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers={"ArrivalTime": letter.arrived},
    )


def _pattern(key: str) -> re.Pattern[str]:
    """Return what matches routing keys that were made with a pattern."""
    parts = {"serial": r"(?P<serial>[^.]+)", "id": r"(?P<id>\d{1,9})", "ticks": r"(?P<ticks>\d{1,19})"}
    text = re.escape(key)
    for name, part in parts.items():
        text = text.replace(re.escape("{" + name + "}"), part)
    return re.compile(text, re.ASCII)


def _text(value: str | int | float | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
