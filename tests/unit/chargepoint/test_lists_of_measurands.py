"""Lists of measurands: what the charger can tell is Accepted, and is told (`MV-14`, `MV-15`)."""

import pytest

from chargebridge.chargepoint.behaviour import COMPATIBILITY, EVERY_MEASURAND
from chargebridge.chargepoint.turn import ChargerDescribed
from chargebridge.chargers.model import Capability, ChargerInfo, Quantity, Reading

pytestmark = pytest.mark.unit

Q = Quantity
LISTS = ["MeterValuesSampledData", "MeterValuesAlignedData", "StopTxnSampledData", "StopTxnAlignedData"]
OF_HOME_ASSISTANT = (
    "Current.Export,Current.Import,Current.Offered,Energy.Active.Export.Register,"
    "Energy.Active.Import.Register,Energy.Reactive.Export.Register,Energy.Reactive.Import.Register,"
    "Energy.Active.Export.Interval,Energy.Active.Import.Interval,Energy.Reactive.Export.Interval,"
    "Energy.Reactive.Import.Interval,Frequency,Power.Active.Export,Power.Active.Import,Power.Factor,"
    "Power.Offered,Power.Reactive.Export,Power.Reactive.Import,RPM,SoC,Temperature,Voltage"
)
THREE_PHASES = ChargerInfo(
    serial="SIM1",
    vendor="Maker",
    model="Home",
    capabilities=frozenset(Capability),
    measures=frozenset({Q.ENERGY_WH, Q.POWER_W, Q.CURRENT_OFFERED_A, Q.TEMPERATURE_C}),
    measures_by_phase=frozenset({Q.CURRENT_A, Q.VOLTAGE_V}),
)
ONE_PHASE = ChargerInfo(serial="SIM1", vendor="Maker", model="Home", phases=1)
"""Its driver does not know what it measures, and it has no thermometer."""
METER_ONLY = ChargerInfo(
    serial="SIM1", vendor="Maker", model="Home", measures=frozenset(), measures_by_phase=frozenset()
)


def described(bench, info):
    bench.turn(ChargerDescribed(info))
    return bench.ready()


def change(bench, key, value):
    return bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]


def held(bench, key):
    return bench.ask("GetConfiguration", {"key": [key]})["configurationKey"][0]["value"]


class TestJudgedByWhatTheChargerCanTell:
    @pytest.mark.parametrize("key", LISTS)
    @pytest.mark.parametrize(
        ("info", "value", "status"),
        [
            (None, "Energy.Active.Import.Register.L1", "Rejected"),
            (None, "Temperature.L1", "Rejected"),
            (None, "Power.Active.Import.L1", "Accepted"),
            (THREE_PHASES, EVERY_MEASURAND, "Accepted"),
            (THREE_PHASES, "Voltage.L1-N,Voltage.L3,Current.Import.L2", "Accepted"),
            (THREE_PHASES, "Energy.Active.Import.Register.L1", "Rejected"),
            (THREE_PHASES, "Energy.Active.Import.Register,Energy.Active.Import.Register.L1", "Rejected"),
            (THREE_PHASES, "Power.Active.Import.L1", "Rejected"),
            (THREE_PHASES, "Current.Offered.L2", "Rejected"),
            (THREE_PHASES, "Temperature.L3", "Rejected"),
            (ONE_PHASE, "Energy.Active.Import.Register,Voltage.L1,Current.Import.L1", "Accepted"),
            (ONE_PHASE, "Power.Active.Import,Power.Active.Import.L1", "Accepted"),
            (ONE_PHASE, "Voltage.L2", "Rejected"),
            (ONE_PHASE, "Energy.Active.Import.Register,Current.Import.L3", "Rejected"),
            (ONE_PHASE, "Temperature", "Rejected"),
            (ONE_PHASE, EVERY_MEASURAND, "Rejected"),
            (METER_ONLY, "Energy.Active.Import.Register", "Accepted"),
            (METER_ONLY, "Power.Active.Import", "Rejected"),
            (METER_ONLY, "Voltage", "Rejected"),
            (METER_ONLY, "", "Accepted"),
        ],
    )
    def test_mv_15(self, new_bench, key, info, value, status):
        bench = new_bench().ready() if info is None else described(new_bench(), info)
        before = held(bench, key)
        assert change(bench, key, value) == status
        assert held(bench, key) == (value if status == "Accepted" else before)

    @pytest.mark.parametrize(
        ("value", "left"),
        [
            ("Voltage.L1,Voltage.L2,Temperature", "Voltage.L1"),
            (EVERY_MEASURAND, EVERY_MEASURAND.replace(",Temperature", "")),
            ("Voltage.L2,Temperature", "Energy.Active.Import.Register"),
            ("", ""),
        ],
    )
    def test_mv_15_what_a_charger_that_is_described_later_cannot_tell_is_withdrawn(
        self, new_bench, value, left
    ):
        bench = new_bench(configuration={"MeterValuesSampledData": value})
        assert held(described(bench, ONE_PHASE), "MeterValuesSampledData") == left

    def test_mv_15_whatever_is_accepted_is_told(self, new_bench):
        bench = described(new_bench(), THREE_PHASES).charging()
        for item in ("Energy.Active.Import.Register.L1", "Voltage.L1", "Power.Active.Import.L2"):
            change(bench, "MeterValuesSampledData", item)
        voltages = [Reading(Q.VOLTAGE_V, 230, phase) for phase in (1, 2, 3)]
        bench.metering(10, Reading(Q.ENERGY_WH, 1100), *voltages)
        (payload,) = [payload for action, payload in bench.live(60) if action == "MeterValues"]
        (sample,) = payload["meterValue"][0]["sampledValue"]
        assert (sample["measurand"], sample["phase"]) == ("Voltage", "L1-N")


