"""The times of a link's pings (`WS-9`), such that a fleet of idle links costs few wake-ups."""

import math
from random import Random

from chargebridge.link.schedule import NEVER


def check_interval(seconds: float) -> None:
    """Check the time between pings, 0 for none.

    Raises:
        ValueError: `seconds` is negative or not finite.
    """
    if not 0 <= seconds < math.inf:
        raise ValueError(f"a ping interval must be 0 or more seconds, not {seconds}")


def next_ping_at(now: float, interval_s: float) -> float:
    """Return the time of the next ping; `NEVER` if the interval is 0.

    Args:
        now: seconds on the loop's clock.
        interval_s: seconds between pings.
    """
    at = now + interval_s if interval_s else NEVER
    # On whole seconds a thousand idle links are a few wake-ups a second, not a thousand.
    return math.floor(at) if interval_s >= 10 else at


def first_ping_at(now: float, interval_s: float, random: Random) -> float:
    """Return the time of the first ping of a connection; the arguments are those of `next_ping_at`."""
    # Somewhere in the second half of the interval, so that a fleet that opened together does
    # not ping at the same times for ever.
    return next_ping_at(now - interval_s * random.random() / 2, interval_s)
