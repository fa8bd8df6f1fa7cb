"""Plans the faults of a demonstration from a seed, so that a run can be repeated."""

import random
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple


class Moment(StrEnum):
    """The moment at which the gateway is killed."""

    STARTING = "while it starts"
    """Right after the kill before: at any moment from the first import to the last boot of the fleet."""
    IDLE = "while no call was open"
    BUSY = "waiting for answers"
    COMMITTING = "in the middle of commits"
    """Right after every charge point has received a request whose value has to be durable."""


class Outage(StrEnum):
    """A kind of outage of the central system."""

    CLOSED = "stops with close frames"
    CUT = "cuts all connections, and answers get lost"
    UNAUTHORIZED = "refuses handshakes with 401"
    NOT_FOUND = "refuses handshakes with 404"
    OVERLOADED = "refuses handshakes with 503"
    NO_SUBPROTOCOL = "accepts connections without a subprotocol"
    SILENT = "accepts connections and answers nothing"
    PENDING = "answers boots with Pending"
    REJECTED = "answers boots with Rejected"
    ERRORS = "answers transaction messages with errors"
    ODD = "answers transaction messages with fields that OCPP does not know"
    LATE = "answers transaction messages late"
    NO_MEASUREMENTS = "refuses MeterValues"
    HANGING_UP = "hangs up at transaction messages"


class Loss(StrEnum):
    """A kind of loss for good."""

    ENDS = "chargers lose the records of ends of sessions"
    """They are reported to nobody, and in no list of their cloud."""
    DRIVER_FILE = "the driver's file is moved away while the gateway is down"
    """Only a driver that has one: that of the emulated Easee Cloud."""


class LossForGood(NamedTuple):
    """One loss for good."""

    at_s: float
    loss: Loss


class Kill(NamedTuple):
    """One SIGKILL."""

    at_s: float
    """The earliest time, in real seconds from the start."""
    moment: Moment


class CentralSystemOutage(NamedTuple):
    """One outage of the central system."""

    at_s: float
    lasts_s: float
    outage: Outage


class CloudOutage(NamedTuple):
    """One outage of the chargers' cloud."""

    at_s: float
    lasts_s: float


# The hardest ones come first, for runs with one kill or three.
_KILLS: Final = (
    *(Moment.BUSY, Moment.COMMITTING, Moment.BUSY, Moment.STARTING, Moment.STARTING, Moment.BUSY),
    *(Moment.COMMITTING, Moment.IDLE, Moment.BUSY, Moment.COMMITTING, Moment.STARTING, Moment.BUSY),
)
_SHORT_S: Final = (0.3, 3.0)
_LONG_S: Final = (4.0, 10.0)
"""For a run of 80 seconds or more; a shorter run has shorter outages."""
_LONG_SHARE: Final = 0.3
LOSSES_UNTIL: Final = 0.7
"""The part of a run in which something is lost for good."""


def plan_kills(seed: int, count: int, duration_s: float) -> list[Kill]:
    """Return `count` kills in order of time. A kill at `STARTING` follows the one before at once."""
    dice = _dice(seed, "kills")
    times = _times(dice, count, duration_s)
    kills: list[Kill] = []
    moments: list[Moment] = []
    for at_s in times:
        if not moments:
            moments = list(reversed(_KILLS)) if not kills else dice.sample(_KILLS, len(_KILLS))
        moment = moments.pop()
        at_once = moment is Moment.STARTING and kills
        kills.append(Kill(kills[-1].at_s if at_once else at_s, moment))
    return kills


def plan_outages(seed: int, count: int, duration_s: float) -> list[CentralSystemOutage]:
    """Return `count` outages of the central system. Every kind comes before any comes again."""
    dice = _dice(seed, "outages")
    times = _times(dice, count, duration_s)
    outages: list[CentralSystemOutage] = []
    kinds: list[Outage] = []
    for at_s in times:
        if not kinds:
            kinds = dice.sample(list(Outage), len(Outage))
        outages.append(CentralSystemOutage(at_s, _length_s(dice, duration_s), kinds.pop()))
    return outages


def plan_cloud_outages(seed: int, count: int, duration_s: float) -> list[CloudOutage]:
    """Return `count` outages of the chargers' cloud."""
    dice = _dice(seed, "cuts")
    return [CloudOutage(at_s, _length_s(dice, duration_s)) for at_s in _times(dice, count, duration_s)]


def plan_losses(seed: int, count: int, duration_s: float, kinds: Sequence[Loss]) -> list[LossForGood]:
    """Return `count` losses of these kinds by turns, in the first part of a run: what follows shows them."""
    dice = _dice(seed, "losses")
    times = _times(dice, count, duration_s * LOSSES_UNTIL)
    return [LossForGood(at_s, kinds[number % len(kinds)]) for number, at_s in enumerate(times)]


def _dice(seed: int, what: str) -> random.Random:
    # A str seed is hashed by SHA-512: the same on every machine and Python.
    return random.Random(f"{seed}/{what}")  # noqa: S311 - play, not secrecy


def _times(dice: random.Random, count: int, duration_s: float) -> list[float]:
    """Return `count` times that are spread over the run, with some randomness."""
    each_s = duration_s / (count + 1)
    return [each_s * (number + dice.uniform(0.6, 1.4)) for number in range(count)]


def _length_s(dice: random.Random, duration_s: float) -> float:
    if dice.random() >= _LONG_SHARE:
        return dice.uniform(*_SHORT_S)
    shortest_s, longest_s = _LONG_S
    return dice.uniform(shortest_s, max(shortest_s, min(longest_s, duration_s / 8)))
