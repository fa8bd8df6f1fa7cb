"""Adopts simulated chargers into the account: their place on a circuit, and the values reported so far."""

from collections.abc import Mapping
from random import Random

import msgspec

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.model import Plan, SessionEnded
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.rules import Rules
from chargebridge.chargers.simulator.ledger import FinishedSession
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.charger.cloud_charger import (
    CONFIGURED_BEFORE_MS,
    CloudCharger,
    initial_values,
    settings_of,
)
from chargebridge.emulators.easee_cloud.charger.last_values import LastValues, Value
from chargebridge.emulators.easee_cloud.charger.limits import ChargerLimits
from chargebridge.emulators.easee_cloud.charger.measurements import report_lifetime_energy
from chargebridge.emulators.easee_cloud.charger.notation import boolean, midnight_ms
from chargebridge.emulators.easee_cloud.charger.observer import Observer
from chargebridge.emulators.easee_cloud.charger.plans import schedule_text
from chargebridge.emulators.easee_cloud.charger.report import Report
from chargebridge.emulators.easee_cloud.misbehaviour import Misbehaviour
from chargebridge.emulators.easee_cloud.roster import Roster
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings

_Kind = tuple[int, int, bool, tuple[int, int, int]]


class Adoption:
    """Adopts chargers.

    Args:
        chargers: the simulated chargers.
        roster: the account's chargers, to which adopted ones are added.
        observer: turns charger events into observations.
        settings: of the cloud.
        misbehaviour: says how many chargers are on an IT grid, without a neutral.
        clock: the cloud's time.
    """

    def __init__(
        self,
        chargers: SimulatedCloud,
        roster: Roster,
        observer: Observer,
        settings: EaseeCloudSettings,
        misbehaviour: Misbehaviour,
        clock: Clock,
    ) -> None:
        self._chargers = chargers
        self._roster = roster
        self._observer = observer
        self._settings = settings
        self._misbehaviour = misbehaviour
        self._clock = clock
        self._shared: dict[_Kind, dict[int, Value]] = {}
        self._configured_ms = midnight_ms(clock.now().utc_ms) - CONFIGURED_BEFORE_MS
        self._finished: dict[str, list[FinishedSession]] | None = None

    def adopt(self, serial: str) -> None:
        """Adopt a charger as it is now."""
        info = self._chargers.world.info(serial)
        circuit = self._roster.layout.place(serial, info.max_current_a)
        dice = Random(f"{self._settings.seed}/{serial}")  # noqa: S311 - play, not secrecy
        it_grid = dice.random() < self._misbehaviour.it_grid
        kind = (info.phases, info.max_current_a, it_grid, circuit.limits.maximum_a)
        shared = self._shared.get(kind)
        if shared is None:
            shared = self._shared[kind] = initial_values(
                info, circuit, self._settings, it_grid=it_grid, at_ms=self._configured_ms
            )
        rated_a = info.max_current_a
        charger = CloudCharger(
            serial=serial,
            info=info,
            circuit=circuit,
            limits=ChargerLimits(rated_a=rated_a, maximum_a=rated_a, lasting_a=rated_a),
            last_values=LastValues(shared),
            it_grid=it_grid,
            product_code=self._settings.product_code,
        )
        self._take_over(charger, self._chargers.act(serial, "view", {}))
        lost = self._chargers.world.lost_ends(serial)
        for finished in self._sessions_of(serial):
            if finished.session not in lost:
                charger.add_session(finished)
        self._roster.add(charger)

    def _take_over(self, charger: CloudCharger, view: Mapping[str, object]) -> None:
        """Take over the state of a charger that ran before this cloud started."""
        seen = msgspec.convert(view, _View)
        charger.car = seen.car is not None
        charger.register_wh = seen.register_wh
        charger.limits.plan = seen.plan
        charger.limits.overridden = seen.plan_overridden
        report = Report(charger.last_values, seen.at_ms)
        report_lifetime_energy(charger, seen.register_wh, report)
        if seen.session is not None:
            session = seen.session
            charger.session = self._observer.session_of(
                charger,
                session.number,
                session.id_tag,
                session.started_at_ms,
                session.start_register_wh,
            )
            charger.newest_session = session.number
            charger.has_drawn = seen.register_wh > session.start_register_wh
        if seen.limit_ma is not None:
            charger.sent_limit_ma = seen.limit_ma
            charger.limits.set_dynamic(seen.limit_ma // 1000, seen.limit_until_ms)
            report.add_if_changed(Observation.DYNAMIC_CHARGER_CURRENT, str(charger.limits.dynamic_a))
        if seen.plan is not None:
            report.add(Observation.CHARGING_SCHEDULE, schedule_text(seen.plan))
        report.add_if_changed(Observation.IS_ENABLED, boolean(seen.available))
        charger.rules = seen.settings
        for id, text in settings_of(charger.rules).items():
            report.add_if_changed(id, text)

    def _sessions_of(self, serial: str) -> list[SessionEnded]:
        """Return the finished sessions of a charger; the world's list of all of them is read once."""
        if self._finished is None:
            self._finished = {}
            for finished in self._chargers.world.finished_sessions():
                self._finished.setdefault(finished.serial, []).append(finished)
        return [
            SessionEnded(
                at_ms=one.stopped_at_ms,
                session=one.session,
                id_tag=one.id_tag,
                started_at_ms=one.started_at_ms,
                start_register_wh=one.start_register_wh,
                register_wh=one.stop_register_wh,
                reason=one.reason,
            )
            for one in self._finished.pop(serial, [])
        ]


class _SeenSession(msgspec.Struct, frozen=True):
    number: int
    id_tag: str | None
    started_at_ms: int
    start_register_wh: int


class _View(msgspec.Struct, frozen=True):
    """The part of a simulated charger's `view` that adoption needs."""

    at_ms: int
    register_wh: int
    available: bool
    car: object
    session: _SeenSession | None
    limit_ma: int | None
    limit_until_ms: int | None
    plan: Plan | None
    plan_overridden: bool
    settings: Rules
