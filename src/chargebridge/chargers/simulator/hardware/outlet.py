"""The electrical side of a charger: currents and power at the outlet, and the energy register.

Power is constant between two changes, so the energy register is the
exact sum of volts times amperes times time. It is an integer in microjoules and is floored to
whole Wh in exactly one place, `Outlet.register_wh`.
"""

import math
from functools import lru_cache
from typing import Final
from zlib import crc32

from msgspec import Struct

from chargebridge.chargers.model import Quantity, Reading
from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car

AMBIENT_C: Final = 18.0
HEATING_C: Final = 34.0
"""The temperature of a charger above its surroundings at its rated current."""
HEATING_TIME_S: Final = 1500.0
MAINS_CHANGES_EVERY_MS: Final = 900_000
MINIMUM_CURRENT_CA: Final = 600
"""IEC 61851-1 knows no offer between nothing and 6 A."""


class Outlet(Struct, kw_only=True):
    """One outlet with its meter and thermometer.

    Args:
        at_ms: the time up to which energy and temperature are computed.
        register_uj: all energy that ever left the outlet, in microjoules.
        temperature_c: inside the charger.
        voltages_dv: phase to neutral, in 0.1 V, one for each phase of the charger.
        currents_ca: in 0.01 A, one for each phase of the charger.
    """

    at_ms: int
    register_uj: int = 0
    temperature_c: float = AMBIENT_C
    voltages_dv: tuple[int, ...] = ()
    currents_ca: tuple[int, ...] = ()
    offered_ca: int = 0
    rated_ca: int = 3200
    power_mw: int = 0

    @property
    def register_wh(self) -> int:
        """The register as in every event: floored to whole Wh, here and nowhere else."""
        return self.register_uj // UJ_PER_WH

    def settle(self, now_ms: int, car: Car | None) -> None:
        """Add up the energy since the last time; `car` is the one that it flowed into."""
        elapsed_ms = now_ms - self.at_ms
        if elapsed_ms <= 0:
            return
        self.at_ms = now_ms
        if car is not None and self.power_mw:
            energy_uj = self.power_mw * elapsed_ms
            self.register_uj += energy_uj
            car.charged_uj += energy_uj
        load = self.currents_ca[0] / self.rated_ca
        goal = AMBIENT_C + HEATING_C * load * load
        fading = math.exp(-elapsed_ms / 1000 / HEATING_TIME_S)
        self.temperature_c = goal + (self.temperature_c - goal) * fading

    def connect(self, serial: str, phases: int, offered_ca: int, car: Car | None) -> None:
        """Compute currents and power from `at_ms` on.

        Args:
            serial: the serial of the charger; its voltages differ a little from its neighbours'.
            phases: the phases of the charger.
            offered_ca: the current that the charger offers per phase, in 0.01 A.
            car: the car that may draw it, if any.
        """
        drawn_ca = car.draw_ca(offered_ca) if car is not None and offered_ca >= MINIMUM_CURRENT_CA else 0
        drawing = min(phases, car.phases) if car is not None and drawn_ca else 0
        voltages = _mains_dv(serial, phases, self.at_ms // MAINS_CHANGES_EVERY_MS)
        if drawing:
            sag_dv = drawn_ca // 300
            voltages = (*[dv - sag_dv for dv in voltages[:drawing]], *voltages[drawing:])
        self.voltages_dv = voltages
        self.currents_ca = (drawn_ca,) * drawing + (0,) * (phases - drawing)
        self.offered_ca = offered_ca
        self.power_mw = sum(voltages[:drawing]) * drawn_ca

    def readings(self) -> tuple[Reading, ...]:
        """Return the readings of the charger; without a session no current flows, and none is offered."""
        return (
            Reading(Quantity.ENERGY_WH, self.register_wh),
            Reading(Quantity.POWER_W, self.power_mw / 1000),
            *[Reading(Quantity.CURRENT_A, ca / 100, n) for n, ca in enumerate(self.currents_ca, 1)],
            *[Reading(Quantity.VOLTAGE_V, dv / 10, n) for n, dv in enumerate(self.voltages_dv, 1)],
            Reading(Quantity.CURRENT_OFFERED_A, self.offered_ca / 100),
            Reading(Quantity.TEMPERATURE_C, round(self.temperature_c, 1)),
        )


@lru_cache(maxsize=8192)
def _mains_dv(serial: str, phases: int, slot: int) -> tuple[int, ...]:
    """Return the voltages without load: they wander a little, and stay for a while."""
    mains = crc32(slot.to_bytes(8, "little", signed=True), crc32(serial.encode()))
    return tuple(2300 + (mains >> (8 * phase) & 0xFF) % 61 - 30 for phase in range(phases))
