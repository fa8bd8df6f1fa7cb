"""Sessions whose end records never came, put together from what else the cloud shows of them. Pure.

Two kinds: the sessions of a `Gap`, which others surround, and the newest session, whose car has gone. Of all
sources only those count that show the register behind a session: no Wh is lost or reported twice.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from chargebridge.chargers.easee.twin import register
from chargebridge.chargers.easee.twin.charging_sessions import mark_reported, reported_end
from chargebridge.chargers.easee.twin.measurements import number_of
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import ENDS_REMEMBERED, Gap, Running, TwinRecord
from chargebridge.chargers.easee.twin.ticks import uwh_of_kwh, wh_of_uwh
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import Measured, Quantity, Reading, SessionEnd, SessionEnded

_SAME_TIME_MS: Final = 120_000
"""The most by which the times of the list and those of the charger differ for the same edge. Inferred."""
_ROUNDED_MS: Final = 1000
_SLACK_WH: Final = 50
"""The most by which a listed energy exceeds the charger's register, by its rounding."""


class ListedSession(NamedTuple):
    """A session of the cloud's own list."""

    started_ms: int
    ended_ms: int
    energy_uwh: int
    id: int | None = None
    """The list's own id, which may be the charger's number of the session, or not."""
    tag: str | None = None
    """The token; None if the cloud does not show one."""


class RegisterReading(NamedTuple):
    """A value of the register from the cloud's history."""

    at_ms: int
    register_wh: int


# --- sessions that others surround ------------------------------------------------------------------


def known_gap(record: TwinRecord, session: int) -> Gap | None:
    """Return the gap in which a session is missing; None: in none."""
    return next((gap for gap in record.gaps if gap.after_id < session < gap.before_id), None)


def sessions_within(gap: Gap, listed: Sequence[ListedSession]) -> list[ListedSession]:
    """Return the listed sessions that may be those of a gap, the oldest first.

    The list goes by when the car was there. So one that was there before the gap may be of the session before
    it, or have waited for the first one of the gap: the energy of the gap decides.
    """
    overlapping = [one for one in listed if one.started_ms < gap.to_ms and one.ended_ms > gap.from_ms]
    overlapping.sort(key=lambda one: one[:3])
    inside = [one for one in overlapping if one.started_ms >= gap.from_ms - _ROUNDED_MS]
    return min(overlapping, inside, key=lambda ones: abs(_lacking_wh(gap, ones)))


def accounts_for(gap: Gap, listed: Sequence[ListedSession]) -> bool:
    """Whether the list shows all of a gap's energy: if not, registers of the time in between help."""
    within = sessions_within(gap, listed)
    return abs(_lacking_wh(gap, within)) <= len(within)


def _lacking_wh(gap: Gap, within: Sequence[ListedSession]) -> int:
    return gap.to_wh - gap.from_wh - wh_of_uwh(sum(one.energy_uwh for one in within))


def is_certain(gap: Gap, listed: Sequence[ListedSession]) -> bool:
    """Whether late records of a gap could show nothing that is not known without them.

    That is: its only session is one whose start was reported, or the list has all of its energy and tokens.
    """
    if gap.begun and gap.before_id == gap.after_id + 2:
        return True
    within = [one for one in sessions_within(gap, listed) if one.energy_uwh]
    tags = [one.tag for one in (within[1:] if gap.begun and gap.tag is not None else within)]
    return bool(within) and None not in tags and accounts_for(gap, listed)


