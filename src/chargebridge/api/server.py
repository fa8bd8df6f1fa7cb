"""The HTTP server of the API, in the event loop of the gateway."""

import socket
from pathlib import Path

import structlog

from chargebridge.api.access import TOKEN_FILE, own_token
from chargebridge.api.app import create_app
from chargebridge.api.watching import Watchers
from chargebridge.config.sections import ApiSettings
from chargebridge.gateway.gateway import Gateway
from chargebridge.rest.connections import REQUEST_S
from chargebridge.rest.server import HttpServer, listen, url_of

_log = structlog.get_logger()


class CannotListenError(OSError):
    """The API cannot listen on its address; the text says which, and what to do."""


class ApiServer:
    """Serves the API of one gateway.

    Args:
        gateway: is to be started before the server, and stopped after it.
        settings: where to listen, and the token.
        state_dir: where a token is kept that the settings do not name.
        request_s: real seconds within which a client has to send the head of a request.
    """

    def __init__(
        self, gateway: Gateway, settings: ApiSettings, state_dir: Path, *, request_s: float = REQUEST_S
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._state_dir = state_dir
        self._request_s = request_s
        self._server: HttpServer | None = None
        self._watchers: Watchers | None = None
        self.port = settings.port
        """The port in use, known after `start`."""

    @property
    def url(self) -> str:
        """The URL of the API."""
        return url_of(self._settings.host, self.port)

    async def start(self) -> None:
        """Listen.

        Raises:
            CannotListenError: the address cannot be used.
            TokenFileError: the token in the state directory cannot be used.
        """
        configured = self._settings.token
        token = configured.get_secret_value() if configured else own_token(self._state_dir)
        listener = await _listen(self._settings.host, self._settings.port)
        self.port = listener.getsockname()[1]
        app = create_app(self._gateway, token)
        self._watchers = app.state.watchers
        self._server = HttpServer(app, request_s=self._request_s)
        await self._server.start(listener)
        if configured is None:
            _log.info("API token read from file", path=str(self._state_dir / TOKEN_FILE))

    async def stop(self) -> None:
        """Stop listening, end live streams, and let requests under way finish for `STOP_S`."""
        server, self._server = self._server, None
        if server is None or self._watchers is None:
            return
        self._watchers.end()
        await server.stop()


async def _listen(host: str, port: int) -> socket.socket:
    try:
        return await listen(host, port)
    except OSError as error:
        raise CannotListenError(
            f"the API cannot listen on {host} port {port} ({error.strerror});"
            " stop what uses it, or set api.host and api.port"
        ) from error
