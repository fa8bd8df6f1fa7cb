"""Configuration values, DataTransfer, and where the documents disagree (`CF-*`, `DT-2`, `MV-17`, `DOC-*`)."""

import pytest

from chargebridge.chargers.model import Quantity, Reading

pytestmark = pytest.mark.unit

LISTS = [
    "MeterValuesAlignedData",
    "MeterValuesSampledData",
    "StopTxnAlignedData",
    "StopTxnSampledData",
]
DEFAULT_PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "startSchedule": "2026-01-02T10:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
    },
}


@pytest.fixture
def ready(new_bench):
    return new_bench("ocpp16").ready()


@pytest.fixture
def easee(new_bench):
    return new_bench("easee").ready()


def change(bench, key, value):
    return bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]


def get(bench, key):
    return bench.ask("GetConfiguration", {"key": [key]})


def value(bench, key):
    return get(bench, key)["configurationKey"][0]["value"]


def install(bench, connector=1, **fields):
    payload = {"connectorId": connector, "csChargingProfiles": DEFAULT_PROFILE | fields}
    answer = bench.ask("SetChargingProfile", payload)
    return answer if isinstance(answer, str) else answer["status"]


class TestConfiguration:
    @pytest.mark.parametrize(
        ("written", "reported"), [("TRUE", "true"), ("False", "false"), ("true", "true")]
    )
    def test_cf_4_booleans_are_taken_in_any_case_and_told_in_lower_case(self, ready, written, reported):
        assert change(ready, "LocalPreAuthorize", written) == "Accepted"
        assert value(ready, "LocalPreAuthorize") == reported

    @pytest.mark.parametrize("preset", ["easee", "easee-1.8", "ocpp16"])
    def test_cf_4_every_value_is_a_text_and_none_is_unset(self, new_bench, preset):
        keys = new_bench(preset).ready().ask("GetConfiguration")["configurationKey"]
        assert [key for key in keys if not isinstance(key["value"], str)] == []

    def test_cf_6_an_unknown_key_is_not_supported(self, ready):
        assert change(ready, "NoSuchKey", "1") == "NotSupported"

    def test_cf_6_a_negative_interval_is_rejected(self, ready):
        assert change(ready, "MeterValueSampleInterval", "-1") == "Rejected"
        assert value(ready, "MeterValueSampleInterval") == "60"

    @pytest.mark.parametrize("name", LISTS)
    def test_cf_8_every_list_tells_its_length_and_takes_no_more(self, ready, name):
        assert value(ready, f"{name}MaxLength") == "20"
        assert change(ready, name, ",".join(["Voltage"] * 20)) == "Accepted"
        assert change(ready, name, ",".join(["Voltage"] * 21)) == "Rejected"

    def test_cf_9_the_authorization_key_is_neither_told_nor_taken(self, ready):
        assert get(ready, "AuthorizationKey") == {"unknownKey": ["AuthorizationKey"]}
        assert change(ready, "AuthorizationKey", "00" * 20) == "NotSupported"


class TestDataTransfer:
    @pytest.mark.parametrize("data", [None, "", "{}", "ä" * 100_000])
    def test_dt_2_its_data_is_any_text_of_any_length(self, ready, data):
        payload = {"vendorId": "com.example"} | ({} if data is None else {"data": data})
        assert ready.ask("DataTransfer", payload) == {"status": "UnknownVendorId"}

    def test_dt_2_its_data_is_no_object(self, ready):
        payload = {"vendorId": "com.example", "data": {"start": "now"}}
        assert ready.ask("DataTransfer", payload) == "FormationViolation"

    def test_dt_2_its_answer_is_a_text_too(self, easee):
        period = '{"start":"2026-01-01T00:00:00Z","stop":"2026-01-02T00:00:00Z"}'
        payload = {"vendorId": "no.easee", "messageId": "ListEaseeSessions", "data": period}
        assert easee.ask("DataTransfer", payload) == {"status": "Accepted", "data": "[]"}


def test_mv_17_no_value_is_signed(easee):
    easee.charging()
    easee.wait(1)
    easee.measure(Reading(Quantity.ENERGY_WH, 1100), Reading(Quantity.VOLTAGE_V, 230, 1))
    ((_, payload),) = easee.serve()
    samples = payload["meterValue"][0]["sampledValue"]
    assert [(sample["value"], sample.get("format", "Raw")) for sample in samples] == [
        ("1100", "Raw"),
        ("230", "Raw"),
    ]


class TestWhereTheDocumentsDisagree:
    @pytest.mark.parametrize(("field", "interval_s"), [("interval", 70), ("heartbeatInterval", 300)])
    def test_doc_2_the_field_of_the_boot_answer_is_interval(self, bench, field, interval_s):
        bench.link_up()
        bench.answer({"status": "Accepted", "currentTime": "2026-01-02T10:00:00Z", field: 70})
        assert bench.cp.heartbeat_interval_s == interval_s

    def test_doc_4_nothing_is_learnt_of_the_token_of_a_reservation(self, ready):
        reservation = {
            "connectorId": 1,
            "expiryDate": "2026-01-03T00:00:00Z",
            "idTag": "TAG1",
            "reservationId": 1,
        }
        assert ready.ask("ReserveNow", reservation) == "NotSupported"
        assert ready.store.cached == {}

    def test_doc_5_a_list_that_was_emptied_has_version_0_whatever_number_came_with_it(self, ready):
        entry = {"idTag": "TAG1", "idTagInfo": {"status": "Accepted"}}
        full = {"listVersion": 4, "updateType": "Full", "localAuthorizationList": [entry]}
        assert ready.ask("SendLocalList", full) == {"status": "Accepted"}
        assert ready.ask("SendLocalList", {"listVersion": 5, "updateType": "Full"}) == {"status": "Accepted"}
        assert ready.ask("GetLocalListVersion") == {"listVersion": 0}

    def test_doc_6_a_recurrency_kind_belongs_to_recurring_profiles_only(self, ready):
        assert install(ready, recurrencyKind="Daily") == "Rejected"
        assert install(ready, chargingProfileKind="Recurring", recurrencyKind="Daily") == "Accepted"

    def test_doc_7_a_clock_aligned_value_is_of_its_moment(self, ready):
        change(ready, "ClockAlignedDataInterval", "900")
        change(ready, "MeterValuesAlignedData", "Energy.Active.Import.Register")
        change(ready, "MeterValueSampleInterval", "0")
        ready.charging()
        ready.metering(20, Reading(Quantity.ENERGY_WH, 1234))
        (told,) = [payload for action, payload in ready.live(910) if action == "MeterValues"]
        (moment,) = told["meterValue"]
        (sample,) = moment["sampledValue"]
        assert moment["timestamp"] == "2026-01-02T10:15:00.000Z"
        assert (sample["value"], sample["context"]) == ("1234", "Sample.Clock")

    def test_doc_8_connection_time_out_is_spelt_as_in_the_list_of_keys(self, ready):
        (key,) = get(ready, "ConnectionTimeout")["configurationKey"]
        assert key["key"] == "ConnectionTimeOut"

    def test_doc_9_a_profile_for_an_unknown_connector_is_a_call_error(self, ready):
        assert install(ready, connector=2) == "PropertyConstraintViolation"
