"""A register that never runs backwards, out of the charger's counter, or of its power.

A counter may be set back: by hand, by a new meter, by a power cut of a plug that counts in RAM. The register
goes on from where it was. A counter may also show nonsense for a while: 0 while a gateway starts, or a
reading of half an hour ago. No Wh is counted that no charger can have delivered, and none twice. All amounts
are whole µWh, so that nothing is lost by rounding.
"""

from typing import Final

from msgspec import Struct

UWH: Final = 1_000_000
"""µWh in a Wh."""
WAVERS_UWH: Final = 100 * UWH
"""By so much a counter may fall by rounding, without having been set."""
LONGEST_GAP_MS: Final = 300_000
"""Between two readings of power: what flowed in a longer silence is not made up."""
MOST_JUMP_UWH: Final = 100_000 * UWH
"""By so much more than it can have delivered a counter may rise at once: clocks are set, too."""
FALL_MS: Final = 86_400_000
"""For so long it is remembered from where a counter fell."""


class Fall(Struct, array_like=True):
    """A counter that fell: perhaps it was set back, perhaps it only showed nonsense."""

    at_ms: int
    from_uwh: int
    to_uwh: int
    register_uwh: int
    """The register before."""


class Meter(Struct, kw_only=True, omit_defaults=True):
    """The register of one charger, as it is written down."""

    register_uwh: int = 0
    counter_uwh: int | None = None
    """The counter's last reading."""
    counted_ms: int = 0
    """When that was."""
    fall: Fall | None = None
    jump_uwh: int | None = None
    """A reading that is too high to be believed, until the next one says the same."""
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

    def is_behind(self, counter_wh: float) -> bool:
        """Whether a reading is lower than the last one."""
        return self.counter_uwh is not None and round(counter_wh * UWH) < self.counter_uwh

    def count(self, counter_wh: float, now_ms: int, most_w: float) -> None:
        """Take a reading of the counter.

        A first reading is where the register begins, so that both show the same. A counter that fell by a
        little wavers: it counts again when it is above what it was. One that fell below half of what it was
        has begun anew, and what it shows was drawn since, if that can be. One that fell otherwise was
        corrected, and counts from there. If it is back sooner than a charger can charge so much, it had never
        fallen. One that rose by more than can be counts from there, once the next reading says the same.

        Args:
            counter_wh: what the counter shows.
            now_ms: the time.
            most_w: the most that the charger can deliver.
        """
        counter_uwh = round(counter_wh * UWH)
        before = self.counter_uwh
        can_be_uwh = _energy_uwh(most_w, now_ms - self.counted_ms)
        if before is None:
            self.register_uwh = max(self.register_uwh, counter_uwh)
        elif counter_uwh < before:
            begins_anew = counter_uwh < before // 2
            if not begins_anew and before - counter_uwh <= WAVERS_UWH:
                return
            self._note_fall(before, counter_uwh, now_ms)
            if begins_anew and counter_uwh <= can_be_uwh + WAVERS_UWH:
                self.register_uwh += counter_uwh
        elif self._is_back(counter_uwh, now_ms, most_w):
            assert self.fall is not None
            real_uwh = self.fall.register_uwh + max(counter_uwh - self.fall.from_uwh, 0)
            self.register_uwh = max(self.register_uwh, real_uwh)
            self.fall = None
        elif counter_uwh - before > can_be_uwh + MOST_JUMP_UWH:
            said_before_uwh = self.jump_uwh
            if said_before_uwh is None or not 0 <= counter_uwh - said_before_uwh <= MOST_JUMP_UWH:
                self.jump_uwh = counter_uwh
                return
            self.register_uwh += counter_uwh - said_before_uwh
        else:
            self.register_uwh += counter_uwh - before
        self.counter_uwh, self.counted_ms, self.jump_uwh = counter_uwh, now_ms, None

    def _note_fall(self, from_uwh: int, to_uwh: int, now_ms: int) -> None:
        if self.fall is None or now_ms - self.fall.at_ms > FALL_MS:
            self.fall = Fall(now_ms, from_uwh, to_uwh, self.register_uwh)
        else:
            self.fall.to_uwh = min(self.fall.to_uwh, to_uwh)

    def _is_back(self, counter_uwh: int, now_ms: int, most_w: float) -> bool:
        fall = self.fall
        if fall is None or counter_uwh < fall.from_uwh - WAVERS_UWH or now_ms - fall.at_ms > FALL_MS:
            return False
        return counter_uwh - fall.to_uwh > _energy_uwh(most_w, now_ms - fall.at_ms)

    def integrate(self, power_w: float, now_ms: int, most_w: float) -> None:
        """Take a reading of power: until now, the one before it held."""
        self.hold(now_ms)
        self.power_w, self.power_ms, self.integrated_ms = min(max(power_w, 0.0), most_w), now_ms, now_ms

    def hold(self, now_ms: int) -> None:
        """Let the last reading of power hold until now, but no longer than `LONGEST_GAP_MS`."""
        if self.power_ms is None:
            return
        until_ms = min(now_ms, self.power_ms + LONGEST_GAP_MS)
        passed_ms = until_ms - self.integrated_ms
        if passed_ms > 0:
            self.register_uwh += _energy_uwh(self.power_w, passed_ms)
            self.integrated_ms = until_ms


def _energy_uwh(power_w: float, passed_ms: int) -> int:
    return round(power_w * max(passed_ms, 0) * UWH / 3_600_000)
