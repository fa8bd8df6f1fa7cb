"""The messages that wait to be published on the operator's bus, within a bound.

Above the bound the outbox refuses whole chargers: the cloud publishes what they reported again when there is
room. So no message overtakes another one of its charger, and no event is lost.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from chargebridge.emulators.easee_cloud.acknowledgement import PendingAcknowledgement


class BusMessage(NamedTuple):
    """A message for the bus."""

    routing_key: str
    body: bytes
    arrived: str
    """When it reached the cloud, in ISO 8601."""
    acknowledgement: PendingAcknowledgement | None


class Outbox:
    """A bounded queue of messages, oldest first.

    Args:
        limit: how many messages may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[BusMessage] = deque()
        self._missed: dict[str, set[int]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def accepts(self, serial: str, id: int | None) -> bool:
        """Return whether there is room for a message of a charger; remember what was refused.

        A charger of which anything was refused stays refused until `take_missed` has returned it.

        Args:
            serial: of the charger.
            id: of the observation; None for a message that need not be published later.
        """
        if serial not in self._missed and len(self._waiting) < self._limit:
            return True
        if id is not None:
            self._missed.setdefault(serial, set()).add(id)
        return False

    def put(self, message: BusMessage) -> None:
        """Append a message."""
        self._waiting.append(message)

    def take(self, most: int) -> list[BusMessage]:
        """Remove and return the oldest messages, at most so many."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def put_back(self, messages: list[BusMessage]) -> None:
        """Return messages that were taken but not published to the head of the queue."""
        self._waiting.extendleft(reversed(messages))

    def take_missed(self) -> Iterator[tuple[str, set[int]]]:
        """Yield the chargers that are accepted again, and the ids of their refused observations."""
        while self._missed and len(self._waiting) < self._limit // 2:
            serial = next(iter(self._missed))
            yield serial, self._missed.pop(serial)
