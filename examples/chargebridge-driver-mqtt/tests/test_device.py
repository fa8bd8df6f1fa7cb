"""What the values of a charger mean."""

import msgspec
import pytest
from chargebridge.drivers import (
    ChargerEvent,
    ChargerState,
    Measured,
    Quantity,
    Reading,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    StateChanged,
    TokenPresented,
)

from chargebridge_driver_mqtt.device import Device, Record
from chargebridge_driver_mqtt.meter import Meter
from chargebridge_driver_mqtt.payloads import Value
from chargebridge_driver_mqtt.settings import ChargerSettings, Source, Switch

T0 = 1_800_000_000_000
A = Source("a")

WALLBOX = ChargerSettings(connected=A, enabled=A, power=A, energy=A, settle_s=5)
WITH_WILL = ChargerSettings(availability=A, connected=A, enabled=A, power=A, energy=A)
LOCKABLE = ChargerSettings(connected=A, enabled=A, power=A, energy=A, switch=Switch("s"))
PLUG = ChargerSettings(enabled=A, power=A, energy=A, settle_s=0, ends_after_idle_s=600)
METER_ONLY = ChargerSettings(power=A, settle_s=5, ends_after_idle_s=600)


class Bench:
    """A device, and a clock."""

    def __init__(self, settings: ChargerSettings) -> None:
        self.device = Device(settings, Record(meter=Meter()))
        self.now_ms = T0
        self.events: list[ChargerEvent] = []

    def take(self, **values: Value) -> list[ChargerEvent]:
        """Take values, a second after those before."""
        self.now_ms += 1000
        events = []
        for name, value in values.items():
            events += self.device.take(name, 0, value, self.now_ms)
        self.events += events
        return [event for event in events if not isinstance(event, Measured)]

    def wait(self, seconds: float) -> list[ChargerEvent]:
        self.now_ms += round(seconds * 1000)
        events = self.device.look(self.now_ms)
        self.events += events
        return events

    def sessions(self) -> list[ChargerEvent]:
        return [event for event in self.events if isinstance(event, SessionStarted | SessionEnded)]


def states(events: list[ChargerEvent]) -> list[ChargerState]:
    return [event.state for event in events if isinstance(event, StateChanged)]


