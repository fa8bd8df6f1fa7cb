"""A reading is told with the time at which it was measured; an old one is never one of now (`MV-19`)."""

from itertools import pairwise

import pytest

from chargebridge.chargepoint.turn import ChargerDescribed, ChargerReleased
from chargebridge.chargers.model import ChargerInfo, ChargerState, Measured, Quantity, Reading
from chargebridge.ocpp16.timestamps import parse_timestamp

pytestmark = pytest.mark.unit

Q = Quantity
REGISTER, POWER, CURRENT = "Energy.Active.Import.Register", "Power.Active.Import", "Current.Import"
EVERY_MINUTE = {
    "MeterValuesSampledData": f"{REGISTER},{POWER},{CURRENT}",
    "ClockAlignedDataInterval": "60",
    "MeterValuesAlignedData": f"{REGISTER},{POWER},{CURRENT}",
    "MeterValueSampleInterval": "0",
}
AT_11_KW = (
    Reading(Q.ENERGY_WH, 1400),
    Reading(Q.POWER_W, 11000),
    *(Reading(Q.CURRENT_A, 16, phase) for phase in (1, 2, 3)),
)
NOTHING_FLOWS = {POWER: "0", f"{CURRENT}.L1": "0", f"{CURRENT}.L2": "0", f"{CURRENT}.L3": "0"}
FLOWED = {POWER: "11000", f"{CURRENT}.L1": "16", f"{CURRENT}.L2": "16", f"{CURRENT}.L3": "16"}


def told(bench):
    """`(time, {measurand[.phase]: value})` of all that MeterValues said since the last time."""
    bench.settle()
    return [
        (
            moment["timestamp"][11:19],
            {
                ".".join(filter(None, (sample["measurand"], sample.get("phase")))): sample["value"]
                for sample in moment["sampledValue"]
            },
        )
        for action, payload in bench.said()
        if action == "MeterValues"
        for moment in payload["meterValue"]
    ]


def triggered(bench):
    bench.settle()
    bench.said()
    assert bench.ask("TriggerMessage", {"requestedMessage": "MeterValues"}) == {"status": "Accepted"}
    return told(bench)


@pytest.fixture(params=["ocpp16", "easee"])
def charging(new_bench, request):
    """11 kW flow at 10:00:31 into a car that was plugged in at 10:00:01."""
    bench = new_bench(request.param, configuration=EVERY_MINUTE).ready().charging()
    bench.wait(30)
    bench.measure(*AT_11_KW)
    bench.settle()
    bench.said()
    return bench


@pytest.fixture
def standard(new_bench):
    bench = new_bench(configuration=EVERY_MINUTE).ready().charging()
    bench.wait(30)
    bench.measure(*AT_11_KW)
    bench.settle()
    bench.said()
    return bench


def gone(bench):
    """The car has left at 10:00:41, with 1500 Wh."""
    bench.wait(10)
    bench.end(1500)
    bench.state(ChargerState.DISCONNECTED)
    bench.settle()
    return bench


