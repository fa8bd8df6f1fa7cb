"""How much is taken of what chargers tell while the disk is slow or fails, and what becomes of the rest.

Memory bounds what is taken, and nothing is lost by it: what nobody has acknowledged, a driver keeps.
"""

from typing import Final

import structlog

from chargebridge.chargers.model import ChargerEvent, Reachable
from chargebridge.clock import Clock
from chargebridge.gateway.turns.binding import Binding, Missed

MOST_UNCOMMITTED: Final = 256
"""Turns of one charge point on their way to the disk, above which neither a frame nor an event is taken. A
central system that waits for its answers is far below; one that floods would fill the memory."""
MOST_WAITING: Final = 32
"""Inputs that a charge point keeps until it is rebuilt, above which no event is taken. Those that were on
their way when the disk failed are kept in any case."""
_SAY_EVERY_S: Final = 60.0
"""Real seconds; how often a driver is asked to tell anew is nothing for a log to grow by."""

_log = structlog.get_logger()


class Intake:
    """Decides whether events are taken, and has drivers tell anew what was not.

    Args:
        clock: paces what is logged.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._say_at = 0.0
        self.missed = 0
        """Events that were not taken, since the start."""

    @staticmethod
    def has_room(binding: Binding) -> bool:
        """Tell whether an event of this charger may be taken."""
        if binding.missed is not None:
            return False
        waiting = 0 if binding.again is None else len(binding.again)
        return binding.uncommitted < MOST_UNCOMMITTED and waiting < MOST_WAITING

    def miss(self, binding: Binding, event: ChargerEvent) -> None:
        """Do not take an event, nor any later one until the charge point has caught up."""
        self.missed += 1
        if binding.missed is None:
            binding.missed = Missed()
            self._say(binding)
        if isinstance(event, Reachable):
            binding.missed.reachable = event

    def _say(self, binding: Binding) -> None:
        mono = self._clock.now().mono
        if mono >= self._say_at:
            self._say_at = mono + _SAY_EVERY_S * self._clock.speed
            _log.warning(
                "a charger tells more than can be made durable; it will be asked to tell anew",
                charge_point=binding.charge_point.settings.identity,
                not_taken=self.missed,
            )

    @staticmethod
    def may_catch_up(binding: Binding) -> bool:
        """Tell whether a charge point that has missed something has room again."""
        if binding.missed is None or binding.again is not None:
            return False
        return binding.uncommitted <= MOST_WAITING

    @staticmethod
    def caught_up(binding: Binding) -> Reachable | None:
        """Take events again; returns the one that has to be taken before the driver tells anew."""
        missed, binding.missed = binding.missed, None
        return missed.reachable if missed is not None else None

    @staticmethod
    def have_told_anew(binding: Binding) -> None:
        """Have the driver greet as if for the first time: see `Driver.watch`."""
        if binding.driver is None:
            return
        try:
            binding.driver.unwatch(binding.serial)
            binding.driver.watch(binding.serial)
        except Exception:  # noqa: BLE001 - drivers come from outside
            _log.exception("a driver failed at telling anew", charger=binding.serial)
