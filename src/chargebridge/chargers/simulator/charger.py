"""A believable AC charger as a pure state machine: hands, cars and commands in, events out.

Nothing here ticks. Every method takes the moment at which it happens; between two of them power is
constant, and `next_ms` says when the charger will next do something by itself. What a charger is
can be written down at any moment (`ChargerRecord`) and taken up again.
"""

from typing import Final

from chargebridge.chargers.model import (
    Authorize,
    Capability,
    ChargerCommand,
    ChargerEvent,
    ChargerInfo,
    ChargerState,
    CommandOutcome,
    EndSession,
    Fault,
    Measured,
    Outcome,
    Reachable,
    Reboot,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    SetAvailable,
    StateChanged,
    TokenPresented,
    Unlock,
    Withdraw,
)
from chargebridge.chargers.simulator.car import Car
from chargebridge.chargers.simulator.outlet import Outlet
from chargebridge.chargers.simulator.record import Authorization, ChargerRecord, ChargerSettings, Session

FIRMWARE: Final = "1.0.0"
AUTHORIZATION_MS: Final = 10 * 60_000
"""How long an authorization waits for a car."""
IDLE_MEASURE_MS: Final = 15 * 60_000
OUTAGE_MS: Final = 10_000
BOOT_MS: Final = 20_000
MEASURED_HELD: Final = 60
"""How many measurements of sessions fit into the charger's memory while its cloud is away."""
OUTCOMES_REMEMBERED: Final = 16
WARNINGS: Final = frozenset({Fault.WEAK_SIGNAL, Fault.READER})
"""Faults with which a charger goes on charging; all others end the session."""


class NotPossibleError(Exception):
    """The charger or car is not in a state in which this can be done to it; the text says why."""


