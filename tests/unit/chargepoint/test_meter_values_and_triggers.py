"""Meter values as far as they are forwarded (`MV-*`), and TriggerMessage (`TM-*`)."""

import pytest

from chargebridge.chargepoint.behaviour import EVERY_MEASURAND
from chargebridge.chargers.model import ChargerState, Measured, Quantity, Reading

pytestmark = pytest.mark.unit

Q = Quantity
AS_THEY_COME = {"meter_values_as_they_come": True, "sampled_data_by_default": EVERY_MEASURAND}


@pytest.fixture
def ready(new_bench):
    return new_bench(overrides=AS_THEY_COME).ready()


@pytest.fixture
def charging(ready):
    return ready.charging()


def meter_values(bench):
    return [payload for action, payload in bench.said() if action == "MeterValues"]


def measure(bench, *readings, session=1):
    bench.wait(1)
    bench.measure(*readings, session=session)
    bench.settle()
    return meter_values(bench)


def sampled(quantity, phase=None, unit=None, value="1"):
    described = {"value": value, "context": "Sample.Periodic", "measurand": quantity, "unit": unit}
    return described | ({"phase": phase} if phase else {})


def change(bench, key, value):
    return bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]


class TestForwarding:
    def test_mv_1_in_the_transaction(self, charging):
        assert measure(charging, Reading(Q.POWER_W, 11000)) == [
            {
                "connectorId": 1,
                "transactionId": 7,
                "meterValue": [
                    {
                        "timestamp": "2026-01-02T10:00:02.000Z",
                        "sampledValue": [sampled("Power.Active.Import", unit="W", value="11000")],
                    }
                ],
            }
        ]

    @pytest.mark.parametrize(
        ("reading", "expected"),
        [
            (Reading(Q.ENERGY_WH, 1001), sampled("Energy.Active.Import.Register", None, "Wh", "1001")),
            (Reading(Q.POWER_W, 3680.456), sampled("Power.Active.Import", None, "W", "3680.46")),
            (Reading(Q.CURRENT_A, 16.0, 1), sampled("Current.Import", "L1", "A", "16.00")),
            (Reading(Q.CURRENT_A, 1, 3), sampled("Current.Import", "L3", "A")),
            (Reading(Q.CURRENT_OFFERED_A, 1), sampled("Current.Offered", None, "A")),
            (Reading(Q.VOLTAGE_V, 230, 2), sampled("Voltage", "L2-N", "V", "230")),
            (Reading(Q.TEMPERATURE_C, -1), sampled("Temperature", None, "Celsius", "-1")),
            (Reading(Q.POWER_W, 1e-7), sampled("Power.Active.Import", None, "W", "0.00")),
        ],
    )
    def test_mv_11_mv_12_units_phases_and_plain_decimals(self, charging, reading, expected):
        ((value,),) = [payload["meterValue"] for payload in measure(charging, reading)]
        assert value["sampledValue"] == [expected]

    def test_mv_9_the_register_never_runs_backwards(self, charging):
        assert measure(charging, Reading(Q.ENERGY_WH, 1500))
        assert measure(charging, Reading(Q.ENERGY_WH, 1400)) == []
        ((value,),) = [
            payload["meterValue"]
            for payload in measure(charging, Reading(Q.ENERGY_WH, 1400), Reading(Q.POWER_W, 1))
        ]
        assert [sample["measurand"] for sample in value["sampledValue"]] == ["Power.Active.Import"]

    def test_repeats_and_late_samples_are_left_out(self, charging):
        charging.wait(10)
        event = Measured(at_ms=charging.utc_ms, readings=(Reading(Q.POWER_W, 1),), session=1)
        charging.tell(event)
        charging.tell(event)
        charging.tell(Measured(at_ms=charging.utc_ms - 5, readings=event.readings, session=1))
        charging.settle()
        assert len(meter_values(charging)) == 1

    def test_repeats_are_left_out_after_a_restart_too(self, charging):
        charging.wait(1)
        event = Measured(at_ms=charging.utc_ms, readings=(Reading(Q.ENERGY_WH, 1100),), session=1)
        charging.tell(event)
        charging.restart()
        charging.tell(event)
        charging.boot()
        assert charging.store.queue == {}

    @pytest.mark.parametrize("session", [None, 2, 0])
    def test_samples_of_no_or_another_session_are_not_the_transactions(self, charging, session):
        assert measure(charging, Reading(Q.POWER_W, 1), session=session) == []

    def test_mv_14_only_what_is_configured(self, charging):
        assert change(charging, "MeterValuesSampledData", "Voltage.L1-N, Current.Import") == "Accepted"
        readings = [Reading(Q.VOLTAGE_V, 230, phase) for phase in (1, 2)]
        readings += [Reading(Q.CURRENT_A, 10, phase) for phase in (1, 2)]
        readings += [Reading(Q.POWER_W, 1)]
        ((value,),) = [payload["meterValue"] for payload in measure(charging, *readings)]
        assert [(sample["measurand"], sample["phase"]) for sample in value["sampledValue"]] == [
            ("Voltage", "L1-N"),
            ("Current.Import", "L1"),
            ("Current.Import", "L2"),
        ]

    def test_a_phase_that_does_not_exist_is_left_out(self, charging):
        assert measure(charging, Reading(Q.CURRENT_A, 1, 4)) == []
        change(charging, "MeterValuesSampledData", "")
        charging.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
        (payload,) = meter_values(charging)
        assert len(payload["meterValue"][0]["sampledValue"]) == 1

    def test_mv_2_whatever_the_intervals_say(self, charging):
        change(charging, "MeterValueSampleInterval", "10")
        change(charging, "ClockAlignedDataInterval", "10")
        charging.wait(100, answering=True)
        assert meter_values(charging) == []
        assert len(measure(charging, Reading(Q.POWER_W, 1))) == 1

    def test_an_old_reading_does_not_take_the_place_of_a_newer_one(self, charging):
        charging.wait(10)
        charging.measure(Reading(Q.POWER_W, 2))
        charging.tell(Measured(at_ms=charging.utc_ms - 5000, readings=(Reading(Q.POWER_W, 1),), session=None))
        charging.settle()
        charging.said()
        charging.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
        (payload,) = meter_values(charging)
        assert payload["meterValue"][-1]["sampledValue"][0]["value"] == "2"

    @pytest.mark.parametrize(
        "value",
        [
            "Power.Active.Import,SoC",
            "Energy.Active.Import.Interval",  # MV-18: no charger tells energy by intervals
            "Energy.Active.Import.Register,Energy.Active.Import.Interval",
            "Voltage.L1-L2",
            "Voltage.",
            ",".join(["Voltage"] * 21),
        ],
    )
    @pytest.mark.parametrize("key", ["MeterValuesSampledData", "StopTxnAlignedData"])
    def test_mv_15_mv_18_a_list_with_what_is_not_measured_changes_nothing(self, charging, key, value):
        change(charging, key, "Voltage")
        assert change(charging, key, value) == "Rejected"
        (held,) = charging.ask("GetConfiguration", {"key": [key]})["configurationKey"]
        assert held["value"] == "Voltage"

    def test_mv_15_the_empty_list_sends_nothing(self, charging):
        assert change(charging, "MeterValuesSampledData", "") == "Accepted"
        assert measure(charging, Reading(Q.POWER_W, 1)) == []
        assert charging.store.queue == {}


