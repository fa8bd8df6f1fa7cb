"""Calls of a central system that is broken or means ill: refused, and nothing has happened.

Which code a CALLERROR has (`RPC-9`, `RPC-11`): `FormationViolation` for all that the official schema
forbids, `PropertyConstraintViolation` for a value outside an enumeration, `NotImplemented` for an action
nobody has heard of, `NotSupported` for one that is not built. Only a trigger outside its enumeration is
answered by a status (`TM-2`). What the schema allows and makes no sense gets a negative status.
"""

import json
from copy import deepcopy
from importlib.resources import files

import pytest

from chargebridge.chargepoint.central_system.triggers import MOST_WAITING
from chargebridge.chargepoint.model.state import dump
from chargebridge.chargepoint.rules.keys import MAX_PROFILES
from chargebridge.chargepoint.turn import CommandCharger, Notice, ReadStore
from chargebridge.chargers.model import Authorize, ChargerState
from chargebridge.emulators.central_system.validation import schema_error
from chargebridge.ocpp16.frames import CallErrorCode

pytestmark = pytest.mark.unit

WHEN = "2026-01-02T12:00:00Z"
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "validFrom": WHEN,
    "validTo": "2027-01-01T00:00:00Z",
    "chargingSchedule": {
        "duration": 3600,
        "startSchedule": WHEN,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.1, "numberPhases": 3}],
        "minChargingRate": 6.0,
    },
}
INFO = {"status": "Accepted", "expiryDate": WHEN, "parentIdTag": "P"}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "1"}
FIRMWARE = {
    "location": "https://example.org/",
    "retrieveDateTime": WHEN,
    "installDateTime": WHEN,
    "signingCertificate": "x",
    "signature": "y",
}
CALLS = {
    "CancelReservation": {"reservationId": 1},
    "CertificateSigned": {"certificateChain": "x"},
    "ChangeAvailability": {"connectorId": 0, "type": "Operative"},
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "60"},
    "ClearCache": {},
    "ClearChargingProfile": {
        "id": 1,
        "connectorId": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "stackLevel": 0,
    },
    "DataTransfer": {"vendorId": "no.easee", "messageId": "ListEaseeSessions", "data": "start:'x'"},
    "DeleteCertificate": {"certificateHashData": HASH},
    "ExtendedTriggerMessage": {"requestedMessage": "Heartbeat", "connectorId": 1},
    "GetCompositeSchedule": {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"},
    "GetConfiguration": {"key": ["HeartbeatInterval"]},
    "GetDiagnostics": {
        "location": "ftp://example.org/",
        "retries": 1,
        "retryInterval": 1,
        "startTime": WHEN,
        "stopTime": WHEN,
    },
    "GetInstalledCertificateIds": {"certificateType": "CentralSystemRootCertificate"},
    "GetLocalListVersion": {},
    "GetLog": {
        "logType": "SecurityLog",
        "requestId": 1,
        "retries": 1,
        "retryInterval": 1,
        "log": {"remoteLocation": "x", "oldestTimestamp": WHEN, "latestTimestamp": WHEN},
    },
    "InstallCertificate": {"certificateType": "CentralSystemRootCertificate", "certificate": "x"},
    "RemoteStartTransaction": {"idTag": "A", "connectorId": 1, "chargingProfile": PROFILE},
    "RemoteStopTransaction": {"transactionId": 7},
    "ReserveNow": {
        "connectorId": 1,
        "expiryDate": WHEN,
        "idTag": "A",
        "parentIdTag": "P",
        "reservationId": 1,
    },
    "Reset": {"type": "Soft"},
    "SendLocalList": {
        "listVersion": 1,
        "updateType": "Full",
        "localAuthorizationList": [{"idTag": "A", "idTagInfo": INFO}],
    },
    "SetChargingProfile": {"connectorId": 1, "csChargingProfiles": PROFILE},
    "SignedUpdateFirmware": {"retries": 1, "retryInterval": 1, "requestId": 1, "firmware": FIRMWARE},
    "TriggerMessage": {"requestedMessage": "Heartbeat", "connectorId": 1},
    "UnlockConnector": {"connectorId": 1},
    "UpdateFirmware": {
        "location": "ftp://example.org/",
        "retries": 1,
        "retrieveDate": WHEN,
        "retryInterval": 1,
    },
}
"""Every call of a central system with every field, as the schemas allow it."""

