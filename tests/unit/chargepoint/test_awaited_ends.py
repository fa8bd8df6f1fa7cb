"""A transaction runs only while its charger has that session, whatever has become of the session's record."""

import json

import pytest
from msgspec import structs

from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.turn import (
    ChargerReleased,
    Notice,
    NoticeKind,
    Operation,
    OperatorAnswered,
    OperatorAsked,
)
from chargebridge.chargers.model import (
    Authorize,
    ChargerState,
    EndSession,
    Measured,
    Outcome,
    Quantity,
    Reading,
    Reboot,
    ReportSessions,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
    Unlock,
)
from chargebridge.clock import format_utc

pytestmark = pytest.mark.unit

S = ChargerState
AWAITED_S = 300


def of_transactions(calls):
    return [
        (action, payload) for action, payload in calls if action in ("StartTransaction", "StopTransaction")
    ]


def stops(calls):
    """(meterStop, reason) of each StopTransaction."""
    told = [payload for action, payload in calls if action == "StopTransaction"]
    return [(payload["meterStop"], payload["reason"]) for payload in told]


def starts(calls):
    """(idTag, meterStart) of each StartTransaction."""
    told = [payload for action, payload in calls if action == "StartTransaction"]
    return [(payload["idTag"], payload["meterStart"]) for payload in told]


def notices(bench, kind):
    return [output.detail for output in bench.outputs if isinstance(output, Notice) and output.kind is kind]


def idle_register(bench, register_wh):
    """The charger measures outside of any session."""
    readings = (Reading(Quantity.ENERGY_WH, register_wh),)
    bench.tell(Measured(at_ms=bench.utc_ms, readings=readings, session=None))


def record(bench, register_wh, at_ms, session=1):
    """The record of the bench's last session, as it ended then."""
    number, id_tag, started_ms, start_wh = bench._session
    assert number == session
    return SessionEnded(
        at_ms=at_ms,
        session=session,
        id_tag=id_tag,
        started_at_ms=started_ms,
        start_register_wh=start_wh,
        register_wh=register_wh,
        reason=SessionEnd.EV_DISCONNECTED,
    )


@pytest.fixture
def driving_away(charging):
    """A car that has charged for ten minutes is unplugged, and the record of its session is lost."""
    charging.live(600)
    charging.energy(1400)
    charging.serve()
    charging.live(10)
    charging.state(S.DISCONNECTED)
    charging.settle()
    charging.said()
    return charging


