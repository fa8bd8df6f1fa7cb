"""Silence: of one charger, and of the operator's queue, which may be behind or stalled."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from chargebridge.clock import Instant

QUIET_S: Final = 1.0
"""Real seconds without a message after which a newly opened queue counts as empty."""
CATCH_UP_S: Final = 60.0
"""Real seconds after which a queue counts as caught up, even if messages keep arriving."""
RECENT_MS: Final = 120_000
"""A message of this age or younger shows that the backlog before it has arrived."""
OBSERVATION_INTERVAL_S: Final = 900.0
"""Seconds within which even an idle charger sends an observation."""
SWEEP_S: Final = 60.0
"""Seconds between two checks for silent chargers."""
SHORTEST_STALL_S: Final = 120.0
"""The shortest time without any message before a queue counts as stalled."""
SHORTEST_SILENCE_S: Final = 5.0
"""The shortest silence in real seconds that counts, however fast the clock runs: networks get no faster."""

_log = structlog.get_logger(__name__)


class LastContacts:
    """When each charger last sent anything.

    Args:
        silent_after_s: the longest silence of a charger, in seconds of the clock.
        speed: seconds of the clock in a real one.
    """

    def __init__(self, silent_after_s: float, speed: float) -> None:
        self._silent_after_s = max(silent_after_s, SHORTEST_SILENCE_S * speed)
        self._last: OrderedDict[str, float] = OrderedDict()
        """In the clock's monotonic seconds; the longest silent one first."""

    def note(self, serial: str, mono: float) -> None:
        """Take note that a charger has sent something."""
        self._last[serial] = mono
        self._last.move_to_end(serial)

    def expect(self, serial: str, mono: float) -> None:
        """Expect a first contact from now on, unless there was one."""
        self._last.setdefault(serial, mono)

    def forget(self, serial: str) -> None:
        """Expect nothing of a charger any more."""
        self._last.pop(serial, None)

    def take_silent(self, mono: float) -> Iterator[str]:
        """Yield the serials of those that are silent for too long, once until they send something again."""
        while self._last:
            serial, last = next(iter(self._last.items()))
            if last > mono - self._silent_after_s:
                return
            del self._last[serial]
            yield serial


class QueueHealth:
    """Detects a backlog and a stall of the queue; until both are over, no charger counts as reachable.

    Args:
        changed: is called when `current` may have changed.
        later: calls a function after so many real seconds.
        silent_after_s: the longest time without any message before the queue counts as stalled.
        speed: seconds of the clock in a real one.
        quiet_s: see `QUIET_S`.
    """

    def __init__(
        self,
        changed: Callable[[], None],
        later: Callable[[float, Callable[[], None]], None],
        silent_after_s: float,
        speed: float,
        *,
        quiet_s: float = QUIET_S,
    ) -> None:
        self._changed = changed
        self._later = later
        shortest_s = SHORTEST_SILENCE_S * speed
        self._silent_after_s = max(silent_after_s, shortest_s)
        self._shortest_stall_s = max(SHORTEST_STALL_S, shortest_s)
        self._quiet_s = quiet_s
        self._catching_up = False
        """The backlog is still arriving: the known states of chargers are old."""
        self._stalled = False
        """The queue is open, and no charger has sent anything for longer than is plausible."""
        self._last_message_s = 0.0
        """When the last message arrived, in the clock's monotonic seconds."""
        self._messages = 0
        """The number of messages so far."""

    @property
    def current(self) -> bool:
        """Whether the known states of chargers are those of the present."""
        return not (self._catching_up or self._stalled)

    def opened(self, mono: float) -> None:
        """Expect the backlog: the queue was opened at this time, in the clock's monotonic seconds."""
        self._last_message_s, self._stalled = mono, False
        self._catching_up = True
        self._check_quiet_later()
        self._later(CATCH_UP_S, self._caught_up)

    def closed(self) -> None:
        """Stop waiting for the backlog: the connection is lost."""
        self._catching_up = False

    def message_arrived(self, at_ms: int, now: Instant) -> None:
        """Take note of an observation that was made at this time: the queue is not stalled."""
        self._last_message_s, self._messages = now.mono, self._messages + 1
        if self._catching_up and at_ms >= now.utc_ms - RECENT_MS:
            self._caught_up()
        if self._stalled:
            self._stalled = False
            self._changed()

    def check_stalled(self, mono: float, chargers: int) -> None:
        """Check when the last message arrived: a queue without any message from a whole fleet is stalled.

        Args:
            mono: the present, in the clock's monotonic seconds.
            chargers: the number of chargers that send observations.
        """
        expected_s = OBSERVATION_INTERVAL_S / max(chargers, 1)
        timeout_s = min(max(10 * expected_s, self._shortest_stall_s), self._silent_after_s)
        if not self._stalled and mono - self._last_message_s > timeout_s:
            self._stalled = True
            _log.warning("message queue stalled: no message from any charger", timeout_s=timeout_s)
            self._changed()

    def _check_quiet_later(self) -> None:
        messages = self._messages
        self._later(self._quiet_s, lambda: self._check_quiet(messages))

    def _check_quiet(self, messages: int) -> None:
        if self._catching_up:
            if messages == self._messages:
                self._caught_up()
            else:
                self._check_quiet_later()

    def _caught_up(self) -> None:
        if self._catching_up:
            self._catching_up = False
            self._changed()
