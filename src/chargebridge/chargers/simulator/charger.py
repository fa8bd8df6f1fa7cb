"""A believable AC charger as a pure state machine: hands, cars and commands in, events out.

Nothing here ticks. Every method takes the moment at which it happens; between two of them power is
constant, and `next_ms` says when the charger will next do something by itself. What a charger is
can be written down at any moment (`ChargerRecord`) and taken up again.
"""

from typing import Final

from chargebridge.chargers.model import (
    ChargerCommand,
    ChargerEvent,
    ChargerState,
    CommandOutcome,
    Fault,
    Measured,
    Reachable,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from chargebridge.chargers.simulator import orders, reader
from chargebridge.chargers.simulator.car import Car
from chargebridge.chargers.simulator.outlet import MINIMUM_CURRENT_CA, Outlet
from chargebridge.chargers.simulator.record import (
    FIRMWARE,
    Authorization,
    ChargerRecord,
    ChargerSettings,
    Session,
)
from chargebridge.chargers.simulator.telling import Telling
from chargebridge.chargers.simulator.tokens import LocalList

AUTHORIZATION_MS: Final = 10 * 60_000
"""How long an authorization waits for a car."""
IDLE_MEASURE_MS: Final = 15 * 60_000
OUTAGE_MS: Final = 10_000


class NotPossibleError(Exception):
    """The charger or car is not in a state in which this can be done to it; the text says why."""


class SimulatedCharger:
    """One charger with one outlet.

    Args:
        settings: what it is built like.
        record: what it was when it was last written down; it is changed in place.
        local_list: the one that it kept then.
    """

    def __init__(
        self, settings: ChargerSettings, record: ChargerRecord, local_list: LocalList | None = None
    ) -> None:
        self.settings = settings
        self.record = record
        self.local_list = local_list or LocalList()
        self.telling = Telling(record)
        self._finished: list[SessionEnded] = []
        self.next_ms = self._due_ms()
        """When it next does something by itself."""

    @classmethod
    def installed(cls, settings: ChargerSettings, now_ms: int) -> "SimulatedCharger":
        """Return a new charger that has just been put on the wall and tells its first state."""
        outlet = Outlet(at_ms=now_ms, rated_ca=settings.rated_current_a * 100)
        charger = cls(settings, ChargerRecord(outlet=outlet, measure_ms=now_ms + IDLE_MEASURE_MS))
        charger.telling.tell(Reachable(at_ms=now_ms, reachable=True))
        charger.take_effect(now_ms)
        return charger

    # --- what it is ------------------------------------------------------------------------------

    @property
    def state(self) -> ChargerState:
        """What it is doing now."""
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
        """Whether its cloud can talk to it."""
        return self.record.reachable

    @property
    def limit_in_force_ca(self) -> int:
        """What it may offer now, in 0.01 A per phase; below 6 A it offers nothing (SC-17)."""
        rated_ca = self.settings.rated_current_a * 100
        limit_ma = self.record.limits.in_force_ma(self.record.outlet.at_ms)
        return rated_ca if limit_ma is None else min(rated_ca, limit_ma // 10)

    def reader_refuses(self, id_tag: str) -> str | None:
        """Return why the token reader would refuse this token now; None: it would not."""
        return reader.refusal(self, id_tag)

    @property
    def current_state(self) -> StateChanged:
        """The state its cloud last heard; the one to tell anybody who newly asks the cloud."""
        return self.record.told or self.state_event(self.record.outlet.at_ms)

    def take_events(self) -> list[ChargerEvent]:
        """Hand over what its cloud has heard since the last call, in order."""
        return self.telling.take()

    def take_finished(self) -> list[SessionEnded]:
        """Hand over the sessions that ended since the last call, whether the cloud knows or not."""
        finished, self._finished = self._finished, []
        return finished

    # --- time ------------------------------------------------------------------------------------

    def advance(self, now_ms: int) -> None:
        """Do everything that is due up to `now_ms`, each thing at its own moment."""
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
            every_ms = IDLE_MEASURE_MS if record.session is None else self.settings.measure_every_s * 1000
            record.measure_ms = now_ms + every_ms
        self.take_effect(now_ms, measures=measures)

    def _measure(self, now_ms: int) -> None:
        session = self.record.session
        if session is not None or self.reachable:
            readings = self.record.outlet.readings(in_session=session is not None)
            number = session.number if session is not None else None
            self.telling.tell(Measured(at_ms=now_ms, readings=readings, session=number))

    def take_effect(self, now_ms: int, *, measures: bool = False) -> None:
        """Let a new situation take effect at a moment up to which the charger was moved before.

        Currents change first, then they are measured, then the state they make is told.

        Args:
            now_ms: the moment.
            measures: whether to measure even if what is offered to a session stays as it was.
        """
        record = self.record
        record.limits.expire(now_ms)
        if record.charges_freely:
            self._start_session(record.rules.free_charging_tag, now_ms)
        offered_ca = record.outlet.offered_ca
        self._reconnect()
        if measures or (record.session is not None and record.outlet.offered_ca != offered_ca):
            self._measure(now_ms)
        self._tell_state(now_ms)

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

    # --- hands at the charger --------------------------------------------------------------------

    def plug_in(self, car: Car, now_ms: int) -> None:
        """Connect a car. A session starts at once if an authorization waits for it, or none is required.

        Raises:
            NotPossibleError: a car is plugged in already.
        """
        self.advance(now_ms)
        if self.record.car is not None:
            raise NotPossibleError("a car is plugged in already")
        self.record.car = car
        self.record.dismissed = False
        self.record.limits.forget_volatile()
        if (waiting := self.record.authorization) is not None:
            self._start_session(waiting.id_tag, now_ms)
        self.take_effect(now_ms)

    def unplug(self, now_ms: int, *, at_charger: bool = False) -> None:
        """Disconnect the car, which ends its session.

        A cable that is pulled at the car stays locked at the charger, unless that is configured otherwise.

        Args:
            now_ms: the moment.
            at_charger: pull the cable at the charger, where a lock can hold it, not at the car.

        Raises:
            NotPossibleError: no car is plugged in, or the charger has locked the cable.
        """
        self.advance(now_ms)
        if self.record.car is None:
            raise NotPossibleError("no car is plugged in")
        if at_charger and self.record.locked:
            raise NotPossibleError("the charger has locked the cable")
        locked = self.record.locked and not self.record.rules.unlock_when_unplugged
        self.end_session(SessionEnd.EV_DISCONNECTED, now_ms)
        self.record.locked = locked
        self.record.car = None
        self.take_effect(now_ms)

    def present_token(self, id_tag: str, now_ms: int) -> None:
        """Hold a token to the reader. Its cloud decides what follows; without it, the charger itself.

        Raises:
            NotPossibleError: the reader refuses the token (`reader_refuses`).
        """
        self.advance(now_ms)
        if (refusal := self.reader_refuses(id_tag)) is not None:
            raise NotPossibleError(f"the reader refuses tokens: {refusal}")
        reader.accept(self, id_tag, now_ms)

    def pause_car(self, now_ms: int) -> None:
        """Let the car ask for no current.

        Raises:
            NotPossibleError: no car is plugged in.
        """
        self._set_paused(now_ms, paused=True)

    def resume_car(self, now_ms: int) -> None:
        """Let the car ask for current again.

        Raises:
            NotPossibleError: no car is plugged in.
        """
        self._set_paused(now_ms, paused=False)

    def _set_paused(self, now_ms: int, *, paused: bool) -> None:
        self.advance(now_ms)
        if self.record.car is None:
            raise NotPossibleError("no car is plugged in")
        self.record.car.paused = paused
        self.take_effect(now_ms)

    # --- what befalls it -------------------------------------------------------------------------

    def raise_fault(self, fault: Fault, now_ms: int) -> None:
        """Break something; unless it is one of `WARNINGS`, this ends the session."""
        self.advance(now_ms)
        self.record.fault = fault
        if self.record.faulted:
            self.record.authorization = None
            self.end_session(SessionEnd.FAULT, now_ms)
        self.take_effect(now_ms)

    def clear_fault(self, now_ms: int) -> None:
        """Repair what was broken."""
        self.advance(now_ms)
        self.record.fault = None
        self.take_effect(now_ms)

    def power_cycle(self, now_ms: int) -> None:
        """Cut its mains for a moment; it boots when they are back."""
        self.advance(now_ms)
        self.go_down(SessionEnd.POWER_LOSS, now_ms, OUTAGE_MS + orders.BOOT_MS)

    def lose_cloud(self, now_ms: int) -> None:
        """Cut its connection to its cloud; it goes on charging and remembers what it has to tell."""
        self.advance(now_ms)
        if self.reachable:
            self.telling.tell(Reachable(at_ms=now_ms, reachable=False))
        self.record.cloud_lost = True

    def regain_cloud(self, now_ms: int) -> None:
        """Restore its connection: the present state is told first, then what was held back."""
        self.advance(now_ms)
        was_reachable = self.reachable
        self.record.cloud_lost = False
        if self.reachable and not was_reachable:
            self.telling.tell(Reachable(at_ms=now_ms, reachable=True))
            self._tell_state(now_ms, again=True)
            self.telling.tell_held()

    def rebuild(self, settings: ChargerSettings, now_ms: int) -> None:
        """Replace its hardware by other settings; register, session and car stay."""
        self.advance(now_ms)
        self.settings = settings
        self.record.outlet.rated_ca = settings.rated_current_a * 100
        self.record.locked = self.record.locked and settings.cable_lock
        self.take_effect(now_ms)

    def go_down(self, reason: SessionEnd, now_ms: int, down_ms: int) -> None:
        """Be without power or booting for `down_ms`; what is not in its memory for good is forgotten."""
        record = self.record
        was_reachable = record.reachable
        if reason is SessionEnd.REBOOT:
            self.end_session(reason, now_ms)
        record.down_until_ms = now_ms + down_ms
        record.authorization = None
        record.dismissed = False
        record.limits.forget_volatile()
        if was_reachable:
            self.telling.tell(Reachable(at_ms=now_ms, reachable=False))
        # Without power nothing leaves the charger: it can only write down how the session ended.
        self.end_session(reason, now_ms)
        self._reconnect()

    def _boot(self, now_ms: int) -> None:
        self.record.down_until_ms = None
        self.record.measure_ms = now_ms + IDLE_MEASURE_MS
        if self.reachable:
            self.telling.tell(Reachable(at_ms=now_ms, reachable=True))
            self.telling.tell_held()
        self.telling.tell(Restarted(at_ms=now_ms, firmware=FIRMWARE))
        if self.record.charges_freely:
            self._start_session(self.record.rules.free_charging_tag, now_ms)
        self._reconnect()
        self._tell_state(now_ms, again=True)

    # --- commands --------------------------------------------------------------------------------

    def carry_out(self, command: ChargerCommand, now_ms: int) -> CommandOutcome:
        """Do what a command asks, once for each number.

        Returns:
            How it ended; for a number that was carried out before, how it ended then.
        """
        self.advance(now_ms)
        return orders.carry_out(self, command, now_ms)

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
        record.locked = self.settings.cable_lock
        record.measure_ms = now_ms + self.settings.measure_every_s * 1000
        # What is offered at the start is no change that would be measured.
        self._reconnect()
        self.telling.tell(
            SessionStarted(at_ms=now_ms, session=record.last_session, id_tag=id_tag, register_wh=register_wh)
        )

    def end_session(self, reason: SessionEnd, now_ms: int) -> None:
        """End the session, if one runs, and release the cable; it takes effect with `take_effect`."""
        record = self.record
        session = record.session
        if session is None:
            return
        ended = session.ended(now_ms, record.outlet.register_wh, reason)
        record.session = None
        record.limits.overridden = False
        record.locked = False
        record.measure_ms = now_ms + IDLE_MEASURE_MS
        self._finished.append(ended)
        self.telling.tell(ended)

    # --- telling ---------------------------------------------------------------------------------

    def state_event(self, now_ms: int) -> StateChanged:
        """Return its state now, with the reason for a pause, whether the cloud has heard of it or not."""
        state = self.state
        reason = self.record.limits.reason if state is ChargerState.AWAITING_START else ""
        return StateChanged(at_ms=now_ms, state=state, reason=reason, fault=self.record.fault)

    def _tell_state(self, now_ms: int, *, again: bool = False) -> None:
        self.telling.tell_state(self.state_event(now_ms), again=again)
