"""Validates payloads against the official JSON schemas, as the OCA publishes them.

The typed messages of `chargebridge.ocpp16` check the same rules faster; this check does not share their code,
and so not their mistakes.
"""

import json
import re
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final
from urllib.parse import urlsplit

from jsonschema import FormatChecker
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from chargebridge.ocpp16.codec import ENCODER
from chargebridge.ocpp16.messages import JsonObject

_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_formats: Final = FormatChecker(formats=())


@_formats.checks("date-time")
def is_date_time(value: object) -> bool:
    """Return whether a text is a dateTime of OCPP: ISO 8601, any fraction, any zone or none (`VAL-3`)."""
    if not isinstance(value, str):
        return True
    if not _DATE_TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


@_formats.checks("uri")
def is_uri(value: object) -> bool:
    """Return whether a text is an absolute URI."""
    if not isinstance(value, str):
        return True
    try:
        return bool(urlsplit(value).scheme)
    except ValueError:
        return False


def schema_error(schema_name: str, payload: bytes) -> ValidationError | None:
    """Check a payload against an official schema.

    Args:
        schema_name: the name of the schema's file without its suffix: `Authorize`, `AuthorizeResponse`.
        payload: the JSON text of the payload.

    Returns:
        The most relevant error, or None if the payload is valid.

    Raises:
        ValueError: the payload is not JSON.
        FileNotFoundError: there is no such schema.
    """
    # Decimals: in binary, 8.1 is no multiple of 0.1 (VAL-4).
    errors = _validator(schema_name).iter_errors(json.loads(payload, parse_float=Decimal))
    worst: ValidationError | None = best_match(errors)
    return worst


def require_valid(schema_name: str, message: JsonObject) -> None:
    """Check a message before the central system sends it.

    Raises:
        ValueError: it is not valid under the schema of this name.
    """
    error = schema_error(schema_name, ENCODER.encode(message))
    if error is not None:
        raise ValueError(f"{schema_name}: {error.message}")


@cache
def _validator(schema_name: str) -> Validator:
    file = resources.files("chargebridge.ocpp16") / "schemas" / f"{schema_name}.json"
    schema = json.loads(file.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    return validator_for(schema)(schema, format_checker=_formats)
