"""Sessions that are told late, several at once, out of order, repeated: each becomes one transaction."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chargebridge.chargepoint.charger.reported_sessions import RUNS_AT_MOST, RUNS_REMEMBERED
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import ReportedSession, ReportedSpan
from chargebridge.chargepoint.transactions.sessions import WAITING_AT_MOST
from chargebridge.chargepoint.turn import ChargerAssigned, ChargerReleased, Notice, NoticeKind, SendFrame
from chargebridge.chargers.model import (
    Authorize,
    ChargerState,
    EndSession,
    Measured,
    Outcome,
    Quantity,
    Reading,
    ReportSessions,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.clock import format_utc
from tests.seeds import seeds

pytestmark = pytest.mark.unit

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z, when a bench begins
MINUTE_MS = 60_000
S = ChargerState


def edges(session):
    """When and where the charger's session of this number began and ended: eight minutes of every ten."""
    started_ms = T0_MS + session * 10 * MINUTE_MS
    return started_ms, 1000 + session * 100, started_ms + 8 * MINUTE_MS, 1090 + session * 100


def started(session):
    started_ms, start_wh, _, _ = edges(session)
    return SessionStarted(at_ms=started_ms, session=session, id_tag=f"TAG{session}", register_wh=start_wh)


def ended(session, reason=SessionEnd.EV_DISCONNECTED):
    started_ms, start_wh, at_ms, stop_wh = edges(session)
    return SessionEnded(
        at_ms=at_ms,
        session=session,
        id_tag=f"TAG{session}",
        started_at_ms=started_ms,
        start_register_wh=start_wh,
        register_wh=stop_wh,
        reason=reason,
    )


def lately(session):
    """A session as a store tells of it; of a number, as it was told whole."""
    if isinstance(session, ReportedSpan):
        return session
    _, start_wh, stopped_ms, stop_wh = edges(session)
    return ReportedSpan(start_wh, ReportedSession(session, stopped_ms, stop_wh))


def hundredth(number):
    """A session that begins at the register where the one before has ended; numbers are hundreds."""
    started_ms = T0_MS + number * MINUTE_MS
    return structs.replace(
        ended(100 * number),
        at_ms=started_ms + 30_000,
        started_at_ms=started_ms,
        start_register_wh=1000 + number * 10,
        register_wh=1010 + number * 10,
    )


def start_of(event):
    return SessionStarted(
        at_ms=event.started_at_ms,
        session=event.session,
        id_tag=event.id_tag,
        register_wh=event.start_register_wh,
    )


def energy(session, at_ms, register_wh):
    return Measured(at_ms=at_ms, readings=(Reading(Quantity.ENERGY_WH, register_wh),), session=session)


def begun(session):
    started_ms, start_wh, _, _ = edges(session)
    return f"TAG{session}", format_utc(started_ms), start_wh


def whole(session, reason="EVDisconnected"):
    _, _, stopped_ms, stop_wh = edges(session)
    return *begun(session), format_utc(stopped_ms), stop_wh, reason


def account(bench):
    """Return the transactions as told so far, and see that none begins before the last one has ended."""
    transactions = []
    for output in bench.outputs:
        frame = json.loads(output.data) if isinstance(output, SendFrame) else [0]
        if frame[0] == 2 and frame[2] == "StartTransaction":
            assert not transactions or len(transactions[-1]) == 6, "one transaction at a time (TX-8)"
            transactions.append((frame[3]["idTag"], frame[3]["timestamp"], frame[3]["meterStart"]))
        elif frame[0] == 2 and frame[2] == "StopTransaction":
            assert len(transactions[-1]) == 3, "Start before Stop"
            transactions[-1] += (frame[3]["timestamp"], frame[3]["meterStop"], frame[3]["reason"])
    return transactions


def tell(bench, *events):
    for event in events:
        bench.tell(event)
        bench.settle()
    return account(bench)


@pytest.fixture
def away(new_bench):
    """The charger has lived through 1000 minutes of which nobody has been told."""
    bench = new_bench("easee").ready()
    bench.utc_ms = T0_MS + 1000 * MINUTE_MS
    return bench


