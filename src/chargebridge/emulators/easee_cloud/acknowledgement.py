"""Acknowledges an event of a simulated charger when every observation of it has been delivered."""

from collections.abc import Callable


class PendingAcknowledgement:
    """Counts the observations of one event that are not delivered yet.

    Args:
        observations: how many there are; with none the event is over at once.
        done: called once: with True when the last one is delivered, with False if one never will be.
    """

    __slots__ = ("_done", "_left")

    def __init__(self, observations: int, done: Callable[[bool], None]) -> None:
        self._left = observations
        self._done = done
        if not observations:
            done(True)

    def count_delivered(self) -> None:
        """Count an observation that cannot get lost any more."""
        self._left -= 1
        if self._left == 0:
            self._done(True)

    def abandon(self) -> None:
        """Give up: the charger reports the event again later."""
        if self._left > 0:
            self._left = 0
            self._done(False)
