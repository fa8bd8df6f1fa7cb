"""What a simulated charger does when hands, commands and bad luck come to it."""

from collections.abc import Callable
from typing import Any

import pytest

from chargebridge.chargers.model import (
    Authorize,
    Capability,
    ChargerCommand,
    ChargerEvent,
    ChargerState,
    EndSession,
    Fault,
    Measured,
    Outcome,
    Quantity,
    Reachable,
    Reboot,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    SetAvailable,
    StateChanged,
    TokenPresented,
    Unlock,
    Withdraw,
)
from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from chargebridge.chargers.simulator.hardware.charger import NotPossibleError, SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.hardware.reporting import MEASUREMENTS_BUFFERED

pytestmark = pytest.mark.unit

T0 = 1_800_000_000_000
SECOND = 1000
MINUTE = 60_000


def a_car(charged_kwh: int = 20, *, paused: bool = False) -> Car:
    return Car(battery_wh=60_000, charged_uj=charged_kwh * 1000 * UJ_PER_WH, max_current_a=16, paused=paused)


def a_charger(**settings: Any) -> SimulatedCharger:
    charger = SimulatedCharger.installed(ChargerSettings(serial="SIM00001", **settings), T0)
    charger.take_events()
    return charger


def nothing_flows(charger: SimulatedCharger, at_ms: int) -> Measured:
    """What it measures once more when a session has ended."""
    measured = charger.measured(at_ms)
    flows = {Quantity.POWER_W, Quantity.CURRENT_A, Quantity.CURRENT_OFFERED_A}
    assert {reading.value for reading in measured.readings if reading.quantity in flows} == {0}
    assert measured.session is None
    return measured


def authorize(number: int = 1, id_tag: str = "TAG00001", *, accepted: bool = True) -> Authorize:
    return Authorize(number=number, expires_ms=T0 + 10**9, id_tag=id_tag, accepted=accepted)


def end_session(number: int = 2, session: int = 1) -> EndSession:
    return EndSession(number=number, expires_ms=T0 + 10**9, session=session)


def a_charging_charger(**settings: Any) -> SimulatedCharger:
    charger = a_charger(**settings)
    charger.plug_in(a_car(), T0)
    charger.carry_out(authorize(), T0)
    charger.take_events()
    return charger


def without_measurements(charger: SimulatedCharger) -> list[ChargerEvent]:
    return [event for event in charger.take_events() if not isinstance(event, Measured)]


def state(at_ms: int, state: ChargerState, fault: Fault | None = None) -> StateChanged:
    return StateChanged(at_ms=at_ms, state=state, fault=fault)


def ended(at_ms: int, reason: SessionEnd, register_wh: int) -> SessionEnded:
    return SessionEnded(
        at_ms=at_ms,
        session=1,
        id_tag="TAG00001",
        started_at_ms=T0,
        start_register_wh=0,
        register_wh=register_wh,
        reason=reason,
    )


