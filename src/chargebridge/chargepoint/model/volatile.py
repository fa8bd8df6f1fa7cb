"""Values that a charge point keeps in memory only: a restart of the process forgets them."""

from enum import Enum, auto
from typing import NamedTuple

import msgspec
from msgspec import Struct

from chargebridge.chargepoint.model.state import Origin
from chargebridge.chargepoint.records import (
    DeadLettersQuery,
    QueueQuery,
    SessionQuery,
    SessionsFound,
    Settlement,
    TokenQuery,
)
from chargebridge.chargepoint.rules.tokens import Known
from chargebridge.chargepoint.turn import OperatorAsked
from chargebridge.chargers.model import Measured, Quantity, Reading
from chargebridge.ocpp16.enums import AuthorizationStatus, MessageTrigger, ReadingContext
from chargebridge.ocpp16.enums import ChargePointErrorCode as ErrorCode
from chargebridge.ocpp16.enums import ChargePointStatus as Status
from chargebridge.ocpp16.messages import SendLocalList

Latest = dict[tuple[Quantity, int], Measured]
"""The newest event that measured each quantity and phase; none of them is of the future."""


class Sample(Struct, frozen=True, array_like=True):
    """Values of the running transaction that were measured at the same time."""

    at_ms: int
    context: ReadingContext
    readings: tuple[Reading, ...]


encode_samples = msgspec.json.Encoder().encode


_decode_samples = msgspec.json.Decoder(tuple[Sample, ...]).decode


def load_samples(document: bytes | None) -> tuple[Sample, ...]:
    """Read back what was kept for the transaction that has not ended; None: nothing."""
    return () if document is None else _decode_samples(document)


class StatusReport(NamedTuple):
    """A StatusNotification without its time; connector 0 is the charge point itself (`CON-1`)."""

    connector: int
    status: Status
    error: ErrorCode = ErrorCode.NO_ERROR
    info: str = ""
    vendor_error: str = ""


class Triggered(NamedTuple):
    """A message that a TriggerMessage.conf has accepted; it is dropped with its link."""

    message: MessageTrigger
    connector: int = 0


class TokenUse(Enum):
    """What a token starts, stops or releases once it is authorized."""

    START = auto()
    STOP = auto()
    RELEASE = auto()
    """Get back a cable that was kept (`TX-4`)."""


class Authorizing(NamedTuple):
    """A token that is looked up in list and cache; if need be the central system is asked, too."""

    id_tag: str
    use: TokenUse
    origin: Origin
    profile: bytes | None = None
    """The charging profile of a remote start, as JSON."""
    owner: str | None = None
    """Whose session it is to stop, or whose cable to release: another token."""
    known: Known | None = None
    """Its entries in list and cache; None until they have been read."""
    owner_parent: str | None = None
    """The owner's parent by list or cache, where the central system has not named it (`AZ-3`)."""


class HeldList(NamedTuple):
    """A Differential update that waits for the store to say what it finds; it is dropped with its link."""

    call_id: str
    request: SendLocalList
    query: TokenQuery


class TokenStatus(NamedTuple):
    """The central system's status of a token, which waits to be compared with the list's (`LL-9`)."""

    id_tag: str
    status: AuthorizationStatus


class ListTransfer(NamedTuple):
    """The local list, on its way to the charger."""

    revision: int
    number: int | None = None
    """Of the command; None while the list is being read."""
    failures: int = 0
    """Attempts in a row at which the charger did not take it."""


class HeldUnlock(NamedTuple):
    """An UnlockConnector that the charger is still busy with, and who waits for it.

    Either a message id of the central system, or the number of an operator's request.
    """

    call_id: str
    ask: int
    waits_for_session: bool


class Wanted(Enum):
    """The purpose of a DataTransfer that names sessions."""

    LIST = "listeaseesessions"
    IMPORT = "importeaseesessions"


class HeldTransfer(NamedTuple):
    """A DataTransfer that waits for the store; it dies with its link."""

    call_id: str
    wanted: Wanted
    query: SessionQuery
    found: SessionsFound | None = None
    """While their dead letters are being read."""


class SettingAside(NamedTuple):
    """A message that is not in memory and is to be set aside, while the store is read."""

    query: QueueQuery
    asked: OperatorAsked


class Redelivery(NamedTuple):
    """Dead letters that are being redelivered, or settled, as the store returns them."""

    query: DeadLettersQuery
    ask: int | None
    """Number of the operator's request; None: a DataTransfer of the central system."""
    transactions: frozenset[int] = frozenset()
    """Those that are queued already, by number."""
    messages: int = 0
    outdated: bool = False
    """There are newer dead letters than when the store was read."""
    settlement: Settlement | None = None
    """They are settled, instead of being redelivered."""
