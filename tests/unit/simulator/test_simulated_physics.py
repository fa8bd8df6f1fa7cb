"""Whatever happens to simulated chargers, volts, amperes, watts and watt-hours agree."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.model import (
    Authorize,
    ChargerEvent,
    Configure,
    EndSession,
    Fault,
    Measured,
    OverrideSchedule,
    Plan,
    PlanPeriod,
    Quantity,
    Reboot,
    SessionEnded,
    SessionStarted,
    SetAvailable,
    SetLimit,
    StorePlan,
)
from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from chargebridge.chargers.simulator.hardware.charger import NotPossibleError, SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerRecord, ChargerSettings

pytestmark = pytest.mark.unit

T0 = 1_800_000_000_000

ACTS = (
    "plug_in",
    "unplug",
    "authorize",
    "end",
    "pause",
    "resume",
    "fault",
    "clear",
    "power_cycle",
    "reboot",
    "lose",
    "regain",
    "disable",
    "enable",
    "limit",
    "pausing_limit",
    "plan",
    "override",
    "free",
    "token",
    "wait",
)
a_life = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3_000_000)), max_size=40)


def do(charger: SimulatedCharger, act: str, number: int, now_ms: int) -> None:
    expires_ms = now_ms + 1
    match act:
        case "plug_in":
            battery_wh = 20_000 + number * 1000
            car = Car(
                battery_wh=battery_wh,
                charged_uj=(battery_wh - 9000) * UJ_PER_WH,
                max_current_a=6 + number % 27,
                phases=1 + number % 3,
            )
            charger.plug_in(car, now_ms)
        case "unplug":
            charger.unplug(now_ms)
        case "authorize":
            charger.carry_out(
                Authorize(number=number, expires_ms=expires_ms, id_tag="TAG", accepted=True), now_ms
            )
        case "end":
            session = charger.record.session
            if session is not None:
                end = EndSession(number=number, expires_ms=expires_ms, session=session.number)
                charger.carry_out(end, now_ms)
        case "pause":
            charger.pause_car(now_ms)
        case "resume":
            charger.resume_car(now_ms)
        case "fault":
            charger.raise_fault(Fault.GROUND, now_ms)
        case "clear":
            charger.clear_fault(now_ms)
        case "power_cycle":
            charger.power_cycle(now_ms)
        case "reboot":
            charger.carry_out(Reboot(number=number, expires_ms=expires_ms), now_ms)
        case "lose":
            charger.lose_cloud(now_ms)
        case "regain":
            charger.regain_cloud(now_ms)
        case "disable" | "enable":
            available = act == "enable"
            charger.carry_out(SetAvailable(number=number, expires_ms=expires_ms, available=available), now_ms)
        case "limit" | "pausing_limit":
            limit_ma = 6000 + number * 500 if act == "limit" else 5000
            until_ms = now_ms + 100_000 * number
            limit = SetLimit(number=number, expires_ms=expires_ms, limit_ma=limit_ma, until_ms=until_ms)
            charger.carry_out(limit, now_ms)
        case "plan":
            periods = (PlanPeriod(0, 10_000), PlanPeriod(400, 0), PlanPeriod(900, 20_500))
            plan = Plan(start_ms=now_ms, periods=periods, repeat_s=1500)
            charger.carry_out(StorePlan(number=number, expires_ms=expires_ms, plan=plan), now_ms)
        case "override":
            charger.carry_out(OverrideSchedule(number=number, expires_ms=expires_ms), now_ms)
        case "free":
            required = number % 2 == 0
            rules = Configure(number=number, expires_ms=expires_ms, authorization_required=required)
            charger.carry_out(rules, now_ms)
        case "token":
            charger.present_token("TAG", now_ms)
        case _:
            charger.advance(now_ms)


def live(charger: SimulatedCharger, life: list[tuple[str, int]]) -> list[ChargerEvent]:
    events: list[ChargerEvent] = []
    now_ms = T0
    for number, (act, after_ms) in enumerate(life):
        now_ms += after_ms
        try:
            do(charger, act, number, now_ms)
        except NotPossibleError:
            continue
        finally:
            events += charger.take_events()
    charger.regain_cloud(now_ms + 60_000)
    charger.advance(now_ms + 120_000)
    return events + charger.take_events()


def a_charger(phases: int = 3) -> SimulatedCharger:
    return SimulatedCharger.installed(ChargerSettings(serial="SIM00001", phases=phases), T0)


@given(a_life, st.sampled_from([1, 3]))
def test_power_is_the_sum_of_voltage_times_current(life: list[tuple[str, int]], phases: int) -> None:
    for event in live(a_charger(phases), life):
        if not isinstance(event, Measured) or event.session is None:
            continue
        values = {(reading.quantity, reading.phase): reading.value for reading in event.readings}
        product = sum(
            values[Quantity.VOLTAGE_V, phase] * values[Quantity.CURRENT_A, phase]
            for phase in range(1, phases + 1)
        )
        assert values[Quantity.POWER_W, 0] == pytest.approx(product, abs=1e-6)


@given(a_life)
def test_energy_is_the_exact_integral_of_power(life: list[tuple[str, int]]) -> None:
    charger = a_charger()
    now_ms, energy_uj = T0, 0
    for number, (act, after_ms) in enumerate(life):
        target_ms = now_ms + after_ms
        while now_ms < target_ms:
            until_ms = min(charger.next_ms, target_ms)
            energy_uj += charger.record.outlet.power_mw * (until_ms - now_ms)
            charger.advance(until_ms)
            now_ms = until_ms
        try:
            do(charger, act, number, now_ms)
        except NotPossibleError:
            continue
    assert charger.record.outlet.register_uj == energy_uj


@given(a_life)
def test_the_register_never_runs_backwards_and_all_of_it_lies_in_sessions(
    life: list[tuple[str, int]],
) -> None:
    charger = a_charger()
    events = live(charger, life)
    in_sessions, last_stop = 0, 0
    for event in sorted(events, key=lambda event: event.at_ms):
        if isinstance(event, SessionStarted):
            assert event.register_wh == last_stop
        elif isinstance(event, SessionEnded):
            in_sessions += event.register_wh - event.start_register_wh
            last_stop = event.register_wh
    running = charger.record.session
    if running is not None:
        assert running.start_register_wh == last_stop
        in_sessions += charger.record.outlet.register_wh - running.start_register_wh
    assert in_sessions == charger.record.outlet.register_wh


@given(a_life, st.integers(0, 40))
def test_a_charger_written_down_and_taken_up_again_is_the_same(
    life: list[tuple[str, int]], restart: int
) -> None:
    once = a_charger()
    expected = live(once, life)
    again = a_charger()
    events: list[ChargerEvent] = []
    now_ms = T0
    for number, (act, after_ms) in enumerate(life):
        if number == restart:
            events += again.take_events()
            text = msgspec.json.encode(again.record)
            again = SimulatedCharger(again.settings, msgspec.json.decode(text, type=ChargerRecord))
        now_ms += after_ms
        try:
            do(again, act, number, now_ms)
        except NotPossibleError:
            continue
    again.regain_cloud(now_ms + 60_000)
    again.advance(now_ms + 120_000)
    assert events + again.take_events() == expected
    assert again.record == once.record


def test_a_full_battery_takes_exactly_what_the_register_gave() -> None:
    charger = a_charger()
    car = Car(battery_wh=40_000, charged_uj=39_000 * UJ_PER_WH, max_current_a=32, phases=1)
    charger.plug_in(car, T0)
    charger.carry_out(Authorize(number=1, expires_ms=T0 + 1, id_tag="TAG", accepted=True), T0)
    charger.advance(T0 + 3_600_000)
    assert car.full
    assert car.charged_uj - 39_000 * UJ_PER_WH == charger.record.outlet.register_uj
    assert charger.record.outlet.currents_ca == (0, 0, 0)


def test_one_phase_of_a_car_uses_one_phase_of_the_charger() -> None:
    charger = a_charger()
    car = Car(battery_wh=40_000, charged_uj=0, max_current_a=32, phases=1)
    charger.plug_in(car, T0)
    charger.carry_out(Authorize(number=1, expires_ms=T0 + 1, id_tag="TAG", accepted=True), T0)
    assert charger.record.outlet.currents_ca == (3200, 0, 0)


@pytest.mark.parametrize(("in_step", "moments"), [(True, 1), (False, 40)])
def test_idle_chargers_measure_every_quarter_of_an_hour_each_at_its_own_moment_or_in_step(
    in_step: bool, moments: int
):
    seen: set[int] = set()
    for number in range(40):
        settings = ChargerSettings(serial=f"EH{number:06}", idle_in_step=in_step)
        charger = SimulatedCharger.installed(settings, T0 + number)
        charger.reporter.take()
        charger.advance(T0 + 3_600_000)
        at_ms = [event.at_ms for event in charger.reporter.take() if isinstance(event, Measured)]
        assert {later - earlier for earlier, later in itertools.pairwise(at_ms)} == {900_000}
        seen.add(at_ms[0] % 900_000)
    assert len(seen) == moments
