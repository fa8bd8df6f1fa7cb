"""One attempt to open a link: host name, TCP, TLS and the opening handshake of RFC 6455."""

import asyncio
import logging
import socket
import ssl
import time
from typing import Final, Protocol, cast

from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.typing import Subprotocol

from chargebridge.link import refusals
from chargebridge.link.endpoint import Endpoint
from chargebridge.link.resolver import Resolver

WIRE_LOG: Final = logging.getLogger("chargebridge.link.wire")
"""For the protocol objects of `websockets`. Off for good: its debug output shows credentials."""
WIRE_LOG.disabled = True

_END_OF_HEAD: Final = b"\r\n\r\n"


class AttemptOwner(Protocol):
    """Learns, once, how an attempt ended."""

    def attempt_opened(self, transport: asyncio.Transport, rest: bytes) -> None:
        """The connection is open; `rest` are bytes that came after the central system's answer."""

    def attempt_failed(self, reason: str, retry_after_s: float, *, answered: bool) -> None:
        """The attempt failed; the central system asked for no other one for `retry_after_s` seconds."""


class Attempt(asyncio.Protocol):
    """Connects, asks for the upgrade and checks the answer.

    Args:
        owner: learns how it ended.
        endpoint: the central system.
        identity: of the charge point.
        authorization: value of the Authorization header, or None. It goes with the first request,
            unsolicited (`WS-6`), and to no other host: redirects are failures.
    """

    __slots__ = ("_endpoint", "_owner", "_protocol", "_tail", "_task", "_transport")

    def __init__(
        self, owner: AttemptOwner, endpoint: Endpoint, identity: str, authorization: str | None
    ) -> None:
        self._owner: AttemptOwner | None = owner
        self._endpoint = endpoint
        self._protocol = ClientProtocol(
            endpoint.uri(identity),
            subprotocols=[Subprotocol(name) for name in endpoint.subprotocols],
            max_size=endpoint.max_message_bytes,
            logger=WIRE_LOG,
        )
        request = self._protocol.connect()
        if authorization is not None:
            request.headers["Authorization"] = authorization
        self._protocol.send_request(request)
        self._tail = b""
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def start(self, loop: asyncio.AbstractEventLoop, resolver: Resolver, turn: int) -> None:
        """Begin.

        Args:
            loop: the loop that runs the links.
            resolver: knows the addresses of host names.
            turn: which of several addresses is tried first, so that one dead address is got over.
        """
        self._task = loop.create_task(self._connect(loop, resolver, turn))

    @property
    def hint(self) -> str:
        """What to add to the reason if the attempt takes too long; empty: nothing."""
        in_tls = self._endpoint.ssl is not None and self._transport is None
        return refusals.PERHAPS_NO_TLS if in_tls else ""

    def abandon(self) -> None:
        """End the attempt; nothing is reported to the owner."""
        self._owner = None
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _connect(self, loop: asyncio.AbstractEventLoop, resolver: Resolver, turn: int) -> None:
        endpoint = self._endpoint
        try:
            addresses = await resolver.addresses(endpoint.host)
            first = turn % len(addresses)
            await self._connect_any(loop, addresses[first:] + addresses[:first])
        except OSError as error:
            hint = refusals.tls_hint(error) if endpoint.ssl is not None else ""
            self._fail(describe(error) + hint, answered=not isinstance(error, TimeoutError))

    async def _connect_any(self, loop: asyncio.AbstractEventLoop, addresses: list[str]) -> None:
        endpoint = self._endpoint
        server_hostname = endpoint.host if endpoint.ssl is not None else None
        for left, address in enumerate(addresses, 1 - len(addresses)):
            try:
                await loop.create_connection(
                    lambda: self, address, endpoint.port, ssl=endpoint.ssl, server_hostname=server_hostname
                )
            except OSError:
                if not left:
                    raise
            else:
                return

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        if self._owner is None:
            self._transport.abort()
        else:
            self._transport.write(b"".join(self._protocol.data_to_send()))

    def data_received(self, data: bytes) -> None:
        """Read the answer as far as it goes."""
        if self._owner is None:
            return
        if not self._tail and self._endpoint.ssl is None and refusals.expects_tls(data):
            self._fail(refusals.TLS_THERE, answered=True)
            return
        # Frames may follow in the same segment. They are not for this protocol object, which is
        # dropped with all its headers once the connection is open.
        seen = self._tail + data
        end = seen.find(_END_OF_HEAD)
        head = len(data) if end < 0 else end + len(_END_OF_HEAD) - len(self._tail)
        self._tail = seen[1 - len(_END_OF_HEAD) :]
        self._protocol.receive_data(data[:head])
        if self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
            self._protocol.receive_data(data[head:])  # the body of a refusal
        self._check(data[head:])

    def eof_received(self) -> None:
        """Check an answer that ends with the connection."""
        if self._owner is not None:
            self._protocol.receive_eof()
            self._check(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, unless the attempt has ended before."""
        reason = describe(exc) if exc is not None else "connection closed during the handshake"
        self._fail(reason, answered=True)

    def _check(self, rest: bytes) -> None:
        protocol = self._protocol
        error = protocol.handshake_exc
        if error is not None:
            reason = refusals.refusal(error, tls=self._endpoint.ssl is not None)
            self._fail(reason, refusals.retry_after_s(error, time.time()), answered=True)
        elif protocol.state is State.OPEN and protocol.subprotocol is None:
            offered = " or ".join(self._endpoint.subprotocols)
            self._fail(f"the central system did not agree to the subprotocol {offered}", answered=True)
        elif protocol.state is State.OPEN and self._owner is not None and self._transport is not None:
            owner, self._owner = self._owner, None
            owner.attempt_opened(self._transport, rest)

    def _fail(self, reason: str, retry_after_s: float = 0.0, *, answered: bool) -> None:
        owner, self._owner = self._owner, None
        if self._transport is not None:
            self._transport.abort()
        if owner is not None:
            owner.attempt_failed(reason, retry_after_s, answered=answered)


def describe(error: Exception) -> str:
    """Return the cause of a failed or lost connection, as a sentence for operators."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"TLS: the certificate of the central system is not valid: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS: {(error.reason or 'handshake failed').replace('_', ' ').lower()}"
        case socket.gaierror():
            return f"host name not found: {error.strerror}"
        case OSError(strerror=str(text)):
            return text
        case ConnectionError():
            return str(error) or "the central system closed the connection"
        case _:
            return str(error) or type(error).__name__
