"""The transcript: the messages between the central system and one charge point, and waiting for them."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import partial
from itertools import islice
from typing import Any

import msgspec

Payload = dict[str, Any]
"""A JSON object, untyped for the convenience of tests."""
Matcher = Callable[[Payload], bool] | Mapping[str, object]
"""A predicate of a payload, or a part that the payload must contain."""


class Direction(Enum):
    """The direction of a message."""

    FROM_CHARGE_POINT = "<"
    TO_CHARGE_POINT = ">"


class Kind(Enum):
    """The kind of a message."""

    CALL = "CALL"
    RESULT = "CALLRESULT"
    ERROR = "CALLERROR"
    RAW = "raw"
    """Bytes that a test sent, or that are not an OCPP frame."""


class Exchange(msgspec.Struct, frozen=True):
    """One message."""

    index: int
    """Its number within the transcript of the charge point."""
    at_ms: int
    """Its time by the central system's clock, in milliseconds since 1970."""
    direction: Direction
    kind: Kind
    action: str
    """The action of the CALL, also in its answer; empty if unknown."""
    frame: bytes
    """The message as it was on the wire."""

    @property
    def payload(self) -> Payload:
        """The payload; for a CALLERROR an object with `code`, `description` and `details`.

        Raises:
            LookupError: raw bytes have none.
        """
        if self.kind is Kind.RAW:
            raise LookupError("raw bytes have no payload")
        frame = json.loads(self.frame)
        if self.kind is Kind.ERROR:
            return dict(zip(("code", "description", "details"), frame[2:], strict=True))
        payload: Payload | None = frame[3] if self.kind is Kind.CALL else frame[2]
        return payload or {}

    def __str__(self) -> str:
        frame = self.frame.decode(errors="replace")
        return f"{self.index} {self.direction.value} {self.kind.value} {self.action} {frame}"


class NotSeenError(AssertionError):
    """An expected message did not come in time."""


class Transcript:
    """The messages from and to one charge point, oldest first.

    Args:
        limit: how many messages are kept.
    """

    def __init__(self, limit: int) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=limit)
        self._next_index = 0
        self._cursor = 0
        self._waiting: list[Callable[[Exchange], None]] = []

    def exchanges(self) -> list[Exchange]:
        """Return the kept messages, oldest first."""
        return list(self._exchanges)

    def add(self, at_ms: int, direction: Direction, kind: Kind, action: str, frame: bytes) -> None:
        """Add a message, and wake the callers that wait for it."""
        exchange = Exchange(self._next_index, at_ms, direction, kind, action, frame)
        self._next_index += 1
        self._exchanges.append(exchange)
        if self._waiting:
            for wake in tuple(self._waiting):
                wake(exchange)

    async def since(
        self, index: int, matches: Callable[[Exchange], bool], wait_s: float = 0.0
    ) -> list[Exchange]:
        """Return the kept messages from an index on that match; without one, wait for the first.

        Args:
            index: of the first message to look at.
            matches: the messages that count.
            wait_s: how long to wait, in real seconds.
        """
        found = list(filter(matches, self._since(index)))
        if not found and wait_s:
            awaited = await self._wait_for(
                lambda exchange: exchange.index >= index and matches(exchange), wait_s
            )
            found = [] if awaited is None else [awaited]
        return found

    def skip(self) -> None:
        """Make the next `expect` start after the last message."""
        self._cursor = self._next_index

    async def expect(
        self, action: str, where: Matcher | None, kind: Kind, direction: Direction, timeout_s: float
    ) -> Exchange:
        """Return the first match after the last one returned; wait for it if it has not come yet.

        Raises:
            NotSeenError: nothing matched within `timeout_s` real seconds.
        """

        def matches(exchange: Exchange) -> bool:
            return (
                exchange.action == action
                and exchange.kind is kind
                and exchange.direction is direction
                and (where is None or _fits(exchange.payload, where))
            )

        begin = self._cursor
        found = next(filter(matches, self._since(begin)), None)
        if found is None:
            found = await self._wait_for(matches, timeout_s)
        if found is None:
            received = "\n".join(map(str, self._since(begin))) or "none"
            raise NotSeenError(
                f"no {kind.value} {action} in {timeout_s:g} s where {where}; messages were:\n{received}"
            )
        self._cursor = max(self._cursor, found.index + 1)
        return found

    def _since(self, index: int) -> Iterator[Exchange]:
        oldest = self._next_index - len(self._exchanges)
        return islice(self._exchanges, max(0, index - oldest), None)

    async def _wait_for(self, matches: Callable[[Exchange], bool], timeout_s: float) -> Exchange | None:
        seen: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        wake = partial(_wake, seen, matches)
        self._waiting.append(wake)
        try:
            async with asyncio.timeout(timeout_s):
                return await seen
        except TimeoutError:
            return None
        finally:
            self._waiting.remove(wake)


def _wake(seen: asyncio.Future[Exchange], matches: Callable[[Exchange], bool], exchange: Exchange) -> None:
    if seen.done():
        return
    try:
        matched = matches(exchange)
    except Exception as error:  # noqa: BLE001 - a test's own predicate failed: the test must see it
        seen.set_exception(error)
        return
    if matched:
        seen.set_result(exchange)


def _fits(payload: Payload, where: Matcher) -> bool:
    return _contains(payload, where) if isinstance(where, Mapping) else where(payload)


def _contains(whole: object, part: object) -> bool:
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            key in whole and _contains(whole[key], value) for key, value in part.items()
        )
    return whole == part
