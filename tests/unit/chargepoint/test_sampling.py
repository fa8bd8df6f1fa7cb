"""Samples at intervals, as the standard has them (`MV-*`): behaviour `ocpp16` if nothing else is said."""

import json
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from msgspec import structs

from chargebridge.chargepoint.behaviour import EVERY_MEASURAND, behaviour
from chargebridge.chargepoint.turn import ChargerReleased
from chargebridge.chargers.model import Measured, Quantity, Reading, SessionEnd, SessionEnded
from chargebridge.ocpp16.timestamps import parse_timestamp

pytestmark = pytest.mark.unit

Q = Quantity
REGISTER = "Energy.Active.Import.Register"
STARTED_MS = 1_767_348_001_000  # 2026-01-02T10:00:01Z
SCHEMAS = files("chargebridge.ocpp16").joinpath("schemas")


@pytest.fixture
def charging(new_bench):
    return charging_with(new_bench, MeterValuesSampledData=EVERY_MEASURAND)


def charging_with(new_bench, preset="ocpp16", **keys):
    """A car charges since 10:00:01; nothing is measured yet but the register at the start, 1000."""
    return (
        new_bench(preset, configuration={name: str(value) for name, value in keys.items()}).ready().charging()
    )


def change(bench, key, value):
    return bench.ask("ChangeConfiguration", {"key": key, "value": str(value)})["status"]


def told(bench, seconds=0.0):
    """What the MeterValues said of some time: `(time, context, {measurand[.phase]: value})`."""
    bench.wait(seconds, answering=True)
    bench.settle()
    moments = []
    for action, payload in bench.said():
        if action == "MeterValues":
            moments += [moment_told(moment) for moment in payload["meterValue"]]
    return moments


def moment_told(moment):
    (context,) = {sample["context"] for sample in moment["sampledValue"]}
    values = {
        ".".join(filter(None, (s["measurand"], s.get("phase")))): s["value"] for s in moment["sampledValue"]
    }
    assert len(values) == len(moment["sampledValue"]), "each kind once"
    return moment["timestamp"][11:19], context, values


def register_told(bench, seconds=0.0):
    return [(at, int(values[REGISTER])) for at, _, values in told(bench, seconds)]


def at(bench, register_wh, ago_s, *readings):
    """The charger tells late what it measured that long ago."""
    measured = (Reading(Q.ENERGY_WH, register_wh), *readings)
    bench.tell(Measured(at_ms=bench.utc_ms - round(ago_s * 1000), readings=measured, session=1))


