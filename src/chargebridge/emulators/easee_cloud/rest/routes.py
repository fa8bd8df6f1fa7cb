"""Which requests the API answers."""

from chargebridge.emulators.easee_cloud.rest import (
    accounts,
    chargers,
    commands,
    plans,
    resources,
    sessions,
    sites,
)
from chargebridge.emulators.easee_cloud.rest.context import Context, Route


def routes(context: Context) -> list[Route]:
    """Return all routes, those of one path in the order in which they are looked at."""
    return [
        route
        for part in (accounts, chargers, commands, plans, resources, sessions, sites)
        for route in part.routes(context)
    ]
