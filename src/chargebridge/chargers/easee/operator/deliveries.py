"""Tracks the unacknowledged messages of the bus, and batches their acknowledgements. Pure.

Messages are acknowledged in almost the order of their arrival, thousands a second. AMQP can acknowledge "all
up to this tag", so nearly all go out that way; a message that overtook a slower one waits up to `HOLD_S` for
it, then it is acknowledged by itself.
"""

from typing import Final

HOLD_S: Final = 1.0
"""Real seconds for which an acknowledgement waits for earlier ones."""


class Deliveries:
    """The deliveries of one connection.

    Args:
        base: the highest number of an earlier connection; all numbers here are above it.
        prefetch: the number of unacknowledged messages at which the broker stops sending.
    """

    def __init__(self, base: int, prefetch: int) -> None:
        self._base = base
        self._hold_at_most = prefetch // 4
        self._last_tag = 0
        self._open: dict[int, None] = {}
        """Unacknowledged tags, in order."""
        self._done: dict[int, float] = {}
        """Tags whose acknowledgement is still to be sent, and since when."""

    def __len__(self) -> int:
        return len(self._open)

    @property
    def last(self) -> int:
        """The highest number so far."""
        return self._base + self._last_tag

    def arrived(self, tag: int) -> int:
        """Return the number of a message that arrived with this delivery tag."""
        self._last_tag = tag
        self._open[tag] = None
        return self._base + tag

    def acknowledge(self, number: int, now_s: float) -> bool:
        """Queue the acknowledgement of a message; return False for a duplicate or an earlier connection.

        Args:
            number: the number of the delivery.
            now_s: the present, in monotonic seconds.
        """
        tag = number - self._base
        if tag not in self._open:
            return False
        del self._open[tag]
        self._done[tag] = now_s
        return True

    def due(self, now_s: float, *, all_of_it: bool = False) -> list[tuple[int, bool]]:
        """Return the acknowledgements to send now: tags, and whether all up to a tag are meant.

        Args:
            now_s: the present, in monotonic seconds.
            all_of_it: nothing waits any longer.
        """
        acknowledgements: list[tuple[int, bool]] = []
        first_open = next(iter(self._open), self._last_tag + 1)
        below = [tag for tag in self._done if tag < first_open]
        if below:
            # The highest of them: the broker refuses a tag that it does not know any more.
            acknowledgements.append((max(below), True))
            for tag in below:
                del self._done[tag]
        for tag, since_s in list(self._done.items()):
            # Unless so many wait that the broker would stop sending.
            if now_s - since_s < HOLD_S and len(self._done) <= self._hold_at_most and not all_of_it:
                break
            acknowledgements.append((tag, False))
            del self._done[tag]
        return acknowledgements

    @property
    def waiting(self) -> bool:
        """Whether acknowledgements are still to be sent."""
        return bool(self._done)
