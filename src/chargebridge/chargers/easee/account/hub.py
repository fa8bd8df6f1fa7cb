"""One connection to a SignalR hub, from its opening to its end, and never a second one.

SignalR's JSON protocol is small: a handshake, then messages, each with a separator behind it; pings both
ways. It is spoken here on a WebSocket of `websockets`. The ready-made `pysignalr` was tried and is no help:
importing it replaces a method of `websockets` for the whole process, it connects again for ever with the
token it once got, it puts that token into every message, it gives up a connection because of one message
that it cannot read, and it leaves closing to the garbage collector.
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
from chargebridge.chargers.easee.twin.hub_messages import SEPARATOR

FRAME_LIMIT: Final = 1024 * 1024
"""Bytes of the longest frame that is read."""
CLOSE_S: Final = 2.0
"""Real seconds for the closing handshake."""

_HANDSHAKE: Final = '{"protocol":"json","version":1}' + SEPARATOR
_PING: Final = '{"type":6}' + SEPARATOR

# At its most talkative `websockets` shows headers, and with them the token.
_hub_logger: Final = logging.getLogger(__name__)
_hub_logger.setLevel(logging.WARNING)


class HubLostError(Exception):
    """The connection was not made, or it has ended.

    Args:
        reason: why, for an operator.
        status: what the server answered instead of opening it, if it did.
        retry_after: the header of that answer.
    """

    def __init__(self, reason: str, status: int | None = None, retry_after: str | None = None) -> None:
        super().__init__(reason[:DETAIL_LIMIT])
        self.status = status
        self.retry_after = retry_after


class HubTimes(Struct, frozen=True):
    """Real seconds."""

    open_s: float = 30.0
    """For the opening, both handshakes included."""
    silence_s: float = 45.0
    """Without any frame; a hub pings every 15 s."""
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
        url: of the WebSocket, with what was negotiated in it.
        headers: of the request that opens it.
        opened: is called when messages may be sent.
        frame: is called with every frame: messages, each with `SEPARATOR` behind it.
        times: how long to wait for what.
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
            raise HubLostError(_why(error)) from None
        finally:
            self._socket = None
            if pinging is not None:
                pinging.cancel()
            await socket.close()

    async def invoke(self, target: str, arguments: Sequence[object], invocation_id: str) -> None:
        """Call a method of the hub; what it returns comes as a frame.

        Raises:
            HubLostError: the connection has ended, or is not open yet.
        """
        if self._socket is None:
            raise HubLostError("the stream is not open")
        call = msgspec.json.encode(_Call(target, arguments, invocation_id)).decode()
        try:
            await self._socket.send(call + SEPARATOR)
        except ConnectionClosed as error:
            raise HubLostError(_why(error)) from None

    async def _open(self) -> ClientConnection:
        opening = connect(
            self._url,
            additional_headers=self._headers,
            user_agent_header=None,  # it is among ours
            open_timeout=self._times.open_s,
            close_timeout=CLOSE_S,
            ping_interval=None,  # SignalR has pings of its own, and both sides need them
            max_size=FRAME_LIMIT,
            logger=_hub_logger,
        )
        try:
            return await opening
        except InvalidStatus as error:
            status, headers = error.response.status_code, error.response.headers
            retry_after = next(iter(headers.get_all("Retry-After")), None)
            raise HubLostError(f"the stream is refused: HTTP {status}", status, retry_after) from None
        except TimeoutError:
            raise HubLostError(f"the stream did not open for {self._times.open_s:g} s") from None
        except (WebSocketException, OSError) as error:
            raise HubLostError(f"the stream cannot be opened: {type(error).__name__}: {error}") from None

    async def _handshake(self, socket: ClientConnection) -> str:
        """Agree on the protocol; return what came along with the answer."""
        try:
            async with asyncio.timeout(self._times.open_s):
                await socket.send(_HANDSHAKE)
                answer, _, rest = _text(await socket.recv()).partition(SEPARATOR)
            error = msgspec.json.decode(answer, type=_Handshake).error
        except TimeoutError:
            raise HubLostError(f"the stream did not open for {self._times.open_s:g} s") from None
        except (msgspec.MsgspecError, ValueError):
            raise HubLostError("the stream's handshake makes no sense") from None
        if error is not None:
            raise HubLostError(f"the stream's handshake is refused: {error}")
        return rest

    async def _listen(self, socket: ClientConnection) -> None:
        loop, silence_s = asyncio.get_running_loop(), self._times.silence_s
        try:
            async with asyncio.timeout(silence_s) as patience:
                while True:
                    frame = await socket.recv()
                    patience.reschedule(loop.time() + silence_s)
                    self._frame(_text(frame))
        except TimeoutError:
            raise HubLostError(f"the stream said nothing for {silence_s:g} s") from None

    async def _ping(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(self._times.ping_s)
            try:
                await socket.send(_PING)
            except ConnectionClosed:
                return  # whoever listens sees it too


def _text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode(errors="replace")


def _why(error: ConnectionClosed) -> str:
    if error.rcvd is not None:
        return f"the stream was closed: {int(error.rcvd.code)} {error.rcvd.reason}".rstrip()
    if error.sent is not None:
        return f"the stream had to be closed: {int(error.sent.code)} {error.sent.reason}".rstrip()
    return "the stream broke"