class TestBeforeTheEndOfTheRunningOne:
    @pytest.mark.parametrize("newer", [started(2), ended(2)], ids=["started", "ended"])
    def test_tx_8_the_running_one_ends_with_its_own_end(self, away, newer):
        assert tell(away, started(1), newer) == [begun(1)]
        (first, second) = tell(away, ended(1, SessionEnd.POWER_LOSS))
        assert first == whole(1, "PowerLoss")
        assert second == (begun(2) if newer == started(2) else whole(2))

    def test_tx_8_so_it_does_after_a_restart(self, away):
        tell(away, started(1), started(2))
        away.restart()
        away.boot()
        assert tell(away, started(2), ended(1), ended(2)) == [whole(1), whole(2)]

    def test_where_no_end_comes_it_ends_where_the_next_one_begins(self, away):
        tell(away, started(1), started(2))
        away.live(299)
        assert account(away) == [begun(1)]
        away.live(1)
        start_ms, register_wh, _, _ = edges(2)
        assert account(away) == [(*begun(1), format_utc(start_ms), register_wh, "Other"), begun(2)]
        assert tell(away, ended(1), ended(2))[1:] == [whole(2)]

    def test_the_wait_goes_on_over_a_restart(self, away):
        tell(away, started(1), ended(2))
        away.wait(200)
        away.restart()
        away.boot()
        away.live(99)
        assert account(away) == [begun(1)]
        away.live(1)
        assert account(away)[1:] == [whole(2)]

    def test_where_sessions_may_be_missing_in_between_it_ends_as_far_as_known(self, away):
        start_ms, start_wh, _, _ = edges(1)
        tell(away, started(1))
        away.tell(energy(1, start_ms + MINUTE_MS, start_wh + 30))
        tell(away, started(3))
        away.live(300)
        known = format_utc(start_ms + MINUTE_MS), start_wh + 30, "Other"
        assert account(away) == [(*begun(1), *known), begun(3)]

    @pytest.mark.parametrize("restart", [False, True], ids=["", "with a restart"])
    def test_what_its_record_tells_more_in_the_end_is_a_transaction_of_its_own(self, away, restart):
        start_ms, start_wh, stopped_ms, stop_wh = edges(1)
        tell(away, started(1))
        away.tell(energy(1, start_ms + MINUTE_MS, start_wh + 30))
        tell(away, started(3))
        away.live(300)
        if restart:
            away.restart()
            away.boot()
        known = format_utc(start_ms + MINUTE_MS), start_wh + 30
        rest = ("TAG1", *known, format_utc(stopped_ms), stop_wh, "EVDisconnected")
        told = [(*begun(1), *known, "Other"), whole(3), rest, whole(2)]
        assert tell(away, ended(2), ended(1), ended(1), ended(3)) == told
        assert tell(away, ended(1), ended(2), ended(3)) == told

    def test_an_end_that_was_assumed_is_said_in_the_log(self, away):
        tell(away, started(1), started(2))
        away.live(300)
        notices = [output for output in away.outputs if isinstance(output, Notice)]
        assert [n.detail for n in notices if n.kind is NoticeKind.END_ASSUMED] == ["session 1 at 1200 Wh"]

    def test_each_of_several_is_waited_for(self, away):
        tell(away, started(1), started(3), started(2))
        away.live(250)
        assert tell(away, ended(1)) == [whole(1), begun(2)]
        away.live(250)
        assert tell(away, ended(2)) == [whole(1), whole(2), begun(3)]
        assert Timer.SESSION_END not in away.cp.timers
        assert away.cp.state.ending is None

    @pytest.mark.parametrize("restart", [False, True], ids=["", "with a restart"])
    def test_az_2_who_stands_at_the_reader_waits_for_a_moment(self, away, restart):
        tell(away, started(1), started(2))
        away.token("TAG2")
        assert away.asked(EndSession) == []
        if restart:
            away.restart()
            away.boot()
        away.live(5)
        assert [command.session for command in away.asked(EndSession)] == [2]

    def test_az_2_or_not_even_that_if_the_end_comes(self, away):
        tell(away, started(1), started(2))
        away.token("TAG2")
        assert tell(away, ended(1)) == [whole(1), begun(2)]
        assert [command.session for command in away.asked(EndSession)] == [2]

    def test_az_2_whose_session_is_over_by_then_has_nothing_to_end(self, away):
        away.utc_ms = edges(2)[2]
        tell(away, started(1), started(2))
        away.token("TAG2")
        away.utc_ms += 1
        tell(away, structs.replace(ended(2), at_ms=away.utc_ms), ended(1))
        assert away.asked(Authorize, EndSession) == []

    @pytest.mark.parametrize(
        "call", [("Reset", {"type": "Soft"}), ("UnlockConnector", {"connectorId": 1})], ids=lambda c: c[0]
    )
    def test_who_ends_whatever_runs_does_not_wait(self, away, call):
        tell(away, started(1), started(2))
        away.ask(*call)
        assert [command.session for command in away.asked(EndSession)] == [2]

    def test_a_remote_stop_of_the_one_that_is_over_does_not_end_the_next(self, away):
        tell(away, started(1), started(2))
        away.ask("RemoteStopTransaction", {"transactionId": 7})
        assert [command.session for command in away.asked(EndSession)] == [1]
        tell(away, ended(1))
        assert away.asked(EndSession) == []

    def test_av_1_what_was_scheduled_waits_for_the_last_of_them(self, away):
        tell(away, started(1), started(2))
        change = {"connectorId": 1, "type": "Inoperative"}
        assert away.ask("ChangeAvailability", change) == {"status": "Scheduled"}
        tell(away, ended(1))
        assert away.cp.state.connector_operative
        tell(away, ended(2))
        assert not away.cp.state.connector_operative


