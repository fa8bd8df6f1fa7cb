"""An open connection: the Sans-I/O protocol of `websockets` under a thin `asyncio.Protocol`."""

import asyncio
from secrets import token_bytes
from struct import Struct
from typing import Final, Protocol

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import Protocol as WebSocket
from websockets.protocol import Side, State

from chargebridge.link.attempt import WIRE_LOG, describe
from chargebridge.link.endpoint import Endpoint

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel with compiled code for this platform
    from websockets.utils import apply_mask

_OPEN: Final = State.OPEN
_FIN_TEXT: Final = 0x81
_MASKED: Final = 0x80
_SHORT: Final = Struct("!BB").pack
_MEDIUM: Final = Struct("!BBH").pack
_LONG: Final = Struct("!BBQ").pack
_MAX_CLOSE_REASON_BYTES: Final = 123  # RFC 6455 §5.5: a control frame holds 125, two are the code


class SessionOwner(Protocol):
    """Learns what happens on a connection."""

    def message_received(self, data: bytes) -> None:
        """A complete text message, valid UTF-8. Not after `session_closing`."""

    def pong_received(self) -> None:
        """The central system is there."""

    def session_closing(self, reason: str, code: int | None = None) -> None:
        """The central system, or a violation of the protocol, ends the session: send no more.

        Args:
            reason: why, for people.
            code: by which the central system ends it, 1006 without a close frame; None: we end it.
        """

    def session_lost(self, reason: str) -> None:
        """The connection is gone. Exactly once, and never from within a call of the owner."""


class Session(asyncio.Protocol):
    """Sends and receives text messages; answers pings and close frames; refuses violations of the protocol.

    Args:
        owner: learns what happens.
        transport: a connection whose opening handshake is done.
        endpoint: has the limits.
    """

    __slots__ = ("_message", "_open", "_owner", "_transport", "_websocket")

    def __init__(self, owner: SessionOwner, transport: asyncio.Transport, endpoint: Endpoint) -> None:
        self._owner = owner
        self._transport = transport
        self._websocket = WebSocket(
            Side.CLIENT, state=State.OPEN, max_size=endpoint.max_message_bytes, logger=WIRE_LOG
        )
        self._message: bytearray | None = None  # the fragments of a message so far
        self._open = True
        transport.set_write_buffer_limits(high=endpoint.max_unsent_bytes)
        transport.set_protocol(self)

    def send(self, data: bytes) -> bool:
        """Send one text message; False if the central system has just ended the session."""
        if self._websocket.state is not _OPEN:
            return False  # its close frame came in one segment with the message that is answered here
        self._transport.write(_text_frame(data))
        return True

    def ping(self) -> None:
        """Send a ping; the session must be open."""
        self._websocket.send_ping(b"")
        self._flush()

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake, behind all that was sent."""
        self._open = False
        if self._websocket.state is State.OPEN:
            text = reason.encode()[:_MAX_CLOSE_REASON_BYTES].decode(errors="ignore")
            self._websocket.send_close(code, text)
        self._flush()

    def abort(self) -> None:
        """Drop the connection without a close frame; `session_lost` follows."""
        self._open = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Process bytes of the central system."""
        websocket = self._websocket
        websocket.receive_data(data)
        for frame in websocket.events_received():
            if not self._open:
                break
            if isinstance(frame, Frame):
                self._frame_received(frame)
        self._check()
        self._flush()

    def eof_received(self) -> None:
        """Process the end of the stream; the loop then closes the transport."""
        self._websocket.receive_eof()
        self._check()

    def pause_writing(self) -> None:
        """Drop a central system that has stopped reading."""
        if self._open:
            self._closing("deaf: the central system no longer reads what is sent")
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end."""
        self._open = False
        reason = "closed without a close frame" if exc is None else f"connection lost: {describe(exc)}"
        self._owner.session_lost(reason)

    def _frame_received(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT if frame.fin:
                self._deliver(bytes(frame.data))
            case Opcode.TEXT:
                self._message = bytearray(frame.data)
            case Opcode.CONT if self._message is not None:
                self._message += frame.data
                if frame.fin:
                    message, self._message = self._message, None
                    self._deliver(bytes(message))
            case Opcode.PONG:
                self._owner.pong_received()
            case Opcode.CLOSE:
                close = self._websocket.close_rcvd
                code = None if close is None else int(close.code)
                self._closing(f"closed by the central system: {_described(close)}", code)
            case Opcode.BINARY:
                self._fail(CloseCode.UNSUPPORTED_DATA, "a binary message")

    def _deliver(self, message: bytes) -> None:
        if _is_utf8(message):
            self._owner.message_received(message)
        else:
            self._fail(CloseCode.INVALID_DATA, "a text message that is not UTF-8")

    def _fail(self, code: CloseCode, what: str) -> None:
        # RFC 6455 §7.1.7; what follows in the stream is discarded.
        self._websocket.fail(code, what)
        self._closing(f"the central system sent {what}")

    def _check(self) -> None:
        error = self._websocket.parser_exc
        if self._open and error is not None:
            code = None
            match error:
                case EOFError():
                    reason, code = "closed without a close frame", int(CloseCode.ABNORMAL_CLOSURE)
                case PayloadTooBig():
                    reason = "the central system sent a message that is too long"
                case UnicodeDecodeError():
                    reason = "the central system sent a close frame that is not UTF-8"
                case _:
                    reason = f"the central system broke the WebSocket protocol: {error}"
            self._closing(reason, code)

    def _closing(self, reason: str, code: int | None = None) -> None:
        self._open = False
        self._message = None
        self._owner.session_closing(reason, code)

    def _flush(self) -> None:
        data = self._websocket.data_to_send()
        if data:
            self._transport.write(b"".join(data))


def _text_frame(data: bytes) -> bytes:
    """Write a whole message as one masked frame (RFC 6455 §5.2).

    It equals the protocol object's `send_text`, in a third of the time: nearly all that a link
    sends goes through here.
    """
    length = len(data)
    if length < 126:
        head = _SHORT(_FIN_TEXT, _MASKED | length)
    elif length < 1 << 16:
        head = _MEDIUM(_FIN_TEXT, _MASKED | 126, length)
    else:
        head = _LONG(_FIN_TEXT, _MASKED | 127, length)
    mask = token_bytes(4)
    return head + mask + apply_mask(data, mask)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _described(close: Close | None) -> str:
    if close is None or close.code == CloseCode.NO_STATUS_RCVD:
        return "no reason given"
    # Quoted: the text is the peer's, and goes into logs.
    return f"{int(close.code)} {close.reason!r}" if close.reason else str(int(close.code))