class TestSessions:
    def test_plugging_in_asks_for_a_token(self) -> None:
        charger = a_charger()
        charger.plug_in(a_car(), T0 + 5)
        assert charger.take_events() == [state(T0 + 5, ChargerState.AWAITING_TOKEN)]

    def test_a_token_at_the_reader_is_reported_and_changes_nothing_by_itself(self) -> None:
        charger = a_charger()
        charger.present_token("TAG00001", T0 + 5)
        assert charger.take_events() == [TokenPresented(at_ms=T0 + 5, id_tag="TAG00001")]

    def test_authorizing_a_plugged_car_starts_a_session(self) -> None:
        charger = a_charger()
        charger.plug_in(a_car(), T0)
        charger.take_events()
        assert charger.carry_out(authorize(), T0 + 9).outcome is Outcome.DONE
        assert charger.take_events() == [
            SessionStarted(at_ms=T0 + 9, session=1, id_tag="TAG00001", register_wh=0),
            state(T0 + 9, ChargerState.CHARGING),
        ]

    @pytest.mark.parametrize("car", [a_car(paused=True), a_car(60)], ids=["paused", "full"])
    def test_a_car_that_does_not_draw_leaves_the_charger_ready(self, car: Car) -> None:
        charger = a_charger()
        charger.plug_in(car, T0)
        charger.carry_out(authorize(), T0)
        assert charger.take_events()[-1] == state(T0, ChargerState.READY)

    def test_an_authorization_waits_for_its_car(self) -> None:
        charger = a_charger()
        charger.carry_out(authorize(), T0)
        charger.plug_in(a_car(), T0 + 9 * MINUTE)
        assert charger.take_events() == [
            SessionStarted(at_ms=T0 + 9 * MINUTE, session=1, id_tag="TAG00001", register_wh=0),
            state(T0 + 9 * MINUTE, ChargerState.CHARGING),
        ]

    def test_an_authorization_waits_ten_minutes_only(self) -> None:
        charger = a_charger()
        charger.carry_out(authorize(), T0)
        charger.plug_in(a_car(), T0 + 10 * MINUTE)
        assert charger.take_events() == [state(T0 + 10 * MINUTE, ChargerState.AWAITING_TOKEN)]

    def test_a_refused_token_changes_nothing(self) -> None:
        charger = a_charger()
        charger.plug_in(a_car(), T0)
        charger.take_events()
        assert charger.carry_out(authorize(accepted=False), T0).outcome is Outcome.DONE
        assert charger.take_events() == []
        assert charger.state is ChargerState.AWAITING_TOKEN

    def test_a_token_during_a_session_is_reported_too(self) -> None:
        charger = a_charging_charger()
        charger.present_token("TAG00002", T0 + 5)
        assert charger.take_events() == [TokenPresented(at_ms=T0 + 5, id_tag="TAG00002")]
        assert charger.state is ChargerState.CHARGING

    def test_end_session_ends_it_and_releases_the_cable(self) -> None:
        charger = a_charging_charger()
        assert charger.record.locked
        charger.carry_out(end_session(), T0 + 5)
        assert charger.take_events() == [
            ended(T0 + 5, SessionEnd.DEAUTHORIZED, 0),
            nothing_flows(charger, T0 + 5),
            state(T0 + 5, ChargerState.AWAITING_TOKEN),
        ]
        assert not charger.record.locked

    def test_end_session_of_an_earlier_session_ends_nothing(self) -> None:
        charger = a_charging_charger()
        assert charger.carry_out(end_session(session=0), T0 + 5).outcome is Outcome.DONE
        assert charger.state is ChargerState.CHARGING

    def test_withdraw_ends_no_session(self) -> None:
        charger = a_charging_charger()
        charger.carry_out(Withdraw(number=2, expires_ms=T0 + 10**9), T0 + 5)
        assert charger.state is ChargerState.CHARGING

    def test_withdraw_takes_a_waiting_authorization_back(self) -> None:
        charger = a_charger()
        charger.carry_out(authorize(), T0)
        charger.carry_out(Withdraw(number=2, expires_ms=T0 + 10**9), T0)
        charger.plug_in(a_car(), T0 + 1)
        assert charger.state is ChargerState.AWAITING_TOKEN

    def test_unplugging_ends_the_session_first(self) -> None:
        charger = a_charging_charger()
        charger.unplug(T0 + 5)
        assert charger.take_events() == [
            ended(T0 + 5, SessionEnd.EV_DISCONNECTED, 0),
            nothing_flows(charger, T0 + 5),
            state(T0 + 5, ChargerState.DISCONNECTED),
        ]

    def test_session_numbers_rise(self) -> None:
        charger = a_charging_charger()
        charger.carry_out(end_session(2), T0 + 1)
        charger.carry_out(authorize(3), T0 + 2)
        started = [event for event in charger.take_events() if isinstance(event, SessionStarted)]
        assert [event.session for event in started] == [2]

    def test_another_token_cannot_take_over_a_session(self) -> None:
        charger = a_charging_charger()
        assert charger.carry_out(authorize(2, "TAG00002"), T0).outcome is Outcome.REFUSED
        assert charger.carry_out(authorize(3, "TAG00001"), T0).outcome is Outcome.DONE
        assert charger.take_events() == []

    def test_a_car_that_gets_full_stops_drawing_by_itself(self) -> None:
        charger = a_charger()
        car = a_car(59)
        charger.plug_in(car, T0)
        charger.carry_out(authorize(), T0)
        charger.take_events()
        charger.advance(T0 + 60 * MINUTE)
        assert without_measurements(charger) == [state(charger.current_state.at_ms, ChargerState.READY)]
        assert charger.record.outlet.register_wh == 1000
        assert T0 + 15 * MINUTE < charger.current_state.at_ms < T0 + 22 * MINUTE

    def test_pausing_and_resuming_the_car_shows(self) -> None:
        charger = a_charging_charger()
        charger.pause_car(T0 + 1)
        charger.resume_car(T0 + 2)
        assert charger.take_events() == [
            state(T0 + 1, ChargerState.READY),
            state(T0 + 2, ChargerState.CHARGING),
        ]


