"""A realistic AC charger as a pure state machine: actions, cars and commands in, events out.

Every method takes the time at which it happens. The state can be saved at any time (`ChargerRecord`),
and a charger continues from there.
"""

from chargebridge.chargers.model import (
    ChargerCommand,
    CommandOutcome,
    Fault,
    Reachable,
    SessionEnd,
)
from chargebridge.chargers.simulator.hardware import commands, token_reader
from chargebridge.chargers.simulator.hardware.car import Car
from chargebridge.chargers.simulator.hardware.mechanics import ChargerMechanics
from chargebridge.chargers.simulator.hardware.outlet import Outlet
from chargebridge.chargers.simulator.hardware.record import (
    ChargerRecord,
    ChargerSettings,
)


class NotPossibleError(Exception):
    """The charger or car is not in a state in which this can be done to it; the text says why."""


class SimulatedCharger(ChargerMechanics):
    """One charger with one outlet, its car, and the people who use it; arguments as of `ChargerMechanics`."""

    @classmethod
    def installed(cls, settings: ChargerSettings, now_ms: int) -> "SimulatedCharger":
        """Return a newly installed charger that reports its first state."""
        outlet = Outlet(at_ms=now_ms, rated_ca=settings.rated_current_a * 100)
        record = ChargerRecord(
            outlet=outlet, measure_ms=settings.next_idle_ms(now_ms), cache=list(settings.cached_tokens)
        )
        charger = cls(settings, record)
        charger.reporter.report(Reachable(at_ms=now_ms, reachable=True))
        charger.take_effect(now_ms)
        return charger

    # --- actions of people -----------------------------------------------------------------------

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
            now_ms: the time.
            at_charger: pull the cable at the charger, where a lock can hold it, not at the car.

        Raises:
            NotPossibleError: no car is plugged in, the charger has locked the cable, or the cable is fixed.
        """
        self.advance(now_ms)
        if self.record.car is None:
            raise NotPossibleError("no car is plugged in")
        if at_charger and self.settings.fixed_cable:
            raise NotPossibleError("the cable is fixed to the charger; unplug it at the car")
        if at_charger and self.record.locked:
            raise NotPossibleError("the charger has locked the cable")
        locked = self.record.locked and not self.record.rules.unlock_when_unplugged
        self.end_session(SessionEnd.EV_DISCONNECTED, now_ms)
        self.record.locked = locked
        self.record.car = None
        self.take_effect(now_ms)

    def reader_refuses(self, id_tag: str) -> str | None:
        """Return why the token reader refuses this token now; None: it does not."""
        return token_reader.refusal(self, id_tag)

    def present_token(self, id_tag: str, now_ms: int) -> None:
        """Present a token to the reader. The cloud decides about it; without the cloud, the charger itself.

        Raises:
            NotPossibleError: the reader refuses the token (`reader_refuses`).
        """
        self.advance(now_ms)
        if (refusal := self.reader_refuses(id_tag)) is not None:
            raise NotPossibleError(f"the reader refuses tokens: {refusal}")
        token_reader.accept(self, id_tag, now_ms)

    def pause_car(self, now_ms: int) -> None:
        """Let the car draw no current.

        Raises:
            NotPossibleError: no car is plugged in.
        """
        self._set_paused(now_ms, paused=True)

    def resume_car(self, now_ms: int) -> None:
        """Let the car draw current again.

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

    # --- faults and outages ----------------------------------------------------------------------

    def raise_fault(self, fault: Fault, now_ms: int) -> None:
        """Raise a fault; unless it is one of `WARNINGS`, it ends the session."""
        self.advance(now_ms)
        self.record.fault = fault
        if self.record.faulted:
            self.record.authorization = None
            self.end_session(SessionEnd.FAULT, now_ms)
        self.take_effect(now_ms)

    def clear_fault(self, now_ms: int) -> None:
        """Clear the fault."""
        self.advance(now_ms)
        self.record.fault = None
        self.take_effect(now_ms)

    def power_cycle(self, now_ms: int) -> None:
        """Cut its mains for a short time; it boots afterwards."""
        self.advance(now_ms)
        self.go_down(SessionEnd.POWER_LOSS, now_ms, self.settings.power_cut_ms + self.settings.reboot_ms)

    def lose_cloud(self, now_ms: int) -> None:
        """Cut its connection to its cloud; it continues to charge and buffers its events."""
        self.advance(now_ms)
        if self.reachable:
            self.reporter.report(Reachable(at_ms=now_ms, reachable=False))
        self.record.cloud_lost = True

    def regain_cloud(self, now_ms: int) -> None:
        """Restore its connection: it reports its present state, then the buffered events."""
        self.advance(now_ms)
        was_reachable = self.reachable
        self.record.cloud_lost = False
        if self.reachable and not was_reachable:
            self.reporter.report(Reachable(at_ms=now_ms, reachable=True))
            self._report_state(now_ms, again=True)
            self.reporter.report_buffered()

    def lose_starts(self, count: int, now_ms: int) -> None:
        """Lose the starts of its next `count` sessions for good; 0: lose none any more."""
        self.advance(now_ms)
        self.record.starts_to_lose = count

    def lose_ends(self, count: int, now_ms: int) -> None:
        """Lose the records of its next `count` ends of sessions for good; 0: lose none any more."""
        self.advance(now_ms)
        self.record.ends_to_lose = count

    def rebuild(self, settings: ChargerSettings, now_ms: int) -> None:
        """Replace its settings; register, session and car stay."""
        self.advance(now_ms)
        self.settings = settings
        self.record.outlet.rated_ca = settings.rated_current_a * 100
        self.record.locked = self.record.locked and not settings.fixed_cable
        self.take_effect(now_ms)

    # --- commands --------------------------------------------------------------------------------

    def carry_out(self, command: ChargerCommand, now_ms: int) -> CommandOutcome:
        """Carry out a command, once for each number.

        Returns:
            Its outcome; for a number that was carried out before, the outcome of that time.
        """
        self.advance(now_ms)
        return commands.carry_out(self, command, now_ms)
