"""A simulated charger never offers more than its limits allow, and pauses rather than cheats."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.model import (
    Authorize,
    ChargerEvent,
    ChargerState,
    EndSession,
    Measured,
    Outcome,
    OverrideSchedule,
    Plan,
    PlanPeriod,
    Quantity,
    Reboot,
    SessionStarted,
    SetLimit,
    StateChanged,
    StorePlan,
)
from chargebridge.chargers.plan_limits import plan_limit_ma
from chargebridge.chargers.simulator.actions import view
from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from chargebridge.chargers.simulator.hardware.charger import SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerRecord, ChargerSettings

pytestmark = pytest.mark.unit

T0 = 1_800_000_000_000
SECOND = 1000
MINUTE = 60_000
LATER = T0 + 10**9
BY_PLAN = "LimitedByPlan"
BY_CENTRAL_SYSTEM = "LimitedByCentralSystem"


def a_car() -> Car:
    return Car(battery_wh=90_000, charged_uj=1000 * UJ_PER_WH, max_current_a=32, phases=1)


def a_charging_charger() -> SimulatedCharger:
    charger = SimulatedCharger.installed(ChargerSettings(serial="SIM00001"), T0)
    charger.plug_in(a_car(), T0)
    charger.carry_out(Authorize(number=1, expires_ms=LATER, id_tag="TAG00001", accepted=True), T0)
    charger.take_events()
    return charger


def set_limit(
    charger: SimulatedCharger, number: int, at_ms: int, limit_ma: int | None, until_ms: int | None = None
) -> None:
    command = SetLimit(number=number, expires_ms=LATER, limit_ma=limit_ma, until_ms=until_ms)
    assert charger.carry_out(command, at_ms).outcome is Outcome.DONE


def store(charger: SimulatedCharger, number: int, at_ms: int, *periods: tuple[int, int]) -> None:
    """Store a plan that begins at `T0`, with periods of (offset in s, mA); without periods, none."""
    plan = Plan(start_ms=T0, periods=tuple(PlanPeriod(*period) for period in periods)) if periods else None
    command = StorePlan(number=number, expires_ms=LATER, plan=plan)
    assert charger.carry_out(command, at_ms).outcome is Outcome.DONE


def override(charger: SimulatedCharger, number: int, at_ms: int) -> tuple[Outcome, str]:
    outcome = charger.carry_out(OverrideSchedule(number=number, expires_ms=LATER), at_ms)
    return outcome.outcome, outcome.detail


def offered_a(charger: SimulatedCharger, at_ms: int) -> float:
    charger.advance(at_ms)
    return charger.record.outlet.offered_ca / 100


def states(events: list[ChargerEvent]) -> list[tuple[int, ChargerState, str]]:
    return [(event.at_ms, event.state, event.reason) for event in events if isinstance(event, StateChanged)]


def offers(events: list[ChargerEvent]) -> list[tuple[int, float]]:
    return [
        (event.at_ms, reading.value)
        for event in events
        if isinstance(event, Measured)
        for reading in event.readings
        if reading.quantity is Quantity.CURRENT_OFFERED_A
    ]


class TestVolatileLimit:
    def test_it_is_offered_at_once(self) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0 + 1, 10_500)
        assert charger.record.outlet.currents_ca == (1050, 0, 0)
        assert charger.state is ChargerState.CHARGING

    def test_it_is_never_above_what_the_charger_is_built_for(self) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0 + 1, 80_000)
        assert offered_a(charger, T0 + 1) == 32.0

    def test_less_than_a_hundredth_of_an_ampere_is_cut_off(self) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0 + 1, 10_019)
        assert offered_a(charger, T0 + 1) == 10.01

    def test_the_energy_is_exact_when_the_limit_changes_in_the_middle(self) -> None:
        charger = a_charging_charger()
        full_mw = charger.record.outlet.power_mw
        set_limit(charger, 2, T0 + 10 * MINUTE, 10_000)
        limited_mw = charger.record.outlet.power_mw
        charger.advance(T0 + 14 * MINUTE)
        assert limited_mw * 3 < full_mw < limited_mw * 4
        assert charger.record.outlet.register_uj == full_mw * 10 * MINUTE + limited_mw * 4 * MINUTE

    @pytest.mark.parametrize(("limit_ma", "offered"), [(0, 0.0), (5999, 0.0), (6000, 6.0)])
    def test_sc_17_below_six_amperes_nothing_is_offered(self, limit_ma: int, offered: float) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0 + 1, limit_ma)
        assert offered_a(charger, T0 + 1) == offered

    def test_sc_17_a_pause_ends_no_session_and_a_higher_limit_resumes_at_that_limit(self) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0 + 1, 0)
        set_limit(charger, 3, T0 + 2, 9000)
        assert states(charger.take_events()) == [
            (T0 + 1, ChargerState.AWAITING_START, BY_CENTRAL_SYSTEM),
            (T0 + 2, ChargerState.CHARGING, ""),
        ]
        assert (charger.record.session.number, offered_a(charger, T0 + 2)) == (1, 9.0)

    def test_nothing_flows_in_a_pause(self) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0, 5000)
        charger.advance(T0 + 20 * MINUTE)
        assert charger.record.outlet.register_uj == 0

    def test_it_ends_by_itself_at_its_time(self) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0 + 1, 8000, until_ms=T0 + 90 * SECOND)
        assert offered_a(charger, T0 + 90 * SECOND - 1) == 8.0
        assert charger.next_ms == T0 + 90 * SECOND
        assert offered_a(charger, T0 + 90 * SECOND) == 32.0
        assert view(charger)["limit_ma"] is None

    def test_one_whose_time_is_over_changes_nothing(self) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0 + 5, 0, until_ms=T0 + 5)
        assert charger.take_events() == []
        assert offered_a(charger, T0 + 5) == 32.0

    def test_none_brings_the_plan_back(self) -> None:
        charger = a_charging_charger()
        store(charger, 2, T0 + 1, (0, 12_000))
        set_limit(charger, 3, T0 + 2, 20_000)
        assert offered_a(charger, T0 + 2) == 20.0
        set_limit(charger, 4, T0 + 3, None)
        assert offered_a(charger, T0 + 3) == 12.0

    @pytest.mark.parametrize("restart", ["reboot", "power cycle", "another car"])
    def test_a_restart_and_a_newly_plugged_in_car_lose_it(self, restart: str) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0, 8000, until_ms=T0 + 60 * MINUTE)
        match restart:
            case "reboot":
                charger.carry_out(Reboot(number=3, expires_ms=LATER), T0)
            case "power cycle":
                charger.power_cycle(T0)
            case _:
                charger.unplug(T0)
                charger.plug_in(a_car(), T0)
        shown = view(charger)
        assert (shown["limit_ma"], shown["limit_until_ms"], shown["limit_in_force_a"]) == (None, None, 32.0)


class TestStoredPlan:
    def test_it_is_followed_from_time_to_time(self) -> None:
        charger = a_charging_charger()
        store(charger, 2, T0, (0, 20_000), (90, 10_000), (150, 0), (200, 16_000))
        moments = [T0 + seconds * SECOND for seconds in (0, 89, 90, 149, 150, 199, 200, 9000)]
        assert [offered_a(charger, at_ms) for at_ms in moments] == [20, 20, 10, 10, 0, 0, 16, 16]

    def test_its_changes_happen_at_their_own_times(self) -> None:
        charger = a_charging_charger()
        store(charger, 2, T0, (0, 32_000), (90, 0), (150, 16_000))
        charger.take_events()
        charger.advance(T0 + 10 * MINUTE)
        assert states(charger.take_events()) == [
            (T0 + 90 * SECOND, ChargerState.AWAITING_START, BY_PLAN),
            (T0 + 150 * SECOND, ChargerState.CHARGING, ""),
        ]

    def test_the_next_change_is_when_the_charger_next_does_something(self) -> None:
        charger = a_charging_charger()
        store(charger, 2, T0, (0, 20_000), (7, 10_000))
        assert charger.next_ms == T0 + 7 * SECOND

    def test_a_daily_plan_starts_again_every_day(self) -> None:
        charger = a_charging_charger()
        day_s = 86_400
        periods = (PlanPeriod(0, 10_000), PlanPeriod(day_s // 2, 20_000))
        plan = Plan(start_ms=T0, periods=periods, repeat_s=day_s)
        charger.carry_out(StorePlan(number=2, expires_ms=LATER, plan=plan), T0)
        moments = [T0 + half * day_s // 2 * SECOND for half in range(4)]
        assert [offered_a(charger, at_ms) for at_ms in moments] == [10, 20, 10, 20]

    def test_outside_of_it_the_chargers_own_limit_holds(self) -> None:
        charger = a_charging_charger()
        plan = Plan(start_ms=T0 + MINUTE, periods=(PlanPeriod(0, 10_000),), duration_s=60)
        charger.carry_out(StorePlan(number=2, expires_ms=LATER, plan=plan), T0)
        moments = [T0, T0 + MINUTE, T0 + 2 * MINUTE]
        assert [offered_a(charger, at_ms) for at_ms in moments] == [32, 10, 32]

    def test_it_survives_a_power_cut_and_holds_for_the_next_session(self) -> None:
        charger = a_charging_charger()
        store(charger, 2, T0, (0, 11_000))
        charger.power_cycle(T0 + 1)
        authorize = Authorize(number=3, expires_ms=LATER, id_tag="TAG00001", accepted=True)
        charger.carry_out(authorize, T0 + MINUTE)
        assert offered_a(charger, T0 + MINUTE) == 11.0

    def test_a_session_may_begin_with_a_pause(self) -> None:
        charger = SimulatedCharger.installed(ChargerSettings(serial="SIM00001"), T0)
        store(charger, 1, T0, (0, 0))
        charger.plug_in(a_car(), T0)
        charger.take_events()
        charger.carry_out(Authorize(number=2, expires_ms=LATER, id_tag="TAG", accepted=True), T0 + 1)
        assert charger.take_events() == [
            SessionStarted(at_ms=T0 + 1, session=1, id_tag="TAG", register_wh=0),
            StateChanged(at_ms=T0 + 1, state=ChargerState.AWAITING_START, reason=BY_PLAN),
        ]

    def test_each_write_is_counted_and_a_repeat_of_its_number_is_none(self) -> None:
        charger = a_charging_charger()
        store(charger, 2, T0, (0, 20_000))
        store(charger, 2, T0, (0, 20_000))
        store(charger, 3, T0, (0, 20_000))
        store(charger, 4, T0)
        assert (view(charger)["plan"], view(charger)["plan_writes"]) == (None, 3)

    def test_a_volatile_limit_wears_nothing(self) -> None:
        charger = a_charging_charger()
        for number in range(2, 12):
            set_limit(charger, number, T0, 6000 + number)
        assert view(charger)["plan_writes"] == 0

    def test_the_reason_of_a_pause_is_reported_again_when_it_changes(self) -> None:
        charger = a_charging_charger()
        store(charger, 2, T0 + 1, (0, 0))
        set_limit(charger, 3, T0 + 2, 0)
        set_limit(charger, 4, T0 + 3, None)
        assert states(charger.take_events()) == [
            (T0 + 1, ChargerState.AWAITING_START, BY_PLAN),
            (T0 + 2, ChargerState.AWAITING_START, BY_CENTRAL_SYSTEM),
            (T0 + 3, ChargerState.AWAITING_START, BY_PLAN),
        ]


class TestOverride:
    def test_the_session_charges_regardless_of_the_plan_until_it_ends(self) -> None:
        charger = a_charging_charger()
        store(charger, 2, T0, (0, 0))
        assert override(charger, 3, T0) == (Outcome.DONE, "")
        assert offered_a(charger, T0 + MINUTE) == 32.0
        charger.carry_out(EndSession(number=4, expires_ms=LATER, session=1), T0 + MINUTE)
        authorize = Authorize(number=5, expires_ms=LATER, id_tag="TAG00001", accepted=True)
        charger.carry_out(authorize, T0 + MINUTE)
        assert charger.state is ChargerState.AWAITING_START

    def test_a_volatile_limit_holds_nevertheless(self) -> None:
        charger = a_charging_charger()
        override(charger, 2, T0)
        set_limit(charger, 3, T0, 7000)
        assert offered_a(charger, T0) == 7.0

    def test_a_new_plan_is_set_aside_too(self) -> None:
        charger = a_charging_charger()
        override(charger, 2, T0)
        store(charger, 3, T0, (0, 7000))
        assert offered_a(charger, T0) == 32.0

    def test_without_a_session_it_is_refused(self) -> None:
        charger = SimulatedCharger.installed(ChargerSettings(serial="SIM00001"), T0)
        assert override(charger, 1, T0) == (Outcome.REFUSED, "no session is running")

    def test_a_power_cut_loses_it(self) -> None:
        charger = a_charging_charger()
        override(charger, 2, T0)
        charger.power_cycle(T0)
        assert view(charger)["plan_overridden"] is False


class TestMeasurements:
    def test_a_change_of_the_offer_is_measured_beside_the_usual_rhythm(self) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0 + 10 * SECOND, 10_000)
        set_limit(charger, 3, T0 + 20 * SECOND, 0)
        charger.advance(T0 + 2 * MINUTE)
        assert offers(charger.take_events()) == [
            (T0 + 10 * SECOND, 10.0),
            (T0 + 20 * SECOND, 0.0),
            (T0 + 60 * SECOND, 0.0),
            (T0 + 120 * SECOND, 0.0),
        ]

    def test_a_change_at_the_usual_time_is_measured_once_and_already_shows(self) -> None:
        charger = a_charging_charger()
        store(charger, 2, T0, (0, 32_000), (60, 10_000))
        charger.advance(T0 + 60 * SECOND)
        assert offers(charger.take_events()) == [(T0 + 60 * SECOND, 10.0)]

    def test_the_same_limit_again_changes_nothing(self) -> None:
        charger = a_charging_charger()
        set_limit(charger, 2, T0 + 1, 10_000)
        charger.take_events()
        set_limit(charger, 3, T0 + 2, 10_000)
        assert charger.take_events() == []


def test_the_view_shows_what_limits_the_charger() -> None:
    charger = a_charging_charger()
    store(charger, 2, T0, (0, 20_000), (90, 10_000))
    set_limit(charger, 3, T0, 4000, until_ms=T0 + MINUTE)
    shown = view(charger)
    assert (shown["state"], shown["reason"]) == ("awaiting_start", "LimitedByCentralSystem")
    assert (shown["limit_in_force_a"], shown["limit_ma"], shown["limit_until_ms"]) == (4.0, 4000, T0 + MINUTE)
    assert (shown["plan_writes"], shown["plan_overridden"]) == (1, False)
    assert shown["plan"] == {
        "start_ms": T0,
        "periods": ([0, 20_000], [90, 10_000]),
        "duration_s": None,
        "repeat_s": None,
        "from_ms": None,
        "until_ms": None,
    }


def test_limits_survive_being_written_down() -> None:
    charger = a_charging_charger()
    store(charger, 2, T0, (0, 20_000), (90, 10_000))
    set_limit(charger, 3, T0, 8000, until_ms=T0 + 70 * SECOND)
    text = msgspec.json.encode(charger.record)
    again = SimulatedCharger(charger.settings, msgspec.json.decode(text, type=ChargerRecord))
    moments = [T0, T0 + 70 * SECOND, T0 + 90 * SECOND]
    assert [offered_a(again, at_ms) for at_ms in moments] == [8, 20, 10]


a_limit = st.sampled_from([None, 0, 5990, 6000, 6019, 15_000, 40_000])
an_act = st.one_of(
    st.tuples(st.just("limit"), a_limit, st.sampled_from([None, 1, 30_000, 200_000])),
    st.tuples(st.just("plan"), st.lists(st.integers(0, 40_000), max_size=4), st.sampled_from([None, 100])),
    st.tuples(st.sampled_from(["override", "car", "authorize", "reboot", "wait"]), st.none(), st.none()),
)


def act(charger: SimulatedCharger, number: int, now_ms: int, what: tuple[str, object, object]) -> None:
    match what:
        case "limit", limit_ma, span_ms:
            until_ms = None if span_ms is None else now_ms + span_ms
            limit = SetLimit(number=number, expires_ms=LATER, limit_ma=limit_ma, until_ms=until_ms)
            charger.carry_out(limit, now_ms)
        case "plan", limits, repeat_s:
            periods = tuple(PlanPeriod(40 * n, limit_ma) for n, limit_ma in enumerate(limits))
            plan = Plan(start_ms=now_ms + 5000, periods=periods, duration_s=130, repeat_s=repeat_s)
            charger.carry_out(StorePlan(number=number, expires_ms=LATER, plan=plan), now_ms)
        case "override", _, _:
            override(charger, number, now_ms)
        case "car", _, _ if charger.record.car is None:
            charger.plug_in(a_car(), now_ms)
        case "car", _, _:
            charger.unplug(now_ms)
        case "authorize", _, _:
            authorize = Authorize(number=number, expires_ms=LATER, id_tag="TAG", accepted=True)
            charger.carry_out(authorize, now_ms)
        case "reboot", _, _:
            charger.carry_out(Reboot(number=number, expires_ms=LATER), now_ms)
        case _:
            charger.advance(now_ms)


def expected_limit_ma(charger: SimulatedCharger, at_ms: int) -> int:
    limits = charger.record.limits
    volatile = limits.volatile_until_ms is None or at_ms < limits.volatile_until_ms
    if limits.volatile_ma is not None and volatile:
        return min(limits.volatile_ma, 32_000)
    planned = None if limits.plan is None or limits.overridden else plan_limit_ma(limits.plan, at_ms)
    return 32_000 if planned is None else min(planned, 32_000)


@given(st.lists(st.tuples(an_act, st.integers(0, 90_000)), max_size=25))
def test_the_offer_follows_the_limit_in_force_and_is_never_between_nothing_and_six_amperes(
    life: list[tuple[tuple[str, object, object], int]],
) -> None:
    charger = a_charging_charger()
    now_ms = T0
    for number, (what, after_ms) in enumerate(life, start=2):
        act(charger, number, now_ms, what)
        for at_ms in range(now_ms, now_ms + after_ms, 9000):
            charger.advance(at_ms)
            offered_ma = charger.record.outlet.offered_ca * 10
            limit_ma = expected_limit_ma(charger, at_ms)
            in_use = charger.record.session is not None
            assert offered_ma == (limit_ma // 10 * 10 if in_use and limit_ma >= 6000 else 0)
        now_ms += after_ms
