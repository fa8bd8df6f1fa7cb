"""The WebSocket server, which passes on frames as bytes.

It puts the Sans-I/O protocol of `websockets` under a thin `asyncio.Protocol`: without a task or queue per
connection, a thousand connections cost little beside their messages.
"""

import asyncio
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Protocol, cast

from websockets.datastructures import MultipleValuesError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from chargebridge.emulators.central_system.transport.admission import identity_of

SUBPROTOCOL: Final = Subprotocol("ocpp1.6")
CLOSE_TIMEOUT_S: Final = 2.0
"""Real seconds a peer has to finish the closing handshake before its connection is aborted."""


class Listener(Protocol):
    """Receives connections and messages of the server."""

    def refusal(self, identity: str, authorization: str | None) -> HTTPStatus | None:
        """Return the HTTP status to refuse a handshake with, or None to accept it."""

    def opened(self, connection: "Connection") -> None:
        """Take a connection that has completed its handshake."""

    def received(self, connection: "Connection", data: bytes) -> None:
        """Take one complete text message."""

    def closed(self, connection: "Connection") -> None:
        """Take the end of a connection that was opened."""


class WebSocketServer:
    """Listens for connections, and keeps them until they close.

    Args:
        listener: receives connections and messages.
        tls: a server-side context for `wss`, or None for `ws`.
        max_message_bytes: a longer message closes its connection (1009).
    """

    def __init__(
        self, listener: Listener, tls: ssl.SSLContext | None = None, max_message_bytes: int = 2**20
    ) -> None:
        self.listener = listener
        self.max_message_bytes = max_message_bytes
        self.agrees_on_subprotocol = True
        """Whether handshakes are answered with the subprotocol; else the connection is closed at once."""
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    @property
    def listening(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def start(self, host: str, port: int) -> int:
        """Listen on `host` and `port` (0: any free one) and return the port.

        Raises:
            OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        # The whole fleet may connect at once after an outage.
        self._server = await loop.create_server(
            lambda: Connection(self), host, port, ssl=self._tls, backlog=4096
        )
        address: tuple[str, int] = self._server.sockets[0].getsockname()
        return address[1]

    async def stop(self, *, abort: bool = False) -> None:
        """Stop listening and end every connection: with a close frame (1001), or cut if `abort`."""
        if self._server is None:
            return
        self._server.close()
        connections = list(self._connections)
        for connection in connections:
            if abort:
                connection.abort()
            else:
                connection.close(CloseCode.GOING_AWAY)
        await asyncio.gather(*(connection.gone for connection in connections))
        await self._server.wait_closed()
        self._server = None

    def attach(self, connection: "Connection") -> None:
        """Keep a connection until it is detached."""
        self._connections.add(connection)

    def detach(self, connection: "Connection") -> None:
        """Remove a connection that has ended."""
        self._connections.discard(connection)


class Connection(asyncio.Protocol):
    """One WebSocket, from the TCP connection to its end."""

    def __init__(self, server: WebSocketServer) -> None:
        self.identity = ""
        """The charge point identity, decoded; empty until the handshake has been read."""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the TCP connection has ended."""
        self._server = server
        select = _select_subprotocol if server.agrees_on_subprotocol else _select_none
        self._protocol = ServerProtocol(select_subprotocol=select, max_size=server.max_message_bytes)
        self._transport: asyncio.Transport
        self._fragments: list[bytes] = []
        self._opened = False

    def __repr__(self) -> str:
        return f"<Connection {self.identity!r} {self._protocol.state.name}>"

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._opened and self._protocol.state is State.OPEN

    def send(self, data: bytes) -> None:
        """Send one text message; a connection that is not open drops it."""
        if self.is_open:
            self._protocol.send_text(data)
            self._write()

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Start the closing handshake; the connection is aborted if the peer does not finish it in time."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._write()
            self._abort_later()
        elif self._protocol.state is State.CONNECTING:
            self.abort()

    def abort(self) -> None:
        """Abort the TCP connection without a close frame."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio)."""
        # A TCP transport is both readable and writable, but uvloop's does not inherit asyncio's class.
        self._transport = cast(asyncio.Transport, transport)
        self._server.attach(self)

    def data_received(self, data: bytes) -> None:
        """Decode received bytes and handle the frames in them (asyncio)."""
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._take_frame(event)
        if protocol.writes:
            self._write()

    def eof_received(self) -> None:
        """Handle the end of the peer's data; asyncio closes the transport on None (asyncio)."""
        self._protocol.receive_eof()
        self._write()

    def connection_lost(self, _: Exception | None) -> None:
        """Report the end of the connection to the listener (asyncio)."""
        self._protocol.receive_eof()
        self._server.detach(self)
        if self._opened:
            self._opened = False
            self._server.listener.closed(self)
        self.gone.set_result(None)

    def _shake_hands(self, request: Request) -> None:
        protocol = self._protocol
        self.identity = identity_of(request.path)
        try:
            authorization = request.headers.get("Authorization")
        except MultipleValuesError:
            authorization = None
        status = self._server.listener.refusal(self.identity, authorization)
        if status is not None:
            response = protocol.reject(status, f"{status.phrase}: {self.identity}\n")
            if status is HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
        else:
            response = protocol.accept(request)
        protocol.send_response(response)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return
        if protocol.subprotocol is None:  # WS-3: accept without the header, then close at once
            self.close(CloseCode.PROTOCOL_ERROR, "no common subprotocol")
            return
        self._write()
        self._opened = True
        self._server.listener.opened(self)

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._protocol.fail(CloseCode.UNSUPPORTED_DATA, "OCPP-J messages are text")
        elif frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            data = bytes(frame.data)
            if self._fragments or not frame.fin:
                self._fragments.append(data)
                if not frame.fin:
                    return
                data = b"".join(self._fragments)
                self._fragments.clear()
            if self._opened:
                self._server.listener.received(self, data)

    def _write(self) -> None:
        if self._transport.is_closing():
            return
        for data in self._protocol.data_to_send():
            if data != SEND_EOF:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
                self._abort_later()
            else:
                self._transport.close()

    def _abort_later(self) -> None:
        timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)
        self.gone.add_done_callback(lambda _: timer.cancel())


def _select_subprotocol(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def _select_none(_: ServerProtocol, __: Sequence[Subprotocol]) -> Subprotocol | None:
    return None
