"""Operations of an operator on a charge point."""

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from chargebridge.api.parameters import Identity, TheGateway
from chargebridge.api.problems import RefusedError, answers
from chargebridge.chargepoint.turn import Operation
from chargebridge.gateway.gateway import Gateway

router = APIRouter(prefix="/charge-points/{identity}", tags=["operations"])

_RESPONSES: Final = answers(
    not_found="There is no charge point of this identity.",
    conflict="The charge point has refused, or has no outcome within 20 s; `error` says why.",
)


class Accepted(BaseModel):
    """The operation is carried out, or stored and will be."""

    detail: str = Field(description="Details; may be empty.")


def accepted_or_refused(answer: tuple[bool, str]) -> Accepted:
    """Return the response for the outcome of an operation.

    Args:
        answer: whether it was accepted, and details.

    Raises:
        RefusedError: it was not accepted.
    """
    accepted, detail = answer
    if not accepted:
        raise RefusedError(409, detail or "the charge point has refused")
    return Accepted(detail=detail)


async def _perform(gateway: Gateway, identity: str, operation: Operation) -> Accepted:
    return accepted_or_refused(await gateway.perform(identity, operation))


@router.post("/stop-transaction", summary="Stop the transaction", responses=_RESPONSES)
async def stop_transaction(gateway: TheGateway, identity: Identity) -> Accepted:
    """Have the charger end the running session. The StopTransaction follows when it has ended."""
    return await _perform(gateway, identity, Operation.STOP_TRANSACTION)


@router.post("/reset", summary="Reset", responses=_RESPONSES)
async def reset(gateway: TheGateway, identity: Identity) -> Accepted:
    """Restart the charger and the charge point; a running transaction is ended first."""
    return await _perform(gateway, identity, Operation.RESET)


@router.post("/boot", summary="Boot", responses=_RESPONSES)
async def boot(gateway: TheGateway, identity: Identity) -> Accepted:
    """Send a BootNotification at once: a charge point that was Rejected or Pending waits no longer."""
    return await _perform(gateway, identity, Operation.BOOT)


@router.post("/unlock", summary="Unlock the cable", responses=_RESPONSES)
async def unlock(gateway: TheGateway, identity: Identity) -> Accepted:
    """Release the cable at the charger; answered when the charger has reported the outcome."""
    return await _perform(gateway, identity, Operation.UNLOCK)
