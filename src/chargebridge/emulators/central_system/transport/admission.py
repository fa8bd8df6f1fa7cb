"""Admission: which charge points may open a WebSocket, and with which credentials (`WS-1` to `WS-6`)."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Admission:
    """The rules for accepting a WebSocket handshake.

    Args:
        identities: the accepted identities; None accepts every one. Others get 404.
        passwords: the password of each identity, or one for all; None requires none. An identity
            without an entry gets 401.
    """

    identities: frozenset[str] | None = None
    passwords: Mapping[str, bytes] | bytes | None = None

    def refusal(self, identity: str, authorization: str | None) -> HTTPStatus | None:
        """Return the HTTP status to refuse a handshake with, or None to accept it.

        Args:
            identity: the charge point identity, decoded.
            authorization: the Authorization header, or None without one.
        """
        if not identity or (self.identities is not None and identity not in self.identities):
            return HTTPStatus.NOT_FOUND
        if self.passwords is None:
            return None
        expected = self.passwords if isinstance(self.passwords, bytes) else self.passwords.get(identity)
        user, password = basic_credentials(authorization)
        if expected is None or user != identity or not hmac.compare_digest(password, expected):
            return HTTPStatus.UNAUTHORIZED
        return None


def identity_of(request_target: str) -> str:
    """Return the charge point identity: the last path segment, percent-decoded (`WS-1`)."""
    return unquote(urlsplit(request_target).path.rpartition("/")[2])


def basic_credentials(authorization: str | None) -> tuple[str, bytes]:
    """Return user name and password of HTTP Basic; both are empty without valid credentials.

    The password stays bytes: an authorization key is any 16 to 20 bytes (`WS-5`).
    """
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return user.decode(), password
    except (binascii.Error, UnicodeDecodeError):
        return "", b""
