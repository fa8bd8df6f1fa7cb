"""Middleware between HTTP server and application: percent-encoded paths, and a limit for bodies."""

from typing import Final
from urllib.parse import unquote_to_bytes

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY: Final = 64 * 1024
"""Bytes, by default; the longest body that makes sense has a few hundred."""


class EncodedSlashes:
    """Keeps `%2F` in a path encoded, so that an identity with a slash in it stays one segment.

    A path is matched with `%2F` for a slash and `%25` for a per cent sign within a segment; the
    identity is decoded after that, by `parameters.Identity`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            scope = {**scope, "path": matched_path(scope["raw_path"])}
        await self._app(scope, receive, send)


def matched_path(raw_path: bytes) -> str:
    """Decode a path as it was sent, all but slashes and per cent signs within its segments."""
    segments = (
        unquote_to_bytes(segment).decode(errors="replace").replace("%", "%25").replace("/", "%2F")
        for segment in raw_path.split(b"/")
    )
    return "/".join(segments)


class SmallBodies:
    """Refuses large bodies: they are read before the token is checked.

    Args:
        app: the application behind it.
        largest: bytes that a body may have.
    """

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        left = self._largest

        async def receive_little() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"a body of more than {self._largest} bytes")
            return message

        await self._app(scope, receive_little, send)
