"""The transactionData of a StopTransaction (`MV-7`, OCPP 1.6 §3.16.5)."""

import json
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise

import pytest
from jsonschema import Draft4Validator

from chargebridge.chargers.model import Measured, Quantity, Reading, SessionEnd, SessionEnded

pytestmark = pytest.mark.unit

Q = Quantity
REGISTER = "Energy.Active.Import.Register"
BEGIN, END, PERIODIC, CLOCK = "Transaction.Begin", "Transaction.End", "Sample.Periodic", "Sample.Clock"


def prepared(new_bench, preset="ocpp16", overrides=None, **keys):
    return new_bench(
        preset, overrides, configuration={name: str(value) for name, value in keys.items()}
    ).ready()


def stop_of(bench):
    """The StopTransaction among what was said since the last time; the schema allows it."""
    bench.settle()
    (stop,) = (payload for action, payload in bench.said() if action == "StopTransaction")
    schema = files("chargebridge.ocpp16").joinpath("schemas", "StopTransaction.json").read_text()
    Draft4Validator(json.loads(schema, parse_float=Decimal)).validate(stop)
    return stop


def moments_of(stop):
    """`(time, context, {measurand[.phase]: value})` of each moment in its transactionData."""
    return [
        (
            moment["timestamp"][11:19],
            moment["sampledValue"][0]["context"],
            {
                ".".join(filter(None, (sample["measurand"], sample.get("phase")))): sample["value"]
                for sample in moment["sampledValue"]
            },
        )
        for moment in stop["transactionData"]
    ]


def stopped(bench, register_wh=1500):
    bench.end(register_wh)
    return moments_of(stop_of(bench))


def change(bench, key, value):
    return bench.ask("ChangeConfiguration", {"key": key, "value": str(value)})["status"]


class TestBeginAndEnd:
    @pytest.mark.parametrize("preset", ["easee", "easee-1.8", "ocpp16"])
    def test_mv_7_by_default_there_is_none(self, new_bench, preset):
        bench = prepared(new_bench, preset).charging()
        bench.wait(90, answering=True)
        bench.end()
        assert "transactionData" not in stop_of(bench)

    @pytest.mark.parametrize("preset", ["easee", "easee-1.8", "ocpp16"])
    def test_mv_7_field_12_the_register_is_meter_start_and_meter_stop(self, new_bench, preset):
        bench = prepared(new_bench, preset, StopTxnSampledData=REGISTER).charging()
        bench.wait(9, answering=True)
        assert stopped(bench) == [
            ("10:00:01", BEGIN, {REGISTER: "1000"}),
            ("10:00:10", END, {REGISTER: "1500"}),
        ]

    def test_mv_7_every_measurand_of_both_lists_that_is_known(self, new_bench):
        bench = prepared(
            new_bench, StopTxnSampledData="Voltage,Temperature", StopTxnAlignedData="Power.Active.Import"
        )
        bench.measure(Reading(Q.VOLTAGE_V, 230, 1), Reading(Q.CURRENT_OFFERED_A, 16), session=None)
        bench.charging()
        bench.wait(9, answering=True)
        bench.measure(Reading(Q.POWER_W, 3680.5), Reading(Q.VOLTAGE_V, 231, 1))
        assert stopped(bench) == [
            ("10:00:00", BEGIN, {"Voltage.L1-N": "230"}),
            ("10:00:10", END, {"Voltage.L1-N": "231", "Power.Active.Import": "3680.50"}),
        ]

    def test_mv_7_nothing_known_is_no_transaction_data(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData="Temperature").charging()
        bench.end()
        assert "transactionData" not in stop_of(bench)

    def test_what_was_measured_after_the_end_does_not_belong_to_it(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData="Power.Active.Import").charging()
        bench.measure(Reading(Q.POWER_W, 1))
        ended_ms = bench.utc_ms + 5000
        bench.wait(10, answering=True)
        bench.measure(Reading(Q.POWER_W, 2))
        bench.tell(
            SessionEnded(
                at_ms=ended_ms,
                session=1,
                id_tag="TAG1",
                started_at_ms=ended_ms - 5000,
                start_register_wh=1000,
                register_wh=1500,
                reason=SessionEnd.EV_DISCONNECTED,
            )
        )
        assert "transactionData" not in stop_of(bench)

    def test_a_session_that_began_and_ended_unseen_has_its_registers(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=f"{REGISTER},Temperature")
        bench.measure(Reading(Q.TEMPERATURE_C, 20), session=None)
        bench.wait(100, answering=True)
        bench.tell(
            SessionEnded(
                at_ms=bench.utc_ms - 40_000,
                session=1,
                id_tag="TAG1",
                started_at_ms=bench.utc_ms - 80_000,
                start_register_wh=1000,
                register_wh=1500,
                reason=SessionEnd.EV_DISCONNECTED,
            )
        )
        assert moments_of(stop_of(bench)) == [
            ("10:00:20", BEGIN, {REGISTER: "1000"}),
            ("10:01:00", END, {REGISTER: "1500"}),
        ]

    def test_cf_5_lists_written_in_between_count_from_then_on(self, new_bench):
        bench = prepared(new_bench).charging()
        bench.wait(9, answering=True)
        change(bench, "StopTxnSampledData", REGISTER)
        assert [context for _, context, _ in stopped(bench)] == [BEGIN, END]

    def test_mv_7_lists_emptied_in_between_leave_none_and_nothing_behind(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=REGISTER).charging()
        bench.metering()
        bench.wait(90, answering=True)
        change(bench, "StopTxnSampledData", "")
        bench.end()
        assert "transactionData" not in stop_of(bench)
        assert bench.store.samples == {1: None}


