"""Cars that come and go, from a seed.

A visit (`Visit`) depends only on the seed, the charger's serial and the number of the visit, so other
chargers, restarts and central systems do not change it. The progress of a visit is data
(`VisitorRecord`), which only the charger's reactions can change.
"""

import random
from enum import StrEnum
from typing import Final

from msgspec import Struct

from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from chargebridge.chargers.simulator.hardware.charger import SimulatedCharger

MINUTE_MS: Final = 60_000
TAGS: Final = 500
"""The number of different tokens of the drivers of one seed."""
NEVER_MS: Final = 1 << 62
LAST_MINUTES_MS: Final = 3 * MINUTE_MS
"""The longest stay of a charging car after `Visitor.stop_arrivals`."""
RETRY_MS: Final = 2 * MINUTE_MS
"""The wait before a refused token is presented again."""
OCCUPIED_RETRY_MS: Final = 10 * MINUTE_MS
"""The wait before a driver returns to an occupied charger."""


class Pace(Struct, frozen=True):
    """Durations as (shortest, longest), in minutes."""

    charging: tuple[int, int]
    gap: tuple[int, int]
    """Between one car's departure and the next one's arrival."""


PACES: Final = {
    "busy": Pace(charging=(10, 30), gap=(1, 8)),
    "calm": Pace(charging=(20, 90), gap=(20, 240)),
}


class Traffic(Struct, frozen=True):
    """The seed and pace of all visits of a world."""

    seed: int
    pace: Pace


class Stop(StrEnum):
    """The way in which a driver plans to end charging."""

    TOKEN = "token"  # noqa: S105 - no password
    """By the token that started it; the cable is pulled a little later."""
    UNPLUG = "unplug"
    FULL = "full"
    """Not at all: the car gets full and is fetched later."""


class Visit(Struct, frozen=True, kw_only=True):
    """The plan of a driver; all durations in milliseconds."""

    gap_ms: int
    id_tag: str
    plug_first: bool
    between_ms: int
    """Between plug and token."""
    patience_ms: int
    """The wait for the charger's reaction to the token."""
    charging_ms: int
    linger_ms: int
    """The time for which the car stays plugged in after charging."""
    stop: Stop
    car: Car