class TestAChargerThatSeesTheCar:
    def test_a_session_from_the_car_to_its_end(self) -> None:
        bench = Bench(WALLBOX)
        assert states(bench.take(energy=1000.5, power=0, enabled=False, connected=False)) == [
            ChargerState.DISCONNECTED
        ]
        assert states(bench.take(connected=True)) == [ChargerState.AWAITING_TOKEN]
        bench.device.record.authorized = "TAG"
        started, ready = bench.take(enabled=True)
        assert started == SessionStarted(at_ms=bench.now_ms, session=1, id_tag="TAG", register_wh=1000)
        assert states([ready]) == [ChargerState.READY]
        started_ms = bench.now_ms
        assert states(bench.take(power=3680)) == [ChargerState.CHARGING]
        assert states(bench.take(power=0)) == [ChargerState.READY]
        assert bench.take(connected=False) == []  # its record waits for a last reading
        over_ms = bench.now_ms
        ended, state = bench.take(energy=1502.9)
        assert ended == SessionEnded(
            at_ms=over_ms,
            session=1,
            id_tag="TAG",
            started_at_ms=started_ms,
            start_register_wh=1000,
            register_wh=1502,
            reason=SessionEnd.EV_DISCONNECTED,
        )
        assert states([state]) == [ChargerState.DISCONNECTED]

    def test_the_record_waits_no_longer_than_it_may(self) -> None:
        bench = Bench(WALLBOX)
        bench.take(energy=1000, connected=True, enabled=True)
        bench.take(connected=False)
        assert bench.wait(4.9) == []
        ended, _ = bench.wait(0.2)
        assert isinstance(ended, SessionEnded)
        assert ended.at_ms == bench.now_ms - 5100

    def test_the_next_car_does_not_wait_for_the_record_of_the_one_before(self) -> None:
        bench = Bench(WALLBOX)
        bench.take(energy=1000, connected=True, enabled=True)
        bench.take(connected=False)
        bench.take(connected=True)
        first, ended, second = bench.sessions()
        assert (first.session, ended.session, second.session) == (1, 1, 2)
        assert (ended.id_tag, second.id_tag) == (None, None)

    def test_one_that_is_switched_off_by_somebody_else_pauses(self) -> None:
        bench = Bench(WALLBOX)
        bench.take(energy=0, connected=True, enabled=True)
        assert states(bench.take(enabled=False)) == [ChargerState.AWAITING_START]
        assert states(bench.take(enabled=True)) == [ChargerState.READY]
        assert len(bench.sessions()) == 1

    def test_one_that_is_switched_off_by_command_ends(self) -> None:
        bench = Bench(WALLBOX)
        bench.take(energy=0, connected=True, enabled=True)
        assert bench.device.record.session is not None
        bench.device.record.session.ending = True
        bench.take(enabled=False)
        ended, state = bench.take(energy=7)
        assert isinstance(ended, SessionEnded)
        assert ended.reason is SessionEnd.DEAUTHORIZED
        assert states([state]) == [ChargerState.AWAITING_TOKEN]

    def test_a_car_that_charges_without_a_token_makes_a_session_without_one(self) -> None:
        bench = Bench(WALLBOX)
        bench.take(energy=0, enabled=True, connected=True)
        [started] = bench.sessions()
        assert started.id_tag is None

    def test_what_a_broker_has_retained_of_a_charger_that_is_away_begins_no_session(self) -> None:
        bench = Bench(WITH_WILL)
        bench.take(energy=0, connected=True, enabled=True, power=3680)
        bench.take(availability=False)
        assert bench.sessions() == []
        bench.take(availability=True)
        assert len(bench.sessions()) == 1
        bench.take(availability=False)
        bench.take(connected=False)
        assert len(bench.sessions()) == 1

    def test_a_session_waits_for_the_register(self) -> None:
        bench = Bench(WALLBOX)
        bench.take(power=3680, connected=True, enabled=True)
        assert [event for event in bench.events if not isinstance(event, StateChanged)] == []
        started, *_ = bench.take(energy=4711)
        assert isinstance(started, SessionStarted)
        assert started.register_wh == 4711

    def test_the_next_car_needs_a_token_while_the_charger_is_being_locked(self) -> None:
        bench = Bench(LOCKABLE)
        bench.take(energy=0, connected=True, enabled=False)
        bench.device.record.authorized = "TAG"
        bench.take(enabled=True)
        bench.take(connected=False, energy=1)
        assert states(bench.take(connected=True))[-1] is ChargerState.AWAITING_TOKEN
        bench.take(enabled=False)
        assert len(bench.sessions()) == 2
        bench.take(enabled=True)  # by hand
        assert len(bench.sessions()) == 3

    def test_a_session_that_begins_ends_the_locking(self) -> None:
        bench = Bench(LOCKABLE)
        bench.device.record.authorized = "TAG"
        bench.take(energy=0, connected=True, enabled=True)
        bench.take(connected=False, energy=1)
        assert bench.device.record.locking_ms is not None
        bench.device.record.authorized = "TAG2"
        bench.take(connected=True)
        assert [event.id_tag for event in bench.sessions()] == ["TAG", "TAG", "TAG2"]
        assert bench.device.record.locking_ms is None

    def test_locking_goes_on_after_a_restart(self) -> None:
        bench = Bench(LOCKABLE)
        bench.device.record.authorized = "TAG"
        bench.take(energy=0, connected=True, enabled=True)
        bench.take(connected=False, energy=1)
        stored = msgspec.json.encode(bench.device.record)
        bench.device = Device(LOCKABLE, msgspec.json.decode(stored, type=Record))
        bench.take(enabled=True, connected=True)
        assert len(bench.sessions()) == 2

    def test_a_charger_that_cannot_be_locked_charges_in_a_session_all_the_same(self) -> None:
        bench = Bench(LOCKABLE)
        bench.device.record.authorized = "TAG"
        bench.take(energy=0, connected=True, enabled=True)
        bench.take(connected=False, energy=1)
        bench.take(connected=True)
        bench.wait(11)
        assert [event.id_tag for event in bench.sessions()] == ["TAG", "TAG", None]

    def test_a_limit_below_6_a_pauses_with_a_reason(self) -> None:
        bench = Bench(WALLBOX)
        bench.take(energy=0, connected=True, enabled=True)
        bench.device.record.limit_ma = 5999
        [paused] = bench.wait(1)
        assert (paused.state, paused.reason) == (ChargerState.AWAITING_START, "LimitedByCentralSystem")

    def test_a_restart_goes_on_with_the_session(self) -> None:
        bench = Bench(WALLBOX)
        bench.take(energy=1000, connected=True, enabled=True)
        stored = msgspec.json.encode(bench.device.record)
        bench.device = Device(WALLBOX, msgspec.json.decode(stored, type=Record))
        assert bench.wait(60) != []  # the state, as it is known
        assert len(bench.sessions()) == 1
        bench.take(energy=2000, connected=False)
        bench.take(energy=2000)
        [started, ended] = bench.sessions()
        assert (ended.session, ended.register_wh - ended.start_register_wh) == (started.session, 1000)


