"""Problems of the gateway: error responses for its errors, in the shape of all of them."""

from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from chargebridge.gateway.errors import (
    AlreadySettledError,
    NotLeavingError,
    NotSimulatedError,
    SeveralLeavingError,
    UndeliverableDeadLetterError,
    UnknownChargePointError,
    UnknownDeadLetterError,
    UnknownMessageError,
    UnknownSetAsideError,
)
from chargebridge.rest import problems
from chargebridge.rest.problems import Problem, RefusedError, answers, problem
from chargebridge.store.errors import StoreError

__all__ = ["Problem", "RefusedError", "answers", "install"]

_PRESENT_IT: Final = (
    "send `Authorization: Bearer TOKEN` with the token of the configuration, or else the one in the"
    " file api-token of the state directory"
)


def install(app: FastAPI) -> None:
    """Answer every error of an application in one shape."""
    problems.install(app, unauthorized=_PRESENT_IT)

    @app.exception_handler(UnknownChargePointError)
    async def unknown(_: Request, error: UnknownChargePointError) -> JSONResponse:
        return problem(404, str(error), "GET /charge-points lists them")

    @app.exception_handler(NotLeavingError)
    async def not_leaving(_: Request, error: NotLeavingError) -> JSONResponse:
        return problem(404, str(error), "GET /leaving-charge-points lists them")

    @app.exception_handler(SeveralLeavingError)
    async def several(_: Request, error: SeveralLeavingError) -> JSONResponse:
        return problem(409, str(error), error.remedy)

    @app.exception_handler(UnknownDeadLetterError)
    async def unknown_dead_letter(_: Request, error: UnknownDeadLetterError) -> JSONResponse:
        return problem(404, str(error), "GET /dead-letters lists them; redelivered ones have left the list")

    @app.exception_handler(UnknownMessageError)
    async def unknown_message(_: Request, error: UnknownMessageError) -> JSONResponse:
        return problem(
            404, str(error), "GET /queue lists them; an id holds until its message is sent or moved"
        )

    @app.exception_handler(UnknownSetAsideError)
    async def unknown_set_aside(_: Request, error: UnknownSetAsideError) -> JSONResponse:
        return problem(404, str(error), "GET /set-aside lists them; only the newest 1000 are kept")

    @app.exception_handler(AlreadySettledError)
    async def settled(_: Request, error: AlreadySettledError) -> JSONResponse:
        return problem(409, str(error))

    @app.exception_handler(UndeliverableDeadLetterError)
    async def undeliverable(_: Request, error: UndeliverableDeadLetterError) -> JSONResponse:
        return problem(409, str(error), error.remedy)

    @app.exception_handler(NotSimulatedError)
    async def not_simulated(_: Request, error: NotSimulatedError) -> JSONResponse:
        return problem(409, str(error))

    @app.exception_handler(StoreError)
    async def store_failed(_: Request, error: StoreError) -> JSONResponse:
        return problem(503, str(error))
