"""Parameters of many operations: the gateway, and the identity of a charge point."""

import asyncio
from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import Depends, Path, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from chargebridge.gateway.gateway import Gateway

LONGEST_IDENTITY: Final = 200
"""Characters that an identity in a request may have."""


async def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


TheGateway = Annotated[Gateway, Depends(_gateway)]


async def _identity(
    identity: Annotated[
        str,
        Path(
            description="Of the charge point, percent-encoded.",
            examples=["CP-1"],
            max_length=LONGEST_IDENTITY,
        ),
    ],
) -> str:
    # `EncodedSlashes` has left it encoded.
    return unquote(identity)


Identity = Annotated[str, Depends(_identity)]


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


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse query parameters that the operation does not have, as unknown fields of bodies are refused.

    A filter with a typing error in it would otherwise select everything.
    """
    if not request.query_params:
        return
    route = request.scope["route"]
    known = _names(route.dependant) if isinstance(route, APIRoute) else set()
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        expected = f"one of {', '.join(sorted(known))}" if known else "none"
        raise RequestValidationError(
            [
                {
                    "type": "extra_forbidden",
                    "loc": ("query", name),
                    "msg": f"there is no such parameter; expected {expected}",
                }
                for name in unknown
            ]
        )


def _names(dependant: Dependant) -> set[str]:
    """Return the names of the query parameters of an operation, those of its dependencies included."""
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*map(_names, dependant.dependencies))