class TestEvidence:
    def test_tx_8_without_a_record_a_transaction_ends_after_the_unplugging(self, driving_away):
        unplugged = format_utc(driving_away.utc_ms)
        assert of_transactions(driving_away.live(AWAITED_S - 1)) == []
        ((_, stop),) = of_transactions(driving_away.live(1))
        assert (stop["meterStop"], stop["timestamp"]) == (1400, unplugged)
        assert (stop["reason"], stop["transactionId"]) == ("EVDisconnected", 7)
        (transaction,) = driving_away.store.transactions.values()
        assert transaction.assumed
        assert notices(driving_away, NoticeKind.END_ASSUMED) == ["session 1 at 1400 Wh"]
        assert driving_away.cp.state.ending is None

    def test_the_connector_is_free_afterwards(self, driving_away):
        said = driving_away.live(AWAITED_S)
        told = [payload["status"] for action, payload in said if action == "StatusNotification"]
        assert told == ["Finishing", "Available"]

    def test_so_it_does_when_nobody_is_authorized_any_more(self, charging):
        charging.live(600)
        charging.state(S.AWAITING_TOKEN)
        assert stops(charging.live(AWAITED_S - 1)) == []
        assert stops(charging.live(1)) == [(1000, "Other")]
        assert charging.cp.state.finished

    def test_its_own_record_ends_it_as_ever(self, driving_away):
        driving_away.live(200)
        driving_away.end(1410, SessionEnd.EV_DISCONNECTED)
        assert stops(driving_away.live(AWAITED_S)) == [(1410, "EVDisconnected")]
        assert not driving_away.store.transactions[1].assumed
        assert notices(driving_away, NoticeKind.END_ASSUMED) == []
        assert not {Timer.SESSION_END, Timer.SESSION_REPORT} & set(driving_away.cp.timers)

    def test_tx_10_who_has_stopped_it_is_its_reason(self, charging):
        charging.live(60)
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.obey()
        charging.state(S.AWAITING_TOKEN)
        assert stops(charging.live(AWAITED_S)) == [(1000, "Remote")]

    def test_not_where_a_session_outlives_the_unplugging(self, new_bench):
        bench = new_bench()
        # No charger of today can do without; a store of another version may say so.
        bench.store.configuration["StopTransactionOnEVSideDisconnect"] = "false"
        bench.start()
        bench.ready().charging()
        bench.state(S.DISCONNECTED)
        assert stops(bench.live(10 * AWAITED_S)) == []
        assert bench.asked(ReportSessions) == []
        bench.state(S.AWAITING_TOKEN)
        assert stops(bench.live(AWAITED_S)) == [(1000, "Other")]

    def test_a_state_of_before_the_session_says_nothing(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.live(60)
        ready.begin()
        ready.tell(StateChanged(at_ms=ready.utc_ms - 1000, state=S.DISCONNECTED))
        ready.live(10 * AWAITED_S)
        assert ready.cp.running is not None

    def test_nor_does_a_restart_of_the_charger(self, charging):
        charging.live(60)
        charging.charger_restarts()
        assert stops(charging.live(10 * AWAITED_S)) == []

    def test_a_driver_that_comes_back_may_tell_the_state_first(self, ready):
        ready.state(S.AWAITING_TOKEN)
        began_ms = ready.utc_ms
        ready.live(3600)
        ready.state(S.DISCONNECTED)
        ready.tell(SessionStarted(at_ms=began_ms, session=1, id_tag="TAG1", register_wh=1000))
        assert starts(ready.serve()) == [("TAG1", 1000)]
        assert stops(ready.live(AWAITED_S)) == [(1000, "EVDisconnected")]

    def test_even_one_of_the_time_at_which_the_session_began(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.begin()
        assert stops(ready.live(AWAITED_S)) == [(1000, "Other")]

    def test_or_the_same_state_as_before_the_session(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.live(60)
        ready.begin()
        ready.live(600)
        ready.state(S.AWAITING_TOKEN)
        assert stops(ready.live(AWAITED_S)) == [(1000, "Other")]

    def test_or_repeat_the_state_of_before_the_session_first(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.live(60)
        ready.reachable(False)
        began_ms = ready.utc_ms
        ready.live(600)
        ready.reachable()
        ready.state(S.AWAITING_TOKEN)
        ready.tell(SessionStarted(at_ms=began_ms, session=1, id_tag="TAG1", register_wh=1000))
        assert stops(ready.live(AWAITED_S)) == [(1000, "Other")]

    def test_a_token_that_is_authorized_again_withdraws_it(self, charging):
        charging.live(60)
        charging.state(S.AWAITING_TOKEN)
        charging.live(AWAITED_S - 1)
        charging.state(S.READY)
        assert stops(charging.live(10 * AWAITED_S)) == []
        charging.state(S.AWAITING_TOKEN)
        assert stops(charging.live(AWAITED_S - 1)) == []
        assert stops(charging.live(1)) == [(1000, "Other")]

    def test_a_fault_does_not(self, charging):
        charging.live(60)
        charging.state(S.AWAITING_TOKEN)
        charging.state(S.FAULTED)
        assert stops(charging.live(AWAITED_S)) == [(1000, "Other")]

    @pytest.mark.parametrize("newer", [2, 3])
    def test_nor_does_any_state_once_a_newer_session_is_known(self, charging, newer):
        charging.live(60)
        charging.state(S.AWAITING_TOKEN)
        charging.live(10)
        idle_register(charging, 1040)
        charging.live(10)
        charging.begin(session=newer, register_wh=1060)
        charging.state(S.CHARGING)
        charging.live(10)
        idle_register(charging, 1070)
        assert stops(charging.live(AWAITED_S - 30)) == [(1060 if newer == 2 else 1040, "Other")]

    def test_tx_8_it_ends_where_the_next_one_begins_even_if_the_state_is_later(self, charging):
        charging.live(60)
        began_ms = charging.utc_ms
        charging.live(60)
        charging.state(S.AWAITING_TOKEN)
        charging.tell(SessionStarted(at_ms=began_ms, session=2, id_tag="TAG2", register_wh=1000))
        (_, stop), (_, start) = of_transactions(charging.live(AWAITED_S))
        assert stop["timestamp"] == start["timestamp"] == format_utc(began_ms)

    def test_tx_8_a_state_behind_a_later_one_leaves_room_for_those_in_between(self, charging):
        """The gateway was away: the charger has had sessions 2 and 3, and is idle since both."""
        first = charging._session
        charging.live(60)
        charging.energy(1100)
        read_ms = charging.utc_ms
        charging.settle()
        charging.live(600)
        began_ms = charging.utc_ms
        charging.live(60)
        charging.state(S.AWAITING_TOKEN)
        charging.tell(SessionStarted(at_ms=began_ms, session=3, id_tag="TAG3", register_wh=1500))
        (_, stop), _ = of_transactions(charging.live(AWAITED_S))
        assert (stop["meterStop"], stop["timestamp"]) == (1100, format_utc(read_ms))
        charging._session = (3, "TAG3", began_ms, 1500)
        charging.end(1600)
        charging._session = first
        rest = record(charging, 1300, read_ms + 60_000)
        charging.tell(structs.replace(rest, rebuilt=True, id_tag="MISSED"))
        charging._session = (2, "MISSED", read_ms + 120_000, 1300)
        charging.tell(record(charging, 1500, read_ms + 300_000, session=2))
        charging.serve()
        told = [
            (one.session, one.id_tag, one.started_ms - read_ms, one.stopped_ms - read_ms)
            for one in sorted(charging.store.transactions.values(), key=lambda one: one.started_ms)
        ]
        assert told[1:3] == [(1, "TAG1", 0, 60_000), (2, "MISSED", 120_000, 300_000)]

    def test_of_a_newer_one_alone_neither(self, charging):
        charging.live(60)
        charging.begin(session=2, register_wh=1060)
        charging.state(S.READY)
        charging.state(S.CHARGING)
        assert stops(charging.live(AWAITED_S)) == [(1060, "Other")]

    def test_what_is_measured_in_a_newer_one_is_an_event_of_it(self, charging):
        """The record of one session and the beginning of the next were both lost."""
        charging.live(600)
        charging.energy(1400)
        measured_ms = charging.utc_ms
        charging.live(60)
        charging.energy(1900, session=2)
        charging.live(30)
        (asked,) = charging.asked(ReportSessions)
        assert asked.first == 1
        charging.said()
        ((_, stop),) = of_transactions(charging.live(AWAITED_S))
        assert (stop["meterStop"], stop["timestamp"]) == (1400, format_utc(measured_ms))

    def test_rs_1_a_remote_start_is_refused_while_a_newer_one_is_measured(self, charging):
        charging.live(60)
        charging.energy(1900, session=2)
        assert charging.ask("RemoteStartTransaction", {"idTag": "TAG9"})["status"] == "Rejected"

    def test_tx_8_an_end_while_the_charger_was_away_is_no_later_than_what_it_measured(self, charging):
        """Other sessions may have begun and ended before it was back, and their records may come yet."""
        charging.live(600)
        charging.energy(1400)
        measured_ms = charging.utc_ms
        charging.serve()
        charging.reachable(False)
        charging.live(7200)
        charging.said()
        charging.reachable()
        charging.state(S.DISCONNECTED)
        idle_register(charging, 9000)
        ((_, stop),) = of_transactions(charging.live(AWAITED_S))
        assert (stop["meterStop"], stop["reason"]) == (1400, "EVDisconnected")
        assert stop["timestamp"] == format_utc(measured_ms)
        began_ms = measured_ms + 600_000
        charging.tell(
            SessionEnded(
                at_ms=began_ms + 60_000,
                session=2,
                id_tag="TAG2",
                started_at_ms=began_ms,
                start_register_wh=1400,
                register_wh=9000,
                reason=SessionEnd.EV_DISCONNECTED,
            )
        )
        (_, start), (_, stop) = of_transactions(charging.serve())
        assert (start["timestamp"], stop["meterStop"]) == (format_utc(began_ms), 9000)

    def test_a_state_that_changes_once_it_is_back_is_when_it_ended(self, charging):
        charging.live(600)
        charging.reachable(False)
        charging.live(7200)
        charging.reachable()
        charging.state(S.CHARGING)
        charging.live(60)
        charging.state(S.DISCONNECTED)
        unplugged = format_utc(charging.utc_ms)
        charging.said()
        ((_, stop),) = of_transactions(charging.live(AWAITED_S))
        assert stop["timestamp"] == unplugged

    def test_nor_any_state_once_the_car_was_gone(self, charging):
        charging.live(60)
        charging.state(S.AWAITING_TOKEN)
        charging.live(10)
        charging.state(S.DISCONNECTED)
        charging.live(10)
        charging.state(S.CHARGING)
        assert stops(charging.live(AWAITED_S)) == [(1000, "EVDisconnected")]

    def test_another_car_does_not(self, driving_away):
        driving_away.live(10)
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.state(S.CHARGING)
        assert stops(driving_away.live(AWAITED_S)) == [(1400, "EVDisconnected")]

    @pytest.mark.parametrize("restart", [False, True], ids=["", "with a restart"])
    def test_a_session_that_began_unseen_meanwhile_is_not_part_of_it(self, driving_away, restart):
        driving_away.live(10)
        idle_register(driving_away, 1405)
        driving_away.live(10)
        driving_away.state(S.CHARGING)
        if restart:
            driving_away.restart()
            driving_away.boot()
        driving_away.live(10)
        idle_register(driving_away, 1490)
        assert stops(driving_away.live(AWAITED_S)) == [(1405, "EVDisconnected")]

    def test_mv_9_the_register_of_the_idle_charger_is_where_it_ended(self, driving_away):
        driving_away.live(60)
        idle_register(driving_away, 1417)
        assert stops(driving_away.live(AWAITED_S)) == [(1417, "EVDisconnected")]

    def test_mv_9_not_what_it_has_measured_in_another_session(self, driving_away):
        readings = (Reading(Quantity.ENERGY_WH, 1490),)
        driving_away.tell(Measured(at_ms=driving_away.utc_ms + 1000, readings=readings, session=2))
        assert stops(driving_away.live(AWAITED_S)) == [(1400, "EVDisconnected")]

    @pytest.mark.parametrize(("seconds", "register_wh"), [(-10, 1000), (10, 1500)])
    def test_mv_9_nor_what_it_has_measured_before_it_began(self, ready, seconds, register_wh):
        ready.state(S.AWAITING_TOKEN)
        ready.live(60)
        ready.begin()
        readings = (Reading(Quantity.ENERGY_WH, 1500),)
        ready.tell(Measured(at_ms=ready.utc_ms + seconds * 1000, readings=readings, session=None))
        ready.live(60)
        ready.state(S.DISCONNECTED)
        assert stops(ready.live(AWAITED_S)) == [(register_wh, "EVDisconnected")]

    def test_what_it_measured_last_may_come_after_the_unplugging(self, driving_away):
        driving_away.tell(
            Measured(
                at_ms=driving_away.utc_ms + 1000, readings=(Reading(Quantity.ENERGY_WH, 1411),), session=1
            )
        )
        assert stops(driving_away.live(AWAITED_S)) == [(1411, "EVDisconnected")]

    def test_an_end_that_was_set_aside_blocks_nothing(self, driving_away):
        """An input that raises twice never comes again: only the charger's state is left of the end."""
        driving_away.live(AWAITED_S)
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.token("TAG2")
        driving_away.serve()
        assert [command.id_tag for command in driving_away.asked(Authorize)] == ["TAG2"]


class TestTheDriverIsAsked:
    def test_for_the_record_when_it_is_late(self, driving_away):
        driving_away.asked()
        driving_away.live(29)
        assert driving_away.asked(ReportSessions) == []
        driving_away.live(1)
        (command,) = driving_away.asked(ReportSessions)
        number, _, began_ms, began_wh = driving_away._session
        assert (command.first, command.from_ms, command.from_wh) == (number, began_ms, began_wh)
        assert notices(driving_away, NoticeKind.END_AWAITED) == ["session 1: state"]
        driving_away.live(AWAITED_S - 31)
        assert driving_away.asked(ReportSessions) == []

    def test_at_once_if_somebody_wants_to_charge(self, driving_away):
        driving_away.live(1)
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.token("TAG2")
        driving_away.live(0)
        assert len(driving_away.asked(ReportSessions)) == 1
        assert stops(driving_away.live(3)) == []
        assert len(stops(driving_away.live(1))) == 1
        assert driving_away.asked(ReportSessions) == []

    def test_it_then_has_as_long_as_the_settings_say(self, driving_away):
        driving_away.cp.adopt(structs.replace(driving_away.settings, end_hurried_s=100.0))
        driving_away.live(1)
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.token("TAG2")
        driving_away.live(0)
        assert len(driving_away.asked(ReportSessions)) == 1
        assert stops(driving_away.live(98)) == []
        assert len(stops(driving_away.live(1))) == 1

    def test_in_any_case_before_the_end_is_assumed(self, driving_away):
        driving_away.live(6)
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.token("TAG2")
        driving_away.live(0)
        assert len(driving_away.asked(ReportSessions)) == 1
        driving_away.tell(record(driving_away, 1450, driving_away.utc_ms - 6000))
        assert (1450, "EVDisconnected") in stops(driving_away.serve())

    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_whatever_it_answers_the_wait_decides(self, driving_away, outcome):
        driving_away.live(30)
        (command,) = driving_away.asked(ReportSessions)
        driving_away.done(command, outcome)
        assert stops(driving_away.live(AWAITED_S - 31)) == []
        assert stops(driving_away.live(1)) == [(1400, "EVDisconnected")]

    def test_a_session_that_it_says_runs_goes_on(self, driving_away):
        driving_away.live(30)
        (command,) = driving_away.asked(ReportSessions)
        number, id_tag, began_ms, began_wh = driving_away._session
        driving_away.tell(SessionStarted(at_ms=began_ms, session=number, id_tag=id_tag, register_wh=began_wh))
        driving_away.done(command)
        assert stops(driving_away.live(10 * AWAITED_S)) == []
        driving_away.state(S.DISCONNECTED)
        assert stops(driving_away.live(10 * AWAITED_S)) == []
        assert driving_away.asked(ReportSessions) == []

    def test_but_not_one_that_a_newer_one_has_followed(self, charging):
        number, id_tag, began_ms, began_wh = charging._session
        charging.live(60)
        charging.begin(session=2, register_wh=1100)
        charging.live(30)
        (command,) = charging.asked(ReportSessions)
        charging.tell(SessionStarted(at_ms=began_ms, session=number, id_tag=id_tag, register_wh=began_wh))
        charging.done(command)
        assert stops(charging.live(AWAITED_S - 30)) == [(1100, "Other")]

    def test_but_a_repeat_that_nobody_asked_for_says_nothing(self, driving_away):
        number, id_tag, began_ms, began_wh = driving_away._session
        driving_away.tell(SessionStarted(at_ms=began_ms, session=number, id_tag=id_tag, register_wh=began_wh))
        assert stops(driving_away.live(AWAITED_S)) == [(1400, "EVDisconnected")]


class TestTheWait:
    def test_runs_while_the_charger_can_be_reached_only(self, driving_away):
        driving_away.live(AWAITED_S - 1)
        driving_away.reachable(False)
        driving_away.live(10 * AWAITED_S)
        driving_away.reachable()
        assert stops(driving_away.live(AWAITED_S - 1)) == []
        assert stops(driving_away.live(1)) == [(1400, "EVDisconnected")]

    def test_begins_when_a_charger_is_reached_that_said_so_before(self, charging):
        charging.reachable(False)
        charging.state(S.DISCONNECTED)
        assert stops(charging.live(10 * AWAITED_S)) == []
        charging.reachable()
        assert stops(charging.live(AWAITED_S)) == [(1000, "EVDisconnected")]

    def test_goes_on_after_a_restart(self, driving_away):
        driving_away.wait(100)
        driving_away.restart()
        driving_away.boot()
        assert stops(driving_away.live(AWAITED_S - 101)) == []
        assert stops(driving_away.live(1)) == [(1400, "EVDisconnected")]

    def test_goes_on_where_the_charge_point_is_rebuilt_and_the_charger_stays_reachable(self, driving_away):
        driving_away.live(100)
        driving_away.rebuild()
        driving_away.boot()
        assert stops(driving_away.live(AWAITED_S - 101)) == []
        assert stops(driving_away.live(2)) == [(1400, "EVDisconnected")]

    def test_a_restart_that_took_longer_leaves_the_record_some_time(self, driving_away):
        driving_away.utc_ms += 10 * AWAITED_S * 1000
        driving_away.restart()
        driving_away.boot()
        assert stops(driving_away.live(29)) == []
        assert stops(driving_away.live(1)) == [(1400, "EVDisconnected")]

    def test_is_a_setting(self, new_bench):
        bench = new_bench(end_awaited_s=30.0).ready().charging()
        bench.state(S.DISCONNECTED)
        bench.live(3)
        assert len(bench.asked(ReportSessions)) == 1
        assert stops(bench.live(26)) == []
        assert stops(bench.live(1)) == [(1000, "EVDisconnected")]


class TestAnEndThatWasCommanded:
    def test_leads_to_the_end_of_the_transaction(self, charging):
        charging.live(60)
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.obey()
        assert stops(charging.live(AWAITED_S - 1)) == []
        assert stops(charging.live(1)) == [(1000, "Remote")]

    def test_not_before_the_newest_reading_where_the_hosts_clock_is_behind(self, charging):
        charging.live(600)
        charging.energy(1400)
        charging.serve()
        measured = format_utc(charging.utc_ms)
        charging.utc_ms -= 3_600_000
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.obey()
        ((_, stop),) = of_transactions(charging.live(AWAITED_S))
        assert (stop["meterStop"], stop["timestamp"]) == (1400, measured)

    @pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.DONE}))
    def test_if_it_was_carried_out(self, charging, outcome):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        for _ in range(20):
            for command in charging.asked():
                charging.done(command, outcome)
            assert stops(charging.live(60)) == []

    def test_not_if_energy_flows_long_after_it(self, charging):
        charging.live(60)
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.obey()
        for register_wh in range(1010, 1100, 10):
            charging.live(60)
            charging.energy(register_wh)
            assert stops(charging.serve()) == []
            charging.obey()
        assert charging.cp.running is not None

    @pytest.mark.parametrize("session", [1, None], ids=["of it, as before", "of none"])
    def test_what_shows_no_energy_of_it_proves_nothing(self, charging, session):
        charging.live(60)
        charging.energy(1010)
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.obey()
        charging.live(60)
        readings = (Reading(Quantity.ENERGY_WH, 1010 if session else 1020),)
        charging.tell(Measured(at_ms=charging.utc_ms, readings=readings, session=session))
        assert stops(charging.live(AWAITED_S - 60)) == [(1010, "Remote")]

    def test_the_state_that_follows_says_when_it_ended(self, charging):
        charging.live(60)
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.obey()
        charging.live(10)
        charging.state(S.AWAITING_TOKEN)
        ended = format_utc(charging.utc_ms)
        idle_register(charging, 1020)
        ((_, stop),) = of_transactions(charging.live(AWAITED_S - 10))
        assert (stop["timestamp"], stop["meterStop"], stop["reason"]) == (ended, 1020, "Remote")

    def test_the_last_energy_comes_a_moment_after_it(self, charging):
        charging.live(60)
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.obey()
        charging.live(20)
        charging.energy(1010)
        assert stops(charging.live(AWAITED_S - 20)) == [(1010, "Remote")]


class TestTheCableOfARefusedToken:
    """The central system has refused the token of the running session, whose end was commanded (`TX-4`)."""

    @pytest.fixture
    def refused(self, ready):
        ready.state(S.AWAITING_TOKEN)
        ready.token()
        ready.settle()
        ready.wait(1)
        ready.begin()
        ready.state(S.CHARGING)
        while ready.open_call is not None:
            start = ready.open_call[1] == "StartTransaction"
            ready.answer({"transactionId": 7, "idTagInfo": {"status": "Blocked"}} if start else None)
        ready.obey()
        ready.said()
        return ready

    def test_tx_4_stays_locked_without_the_record_too(self, refused):
        refused.state(S.AWAITING_TOKEN)
        assert stops(refused.live(AWAITED_S)) == [(1000, "DeAuthorized")]
        assert refused.cp.state.locked.id_tag == "TAG1"

    def test_tx_4_not_if_another_session_has_followed(self, refused):
        refused.live(10)
        refused._session = (2, "TAG2", refused.utc_ms, 1000)
        refused.live(10)
        refused.end(1100)
        refused.state(S.AWAITING_TOKEN)
        assert stops(refused.live(AWAITED_S))[0] == (1000, "DeAuthorized")
        assert refused.cp.state.locked is None


class TestARecordThatComesAfterAll:
    def test_tx_8_what_it_has_more_is_another_transaction(self, driving_away):
        unplugged_ms = driving_away.utc_ms
        driving_away.live(AWAITED_S + 600)
        driving_away.tell(record(driving_away, 1450, unplugged_ms))
        said = driving_away.serve()
        assert starts(said) == [("TAG1", 1400)]
        assert stops(said) == [(1450, "EVDisconnected")]
        assert [one.assumed for one in driving_away.store.transactions.values()] == [True, False]
        driving_away.tell(record(driving_away, 1450, unplugged_ms))
        assert driving_away.serve() == []

    def test_what_it_has_no_more_is_nothing(self, driving_away):
        unplugged_ms = driving_away.utc_ms
        driving_away.live(AWAITED_S + 600)
        driving_away.tell(record(driving_away, 1400, unplugged_ms))
        assert of_transactions(driving_away.serve()) == []

    @pytest.mark.parametrize("running", [True, False], ids=["while that runs", "after that"])
    def test_energy_until_the_very_next_session_was_of_this_one(self, driving_away, running):
        unplugged_ms = driving_away.utc_ms
        driving_away.live(AWAITED_S + 600)
        lost = record(driving_away, 1460, unplugged_ms)
        driving_away.begin(session=2, id_tag="TAG2", register_wh=1460)
        said = driving_away.serve()
        assert starts(said) == [("TAG1", 1400), ("TAG2", 1460)]
        assert stops(said) == [(1460, "Other")]
        driving_away.live(60)
        for event in (lost, None) if running else (None, lost):
            if event is None:
                driving_away.end(1500)
            else:
                driving_away.tell(event)
            driving_away.live(60)
        told = driving_away.store.transactions.values()
        assert [(one.session, one.meter_start_wh, one.meter_stop_wh, one.assumed) for one in told] == [
            (1, 1000, 1400, True),
            (1, 1400, 1460, True),
            (2, 1460, 1500, False),
        ]

    def test_energy_until_a_later_one_is_not_reported_as_anybodys(self, driving_away):
        driving_away.live(AWAITED_S + 600)
        driving_away.asked()
        driving_away.begin(session=3, id_tag="TAG2", register_wh=1460)
        assert starts(driving_away.serve()) == [("TAG2", 1460)]
        # The record of the first one, whose end was assumed, may be what is missing.
        assert [(one.first, one.from_wh) for one in driving_away.asked(ReportSessions)] == [(1, 1000)]
        told = notices(driving_away, NoticeKind.ENERGY_WITHOUT_SESSION)
        assert told == ["60 Wh between sessions 1 and 3"]

    @pytest.mark.parametrize(("id_tag", "later_ms"), [("TAG1", 1000), ("tag1", 1000), ("TAG2", 0)])
    def test_tx_1_nor_as_the_next_session_did(self, charging, id_tag, later_ms):
        """The record of the first one has more than the register at which the second one began."""
        first, began_ms = charging._session, charging.utc_ms + 60_000
        charging.live(60)
        charging.begin(session=2, id_tag=id_tag, register_wh=1100)
        charging.live(AWAITED_S)
        charging.end(1200)
        charging.live(60)
        charging._session = first
        charging.tell(record(charging, 1150, began_ms + 5000))
        ((_, start), _) = of_transactions(charging.serve())
        assert start["meterStart"] == 1100
        assert start["timestamp"] == format_utc(began_ms + later_ms)

    def test_tx_1_the_rest_does_not_begin_as_the_transaction_did(self, charging):
        """Many central systems recognize a repeated StartTransaction by tag, register and time."""
        charging.live(1)
        started_ms, began_ms = charging.utc_ms, charging._session[2]
        charging.begin(session=3, id_tag="TAG1", register_wh=3290)
        first = charging._session
        charging.said()
        charging.live(AWAITED_S)
        charging.end(3300)
        charging._session = (1, "TAG1", began_ms, 1000)
        charging.tell(record(charging, 3290, started_ms))
        charging.serve()
        told = [
            (frame["idTag"], frame["meterStart"], frame["timestamp"])
            for frame in (
                json.loads(output.data)[3]
                for output in charging.outputs
                if getattr(output, "data", b"").startswith(b"[2") and b"StartTransaction" in output.data
            )
        ]
        assert len(told) == 3
        assert len(set(told)) == 3
        pieces = [(one.meter_start_wh, one.meter_stop_wh) for one in charging.store.transactions.values()]
        assert sorted(pieces) == [(1000, 1000), (1000, 3290), (3290, 3300)]
        assert first[0] == 3

    def test_tx_1_nor_does_it_at_the_charge_point_that_gets_the_charger(self, charging):
        began_ms = charging._session[2]
        charging.turn(ChargerReleased())
        edge = charging.cp.abandoned
        assert (edge.register_wh, edge.register_ms) == (1000, began_ms + 1)
        assert charging.store.transactions[1].stopped_ms == edge.register_ms


class TestWhoeverWantsToCharge:
    def test_az_2_a_token_waits_for_the_record_for_some_seconds(self, driving_away):
        driving_away.live(2)
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.token("TAG2")
        assert driving_away.live(2) == []
        said = driving_away.live(1)
        assert stops(said) == [(1400, "EVDisconnected")]
        assert "Authorize" in [action for action, _ in said]
        assert [command.id_tag for command in driving_away.asked(Authorize)] == ["TAG2"]

    def test_az_2_a_second_one_makes_it_neither_longer_nor_shorter(self, driving_away):
        driving_away.live(1)
        driving_away.token("TAG2")
        driving_away.live(2)
        driving_away.token("TAG3")
        assert driving_away.live(1) == []
        driving_away.live(1)
        assert [command.id_tag for command in driving_away.asked(Authorize)] == ["TAG3"]

    def test_az_2_or_not_at_all_if_that_is_late_already(self, driving_away):
        driving_away.live(60)
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.token("TAG2")
        driving_away.live(0)
        assert [command.id_tag for command in driving_away.asked(Authorize)] == ["TAG2"]

    def test_az_2_nor_longer_because_the_setting_was_another_one(self, driving_away):
        driving_away.cp.adopt(structs.replace(driving_away.settings, end_awaited_s=30.0))
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.token("TAG2")
        driving_away.live(5)
        assert [command.id_tag for command in driving_away.asked(Authorize)] == ["TAG2"]

    def test_az_2_the_owner_of_the_last_session_begins_another_one(self, driving_away):
        driving_away.live(60)
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.token("TAG1")
        driving_away.live(0)
        assert [type(command) for command in driving_away.asked(Authorize, EndSession)] == [Authorize]

    @pytest.mark.parametrize("seconds", [1, 60])
    @pytest.mark.parametrize("restart", [False, True], ids=["", "with a restart"])
    def test_rs_1_a_remote_start_is_accepted(self, driving_away, seconds, restart):
        driving_away.live(seconds)
        start = {"idTag": "REMOTE", "connectorId": 1}
        assert driving_away.ask("RemoteStartTransaction", start) == {"status": "Accepted"}
        assert driving_away.ask("RemoteStartTransaction", start) == {"status": "Rejected"}
        if restart:
            driving_away.restart()
            driving_away.boot()
        driving_away.live(5)
        assert {command.id_tag for command in driving_away.asked(Authorize)} == {"REMOTE"}
        driving_away.state(S.AWAITING_TOKEN)
        driving_away.begin(session=2, id_tag="REMOTE", register_wh=1400)
        assert starts(driving_away.serve()) == [("REMOTE", 1400)]

    def test_rs_1_not_while_a_newer_session_runs(self, charging):
        charging.live(60)
        charging.begin(session=2, register_wh=1100)
        start = {"idTag": "REMOTE", "connectorId": 1}
        assert charging.ask("RemoteStartTransaction", start) == {"status": "Rejected"}
        charging.live(1)
        charging.state(S.READY)
        assert charging.ask("RemoteStartTransaction", start) == {"status": "Rejected"}

    def test_rs_1_but_when_that_has_ended_as_well(self, charging):
        charging.live(60)
        charging._session = (2, "TAG2", charging.utc_ms, 1100)
        charging.live(60)
        charging.end(1200)
        assert charging.ask("RemoteStartTransaction", {"idTag": "REMOTE"}) == {"status": "Accepted"}
        charging.live(5)
        assert [command.id_tag for command in charging.asked(Authorize)] == ["REMOTE"]
        assert [one.session for one in charging.store.transactions.values()] == [1, 2]

    def test_a_token_behind_a_remote_start_is_refused(self, driving_away):
        driving_away.live(1)
        driving_away.ask("RemoteStartTransaction", {"idTag": "REMOTE"})
        driving_away.asked()
        driving_away.token("TAG2")
        asked = driving_away.asked(Authorize)
        assert [(command.id_tag, command.accepted) for command in asked] == [("TAG2", False)]


class TestSeveralThatAreOver:
    """The records of two sessions in a row are lost."""

    @pytest.fixture
    def twice(self, charging):
        charging.live(60)
        charging.begin(session=2, id_tag="TAG2", register_wh=1100)
        charging.live(60)
        charging.state(S.DISCONNECTED)
        charging.live(60)
        charging.state(S.AWAITING_TOKEN)
        charging.asked()
        return charging

    def test_az_2_a_token_is_for_what_comes_behind_them(self, twice):
        twice.token("TAG3")
        said = twice.live(5)
        assert stops(said) == [(1100, "Other"), (1100, "Other")]
        assert [command.id_tag for command in twice.asked(Authorize)] == ["TAG3"]

    def test_rs_1_so_is_a_remote_start(self, twice):
        assert twice.ask("RemoteStartTransaction", {"idTag": "REMOTE"}) == {"status": "Accepted"}
        twice.live(5)
        assert [command.id_tag for command in twice.asked(Authorize)] == ["REMOTE"]


class TestWhoeverEndsIt:
    OVER = "the charger does not have this session any more: its transaction "

    def ask(self, bench, operation):
        bench.outputs.clear()
        bench.turn(OperatorAsked(5, operation))
        return [
            (output.accepted, output.detail)
            for output in bench.outputs
            if isinstance(output, OperatorAnswered)
        ]

    def test_an_operator_ends_what_only_exists_here(self, driving_away):
        driving_away.live(60)
        driving_away.asked()
        assert self.ask(driving_away, Operation.STOP_TRANSACTION) == [(True, self.OVER + "has ended")]
        assert driving_away.cp.running is None
        assert driving_away.asked() == []
        assert stops(driving_away.serve()) == [(1400, "EVDisconnected")]

    def test_leaving_its_record_some_seconds(self, driving_away):
        assert self.ask(driving_away, Operation.STOP_TRANSACTION) == [(True, self.OVER + "ends within 5 s")]
        assert stops(driving_away.live(4)) == []
        assert stops(driving_away.live(1)) == [(1400, "Remote")]

    def test_a_restart_just_then_does_not_begin_the_wait_anew(self, driving_away):
        self.ask(driving_away, Operation.STOP_TRANSACTION)
        driving_away.restart()
        driving_away.boot()
        assert stops(driving_away.live(30)) == [(1400, "Remote")]

    def test_also_of_a_charger_that_cannot_be_reached(self, driving_away):
        driving_away.reachable(False)
        assert self.ask(driving_away, Operation.STOP_TRANSACTION) == [(True, self.OVER + "has ended")]
        assert stops(driving_away.serve()) == [(1400, "EVDisconnected")]

    def test_a_reset_ends_it_and_goes_on(self, driving_away):
        driving_away.live(60)
        driving_away.asked()
        assert self.ask(driving_away, Operation.RESET) == [(True, self.OVER + "has ended")]
        driving_away.serve()
        driving_away.live(1)
        assert [type(command) for command in driving_away.asked()] == [Reboot]

    def test_an_unlock_ends_it_and_unlocks(self, driving_away):
        driving_away.live(60)
        driving_away.asked()
        assert self.ask(driving_away, Operation.UNLOCK) == []
        assert driving_away.cp.running is None
        (command,) = driving_away.asked()
        assert isinstance(command, Unlock)
        driving_away.done(command)
        assert driving_away.outputs[-1] == OperatorAnswered(5, True, "unlocked")

    @pytest.mark.parametrize("kind", ["Soft", "Hard"])
    def test_re_1_so_does_the_central_systems_reset(self, driving_away, kind):
        driving_away.live(60)
        assert driving_away.ask("Reset", {"type": kind}) == {"status": "Accepted"}
        assert driving_away.cp.running is None
        assert stops(driving_away.live(2)) == [(1400, "EVDisconnected")]

    def test_rs_7_and_its_stop_even_of_a_charger_that_cannot_be_reached(self, driving_away):
        driving_away.reachable(False)
        stop = {"transactionId": 7}
        assert driving_away.ask("RemoteStopTransaction", stop) == {"status": "Accepted"}
        assert stops(driving_away.serve()) == [(1400, "EVDisconnected")]


class TestSessionsThatWereFound:
    """By a driver that has no memory of the charger."""

    def found(self, bench, session, register_wh, whole):
        fields = {"session": session, "id_tag": "TAG1", "found": True}
        if whole:
            ended = SessionEnded(
                at_ms=bench.utc_ms,
                started_at_ms=bench.utc_ms - 1000,
                start_register_wh=register_wh - 50,
                register_wh=register_wh,
                reason=SessionEnd.OTHER,
                **fields,
            )
            bench.tell(ended)
        else:
            bench.tell(SessionStarted(at_ms=bench.utc_ms, register_wh=register_wh, **fields))
        return bench.live(1)

    def test_are_anothers_where_the_charger_is_new_and_they_are_over(self, ready):
        self.found(ready, 3, 1000, whole=True)
        self.found(ready, 4, 1100, whole=True)
        ready.live(1)
        assert ready.store.transactions == {}
        ready.begin(session=6, register_wh=1200)
        assert starts(ready.serve()) == [("TAG1", 1200)]

    def test_become_transactions_where_the_charger_is_new_and_they_run(self, ready):
        """Whoever shares a fuse must not see an idle connector that takes 7 kW."""
        self.found(ready, 4, 1100, whole=True)
        calls = self.found(ready, 5, 1100, whole=False)
        ready.state(S.CHARGING)
        calls += ready.serve() + ready.live(1)
        assert starts(calls) == [("TAG1", 1100)]
        statuses = [payload["status"] for action, payload in calls if action == "StatusNotification"]
        assert statuses[-1] == "Charging"
        ready._session = (5, "TAG1", ready.utc_ms, 1100)
        ready.end(1200)
        ended = ready.serve() + ready.live(1) + ready.serve()
        assert stops(ended) == [(1200, "Other")]

    def test_are_ours_where_it_is_known(self, charging):
        charging.live(60)
        charging.end(1100)
        self.found(charging, 2, 1150, whole=True)
        self.found(charging, 3, 1150, whole=False)
        assert [one.session for one in charging.store.transactions.values()] == [1, 2, 3]

    def test_are_ours_where_one_runs(self, charging):
        self.found(charging, 2, 1150, whole=True)
        charging.live(AWAITED_S)
        assert [one.session for one in charging.store.transactions.values()] == [1, 2]


class TestSessionsThatMayHaveBeenMissed:
    def test_are_asked_for_once_when_the_register_shows_them(self, charging):
        charging.live(60)
        charging.end(1100)
        ended_ms = charging.utc_ms
        charging.state(S.DISCONNECTED)
        charging.live(600)
        idle_register(charging, 1100)
        charging.live(600)
        assert charging.asked(ReportSessions) == []
        idle_register(charging, 1180)
        charging.live(60)
        (command,) = charging.asked(ReportSessions)
        assert (command.first, command.from_ms, command.from_wh) == (2, ended_ms, 1100)
        assert notices(charging, NoticeKind.ENERGY_WITHOUT_SESSION) == ["80 Wh since session 1"]
        charging.done(command)
        charging.restart()
        charging.boot()
        for register_wh in range(1190, 1290, 10):
            charging.live(60)
            idle_register(charging, register_wh)
        assert charging.asked(ReportSessions) == []

    def test_are_asked_for_again_behind_another_edge(self, charging):
        for session, edge_wh in enumerate((1100, 1300), 1):
            charging.end(edge_wh)
            charging.live(60)
            idle_register(charging, edge_wh + 10)
            charging.live(60)
            (command,) = charging.asked(ReportSessions)
            assert (command.first, command.from_wh) == (session + 1, edge_wh)
            charging.done(command)
            charging.begin(session=session + 1, register_wh=edge_wh + 10)

    def test_not_if_the_session_comes_by_itself(self, charging):
        charging.end(1100)
        charging.live(60)
        idle_register(charging, 1110)
        charging.begin(session=2, register_wh=1100)
        charging.live(60)
        assert charging.asked(ReportSessions) == []

    def test_nor_if_it_has_come_and_gone(self, charging):
        charging.end(1100)
        charging.live(60)
        idle_register(charging, 1110)
        charging.begin(session=2, register_wh=1100)
        charging.live(10)
        charging.end(1110)
        charging.live(60)
        assert charging.asked(ReportSessions) == []

    def test_once_the_charger_can_be_reached(self, charging):
        charging.end(1100)
        charging.live(60)
        idle_register(charging, 1110)
        charging.reachable(False)
        charging.live(60)
        assert charging.cp.state.reports_asked_wh is None
        charging.reachable()
        idle_register(charging, 1110)
        charging.live(60)
        assert len(charging.asked(ReportSessions)) == 1

    def test_not_of_a_charger_of_which_nothing_was_reported(self, ready):
        idle_register(ready, 1110)
        ready.live(60)
        assert ready.asked(ReportSessions) == []
