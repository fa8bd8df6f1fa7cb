"""The SignalR hub over WebSockets, where clients subscribe to chargers one by one."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from random import Random
from typing import Final, Protocol

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.problems import answer
from chargebridge.emulators.easee_cloud.scheduler import Scheduler
from chargebridge.emulators.easee_cloud.statistics import Statistics
from chargebridge.emulators.easee_cloud.stream import signalr

HANDSHAKE_TIMEOUT_S: Final = 15.0
FRAME_SIZE: Final = 64 * 1024
"""Unsent messages are joined into frames of about so many bytes, as the real server does."""
MESSAGE_LIMIT: Final = 64 * 1024
_BACKPRESSURE_SHARE: Final = 1 / 32
"""Share of the buffer that may be unsent while the hub still reads the client's calls: each of them may ask
for the current state of a charger, and that of a whole fleet is more than a buffer holds."""
NEGOTIATED_KEPT: Final = 1000
SUBSCRIPTIONS_LIMIT: Final = 50_000
"""Chargers one stream may subscribe to."""

_TRANSPORTS: Final = (
    {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]},
    {"transport": "ServerSentEvents", "transferFormats": ["Text"]},
    {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]},
)

_log = structlog.get_logger(__name__)


class Replay(Protocol):
    """Returns the current state of a charger for a new subscriber."""

    def __call__(self, serial: str) -> Iterable[bytes] | None:
        """Return the last values of a charger as messages; None if the charger is unknown."""


class Hub:
    """The streams and their subscriptions.

    Args:
        replay: returns the current state of a charger for a new subscriber.
        misbehaviour: the faults to emulate.
        dice: decides when a fault happens.
        statistics: the cloud's counters.
        scheduler: cuts streams for `Misbehaviour.drop_streams_every_s`.
        seed: decides the connection ids.
        ping_s: real seconds between two pings.
        buffer_bytes: unsent bytes of a stream above which it is closed.
    """

    def __init__(
        self,
        replay: Replay,
        misbehaviour: Misbehaviour,
        dice: Dice,
        statistics: Statistics,
        scheduler: Scheduler,
        seed: int,
        *,
        ping_s: float,
        buffer_bytes: int,
    ) -> None:
        self.replay = replay
        self.misbehaviour = misbehaviour
        self.statistics = statistics
        self.ping_s = ping_s
        self.buffer_bytes = buffer_bytes
        self._dice = dice
        self._scheduler = scheduler
        self._drop_is_planned = False
        self._random = Random(f"connections/{seed}")  # noqa: S311 - of an emulator, and reproducible
        self._negotiated: dict[str, None] = {}
        self._streams: set[Stream] = set()
        self._subscribers: dict[str, set[Stream]] = {}

    def __len__(self) -> int:
        return len(self._streams)

    # --- connections ----------------------------------------------------------------------------------

    def negotiate(self) -> web.Response:
        """Return a connection id, as the real server does for version 0 of the negotiation."""
        connection_id = f"{self._random.getrandbits(128):032x}"
        self._negotiated[connection_id] = None
        while len(self._negotiated) > NEGOTIATED_KEPT:
            del self._negotiated[next(iter(self._negotiated))]
        return answer(
            {"negotiateVersion": 0, "connectionId": connection_id, "availableTransports": _TRANSPORTS}
        )

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Serve one stream until it ends. A connection id is valid once, and may be left out."""
        connection_id = request.query.get("id")
        if connection_id is not None:
            if connection_id not in self._negotiated:
                self.statistics.streams_refused += 1
                return web.Response(status=404, text="No Connection with that ID")
            del self._negotiated[connection_id]
        socket = web.WebSocketResponse(max_msg_size=MESSAGE_LIMIT, compress=False, timeout=2.0)
        if not socket.can_prepare(request).ok:
            return web.Response(status=400, text="Connection ID required")
        await socket.prepare(request)
        stream = Stream(self, socket, request.transport)
        if self._dice("deaf", self.misbehaviour.deaf):
            stream.silent = True
        self._streams.add(stream)
        self.statistics.streams_opened += 1
        try:
            await stream.serve()
        finally:
            self._streams.discard(stream)
            for serial in stream.serials:
                self._subscribers[serial].discard(stream)
        return socket

    def _plan_drop(self) -> None:
        """Schedule the next cut of all streams, if `drop_streams_every_s` is set."""
        every_s = self.misbehaviour.drop_streams_every_s
        if not every_s or self._drop_is_planned:
            return
        self._drop_is_planned = True

        def drop() -> None:
            self._drop_is_planned = False
            if self.misbehaviour.drop_streams_every_s and self._streams:
                self.statistics.misbehaved["drop_streams_every_s"] += 1
                self.drop_all()

        self._scheduler.schedule("drop streams", self._scheduler.now_ms + round(every_s * 1000), drop)

    def drop_all(self) -> None:
        """Cut all streams at once, without a close message."""
        for stream in list(self._streams):
            stream.cut()

    # --- subscriptions --------------------------------------------------------------------------------

    def subscribe(self, serial: str, stream: "Stream") -> None:
        """Subscribe a stream to a charger."""
        self.statistics.subscriptions += 1
        stream.serials.add(serial)
        self._subscribers.setdefault(serial, set()).add(stream)

    def unsubscribe(self, serial: str, stream: "Stream") -> None:
        """End the subscription of a stream to a charger."""
        stream.serials.discard(serial)
        self._subscribers.get(serial, set()).discard(stream)

    def has_subscribers(self, serial: str) -> bool:
        """Return whether any stream is subscribed to a charger."""
        return bool(self._subscribers.get(serial))

    def update(self, serial: str, message: bytes) -> None:
        """Send an observation to all subscribers of its charger."""
        self._plan_drop()
        for stream in self._subscribers.get(serial, ()):
            self.statistics.updates_sent += 1
            stream.send(message)

    def respond(self, serial: str, body: Mapping[str, object]) -> None:
        """Send a CommandResponse to all subscribers of its charger."""
        message = signalr.invocation("CommandResponse", body)
        for stream in self._subscribers.get(serial, ()):
            self.statistics.responses_sent += 1
            stream.send(message)


