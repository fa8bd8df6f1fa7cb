"""Parameters of many operations: the gateway, and the identity of a charge point."""

from typing import Annotated

from fastapi import Depends, Request

from chargebridge.gateway.gateway import Gateway
from chargebridge.rest.parameters import Identity

__all__ = ["Identity", "TheGateway"]


async def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


TheGateway = Annotated[Gateway, Depends(_gateway)]
