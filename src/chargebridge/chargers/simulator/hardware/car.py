"""A realistic car: a battery that fills, and a current limit of its own.

Energy is counted in microjoules, which is milliwatts times milliseconds: with voltages in tenths
of a volt and currents in hundredths of an ampere every product is a whole number, so nothing is
ever rounded on the way.
"""

from typing import Final

from msgspec import Struct

UJ_PER_WH: Final = 3_600_000_000

_TAPER: Final = ((80, 100), (92, 60), (100, 30))
"""(charged up to this per cent, draws this per cent of its limit): how cars near the top slow down."""


class Car(Struct, kw_only=True):
    """A car as a charger sees it.

    Args:
        battery_wh: usable size of the battery.
        charged_uj: energy in the battery now, in microjoules.
        max_current_a: the most current of its on-board charger, per phase.
        phases: phases its on-board charger can use, 1 to 3.
        paused: the car asks for no current although it could take some.
    """

    battery_wh: int
    charged_uj: int
    max_current_a: int = 16
    phases: int = 3
    paused: bool = False

    @property
    def full(self) -> bool:
        """Whether the battery takes nothing more."""
        return self.charged_uj >= self.battery_wh * UJ_PER_WH

    def draw_ca(self, offered_ca: int) -> int:
        """Return the current it draws per phase when offered `offered_ca`, both in 0.01 A."""
        if self.paused or self.full:
            return 0
        return min(offered_ca, self.max_current_a * self._step()[1])

    def ms_to_next_step(self, power_mw: int) -> int | None:
        """Return after how long at `power_mw` it draws differently by itself, or None if never."""
        if power_mw == 0:
            return None
        step_uj = self.battery_wh * UJ_PER_WH * self._step()[0] // 100
        return -((self.charged_uj - step_uj) // power_mw)

    def _step(self) -> tuple[int, int]:
        per_cent = self.charged_uj * 100 // (self.battery_wh * UJ_PER_WH)
        for step in _TAPER:
            if per_cent < step[0]:
                return step
        return _TAPER[-1]
