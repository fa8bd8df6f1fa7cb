"""The routes of the whole API."""

from chargebridge.emulators.easee_cloud.rest import (
    accounts,
    chargers,
    commands,
    lifetime_energy,
    plans,
    resources,
    sessions,
    sites,
)
from chargebridge.emulators.easee_cloud.rest.context import Context, Route


def routes(context: Context) -> list[Route]:
    """Return all routes; among those with the same path, the first one that matches answers."""
    return [
        route
        for part in (accounts, lifetime_energy, chargers, commands, plans, resources, sessions, sites)
        for route in part.routes(context)
    ]
