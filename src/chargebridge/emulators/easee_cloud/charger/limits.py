"""The current limits of chargers and circuits at Easee, and which of them is the lowest.

All limits are in whole amperes per phase. The lowest one wins; below 6 A the charger offers nothing.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from chargebridge.chargers.easee.twin.vocabulary import ReasonForNoCurrent
from chargebridge.chargers.model import Plan
from chargebridge.chargers.plan_limits import plan_limit_ma

MINIMUM_A: Final = 6

_R = ReasonForNoCurrent


class Cause(Enum):
    """The limit that wins, with two values of `reasonForNoCurrent`: one below 6 A, one from 6 A on."""

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
        """The reason to report while the charger offers nothing because of it."""
        return self.value[0]

    @property
    def limits(self) -> ReasonForNoCurrent:
        """The reason to report while the car charges at this limit."""
        return self.value[1]


def whole_amperes(value: float) -> int:
    """Round a current down to whole amperes, as chargers do: 15.9 is 15, and 0.5 is 0."""
    return int(value)


Phases = tuple[int, int, int]
"""A current for each of P1 to P3, in whole amperes."""


def least_of(phases: Phases) -> int:
    """Return the limit of a circuit for one charger: with P2 and P3 at 0 it charges on one phase (P1)."""
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
    """The dynamic current after a restart: 40 A (Home) or 80 A (Charge)."""
    dynamic_a: Phases = field(init=False)
    dynamic_until_ms: int | None = None

    def __post_init__(self) -> None:
        self.dynamic_a = (self.default_dynamic_a,) * 3

    def set_dynamic(self, phases: Phases, until_ms: int | None) -> None:
        """Set the dynamic current; when it expires, the offline current follows."""
        self.dynamic_a = phases
        self.dynamic_until_ms = until_ms

    def expire(self, now_ms: int) -> bool:
        """Fall back if the dynamic current has expired; return whether it has."""
        if self.dynamic_until_ms is None or now_ms < self.dynamic_until_ms:
            return False
        self.set_dynamic(self.offline_a, None)
        return True

    def restart(self) -> None:
        """Reset the values that a restart resets."""
        self.set_dynamic((self.default_dynamic_a,) * 3, None)


@dataclass(slots=True)
class ChargerLimits:
    """The limits of one charger."""

    rated_a: int
    """The current that the hardware is built for."""
    maximum_a: int
    """Kept in flash."""
    lasting_a: int
    """The dynamic current without an expiry."""
    temporary_a: int | None = None
    temporary_until_ms: int | None = None
    raised_until_ms: int | None = None
    """For so long the dynamic current is at its highest, since the phase mode has changed."""
    plan: Plan | None = None
    overridden: bool = False
    """Whether the plan does not apply to the running session."""

    @property
    def dynamic_a(self) -> int:
        """The dynamic current in force."""
        if self.raised_until_ms is not None:
            return self.rated_a
        return self.lasting_a if self.temporary_a is None else self.temporary_a

    def set_dynamic(self, amperes: int, until_ms: int | None) -> None:
        """Set the dynamic current; when it expires, the one before applies again."""
        self.raised_until_ms = None
        if until_ms is None:
            self.lasting_a = amperes
            self.temporary_a = self.temporary_until_ms = None
        else:
            self.temporary_a, self.temporary_until_ms = amperes, until_ms

    def expire(self, now_ms: int) -> bool:
        """Fall back if the dynamic current has expired; return whether it has."""
        raised = self.raised_until_ms is not None and now_ms >= self.raised_until_ms
        if raised:
            self.raised_until_ms = None
        if self.temporary_until_ms is None or now_ms < self.temporary_until_ms:
            return raised
        self.temporary_a = self.temporary_until_ms = None
        return True

    def reset_dynamic(self) -> int:
        """Reset the dynamic current, as at plug-in and reboot; return the new one."""
        self.set_dynamic(self.rated_a, None)
        return self.rated_a

    def plan_a(self, now_ms: int) -> int | None:
        """Return the limit of the stored plan now, in whole amperes; None if it has none."""
        if self.plan is None or self.overridden:
            return None
        limit_ma = plan_limit_ma(self.plan, now_ms)
        return None if limit_ma is None else limit_ma // 1000

    def lowest(self, circuit: CircuitLimits, now_ms: int) -> tuple[int, Cause]:
        """Return the lowest limit now in amperes, and which one that is."""
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
        """Return the volatile limit for a charger that follows its plan by itself, in mA.

        None: no limit beside the plan applies, and the plan alone decides.
        """
        others = min(self.dynamic_a, self.maximum_a, least_of(circuit.dynamic_a), least_of(circuit.maximum_a))
        if others >= self.rated_a:
            return None
        plan_a = self.plan_a(now_ms)
        return 1000 * (others if plan_a is None else min(others, plan_a))
