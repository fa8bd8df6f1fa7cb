"""What limits the current of a charger at Easee, and which of all limits is the lowest.

All limits are in whole amperes per phase; a lower one always wins. Below 6 A nothing is offered.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from chargebridge.chargers.easee.vocabulary import ReasonForNoCurrent
from chargebridge.chargers.model import Plan
from chargebridge.chargers.plan_limits import plan_limit_ma

MINIMUM_A: Final = 6

_R = ReasonForNoCurrent


class Cause(Enum):
    """What limits: the reason while nothing is offered because of it, and while it only limits."""

    NOTHING = (_R.OK, _R.OK)
    CIRCUIT = (_R.MAX_CIRCUIT_CURRENT_TOO_LOW, _R.CURRENT_LIMITED_BY_CIRCUIT_MAX_CURRENT)
    DYNAMIC_CIRCUIT = (
        _R.MAX_DYNAMIC_CIRCUIT_CURRENT_TOO_LOW,
        _R.CURRENT_LIMITED_BY_DYNAMIC_CIRCUIT_CURRENT,
    )
    CHARGER = (_R.MAX_CHARGER_CURRENT_TOO_LOW, _R.CURRENT_LIMITED_BY_CHARGER_MAX_CURRENT)
    DYNAMIC_CHARGER = (
        _R.MAX_DYNAMIC_CHARGER_CURRENT_TOO_LOW,
        _R.CURRENT_LIMITED_BY_DYNAMIC_CHARGER_CURRENT,
    )
    SCHEDULE = (_R.PENDING_SCHEDULED_CHARGING, _R.CURRENT_LIMITED_BY_SCHEDULE)

    @property
    def too_low(self) -> ReasonForNoCurrent:
        """The reason while it lets nothing through."""
        return self.value[0]

    @property
    def limits(self) -> ReasonForNoCurrent:
        """The reason while the car charges, but not as fast as it might."""
        return self.value[1]


def whole_amperes(value: float) -> int:
    """Cut a current down to whole amperes, as chargers do: 15.9 is 15, and 0.5 is nothing."""
    return int(value)


Phases = tuple[int, int, int]
"""A current for each of P1 to P3, in whole amperes."""


def least_of(phases: Phases) -> int:
    """Return what a circuit allows a charger: with P2 and P3 at 0 it charges on one phase (P1)."""
    first, second, third = phases
    return first if second == third == 0 else min(first, second, third)


@dataclass(slots=True)
class CircuitLimits:
    """The limits of one circuit, for all of its chargers."""

    rated_a: int
    maximum_a: Phases
    """Kept in flash."""
    offline_a: Phases
    default_dynamic_a: int
    """What the dynamic current is after a restart: 40 A (Home) or 80 A (Charge)."""
    dynamic_a: Phases = field(init=False)
    dynamic_until_ms: int | None = None

    def __post_init__(self) -> None:
        self.dynamic_a = (self.default_dynamic_a,) * 3

    def set_dynamic(self, phases: Phases, until_ms: int | None) -> None:
        """Let this dynamic current hold, and after its time the one for an unreachable cloud."""
        self.dynamic_a = phases
        self.dynamic_until_ms = until_ms

    def expire(self, now_ms: int) -> bool:
        """Fall back if the time of the dynamic current is over; tell whether it was."""
        if self.dynamic_until_ms is None or now_ms < self.dynamic_until_ms:
            return False
        self.set_dynamic(self.offline_a, None)
        return True

    def restart(self) -> None:
        """Forget what a restart forgets."""
        self.set_dynamic((self.default_dynamic_a,) * 3, None)


@dataclass(slots=True)
class ChargerLimits:
    """The limits of one charger."""

    rated_a: int
    """What it is built for."""
    maximum_a: int
    """Kept in flash."""
    lasting_a: int
    """The dynamic current that has no end."""
    temporary_a: int | None = None
    temporary_until_ms: int | None = None
    plan: Plan | None = None
    overridden: bool = False
    """The plan is set aside for the running session."""

    @property
    def dynamic_a(self) -> int:
        """The dynamic current in force."""
        return self.lasting_a if self.temporary_a is None else self.temporary_a

    def set_dynamic(self, amperes: int, until_ms: int | None) -> None:
        """Let this dynamic current hold; after its time the one before does again."""
        if until_ms is None:
            self.lasting_a = amperes
            self.temporary_a = self.temporary_until_ms = None
        else:
            self.temporary_a, self.temporary_until_ms = amperes, until_ms

    def expire(self, now_ms: int) -> bool:
        """Fall back if the time of the dynamic current is over; tell whether it was."""
        if self.temporary_until_ms is None or now_ms < self.temporary_until_ms:
            return False
        self.temporary_a = self.temporary_until_ms = None
        return True

    def reset_dynamic(self) -> int:
        """Forget the dynamic current, as at plug-in and reboot; return the one that holds then."""
        self.set_dynamic(self.rated_a, None)
        return self.rated_a

    def plan_a(self, now_ms: int) -> int | None:
        """Return what the stored plan allows now, in whole amperes; None: it says nothing."""
        if self.plan is None or self.overridden:
            return None
        limit_ma = plan_limit_ma(self.plan, now_ms)
        return None if limit_ma is None else limit_ma // 1000

    def lowest(self, circuit: CircuitLimits, now_ms: int) -> tuple[int, Cause]:
        """Return the lowest of all limits now, and what it is."""
        found = (self.rated_a, Cause.NOTHING)
        plan_a = self.plan_a(now_ms)
        for amperes, cause in (
            (plan_a if plan_a is not None else self.rated_a, Cause.SCHEDULE),
            (self.dynamic_a, Cause.DYNAMIC_CHARGER),
            (self.maximum_a, Cause.CHARGER),
            (least_of(circuit.dynamic_a), Cause.DYNAMIC_CIRCUIT),
            (least_of(circuit.maximum_a), Cause.CIRCUIT),
        ):
            if amperes < found[0]:
                found = (amperes, cause)
        return found

    def beside_plan_ma(self, circuit: CircuitLimits, now_ms: int) -> int | None:
        """Return what has to be forced upon a charger that follows its plan by itself, in mA.

        None: no other limit is in force, and the plan alone decides.
        """
        others = min(self.dynamic_a, self.maximum_a, least_of(circuit.dynamic_a), least_of(circuit.maximum_a))
        if others >= self.rated_a:
            return None
        plan_a = self.plan_a(now_ms)
        return 1000 * (others if plan_a is None else min(others, plan_a))
