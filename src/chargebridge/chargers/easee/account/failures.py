"""How a call to Easee's cloud may fail: told apart by what is certain about it.

Whatever `aiohttp` and the broker's client raise is turned into one of these where it happens. Their own
exceptions go no further: some of them carry request headers, and those carry tokens.
"""

from typing import Final

DETAIL_LIMIT: Final = 200
"""Characters of an answer's text that are worth keeping."""


class CallFailedError(Exception):
    """Base of what a call may end with instead of an answer."""


class NotSent(CallFailedError):  # noqa: N818 - named like what is certain
    """It was certainly not done.

    Args:
        reason: why, for an operator.
        until_s: before which moment it need not be tried again, as `Instant.mono`; None: nobody knows.
    """

    def __init__(self, reason: str, until_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until_s = until_s


class Refused(CallFailedError):  # noqa: N818 - named like what is certain
    """It was certainly not done, since the cloud said no.

    Args:
        status: of HTTP.
        code: Easee's own `errorCode`, if it gave one.
        name: its `errorCodeName`, or "".
        detail: what else it said, cut short.
    """

    def __init__(self, status: int, code: int | None = None, name: str = "", detail: str = "") -> None:
        self.status = status
        self.code = code
        self.name = name[:DETAIL_LIMIT]
        self.detail = detail[:DETAIL_LIMIT]
        error = " ".join(part for part in (str(code) if code is not None else "", self.name) if part)
        super().__init__(": ".join(part for part in (f"HTTP {status}", error, self.detail) if part))


class NotFound(Refused):
    """There is nothing there: no plan, no such charger, a command's end that is not known yet."""


class NoAnswer(CallFailedError):  # noqa: N818 - named like what is certain
    """Nobody knows whether it was done."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
