"""Problems: one shape for all error responses."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from chargebridge.gateway.errors import (
    AlreadySettledError,
    NotSimulatedError,
    UndeliverableDeadLetterError,
    UnknownChargePointError,
    UnknownDeadLetterError,
    UnknownSetAsideError,
)
from chargebridge.store.errors import StoreError


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


_REMEDIES: Final[Mapping[int, str]] = {
    401: "send `Authorization: Bearer TOKEN` with the token of the configuration, or else the one in the"
    " file api-token of the state directory",
    404: "GET /openapi.json describes every path",
    405: "GET /openapi.json describes every path",
}


def answers(**descriptions: str) -> dict[int | str, dict[str, Any]]:
    """Describe error responses: `answers(not_found="…")`, named as in `HTTPStatus`."""
    return {
        HTTPStatus[name.upper()].value: {"model": Problem, "description": description}
        for name, description in descriptions.items()
    }


def install(app: FastAPI) -> None:
    """Answer every error of an application in one shape."""

    @app.exception_handler(UnknownChargePointError)
    async def unknown(_: Request, error: UnknownChargePointError) -> JSONResponse:
        return _answer(404, str(error), "GET /charge-points lists them")

    @app.exception_handler(UnknownDeadLetterError)
    async def unknown_dead_letter(_: Request, error: UnknownDeadLetterError) -> JSONResponse:
        return _answer(404, str(error), "GET /dead-letters lists them; redelivered ones have left the list")

    @app.exception_handler(UnknownSetAsideError)
    async def unknown_set_aside(_: Request, error: UnknownSetAsideError) -> JSONResponse:
        return _answer(404, str(error), "GET /set-aside lists them; only the newest 1000 are kept")

    @app.exception_handler(AlreadySettledError)
    async def settled(_: Request, error: AlreadySettledError) -> JSONResponse:
        return _answer(409, str(error))

    @app.exception_handler(UndeliverableDeadLetterError)
    async def undeliverable(_: Request, error: UndeliverableDeadLetterError) -> JSONResponse:
        return _answer(409, str(error), error.remedy)

    @app.exception_handler(NotSimulatedError)
    async def not_simulated(_: Request, error: NotSimulatedError) -> JSONResponse:
        return _answer(409, str(error))

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        return _answer(error.status, error.error, error.remedy)

    @app.exception_handler(StoreError)
    async def store_failed(_: Request, error: StoreError) -> JSONResponse:
        return _answer(503, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(422, "; ".join(_faults(error)))

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        return _answer(error.status_code, error.detail, _REMEDIES.get(error.status_code), error.headers)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - the server logs it
        return _answer(500, "internal error; the log has the details")


def _faults(error: RequestValidationError) -> Iterable[str]:
    for fault in error.errors():
        yield f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def _answer(
    status: int, error: str, remedy: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    problem = Problem(error=error, remedy=remedy)
    return JSONResponse(problem.model_dump(exclude_none=True), status, headers)
