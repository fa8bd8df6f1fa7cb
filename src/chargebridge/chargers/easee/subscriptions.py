"""The subscriptions of a connection to the cloud, and their replays."""

from collections.abc import Callable


class Subscriptions:
    """The chargers that are subscribed to, whose replay is over, and that have sent something.

    Args:
        replayed: called with the serial when the time of a replay is over.
        later: calls a function after so many real seconds.
        settle_s: real seconds that a replay takes.
    """

    def __init__(
        self,
        replayed: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], None],
        settle_s: float,
    ) -> None:
        self.replaying: set[str] = set()
        """Serials whose replay is still arriving."""
        self.active: set[str] = set()
        """Serials with at least one observation since they were subscribed."""
        self._replayed = replayed
        self._later = later
        self._settle_s = settle_s
        self._numbers: dict[str, int] = {}
        """The number of each charger's subscription on this connection."""
        self._last_number = 0

    def __contains__(self, serial: str) -> bool:
        return serial in self._numbers

    def begin(self, serial: str) -> None:
        """Take note that a charger was subscribed to: its replay follows."""
        self.active.discard(serial)
        self.replaying.add(serial)
        self._last_number += 1
        self._numbers[serial] = number = self._last_number
        self._later(self._settle_s, lambda: self._settled(serial, number))

    def end(self, serial: str) -> None:
        """Take note that a subscription is over."""
        self._numbers.pop(serial, None)

    def clear(self) -> None:
        """Forget all subscriptions: the connection is lost."""
        self._numbers.clear()
        self.active.clear()
        self.replaying.clear()

    def is_live(self, serial: str) -> bool:
        """Whether a charger's observations are live, and no part of a replay."""
        return serial in self._numbers and serial not in self.replaying

    def _settled(self, serial: str, number: int) -> None:
        if self._numbers.get(serial) == number:  # otherwise a later subscription has replaced it
            self.replaying.discard(serial)
            self._replayed(serial)
