"""Problems: one shape for all error responses."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException


class Problem(BaseModel):
    """An error response."""

    error: str = Field(description="The problem.", examples=["there is no charge point 'CP-7'"])
    remedy: str | None = Field(
        None, description="A remedy, where one is known.", examples=["GET /charge-points lists them"]
    )


class RefusedError(Exception):
    """The request is valid and was refused.

    Args:
        status: of the answer.
        error: the problem.
        remedy: a remedy, where one is known.
    """

    def __init__(self, status: int, error: str, remedy: str | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.remedy = remedy


_SEE_DESCRIPTION: Final = "GET /openapi.json describes every path"


def answers(**descriptions: str) -> dict[int | str, dict[str, Any]]:
    """Describe error responses: `answers(not_found="…")`, named as in `HTTPStatus`."""
    return {
        HTTPStatus[name.upper()].value: {"model": Problem, "description": description}
        for name, description in descriptions.items()
    }


def install(app: FastAPI, *, unauthorized: str) -> None:
    """Answer every error of an application in one shape.

    Args:
        app: the application.
        unauthorized: the remedy for a missing token: where it is found.
    """
    remedies = {401: unauthorized, 404: _SEE_DESCRIPTION, 405: _SEE_DESCRIPTION}

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        return problem(error.status, error.error, error.remedy)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return problem(422, "; ".join(_faults(error)))

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, error.detail, remedies.get(error.status_code), error.headers)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - the server logs it
        return problem(500, "internal error; the log has the details")


def problem(
    status: int, error: str, remedy: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error response."""
    content = Problem(error=error, remedy=remedy)
    return JSONResponse(content.model_dump(exclude_none=True), status, headers)


def _faults(error: RequestValidationError) -> Iterable[str]:
    for fault in error.errors():
        yield f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