class TestWhileTheDriverReports:
    """The driver was asked, and reports by number: what lies in between is on its way."""

    @pytest.fixture
    def asked(self, away):
        tell(away, started(1), ended(4))
        away.live(30)
        (command,) = away.asked(ReportSessions)
        assert tell(away, ended(1)) == [begun(1)]
        return command

    @pytest.mark.parametrize("restart", [False, True], ids=["", "with a restart"])
    def test_the_end_of_the_running_one_waits_for_those_in_between(self, away, asked, restart):
        if restart:
            away.restart()
            away.boot()
        assert tell(away, ended(2), ended(3), ended(1), ended(4)) == [begun(1)]
        away.done(asked)
        away.settle()
        assert account(away) == [whole(1), whole(2), whole(3), whole(4)]

    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_whatever_the_outcome_it_waits_no_longer(self, away, asked, outcome):
        away.done(asked, outcome)
        away.settle()
        assert account(away) == [whole(1), whole(4)]

    def test_without_an_outcome_its_record_counts_when_the_wait_is_over(self, away, asked):
        away.live(300)
        assert tell(away, ended(2)) == [whole(1), whole(4), whole(2)]

    def test_the_very_next_one_waits_for_none(self, away):
        tell(away, started(1), ended(2))
        away.live(30)
        assert len(away.asked(ReportSessions)) == 1
        assert tell(away, ended(1)) == [whole(1), whole(2)]


class TestValuesOfOneThatWaits:
    def test_as_they_come_they_are_in_no_wrong_transaction(self, away):
        tell(away, started(1), started(2))
        values = (Reading(Quantity.ENERGY_WH, 1250), Reading(Quantity.POWER_W, 3680.0))
        away.said()
        tell(away, Measured(at_ms=edges(2)[0] + 1000, readings=values, session=2))
        assert away.said() == []
        assert tell(away, ended(1)) == [whole(1), begun(2)]

    def test_at_intervals_no_more_samples_are_taken_of_the_one_before(self, new_bench):
        bench = new_bench().ready().charging()
        bench.measure(Reading(Quantity.ENERGY_WH, 1050), Reading(Quantity.POWER_W, 1000.0))
        bench.live(30)
        first = bench._session
        bench.begin(session=2, register_wh=1100)
        bench.measure(Reading(Quantity.ENERGY_WH, 1150), Reading(Quantity.POWER_W, 2000.0), session=2)
        assert [action for action, _ in bench.live(120) if action == "MeterValues"] == []
        bench.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
        (triggered,) = [payload for action, payload in bench.serve() if action == "MeterValues"]
        values = [sample["value"] for sample in triggered["meterValue"][0]["sampledValue"]]
        assert values == ["1050"]
        bench._session = first
        bench.end(1100)
        bench.serve()
        bench.measure(Reading(Quantity.ENERGY_WH, 1200), Reading(Quantity.POWER_W, 2000.0), session=2)
        (sample,) = [payload for action, payload in bench.serve() if action == "MeterValues"]
        assert sample["meterValue"][0]["sampledValue"][0]["value"] == "1200"
        bench.wait(1)
        bench.measure(Reading(Quantity.ENERGY_WH, 1201), session=2)
        assert "MeterValues" in [action for action, _ in bench.live(60)]


