"""Field values; tests are named after the requirement they show."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from chargebridge.clock import format_utc
from chargebridge.ocpp16.enums import (
    ChargePointErrorCode,
    ChargePointStatus,
    DataTransferStatus,
    RegistrationStatus,
    TriggerMessageStatus,
    UnitOfMeasure,
)
from chargebridge.ocpp16.frames import Call, PayloadError, decode_request, decode_response, encode_call
from chargebridge.ocpp16.messages import (
    Authorize,
    BootNotificationResponse,
    Request,
    SetChargingProfile,
    StatusNotification,
    StopTransaction,
    parse_timestamp,
)
from chargebridge.ocpp16.text import fit, fit_ascii, same_token, token_key

pytestmark = pytest.mark.unit


def request(action: str, payload: bytes) -> Request:
    return decode_request(Call("1", action, Raw(payload)))


NEW_YEAR_2026_MS = 1_767_225_600_000


class TestText:
    def test_val_1_enumerations_fields_and_actions_are_case_sensitive(self) -> None:
        for action, payload in (
            ("Reset", b'{"type":"soft"}'),
            ("Reset", b'{"Type":"Soft"}'),
            ("reset", b'{"type":"Soft"}'),
        ):
            with pytest.raises(PayloadError):
                request(action, payload)

    @pytest.mark.parametrize(("one", "other"), [("abc", "ABC"), ("abc", "abc"), ("04aB", "04Ab")])
    def test_val_1_tokens_are_the_same_whatever_their_case(self, one: str, other: str) -> None:
        assert same_token(one, other)
        assert token_key(one) == token_key(other)

    def test_val_1_different_tokens_differ(self) -> None:
        assert not same_token("abc", "abcd")
        assert token_key("abc") != token_key("abcd")

    @pytest.mark.parametrize("id_tag", ["", "x", "#!~ ", "not hex, odd length", "A" * 20])
    def test_val_2_id_tags_are_opaque(self, id_tag: str) -> None:
        assert encode_call("1", Authorize(id_tag=id_tag)) == (
            f'[2,"1","Authorize",{{"idTag":"{id_tag}"}}]'.encode()
        )
        assert request("Authorize", f'{{"idTag":"{id_tag}"}}'.encode()) == Authorize(id_tag=id_tag)

    def test_val_6_long_text_is_cut(self) -> None:
        assert fit("Überstrom an L1", 50) == "Überstrom an L1"
        assert fit("x" * 60, 50) == "x" * 50
        notification = StatusNotification(
            connector_id=1,
            error_code=ChargePointErrorCode.OTHER_ERROR,
            status=ChargePointStatus.FAULTED,
            info=fit("é" * 60, 50),
        )
        frame = encode_call("1", notification)
        assert request("StatusNotification", frame[28:-1]) == notification

    @pytest.mark.parametrize(
        ("text", "fitted"),
        [("a\r\nb", "a b"), ("a\x00b\x7fc", "a b c"), ("a\ud800b", "a b"), ("a\u00a0b", "a\u00a0b")],
    )
    def test_val_6_what_receivers_choke_on_becomes_a_space(self, text: str, fitted: str) -> None:
        assert fit(text, 50) == fitted

    @pytest.mark.parametrize(
        ("text", "fitted"),
        [
            ("Easee Home", "Easee Home"),
            ("Zürich", "Zurich"),
            ("a\tb", "a?b"),
            ("充電", "??"),
            ("ﬁ½", "fi1?2"),
            ("x" * 30, "x" * 20),
            ("\ud800", "?"),
        ],
    )
    def test_rpc_2_other_text_is_printable_ascii(self, text: str, fitted: str) -> None:
        assert fit_ascii(text, 20) == fitted


class TestTimestamps:
    @pytest.mark.parametrize(
        "text",
        [
            "2026-01-01T00:00:00Z",
            "2026-01-01t00:00:00z",
            "2026-01-01T00:00:00.0Z",
            "2026-01-01T00:00:00,000000Z",
            "2026-01-01T00:00:00.0009999999999999999999Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00",
            "2026-01-01T02:00:00+02:00",
            "2026-01-01T02:00:00+0200",
            "2026-01-01T02:00:00+02",
            "2025-12-31T18:15:00-05:45",
            "2025-12-31T23:59:60Z",
        ],
    )
    def test_val_3_all_usual_spellings_of_one_moment_are_read(self, text: str) -> None:
        assert parse_timestamp(text) == NEW_YEAR_2026_MS

    def test_val_3_fractions_are_cut_to_milliseconds(self) -> None:
        assert parse_timestamp("2026-01-01T00:00:00.1Z") == NEW_YEAR_2026_MS + 100
        assert parse_timestamp("2026-01-01T00:00:00.1239Z") == NEW_YEAR_2026_MS + 123

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0",
            "now",
            "1767225600",
            "2026-01-01",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00Z",
            "2026-13-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+2:00",
            "2026-01-01T00:00:00ZZ",
            "2026-01-01T00:00:00Z\n",
            " 2026-01-01T00:00:00Z",
            "٢٠٢٦-01-01T00:00:00Z",
        ],
    )
    def test_val_3_anything_else_is_an_error_and_never_1970(self, text: str) -> None:
        with pytest.raises(ValueError):
            parse_timestamp(text)

    def test_val_3_the_edges_of_the_calendar_do_not_overflow(self) -> None:
        assert parse_timestamp("0001-01-01T00:00:00+14:00") == -62_135_647_200_000
        assert parse_timestamp("9999-12-31T23:59:59.999-12:00") == 253_402_343_999_999

    @given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
    def test_val_3_what_is_sent_is_read_as_the_same_moment(self, utc_ms: int) -> None:
        moment = datetime.fromtimestamp(utc_ms // 1000, UTC)
        text = f"{moment:%m-%dT%H:%M:%S}.{utc_ms % 1000:03d}Z"
        assert parse_timestamp(f"{moment.year:04d}-{text}") == utc_ms
        if moment.year >= 1000:
            assert parse_timestamp(format_utc(utc_ms)) == utc_ms

    def test_a_timestamp_keeps_the_spelling_of_its_sender(self) -> None:
        payload = Raw(b'{"status":"Accepted","currentTime":"2013-02-01T15:09:18.5+02","interval":300}')
        assert decode_response("BootNotification", payload) == BootNotificationResponse(
            status=RegistrationStatus.ACCEPTED, current_time="2013-02-01T15:09:18.5+02", interval=300
        )

    def test_doc_12_a_schedule_may_start_at_a_full_minute(self) -> None:
        assert parse_timestamp("2013-01-01T00:00Z") == 1_356_998_400_000


PROFILE = (
    b'{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":'
    b'"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":{"chargingRateUnit":"A",'
    b'"chargingSchedulePeriod":[{"startPeriod":0,"limit":%s}]}}}'
)


class TestNumbers:
    @pytest.mark.parametrize(
        "number", ["8.1", "0", "32", "0.3", "-1", "22000.0", "6.10", "1e1", "999999999999999.9"]
    )
    def test_val_4_a_limit_has_one_fraction_digit_at_most(self, number: str) -> None:
        profile = request("SetChargingProfile", PROFILE % number.encode())
        assert isinstance(profile, SetChargingProfile)
        schedule = profile.cs_charging_profiles.charging_schedule
        assert schedule.charging_schedule_period[0].limit == Decimal(number)

    @pytest.mark.parametrize(
        ("number", "expected"),
        [
            ("8.15", "a number with at most one fraction digit"),
            ("0.01", "a number with at most one fraction digit"),
            ("1e-999999999", "a number with at most one fraction digit"),
            ("1e15", "a number below 10^15"),
            ("-1e400", "a number below 10^15"),
            ("1e99999999999999999999", "a number below 10^15"),
            ('"8.1"', "a number"),
            ('"NaN"', "a number"),
            ("true", "a number"),
            ("null", "a number"),
        ],
    )
    def test_val_4_any_other_limit_is_refused(self, number: str, expected: str) -> None:
        with pytest.raises(PayloadError) as caught:
            request("SetChargingProfile", PROFILE % number.encode())
        assert caught.value.description == (
            f"csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit: Expected {expected}"
        )

    def test_val_4_a_limit_is_written_as_a_number(self) -> None:
        payload = PROFILE % b"8.1"
        assert encode_call("1", request("SetChargingProfile", payload)) == (
            b'[2,"1","SetChargingProfile",' + payload + b"]"
        )

    def test_val_5_meter_readings_are_whole_watt_hours_and_sampled_values_are_text(self) -> None:
        payload = b'{"meterStop":%s,"timestamp":"2026-01-01T00:00:00Z","transactionId":1}'
        stop = request("StopTransaction", payload % b"15000")
        assert isinstance(stop, StopTransaction)
        assert stop.meter_stop == 15000
        with pytest.raises(PayloadError):
            request("StopTransaction", payload % b"15000.5")
        with pytest.raises(PayloadError):
            request(
                "MeterValues",
                b'{"connectorId":1,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":1}]}]}',
            )


METER_VALUES = (
    b'{"connectorId":1,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z",'
    b'"sampledValue":[{"value":"1","unit":"%s"}]}]}'
)


class TestWhereTheDocumentsDisagree:
    def test_val_7_both_spellings_of_celsius_are_understood(self) -> None:
        assert UnitOfMeasure.CELSIUS == "Celsius"
        for spelling in (b"Celsius", b"Celcius"):
            assert encode_call("1", request("MeterValues", METER_VALUES % spelling)).count(spelling) == 1

    def test_e_3_84_there_is_no_hertz(self) -> None:
        with pytest.raises(PayloadError):
            request("MeterValues", METER_VALUES % b"Hertz")

    def test_doc_1_an_unknown_vendor_is_an_unknown_vendor_id_on_the_wire(self) -> None:
        assert DataTransferStatus.UNKNOWN_VENDOR_ID == "UnknownVendorId"

    def test_doc_3_a_stop_needs_no_reason(self) -> None:
        stop = request(
            "StopTransaction", b'{"meterStop":1,"timestamp":"2026-01-01T00:00:00Z","transactionId":1}'
        )
        assert isinstance(stop, StopTransaction)
        assert stop.reason is None

    def test_doc_11_trigger_answers_are_in_camel_case_on_the_wire(self) -> None:
        assert [str(status) for status in TriggerMessageStatus] == ["Accepted", "Rejected", "NotImplemented"]

    @pytest.mark.parametrize(
        ("action", "payload"),
        [
            ("MeterValues", b'{"connectorId":1,"meterValue":[]}'),
            (
                "StopTransaction",
                (
                    b'{"meterStop":1,"timestamp":"2026-01-01T00:00:00Z","transactionId":1,'
                    b'"transactionData":[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[]}]}'
                ),
            ),
            ("SetChargingProfile", PROFILE.replace(b'{"startPeriod":0,"limit":%s}', b"")),
        ],
    )
    def test_lists_that_the_specification_wants_filled_are_not_empty(
        self, action: str, payload: bytes
    ) -> None:
        with pytest.raises(PayloadError):
            request(action, payload)
