"""Sessions that are found at the first contact, and those that a charge point asks for again."""

import json

import msgspec
import pytest

from chargebridge.chargers.easee.twin import rebuilding, repeats
from chargebridge.chargers.easee.twin.commands import steps_for
from chargebridge.chargers.easee.twin.rebuilding import ListedSession
from chargebridge.chargers.easee.twin.records import END_REPORTS_KEPT, TwinRecord
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import (
    EndSession,
    ReportSessions,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    Withdraw,
)

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000
MIN = 60_000
WH = 1_000_000
SERIAL = "EH000001"


def began_ms(session):
    return T0 + session * 60 * MIN


def ended_ms(session):
    return began_ms(session) + 40 * MIN


def start_wh(session):
    return session * 10_000


def start(session, tag="TAG"):
    """The start record of a session; each begins an hour after the other, and uses 10 kWh."""
    text = {
        "Id": session,
        "MeterValue": start_wh(session) / 1000,
        "Start": format_time(began_ms(session)),
        "Auth": tag,
    }
    return Update(SERIAL, 223, began_ms(session), json.dumps(text))


def end(session):
    text = {
        "Id": session,
        "Start": format_time(began_ms(session)),
        "Stop": format_time(ended_ms(session)),
        "MeterValueStart": start_wh(session) / 1000,
        "MeterValueStop": start_wh(session + 1) / 1000,
        "Auth": "TAG",
    }
    return Update(SERIAL, 129, ended_ms(session), json.dumps(text))


def mode(number, at_ms):
    return Update(SERIAL, 109, at_ms, str(number))


class Bench:
    """A twin, and a hand that feeds it."""

    def __init__(self, record=None):
        self.twin = Twin(SERIAL, record or TwinRecord())

    def say(self, *updates, **how):
        """Feed observations; return type and number of each session event, and whether it was found."""
        events = []
        for update in updates:
            events += self.twin.observe(update, T0, **how)
        events += self.twin.settle()
        return told(events)

    def charge(self, *sessions):
        for session in sessions:
            self.say(start(session), mode(3, began_ms(session) + 1))
            self.say(end(session), mode(1, ended_ms(session) + 1))

    def again(self, first):
        return told(repeats.sessions_again(self.twin, first))

    def missing(self, first, from_wh=None):
        wanted = ReportSessions(
            number=1,
            expires_ms=T0 * 2,
            first=first,
            from_ms=began_ms(first),
            from_wh=start_wh(first) if from_wh is None else from_wh,
        )
        return repeats.missing_sessions(self.twin.record, wanted, T0)


def told(events):
    return [
        (type(event), event.session, event.found)
        for event in events
        if isinstance(event, SessionStarted | SessionEnded)
    ]


