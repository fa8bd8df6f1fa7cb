"""Limits the simulated chargers to the lowest of Easee's limits.

A simulated charger has one volatile limit, which replaces its plan. It receives the lowest of Easee's limits,
and a new one whenever another limit becomes the lowest.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.model import CommandOutcome, SetLimit
from chargebridge.chargers.plan_limits import next_plan_change_ms
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.last_values import Observed
from chargebridge.emulators.easee_cloud.charger.layout import Circuit
from chargebridge.emulators.easee_cloud.charger.observer import Observer, report_dynamic_circuit
from chargebridge.emulators.easee_cloud.charger.report import Report
from chargebridge.emulators.easee_cloud.commands.charger_commands import ChargerCommands, OnOutcome
from chargebridge.emulators.easee_cloud.scheduler import Scheduler

Publish = Callable[[CloudCharger, list[Observed]], None]


class CurrentControl:
    """Applies the limits of chargers and circuits, and ends them when they expire.

    Args:
        chargers: all chargers of the account, by serial number.
        charger_commands: sends commands to the simulated chargers.
        observer: reports op modes.
        publish: publishes observations.
        scheduler: wakes up when a limit expires or a plan changes.
        clock: the cloud's time.
    """

    def __init__(
        self,
        chargers: Mapping[str, CloudCharger],
        charger_commands: ChargerCommands,
        observer: Observer,
        publish: Publish,
        scheduler: Scheduler,
        clock: Clock,
    ) -> None:
        self._chargers = chargers
        self._charger_commands = charger_commands
        self._observer = observer
        self._publish = publish
        self._scheduler = scheduler
        self._clock = clock

    def apply(self, charger: CloudCharger, then: OnOutcome | None = None, *, again: bool = False) -> None:
        """Send a charger the limit that applies now, if it has another one.

        Args:
            charger: the charger.
            then: called with the outcome; not called if there is nothing to send.
            again: send the limit even if the charger should have it.
        """
        now_ms = self._clock.now().utc_ms
        charger.limits_due = False
        wanted_ma = charger.limits.beside_plan_ma(charger.circuit.limits, now_ms)
        self._plan_next(charger, wanted_ma, now_ms)
        sent_ma = charger.sent_limit_ma
        # A limit on its way may arrive after the charger has lost the one before.
        doubtful = again and (sent_ma is not None or charger.unconfirmed_limits)
        if wanted_ma == sent_ma and not doubtful:
            return
        charger.sent_limit_ma = wanted_ma
        charger.unconfirmed_limits += 1
        until_ms = self._expiry_ms(charger, now_ms)
        limit = SetLimit(number=0, expires_ms=0, limit_ma=wanted_ma, until_ms=until_ms)

        def ended(outcome: CommandOutcome) -> None:
            charger.unconfirmed_limits -= 1
            if then is not None:
                then(outcome)

        self._charger_commands.send(charger.serial, limit, ended)

    def needs_command(self, charger: CloudCharger) -> bool:
        """Return whether `apply` would send anything."""
        now_ms = self._clock.now().utc_ms
        return charger.limits.beside_plan_ma(charger.circuit.limits, now_ms) != charger.sent_limit_ma

    def apply_to_circuit(self, circuit: Circuit) -> None:
        """Apply the limits to all chargers of a circuit, and publish their op modes."""
        for serial in circuit.serials:
            charger = self._chargers[serial]
            self.apply(charger, self._publish_mode_of(charger))

    def publish_mode(self, charger: CloudCharger) -> None:
        """Publish op mode and reason of a charger, if the limits change them."""
        report = Report(charger.last_values, self._clock.now().utc_ms)
        self._observer.report_mode(charger, report)
        if report.observed:
            self._publish(charger, report.observed)

    def _publish_mode_of(self, charger: CloudCharger) -> OnOutcome:
        def publish(_: CommandOutcome) -> None:
            self.publish_mode(charger)

        return publish

    def _expiry_ms(self, charger: CloudCharger, now_ms: int) -> int | None:
        """Return when the limit ends without a further command, so also on an unreachable charger."""
        limits, circuit = replace(charger.limits), _copy(charger.circuit)
        ends = (limits.temporary_until_ms, limits.raised_until_ms, circuit.limits.dynamic_until_ms)
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
        ends = (limits.temporary_until_ms, limits.raised_until_ms, change_ms)
        due_ms = min((end for end in ends if end is not None), default=None)
        key = ("limits", charger.serial)
        if due_ms is None:
            self._scheduler.cancel(key)
        else:
            self._scheduler.schedule(key, due_ms, lambda: self._on_due(charger))
        circuit = charger.circuit
        if circuit.limits.dynamic_until_ms is not None:
            key = ("circuit", str(circuit.id))
            due_ms = circuit.limits.dynamic_until_ms
            self._scheduler.schedule(key, due_ms, lambda: self._on_circuit_due(circuit))

    def _on_due(self, charger: CloudCharger) -> None:
        report = Report(charger.last_values, self._clock.now().utc_ms)
        if charger.limits.expire(report.at_ms) and charger.reachable:
            report.add(Observation.DYNAMIC_CHARGER_CURRENT, str(charger.limits.dynamic_a))
            self._publish(charger, report.observed)
        self.apply(charger, self._publish_mode_of(charger))

    def _on_circuit_due(self, circuit: Circuit) -> None:
        now_ms = self._clock.now().utc_ms
        if not circuit.limits.expire(now_ms):
            return
        master = self._chargers[circuit.serials[0]]
        report = Report(master.last_values, now_ms)
        report_dynamic_circuit(master, report)
        self._publish(master, report.observed)
        self.apply_to_circuit(circuit)


def _copy(circuit: Circuit) -> Circuit:
    limits = replace(circuit.limits)
    limits.set_dynamic(circuit.limits.dynamic_a, circuit.limits.dynamic_until_ms)
    return replace(circuit, limits=limits)
