"""The FastAPI application, put together."""

from typing import Any, Final

from fastapi import Depends, FastAPI

from chargebridge import __version__
from chargebridge.api import problems
from chargebridge.api.problems import Problem
from chargebridge.api.routes import (
    backup,
    charge_points,
    dead_letters,
    drivers,
    frames,
    health,
    leaving,
    metrics,
    operations,
    queue,
    set_aside,
    simulated,
    transactions,
)
from chargebridge.api.watching import Watchers
from chargebridge.gateway.gateway import Gateway
from chargebridge.rest.access import Access, authorize
from chargebridge.rest.middleware import EncodedSlashes, SmallBodies
from chargebridge.rest.parameters import refuse_unknown_parameters

_DESCRIPTION: Final = """\
Charge points, their transactions and frames, and a few operations on them.

Every request but `/health`, `/ready` and this description carries `Authorization: Bearer TOKEN`.
Identities in paths are percent-encoded, `/` as `%2F`. Times are UTC, energy is in Wh, current in A.
The body of every error is `{"error": …, "remedy": …}`, with a `remedy` where one is known.
"""

_TAGS: Final[list[dict[str, Any]]] = [
    {"name": "charge points", "description": "Live state and links."},
    {"name": "transactions", "description": "Transactions and the delivery of their Start and Stop."},
    {
        "name": "queues",
        "description": "Messages that wait for their answer: listed, or set aside by hand.",
    },
    {
        "name": "dead letters",
        "description": "Messages that failed at all their attempts: redelivered, or settled by hand.",
    },
    {"name": "inputs set aside", "description": "Inputs that made a turn fail twice."},
    {"name": "frames", "description": "OCPP frames exchanged with the central system; secrets are masked."},
    {"name": "operations", "description": "Operations on a charge point."},
    {"name": "simulated chargers", "description": "Cars, tokens and faults at simulated chargers."},
    {
        "name": "drivers",
        "description": "The connections to the clouds of chargers, and what waits or is paused.",
    },
    {"name": "service", "description": "Health, metrics and backup of the program."},
]


def create_app(gateway: Gateway, token: str) -> FastAPI:
    """Return the application for one gateway.

    Args:
        gateway: is to be started before the first request comes.
        token: clients have to present it.
    """
    app = FastAPI(
        title="chargebridge",
        version=__version__,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        docs_url="/docs",
        redoc_url=None,
        responses={422: {"model": Problem, "description": "A parameter or a field of the body is wrong."}},
    )
    app.state.gateway = gateway
    app.state.access = Access(token)
    app.state.watchers = Watchers(gateway)
    problems.install(app)
    app.include_router(health.router, dependencies=[Depends(refuse_unknown_parameters)])
    for router in (
        charge_points.router,
        leaving.router,
        operations.router,
        transactions.router,
        queue.router,
        dead_letters.router,
        set_aside.router,
        frames.router,
        simulated.router,
        drivers.router,
        metrics.router,
        backup.router,
    ):
        app.include_router(
            router,
            dependencies=[Depends(authorize), Depends(refuse_unknown_parameters)],
            responses={401: {"model": Problem, "description": "The token is missing or wrong."}},
        )
    app.add_middleware(SmallBodies)
    app.add_middleware(EncodedSlashes)
    return app
