"""What can go wrong, how often, and how often it did."""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """A kind of fault; the run counts how often each has struck."""

    FRAME_LOST = "frame lost"
    FRAME_DELAYED = "frame delayed"
    FRAME_DOUBLED = "frame doubled"
    FRAME_GARBLED = "frame garbled"
    CONNECTION_CUT = "connection cut at a frame"
    ANSWER_MISSING = "answer missing, message recorded"
    MESSAGE_IGNORED = "message ignored by the central system"
    ANSWER_LATE = "answer late"
    ANSWER_WRONG = "answer wrong"
    ANSWER_ODD = "answer with odd fields"
    ANSWER_ERROR = "answer is a CALLERROR"
    REFUSES_MEASUREMENTS = "central system refuses measurements for a while"
    REFUSES_DATA = "central system never takes a transactionData"
    HANGS_UP = "central system hangs up at some messages"
    CLOSES_ALL = "central system closes every connection at its first message"
    CENTRAL_SLOW = "central system answers after the time-out for a while"
    REFUSES_ALL = "central system answers errors for a while"
    BOOT_PENDING = "boot answered Pending"
    BOOT_REJECTED = "boot answered Rejected"
    CENTRAL_AWAY = "central system away"
    CENTRAL_AWAY_LONG = "central system away for a day or more"
    CENTRAL_DEAF = "central system deaf"
    STREAM_DOWN = "vendor's stream down"
    CHARGER_AWAY = "charger away from its cloud"
    CHARGER_POWER = "charger's power cut"
    CHARGER_FAULT = "charger faulted"
    EVENT_LATE = "driver event late"
    EVENT_DOUBLED = "driver event doubled"
    EVENT_REORDERED = "driver event overtaken by later ones"
    EVENT_LOST = "driver event lost until the stream comes back"
    END_LOST = "end of a session lost for good"
    END_MISSED = "end of a session lost, unless it is looked for"
    START_MISSED = "start of a session lost, unless it is looked for"
    DRIVER_FORGETS = "driver's own file lost"
    RECEIPT_LOST = "acknowledgement lost"
    COMMAND_LOST = "command lost"
    COMMAND_LATE = "command late"
    COMMAND_DOUBLED = "command doubled"
    OUTCOME_LOST = "command carried out, outcome lost"
    CRASH_BEFORE_COMMIT = "gateway killed before a commit"
    CRASH_AFTER_COMMIT = "gateway killed after a commit it never heard of"
    CRASH_AT_OUTPUT = "gateway killed between two outputs"
    CRASH_IN_TURN = "gateway killed at the end of a turn"
    DOWN_LONG = "gateway down for hours"
    DISK_FULL = "disk full"
    DISK_SLOW = "disk slow"
    CLOCK_BACK = "host's clock set back"
    CLOCK_FORWARD = "host's clock set forward"
    TURN_RAISES = "a turn raises"
    RECORD_REFUSED = "a record is refused by the store"
    FILE_FULL = "driver's file full"
    FILE_SLOW = "driver's file slow"
    CRASH_BEFORE_SAVE = "gateway killed before a save of the driver's file"
    CRASH_AFTER_SAVE = "gateway killed after a save of the driver's file that it never heard of"


RATES = {
    Kind.FRAME_LOST: 0.002,
    Kind.FRAME_DELAYED: 0.004,
    Kind.FRAME_DOUBLED: 0.004,
    Kind.FRAME_GARBLED: 0.001,
    Kind.CONNECTION_CUT: 0.002,
    Kind.ANSWER_MISSING: 0.004,
    Kind.MESSAGE_IGNORED: 0.004,
    Kind.ANSWER_LATE: 0.004,
    Kind.ANSWER_WRONG: 0.003,
    Kind.ANSWER_ODD: 0.02,
    Kind.ANSWER_ERROR: 0.01,
    Kind.EVENT_LATE: 0.01,
    Kind.EVENT_DOUBLED: 0.02,
    Kind.EVENT_REORDERED: 0.02,
    Kind.EVENT_LOST: 0.01,
    Kind.END_LOST: 0.015,
    Kind.END_MISSED: 0.015,
    Kind.START_MISSED: 0.015,
    Kind.RECEIPT_LOST: 0.01,
    Kind.COMMAND_LOST: 0.03,
    Kind.COMMAND_LATE: 0.03,
    Kind.COMMAND_DOUBLED: 0.03,
    Kind.OUTCOME_LOST: 0.03,
    Kind.CRASH_BEFORE_COMMIT: 0.0002,
    Kind.CRASH_AFTER_COMMIT: 0.0002,
    Kind.CRASH_AT_OUTPUT: 0.0002,
    Kind.CRASH_IN_TURN: 0.0002,
    Kind.DISK_SLOW: 0.002,
    Kind.TURN_RAISES: 0.0005,
    Kind.RECORD_REFUSED: 0.0005,
    Kind.FILE_SLOW: 0.01,
    Kind.CRASH_BEFORE_SAVE: 0.001,
    Kind.CRASH_AFTER_SAVE: 0.001,
}
"""Of things that can go wrong each time they happen: how probable that is."""

