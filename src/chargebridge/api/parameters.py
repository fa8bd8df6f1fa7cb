"""Parameters of many operations: the gateway, and the identity of a charge point."""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Path, Request

from chargebridge.gateway.gateway import Gateway


async def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


TheGateway = Annotated[Gateway, Depends(_gateway)]


async def _identity(
    identity: Annotated[
        str,
        Path(description="Of the charge point, percent-encoded.", examples=["CP-1"], max_length=200),
    ],
) -> str:
    # `EncodedSlashes` has left it encoded.
    return unquote(identity)


Identity = Annotated[str, Depends(_identity)]