class TestOutsideTransactions:
    @pytest.fixture
    def outside(self, new_bench):
        bench = new_bench(overrides=AS_THEY_COME | {"meter_values_outside_transactions": True}).ready()
        bench.said()
        return bench

    def test_standard_nothing_is_sent(self, ready):
        ready.said()
        assert measure(ready, Reading(Q.POWER_W, 1), session=None) == []

    def test_documented_it_is_forwarded_and_makes_no_record(self, outside):
        outside.turns.clear()
        (payload,) = measure(outside, Reading(Q.VOLTAGE_V, 231, 1), session=None)
        assert "transactionId" not in payload
        assert [effects.records for _, effects in outside.turns] == [[], []]

    def test_the_newest_wins(self, outside):
        outside.state(ChargerState.FAULTED)
        for volts in (229, 230, 231):
            outside.wait(1)
            outside.measure(Reading(Q.VOLTAGE_V, volts, 1), session=None)
        outside.settle()
        (payload,) = meter_values(outside)
        assert payload["meterValue"][0]["sampledValue"][0]["value"] == "231"

    def test_what_is_not_configured_is_not_sent(self, outside):
        change(outside, "MeterValuesSampledData", "Voltage")
        assert measure(outside, Reading(Q.POWER_W, 1), session=None) == []

    def test_mv_5_a_transaction_that_began_since_is_not_named(self, outside):
        outside.measure(Reading(Q.VOLTAGE_V, 230, 1), session=None)
        held = outside.open_call
        assert held[1] == "MeterValues"
        outside.wait(1)
        outside.measure(Reading(Q.VOLTAGE_V, 231, 1), session=None)
        outside.begin()
        outside.settle()
        assert all("transactionId" not in payload for payload in meter_values(outside))

    def test_it_is_dropped_with_the_link(self, outside):
        outside.state(ChargerState.FAULTED)
        outside.measure(Reading(Q.VOLTAGE_V, 231, 1), session=None)
        outside.link_down()
        outside.said()
        assert [action for action, _ in outside.boot()] == ["StatusNotification"] * 2