FORMATION = "FormationViolation"
PROPERTY = "PropertyConstraintViolation"
NOT_TEXT = ("7", "1.5", "true", "[]", "{}")
DEEP = ("[" * 20_000 + "]" * 20_000, '{"a":' * 20_000 + "1" + "}" * 20_000)
NO_JSON = ("NaN", "-Infinity", "01", "-", "'x'", '"\\ud800"', '"\t"', '"\\x"')
WRONG = {
    "string": NOT_TEXT,
    "integer": ('"7"', "1.5", "1e2", "true", "[]", "{}", "9223372036854775808", "1" + "0" * 400),
    "number": ('"8.1"', "true", "[]", "{}", "0.05", "1e400", "1e999999999999", "1" + "0" * 400),
    "array": ("{}", '"x"', "7", "true", '"[]"'),
    "object": ("[]", '"x"', "7", "true", '"{}"'),
}
WRONG_TIMES = (
    *("", "yesterday", "1767348000", "2026-02-30T00:00:00Z", "2026-01-01", "0000-01-01T00:00:00Z"),
    *("10000-01-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00Z\n", "9" * 100_000),
)
HERE = "@@"


def schema_of(action):
    schemas = files("chargebridge.ocpp16") / "schemas"
    return json.loads((schemas / f"{action}.json").read_text(encoding="utf-8-sig"))


def places(schema, value, root, required=True, path=()):
    """Walk through a payload and its schema: where something is, whether it must be, what may be there."""
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    yield path, required, schema
    if isinstance(value, dict):
        for name, part in value.items():
            must = name in schema.get("required", ())
            yield from places(schema["properties"][name], part, root, must, (*path, name))
    if isinstance(value, list):
        yield from places(schema["items"], value[0], root, True, (*path, 0))


def put(payload, path, literal):
    """Write the payload as JSON with something else in one place."""
    whole = [deepcopy(payload)]
    place = whole
    for step in (0, *path)[:-1]:
        place = place[step]
    place[(0, *path)[-1]] = HERE
    return json.dumps(whole[0]).replace(f'"{HERE}"', literal)


def without(payload, path):
    changed = deepcopy(payload)
    place = changed
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return json.dumps(changed)


def inside(payload, path):
    for step in path:
        payload = payload[step]
    return payload


def with_surprise(payload, path):
    surprised = {**inside(payload, path), "surprise": [None, {"x": 1}]}
    return put(payload, path, json.dumps(surprised))


def literals(schema):
    """Write what may not stand in a place, each with the code that it gets."""
    yield from ((text, FORMATION) for text in (*WRONG[schema["type"]], *DEEP, *NO_JSON))
    if "enum" in schema:
        value = schema["enum"][0]
        for word in ("Nonsense", "", value.swapcase(), f" {value}", "\x00", "x" * 100_000):
            yield json.dumps(word), PROPERTY
    if schema.get("format") == "date-time":
        yield from ((json.dumps(text), FORMATION) for text in WRONG_TIMES)
    if schema.get("format") == "uri":
        yield from ((json.dumps(text), FORMATION) for text in ("", "here", "http://a b/", "ftp:\x00"))
    if "maxLength" in schema:
        yield json.dumps("x" * (schema["maxLength"] + 1)), FORMATION
        yield json.dumps("\x00" * (schema["maxLength"] + 1)), FORMATION
        yield json.dumps("x" * 1_000_000), FORMATION
    if schema["type"] == "array" and "chargingRateUnit" not in schema:
        yield "[null]", FORMATION