class TestFirstContact:
    """What was there before anything was known of the charger."""

    def test_sessions_of_the_replay_were_found(self):
        bench = Bench(TwinRecord(first_contact=True))
        replay = mode(3, began_ms(7) + 1), end(6), start(7)
        assert bench.say(*replay, live=False) == [(SessionEnded, 6, True)]
        bench.twin.end_first_contact()
        assert told(bench.twin.start_if_due()) == [(SessionStarted, 7, True)]
        assert bench.say(mode(3, began_ms(7) + 1), end(6), start(7), live=False) == []

    def test_a_session_that_was_found_running_measures_and_ends_like_any_other(self):
        bench = Bench(TwinRecord(first_contact=True))
        bench.say(mode(3, began_ms(7) + 1), start(7), live=False)
        energy = Update(SERIAL, 121, began_ms(7) + 10 * MIN, "1.5")
        started, *_, measured = bench.twin.observe(energy, T0)
        assert told([started]) == [(SessionStarted, 7, True)]
        assert (measured.session, measured.readings[0].value) == (7, start_wh(7) + 1500)
        assert bench.say(end(7)) == [(SessionEnded, 7, False)]

    def test_one_that_ends_while_the_connection_is_lost_was_not_found(self):
        bench = Bench(TwinRecord(first_contact=True))
        bench.say(mode(3, began_ms(7) + 1), start(7), live=False)
        bench.twin.end_first_contact()
        assert bench.say(end(7), live=False) == [(SessionEnded, 7, False)]

    def test_a_session_without_a_token_is_started_by_what_the_op_mode_says(self):
        for number, runs in ((3, True), (6, True), (2, False), (7, False)):
            bench = Bench(TwinRecord(first_contact=True))
            assert bench.say(mode(number, began_ms(7) + 1), start(7, ""), live=False) == []
            bench.twin.end_first_contact()
            assert told(bench.twin.start_if_due()) == ([(SessionStarted, 7, True)] if runs else [])
        bench = Bench(TwinRecord(first_contact=True))
        bench.say(mode(3, began_ms(7) - 1), start(7, ""), live=False)
        bench.twin.end_first_contact()
        assert bench.twin.start_if_due() == []

    def test_news_of_what_was_only_read_is_reported_again(self):
        bench = Bench()
        bench.say(end(6), start(7), mode(3, began_ms(7) + 1), live=False, found=True)
        assert bench.say(end(6), start(7)) == [(SessionEnded, 6, False), (SessionStarted, 7, False)]
        assert bench.say(end(6), start(7)) == []
        assert bench.say(end(6), start(7), live=False, found=True) == []

    def test_what_comes_out_of_the_queue_before_them_is_news(self):
        bench = Bench()
        bench.say(end(6), live=False, found=True)
        assert bench.say(end(4), start(5), end(5)) == [(SessionEnded, 4, False), (SessionEnded, 5, False)]
        assert bench.twin.record.gaps == []


class TestAgain:
    """What is known, from a session on."""

    def test_ends_that_were_reported_come_again_in_order_with_their_reasons(self):
        bench = Bench()
        bench.charge(1, 2, 3)
        events = repeats.sessions_again(bench.twin, 2)
        assert events == [
            SessionEnded(
                at_ms=ended_ms(session),
                session=session,
                id_tag="TAG",
                started_at_ms=began_ms(session),
                start_register_wh=start_wh(session),
                register_wh=start_wh(session + 1),
                reason=SessionEnd.EV_DISCONNECTED,
            )
            for session in (2, 3)
        ]

    def test_they_outlive_the_process_and_are_bounded(self):
        bench = Bench()
        bench.charge(*range(1, END_REPORTS_KEPT + 4))
        record = msgspec.json.decode(msgspec.json.encode(bench.twin.record), type=TwinRecord)
        assert [session for _, session, _ in Bench(record).again(1)] == list(range(4, END_REPORTS_KEPT + 4))

    @pytest.mark.parametrize(
        ("number", "runs"), [(3, True), (4, True), (6, True), (2, True), (1, False), (7, False), (5, False)]
    )
    def test_the_running_session_is_started_again_if_a_car_is_there_and_may_charge(self, number, runs):
        bench = Bench()
        bench.say(start(1), mode(3, began_ms(1) + 1), mode(number, began_ms(1) + 2))
        assert bench.again(1) == ([(SessionStarted, 1, False)] if runs else [])
        assert bench.again(2) == []

    def test_the_last_record_of_the_cloud_ends_a_session_whose_message_was_lost(self):
        bench = Bench()
        bench.say(start(1), mode(3, began_ms(1) + 1))
        assert bench.say(end(1), mode(1, ended_ms(1) + 1), live=False) == [(SessionEnded, 1, False)]
        assert bench.twin.record.running is None

    def test_one_that_a_newer_one_follows_is_no_longer_the_running_one(self):
        bench = Bench()
        bench.say(start(1), mode(3, began_ms(1) + 1))
        bench.say(start(2), mode(3, began_ms(2) + 1), live=False)
        assert bench.again(1) == [(SessionStarted, 2, False)]
        (gap,) = bench.twin.record.gaps
        assert (gap.after_id, gap.before_id, gap.begun) == (0, 2, True)


