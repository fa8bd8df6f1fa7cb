"""Delays records of sessions and session energies on their way to the clients (`Misbehaviour.late_s`)."""

from collections.abc import Iterable
from functools import partial
from itertools import count
from typing import Final

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.last_values import Observed
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.publisher import Publisher
from chargebridge.emulators.easee_cloud.scheduler import Scheduler

LATE_AT_MOST: Final = 10_000
"""With so many on their way, the next one comes in time."""


class Lateness:
    """Holds observations back, and sends them later with their own time.

    Args:
        scheduler: by the cloud's clock.
        publisher: sends them.
        misbehaviour: the rates.
        dice: decides which are late.
    """

    def __init__(
        self, scheduler: Scheduler, publisher: Publisher, misbehaviour: Misbehaviour, dice: Dice
    ) -> None:
        self._scheduler = scheduler
        self._publisher = publisher
        self._misbehaviour = misbehaviour
        self._dice = dice
        self._numbers = count()
        self._waiting = 0

    def hold_back(self, charger: CloudCharger, observed: Iterable[Observed]) -> list[Observed]:
        """Return the observations that are sent now; the others follow."""
        in_time = []
        for one in observed:
            if self._waiting < LATE_AT_MOST and self._is_late(one):
                self._waiting += 1
                due_ms = self._scheduler.now_ms + round(self._misbehaviour.late_s * 1000)
                key = ("late", next(self._numbers))
                self._scheduler.schedule(key, due_ms, partial(self._send, charger, one))
            else:
                in_time.append(one)
        return in_time

    def _send(self, charger: CloudCharger, one: Observed) -> None:
        self._waiting -= 1
        self._publisher.publish(charger, [one])

    def _is_late(self, one: Observed) -> bool:
        faults = self._misbehaviour
        if one.id == Observation.SESSION_ENERGY:
            return one.text != "0" and self._dice("late_energy", faults.late_energy)
        if one.id != Observation.CHARGING_SESSION:
            return False
        if faults.late_next_ends:
            faults.late_next_ends -= 1
            return self._dice("late_ends", 1.0)
        return self._dice("late_ends", faults.late_ends)