class TestHands:
    def test_a_second_car_does_not_fit(self) -> None:
        charger = a_charging_charger()
        with pytest.raises(NotPossibleError, match="plugged in already"):
            charger.plug_in(a_car(), T0)

    @pytest.mark.parametrize(
        "act",
        [
            lambda charger: charger.unplug(T0),
            lambda charger: charger.pause_car(T0),
            lambda charger: charger.resume_car(T0),
        ],
    )
    def test_without_a_car_there_is_nothing_to_do(self, act: Callable[[SimulatedCharger], None]) -> None:
        with pytest.raises(NotPossibleError, match="no car is plugged in"):
            act(a_charger())

    def test_a_locked_cable_comes_off_at_the_car_only(self) -> None:
        charger = a_charging_charger()
        with pytest.raises(NotPossibleError, match="locked the cable"):
            charger.unplug(T0 + 1, at_charger=True)
        charger.unplug(T0 + 1)
        assert charger.state is ChargerState.DISCONNECTED

    def test_unlock_opens_the_lock_and_ends_nothing(self) -> None:
        charger = a_charging_charger()
        assert charger.carry_out(Unlock(number=2, expires_ms=T0 + 9), T0).outcome is Outcome.DONE
        assert (charger.record.locked, charger.state) == (False, ChargerState.CHARGING)
        charger.unplug(T0 + 1, at_charger=True)

    def test_a_fixed_cable_is_never_locked_and_unlock_is_refused(self) -> None:
        charger = a_charging_charger(fixed_cable=True)
        assert charger.record.locked is False
        outcome = charger.carry_out(Unlock(number=2, expires_ms=T0 + 9), T0)
        assert outcome.outcome is Outcome.REFUSED
        assert outcome.detail == "the cable is fixed to the charger, which has no lock"

    def test_a_fixed_cable_comes_off_at_the_car_only(self) -> None:
        charger = a_charging_charger(fixed_cable=True)
        with pytest.raises(NotPossibleError, match="fixed to the charger; unplug it at the car"):
            charger.unplug(T0 + 1, at_charger=True)
        charger.unplug(T0 + 1)
        assert charger.state is ChargerState.DISCONNECTED


