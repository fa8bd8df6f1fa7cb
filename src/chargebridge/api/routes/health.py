"""Health and readiness, for those who restart programs and steer traffic; open to everybody."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from chargebridge.api.parameters import TheGateway
from chargebridge.api.problems import RefusedError, answers
from chargebridge.gateway.gateway import Gateway

router = APIRouter(tags=["service"])


class Health(BaseModel):
    """The program is well."""

    status: Literal["ok"] = "ok"


def _check(gateway: Gateway) -> Health:
    failing = gateway.failing
    if failing is not None:
        raise RefusedError(503, f"nothing can be made durable: {failing}")
    return Health()


@router.get(
    "/health",
    summary="Is the program well?",
    responses=answers(service_unavailable="The store fails; says why."),
)
async def health(gateway: TheGateway) -> Health:
    """Answers while the process runs and can make durable what happens. Needs no token."""
    return _check(gateway)


@router.get(
    "/ready",
    summary="Is it ready for work?",
    responses=answers(service_unavailable="The store fails; says why."),
)
async def ready(gateway: TheGateway) -> Health:
    """Answers from when drivers and links are started; before that nobody listens. Needs no token.

    A central system that cannot be reached does not make the program unready: charge points go on
    without it, and their transactions wait.
    """
    return _check(gateway)
