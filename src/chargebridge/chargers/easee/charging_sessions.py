"""Sessions as Easee tells them: a start record (223), an end record (129), and what was never told.

Ids rise for each charger, so a session is known by its id whatever order its records come in. Where energy
lies between two sessions that are known, and ids are missing there, sessions were missed: that is a gap,
which a late record fills, or after a while the cloud's own list of sessions (`rebuilt`).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from chargebridge.chargers.easee.records import (
    ENDS_REMEMBERED,
    GAPS_REMEMBERED,
    Authorized,
    Ended,
    Gap,
    Running,
    SessionRecord,
    SessionStart,
    TwinRecord,
)
from chargebridge.chargers.easee.ticks import parse_time, uwh_of_kwh, wh_of_uwh
from chargebridge.chargers.easee.vocabulary import AUTH_REASON_USER
from chargebridge.chargers.model import ChargerEvent, SessionEnd, SessionEnded, SessionStarted

AUTHORIZED_MS: Final = 15 * 60_000
"""How long a token that was let charge may be the one that a session without a token began with."""

_start_decoder = msgspec.json.Decoder(SessionStart)
_record_decoder = msgspec.json.Decoder(SessionRecord)


class ListedSession(NamedTuple):
    """A session of the cloud's own list, which knows neither ids of the charger nor tokens."""

    started_ms: int
    ended_ms: int
    energy_wh: int


# --- records ----------------------------------------------------------------------------------------


def started(
    record: TwinRecord, text: str, now_ms: int, *, authorization_required: bool
) -> list[ChargerEvent]:
    """Take the start record of a session.

    Args:
        record: of the charger; it is changed in place.
        text: observation 223.
        now_ms: UTC, by our clock.
        authorization_required: False: a car that is plugged in charges without a token.

    Raises:
        ValueError: it cannot be read (`msgspec.MsgspecError` is one).
    """
    start = _start_decoder.decode(text)
    newest = record.ended.id if record.ended is not None else 0
    running = record.running
    if start.id <= newest or start.id in record.told or (running is not None and start.id < running.id):
        return []  # it is over: its end tells all of it
    events = settle(record)
    started_ms = parse_time(start.start)
    tag = _tag(record, start.auth, start.auth_reason, started_ms)
    if running is None or running.id != start.id:
        start_uwh = uwh_of_kwh(start.meter_value)
        _look_for_gap(record, start.id, started_ms, wh_of_uwh(start_uwh), now_ms)
        running = record.running = Running(start.id, started_ms, start_uwh, tag)
    elif tag is not None and running.tag is None and not running.told:
        running = record.running = msgspec.structs.replace(running, tag=tag)
    if tag is not None or not authorization_required:
        events += tell_start(record)
    return events


def tell_start(record: TwinRecord) -> list[ChargerEvent]:
    """Tell of the running session's start, once it is known that it may charge."""
    running = record.running
    if running is None or running.told or running.started_ms < record.since_ms:
        return []
    tag = running.tag
    if tag is None and _is_fresh(record.authorized, running.started_ms):
        assert record.authorized is not None
        tag = record.authorized.tag
    record.running = msgspec.structs.replace(running, told=True, tag=tag)
    register_wh = wh_of_uwh(running.start_uwh)
    record.register_wh = max(record.register_wh, register_wh)
    return [SessionStarted(at_ms=running.started_ms, session=running.id, id_tag=tag, register_wh=register_wh)]


def ended(record: TwinRecord, text: str, now_ms: int, *, authorization_required: bool) -> list[ChargerEvent]:
    """Take the end record of a session; arguments and errors as those of `started`.

    The end of the session that runs is held until `settle`: what follows shows why it ended.
    """
    end = _record_decoder.decode(text)
    if end.id in record.told or (record.held is not None and record.held.session == end.id):
        return []
    events = settle(record)
    started_ms, stopped_ms = parse_time(end.start), parse_time(end.stop)
    start_uwh, stop_uwh = uwh_of_kwh(end.meter_value_start), uwh_of_kwh(end.meter_value_stop)
    start_wh, stop_wh = wh_of_uwh(start_uwh), wh_of_uwh(stop_uwh)
    running = record.running if record.running is not None and record.running.id == end.id else None
    tag = _tag(record, end.auth, end.auth_reason, started_ms)
    if tag is None and running is not None:
        tag = running.tag
    is_newest = record.ended is None or end.id > record.ended.id
    _fill_gap(record, end.id, started_ms, stopped_ms, start_wh, stop_wh)
    if is_newest:
        if record.running is None or record.running.id < end.id:
            _look_for_gap(record, end.id, started_ms, start_wh, now_ms)
        record.ended = Ended(end.id, stopped_ms, stop_wh, stop_uwh - start_uwh)
        record.register_wh = max(record.register_wh, stop_wh)
    if record.running is not None and record.running.id <= end.id:
        record.running = None
    _note_told(record, end.id)
    unauthorized = authorization_required and not end.auth and not (running is not None and running.told)
    if stopped_ms < record.since_ms or (unauthorized and tag is None and stop_wh == start_wh):
        return events  # before our time, or a car that was plugged in and never let charge
    whole = SessionEnded(
        at_ms=stopped_ms,
        session=end.id,
        id_tag=tag,
        started_at_ms=started_ms,
        start_register_wh=start_wh,
        register_wh=stop_wh,
        reason=SessionEnd.OTHER,
    )
    if record.ending == end.id:
        record.ending = None
        return [*events, msgspec.structs.replace(whole, reason=SessionEnd.DEAUTHORIZED)]
    if running is None or not is_newest:
        return [*events, whole]
    record.held = whole
    return events