class TestInterval:
    def test_mv_2_nothing_is_forwarded_as_it_comes(self, charging):
        charging.wait(5)
        charging.energy(1100)
        assert told(charging) == []
        assert charging.store.queue == {}

    def test_mv_3_counted_from_the_start_of_the_transaction(self, charging):
        charging.metering(20, Reading(Q.ENERGY_WH, 1100))
        assert told(charging, 59) == []
        assert told(charging, 121) == [
            ("10:01:00", "Sample.Periodic", {REGISTER: "1100"}),
            ("10:02:00", "Sample.Periodic", {REGISTER: "1100"}),
            ("10:03:00", "Sample.Periodic", {REGISTER: "1100"}),
        ]

    def test_mv_1_mv_5_mv_8_mv_11_a_message_of_the_transaction_that_leaves_nothing_to_guess(self, charging):
        charging.wait(59)
        charging.measure(
            Reading(Q.ENERGY_WH, 1000), Reading(Q.POWER_W, 3680.456), Reading(Q.TEMPERATURE_C, 21)
        )
        charging.wait(1)
        ((action, payload),) = charging.serve()
        schema = json.loads(SCHEMAS.joinpath("MeterValues.json").read_text(), parse_float=Decimal)
        Draft4Validator(schema).validate(payload)
        assert (action, payload) == (
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": 7,
                "meterValue": [
                    {
                        "timestamp": "2026-01-02T10:01:00.000Z",
                        "sampledValue": [
                            {
                                "value": "1000",
                                "context": "Sample.Periodic",
                                "measurand": "Energy.Active.Import.Register",
                                "unit": "Wh",
                            },
                            {
                                "value": "3680.46",
                                "context": "Sample.Periodic",
                                "measurand": "Power.Active.Import",
                                "unit": "W",
                            },
                            {
                                "value": "21",
                                "context": "Sample.Periodic",
                                "measurand": "Temperature",
                                "unit": "Celsius",
                            },
                        ],
                    }
                ],
            },
        )

    def test_mv_6_mv_12_all_phases_of_a_measurand_and_of_an_item_with_a_phase_that_one(self, new_bench):
        bench = charging_with(new_bench, MeterValuesSampledData="Voltage,Current.Import.L2")
        bench.measure(*(Reading(Q.VOLTAGE_V, 230 + phase, phase) for phase in (1, 2, 3)))
        bench.wait(1)
        bench.measure(*(Reading(Q.CURRENT_A, phase, phase) for phase in (0, 1, 2, 3)))
        assert told(bench, 60) == [
            (
                "10:00:01",
                "Sample.Periodic",
                {"Voltage.L1-N": "231", "Voltage.L2-N": "232", "Voltage.L3-N": "233"},
            ),
            ("10:00:02", "Sample.Periodic", {"Current.Import.L2": "2"}),
        ]

    def test_mv_13_the_six_measurands(self, charging):
        charging.measure(*(Reading(quantity, 2000) for quantity in Quantity))
        ((_, _, values),) = told(charging, 60)
        assert set(values) == set(EVERY_MEASURAND.split(","))

    def test_mv_9_the_register_is_read_not_rebased_and_never_runs_backwards(self, charging):
        charging.energy(1500)
        charging.energy(1400)
        assert register_told(charging, 60) == [("10:00:01", 1500)]
        charging.energy(1499)
        assert register_told(charging, 60) == []
        charging.energy(1500)
        assert register_told(charging, 60) == [("10:02:01", 1500)]

    def test_the_register_of_another_session_is_not_this_ones(self, charging):
        charging.energy(9000, session=2)
        charging.energy(9001, session=None)
        assert register_told(charging, 60) == []
        charging.energy(1001)
        assert register_told(charging, 60) == [("10:01:01", 1001)]

    def test_mv_2_an_interval_of_0_switches_it_off(self, charging):
        change(charging, "MeterValueSampleInterval", 0)
        charging.metering()
        assert told(charging, 600) == []
        assert charging.store.queue == {}

    def test_mv_15_an_empty_list_tells_nothing(self, charging):
        change(charging, "MeterValuesSampledData", "")
        charging.metering()
        assert told(charging, 600) == []

    def test_cf_5_interval_and_list_take_effect_at_once(self, charging):
        charging.metering(10, Reading(Q.ENERGY_WH, 1000), Reading(Q.POWER_W, 1))
        charging.wait(50)
        change(charging, "MeterValueSampleInterval", 20)
        assert [at for at, _, _ in told(charging, 40)] == ["10:01:00", "10:01:20"]
        change(charging, "MeterValuesSampledData", "Power.Active.Import")
        assert told(charging, 20) == [("10:01:40", "Sample.Periodic", {"Power.Active.Import": "1"})]

    def test_so_does_a_behaviour_that_the_operator_changes(self, new_bench):
        bench = new_bench("easee").ready().charging()
        bench.cp.adopt(structs.replace(bench.settings, behaviour=behaviour("ocpp16")))
        bench.energy(1100)
        assert register_told(bench, 60) == [("10:00:01", 1100)]
        bench.cp.adopt(bench.settings)
        assert told(bench, 120) == []
        bench.wait(1)
        bench.energy(1200)
        assert register_told(bench) == [("10:03:02", 1200)]

    def test_mv_3_none_before_and_none_after_a_transaction(self, new_bench):
        bench = new_bench().ready()
        assert told(bench, 300) == []
        bench.charging()
        bench.metering()
        bench.wait(10)
        bench.end()
        assert told(bench, 300) == []

    def test_nor_after_the_charger_has_gone_to_another(self, charging):
        charging.metering()
        charging.turn(ChargerReleased())
        assert told(charging, 300) == []

    def test_tx_7_they_wait_for_the_answer_to_the_start_and_take_its_id(self, new_bench):
        bench = new_bench().ready()
        bench.said()
        bench.link_down()
        bench.begin()
        bench.metering()
        bench.wait(60)
        bench.link_up()
        bench.settle()
        calls = [(action, payload.get("transactionId")) for action, payload in bench.said()]
        assert calls[-2:] == [("StartTransaction", None), ("MeterValues", 7)]

    def test_q_1_offline_they_are_queued(self, charging):
        charging.link_down()
        charging.said()
        for register in (1100, 1200, 1300):
            charging.wait(30)
            charging.energy(register)
            charging.wait(30)
        charging.link_up()
        assert register_told(charging) == [("10:00:31", 1100), ("10:01:31", 1200), ("10:02:31", 1300)]

    def test_a_start_in_the_future_of_a_clock_that_is_ahead_silences_nothing(self, new_bench):
        bench = new_bench().ready()
        bench.utc_ms += 86_400_000
        bench.begin()
        bench.utc_ms -= 86_400_000
        bench.metering()
        assert len(told(bench, 180)) == 3


