"""Parameters of many operations: the central system, and a charge point that it knows."""

from typing import Annotated

from fastapi import Depends, Query, Request

from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.rest.parameters import Identity
from chargebridge.rest.problems import RefusedError, answers

UNKNOWN = answers(not_found="No charge point of this identity has ever connected.")


async def _central_system(request: Request) -> CentralSystem:
    central_system: CentralSystem = request.app.state.central_system
    return central_system


TheCentralSystem = Annotated[CentralSystem, Depends(_central_system)]


async def _known(central_system: TheCentralSystem, identity: Identity) -> str:
    require_known(central_system, identity)
    return identity


KnownIdentity = Annotated[str, Depends(_known)]


def require_known(central_system: CentralSystem, identity: str) -> None:
    """Refuse a charge point that has never connected.

    Raises:
        RefusedError: 404.
    """
    if identity not in central_system.identities:
        raise RefusedError(
            404,
            f"no charge point {identity!r} has ever connected",
            f"let it connect to {central_system.url}/{identity}; GET /charge-points lists those that have",
        )


async def _selected(
    central_system: TheCentralSystem,
    charge_point: Annotated[str | None, Query(description="Only of this charge point.")] = None,
) -> str | None:
    if charge_point is not None:
        require_known(central_system, charge_point)
    return charge_point


SelectedIdentity = Annotated[str | None, Depends(_selected)]
Limit = Annotated[int, Query(ge=1, le=1000, description="Maximum number of items.")]
Offset = Annotated[int, Query(ge=0, le=2**31, description="Number of items to leave out before.")]
