"""How old messages are when they arrive, by the time that stands in them: both ends run on one host clock."""

import time
from array import array
from calendar import timegm

SHARES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}


class Delays:
    """Collects delays; cheap enough to be taken of every message.

    Times are written in whole milliseconds, cut off: so a delay is up to 1 ms too long.
    """

    def __init__(self) -> None:
        self._seconds: dict[bytes, int] = {}
        self._delays_ms = array("d")
        self.first_at = 0.0
        self.last_at = 0.0

    def __len__(self) -> int:
        return len(self._delays_ms)

    def take(self, stamp: bytes) -> None:
        """Take a message that has arrived now; it was made at `YYYY-MM-DDThh:mm:ss.mmmZ`."""
        now_ms = time.time_ns() / 1_000_000
        second = stamp[:19]
        second_ms = self._seconds.get(second)
        if second_ms is None:
            second_ms = timegm(time.strptime(second.decode(), "%Y-%m-%dT%H:%M:%S")) * 1000
            self._seconds[second] = second_ms
        self._delays_ms.append(now_ms - second_ms - int(stamp[20:23]))
        self.last_at = now_ms / 1000
        self.first_at = self.first_at or self.last_at

    def report(self) -> dict[str, float]:
        """Return percentiles, the longest, and how many came within how many seconds."""
        delays_ms = sorted(self._delays_ms)
        found: dict[str, float] = {"count": len(delays_ms), "lasted_s": self.last_at - self.first_at}
        if delays_ms:
            for name, share in SHARES.items():
                found[name] = delays_ms[min(int(len(delays_ms) * share), len(delays_ms) - 1)]
            found["max_ms"] = delays_ms[-1]
        return found