class TestPower:
    def test_a_power_cycle_is_reported_after_the_boot_and_stamped_at_the_loss(self) -> None:
        charger = a_charging_charger()
        charger.power_cycle(T0 + 30 * SECOND)
        assert charger.take_events() == [Reachable(at_ms=T0 + 30 * SECOND, reachable=False)]
        charger.advance(T0 + 59 * SECOND)
        assert charger.take_events() == []
        charger.advance(T0 + 60 * SECOND)
        assert charger.take_events() == [
            Reachable(at_ms=T0 + 60 * SECOND, reachable=True),
            ended(T0 + 30 * SECOND, SessionEnd.POWER_LOSS, charger.record.outlet.register_wh),
            Restarted(at_ms=T0 + 60 * SECOND, firmware="1.0.0"),
            state(T0 + 60 * SECOND, ChargerState.AWAITING_TOKEN),
        ]

    def test_nothing_flows_while_it_is_down(self) -> None:
        charger = a_charging_charger()
        charger.power_cycle(T0)
        charger.advance(T0 + 30 * SECOND)
        assert charger.record.outlet.register_uj == 0

    def test_reboot_ends_the_session_before_it_goes(self) -> None:
        charger = a_charging_charger()
        outcome = charger.carry_out(Reboot(number=2, expires_ms=T0 + 9), T0)
        assert outcome.outcome is Outcome.DONE
        charger.advance(T0 + 20 * SECOND)
        assert charger.take_events() == [
            ended(T0, SessionEnd.REBOOT, 0),
            Reachable(at_ms=T0, reachable=False),
            Reachable(at_ms=T0 + 20 * SECOND, reachable=True),
            Restarted(at_ms=T0 + 20 * SECOND, firmware="1.0.0"),
            state(T0 + 20 * SECOND, ChargerState.AWAITING_TOKEN),
        ]

    @pytest.mark.parametrize(
        ("settings", "act", "back_ms"),
        [
            ({}, "reboot", 20_000),
            ({}, "power_cycle", 30_000),
            ({"reboot_s": 0.5}, "reboot", 500),
            ({"reboot_s": 3600}, "reboot", 3_600_000),
            ({"power_cut_s": 600.0}, "reboot", 20_000),
            ({"reboot_s": 0.5}, "power_cycle", 10_500),
            ({"power_cut_s": 600.0, "reboot_s": 1.0}, "power_cycle", 601_000),
        ],
    )
    def test_it_is_back_after_the_configured_seconds(
        self, settings: dict[str, float], act: str, back_ms: int
    ) -> None:
        charger = a_charger(**settings)
        if act == "reboot":
            charger.carry_out(Reboot(number=2, expires_ms=T0 + 9), T0)
        else:
            charger.power_cycle(T0)
        charger.advance(T0 + back_ms - 1)
        assert charger.take_events() == [Reachable(at_ms=T0, reachable=False)]
        charger.advance(T0 + back_ms)
        assert charger.take_events()[:2] == [
            Reachable(at_ms=T0 + back_ms, reachable=True),
            Restarted(at_ms=T0 + back_ms, firmware="1.0.0"),
        ]

    def test_the_reader_is_dead_without_power(self) -> None:
        charger = a_charger()
        charger.power_cycle(T0)
        with pytest.raises(NotPossibleError, match="without power"):
            charger.present_token("TAG00001", T0 + 1)


class TestFaults:
    def test_a_fault_ends_the_session(self) -> None:
        charger = a_charging_charger()
        charger.raise_fault(Fault.GROUND, T0)
        once_more = nothing_flows(charger, T0)
        charger.clear_fault(T0 + 5)
        assert charger.take_events() == [
            ended(T0, SessionEnd.FAULT, 0),
            once_more,
            state(T0, ChargerState.FAULTED, Fault.GROUND),
            state(T0 + 5, ChargerState.AWAITING_TOKEN),
        ]

    def test_a_weak_signal_is_a_warning_beside_the_state(self) -> None:
        charger = a_charging_charger()
        charger.raise_fault(Fault.WEAK_SIGNAL, T0)
        assert charger.take_events() == [state(T0, ChargerState.CHARGING, Fault.WEAK_SIGNAL)]

    def test_nobody_is_authorized_at_a_faulted_charger(self) -> None:
        charger = a_charger()
        charger.raise_fault(Fault.GROUND, T0)
        assert charger.carry_out(authorize(), T0).outcome is Outcome.REFUSED
        with pytest.raises(NotPossibleError, match="ground"):
            charger.present_token("TAG00001", T0)


