"""Lines of the log about what may happen to thousands at once: a few of each kind, then one with a count."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, field

FEW: Final = 5
"""Lines of one kind before the further ones are counted."""
FIRST_S: Final = 60.0
"""Real seconds for which they are counted; doubles with each line up to the next figure."""
LONGEST_S: Final = 3600.0
MOST_REASONS: Final = 4
"""Reasons that a line names; the others are only counted."""
_KEPT: Final = 16

Later = Callable[[float, Callable[[], None]], object]
"""Calls a function after so many real seconds."""


class _Kind(Struct):
    level: str
    wait_s: float = FIRST_S
    lines: int = 0
    """Those of this time that were logged singly."""
    counted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class BoundedLog:
    """Logs a few lines of each kind as they are, and how many followed.

    Args:
        log: a logger of structlog.
        later: calls a function after so many real seconds.
    """

    def __init__(self, log: Any, later: Later) -> None:
        self._log = log
        self._later = later
        self._kinds: dict[str, _Kind] = {}

    def warning(self, event: str, *, reason: str, **fields: object) -> None:
        """Log a warning, or count it."""
        self._note("warning", event, reason, fields)

    def info(self, event: str, *, reason: str, **fields: object) -> None:
        """Log an information, or count it."""
        self._note("info", event, reason, fields)

    def _note(self, level: str, event: str, reason: str, fields: dict[str, object]) -> None:
        kind = self._kinds.get(event)
        if kind is None:
            kind = self._kinds[event] = _Kind(level)
            self._look_later(event, kind)
        if kind.lines < FEW:
            kind.lines += 1
            getattr(self._log, level)(event, **fields, reason=reason)
            return
        kind.counted += 1
        if reason in kind.reasons or len(kind.reasons) < _KEPT:
            kind.reasons[reason] += 1

    def _look_later(self, event: str, kind: _Kind) -> None:
        self._later(kind.wait_s, lambda: self._look(event, kind))

    def _look(self, event: str, kind: _Kind) -> None:
        if not kind.counted:
            del self._kinds[event]
            return
        reasons = "; ".join(reason for reason, _ in kind.reasons.most_common(MOST_REASONS))
        getattr(self._log, kind.level)(f"{event}, further ones", times=kind.counted, reasons=reasons)
        kind.counted, kind.lines = 0, FEW  # as long as it goes on, only counts
        kind.reasons.clear()
        kind.wait_s = min(kind.wait_s * 2, LONGEST_S)
        self._look_later(event, kind)
