"""An operator's end of the bus, and a way to a broker that can be cut."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aio_pika
import aiormq
import pytest

from chargebridge.chargers.easee.twin.ticks import format_time


def new_operator() -> str:
    """A name that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"


@dataclass
class Operator:
    """Reads an operator's queue and gives commands."""

    channel: aio_pika.abc.AbstractChannel
    operator_id: str
    messages: list[aio_pika.abc.AbstractIncomingMessage] = field(default_factory=list)

    async def consume(self) -> None:
        queue = await self.channel.declare_queue(f"Operator_{self.operator_id}.Q", durable=True, passive=True)

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            self.messages.append(message)
            await message.ack()

        await queue.consume(take)

    async def command(
        self, serial: str, command: int, *arguments: str, ticks: int, expires_ms: int, body: object = None
    ) -> None:
        exchange = await self.channel.get_exchange(f"Operator_{self.operator_id}.C.X", ensure=False)
        told = body or {
            "Id": command,
            "ExpiresAt": format_time(expires_ms),
            "Arguments": [{"Id": number, "Value": text} for number, text in enumerate(arguments, 1)],
        }
        message = aio_pika.Message(json.dumps(told).encode(), content_type="application/json")
        await exchange.publish(message, f"{serial}.C.{command}.{ticks}")

    def bodies(self, kind: str, serial: str = "EH000001") -> list[tuple[str, dict[str, object]]]:
        """Everything of one kind so far: what follows the kind in the routing key, and the body."""
        prefix = f"{serial}.{kind}"
        return [
            (message.routing_key.removeprefix(prefix).removeprefix("."), json.loads(message.body))
            for message in self.messages
            if f"{message.routing_key}.".startswith(f"{prefix}.")
        ]

    @property
    def observations(self) -> list[tuple[int, str]]:
        return [(int(id), body["Value"]) for id, body in self.bodies("O")]


def when_connected(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let something happen right when the next connection to a broker is complete."""
    connect = aiormq.connect

    async def connect_and_act(*arguments: object, **more: object) -> aiormq.abc.AbstractConnection:
        monkeypatch.setattr(aiormq, "connect", connect)
        connection = await connect(*arguments, **more)
        asyncio.get_running_loop().call_soon(act)
        return connection

    monkeypatch.setattr(aiormq, "connect", connect_and_act)


def connection_breaks_while_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next connection to a broker end as `aiormq` ends one: by cancelling whoever waits for it."""
    connect = aiormq.connect

    async def connect_and_break(*_: object, **__: object) -> aiormq.abc.AbstractConnection:
        monkeypatch.setattr(aiormq, "connect", connect)
        waiter = asyncio.get_running_loop().create_future()
        waiter.cancel()
        await waiter
        raise AssertionError("a cancelled future has no result")

    monkeypatch.setattr(aiormq, "connect", connect_and_break)


@asynccontextmanager
async def operator_of(url: str, operator_id: str, *, consumes: bool = True) -> AsyncIterator[Operator]:
    """Be the operator, and take down what there is of the bus in the end."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        # As the cloud declares it, so that nothing depends on who comes first.
        await channel.declare_queue(f"Operator_{operator_id}.Q", durable=True)
        operator = Operator(channel, operator_id)
        if consumes:
            await operator.consume()
        try:
            yield operator
        finally:
            for name in (f"Operator_{operator_id}.Q", f"Operator_{operator_id}.C.Q"):
                await channel.queue_delete(name)
            for name in (f"Operator_{operator_id}.C.X", f"Operator_{operator_id}.O.X"):
                await channel.exchange_delete(name)


class Cable:
    """A TCP connection to a broker through this process, which can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.whole = True
        self._to = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Cable":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        if self._serving:
            await asyncio.wait(self._serving)

    def cut(self) -> None:
        """Let no connection live, nor come."""
        self.whole = False
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self.whole = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.whole:
            writer.transport.abort()
            return
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        there_reader, there = await asyncio.open_connection(*self._to)
        self._writers |= {writer, there}
        await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))
        self._writers -= {writer, there}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
