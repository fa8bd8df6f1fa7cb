"""True time, what is going to happen in it, and the gateway host's idea of it."""

import heapq
from math import ceil

from chargebridge.clock import Instant

HOUR_MS = 3_600_000
START_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z


class PowerCut(BaseException):
    """The gateway's process is gone, in the middle of whatever it did."""


class Timeline:
    """Everything that is going to happen, in order; what falls on one moment happens as it was entered."""

    def __init__(self):
        self.now_ms = START_MS
        self._heap = []
        self._order = 0

    def at(self, at_ms, act):
        self._order += 1
        heapq.heappush(self._heap, (max(at_ms, self.now_ms), self._order, act))

    def after(self, seconds, act):
        self.at(self.now_ms + ceil(seconds * 1000), act)

    def run(self, until_ms, power_cut):
        """Let everything happen up to a moment; `power_cut` is told when the gateway's process ends in it."""
        heap = self._heap
        while heap and heap[0][0] <= until_ms:
            self.now_ms, _, act = heapq.heappop(heap)
            try:
                act()
            except PowerCut:
                power_cut()
        self.now_ms = until_ms


class HostClock:
    """The clock of the gateway's host: somebody may set it, while its monotonic reading goes on."""

    speed = 1.0

    def __init__(self, timeline):
        self._timeline = timeline
        self.offset_ms = 0

    def now(self):
        now_ms = self._timeline.now_ms
        return Instant(now_ms + self.offset_ms, now_ms / 1000)
