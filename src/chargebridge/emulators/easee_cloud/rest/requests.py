"""Decodes and checks the bodies, paths and queries of requests."""

from datetime import datetime
from typing import TypeVar

import msgspec
from aiohttp import web

from chargebridge.chargers.easee.twin.ticks import parse_time
from chargebridge.emulators.easee_cloud.problems import bad_request

Shape = TypeVar("Shape")


async def body(request: web.Request, shape: type[Shape]) -> Shape:
    """Decode the JSON body of a request into a struct; raises `ProblemError` (400) if it is invalid."""
    data = await request.read()
    try:
        # Strings are accepted for numbers and booleans, as by the real API.
        return msgspec.json.decode(data or b"{}", type=shape, strict=False)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `")
        field = where.rstrip("`").removeprefix("$.") or "$"
        raise bad_request("One or more validation errors occurred.", {field: [text]}) from None
    except (RecursionError, msgspec.DecodeError) as error:
        raise bad_request(f"The body is not JSON: {error}") from None


def time_ms(text: str) -> int:
    """Return a time of a path in UTC milliseconds; a date alone is its midnight.

    Raises:
        ProblemError: 400, the text is not a time.
    """
    try:
        if len(text) == len("2023-06-12"):
            datetime.fromisoformat(text)
            text += "T00:00:00Z"
        return parse_time(text.replace(" ", "+"))
    except ValueError:
        raise bad_request(f"Not a time: {text[:40]}") from None


def number(text: str, otherwise: int, most: int) -> int:
    """Return a number of a query, cut at `most`; `otherwise` if the text is not a number."""
    return min(int(text), most) if text.isdecimal() and len(text) < 10 else otherwise
