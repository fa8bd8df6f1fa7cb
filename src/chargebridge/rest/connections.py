"""HTTP connections, bounded: they must not use up the file descriptors that links need."""

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_SERVED: Final = 64
"""Connections at a time; above that the answer is 503."""

MOST_OPEN: Final = 2 * MOST_SERVED
"""Above that a new connection is dropped at once."""

REQUEST_S: Final = 10.0
"""Real seconds within which a client has to send the head of a request, by default."""


class BoundedConnection(H11Protocol):
    """One HTTP connection with time limits, since clients connect before they present a token."""

    request_s = REQUEST_S
    """Real seconds within which the client has to send the head of a request."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_OPEN:
            transport.abort()
        else:
            self._expect_a_request()

    def data_received(self, data: bytes) -> None:
        """Process bytes of the client."""
        super().data_received(data)
        self._expect_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget_deadline()
        super().connection_lost(exc)

    def _expect_a_request(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_deadline()  # a request is being served
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.request_s, self._too_slow)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def bounded_connection(request_s: float) -> type[BoundedConnection]:
    """Return the class of connections that wait this many real seconds for the head of a request."""

    class Bounded(BoundedConnection):
        pass

    Bounded.request_s = request_s
    return Bounded
