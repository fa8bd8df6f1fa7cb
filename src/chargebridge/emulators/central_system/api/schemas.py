"""The messages of OCPP as JSON schemas, made of the types that decode them, for the OpenAPI description."""

import inspect
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from chargebridge.ocpp16.actions import ACTIONS
from chargebridge.ocpp16.fields import URI_PATTERN, Rate
from chargebridge.ocpp16.timestamps import TIMESTAMP_PATTERN

ACTIONS_TO_SEND: Final = (
    "CancelReservation",
    "CertificateSigned",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ClearCache",
    "ClearChargingProfile",
    "DataTransfer",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
    "GetCompositeSchedule",
    "GetConfiguration",
    "GetDiagnostics",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "GetLog",
    "InstallCertificate",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "ReserveNow",
    "Reset",
    "SendLocalList",
    "SetChargingProfile",
    "SignedUpdateFirmware",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateFirmware",
)
"""The actions that a central system sends."""
_REFERENCE: Final = "#/components/schemas/{name}"
_FORMATS: Final = {
    TIMESTAMP_PATTERN: {"format": "date-time", "example": "2026-01-31T12:00:00Z"},
    URI_PATTERN: {"format": "uri", "example": "ftp://example.org/log"},
}
"""Patterns of Python's, by the formats that say the same."""


def components() -> dict[str, Any]:
    """Return the schemas of all payloads, with everything that they refer to, by name."""
    payloads = [ACTIONS[name].request for name in ACTIONS_TO_SEND]
    responses = [ACTIONS[name].response for name in ACTIONS_TO_SEND]
    _, schemas = msgspec.json.schema_components(
        [*payloads, *responses], schema_hook=_schema_of, ref_template=_REFERENCE
    )
    return {name: _plain(schema) for name, schema in schemas.items()}


def _schema_of(kind: type) -> dict[str, Any]:
    if kind is Rate:
        bound = 10**15
        return {"type": "number", "multipleOf": 0.1, "exclusiveMinimum": -bound, "exclusiveMaximum": bound}
    raise NotImplementedError(f"no schema for {kind}")


def reference(name: str) -> dict[str, str]:
    """Return a reference to one of the schemas."""
    return {"$ref": _REFERENCE.format(name=name)}


def _plain(schema: Any) -> Any:
    """Return a schema without what only Python can read."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in _without(schema, _artefacts(schema))}
    plain |= _FORMATS.get(schema.get("pattern", ""), {})
    if schema.get("type") == "integer":
        plain["example"] = 1  # else the page shows the smallest of 64 bits
    if isinstance(schema.get("description"), str):
        plain["description"] = inspect.cleandoc(schema["description"])
    return plain


def _artefacts(schema: dict[str, Any]) -> set[str]:
    found = set()
    if schema.get("pattern") in _FORMATS:
        found.add("pattern")
    if schema.get("default", "") is None:  # the Python value of a field that is absent
        found.add("default")
    return found


def _without(schema: dict[str, Any], keys: set[str]) -> Iterable[tuple[str, Any]]:
    return ((key, value) for key, value in schema.items() if key not in keys)
