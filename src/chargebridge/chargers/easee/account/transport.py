"""HTTP to Easee's cloud: one request, one bounded answer, and what is certain about a failed request."""

import contextlib
import ssl
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from chargebridge.chargers.easee.account.endpoints import Endpoint
from chargebridge.chargers.easee.account.failures import DETAIL_LIMIT, NotFound, Refused
from chargebridge.chargers.easee.account.secret import Secret

CONNECT_TIMEOUT_S: Final = 15.0
ANSWER_TIMEOUT_S: Final = 30.0
"""Real seconds for a whole exchange, connecting included."""
BODY_LIMIT: Final = 8 * 1024 * 1024
"""The most bytes of an answer."""


class Answer(Struct, frozen=True):
    """A successful answer."""

    status: int
    body: bytes


class Received(Struct, frozen=True):
    """Any answer, with the header that matters."""

    status: int
    body: bytes
    retry_after: str | None = None


Watch: TypeAlias = Callable[[str, str, Received], None]
"""Is shown every exchange: the method, the path or URL, and the answer. It must not raise."""


def watch_nothing(_method: str, _path: str, _received: Received) -> None:
    """Watch no exchange."""


class UnreachableError(Exception):
    """The request was not sent: no address, no connection, no TLS."""


class LostError(Exception):
    """The request was sent, and no readable answer came."""


class Problem(Struct, frozen=True, rename="camel"):
    """An error of Easee's cloud itself, similar to RFC 9457; every field may be absent."""

    error_code: int | None = None
    error_code_name: str | None = None
    title: str | None = None
    detail: str | None = None
    status: int | None = None


_problem: Final = msgspec.json.Decoder(Problem, strict=False)


class Transport:
    """Requests to one cloud.

    Args:
        base_url: the URL of the REST API, such as `https://api.easee.com`.
        session: the connections.
        user_agent: the User-Agent of this program.
        answer_timeout_s: real seconds for a whole exchange.
        watch: is shown every exchange.
    """

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession,
        user_agent: str,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        watch: Watch = watch_nothing,
    ) -> None:
        self._watch = watch
        self._base_url = base_url.rstrip("/")
        self._session = session
        # No compression: otherwise a few bytes could unfold to more than the limit.
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        self._timeout = aiohttp.ClientTimeout(
            # Well below the total, so that it is always clear which of the two expired.
            total=answer_timeout_s,
            connect=min(CONNECT_TIMEOUT_S, answer_timeout_s / 2),
        )

    def headers(self, url: str, token: Secret) -> dict[str, str]:
        """Return the headers for a connection to a URL that something else opens: token and cookies."""
        headers = {"User-Agent": self._headers["User-Agent"], "Authorization": f"Bearer {token.reveal()}"}
        morsels = self._session.cookie_jar.filter_cookies(URL(url)).values()
        if cookies := "; ".join(f"{morsel.key}={morsel.coded_value}" for morsel in morsels):
            headers["Cookie"] = cookies
        return headers

    async def exchange(
        self, method: str, path: str, body: object = None, token: Secret | None = None
    ) -> Received:
        """Send one request and read its answer.

        Args:
            method: the HTTP method.
            path: below the base URL, beginning with `/`; or a whole URL.
            body: the JSON body; None: no body.
            token: the access token, if one is needed.

        Raises:
            UnreachableError: it was not sent.
            LostError: it was sent, and no readable answer came.
        """
        headers = dict(self._headers)
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = msgspec.json.encode(body)
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        url = path if path.startswith(("http://", "https://")) else self._base_url + path
        try:
            # A redirect would send the token to any address.
            async with self._session.request(
                method,
                url,
                data=data,
                headers=headers,
                allow_redirects=False,
                auto_decompress=False,
                timeout=self._timeout,
            ) as response:
                content = await _read(response)
                received = Received(response.status, content, response.headers.get("Retry-After"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise UnreachableError(_name(error)) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError) as error:
            raise LostError(_name(error)) from None
        self._watch(method, path, received)
        return received


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > BODY_LIMIT:
            response.close()
            raise LostError(f"the answer is longer than {BODY_LIMIT} bytes")
    return bytes(content)


def _name(error: Exception) -> str:
    """Describe an exception without its text, which may contain headers."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return str(error)[:DETAIL_LIMIT]
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__


def refusal(received: Received) -> Refused:
    """Return the refusal in the body of a 4xx."""
    problem = _read_problem(received.body)
    if problem is None:
        text = received.body[: 4 * DETAIL_LIMIT].decode(errors="replace")
        problem = Problem(detail=" ".join(text.split()))
    kind = NotFound if received.status == 404 else Refused
    detail = problem.detail or problem.title or ""
    return kind(received.status, problem.error_code, problem.error_code_name or "", detail)


def is_gateway_refusal(received: Received) -> bool:
    """Whether a 403 comes from the gateway in front of the cloud, not from the cloud itself.

    The gateway answers `{"message": "Forbidden"}` or a page; the cloud answers a problem or no body.
    """
    if received.status != 403 or not received.body.strip():
        return False
    problem = _read_problem(received.body)
    return problem is None or problem == Problem()


def is_charger_unreachable(endpoint: Endpoint, received: Received) -> bool:
    """Whether a 504 says that the charger cannot be reached which a request was for: only this one."""
    return received.status == 504 and endpoint.of_charger


def announces_block(received: Received) -> bool:
    """Whether a refusal announces that the address is blocked for 24 hours."""
    text = received.body[:4096].lower()
    return b"block" in text or b"24 h" in text


def retry_after_s(header: str | None, now_ms: int) -> float | None:
    """Return the wait of a `Retry-After` in seconds from now; None if it is absent or cannot be read.

    Args:
        header: the value of the header.
        now_ms: the present, in UTC milliseconds.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    with contextlib.suppress(ValueError, OverflowError):
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return max(moment.timestamp() - now_ms / 1000, 0.0)
    return None


def _read_problem(body: bytes) -> Problem | None:
    try:
        return _problem.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
