"""The frames between the central system and a charge point."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from chargebridge.emulators.central_system.api.parameters import (
    UNKNOWN,
    KnownIdentity,
    Limit,
    TheCentralSystem,
)
from chargebridge.emulators.central_system.api.times import shown_time
from chargebridge.emulators.central_system.transcript import Direction, Exchange, Kind
from chargebridge.ocpp16.redaction import shown

router = APIRouter(prefix="/charge-points/{identity}/frames", tags=["received"])

LONGEST_WAIT_S: Final = 60


class FrameView(BaseModel):
    """A message."""

    index: int = Field(description="Its number among the frames of the charge point.")
    at: str
    direction: str = Field(
        description="`received` from the charge point, or `sent` to it.", examples=["received"]
    )
    kind: Kind
    action: str = Field(description="The action of the CALL, also of its answer; empty if unknown.")
    text: str = Field(description="The message; secrets are masked, and a long one is cut off.")


@router.get("", summary="Show frames, or wait for one", responses=UNKNOWN)
async def show_frames(
    central_system: TheCentralSystem,
    identity: KnownIdentity,
    since: Annotated[int, Query(ge=0, le=2**53, description="The first index to show.")] = 0,
    action: Annotated[str | None, Query(description="Only of this action.")] = None,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    wait_s: Annotated[
        float,
        Query(
            ge=0,
            le=LONGEST_WAIT_S,
            allow_inf_nan=False,
            description="If there is none yet, the seconds to wait for the first.",
        ),
    ] = 0,
    limit: Limit = 100,
) -> list[FrameView]:
    """Show the newest frames of a charge point that fit, oldest first; the last 1000 are kept.

    To wait for a message of the charge point: note the last `index`, let it happen, and ask for those `since`
    the next index with its `action`, `kind=CALL` and `wait_s`.
    """

    def fits(exchange: Exchange) -> bool:
        return (action is None or exchange.action == action) and (kind is None or exchange.kind is kind)

    found = await central_system.exchanges_since(identity, since, fits, wait_s)
    return [_view(exchange) for exchange in found[-limit:]]


def _view(exchange: Exchange) -> FrameView:
    return FrameView(
        index=exchange.index,
        at=shown_time(exchange.at_ms),
        direction="received" if exchange.direction is Direction.FROM_CHARGE_POINT else "sent",
        kind=exchange.kind,
        action=exchange.action,
        text=shown(exchange.frame),
    )