class TestTriggers:
    def test_mv_19_while_it_charges_each_reading_has_its_time(self, charging):
        charging.wait(25)
        charging.energy(1480)
        charging.wait(4)
        assert triggered(charging) == [("10:00:31", FLOWED), ("10:00:56", {REGISTER: "1480"})]

    def test_mv_19_all_phases_of_a_measurand_stay_together(self, charging):
        charging.wait(25)
        charging.measure(Reading(Q.CURRENT_A, 15, 2))
        assert triggered(charging) == [
            ("10:00:31", {REGISTER: "1400", POWER: "11000"}),
            ("10:00:56", {f"{CURRENT}.L1": "16", f"{CURRENT}.L2": "15", f"{CURRENT}.L3": "16"}),
        ]

    def test_mv_19_after_the_car_has_gone_nothing_flows(self, charging):
        gone(charging).wait(100, answering=True)
        assert triggered(charging) == [("10:00:41", {REGISTER: "1500"}), ("10:02:21", NOTHING_FLOWS)]

    def test_mv_19_unless_the_charger_measures_otherwise(self, charging):
        gone(charging).wait(100, answering=True)
        charging.measure(Reading(Q.POWER_W, 5), session=None)
        charging.wait(7)
        assert triggered(charging) == [
            ("10:00:41", {REGISTER: "1500"}),
            ("10:02:21", {POWER: "5"}),
            ("10:02:28", {name: value for name, value in NOTHING_FLOWS.items() if name != POWER}),
        ]

    def test_mv_19_from_the_first_moment_on_where_the_driver_says_what_is_measured(self, new_bench):
        bench = new_bench(configuration=EVERY_MINUTE)
        measures = {"measures": frozenset({Q.POWER_W}), "measures_by_phase": frozenset({Q.CURRENT_A})}
        bench.turn(ChargerDescribed(ChargerInfo(serial="SIM1", vendor="M", model="H", phases=2, **measures)))
        bench.ready()
        assert triggered(bench) == [
            ("10:00:00", {POWER: "0", f"{CURRENT}.L1": "0", f"{CURRENT}.L2": "0"}),
        ]
        bench.measure(Reading(Q.POWER_W, 4), session=None)
        bench.wait(5)
        assert triggered(bench) == [
            ("10:00:00", {POWER: "4"}),
            ("10:00:05", {f"{CURRENT}.L1": "0", f"{CURRENT}.L2": "0"}),
        ]
        bench.reachable(False)
        assert triggered(bench) == [("10:00:00", {POWER: "4"})]

    def test_mv_19_a_new_session_begins_without_the_flow_of_the_last_one(self, charging):
        gone(charging).wait(100, answering=True)
        charging.begin(session=2, register_wh=1500)
        charging.settle()
        assert triggered(charging) == [("10:02:21", {REGISTER: "1500"})]

    def test_mv_19_of_a_charger_out_of_reach_nothing_is_told_as_new(self, charging):
        charging.wait(5)
        charging.reachable(False)
        charging.wait(900, answering=True)
        assert triggered(charging) == [("10:00:31", {REGISTER: "1400"} | FLOWED)]

    def test_mv_19_nor_of_one_out_of_reach_that_was_idle(self, charging):
        gone(charging)
        charging.reachable(False)
        charging.wait(900, answering=True)
        assert triggered(charging) == [("10:00:41", {REGISTER: "1500"})]

    def test_mv_19_after_a_restart_the_register_keeps_its_time(self, charging):
        charging.wait(29)
        triggered(charging)
        charging.restart()
        charging.boot()
        assert triggered(charging) == [("10:00:31", {REGISTER: "1400"})]

    def test_mv_19_an_idle_one_too(self, charging):
        gone(charging).restart()
        charging.boot()
        assert triggered(charging) == [("10:00:41", {REGISTER: "1500"})]

    def test_mv_19_what_was_promised_is_sent_even_if_the_charger_has_gone_meanwhile(self, charging):
        gone(charging).wait(9, answering=True)
        charging.said()
        charging.state(ChargerState.FAULTED)  # a status is under way
        charging.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
        charging.turn(ChargerReleased())
        assert told(charging) == [("10:00:50", {POWER: "0"})]


class TestByTheClock:
    def test_mv_19_after_the_car_has_gone_each_minute_says_that_nothing_flows(self, standard):
        gone(standard).wait(20, answering=True)
        assert told(standard) == [("10:00:41", {REGISTER: "1500"}), ("10:01:00", NOTHING_FLOWS)]
        standard.wait(120, answering=True)
        assert told(standard) == [("10:02:00", NOTHING_FLOWS), ("10:03:00", NOTHING_FLOWS)]

    def test_mv_19_what_an_idle_charger_measures_is_told_once_with_its_time(self, standard):
        gone(standard).wait(20, answering=True)
        told(standard)
        standard.energy(1500, session=None)
        standard.wait(120, answering=True)
        assert told(standard) == [
            ("10:01:01", {REGISTER: "1500"}),
            ("10:02:00", NOTHING_FLOWS),
            ("10:03:00", NOTHING_FLOWS),
        ]

    def test_mv_19_with_the_cloud_away_for_a_quarter_of_an_hour_nothing_is_told(self, standard):
        gone(standard)
        standard.reachable(False)
        standard.wait(60, answering=True)
        assert told(standard) == [("10:00:41", {REGISTER: "1500"})]
        standard.wait(900, answering=True)
        assert told(standard) == []

    def test_mv_19_nor_in_a_session_but_what_was_not_told_before(self, standard):
        standard.reachable(False)
        standard.wait(900, answering=True)
        assert told(standard) == [("10:00:31", {REGISTER: "1400"} | FLOWED)]


