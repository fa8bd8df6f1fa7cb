"""A simulated cloud behind a TCP socket, so that chargers continue while a gateway is killed."""

import asyncio
import contextlib
import hmac
import sqlite3
from typing import Final

import msgspec
import structlog

from chargebridge.chargers.model import ChargerEvent, ChargerInfo, CommandOutcome
from chargebridge.chargers.simulator.actions import ActionError
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.remote import wire

HELLO_TIMEOUT_S: Final = 5.0
BACKLOG_LIMIT: Final = 32 * 1024 * 1024
"""The most unsent bytes to a client; a slower client is disconnected, and gets its events again later."""

_log = structlog.get_logger(__name__)


class CloudServer:
    """Serves one cloud to any number of clients on 127.0.0.1.

    Args:
        cloud: the cloud, started and stopped by its owner.
        token: the secret that clients must send.
        port: 0 lets the system choose; `port` is the chosen one after `start`.
    """

    def __init__(self, cloud: SimulatedCloud, token: str, port: int = 0) -> None:
        self.port = port
        self._cloud = cloud
        self._token = token.encode()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> None:
        """Listen; raises OSError if the port is taken."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=wire.LINE_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and disconnect all clients."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.gather(*(connection.ended.wait() for connection in list(self._connections)))
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self._cloud, writer)
        self._connections.add(connection)
        try:
            if await self._greeted(reader):
                await connection.listen(reader)
            else:
                _log.warning("client refused: wrong token")
        except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            # ValueError: the line was longer than the limit. RecursionError: it was nested too deeply.
            _log.warning("client disconnected after an error", error=str(error))
        finally:
            connection.leave()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            # `stop` waits until here.
            self._connections.discard(connection)
            connection.ended.set()

    async def _greeted(self, reader: asyncio.StreamReader) -> bool:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                text = await reader.readline()
        except TimeoutError:
            return False
        try:
            hello = wire.from_client.decode(text)
        except (RecursionError, msgspec.MsgspecError):
            return False
        return isinstance(hello, wire.Hello) and hmac.compare_digest(hello.token.encode(), self._token)


class _Connection:
    """One client; a `Subscriber` of the cloud."""

    def __init__(self, cloud: SimulatedCloud, writer: asyncio.StreamWriter) -> None:
        self.ended = asyncio.Event()
        self._cloud = cloud
        self._writer = writer
        self._serials: set[str] = set()
        self._lines: list[bytes] = []

    async def listen(self, reader: asyncio.StreamReader) -> None:
        while text := await reader.readline():
            self._take(wire.from_client.decode(text))

    def leave(self) -> None:
        for serial in self._serials:
            self._cloud.unsubscribe(serial, self)
        self._serials.clear()
        self._lines.clear()

    def abort(self) -> None:
        self._writer.transport.abort()

    def _take(self, message: wire.FromClient) -> None:
        match message:
            case wire.Subscribe(serials=serials):
                unknown = [serial for serial in serials if not self._cloud.subscribe(serial, self)]
                self._serials.update(set(serials).difference(unknown))
                if unknown:
                    self._send(wire.UnknownChargers(unknown))
            case wire.Unsubscribe(serials=serials):
                for serial in serials:
                    self._cloud.unsubscribe(serial, self)
                self._serials.difference_update(serials)
                self._send(wire.Unsubscribed(serials))
            case wire.Acknowledge(receipts=receipts):
                for serial, number in receipts:
                    self._cloud.acknowledge(serial, number)
            case wire.Command(serial=serial, command=command):
                self._cloud.command(serial, command, self)
            case wire.Request():
                self._send(self._act(message))
            case wire.Hello():
                raise msgspec.ValidationError("a second hello")

    def _act(self, request: wire.Request) -> wire.Response | wire.Failure:
        try:
            view = self._cloud.act(request.serial, request.action, request.arguments)
        except (ActionError, sqlite3.Error) as error:
            return wire.Failure(request.id, str(error))
        return wire.Response(request.id, view)

    # --- messages to the client ------------------------------------------------------------------

    def charger_described(self, info: ChargerInfo) -> None:
        self._send(wire.ChargerDescribed(info))

    def event_received(self, serial: str, number: int, event: ChargerEvent) -> None:
        self._send(wire.EventOccurred(serial, number, event))

    def command_ended(self, serial: str, outcome: CommandOutcome) -> None:
        self._send(wire.CommandEnded(serial, outcome))

    def _send(self, message: wire.FromCloud) -> None:
        if not self._lines:
            # All messages of a step are sent in one write.
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(wire.line(message))

    def _flush(self) -> None:
        transport = self._writer.transport
        if self._lines and not transport.is_closing():
            self._writer.write(b"".join(self._lines))
            if transport.get_write_buffer_size() > BACKLOG_LIMIT:
                _log.warning("client too slow, disconnected")
                transport.abort()
        self._lines.clear()