class TestOlderThanTheRunningOne:
    def test_tx_8_it_is_told_when_the_running_one_has_ended(self, away):
        assert tell(away, started(5), ended(3), ended(2)) == [begun(5)]
        assert tell(away, ended(5)) == [whole(5), whole(2), whole(3)]

    def test_it_waits_for_days_and_through_restarts(self, away):
        tell(away, started(5), ended(3))
        away.live(3 * 86_400)
        away.restart()
        away.boot()
        assert account(away) == [begun(5)]
        assert tell(away, ended(3), ended(5), ended(3)) == [whole(5), whole(3)]

    def test_its_start_alone_starts_nothing(self, away):
        tell(away, started(5), started(3), ended(5), started(4))
        assert account(away) == [whole(5)]
        assert tell(away, ended(3), started(3), ended(4)) == [whole(5), whole(3), whole(4)]

    def test_the_register_of_the_charger_does_not_run_backwards(self, away):
        tell(away, started(5), ended(3), ended(5))
        assert away.cp.state.register_wh == edges(5)[3]
        tell(away, ended(2))
        assert away.cp.state.register_wh == edges(5)[3]

    def test_above_the_bound_the_oldest_is_told_at_once(self, away):
        for session in range(1, WAITING_AT_MOST + 3):
            away.tell(started(90)) if session == 1 else None
            away.tell(ended(session))
        assert len(away.cp.state.waiting_events) == WAITING_AT_MOST
        away.tell(ended(90))
        away.settle()
        stops = [transaction.session for _, transaction in sorted(away.store.transactions.items())]
        assert stops == [90, *range(1, WAITING_AT_MOST + 3)]
        assert away.store.transactions[2].stopped_ms == edges(1)[2]

    def test_above_the_bound_the_end_of_the_running_one_is_not_awaited(self, away):
        away.tell(started(1))
        for session in range(2, WAITING_AT_MOST + 3):
            away.tell(ended(session))
        away.settle()
        assert account(away)[1:] == [whole(session) for session in range(2, WAITING_AT_MOST + 3)]


