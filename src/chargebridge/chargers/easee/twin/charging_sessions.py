"""Sessions from their start records (223) and end records (129), and the rebuilding of missed ones.

Session ids rise for each charger, so a session is recognized by its id in whatever order the records arrive.
If ids are missing between two sessions, and energy was used between them, sessions were missed: this is a
gap. A late record fills it, or after a while the cloud's own list of sessions (`rebuilding`).

A start record that comes with a token at the reader says who wants to charge, not that he may: its start is
reported once the token is authorized, or current flows (`report_start`).
"""

from collections.abc import Callable

import msgspec

from chargebridge.chargers.easee.twin import register, taps
from chargebridge.chargers.easee.twin.records import (
    END_REPORTS_KEPT,
    ENDS_REMEMBERED,
    FOUND_REMEMBERED,
    GAPS_REMEMBERED,
    EndReport,
    Gap,
    Running,
    SessionRecord,
    SessionStart,
    TwinRecord,
)
from chargebridge.chargers.easee.twin.taps import authorized_for, authorized_of, same_token
from chargebridge.chargers.easee.twin.ticks import parse_time, uwh_of_kwh, wh_of_uwh
from chargebridge.chargers.easee.twin.vocabulary import AUTH_REASON_USER
from chargebridge.chargers.model import (
    ChargerEvent,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    TokenPresented,
)

_start_decoder = msgspec.json.Decoder(SessionStart)
_record_decoder = msgspec.json.Decoder(SessionRecord)


# --- records ----------------------------------------------------------------------------------------


