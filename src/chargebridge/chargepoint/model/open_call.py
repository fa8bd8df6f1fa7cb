"""The one CALL of ours that may be unanswered (`RPC-5`)."""

from enum import IntEnum, auto
from typing import NamedTuple


class CallKind(IntEnum):
    """The subject of a CALL of ours, which decides what its answer means."""

    BOOT = auto()
    STATUS = auto()
    AUTHORIZE = auto()
    QUEUE = auto()
    """The head of the queue of transaction-related messages."""
    REPEAT = auto()
    """An attempt of a message that the answer to an earlier one has settled meanwhile (`RPC-6`)."""
    HEARTBEAT = auto()
    PROBE = auto()
    """A Heartbeat after a time-out: is the link deaf, or did the message fail?"""
    IDLE = auto()
    """That no firmware update and no upload is under way (`TM-4`)."""
    TELEMETRY = auto()
    """MeterValues that belong to no transaction, or were triggered."""


class Failure(NamedTuple):
    """Why the central system failed to process a CALL."""

    reason: str
    """For whoever reads it in a log or at a dead letter."""
    code: str = ""
    """The errorCode, if it was a CALLERROR."""
    unanswered: bool = False
    """There is no answer; it may still come."""
    hung_up: bool = False
    """The connection has ended at the message."""
    too_long: bool = False
    """The connection has ended at a long message: perhaps for its length."""


class OpenCall(NamedTuple):
    """A CALL that waits for its answer."""

    id: str
    kind: CallKind
