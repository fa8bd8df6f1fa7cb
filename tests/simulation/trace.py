"""What happened, for a person to read when an invariant is broken."""

from collections import deque
from zlib import crc32

from chargebridge.clock import format_utc

SHOWN = 60
_KEPT = 400
_LONGEST = 220


class Broken(AssertionError):  # noqa: N818 - a promise that was broken, no fault of the simulation
    """An invariant does not hold.

    Args:
        invariant: its name.
        identity: of the charge point; empty for the whole installation.
        text: what is wrong.
    """

    def __init__(self, invariant, identity, text):
        super().__init__(f"{invariant}: {identity}: {text}")
        self.invariant, self.identity, self.text = invariant, identity, text


class Trace:
    """The latest lines of each charge point, and of the whole."""

    def __init__(self, timeline):
        self._timeline = timeline
        self._lines = {}
        self.digest = 0
        """Changes with every line: two runs of one seed end with the same."""

    def add(self, identity, sign, what):
        line = (self._timeline.now_ms, sign, what)
        data = what if isinstance(what, bytes) else str(what).encode()
        self.digest = crc32(data, crc32(f"{line[0]}{identity}{sign}".encode(), self.digest))
        lines = self._lines.get(identity)
        if lines is None:
            lines = self._lines[identity] = deque(maxlen=_KEPT)
        lines.append(line)

    def of(self, identity):
        """Return the latest lines of a charge point, with what befell the whole in between."""
        lines = sorted([*self._lines.get(identity, ()), *self._lines.get("", ())], key=lambda line: line[0])
        return [f"{format_utc(at_ms)} {sign} {_short(what)}" for at_ms, sign, what in lines[-SHOWN:]]


def _short(what):
    text = what.decode(errors="replace") if isinstance(what, bytes) else str(what)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
