"""Drivers: how they stand with the clouds of their chargers."""

from fastapi import APIRouter

from chargebridge.api.parameters import TheGateway
from chargebridge.gateway.views.drivers import DriverView

router = APIRouter(prefix="/drivers", tags=["drivers"])


@router.get("", summary="List drivers")
async def list_drivers(gateway: TheGateway) -> list[DriverView]:
    """Show the drivers of the configuration: their connection, and what they do not send and until when."""
    return gateway.drivers()
