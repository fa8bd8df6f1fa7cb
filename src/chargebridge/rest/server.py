"""An HTTP server for an API, in the event loop of the program."""

import asyncio
import socket
from typing import Final

import uvicorn
from fastapi import FastAPI

from chargebridge.rest.connections import MOST_SERVED, REQUEST_S, bounded_connection

STOP_S: Final = 3
"""Real seconds that requests under way may take when the server stops."""


class HttpServer:
    """Serves one application.

    Args:
        app: the application.
        request_s: real seconds within which a client has to send the head of a request.
    """

    def __init__(self, app: FastAPI, *, request_s: float = REQUEST_S) -> None:
        config = uvicorn.Config(
            app,
            access_log=False,
            date_header=False,
            http=bounded_connection(request_s),
            lifespan="off",
            limit_concurrency=MOST_SERVED,
            log_config=None,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_S,
            ws="none",
        )
        config.load()
        # Its start and its end without `serve`: that would take the signals of the program, and
        # wake up ten times a second.
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)

    async def start(self, listener: socket.socket) -> None:
        """Serve the connections of a socket from `listen`."""
        await self._server.startup(sockets=[listener])

    async def stop(self) -> None:
        """Stop listening, and let requests under way finish for `STOP_S`."""
        await self._server.shutdown()


async def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; port 0 takes any free one.

    Raises:
        OSError: the address cannot be used.
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


def url_of(host: str, port: int) -> str:
    """Return the URL of a server."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
