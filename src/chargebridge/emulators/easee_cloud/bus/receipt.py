"""Counts what is told of one event of a simulated charger, until all of it is out."""

from collections.abc import Callable


class Receipt:
    """An event of a simulated charger that is out when all that was told of it is.

    Args:
        observations: how many there are; with none it is out at once.
        over: called once: True when the last one is out, False if one will never be.
    """

    __slots__ = ("_left", "_over")

    def __init__(self, observations: int, over: Callable[[bool], None]) -> None:
        self._left = observations
        self._over = over
        if not observations:
            over(True)

    def one_is_out(self) -> None:
        """Count an observation that is out for good."""
        self._left -= 1
        if self._left == 0:
            self._over(True)

    def give_up(self) -> None:
        """Let the event be told again later."""
        if self._left > 0:
            self._left = 0
            self._over(False)
