"""The sections of a configuration, as they stand in the file and as the program uses them.

Each model is both: made from a table of the file it has its secrets and paths resolved. They can
be made in code as well.
"""

import binascii
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from chargebridge.config.explaining import kind
from chargebridge.config.problems import UnexpectedError
from chargebridge.config.references import AnyPath, PrivateFile, ReadableFile, Secret

SHORTEST_TOKEN: Final = 16
"""Characters of an API token, at least."""

MOST_URLS: Final = 8
"""URLs of one central system."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Table(BaseModel):
    """A table of the file: unknown keys are errors and no value is converted to another type."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        # Validators are made when first used, so that importing the package costs less.
        defer_build=True,
    )


class KeyFormat(StrEnum):
    """The meaning of a password's characters (`WS-5`)."""

    AUTO = "auto"
    """32 to 40 hex digits are bytes, any other password is text."""
    TEXT = "text"
    HEX = "hex"


def _urls(value: object) -> tuple[str, ...]:
    """Return one URL or an array of them as what they are: URLs to be tried in turn."""
    urls = value if isinstance(value, list | tuple) else (value,)
    if not 1 <= len(urls) <= MOST_URLS:
        raise UnexpectedError(f"an array of {len(urls)}", f"a URL, or an array of 1 to {MOST_URLS} URLs")
    return tuple(urls)


def _url(value: object) -> str:
    """Return one URL, checked: each of an array has a problem of its own."""
    if not isinstance(value, str):
        raise UnexpectedError(kind(value), "a URL, or an array of URLs")
    _check_url(value)
    return value


