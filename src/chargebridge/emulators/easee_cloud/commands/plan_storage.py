"""Stores charge plans on their chargers, as soon as those can be reached."""

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.model import CommandOutcome, Outcome, Plan, StorePlan
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger
from chargebridge.emulators.easee_cloud.charger.report import Report
from chargebridge.emulators.easee_cloud.commands.charger_commands import ChargerCommands
from chargebridge.emulators.easee_cloud.commands.current_control import CurrentControl, Publish


class PlanStorage:
    """Stores charge plans on chargers, and publishes that they are stored.

    Args:
        charger_commands: sends commands to the simulated chargers.
        currents: applies current limits.
        publish: publishes observations.
        clock: the cloud's time.
    """

    def __init__(
        self, charger_commands: ChargerCommands, currents: CurrentControl, publish: Publish, clock: Clock
    ) -> None:
        self._charger_commands = charger_commands
        self._currents = currents
        self._publish = publish
        self._clock = clock

    def store(self, charger: CloudCharger, plan: Plan | None, text: str) -> None:
        """Store a plan on a charger instead of the one before.

        Args:
            charger: the charger; an unreachable one receives the plan when it is back.
            plan: the plan; None removes the stored one.
            text: the plan as observation 62 reports it.
        """
        charger.pending_plan = (plan, text)
        if not charger.reachable:
            return

        def ended(outcome: CommandOutcome) -> None:
            if outcome.outcome is not Outcome.DONE or charger.pending_plan != (plan, text):
                return
            charger.pending_plan = None
            charger.limits.plan = plan
            report = Report(charger.last_values, self._clock.now().utc_ms)
            report.add(Observation.CHARGING_SCHEDULE, text)
            self._publish(charger, report.observed)
            self._currents.apply(charger)
            self._currents.publish_mode(charger)

        self._charger_commands.send(charger.serial, StorePlan(number=0, expires_ms=0, plan=plan), ended)

    def store_pending(self, charger: CloudCharger) -> None:
        """Store the plan that an unreachable charger could not receive, now that it is back."""
        if charger.pending_plan is not None:
            self.store(charger, *charger.pending_plan)
