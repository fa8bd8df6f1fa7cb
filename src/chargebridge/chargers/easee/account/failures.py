"""The ways in which a call to Easee's cloud can fail, distinguished by what is certain about it.

Exceptions of `aiohttp` and of the AMQP client are turned into one of these where they occur. They go no
further themselves: some of them carry request headers, and those carry tokens.
"""

from typing import Final

from chargebridge.chargers.easee.twin.vocabulary import CHARGER_ERRORS
from chargebridge.plain_text import one_line

DETAIL_LIMIT: Final = 200
"""The most characters of an answer's text that are kept."""


class CallFailedError(Exception):
    """Base of all failures of a call."""


class NotSent(CallFailedError):  # noqa: N818 - named like what is certain
    """The call was certainly not done.

    Args:
        reason: the reason, for an operator.
        until_s: the earliest time at which a retry makes sense, as `Instant.mono`; None: unknown.
    """

    def __init__(self, reason: str, until_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until_s = until_s


class Refused(CallFailedError):  # noqa: N818 - named like what is certain
    """The call was certainly not done, since the cloud refused it.

    Args:
        status: the HTTP status.
        code: Easee's own `errorCode`, if there is one.
        name: its `errorCodeName`, or "".
        detail: the rest of the error text, shortened.
    """

    def __init__(self, status: int, code: int | None = None, name: str = "", detail: str = "") -> None:
        self.status = status
        self.code = code
        self.name = one_line(name, DETAIL_LIMIT)
        self.detail = one_line(detail, DETAIL_LIMIT)
        if code in CHARGER_ERRORS and not self.name and not self.detail:
            self.detail = "an error of the charger, whose meaning Easee does not publish"
        error = " ".join(part for part in (str(code) if code is not None else "", self.name) if part)
        super().__init__(": ".join(part for part in (f"HTTP {status}", error, self.detail) if part))


class NotFound(Refused):
    """The resource does not exist: no plan, no such charger, no outcome of a command yet."""


class ChargerUnreachable(Refused):
    """The call was certainly not done: the cloud cannot reach the charger that it is for (504)."""

    def __init__(self) -> None:
        super().__init__(504)

    def __str__(self) -> str:
        return "charger unreachable (504)"


class NoAnswer(CallFailedError):  # noqa: N818 - named like what is certain
    """It is unknown whether the call was done."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
