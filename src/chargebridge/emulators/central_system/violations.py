"""The rules that charge points must keep, and the record of one that broke a rule."""

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Rule(StrEnum):
    """A rule of OCPP that a charge point can break, with its requirement id."""

    FRAME = "RPC-1 frame"
    """A frame is a valid CALL, CALLRESULT or CALLERROR, with an id of at most 36 characters."""
    SCHEMA = "RPC-9 payload"
    """A payload is valid under the schema of its action."""
    ACTION = "RPC-9 action"
    """A CALL has an action that charge points may send."""
    MESSAGE_ID = "RPC-3 message id"
    """A message id is new on its connection."""
    CONCURRENT_CALL = "RPC-5 one call at a time"
    """A CALL waits until the one before is answered or has timed out."""
    UNKNOWN_ANSWER = "RPC-7 unknown answer"
    """An answer carries the id of a CALL that was sent on this connection."""
    BOOT_FIRST = "BOOT-2 boot first"
    """Only BootNotification comes before Accepted, except triggered messages while Pending (`BOOT-7`)."""
    BOOT_INTERVAL = "BOOT-5 boot interval"
    """After Pending or Rejected, the next BootNotification waits for the interval, unless triggered."""
    REJECTED_SILENCE = "BOOT-6 silence"
    """A rejected charge point answers nothing."""
    CONNECTOR = "TX-1 connector"
    """A transaction is on a connector, never on the charge point as connector 0."""
    TIMESTAMP = "VAL-3 timestamp"
    """A dateTime ends in `Z` and has at most three fractional digits, which every known CSMS reads."""
    STATUS = "ST-1 status"
    """A connector's status follows from the one before by a transition of §4.9; connector 0 has three."""
    METER_BACKWARDS = "TX-13 register"
    """The energy register never runs backwards: within a transaction and from one to the next."""
    METER_VALUE = "VAL-5 sampled value"
    """A raw sampled value is a decimal number."""
    OVERLAP = "TX-8 one transaction"
    """A connector has one transaction at a time."""
    UNKNOWN_TRANSACTION = "TX-7 unknown transaction"
    """A transactionId is one that this charge point received for this connector, or -1 after a
    StartTransaction that was never answered (`TX-6`)."""
    AFTER_STOP = "Q-1 after the stop"
    """A transaction's MeterValues come before its StopTransaction."""
    STOP_CHANGED = "Q-6 changed stop"
    """A repeated StopTransaction has the same values."""


class Finding(NamedTuple):
    """A broken rule, without the frame that broke it."""

    rule: Rule
    text: str


class Violation(msgspec.Struct, frozen=True):
    """A rule that a charge point broke."""

    at_ms: int
    identity: str
    rule: Rule
    text: str
    frame: bytes
    """The complete message that broke it."""