class SimulatedCharger:
    """One charger with one outlet.

    Args:
        settings: what it is built like.
        record: what it was when it was last written down; it is changed in place.
    """

    def __init__(self, settings: ChargerSettings, record: ChargerRecord) -> None:
        self.settings = settings
        self.record = record
        self.next_ms = 0
        """When it next does something by itself."""
        self._events: list[ChargerEvent] = []
        self._finished: list[SessionEnded] = []
        self._reconnect()

    @classmethod
    def installed(cls, settings: ChargerSettings, now_ms: int) -> "SimulatedCharger":
        """Return a new charger that has just been put on the wall and tells its first state."""
        outlet = Outlet(at_ms=now_ms, rated_ca=settings.rated_current_a * 100)
        charger = cls(settings, ChargerRecord(outlet=outlet, measure_ms=now_ms + IDLE_MEASURE_MS))
        charger._emit(Reachable(at_ms=now_ms, reachable=True))
        charger._tell_state(now_ms)
        return charger

    # --- what it is ------------------------------------------------------------------------------

    @property
    def info(self) -> ChargerInfo:
        """What its cloud knows of it before any event."""
        capabilities = {Capability.REBOOT, Capability.AVAILABILITY, Capability.TEMPERATURE}
        if self.settings.cable_lock:
            capabilities.add(Capability.UNLOCK)
        return ChargerInfo(
            serial=self.settings.serial,
            vendor="chargebridge",
            model=f"Simulated AC {self.settings.phases}x{self.settings.rated_current_a} A",
            firmware=FIRMWARE,
            phases=self.settings.phases,
            capabilities=frozenset(capabilities),
        )

    @property
    def state(self) -> ChargerState:
        """What it is doing now."""
        record = self.record
        if self.faulted:
            return ChargerState.FAULTED
        if record.session is not None:
            return ChargerState.CHARGING if record.outlet.power_mw else ChargerState.READY
        if not record.available:
            return ChargerState.DISABLED
        return ChargerState.DISCONNECTED if record.car is None else ChargerState.AWAITING_TOKEN

    @property
    def faulted(self) -> bool:
        """Whether a fault keeps it from charging."""
        return self.record.fault is not None and self.record.fault not in WARNINGS

    @property
    def reachable(self) -> bool:
        """Whether its cloud can talk to it."""
        return not self.record.cloud_lost and self.record.down_until_ms is None

    @property
    def reader_refuses(self) -> str | None:
        """Why the token reader would refuse any token now, or None."""
        if self.record.down_until_ms is not None:
            return "the charger is without power or booting"
        if self.record.cloud_lost:
            return "the charger's cloud cannot be reached"
        if self.faulted or self.record.fault is Fault.READER:
            return f"the charger has the fault {self.record.fault}"
        if not self.record.available and self.record.session is None:
            return "the charger is disabled"
        return None

    @property
    def current_state(self) -> StateChanged:
        """The state its cloud last heard; the one to tell anybody who newly asks the cloud."""
        return self.record.told or self._state_event(self.record.outlet.at_ms)

    def take_events(self) -> list[ChargerEvent]:
        """Hand over what its cloud has heard since the last call, in order."""
        events, self._events = self._events, []
        return events

    def take_finished(self) -> list[SessionEnded]:
        """Hand over the sessions that ended since the last call, whether the cloud knows or not."""
        finished, self._finished = self._finished, []
        return finished

    # --- time ------------------------------------------------------------------------------------

    def advance(self, now_ms: int) -> None:
        """Do everything that is due up to `now_ms`, each thing at its own moment."""
        while (due_ms := self.next_ms) <= now_ms:
            self._settle(due_ms)
            self._do_due(due_ms)
        self._settle(now_ms)

    def _do_due(self, now_ms: int) -> None:
        record = self.record
        if record.down_until_ms is not None:
            self._boot(now_ms)
            return
        if record.authorization is not None and record.authorization.until_ms <= now_ms:
            record.authorization = None
        if record.measure_ms <= now_ms:
            self._measure(now_ms)
        self._change(now_ms)

    def _measure(self, now_ms: int) -> None:
        session = self.record.session
        every_ms = IDLE_MEASURE_MS if session is None else self.settings.measure_every_s * 1000
        self.record.measure_ms = now_ms + every_ms
        if session is not None or self.reachable:
            readings = self.record.outlet.readings(in_session=session is not None)
            number = session.number if session is not None else None
            self._emit(Measured(at_ms=now_ms, readings=readings, session=number))

    def _settle(self, now_ms: int) -> None:
        self.record.outlet.settle(now_ms, self.record.car)

    def _change(self, now_ms: int) -> None:
        """Let the new situation take effect: currents first, then the state they make."""
        self._reconnect()
        self._tell_state(now_ms)

    def _reconnect(self) -> None:
        record, settings = self.record, self.settings
        powered = record.session is not None and record.down_until_ms is None
        offered_ca = settings.rated_current_a * 100 if powered else 0
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
        return due_ms

    # --- hands at the charger --------------------------------------------------------------------

    def plug_in(self, car: Car, now_ms: int) -> None:
        """Connect a car. A session starts at once if an authorization waits for it.

        Raises:
            NotPossibleError: a car is plugged in already.
        """
        self.advance(now_ms)
        if self.record.car is not None:
            raise NotPossibleError("a car is plugged in already")
        self.record.car = car
        waiting = self.record.authorization
        if waiting is not None:
            self._start_session(waiting.id_tag, now_ms)
        self._change(now_ms)

    def unplug(self, now_ms: int, *, at_charger: bool = False) -> None:
        """Disconnect the car, which ends its session.

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
        self._end_session(SessionEnd.EV_DISCONNECTED, now_ms)
        self.record.car = None
        self._change(now_ms)

    def present_token(self, id_tag: str, now_ms: int) -> None:
        """Hold a token to the reader.

        Raises:
            NotPossibleError: the reader refuses every token now (`reader_refuses`).
        """
        self.advance(now_ms)
        refusal = self.reader_refuses
        if refusal is not None:
            raise NotPossibleError(f"the reader refuses tokens: {refusal}")
        self._emit(TokenPresented(at_ms=now_ms, id_tag=id_tag))

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
        self._change(now_ms)

    # --- what befalls it -------------------------------------------------------------------------

    def raise_fault(self, fault: Fault, now_ms: int) -> None:
        """Break something; unless it is one of `WARNINGS`, this ends the session."""
        self.advance(now_ms)
        self.record.fault = fault
        if self.faulted:
            self.record.authorization = None
            self._end_session(SessionEnd.FAULT, now_ms)
        self._change(now_ms)

    def clear_fault(self, now_ms: int) -> None:
        """Repair what was broken."""
        self.advance(now_ms)
        self.record.fault = None
        self._change(now_ms)

    def power_cycle(self, now_ms: int) -> None:
        """Cut its mains for a moment; it boots when they are back."""
        self.advance(now_ms)
        self._go_down(SessionEnd.POWER_LOSS, now_ms, OUTAGE_MS + BOOT_MS)

    def lose_cloud(self, now_ms: int) -> None:
        """Cut its connection to its cloud; it goes on charging and remembers what it has to tell."""
        self.advance(now_ms)
        if self.reachable:
            self._emit(Reachable(at_ms=now_ms, reachable=False))
        self.record.cloud_lost = True

    def regain_cloud(self, now_ms: int) -> None:
        """Restore its connection: the present state is told first, then what was held back."""
        self.advance(now_ms)
        was_reachable = self.reachable
        self.record.cloud_lost = False
        if self.reachable and not was_reachable:
            self._emit(Reachable(at_ms=now_ms, reachable=True))
            self._tell_state(now_ms, again=True)
            self._emit_held()

    def rebuild(self, settings: ChargerSettings, now_ms: int) -> None:
        """Replace its hardware by other settings; register, session and car stay."""
        self.advance(now_ms)
        self.settings = settings
        self.record.outlet.rated_ca = settings.rated_current_a * 100
        self.record.locked = self.record.locked and settings.cable_lock
        self._change(now_ms)

    def _go_down(self, reason: SessionEnd, now_ms: int, down_ms: int) -> None:
        record = self.record
        was_reachable = self.reachable
        if reason is SessionEnd.REBOOT:
            self._end_session(reason, now_ms)
        record.down_until_ms = now_ms + down_ms
        record.authorization = None
        if was_reachable:
            self._emit(Reachable(at_ms=now_ms, reachable=False))
        # Without power nothing leaves the charger: it can only write down how the session ended.
        self._end_session(reason, now_ms)
        self._reconnect()

    def _boot(self, now_ms: int) -> None:
        self.record.down_until_ms = None
        self.record.measure_ms = now_ms + IDLE_MEASURE_MS
        self._reconnect()
        if self.reachable:
            self._emit(Reachable(at_ms=now_ms, reachable=True))
            self._emit_held()
        self._emit(Restarted(at_ms=now_ms, firmware=FIRMWARE))
        self._tell_state(now_ms, again=True)

    # --- commands --------------------------------------------------------------------------------

    def carry_out(self, command: ChargerCommand, now_ms: int) -> CommandOutcome:
        """Do what a command asks, once for each number.

        Returns:
            How it ended; for a number that was carried out before, how it ended then.
        """
        self.advance(now_ms)
        outcomes = self.record.outcomes
        outcome = outcomes.get(command.number)
        if outcome is not None:
            return CommandOutcome(number=command.number, outcome=outcome)
        detail = ""
        if command.expires_ms <= now_ms:
            outcome = Outcome.EXPIRED
        elif not self.reachable:
            outcome, detail = Outcome.REFUSED, "the charger's cloud cannot reach it"
        else:
            detail = self._obey(command, now_ms)
            outcome = Outcome.REFUSED if detail else Outcome.DONE
        outcomes[command.number] = outcome
        if len(outcomes) > OUTCOMES_REMEMBERED:
            del outcomes[next(iter(outcomes))]
        return CommandOutcome(number=command.number, outcome=outcome, detail=detail)

    def _obey(self, command: ChargerCommand, now_ms: int) -> str:
        """Carry out a command, or return why it is refused."""
        match command:
            case Authorize(id_tag=id_tag, accepted=True):
                return self._authorize(id_tag, now_ms)
            case Authorize():
                return ""
            case Withdraw():
                self.record.authorization = None
            case EndSession(session=session):
                if self.record.session is not None and self.record.session.number == session:
                    self._end_session(SessionEnd.DEAUTHORIZED, now_ms)
                    self._change(now_ms)
            case SetAvailable(available=available):
                self.record.available = available
                if not available:
                    self.record.authorization = None
                self._change(now_ms)
            case Reboot():
                self._go_down(SessionEnd.REBOOT, now_ms, BOOT_MS)
            case Unlock():
                if not self.settings.cable_lock:
                    return "the charger has no cable lock"
                self.record.locked = False
        return ""

    def _authorize(self, id_tag: str, now_ms: int) -> str:
        record = self.record
        if record.session is not None:
            return "" if record.session.id_tag == id_tag else "another session is running"
        if self.faulted:
            return f"the charger has the fault {record.fault}"
        if not record.available:
            return "the charger is disabled"
        if record.car is None:
            record.authorization = Authorization(id_tag, now_ms + AUTHORIZATION_MS)
        else:
            self._start_session(id_tag, now_ms)
        self._change(now_ms)
        return ""

    # --- sessions --------------------------------------------------------------------------------

    def _start_session(self, id_tag: str, now_ms: int) -> None:
        record = self.record
        record.authorization = None
        record.last_session += 1
        register_wh = record.outlet.register_wh
        record.session = Session(record.last_session, id_tag, now_ms, register_wh)
        record.locked = self.settings.cable_lock
        record.measure_ms = now_ms + self.settings.measure_every_s * 1000
        self._emit(
            SessionStarted(at_ms=now_ms, session=record.last_session, id_tag=id_tag, register_wh=register_wh)
        )

    def _end_session(self, reason: SessionEnd, now_ms: int) -> None:
        record = self.record
        session = record.session
        if session is None:
            return
        ended = SessionEnded(
            at_ms=now_ms,
            session=session.number,
            id_tag=session.id_tag,
            started_at_ms=session.started_at_ms,
            start_register_wh=session.start_register_wh,
            register_wh=record.outlet.register_wh,
            reason=reason,
        )
        record.session = None
        record.locked = False
        record.measure_ms = now_ms + IDLE_MEASURE_MS
        self._finished.append(ended)
        self._emit(ended)

    # --- telling ---------------------------------------------------------------------------------

    def _state_event(self, now_ms: int) -> StateChanged:
        return StateChanged(at_ms=now_ms, state=self.state, fault=self.record.fault)

    def _tell_state(self, now_ms: int, *, again: bool = False) -> None:
        if not self.reachable:
            return
        event, told = self._state_event(now_ms), self.record.told
        if again or told is None or (event.state, event.fault) != (told.state, told.fault):
            self.record.told = event
            self._emit(event)

    def _emit(self, event: ChargerEvent) -> None:
        cloud_speaks = isinstance(event, Reachable)
        if self.reachable or cloud_speaks:
            self._events.append(event)
        elif isinstance(event, SessionStarted | SessionEnded | Measured | Restarted):
            self._hold(event)

    def _hold(self, event: SessionStarted | SessionEnded | Measured | Restarted) -> None:
        held = self.record.held
        held.append(event)
        if isinstance(event, Restarted):
            # Of several boots unseen by the cloud only the last one is news.
            held[:] = [kept for kept in held if kept is event or not isinstance(kept, Restarted)]
        elif isinstance(event, Measured):
            measured = [kept for kept in held if isinstance(kept, Measured)]
            if len(measured) > MEASURED_HELD:
                held.remove(measured[0])

    def _emit_held(self) -> None:
        self._events.extend(self.record.held)
        self.record.held.clear()
