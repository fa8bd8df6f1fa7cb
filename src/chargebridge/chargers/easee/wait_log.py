"""The line of the log about requests that wait for their turn within the limits of the cloud."""

from collections.abc import Callable
from typing import Final

import structlog

from chargebridge.chargers.easee.turns import Waiting
from chargebridge.clock import Clock
from chargebridge.log_bounds import Later

LOOK_S: Final = 10.0
"""Real seconds between two looks."""
LONG_S: Final = 60.0
"""A wait of so many seconds of the clock is worth a line."""

_log = structlog.get_logger(__name__)


class WaitLog:
    """Logs once that requests wait, how many and about how long; and once that none waits any more.

    Args:
        waiting: returns what waits.
        later: calls a function after so many real seconds.
        clock: the clock of the waits.
    """

    def __init__(self, waiting: Callable[[], Waiting], later: Later, clock: Clock) -> None:
        self._waiting = waiting
        self._later = later
        self._clock = clock
        self._since_s: float | None = None

    def start(self) -> None:
        """Look from now on, until the timers end."""
        self._later(LOOK_S, self._look)

    def _look(self) -> None:
        waiting, now_s = self._waiting(), self._clock.now().mono
        if self._since_s is None and waiting.seconds >= LONG_S:
            self._since_s = now_s
            _log.info(
                "requests wait for their turn within the limits of Easee's cloud, which is no failure",
                requests=waiting.requests,
                about_minutes=round(waiting.seconds / 60),
            )
        elif self._since_s is not None and not waiting.requests:
            _log.info(
                "no request waits for its turn any more", after_minutes=round((now_s - self._since_s) / 60)
            )
            self._since_s = None
        self._later(LOOK_S, self._look)
