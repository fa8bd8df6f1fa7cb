"""The deadlines a charge point can have; each at most once."""

from enum import IntEnum, auto


class Timer(IntEnum):
    """The purpose of a deadline. Integers, since they are looked up several times a turn."""

    CALL = auto()
    """Our CALL counts as unanswered."""
    BOOT = auto()
    """The next BootNotification may be sent."""
    CHARGER = auto()
    """A BootNotification waits no longer for the charger: to be described, or to be back from a reset."""
    HEARTBEAT = auto()
    RETRY = auto()
    """The head of the queue may be sent again."""
    CONNECTION = auto()
    """ConnectionTimeOut: no cable was plugged in, or no token was presented."""
    HELD_ANSWER = auto()
    """The central system has waited long enough for a held answer."""
    SETTLE = auto()
    """The Available after a boot is over."""
    REASON = auto()
    """The reason of a status has settled."""
    RESET = auto()
    """A reset waits no longer for the session to end."""
    RESET_CLOSE = auto()
    """The answer to a Reset was sent a moment ago: the link may be closed."""
    REBOOT = auto()
    """A charger that refused to restart gets the command once more."""
    COMMAND = auto()
    """A command whose outcome was not the desired one is sent again."""
    LIMIT = auto()
    """Another limit holds from then on."""
    LIST = auto()
    """The local list is sent to the charger again."""
    SAMPLE = auto()
    """MeterValueSampleInterval is over (`MV-3`)."""
    CLOCK = auto()
    """The next clock-aligned sample (`MV-4`)."""
    SESSION_END = auto()
    """The record of a session that is over is awaited no longer."""
    SESSION_REPORT = auto()
    """The driver is asked for that record."""
    MISSED_SESSIONS = auto()
    """The driver is asked for sessions that may have been missed."""
    RESTART = auto()
    """A restart of the charger is no longer taken for the one of our own reset."""
