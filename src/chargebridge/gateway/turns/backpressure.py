"""Backpressure: events of chargers are deferred while the disk is slow or fails.

Nothing is lost by it: a driver keeps every event that is not acknowledged, and delivers it again when the
gateway watches the charger again.
"""

from typing import Final

import structlog

from chargebridge.chargers.model import ChargerEvent, Reachable
from chargebridge.clock import Clock
from chargebridge.gateway.turns.binding import Binding, SkippedEvents

MOST_UNCOMMITTED: Final = 256
"""Turns of one charge point on their way to the disk, above which neither a frame nor an event is taken. A
central system that waits for its answers is far below; one that floods would fill the memory."""
MOST_WAITING: Final = 32
"""Inputs that a charge point keeps until it is rebuilt, above which no event is taken. Those that were on
their way when the disk failed are kept in any case."""
_WARN_EVERY_S: Final = 60.0
"""Real seconds; a log must not grow with every deferred event."""

_log = structlog.get_logger()


class Backpressure:
    """Decides whether events are taken, and has drivers deliver deferred events again.

    Args:
        clock: paces the log.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._warn_at = 0.0
        self.deferred = 0
        """Events that were deferred, since the start."""

    @staticmethod
    def has_room(binding: Binding) -> bool:
        """Tell whether an event of this charger may be taken."""
        if binding.skipped is not None:
            return False
        waiting = 0 if binding.backlog is None else len(binding.backlog)
        return binding.uncommitted < MOST_UNCOMMITTED and waiting < MOST_WAITING

    def defer(self, binding: Binding, event: ChargerEvent) -> None:
        """Defer an event, and every later one until the charge point has caught up."""
        self.deferred += 1
        if binding.skipped is None:
            binding.skipped = SkippedEvents()
            self._warn(binding)
        if isinstance(event, Reachable):
            binding.skipped.reachable = event

    def _warn(self, binding: Binding) -> None:
        mono = self._clock.now().mono
        if mono >= self._warn_at:
            self._warn_at = mono + _WARN_EVERY_S * self._clock.speed
            _log.warning(
                "charger events deferred",
                charge_point=binding.charge_point.settings.identity,
                deferred=self.deferred,
            )

    @staticmethod
    def may_catch_up(binding: Binding) -> bool:
        """Tell whether a charge point with deferred events has room again."""
        if binding.skipped is None or binding.backlog is not None:
            return False
        return binding.uncommitted <= MOST_WAITING

    @staticmethod
    def readmit(binding: Binding) -> Reachable | None:
        """Take events again; returns the one that has to be taken before the driver delivers again."""
        skipped, binding.skipped = binding.skipped, None
        return skipped.reachable if skipped is not None else None

    @staticmethod
    def rewatch(binding: Binding) -> None:
        """Have the driver deliver everything again: see `Driver.watch`."""
        if binding.driver is None:
            return
        try:
            binding.driver.unwatch(binding.serial)
            binding.driver.watch(binding.serial)
        except Exception:  # noqa: BLE001 - drivers come from outside
            _log.exception("driver failed at watching a charger again", charger=binding.serial)
