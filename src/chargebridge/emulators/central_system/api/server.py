"""The HTTP server of the API."""

import ipaddress
from dataclasses import dataclass

from chargebridge.emulators.central_system.api.app import create_app
from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.rest.server import HttpServer, listen, url_of


class ApiSettingsError(ValueError):
    """A setting of the API is wrong; the text says which."""


class CannotListenError(OSError):
    """The API cannot listen on its address; the text says which, and what to do."""


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """Where the API listens, and who may use it.

    Args:
        host: the address to listen on.
        port: the port to listen on, 0 for any free one.
        token: clients have to present it; None: they need none, which is for loopback only.

    Raises:
        ApiSettingsError: others than this machine could use it without a token.
    """

    host: str = "127.0.0.1"
    port: int = 8181
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is None and not _is_loopback(self.host):
            raise ApiSettingsError(
                f"the API would be open to everyone on {self.host}; name a file with a token by"
                " --api-token-file, or let it listen on 127.0.0.1"
            )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class ApiServer:
    """Serves the API of one central system.

    Args:
        central_system: the central system.
        settings: where to listen, and who may use it.
    """

    def __init__(self, central_system: CentralSystem, settings: ApiSettings) -> None:
        self._settings = settings
        self._server = HttpServer(create_app(central_system, settings.host, settings.token))
        self._started = False
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
        """
        host, port = self._settings.host, self._settings.port
        try:
            listener = await listen(host, port)
        except OSError as error:
            raise CannotListenError(
                f"the API cannot listen on {host} port {port} ({error.strerror});"
                " stop what uses it, or choose another one by --api-host and --api-port"
            ) from error
        self.port = listener.getsockname()[1]
        await self._server.start(listener)
        self._started = True

    async def stop(self) -> None:
        """Stop listening, and let requests under way finish for 3 s."""
        if self._started:
            self._started = False
            await self._server.stop()
