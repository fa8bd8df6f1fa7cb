"""What a charge point must not do, and the record of one that did it."""

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Rule(StrEnum):
    """A rule that a charge point can break, named by where it comes from."""

    FRAME = "RPC-1 frame"
    """A frame is a CALL, a CALLRESULT or a CALLERROR of the right form, its id of 36 characters at most."""
    SCHEMA = "RPC-9 payload"
    """A payload is what the schema of its action says."""
    ACTION = "RPC-9 action"
    """A CALL has an action that charge points may send."""
    MESSAGE_ID = "RPC-3 message id"
    """A message id is new on its connection."""
    CONCURRENT_CALL = "RPC-5 one call at a time"
    """A CALL waits until the one before was answered or timed out."""
    UNKNOWN_ANSWER = "RPC-7 unknown answer"
    """An answer carries the id of a CALL that was sent on this connection."""
    BOOT_FIRST = "BOOT-2 boot first"
    """Nothing but BootNotification before Accepted, except what was triggered while Pending (`BOOT-7`)."""
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
    """A transactionId is one that this charge point was given for this connector, or -1 after a
    StartTransaction that was never answered (`TX-6`)."""
    AFTER_STOP = "Q-1 after the stop"
    """A transaction's MeterValues come before its StopTransaction."""
    STOP_CHANGED = "Q-6 changed stop"
    """A repeated StopTransaction says what it said before."""


class Finding(NamedTuple):
    """A broken rule, before it is known whose frame broke it."""

    rule: Rule
    text: str


class Violation(msgspec.Struct, frozen=True):
    """A rule that a charge point broke."""

    at_ms: int
    identity: str
    rule: Rule
    text: str
    frame: bytes
    """The message that broke it, whole."""