def started(
    record: TwinRecord,
    text: str,
    now_ms: int,
    *,
    recorded_ms: int,
    required_at: Callable[[int], bool],
    live: bool = True,
    found: bool = False,
) -> list[ChargerEvent]:
    """Apply the start record of a session; return the events that follow, without its start.

    Args:
        record: the state of the charger; it is changed in place.
        text: the value of observation 223.
        now_ms: UTC, by our clock.
        recorded_ms: the time of the observation.
        required_at: whether a car needed a token to charge at a time, by the charger's clock.
        live: False if it was replayed or read, and so may have happened long ago: it presents no token.
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
    before = running if running is not None and running.id == number else None
    if before is not None and before.reported:
        if live and before.found:
            record.running = msgspec.structs.replace(before, found=False)
            events.append(start_event(record.running))  # it may have been left to somebody else
        return events
    if before is not None and (
        recorded_ms < before.recorded_ms or (before.gone and recorded_ms == before.recorded_ms)
    ):
        return events
    if before is not None and (before.gone or abs(started_ms - before.started_ms) > taps.TAP_MS):
        before = None  # the number of a record that led to nothing serves for another car, too
        taps.forget_earlier(record, number)
    elif before is None and not found:
        _detect_gap(record, number, started_ms, wh_of_uwh(start_uwh), now_ms)
    tag = _tag(start.auth, start.auth_reason)
    by_user = tag is None and bool(start.auth)
    authorized = authorized_for(record, number, started_ms, recorded_ms + taps.AUTHORIZED_MS)
    if by_user and authorized is not None:
        tag = authorized.tag  # that user of Easee's is our remote start
    repeated = _is_same_tap(before, tag) and not (live and before is not None and before.found)
    if before is None or not repeated:
        found = found or (before is not None and before.found and not live)
        if before is None:
            _remember_missed(record, start_uwh)
        record.running = Running(
            number, started_ms, start_uwh, tag, found=found, recorded_ms=recorded_ms, by_user=by_user
        )
        record.shown_uwh = record.doubted_uwh = 0
        if tag is not None and not by_user:
            taps.forget_earlier(record, number)
    else:
        if by_user and tag is None and not before.authorized:
            before = msgspec.structs.replace(before, tag=None, refused=False)  # not by the card before that
        record.running = msgspec.structs.replace(
            before, started_ms=started_ms, start_uwh=start_uwh, recorded_ms=recorded_ms, by_user=by_user
        )
    if tag is None or not required_at(recorded_ms) or (repeated and not by_user):
        return events
    if authorized is not None and same_token(authorized.tag, tag):
        if not by_user:
            taps.note_authorized(record, tag, recorded_ms)
        if by_user or authorized.carried_out:
            let_charge(record, tag)
    elif live and not found and now_ms - recorded_ms <= taps.DECIDED_WITHIN_MS:
        events += _present(record, record.running, tag, recorded_ms)
    return events


def _remember_missed(record: TwinRecord, start_uwh: int) -> None:
    """Remember the energy of the session before the one that begins, if its end record has not come."""
    running, last = record.running, record.ended
    if running is not None:
        register.remember_energies(record, record.shown_uwh, start_uwh - running.start_uwh)
    elif last is not None:
        register.remember_energies(record, start_uwh - last.register_wh * 1_000_000)


def _is_same_tap(before: Running | None, tag: str | None) -> bool:
    """Whether a start record repeats the token of the one before it, or has none."""
    if before is None:
        return False
    return tag is None or (before.tag is not None and same_token(before.tag, tag))


def _present(record: TwinRecord, running: Running, tag: str, at_ms: int) -> list[ChargerEvent]:
    record.running = msgspec.structs.replace(running, tapped_ms=at_ms, refused=False)
    if not taps.is_news(record, tag, at_ms, by_start=True):
        tap = record.tap
        if tap is not None and tap.refused:
            record.running = msgspec.structs.replace(record.running, refused=True)
        return []
    return [TokenPresented(at_ms=at_ms, id_tag=tag)]


def presented(record: TwinRecord, running: Running | None, tag: str, at_ms: int) -> list[ChargerEvent]:
    """Apply a token at the reader (observation 128); return the events that follow.

    Args:
        record: the state of the charger; it is changed in place.
        running: its session, if a car is there.
        tag: the token.
        at_ms: the time of the observation.
    """
    if not taps.is_news(record, tag, at_ms, by_start=False):
        return []
    waits = running if running is not None and not running.reported else None
    if waits is not None and waits.tag and at_ms >= waits.recorded_ms and not same_token(waits.tag, tag):
        # Another card is held to a reader that has not let the first one charge.
        record.running = msgspec.structs.replace(waits, tag=tag, tapped_ms=at_ms, refused=False)
        taps.forget_earlier(record, waits.id)
    return [TokenPresented(at_ms=at_ms, id_tag=tag)]


def car_left(record: TwinRecord, at_ms: int) -> bool:
    """Take note that no car was there; return whether that matters to a session that was not reported."""
    running = record.running
    if running is None or running.reported or running.gone or at_ms <= running.recorded_ms:
        return False
    record.running = msgspec.structs.replace(running, gone=True)
    return True


def let_charge(record: TwinRecord, tag: str) -> None:
    """Take note that a command of ours has authorized a token, which the running session is by."""
    running = record.running
    if running is not None and not running.reported:
        record.running = msgspec.structs.replace(
            running, tag=tag, authorized=True, tapped_ms=None, refused=False
        )


def report_start(record: TwinRecord, *, token_counts: bool = True) -> list[ChargerEvent]:
    """Report the start of the running session.

    Args:
        record: the state of the charger; it is changed in place.
        token_counts: False: the token in its record may be the last one that was used at the charger.
    """
    running = record.running
    if running is None or running.reported:
        return []
    tag = running.tag if token_counts or running.authorized else None
    authorized = authorized_of(record, running)
    if authorized is not None and not running.authorized:
        carried_out = authorized.carried_out and authorized.session == running.id
        came_later = running.refused or carried_out
        tag = authorized.tag if came_later or tag is None else tag
    running = record.running = msgspec.structs.replace(running, reported=True, tag=tag, tapped_ms=None)
    record.authorized = None  # it does not count for the next session
    # The charger's own record counts, even after a stray value above it or a new meter.
    register_wh = wh_of_uwh(running.start_uwh)
    record.register_wh, record.register_ms, record.shown_uwh = register_wh, running.started_ms, 0
    record.doubted_uwh = 0
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
    required_at: Callable[[int], bool],
    trusts_token: bool = False,
    live: bool = True,
    found: bool = False,
) -> list[ChargerEvent]:
    """Apply the end record of a session; arguments and errors as of `started`.

    `trusts_token`: the token in a record counts even where no authorization is required. The end of the
    running session is pending until `settle`: the next observations show its reason.
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
    tag = running.tag if running is not None and running.reported else None
    required = required_at(started_ms)
    held = running if running is not None and not running.reported else None
    own = _tag(end.auth, end.auth_reason)
    if not end.auth and held is not None:
        own = held.tag
    if not (required or trusts_token or (held is not None and held.authorized)):
        own = None  # it may be the last one that was used at the charger
    is_newest = record.ended is None or number > record.ended.id or corrects
    if tag is None and end.auth:
        authorized = authorized_for(record, number, started_ms, stopped_ms)
        if authorized is not None and (own is None or same_token(authorized.tag, own)):
            tag, record.authorized = authorized.tag, None  # its start record has not come, and never may
    was_ours, tag = tag is not None, own if tag is None else tag
    _fill_gap(record, number, started_ms, stopped_ms, start_wh, stop_wh)
    if is_newest:
        if not found and (record.running is None or record.running.id < number):
            _detect_gap(record, number, started_ms, start_wh, now_ms)
        register.end_session(record, number, stopped_ms, stop_wh, stop_uwh - start_uwh)
    else:
        register.remember_energies(record, stop_uwh - start_uwh)
    if record.running is not None and record.running.id <= number:
        record.running = None
    mark_reported(record, number)
    record.found = [one for one in record.found if one != number]
    if found:
        record.found = [*record.found, number][-FOUND_REMEMBERED:]
    if stop_wh == start_wh and required and not was_ours:
        waited = held is not None and not held.authorized and (held.refused or held.tapped_ms is not None)
        refused = own is not None and taps.was_refused(record, own, started_ms, stopped_ms)
        if waited or refused or (tag is None and not end.auth):
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
        after, from_ms, begun = running.id - 1, running.started_ms, running.reported
        tag = None if running.refused or running.gone else running.tag
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