class TestListsWithWhatIsNotMeasured:
    @pytest.mark.parametrize("key", LISTS)
    def test_mv_15_standard_they_are_rejected_as_a_whole(self, new_bench, key):
        bench = described(new_bench("ocpp16"), THREE_PHASES)
        before = held(bench, key)
        for value in ("Energy.Active.Import.Register,Power.Active.Import,SoC", OF_HOME_ASSISTANT):
            assert change(bench, key, value) == "Rejected"
            assert held(bench, key) == before

    @pytest.mark.parametrize("preset", ["ocpp16", "easee", "easee-1.8"])
    @pytest.mark.parametrize(
        ("info", "value", "stored"),
        [
            (
                THREE_PHASES,
                OF_HOME_ASSISTANT,
                (
                    "Current.Import,Current.Offered,Energy.Active.Import.Register,Power.Active.Import,"
                    "Temperature,Voltage"
                ),
            ),
            (
                ONE_PHASE,
                OF_HOME_ASSISTANT,
                "Current.Import,Current.Offered,Energy.Active.Import.Register,Power.Active.Import,Voltage",
            ),
            (METER_ONLY, OF_HOME_ASSISTANT, "Energy.Active.Import.Register"),
            (
                THREE_PHASES,
                "Energy.Active.Import.Register, Power.Active.Import, SoC, Voltage.L1, Voltage.L1-L2",
                "Energy.Active.Import.Register,Power.Active.Import,Voltage.L1",
            ),
            (ONE_PHASE, "Voltage.L1,Voltage.L2,Voltage.L3", "Voltage.L1"),
            (THREE_PHASES, "Temperature", "Temperature"),
            (THREE_PHASES, "", ""),
        ],
    )
    def test_home_assistant_what_is_measured_is_stored_and_read_back(
        self, new_bench, preset, info, value, stored
    ):
        bench = described(new_bench(preset, COMPATIBILITY["home-assistant"]), info)
        assert change(bench, "MeterValuesSampledData", value) == "Accepted"
        assert held(bench, "MeterValuesSampledData") == stored

    @pytest.mark.parametrize("value", ["SoC", "SoC,RPM", "Energy.Active.Import.Register.L1", "nonsense", ","])
    def test_home_assistant_a_list_of_which_nothing_is_measured_is_rejected(self, new_bench, value):
        bench = described(new_bench("ocpp16", COMPATIBILITY["home-assistant"]), THREE_PHASES)
        assert change(bench, "MeterValuesSampledData", value) == "Rejected"
        assert held(bench, "MeterValuesSampledData") == "Energy.Active.Import.Register"

    def test_home_assistant_hears_of_power_and_phases(self, new_bench):
        bench = described(new_bench("ocpp16", COMPATIBILITY["home-assistant"]), THREE_PHASES).charging()
        change(bench, "MeterValuesSampledData", OF_HOME_ASSISTANT)
        currents = [Reading(Q.CURRENT_A, 16, phase) for phase in (1, 2, 3)]
        bench.metering(10, Reading(Q.ENERGY_WH, 1100), Reading(Q.POWER_W, 11000), *currents)
        (payload,) = [payload for action, payload in bench.live(60) if action == "MeterValues"]
        (moment,) = payload["meterValue"]
        assert [(one["measurand"], one.get("phase"), one["value"]) for one in moment["sampledValue"]] == [
            ("Energy.Active.Import.Register", None, "1100"),
            ("Power.Active.Import", None, "11000"),
            ("Current.Import", "L1", "16"),
            ("Current.Import", "L2", "16"),
            ("Current.Import", "L3", "16"),
        ]
