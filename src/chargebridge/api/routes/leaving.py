"""Charge points that are leaving the configuration: listed, and ended by an operator."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from chargebridge.api.parameters import Identity, TheGateway
from chargebridge.api.problems import answers
from chargebridge.api.routes.operations import Accepted, accepted_or_refused
from chargebridge.api.settling import SettleRequest
from chargebridge.gateway.errors import NotLeavingError
from chargebridge.gateway.views.charge_points import LeavingView
from chargebridge.rest.parameters import LONGEST_IDENTITY

router = APIRouter(prefix="/leaving-charge-points", tags=["charge points"])

_UNKNOWN = "No charge point of this identity is leaving."


@dataclass(frozen=True, slots=True)
class LeavingPage:
    """Some of the charge points that are leaving, those that have been leaving for longest first."""

    total: int
    """Number of charge points that are leaving."""
    offset: int
    items: list[LeavingView]


@router.get("", summary="List leaving charge points")
async def list_leaving(
    gateway: TheGateway,
    limit: Annotated[int, Query(ge=1, le=500, description="Maximum number of items.")] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Number of items to skip.")] = 0,
) -> LeavingPage:
    """Show charge points that are not configured any more, and still have something to deliver.

    They were removed, or moved to another central system. Each is dropped when everything is delivered.
    """
    leaving = gateway.leaving()
    return LeavingPage(total=len(leaving), offset=offset, items=leaving[offset : offset + limit])


@router.get("/{identity}", summary="Show leaving charge points", responses=answers(not_found=_UNKNOWN))
async def show_leaving(gateway: TheGateway, identity: Identity) -> list[LeavingView]:
    """Show the charge points of one identity that are leaving, one for each central system."""
    found = gateway.leaving(identity)
    if not found:
        raise NotLeavingError(f"no charge point {identity!r} is leaving")
    return found


@router.post(
    "/{identity}/end",
    summary="End a leaving charge point",
    responses=answers(
        not_found=_UNKNOWN,
        conflict="Several of this identity are leaving, or it has refused; `error` says why.",
    ),
)
async def end_leaving(
    gateway: TheGateway,
    identity: Identity,
    request: SettleRequest,
    central_system: Annotated[
        str | None,
        Query(max_length=LONGEST_IDENTITY, description="Which it leaves; needed if there are several."),
    ] = None,
) -> Accepted:
    """Make its whole queue dead letters, with who, when and why in each history; its link closes.

    Nothing is deleted: the dead letters can be settled, or redelivered once it is configured again.
    """
    return accepted_or_refused(await gateway.end(identity, central_system, request.settlement))
