"""Parameters of many operations, and the refusal of those that an operation does not have."""

from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import Depends, Path, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from chargebridge.rest.problems import RefusedError

LONGEST_IDENTITY: Final = 200
"""Characters that an identity in a request may have."""


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


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse query parameters that the operation does not have, as unknown fields of bodies are refused.

    A filter with a typing error in it would otherwise select everything.

    Raises:
        RequestValidationError: it names them, and those there are.
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
