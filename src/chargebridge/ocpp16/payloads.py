"""Decodes the payload of a frame into a typed message, or says why it cannot.

One code serves all violations of a schema, `FormationViolation`, but for values outside an
enumeration, which E 3.24 and E 3.38 give `PropertyConstraintViolation` (RPC-11).
"""

from collections.abc import Mapping
from functools import cache
from typing import Final, TypeVar, get_args

from msgspec import Raw, Struct
from msgspec.json import Decoder
from msgspec.structs import fields

from chargebridge.ocpp16.actions import ACTIONS
from chargebridge.ocpp16.codec import convert, decode_untyped
from chargebridge.ocpp16.errors import CallErrorCode, PayloadError
from chargebridge.ocpp16.fields import Request, Response
from chargebridge.ocpp16.text import fit

_M = TypeVar("_M", Request, Response)

DESCRIPTION_LIMIT: Final = 255
"""Characters in a CALLERROR's description (J§4.2.3)."""


def decode_request_payload(action: str, payload: Raw, *, tolerant: bool = False) -> Request:
    """Decode the payload of a CALL.

    Args:
        action: the action's name.
        payload: the payload as it arrived; `null` stands for `{}` (RPC-4).
        tolerant: take unknown fields, and optional ones that are `null`, as absent (RPC-12).

    Raises:
        PayloadError: `NotImplemented` if there is no such action, else as described at the top of the module.
    """
    known = ACTIONS.get(action)
    if known is None:
        raise PayloadError(CallErrorCode.NOT_IMPLEMENTED, "there is no such action in OCPP 1.6")
    return _decode(payload, known.request_decoder, known.request, tolerant=tolerant)


def decode_response(action: str, payload: Raw) -> Response:
    """Decode the payload of the CALLRESULT that answers a CALL of this action, as strictly as its schema.

    For who checks the other side. A charge point reads `answers`, which take what can be used.

    Args:
        action: one that was called.
        payload: the payload as it arrived; `null` stands for `{}` (RPC-4).

    Raises:
        PayloadError: with a code as described at the top of the module.
        KeyError: if there is no such action.
    """
    known = ACTIONS[action]
    return _decode(payload, known.response_decoder, known.response, tolerant=False)


_NULL: Final = Raw(b"null")
_EMPTY_OBJECT: Final = Raw(b"{}")


def _decode(payload: Raw, decoder: Decoder[_M], message: type[_M], *, tolerant: bool) -> _M:
    if payload == _NULL:
        payload = _EMPTY_OBJECT
    try:
        return decoder.decode(payload)
    # msgspec's errors and those of UTF-8 are ValueErrors; nesting without end is a RecursionError.
    except (ValueError, RecursionError) as error:
        if not tolerant:
            raise _refusal(error) from error
    try:
        return convert(_known_fields(decode_untyped(payload), message), message)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from error


def _known_fields(value: object, message: type[Struct]) -> object:
    """Drop fields that `message` does not have, and those that are `null`, at every level."""
    if isinstance(value, list):
        return [_known_fields(item, message) for item in value]
    if not isinstance(value, dict):
        return value
    known = _parts(message)
    return {
        name: item if (part := known[name]) is None else _known_fields(item, part)
        for name, item in value.items()
        if name in known and item is not None
    }


@cache
def _parts(message: type[Struct]) -> Mapping[str, type[Struct] | None]:
    """Map the wire names of a message's fields to the composite type of each, if it has one."""
    return {field.encode_name: _composite(field.type) for field in fields(message)}


def _composite(annotation: object) -> type[Struct] | None:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return annotation
    return next((part for argument in get_args(annotation) if (part := _composite(argument))), None)


def _refusal(error: ValueError | RecursionError) -> PayloadError:
    """Build the error from msgspec's text, without the values that it quotes: they may be secrets."""
    what, separator, path = str(error).rpartition(" - at `$")
    if not separator:
        what, path = str(error), "`"
    code = CallErrorCode.FORMATION_VIOLATION
    if what.startswith("Invalid enum value"):
        code = CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION
        what = "not one of the values of this field"
    elif what.startswith("Expected `str` matching regex"):
        what = "Expected a URI" if "[A-Za-z]" in what else "Expected a date and time of ISO 8601"
    elif isinstance(error, RecursionError):
        what = "nested too deeply"
    elif isinstance(error, UnicodeError):
        what = "not UTF-8"
    where = path.removesuffix("`").removeprefix(".")
    return PayloadError(code, fit(f"{where}: {what}" if where else what, DESCRIPTION_LIMIT))
