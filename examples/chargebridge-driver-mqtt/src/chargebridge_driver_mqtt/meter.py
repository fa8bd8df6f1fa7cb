"""A register that never runs backwards, out of the charger's counter, or of its power.

A counter may be set back: by hand, by a new meter, by a power cut of a plug that counts in RAM. The register
goes on from where it was. All amounts are whole µWh, so that nothing is lost by rounding.
"""

from typing import Final

from msgspec import Struct

UWH: Final = 1_000_000
"""µWh in a Wh."""
WAVERS_UWH: Final = 100 * UWH
"""By so much a counter may fall by rounding, without having been set."""
LONGEST_GAP_MS: Final = 300_000
"""Between two readings of power: what flowed in a longer silence is not made up."""


class Meter(Struct, kw_only=True, omit_defaults=True):
    """The register of one charger, as it is written down."""

    register_uwh: int = 0
    counter_uwh: int | None = None
    """The counter's last reading."""
    power_w: float = 0.0
    """The last reading of power, where it is integrated."""
    power_ms: int | None = None
    """When that was; None: what flows now is not known."""
    integrated_ms: int = 0
    """Up to when power is integrated."""

    @property
    def register_wh(self) -> int:
        """The register in whole Wh, floored."""
        return self.register_uwh // UWH

    def count(self, counter_wh: float) -> None:
        """Take a reading of the counter.

        A first reading is where the register begins, so that both show the same. A counter that fell below
        half of what it was has begun anew, and what it shows was drawn since. One that fell by a little
        wavers: it counts again when it is above what it was. One that fell by more was corrected, and counts
        from there.
        """
        counter_uwh = max(round(counter_wh * UWH), 0)
        before = self.counter_uwh
        if before is None:
            self.register_uwh = max(self.register_uwh, counter_uwh)
        elif counter_uwh >= before:
            self.register_uwh += counter_uwh - before
        elif counter_uwh < before // 2:
            self.register_uwh += counter_uwh
        elif before - counter_uwh <= WAVERS_UWH:
            return
        self.counter_uwh = counter_uwh

    def integrate(self, power_w: float, now_ms: int) -> None:
        """Take a reading of power: until now, the one before it held."""
        self.hold(now_ms)
        self.power_w, self.power_ms, self.integrated_ms = max(power_w, 0.0), now_ms, now_ms

    def hold(self, now_ms: int) -> None:
        """Let the last reading of power hold until now, but no longer than `LONGEST_GAP_MS`."""
        if self.power_ms is None:
            return
        until_ms = min(now_ms, self.power_ms + LONGEST_GAP_MS)
        passed_ms = until_ms - self.integrated_ms
        if passed_ms > 0:
            self.register_uwh += round(self.power_w * passed_ms * UWH / 3_600_000)
            self.integrated_ms = until_ms