class TestTriggers:
    def trigger(self, bench, message, connector=None):
        bench.said()
        payload = {"requestedMessage": message}
        if connector is not None:
            payload["connectorId"] = connector
        return bench.ask("TriggerMessage", payload)["status"]

    def test_tm_1_answers_first(self, ready):
        ready.turns.clear()
        assert self.trigger(ready, "Heartbeat") == "Accepted"
        ((_, effects),) = ready.turns
        assert [output.data[:2] for output in effects.outputs] == [b"[3", b"[2"]
        assert ready.serve() == [("Heartbeat", {})]

    @pytest.mark.parametrize(
        "message",
        [
            "StartTransaction",
            "StopTransaction",
            "LogStatusNotification",
            "SignChargePointCertificate",
            "Nonsense",
        ],
    )
    def test_tm_2_what_cannot_be_triggered(self, ready, message):
        ready.said()
        assert ready.ask("TriggerMessage", {"requestedMessage": message}) == {"status": "NotImplemented"}
        assert ready.said() == []

    def test_tm_3_all_connectors(self, ready):
        assert self.trigger(ready, "StatusNotification") == "Accepted"
        assert [payload["connectorId"] for _, payload in ready.serve()] == [0, 1]

    @pytest.mark.parametrize("connector", [0, 1])
    def test_tm_3_one_connector(self, ready, connector):
        assert self.trigger(ready, "StatusNotification", connector) == "Accepted"
        assert [payload["connectorId"] for _, payload in ready.serve()] == [connector]

    @pytest.mark.parametrize("message", ["StatusNotification", "MeterValues"])
    @pytest.mark.parametrize("connector", [-1, 2])
    def test_tm_3_an_unknown_connector(self, charging, message, connector):
        charging.energy(1100)
        charging.settle()
        assert self.trigger(charging, message, connector) == "Rejected"
        assert charging.said() == []

    def test_tm_3_a_connector_that_does_not_matter(self, ready):
        assert self.trigger(ready, "Heartbeat", 9) == "Accepted"

    @pytest.mark.parametrize("message", ["FirmwareStatusNotification", "DiagnosticsStatusNotification"])
    def test_tm_4_idle(self, ready, message):
        assert self.trigger(ready, message) == "Accepted"
        assert ready.serve() == [(message, {"status": "Idle"})]

    @pytest.mark.parametrize("message", ["FirmwareStatusNotification", "DiagnosticsStatusNotification"])
    def test_tm_4_documented_they_are_not_implemented(self, new_bench, message):
        bench = new_bench(overrides={"triggers_firmware_and_diagnostics": False}).ready()
        assert self.trigger(bench, message) == "NotImplemented"
        assert bench.serve() == []

    def test_mv_16_the_latest_of_every_measurand(self, charging):
        measure(charging, Reading(Q.VOLTAGE_V, 229, 1), Reading(Q.POWER_W, 5))
        measure(charging, Reading(Q.VOLTAGE_V, 230, 1))
        assert self.trigger(charging, "MeterValues") == "Accepted"
        (payload,) = meter_values(charging)
        assert payload["transactionId"] == 7
        assert [
            (value["timestamp"][11:19], s["measurand"], s["value"], s["context"])
            for value in payload["meterValue"]
            for s in value["sampledValue"]
        ] == [
            ("10:00:01", "Energy.Active.Import.Register", "1000", "Trigger"),
            ("10:00:02", "Power.Active.Import", "5", "Trigger"),
            ("10:00:03", "Voltage", "230", "Trigger"),
        ]

    def test_mv_16_a_register_that_no_sample_has_told(self, charging):
        change(charging, "MeterValuesSampledData", "")
        assert measure(charging, Reading(Q.ENERGY_WH, 1200)) == []
        change(charging, "MeterValuesSampledData", "Energy.Active.Import.Register")
        for register in ("1200", "1200"):
            assert self.trigger(charging, "MeterValues") == "Accepted"
            (payload,) = meter_values(charging)
            assert payload["meterValue"][0]["sampledValue"][0]["value"] == register
            charging.restart()
            charging.boot()

    def test_mv_16_before_anything_was_measured_the_register(self, charging):
        assert self.trigger(charging, "MeterValues", 1) == "Accepted"
        (payload,) = meter_values(charging)
        (sample,) = payload["meterValue"][0]["sampledValue"]
        assert (sample["measurand"], sample["value"]) == ("Energy.Active.Import.Register", "1000")

    def test_mv_16_rejected_while_nothing_is_known(self, ready):
        assert self.trigger(ready, "MeterValues") == "Rejected"
        assert ready.said() == []

    def test_accepted_without_a_message_never_happens(self, ready):
        ready.measure(Reading(Q.VOLTAGE_V, 230, 1), session=None)
        change(ready, "MeterValuesSampledData", "Power.Active.Import")
        assert self.trigger(ready, "MeterValues") == "Accepted"
        (payload,) = meter_values(ready)
        assert payload["meterValue"][0]["sampledValue"][0]["value"] == "230"

    def test_mv_5_connector_0_carries_no_transaction(self, charging):
        self.trigger(charging, "MeterValues", 0)
        (payload,) = meter_values(charging)
        assert payload["connectorId"] == 0
        assert "transactionId" not in payload

    def test_a_start_that_is_not_answered_has_no_id_yet(self, ready):
        ready.begin()
        self.trigger(ready, "MeterValues", 1)
        ready.answer()
        (payload,) = meter_values(ready)
        assert "transactionId" not in payload

    def test_tx_6_nor_has_one_that_was_given_up(self, ready):
        change(ready, "TransactionMessageAttempts", "1")
        ready.begin()
        ready.answer()
        ready.refuse()
        self.trigger(ready, "MeterValues", 1)
        (payload,) = meter_values(ready)
        assert payload["transactionId"] == -1

    def test_tm_5_triggered_values_are_not_queued(self, charging):
        self.trigger(charging, "MeterValues")
        charging.refuse()
        assert len(charging.said()) == 1
        assert charging.live(100) == []
        assert charging.store.queue == {}

    def test_more_than_can_wait_is_rejected(self, ready):
        answers = [self.trigger(ready, "StatusNotification") for _ in range(20)]
        assert answers == ["Accepted"] * 16 + ["Rejected"] * 4

    def test_what_waits_dies_with_its_link(self, ready):
        ready.state(ChargerState.FAULTED)
        self.trigger(ready, "Heartbeat")
        ready.link_down()
        ready.said()
        assert ("Heartbeat", {}) not in ready.boot()


class TestReadingsThatAreNone:
    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_a_value_that_is_no_number_is_left_out(self, charging, value):
        charging.wait(5)
        charging.measure(Reading(Quantity.ENERGY_WH, value), Reading(Quantity.POWER_W, 7000))
        ((_, payload),) = charging.serve()
        (sample,) = payload["meterValue"]
        assert [one["measurand"] for one in sample["sampledValue"]] == ["Power.Active.Import"]
