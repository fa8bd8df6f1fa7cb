"""Charging profiles over time: which limit they give at a time (`SC-*`, OCPP 1.6 §3.13).

Which profiles are kept, and for how long, is decided elsewhere. Here they are only evaluated, from one
boundary to the next: the limit is constant in between, so a month costs as little as the boundaries in it.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Final, NamedTuple

from msgspec import Struct

from chargebridge.chargepoint.records import StoredProfile
from chargebridge.ocpp16.codec import new_decoder
from chargebridge.ocpp16.datatypes import ChargingProfile, ChargingSchedulePeriod
from chargebridge.ocpp16.enums import (
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    RecurrencyKindType,
)
from chargebridge.ocpp16.timestamps import parse_timestamp

_RECURRENCE_MS: Final[Mapping[RecurrencyKindType | None, int]] = {
    RecurrencyKindType.DAILY: 86_400_000,
    RecurrencyKindType.WEEKLY: 604_800_000,
}
"""How often a schedule starts again. In UTC: a day of 23 hours needs a profile of its own (`SC-15`)."""
_PHASES: Final = 3
"""The numberPhases of a period that does not say (`SC-9`)."""


class Installed(Struct, frozen=True, gc=False):
    """A charging profile that the charge point keeps.

    No two of the same purpose and stack level are kept for the same connector (`SC-4`), and the start
    periods of each rise (`SC-2`).
    """

    connector: int
    """The connector it was set for; 0 is the whole charge point."""
    profile: ChargingProfile
    transaction: int | None = None
    """Our own number of the transaction that a TxProfile belongs to."""


decode_profile = new_decoder(ChargingProfile).decode


def loaded(stored: StoredProfile) -> Installed:
    """Return a profile as it was kept in the store."""
    return Installed(stored.connector, decode_profile(stored.document), stored.transaction)


class EvaluationContext(Struct, frozen=True, gc=False):
    """The values that a limit depends on beside the profiles: the rules, the charger and its transaction."""

    merged: bool
    """The standard takes the lower one of transaction profile and ChargePointMaxProfile. If False, an active
    TxDefaultProfile overrides the ChargePointMaxProfile; an active TxProfile only ever lowers the outcome."""
    connector: int
    """The connector looked at. 0 gives what connector 1 does: a charge point has one connector (`SC-23`)."""
    charging_since_ms: int | None
    """When the running transaction began."""
    now_ms: int
    """The time that stands for the start of the transaction while none runs."""
    hardware_ma: int
    """The most that the charger can offer, in milliampere per phase."""
    phases: int = _PHASES
    """How many phases the charger has."""
    voltage_v: int = 230
    """The nominal voltage between a phase and neutral: units are never converted by a measured one."""


class LimitInterval(NamedTuple):
    """A limit that holds from a time until the next interval."""

    at_ms: int
    limit: Decimal
    """In the requested unit, rounded down to one decimal (`SC-24`)."""
    phases: int
    """The numberPhases of the period that binds, or the charger's own if nothing limits it further."""


class _Timetable(Struct, frozen=True):
    """A charging profile with its times read: milliseconds, and the schedule set on the clock."""

    installed: Installed
    starts_ms: int
    repeats_ms: int | None
    lasts_ms: int | None
    """From each start on; None is for ever."""
    valid_from_ms: int | None
    valid_to_ms: int | None
    period_starts_ms: tuple[int, ...]
    """From each start on, rising."""

    def period_at(self, at_ms: int) -> ChargingSchedulePeriod | None:
        """Return the period that holds at a time, or None while the profile is not active."""
        if self.valid_from_ms is not None and at_ms < self.valid_from_ms:
            return None
        if self.valid_to_ms is not None and at_ms >= self.valid_to_ms:
            return None
        if at_ms < self.starts_ms:  # A recurring schedule does not reach back either (`SC-16`).
            return None
        offset_ms = self._offset_ms(at_ms)
        if self.lasts_ms is not None and offset_ms >= self.lasts_ms:
            return None
        begun = bisect_right(self.period_starts_ms, offset_ms)
        return self.installed.profile.charging_schedule.charging_schedule_period[begun - 1] if begun else None

    def next_boundary_ms(self, after_ms: int) -> int | None:
        """Return the first time after this one at which the answer of `period_at` may change (`SC-25`)."""
        if self.valid_to_ms is not None and after_ms >= self.valid_to_ms:
            return None
        if self.valid_from_ms is not None and after_ms < self.valid_from_ms:
            return self.valid_from_ms
        return _earliest(self._next_edge_ms(after_ms), self.valid_to_ms)

    def _next_edge_ms(self, after_ms: int) -> int | None:
        """Return when the schedule goes on after a time, whether the profile is valid then or not."""
        if after_ms < self.starts_ms:
            return self.starts_ms
        offset_ms = self._offset_ms(after_ms)
        began_ms = after_ms - offset_ms
        if self.lasts_ms is not None and offset_ms >= self.lasts_ms:
            return None if self.repeats_ms is None else began_ms + self.repeats_ms
        begun = bisect_right(self.period_starts_ms, offset_ms)
        next_period_ms = self.period_starts_ms[begun] if begun < len(self.period_starts_ms) else None
        edge_ms = _earliest(next_period_ms, self.lasts_ms)
        return None if edge_ms is None else began_ms + edge_ms

    def _offset_ms(self, at_ms: int) -> int:
        """Return the time since the schedule last started (`SC-15`)."""
        offset_ms = at_ms - self.starts_ms
        return offset_ms if self.repeats_ms is None else offset_ms % self.repeats_ms