def spoilt(action, tolerant):
    """Spoil a call in one place at a time: the payload, and the code it deserves."""
    payload, root = CALLS[action], schema_of(action)
    for path, required, schema in places(root, payload, root):
        for literal, code in literals(schema):
            yield put(payload, path, literal), code
        if path and (required or not tolerant):
            yield put(payload, path, "null"), FORMATION
        if required and path and path[-1] != 0:
            yield without(payload, path), FORMATION
        if schema["type"] == "object" and not tolerant:
            yield with_surprise(payload, path), FORMATION
        if path and path[-1] == "chargingSchedulePeriod":
            yield put(payload, path, "[]"), FORMATION


def commands(effects):
    return [output for output in effects.outputs if isinstance(output, CommandCharger | ReadStore)]


def assert_as_if_nothing_was(bench, untouched):
    """It answers and says what it would have said, and has kept nothing."""
    assert vars(bench.store) == vars(untouched.store)
    assert bench.ask("GetConfiguration") == untouched.ask("GetConfiguration")
    said = bench.live(400)
    assert said == untouched.live(400)
    assert {action for action, _ in said} & {"Heartbeat", "MeterValues"}


def assert_valid(action, frame):
    """An answer of ours is what the official schema of its response says."""
    if frame[0] == 3:
        assert schema_error(f"{action}Response", json.dumps(frame[2]).encode()) is None
    else:
        _, _, code, description, details = frame
        assert code in list(CallErrorCode)
        assert len(description) <= 255
        assert description.isprintable()
        assert details == {}


every_preset = pytest.mark.parametrize("preset", ["easee", "easee-1.8", "ocpp16"])


class TestWhatTheSchemaForbids:
    @pytest.mark.simulation
    @pytest.mark.parametrize("tolerant", [False, True], ids=["strict", "tolerant"])
    @pytest.mark.parametrize("action", CALLS)
    def test_rpc_11_it_is_refused_by_its_code_and_changes_nothing(self, new_bench, action, tolerant):
        overrides = {"tolerate_extra_fields": tolerant}
        presets = ("easee", "ocpp16")
        benches = [new_bench(preset, overrides).ready().charging() for preset in presets]

        for payload, code in spoilt(action, tolerant):
            frame = f'[2,"h","{action}",{payload}]'.encode()
            for bench in benches:
                effects = bench.frame(frame)
                answer = bench.answers.pop("h")
                assert_valid(action, answer)
                if (action, code) == ("TriggerMessage", PROPERTY):
                    assert answer == [3, "h", {"status": "NotImplemented"}]
                else:
                    assert answer[:3] == [4, "h", code], payload[:500]
                assert effects.records == []
                assert commands(effects) == []

        for bench, preset in zip(benches, presets, strict=True):
            assert_as_if_nothing_was(bench, new_bench(preset, overrides).ready().charging())

    @pytest.mark.parametrize("action", CALLS)
    def test_what_is_spoilt_was_sound(self, ready, action):
        assert schema_error(action, json.dumps(CALLS[action]).encode()) is None
        ready.frame(json.dumps([2, "s", action, CALLS[action]]).encode())
        ready.obey()
        assert_valid(action, ready.answers["s"])
        assert ready.answers["s"][2] not in (FORMATION, PROPERTY)

    @pytest.mark.parametrize("action", CALLS)
    def test_rpc_12_a_tolerant_charge_point_does_as_if_nothing_surprising_were_there(self, new_bench, action):
        overrides = {"tolerate_extra_fields": True}
        plain, surprised = (new_bench("ocpp16", overrides).ready().charging() for _ in range(2))
        payload, root = CALLS[action], schema_of(action)
        full = deepcopy(payload)
        objects = [path for path, _, schema in places(root, payload, root) if schema["type"] == "object"]
        for path in objects:
            inside(full, path)["surprise"] = [None, {"x": 1e300}]

        expected = plain.frame(json.dumps([2, "x", action, payload]).encode())
        assert surprised.frame(json.dumps([2, "x", action, full]).encode()) == expected

    @pytest.mark.parametrize("action", ["Nonsense", "reset", "", "GetVariables", "\x00", "x" * 1_000_000])
    @pytest.mark.parametrize("payload", [None, {}, [], 7, "x", {"a": 1}])
    def test_rpc_9_an_unknown_action_is_not_implemented_whatever_it_says(self, ready, action, payload):
        effects = ready.frame(json.dumps([2, "u", action, payload]).encode())
        assert ready.answers["u"][:3] == [4, "u", "NotImplemented"]
        assert effects.records == []

    def test_the_last_of_equal_keys_counts(self, charging):
        effects = charging.frame(b'[2,"d","Reset",{"type":"Soft","type":"Nonsense"}]')
        assert charging.answers["d"][2] == PROPERTY
        assert effects.records == []


