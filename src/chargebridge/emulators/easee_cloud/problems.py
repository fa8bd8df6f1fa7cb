"""Error responses: problem details of the API, and the plain bodies of the API gateway in front of it."""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"


class ProblemError(Exception):
    """A request that the API answers with an error.

    Args:
        status: the HTTP status.
        detail: the description for people.
        code: Easee's `errorCode`.
        name: Easee's `errorCodeName`.
        errors: validation errors, by field.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        code: int = 0,
        name: str = "",
        errors: dict[str, list[str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.name = name or status.phrase.title().replace(" ", "")
        self.errors = errors

    def response(self, path: str) -> web.Response:
        """Return the answer to the request for `path`."""
        body: dict[str, object] = {
            "errorCode": self.code,
            "errorCodeName": self.name,
            "type": f"https://httpstatuses.io/{self.status}",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "instance": path,
        }
        if self.errors is not None:
            body["errors"] = self.errors
        return answer(body, self.status, content_type=_PROBLEM)


def not_found(detail: str) -> ProblemError:
    """Return a 404 with this detail."""
    return ProblemError(HTTPStatus.NOT_FOUND, detail)


def bad_request(detail: str, errors: dict[str, list[str]] | None = None) -> ProblemError:
    """Return a 400 with this detail."""
    return ProblemError(HTTPStatus.BAD_REQUEST, detail, errors=errors)


def answer(
    body: object, status: int = 200, *, content_type: str = JSON, headers: dict[str, str] | None = None
) -> web.Response:
    """Return a response with a JSON body."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type=content_type, headers=headers
    )


def refusal_of_the_gateway(status: int, message: str, retry_after_s: int | None = None) -> web.Response:
    """Return an error response of the API gateway."""
    headers = None if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return answer({"message": message}, status, headers=headers)
