"""Events from the observations of one charger: each is reported once, and none is invented."""

import json
from typing import Any

import pytest

from chargebridge.chargers.easee.twin.records import TwinRecord
from chargebridge.chargers.easee.twin.ticks import format_time
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.chargers.model import (
    ChargerEvent,
    ChargerState,
    Fault,
    Measured,
    Quantity,
    Reachable,
    Reading,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000
MIN = 60_000


class Bench:
    """A twin, and a hand that feeds it."""

    def __init__(self, *, first_contact: bool = False) -> None:
        self.twin = Twin("EH123456", TwinRecord(first_contact=first_contact))

    def say(self, number: int, value: object, at_ms: int, *, live: bool = True) -> list[ChargerEvent]:
        text = value if isinstance(value, str) else json.dumps(value)
        return self.twin.observe(Update("EH123456", number, at_ms, text), at_ms, live=live)

    def charge(self, session: int, at_ms: int, kwh: float, auth: str = "TAG1") -> list[ChargerEvent]:
        """Begin a session whose token is authorized."""
        self.twin.mark_authorized(auth, at_ms)
        self.twin.authorization_carried_out(auth)
        return self.start(session, at_ms, kwh, auth)

    def start(
        self, session: int, at_ms: int, kwh: float, auth: str = "TAG1", **more: Any
    ) -> list[ChargerEvent]:
        live = more.pop("live", True)
        text = {"Id": session, "MeterValue": kwh, "Start": format_time(at_ms), "Auth": auth, "AuthReason": 1}
        return self.say(223, text | more, at_ms, live=live)

    def end(
        self,
        session: int,
        times: tuple[int, int],
        kwh: tuple[float, float],
        auth: str = "TAG1",
        *,
        live: bool = True,
        told_ms: int | None = None,
        reason: int = 1,
    ) -> list[ChargerEvent]:
        text = {
            "Id": session,
            "Start": format_time(times[0]),
            "Stop": format_time(times[1]),
            "EnergyKwh": kwh[1] - kwh[0],
            "MeterValueStart": kwh[0],
            "MeterValueStop": kwh[1],
            "Auth": auth,
            "AuthReason": reason,
        }
        return self.say(129, text, told_ms or times[1], live=live)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.say(42, "1", T0 - MIN)
    bench.say(109, "1", T0 - MIN)
    return bench


def states(events: list[ChargerEvent]) -> list[ChargerState]:
    return [event.state for event in events if isinstance(event, StateChanged)]


class TestStates:
    """Op mode, reason for no current, enabled, and whether a session runs."""

    @pytest.mark.parametrize(
        ("mode", "state"),
        [
            (1, ChargerState.DISCONNECTED),
            (2, ChargerState.AWAITING_TOKEN),
            (3, ChargerState.CHARGING),
            (4, ChargerState.AWAITING_TOKEN),
            (5, ChargerState.FAULTED),
            (6, ChargerState.AWAITING_TOKEN),
            (7, ChargerState.AWAITING_TOKEN),
            (8, ChargerState.AWAITING_TOKEN),
            (104, ChargerState.AWAITING_TOKEN),
            (158, ChargerState.FAULTED),
        ],
    )
    def test_op_modes_without_a_session(self, mode: int, state: ChargerState) -> None:
        assert states(Bench().say(109, str(mode), T0)) == [state]

    @pytest.mark.parametrize(
        ("mode", "state"),
        [
            (2, ChargerState.AWAITING_START),
            (3, ChargerState.CHARGING),
            (4, ChargerState.READY),
            (6, ChargerState.READY),
            (103, ChargerState.AWAITING_START),
        ],
    )
    def test_op_modes_in_a_session(self, bench: Bench, mode: int, state: ChargerState) -> None:
        bench.charge(1, T0, 10.0)
        assert states(bench.say(109, str(mode), T0 + 1)) == [state]

    def test_reason_for_no_current_is_the_reason_of_a_pause_in_easees_words(self, bench: Bench) -> None:
        bench.charge(1, T0, 10.0)
        bench.say(96, "52", T0 + 1)
        assert bench.say(109, "2", T0 + 2) == [
            StateChanged(
                at_ms=T0 + 2, state=ChargerState.AWAITING_START, reason="MaxDynamicChargerCurrentTooLow"
            )
        ]

    def test_a_reason_that_only_limits_is_no_pause(self, bench: Bench) -> None:
        bench.start(1, T0, 10.0)
        bench.say(109, "3", T0 + 1)
        assert bench.say(96, "78", T0 + 2) == []

    def test_a_disabled_charger_is_disabled_until_it_is_enabled(self, bench: Bench) -> None:
        assert states(bench.say(31, "0", T0)) == [ChargerState.DISABLED]
        assert states(bench.say(31, "1", T0 + 1)) == [ChargerState.DISCONNECTED]

    def test_after_a_restart_a_state_has_the_time_of_the_newest_that_makes_it(self, bench: Bench) -> None:
        bench.say(109, "2", T0)
        bench.say(31, "0", T0 + 5)
        again = Twin("EH123456", bench.twin.record)
        assert again.state == StateChanged(at_ms=T0 + 5, state=ChargerState.DISABLED)

    def test_that_no_car_is_there_has_the_time_at_which_the_charger_said_so(self, bench: Bench) -> None:
        """A charger that is back reports its reason before its op mode, and a car may have come meanwhile."""
        again = Twin("EH123456", bench.twin.record)
        late = Update("EH123456", 96, T0 + MIN, "50")
        assert again.observe(late, T0 + MIN) == [
            StateChanged(at_ms=T0 - MIN, state=ChargerState.DISCONNECTED)
        ]

    def test_faults_that_easee_names_are_reported_by_their_class(self, bench: Bench) -> None:
        assert bench.say(109, "160", T0) == [
            StateChanged(at_ms=T0, state=ChargerState.FAULTED, fault=Fault.OVER_CURRENT)
        ]

    def test_offline_is_unreachable_and_no_state(self, bench: Bench) -> None:
        assert bench.say(109, "0", T0) == [Reachable(at_ms=T0, reachable=False)]
        assert not bench.twin.connected

    def test_connection_to_the_cloud_comes_and_goes(self, bench: Bench) -> None:
        assert bench.say(250, "false", T0) == [Reachable(at_ms=T0, reachable=False)]
        assert bench.say(250, "1", T0 + 1) == [Reachable(at_ms=T0 + 1, reachable=True)]


class TestRepeats:
    """Duplicates, replays, stale and stray values."""

    def test_a_duplicate_is_dropped(self, bench: Bench) -> None:
        assert bench.say(109, "3", T0)
        assert bench.say(109, "3", T0) == []

    def test_an_older_value_than_the_last_is_dropped(self, bench: Bench) -> None:
        bench.say(109, "3", T0 + 10)
        assert bench.say(109, "1", T0) == []
        assert bench.twin.state == StateChanged(at_ms=T0 + 10, state=ChargerState.CHARGING)

    def test_that_no_car_is_there_is_as_old_as_the_op_mode_that_says_so(self) -> None:
        bench = Bench()
        bench.say(109, "1", T0)
        bench.say(96, "8", T0 + MIN)
        later = Twin("EH123456", bench.twin.record)
        assert later.state == StateChanged(at_ms=T0, state=ChargerState.DISCONNECTED)

    def test_a_replay_presents_no_token(self, bench: Bench) -> None:
        assert bench.say(128, "04AABBCC", T0, live=False) == []
        assert bench.say(128, "04AABBCC", T0) == []

    def test_a_live_token_is_presented_once(self, bench: Bench) -> None:
        assert bench.say(128, "04AABBCC", T0) == [TokenPresented(at_ms=T0, id_tag="04AABBCC")]
        assert bench.say(128, "04AABBCC", T0) == []
        assert bench.say(128, "04AABBCC", T0 + 1) == [TokenPresented(at_ms=T0 + 1, id_tag="04AABBCC")]

    def test_a_replay_at_first_contact_says_that_its_sessions_were_found(self) -> None:
        bench = Bench(first_contact=True)
        (ended,) = bench.end(6, (T0 - 90 * MIN, T0 - 60 * MIN), (1.0, 2.0), live=False)
        assert isinstance(ended, SessionEnded)
        assert (ended.session, ended.found) == (6, True)
        assert bench.start(7, T0 - 30 * MIN, 2.0, live=False) == []
        bench.say(109, "3", T0 - 30 * MIN, live=False)
        bench.twin.end_first_contact()
        assert bench.twin.start_if_due() == [
            SessionStarted(at_ms=T0 - 30 * MIN, session=7, id_tag="TAG1", register_wh=2000, found=True)
        ]
        assert bench.say(80, "334", T0 - 99 * MIN, live=False) == []
        assert bench.say(120, "7.2", T0 - MIN, live=False) == []

    def test_a_session_that_ran_at_first_contact_is_reported_whole_when_it_ends(self) -> None:
        bench = Bench(first_contact=True)
        bench.say(109, "3", T0 - MIN, live=False)
        bench.start(7, T0 - 30 * MIN, 2.0, live=False)
        bench.twin.end_first_contact()
        assert isinstance(bench.twin.start_if_due(waited=True)[0], SessionStarted)
        assert bench.end(7, (T0 - 30 * MIN, T0 + MIN), (2.0, 5.5)) == []
        assert bench.say(109, "1", T0 + MIN)[0] == SessionEnded(
            at_ms=T0 + MIN,
            session=7,
            id_tag="TAG1",
            started_at_ms=T0 - 30 * MIN,
            start_register_wh=2000,
            register_wh=5500,
            reason=SessionEnd.EV_DISCONNECTED,
        )

    def test_a_session_that_began_while_nobody_listened_is_reported_after_the_replay(
        self, bench: Bench
    ) -> None:
        bench.start(7, T0, 2.0, live=False)
        assert bench.say(109, "3", T0, live=False)[0] == SessionStarted(
            at_ms=T0, session=7, id_tag="TAG1", register_wh=2000
        )

    def test_a_boot_is_reported_once_and_not_at_first_contact(self, bench: Bench) -> None:
        assert bench.say(80, "334", T0 - MIN) == []
        assert bench.say(80, "334", T0) == [Restarted(at_ms=T0, firmware="334")]
        assert bench.say(80, "334", T0) == []

    def test_an_unknown_id_changes_nothing(self, bench: Bench) -> None:
        assert bench.say(156, "170", T0) == []

    @pytest.mark.parametrize(
        ("number", "value"),
        [(109, "x"), (109, "2.5"), (120, "NaN"), (121, "Infinity"), (223, "{"), (129, "{}"), (31, "perhaps")],
    )
    def test_what_cannot_be_read_is_refused_and_changes_nothing(
        self, bench: Bench, number: int, value: str
    ) -> None:
        before = repr(bench.twin.record)
        with pytest.raises(ValueError):
            bench.say(number, value, T0)
        assert repr(bench.twin.record) == before


class TestMeasurements:
    """Power, currents and voltages by grid, temperature, offered current."""

    @pytest.mark.parametrize(
        ("number", "value", "reading"),
        [
            (120, "7.41", Reading(Quantity.POWER_W, 7410)),
            (114, "16", Reading(Quantity.CURRENT_OFFERED_A, 16)),
            (150, "38.5", Reading(Quantity.TEMPERATURE_C, 38.5)),
            (183, "15.9", Reading(Quantity.CURRENT_A, 15.9, 1)),
            (185, "15.9", Reading(Quantity.CURRENT_A, 15.9, 3)),
            (194, "231.5", Reading(Quantity.VOLTAGE_V, 231.5, 1)),
            (196, "231.5", Reading(Quantity.VOLTAGE_V, 231.5, 3)),
        ],
    )
    def test_on_a_tn_grid(self, bench: Bench, number: int, value: str, reading: Reading) -> None:
        assert bench.say(number, value, T0) == [Measured(at_ms=T0, readings=(reading,))]

    @pytest.mark.parametrize(
        ("number", "phase"), [(182, 1), (183, 2), (184, 3), (194, 1), (197, 2), (195, 3)]
    )
    def test_on_an_it_grid_lines_are_on_other_terminals(self, bench: Bench, number: int, phase: int) -> None:
        bench.say(21, "4", T0 - MIN)
        (event,) = bench.say(number, "10", T0)
        assert isinstance(event, Measured)
        assert event.readings[0].phase == phase

    @pytest.mark.parametrize("number", [182, 197])
    def test_the_neutral_is_not_reported_on_a_tn_grid(self, bench: Bench, number: int) -> None:
        assert bench.say(number, "10", T0) == []

    def test_in_a_session_values_carry_it(self, bench: Bench) -> None:
        bench.charge(3, T0, 1.0)
        (event,) = bench.say(120, "7", T0 + 1)
        assert isinstance(event, Measured)
        assert event.session == 3


class TestRegister:
    """Between the hourly values of the register it follows the session's energy, and never runs backwards."""

    def register(self, events: list[ChargerEvent]) -> list[int | float]:
        return [event.readings[0].value for event in events if isinstance(event, Measured)]

    def test_it_is_derived_from_the_sessions_start_and_energy(self, bench: Bench) -> None:
        bench.start(1, T0, 100.123456)
        assert self.register(bench.say(121, "1.000543", T0 + 20 * MIN)) == [101123]

    def test_hourly_values_count_where_they_are_higher(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0)
        bench.say(121, "2.5", T0 + 30 * MIN)
        assert self.register(bench.say(124, "103.0", T0 + 40 * MIN)) == [103000]
        assert self.register(bench.say(121, "2.9", T0 + 41 * MIN)) == []

    @pytest.mark.parametrize("value", ["0", "0.1"])
    def test_a_stray_zero_and_a_stale_value_are_ignored(self, bench: Bench, value: str) -> None:
        bench.start(1, T0, 100.0)
        bench.say(121, "2.5", T0 + 30 * MIN)
        assert self.register(bench.say(121, value, T0 + 31 * MIN)) == []

    def test_a_stale_repeat_with_a_fresh_time_is_ignored(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0)
        assert self.register(bench.say(121, "2.5", T0 + 30 * MIN)) == [102500]
        assert self.register(bench.say(121, "2.5", T0 + 45 * MIN)) == []

    def test_the_energy_of_the_session_before_is_not_that_of_the_next(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0)
        bench.end(1, (T0, T0 + 60 * MIN), (100.0, 107.25))
        bench.say(109, "1", T0 + 60 * MIN)
        bench.start(2, T0 + 65 * MIN, 107.25)
        for minute in (66, 150):  # soon it cannot be, later it could
            for stale in ("7.25", "7.2496"):
                assert self.register(bench.say(121, stale, T0 + minute * MIN)) == []

    def test_more_than_can_flow_is_not_believed(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0)
        assert self.register(bench.say(121, "30", T0 + MIN)) == []

    def test_what_is_measured_after_a_car_has_left_is_of_no_session_while_its_record_is_late(
        self, bench: Bench
    ) -> None:
        bench.charge(1, T0, 100.0)
        bench.say(109, "3", T0 + MIN)
        bench.say(109, "1", T0 + 10 * MIN)
        before, after = bench.say(124, "101.5", T0 + 9 * MIN), bench.say(124, "102.0", T0 + 40 * MIN)
        assert [one.session for one in (*before, *after) if isinstance(one, Measured)] == [1, None]

    def test_nor_is_it_where_a_newer_state_was_known_before(self, bench: Bench) -> None:
        bench.charge(1, T0, 100.0)
        bench.say(109, "7", T0 + 60 * MIN, live=False)  # read, while what was before comes from a queue
        bench.say(109, "1", T0 + 10 * MIN)
        before, after = bench.say(194, "230.5", T0 + 5 * MIN), bench.say(194, "231.5", T0 + 40 * MIN)
        assert [one.session for one in (*before, *after) if isinstance(one, Measured)] == [1, None]

    def test_nor_is_it_after_a_charger_asks_for_a_token_again(self, bench: Bench) -> None:
        bench.charge(1, T0, 100.0)
        bench.say(109, "3", T0 + MIN)
        bench.say(109, "7", T0 + 10 * MIN)
        (event,) = bench.say(194, "230.5", T0 + 40 * MIN)
        assert isinstance(event, Measured)
        assert event.session is None

    def test_outside_of_sessions_the_hourly_values_are_reported(self, bench: Bench) -> None:
        (event,) = bench.say(124, "55.5", T0)
        assert event == Measured(at_ms=T0, readings=(Reading(Quantity.ENERGY_WH, 55500),))
        assert bench.say(121, "9", T0 + 1) == []


class TestSessions:
    """Start and end records; edges are the charger's own."""

    def test_edges_are_exactly_those_of_the_records(self, bench: Bench) -> None:
        events = bench.start(1, T0, 100.000999) + bench.say(109, "3", T0 + 1)
        events += bench.say(121, "0.5", T0 + 20 * MIN)
        events += bench.end(1, (T0, T0 + 30 * MIN), (100.000999, 101.999999)) + bench.say(
            109, "1", T0 + 30 * MIN
        )
        edges = [event for event in events if isinstance(event, SessionStarted | SessionEnded)]
        assert edges == [
            SessionStarted(at_ms=T0, session=1, id_tag="TAG1", register_wh=100000),
            SessionEnded(
                at_ms=T0 + 30 * MIN,
                session=1,
                id_tag="TAG1",
                started_at_ms=T0,
                start_register_wh=100000,
                register_wh=101999,
                reason=SessionEnd.EV_DISCONNECTED,
            ),
        ]

    def test_what_follows_an_end_shows_its_reason(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0)
        bench.say(109, "3", T0)
        assert bench.end(1, (T0, T0 + MIN), (100.0, 101.0)) == []
        events = bench.say(109, "158", T0 + MIN)
        assert isinstance(events[0], SessionEnded)
        assert events[0].reason is SessionEnd.FAULT

    def test_an_end_that_we_asked_for_waits_for_nothing(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0)
        bench.twin.record.ending = 1
        (event,) = bench.end(1, (T0, T0 + MIN), (100.0, 101.0))
        assert isinstance(event, SessionEnded)
        assert event.reason is SessionEnd.DEAUTHORIZED

    def test_an_end_waits_no_longer_than_it_is_let(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0)
        bench.end(1, (T0, T0 + MIN), (100.0, 101.0))
        events = bench.twin.settle()
        assert [type(event) for event in events] == [SessionEnded]
        assert bench.twin.settle() == []

    def test_repeats_of_start_and_end_are_dropped(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0)
        assert bench.start(1, T0, 100.0) == []
        bench.end(1, (T0, T0 + MIN), (100.0, 101.0))
        bench.twin.settle()
        assert bench.end(1, (T0, T0 + MIN), (100.0, 101.0)) == []
        assert bench.start(1, T0, 100.0) == []

    def test_a_late_record_of_an_older_session_is_reported_whole(self, bench: Bench) -> None:
        bench.end(3, (T0, T0 + MIN), (103.0, 104.0))
        (event,) = bench.end(2, (T0 - 20 * MIN, T0 - 10 * MIN), (101.0, 103.0), told_ms=T0 + 5 * MIN)
        assert isinstance(event, SessionEnded)
        assert (event.session, event.start_register_wh, event.register_wh) == (2, 101000, 103000)

    def test_a_session_without_a_token_is_reported_when_it_is_authorized(self, bench: Bench) -> None:
        bench.say(109, "2", T0)
        assert bench.start(1, T0, 100.0, "") == []
        bench.twin.mark_authorized("REMOTE", T0 + 1000)
        events = bench.say(109, "3", T0 + 2000)
        assert events[0] == SessionStarted(at_ms=T0, session=1, id_tag="REMOTE", register_wh=100000)

    def test_a_car_that_was_plugged_in_and_never_let_charge_is_no_session(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0, "")
        bench.end(1, (T0, T0 + MIN), (100.0, 100.0), "")
        assert not any(isinstance(event, SessionEnded) for event in bench.say(109, "1", T0 + MIN))

    def test_energy_without_a_token_is_reported_without_one(self, bench: Bench) -> None:
        bench.start(1, T0, 100.0, "")
        bench.end(1, (T0, T0 + MIN), (100.0, 100.5), "")
        ended = [event for event in bench.twin.settle() if isinstance(event, SessionEnded)]
        assert [(event.id_tag, event.register_wh) for event in ended] == [(None, 100500)]

    def test_a_free_session_starts_at_once_without_a_token(self, bench: Bench) -> None:
        bench.say(42, "0", T0 - 1)
        assert bench.start(1, T0, 100.0, "")[0] == SessionStarted(
            at_ms=T0, session=1, id_tag=None, register_wh=100000
        )

    def test_a_user_of_easees_is_no_token_but_stands_for_the_one_we_let_charge(self, bench: Bench) -> None:
        bench.twin.mark_authorized("REMOTE", T0 - 1000)
        (start,) = bench.start(1, T0, 100.0, "4711", AuthReason=6)
        assert isinstance(start, SessionStarted)
        assert start.id_tag == "REMOTE"

    @pytest.mark.parametrize(("withdrawn_s", "id_tag"), [(30, "REMOTE"), (-1, None)])
    def test_a_withdrawn_one_counts_for_a_session_that_began_before(
        self, bench: Bench, withdrawn_s: int, id_tag: str | None
    ) -> None:
        """Its start record comes late, and meanwhile nobody seemed to have plugged in."""
        bench.say(109, "3", T0 + 1)
        bench.twin.mark_authorized("REMOTE", T0 - 5000)
        bench.twin.end_authorization(T0 + withdrawn_s * 1000)
        bench.start(1, T0, 100.0, "4711", AuthReason=6)
        bench.end(1, (T0, T0 + MIN), (100.0, 101.0), "4711", reason=6)
        ended = [event for event in bench.twin.settle() if isinstance(event, SessionEnded)]
        assert [event.id_tag for event in ended] == [id_tag]

    def test_it_counts_for_one_whose_start_record_never_comes(self, bench: Bench) -> None:
        bench.twin.mark_authorized("REMOTE", T0 - 1000)
        (ended,) = bench.end(5, (T0, T0 + MIN), (100.0, 101.0), "4711", reason=6)
        assert isinstance(ended, SessionEnded)
        assert ended.id_tag == "REMOTE"

    def test_a_token_that_was_authorized_once_counts_for_one_session(self, bench: Bench) -> None:
        bench.twin.mark_authorized("REMOTE", T0 - 1000)
        bench.start(1, T0, 100.0, "4711", AuthReason=6)
        bench.end(1, (T0, T0 + MIN), (100.0, 101.0), "4711")
        bench.say(109, "1", T0 + MIN)
        assert bench.start(2, T0 + 5 * MIN, 101.0, "4712", AuthReason=6) == []
        (start, _) = bench.say(109, "3", T0 + 6 * MIN)
        assert isinstance(start, SessionStarted)
        assert start.id_tag is None

    def test_a_late_end_carries_no_token_of_somebody_who_came_after(self, bench: Bench) -> None:
        bench.twin.mark_authorized("BOB", T0 + 2 * MIN)
        (ended,) = bench.end(5, (T0, T0 + MIN), (100.0, 101.0), "4711", reason=6)
        assert isinstance(ended, SessionEnded)
        assert ended.id_tag is None

    def test_a_charger_that_restarts_its_session_ids_is_reported_under_numbers_that_rise(
        self, bench: Bench
    ) -> None:
        bench.end(57, (T0, T0 + MIN), (100.0, 101.0))
        (start, *_) = bench.charge(1, T0 + 5 * MIN, 101.0)
        assert isinstance(start, SessionStarted)
        assert start.session == 58
        bench.end(1, (T0 + 5 * MIN, T0 + 9 * MIN), (101.0, 102.0))
        (ended,) = bench.twin.settle()[:1]
        assert isinstance(ended, SessionEnded)
        assert (ended.session, ended.register_wh) == (58, 102000)

    def test_a_charger_with_a_new_meter_is_measured_from_its_start(self, bench: Bench) -> None:
        bench.end(1, (T0, T0 + MIN), (100.0, 101.0))
        bench.charge(2, T0 + 5 * MIN, 0.5)
        (event,) = bench.say(121, "0.3", T0 + 15 * MIN)
        assert isinstance(event, Measured)
        assert event.readings[0].value == 800

    def test_a_damaged_record_changes_nothing_that_waits(self, bench: Bench) -> None:
        bench.start(5, T0, 100.0)
        bench.end(5, (T0, T0 + MIN), (100.0, 101.0))
        for damage in ({"Start": "garbage"}, {"MeterValue": 1e30}, {"MeterValue": -1}):
            with pytest.raises(ValueError):
                bench.start(6, T0 + 2 * MIN, 101.0, **damage)
        assert next(type(event) for event in bench.twin.settle()) is SessionEnded

    def test_a_car_that_is_known_to_be_gone_shows_the_reason_before_the_record_comes(
        self, bench: Bench
    ) -> None:
        bench.start(5, T0, 100.0)
        bench.say(109, "3", T0)
        bench.say(109, "1", T0 + MIN)
        (ended, *_) = bench.end(5, (T0, T0 + MIN), (100.0, 101.0))
        assert isinstance(ended, SessionEnded)
        assert ended.reason is SessionEnd.EV_DISCONNECTED

    def test_sessions_of_before_the_charger_restarted_its_ids_are_still_known(self, bench: Bench) -> None:
        bench.end(57, (T0, T0 + MIN), (100.0, 101.0))
        bench.start(1, T0 + 5 * MIN, 101.0)
        assert bench.end(57, (T0, T0 + MIN), (100.0, 101.0)) == []

    def test_a_host_whose_clock_is_ahead_at_first_contact_loses_no_session(self) -> None:
        bench = Bench(first_contact=True)
        bench.say(109, "1", T0 - MIN, live=False)
        bench.end(6, (T0 - 90 * MIN, T0 - 60 * MIN), (1.0, 2.0), live=False)
        update = Update("EH123456", 42, T0, "1")
        bench.twin.observe(update, T0 + 86_400_000, live=True)
        assert bench.charge(7, T0, 2.0)[0] == SessionStarted(
            at_ms=T0, session=7, id_tag="TAG1", register_wh=2000
        )


class TestClocks:
    """What was said of a far future does not silence a charger until then."""

    @pytest.mark.parametrize("number", [109, 250, 128, 120])
    def test_an_observation_of_the_far_future_is_followed_by_those_of_now(
        self, bench: Bench, number: int
    ) -> None:
        far = Update("EH123456", number, T0 + 10 * 365 * 86_400_000, "3" if number != 250 else "1")
        bench.twin.observe(far, T0)
        near = Update("EH123456", number, T0 + MIN, "1" if number != 250 else "0")
        assert bench.twin.observe(near, T0 + MIN) != []

    def test_no_meter_jumps(self, bench: Bench) -> None:
        bench.say(124, "100", T0)
        assert bench.say(124, "999999", T0 + 60 * MIN) == []
        (event,) = bench.say(124, "105.5", T0 + 61 * MIN)
        assert isinstance(event, Measured)
        assert event.readings[0].value == 105500


class TestRegisterOfAnIdleCharger:
    """What can be told of it before it measures again, with the time at which it was measured."""

    def test_a_replay_has_it_and_makes_no_event_of_it(self) -> None:
        bench = Bench()
        assert bench.twin.idle_register is None
        assert bench.say(124, "1234.56", T0, live=False) == []
        reading = Reading(Quantity.ENERGY_WH, 1_234_560)
        assert bench.twin.idle_register == Measured(at_ms=T0, readings=(reading,))

    def test_a_session_ends_with_it_and_has_none_while_it_runs(self) -> None:
        bench = Bench()
        bench.start(1, T0, 10.0)
        assert bench.twin.idle_register is None
        bench.end(1, (T0, T0 + MIN), (10.0, 10.5))
        reading = Reading(Quantity.ENERGY_WH, 10_500)
        assert bench.twin.idle_register == Measured(at_ms=T0 + MIN, readings=(reading,))

    def test_an_older_replay_does_not_take_it_back(self) -> None:
        bench = Bench()
        bench.say(124, "1234.56", T0, live=False)
        bench.say(124, "1234.50", T0 - MIN, live=False)
        assert bench.twin.idle_register is not None
        assert bench.twin.idle_register.at_ms == T0