class TestMissing:
    """What lies between the wanted session and the first known one."""

    def test_sessions_before_the_known_ones_are_rebuilt_from_where_the_charge_point_knows_them(self):
        bench = Bench(TwinRecord(first_contact=True))
        bench.say(end(7), start(8), live=False)
        gap = bench.missing(5, from_wh=50_700)
        assert (gap.after_id, gap.before_id, gap.from_wh, gap.to_wh) == (4, 7, 50_700, 70_000)
        listed = [ListedSession(began_ms(session), ended_ms(session), 10_000 * WH) for session in (5, 6)]
        listed[0] = ListedSession(began_ms(5), ended_ms(5), 9_300 * WH)
        rebuilt = rebuilding.rebuild(bench.twin.record, gap, listed, "MISSED")
        assert [(one.session, one.start_register_wh, one.register_wh, one.rebuilt) for one in rebuilt] == [
            (5, 50_700, 60_000, True),
            (6, 60_000, 70_000, True),
        ]
        assert bench.missing(5, from_wh=50_700) is None
        assert [session for _, session, _ in bench.again(5)] == [5, 6, 7]

    def test_nothing_is_missing_where_the_first_is_known_or_none_is(self):
        bench = Bench()
        assert bench.missing(1) is None
        bench.charge(3)
        assert bench.missing(3) is None
        assert bench.missing(4) is None

    def test_nor_where_no_energy_was_used(self):
        bench = Bench()
        bench.charge(3)
        assert bench.missing(2, from_wh=start_wh(3)) is None
        assert bench.missing(2, from_wh=start_wh(3) + 5) is None

    def test_a_gap_that_is_known_waits_for_its_late_records(self):
        bench = Bench()
        bench.charge(1, 4)
        assert bench.missing(2) is None
        assert len(bench.twin.record.gaps) == 1


class TestCarIsGone:
    """The record of a session is lost for good: its car has been unplugged, and no record came."""

    @pytest.fixture
    def bench(self):
        bench = Bench()
        bench.say(start(1), mode(3, began_ms(1) + 1), mode(1, ended_ms(1)))
        return bench

    def steps(self, bench, command):
        return steps_for(command, bench.twin, T0, bus=False, authorize_status=42)

    def test_it_does_not_run(self, bench):
        assert bench.twin.running is None
        assert bench.again(1) == []

    def test_ending_it_asks_nothing_of_the_charger(self, bench):
        assert self.steps(bench, EndSession(number=1, expires_ms=T0, session=1)) == ()

    def test_the_authorization_of_the_next_driver_can_be_withdrawn(self, bench):
        assert len(self.steps(bench, Withdraw(number=1, expires_ms=T0))) == 1

    def test_the_next_session_leaves_a_gap_with_all_of_its_energy(self, bench):
        assert bench.say(start(2), mode(3, began_ms(2) + 1)) == [(SessionStarted, 2, False)]
        (gap,) = bench.twin.record.gaps
        (rebuilt,) = rebuilding.rebuild(bench.twin.record, gap, (), "MISSED")
        assert (rebuilt.session, rebuilt.start_register_wh, rebuilt.register_wh) == (1, 10_000, 20_000)

    def test_its_record_counts_whenever_it_comes(self, bench):
        assert bench.say(end(1)) == [(SessionEnded, 1, False)]


class TestWithdrawnTooLate:
    """A session began by the authorization, and its start record is late: it goes on."""

    @pytest.mark.parametrize("bus", [False, True], ids=["account", "operator"])
    @pytest.mark.parametrize(
        ("number", "after_ms", "sent"), [(3, 1, 0), (3, -1, 1), (2, 1, 1), (1, 1, 1), (4, 1, 1)]
    )
    def test_it_is_not_stopped_where_energy_flows_since_the_last_one(self, bus, number, after_ms, sent):
        bench = Bench()
        bench.say(start(1), end(1), mode(number, ended_ms(1) + after_ms))
        bench.twin.mark_authorized("TAG", T0)
        command = Withdraw(number=1, expires_ms=T0)
        assert len(steps_for(command, bench.twin, T0, bus=bus, authorize_status=42)) == sent
