"""Which messages of the bus are on their way to the disk, and how the broker learns which have arrived. Pure.

Messages are acknowledged in almost the order they came in, thousands a second. The broker takes "all up to
this one", so nearly everything goes out that way; what overtook a slower message waits a moment for it, and
only then goes out by itself.
"""

from typing import Final

HOLD_S: Final = 1.0
"""How long an acknowledgement waits for those before it, in real seconds."""


class Deliveries:
    """The deliveries of one connection.

    Args:
        base: is below all their numbers, and not below any of an earlier connection.
        prefetch: after so many that it knows nothing of, the broker sends no more.
    """

    def __init__(self, base: int, prefetch: int) -> None:
        self._base = base
        self._hold_at_most = prefetch // 4
        self._last_tag = 0
        self._open: dict[int, None] = {}
        """Tags that nobody has acknowledged, in order."""
        self._done: dict[int, float] = {}
        """Tags that the broker is to be told of, and since when."""

    def __len__(self) -> int:
        return len(self._open)

    @property
    def last(self) -> int:
        """The highest number so far."""
        return self._base + self._last_tag

    def arrived(self, tag: int) -> int:
        """Return the number of a message that came under this delivery tag."""
        self._last_tag = tag
        self._open[tag] = None
        return self._base + tag

    def acknowledge(self, number: int, now_s: float) -> bool:
        """Note that a message is safe; return whether that is news.

        Args:
            number: of the delivery; of an earlier connection, it is no news.
            now_s: the present, in monotonic seconds.
        """
        tag = number - self._base
        if tag not in self._open:
            return False
        del self._open[tag]
        self._done[tag] = now_s
        return True

    def due(self, now_s: float, *, all_of_it: bool = False) -> list[tuple[int, bool]]:
        """Return what the broker is to be told now: tags, and whether all up to a tag are meant.

        Args:
            now_s: the present, in monotonic seconds.
            all_of_it: nothing is to wait any longer.
        """
        acknowledgements: list[tuple[int, bool]] = []
        first_open = next(iter(self._open), self._last_tag + 1)
        below = [tag for tag in self._done if tag < first_open]
        if below:
            # The highest of them, for the broker must still know it.
            acknowledgements.append((max(below), True))
            for tag in below:
                del self._done[tag]
        for tag, since_s in list(self._done.items()):
            # Not at the price of having the broker wait.
            if now_s - since_s < HOLD_S and len(self._done) <= self._hold_at_most and not all_of_it:
                break
            acknowledgements.append((tag, False))
            del self._done[tag]
        return acknowledgements

    @property
    def waiting(self) -> bool:
        """Whether the broker is still to be told of something."""
        return bool(self._done)