class TestSamplesBetween:
    def test_mv_7_at_each_interval_with_a_list_of_its_own(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=f"{REGISTER},Power.Active.Import").charging()
        bench.metering(20, Reading(Q.ENERGY_WH, 1100), Reading(Q.POWER_W, 7000))
        bench.wait(130, answering=True)
        assert stopped(bench) == [
            ("10:00:01", BEGIN, {REGISTER: "1000"}),
            ("10:01:00", PERIODIC, {REGISTER: "1100", "Power.Active.Import": "7000"}),
            ("10:02:00", PERIODIC, {REGISTER: "1100", "Power.Active.Import": "7000"}),
            ("10:02:00", END, {"Power.Active.Import": "7000"}),
            ("10:02:11", END, {REGISTER: "1500"}),
        ]

    def test_mv_7_even_if_meter_values_tell_nothing(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=REGISTER, MeterValuesSampledData="").charging()
        bench.energy(1100)
        bench.wait(60, answering=True)
        bench.restart()
        bench.boot()
        bench.said()
        bench.wait(10, answering=True)
        assert [(at, context) for at, context, _ in stopped(bench)] == [
            ("10:00:01", BEGIN),
            ("10:00:01", PERIODIC),
            ("10:01:11", END),
        ]

    def test_mv_7_mv_10_at_each_interval_of_the_clock_with_a_list_of_its_own(self, new_bench):
        bench = prepared(
            new_bench,
            StopTxnAlignedData="Power.Active.Import",
            StopTxnSampledData=REGISTER,
            ClockAlignedDataInterval=900,
            MeterValueSampleInterval=600,
        ).charging()
        bench.metering(50, Reading(Q.ENERGY_WH, 1100), Reading(Q.POWER_W, 7000))
        bench.wait(1000, answering=True)
        assert stopped(bench) == [
            ("10:00:01", BEGIN, {REGISTER: "1000"}),
            ("10:10:00", PERIODIC, {REGISTER: "1100"}),
            ("10:15:00", CLOCK, {"Power.Active.Import": "7000"}),
            ("10:16:40", END, {"Power.Active.Import": "7000"}),
            ("10:16:41", END, {REGISTER: "1500"}),
        ]

    def test_standard_samples_documented_begin_and_end_alone(self, new_bench):
        contexts = {}
        for as_they_come in (True, False):
            overrides = {"meter_values_as_they_come": as_they_come}
            bench = prepared(new_bench, overrides=overrides, StopTxnSampledData=REGISTER).charging()
            bench.energy(1100)
            bench.wait(60, answering=True)
            contexts[as_they_come] = [context for _, context, _ in stopped(bench)]
        assert contexts == {True: [BEGIN, END], False: [BEGIN, PERIODIC, END]}

    def test_q_9_samples_of_missed_intervals_too(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=REGISTER).charging()
        bench.reachable(False)
        bench.wait(130, answering=True)
        bench.reachable()
        readings = (Reading(Q.ENERGY_WH, 1100),)
        bench.tell(Measured(at_ms=bench.utc_ms - 60_000, readings=readings, session=1))
        assert stopped(bench)[1] == ("10:01:11", PERIODIC, {REGISTER: "1100"})

    def test_after_a_restart_of_the_process_it_is_complete(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=f"{REGISTER},Temperature")
        bench.measure(Reading(Q.TEMPERATURE_C, 20), session=None)
        bench.charging()
        bench.energy(1100)
        bench.wait(70, answering=True)
        bench.settle()
        bench.restart()
        bench.boot()
        bench.energy(1200)
        bench.settle()
        bench.wait(60, answering=True)
        assert stopped(bench) == [
            ("10:00:00", BEGIN, {"Temperature": "20"}),
            ("10:00:01", BEGIN, {REGISTER: "1000"}),
            ("10:00:01", PERIODIC, {REGISTER: "1100"}),
            ("10:01:11", PERIODIC, {REGISTER: "1200"}),
            ("10:02:11", END, {REGISTER: "1500"}),
        ]

    def test_the_next_transaction_begins_with_nothing(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=REGISTER).charging()
        bench.metering()
        bench.wait(70, answering=True)
        assert len(stopped(bench)) == 3
        bench.begin(session=2, register_wh=1500)
        assert stopped(bench, 1600) == [
            ("10:01:11", BEGIN, {REGISTER: "1500"}),
            ("10:01:11", END, {REGISTER: "1600"}),
        ]