class TestAwayCharger:
    def test_q_9_no_sample_is_invented(self, charging):
        charging.reachable(False)
        assert told(charging, 300) == []
        charging.reachable()
        assert register_told(charging, 60) == []
        charging.energy(1300)
        assert register_told(charging) == [("10:06:01", 1300)]

    def test_q_9_what_it_tells_late_are_the_samples_of_the_missed_intervals(self, charging):
        charging.reachable(False)
        charging.wait(330)
        charging.reachable()
        for ago_s, register in ((250, 1100), (245, 1110), (190, 1200), (70, 1300), (40, 1400), (5, 1410)):
            at(charging, register, ago_s)
        assert register_told(charging) == [("10:01:21", 1100), ("10:02:21", 1200), ("10:04:21", 1300)]
        assert register_told(charging, 30) == [("10:05:26", 1410)]

    def test_q_9_a_late_sample_says_only_what_was_measured_then(self, charging):
        charging.measure(Reading(Q.POWER_W, 5000), Reading(Q.VOLTAGE_V, 230, 1))
        charging.reachable(False)
        sampled = told(charging, 130)
        charging.reachable()
        assert sampled == [
            ("10:00:01", "Sample.Periodic", {"Power.Active.Import": "5000", "Voltage.L1-N": "230"})
        ]
        at(charging, 1200, 60, Reading(Q.POWER_W, 7000), Reading(Q.TEMPERATURE_C, float("nan")))
        assert told(charging) == [
            ("10:01:11", "Sample.Periodic", {REGISTER: "1200", "Power.Active.Import": "7000"})
        ]

    def test_q_9_what_comes_later_than_a_newer_sample_is_too_late(self, charging):
        charging.reachable(False)
        charging.wait(330)
        charging.reachable()
        at(charging, 1400, 10)
        at(charging, 1200, 130)
        assert register_told(charging) == [("10:05:21", 1400)]
        assert register_told(charging, 30) == []

    def test_q_9_nothing_more_is_told_than_once_an_interval(self, charging):
        charging.reachable(False)
        charging.wait(90)
        charging.reachable()
        for second in range(30):
            at(charging, 1100 + second, 25 - second * 0.5)
        charging.wait(25)
        assert register_told(charging) == [("10:01:06", 1100)]
        assert register_told(charging, 5) == [("10:01:20", 1129)]

    def test_a_charger_whose_clock_is_ahead_makes_no_sample_early(self, charging):
        charging.wait(30)
        at(charging, 1100, -3600)
        assert register_told(charging, 29) == []
        assert register_told(charging, 1) == [("11:00:31", 1100)]

    def test_a_clock_that_was_ahead_and_is_set_right_silences_nothing(self, charging):
        for register in (1100, 1200):
            charging.wait(30)
            at(charging, register, -3600)
        assert register_told(charging) == [("11:00:31", 1100)]
        charging.metering(30, Reading(Q.ENERGY_WH, 1300))
        assert register_told(charging, 120) == [("10:02:00", 1300), ("10:03:00", 1300)]


