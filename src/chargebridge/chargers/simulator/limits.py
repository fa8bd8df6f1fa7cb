"""What limits a charger: a plan that it keeps through everything, and a limit that it easily forgets."""

from typing import Final

from msgspec import Struct

from chargebridge.chargers.model import Plan
from chargebridge.chargers.plan_limits import next_plan_change_ms, plan_limit_ma

LIMITED_BY_PLAN: Final = "LimitedByPlan"
LIMITED_BY_CENTRAL_SYSTEM: Final = "LimitedByCentralSystem"


class Limits(Struct, kw_only=True, omit_defaults=True):
    """The limits of one charger, in mA per phase.

    Args:
        plan: the stored one.
        plan_writes: how often a plan was written into the charger's memory, which wears it.
        overridden: the plan is set aside for the running session.
        volatile_ma: holds instead of the plan.
        volatile_until_ms: the end of the volatile limit in UTC milliseconds; None: until another comes.
    """

    plan: Plan | None = None
    plan_writes: int = 0
    overridden: bool = False
    volatile_ma: int | None = None
    volatile_until_ms: int | None = None

    def in_force_ma(self, at_ms: int) -> int | None:
        """Return the limit that holds at a moment; None: there is none."""
        if self.volatile_ma is not None:
            return self.volatile_ma
        if self.plan is None or self.overridden:
            return None
        return plan_limit_ma(self.plan, at_ms)

    @property
    def reason(self) -> str:
        """Why nothing is offered, if it is because of the limit in force."""
        return LIMITED_BY_PLAN if self.volatile_ma is None else LIMITED_BY_CENTRAL_SYSTEM

    def next_change_ms(self, after_ms: int) -> int | None:
        """Return the first moment after this one at which another limit may hold; None: never."""
        if self.volatile_ma is not None:
            return self.volatile_until_ms
        if self.plan is None or self.overridden:
            return None
        return next_plan_change_ms(self.plan, after_ms)

    def store(self, plan: Plan | None) -> None:
        """Write a plan into the memory, in the place of the one before."""
        self.plan = plan
        self.plan_writes += 1

    def set_volatile(self, limit_ma: int | None, until_ms: int | None) -> None:
        """Let this limit hold instead of the plan; None brings the plan back."""
        self.volatile_ma = limit_ma
        self.volatile_until_ms = None if limit_ma is None else until_ms

    def forget_volatile(self) -> None:
        """Let the plan hold again."""
        self.set_volatile(None, None)

    def expire(self, now_ms: int) -> None:
        """Forget the volatile limit if its time is over."""
        if self.volatile_until_ms is not None and self.volatile_until_ms <= now_ms:
            self.forget_volatile()
