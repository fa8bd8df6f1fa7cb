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
from chargebridge.chargers.model import Measured, Quantity, Reading
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
    """A car has charged since 10:00:01; nothing is measured yet but the register at the start, 1000."""
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
            (moment,) = payload["meterValue"]
            moments.append(moment_told(moment))
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
        charging.wait(30)
        charging.energy(1100)
        assert told(charging, 150) == [
            ("10:01:01", "Sample.Periodic", {REGISTER: "1100"}),
            ("10:02:01", "Sample.Periodic", {REGISTER: "1100"}),
            ("10:03:01", "Sample.Periodic", {REGISTER: "1100"}),
        ]

    def test_mv_1_mv_5_mv_8_mv_11_a_message_of_the_transaction_that_leaves_nothing_to_guess(self, charging):
        charging.measure(Reading(Q.POWER_W, 3680.456), Reading(Q.TEMPERATURE_C, 21))
        charging.wait(60)
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
                        "timestamp": "2026-01-02T10:01:01.000Z",
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
        bench.measure(*(Reading(Q.CURRENT_A, phase, phase) for phase in (0, 1, 2, 3)))
        ((_, _, values),) = told(bench, 60)
        assert values == {
            "Voltage.L1-N": "231",
            "Voltage.L2-N": "232",
            "Voltage.L3-N": "233",
            "Current.Import.L2": "2",
        }

    def test_mv_13_the_six_measurands(self, charging):
        charging.measure(*(Reading(quantity, 2000) for quantity in Quantity))
        ((_, _, values),) = told(charging, 60)
        assert set(values) == set(EVERY_MEASURAND.split(","))

    def test_mv_9_the_register_is_read_not_rebased_and_never_runs_backwards(self, charging):
        charging.energy(1500)
        charging.energy(1400)
        assert register_told(charging, 60) == [("10:01:01", 1500)]
        charging.energy(1499)
        assert register_told(charging, 60) == [("10:02:01", 1500)]

    def test_the_register_of_another_session_is_not_this_ones(self, charging):
        charging.energy(9000, session=2)
        charging.energy(9001, session=None)
        assert register_told(charging, 60) == [("10:01:01", 1000)]

    def test_mv_2_an_interval_of_0_switches_it_off(self, charging):
        change(charging, "MeterValueSampleInterval", 0)
        assert told(charging, 600) == []
        assert charging.store.queue == {}

    def test_mv_15_an_empty_list_tells_nothing(self, charging):
        change(charging, "MeterValuesSampledData", "")
        assert told(charging, 600) == []

    def test_cf_5_interval_and_list_take_effect_at_once(self, charging):
        charging.wait(50)
        change(charging, "MeterValueSampleInterval", 20)
        assert [at for at, _, _ in told(charging, 40)] == ["10:01:01", "10:01:21"]
        charging.measure(Reading(Q.POWER_W, 1))
        change(charging, "MeterValuesSampledData", "Power.Active.Import")
        assert told(charging, 20) == [("10:01:41", "Sample.Periodic", {"Power.Active.Import": "1"})]

    def test_so_does_a_behaviour_that_the_operator_changes(self, new_bench):
        bench = new_bench("easee").ready().charging()
        bench.cp.adopt(structs.replace(bench.settings, behaviour=behaviour("ocpp16")))
        bench.energy(1100)
        assert register_told(bench, 60) == [("10:01:01", 1100)]
        bench.cp.adopt(bench.settings)
        assert told(bench, 120) == []
        bench.wait(1)
        bench.energy(1200)
        assert register_told(bench) == [("10:03:02", 1200)]

    def test_mv_3_none_before_and_none_after_a_transaction(self, new_bench):
        bench = new_bench().ready()
        assert told(bench, 300) == []
        bench.charging()
        bench.wait(10)
        bench.end()
        assert told(bench, 300) == []

    def test_nor_after_the_charger_has_gone_to_another(self, charging):
        charging.turn(ChargerReleased())
        assert told(charging, 300) == []

    def test_tx_7_they_wait_for_the_answer_to_the_start_and_take_its_id(self, new_bench):
        bench = new_bench().ready()
        bench.said()
        bench.link_down()
        bench.begin()
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
        assert register_told(charging) == [("10:01:01", 1100), ("10:02:01", 1200), ("10:03:01", 1300)]

    def test_a_start_in_the_future_of_a_clock_that_is_ahead_silences_nothing(self, new_bench):
        bench = new_bench().ready()
        bench.utc_ms += 86_400_000
        bench.begin()
        bench.utc_ms -= 86_400_000
        assert len(told(bench, 180)) == 3


class TestAwayCharger:
    def test_q_9_no_sample_is_invented(self, charging):
        charging.reachable(False)
        assert told(charging, 300) == []
        charging.reachable()
        assert register_told(charging, 60) == [("10:06:01", 1000)]

    def test_q_9_what_it_tells_late_are_the_samples_of_the_missed_intervals(self, charging):
        charging.reachable(False)
        charging.wait(330)
        charging.reachable()
        for ago_s, register in ((250, 1100), (245, 1110), (190, 1200), (70, 1300), (40, 1400), (5, 1410)):
            at(charging, register, ago_s)
        assert register_told(charging) == [
            ("10:01:21", 1100),
            ("10:02:21", 1200),
            ("10:04:21", 1300),
            ("10:05:26", 1410),
        ]

    def test_q_9_a_late_sample_says_only_what_was_measured_then(self, charging):
        charging.measure(Reading(Q.POWER_W, 5000), Reading(Q.VOLTAGE_V, 230, 1))
        charging.reachable(False)
        charging.wait(130)
        charging.reachable()
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
        assert register_told(charging, 30) == [("10:06:01", 1400)]

    def test_q_9_nothing_more_is_told_than_once_an_interval(self, charging):
        charging.reachable(False)
        charging.wait(90)
        charging.reachable()
        for second in range(30):
            at(charging, 1100 + second, 25 - second * 0.5)
        charging.wait(25)
        assert register_told(charging) == [("10:01:06", 1100)]
        assert register_told(charging, 5) == [("10:02:01", 1129)]

    def test_a_charger_whose_clock_is_ahead_makes_no_sample_early(self, charging):
        charging.wait(30)
        at(charging, 1100, -3600)
        assert register_told(charging, 60) == [("10:01:01", 1100)]


