"""Reads the answers of a central system field by field: what can be used is used.

Central systems answer with fields that no schema allows: an `expiryDate` of `""`, a status in small letters,
a number in quotes. Whoever sent the CALL needs one or two of the fields; an answer that has those is worth no
less for the others. So each field of these messages may be absent, and one that cannot be used is as if it
were absent, and named in `Answer.unusable`. What decides about an answer is up to its reader (`RPC-14`).

What has the right form takes the typed decoder; only the rest is looked at field by field. The requests of a
central system are read strictly, by `payloads`.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, Generic, NamedTuple, TypeVar, overload

from msgspec import Raw, Struct
from msgspec.json import Decoder

from chargebridge.ocpp16.codec import decode_untyped, new_decoder, repair
from chargebridge.ocpp16.datatypes import IdTagInfo
from chargebridge.ocpp16.enums import AuthorizationStatus, RegistrationStatus
from chargebridge.ocpp16.fields import CiString20, Integer, JsonObject, Optional, Timestamp
from chargebridge.ocpp16.timestamps import TIMESTAMP_PATTERN

_T = TypeVar("_T", bound=Struct)

WHOLE: Final = "payload"
"""In `Answer.unusable`: the payload is no JSON object."""


class Answer(NamedTuple, Generic[_T]):
    """An answer, as far as it can be used."""

    message: _T
    unusable: tuple[str, ...] = ()
    """The fields that are there and cannot be used, such as `idTagInfo.expiryDate`; never their values."""


class TokenInfo(JsonObject, frozen=True, kw_only=True):
    """The usable part of an IdTagInfo (§7.27)."""

    status: Optional[AuthorizationStatus] = None
    """In any letter case; a word that is none of the enumeration is `Invalid`."""
    expiry_date: Optional[Timestamp] = None
    parent_id_tag: Optional[CiString20] = None


class AuthorizeAnswer(JsonObject, frozen=True, kw_only=True):
    """The usable part of an Authorize.conf."""

    id_tag_info: Optional[TokenInfo] = None


class StartAnswer(JsonObject, frozen=True, kw_only=True):
    """The usable part of a StartTransaction.conf."""

    transaction_id: Optional[Integer] = None
    """An integer, or a number or text that says exactly one."""
    id_tag_info: Optional[TokenInfo] = None


class StopAnswer(JsonObject, frozen=True, kw_only=True):
    """The usable part of a StopTransaction.conf."""

    id_tag_info: Optional[TokenInfo] = None


class BootAnswer(JsonObject, frozen=True, kw_only=True):
    """The usable part of a BootNotification.conf; its `currentTime` is of no use to anyone here."""

    status: Optional[RegistrationStatus] = None
    """In any letter case."""
    interval: Optional[Integer] = None
    """In seconds: an integer, or a number or text that says exactly one."""
    current_time: Optional[Timestamp] = None


def read_authorize(payload: Raw) -> Answer[AuthorizeAnswer]:
    """Read the payload of the answer to an Authorize."""
    return _read(payload, AuthorizeAnswer)


def read_start(payload: Raw) -> Answer[StartAnswer]:
    """Read the payload of the answer to a StartTransaction."""
    return _read(payload, StartAnswer)


def read_stop(payload: Raw) -> Answer[StopAnswer]:
    """Read the payload of the answer to a StopTransaction."""
    return _read(payload, StopAnswer)


def read_boot(payload: Raw) -> Answer[BootAnswer]:
    """Read the payload of the answer to a BootNotification."""
    return _read(payload, BootAnswer)


@overload
def id_tag_info(info: TokenInfo | None, without_status: AuthorizationStatus) -> IdTagInfo: ...


@overload
def id_tag_info(info: TokenInfo | None, without_status: None = None) -> IdTagInfo | None: ...


def id_tag_info(
    info: TokenInfo | None, without_status: AuthorizationStatus | None = None
) -> IdTagInfo | None:
    """Return what an answer says of a token.

    Args:
        info: the usable part of its idTagInfo, if it has one.
        without_status: the status of a token of which it says none; None: then nothing was said of it.
    """
    info = info or TokenInfo()
    status = info.status or without_status
    if status is None:
        return None
    return IdTagInfo(status=status, expiry_date=info.expiry_date, parent_id_tag=info.parent_id_tag)


_DECODERS: Final[Mapping[type[Struct], Decoder[Struct]]] = {
    message: new_decoder(message) for message in (AuthorizeAnswer, StartAnswer, StopAnswer, BootAnswer)
}


def _read(payload: Raw, message: type[_T]) -> Answer[_T]:
    try:
        decoded = _DECODERS[message].decode(payload)
    # msgspec's errors and those of UTF-8 are ValueErrors; nesting without end is a RecursionError.
    except (ValueError, RecursionError):
        return _read_by_field(payload, message)
    assert isinstance(decoded, message)
    return Answer(decoded)


def _read_by_field(payload: Raw, message: type[_T]) -> Answer[_T]:
    try:
        value = _decode_any(payload)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return Answer(message(), (WHOLE,))
    unusable: list[str] = []
    return Answer(_usable(value, message, "", unusable), tuple(unusable))


def _decode_any(payload: Raw) -> object:
    try:
        return decode_untyped(payload)
    except ValueError:
        return decode_untyped(repair(bytes(payload)))  # a number of thousands of digits


def _usable(value: Mapping[object, object], message: type[_T], path: str, unusable: list[str]) -> _T:
    """Build a message of the fields that can be used; names those that cannot in `unusable`."""
    found: dict[str, object] = {}
    for name, (attribute, reader) in _FIELDS[message].items():
        item = value.get(name)
        if item is None:
            continue  # absent, or `null`, which says the same
        if isinstance(reader, type):
            read: object = None
            if isinstance(item, dict):
                read = _usable(item, reader, f"{path}{name}.", unusable)
        else:
            read = reader(item)
        if read is None:
            unusable.append(f"{path}{name}")
        else:
            found[attribute] = read
    return message(**found)


# --- single values ----------------------------------------------------------------------------------

_says_integer: Final = re.compile(r"[+-]?[0-9]{1,20}(?:\.0{1,20})?").fullmatch
_is_timestamp: Final = re.compile(TIMESTAMP_PATTERN).match
_LONGEST_TOKEN: Final = 20


def _integer(value: object) -> int | None:
    """Read an integer of 64 bits from a number or a text that says exactly one."""
    if isinstance(value, str):
        text = value.strip()
        value = Decimal(text) if _says_integer(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    # Compared before it is converted: 1e999999 would become a number of a million digits.
    if not -(2**63) <= value < 2**63 or value != int(value):
        return None
    return int(value)


def _text(value: object) -> str | None:
    return value.strip().lower() if isinstance(value, str) else None


_AUTHORIZATION: Final = {status.value.lower(): status for status in AuthorizationStatus}
_REGISTRATION: Final = {status.value.lower(): status for status in RegistrationStatus}


def _authorization_status(value: object) -> AuthorizationStatus | None:
    word = _text(value)
    return _AUTHORIZATION.get(word, AuthorizationStatus.INVALID) if word else None


def _registration_status(value: object) -> RegistrationStatus | None:
    return _REGISTRATION.get(_text(value) or "")


def _timestamp(value: object) -> str | None:
    return value if isinstance(value, str) and _is_timestamp(value) else None


def _token(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST_TOKEN else None


_Reader = Callable[[object], object] | type[Struct]
_TOKEN_INFO: Final[Mapping[str, tuple[str, _Reader]]] = {"idTagInfo": ("id_tag_info", TokenInfo)}
_FIELDS: Final[Mapping[type[Struct], Mapping[str, tuple[str, _Reader]]]] = {
    TokenInfo: {
        "status": ("status", _authorization_status),
        "expiryDate": ("expiry_date", _timestamp),
        "parentIdTag": ("parent_id_tag", _token),
    },
    AuthorizeAnswer: _TOKEN_INFO,
    StartAnswer: {"transactionId": ("transaction_id", _integer), **_TOKEN_INFO},
    StopAnswer: _TOKEN_INFO,
    BootAnswer: {
        "status": ("status", _registration_status),
        "interval": ("interval", _integer),
        "currentTime": ("current_time", _timestamp),
    },
}
"""By message and wire name: the attribute, and what reads its value; None: it cannot be used."""
