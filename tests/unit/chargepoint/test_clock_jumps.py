"""The host's clock is set while things happen: by minutes, a day and a year, backwards and forwards."""

import json

import pytest
from msgspec import structs

from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.rules.replays import FUTURE_MS, EventTimes
from chargebridge.chargepoint.turn import SendFrame
from chargebridge.chargers.model import (
    ChargerState,
    EndSession,
    Measured,
    Quantity,
    Reading,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    SetLimit,
    StateChanged,
    TokenPresented,
    Withdraw,
)
from chargebridge.clock import format_utc

pytestmark = pytest.mark.unit

S = ChargerState
MINUTE_MS, DAY_MS, YEAR_MS = 60_000, 86_400_000, 365 * 86_400_000
BACKWARDS = [-7 * MINUTE_MS, -DAY_MS, -YEAR_MS]
JUMPS = [*BACKWARDS, 7 * MINUTE_MS, DAY_MS, YEAR_MS]
IDS = {-7 * MINUTE_MS: "7 min back", -DAY_MS: "a day back", -YEAR_MS: "a year back"} | {
    7 * MINUTE_MS: "7 min ahead",
    DAY_MS: "a day ahead",
    YEAR_MS: "a year ahead",
}
by = pytest.mark.parametrize("jump", JUMPS, ids=IDS.get)
by_backwards = pytest.mark.parametrize("jump", BACKWARDS, ids=IDS.get)
restarting = pytest.mark.parametrize("restart", [False, True], ids=["", "with a restart"])


def jumped(bench, jump, restart=False):
    bench.utc_ms += jump
    if restart:
        bench.restart()
        bench.boot()
    return bench


def edges_told(bench):
    """Return the times of all that was told of transactions so far, with an s for Start and an e for Stop."""
    told = []
    for output in bench.outputs:
        frame = json.loads(output.data) if isinstance(output, SendFrame) else [0]
        if frame[0] == 2 and frame[2] in {"StartTransaction", "StopTransaction"}:
            told.append(("s " if frame[2] == "StartTransaction" else "e ") + frame[3]["timestamp"])
    return told


class TestSessions:
    @by
    @restarting
    def test_start_and_stop_keep_the_chargers_own_times(self, new_bench, jump, restart):
        bench = new_bench().ready()
        begins_ms, ends_ms = bench.utc_ms, bench.utc_ms + 600_000
        bench.begin()
        bench.serve()
        jumped(bench, jump, restart)
        event = SessionEnded(
            at_ms=ends_ms,
            session=1,
            id_tag="TAG1",
            started_at_ms=begins_ms,
            start_register_wh=1000,
            register_wh=1500,
            reason=SessionEnd.EV_DISCONNECTED,
        )
        bench.tell(event)
        bench.serve()
        jumped(bench, -jump, restart)
        bench.tell(event)
        bench.serve()
        assert edges_told(bench) == [f"s {format_utc(begins_ms)}", f"e {format_utc(ends_ms)}"]

    @by
    @restarting
    def test_so_do_those_that_are_told_whole(self, new_bench, jump, restart):
        bench = new_bench().ready()
        true_ms = bench.utc_ms
        jumped(bench, jump, restart)
        bench.said()
        whole = SessionEnded(
            at_ms=true_ms + 300_000,
            session=1,
            id_tag="TAG1",
            started_at_ms=true_ms + 60_000,
            start_register_wh=1000,
            register_wh=1500,
            reason=SessionEnd.EV_DISCONNECTED,
        )
        bench.tell(whole)
        bench.serve()
        begins, ends = format_utc(true_ms + 60_000), format_utc(true_ms + 300_000)
        assert edges_told(bench) == [f"s {begins}", f"e {ends}"]

    def test_a_host_that_has_never_been_told_the_time_believes_the_charger(self, new_bench):
        bench = new_bench()
        true_ms, bench.utc_ms = bench.utc_ms, 60_000
        bench.restart()
        bench.reachable()
        bench.boot()
        bench.tell(SessionStarted(at_ms=true_ms, session=1, id_tag="TAG1", register_wh=1000))
        bench.serve()
        assert edges_told(bench) == [f"s {format_utc(true_ms)}"]

    def test_but_not_a_charger_that_is_centuries_ahead(self, new_bench):
        bench = new_bench().ready()
        bench.utc_ms -= YEAR_MS
        bench.tell(SessionStarted(at_ms=10**15, session=1, id_tag="TAG1", register_wh=1000))
        bench.serve()
        assert edges_told(bench) == ["s 2026-01-02T10:00:00.000Z"]  # the latest that it had told

    @by
    @restarting
    def test_the_end_that_is_awaited_is_neither_hurried_nor_put_off(self, charging, jump, restart):
        first = charging._session
        charging.wait(60, answering=True)
        charging.begin(session=2, register_wh=2000)
        charging.wait(100, answering=True)
        jumped(charging, jump, restart)
        assert len(edges_told(charging)) == 1
        overdue_by_all_that_is_known = restart and jump > 300_000
        # The record may be on its way to a gateway that has just restarted.
        charging.live(30 if overdue_by_all_that_is_known else 300 if restart else 200)
        assert edges_told(charging) == [
            "s 2026-01-02T10:00:01.000Z",
            "e 2026-01-02T10:01:01.000Z",
            "s 2026-01-02T10:01:01.000Z",
        ]
        charging._session = first
        charging.end(1900)
        charging.serve()
        assert len(edges_told(charging)) == 3