def rebuild(
    record: TwinRecord,
    gap: Gap,
    listed: Sequence[ListedSession],
    missed_tag: str,
    registers: Sequence[RegisterReading] = (),
) -> list[SessionEnded]:
    """Return the missed sessions of a gap, from the cloud's list and the register; their Wh are exact.

    Args:
        record: the state of the charger; the gap is removed from it.
        gap: the gap.
        listed: the cloud's sessions of that time, in any order; it may be empty.
        missed_tag: the idTag of sessions whose token is unknown.
        registers: values of the register from that time, in any order; they decide between two sessions.
    """
    record.gaps = [one for one in record.gaps if one != gap]
    numbered = _numbered(gap, sessions_within(gap, listed), record.ids_from)
    exact = accounts_for(gap, [one for _, one in numbered])
    reported: list[SessionEnded] = []
    at_wh, at_ms = gap.from_wh, gap.from_ms
    for place, (session, one) in enumerate(numbered, 1):
        start_ms = min(max(one.started_ms, at_ms), gap.to_ms)
        stop_ms = min(max(one.ended_ms, start_ms), gap.to_ms)
        # The last one takes the energy that the list lacks, so that no Wh is lost or reported twice.
        stop_wh = min(at_wh + wh_of_uwh(one.energy_uwh), gap.to_wh)
        if place == len(numbered):
            stop_wh = gap.to_wh
        elif not exact:
            stop_wh = _register_between(registers, one, numbered[place][1], at_wh, gap) or stop_wh
        begun = gap.begun and session == gap.after_id + 1
        if stop_wh > at_wh or begun:
            end = SessionEnded(
                at_ms=stop_ms,
                session=session,
                id_tag=_tag(gap, session, one) or missed_tag,
                started_at_ms=start_ms,
                start_register_wh=at_wh,
                register_wh=stop_wh,
                reason=SessionEnd.OTHER,
                rebuilt=True,
            )
            reported.append(reported_end(record, end))
        at_wh, at_ms = stop_wh, stop_ms
    for session in range(gap.after_id + 1, gap.before_id)[-ENDS_REMEMBERED:]:
        # A late record of any of them is a repeat, whichever session it was merged into.
        mark_reported(record, session)
    return reported


def _tag(gap: Gap, session: int, one: ListedSession) -> str | None:
    """Return the token of a session of a gap; None: it is unknown.

    A token that was only scanned, as far as is known, is that of a session which began then.
    """
    if gap.tag is None or session != gap.after_id + 1:
        return one.tag
    if gap.begun:
        return gap.tag
    return one.tag or (gap.tag if one.started_ms <= gap.from_ms + _SAME_TIME_MS else None)


def _numbered(gap: Gap, within: list[ListedSession], ids_from: int) -> list[tuple[int, ListedSession]]:
    """Return the listed sessions of a gap with their numbers; one for all of it if none is listed.

    A session without energy has a number, too: it must not lend it to the next one.
    """
    numbers = range(gap.after_id + 1, gap.before_id)
    if gap.begun and not (within and within[0].started_ms <= gap.from_ms + _SAME_TIME_MS):
        within = [_unlisted(gap, within), *within]
    hinted = [one.id + ids_from if one.id is not None else 0 for one in within]
    if hinted and hinted == sorted(set(hinted)) and all(number in numbers for number in hinted):
        numbered = list(zip(hinted, within, strict=True))
    elif len(within) == len(numbers):
        numbered = list(zip(numbers, within, strict=True))
    else:
        used = [
            one
            for place, one in enumerate(within)
            if one.energy_uwh or (gap.begun and place == 0)  # its number is known
        ]
        numbered = list(zip(numbers, used, strict=False))
    if gap.begun and numbered and numbered[0][0] != numbers[0]:
        numbered = list(zip(numbers, within, strict=False))
    return [
        (number, one) for number, one in numbered if one.energy_uwh or (gap.begun and number == numbers[0])
    ] or [(numbers[0], ListedSession(gap.from_ms, gap.to_ms, (gap.to_wh - gap.from_wh) * 1_000_000))]


def _unlisted(gap: Gap, others: list[ListedSession]) -> ListedSession:
    """Return the session whose start was reported and that is not in the list: the rest of the energy."""
    rest_uwh = (gap.to_wh - gap.from_wh) * 1_000_000 - sum(one.energy_uwh for one in others)
    until_ms = others[0].started_ms if others else gap.to_ms
    return ListedSession(gap.from_ms, until_ms, max(rest_uwh, 0), tag=gap.tag)