class TestCloudLoss:
    def test_tokens_are_refused_and_never_reported_later(self) -> None:
        charger = a_charger()
        charger.lose_cloud(T0)
        with pytest.raises(NotPossibleError, match="cloud cannot be reached"):
            charger.present_token("TAG00001", T0 + 1)
        charger.regain_cloud(T0 + 2)
        assert charger.take_events() == [
            Reachable(at_ms=T0, reachable=False),
            Reachable(at_ms=T0 + 2, reachable=True),
            state(T0 + 2, ChargerState.DISCONNECTED),
        ]

    def test_the_present_state_comes_first_and_session_records_follow(self) -> None:
        charger = a_charging_charger()
        charger.lose_cloud(T0)
        charger.take_events()
        charger.unplug(T0 + 5)
        charger.plug_in(a_car(), T0 + 6)
        assert charger.take_events() == []
        charger.regain_cloud(T0 + 7)
        assert charger.take_events() == [
            Reachable(at_ms=T0 + 7, reachable=True),
            state(T0 + 7, ChargerState.AWAITING_TOKEN),
            ended(T0 + 5, SessionEnd.EV_DISCONNECTED, 0),
        ]

    def test_the_oldest_measurements_make_room(self) -> None:
        charger = a_charging_charger()
        charger.lose_cloud(T0)
        charger.advance(T0 + 100 * MINUTE)
        charger.regain_cloud(T0 + 100 * MINUTE)
        measured = [event.at_ms for event in charger.take_events() if isinstance(event, Measured)]
        newest = T0 + 100 * MINUTE
        assert measured == [newest - n * MINUTE for n in reversed(range(MEASUREMENTS_BUFFERED))]

    def test_a_boot_in_the_dark_is_reported_later(self) -> None:
        charger = a_charger()
        charger.lose_cloud(T0)
        charger.power_cycle(T0)
        charger.power_cycle(T0 + 60 * SECOND)
        charger.advance(T0 + 100 * SECOND)
        charger.take_events()
        charger.regain_cloud(T0 + 120 * SECOND)
        assert charger.take_events()[-1] == Restarted(at_ms=T0 + 90 * SECOND, firmware="1.0.0")
        assert charger.record.buffered == []

    def test_commands_are_refused_at_once(self) -> None:
        charger = a_charging_charger()
        charger.lose_cloud(T0)
        assert charger.carry_out(end_session(), T0).outcome is Outcome.REFUSED
        assert charger.state is ChargerState.CHARGING


class TestCommands:
    @pytest.mark.parametrize(
        "command",
        [
            authorize(7),
            end_session(7),
            Reboot(number=7, expires_ms=T0 + 10**9),
            Unlock(number=7, expires_ms=T0 + 10**9),
        ],
    )
    def test_an_expired_command_is_not_carried_out(self, command: ChargerCommand) -> None:
        charger = a_charger()
        outcome = charger.carry_out(command, T0 + 10**9)
        charger.take_events()
        assert outcome.outcome is Outcome.EXPIRED
        assert charger.record.authorization is None
        assert charger.reachable

    def test_a_repeated_number_is_not_done_twice(self) -> None:
        charger = a_charging_charger()
        charger.carry_out(end_session(2), T0)
        charger.carry_out(authorize(3), T0)
        charger.take_events()
        assert charger.carry_out(end_session(2), T0).outcome is Outcome.DONE
        assert charger.take_events() == []

    def test_a_repeated_number_keeps_its_outcome(self) -> None:
        charger = a_charger()
        charger.lose_cloud(T0)
        charger.carry_out(authorize(5), T0)
        charger.regain_cloud(T0)
        assert charger.carry_out(authorize(5), T0).outcome is Outcome.REFUSED

    def test_disabling_waits_for_the_session(self) -> None:
        charger = a_charging_charger()
        charger.carry_out(SetAvailable(number=2, expires_ms=T0 + 9, available=False), T0)
        assert charger.take_events() == []
        charger.carry_out(end_session(3), T0 + 5)
        assert charger.take_events()[-1] == state(T0 + 5, ChargerState.DISABLED)
        assert charger.carry_out(authorize(4), T0 + 6).outcome is Outcome.REFUSED
        charger.carry_out(SetAvailable(number=5, expires_ms=T0 + 9, available=True), T0 + 7)
        assert charger.take_events()[-1] == state(T0 + 7, ChargerState.AWAITING_TOKEN)


