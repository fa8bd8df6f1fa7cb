"""Sessions from their start records (223) and end records (129), and the rebuilding of missed ones.

Session ids rise for each charger, so a session is recognized by its id in whatever order the records arrive.
If ids are missing between two sessions, and energy was used between them, sessions were missed: this is a
gap. A late record fills it, or after a while the cloud's own list of sessions (`rebuilding`).
"""

from typing import Final

import msgspec

from chargebridge.chargers.easee.twin.records import (
    END_REPORTS_KEPT,
    ENDS_REMEMBERED,
    FOUND_REMEMBERED,
    GAPS_REMEMBERED,
    Authorized,
    Ended,
    EndReport,
    Gap,
    Running,
    SessionRecord,
    SessionStart,
    TwinRecord,
)
from chargebridge.chargers.easee.twin.ticks import parse_time, uwh_of_kwh, wh_of_uwh
from chargebridge.chargers.easee.twin.vocabulary import AUTH_REASON_USER
from chargebridge.chargers.model import ChargerEvent, SessionEnd, SessionEnded, SessionStarted

AUTHORIZED_MS: Final = 15 * 60_000
"""The longest time between an authorization and the start without a token of a session that it counts for."""

_start_decoder = msgspec.json.Decoder(SessionStart)
_record_decoder = msgspec.json.Decoder(SessionRecord)


# --- records ----------------------------------------------------------------------------------------


def started(
    record: TwinRecord,
    text: str,
    now_ms: int,
    *,
    authorization_required: bool,
    live: bool = True,
    found: bool = False,
) -> list[ChargerEvent]:
    """Apply the start record of a session; return the events that follow.

    Args:
        record: the state of the charger; it is changed in place.
        text: the value of observation 223.
        now_ms: UTC, by our clock.
        authorization_required: False: a car that is plugged in charges without a token.
        live: False if it was replayed or read, and so may have happened long ago.
        found: likewise, and nothing was known of the charger before.

    Raises:
        ValueError: it cannot be read (`msgspec.MsgspecError` is one); nothing was changed.
    """
    start = _start_decoder.decode(text)
    started_ms, start_uwh = parse_time(start.start), uwh_of_kwh(start.meter_value)
    number = _number(record, start.id, started_ms)
    newest = record.ended.id if record.ended is not None else 0
    running = record.running
    if number <= newest or number in record.reported or (running is not None and number < running.id):
        return []  # it has ended: its end record contains all of it
    events = settle(record)
    tag = _tag(start.auth, start.auth_reason)
    if tag is None and start.auth and _is_fresh(record.authorized, started_ms):
        assert record.authorized is not None
        tag = record.authorized.tag  # that user of Easee's is our remote start
    if running is None or running.id != number:
        if not found:
            _detect_gap(record, number, started_ms, wh_of_uwh(start_uwh), now_ms)
        running = record.running = Running(number, started_ms, start_uwh, tag, found=found)
    elif live and running.found and running.reported:
        running = record.running = msgspec.structs.replace(running, found=False)
        events.append(start_event(running))  # what was only found may have been left to somebody else
    elif tag is not None and running.tag is None and not running.reported:
        running = record.running = msgspec.structs.replace(running, tag=tag)
    if tag is not None or not authorization_required:
        events += report_start(record)
    return events


def report_start(record: TwinRecord) -> list[ChargerEvent]:
    """Report the start of the running session, as soon as it is authorized."""
    running = record.running
    if running is None or running.reported:
        return []
    tag = running.tag
    if tag is None and _is_fresh(record.authorized, running.started_ms):
        assert record.authorized is not None
        tag = record.authorized.tag
    running = record.running = msgspec.structs.replace(running, reported=True, tag=tag)
    record.authorized = None  # it does not count for the next session
    # The charger's own record counts, even after a stray value above it or a new meter.
    register_wh = wh_of_uwh(running.start_uwh)
    record.register_wh, record.register_ms, record.shown_uwh = register_wh, running.started_ms, 0
    return [start_event(running)]