class TestRemembering:
    def test_of_several_dozen_in_any_order_none_is_lost_or_doubled(self, away):
        numbers = [number * 37 % 61 for number in range(1, 61)]
        for number in numbers:
            tell(away, ended(number))
        away.restart()
        away.boot()
        for number in numbers:
            tell(away, started(number), ended(number))
        assert account(away) == [whole(number) for number in numbers]

    @pytest.mark.simulation
    @pytest.mark.parametrize("apart", [1, 7], ids=["numbered in a row", "with gaps"])
    def test_nor_of_a_long_history_told_from_its_end_to_its_beginning(self, away, apart):
        history = [ended(number * apart) for number in range(200, 0, -1)]
        for event in (*history, *history, *reversed(history)):
            away.utc_ms = max(away.utc_ms, event.at_ms)
            tell(away, event)
        assert len(account(away)) == 200

    def test_a_late_one_does_not_let_a_newer_one_be_forgotten(self, away):
        tell(away, ended(50))
        for number in range(1, 40):
            tell(away, ended(number))
        tell(away, started(50), ended(50))
        assert len(account(away)) == 40

    def test_what_is_remembered_is_bounded(self, away):
        for number in range(2, 2 * RUNS_AT_MOST + 10, 2):
            away.utc_ms = max(away.utc_ms, edges(number)[2])
            away.tell(ended(number))
            away.settle()
        assert len(away.cp.state.reported_sessions) == RUNS_AT_MOST
        assert away.cp.state.reported_sessions[0].first == 2

    def test_where_numbers_have_gaps_registers_show_that_nothing_is_missing(self, away):
        history = [hundredth(number) for number in range(1, 301)]
        missing = history.pop(40)
        for event in history:
            away.tell(event)
            away.settle()
        assert len(away.cp.state.reported_sessions) == RUNS_REMEMBERED
        for event in (missing, *history):
            away.tell(event)
            away.settle()
        assert len(account(away)) == 300

    def test_the_record_of_each_session_whose_end_was_assumed_tells_the_rest_of_it(self, away):
        numbers = range(2, 82, 2)
        for number in numbers:
            away.tell(started(number))
            away.live(300)
        tell(away, *map(ended, numbers), *map(ended, numbers))
        rests = [(one.session, one.meter_stop_wh) for one in away.store.transactions.values()]
        assert sorted(dict(rests).items()) == [(number, edges(number)[3]) for number in numbers]
        assert len(rests) == 2 * len(numbers) - 1

    @pytest.mark.simulation
    @pytest.mark.parametrize("gap", [1, 100])
    @pytest.mark.parametrize("seed", seeds(4, 1))
    def test_hundreds_of_starts_and_ends_in_any_order_lose_and_double_no_energy(self, new_bench, gap, seed):
        dice, bench = Random(seed), new_bench("ocpp16").ready()
        bench.utc_ms = T0_MS + 1000 * MINUTE_MS
        history = [structs.replace(hundredth(number), session=gap * number) for number in range(1, 201)]
        events = [*history, *(start_of(event) for event in history if dice.random() < 0.7)]
        events += dice.choices(events, k=100)
        dice.shuffle(events)
        for event in events:
            if dice.random() < 0.03:
                bench.restart()
                bench.boot()
            if dice.random() < 0.02:
                bench.live(3700)
            bench.tell(event)
            bench.settle()
        for _ in range(2):
            bench.live(2 * 3600)
            for event in history:
                bench.tell(event)
                bench.settle()
        parts = {
            (one.session, one.meter_start_wh): one.meter_stop_wh
            for one in bench.store.transactions.values()
            if one.meter_stop_wh > one.meter_start_wh
        }
        for event in history:
            register_wh = event.start_register_wh
            while register_wh < event.register_wh:
                register_wh = parts.pop((event.session, register_wh))
            assert register_wh == event.register_wh
        assert parts == {}

    @pytest.mark.simulation
    @pytest.mark.parametrize("gap", [1, 100])
    @pytest.mark.parametrize("seed", seeds(3, 1))
    def test_hundreds_in_any_order_give_each_once_though_the_process_restarts(self, away, gap, seed):
        dice = Random(seed)
        history = [structs.replace(hundredth(number), session=gap * number) for number in range(1, 401)]
        events = history * 2
        dice.shuffle(events)
        for event in events:
            if dice.random() < 0.02:
                away.restart()
                away.boot()
            away.tell(event)
            away.settle()
        told = sorted(account(away), key=lambda one: one[2])
        assert [one[2:5:2] for one in told] == [
            (event.start_register_wh, event.register_wh) for event in history
        ]

    @pytest.mark.simulation
    @given(st.data())
    def test_any_order_with_repeats_and_restarts_gives_each_once(self, new_bench, data):
        sessions = range(1, data.draw(st.integers(1, 8), "sessions") + 1)
        events = [event for session in sessions for event in (started(session), ended(session))]
        repeats = data.draw(st.lists(st.sampled_from(events), max_size=8), "repeats")
        order = data.draw(st.permutations([*events, *repeats]), "order")
        restarts = data.draw(st.sets(st.integers(0, len(order))), "restarts")
        bench = new_bench(data.draw(st.sampled_from(["easee", "ocpp16"]), "preset")).ready()
        bench.utc_ms = T0_MS + 1000 * MINUTE_MS
        for number, event in enumerate(order):
            if number in restarts:
                bench.restart()
                bench.boot()
            tell(bench, event)
        bench.obey()  # the driver has reported all that it was asked for
        bench.settle()
        assert sorted(account(bench)) == [whole(session) for session in sessions]
        assert (bench.cp.running, bench.cp.state.waiting_events, bench.store.queue) == (None, (), {})


