"""What leaves when: only after the commit, and in the order of the turns."""

import pytest

from chargebridge.chargepoint.turn import (
    ChargerReleased,
    ChargerReported,
    CommandEnded,
    NoticeKind,
    Operation,
    OperatorAsked,
    TimerFired,
)
from chargebridge.chargers.model import (
    Authorize,
    ChargerState,
    CommandOutcome,
    Measured,
    Outcome,
    Quantity,
    Reachable,
    Reading,
    Reboot,
    Restarted,
    SessionStarted,
    StateChanged,
    TokenPresented,
)
from chargebridge.gateway.turns.runtime import MOST_UNCOMMITTED
from chargebridge.gateway.turns.traces import Direction

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z

pytestmark = pytest.mark.unit

REACHABLE = ChargerReported(Reachable(at_ms=T0_MS, reachable=True))
PLUGGED_IN = ChargerReported(StateChanged(at_ms=T0_MS, state=ChargerState.AWAITING_TOKEN))
SESSION = ChargerReported(SessionStarted(at_ms=T0_MS, session=1, id_tag="TAG", register_wh=500))
SESSION_2 = ChargerReported(SessionStarted(at_ms=T0_MS + 1, session=2, id_tag="TAG", register_wh=600))
POWER = ChargerReported(Measured(at_ms=T0_MS, readings=(Reading(Quantity.POWER_W, 0),)))
GET = [2, "g1", "GetConfiguration", {"key": ["NumberOfConnectors"]}]
CHANGE = [2, "c1", "ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "99"}]


def ready(bench):
    """Registered, with a charger that can be reached."""
    bench.tell(REACHABLE)
    bench.boot()


def test_an_answer_leaves_only_after_what_it_promises_is_durable(bench):
    ready(bench)
    bench.link.receive(*CHANGE)
    assert bench.link.said == []
    bench.journal.commit()
    assert bench.link.said == [[3, "c1", {"status": "Accepted"}]]


def test_a_flood_of_calls_fills_no_memory_while_the_disk_is_slow(bench):
    ready(bench)
    for number in range(1000):
        change = {"key": "ConnectionTimeOut", "value": str(100 + number)}
        bench.link.receive(2, f"f{number}", "ChangeConfiguration", change)
    assert len(bench.journal.entries) == MOST_UNCOMMITTED
    assert bench.link.closed[0] == "calls come faster than they can be made durable"
    bench.link.lose()
    bench.settle()
    bench.boot()
    bench.link.receive(*GET)
    assert [frame[:2] for frame in bench.link.said] == [[3, "g1"]]


def test_a_turn_without_records_leaves_at_once(bench):
    ready(bench)
    bench.link.receive(*GET)
    assert [frame[:2] for frame in bench.link.said] == [[3, "g1"]]
    assert bench.journal.entries == []


def test_a_turn_without_records_waits_for_the_turn_before_it(bench):
    ready(bench)
    bench.link.receive(*CHANGE)
    bench.link.receive(*GET)
    assert bench.link.said == []
    bench.journal.commit(1)
    assert [frame[1] for frame in bench.link.said] == ["c1"]
    bench.journal.commit(1)
    assert [frame[1] for frame in bench.link.said] == ["c1", "g1"]


def test_charge_points_do_not_wait_for_each_other(bench):
    other = bench.add(2)
    ready(bench)
    bench.link.receive(*CHANGE)
    other.link.open()
    assert other.link.calls == ["BootNotification"]
    assert bench.link.said == []


def test_an_event_is_acknowledged_only_after_it_is_durable(bench):
    ready(bench)
    bench.tell(SESSION, token="r1")
    assert bench.driver.acknowledged == []
    bench.settle()
    assert bench.driver.acknowledged == ["r1"]


def test_an_event_that_needs_no_record_is_acknowledged_in_turn_order(bench):
    ready(bench)
    bench.tell(SESSION, token="r1")
    bench.tell(SESSION, token="r2")
    assert bench.driver.acknowledged == []
    bench.settle()
    assert bench.driver.acknowledged == ["r1", "r2"]


def test_a_command_leaves_after_the_turn_that_wants_it(bench):
    ready(bench)
    bench.tell(PLUGGED_IN)
    bench.tell(ChargerReported(TokenPresented(at_ms=T0_MS, id_tag="TAG")))
    bench.settle()
    bench.answer_all({"Authorize": {"idTagInfo": {"status": "Accepted"}}}, settle=False)
    assert bench.driver.commands == []
    bench.settle()
    ((serial, command),) = bench.driver.commands
    assert (serial, type(command), command.id_tag) == ("EH1", Authorize, "TAG")


def test_frames_are_traced_in_both_directions(bench):
    ready(bench)
    bench.link.receive(*GET)
    sent, received = reversed(bench.traces.recent(1, 2))
    assert (received.direction, sent.direction) == (Direction.RECEIVED, Direction.SENT)
    assert received.text.startswith('[2, "g1"')
    assert sent.text.startswith('[3,"g1"')


def test_a_frame_for_a_link_that_is_gone_is_dropped_and_not_traced(bench):
    ready(bench)
    bench.link.receive(*CHANGE)
    bench.link.lose()
    bench.link.open()
    before = len(bench.traces.recent(1, 100))
    bench.journal.commit(1)
    assert bench.link.said == []
    assert len(bench.traces.recent(1, 100)) == before


def test_deadlines_wake_a_charge_point(bench):
    ready(bench)
    bench.clock.advance(301 * 1.1)
    assert bench.link.calls[0] == "Heartbeat"


def test_a_stopped_runtime_wakes_nobody_and_takes_nothing_in(bench):
    ready(bench)
    bench.runtime.stop()
    bench.clock.advance(1000)
    bench.tell(SESSION, token="r1")
    bench.link.receive(*GET)
    assert bench.link.said == []
    assert bench.journal.entries == []
    assert bench.driver.acknowledged == []


def test_what_is_worth_noticing_is_counted(bench):
    ready(bench)
    bench.tell(SESSION)
    bench.settle()
    assert bench.runtime.emitter.notices[NoticeKind.TRANSACTION_STARTED] == 1


def test_the_answer_to_an_operator_comes_after_the_commit(bench):
    ready(bench)
    bench.tell(SESSION)
    bench.settle()
    answers = []
    number = bench.runtime.emitter.await_outcome(lambda *answer: answers.append(answer))
    bench.tell(OperatorAsked(number, Operation.STOP_TRANSACTION))
    assert answers == []
    bench.settle()
    ((accepted, detail),) = answers
    assert accepted
    assert detail.startswith("passed on to the charger; once it has carried that out, the transaction ends")


def test_an_operator_who_waits_no_longer_is_not_answered(bench):
    ready(bench)
    answers = []
    number = bench.runtime.emitter.await_outcome(lambda *answer: answers.append(answer))
    bench.runtime.emitter.forget_outcome(number)
    bench.tell(OperatorAsked(number, Operation.STOP_TRANSACTION))
    bench.settle()
    assert answers == []


def test_a_driver_that_raises_harms_nothing_else(bench):
    ready(bench)
    bench.driver.broken = True
    other = bench.add(2)
    bench.settle()
    other.link.open()
    bench.tell(SESSION, token="r1")
    bench.link.receive(2, "s1", "Reset", {"type": "Hard"})
    other.link.receive(*CHANGE)
    bench.settle()
    assert [frame[1] for frame in bench.link.said if frame[0] == 3] == ["s1"]
    assert [frame[1] for frame in other.link.said if frame[0] == 3] == ["c1"]


def test_a_charge_point_without_a_charger_commands_nobody(bench):
    ready(bench)
    bench.tell(SESSION)
    bench.settle()
    bench.binding.driver = None
    bench.link.receive(2, "s1", "Reset", {"type": "Hard"})
    bench.tell(ChargerReleased())
    bench.tell(CommandEnded(CommandOutcome(1, Outcome.DONE)))
    bench.settle()
    assert bench.driver.commands == []


def test_telemetry_outside_transactions_makes_no_records(bench):
    ready(bench)
    bench.tell(POWER)
    assert bench.journal.entries == []


@pytest.mark.parametrize(("speed", "pause_s"), [(1.0, 120.0), (60.0, 2.0)])
def test_a_reset_closes_the_link_behind_its_answer_and_pauses_it_until_the_charger_is_back(
    bench, speed, pause_s
):
    ready(bench)
    bench.link.receive(2, "r1", "Reset", {"type": "Hard"})
    bench.settle()
    assert bench.link.said == [[3, "r1", {"status": "Accepted"}]]
    assert bench.link.closed == []
    bench.clock.speed = speed
    bench.clock.advance(1.1)
    bench.settle()
    assert (bench.link.closed, bench.link.pauses) == (["reset"], [pause_s])
    bench.link.lose()
    bench.tell(ChargerReported(Restarted(at_ms=T0_MS + 20_000)))
    assert bench.link.pauses == [pause_s]
    bench.settle()
    assert bench.link.pauses == [pause_s, "over"]
    bench.boot()
    assert bench.all_said[-3][2] == "BootNotification"


def test_a_reset_whose_turn_is_undone_closes_nothing(bench):
    ready(bench)
    bench.link.receive(2, "r1", "Reset", {"type": "Hard"})
    bench.settle()
    bench.break_turns(1, lambda an_input: isinstance(an_input, TimerFired))
    bench.clock.advance(1.1)
    bench.settle()
    assert bench.link.closed == ["internal failure"]
    bench.link.lose()
    bench.clock.advance(1)
    bench.settle()
    assert [type(command) for _, command in bench.driver.commands] == [Reboot]
    bench.link.open()
    bench.settle()
    assert "BootNotification" not in bench.link.calls
    bench.tell(ChargerReported(Restarted(at_ms=T0_MS + 20_000)))
    bench.settle()
    assert "BootNotification" in bench.link.calls


class TestTheTimeOutOfACall:
    """It runs from the time at which the frame leaves (`RPC-6`), which the disk may delay."""

    def begin(self, bench):
        """Open a CALL whose frame waits for the disk; returns how many CALLs have left."""
        ready(bench)
        left = len(bench.link.calls)
        bench.tell(SESSION)
        assert bench.binding.charge_point.call is not None
        assert len(bench.link.calls) == left
        return left

    def timed_out(self, bench):
        return bench.runtime.emitter.notices[NoticeKind.CALL_TIMED_OUT]

    def test_a_disk_that_takes_longer_than_the_time_out_shortens_it_by_nothing(self, bench):
        left = self.begin(bench)
        bench.clock.advance(45)
        assert len(bench.link.calls) == left
        bench.journal.commit()
        assert len(bench.link.calls) == left + 1
        bench.clock.advance(29)
        bench.settle()
        assert self.timed_out(bench) == 0
        bench.clock.advance(2)
        bench.settle()
        assert self.timed_out(bench) == 1
        assert bench.link.calls[-1] == "Heartbeat"

    def test_inputs_meanwhile_do_not_let_it_run_out(self, bench):
        self.begin(bench)
        for _ in range(10):
            bench.clock.advance(10)
            bench.tell(POWER)
        bench.settle()
        assert self.timed_out(bench) == 0

    def test_of_a_frame_that_has_left_it_runs_whatever_waits_for_the_disk(self, bench):
        self.begin(bench)
        bench.settle()
        for _ in range(4):
            bench.clock.advance(8)
            bench.tell(SESSION_2)
        bench.settle()
        assert self.timed_out(bench) == 1