MOST, LEAST = 2**63 - 1, -(2**63)
REJECTED = {"status": "Rejected"}
A_THOUSAND_AND_ONE = [{"idTag": f"T{number}", "idTagInfo": {"status": "Accepted"}} for number in range(1001)]
BY_CASE = [{"idTag": tag, "idTagInfo": {"status": "Accepted"}} for tag in ("tag", "TAG")]


def setting(key, value):
    return "ChangeConfiguration", {"key": key, "value": value}, REJECTED


def profile(*changes):
    """Return the profile with changed fields, at whichever level they are."""
    changed = deepcopy(PROFILE)
    schedule = changed["chargingSchedule"]
    for name, value in changes:
        for level in (changed, schedule, schedule["chargingSchedulePeriod"][0]):
            if name in level:
                level[name] = value
    return changed


def rejected_profile(**changes):
    payload = {"connectorId": 0, "csChargingProfiles": profile(*changes.items())}
    return "SetChargingProfile", payload, REJECTED


def local_list(version, kind, entries):
    return {"listVersion": version, "updateType": kind, "localAuthorizationList": entries}


SENSELESS = [
    *(("ChangeAvailability", {"connectorId": n, "type": "Operative"}, REJECTED) for n in (-5, 99, MOST)),
    *(("UnlockConnector", {"connectorId": n}, {"status": "NotSupported"}) for n in (-5, 0, 99, LEAST)),
    *(("RemoteStartTransaction", {"idTag": "A", "connectorId": n}, REJECTED) for n in (-5, 0, 99)),
    *(("RemoteStopTransaction", {"transactionId": n}, REJECTED) for n in (-1, 0, MOST, LEAST)),
    *(("GetCompositeSchedule", {"connectorId": n, "duration": 60}, REJECTED) for n in (-5, 99, LEAST)),
    *(("GetCompositeSchedule", {"connectorId": 1, "duration": n}, REJECTED) for n in (-1, LEAST)),
    *(("ClearChargingProfile", {"id": n}, {"status": "Unknown"}) for n in (-1, MOST, LEAST)),
    ("ClearChargingProfile", {"connectorId": 99, "stackLevel": -1}, {"status": "Unknown"}),
    *(("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": n}, REJECTED) for n in (-5, 99)),
    *(("SetChargingProfile", {"connectorId": n, "csChargingProfiles": PROFILE}, PROPERTY) for n in (-5, 99)),
    *(rejected_profile(stackLevel=n) for n in (-1, 9, MOST, LEAST)),
    *(rejected_profile(duration=n) for n in (-1, LEAST)),
    *(rejected_profile(numberPhases=n) for n in (-1, 0, 4, MOST)),
    *(rejected_profile(limit=n) for n in (-0.1, -(10**14))),
    *(rejected_profile(startPeriod=n) for n in (-1, 1, MOST)),
    rejected_profile(chargingSchedulePeriod=[{"startPeriod": n, "limit": 6} for n in range(25)]),
    rejected_profile(chargingSchedulePeriod=[{"startPeriod": 0, "limit": 6}] * 2),
    rejected_profile(validFrom="9999-12-31T23:59:59Z", validTo="0001-01-01T00:00:00Z"),
    ("SendLocalList", local_list(1, "Full", A_THOUSAND_AND_ONE), {"status": "Failed"}),
    ("SendLocalList", local_list(1, "Full", BY_CASE), {"status": "Failed"}),
    ("SendLocalList", local_list(1, "Differential", BY_CASE), {"status": "Failed"}),
    *(("SendLocalList", local_list(n, "Full", BY_CASE[:1]), {"status": "Failed"}) for n in (0, -1, LEAST)),
    *(
        setting("HeartbeatInterval", text)
        for text in ("9" * 500, "-1", "1e3", "٣", "0x10", "", "6 0", "\x00")
    ),
    *(
        setting("MeterValuesSampledData", text)
        for text in ("," * 500, "x" * 500, "Voltage," * 20, "Voltage\x00")
    ),
    *(setting("ConnectionTimeOut", text) for text in ("0", "2147483648", "99999999999999")),
    *(setting("LocalPreAuthorize", text) for text in ("", "1", "yes", "true" * 125)),
    ("ChangeConfiguration", {"key": "\x00" * 50, "value": ""}, {"status": "NotSupported"}),
    ("ReserveNow", {**CALLS["ReserveNow"], "connectorId": -5, "reservationId": LEAST}, "NotSupported"),
    ("CancelReservation", {"reservationId": LEAST}, "NotSupported"),
    ("DataTransfer", {"vendorId": "x", "data": "y" * 1_000_000}, {"status": "UnknownVendorId"}),
    ("GetConfiguration", {"key": ["x"] * 51}, "OccurenceConstraintViolation"),
]


