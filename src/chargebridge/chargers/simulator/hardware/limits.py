"""The limits of a charger: a stored plan, and a volatile limit."""

from typing import Final

from msgspec import Struct

from chargebridge.chargers.model import Plan
from chargebridge.chargers.plan_limits import next_plan_change_ms, plan_limit_ma

LIMITED_BY_PLAN: Final = "LimitedByPlan"
LIMITED_BY_CENTRAL_SYSTEM: Final = "LimitedByCentralSystem"


class Limits(Struct, kw_only=True, omit_defaults=True):
    """The limits of one charger, in mA per phase.

    Args:
        plan: the stored plan.
        plan_writes: how often a plan was written into the charger's memory, which wears it out.
        overridden: the plan does not apply to the running session.
        volatile_ma: the limit that applies instead of the plan.
        volatile_until_ms: the end of the volatile limit in UTC milliseconds; None: until another comes.
    """

    plan: Plan | None = None
    plan_writes: int = 0
    overridden: bool = False
    volatile_ma: int | None = None
    volatile_until_ms: int | None = None

    def in_force_ma(self, at_ms: int) -> int | None:
        """Return the limit in force at a time; None: there is none."""
        if self.volatile_ma is not None:
            return self.volatile_ma
        if self.plan is None or self.overridden:
            return None
        return plan_limit_ma(self.plan, at_ms)

    @property
    def reason(self) -> str:
        """The reason for no current, if it is the limit in force."""
        return LIMITED_BY_PLAN if self.volatile_ma is None else LIMITED_BY_CENTRAL_SYSTEM

    def next_change_ms(self, after_ms: int) -> int | None:
        """Return the first time after this one at which another limit may be in force; None: never."""
        if self.volatile_ma is not None:
            return self.volatile_until_ms
        if self.plan is None or self.overridden:
            return None
        return next_plan_change_ms(self.plan, after_ms)

    def store(self, plan: Plan | None) -> None:
        """Store a plan in place of the one before."""
        self.plan = plan
        self.plan_writes += 1

    def set_volatile(self, limit_ma: int | None, until_ms: int | None) -> None:
        """Set a limit that applies instead of the plan; None returns to the plan."""
        self.volatile_ma = limit_ma
        self.volatile_until_ms = None if limit_ma is None else until_ms

    def forget_volatile(self) -> None:
        """Return to the plan."""
        self.set_volatile(None, None)

    def expire(self, now_ms: int) -> None:
        """Remove the volatile limit if it has ended."""
        if self.volatile_until_ms is not None and self.volatile_until_ms <= now_ms:
            self.forget_volatile()
