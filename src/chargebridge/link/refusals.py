"""Reasons why a connection attempt failed, as sentences for operators; and when to try again."""

import contextlib
import http
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader, InvalidStatus, NegotiationError

TLS_THERE: Final = "the port expects TLS; configure a URL with wss://"
NO_TLS_THERE: Final = "the port does not speak TLS; configure a URL with ws://, or the port that does"
_PERHAPS_TLS: Final = "; if the port expects TLS, configure a URL with wss://"
PERHAPS_NO_TLS: Final = "; if the port does not speak TLS, configure a URL with ws://"

_REMEDIES: Final[Mapping[int, str]] = {
    401: "the central system does not accept identity and password",
    403: "the central system does not admit this charge point",
    404: "the central system does not know this identity at this URL",
    426: "the URL is not that of a WebSocket server",
}
_ALERT: Final = b"\x15\x03"
"""The first bytes of a TLS alert, of whatever version."""
_OLD_REFUSAL: Final = b"HTTP/1.0 400"
"""A version that is refused anyway; servers in Go answer so at their TLS port."""
_PLAIN_AT_TLS: Final = (b"https", b"ssl-enabled", b"tls")
"""Words with which HTTP servers refuse a request without TLS at their TLS port, in lower case."""
_NOT_TLS: Final = frozenset(
    {
        "HTTP_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
"""What OpenSSL calls an answer that is no TLS."""
_CLOSED_IN_TLS: Final = (
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
)


def expects_tls(answer: bytes) -> bool:
    """Return whether the first bytes that came on a connection without TLS say that TLS is expected."""
    if answer.startswith(_OLD_REFUSAL):
        return _is_about_tls(answer)
    return answer.startswith(_ALERT)


def _is_about_tls(text: bytes) -> bool:
    lower = text.lower()
    return any(word in lower for word in _PLAIN_AT_TLS)


def tls_hint(error: OSError) -> str:
    """Return what to add to the reason why a connection with TLS could not be made; empty: nothing."""
    if isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        return f": {NO_TLS_THERE}"
    # Before TLS is agreed a server that knows of none can only close.
    return PERHAPS_NO_TLS if isinstance(error, _CLOSED_IN_TLS) else ""


def refusal(error: Exception, *, tls: bool) -> str:
    """Return why the answer to a handshake is no success.

    Args:
        error: of `websockets`.
        tls: whether the connection has TLS.
    """
    match error:
        case InvalidStatus(response=response):
            bad = not tls and response.status_code == http.HTTPStatus.BAD_REQUEST
            if bad and _is_about_tls(bytes(response.body or b"")):
                return f"HTTP 400: {TLS_THERE}"
            return _refused_status(response.status_code)
        case InvalidHeader(name=name):
            return f"the answer to the handshake has no valid {name} header"
        case NegotiationError():
            return f"the answer to the handshake was not asked for: {str(error)[:100]!r}"
        case _ if isinstance(error.__cause__, EOFError):
            hint = "" if tls else _PERHAPS_TLS
            return f"connection closed before a complete answer to the handshake{hint}"
        case _:
            return "what answered the handshake is not a WebSocket server"


def _refused_status(status: int) -> str:
    if 300 <= status < 400:
        return f"HTTP {status}: a redirect, which is not followed; configure the final URL"
    try:
        meaning = _REMEDIES.get(status) or http.HTTPStatus(status).phrase
    except ValueError:
        meaning = "refused"
    return f"HTTP {status}: {meaning}"


def retry_after_s(error: Exception, now_s: float) -> float:
    """Return for how many seconds a refusal asks for no other attempt (`Retry-After`, RFC 9110 §10.2.3).

    It is a number of seconds or a date. A date is seen against the answer's own `Date`, since the clocks of
    both sides may differ; without one, against ours.

    Args:
        error: of `websockets`.
        now_s: the present, in seconds since 1970.

    Returns:
        0 if it does not ask, or for nothing that can be read.
    """
    if not isinstance(error, InvalidStatus):
        return 0.0
    headers = error.response.headers
    for value in headers.get_all("Retry-After"):
        text = value.strip()
        if text.isascii() and text.isdecimal() and len(text) <= 9:
            return float(text)
        at_s = _date_s(text)
        if at_s is not None:
            return max(at_s - _sent_s(headers, now_s), 0.0)
    return 0.0


def _sent_s(headers: Headers, now_s: float) -> float:
    """Return when an answer was sent, by the clock of its sender if that is known."""
    for value in headers.get_all("Date"):
        sent_s = _date_s(value)
        if sent_s is not None:
            return sent_s
    return now_s


def _date_s(text: str) -> float | None:
    """Return a date of HTTP in seconds since 1970; None if it is none."""
    with contextlib.suppress(ValueError, OverflowError, IndexError, TypeError):
        moment: datetime = parsedate_to_datetime(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    return None
