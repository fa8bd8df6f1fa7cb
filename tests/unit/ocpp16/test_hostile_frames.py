"""Frames that were spoilt on purpose: whatever arrives, it is read or refused, and nothing else."""

import json
from collections.abc import Iterator
from random import Random

import pytest
from msgspec import Raw
from msgspec.structs import fields

from chargebridge.ocpp16.answers import read_authorize, read_boot, read_start, read_stop
from chargebridge.ocpp16.frames import (
    Call,
    CallResult,
    FrameError,
    PayloadError,
    decode_frame,
    decode_odd_answer,
    decode_request,
    decode_response,
    encode_call,
    encode_error,
)

pytestmark = pytest.mark.unit

PERIOD = {"startPeriod": 0, "limit": 8.1, "numberPhases": 3}
SCHEDULE = {
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [PERIOD, {"startPeriod": 60, "limit": 16}],
    "duration": 3600,
    "startSchedule": "2026-01-02T10:00:00.000+01:00",
    "minChargingRate": 6.0,
}
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": SCHEDULE,
    "validTo": "2027-01-02T10:00:00Z",
}
INFO = {"status": "Accepted", "expiryDate": "2026-12-31T23:59:59Z", "parentIdTag": "PÄRENT"}
FRAMES = [
    [2, "1", "Reset", {"type": "Soft"}],
    [2, "2", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": PROFILE}],
    [
        2,
        "3",
        "SendLocalList",
        {
            "listVersion": 1,
            "updateType": "Full",
            "localAuthorizationList": [{"idTag": "A", "idTagInfo": INFO}, {"idTag": "B"}],
        },
    ],
    [2, "4", "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}],
    [2, "5", "GetConfiguration", {"key": ["HeartbeatInterval", "Nothing"]}],
    [2, "6", "DataTransfer", {"vendorId": "no.easee", "data": '{"a":"\\u00e9"}'}],
    [2, "7", "GetDiagnostics", {"location": "ftp://user:pw@example.org/a%20b", "retries": 2}],
    [3, "8", {"transactionId": 7, "idTagInfo": INFO}],
    [4, "9", "GenericError", "no", {"why": [None, True, 1e9]}],
]
CORPUS = [json.dumps(frame, ensure_ascii=False).encode() for frame in FRAMES]
TOKENS = [
    *(b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
    *(
        b"null",
        b"true",
        b"NaN",
        b"-0",
        b"1e999999999",
        b"1e-999999999999",
        b"1e999999999999",
        b"0." + b"0" * 400 + b"1",
        b"9" * 5000,
        b"-",
        b"01",
    ),
    *(
        b'"\\ud800"',
        b'"\\u0000"',
        b"\\u",
        b'"x":1,',
        b'"type":"Hard",',
        b"[" * 2000,
        b"]" * 2000,
        b"\xc3\xa9",
    ),
]


def spoil(data: bytes, random: Random) -> bytes:
    """Cut, copy, exchange and put in, a few times over."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randrange(len(data) + 1)
        until = min(at + random.choice((0, 1, 1, 2, 8, 40)), len(data))
        match random.randrange(4):
            case 0:
                data = data[:at] + data[until:]
            case 1:
                data = data[:at] + random.choice(TOKENS) + data[until:]
            case 2:
                data = data[:until] + data[at:]
            case 3:
                data = data[:at] + random.randbytes(until - at) + data[until:]
    return data


def spoilt_frames(seed: int, count: int) -> Iterator[bytes]:
    random = Random(seed)
    for _ in range(count):
        yield spoil(random.choice(CORPUS), random)


def read(data: bytes) -> None:
    """Take a frame as a charge point does; raises what must never be raised."""
    try:
        frame = decode_frame(data)
    except FrameError as error:
        assert_answerable(error)
        answer = decode_odd_answer(data)
        if isinstance(answer, CallResult):
            read_response(answer)
        return
    if isinstance(frame, Call):
        read_request(frame)
    elif isinstance(frame, CallResult):
        read_response(frame)


def read_request(call: Call) -> None:
    try:
        request = decode_request(call)
    except PayloadError as error:
        assert_telling(error.description)
    else:
        assert decode_request(call, tolerant=True) == request
        again = decode_frame(encode_call(call.id, request))
        assert isinstance(again, Call)
        assert decode_request(again) == request
    try:
        decode_request(call, tolerant=True)
    except PayloadError as error:
        assert_telling(error.description)


def read_response(result: CallResult) -> None:
    for read in (read_authorize, read_boot, read_start, read_stop):
        message, unusable = read(result.payload)
        assert len(unusable) <= len(fields(message)) + 3
    for action in ("StartTransaction", "BootNotification"):
        try:
            decode_response(action, result.payload)
        except PayloadError as error:
            assert_telling(error.description)


def assert_answerable(error: FrameError) -> None:
    assert_telling(error.description)
    answer = json.loads(encode_error(error.id or "", error.code, error.description))
    assert answer == [4, error.id or "", error.code, error.description, {}]


def assert_telling(description: str) -> None:
    """A description goes into a CALLERROR and into logs: it is short, and breaks no line."""
    assert 0 < len(description) <= 255
    assert not any(ord(character) < 32 for character in description)


@pytest.mark.parametrize("seed", range(3))
def test_a_spoilt_frame_is_read_or_refused(seed: int) -> None:
    for data in spoilt_frames(seed, 1000):
        read(data)


@pytest.mark.parametrize("data", CORPUS)
def test_a_frame_that_ends_early_is_refused(data: bytes) -> None:
    for end in range(len(data)):
        with pytest.raises(FrameError):
            decode_frame(data[:end])


def test_the_frames_that_are_spoilt_are_sound() -> None:
    for data in CORPUS:
        frame = decode_frame(data)
        if isinstance(frame, Call):
            decode_request(frame)


@pytest.mark.parametrize(
    "number",
    [
        *(b"1" + b"0" * 400, b"-1" + b"0" * 4000, b"9" * 5000, b"1e400", b"1." + b"0" * 99 + b"1"),
        *(b"1e999999999999", b"-1e999999999999", b"1e-999999999999", b"1e99999999999999999999"),
    ],
)
@pytest.mark.parametrize("tolerant", [True, False])
def test_val_4_no_number_is_too_long_to_be_refused_as_a_limit(number: bytes, tolerant: bool) -> None:
    payload = json.dumps({"connectorId": 1, "csChargingProfiles": PROFILE}).encode().replace(b"8.1", number)
    with pytest.raises(PayloadError) as caught:
        decode_request(Call("1", "SetChargingProfile", Raw(payload)), tolerant=tolerant)
    assert caught.value.code == "FormationViolation"