class TestReplays:
    """Exact repeats are known for what they are, whatever the clocks say meanwhile."""

    @by
    @restarting
    def test_a_token_told_again_stops_nothing(self, new_bench, jump, restart):
        bench = new_bench().ready()
        token = TokenPresented(at_ms=bench.utc_ms, id_tag="TAG1")
        bench.tell(token)
        bench.serve()
        bench.wait(1)
        bench.begin()
        bench.serve()
        bench.asked()
        jumped(bench, jump, restart)
        bench.tell(token)
        bench.settle()
        assert bench.asked(EndSession) == []

    @by_backwards
    @restarting
    def test_nor_does_one_that_was_told_to_a_host_whose_clock_is_behind(self, new_bench, jump, restart):
        bench = new_bench().ready()
        true_ms = bench.utc_ms
        jumped(bench, jump)
        tokens = [
            TokenPresented(at_ms=true_ms + seconds * 1000, id_tag="TAG1") for seconds in (10, 40, 70, 100)
        ]
        for token in tokens:
            bench.tell(token)
            bench.serve()
        bench.asked()
        for shift in (0, 600_000, -600_000, -jump):
            jumped(bench, shift, restart)
            bench.asked()
            bench.said()
            for token in tokens:
                bench.tell(token)
            assert bench.serve() == []
            assert bench.asked() == []

    @by_backwards
    def test_nor_does_one_at_a_time_that_cannot_be(self, new_bench, jump):
        bench = new_bench().ready()
        token = TokenPresented(at_ms=300_000, id_tag="TAG1")
        bench.tell(token)
        bench.serve()
        bench.wait(1)
        bench.begin()
        bench.serve()
        bench.asked()
        jumped(bench, jump, restart=True)
        bench.tell(token)
        bench.settle()
        assert bench.asked(EndSession) == []
        jumped(bench, -jump)
        bench.tell(structs.replace(token, at_ms=400_000))
        assert [command.session for command in bench.asked(EndSession)] == [1]

    @by
    @restarting
    def test_a_restart_of_the_charger_told_again_boots_once(self, new_bench, jump, restart):
        bench = new_bench().ready()
        event = Restarted(at_ms=bench.utc_ms + 1000)
        jumped(bench, jump)
        bench.tell(event)
        assert "BootNotification" in [action for action, _ in bench.serve()]
        jumped(bench, 0, restart)
        bench.said()
        bench.tell(event)
        jumped(bench, -jump)
        bench.tell(event)
        assert "BootNotification" not in [action for action, _ in bench.serve()]

    @by
    @restarting
    def test_old_states_change_nothing_and_new_ones_count(self, new_bench, jump, restart):
        bench = new_bench().ready()
        true_ms = bench.utc_ms
        jumped(bench, jump)
        states = [
            StateChanged(at_ms=true_ms + number * 1000, state=state)
            for number, state in enumerate((S.AWAITING_TOKEN, S.READY, S.CHARGING, S.FAULTED), 1)
        ]
        for event in states:
            bench.tell(event)
        bench.serve()
        jumped(bench, 0, restart)
        bench.said()
        for event in states[:-1]:
            bench.tell(event)
        jumped(bench, -jump)
        for event in states[:-1]:
            bench.tell(event)
        assert bench.serve() == []
        bench.tell(StateChanged(at_ms=true_ms + 5000, state=S.DISCONNECTED))
        assert bench.statuses() or bench.serve()
        assert bench.cp.state.charger is S.DISCONNECTED

    def test_values_told_again_are_forwarded_once(self, new_bench):
        bench = new_bench("easee").ready().charging()
        true_ms = bench.utc_ms
        bench.utc_ms -= DAY_MS
        values = [
            Measured(at_ms=true_ms + n * 1000, readings=(Reading(Quantity.ENERGY_WH, 1000 + n),), session=1)
            for n in range(1, 6)
        ]
        for event in (*values, *values):
            bench.tell(event)
        bench.settle()
        assert [action for action, _ in bench.said()] == ["MeterValues"] * 5


