"""Parameters of many operations, and the refusal of those that an operation does not have."""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Path, Request
from fastapi.routing import APIRoute

from chargebridge.rest.problems import RefusedError


async def _identity(
    identity: Annotated[
        str,
        Path(description="Of the charge point, percent-encoded.", examples=["CP-1"], max_length=200),
    ],
) -> str:
    # `EncodedSlashes` has left it encoded.
    return unquote(identity)


Identity = Annotated[str, Depends(_identity)]


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse query parameters that the operation does not have: a misspelt filter would show everything.

    Raises:
        RefusedError: 422; it names the parameter, and those there are.
    """
    route = request.scope["route"]
    if not request.query_params or not isinstance(route, APIRoute):
        return
    described = request.app.openapi()["paths"][route.path_format][request.method.lower()]
    known = [one["name"] for one in described.get("parameters", ()) if one["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            remedy = f"it has {', '.join(known)}" if known else "it has no parameters"
            raise RefusedError(422, f"query.{name}: there is no such parameter here", remedy)


async def require_json(request: Request) -> None:
    """Refuse a body of another media type: it would not be read, and taken as absent.

    Raises:
        RefusedError: 415; it names the type that came.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and await request.body():
        named = f"is {media_type}" if media_type else "has no Content-Type"
        raise RefusedError(
            415, f"the body {named}, not application/json", "send it as JSON, with curl by --json"
        )