class CentralSystemSettings(Table):
    """A central system and how charge points keep connected to it."""

    url: Annotated[tuple[Annotated[str, BeforeValidator(_url)], ...], BeforeValidator(_urls)]
    """`ws://` or `wss://`; the identity of the charge point is appended to it (`WS-1`). Several: each charge
    point stays with the one that works, and goes on to the next when it does not."""
    password: Secret | None = None
    """For HTTP Basic, of all charge points that have none of their own (`WS-6`)."""
    authorization_key_format: Annotated[KeyFormat, Field(strict=False)] = KeyFormat.AUTO
    ca_file: ReadableFile | None = None
    """PEM file of the authorities to trust instead of the system's."""
    certificate: ReadableFile | None = None
    """PEM file of the client certificate."""
    key: PrivateFile | None = None
    """PEM file of its private key; None if `certificate` holds it too."""
    key_password: Secret | None = None
    ping_interval_s: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """Between pings; 0 for none (`WS-9`)."""
    pong_timeout_s: Seconds = 30.0
    """A link without a pong for this long is deaf."""
    open_timeout_s: Seconds = 30.0
    """For name, TCP, TLS and WebSocket handshake together."""
    call_timeout_s: Seconds = 30.0
    """A CALL without an answer for this long has timed out (`RPC-6`)."""
    boot_retry_s: Seconds = 30.0
    """Between BootNotifications when the answer names no interval (`BOOT-5`)."""
    reconnect_min_s: Seconds = 2.0
    """Longest wait after the first failure; each further one doubles it (`WS-10`)."""
    reconnect_max_s: Seconds = 300.0
    """Longest wait at all."""

    @field_validator("url")
    @classmethod
    def _are_endpoints(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        if len({urlsplit(url).scheme for url in urls}) > 1:
            # A password would go over the other one unencrypted.
            raise UnexpectedError("ws:// and wss:// URLs", "only wss:// ones (or only ws://, unencrypted)")
        if len(set(urls)) < len(urls):
            raise UnexpectedError("a URL twice", "each URL once")
        return urls

    @field_validator("authorization_key_format")
    @classmethod
    def _fits_the_password(cls, key_format: KeyFormat, info: ValidationInfo) -> KeyFormat:
        password = info.data.get("password")
        if key_format is KeyFormat.HEX and password is not None:
            check_hex(password)
        return key_format

    @field_validator("ca_file", "certificate")
    @classmethod
    def _needs_tls(cls, path: ReadableFile | None, info: ValidationInfo) -> ReadableFile | None:
        if path is not None and urlsplit(info.data.get("url", ("wss:",))[0]).scheme != "wss":
            raise UnexpectedError("a file for TLS beside a ws:// URL", "a wss:// URL, or no such file")
        return path

    @field_validator("key")
    @classmethod
    def _needs_certificate(cls, path: PrivateFile | None, info: ValidationInfo) -> PrivateFile | None:
        if path is not None and info.data.get("certificate", path) is None:
            raise UnexpectedError("a private key without a certificate", "`certificate` beside it")
        return path

    @field_validator("key_password")
    @classmethod
    def _needs_a_key(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if password is not None and info.data.get("certificate", password) is None:
            raise UnexpectedError("a password of no key", "`certificate`, and `key` if that is another file")
        return password

    @field_validator("reconnect_max_s")
    @classmethod
    def _not_below_min(cls, seconds: float, info: ValidationInfo) -> float:
        least = info.data.get("reconnect_min_s", 0)
        if seconds < least:
            raise UnexpectedError(f"{seconds:g}", f"at least reconnect_min_s, which is {least:g}")
        return seconds


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UnexpectedError("a malformed URL", "wss://HOST:PORT/PATH, the port from 1 to 65535") from None
    if fault := _fault(url, parts):
        raise UnexpectedError(_without_secrets(parts), fault)


def _fault(url: str, parts: SplitResult) -> str | None:
    if "@" in parts.netloc:
        return "no credentials in a URL: `password` is the key for them"
    if not url.isprintable() or " " in url:
        return "a URL without blanks"
    if parts.scheme not in {"ws", "wss"}:
        return "a URL that begins with wss:// (or ws://, unencrypted)"
    if not parts.hostname:
        return "a host in the URL: wss://HOST/PATH"
    if parts.port == 0:
        return "a port from 1 to 65535"
    if "?" in url or "#" in url:
        return "a URL without ? and #: the identity of each charge point is appended to its path"
    return None


def _without_secrets(parts: SplitResult) -> str:
    if parts.scheme not in {"ws", "wss", "http", "https"}:
        # It is unknown which part of it would be a password.
        return "something else"
    host = parts.netloc.rpartition("@")[2]
    user = "…@" if "@" in parts.netloc else ""
    query = "?…" if parts.query else ""
    fragment = "#…" if parts.fragment else ""
    return repr(f"{parts.scheme}://{user}{host}{parts.path}{query}{fragment}")


def check_hex(password: SecretStr) -> None:
    """Make sure that a password of format `hex` is one.

    Raises:
        UnexpectedError: it is not; never holds the password.
    """
    try:
        binascii.unhexlify(password.get_secret_value())
    except ValueError:
        raise UnexpectedError(
            "a password that is not hex", "an even number of hex digits in `password`"
        ) from None


class DriverSettings(Struct, frozen=True):
    """A driver: its type, and its own settings with secrets resolved."""

    type: str
    """Name of an entry point of the group `chargebridge.drivers`."""
    settings: Mapping[str, object] = {}

    def __repr__(self) -> str:
        # Only the driver knows which of its settings are secret.
        return f"DriverSettings(type={self.type!r}, settings=<{', '.join(self.settings)}>)"


class ApiSettings(Table):
    """The REST API."""

    enabled: bool = True
    host: str = "127.0.0.1"
    """Address to listen on; beyond loopback only with a token."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8100
    """0 takes any free port."""
    token: Annotated[Secret | None, Field(validate_default=True)] = None
    """Bearer token. None: the program makes one and keeps it in the state directory."""

    @field_validator("token")
    @classmethod
    def _is_strong_enough(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        host = info.data.get("host")
        if token is None and host is not None and info.data.get("enabled", True) and not _is_loopback(host):
            raise UnexpectedError(f"no token, and the host {host!r}", "a token, as others can reach the API")
        if token is not None and len(token) < SHORTEST_TOKEN:
            raise UnexpectedError("a token that is too short", f"at least {SHORTEST_TOKEN} characters")
        return token


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class StateSettings(Table):
    """The store, and how long records stay in it."""

    directory: Annotated[AnyPath, Field(validate_default=True)] = Path("state")
    """Folder of the store; relative to the configuration file. Made when it is missing."""
    transactions_keep_days: Annotated[int, Field(ge=1, le=36_500)] = 90
    """Delivered transactions are deleted after this long; undelivered ones never."""
    queue_limit: Annotated[int, Field(ge=100, le=1_000_000)] = 5000
    """Messages that may be queued for each charge point, including MeterValues (`Q-7`)."""
    trace_frames: Annotated[int, Field(ge=0, le=1_000_000)] = 20_000
    """Newest frames to keep in memory, of all charge points together, for the API."""


class LogLevel(StrEnum):
    """The least important messages to log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a message is written."""

    AUTO = "auto"
    """`console` on a terminal, `json` elsewhere."""
    CONSOLE = "console"
    JSON = "json"


class LogSettings(Table):
    """Level and format of the log."""

    level: Annotated[LogLevel, Field(strict=False)] = LogLevel.INFO
    format: Annotated[LogFormat, Field(strict=False)] = LogFormat.AUTO


class LinkSettings(Table):
    """Pacing of the connection attempts of all charge points together."""

    connects_per_s: Annotated[float, Field(gt=0, le=100_000)] = 200.0
    concurrent_handshakes: Annotated[int, Field(ge=1, le=10_000)] = 100


class ClockSettings(Table):
    """A clock that does not run like the host's: for simulations only."""

    speed: Annotated[float, Field(gt=0, le=100_000)]
    """Simulated seconds in a real one."""
    real_origin_ms: Annotated[int, Field(ge=0)]
    """A time of the host's clock, in milliseconds since 1970."""
    simulated_origin_ms: Annotated[int, Field(ge=0)]
    """The simulated time at that instant, in milliseconds since 1970."""
