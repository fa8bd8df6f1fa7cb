"""A charger goes to and fro between charge points while sessions wait, come late, or are told again."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargepoint.records import ReportedSession, ReportedSpan
from chargebridge.chargepoint.turn import ChargerAssigned, ChargerReleased, ChargerReported
from chargebridge.chargers.model import Measured, Quantity, Reading, SessionEnd, SessionEnded, SessionStarted

pytestmark = pytest.mark.unit

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z, when a bench begins
MINUTE_MS = 60_000
HORIZON_MS = T0_MS - MINUTE_MS


def edges(session):
    """When and where a session began and ended, and what was measured in between."""
    started_ms = T0_MS + session * 10 * MINUTE_MS
    return started_ms, 1000 + session * 100, started_ms + 8 * MINUTE_MS, 1100 + session * 100


def started(session):
    at_ms, register_wh, _, _ = edges(session)
    return SessionStarted(at_ms=at_ms, session=session, id_tag=f"TAG{session}", register_wh=register_wh)


def measured(session):
    at_ms, register_wh, _, _ = edges(session)
    readings = (Reading(Quantity.ENERGY_WH, register_wh + 40),)
    return Measured(at_ms=at_ms + MINUTE_MS, readings=readings, session=session)


def ended(session):
    started_ms, start_wh, at_ms, stop_wh = edges(session)
    return SessionEnded(
        at_ms=at_ms,
        session=session,
        id_tag=f"TAG{session}",
        started_at_ms=started_ms,
        start_register_wh=start_wh,
        register_wh=stop_wh,
        reason=SessionEnd.EV_DISCONNECTED,
    )


class Installation:
    """Charge points of one installation, and the charger that one of them has."""

    def __init__(self, new_bench, presets):
        self.benches = [new_bench(preset).ready() for preset in presets]
        for bench in self.benches:
            bench.utc_ms = T0_MS + 1000 * MINUTE_MS
        self.at = self.benches[0]

    @property
    def transactions(self):
        return [one for bench in self.benches for one in bench.store.transactions.values()]

    def tell(self, event):
        self.at.tell(event)
        self.at.settle()

    def restart(self):
        self.at.restart()
        self.at.boot()

    def move(self, place):
        """What a reload does."""
        self.at.turn(ChargerReleased())
        self.at.settle()
        rest = self.at.cp.abandoned
        self.at = self.benches[place]
        over = rest is None or rest.stopped_ms is not None
        history = self.told()
        told = history[-1].end if history else ReportedSession(0, 0, 0)
        if rest is not None:
            edge_ms = rest.stopped_ms if over else rest.sampled_ms
            told = ReportedSession(rest.session, edge_ms, rest.register_wh)
        older = tuple(one for one in history if one.end.session < told.session)
        self.at.turn(ChargerAssigned(told.session, told.at_ms, told.register_wh, (), HORIZON_MS, older))
        if not over:
            self.at.turn(
                ChargerReported(
                    SessionStarted(
                        at_ms=rest.sampled_ms,
                        session=rest.session,
                        id_tag=rest.id_tag,
                        register_wh=rest.register_wh,
                    )
                )
            )
        self.at.settle()

    def told(self):
        numbers = sorted({one.session for one in self.transactions})
        found = []
        for number in numbers:
            parts = [one for one in self.transactions if one.session == number]
            end_ms = max(one.stopped_ms or one.sampled_ms for one in parts)
            told = ReportedSession(number, end_ms, max(one.register_wh for one in parts))
            found.append(ReportedSpan(min(one.meter_start_wh for one in parts), told))
        return tuple(found)

    def account(self):
        """Return the stretches of energy that were told of each session, those of nothing left out."""
        told = {}
        for one in sorted(self.transactions, key=lambda one: one.meter_start_wh):
            if one.meter_stop_wh > one.meter_start_wh:
                told.setdefault(one.session, []).append((one.meter_start_wh, one.meter_stop_wh))
        return told


@pytest.mark.simulation
@given(st.data())
def test_every_wh_is_told_once_wherever_the_charger_was(new_bench, data):
    sessions = range(1, data.draw(st.integers(1, 6), "sessions") + 1)
    kinds = (started, measured, ended)
    steps = [("tell", kind(session)) for session in sessions for kind in kinds]
    extras = st.one_of(
        st.sampled_from(steps),
        st.tuples(st.just("move"), st.integers(0, 2)),
        st.tuples(st.just("pass"), st.sampled_from([1, 600, 3600])),
        st.just(("restart", None)),
    )
    steps += data.draw(st.lists(extras, max_size=14), "extras")
    here = Installation(new_bench, data.draw(st.permutations(["easee", "ocpp16", "easee-1.8"]), "presets"))
    for what, argument in data.draw(st.permutations(steps), "order"):
        match what:
            case "tell":
                here.tell(argument)
            case "move":
                here.move(argument)
            case "pass":
                here.at.live(argument)
            case "restart":
                here.restart()
    # What is told in the end is told by a driver that owes it: each record once more.
    for session in sessions:
        here.tell(ended(session))
    here.at.live(2 * 3600)
    for session in sessions:
        here.tell(ended(session))
    account = here.account()
    for session in sessions:
        _, start_wh, _, stop_wh = edges(session)
        told = account[session]
        assert (told[0][0], told[-1][1]) == (start_wh, stop_wh), told
        assert all(one[1] == next_one[0] for one, next_one in pairwise(told)), told
    for bench in here.benches:
        assert (bench.cp.running, bench.cp.state.waiting_events, bench.store.queue) == (None, (), {})