class _InForce(NamedTuple):
    """A charging profile that is active at a time, with the period that holds then."""

    installed: Installed
    period: ChargingSchedulePeriod


_Stacks = Mapping[ChargingProfilePurposeType, Sequence[_Timetable]]
"""The profiles of each purpose, in the order in which they are evaluated."""


def limit_intervals(
    profiles: Sequence[Installed],
    context: EvaluationContext,
    from_ms: int,
    until_ms: int,
    unit: ChargingRateUnitType,
) -> list[LimitInterval]:
    """Return the limit in `unit` from `from_ms` to before `until_ms` (`SC-20`, `SC-24`, `SC-25`).

    The first interval begins at `from_ms`, and is the only one if both times are the same. Neighbours
    differ in their limit or phases. A window costs as much as the boundaries in it: the caller bounds it.
    """
    stacks = _stacks(profiles, context)
    found = [_interval_at(stacks, context, from_ms, unit)]
    boundary_ms = _next_boundary_ms(stacks, from_ms)
    while boundary_ms is not None and boundary_ms < until_ms:
        interval = _interval_at(stacks, context, boundary_ms, unit)
        if (interval.limit, interval.phases) != (found[-1].limit, found[-1].phases):
            found.append(interval)
        boundary_ms = _next_boundary_ms(stacks, boundary_ms)
    return found


def limit_ma(profiles: Sequence[Installed], context: EvaluationContext, at_ms: int) -> int:
    """Return the limit that holds at a time, in mA per phase, rounded down to a multiple of 100 mA.

    It is what `limit_intervals` says of that time, so that what is reported is what is applied.
    """
    stacks = _stacks(profiles, context)
    return int(_interval_at(stacks, context, at_ms, ChargingRateUnitType.A).limit * 1000)


def next_change_ms(profiles: Sequence[Installed], context: EvaluationContext, after_ms: int) -> int | None:
    """Return the first time after `after_ms` at which the limit may change, or None if it never will.

    It is an exact boundary of a profile (`SC-25`), though the limit may be the same on both sides.
    """
    return _next_boundary_ms(_stacks(profiles, context), after_ms)


def prevailing(
    profiles: Sequence[Installed],
    context: EvaluationContext,
    purpose: ChargingProfilePurposeType,
    at_ms: int,
) -> Installed | None:
    """Return the profile that speaks for a purpose at a time, or None if none of that purpose is active."""
    in_force = _in_force(_stacks(profiles, context)[purpose], at_ms)
    return in_force.installed if in_force else None


def _stacks(profiles: Sequence[Installed], context: EvaluationContext) -> _Stacks:
    """Sort out which profiles are for the connector looked at, and put those that go first in front."""
    here = (0, context.connector or 1)
    stacks: dict[ChargingProfilePurposeType, list[_Timetable]] = {
        purpose: [] for purpose in ChargingProfilePurposeType
    }
    # The higher level goes first; at the same level the connector's own goes before the one of all (`SC-4`).
    for installed in sorted(profiles, key=lambda each: (-each.profile.stack_level, -each.connector)):
        if installed.connector in here:
            purpose = installed.profile.charging_profile_purpose
            stacks[purpose].append(_timetable(installed, context))
    return stacks


