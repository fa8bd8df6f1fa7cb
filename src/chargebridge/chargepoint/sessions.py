"""Which sessions of the charger are told of, and which wait for their turn (`TX-8`, `Q-1`).

A charger that was away from its cloud tells of its sessions late, several at once, in any order, and more
than once. Its sessions have numbers that rise, so each becomes one transaction whatever the order:

* What is told of a *newer* session than the running one shows that the running one is over. Its own end is
  on its way, and only that knows when and why; so the newer one waits for it, but no longer than
  `END_AWAITED_S`. If nothing comes until then, its end is assumed: where the newer one began if that is the
  very next one, else at the newest reading known, since there may be others in between. If its record comes
  after all, and tells of more energy, that becomes a transaction of its own.
* An *older* session than the running one waits until that has ended, however long it takes: transactions
  of one connector never overlap at the central system.

What waits is part of the durable state, since the driver has been told that it is taken.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from chargebridge.chargepoint import authorization, sampling, transactions
from chargebridge.chargepoint.records import Told, ToldSession
from chargebridge.chargepoint.state import Run
from chargebridge.chargepoint.timers import Timer
from chargebridge.chargers.model import SessionEnded, SessionStarted

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

END_AWAITED_S: Final = 3600.0
"""The end of a session that a newer one has followed is waited for so long; a driver owes it for good."""
END_HURRIED_S: Final = 5.0
"""Not longer than this while somebody stands at the reader."""
HELD_AT_MOST: Final = 64
"""Events that wait; above it the oldest session is told of at once, or the running one ends at once."""
ASSUMED_AT_MOST: Final = 64
"""Sessions whose end was assumed and that are remembered until their record comes."""
RUNS_REMEMBERED: Final = 16
"""Runs of session numbers that are told; above it a gap counts as told in which no energy lies."""
RUNS_AT_MOST: Final = 128
"""Above it the lowest gap counts as told in any case."""


# --- what is told of --------------------------------------------------------------------------------


def newest(charge_point: "ChargePoint") -> int:
    """Return the highest number of a session that is told of or running; 0 for none."""
    told, running = charge_point.state.told_sessions, charge_point.running
    return max(told[-1].last if told else 0, running.session if running is not None else 0)


def is_told(charge_point: "ChargePoint", event: SessionStarted | SessionEnded) -> bool:
    """Whether a session that is over is told of: here, or before the charger came to this charge point."""
    state, session = charge_point.state, event.session
    if any(run.first <= session <= run.last for run in state.told_sessions):
        return True
    if state.told is None or session >= state.told.session:
        return False
    # Its record may not have come before the charger did; a start alone tells nothing (see `newest`).
    since_ms = state.told_since_ms
    return isinstance(event, SessionStarted) or since_ms is None or event.at_ms < since_ms


def told_elsewhere(
    charge_point: "ChargePoint", since_ms: int | None, lately: tuple[ToldSession, ...]
) -> None:
    """Take over what is told of a charger that comes: its sessions that were told of before the newest one.

    Args:
        charge_point: whose charger it is from now on.
        since_ms: UTC; of sessions that ended later than that, all that were told of are among `lately`.
        lately: by session, rising.
    """
    charge_point.state.told_since_ms = since_ms
    for one in lately:
        session = one.told.session
        note_told(charge_point, Run(session, session, one.start_wh, one.told.register_wh))
    # An end may have been assumed, or be where the charger was given up, if energy lies behind it.
    in_part = [one.told for one, later in pairwise(lately) if one.told.register_wh < later.start_wh]
    charge_point.state.assumed = (*in_part, *(one.told for one in lately[-1:]))[-ASSUMED_AT_MOST:]


def note_told(charge_point: "ChargePoint", told: Run) -> None:
    """Remember that a session is told of between two registers, for ever.

    Sessions that follow each other are one run, so a whole history takes hardly any room. Where numbers have
    gaps, registers that meet show that nothing is missing, so such gaps are closed first where runs are many.
    Beyond that the lowest gap is: who has told of so many later ones will hardly tell of those.
    """
    runs: list[Run] = []
    for run in sorted((*charge_point.state.told_sessions, told), key=lambda run: run.first):
        if runs and run.first <= runs[-1].last + 1:
            runs[-1] = _joined(runs[-1], run)
        else:
            runs.append(run)
    if len(runs) > RUNS_REMEMBERED:
        met = (n for n, (one, next_one) in enumerate(pairwise(runs)) if _meet(one, next_one))
        lowest = next(met, 0 if len(runs) > RUNS_AT_MOST else None)
        if lowest is not None:
            runs[lowest : lowest + 2] = [_joined(*runs[lowest : lowest + 2])]
    charge_point.state.told_sessions = tuple(runs)
    charge_point.changed()


def _meet(one: Run, next_one: Run) -> bool:
    """Whether no energy lies between two runs."""
    return one.stop_wh is not None and one.stop_wh == next_one.start_wh


def _joined(one: Run, other: Run) -> Run:
    """Return one run of two; the other begins behind the beginning of the one, or with it."""
    start_wh, stop_wh = one.start_wh, one.stop_wh
    if other.last > one.last:
        stop_wh = other.stop_wh
    elif other.last == one.last and other.stop_wh is not None:
        stop_wh = max(one.stop_wh or 0, other.stop_wh)  # the rest of a session that was told in part
    return Run(one.first, max(one.last, other.last), start_wh, stop_wh)


# --- what waits -------------------------------------------------------------------------------------


def is_held(charge_point: "ChargePoint", event: SessionStarted | SessionEnded) -> bool:
    """Whether the same was told before, and waits."""
    key = _order(event)
    return any(_order(held) == key for held in charge_point.state.held)


def _order(event: SessionStarted | SessionEnded) -> tuple[int, bool]:
    return event.session, isinstance(event, SessionEnded)


def succeeded(charge_point: "ChargePoint") -> bool:
    """Whether a newer session than the running one is known, so that the running one is over."""
    held, running = charge_point.state.held, charge_point.running
    return bool(held) and running is not None and held[-1].session > running.session


def hold(charge_point: "ChargePoint", event: SessionStarted | SessionEnded) -> None:
    """Keep what is told of another session than the running one until its turn comes."""
    state, was_succeeded = charge_point.state, succeeded(charge_point)
    state.held = tuple(sorted((*state.held, event), key=_order))
    charge_point.changed()
    if succeeded(charge_point) and not was_succeeded:
        _await_end(charge_point)
    if len(state.held) > HELD_AT_MOST:
        running = charge_point.running
        if running is not None and state.held[0].session > running.session:
            wait_no_longer(charge_point)
        else:
            _take(charge_point, state.held[0])


def _await_end(charge_point: "ChargePoint") -> None:
    """Wait for the end of the running session, from now on if a newer one is known."""
    state, waits = charge_point.state, succeeded(charge_point)
    if waits:
        state.held_until_ms = charge_point.now.utc_ms + round(END_AWAITED_S * 1000)
        charge_point.set_timer(Timer.SESSION_END, END_AWAITED_S)
    else:
        state.held_until_ms = None
        charge_point.cancel_timer(Timer.SESSION_END)
    sampling.schedule(charge_point)  # of a session that is over no samples are taken
    token, state.held_token = state.held_token, None
    if token is not None:
        authorization.held_token(charge_point, token)


def hurry(charge_point: "ChargePoint") -> None:
    """Somebody stands at the reader: wait no longer than a moment for the end of the running session."""
    left_s = charge_point.timers.get(Timer.SESSION_END, 0.0) - charge_point.now.mono
    if left_s > END_HURRIED_S:
        charge_point.state.held_until_ms = charge_point.now.utc_ms + round(END_HURRIED_S * 1000)
        charge_point.set_timer(Timer.SESSION_END, END_HURRIED_S)


def take_held(charge_point: "ChargePoint") -> None:
    """A session has ended: take what waited for it, in the order of the sessions."""
    if not charge_point.state.held:
        return
    while (ready := _ready(charge_point)) is not None:
        _take(charge_point, ready)
    _await_end(charge_point)


def _ready(charge_point: "ChargePoint") -> SessionStarted | SessionEnded | None:
    """Return the first of what waits that concerns the running session, or the first if none is running."""
    running = charge_point.running
    return next(
        (event for event in charge_point.state.held if running is None or event.session == running.session),
        None,
    )


def _take(charge_point: "ChargePoint", event: SessionStarted | SessionEnded) -> None:
    state = charge_point.state
    state.held = tuple(held for held in state.held if held is not event)
    charge_point.changed()
    if isinstance(event, SessionStarted):
        transactions.begin(charge_point, event)
    else:
        transactions.end(charge_point, event)


def wait_no_longer(charge_point: "ChargePoint") -> None:
    """Assume the end of a session whose end did not come: not later than the next one's beginning."""
    running = charge_point.running
    if running is None or not succeeded(charge_point):
        return
    following = next(event for event in charge_point.state.held if event.session > running.session)
    if isinstance(following, SessionStarted):
        at_ms, register_wh = following.at_ms, following.register_wh
    else:
        at_ms, register_wh = following.started_at_ms, following.start_register_wh
    if following.session > running.session + 1:
        # Energy of a session in between, unheard of yet, must not be told twice.
        known = transactions.as_far_as_known(charge_point) or running
        at_ms, register_wh = min(at_ms, known.sampled_ms), known.register_wh
    transactions.assume_end(charge_point, running, at_ms, register_wh)
    take_held(charge_point)
    if charge_point.running is None:
        transactions.is_over(charge_point)


def note_assumed(charge_point: "ChargePoint", session: int, at_ms: int, register_wh: int) -> None:
    """Remember up to where a session is told of whose record has not come yet."""
    assumed = (*charge_point.state.assumed, Told(session, at_ms, register_wh))
    charge_point.state.assumed = assumed[-ASSUMED_AT_MOST:]
    charge_point.changed()


def assumed(charge_point: "ChargePoint", session: int) -> Told | None:
    """Return up to where a session is told of whose end was assumed; None for any other."""
    return next((told for told in charge_point.state.assumed if told.session == session), None)


def record_came(charge_point: "ChargePoint", session: int) -> None:
    """The record of a session is told of in full now: its repeats are repeats."""
    state = charge_point.state
    kept = tuple(told for told in state.assumed if told.session != session)
    if len(kept) < len(state.assumed):
        state.assumed = kept
        charge_point.changed()


def resume(charge_point: "ChargePoint") -> None:
    """After a restart: wait on for the end of the running session."""
    until_ms = charge_point.state.held_until_ms
    if until_ms is not None:
        charge_point.set_timer_until(Timer.SESSION_END, until_ms, END_AWAITED_S)