class TestLimit:
    def test_200_samples_are_thinned_evenly_to_the_limit(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=REGISTER).charging()
        bench.metering(30)
        bench.wait(30)
        for _ in range(200):
            bench.wait(60, answering=True)
        moments = stopped(bench)
        (limit,) = bench.ask("GetConfiguration", {"key": ["StopTransactionMaxMeterValues"]})[
            "configurationKey"
        ]
        assert len(moments) == int(limit["value"]) == 50
        assert [moments[0][1], moments[-1][1]] == [BEGIN, END]
        seconds = [
            sum(60**n * int(part) for n, part in enumerate(reversed(at.split(":")))) for at, *_ in moments
        ]
        gaps = [later - earlier for earlier, later in pairwise(seconds)]
        assert max(gaps) <= 2 * 250  # 48 of 200 minutes are one in 250 seconds

    def test_the_limit_includes_all_moments_of_begin_and_end(self, new_bench):
        """What was measured at several times makes several moments of the end."""
        names = f"{REGISTER},Voltage,Temperature,Power.Active.Import"
        bench = prepared(new_bench, StopTxnSampledData=names).charging()
        bench.metering(30)
        for _ in range(60):
            bench.wait(60, answering=True)
        for quantity in (Q.VOLTAGE_V, Q.TEMPERATURE_C, Q.POWER_W):
            bench.wait(1)
            bench.measure(Reading(quantity, 20))
        bench.wait(1)
        moments = stopped(bench)
        assert [context for _, context, _ in moments[-4:]] == [END] * 4
        assert len(moments) == 50

    def test_in_memory_and_in_the_store_there_are_never_more(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=REGISTER).charging()
        bench.metering(30)
        for _ in range(100):
            bench.wait(60, answering=True)
            assert len(json.loads(bench.store.samples[1])) == len(bench.cp.samples) <= 48


class TestDelivery:
    def test_q_6_a_retry_repeats_it_bit_for_bit_even_after_a_restart(self, new_bench):
        bench = prepared(new_bench, StopTxnSampledData=REGISTER).charging()
        bench.wait(60, answering=True)
        bench.settle()
        bench.end()
        assert bench.open_call[1] == "StatusNotification"
        while bench.open_call[1] != "StopTransaction":
            bench.answer()
        first = bench.calls[-1]
        change(bench, "StopTxnSampledData", "")
        bench.refuse()
        bench.said()
        bench.restart()
        bench.boot()
        assert first in bench.live(70)
        assert "transactionData" in first[1]

    def test_a_stop_that_was_given_up_and_is_asked_for_again_has_its_registers(self, new_bench):
        bench = prepared(new_bench, "easee", StopTxnSampledData=REGISTER, TransactionMessageAttempts=1)
        bench.charging()
        bench.end()
        while bench.open_call[1] != "StopTransaction":
            bench.answer()
        (_, first) = bench.calls[-1]
        bench.refuse()
        assert "transactionData" in first
        assert bench.calls[-1] == (
            "StopTransaction",
            {name: value for name, value in first.items() if name != "transactionData"},
        )
        bench.refuse()
        assert len(bench.store.dead) == 1
        bench.said()
        day = "start:'2026-01-02T00:00:00Z', stop:'2026-01-03T00:00:00Z'"
        bench.ask("DataTransfer", {"vendorId": "no.easee", "messageId": "ImportEaseeSessions", "data": day})
        assert stop_of(bench) == first

    def test_documented_it_costs_no_record_unless_configured(self, new_bench):
        bench = prepared(new_bench, "easee").charging()
        bench.end()
        assert bench.store.samples == {}
