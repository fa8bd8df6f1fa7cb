"""Keeps what the simulated chargers are limited to in step with all the limits that Easee knows.

A simulated charger has one volatile limit, which holds instead of its plan; it is given the lowest of
Easee's limits, and again whenever another one becomes the lowest.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from chargebridge.chargers.easee.vocabulary import Observation
from chargebridge.chargers.model import CommandOutcome, SetLimit
from chargebridge.chargers.plan_limits import next_plan_change_ms
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.agenda import Agenda
from chargebridge.emulators.easee_cloud.charger import CloudCharger
from chargebridge.emulators.easee_cloud.hands import Ended, Hands
from chargebridge.emulators.easee_cloud.layout import Circuit
from chargebridge.emulators.easee_cloud.observing import Observer, tell_dynamic_circuit
from chargebridge.emulators.easee_cloud.report import Report
from chargebridge.emulators.easee_cloud.shadow import Observed

Tell = Callable[[CloudCharger, list[Observed]], None]


class CurrentControl:
    """Applies the limits of chargers and circuits, and ends them when their time is over.

    Args:
        chargers: all of the account, by serial.
        hands: what gives commands to the simulated chargers.
        observer: what tells of states.
        tell: takes what chargers tell.
        agenda: for ends of limits, and changes of plans.
        clock: whose time counts.
    """

    def __init__(
        self,
        chargers: Mapping[str, CloudCharger],
        hands: Hands,
        observer: Observer,
        tell: Tell,
        agenda: Agenda,
        clock: Clock,
    ) -> None:
        self._chargers = chargers
        self._hands = hands
        self._observer = observer
        self._tell = tell
        self._agenda = agenda
        self._clock = clock

    def apply(self, charger: CloudCharger, then: Ended | None = None, *, again: bool = False) -> None:
        """Limit a charger to what holds now.

        Args:
            charger: the charger.
            then: hears how that ended; not at all called if there is nothing to change.
            again: give it the limit even if it should have it.
        """
        now_ms = self._clock.now().utc_ms
        charger.limits_due = False
        wanted_ma = charger.limits.beside_plan_ma(charger.circuit.limits, now_ms)
        self._plan_next(charger, wanted_ma, now_ms)
        told_ma = charger.limit_told_ma
        # One that is under way may reach the charger after it has forgotten what was told before.
        doubtful = again and (told_ma is not None or charger.limits_under_way)
        if wanted_ma == told_ma and not doubtful:
            return
        charger.limit_told_ma = wanted_ma
        charger.limits_under_way += 1
        until_ms = self._ends_by_itself_ms(charger, now_ms)
        limit = SetLimit(number=0, expires_ms=0, limit_ma=wanted_ma, until_ms=until_ms)

        def ended(outcome: CommandOutcome) -> None:
            charger.limits_under_way -= 1
            if then is not None:
                then(outcome)

        self._hands.order(charger.serial, limit, ended)

    def needs_order(self, charger: CloudCharger) -> bool:
        """Return whether `apply` would change anything."""
        now_ms = self._clock.now().utc_ms
        return charger.limits.beside_plan_ma(charger.circuit.limits, now_ms) != charger.limit_told_ma

    def apply_to_circuit(self, circuit: Circuit) -> None:
        """Limit all chargers of a circuit to what holds now, and let them tell it."""
        for serial in circuit.serials:
            charger = self._chargers[serial]
            self.apply(charger, self._tell_mode_of(charger))

    def tell_mode(self, charger: CloudCharger) -> None:
        """Let a charger tell op mode and reason, if the limits make others of them."""
        report = Report(charger.shadow, self._clock.now().utc_ms)
        self._observer.tell_mode(charger, report)
        if report.observed:
            self._tell(charger, report.observed)

    def _tell_mode_of(self, charger: CloudCharger) -> Ended:
        def told(_: CommandOutcome) -> None:
            self.tell_mode(charger)

        return told

    def _ends_by_itself_ms(self, charger: CloudCharger, now_ms: int) -> int | None:
        """Return when the charger may forget its limit by itself, even if it cannot be reached then."""
        limits, circuit = replace(charger.limits), _copy(charger.circuit)
        ends = (limits.temporary_until_ms, circuit.limits.dynamic_until_ms)
        end_ms = min((end for end in ends if end is not None), default=None)
        if end_ms is None:
            return None
        limits.expire(end_ms)
        circuit.limits.expire(end_ms)
        return end_ms if limits.beside_plan_ma(circuit.limits, max(end_ms, now_ms)) is None else None

    def _plan_next(self, charger: CloudCharger, wanted_ma: int | None, now_ms: int) -> None:
        limits = charger.limits
        change_ms = None
        if wanted_ma is not None and limits.plan is not None and not limits.overridden:
            change_ms = next_plan_change_ms(limits.plan, now_ms)
        ends = (limits.temporary_until_ms, change_ms)
        due_ms = min((end for end in ends if end is not None), default=None)
        key = ("limits", charger.serial)
        if due_ms is None:
            self._agenda.forget(key)
        else:
            self._agenda.at(key, due_ms, lambda: self._on_due(charger))
        circuit = charger.circuit
        if circuit.limits.dynamic_until_ms is not None:
            key = ("circuit", str(circuit.id))
            self._agenda.at(key, circuit.limits.dynamic_until_ms, lambda: self._on_circuit_due(circuit))

    def _on_due(self, charger: CloudCharger) -> None:
        report = Report(charger.shadow, self._clock.now().utc_ms)
        if charger.limits.expire(report.at_ms) and charger.reachable:
            report.say(Observation.DYNAMIC_CHARGER_CURRENT, str(charger.limits.dynamic_a))
            self._tell(charger, report.observed)
        self.apply(charger, self._tell_mode_of(charger))

    def _on_circuit_due(self, circuit: Circuit) -> None:
        now_ms = self._clock.now().utc_ms
        if not circuit.limits.expire(now_ms):
            return
        master = self._chargers[circuit.serials[0]]
        report = Report(master.shadow, now_ms)
        tell_dynamic_circuit(master, report)
        self._tell(master, report.observed)
        self.apply_to_circuit(circuit)


def _copy(circuit: Circuit) -> Circuit:
    limits = replace(circuit.limits)
    limits.set_dynamic(circuit.limits.dynamic_a, circuit.limits.dynamic_until_ms)
    return replace(circuit, limits=limits)