class TestAnotherCharger:
    def test_what_waits_is_told_before_the_charger_goes(self, away):
        tell(away, started(5), ended(3), started(6))
        tell(
            away,
            Measured(at_ms=edges(6)[0] + 1000, readings=(Reading(Quantity.ENERGY_WH, 1650),), session=6),
        )
        away.turn(ChargerReleased())
        away.settle()
        begins_ms, begins_wh, _, _ = edges(6)
        assert account(away) == [
            (*begun(5), format_utc(begins_ms), begins_wh, "Other"),
            whole(3),
            (*begun(6), format_utc(begins_ms + 1000), 1650, "Other"),
        ]
        assert away.cp.state.waiting_events == ()
        assert away.cp.abandoned.session == 6

    def test_one_that_has_just_begun_does_not_end_where_it_began(self, away):
        """The rest of it begins at that end, and would equal its Start."""
        tell(away, started(5))
        away.turn(ChargerReleased())
        away.settle()
        begins_ms, begins_wh, _, _ = edges(5)
        assert account(away) == [(*begun(5), format_utc(begins_ms + 1), begins_wh, "Other")]

    def test_the_newest_may_be_over(self, away):
        tell(away, started(5), ended(6))
        away.turn(ChargerReleased())
        away.settle()
        assert account(away)[1:] == [whole(6)]
        assert (away.cp.abandoned.session, away.cp.abandoned.stopped_ms) == (6, edges(6)[2])

    def test_one_put_there_while_nothing_ran_does_not_get_them(self, away):
        tell(away, started(5), ended(3), started(6))
        away.settings = structs.replace(away.settings, charger="sim/OTHER")
        away.restart()
        away.boot()
        assert [transaction.charger for transaction in away.store.transactions.values()] == ["sim/SIM1"] * 3
        assert away.cp.state.reported_sessions == ()

    def test_what_was_told_elsewhere_is_told_once(self, away):
        away.turn(ChargerAssigned(5, edges(5)[2], edges(5)[3]))
        assert tell(away, ended(4), ended(5), started(5), ended(6)) == [whole(6)]

    def moved(self, new_bench, away, *numbers):
        """Move the charger to another charge point, where only the store knows what these have told of it."""
        away.turn(ChargerReleased())
        away.settle()
        other = new_bench("easee").ready()
        other.utc_ms = away.utc_ms
        *older, newest = (lately(number) for number in numbers)
        edge = newest.end
        other.turn(ChargerAssigned(edge.session, edge.at_ms, edge.register_wh, (), T0_MS, tuple(older)))
        return other

    def test_a_record_that_comes_after_it_has_moved_is_told_by_the_new_one(self, new_bench, away):
        tell(away, ended(2), ended(4), ended(5))
        other = self.moved(new_bench, away, 2, 4, 5)
        repeats = [event(number) for number in (2, 4, 5) for event in (ended, started)]
        assert tell(other, started(3), ended(3), *repeats, ended(1)) == [whole(3), whole(1)]
        other.restart()
        other.boot()
        assert tell(other, *repeats, ended(3), ended(1)) == [whole(3), whole(1)]

    def test_one_of_long_ago_is_not(self, new_bench, away):
        other = self.moved(new_bench, away, 2, 5)
        assert tell(other, structs.replace(ended(3), at_ms=T0_MS - 1, started_at_ms=T0_MS - 2)) == []

    def test_a_record_that_tells_of_more_than_was_assumed_elsewhere_is_told_from_there_on(
        self, new_bench, away
    ):
        tell(away, started(2), started(4))
        away.live(300)
        (assumed, _) = account(away)
        stopped, stop_wh = assumed[3:5]
        other = self.moved(
            new_bench, away, ReportedSpan(1200, ReportedSession(2, edges(2)[0] + 1, stop_wh)), 4
        )
        assert stop_wh < edges(2)[3]
        assert tell(other, ended(2), ended(2)) == [("TAG2", stopped, stop_wh, *whole(2)[3:])]