class TestRestartOfTheProcess:
    def test_mv_3_the_grid_goes_on_without_doubles(self, charging):
        charging.metering(20, Reading(Q.ENERGY_WH, 1100))
        assert register_told(charging, 60) == [("10:01:00", 1100)]
        charging.restart()
        charging.boot()
        assert register_told(charging, 59) == []
        assert register_told(charging, 1) == [("10:02:00", 1100)]

    def test_while_it_was_down_no_sample_is_invented(self, charging):
        charging.wait(150)
        charging.settle()
        charging.said()
        charging._pass(100)
        charging.restart()
        charging.boot()
        assert register_told(charging, 600) == []

    def test_what_was_never_sampled_may_be_forgotten_but_the_register_does_not_run_backwards(self, charging):
        charging.energy(1100)
        charging.wait(60)
        charging.energy(1150)
        charging.restart()
        charging.boot()
        charging.energy(1099)
        assert register_told(charging, 60) == []
        charging.energy(1160)
        assert register_told(charging, 60) == [("10:02:01", 1160)]

    def test_mv_9_nor_behind_what_a_trigger_told(self, charging):
        charging.energy(1100)
        charging.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
        assert told(charging) == [("10:00:01", "Trigger", {REGISTER: "1100"})]
        charging.restart()
        charging.boot()
        charging.energy(1099)
        assert register_told(charging, 60) == []
        charging.energy(1101)
        assert register_told(charging, 60) == [("10:01:01", 1101)]

    def test_tx_13_killed_in_a_session_that_goes_on_meanwhile(self, charging):
        """Its first sample tells what the charger tells, not the register of before as of now."""
        stopped_ms = charging.utc_ms + 40_000
        charging.restart()
        charging.boot()
        charging.wait(59)
        assert register_told(charging, 60) == []
        charging.tell(Measured(at_ms=stopped_ms - 10_000, readings=(Reading(Q.ENERGY_WH, 1150),), session=1))
        charging.tell(
            SessionEnded(
                at_ms=stopped_ms,
                session=1,
                id_tag="TAG1",
                started_at_ms=STARTED_MS,
                start_register_wh=1000,
                register_wh=1183,
                reason=SessionEnd.EV_DISCONNECTED,
            )
        )
        charging.settle()
        said = charging.said()
        assert [
            (moment["timestamp"][11:19], moment["sampledValue"][0]["value"])
            for action, payload in said
            if action == "MeterValues"
            for moment in payload["meterValue"]
        ] == [("10:00:31", "1150")]
        (stop,) = [payload for action, payload in said if action == "StopTransaction"]
        assert (stop["timestamp"][11:19], stop["meterStop"]) == ("10:00:41", 1183)

    def test_a_clock_that_is_set_back_a_little_makes_no_double(self, charging):
        charging.metering(60)
        assert len(told(charging, 60)) == 1
        charging.utc_ms -= 2000
        charging.restart()
        charging.boot()
        assert [at for at, _, _ in told(charging, 70)] == ["10:01:58"]


