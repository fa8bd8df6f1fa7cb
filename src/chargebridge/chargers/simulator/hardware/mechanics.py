"""The mechanics of a simulated charger: time, currents, sessions, its boot, and its reports.

Nothing here ticks. Every method takes the time at which it happens; between two of them power is
constant, and `next_ms` is the time of the charger's next change by itself.
"""

from typing import Final

from chargebridge.chargers.model import (
    ChargerEvent,
    ChargerState,
    Measured,
    Reachable,
    Restarted,
    SessionEnd,
    SessionEnded,
    StateChanged,
)
from chargebridge.chargers.simulator.hardware.outlet import MINIMUM_CURRENT_CA
from chargebridge.chargers.simulator.hardware.record import (
    FIRMWARE,
    LOST_ENDS_REMEMBERED,
    Authorization,
    ChargerRecord,
    ChargerSettings,
    Session,
)
from chargebridge.chargers.simulator.hardware.reporting import EventReporter
from chargebridge.chargers.simulator.hardware.tokens import LocalList

AUTHORIZATION_MS: Final = 10 * 60_000
"""The time for which an authorization waits for a car."""


class ChargerMechanics:
    """One charger with one outlet, without the actions of people and the commands of its cloud.

    Args:
        settings: the settings with which it is built.
        record: its state when it was last saved; it is changed in place.
        local_list: the local list that it kept then.
    """

    def __init__(
        self, settings: ChargerSettings, record: ChargerRecord, local_list: LocalList | None = None
    ) -> None:
        self.settings = settings
        self.record = record
        self.local_list = local_list or LocalList()
        self.reporter = EventReporter(record)
        self._finished: list[SessionEnded] = []
        self._has_ended = False
        """A session has ended, and nothing was measured since."""
        self.next_ms = self._due_ms()
        """When it next does something by itself."""

    # --- state -----------------------------------------------------------------------------------

    @property
    def state(self) -> ChargerState:
        """Its present state."""
        record = self.record
        if record.faulted:
            return ChargerState.FAULTED
        if record.session is not None:
            if not record.outlet.offered_ca:
                return ChargerState.AWAITING_START
            return ChargerState.CHARGING if record.outlet.power_mw else ChargerState.READY
        if not record.available:
            return ChargerState.DISABLED
        return ChargerState.DISCONNECTED if record.car is None else ChargerState.AWAITING_TOKEN

    @property
    def reachable(self) -> bool:
        """Whether its cloud can reach it."""
        return self.record.reachable

    @property
    def limit_in_force_ca(self) -> int:
        """The limit in force, in 0.01 A per phase; below 6 A it offers nothing (SC-17)."""
        rated_ca = self.settings.rated_current_a * 100
        limit_ma = self.record.limits.in_force_ma(self.record.outlet.at_ms)
        return rated_ca if limit_ma is None else min(rated_ca, limit_ma // 10)

    @property
    def current_state(self) -> StateChanged:
        """The state that was last reported to its cloud; the one for a new subscriber."""
        return self.record.reported_state or self.state_event(self.record.outlet.at_ms)

    def state_event(self, now_ms: int) -> StateChanged:
        """Return its present state with the reason for a pause, whether it was reported or not."""
        state = self.state
        reason = self.record.limits.reason if state is ChargerState.AWAITING_START else ""
        return StateChanged(at_ms=now_ms, state=state, reason=reason, fault=self.record.fault)

    def take_events(self) -> list[ChargerEvent]:
        """Return the events that were reported since the last call, in order."""
        return self.reporter.take()

    def take_finished(self) -> list[SessionEnded]:
        """Return the sessions that ended since the last call, whether they were reported or not."""
        finished, self._finished = self._finished, []
        return finished

    # --- time ------------------------------------------------------------------------------------

    def advance(self, now_ms: int) -> None:
        """Do everything that is due up to `now_ms`, each at its own time."""
        record = self.record
        while (due_ms := self.next_ms) <= now_ms:
            record.outlet.settle(due_ms, record.car)
            self._do_due(due_ms)
        record.outlet.settle(now_ms, record.car)

    def _do_due(self, now_ms: int) -> None:
        record = self.record
        if record.down_until_ms is not None:
            self._boot(now_ms)
            return
        if record.authorization is not None and record.authorization.until_ms <= now_ms:
            record.authorization = None
        measures = record.measure_ms <= now_ms
        if measures:
            idle = record.session is None
            every_ms = self.settings.measure_every_s * 1000
            record.measure_ms = self.settings.next_idle_ms(now_ms) if idle else now_ms + every_ms
        self.take_effect(now_ms, measures=measures)

    def _measure(self, now_ms: int) -> None:
        session = self.record.session
        if session is not None or self.reachable:
            self.reporter.report(self.measured(now_ms))

    def measured(self, now_ms: int) -> Measured:
        """Return what it measures now, whether it is reported or not."""
        session = self.record.session
        number = session.number if session is not None else None
        readings = tuple(filter(self.settings.measured, self.record.outlet.readings()))
        return Measured(at_ms=now_ms, readings=readings, session=number)

    def take_effect(self, now_ms: int, *, measures: bool = False) -> None:
        """Apply a change at a time to which the charger was advanced before.

        Currents change first, then they are measured, then the resulting state is reported. Where a session
        has ended, it measures once more.

        Args:
            now_ms: the time.
            measures: whether to measure even if the offered current does not change.
        """
        record = self.record
        record.limits.expire(now_ms)
        if record.charges_freely:
            self._start_session(record.rules.free_charging_tag, now_ms)
        offered_ca = record.outlet.offered_ca
        self._reconnect()
        ended, self._has_ended = self._has_ended, False
        if measures or ended or (record.session is not None and record.outlet.offered_ca != offered_ca):
            self._measure(now_ms)
        self._report_state(now_ms)

    def _reconnect(self) -> None:
        record, settings = self.record, self.settings
        offered_ca = 0
        if record.session is not None and record.down_until_ms is None:
            limit_ca = self.limit_in_force_ca
            offered_ca = limit_ca if limit_ca >= MINIMUM_CURRENT_CA else 0
        record.outlet.connect(settings.serial, settings.phases, offered_ca, record.car)
        self.next_ms = self._due_ms()

    def _due_ms(self) -> int:
        record = self.record
        if record.down_until_ms is not None:
            return record.down_until_ms
        due_ms = record.measure_ms
        if record.authorization is not None:
            due_ms = min(due_ms, record.authorization.until_ms)
        if record.car is not None:
            step_ms = record.car.ms_to_next_step(record.outlet.power_mw)
            if step_ms is not None:
                due_ms = min(due_ms, record.outlet.at_ms + step_ms)
        if record.session is not None:
            change_ms = record.limits.next_change_ms(record.outlet.at_ms)
        else:
            change_ms = record.limits.volatile_until_ms
        return due_ms if change_ms is None else min(due_ms, change_ms)

    # --- power and boot --------------------------------------------------------------------------

    def go_down(self, reason: SessionEnd, now_ms: int, down_ms: int) -> None:
        """Be without power or booting for `down_ms`; volatile state is lost."""
        record = self.record
        was_reachable = record.reachable
        if reason is SessionEnd.REBOOT:
            self.end_session(reason, now_ms)
        record.down_until_ms = now_ms + down_ms
        record.authorization = None
        record.dismissed = False
        record.limits.forget_volatile()
        if was_reachable:
            self.reporter.report(Reachable(at_ms=now_ms, reachable=False))
        # Without power it can send nothing: the end of the session is only buffered.
        self.end_session(reason, now_ms)
        self._has_ended = False
        self._reconnect()

    def _boot(self, now_ms: int) -> None:
        self.record.down_until_ms = None
        self.record.measure_ms = self.settings.next_idle_ms(now_ms)
        if self.reachable:
            self.reporter.report(Reachable(at_ms=now_ms, reachable=True))
            self.reporter.report_buffered()
        self.reporter.report(Restarted(at_ms=now_ms, firmware=FIRMWARE))
        if self.record.charges_freely:
            self._start_session(self.record.rules.free_charging_tag, now_ms)
        self._reconnect()
        self._report_state(now_ms, again=True)

    # --- sessions --------------------------------------------------------------------------------

    def let_charge(self, id_tag: str, now_ms: int) -> None:
        """Start a session with this token, as soon as a car is plugged in."""
        if self.record.car is None:
            self.record.authorization = Authorization(id_tag, now_ms + AUTHORIZATION_MS)
        else:
            self._start_session(id_tag, now_ms)
        self.take_effect(now_ms)

    def _start_session(self, id_tag: str | None, now_ms: int) -> None:
        record = self.record
        record.authorization = None
        record.last_session += 1
        register_wh = record.outlet.register_wh
        record.session = Session(record.last_session, id_tag, now_ms, register_wh)
        record.locked = not self.settings.fixed_cable
        record.measure_ms = now_ms + self.settings.measure_every_s * 1000
        # The offered current at the start does not count as a change to measure.
        self._reconnect()
        if record.starts_to_lose:
            record.starts_to_lose -= 1
            record.lost_start = record.last_session
            return
        self.reporter.report(record.session.started())

    def end_session(self, reason: SessionEnd, now_ms: int) -> None:
        """End the running session, if any, and release the cable; `take_effect` applies it."""
        record = self.record
        session = record.session
        if session is None:
            return
        ended = session.ended(now_ms, record.outlet.register_wh, reason)
        record.session, self._has_ended = None, True
        record.limits.overridden = False
        record.locked = False
        record.measure_ms = self.settings.next_idle_ms(now_ms)
        self._finished.append(ended)
        if record.ends_to_lose:
            record.ends_to_lose -= 1
            self.lose_end(session.number)
        else:
            self.reporter.report(ended)

    def lose_end(self, session: int) -> None:
        """Take note that the record of a session's end is lost for good."""
        self.record.lost_ends.append(session)
        del self.record.lost_ends[:-LOST_ENDS_REMEMBERED]

    # --- reports ---------------------------------------------------------------------------------

    def _report_state(self, now_ms: int, *, again: bool = False) -> None:
        self.reporter.report_state(self.state_event(now_ms), again=again)
