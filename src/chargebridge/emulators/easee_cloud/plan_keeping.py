"""Hands stored charge plans over to their chargers, when those can be reached."""

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.model import CommandOutcome, Outcome, Plan, StorePlan
from chargebridge.clock import Clock
from chargebridge.emulators.easee_cloud.charger import CloudCharger
from chargebridge.emulators.easee_cloud.current_control import CurrentControl, Tell
from chargebridge.emulators.easee_cloud.hands import Hands
from chargebridge.emulators.easee_cloud.report import Report


class PlanKeeping:
    """Lets chargers keep plans and tell that they do.

    Args:
        hands: what gives commands to the simulated chargers.
        currents: what limits them.
        tell: takes what they tell.
        clock: whose time counts.
    """

    def __init__(self, hands: Hands, currents: CurrentControl, tell: Tell, clock: Clock) -> None:
        self._hands = hands
        self._currents = currents
        self._tell = tell
        self._clock = clock

    def hand_over(self, charger: CloudCharger, plan: Plan | None, text: str) -> None:
        """Let a charger keep a plan instead of the one before.

        Args:
            charger: the charger; one that cannot be reached gets it when it is back.
            plan: the plan; None: keep none.
            text: how the charger tells it (observation 62).
        """
        charger.plan_owed = (plan, text)
        if not charger.reachable:
            return

        def ended(outcome: CommandOutcome) -> None:
            if outcome.outcome is not Outcome.DONE or charger.plan_owed != (plan, text):
                return
            charger.plan_owed = None
            charger.limits.plan = plan
            report = Report(charger.shadow, self._clock.now().utc_ms)
            report.say(Observation.CHARGING_SCHEDULE, text)
            self._tell(charger, report.observed)
            self._currents.apply(charger)
            self._currents.tell_mode(charger)

        self._hands.order(charger.serial, StorePlan(number=0, expires_ms=0, plan=plan), ended)

    def hand_over_owed(self, charger: CloudCharger) -> None:
        """Hand over what could not be handed over before, to a charger that is back."""
        if charger.plan_owed is not None:
            self.hand_over(charger, *charger.plan_owed)