def _register_between(
    registers: Sequence[RegisterReading], one: ListedSession, following: ListedSession, at_wh: int, gap: Gap
) -> int | None:
    """Return the register while no car charged between two sessions; None: it was not read then."""
    values = [
        reading.register_wh
        for reading in registers
        if one.ended_ms <= reading.at_ms <= following.started_ms and at_wh <= reading.register_wh <= gap.to_wh
    ]
    return max(values, default=None)


# --- the newest session, whose car has gone ---------------------------------------------------------


def car_has_gone(twin: Twin) -> Running | None:
    """Return the session whose car has gone while no end record of it came; None: there is none."""
    running = twin.record.running
    return running if running is not None and twin.running is None else None


def shows_the_end(twin: Twin, read: Sequence[Update]) -> bool:
    """Whether the register behind the session whose car has gone was read, so that no list is needed."""
    running = car_has_gone(twin)
    return running is not None and _final_register(twin, running, read) is not None


def end_unrecorded(
    twin: Twin, read: Sequence[Update], listed: Sequence[ListedSession], missed_tag: str
) -> SessionEnded | None:
    """End the session whose car has gone, without its record, if its register at the end is known.

    Args:
        twin: the twin of the charger; its record is changed.
        read: the newest values of the charger.
        listed: the cloud's sessions of that time, in any order; it may be empty.
        missed_tag: the idTag of a session whose token is unknown.

    Returns:
        None: there is no such session, or what is known of its energy may not be all.
    """
    running, record = car_has_gone(twin), twin.record
    if running is None:
        return None
    gone_ms = _gone_ms(twin)
    start_wh, known_wh = wh_of_uwh(running.start_uwh), _known_wh(record, running)
    final_wh = _final_register(twin, running, read)
    one = _listed(twin, running, known_wh, listed)
    listed_wh = None if one is None else wh_of_uwh(running.start_uwh + one.energy_uwh)
    if final_wh is not None and listed_wh is not None and listed_wh > final_wh + _SLACK_WH:
        listed_wh = None  # more than the meter has counted
    registers = [wh for wh in (final_wh, listed_wh) if wh is not None]
    if not registers:
        return None
    stop_wh = max(*registers, known_wh)
    if stop_wh == start_wh and not running.reported:
        return None  # a car that was plugged in and never authorized
    stop_ms = gone_ms if one is None else min(max(one.ended_ms, running.started_ms), gone_ms)
    tag = running.tag or (None if one is None else one.tag)
    if tag is None and twin.authorization_required:
        tag = missed_tag
    ended = SessionEnded(
        at_ms=stop_ms,
        session=running.id,
        id_tag=tag,
        started_at_ms=running.started_ms,
        start_register_wh=start_wh,
        register_wh=stop_wh,
        reason=SessionEnd.DEAUTHORIZED if record.ending == running.id else SessionEnd.EV_DISCONNECTED,
        rebuilt=True,
    )
    energy_uwh = (stop_wh - start_wh) * 1_000_000
    register.end_session(record, running.id, stop_ms, stop_wh, energy_uwh)
    record.running = None
    if record.ending == running.id:
        record.ending = None
    mark_reported(record, running.id)
    twin.unsaved = True
    return reported_end(record, ended)