class TestMeasurements:
    def test_in_a_session_all_values_of_one_time_come_together(self) -> None:
        charger = a_charging_charger()
        charger.advance(T0 + MINUTE)
        (event,) = charger.take_events()
        assert isinstance(event, Measured)
        assert (event.at_ms, event.session) == (T0 + MINUTE, 1)
        assert [(reading.quantity, reading.phase) for reading in event.readings] == [
            (Quantity.ENERGY_WH, 0),
            (Quantity.POWER_W, 0),
            (Quantity.CURRENT_A, 1),
            (Quantity.CURRENT_A, 2),
            (Quantity.CURRENT_A, 3),
            (Quantity.VOLTAGE_V, 1),
            (Quantity.VOLTAGE_V, 2),
            (Quantity.VOLTAGE_V, 3),
            (Quantity.CURRENT_OFFERED_A, 0),
            (Quantity.TEMPERATURE_C, 0),
        ]

    @pytest.mark.parametrize(
        ("measures", "reported"),
        [
            ((), [(Quantity.ENERGY_WH, 0)]),
            (("energy_wh",), [(Quantity.ENERGY_WH, 0)]),
            (("temperature_c", "power_w"), [("energy_wh", 0), ("power_w", 0), ("temperature_c", 0)]),
            (("current_a",), [("energy_wh", 0), ("current_a", 1), ("current_a", 2), ("current_a", 3)]),
            (("current_a.L1",), [("energy_wh", 0), ("current_a", 1)]),
            (
                ("voltage_v.L3", "current_a.L2", "current_offered_a"),
                [("energy_wh", 0), ("current_a", 2), ("voltage_v", 3), ("current_offered_a", 0)],
            ),
        ],
    )
    def test_it_reports_the_register_and_what_else_it_measures(
        self, measures: tuple[str, ...], reported: list[tuple[str, int]]
    ) -> None:
        charger = a_charging_charger(measures=measures)
        charger.advance(T0 + MINUTE)
        (event,) = charger.take_events()
        assert isinstance(event, Measured)
        assert [(reading.quantity, reading.phase) for reading in event.readings] == reported

    def test_it_says_whether_it_measures_its_temperature(self) -> None:
        assert Capability.TEMPERATURE in a_charger().settings.info.capabilities
        assert Capability.TEMPERATURE not in a_charger(measures=("power_w",)).settings.info.capabilities

    def test_without_a_session_it_measures_every_quarter_of_an_hour(self) -> None:
        charger = a_charger(phases=1, idle_in_step=True)
        charger.advance(T0 + 44 * MINUTE)
        events = charger.take_events()
        assert [event.at_ms for event in events] == [T0 + 15 * MINUTE, T0 + 30 * MINUTE]
        assert isinstance(events[0], Measured)
        assert events[0].session is None
        assert [reading.quantity for reading in events[0].readings] == [
            Quantity.ENERGY_WH,
            Quantity.POWER_W,
            Quantity.CURRENT_A,
            Quantity.VOLTAGE_V,
            Quantity.CURRENT_OFFERED_A,
            Quantity.TEMPERATURE_C,
        ]

    def test_a_charger_warms_up_when_it_works(self) -> None:
        charger = a_charging_charger()
        charger.advance(T0 + 60 * MINUTE)
        assert 22 < charger.record.outlet.temperature_c < 30
