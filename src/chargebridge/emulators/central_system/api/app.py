"""The FastAPI application, put together."""

from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from chargebridge import __version__
from chargebridge.emulators.central_system.api.guard import OwnPagesOnly
from chargebridge.emulators.central_system.api.routes import (
    answering,
    calls,
    charge_points,
    connections,
    frames,
    policy,
    received,
)
from chargebridge.emulators.central_system.api.schemas import components
from chargebridge.emulators.central_system.central_system import CentralSystem
from chargebridge.rest import problems
from chargebridge.rest.access import Access, authorize
from chargebridge.rest.middleware import EncodedSlashes, SmallBodies
from chargebridge.rest.parameters import refuse_unknown_parameters, require_json
from chargebridge.rest.problems import Problem

LARGEST_BODY: Final = 2**20
"""Bytes: as long as a message may be on the wire, such as a long local list."""

_DESCRIPTION: Final = """\
The bundled OCPP 1.6J central system: send any CALL to a charge point, read what came, decide how it answers.

Identities in paths are percent-encoded, `/` as `%2F`. Times are UTC, energy is in Wh, waits are real seconds.
The body of every error is `{"error": …, "remedy": …}`, with a `remedy` where one is known.
"""

_TAGS: Final[list[dict[str, Any]]] = [
    {"name": "charge points", "description": "Charge points, and what they said last."},
    {"name": "calls", "description": "CALLs to a charge point; the answer is in the response."},
    {"name": "wrong on purpose", "description": "CALLs and frames that no central system should send."},
    {"name": "received", "description": "Frames, transactions, and broken rules."},
    {"name": "answers", "description": "Which charge points and idTags it accepts, and scripted answers."},
    {"name": "connections", "description": "Handshakes, closed and cut connections, silence."},
]

_RESPONSES: Final = problems.answers(
    bad_request="The body cannot be read as text.",
    forbidden="A browser sent the request for a page from elsewhere.",
    request_entity_too_large=f"The body has more than {LARGEST_BODY} bytes.",
    unsupported_media_type="The body is not JSON.",
    unprocessable_entity="A parameter or a field of the body is wrong.",
)


def create_app(central_system: CentralSystem, host: str, token: str | None = None) -> FastAPI:
    """Return the application for one central system.

    Args:
        central_system: the central system; it need not be started.
        host: the address that the API listens on.
        token: clients have to present it; None: they need none.
    """
    app = FastAPI(
        title="chargebridge: bundled central system",
        version=__version__,
        docs_url="/docs",
        redoc_url=None,
        responses=_RESPONSES,
    )
    app.state.central_system = central_system
    app.state.scripts = answering.Scripts(central_system)
    problems.install(
        app, unauthorized="send `Authorization: Bearer TOKEN` with the token of --api-token-file"
    )
    checks = [Depends(refuse_unknown_parameters), Depends(require_json)]
    responses: dict[int | str, dict[str, Any]] = {}
    if token is not None:
        app.state.access = Access(token)
        checks.insert(0, Depends(authorize))
        responses = {401: {"model": Problem, "description": "The token is missing or wrong."}}
    for module in (charge_points, calls, frames, received, policy, answering, connections):
        app.include_router(module.router, dependencies=checks, responses=responses)
    app.add_middleware(SmallBodies, largest=LARGEST_BODY)
    if token is None:
        app.add_middleware(OwnPagesOnly, host=host)
    app.add_middleware(EncodedSlashes)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description, with the payloads of OCPP among its schemas."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=_DESCRIPTION,
            routes=app.routes,
            tags=_TAGS,
        )
        schemas = document["components"]["schemas"]
        for name, schema in components().items():
            if name not in schemas:
                schemas[name] = schema
            elif set(schemas[name].get("enum", ())) != set(schema.get("enum", [None])):
                # An enumeration of OCPP that an operation uses, too, is there already; anything else clashes.
                raise ValueError(f"two schemas have the name {name}")
        app.openapi_schema = document
    return app.openapi_schema