ENDS_OF_TIME = ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00-23:59", "9999-12-31T23:59:60-23:59")
PERIODS = [{"startPeriod": n * 10**9, "limit": 10**14 - 0.1} for n in range(24)]


class TestWhatMakesNoSense:
    @every_preset
    def test_it_gets_a_negative_answer_and_changes_nothing(self, new_bench, preset):
        bench, untouched = (new_bench(preset).ready().charging() for _ in range(2))

        for action, payload, answer in SENSELESS:
            assert schema_error(action, json.dumps(payload).encode()) is None
            assert bench.ask(action, payload) == answer, (action, str(payload)[:500])
            assert bench.obey() == []

        assert_as_if_nothing_was(bench, untouched)

    @pytest.mark.parametrize("tag", ["", " ", " " * 20, "\u00a0"])
    def test_rs_1_a_tag_of_nobody_is_rejected(self, ready, tag):
        assert ready.ask("RemoteStartTransaction", {"idTag": tag}) == REJECTED
        assert ready.obey() == []

    @pytest.mark.parametrize("tag", ["\x00", "A\nB", "\x7f", "A" * 19 + "\t"])
    def test_rs_1_a_tag_that_no_start_could_repeat_is_rejected(self, ready, tag):
        assert ready.ask("RemoteStartTransaction", {"idTag": tag}) == REJECTED
        assert ready.obey() == []

    def test_an_id_tag_may_be_all_that_can_be_printed(self, ready):
        tag = "".join(map(chr, range(33, 53)))
        assert ready.ask("RemoteStartTransaction", {"idTag": tag}) == {"status": "Accepted"}

    @pytest.mark.parametrize("seconds", [10**11 + 1, MOST])
    @pytest.mark.parametrize("overrides", [{}, {"plans_in_memory": False}], ids=["kept", "volatile"])
    def test_sc_2_a_profile_longer_than_3000_years_is_rejected(self, new_bench, seconds, overrides):
        bench = new_bench("easee", overrides).ready()
        endless = [{"startPeriod": start, "limit": 6} for start in (0, seconds)]
        for installed in (profile(("duration", seconds)), profile(("chargingSchedulePeriod", endless))):
            asked = {"connectorId": 0, "csChargingProfiles": installed}
            assert bench.ask("SetChargingProfile", asked) == REJECTED
        assert bench.obey() == []

    @every_preset
    @pytest.mark.parametrize("kind", ["Absolute", "Recurring"])
    @pytest.mark.parametrize("start", ENDS_OF_TIME)
    @pytest.mark.parametrize("overrides", [{}, {"plans_in_memory": False}], ids=["kept", "volatile"])
    def test_a_profile_may_span_all_of_time(self, new_bench, preset, kind, start, overrides):
        bench = new_bench(preset, overrides).ready()
        installed = profile(
            *(("chargingSchedulePeriod", PERIODS), ("startSchedule", start), ("duration", 10**11)),
            *(("validFrom", ENDS_OF_TIME[0]), ("validTo", ENDS_OF_TIME[2]), ("chargingProfileKind", kind)),
            ("recurrencyKind", "Weekly"),
        )
        if kind == "Absolute":
            del installed["recurrencyKind"]
        assert bench.ask("SetChargingProfile", {"connectorId": 0, "csChargingProfiles": installed}) == {
            "status": "Accepted"
        }
        bench.obey()
        bench.charging()
        bench.frame(b'[2,"c","GetCompositeSchedule",{"connectorId":1,"duration":9223372036854775807}]')
        assert_valid("GetCompositeSchedule", bench.answers["c"])
        assert bench.answers["c"][2]["chargingSchedule"]["duration"] == 7 * 86_400
        bench.live(4000)
        bench.restart()
        bench.boot()
        assert bench.ask("ClearChargingProfile", {"id": 1}) == {"status": "Accepted"}

    @pytest.mark.parametrize(("expiry", "valid"), [(ENDS_OF_TIME[0], False), (ENDS_OF_TIME[2], True)])
    def test_ll_10_a_token_may_expire_at_either_end_of_time(self, ready, expiry, valid):
        entries = [{"idTag": "TAG1", "idTagInfo": {"status": "Accepted", "expiryDate": expiry}}]
        assert ready.ask("SendLocalList", local_list(MOST, "Full", entries)) == {"status": "Accepted"}
        assert ready.ask("GetLocalListVersion") == {"listVersion": MOST}
        ready.link_down()
        ready.obey()
        ready.token()
        assert [command.accepted for command in ready.asked(Authorize)] == [valid]

    @pytest.mark.parametrize(
        "data", ["x" * 1_000_000, "start: " * 100_000, "'" * 1_000_000, "a" + " " * 999_999]
    )
    def test_data_of_a_megabyte_is_not_read(self, new_bench, data):
        bench = new_bench("easee").ready()
        asked = {"vendorId": "NO.EASEE", "messageId": "LISTEASEESESSIONS", "data": data}
        assert bench.ask("DataTransfer", asked)["status"] == "Rejected"

    def test_sessions_may_be_asked_for_at_either_end_of_time(self, new_bench):
        bench = new_bench("easee").ready()
        for moment in ENDS_OF_TIME:
            data = f"start:'{moment}',stop:'{moment}'"
            asked = {"vendorId": "no.easee", "messageId": "ListEaseeSessions", "data": data}
            assert bench.ask("DataTransfer", asked) == {"status": "Accepted", "data": "[]"}

    @pytest.mark.parametrize(
        "value", ["1e-999999", "1e3", "1_0", "\uff11\uff16", "10,1e-9999,10", "." * 500, "0" * 500]
    )
    def test_a_dynamic_current_is_a_plain_number(self, new_bench, value):
        bench = new_bench("easee").ready()
        assert bench.ask("ChangeConfiguration", {"key": "DynamicChargerCurrent", "value": value}) == REJECTED

    def test_what_a_central_system_says_of_a_failure_breaks_no_line(self, ready):
        ready.begin()
        ready.answer()
        id = ready.open_call[0]
        ready.frame(json.dumps([4, id, "Oops\n", "a\r\nb\x1b[2J" + "x" * 1000, {}]).encode())
        (notice,) = [one for one in ready.outputs if isinstance(one, Notice) and one.kind == "call_failed"]
        assert notice.detail.isprintable()
        assert len(notice.detail) < 300