class TestClock:
    @pytest.fixture
    def aligned(self, new_bench):
        return charging_with(
            new_bench,
            MeterValueSampleInterval=0,
            ClockAlignedDataInterval=900,
            MeterValuesAlignedData="Energy.Active.Import.Register,Voltage",
        )

    def test_mv_4_at_multiples_from_midnight_on_with_their_own_list(self, aligned):
        aligned.metering(7, Reading(Q.ENERGY_WH, 1100), Reading(Q.VOLTAGE_V, 230, 2), Reading(Q.POWER_W, 1))
        assert told(aligned, 1810) == [
            ("10:15:03", "Sample.Clock", {REGISTER: "1100", "Voltage.L2-N": "230"}),
            ("10:30:06", "Sample.Clock", {REGISTER: "1100", "Voltage.L2-N": "230"}),
        ]

    def test_mv_4_it_is_the_first_reading_behind_its_time_and_waits_for_that(self, aligned):
        told(aligned, 800)
        aligned.energy(1100)
        told(aligned, 200)
        aligned.measure(Reading(Q.VOLTAGE_V, 231, 2))
        assert told(aligned) == []
        aligned.wait(1)
        aligned.energy(1200)
        assert told(aligned) == [
            ("10:16:41", "Sample.Clock", {"Voltage.L2-N": "231"}),
            ("10:16:42", "Sample.Clock", {REGISTER: "1200"}),
        ]
        aligned.wait(1)
        aligned.energy(1300)
        assert told(aligned, 600) == []

    def test_mv_4_it_waits_no_longer_than_300_s_and_then_tells_what_was_measured_before(self, aligned):
        """So the last reading of a register that stands still is on record before it moves again."""
        told(aligned, 700)
        aligned.energy(1100)
        assert told(aligned, 498) == []
        assert told(aligned, 3001) == [("10:11:41", "Sample.Clock", {REGISTER: "1100"})]
        aligned.energy(1150)
        assert told(aligned) == [("11:10:00", "Sample.Clock", {REGISTER: "1150"})]

    def test_mv_4_nor_longer_than_half_an_interval(self, aligned):
        change(aligned, "ClockAlignedDataInterval", 60)
        aligned.wait(50)
        aligned.energy(1100)
        assert told(aligned, 38) == []
        assert told(aligned, 1) == [("10:00:51", "Sample.Clock", {REGISTER: "1100"})]

    def test_mv_4_what_comes_behind_the_wait_is_told_all_the_same(self, aligned):
        told(aligned, 700)
        aligned.energy(1100)
        told(aligned, 700)
        aligned.energy(1200)
        assert told(aligned) == [("10:23:21", "Sample.Clock", {REGISTER: "1200"})]

    def test_mv_4_without_the_register_the_first_reading_of_any_measurand(self, aligned):
        change(aligned, "MeterValuesAlignedData", "Voltage,Temperature")
        aligned.metering(7, Reading(Q.VOLTAGE_V, 230, 1), Reading(Q.POWER_W, 1))
        assert told(aligned, 1810) == [
            ("10:15:03", "Sample.Clock", {"Voltage.L1-N": "230"}),
            ("10:30:06", "Sample.Clock", {"Voltage.L1-N": "230"}),
        ]

    def test_mv_4_after_a_restart_no_time_is_told_twice_and_none_is_left_out(self, aligned):
        aligned.metering(10, Reading(Q.ENERGY_WH, 1100))
        assert [at for at, *_ in told(aligned, 930)] == ["10:15:00"]
        aligned.restart()
        aligned.boot()
        assert [at for at, *_ in told(aligned, 900)] == ["10:30:00"]

    def test_q_9_what_a_charger_tells_late_fills_the_times_that_were_missed(self, aligned):
        aligned.reachable(False)
        assert told(aligned, 4000) == []
        aligned.reachable()
        for ago_s, register in ((3200, 1050), (3000, 1100), (1500, 1200), (1499, 1201), (30, 1300)):
            at(aligned, register, ago_s, Reading(Q.VOLTAGE_V, 229, 1))
        assert told(aligned) == [
            ("10:16:41", "Sample.Clock", {REGISTER: "1100", "Voltage.L1-N": "229"}),
            ("10:41:41", "Sample.Clock", {REGISTER: "1200", "Voltage.L1-N": "229"}),
            ("11:06:11", "Sample.Clock", {REGISTER: "1300", "Voltage.L1-N": "229"}),
        ]

    def test_mv_4_q_1_in_a_transaction_it_is_queued(self, aligned):
        aligned.link_down()
        aligned.said()
        aligned.metering(20, Reading(Q.ENERGY_WH, 1100))
        aligned.wait(1000)
        aligned.link_up()
        aligned.settle()
        calls = [payload for action, payload in aligned.said() if action == "MeterValues"]
        assert [payload["transactionId"] for payload in calls] == [7]
        assert moment_told(calls[0]["meterValue"][0]) == ("10:15:00", "Sample.Clock", {REGISTER: "1100"})

    def test_mv_4_it_is_no_sample_of_the_other_grid(self, aligned):
        change(aligned, "MeterValueSampleInterval", 899)
        aligned.metering(10, Reading(Q.ENERGY_WH, 1100))
        assert [(at, context) for at, context, _ in told(aligned, 910)] == [
            ("10:14:50", "Sample.Periodic"),
            ("10:15:00", "Sample.Clock"),
        ]

    def test_mv_4_mv_5_outside_transactions_of_connector_1_and_no_transaction(self, new_bench):
        bench = new_bench(
            configuration={"ClockAlignedDataInterval": "900", "MeterValuesAlignedData": "Temperature"}
        ).ready()
        bench.wait(500, answering=True)
        bench.measure(Reading(Q.TEMPERATURE_C, 21), session=None)
        bench.said()
        bench.turns.clear()
        bench.wait(1900, answering=True)
        payloads = [payload for action, payload in bench.said() if action == "MeterValues"]
        assert [(payload["connectorId"], payload.get("transactionId")) for payload in payloads] == [(1, None)]
        assert moment_told(payloads[0]["meterValue"][0]) == (
            "10:08:20",
            "Sample.Clock",
            {"Temperature": "21"},
        )
        assert [effects.records for _, effects in bench.turns if effects.records] == []

    def test_mv_4_outside_transactions_it_is_not_kept_while_offline(self, new_bench):
        bench = new_bench(
            configuration={"ClockAlignedDataInterval": "900", "MeterValuesAlignedData": REGISTER}
        ).ready()
        bench.energy(1234, session=None)
        bench.link_down()
        bench.wait(900)
        bench.link_up()
        assert told(bench) == []

    @pytest.mark.parametrize("known", [True, False])
    def test_nothing_is_told_while_nothing_is_known(self, aligned, known):
        aligned.reachable(known)
        aligned.metering()
        assert len(told(aligned, 910)) == known

    def test_mv_4_every_day_begins_at_midnight(self, aligned):
        change(aligned, "ClockAlignedDataInterval", 35_000)  # 9:43:20
        aligned.metering(20)
        assert [at for at, _, _ in told(aligned, 86_400)] == ["19:26:40", "00:00:00", "09:43:20"]

    def test_mv_2_an_interval_of_0_switches_it_off(self, aligned):
        change(aligned, "ClockAlignedDataInterval", 0)
        aligned.metering()
        assert told(aligned, 3600) == []

    def test_a_clock_that_is_set_back_makes_no_sample_at_a_wrong_moment(self, aligned):
        aligned.metering(10)
        told(aligned, 890)
        aligned.utc_ms -= 20_000
        assert [at for at, _, _ in told(aligned, 60)] == ["10:15:00"]


