"""Inputs that made a turn fail twice: listed, and settled once somebody has looked at them."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query

from chargebridge.api.parameters import Identity, OnlyOf, TheGateway
from chargebridge.api.problems import RefusedError, answers
from chargebridge.api.routes.charge_points import NEVER_KNOWN
from chargebridge.api.routes.operations import Accepted
from chargebridge.api.settling import LARGEST_ID, SettledView, SettleRequest, settled_view
from chargebridge.clock import format_utc
from chargebridge.store.rows import SetAsideRow

router = APIRouter(tags=["inputs set aside"])


@dataclass(frozen=True, slots=True)
class SetAsideView:
    """An input that made its turn fail twice; its charge point went on without it. Please report it."""

    id: int
    charge_point: str
    central_system: str
    at: str
    input: str
    error: str
    settled: SettledView | None
    """By whom, when and why; null if it needs attention."""


@dataclass(frozen=True, slots=True)
class SetAsidePage:
    """Some of the inputs that were set aside, the latest first."""

    items: list[SetAsideView]
    next: int | None
    """The `before` of the next page; null if this is the last one."""


@router.get("/set-aside", summary="List inputs set aside", responses=NEVER_KNOWN)
async def list_set_aside(
    gateway: TheGateway,
    charge_point: OnlyOf,
    settled: Annotated[bool, Query(description="Those that were settled, instead of the others.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000, description="Maximum number of items.")] = 100,
    before: Annotated[
        int | None, Query(ge=1, le=LARGEST_ID, description="`next` of the previous page.")
    ] = None,
) -> SetAsidePage:
    """List inputs that were set aside after they had made a turn fail twice. The latest comes first.

    Each is a bug; the newest 1000 are kept.
    """
    rows = await asyncio.to_thread(
        gateway.store.set_aside, limit=limit, before=before, identity=charge_point, settled=settled
    )
    return SetAsidePage(items=[_view(row) for row in rows], next=rows[-1].id if len(rows) == limit else None)


def _view(row: SetAsideRow) -> SetAsideView:
    return SetAsideView(
        id=row.id,
        charge_point=row.identity,
        central_system=row.central_system,
        at=format_utc(row.entry.at_ms),
        input=row.entry.input,
        error=row.entry.error,
        settled=settled_view(row.settled),
    )


@router.post(
    "/set-aside/{id}/settle",
    summary="Settle an input set aside",
    responses=answers(not_found="No input was set aside under this id.", conflict="It was settled already."),
)
async def settle_set_aside(
    gateway: TheGateway,
    id: Annotated[int, Path(ge=1, le=LARGEST_ID, description="Id of the input.")],
    request: SettleRequest,
) -> Accepted:
    """Note that somebody has looked at an input; it is kept, and no longer counted."""
    return _accepted(await gateway.settle_set_aside(id, request.settlement))


@router.post(
    "/charge-points/{identity}/set-aside/settle",
    summary="Settle all inputs set aside of a charge point",
    responses=answers(not_found="There is no charge point of this identity.", conflict="There are none."),
)
async def settle_all_set_aside(gateway: TheGateway, identity: Identity, request: SettleRequest) -> Accepted:
    """Note that somebody has looked at all inputs of a charge point."""
    return _accepted(await gateway.settle_all_set_aside(identity, request.settlement))


def _accepted(count: int) -> Accepted:
    if not count:
        raise RefusedError(409, "no inputs are set aside")
    return Accepted(detail=f"settled: {count} input" if count == 1 else f"settled: {count} inputs")