def start_event(running: Running) -> SessionStarted:
    """Return the event of the start of a session."""
    return SessionStarted(
        at_ms=running.started_ms,
        session=running.id,
        id_tag=running.tag,
        register_wh=wh_of_uwh(running.start_uwh),
        found=running.found,
    )


def ended(
    record: TwinRecord,
    text: str,
    now_ms: int,
    *,
    authorization_required: bool,
    live: bool = True,
    found: bool = False,
) -> list[ChargerEvent]:
    """Apply the end record of a session; arguments and errors as of `started`.

    The end of the running session is pending until `settle`: the next observations show its reason.
    """
    end = _record_decoder.decode(text)
    started_ms, stopped_ms = parse_time(end.start), parse_time(end.stop)
    start_uwh, stop_uwh = uwh_of_kwh(end.meter_value_start), uwh_of_kwh(end.meter_value_stop)
    start_wh, stop_wh = wh_of_uwh(start_uwh), wh_of_uwh(stop_uwh)
    if stop_uwh < start_uwh:
        raise ValueError(f"a session that ends at {stop_wh} Wh and began at {start_wh} Wh")
    number = _number(record, end.id, started_ms)
    if record.pending_end is not None and record.pending_end.session == number:
        return []
    found = found or (not live and number in record.found)
    corrects = _contains_more(record, number, stop_wh)
    if number in record.reported and (found or number not in record.found) and not corrects:
        return []  # else it is news of a session that was only found, and is reported again
    events = settle(record)
    running = record.running if record.running is not None and record.running.id == number else None
    tag = running.tag if running is not None and running.tag is not None else _tag(end.auth, end.auth_reason)
    is_newest = record.ended is None or number > record.ended.id or corrects
    authorized = record.authorized if tag is None and end.auth else None
    if authorized is not None and authorized.at_ms <= started_ms and _is_fresh(authorized, started_ms):
        tag, record.authorized = authorized.tag, None  # its start record has not come, and never may
    _fill_gap(record, number, started_ms, stopped_ms, start_wh, stop_wh)
    if is_newest:
        if not found and (record.running is None or record.running.id < number):
            _detect_gap(record, number, started_ms, start_wh, now_ms)
        record.ended = Ended(number, stopped_ms, stop_wh, stop_uwh - start_uwh, record.shown_uwh)
        record.register_wh, record.register_ms = stop_wh, stopped_ms
    if record.running is not None and record.running.id <= number:
        record.running = None
    mark_reported(record, number)
    record.found = [one for one in record.found if one != number]
    if found:
        record.found = [*record.found, number][-FOUND_REMEMBERED:]
    unauthorized = authorization_required and not end.auth and not (running is not None and running.reported)
    if unauthorized and tag is None and stop_wh == start_wh:
        return events  # a car that was plugged in and never authorized
    whole = SessionEnded(
        at_ms=stopped_ms,
        session=number,
        id_tag=tag,
        started_at_ms=started_ms,
        start_register_wh=start_wh,
        register_wh=stop_wh,
        reason=SessionEnd.OTHER,
        found=found,
    )
    if record.ending == number:
        record.ending = None
        return [*events, reported_end(record, msgspec.structs.replace(whole, reason=SessionEnd.DEAUTHORIZED))]
    if running is None or not is_newest:
        return [*events, reported_end(record, whole)]
    record.pending_end = whole
    return events


def _contains_more(record: TwinRecord, session: int, stop_wh: int) -> bool:
    """Whether a late record has more energy than the end that was made up, and nothing has followed."""
    if record.ended is None or record.ended.id != session or record.running is not None:
        return False
    return any(one.session == session and one.rebuilt and one.stop_wh < stop_wh for one in record.end_reports)