class TestEasee18:
    def test_only_if_the_interval_is_written(self, new_bench):
        bench = new_bench("easee-1.8").ready().charging()
        bench.measure(Reading(Q.ENERGY_WH, 1100), Reading(Q.POWER_W, 5))
        assert told(bench, 600) == []
        assert change(bench, "MeterValueSampleInterval", 300) == "Accepted"
        assert told(bench, 290) == []
        bench.measure(Reading(Q.ENERGY_WH, 1200), Reading(Q.POWER_W, 5))
        assert told(bench, 10) == [("10:14:51", "Sample.Periodic", {REGISTER: "1200"})]

    def test_never_outside_transactions(self, new_bench):
        bench = new_bench("easee-1.8", configuration={"MeterValueSampleInterval": "60"}).ready()
        bench.energy(1100, session=None)
        assert told(bench, 600) == []
        assert change(bench, "ClockAlignedDataInterval", 60) == "Rejected"


# --- whatever happens -------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("flows"), st.integers(1, 50)),
        st.tuples(st.just("told"), st.integers(0, 400)),
        st.tuples(st.just("wait"), st.sampled_from([1, 29, 60, 61, 200])),
        st.tuples(st.sampled_from(["away", "back", "restart", "trigger", "link down", "link up"]), st.none()),
    ),
    max_size=40,
)


