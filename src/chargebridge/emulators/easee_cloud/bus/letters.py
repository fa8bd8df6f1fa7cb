"""What waits to be published on the operator's bus, within bounds.

When it is too much, whole chargers have to wait: what they tell is not taken any more, and told anew when
there is room again. So nothing overtakes, and nothing is lost that anybody would miss.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from chargebridge.emulators.easee_cloud.bus.receipt import Receipt

WAITING_AT_MOST: Final = 200_000
"""Messages; with the broker away that is a good hour of five thousand chargers."""
ROOM_AGAIN: Final = WAITING_AT_MOST // 2


class Letter(NamedTuple):
    """A message for the bus."""

    routing_key: str
    body: bytes
    arrived: str
    """When it came to the cloud, as ISO 8601."""
    receipt: Receipt | None


class Letters:
    """The messages that wait, oldest first.

    Args:
        most: how many may wait.
    """

    def __init__(self, most: int = WAITING_AT_MOST) -> None:
        self._most = most
        self._waiting: deque[Letter] = deque()
        self._missed: dict[str, set[int]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def takes(self, serial: str, id: int | None) -> bool:
        """Return whether a message of a charger can be taken; otherwise remember that it was missed.

        Args:
            serial: of the charger.
            id: of the observation; None for what need not be told later.
        """
        if serial not in self._missed and len(self._waiting) < self._most:
            return True
        if id is not None:
            self._missed.setdefault(serial, set()).add(id)
        return False

    def put(self, letter: Letter) -> None:
        """Let a message wait."""
        self._waiting.append(letter)

    def take(self, most: int) -> list[Letter]:
        """Take out so many of the oldest."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def put_back(self, letters: list[Letter]) -> None:
        """Let messages that were taken out wait again, before all others."""
        self._waiting.extendleft(reversed(letters))

    def take_missed(self) -> Iterator[tuple[str, set[int]]]:
        """Yield chargers that can be heard again, with the observations that were not taken of them."""
        while self._missed and len(self._waiting) < self._most // 2:
            serial = next(iter(self._missed))
            yield serial, self._missed.pop(serial)