def settle(record: TwinRecord, reason: SessionEnd = SessionEnd.OTHER) -> list[ChargerEvent]:
    """Tell of an end that was held, with the reason that has shown."""
    held, record.held = record.held, None
    return [] if held is None else [msgspec.structs.replace(held, reason=reason)]


def _tag(record: TwinRecord, auth: str | None, auth_reason: int | str | None, at_ms: int) -> str | None:
    """Return the token of a session; None: it carries none, or a user of Easee's instead."""
    if auth and str(auth_reason) != str(AUTH_REASON_USER):
        return auth
    if auth and _is_fresh(record.authorized, at_ms):
        assert record.authorized is not None
        return record.authorized.tag  # it was us who had that user let it charge
    return None


def _is_fresh(authorized: Authorized | None, at_ms: int) -> bool:
    return authorized is not None and abs(at_ms - authorized.at_ms) <= AUTHORIZED_MS


def _note_told(record: TwinRecord, session: int) -> None:
    record.told = sorted({*record.told, session})[-ENDS_REMEMBERED:]


# --- what was never told ----------------------------------------------------------------------------


def _look_for_gap(record: TwinRecord, session: int, started_ms: int, start_wh: int, now_ms: int) -> None:
    """See whether the ends of sessions were missed between the newest one that is known and this one."""
    last, running = record.ended, record.running
    if running is not None and running.id < session:
        if running.started_ms >= record.since_ms:
            from_wh = wh_of_uwh(running.start_uwh)
            gap = Gap(
                running.id - 1,
                session,
                running.started_ms,
                started_ms,
                from_wh,
                max(start_wh, from_wh),
                now_ms,
                True,
            )
            record.gaps = [*record.gaps, gap][-GAPS_REMEMBERED:]
    elif (
        last is not None
        and started_ms >= record.since_ms
        and session > last.id + 1
        and start_wh > last.register_wh
    ):
        gap = Gap(last.id, session, last.at_ms, started_ms, last.register_wh, start_wh, now_ms)
        record.gaps = [*record.gaps, gap][-GAPS_REMEMBERED:]


def _fill_gap(
    record: TwinRecord, session: int, started_ms: int, stopped_ms: int, start_wh: int, stop_wh: int
) -> None:
    """A late record has come: what is missing around it is missing still."""
    gaps: list[Gap] = []
    for gap in record.gaps:
        if not gap.after_id < session < gap.before_id:
            gaps.append(gap)
            continue
        noticed_ms = gap.noticed_ms
        before = Gap(
            gap.after_id, session, gap.from_ms, started_ms, gap.from_wh, start_wh, noticed_ms, gap.begun
        )
        after = Gap(session, gap.before_id, stopped_ms, gap.to_ms, stop_wh, gap.to_wh, noticed_ms)
        gaps += [
            one
            for one in (before, after)
            if one.before_id > one.after_id + 1 and (one.to_wh > one.from_wh or one.begun)
        ]
    record.gaps = gaps[-GAPS_REMEMBERED:]


def rebuilt(record: TwinRecord, gap: Gap, listed: Sequence[ListedSession], tag: str) -> list[ChargerEvent]:
    """Tell of missed sessions as well as the cloud's list and the register know them; the Wh match exactly.

    Args:
        record: of the charger; the gap is closed in it.
        gap: what is missing.
        listed: the cloud's sessions of that time, in any order; none of them is needed.
        tag: what these sessions carry, as nobody knows their tokens.
    """
    record.gaps = [one for one in record.gaps if one != gap]
    within = sorted(
        one
        for one in listed
        if one.energy_wh > 0 and one.started_ms < gap.to_ms and one.ended_ms > gap.from_ms
    )
    ids = range(gap.after_id + 1, gap.before_id)
    within = within[: len(ids)] or [ListedSession(gap.from_ms, gap.to_ms, gap.to_wh - gap.from_wh)]
    told: list[ChargerEvent] = []
    at_wh, at_ms = gap.from_wh, gap.from_ms
    for number, (session, one) in enumerate(zip(ids, within, strict=False), 1):
        start_ms = min(max(one.started_ms, at_ms), gap.to_ms)
        stop_ms = min(max(one.ended_ms, start_ms), gap.to_ms)
        # The last one takes what the list does not know of, so that no Wh is lost or told twice.
        stop_wh = gap.to_wh if number == len(within) else min(at_wh + one.energy_wh, gap.to_wh)
        if stop_wh > at_wh or (gap.begun and number == 1):
            told.append(
                SessionEnded(
                    at_ms=stop_ms,
                    session=session,
                    id_tag=tag,
                    started_at_ms=start_ms,
                    start_register_wh=at_wh,
                    register_wh=stop_wh,
                    reason=SessionEnd.OTHER,
                    rebuilt=True,
                )
            )
        _note_told(record, session)
        at_wh, at_ms = stop_wh, stop_ms
    return told
