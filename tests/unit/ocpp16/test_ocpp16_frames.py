"""Frames and call errors; tests are named after the requirement they show."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from chargebridge.ocpp16.enums import AuthorizationStatus, ResetType
from chargebridge.ocpp16.frames import (
    Call,
    CallError,
    CallErrorCode,
    CallResult,
    FrameError,
    PayloadError,
    UnknownMessageType,
    decode_frame,
    decode_odd_answer,
    decode_request,
    decode_response,
    encode_call,
    encode_call_raw,
    encode_error,
    encode_result,
)
from chargebridge.ocpp16.messages import (
    Authorize,
    AuthorizeResponse,
    GetConfiguration,
    Heartbeat,
    HeartbeatResponse,
    IdTagInfo,
    MeterValues,
    RemoteStartTransaction,
    Reset,
    SendLocalList,
)

pytestmark = pytest.mark.unit


def refusal(action: str, payload: bytes, *, tolerant: bool = False) -> tuple[CallErrorCode, str]:
    with pytest.raises(PayloadError) as caught:
        decode_request(Call("1", action, Raw(payload)), tolerant=tolerant)
    return caught.value.code, caught.value.description


class TestWriting:
    def test_rpc_1_a_call_has_four_elements(self) -> None:
        assert encode_call("a-1", Authorize(id_tag="04AB")) == b'[2,"a-1","Authorize",{"idTag":"04AB"}]'

    def test_rpc_1_a_result_has_three_elements(self) -> None:
        response = AuthorizeResponse(id_tag_info=IdTagInfo(status=AuthorizationStatus.CONCURRENT_TX))
        assert encode_result("a-1", response) == b'[3,"a-1",{"idTagInfo":{"status":"ConcurrentTx"}}]'

    def test_rpc_1_an_error_has_five_elements(self) -> None:
        frame = encode_error(
            "a-1", CallErrorCode.NOT_SUPPORTED, "no reservations", {"profile": "Reservation"}
        )
        assert frame == b'[4,"a-1","NotSupported","no reservations",{"profile":"Reservation"}]'

    def test_rpc_2_text_is_written_as_utf_8(self) -> None:
        assert encode_error("1", CallErrorCode.GENERIC_ERROR, "Zähler") == (
            '[4,"1","GenericError","Zähler",{}]'.encode()
        )

    def test_rpc_4_an_empty_payload_is_an_empty_object(self) -> None:
        assert encode_call("1", Heartbeat()) == b'[2,"1","Heartbeat",{}]'

    def test_rpc_9_codes_are_spelt_as_in_ocpp_j_1_6(self) -> None:
        assert [str(code) for code in CallErrorCode] == [
            "NotImplemented",
            "NotSupported",
            "InternalError",
            "ProtocolError",
            "SecurityError",
            "FormationViolation",
            "PropertyConstraintViolation",
            "OccurenceConstraintViolation",
            "TypeConstraintViolation",
            "GenericError",
        ]

    def test_rpc_13_an_error_with_nothing_to_say_has_empty_text_and_details(self) -> None:
        assert encode_error("1", CallErrorCode.INTERNAL_ERROR) == b'[4,"1","InternalError","",{}]'

    def test_a_long_description_is_cut_to_255_characters(self) -> None:
        frame = encode_error("1", CallErrorCode.GENERIC_ERROR, "x" * 300)
        assert json.loads(frame)[3] == "x" * 255

    def test_a_kept_payload_is_sent_again_unchanged(self) -> None:
        payload = b'{"idTag":"04AB"}'
        assert encode_call_raw("2", "Authorize", payload) == b'[2,"2","Authorize",{"idTag":"04AB"}]'
        assert encode_call_raw("2", "Authorize", Raw(payload)) == encode_call_raw("2", "Authorize", payload)


class TestReading:
    def test_rpc_1_the_three_frames_are_told_apart(self) -> None:
        assert decode_frame(b'[2,"1","Reset",{"type":"Soft"}]') == Call("1", "Reset", Raw(b'{"type":"Soft"}'))
        assert decode_frame(b' [ 3 , "1" , {} ] ') == CallResult("1", Raw(b"{}"))
        assert decode_frame(b'[4,"1","GenericError","",{}]') == CallError("1", "GenericError", "", Raw(b"{}"))

    @pytest.mark.parametrize(
        "data",
        [
            b'[2,"1","Reset"]',
            b'[2,"1","Reset",{},1]',
            b'[3,"1"]',
            b'[3,"1",{},{}]',
            b'[4,"1","GenericError",""]',
            b'[4,"1","GenericError","",{},1]',
        ],
    )
    def test_rpc_1_any_other_number_of_elements_is_no_frame(self, data: bytes) -> None:
        with pytest.raises(FrameError):
            decode_frame(data)

    def test_rpc_2_what_is_not_utf_8_is_no_frame(self) -> None:
        with pytest.raises(FrameError) as caught:
            decode_frame(b'[2,"1","DataTransfer",{"vendorId":"\xff"}]')
        assert caught.value.description == "not UTF-8"

    @pytest.mark.parametrize("message_id", ["", "1", "not a UUID", "é" * 36])
    def test_rpc_3_any_text_of_36_characters_is_an_id(self, message_id: str) -> None:
        assert decode_frame(f'[3,"{message_id}",{{}}]'.encode()) == CallResult(message_id, Raw(b"{}"))

    @pytest.mark.parametrize(
        ("written", "message_id"),
        [
            (b'"' + b"x" * 37 + b'"', "x" * 37),
            (b'"' + b"0123456789abcdef" * 16 + b'"', "0123456789abcdef" * 16),
            (b'"' + b"\\u00e9" * 37 + b'"', "é" * 37),
            (b'"' + b'a\\"b\\\\' * 10 + b'"', 'a"b\\' * 10),
        ],
        ids=["37", "256", "escapes", "quotes"],
    )
    def test_rpc_3_a_call_with_a_long_id_is_refused_by_that_id(self, written: bytes, message_id: str) -> None:
        with pytest.raises(FrameError) as caught:
            decode_frame(b"[2," + written + b',"Heartbeat",{}]')
        assert caught.value.id == message_id
        error = encode_error(message_id, caught.value.code, caught.value.description)
        assert json.loads(error)[:3] == [4, message_id, "FormationViolation"]

    @pytest.mark.parametrize("message_id", [b"1", b"null", b'"\\ud800"', b'"\\q"'])
    def test_rpc_3_no_text_at_all_cannot_be_answered(self, message_id: bytes) -> None:
        with pytest.raises(FrameError) as caught:
            decode_frame(b"[2," + message_id + b',"Heartbeat",{}]')
        assert caught.value.id is None

    def test_rpc_4_null_payload_is_an_empty_object(self) -> None:
        call = decode_frame(b'[2,"1","GetConfiguration",null]')
        assert call == Call("1", "GetConfiguration", Raw(b"{}"))
        assert isinstance(call, Call)
        assert decode_request(call) == GetConfiguration()
        assert decode_frame(b'[3,"1",null]') == CallResult("1", Raw(b"{}"))
        assert decode_response("DataTransfer", Raw(b'{"status":"Accepted"}')).__class__.__name__ == (
            "DataTransferResponse"
        )
        assert decode_request(Call("1", "ClearCache", Raw(b"null"))).__class__.__name__ == "ClearCache"

    @pytest.mark.parametrize("data", [b'[5,"1",{}]', b"[0]", b"[-1]", b"[99999999999999999999,1]"])
    def test_rpc_7_an_unknown_message_type_is_told_from_a_broken_frame(self, data: bytes) -> None:
        with pytest.raises(UnknownMessageType):
            decode_frame(data)

    @pytest.mark.parametrize(
        "code", ["FormatViolation", "OccurrenceConstraintViolation", "RpcFrameworkError", "Oops", ""]
    )
    def test_rpc_10_any_error_code_is_taken(self, code: str) -> None:
        frame = decode_frame(f'[4,"1","{code}","",{{}}]'.encode())
        assert isinstance(frame, CallError)
        assert frame.code == code

    @pytest.mark.parametrize(
        "data",
        [
            b'[2,"c-1","Heartbeat"]',
            b'[2,"c-1",7,{}]',
            b'[ 2 , "c-1" , "Heartbeat" , {} , {} ]',
            b'[2,"c-1","Heartbeat",{"a":NaN}]',
            b'[2,"c-1","Heartbeat",{]',
            b'[2,"c-1","Heartbeat",' + b"[" * 100_000,
        ],
    )
    def test_a_broken_call_can_be_answered_if_its_id_can_be_told(self, data: bytes) -> None:
        with pytest.raises(FrameError) as caught:
            decode_frame(data)
        assert caught.value.id == "c-1"
        assert caught.value.code is CallErrorCode.FORMATION_VIOLATION

    def test_only_a_broken_call_is_answered(self) -> None:
        with pytest.raises(FrameError) as caught:
            decode_frame(b'[3,"c-1"]')
        assert caught.value.id is None

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"null",
            b"{}",
            b"[]",
            b'["2","1","Heartbeat",{}]',
            b'[2.0,"1","Heartbeat",{}]',
            b'\xef\xbb\xbf[3,"1",{}]',
            b'[3,"1",{}]]',
            b'[3,"\\ud800",{}]',
            b'[3,"1",{"a":"\\udc00"}]',
            b'[3,"1",{"a":Infinity}]',
            b'[3,"1",' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]",
            b'[3,"1",{"a":01}]',
            b"\x00" * 1000,
        ],
    )
    def test_hostile_input_is_a_frame_error_and_nothing_else(self, data: bytes) -> None:
        with pytest.raises(FrameError):
            decode_frame(data)

    @given(st.binary(max_size=40) | st.text(alphabet='[]{}",:23null\\u ', max_size=30).map(str.encode))
    def test_garbage_is_a_frame_error_and_nothing_else(self, garbage: bytes) -> None:
        for data in (garbage, b'[2,"1","Reset",' + garbage + b"]", b'[3,"1",' + garbage):
            try:
                frame = decode_frame(data)
                if isinstance(frame, Call):
                    decode_request(frame)
            except (FrameError, PayloadError):
                continue

    def test_a_frame_outlives_the_buffer_it_came_in(self) -> None:
        buffer = bytearray(b'[3,"1",{"a":1}]')
        frame = decode_frame(memoryview(buffer))
        buffer[:] = b" " * 100
        assert frame == CallResult("1", Raw(b'{"a":1}'))
        assert decode_frame(bytearray(b'[3,"1",{}]')) == CallResult("1", Raw(b"{}"))


class TestPayloads:
    def test_rpc_9_an_unknown_action_is_not_implemented(self) -> None:
        assert refusal("BootNotify", b"{}")[0] is CallErrorCode.NOT_IMPLEMENTED

    @pytest.mark.parametrize(
        ("payload", "expected"),
        [
            (b"{}", (CallErrorCode.FORMATION_VIOLATION, "Object missing required field `type`")),
            (b"[]", (CallErrorCode.FORMATION_VIOLATION, "Expected `object`, got `array`")),
            (
                b'{"type":"Soft","x":1}',
                (CallErrorCode.FORMATION_VIOLATION, "Object contains unknown field `x`"),
            ),
            (b'{"type":7}', (CallErrorCode.FORMATION_VIOLATION, "type: Expected `str`, got `int`")),
            (
                b'{"type":"soft"}',
                (CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "type: not one of the values of this field"),
            ),
        ],
    )
    def test_rpc_11_only_enumerations_have_a_code_of_their_own(
        self, payload: bytes, expected: tuple[CallErrorCode, str]
    ) -> None:
        assert refusal("Reset", payload) == expected

    def test_rpc_11_the_description_names_the_field_by_its_path(self) -> None:
        payload = b'{"connectorId":1,"meterValue":[{"timestamp":"now","sampledValue":[]}]}'
        assert refusal("MeterValues", payload)[1] == (
            "meterValue[0].timestamp: Expected a date and time of ISO 8601"
        )
        assert refusal("GetDiagnostics", b'{"location":"here"}')[1] == "location: Expected a URI"
        assert refusal("Authorize", b'{"idTag":"' + b"x" * 21 + b'"}')[1] == (
            "idTag: Expected `str` of length <= 20"
        )

    def test_a_description_never_repeats_a_value(self) -> None:
        secret = b"hunter2-hunter2-hunter2"
        for action, payload in (
            ("Reset", b'{"type":"%s"}'),
            ("Authorize", b'{"idTag":"%s"}'),
            ("GetDiagnostics", b'{"location":"%s"}'),
            ("SetChargingProfile", b'{"connectorId":"%s"}'),
            ("UpdateFirmware", b'{"location":"ftp:x","retrieveDate":"%s"}'),
        ):
            assert "hunter2" not in refusal(action, payload % secret)[1]

    def test_a_long_description_is_cut(self) -> None:
        assert len(refusal("Reset", b'{"' + b"x" * 1000 + b'":1}')[1]) == 255

    def test_rpc_12_extra_fields_are_refused_at_every_level(self) -> None:
        payload = b'{"listVersion":1,"updateType":"Full","localAuthorizationList":[{"idTag":"A","x":1}]}'
        assert refusal("SendLocalList", payload) == (
            CallErrorCode.FORMATION_VIOLATION,
            "localAuthorizationList[0]: Object contains unknown field `x`",
        )

    def test_rpc_12_a_tolerant_receiver_drops_extra_fields_and_nulls_at_every_level(self) -> None:
        payload = (
            b'{"listVersion":1,"updateType":"Full","x":[1e999999999999999999],"localAuthorizationList":'
            b'[{"idTag":"A","x":{},"idTagInfo":{"status":"Accepted","expiryDate":null,"y":1}}]}'
        )
        request = decode_request(Call("1", "SendLocalList", Raw(payload)), tolerant=True)
        assert isinstance(request, SendLocalList)
        assert encode_call("1", request) == (
            b'[2,"1","SendLocalList",{"listVersion":1,"updateType":"Full","localAuthorizationList":'
            b'[{"idTag":"A","idTagInfo":{"status":"Accepted"}}]}]'
        )

    def test_rpc_12_a_tolerant_receiver_reads_limits_as_exactly_as_a_strict_one(self) -> None:
        schedule = b'{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":8.1}]%s}'
        profile = (
            b'{"idTag":"A","chargingProfile":{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":'
            b'"TxProfile","chargingProfileKind":"Relative","chargingSchedule":' + schedule + b"}}"
        )
        strict = decode_request(Call("1", "RemoteStartTransaction", Raw(profile % b"")))
        assert strict == decode_request(
            Call("1", "RemoteStartTransaction", Raw(profile % b',"x":1')), tolerant=True
        )
        assert isinstance(strict, RemoteStartTransaction)
        assert strict.charging_profile is not None
        period = strict.charging_profile.charging_schedule.charging_schedule_period[0]
        assert period.limit == Decimal("8.1")

    def test_rpc_12_a_tolerant_receiver_still_refuses_what_is_wrong(self) -> None:
        assert refusal("Reset", b'{"type":null,"x":1}', tolerant=True) == (
            CallErrorCode.FORMATION_VIOLATION,
            "Object missing required field `type`",
        )
        assert refusal("Reset", b'{"type":"Firm","x":1}', tolerant=True)[0] is (
            CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION
        )
        assert refusal("Reset", b"5", tolerant=True)[0] is CallErrorCode.FORMATION_VIOLATION

    def test_null_is_not_absence_to_a_strict_receiver(self) -> None:
        assert refusal("GetConfiguration", b'{"key":null}') == (
            CallErrorCode.FORMATION_VIOLATION,
            "key: Expected `array`, got `null`",
        )

    def test_the_last_of_equal_keys_counts(self) -> None:
        request = decode_request(Call("1", "Reset", Raw(b'{"type":"Hard","type":"Soft"}')))
        assert request == Reset(type=ResetType.SOFT)

    @pytest.mark.parametrize(
        ("payload", "description"),
        [
            (b'{"type":"\xff"}', "not UTF-8"),
            (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        ],
    )
    def test_a_payload_that_no_frame_was_made_of_is_refused_too(
        self, payload: bytes, description: str
    ) -> None:
        assert refusal("Reset", payload, tolerant=True) == (CallErrorCode.FORMATION_VIOLATION, description)

    @pytest.mark.parametrize("number", [b"9223372036854775808", b"-" + b"9" * 5000, b"1.0", b"1e2"])
    def test_numbers_that_no_database_holds_are_no_integers(self, number: bytes) -> None:
        code, description = refusal("RemoteStopTransaction", b'{"transactionId":' + number + b"}")
        assert code is CallErrorCode.FORMATION_VIOLATION
        assert description.startswith("transactionId: ")

    def test_a_response_is_decoded_by_the_action_it_answers(self) -> None:
        payload = Raw(b'{"currentTime":"2026-01-01T00:00:00Z"}')
        assert decode_response("Heartbeat", payload) == HeartbeatResponse(current_time="2026-01-01T00:00:00Z")
        with pytest.raises(PayloadError):
            decode_response("Heartbeat", Raw(b'{"currentTime":""}'))

    def test_a_response_to_an_action_nobody_can_call_is_a_mistake_of_ours(self) -> None:
        with pytest.raises(KeyError):
            decode_response("Nonsense", Raw(b"{}"))

    def test_meter_values_survive_the_way_there_and_back(self) -> None:
        frame = (
            b'[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-01-01T12:00:00.000Z",'
            b'"sampledValue":[{"value":"230.1","context":"Sample.Periodic","measurand":"Voltage",'
            b'"phase":"L1-N","unit":"V"}]}],"transactionId":7}]'
        )
        call = decode_frame(frame)
        assert isinstance(call, Call)
        request = decode_request(call)
        assert isinstance(request, MeterValues)
        assert encode_call("1", request) == frame


class TestOddAnswers:
    """Answers whose elements are not those of the documents (RPC-14)."""

    @pytest.mark.parametrize(
        ("data", "code", "description"),
        [
            (b'[4,"1","FormationViolation",null,{}]', "FormationViolation", ""),
            (b'[4,"1","FormationViolation",""]', "FormationViolation", ""),
            (b'[4,"1","FormationViolation"]', "FormationViolation", ""),
            (b'[4,"1","FormationViolation",["a"],{}]', "FormationViolation", ""),
            (b'[4,"1","FormationViolation","bad",{},1]', "FormationViolation", "bad"),
            (b'[4,"1",null,"bad",{}]', "", "bad"),
            (b'[4,"1",500,"bad",{}]', "", "bad"),
            (b'[4,"1"]', "", ""),
        ],
    )
    def test_rpc_14_a_callerror_is_one_whatever_it_lacks(self, data, code, description):
        answer = decode_odd_answer(data)
        assert isinstance(answer, CallError)
        assert (answer.id, answer.code, answer.description) == ("1", code, description)

    @pytest.mark.parametrize(
        ("data", "payload"),
        [
            (b'[3,"1"]', b"{}"),
            (b'[3,"1",null,null]', b"{}"),
            (b'[3,"1",{"a":1},{}]', b'{"a":1}'),
            (b'[3,"1","Heartbeat",{"a":1}]', b'"Heartbeat"'),
            (b'[3,"1",{"a": 1, "b": NaN}]', b'{"a": 1, "b": null}'),
            (b'[3,"1",{"a": -Infinity}]', b'{"a": null}'),
            (b'[3,"1",{"a": NaN, "b": 1e999}]', b'{"a": null, "b": null}'),
            (b'[3,"1",{"a": NaN, "b": %b}]' % (b"9" * 6000), b'{"a": null, "b": null}'),
            (b'[3,"1",{"a": "b\tc"}]', rb'{"a": "b\tc"}'),
            (rb'[3,"1",{"a": "\ud800"}]', b'{"a": "?"}'),
            (b'\xef\xbb\xbf[3,"1",{"a": 1}]', b'{"a": 1}'),
        ],
    )
    def test_rpc_14_an_answer_is_one_whatever_follows(self, data, payload):
        assert decode_odd_answer(data) == CallResult("1", Raw(payload))

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{}",
            b"[]",
            b"[3]",
            b"[3,null,{}]",
            b"[3,7,{}]",
            b'[3,"%b",{}]' % (b"x" * 37),
            b'[3,"1",{]',
            b'[3,"1",{"a":1}',
            b'[2,"1","Reset",{"type":NaN}]',
            b'[3,"1",{"a":"\xff"}',
            b'[2,"1","Reset",{},{}]',
            b'["3","1",{},{}]',
            b'[5,"1",{},{}]',
            b"[3," * 100_000,
        ],
    )
    def test_rpc_14_what_answers_nothing_is_no_answer(self, data):
        assert decode_odd_answer(data) is None