class TestRestartOfTheProcess:
    def test_mv_3_the_grid_goes_on_without_doubles(self, charging):
        charging.energy(1100)
        assert register_told(charging, 60) == [("10:01:01", 1100)]
        charging.restart()
        charging.boot()
        assert register_told(charging, 59) == []
        assert register_told(charging, 1) == [("10:02:01", 1100)]

    def test_while_it_was_down_no_sample_is_invented(self, charging):
        charging.wait(150)
        charging.settle()
        charging.said()
        charging._pass(100)
        charging.restart()
        charging.boot()
        assert register_told(charging, 51) == [("10:05:01", 1000)]

    def test_what_was_never_sampled_may_be_forgotten_but_the_register_does_not_run_backwards(self, charging):
        charging.energy(1100)
        charging.wait(60)
        charging.energy(1150)
        charging.restart()
        charging.boot()
        assert register_told(charging, 60)[-1] == ("10:02:01", 1100)

    def test_mv_9_nor_behind_what_a_trigger_told(self, charging):
        charging.energy(1100)
        charging.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
        assert told(charging) == [("10:00:01", "Trigger", {REGISTER: "1100"})]
        charging.restart()
        charging.boot()
        assert register_told(charging, 60) == [("10:01:01", 1100)]

    def test_a_clock_that_is_set_back_a_little_makes_no_double(self, charging):
        assert len(told(charging, 60)) == 1
        charging.utc_ms -= 2000
        charging.restart()
        charging.boot()
        assert [at for at, _, _ in told(charging, 70)] == ["10:02:01"]


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
        aligned.measure(Reading(Q.VOLTAGE_V, 230, 2), Reading(Q.POWER_W, 1))
        assert told(aligned, 1800) == [
            ("10:15:00", "Sample.Clock", {REGISTER: "1000", "Voltage.L2-N": "230"}),
            ("10:30:00", "Sample.Clock", {REGISTER: "1000", "Voltage.L2-N": "230"}),
        ]

    def test_mv_4_q_1_in_a_transaction_it_is_queued(self, aligned):
        aligned.link_down()
        aligned.said()
        aligned.wait(1000)
        aligned.energy(1100)
        aligned.link_up()
        aligned.settle()
        calls = [payload for action, payload in aligned.said() if action == "MeterValues"]
        assert [payload["transactionId"] for payload in calls] == [7]
        assert moment_told(calls[0]["meterValue"][0]) == ("10:15:00", "Sample.Clock", {REGISTER: "1000"})

    def test_mv_4_it_is_no_sample_of_the_other_grid(self, aligned):
        change(aligned, "MeterValueSampleInterval", 899)
        assert [(at, context) for at, context, _ in told(aligned, 900)] == [
            ("10:15:00", "Sample.Clock"),
            ("10:15:00", "Sample.Periodic"),
        ]

    def test_mv_4_mv_5_outside_transactions_of_connector_1_and_no_transaction(self, new_bench):
        bench = new_bench(
            configuration={"ClockAlignedDataInterval": "900", "MeterValuesAlignedData": "Temperature"}
        ).ready()
        bench.measure(Reading(Q.TEMPERATURE_C, 21), session=None)
        bench.said()
        bench.turns.clear()
        bench.wait(900, answering=True)
        payloads = [payload for action, payload in bench.said() if action == "MeterValues"]
        assert [(payload["connectorId"], payload.get("transactionId")) for payload in payloads] == [(1, None)]
        assert moment_told(payloads[0]["meterValue"][0]) == (
            "10:15:00",
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
        assert len(told(aligned, 900)) == known

    def test_mv_4_every_day_begins_at_midnight(self, aligned):
        change(aligned, "ClockAlignedDataInterval", 35_000)  # 9:43:20
        assert [at for at, _, _ in told(aligned, 86_400)] == ["19:26:40", "00:00:00", "09:43:20"]

    def test_mv_2_an_interval_of_0_switches_it_off(self, aligned):
        change(aligned, "ClockAlignedDataInterval", 0)
        assert told(aligned, 3600) == []

    def test_a_clock_that_is_set_back_makes_no_sample_at_a_wrong_moment(self, aligned):
        told(aligned, 890)
        aligned.utc_ms -= 20_000
        assert [at for at, _, _ in told(aligned, 60)] == ["10:15:00"]


class TestEasee18:
    def test_only_if_the_interval_is_written(self, new_bench):
        bench = new_bench("easee-1.8").ready().charging()
        bench.measure(Reading(Q.ENERGY_WH, 1100), Reading(Q.POWER_W, 5))
        assert told(bench, 600) == []
        assert change(bench, "MeterValueSampleInterval", 300) == "Accepted"
        assert told(bench, 300) == [("10:15:01", "Sample.Periodic", {REGISTER: "1100"})]

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
    places = [(ms - STARTED_MS) // 60_000 for ms in times_of(calls, "Sample.Periodic")]
    assert len(places) == len(set(places)), "one an interval"


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
