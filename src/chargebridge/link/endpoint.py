"""A central system as links see it: where it is, and how a charge point names itself there."""

import binascii
import math
import re
from base64 import b64decode, b64encode
from dataclasses import KW_ONLY, dataclass, field
from ssl import SSLContext
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from websockets.uri import WebSocketURI

from chargebridge.link.backoff import Backoff
from chargebridge.link.tls import client_ssl_context

AuthorizationKeyFormat = Literal["auto", "text", "hex"]
"""The meaning of an authorization key of characters: itself, or bytes as hex digits. `auto` settles it
by length as the OCA's test tool does: 32 to 40 hex digits are bytes, any other key is text (`WS-5`)."""

_PATH_CHARACTERS: Final = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A central system: one object for all links to it.

    Links connect directly; there is no support for HTTP proxies.

    Raises:
        ValueError: the URL or a figure is not usable. The text says what is expected.
    """

    url: str
    """`ws://host:port/path` or `wss://…`, without the identity: links append that (`WS-1`)."""
    _: KW_ONLY
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    """Offered in this order; the central system must choose one (`WS-2`, `WS-3`)."""
    ssl: SSLContext | None = None
    """For `wss` only; None trusts the authorities of the operating system."""
    ping_interval_s: float = 60.0
    """Seconds between pings, 0 for none (`WS-9`). A link can have its own."""
    pong_timeout_s: float = 30.0
    """A link without a pong for this long, in seconds, is deaf."""
    open_timeout_s: float = 30.0
    """Limit of one attempt, in seconds: name, TCP, TLS and WebSocket handshake together."""
    max_message_bytes: int = 1 << 20
    """A longer message closes the link with 1009."""
    max_unsent_bytes: int = 4 << 20
    """A link with more than this waiting to be sent is deaf."""
    backoff: Backoff = field(default_factory=Backoff)

    host: str = field(init=False, repr=False, compare=False)
    port: int = field(init=False, repr=False, compare=False)
    path: str = field(init=False, repr=False, compare=False)
    """Path of the URL without a slash at its end."""
    authority: str = field(init=False, repr=False, compare=False)
    """Host and port: the unit of pacing."""

    def __post_init__(self) -> None:
        self._parse_url()
        if not self.subprotocols:
            raise ValueError("at least one subprotocol must be offered")
        if not 0 <= self.ping_interval_s < math.inf:
            raise ValueError(f"ping_interval_s must be 0 or more, not {self.ping_interval_s}")
        for name in ("pong_timeout_s", "open_timeout_s", "max_message_bytes", "max_unsent_bytes"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")

    def _parse_url(self) -> None:
        parts = urlsplit(self.url)
        if parts.username is not None or parts.password is not None:
            # Not quoted: it holds a secret.
            raise ValueError("the URL of a central system must not hold credentials; configure the password")
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            raise ValueError(f"{self.url}: expected ws://host:port/path or wss://host:port/path")
        if parts.query or parts.fragment:
            raise ValueError(f"{self.url}: the identity is appended to the path, so no ? or # is possible")
        try:
            port = parts.port
            host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode()
        except ValueError as error:
            raise ValueError(f"{self.url}: host or port is not valid") from error
        if parts.scheme == "ws" and self.ssl is not None:
            raise ValueError(f"{self.url}: TLS settings need a wss:// URL")
        if parts.scheme == "wss" and self.ssl is None:
            object.__setattr__(self, "ssl", client_ssl_context())
        object.__setattr__(self, "host", host)
        object.__setattr__(self, "port", port or (443 if parts.scheme == "wss" else 80))
        object.__setattr__(self, "authority", f"{self.host}:{self.port}")
        object.__setattr__(self, "path", quote(parts.path, safe=_PATH_CHARACTERS).rstrip("/"))

    def uri(self, identity: str) -> WebSocketURI:
        """Return where the charge point of this identity connects (`WS-1`).

        Raises:
            ValueError: the identity is empty, or HTTP servers would take it for a directory.
        """
        if identity in {"", ".", ".."}:
            raise ValueError(f"{identity!r} cannot be the identity of a charge point")
        path = f"{self.path}/{quote(identity, safe='')}"
        return WebSocketURI(self.ssl is not None, self.host, self.port, path, "")


def basic_authorization(identity: str, password: str | bytes, key_format: AuthorizationKeyFormat) -> str:
    """Return the value of the `Authorization` header (`WS-5`, `WS-6`).

    Args:
        identity: the user name, not percent-encoded.
        password: the authorization key; bytes go as they are.
        key_format: the meaning of a key of characters.

    Raises:
        ValueError: the identity holds a colon, or the format says hex and the key is not. The text does not
            hold the key.
    """
    if ":" in identity:
        raise ValueError(f"{identity!r}: an identity with a colon cannot be used with HTTP Basic (WS-6)")
    key = password if isinstance(password, bytes) else _key_bytes(password, key_format)
    return "Basic " + b64encode(identity.encode() + b":" + key).decode()


_QUOTED: Final = re.compile(r"'.*'|\".*\"", re.DOTALL)


def without_credentials(reason: str, authorization: str | None) -> str:
    """Mask the credentials that a central system repeats in its words, which a reason quotes.

    Args:
        reason: with the central system's words in quotes.
        authorization: value of the `Authorization` header that it was sent, or None.
    """
    if authorization is None:
        return reason
    encoded = authorization.removeprefix("Basic ")
    key = b64decode(encoded).partition(b":")[2]
    text = key.decode(errors="replace")
    secrets = {encoded, encoded.rstrip("="), text, repr(text)[1:-1], key.hex(), key.hex().upper()} - {""}
    pattern = "|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True))
    return _QUOTED.sub(lambda quoted: re.sub(pattern, "***", quoted[0]), reason)


def _key_bytes(password: str, key_format: AuthorizationKeyFormat) -> bytes:
    if key_format == "hex" or (key_format == "auto" and 32 <= len(password) <= 40):
        try:
            return binascii.unhexlify(password)
        except ValueError:
            if key_format == "hex":
                raise ValueError("the authorization key is not an even number of hex digits") from None
    return password.encode()