def plan_visit(traffic: Traffic, serial: str, number: int) -> Visit:
    """Return the visit with this number at the charger `serial`."""
    # A str seed is hashed by SHA-512: the same on every machine and Python.
    dice = random.Random(f"{traffic.seed}/{serial}/{number}")  # noqa: S311 - play, not secrecy
    charging_ms = _between(dice, traffic.pace.charging)
    stop = dice.choice((Stop.TOKEN, Stop.TOKEN, Stop.UNPLUG, Stop.FULL))
    battery_wh = dice.choice((40_000, 58_000, 77_000, 100_000))
    max_current_a = dice.choice((10, 13, 16, 16, 20, 32))
    phases = dice.choice((1, 2, 3, 3, 3))
    # Near the top it draws less than half of its limit: this fills it in about `charging_ms`.
    missing_wh = 230 * max_current_a * phases * charging_ms * 4 // (3_600_000 * 10)
    if stop is not Stop.FULL:
        missing_wh = missing_wh * 5 + battery_wh // 10
    return Visit(
        gap_ms=_between(dice, traffic.pace.gap),
        id_tag=f"TAG{dice.randrange(1, TAGS + 1):05d}",
        plug_first=dice.random() < 0.6,
        between_ms=dice.randrange(5_000, 60_000),
        patience_ms=_between(dice, (20, 40)),
        charging_ms=charging_ms,
        linger_ms=dice.randrange(20_000, 180_000),
        stop=stop,
        car=Car(
            battery_wh=battery_wh,
            charged_uj=max(battery_wh - missing_wh, battery_wh // 20) * UJ_PER_WH,
            max_current_a=max_current_a,
            phases=phases,
        ),
    )


def _between(dice: random.Random, minutes: tuple[int, int]) -> int:
    return dice.randrange(minutes[0] * MINUTE_MS, minutes[1] * MINUTE_MS + 1)


class Phase(StrEnum):
    """The phase of a visit."""

    AWAY = "away"
    ARRIVED = "arrived"
    """The first of plug and token is done."""
    WAITING = "waiting"
    """Plug and token are done, and no session has started yet."""
    CHARGING = "charging"
    STOPPING = "stopping"
    """The token was presented again to end the session."""
    LEAVING = "leaving"


class VisitorRecord(Struct, kw_only=True):
    """The progress of the traffic at one charger."""

    number: int
    phase: Phase
    due_ms: int
    """When the driver does the next thing."""
    token_shown: bool = False
    give_up_ms: int = NEVER_MS


class Visitor:
    """The drivers who come to one charger, one after the other.

    Args:
        traffic: the seed and pace of the world.
        charger: theirs.
        record: their progress, changed in place; None for a charger without visits so far.
    """

    def __init__(self, traffic: Traffic, charger: SimulatedCharger, record: VisitorRecord | None) -> None:
        self._traffic = traffic
        self._charger = charger
        self._visit = plan_visit(traffic, charger.settings.serial, record.number if record else 1)
        self._arrivals = True
        now_ms = charger.record.outlet.at_ms
        self.record = record or VisitorRecord(number=1, phase=Phase.AWAY, due_ms=now_ms + self._visit.gap_ms)

    @property
    def due_ms(self) -> int:
        """When the driver does something next."""
        if self.record.phase is Phase.AWAY and not self._arrivals:
            return NEVER_MS
        return self.record.due_ms

    def stop_arrivals(self, now_ms: int) -> None:
        """Stop new arrivals; the drivers who are here leave soon."""
        self._arrivals = False
        if self.record.phase is Phase.CHARGING:
            self.record.due_ms = min(self.record.due_ms, now_ms + LAST_MINUTES_MS)

    def react(self, now_ms: int) -> None:
        """React to changes of the charger since the last call."""
        record, charger = self.record, self._charger.record
        plugged = record.phase in (Phase.WAITING, Phase.CHARGING, Phase.STOPPING, Phase.LEAVING)
        if plugged and charger.car is None:
            # Somebody else has pulled the cable.
            self._depart(now_ms)
        elif record.phase in (Phase.ARRIVED, Phase.WAITING) and charger.session is not None:
            stay_ms = self._visit.charging_ms if self._arrivals else LAST_MINUTES_MS
            self._enter(Phase.CHARGING, charger.session.started_at_ms + stay_ms)
        elif record.phase in (Phase.CHARGING, Phase.STOPPING) and charger.session is None:
            self._enter(Phase.LEAVING, now_ms + self._visit.linger_ms)

    def act(self, now_ms: int) -> None:
        """Do what is due at `now_ms`."""
        match self.record.phase:
            case Phase.AWAY:
                self._arrive(now_ms)
            case Phase.ARRIVED:
                self._complete(now_ms)
            case Phase.CHARGING:
                self._finish_charging(now_ms)
            case Phase.WAITING | Phase.STOPPING | Phase.LEAVING:
                self._charger.unplug(now_ms)
                self._depart(now_ms)

    def _arrive(self, now_ms: int) -> None:
        charger = self._charger
        if charger.record.car is not None:
            self.record.due_ms = now_ms + OCCUPIED_RETRY_MS
            return
        self.record.give_up_ms = now_ms + self._visit.patience_ms
        self._enter(Phase.ARRIVED, now_ms + self._visit.between_ms)
        if self._visit.plug_first or charger.reader_refuses(self._visit.id_tag) is not None:
            self._plug_in(now_ms)
        else:
            self._show_token(now_ms)

    def _complete(self, now_ms: int) -> None:
        """Do the second of plug and token."""
        if self._charger.record.car is None:
            if not self.record.token_shown:
                self._depart(now_ms)
                return
            self._plug_in(now_ms)
        if not self.record.token_shown:
            self._show_token(now_ms)
        if self.record.token_shown:
            self._enter(Phase.WAITING, max(self.record.give_up_ms, now_ms + self._visit.patience_ms))
        elif now_ms >= self.record.give_up_ms:
            self._enter(Phase.LEAVING, now_ms)
        else:
            self.record.due_ms = now_ms + RETRY_MS

    def _finish_charging(self, now_ms: int) -> None:
        charger = self._charger.record
        if self._visit.stop is Stop.FULL and self._arrivals:
            full = charger.car is not None and charger.car.full
            # A car that draws less than planned gets as long again, then its driver has to go.
            latest_ms = (
                charger.session.started_at_ms if charger.session else 0
            ) + 2 * self._visit.charging_ms
            if not full and now_ms < latest_ms:
                self.record.due_ms = min(now_ms + 5 * MINUTE_MS, latest_ms)
                return
        if self._visit.stop is Stop.TOKEN and self._charger.reader_refuses(self._visit.id_tag) is None:
            self._charger.present_token(self._visit.id_tag, now_ms)
            self._enter(Phase.STOPPING, now_ms + self._visit.patience_ms)
        else:
            self._charger.unplug(now_ms)
            self._depart(now_ms)

    def _plug_in(self, now_ms: int) -> None:
        plan = self._visit.car
        # A fresh car each time: the charger fills its battery in place.
        car = Car(
            battery_wh=plan.battery_wh,
            charged_uj=plan.charged_uj,
            max_current_a=plan.max_current_a,
            phases=plan.phases,
        )
        self._charger.plug_in(car, now_ms)

    def _show_token(self, now_ms: int) -> None:
        if self._charger.reader_refuses(self._visit.id_tag) is None:
            self._charger.present_token(self._visit.id_tag, now_ms)
            self.record.token_shown = True

    def _enter(self, phase: Phase, due_ms: int) -> None:
        self.record.phase = phase
        self.record.due_ms = due_ms

    def _depart(self, now_ms: int) -> None:
        self.record.number += 1
        self._visit = plan_visit(self._traffic, self._charger.settings.serial, self.record.number)
        self.record.token_shown = False
        self.record.give_up_ms = NEVER_MS
        self._enter(Phase.AWAY, now_ms + self._visit.gap_ms)
