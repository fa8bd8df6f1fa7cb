"""Turns that raise, commits that fail: nothing of them happens, and everything goes on."""

import pytest

from chargebridge.chargepoint.turn import (
    ChargerDescribed,
    ChargerReported,
    FrameReceived,
    LinkOpened,
    Operation,
    OperatorAsked,
    TimerFired,
)
from chargebridge.chargers.model import (
    ChargerInfo,
    ChargerState,
    Measured,
    Quantity,
    Reachable,
    Reading,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
)
from chargebridge.gateway.turns.runtime import REBUILD_PAUSE_S
from chargebridge.gateway.turns.store_outage import LONGEST_PAUSE_S
from chargebridge.link import LinkState
from chargebridge.store.errors import RecordRefusedError

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z

pytestmark = pytest.mark.unit

REACHABLE = ChargerReported(Reachable(at_ms=T0_MS, reachable=True))
CHANGE = [2, "c1", "ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "99"}]
INTERNAL_ERROR = [4, "c1", "InternalError"]


def started(session):
    return ChargerReported(
        SessionStarted(at_ms=T0_MS + session, session=session, id_tag="TAG", register_wh=session * 100)
    )


def ended(session):
    return ChargerReported(
        SessionEnded(
            at_ms=T0_MS + session,
            session=session,
            id_tag="TAG",
            started_at_ms=T0_MS + session,
            start_register_wh=session * 100,
            register_wh=session * 100 + 50,
            reason=SessionEnd.EV_DISCONNECTED,
        )
    )


def a_session(an_input):
    return isinstance(an_input, ChargerReported) and isinstance(an_input.event, SessionStarted | SessionEnded)


def a_frame(an_input):
    return isinstance(an_input, FrameReceived)


def ready(bench):
    bench.tell(REACHABLE)
    bench.boot()


def sessions(bench):
    return [transaction.session for transaction in bench.journal.stored[1].transactions.values()]


class TestRaising:
    """A turn that raises."""

    def test_leaves_no_trace_and_the_event_is_taken_again_by_a_rebuilt_charge_point(self, bench):
        ready(bench)
        broken = bench.binding.charge_point
        bench.break_turns(1, a_session)
        bench.tell(started(1), token="r1")
        assert bench.runtime.failed_turns == 1
        assert bench.journal.entries == []
        assert bench.driver.acknowledged == []
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.binding.charge_point is not broken
        assert bench.binding.backlog is None
        assert bench.driver.acknowledged == ["r1"]
        assert sessions(bench) == [1]

    def test_what_the_driver_says_of_the_charger_is_not_taken_for_configured_after_it(self, bench):
        ready(bench)
        bench.tell(ChargerDescribed(ChargerInfo("EH1", "V", "M")))
        bench.settle()
        bench.break_turns(1, a_session)
        bench.tell(started(1), token="r1")
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        bench.tell(ChargerDescribed(ChargerInfo("EH2", "V", "M")))
        assert bench.binding.charge_point.settings.serial == "EH2"

    def test_twice_is_set_aside_acknowledged_and_counted(self, bench):
        ready(bench)
        bench.break_turns(2, a_session)
        bench.tell(started(1), token="r1")
        bench.clock.advance(REBUILD_PAUSE_S)
        assert bench.driver.acknowledged == []
        bench.settle()
        assert bench.driver.acknowledged == ["r1"]
        assert bench.runtime.set_aside == 1
        (entry,) = bench.journal.set_aside
        assert "SessionStarted" in entry.input
        assert entry.error == "RuntimeError: a defect"
        bench.tell(started(2), token="r2")
        bench.settle()
        assert bench.driver.acknowledged == ["r1", "r2"]
        assert sessions(bench) == [2]

    def test_twice_at_the_end_of_a_session_leaves_no_transaction_that_runs_for_ever(self, bench):
        ready(bench)
        bench.tell(REACHABLE)
        bench.tell(started(1), token="r1")
        charging = StateChanged(at_ms=bench.clock.now().utc_ms, state=ChargerState.CHARGING)
        bench.tell(ChargerReported(charging))
        bench.settle()
        bench.break_turns(2, a_session)
        bench.tell(ended(1), token="r2")
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.runtime.set_aside == 1
        unplugged_ms = bench.clock.now().utc_ms
        bench.tell(ChargerReported(StateChanged(at_ms=unplugged_ms, state=ChargerState.DISCONNECTED)))
        bench.settle()
        (transaction,) = bench.journal.stored[1].transactions.values()
        assert transaction.stopped_ms is None
        for _ in range(300):
            bench.clock.advance(1)
            bench.settle()
        (transaction,) = bench.journal.stored[1].transactions.values()
        assert (transaction.stopped_ms, transaction.assumed) == (unplugged_ms, True)

    def test_twice_and_the_disk_fails_keeps_the_event_unacknowledged(self, bench):
        ready(bench)
        bench.break_turns(3, a_session)
        bench.tell(started(1), token="r1")
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.journal.fail()
        assert bench.driver.acknowledged == []
        assert bench.journal.set_aside == []
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1"]
        assert len(bench.journal.set_aside) == 1
        assert bench.runtime.set_aside == 1

    def test_answers_an_open_call_with_internal_error_and_closes_the_link(self, bench):
        ready(bench)
        bench.break_turns(1, a_frame)
        bench.link.receive(*CHANGE)
        assert [frame[:3] for frame in bench.link.said] == [INTERNAL_ERROR]
        assert bench.traces.recent(1, 1)[0].text.startswith('[4,"c1","InternalError"')
        assert bench.link.state is LinkState.CLOSING
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.binding.charge_point.configuration == {}

    def test_at_an_answer_sends_nothing_for_it(self, bench):
        bench.settle()
        bench.link.open()
        (call,) = bench.link.said
        bench.break_turns(1, a_frame)
        bench.link.receive(3, call[1], {})
        assert bench.link.said == [call]
        assert bench.link.state is LinkState.CLOSING

    def test_at_garbage_sends_nothing(self, bench):
        ready(bench)
        bench.break_turns(1, a_frame)
        bench.binding.frame_received(bench.link.epoch, b"{")
        assert bench.link.said == []

    def test_lets_earlier_turns_take_effect_and_rebuilds_after_them(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        bench.break_turns(1, lambda an_input: an_input == ended(1))
        bench.tell(ended(1), token="r2")
        bench.clock.advance(10 * REBUILD_PAUSE_S)
        assert bench.binding.backlog is not None
        bench.journal.commit()
        assert bench.driver.acknowledged == ["r1"]
        assert bench.binding.backlog is None
        bench.settle()
        assert bench.driver.acknowledged == ["r1", "r2"]
        (transaction,) = bench.journal.stored[1].transactions.values()
        assert transaction.meter_stop_wh == 150

    def test_keeps_the_order_of_what_arrives_meanwhile(self, bench):
        ready(bench)
        bench.break_turns(1, a_session)
        bench.tell(started(1), token="r1")
        bench.tell(ended(1), token="r2")
        bench.tell(started(2), token="r3")
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1", "r2", "r3"]
        assert sessions(bench) == [1, 2]

    def test_again_during_the_rebuild_keeps_the_order_too(self, bench):
        ready(bench)
        bench.break_turns(2, lambda an_input: an_input == ended(1))
        bench.tell(started(1), token="r1")
        bench.tell(ended(1), token="r2")
        bench.tell(started(2), token="r3")
        bench.settle()
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1", "r2", "r3"]
        assert [entry.error for entry in bench.journal.set_aside] == ["RuntimeError: a defect"]

    def test_harms_no_other_charge_point(self, bench):
        other = bench.add(2)
        ready(bench)
        bench.break_turns(1, a_session)
        bench.tell(started(1), token="r1")
        bench.tell(started(1), token="other", binding=other)
        bench.settle()
        assert bench.driver.acknowledged == ["other"]
        assert other.link.closed == []

    def test_at_a_deadline_is_not_an_input_to_set_aside(self, bench):
        ready(bench)
        bench.break_turns(1, lambda an_input: isinstance(an_input, TimerFired))
        bench.clock.advance(400)
        bench.settle()
        assert bench.binding.backlog is None
        assert bench.journal.set_aside == []
        assert bench.runtime.failed_turns == 1

    def test_frames_of_the_old_link_are_not_taken_after_it(self, bench):
        ready(bench)
        bench.break_turns(1, a_session)
        bench.tell(started(1))
        bench.link.receive(*CHANGE)
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.link.said == []
        assert bench.binding.charge_point.configuration == {}

    def test_a_link_that_opens_meanwhile_is_used_by_the_rebuilt_one(self, bench):
        ready(bench)
        bench.break_turns(1, a_session)
        bench.tell(started(1), token="r1")
        bench.link.lose()
        bench.link.open()
        assert bench.link.said == []
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        bench.answer_all()
        assert bench.link.calls[:3] == ["BootNotification", "StatusNotification", "StatusNotification"]
        assert "StartTransaction" in bench.link.calls

    def test_when_taking_up_what_is_stored_waits_and_tries_again(self, bench):
        ready(bench)
        bench.faults.resumes = 2
        other = bench.add(2)
        bench.tell(started(1), token="r1", binding=other)
        assert bench.runtime.failed_turns == 1
        bench.clock.advance(3 * REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1"]
        assert other.backlog is None


class TestFailedCommit:
    """A commit that fails."""

    def test_drops_the_outputs_and_takes_the_event_again(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        bench.journal.fail()
        assert bench.driver.acknowledged == []
        assert bench.link.said == []
        assert sessions(bench) == []
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1"]
        assert sessions(bench) == [1]

    def test_refuses_the_open_call(self, bench):
        ready(bench)
        bench.link.receive(*CHANGE)
        bench.journal.fail()
        assert [frame[:3] for frame in bench.link.said] == [INTERNAL_ERROR]
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.binding.charge_point.configuration == {}

    def test_refuses_every_open_call_before_the_link_closes(self, bench):
        ready(bench)
        bench.tell(started(1))
        bench.link.receive(*CHANGE)
        bench.link.receive(2, "c2", "ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "98"})
        bench.journal.fail()
        assert [frame[1:3] for frame in bench.link.said] == [
            ["c1", "InternalError"],
            ["c2", "InternalError"],
        ]

    def test_fails_the_later_turns_that_stand_on_it(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        bench.tell(ended(1), token="r2")
        bench.journal.fail(1)
        bench.clock.advance(10 * REBUILD_PAUSE_S)
        assert bench.binding.backlog is not None
        bench.journal.commit()
        assert bench.driver.acknowledged == []
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1", "r2"]
        (transaction,) = bench.journal.stored[1].transactions.values()
        assert (transaction.meter_start_wh, transaction.meter_stop_wh) == (100, 150)

    def test_keeps_the_order_of_what_arrives_between_two_of_its_outcomes(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        bench.tell(ended(1), token="r2")
        bench.journal.fail(1)
        bench.tell(started(2), token="r3")
        bench.journal.commit()
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1", "r2", "r3"]
        assert sessions(bench) == [1, 2]

    def test_and_a_turn_that_raises_meanwhile_keep_the_order_too(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        bench.break_turns(1, lambda an_input: an_input == ended(1))
        bench.tell(ended(1), token="r2")
        bench.tell(started(2), token="r3")
        bench.journal.fail()
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1", "r2", "r3"]
        assert sessions(bench) == [1, 2]

    def test_for_hours_costs_no_memory_and_repeats_nothing(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        for _ in range(50):
            bench.journal.fail()
            bench.clock.advance(LONGEST_PAUSE_S)
            bench.link.lose()
            bench.link.open()
        assert len(bench.journal.entries) < 10
        bench.settle()
        assert bench.driver.acknowledged == ["r1"]
        assert sessions(bench) == [1]
        assert bench.link.calls.count("BootNotification") == 1

    def test_of_a_record_that_can_never_be_stored_sets_the_input_aside_at_the_second_time(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        bench.journal.fail(error=RecordRefusedError("too large an integer"))
        assert bench.journal.set_aside == []
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.journal.fail(error=RecordRefusedError("too large an integer"))
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1"]
        assert [entry.error for entry in bench.journal.set_aside] == [
            "RecordRefusedError: too large an integer"
        ]
        assert bench.runtime.set_aside == 1
        assert bench.binding.backlog is None

    def test_of_the_disk_never_sets_an_input_aside(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        for _ in range(5):
            bench.journal.fail()
            bench.clock.advance(LONGEST_PAUSE_S)
        bench.settle()
        assert bench.journal.set_aside == []
        assert bench.driver.acknowledged == ["r1"]

    def test_while_the_store_cannot_be_read_either_waits_for_it(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        bench.journal.unreadable = True
        bench.journal.fail()
        bench.clock.advance(10 * REBUILD_PAUSE_S)
        assert bench.journal.entries == []
        bench.journal.unreadable = False
        bench.clock.advance(LONGEST_PAUSE_S)
        bench.settle()
        assert bench.driver.acknowledged == ["r1"]

    def test_is_not_mended_after_the_stop(self, bench):
        ready(bench)
        bench.tell(started(1), token="r1")
        bench.journal.fail()
        bench.runtime.stop()
        bench.clock.advance(10 * REBUILD_PAUSE_S)
        assert bench.journal.entries == []
        assert bench.clock.pending == []

    def test_a_wish_of_an_operator_is_carried_out_late_only_for_one_who_waits(self, bench):
        ready(bench)
        bench.tell(started(1))
        bench.settle()
        answers = []
        waiting = bench.runtime.emitter.await_outcome(lambda *answer: answers.append(answer))
        bench.tell(OperatorAsked(waiting, Operation.STOP_TRANSACTION))
        bench.journal.fail()
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        ((accepted, detail),) = answers
        assert accepted
        assert detail.startswith("passed on to the charger")

    def test_a_wish_that_nobody_waits_for_any_more_is_dropped(self, bench):
        ready(bench)
        bench.tell(started(1))
        bench.settle()
        gone = bench.runtime.emitter.await_outcome(lambda *answer: None)
        bench.tell(OperatorAsked(gone, Operation.STOP_TRANSACTION))
        bench.journal.fail()
        bench.runtime.emitter.forget_outcome(gone)
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        assert bench.driver.commands == []
        assert bench.binding.charge_point.state.stop_request is None


class TestQueue:
    """More messages than are kept in memory."""

    @pytest.fixture
    def long_queue(self, bench):
        """Twenty transactions that nobody has been told of, and a charge point that knows a part."""
        bench.tell(REACHABLE)
        for session in range(1, 21):
            bench.tell(started(session))
            bench.tell(ended(session))
            bench.tell(
                ChargerReported(
                    Measured(at_ms=T0_MS, readings=(Reading(Quantity.ENERGY_WH, session * 100 + 50),))
                )
            )
        bench.settle()
        return bench

    def test_is_delivered_in_order_page_by_page(self, long_queue):
        long_queue.boot()
        starts = [frame[3]["meterStart"] for frame in long_queue.all_said if frame[2] == "StartTransaction"]
        assert starts == [session * 100 for session in range(1, 21)]
        assert long_queue.journal.stored[1].queue == {}

    def test_a_page_that_cannot_be_read_is_read_by_the_rebuilt_one(self, long_queue):
        bench = long_queue
        bench.journal.failing_reads = 1
        bench.boot()
        assert bench.binding.backlog is not None
        assert bench.link.closed
        bench.clock.advance(REBUILD_PAUSE_S)
        bench.settle()
        bench.boot()
        starts = [frame[3]["meterStart"] for frame in bench.all_said if frame[2] == "StartTransaction"]
        assert starts == [session * 100 for session in range(1, 21)]
        assert bench.journal.stored[1].queue == {}


def test_the_link_and_the_queue_are_no_inputs_to_take_again(bench):
    ready(bench)
    bench.break_turns(1, lambda an_input: isinstance(an_input, LinkOpened))
    bench.link.lose()
    bench.link.open()
    assert bench.link.state is LinkState.CLOSING
    bench.clock.advance(REBUILD_PAUSE_S)
    bench.settle()
    assert bench.binding.backlog is None
    bench.link.lose()
    bench.boot()
    assert bench.binding.charge_point.online