FLOODS = {
    "UnlockConnector": [{"connectorId": 1}],
    "TriggerMessage": [{"requestedMessage": "StatusNotification"}],
    "DataTransfer": [
        {
            "vendorId": "no.easee",
            "messageId": "ListEaseeSessions",
            "data": "start:'2026-01-01T00:00:00Z',stop:'2026-01-02T00:00:00Z'",
        }
    ],
    "SendLocalList": [local_list(n, "Differential", BY_CASE[:1]) for n in range(1, 1001)],
    "SetChargingProfile": [
        {"connectorId": 0, "csChargingProfiles": profile(("chargingProfileId", n), ("stackLevel", n % 9))}
        for n in range(1000)
    ],
    "ChangeAvailability": [{"connectorId": n % 2, "type": "Inoperative"} for n in range(4)]
    + [{"connectorId": n % 2, "type": "Operative"} for n in range(4)],
    "ChangeConfiguration": [
        *({"key": "freecharging", "value": value} for value in ("true", "false")),
        *({"key": "LocalAuthListEnabled", "value": value} for value in ("true", "false")),
        *({"key": "DynamicChargerCurrent", "value": str(n)} for n in range(6, 32)),
    ],
    "ClearCache": [{}],
    "Reset": [{"type": "Soft"}, {"type": "Hard"}],
    "RemoteStartTransaction": [{"idTag": f"TAG{n}"} for n in range(10)],
    "RemoteStopTransaction": [{"transactionId": 7}],
}