def _timetable(installed: Installed, context: EvaluationContext) -> _Timetable:
    profile = installed.profile
    schedule = profile.charging_schedule
    relative = profile.charging_profile_kind is ChargingProfileKindType.RELATIVE
    if schedule.start_schedule is not None and not relative:
        starts_ms = parse_timestamp(schedule.start_schedule)
    elif context.charging_since_ms is not None:
        starts_ms = context.charging_since_ms
    else:
        starts_ms = context.now_ms
    recurring = profile.charging_profile_kind is ChargingProfileKindType.RECURRING
    repeats_ms = _RECURRENCE_MS.get(profile.recurrency_kind) if recurring else None
    duration_ms = None if schedule.duration is None else schedule.duration * 1000
    return _Timetable(
        installed=installed,
        starts_ms=starts_ms,
        repeats_ms=repeats_ms,
        # What lies beyond one recurrence is never executed.
        lasts_ms=_earliest(duration_ms, repeats_ms),
        valid_from_ms=None if profile.valid_from is None else parse_timestamp(profile.valid_from),
        valid_to_ms=None if profile.valid_to is None else parse_timestamp(profile.valid_to),
        period_starts_ms=tuple(period.start_period * 1000 for period in schedule.charging_schedule_period),
    )


def _in_force(stack: Sequence[_Timetable], at_ms: int) -> _InForce | None:
    """Return what the highest active profile says; one that is not active gives way to the next (`SC-12`)."""
    for timetable in stack:
        period = timetable.period_at(at_ms)
        if period is not None:
            return _InForce(timetable.installed, period)
    return None


def _next_boundary_ms(stacks: _Stacks, after_ms: int) -> int | None:
    """Return the first time after this one at which a purpose may give another limit (`SC-25`)."""
    boundaries_ms: list[int | None] = []
    for stack in stacks.values():
        for timetable in stack:
            boundaries_ms.append(timetable.next_boundary_ms(after_ms))
            # Until the prevailing profile itself goes on, nothing below it counts.
            if timetable.period_at(after_ms) is not None:
                break
    return _earliest(*boundaries_ms)


def _interval_at(
    stacks: _Stacks, context: EvaluationContext, at_ms: int, unit: ChargingRateUnitType
) -> LimitInterval:
    maximum = _in_force(stacks[ChargingProfilePurposeType.CHARGE_POINT_MAX_PROFILE], at_ms)
    default = _in_force(stacks[ChargingProfilePurposeType.TX_DEFAULT_PROFILE], at_ms)
    transaction = _in_force(stacks[ChargingProfilePurposeType.TX_PROFILE], at_ms)
    # A TxProfile that is not active leaves the transaction to the TxDefaultProfile (`SC-14`).
    binding = (transaction or default, maximum) if context.merged else (transaction, default or maximum)
    limits = [_limit_in_tenths(in_force, context, unit) for in_force in binding if in_force]
    tenths, phases = min((*limits, _hardware_in_tenths(context, unit)), key=itemgetter(0))
    return LimitInterval(at_ms, Decimal(max(tenths, 0)).scaleb(-1), phases)


def _limit_in_tenths(
    in_force: _InForce, context: EvaluationContext, unit: ChargingRateUnitType
) -> tuple[int, int]:
    schedule_unit = in_force.installed.profile.charging_schedule.charging_rate_unit
    return limit_in_tenths(in_force.period, schedule_unit, context, unit)


def limit_in_tenths(
    period: ChargingSchedulePeriod,
    schedule_unit: ChargingRateUnitType,
    context: EvaluationContext,
    unit: ChargingRateUnitType,
) -> tuple[int, int]:
    """Return the limit in tenths of a unit, rounded down, and the phases it was meant for (`SC-9`).

    A limit for more phases than the charger has is taken as it is for those that there are.
    """
    given, phases = period.number_phases, _PHASES
    if given is not None and given > 0:
        phases = given
    tenths = int(period.limit * 10)  # Exact: no rate has more than one fraction digit (`VAL-4`).
    if schedule_unit is unit:
        return tenths, phases
    if unit is ChargingRateUnitType.A:
        return tenths // (context.voltage_v * phases), phases
    return tenths * context.voltage_v * min(phases, context.phases), phases


def _hardware_in_tenths(context: EvaluationContext, unit: ChargingRateUnitType) -> tuple[int, int]:
    """Return what the charger can do: its limit where no profile sets a lower one."""
    if unit is ChargingRateUnitType.A:
        return context.hardware_ma // 100, context.phases
    milliwatt = context.hardware_ma * context.voltage_v * context.phases
    return milliwatt // 100, context.phases


def _earliest(*moments_ms: int | None) -> int | None:
    return min((moment_ms for moment_ms in moments_ms if moment_ms is not None), default=None)
