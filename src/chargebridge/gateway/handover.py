"""The handover of a charger to a charge point, with its history at other charge points."""

from typing import Final, NamedTuple

from chargebridge.chargepoint.records import ReportedSession, ReportedSpan, Transaction
from chargebridge.chargepoint.turn import ChargerAssigned, ChargerReported
from chargebridge.chargers.model import Configure, SessionStarted
from chargebridge.gateway.turns.binding import Binding
from chargebridge.gateway.turns.runtime import Runtime
from chargebridge.store.reader import StoreReader

LATE_DAYS: Final = 31
"""A session may be reported this late, although its charger has come to another charge point since then."""
SESSIONS_READ: Final = 1000
"""Newest sessions of a charger that are read when it comes to another charge point."""


class History(NamedTuple):
    """The history of a charger in the store, at whichever charge points."""

    sessions: tuple[ReportedSpan, ...] = ()
    """Those that transactions report, by number, rising."""
    since_ms: int | None = None
    """UTC; of sessions that ended later than that, all reported ones are among `sessions`."""
    profile_writes: tuple[tuple[int, int], ...] = ()
    """(day since 1970, writes)."""

    def without_older(self) -> "History":
        """Return the history of a charger of which other reported sessions may exist.

        A session that is not listed then counts as reported: rather one too few than one twice.
        """
        return self._replace(since_ms=None)


NO_HISTORY: Final = History()


def read_history(store: StoreReader, charger: str, now_ms: int, keep_days: int) -> History:
    """Read the history of a charger.

    Args:
        store: where it is.
        charger: see `charger_name`.
        now_ms: UTC.
        keep_days: delivered transactions are kept for this long.

    Raises:
        StoreError: the store cannot be read.
    """
    since_ms = now_ms - min(keep_days, LATE_DAYS) * 86_400_000
    sessions = store.reported_sessions(charger, SESSIONS_READ)
    if len(sessions) == SESSIONS_READ:
        since_ms = max(since_ms, sessions[0].end.at_ms)
    # However long ago it was: a plan stays in its memory until another is written.
    profile_writes = store.profile_writes(charger, since_day=0)
    return History(tuple(sessions), since_ms if sessions else None, profile_writes)


def assign_charger(
    runtime: Runtime,
    binding: Binding,
    history: History,
    rest: Transaction | None,
    settings: Configure | None = None,
) -> None:
    """Give a charge point its charger's history: no Wh of it is reported twice, and none is lost.

    Args:
        runtime: runs the turns.
        binding: of the charge point.
        history: of the charger.
        rest: the transaction of the newest session that any charge point reported, if that session runs on:
            the old charge point has ended its transaction at the newest reading, and there this one begins.
        settings: what the old charge point may have set the charger to; see `ChargerAssigned`.
    """
    reported = history.sessions[-1].end if history.sessions else ReportedSession(0, 0, 0)
    if rest is not None:
        edge_ms = rest.register_ms if rest.stopped_ms is None else rest.stopped_ms
        reported = ReportedSession(rest.session, edge_ms, rest.register_wh)
        if rest.stopped_ms is not None:
            rest = None  # its end had waited until the charger was released
    older = tuple(one for one in history.sessions if one.end.session < reported.session)
    assigned = ChargerAssigned(
        reported.session,
        reported.at_ms,
        reported.register_wh,
        history.profile_writes,
        history.since_ms,
        older,
        settings,
    )
    runtime.turn(binding, assigned)
    if rest is not None:
        begun = SessionStarted(
            at_ms=rest.register_ms,
            session=rest.session,
            id_tag=rest.id_tag,
            register_wh=rest.register_wh,
        )
        runtime.turn(binding, ChargerReported(begun))