class Stream:
    """One client's connection to the hub.

    Args:
        hub: the hub it belongs to.
        socket: its WebSocket, after the opening handshake.
        transport: the TCP connection below the WebSocket.
    """

    def __init__(self, hub: Hub, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self.serials: set[str] = set()
        self.silent = False
        """Whether it is open but sends nothing."""
        self._hub = hub
        self._socket = socket
        self._transport = transport
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._not_empty = asyncio.Event()
        self._flushing = asyncio.Lock()

    def send(self, message: bytes) -> None:
        """Send a message as soon as the client reads."""
        if self.silent or self._hub.misbehaviour.silent_streams:
            return
        self._unsent.append(message)
        self._unsent_bytes += len(message)
        if self._unsent_bytes > self._hub.buffer_bytes:
            self._hub.statistics.streams_too_slow += 1
            _log.warning("stream cut: its client does not read", unsent_bytes=self._unsent_bytes)
            self.cut()
            return
        self._not_empty.set()

    def cut(self) -> None:
        """Cut the connection, without a close message."""
        self._unsent.clear()
        if self._transport is not None:
            self._transport.abort()

    async def serve(self) -> None:
        """Complete the SignalR handshake, then serve the client until it leaves."""
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                rest = await self._shake_hands()
        except (TimeoutError, signalr.MessageError) as error:
            _log.warning("stream closed: no valid SignalR handshake", error=str(error))
            await self._socket.close(code=WSCloseCode.PROTOCOL_ERROR)
            return
        if rest is None:
            return
        await self._socket.send_frame(signalr.HANDSHAKE_ACCEPTED, WSMsgType.TEXT)
        writer = asyncio.create_task(self._write())
        self._pings = asyncio.get_running_loop().call_later(self._hub.ping_s, self._ping)
        try:
            await self._listen(rest)
        except ConnectionError:
            return
        except signalr.MessageError as error:
            self.send(signalr.close(str(error)))
            with contextlib.suppress(ConnectionError):
                await self._flush()
        finally:
            self._pings.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await self._socket.close()

    async def _shake_hands(self) -> list[bytes] | None:
        """Return the messages that came together with the handshake; None if the connection has ended."""
        data = b""
        while signalr.SEPARATOR not in data:
            chunk = await self._receive()
            if chunk is None:
                return None
            data += chunk
            if len(data) > MESSAGE_LIMIT:
                raise signalr.MessageError("the handshake is too long")
        first, _, rest = data.partition(signalr.SEPARATOR)
        handshake = signalr.read_handshake(first)
        if handshake.protocol != "json":
            refusal = f"The protocol '{handshake.protocol}' is not supported."
            await self._socket.send_str(signalr.handshake_refused(refusal).decode())
            raise signalr.MessageError(refusal)
        return [rest] if rest else []

    async def _listen(self, chunks: list[bytes]) -> None:
        data = b"".join(chunks)
        while True:
            *messages, data = data.split(signalr.SEPARATOR)
            for message in messages:
                if not self._take(signalr.read_message(message)):
                    return
                if self._unsent_bytes > self._hub.buffer_bytes * _BACKPRESSURE_SHARE:
                    await self._flush()
            if len(data) > MESSAGE_LIMIT:
                raise signalr.MessageError("a message is too long")
            chunk = await self._receive()
            if chunk is None:
                return
            data += chunk

    async def _receive(self) -> bytes | None:
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            text: str = message.data
            return text.encode()
        if message.type is WSMsgType.BINARY:
            data: bytes = message.data
            return data
        return None

    def _take(self, message: signalr.ClientMessage) -> bool:
        """Handle a message of the client; return False if it closes the connection."""
        if message.type == signalr.CLOSE:
            return False
        if message.type == signalr.INVOCATION:
            error = self._invoke(message)
            if message.invocation_id is not None:
                self.send(signalr.completion(message.invocation_id, error))
        return True

    def _invoke(self, message: signalr.ClientMessage) -> str | None:
        """Execute an invocation; return the error, or None."""
        arguments = message.arguments
        serial = arguments[0] if arguments else None
        if not isinstance(serial, str):
            return f"Failed to invoke '{message.target}' due to an error on the server."
        match message.target.lower():
            case "subscribewithcurrentstate":
                replayed = self._hub.replay(serial)
                if replayed is None or len(self.serials) >= SUBSCRIPTIONS_LIMIT:
                    return f"No access to {serial[:40]}."
                if len(arguments) > 1 and arguments[1]:
                    for update in replayed:
                        self.send(update)
                self._hub.subscribe(serial, self)
                return None
            case "unsubscribe":
                self._hub.unsubscribe(serial, self)
                return None
        return f"Unknown hub method '{message.target[:40]}'"

    def _ping(self) -> None:
        self.send(signalr.PING)
        self._pings = asyncio.get_running_loop().call_later(self._hub.ping_s, self._ping)

    async def _write(self) -> None:
        while True:
            await self._not_empty.wait()
            try:
                await self._flush()
            except ConnectionError:
                return  # the reader sees it, too, and ends the stream

    async def _flush(self) -> None:
        async with self._flushing:
            while self._unsent:
                await self._send_all()
            self._not_empty.clear()

    async def _send_all(self) -> None:
        unsent, self._unsent = self._unsent, []
        self._unsent_bytes = 0
        frame: list[bytes] = []
        size = 0
        for message in unsent:
            frame.append(message)
            size += len(message)
            if size >= FRAME_SIZE:
                await self._socket.send_frame(b"".join(frame), WSMsgType.TEXT)
                frame, size = [], 0
        if frame:
            await self._socket.send_frame(b"".join(frame), WSMsgType.TEXT)
