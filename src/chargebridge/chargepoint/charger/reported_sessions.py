"""Sessions of the charger that are reported to the central system already, as runs of numbers (`TX-8`).

Every session becomes one transaction, however often and however late the charger reports it; so their
numbers are remembered for ever.
"""

from itertools import pairwise
from typing import Final

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Run
from chargebridge.chargepoint.records import ReportedSession, ReportedSpan
from chargebridge.chargers.model import SessionEnded, SessionStarted

ASSUMED_AT_MOST: Final = 64
"""Sessions whose end was assumed and that are remembered until their record comes."""
RUNS_REMEMBERED: Final = 16
"""Runs of session numbers; above it a gap counts as reported in which no energy lies."""
RUNS_AT_MOST: Final = 128
"""Above it the lowest gap counts as reported in any case."""


def newest(charge_point: ChargePoint) -> int:
    """Return the highest number of a session that is reported or running; 0 for none."""
    runs, running = charge_point.state.reported_sessions, charge_point.running
    return max(runs[-1].last if runs else 0, running.session if running is not None else 0)


def is_reported(charge_point: ChargePoint, event: SessionStarted | SessionEnded) -> bool:
    """Whether a session that is over is reported: here, or before the charger came to this charge point."""
    state, session = charge_point.state, event.session
    if any(run.first <= session <= run.last for run in state.reported_sessions):
        return True
    if state.newest_elsewhere is None or session >= state.newest_elsewhere.session:
        return False
    # Its record may not have come before the charger did; a start alone proves nothing (see `newest`).
    since_ms = state.reported_since_ms
    return isinstance(event, SessionStarted) or since_ms is None or event.at_ms < since_ms


def take_over_reported(
    charge_point: ChargePoint, since_ms: int | None, lately: tuple[ReportedSpan, ...]
) -> None:
    """Take over the sessions of a charger that were reported elsewhere, before its newest one.

    Args:
        charge_point: whose charger it is from now on.
        since_ms: UTC; of sessions that ended later than that, all that were reported are among `lately`.
        lately: by session, rising.
    """
    charge_point.state.reported_since_ms = since_ms
    for one in lately:
        session = one.end.session
        mark_reported(charge_point, Run(session, session, one.start_wh, one.end.register_wh))
    # An end may have been assumed, or be where the charger was released, if energy lies behind it.
    in_part = [one.end for one, later in pairwise(lately) if one.end.register_wh < later.start_wh]
    charge_point.state.assumed = (*in_part, *(one.end for one in lately[-1:]))[-ASSUMED_AT_MOST:]


def mark_reported(charge_point: ChargePoint, reported: Run) -> None:
    """Remember that a session is reported between two registers, for ever.

    Sessions that follow each other are one run, so a whole history takes hardly any room. Where numbers have
    gaps, registers that meet show that nothing is missing, so such gaps are closed first where runs are many.
    Beyond that the lowest gap is: a charger that has reported so many later ones will hardly report those.
    """
    runs: list[Run] = []
    for run in sorted((*charge_point.state.reported_sessions, reported), key=lambda run: run.first):
        if runs and run.first <= runs[-1].last + 1:
            runs[-1] = _joined(runs[-1], run)
        else:
            runs.append(run)
    if len(runs) > RUNS_REMEMBERED:
        met = (n for n, (one, next_one) in enumerate(pairwise(runs)) if _meet(one, next_one))
        lowest = next(met, 0 if len(runs) > RUNS_AT_MOST else None)
        if lowest is not None:
            runs[lowest : lowest + 2] = [_joined(*runs[lowest : lowest + 2])]
    charge_point.state.reported_sessions = tuple(runs)
    charge_point.mark_dirty()


def _meet(one: Run, next_one: Run) -> bool:
    """Whether no energy lies between two runs."""
    return one.stop_wh is not None and one.stop_wh == next_one.start_wh


def _joined(one: Run, other: Run) -> Run:
    """Return one run of two; the other begins behind the beginning of the one, or with it."""
    start_wh, stop_wh = one.start_wh, one.stop_wh
    if other.last > one.last:
        stop_wh = other.stop_wh
    elif other.last == one.last and other.stop_wh is not None:
        stop_wh = max(one.stop_wh or 0, other.stop_wh)  # the rest of a session that was reported in part
    return Run(one.first, max(one.last, other.last), start_wh, stop_wh)


def mark_assumed(charge_point: ChargePoint, session: int, at_ms: int, register_wh: int) -> None:
    """Remember up to where a session is reported whose record has not come yet."""
    others = (one for one in charge_point.state.assumed if one.session != session)
    assumed = (*others, ReportedSession(session, at_ms, register_wh))
    charge_point.state.assumed = assumed[-ASSUMED_AT_MOST:]
    charge_point.mark_dirty()


def assumed(charge_point: ChargePoint, session: int) -> ReportedSession | None:
    """Return up to where a session is reported whose end was assumed; None for any other."""
    return next((one for one in charge_point.state.assumed if one.session == session), None)


def forget_assumed(charge_point: ChargePoint, session: int) -> None:
    """Forget that the end of a session was assumed: its record has come, and is reported in full."""
    state = charge_point.state
    kept = tuple(one for one in state.assumed if one.session != session)
    if len(kept) < len(state.assumed):
        state.assumed = kept
        charge_point.mark_dirty()


def in_part(charge_point: ChargePoint, session: int) -> ReportedSession | None:
    """Return how far a session is reported, if that may not be all of it."""
    reported = assumed(charge_point, session) or charge_point.state.newest_elsewhere
    return reported if reported is not None and reported.session == session else None


def id_tag(charge_point: ChargePoint, session: int) -> str | None:
    """Return the idTag of a session that is reported in part; None: it is not known here."""
    if in_part(charge_point, session) is None:
        return None
    starts = reversed(charge_point.state.recent_starts)
    return next((start.id_tag for start in starts if start.session == session), None)
