"""The store fails for a while: what is tried meanwhile, what is taken, and what the driver tells anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError
from structlog.testing import capture_logs

from chargebridge.chargepoint.turn import ChargerDescribed, ChargerReported, Operation, OperatorAsked
from chargebridge.chargers.model import (
    ChargerInfo,
    ChargerState,
    CommandOutcome,
    Outcome,
    Reachable,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from chargebridge.gateway.turns.backpressure import MOST_UNCOMMITTED, MOST_WAITING
from chargebridge.gateway.turns.sink import Sink
from chargebridge.gateway.turns.store_outage import LONGEST_PAUSE_S, MOST_AT_ONCE, StoreOutage

from .conftest import Bench, HandClock

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z

pytestmark = pytest.mark.unit


def started(session):
    return SessionStarted(at_ms=T0_MS + session, session=session, id_tag="TAG", register_wh=session * 100)


def ended(session):
    return SessionEnded(
        at_ms=T0_MS + session,
        session=session,
        id_tag="TAG",
        started_at_ms=T0_MS + session,
        start_register_wh=session * 100,
        register_wh=session * 100 + 50,
        reason=SessionEnd.EV_DISCONNECTED,
    )


def away(number):
    return Reachable(at_ms=T0_MS + number, reachable=False)


HERE = Reachable(at_ms=T0_MS, reachable=True)
IDLE = StateChanged(at_ms=T0_MS, state=ChargerState.DISCONNECTED)


class KeepingDriver:
    """Keeps events until they are acknowledged, and greets who watches: what `Driver` asks for."""

    def __init__(self):
        self.kept, self.last, self.greetings = {}, 0, 0
        self.reachable, self.watching, self.newcomer = True, True, False
        self.broken = False

    def tell(self, event):
        self.last += 1
        self.kept[self.last] = event
        if self.watching and not self.newcomer:
            self.sink.charger_event("EH1", event, self.last)

    def tell_unkept(self, event):
        if self.watching and not self.newcomer:
            self.sink.charger_event("EH1", event, None)

    def greet(self):
        """The next step of its cloud."""
        if self.newcomer and self.watching:
            self.newcomer = False
            self.greetings += 1
            self.sink.charger_known(ChargerInfo("EH1", "V", "M"))
            self.sink.charger_event("EH1", Reachable(at_ms=T0_MS, reachable=self.reachable), None)
            self.sink.charger_event("EH1", IDLE, None)
            for number, event in list(self.kept.items()):
                self.sink.charger_event("EH1", event, number)

    def watch(self, serial):
        if self.broken:
            raise OSError("no socket")
        self.watching = self.newcomer = True

    def unwatch(self, serial):
        self.watching = self.newcomer = False

    def acknowledge(self, receipt):
        self.kept.pop(receipt, None)

    def command(self, serial, command):
        pass


class Site(Bench):
    """A bench whose first charger has a driver that keeps what nobody has acknowledged."""

    def __init__(self):
        super().__init__()
        self.keeping = KeepingDriver()
        self.sink = self.keeping.sink = Sink(
            "vendor", self.runtime, lambda binding, info: self.runtime.turn(binding, ChargerDescribed(info))
        )
        self.sink.driver = self.binding.driver = self.keeping
        self.sink.bindings["EH1"] = self.binding
        self.keeping.tell_unkept(HERE)
        self.boot()

    def recover(self):
        """There is room, and time passes."""
        for _ in range(400):
            if not (self.journal.entries or self.keeping.newcomer or self.binding.backlog):
                return
            self.settle()
            self.keeping.greet()
            self.clock.advance(LONGEST_PAUSE_S)
        raise AssertionError("it does not come to rest")

    @property
    def sessions(self):
        return [
            (one.session, one.meter_start_wh, one.meter_stop_wh)
            for one in self.journal.stored[1].transactions.values()
        ]


@pytest.fixture
def site():
    return Site()


class TestBackOff:
    """How often is tried whether the store works again."""

    def test_the_pauses_grow_to_half_a_minute(self, bench):
        bench.boot()
        tries = []
        bench.tell(ChargerReported(started(1)), token="r1")
        begin = bench.clock.mono
        while bench.clock.mono < begin + 150:
            if bench.journal.entries:
                tries.append(bench.clock.mono - begin)
                bench.journal.fail()
            bench.clock.advance(0.5)
        assert tries == [0, 1, 3, 7, 15, 31, 61, 91, 121]

    def test_one_tries_for_all_of_them(self, bench):
        others = [bench.add(key) for key in range(2, 1001)]
        bench.settle()
        for binding in others:
            bench.tell(ChargerReported(started(1)), binding=binding)
        bench.journal.fail()
        assert len(bench.runtime.outage) == 999
        bench.clock.advance(1)
        assert {key for _, key, _, _ in bench.journal.entries} == {2}
        bench.journal.fail()
        bench.clock.advance(2)
        assert {key for _, key, _, _ in bench.journal.entries} == {3}

    def test_when_one_has_succeeded_more_and_more_follow_at_once(self, bench):
        others = [bench.add(key) for key in range(2, 1001)]
        bench.settle()
        for binding in others:
            bench.tell(ChargerReported(started(1)), token=binding.key, binding=binding)
        bench.journal.fail()
        bench.clock.advance(1)
        portions = []
        while bench.journal.entries:
            portions.append(len({key for _, key, _, _ in bench.journal.entries}))
            bench.settle()
            bench.clock.advance(0)
        assert portions[:9] == [1, 2, 4, 8, 16, 32, 64, 64, 64]
        assert max(portions) == MOST_AT_ONCE
        assert sorted(bench.driver.acknowledged) == list(range(2, 1001))
        assert bench.runtime.outage.reason is None

    @pytest.mark.parametrize("error", [ValueError("no such state"), DecodeError("no document of ours")])
    def test_one_that_cannot_be_rebuilt_holds_nobody_up_and_loses_nothing(self, bench, error):
        bindings = [bench.add(key) for key in range(2, 12)]
        bench.settle()
        for binding in bindings:
            bench.tell(ChargerReported(started(1)), token=binding.key, binding=binding)
        bench.journal.fail()
        bench.journal.damaged = {2: error, 7: error}
        for _ in range(20):
            bench.clock.advance(1)
            bench.settle()
        assert sorted(bench.driver.acknowledged) == [3, 4, 5, 6, 8, 9, 10, 11]
        assert bench.runtime.outage.reason is None
        bench.journal.damaged.clear()
        bench.clock.advance(LONGEST_PAUSE_S)
        bench.settle()
        assert sorted(bench.driver.acknowledged) == list(range(2, 12))

    def test_a_failure_on_the_way_makes_it_one_again_and_the_pause_longer(self, bench):
        others = [bench.add(key) for key in range(2, 101)]
        bench.settle()
        for binding in others:
            bench.tell(ChargerReported(started(1)), binding=binding)
        bench.journal.fail()
        bench.clock.advance(1)
        bench.settle()
        bench.clock.advance(0)
        bench.journal.fail()
        bench.clock.advance(1.9)
        assert bench.journal.entries == []
        bench.clock.advance(0.1)
        assert len({key for _, key, _, _ in bench.journal.entries}) == 1

    def test_what_cannot_be_read_back_holds_up_nobody_else(self, bench):
        other = bench.add(2)
        bench.boot()
        bench.tell(ChargerReported(started(1)), token="r1")
        bench.tell(ChargerReported(started(1)), token="r2", binding=other)
        bench.journal.fail()
        bench.journal.stored[1].document = b"no document"
        bench.clock.advance(LONGEST_PAUSE_S)
        bench.settle()
        bench.clock.advance(LONGEST_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r2"]
        assert bench.runtime.outage.reason is None

    def test_the_next_outage_begins_quickly_again(self, bench):
        bench.boot()
        bench.tell(ChargerReported(started(1)))
        for _ in range(6):
            bench.journal.fail()
            bench.clock.advance(LONGEST_PAUSE_S)
        bench.settle()
        bench.tell(ChargerReported(ended(1)))
        bench.journal.fail()
        bench.clock.advance(1)
        assert bench.journal.entries

    def test_nobody_tries_after_the_stop(self, bench):
        bench.boot()
        bench.tell(ChargerReported(started(1)))
        bench.journal.fail()
        bench.runtime.stop()
        assert bench.clock.pending == []

    @given(
        st.lists(st.sampled_from("abcde"), max_size=20),
        st.lists(st.sampled_from(["fail", "settle", "later"]), max_size=40),
    )
    def test_whatever_happens_all_of_them_get_their_turn_and_it_ends(self, struck, fates):
        clock, trying = HandClock(), []
        outage = StoreOutage(clock.call_later, trying.append)
        outage.begin("full")
        outage.wait("z")
        for one in struck:
            outage.wait(one)
        for fate in fates:
            clock.advance(LONGEST_PAUSE_S)
            if trying and fate == "fail":
                outage.wait(trying.pop(0))
            elif trying and fate == "settle":
                outage.settled(trying.pop())
            assert (outage.reason is None) == (len(outage) == 0)
        for _ in range(50):
            clock.advance(LONGEST_PAUSE_S)
            while trying:
                outage.settled(trying.pop())
        assert outage.reason is None
        assert clock.pending == []


class TestWhatIsSaid:
    """Once, however many are struck and however long it takes."""

    def test_when_it_begins_and_when_it_is_over(self, bench):
        others = [bench.add(key) for key in range(2, 101)]
        bench.settle()
        with capture_logs() as logs:
            for binding in others:
                bench.tell(ChargerReported(started(1)), binding=binding)
            for _ in range(20):
                bench.journal.fail()
                bench.clock.advance(LONGEST_PAUSE_S)
            assert bench.runtime.outage.reason == "the disk is full"
            for _ in range(20):
                bench.settle()
                bench.clock.advance(LONGEST_PAUSE_S)
        said = [(entry["log_level"], entry["event"]) for entry in logs if entry["log_level"] != "debug"]
        assert said == [
            ("error", "store failed"),
            ("warning", "store recovered"),
        ]
        assert logs[0]["reason"] == "the disk is full"

    def test_events_that_are_not_taken_are_counted_and_told_of_once(self, site):
        with capture_logs() as logs:
            for session in range(1, 1001):
                site.keeping.tell(started(session))
        assert site.runtime.backpressure.deferred == 1000 - MOST_UNCOMMITTED
        (entry,) = [entry for entry in logs if entry["log_level"] == "warning"]
        assert entry["event"] == "charger events deferred"


class TestBound:
    """What is kept of a charger's events while they cannot become durable."""

    def test_a_slow_disk_takes_so_many_turns_of_a_charge_point(self, site):
        for session in range(1, 1001):
            site.keeping.tell(ended(session))
        assert len(site.journal.entries) == MOST_UNCOMMITTED
        assert site.keeping.greetings == 0
        site.recover()
        assert site.keeping.kept == {}
        assert [session for session, _, _ in site.sessions] == list(range(1, 1001))

    def test_a_failing_one_so_many_inputs(self, site):
        site.keeping.tell(ended(1))
        site.journal.fail()
        for session in range(2, 1001):
            site.keeping.tell(ended(session))
        assert len(site.binding.backlog) == MOST_WAITING
        site.recover()
        assert site.keeping.kept == {}
        assert [session for session, _, _ in site.sessions] == list(range(1, 1001))

    def test_what_was_not_taken_is_not_acknowledged(self, site):
        for session in range(1, MOST_UNCOMMITTED + 3):
            site.keeping.tell(ended(session))
        site.journal.commit()
        assert list(site.keeping.kept) == [MOST_UNCOMMITTED + 1, MOST_UNCOMMITTED + 2]

    def test_no_later_event_comes_before_one_that_was_not_taken(self, site):
        for session in range(1, MOST_UNCOMMITTED + 2):
            site.keeping.tell(ended(session))
        site.journal.commit(MOST_UNCOMMITTED // 2)
        site.keeping.tell(ended(MOST_UNCOMMITTED + 2))
        assert len(site.journal.entries) == MOST_UNCOMMITTED // 2
        site.recover()
        assert site.sessions[-1] == (258, 25_800, 25_850)

    def test_the_driver_is_asked_again_only_when_there_is_room(self, site):
        for session in range(1, 1001):
            site.keeping.tell(started(session))
        site.journal.commit(MOST_UNCOMMITTED - MOST_WAITING - 1)
        assert not site.keeping.newcomer
        site.journal.commit(1)
        assert site.keeping.newcomer

    def test_nor_while_the_store_fails(self, site):
        site.keeping.tell(started(1))
        site.journal.fail()
        for session in range(2, 1001):
            site.keeping.tell(started(session))
        for _ in range(10):
            site.clock.advance(LONGEST_PAUSE_S)
            site.journal.fail()
        assert site.keeping.greetings == 0
        assert not site.keeping.newcomer

    def test_outcomes_of_commands_are_never_turned_away(self, site):
        site.keeping.tell(started(1))
        site.journal.fail()
        for number in range(100):
            site.sink.command_outcome("EH1", CommandOutcome(number, Outcome.DONE))
        assert len(site.binding.backlog) == 101

    def test_what_comes_again_and_again_is_kept_once(self, site):
        site.keeping.tell(started(1))
        site.journal.fail()
        for _ in range(100):
            site.sink.command_outcome("EH1", CommandOutcome(7, Outcome.DONE))
            site.sink.charger_known(ChargerInfo("EH1", "V", "M"))
            gone = site.runtime.emitter.await_outcome(lambda *answer: None)
            site.tell(OperatorAsked(gone, Operation.STOP_TRANSACTION))
            site.runtime.emitter.forget_outcome(gone)
        assert len(site.binding.backlog) == 4

    def test_what_the_gateway_says_itself_is_always_taken(self, site):
        site.keeping.tell(started(1))
        site.journal.fail()
        for session in range(2, 100):
            site.tell(ChargerReported(started(session)))
        assert len(site.binding.backlog) == 99

    def test_the_last_word_on_whether_the_charger_is_there_counts_even_if_its_cloud_is_gone(self, site):
        site.keeping.tell(started(1))
        site.journal.fail()
        for session in range(2, 100):
            site.keeping.tell(started(session))
        site.keeping.tell_unkept(away(1))
        site.keeping.greet = lambda: None
        for _ in range(3):
            site.settle()
            site.clock.advance(LONGEST_PAUSE_S)
        assert site.binding.skipped is None
        assert site.binding.charge_point.reachable is False

    def test_a_driver_that_raises_when_asked_harms_nobody(self, site):
        site.keeping.broken = True
        for session in range(1, 1001):
            site.keeping.tell(started(session))
        site.settle()
        assert site.binding.skipped is None

    def test_a_charger_that_was_given_up_is_not_asked(self, site):
        for session in range(1, 1001):
            site.keeping.tell(started(session))
        site.binding.driver = None
        site.settle()
        assert site.keeping.watching
        assert not site.keeping.newcomer


STEPS = st.one_of(
    st.tuples(st.just("tell"), st.sampled_from([1, 2, 40, 300])),
    st.tuples(st.just("commit"), st.integers(1, 300)),
    st.tuples(st.just("fail"), st.integers(1, 300)),
    st.tuples(st.just("pass"), st.sampled_from([0, 1, 2, 30])),
    st.tuples(st.just("greet"), st.just(0)),
    st.tuples(st.just("reachable"), st.booleans()),
    st.tuples(st.just("restart of the driver"), st.just(0)),
)


@pytest.mark.simulation
@given(st.lists(STEPS, max_size=25))
def test_whatever_happens_every_session_is_told_once_in_order_and_no_wh_is_lost(steps):
    site, told = Site(), 0
    keeping = site.keeping
    for step, number in steps:
        match step:
            case "tell":
                for _ in range(number):
                    told += 1
                    keeping.tell(started(told) if told % 2 else ended(told - 1))
            case "commit":
                site.journal.commit(number)
            case "fail":
                site.journal.fail(number)
            case "pass":
                site.clock.advance(number)
            case "greet":
                keeping.greet()
            case "reachable":
                keeping.reachable = number
                keeping.tell_unkept(Reachable(at_ms=T0_MS, reachable=number))
            case _:
                keeping.newcomer = True
        assert len(site.binding.backlog or []) <= MOST_UNCOMMITTED + MOST_WAITING
        assert site.binding.uncommitted <= MOST_UNCOMMITTED + MOST_WAITING
    site.recover()
    assert keeping.kept == {}
    assert site.runtime.outage.reason is None
    assert site.binding.skipped is None
    assert site.binding.charge_point.reachable == keeping.reachable
    sessions = range(1, told + 1, 2)
    assert site.sessions == [(one, one * 100, one * 100 + 50 if one < told else None) for one in sessions]