MEAN_HOURS = {
    Kind.REFUSES_ALL: 16.0,
    Kind.CENTRAL_AWAY: 5.0,
    Kind.CENTRAL_AWAY_LONG: 60.0,
    Kind.CENTRAL_DEAF: 8.0,
    Kind.BOOT_PENDING: 10.0,
    Kind.BOOT_REJECTED: 16.0,
    Kind.STREAM_DOWN: 5.0,
    Kind.DISK_FULL: 14.0,
    Kind.CLOCK_BACK: 18.0,
    Kind.CLOCK_FORWARD: 18.0,
    Kind.DOWN_LONG: 30.0,
    Kind.REFUSES_MEASUREMENTS: 8.0,
    Kind.CLOSES_ALL: 12.0,
    Kind.CENTRAL_SLOW: 16.0,
    Kind.FILE_FULL: 8.0,
    Kind.DRIVER_FORGETS: 12.0,
}
"""Of troubles of the whole installation: how many hours lie between two of a kind, on average."""

MEAN_HOURS_EACH = {Kind.CHARGER_AWAY: 6.0, Kind.CHARGER_POWER: 12.0, Kind.CHARGER_FAULT: 24.0}
"""The same for each charger."""


OUR_OWN = frozenset({Kind.TURN_RAISES, Kind.RECORD_REFUSED})
"""Defects of our own: worlds are spared them, unless they ask for them."""


EASEE_ONLY = frozenset({Kind.FILE_FULL, Kind.FILE_SLOW, Kind.CRASH_BEFORE_SAVE, Kind.CRASH_AFTER_SAVE})
"""Of the Easee driver's own file: the plain vendor's driver has none."""

NOT_BY_EASEE = frozenset(
    {
        *(Kind.EVENT_LOST, Kind.RECEIPT_LOST, Kind.DRIVER_FORGETS),
        *(Kind.END_LOST, Kind.END_MISSED, Kind.START_MISSED),
    }
)
"""A queue loses nothing, and a stream only what comes while it is down; receipts do not leave the process."""


class Faults:
    """Decides by the dice what goes wrong, and counts it.

    Args:
        random: the dice; nobody else throws them.
        wild: False: nothing ever goes wrong.
        spared: what never goes wrong by the dice.
    """

    def __init__(self, random: Random, *, wild: bool = True, spared: frozenset[Kind] = OUR_OWN):
        self.random = random
        self.spared = spared
        self.wild = wild
        self.struck: Counter[Kind] = Counter()
        self.listener: Callable[[Kind, str], None] | None = None
        """Learns of each one that strikes, and at which charge point."""

    def strikes(self, kind: Kind, identity: str = "") -> bool:
        """Say whether this goes wrong now, at a charge point or, empty, at all of them."""
        return (
            self.wild
            and kind not in self.spared
            and self.random.random() < RATES[kind]
            and self.note(kind, identity)
        )

    def note(self, kind: Kind, identity: str = "") -> bool:
        """Count one."""
        self.struck[kind] += 1
        if self.listener is not None:
            self.listener(kind, identity)
        return True

    def seconds(self, shortest: float, longest: float) -> float:
        """Return a duration: short ones are as probable as long ones, whatever the scale."""
        return shortest * (longest / shortest) ** self.random.random()

    def hours_to(self, mean: float) -> float:
        """Return when trouble of this mean comes next, in hours."""
        return self.random.expovariate(1 / mean)