class TestLateAndRepeatedDrivers:
    """Events of a driver that come late or again start and stop nothing."""

    def test_a_token_that_comes_after_the_session_it_began(self, new_bench):
        bench = new_bench("easee").ready()
        bench.utc_ms += 20_000
        presented_ms = bench.utc_ms - 5_000
        bench.begin(id_tag="TAG1")
        bench.serve()
        bench.tell(TokenPresented(at_ms=presented_ms, id_tag="TAG1"))
        assert bench.asked(EndSession) == []

    def test_a_token_that_comes_after_the_end_it_asked_for(self, charging):
        charging.wait(20)
        presented_ms = charging.utc_ms - 5_000
        charging.end()
        charging.serve()
        charging.asked()
        charging.tell(TokenPresented(at_ms=presented_ms, id_tag="TAG1"))
        assert charging.serve() == []
        assert charging.asked() == []

    def test_a_token_that_began_the_session_which_waits(self, away):
        away.utc_ms = edges(2)[0] + 10_000
        tell(away, started(1), started(2))
        away.tell(TokenPresented(at_ms=edges(2)[0] - 5_000, id_tag="TAG2"))
        assert account(away) == [begun(1)]
        assert away.asked(EndSession) == []

    def test_states_and_tokens_of_an_hour_told_once_more(self, new_bench):
        bench = new_bench("easee").ready()
        events = []
        for state in (S.AWAITING_TOKEN, S.READY, S.CHARGING, S.AWAITING_TOKEN, S.DISCONNECTED):
            bench.wait(20)
            events.append(StateChanged(at_ms=bench.utc_ms, state=state))
            bench.tell(events[-1])
            if state is S.AWAITING_TOKEN:
                events.append(TokenPresented(at_ms=bench.utc_ms, id_tag="TAG1"))
                bench.tell(events[-1])
            bench.settle()
        bench.reachable(False)
        bench.reachable()
        bench.serve()
        bench.asked()
        for event in (*events, *reversed(events)):
            bench.tell(event)
        assert bench.serve() == []
        assert bench.asked() == []


class TestReasons:
    """`TX-10`, `TX-17`: whoever ended it, and however late that is told."""

    def reset(self, bench, kind):
        bench.ask("Reset", {"type": kind})
        bench.obey()

    def ends(self, bench, reason):
        bench.end(reason=reason)
        if not bench.linked:
            bench.comes_back()
        bench.settle()
        return account(bench)[-1][5]

    @pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
    @pytest.mark.parametrize("end", [SessionEnd.DEAUTHORIZED, SessionEnd.REBOOT])
    def test_re_2_our_own_reset(self, charging, kind, reason, end):
        self.reset(charging, kind)
        assert self.ends(charging, end) == reason

    @pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
    def test_re_2_told_late_after_restarts_of_the_charger_and_of_the_process(self, charging, kind, reason):
        self.reset(charging, kind)
        charging.wait(40)
        charging.obey()
        charging.wait(20)
        ended_ms = charging.utc_ms
        charging.wait(30)
        charging.charger_restarts()
        charging.restart()
        charging.live(300)
        charging.utc_ms = ended_ms
        assert self.ends(charging, SessionEnd.REBOOT) == reason

    @pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
    def test_re_2_a_session_that_nobody_knew_of(self, away, kind, reason):
        self.reset(away, kind)
        away.live(1)
        away.obey()
        ended_ms = away.utc_ms + 5_000
        away.wait(30)
        away.charger_restarts()
        away.restart()
        away.boot()
        tell(away, structs.replace(ended(1, SessionEnd.REBOOT), at_ms=ended_ms))
        assert account(away)[0][5] == reason
        tell(away, structs.replace(ended(2, SessionEnd.REBOOT), at_ms=away.utc_ms + 60_000))
        assert account(away)[1][5] == "Reboot"

    def test_tx_10_the_charger_restarted_by_itself(self, charging):
        assert self.ends(charging, SessionEnd.REBOOT) == "Reboot"

    def test_tx_10_so_it_did_though_somebody_had_asked_for_the_end(self, charging):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        assert self.ends(charging, SessionEnd.REBOOT) == "Reboot"

    def test_re_2_what_did_not_end_as_asked_was_ended_by_the_reset(self, charging):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        self.reset(charging, "Hard")
        charging.wait(31)
        charging.obey()
        assert self.ends(charging, SessionEnd.REBOOT) == "HardReset"

    @pytest.mark.parametrize(
        ("end", "reason"), [(SessionEnd.REBOOT, "Reboot"), (SessionEnd.POWER_LOSS, "PowerLoss")]
    )
    def test_tx_17_told_whole_late_and_after_a_restart(self, away, end, reason):
        tell(away, started(1), started(2))
        away.tell(Restarted(at_ms=edges(2)[0]))
        away.restart()
        away.boot()
        tell(away, ended(3, end), ended(1, end), ended(2, end))
        assert account(away) == [whole(number, reason) for number in (1, 2, 3)]

    @pytest.mark.parametrize("kind", ["Soft", "Hard"])
    def test_tx_17_a_power_cut_is_one_even_if_a_reset_was_asked_for(self, charging, kind):
        self.reset(charging, kind)
        assert self.ends(charging, SessionEnd.POWER_LOSS) == "PowerLoss"