class TestSeldomRegister:
    """A register that comes every 90 s, of which 7.3 kW flow, while power comes every 10 s."""

    W, EVERY_S = 7300, 90

    def true_wh(self, bench, at_ms):
        start_ms = bench._session[2]
        return 1000 + self.W * max(at_ms - start_ms, 0) // 3_600_000

    def charge(self, bench, seconds):
        for second in range(10, seconds + 10, 10):
            bench.wait(10, answering=True)
            values = [Reading(Q.POWER_W, self.W)]
            if second % self.EVERY_S == 0:
                values.append(Reading(Q.ENERGY_WH, self.true_wh(bench, bench.utc_ms)))
            bench.measure(*values)
            bench.settle()

    def registers(self, bench):
        return [
            (parse_timestamp(moment["timestamp"]), int(sample["value"]))
            for action, payload in bench.said()
            if action == "MeterValues"
            for moment in payload["meterValue"]
            for sample in moment["sampledValue"]
            if sample["measurand"] == REGISTER
        ]

    @pytest.mark.parametrize(
        "keys",
        [
            {"MeterValueSampleInterval": "60"},
            {"MeterValueSampleInterval": "0", "ClockAlignedDataInterval": "60"},
            {"MeterValueSampleInterval": "0", "ClockAlignedDataInterval": "900"},
            {"MeterValueSampleInterval": "45", "ClockAlignedDataInterval": "300"},
        ],
    )
    def test_mv_19_what_is_told_is_true_at_its_time_and_no_quarter_of_an_hour_is_wrong(self, new_bench, keys):
        lists = {"MeterValuesSampledData": f"{REGISTER},{POWER}", "MeterValuesAlignedData": REGISTER}
        bench = new_bench(configuration=lists | keys).ready().charging()
        self.charge(bench, 3 * 3600)
        registers = self.registers(bench)
        assert len(registers) >= 11
        for at_ms, register_wh in registers:
            assert register_wh == self.true_wh(bench, at_ms)
        registers = sorted({(bench._session[2], 1000), *registers})
        # As a central system works it out, from one reading to the next.
        quarters = range(registers[0][0] // 900_000 * 900_000 + 900_000, registers[-1][0], 900_000)
        errors = [abs(between(registers, at_ms) - self.true_wh(bench, at_ms)) for at_ms in quarters]
        assert max(errors) <= 1

    def test_mv_19_nor_when_it_stands_still_for_an_hour(self, new_bench):
        keys = {
            "MeterValueSampleInterval": "0",
            "ClockAlignedDataInterval": "900",
            "MeterValuesAlignedData": REGISTER,
        }
        bench = new_bench(configuration=keys).ready().charging()
        self.charge(bench, 1500)
        stood_wh, since_ms = self.true_wh(bench, bench.utc_ms - 60_000), bench.utc_ms - 60_000
        bench.wait(3600, answering=True)
        registers = self.registers(bench)
        assert registers[-1] == (since_ms, stood_wh)


def between(registers, at_ms):
    for (since_ms, from_wh), (until_ms, to_wh) in pairwise(registers):
        if since_ms <= at_ms <= until_ms:
            return from_wh + (to_wh - from_wh) * (at_ms - since_ms) / (until_ms - since_ms)
    raise AssertionError(f"{at_ms} is not between readings")


class TestWhatComesBitByBit:
    """A charger may tell bit by bit what it has measured at one time."""

    def test_mv_19_nothing_of_it_is_taken_for_a_repeat(self, new_bench):
        bench = new_bench("easee").ready().charging()
        bench.wait(5)
        events = [Measured(at_ms=bench.utc_ms, readings=(one,), session=1) for one in AT_11_KW]
        for event in (*events, *events):
            bench.tell(event)
        assert told(bench) == [
            ("10:00:06", {REGISTER: "1400"}),
            ("10:00:06", {POWER: "11000"}),
            *(("10:00:06", {f"{CURRENT}.L{phase}": "16"}) for phase in (1, 2, 3)),
        ]

    def test_mv_19_at_an_interval_it_is_one_moment(self, new_bench):
        bench = new_bench(configuration=EVERY_MINUTE | {"MeterValueSampleInterval": "60"}).ready().charging()
        bench.wait(5)
        for one in AT_11_KW:
            bench.tell(Measured(at_ms=bench.utc_ms, readings=(one,), session=1))
        bench.wait(60, answering=True)
        assert ("10:00:06", {REGISTER: "1400"} | FLOWED) in told(bench)
