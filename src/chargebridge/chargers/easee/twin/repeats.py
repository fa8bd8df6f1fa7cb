"""Sessions that are reported again because a charge point has missed them. Pure."""

import msgspec

from chargebridge.chargers.easee.twin.charging_sessions import start_event
from chargebridge.chargers.easee.twin.records import Gap, TwinRecord
from chargebridge.chargers.easee.twin.ticks import wh_of_uwh
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.model import (
    ChargerState,
    ReportSessions,
    SessionEnded,
    SessionStarted,
)

_IN_SESSION = frozenset({ChargerState.CHARGING, ChargerState.READY, ChargerState.AWAITING_START})


def missing_sessions(record: TwinRecord, wanted: ReportSessions, now_ms: int) -> Gap | None:
    """Return the gap between the first wanted session and the first known one; None if nothing is missing.

    Args:
        record: the state of the charger.
        wanted: the command; its register is where the energy of the gap begins.
        now_ms: UTC, by our clock.
    """
    first = wanted.first
    if any(gap.after_id < first < gap.before_id for gap in record.gaps):
        return None  # it is known, and waits for late records (`rebuild_after_s`)
    known = [
        (one.session, one.started_ms, one.start_wh) for one in record.end_reports if one.session >= first
    ]
    running = record.running
    if running is not None and not running.gone and running.id >= first:
        known.append((running.id, running.started_ms, wh_of_uwh(running.start_uwh)))
    if not known:
        return None
    next_id, to_ms, to_wh = min(known)
    if next_id == first or to_wh <= wanted.from_wh:
        return None
    return Gap(first - 1, next_id, min(wanted.from_ms, to_ms), to_ms, wanted.from_wh, to_wh, now_ms)


def reported_edges(record: TwinRecord) -> set[tuple[int, bool]]:
    """Return the sessions whose start (False) or end (True) was reported and can be reported again."""
    edges = {(one.session, True) for one in record.end_reports}
    if record.running is not None and record.running.reported:
        edges.add((record.running.id, False))
    return edges


def sessions_again(twin: Twin, first: int) -> list[SessionEnded | SessionStarted]:
    """Return the known ends of sessions from `first` on, then the start of the one that the charger runs."""
    record = twin.record
    events: list[SessionEnded | SessionStarted] = [
        SessionEnded(
            at_ms=one.ended_ms,
            session=one.session,
            id_tag=one.tag,
            started_at_ms=one.started_ms,
            start_register_wh=one.start_wh,
            register_wh=one.stop_wh,
            reason=one.reason,
            rebuilt=one.rebuilt,
        )
        for one in record.end_reports
        if one.session >= first
    ]
    start = running_start(twin)
    if start is not None and start.session >= first:
        events.append(start)
    return events


def running_start(twin: Twin) -> SessionStarted | None:
    """Return the start of the session that the charger runs, if its state says that a car may charge."""
    running, state = twin.running, twin.state
    if running is None or not running.reported or state is None or state.state not in _IN_SESSION:
        return None
    return start_event(msgspec.structs.replace(running, found=False))