class TestAfterAClockWasAhead:
    """What was told under a clock that has been set right since does not silence the charger."""

    @pytest.mark.parametrize("ahead_ms", [7 * MINUTE_MS, DAY_MS], ids=["7 min", "a day"])
    def test_of_the_charger(self, new_bench, ahead_ms):
        bench = new_bench().ready()
        bench.tell(StateChanged(at_ms=bench.utc_ms + ahead_ms, state=S.AWAITING_TOKEN))
        bench.tell(TokenPresented(at_ms=bench.utc_ms + ahead_ms, id_tag="TAG1"))
        bench.serve()
        bench.tell(TokenPresented(at_ms=bench.utc_ms + ahead_ms + 10, id_tag="TAG1"))  # never mind
        bench.tell(Restarted(at_ms=bench.utc_ms + ahead_ms))
        bench.serve()
        bench.wait(5)
        bench.tell(Restarted(at_ms=bench.utc_ms + 100))  # a little ahead, as clocks are
        assert "BootNotification" in [action for action, _ in bench.serve()]
        bench.token("TAG2")
        assert ("Authorize", {"idTag": "TAG2"}) in bench.serve()
        bench.state(S.DISCONNECTED)
        assert bench.cp.state.charger is S.DISCONNECTED

    def test_of_the_host_that_stood_in_for_the_chargers(self, new_bench):
        bench = new_bench().ready()
        bench.utc_ms += YEAR_MS
        bench.tell(StateChanged(at_ms=0, state=S.AWAITING_TOKEN))
        bench.tell(TokenPresented(at_ms=0, id_tag="TAG1"))
        bench.serve()
        bench.utc_ms -= YEAR_MS
        bench.wait(5)
        bench.state(S.DISCONNECTED)
        assert bench.cp.state.charger is S.DISCONNECTED


