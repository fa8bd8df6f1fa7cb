"""Health and readiness, for process supervisors and load balancers; no token needed."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from chargebridge.api.parameters import TheGateway
from chargebridge.api.problems import RefusedError, answers
from chargebridge.gateway.gateway import Gateway

router = APIRouter(tags=["service"])


class Health(BaseModel):
    """The program works."""

    status: Literal["ok"] = "ok"


def _check(gateway: Gateway) -> Health:
    failing = gateway.failing
    if failing is not None:
        raise RefusedError(503, f"the store cannot commit: {failing}")
    return Health()


@router.get(
    "/health",
    summary="Health",
    responses=answers(service_unavailable="The store fails; `error` says why."),
)
async def health(gateway: TheGateway) -> Health:
    """Answers 200 while the store can be written. Needs no token."""
    return _check(gateway)


@router.get(
    "/ready",
    summary="Readiness",
    responses=answers(service_unavailable="The store fails; `error` says why."),
)
async def ready(gateway: TheGateway) -> Health:
    """Answers 200 once drivers and links are started, while the store can be written. Needs no token.

    A central system that cannot be reached does not make the program unready: charge points go on
    without it, and their transactions are queued.
    """
    return _check(gateway)