def best_register(twin: Twin, read: Sequence[Update]) -> Measured | None:
    """Return the highest register that was read of the session whose car has gone, if it is news.

    It may not be all of the session, so it does not end it.
    """
    running, record = car_has_gone(twin), twin.record
    if running is None or not running.reported:
        return None
    known_wh = _known_wh(record, running)
    values = [
        (wh, min(update.at_ms, _gone_ms(twin)))
        for update in read
        if update.id in {Observation.SESSION_ENERGY, Observation.LIFETIME_ENERGY}
        and update.at_ms >= running.started_ms
        and (wh := _plausible_wh(twin, running, update)) is not None
    ]
    register_wh, at_ms = max(values, default=(known_wh, 0))
    if register_wh <= known_wh:
        return None
    record.register_wh, record.register_ms = register_wh, at_ms
    twin.unsaved = True
    reading = Reading(Quantity.ENERGY_WH, register_wh)
    return Measured(at_ms=at_ms, readings=(reading,), session=running.id)


def _gone_ms(twin: Twin) -> int:
    return twin.record.seen[Observation.CHARGER_OP_MODE].at_ms


def _known_wh(record: TwinRecord, running: Running) -> int:
    """Return the highest register that is known of a session."""
    start_wh = wh_of_uwh(running.start_uwh)
    return max(start_wh, record.register_wh) if record.register_ms >= running.started_ms else start_wh


def _final_register(twin: Twin, running: Running, read: Sequence[Update]) -> int | None:
    """Return the register that was measured when no energy flowed any more; None: none was."""
    values = {update.id: update for update in read}
    lifetime, power = values.get(Observation.LIFETIME_ENERGY), values.get(Observation.TOTAL_POWER)
    idle_ms = _gone_ms(twin)
    if power is not None and running.started_ms < power.at_ms < idle_ms and _number(power) == 0:
        idle_ms = power.at_ms  # a charger reports its power whenever that changes
    if lifetime is None or lifetime.at_ms < idle_ms:
        return None
    return _plausible_wh(twin, running, lifetime)


def _plausible_wh(twin: Twin, running: Running, update: Update) -> int | None:
    """Return a register that was read of a session; None if it cannot be its."""
    value, record = _number(update), twin.record
    if value is None:
        return None
    uwh = value
    if update.id == Observation.SESSION_ENERGY:
        if register.is_of_previous_session(record, uwh):
            return None
        uwh += running.start_uwh
    start_wh, wh = wh_of_uwh(running.start_uwh), wh_of_uwh(uwh)
    elapsed_ms = min(update.at_ms, _gone_ms(twin)) - running.started_ms
    return wh if wh >= start_wh and _can_flow(twin, wh - start_wh, elapsed_ms) else None


def _listed(
    twin: Twin, running: Running, known_wh: int, listed: Sequence[ListedSession]
) -> ListedSession | None:
    """Return the entry of a session in the cloud's list: by its time and energy; ids are only a hint."""
    gone_ms, own_id = _gone_ms(twin), running.id - twin.record.ids_from
    start_wh = wh_of_uwh(running.start_uwh)
    candidates = [
        one
        for one in listed
        if one.started_ms < gone_ms
        and running.started_ms < one.ended_ms <= gone_ms + _SAME_TIME_MS
        and wh_of_uwh(running.start_uwh + one.energy_uwh) >= known_wh - 1
        and _can_flow(twin, wh_of_uwh(one.energy_uwh), gone_ms - running.started_ms)
    ]
    candidates.sort(key=lambda one: (one.id != own_id, abs(one.started_ms - running.started_ms)))
    if not candidates or (known_wh == start_wh and not _is_near(candidates[0], running, own_id)):
        return None
    return candidates[0]


def _is_near(one: ListedSession, running: Running, own_id: int) -> bool:
    """Whether an entry is of a session, although nothing is known of that one's energy."""
    return one.id == own_id or one.started_ms >= running.started_ms - _SAME_TIME_MS


def _can_flow(twin: Twin, wh: int, elapsed_ms: int) -> bool:
    info = twin.info
    return register.can_flow(wh, elapsed_ms, info.max_current_a * info.phases)


def _number(update: Update) -> int | None:
    """Return an energy or a power in millionths of its unit; None if it cannot be read."""
    try:
        return uwh_of_kwh(number_of(update.value))
    except ValueError:
        return None