class TestTimers:
    @by
    @restarting
    def test_az_6_connection_time_out(self, ready, jump, restart):
        ready.ask("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "60"})
        ready.ask("RemoteStartTransaction", {"idTag": "TAG1"})
        ready.wait(30)
        jumped(ready, jump, restart)
        if not (restart and jump > 0):  # else it is over by all that is known
            assert ready.cp.state.intent is not None
        ready.live(61)
        assert ready.cp.state.intent is None
        assert ready.asked(Withdraw)

    @by
    @restarting
    def test_q_4_retries(self, charging, jump, restart):
        charging.end()
        while charging.open_call[1] != "StopTransaction":
            charging.answer()
        charging.refuse()
        charging.said()
        jumped(charging, jump, restart)
        charging.live(61)
        assert charging.store.queue == {}

    @by
    @restarting
    def test_re_1_a_reset_goes_on(self, charging, jump, restart):
        charging.ask("Reset", {"type": "Soft"})
        jumped(charging, jump, restart)
        charging.live(31)
        assert charging.cp.state.reset is None

    @by
    @restarting
    def test_re_3_the_restart_that_was_asked_for_is_expected_for_ten_minutes(self, ready, jump, restart):
        ready.ask("Reset", {"type": "Soft"})
        ready.live(1)
        ready.obey()
        ready.boot() if not ready.linked else None
        jumped(ready, jump, restart)
        if not (restart and jump > 0):
            assert Timer.RESTART in ready.cp.timers
        ready.live(601)
        ready.charger_restarts()
        assert "BootNotification" in [action for action, _ in ready.serve()]

    @by
    def test_hb_2_heartbeats(self, ready, jump):
        ready.said()
        jumped(ready, jump)
        assert ("Heartbeat", {}) in ready.live(331)


class TestSchedules:
    @by
    def test_mv_3_samples_come_at_their_interval(self, charging, jump):
        charging.metering()
        jumped(charging, jump)
        # Of the time that was skipped, the first that is measured is told at once.
        assert [action for action, _ in charging.live(180)].count("MeterValues") == 3 + (jump > 0)

    @by
    def test_mv_4_clock_aligned_samples_come_at_their_moments(self, new_bench, jump):
        bench = new_bench().ready()
        bench.ask(
            "ChangeConfiguration", {"key": "MeterValuesAlignedData", "value": "Energy.Active.Import.Register"}
        )
        bench.ask("ChangeConfiguration", {"key": "ClockAlignedDataInterval", "value": "900"})
        bench.charging()
        bench.metering(20, Reading(Quantity.ENERGY_WH, 1001))
        bench.live(100)
        jumped(bench, jump)
        bench.live(900)
        said = bench.live(1800)
        stamps = [
            payload["meterValue"][0]["timestamp"][14:19]
            for action, payload in said
            if action == "MeterValues"
            and payload["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Clock"
        ]
        assert len(stamps) == 2
        assert {int(stamp[:2]) % 15 for stamp in stamps} == {0}

    @by
    def test_sc_6_the_limit_follows_the_clock_soon(self, new_bench, jump):
        bench = new_bench("easee").ready()
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "startSchedule": format_utc(bench.utc_ms - MINUTE_MS),
                "duration": 120,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
            },
        }
        bench.ask("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
        for dynamic in ("8", "9"):
            bench.ask("ChangeConfiguration", {"key": "DynamicChargerCurrent", "value": dynamic})
        bench.obey()
        jumped(bench, jump)
        bench.wait(901)
        (limit, *_) = bench.asked(SetLimit)[::-1] or [bench.cp.state.limit]
        assert limit.limit_ma == 9000
        bench.obey()

    @by_backwards
    @restarting
    def test_a_limit_of_the_moment_holds_no_longer_than_it_was_written_for(self, new_bench, jump, restart):
        bench = new_bench("easee").ready()
        bench.ask("ChangeConfiguration", {"key": "DynamicChargerCurrent", "value": "10;1000"})
        bench.obey()
        jumped(bench, jump, restart)
        for _ in range(21):
            bench.live(100)
            bench.obey()
        assert bench.cp.state.dynamic == ()


class TestHeard:
    NOW_MS = 1_767_348_000_000

    def test_of_an_exact_repeat_it_knows_under_any_clock(self):
        heard = (
            EventTimes()
            .with_event(self.NOW_MS, self.NOW_MS - DAY_MS)
            .with_event(self.NOW_MS + 5, self.NOW_MS)
        )
        assert heard.repeats(self.NOW_MS)
        assert heard.repeats(self.NOW_MS + 5)

    def test_what_has_become_the_past_is_kept_as_one_time(self):
        heard = EventTimes()
        for second in range(100):
            heard = heard.with_event(self.NOW_MS + second * 1000, self.NOW_MS - DAY_MS)
        assert len(heard.ahead) == 8
        assert heard.with_event(self.NOW_MS + 100_000, self.NOW_MS + 100_000).ahead == ()

    def test_it_never_goes_back(self):
        heard = (
            EventTimes()
            .with_event(self.NOW_MS, self.NOW_MS)
            .with_event(self.NOW_MS + 9, self.NOW_MS - YEAR_MS)
        )
        assert (heard.until_ms, heard.ahead) == (self.NOW_MS, (self.NOW_MS + 9,))

    def test_unless_it_lies_in_a_future_that_no_clock_can_have_meant(self):
        heard = EventTimes(self.NOW_MS + FUTURE_MS + 1)
        assert not heard.is_later_than(self.NOW_MS, self.NOW_MS)
        assert heard.with_event(self.NOW_MS, self.NOW_MS) == EventTimes(self.NOW_MS)
