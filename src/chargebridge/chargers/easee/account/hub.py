"""One connection to a SignalR hub, from its opening to its end.

SignalR's JSON protocol is small: a handshake, then messages, each followed by a separator, and pings in both
directions. It is implemented here on `websockets`. The library `pysignalr` was tried and does not fit:
importing it replaces a method of `websockets` for the whole process, it reconnects for ever with its first
token, it puts that token into every message, it drops a connection because of one unreadable message, and it
leaves closing to the garbage collector.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from chargebridge.chargers.easee.account.failures import DETAIL_LIMIT
from chargebridge.chargers.easee.account.transport import Received
from chargebridge.chargers.easee.twin.hub_messages import SEPARATOR

FRAME_LIMIT: Final = 1024 * 1024
"""The most bytes of a frame."""
CLOSE_S: Final = 2.0
"""Real seconds for the closing handshake."""

_HANDSHAKE: Final = '{"protocol":"json","version":1}' + SEPARATOR
_PING: Final = '{"type":6}' + SEPARATOR

# At level DEBUG `websockets` logs headers, and with them the token.
_hub_logger: Final = logging.getLogger(__name__)
_hub_logger.setLevel(logging.WARNING)


class HubLostError(Exception):
    """The connection failed to open, or it has ended.

    Args:
        reason: the reason, for an operator.
        refusal: the answer of a server that refused the WebSocket.
    """

    def __init__(self, reason: str, refusal: Received | None = None) -> None:
        super().__init__(reason[:DETAIL_LIMIT])
        self.refusal = refusal


class HubTimes(Struct, frozen=True):
    """The time-outs of a connection, in real seconds."""

    open_s: float = 30.0
    """For opening, both handshakes included."""
    silence_s: float = 45.0
    """Without any frame; the hub pings every 15 s."""
    ping_s: float = 15.0


class _Call(Struct, frozen=True, rename="camel"):
    target: str
    arguments: Sequence[object]
    invocation_id: str
    type: int = 1


class _Handshake(Struct, frozen=True):
    error: str | None = None


class Hub:
    """One connection.

    Args:
        url: the URL of the WebSocket, with the negotiated id.
        headers: the headers of the request that opens it.
        opened: is called when messages may be sent.
        frame: is called with every frame: messages, each followed by `SEPARATOR`.
        times: the time-outs.
    """

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        opened: Callable[[], None],
        frame: Callable[[str], None],
        times: HubTimes,
    ) -> None:
        self._url = url
        self._headers = headers
        self._opened = opened
        self._frame = frame
        self._times = times
        self._socket: ClientConnection | None = None

    async def run(self) -> None:
        """Connect, and stay connected.

        Raises:
            HubLostError: always, at the end.
        """
        socket = await self._open()
        pinging: asyncio.Task[None] | None = None
        try:
            rest = await self._handshake(socket)
            pinging = asyncio.get_running_loop().create_task(self._ping(socket))
            self._socket = socket
            self._opened()
            if rest:
                self._frame(rest)
            await self._listen(socket)
        except ConnectionClosed as error:
            raise HubLostError(_close_reason(error)) from None
        finally:
            self._socket = None
            if pinging is not None:
                pinging.cancel()
            await socket.close()

    async def invoke(self, target: str, arguments: Sequence[object], invocation_id: str) -> None:
        """Call a method of the hub; its result arrives as a frame.

        Raises:
            HubLostError: the connection has ended, or is not open yet.
        """
        if self._socket is None:
            raise HubLostError("the stream is not open")
        call = msgspec.json.encode(_Call(target, arguments, invocation_id)).decode()
        try:
            await self._socket.send(call + SEPARATOR)
        except ConnectionClosed as error:
            raise HubLostError(_close_reason(error)) from None

    async def _open(self) -> ClientConnection:
        opening = connect(
            self._url,
            additional_headers=self._headers,
            user_agent_header=None,  # it is in `headers`
            open_timeout=self._times.open_s,
            close_timeout=CLOSE_S,
            ping_interval=None,  # SignalR has pings of its own
            max_size=FRAME_LIMIT,
            logger=_hub_logger,
        )
        try:
            return await opening
        except InvalidStatus as error:
            answer = error.response
            retry_after = next(iter(answer.headers.get_all("Retry-After")), None)
            refusal = Received(answer.status_code, bytes(answer.body or b""), retry_after)
            raise HubLostError(f"the stream was refused: HTTP {refusal.status}", refusal) from None
        except TimeoutError:
            raise HubLostError(f"the stream did not open for {self._times.open_s:g} s") from None
        except (WebSocketException, OSError) as error:
            raise HubLostError(f"the stream cannot be opened: {type(error).__name__}: {error}") from None

    async def _handshake(self, socket: ClientConnection) -> str:
        """Agree on the protocol; return the messages that came with the answer."""
        try:
            async with asyncio.timeout(self._times.open_s):
                await socket.send(_HANDSHAKE)
                answer, _, rest = _text(await socket.recv()).partition(SEPARATOR)
            error = msgspec.json.decode(answer, type=_Handshake).error
        except TimeoutError:
            raise HubLostError(f"the stream did not open for {self._times.open_s:g} s") from None
        except (msgspec.MsgspecError, ValueError):
            raise HubLostError("the stream's handshake cannot be read") from None
        if error is not None:
            raise HubLostError(f"the stream's handshake was refused: {error}")
        return rest

    async def _listen(self, socket: ClientConnection) -> None:
        loop, silence_s = asyncio.get_running_loop(), self._times.silence_s
        try:
            async with asyncio.timeout(silence_s) as timeout:
                while True:
                    frame = await socket.recv()
                    timeout.reschedule(loop.time() + silence_s)
                    self._frame(_text(frame))
        except TimeoutError:
            raise HubLostError(f"the stream was silent for {silence_s:g} s") from None

    async def _ping(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(self._times.ping_s)
            try:
                await socket.send(_PING)
            except ConnectionClosed:
                return  # `_listen` raises it


def _text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode(errors="replace")


def _close_reason(error: ConnectionClosed) -> str:
    if error.rcvd is not None:
        return f"the stream was closed: {int(error.rcvd.code)} {error.rcvd.reason}".rstrip()
    if error.sent is not None:
        return f"the stream was closed from this side: {int(error.sent.code)} {error.sent.reason}".rstrip()
    return "the stream's connection was lost"
