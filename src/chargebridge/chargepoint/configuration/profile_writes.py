"""Write budget: a charger's memory lasts for a number of profiles only.

The vendor's warranty ends where profiles are updated more than ten times a day on average over a
longer time. Here that time is a week: in any seven days at most seventy profiles are written, and
whatever comes above is carried out through the volatile limit.
"""

from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.records import PutProfileWrites
from chargebridge.chargepoint.turn import NoticeKind

WRITES_A_DAY: Final = 10
WINDOW_DAYS: Final = 7
BUDGET: Final = WRITES_A_DAY * WINDOW_DAYS
DAY_MS: Final = 86_400_000
DAYS_KEPT: Final = 31


def remaining(charge_point: ChargePoint) -> int:
    """Return how many profiles may still be written now."""
    if not charge_point.state.profile_writes:
        return BUDGET
    # One day more, since any seven times 24 hours lie in eight days of the calendar.
    since = charge_point.now.utc_ms // DAY_MS - WINDOW_DAYS - 1
    written = sum(writes for day, writes in charge_point.state.profile_writes if day > since)
    return max(BUDGET - written, 0)


def take_over(charge_point: ChargePoint, profile_writes: tuple[tuple[int, int], ...]) -> None:
    """Take over the (day, writes) of a charger that comes, as far as they are worth keeping in mind."""
    since = charge_point.now.utc_ms // DAY_MS - DAYS_KEPT
    charge_point.state.profile_writes = tuple((day, writes) for day, writes in profile_writes if day >= since)


def count(charge_point: ChargePoint) -> None:
    """Count a profile that is written to the charger's memory."""
    state, today_ = charge_point.state, charge_point.now.utc_ms // DAY_MS
    days = dict(state.profile_writes)
    days[today_] = days.get(today_, 0) + 1
    state.profile_writes = tuple(sorted(days.items()))[-DAYS_KEPT:]
    charge_point.record(PutProfileWrites(charge_point.settings.charger, today_, days[today_]))
    charge_point.mark_dirty()
    charge_point.notice(NoticeKind.PROFILE_WRITTEN, "")


def warn_over_budget(charge_point: ChargePoint) -> None:
    """Warn of a profile above the budget, once until there is room again."""
    state = charge_point.state
    if not state.write_budget_exceeded:
        state.write_budget_exceeded = True
        charge_point.mark_dirty()
        charge_point.notice(
            NoticeKind.WRITE_BUDGET_EXCEEDED,
            f"more than {WRITES_A_DAY} profiles a day: carried out through the volatile limit from now on;"
            " let the central system use DynamicChargerCurrent, or the evcc compatibility",
        )


def rearm_warning(charge_point: ChargePoint) -> None:
    """Warn again of the next profile above the budget, if there is room by now."""
    if charge_point.state.write_budget_exceeded and remaining(charge_point) >= WRITES_A_DAY:
        charge_point.state.write_budget_exceeded = False
        charge_point.mark_dirty()


def today(charge_point: ChargePoint) -> str:
    """Return how many profiles were written today (UTC), for a configuration key."""
    if not charge_point.state.profile_writes:
        return "0"
    return str(dict(charge_point.state.profile_writes).get(charge_point.now.utc_ms // DAY_MS, 0))


def remaining_text(charge_point: ChargePoint) -> str:
    """Return how many profiles may still be written, for a configuration key."""
    return str(remaining(charge_point))
