"""Parameters of many operations: the gateway, and the identity of a charge point."""

import asyncio
from typing import Annotated

from fastapi import Depends, Query, Request

from chargebridge.gateway.gateway import Gateway
from chargebridge.rest.parameters import LONGEST_IDENTITY, Identity

__all__ = ["Identity", "OnlyOf", "TheGateway"]


async def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


TheGateway = Annotated[Gateway, Depends(_gateway)]


async def _known_identity(
    gateway: TheGateway,
    charge_point: Annotated[
        str | None,
        Query(
            max_length=LONGEST_IDENTITY,
            description="Only those of this charge point, also of a removed one.",
        ),
    ] = None,
) -> str | None:
    if charge_point is not None:
        await asyncio.to_thread(gateway.check_identity, charge_point)
    return charge_point


OnlyOf = Annotated[str | None, Depends(_known_identity)]
"""The query parameter `charge_point`; one that there never was is not found."""
