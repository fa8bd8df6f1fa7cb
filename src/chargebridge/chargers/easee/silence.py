"""Silence: of one charger, and of the operator's queue, which may be behind or stalled.

A charger is judged by its own period. A stream or a connection to a broker has signs of life of its own
(pings, heartbeats), and ends without them. So a queue is not judged by how often a fleet ought to send
something: idle chargers may all do so in the same second, every 15 minutes. What the signs of life do not
show is a broker that lives and delivers nothing; that is so when most of the fleet is overdue, each charger
by its own period.
"""

from collections.abc import Callable, Iterator
from typing import Final

import structlog
from msgspec import Struct

from chargebridge.clock import Instant

QUIET_S: Final = 1.0
"""Real seconds without a message after which a newly opened queue counts as empty."""
CATCH_UP_S: Final = 60.0
"""Real seconds after which a queue counts as caught up, even if messages keep arriving."""
RECENT_MS: Final = 120_000
"""A message of this age or younger shows that the backlog before it has arrived."""
PERIOD_S: Final = 900.0
"""Seconds within which even an idle charger sends an observation."""
MARGIN: Final = 4 / 3
"""How much later than usual is late: the longest silence that counts as none is 20 minutes, or longer."""
WINDOW_S: Final = 6 * 3600.0
"""A charger's own period is the longest time between two of its messages in the last one to two windows."""
MOST: Final = 0.75
"""The part of a fleet that must be overdue before the queue counts as stalled."""
SWEEP_S: Final = 60.0
"""Seconds between two checks for silent chargers."""
SHORTEST_STALL_S: Final = 300.0
"""The shortest time without any message before a queue counts as stalled."""
SHORTEST_SILENCE_S: Final = 5.0
"""The shortest silence in real seconds that counts, however fast the clock runs: networks get no faster."""

_log = structlog.get_logger(__name__)


class _Contact(Struct, gc=False):
    """One charger."""

    last: float
    """When it last sent anything, in the clock's monotonic seconds."""
    longest: float = 0.0
    """The longest time between two messages in the present window."""
    before: float | None = None
    """That of the window before; None: it was not observed for a whole one."""
    whole: bool = False
    """Whether it was observed since the beginning of the present window."""
    silent: bool = False


class LastContacts:
    """When each charger last sent anything, and how often it usually does.

    Args:
        silent_after_s: the longest silence of a charger, in seconds of the clock.
        speed: seconds of the clock in a real one.
    """

    def __init__(self, silent_after_s: float, speed: float) -> None:
        self._shortest_s = SHORTEST_SILENCE_S * speed
        self._longest_s = max(silent_after_s, self._shortest_s)
        self._contacts: dict[str, _Contact] = {}
        self._window_ends: float | None = None

    def note(self, serial: str, mono: float) -> None:
        """Take note that a charger has sent something."""
        contact = self._contacts.get(serial)
        if contact is None:
            self._contacts[serial] = _Contact(mono)
            return
        contact.longest = max(contact.longest, mono - contact.last)
        contact.last, contact.silent = mono, False

    def begin_anew(self, serial: str, mono: float) -> None:
        """Count the silence of a charger from now on: why it was silent until now is known."""
        contact = self._contacts.setdefault(serial, _Contact(mono))
        contact.last, contact.silent = mono, False

    def expect(self, serial: str, mono: float) -> None:
        """Expect a first contact from now on, unless there was one."""
        self._contacts.setdefault(serial, _Contact(mono))

    def forget(self, serial: str) -> None:
        """Expect nothing of a charger any more."""
        self._contacts.pop(serial, None)

    def limit_s(self, serial: str) -> float:
        """Return after which silence a charger is overdue, in seconds of the clock."""
        contact = self._contacts.get(serial)
        return self._longest_s if contact is None else self._limit_s(contact)

    def _limit_s(self, contact: _Contact) -> float:
        if contact.before is None:
            return self._longest_s
        own_s = MARGIN * max(contact.before, contact.longest, PERIOD_S)
        return min(max(own_s, self._shortest_s), self._longest_s)

    def take_silent(self, mono: float) -> Iterator[str]:
        """Yield the serials of those that are silent for too long, once until they send something again."""
        self._end_window(mono)
        for serial, contact in list(self._contacts.items()):
            if not contact.silent and mono - contact.last >= self._limit_s(contact):
                contact.silent = True
                yield serial

    def _end_window(self, mono: float) -> None:
        if self._window_ends is None:
            self._window_ends = mono + WINDOW_S
        elif mono >= self._window_ends:
            self._window_ends = mono + WINDOW_S
            for contact in self._contacts.values():
                contact.before = contact.longest if contact.whole else None
                contact.longest, contact.whole = 0.0, True


class QueueHealth:
    """Detects a backlog and a stall of the queue; until both are over, no charger counts as reachable.

    Args:
        changed: is called when `current` may have changed.
        later: calls a function after so many real seconds.
        silent_after_s: the longest silence of a charger, in seconds of the clock.
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
        self._stall_s = max(min(SHORTEST_STALL_S, silent_after_s), shortest_s)
        self._quiet_s = quiet_s
        self._catching_up = False
        """The backlog is still arriving: the known states of chargers are old."""
        self._stalled = False
        """The queue is open, nothing comes, and most chargers should have sent something long ago."""
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
        self._messages += 1
        if self._catching_up and at_ms >= now.utc_ms - RECENT_MS:
            self._caught_up()
        self.delivers(now.mono)

    def delivers(self, mono: float) -> None:
        """Take note that something has arrived, such as a pulse: the queue is not stalled."""
        self._last_message_s = mono
        if self._stalled:
            self._stalled = False
            self._changed()

    def check_stalled(self, mono: float, overdue: int, chargers: int) -> None:
        """Check whether the queue delivers nothing although it is open.

        Args:
            mono: the present, in the clock's monotonic seconds.
            overdue: the number of chargers that are silent for longer than they ever are.
            chargers: the number of chargers that send observations.
        """
        silent_s = mono - self._last_message_s
        if self._stalled or not chargers or overdue < MOST * chargers or silent_s < self._stall_s:
            return
        self._stalled = True
        _log.warning(
            "message queue stalled: the broker is there, and nothing comes of any charger",
            silent_s=round(silent_s),
            overdue=overdue,
            chargers=chargers,
        )
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