class TestAPlug:
    def test_a_session_is_while_power_flows(self) -> None:
        bench = Bench(PLUG)
        assert states(bench.take(energy=0, power=0, enabled=True)) == [ChargerState.DISCONNECTED]
        started, state = bench.take(power=2000)
        assert isinstance(started, SessionStarted)
        assert states([state]) == [ChargerState.CHARGING]
        bench.take(power=0, energy=500)
        assert bench.wait(599) == []
        ended, state = bench.wait(2)
        assert isinstance(ended, SessionEnded)
        assert (ended.reason, ended.register_wh) == (SessionEnd.EV_DISCONNECTED, 500)
        assert states([state]) == [ChargerState.DISCONNECTED]

    def test_a_trickle_is_no_session(self) -> None:
        bench = Bench(PLUG)
        bench.take(energy=0, enabled=True, power=49)
        assert bench.sessions() == []

    def test_switched_off_by_hand_it_ends(self) -> None:
        bench = Bench(PLUG)
        bench.take(energy=0, enabled=True, power=2000)
        bench.take(enabled=False)
        [_, ended] = bench.sessions()
        assert ended.reason is SessionEnd.OTHER

    def test_a_pause_by_limit_does_not_end_it(self) -> None:
        bench = Bench(PLUG)
        bench.take(energy=0, enabled=True, power=2000)
        bench.device.record.limit_ma = 0
        bench.take(power=0, enabled=False)
        bench.wait(7200)
        assert len(bench.sessions()) == 1


class TestWithoutACounter:
    def test_power_is_added_up_to_the_last_moment(self) -> None:
        bench = Bench(METER_ONLY)
        bench.take(power=3600)
        for _ in range(10):
            bench.now_ms += 9_000
            bench.take(power=3600)
        bench.take(power=0)
        bench.wait(601)
        [started, ended] = bench.sessions()
        assert ended.register_wh - started.register_wh == 101

    def test_what_flows_while_the_broker_is_away_is_not_made_up(self) -> None:
        bench = Bench(METER_ONLY)
        bench.take(power=3600)
        bench.device.forget_connection()
        bench.wait(200)
        bench.take(power=3600)
        assert bench.device.record.meter.register_wh == 0


class TestMeasurements:
    def test_they_carry_all_that_is_known(self) -> None:
        settings = ChargerSettings(connected=A, power=A, energy=A, measure_every_s=60)
        bench = Bench(settings)
        bench.device.take("currents", 2, 15.9, T0)
        bench.device.take("voltages", 2, 231.0, T0)
        bench.take(offered=16, temperature=21.5, energy=1000.9, power=3680)
        bench.take(power=3700)
        bench.now_ms += 60_000
        bench.take(power=3720)
        first, second = [event for event in bench.events if isinstance(event, Measured)]
        assert first.readings == (
            Reading(Quantity.ENERGY_WH, 1000),
            Reading(Quantity.POWER_W, 0.0),
            Reading(Quantity.CURRENT_A, 15.9, 2),
            Reading(Quantity.VOLTAGE_V, 231.0, 2),
            Reading(Quantity.CURRENT_OFFERED_A, 16),
            Reading(Quantity.TEMPERATURE_C, 21.5),
        )
        assert second.at_ms - first.at_ms > 60_000

    def test_they_belong_to_the_session_that_runs(self) -> None:
        bench = Bench(PLUG)
        bench.take(energy=0, enabled=True, power=2000)
        bench.now_ms += 60_000
        bench.take(power=2000)
        assert [event.session for event in bench.events if isinstance(event, Measured)] == [None, 1]


@pytest.mark.parametrize(("word", "count"), [("04AABBCC", 1), ("", 0)])
def test_a_token_is_passed_on_unless_it_is_empty(word: str, count: int) -> None:
    bench = Bench(WALLBOX)
    tokens = [event for event in bench.take(token=word) if isinstance(event, TokenPresented)]
    assert len(tokens) == count