def do(bench, what, argument, registers):
    match what:
        case "flows":
            registers.append((bench.utc_ms, registers[-1][1] + argument))
        case "told":  # the one of so many seconds ago
            ago_ms = bench.utc_ms - argument * 1000
            at_ms, register = max((one for one in registers if one[0] <= ago_ms), default=registers[0])
            bench.tell(Measured(at_ms=at_ms, readings=(Reading(Q.ENERGY_WH, register),), session=1))
        case "wait":
            bench.wait(argument, answering=bench.linked)
        case "away" | "back":
            bench.reachable(what == "back")
        case "restart":
            bench.restart()
        case "trigger" if bench.linked:
            bench.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
        case "link down" if bench.linked:
            bench.link_down()
        case "link up" if not bench.linked:
            bench.link_up()
    if bench.linked:
        bench.settle()


@pytest.mark.simulation
@given(STEPS)
def test_mv_9_field_12_registers_never_decrease_and_lie_between_start_and_stop(new_bench, steps):
    bench = charging_with(
        new_bench,
        ClockAlignedDataInterval=90,
        MeterValuesAlignedData=REGISTER,
        StopTxnSampledData=REGISTER,
        StopTxnAlignedData=REGISTER,
    )
    registers = [(bench.utc_ms, 1000)]
    for what, argument in steps:
        do(bench, what, argument, registers)
    bench.end(registers[-1][1])
    do(bench, "link up", None, registers)
    calls = bench.said()
    queued = [int(s["value"]) for _, _, s in samples_of(calls) if s["context"] != "Trigger"]
    triggered = [int(s["value"]) for _, _, s in samples_of(calls) if s["context"] == "Trigger"]
    (stop,) = (payload for action, payload in calls if action == "StopTransaction")
    at_stop = [int(moment["sampledValue"][0]["value"]) for moment in stop["transactionData"]]
    assert queued == sorted(queued)
    assert triggered == sorted(triggered)
    assert at_stop == sorted(at_stop)
    assert at_stop[0] == 1000
    assert at_stop[-1] == stop["meterStop"] == registers[-1][1]
    assert all(1000 <= register <= stop["meterStop"] for register in queued + triggered)
    assert times_of(calls, "Sample.Periodic") == sorted(set(times_of(calls, "Sample.Periodic")))
    assert len(times_of(calls, "Sample.Periodic")) <= (bench.utc_ms - STARTED_MS) // 60_000, "one an interval"
    # Each reading has the time at which the register showed it (MV-19).
    moments = [(moment, int(sample["value"])) for _, moment, sample in samples_of(calls)]
    moments += [(moment, int(moment["sampledValue"][0]["value"])) for moment in stop["transactionData"]]
    for moment, register in moments:
        at_ms = parse_timestamp(moment["timestamp"])
        before = max(((ms, wh) for ms, wh in registers if ms < at_ms), default=registers[0])
        # At the very moment at which it flows, either is true.
        assert register in {before[1], *(wh for ms, wh in registers if ms == at_ms)}


def samples_of(calls):
    return [
        (payload, moment, sample)
        for action, payload in calls
        if action == "MeterValues"
        for moment in payload["meterValue"]
        for sample in moment["sampledValue"]
    ]


def times_of(calls, context):
    return [
        parse_timestamp(moment["timestamp"])
        for _, moment, sample in samples_of(calls)
        if sample["context"] == context
    ]
