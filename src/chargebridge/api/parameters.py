"""Parameters of many operations: the gateway, and the identity of a charge point."""

import asyncio
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError

from chargebridge.config.labels import MOST_LABELS, read_filter
from chargebridge.config.problems import UnexpectedError
from chargebridge.gateway.gateway import Gateway
from chargebridge.rest.parameters import LONGEST_IDENTITY, Identity

__all__ = ["Identity", "Labels", "OnlyOf", "TheGateway"]


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


async def _labels(
    label: Annotated[
        list[str],
        Query(
            max_length=MOST_LABELS,
            description="Only those with this label, as `KEY:VALUE`; several: only those with all of them.",
            examples=["site:Villa"],
        ),
    ] = [],  # noqa: B006 - FastAPI copies it
) -> list[tuple[str, str]]:
    try:
        return [read_filter(text) for text in label]
    except UnexpectedError as error:
        message = {"type": "value_error", "loc": ("query", "label"), "msg": str(error)}
        raise RequestValidationError([message]) from None


Labels = Annotated[list[tuple[str, str]], Depends(_labels)]
"""The query parameter `label`, which may be given several times."""
