"""The track record of a link: how its attempts and connections have ended, which its waits go by.

Pure: time is handed in.
"""

from typing import Final

FAILURES_PER_URL: Final = 3
"""After so many failures in a row at one URL of a central system, each further attempt goes to the next."""
BREAKS_OF_UNSTABLE: Final = 3
"""A link is unstable when so many connections in a row have broken soon after they opened."""


class TrackRecord:
    """Counts what has ended in a row, and what is known of the open connection."""

    __slots__ = (
        "_breaks",
        "_received_before",
        "answered",
        "closed_here",
        "connected_since",
        "failures",
        "misses",
        "ponged",
        "unstable_since_ms",
    )

    def __init__(self) -> None:
        self.failures = 0
        """Attempts that failed, and connections that did not last, in a row: the step of the back-off. While
        connections open and are answered, it is 1 at most."""
        self.misses = 0
        """Failures in a row at the present URL."""
        self.unstable_since_ms: int | None = None
        """Since when connections open and soon break, again and again (UTC); None: they do not."""
        self.connected_since: float | None = None
        """When the open connection opened, in seconds of the loop's clock."""
        self.answered = False
        """The central system has answered a call on this connection; the owner of the link sets it."""
        self.ponged = False
        """It has answered a ping on it."""
        self.closed_here = False
        """This side has closed the connection."""
        self._received_before = 0
        self._breaks = 0
        """Connections that the other side, or the network, has ended soon after they opened."""

    @property
    def url_is_of_no_use(self) -> bool:
        """Whether the next attempt is to go to another URL."""
        return self.misses >= FAILURES_PER_URL

    def attempt_failed(self) -> None:
        """Count an attempt that opened no connection."""
        self.failures += 1
        self.misses += 1

    def avoid_url(self) -> None:
        """Take note that a URL says itself that it is of no use now."""
        self.misses = max(self.misses, FAILURES_PER_URL)

    def opened(self, now: float, received: int) -> None:
        """Begin with an open connection; its URL is found, and its own failures count from here on.

        Args:
            now: seconds of the loop's clock.
            received: messages on all connections before.
        """
        self.connected_since, self._received_before = now, received
        self.closed_here = self.ponged = self.answered = False
        if self.url_is_of_no_use:
            self.misses = 0

    def ended(self, now: float, now_ms: int, received: int, healthy_after_s: float) -> None:
        """Count the end of the connection.

        Args:
            now: seconds of the loop's clock.
            now_ms: UTC.
            received: messages on all connections, this one included.
            healthy_after_s: see `Backoff`.
        """
        lasted, spoke = self.has_lasted(now, healthy_after_s), received > self._received_before
        # One that hangs behind its load balancer answers pings: the owner closes, without a message.
        worked = spoke if self.closed_here else lasted and (spoke or self.ponged)
        self.misses = 0 if worked else self.misses + 1
        self.connected_since = None
        if lasted:
            self.failures = 0
            self.settled()
            return
        self.failures = 1 if self.answered else self.failures + 1
        self._breaks += not self.closed_here
        if self._breaks >= BREAKS_OF_UNSTABLE and self.unstable_since_ms is None:
            self.unstable_since_ms = now_ms

    def has_lasted(self, now: float, healthy_after_s: float) -> bool:
        """Whether the connection has been open for so many seconds."""
        return self.connected_since is not None and now - self.connected_since >= healthy_after_s

    def settled(self) -> bool:
        """Take note of a connection that has lasted; returns whether the link was unstable before."""
        was_unstable = self.unstable_since_ms is not None
        self.unstable_since_ms, self._breaks = None, 0
        return was_unstable
