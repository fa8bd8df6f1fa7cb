"""Stores charge plans on their chargers, as soon as those can be reached."""

from typing import Final

from msgspec.structs import replace

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.model import CommandOutcome, Outcome, Plan, StorePlan
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.charger.cloud_charger import CloudCharger, PendingPlan
from chargebridge.emulators.easee_cloud.charger.plans import schedule_text
from chargebridge.emulators.easee_cloud.charger.report import Report
from chargebridge.emulators.easee_cloud.commands.charger_commands import ChargerCommands
from chargebridge.emulators.easee_cloud.commands.current_control import CurrentControl, Publish
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, Misbehaviour
from chargebridge.emulators.easee_cloud.scheduler import Scheduler

_HOUR_MS: Final = 3_600_000


class PlanStorage:
    """Stores charge plans on chargers, and publishes that they are stored.

    Args:
        charger_commands: sends commands to the simulated chargers.
        currents: applies current limits.
        publish: publishes observations.
        clock: the cloud's time.
        scheduler: publishes late what a charger shows late.
        misbehaviour: the faults to emulate.
        dice: decides when a fault happens.
    """

    def __init__(
        self,
        charger_commands: ChargerCommands,
        currents: CurrentControl,
        publish: Publish,
        clock: Clock,
        scheduler: Scheduler,
        misbehaviour: Misbehaviour,
        dice: Dice,
    ) -> None:
        self._charger_commands = charger_commands
        self._currents = currents
        self._publish = publish
        self._clock = clock
        self._scheduler = scheduler
        self._misbehaviour = misbehaviour
        self._dice = dice

    def store(self, charger: CloudCharger, plan: Plan | None) -> None:
        """Store a plan on a charger instead of the one before.

        Args:
            charger: the charger; an unreachable one receives the plan when it is back.
            plan: the plan; None removes the stored one.
        """
        pending = charger.pending_plan = PendingPlan(plan)
        if not charger.reachable:
            return

        def ended(outcome: CommandOutcome) -> None:
            if outcome.outcome is not Outcome.DONE or charger.pending_plan is not pending:
                return
            charger.pending_plan = None
            charger.limits.plan = plan
            self._show_soon(charger, plan)
            self._currents.apply(charger)
            self._currents.publish_mode(charger)

        self._charger_commands.send(charger.serial, StorePlan(number=0, expires_ms=0, plan=plan), ended)

    def store_pending(self, charger: CloudCharger) -> None:
        """Store the plan that an unreachable charger could not receive, now that it is back."""
        if charger.pending_plan is not None:
            self.store(charger, charger.pending_plan.plan)

    def _show_soon(self, charger: CloudCharger, plan: Plan | None) -> None:
        key = ("plan shown", charger.serial)
        self._scheduler.cancel(key)
        if self._dice("plan_not_shown", self._misbehaviour.plan_not_shown):
            return
        if plan is not None and self._dice("plan_shown_wrong", self._misbehaviour.plan_shown_wrong):
            plan = replace(plan, start_ms=plan.start_ms + _HOUR_MS)
        if self._misbehaviour.plan_delay_s:
            due_ms = self._clock.now().utc_ms + round(self._misbehaviour.plan_delay_s * 1000)
            self._scheduler.schedule(key, due_ms, lambda: self._show(charger, plan))
        else:
            self._show(charger, plan)

    def _show(self, charger: CloudCharger, plan: Plan | None) -> None:
        report = Report(charger.last_values, self._clock.now().utc_ms)
        report.add(Observation.CHARGING_SCHEDULE, schedule_text(plan))
        self._publish(charger, report.observed)
