"""Keeps web pages out: a browser reaches loopback, and sends requests for any page that it shows."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from chargebridge.rest.problems import problem

_LOCAL_NAMES: Final = frozenset({"localhost", "ip6-localhost"})


class OwnPagesOnly:
    """Refuses requests that a browser sends for a page from elsewhere.

    Such a request names the page in `Origin`; or, if its host's name was made to lead here (DNS rebinding),
    its host in `Host`.

    Args:
        app: the application behind it.
        host: the address that the API listens on.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            refused = None
            if not is_here(host, self._host):
                refused = f"the request is for the host {host!r}"
            elif origin is not None and origin != f"http://{host}":
                refused = f"the request comes from a page of {origin!r}"
            if refused is not None:
                remedy = f"send it to the address of this API, {self._host}, and not from a web page"
                await problem(403, refused, remedy)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_here(host: str, own: str) -> bool:
    """Tell whether a Host header names this machine's loopback, or the address that the API listens on.

    Args:
        host: the header, with a port or without.
        own: the address that the API listens on.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in _LOCAL_NAMES or name == own or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