class TestFloods:
    @pytest.mark.simulation
    @pytest.mark.parametrize(("preset", "charges"), [("easee", False), ("ocpp16", True)])
    @pytest.mark.parametrize("action", FLOODS)
    def test_a_thousand_calls_in_a_row_pile_nothing_up(self, new_bench, action, preset, charges):
        """Neither the store nor the charger answers meanwhile, nor does the central system."""
        bench = new_bench(preset).ready()
        if charges:
            bench.charging()
        bench.hold_pages = True
        bench.state(ChargerState.AWAITING_TOKEN)  # a CALL of ours stays open

        answered, answers = 0, set()
        for number in range(1000):
            if not bench.linked:
                break  # a reset has closed the link
            payload = FLOODS[action][number % len(FLOODS[action])]
            answer = bench.ask(action, payload)
            if answer is not None:
                answered += 1
                answers.add(json.dumps(answer))

        cp = bench.cp
        assert answered >= min(number, 998)
        for answer in answers:
            assert schema_error(f"{action}Response", answer.encode()) is None
        assert len(bench.pages) <= 2
        assert len(dump(cp.state)) < 5000
        assert len({asked.purpose for asked in cp.state.issued_commands}) == len(cp.state.issued_commands)
        assert len(cp.triggered) <= MOST_WAITING
        assert len(cp.profiles) <= MAX_PROFILES
        assert len(bench.store.profiles) == len(cp.profiles)
        assert len(cp.queue) <= 16
        assert len(cp.statuses) <= 8

    def test_a_composite_schedule_of_all_profiles_there_can_be_fits_into_a_message(self, new_bench):
        bench = new_bench("ocpp16").ready()
        periods = [{"startPeriod": n * 3600, "limit": n % 24} for n in range(24)]
        for number in range(16):
            stack = ("stackLevel", number % 8), ("chargingProfileId", number), ("duration", 86_400 - number)
            purpose = ("ChargePointMaxProfile", "TxDefaultProfile")[number // 8]
            installed = profile(
                *stack, ("chargingProfilePurpose", purpose), ("chargingSchedulePeriod", periods)
            )
            answer = bench.ask("SetChargingProfile", {"connectorId": 0, "csChargingProfiles": installed})
            assert answer == {"status": "Accepted"}
        bench.frame(b'[2,"c","GetCompositeSchedule",{"connectorId":1,"duration":9223372036854775807}]')
        assert_valid("GetCompositeSchedule", bench.answers["c"])
        assert len(json.dumps(bench.answers["c"])) < 200_000