def settle(record: TwinRecord, reason: SessionEnd = SessionEnd.OTHER) -> list[ChargerEvent]:
    """Report the pending end of a session, with its reason."""
    held, record.pending_end = record.pending_end, None
    return [] if held is None else [reported_end(record, msgspec.structs.replace(held, reason=reason))]


def _number(record: TwinRecord, session: int, started_ms: int) -> int:
    """Return the number of a session, which always rises, even if the charger's own ids start again.

    They have started again if a session began after the end of the newest one and has no higher id.
    """
    number, last = session, record.ended
    if started_ms >= record.counts_anew_ms:
        number += record.ids_from
        if last is not None and number <= last.id and started_ms > last.at_ms:
            record.ids_from, record.counts_anew_ms = last.id + 1 - session, started_ms
            number = last.id + 1
    return number


def _tag(auth: str | None, auth_reason: int | str | None) -> str | None:
    """Return the token of a session; None if it has none, or a user of Easee's instead."""
    return auth if auth and str(auth_reason) != str(AUTH_REASON_USER) else None


def _is_fresh(authorized: Authorized | None, at_ms: int) -> bool:
    """Whether the newest authorization counts for a session that began then."""
    if authorized is None or (authorized.until_ms is not None and at_ms > authorized.until_ms):
        return False
    return abs(at_ms - authorized.at_ms) <= AUTHORIZED_MS


def reported_end(record: TwinRecord, end: SessionEnded) -> SessionEnded:
    """Remember an end that is reported, so that it can be reported again."""
    report = EndReport(
        end.session,
        end.started_at_ms,
        end.at_ms,
        end.start_register_wh,
        end.register_wh,
        end.id_tag,
        end.reason,
        end.rebuilt,
    )
    others = [one for one in record.end_reports if one.session != end.session]
    record.end_reports = sorted([*others, report], key=lambda one: one.session)[-END_REPORTS_KEPT:]
    return end


def mark_reported(record: TwinRecord, session: int) -> None:
    """Remember that a session is reported, to recognize its repeats."""
    record.reported = sorted({*record.reported, session})[-ENDS_REMEMBERED:]


# --- missed sessions --------------------------------------------------------------------------------


def _detect_gap(record: TwinRecord, session: int, started_ms: int, start_wh: int, now_ms: int) -> None:
    """Record a gap if sessions were missed between the newest known one and this one."""
    last, running = record.ended, record.running
    if running is not None and running.id < session:
        from_wh = wh_of_uwh(running.start_uwh)
        to_wh = max(start_wh, from_wh)
        after, from_ms, begun, tag = running.id - 1, running.started_ms, running.reported, running.tag
    elif last is not None and session > last.id + 1:
        after, from_ms, from_wh, to_wh = last.id, last.at_ms, last.register_wh, start_wh
        begun, tag = False, None
    else:
        return
    if to_wh > from_wh or begun:
        gap = Gap(after, session, from_ms, started_ms, from_wh, to_wh, now_ms, begun, tag)
        record.gaps = [*record.gaps, gap][-GAPS_REMEMBERED:]


def _fill_gap(
    record: TwinRecord, session: int, started_ms: int, stopped_ms: int, start_wh: int, stop_wh: int
) -> None:
    """Narrow a gap by a late record; the sessions around it are still missing."""
    gaps: list[Gap] = []
    for gap in record.gaps:
        if not gap.after_id < session < gap.before_id:
            gaps.append(gap)
            continue
        noticed_ms = gap.noticed_ms
        before = msgspec.structs.replace(gap, before_id=session, to_ms=started_ms, to_wh=start_wh)
        after = Gap(session, gap.before_id, stopped_ms, gap.to_ms, stop_wh, gap.to_wh, noticed_ms)
        gaps += [
            one
            for one in (before, after)
            if one.before_id > one.after_id + 1 and (one.to_wh > one.from_wh or one.begun)
        ]
    record.gaps = gaps[-GAPS_REMEMBERED:]
