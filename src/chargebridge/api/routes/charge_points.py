"""Charge points: their live state and their links."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from chargebridge.api.parameters import Identity, Labels, TheGateway
from chargebridge.api.problems import answers
from chargebridge.gateway.views.charge_points import ChargePointView, LinkView

router = APIRouter(prefix="/charge-points", tags=["charge points"])

UNKNOWN = answers(not_found="There is no charge point of this identity.")
NEVER_KNOWN = answers(not_found="There is no charge point of this identity, and there never was.")
"""For lists that also have what belongs to removed charge points."""


@dataclass(frozen=True, slots=True)
class ChargePointPage:
    """Some of the charge points, in the order of the configuration."""

    total: int
    """Number of charge points, those with the labels that were asked for."""
    offset: int
    items: list[ChargePointView]


@router.get("", summary="List charge points")
async def list_charge_points(
    gateway: TheGateway,
    labels: Labels,
    limit: Annotated[int, Query(ge=1, le=500, description="Maximum number of items.")] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Number of items to skip.")] = 0,
) -> ChargePointPage:
    """Show the configured charge points with their live state, page by page."""
    identities = gateway.identities(labels)
    page = identities[offset : offset + limit]
    return ChargePointPage(
        total=len(identities), offset=offset, items=[gateway.charge_point(identity) for identity in page]
    )


@router.get("/{identity}", summary="Show a charge point", responses=UNKNOWN)
async def show_charge_point(gateway: TheGateway, identity: Identity) -> ChargePointView:
    """Show one charge point with its live state."""
    return gateway.charge_point(identity)


@router.post("/{identity}/link/down", summary="Take the link down", responses=UNKNOWN)
async def take_link_down(gateway: TheGateway, identity: Identity) -> LinkView:
    """Disconnect from the central system, and stay so until `link/up` or a restart of the program.

    The charger goes on charging, and its transaction-related messages are queued. The answer shows the
    link at that time: `closing` until the central system has answered the close.
    """
    gateway.link_down(identity)
    return gateway.charge_point(identity).link


@router.post("/{identity}/link/up", summary="Bring the link up", responses=UNKNOWN)
async def let_link_up(gateway: TheGateway, identity: Identity) -> LinkView:
    """Connect to the central system, and stay connected. Without effect on a link that is up."""
    gateway.link_up(identity)
    return gateway.charge_point(identity).link
