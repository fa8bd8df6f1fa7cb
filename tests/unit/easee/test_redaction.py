"""A redacted text shows times and values, and nothing that identifies somebody."""

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.redaction import Redactor
from chargebridge.chargers.easee.twin.hub_messages import read_frame
from chargebridge.chargers.easee.twin.wire import Response, Update

pytestmark = pytest.mark.unit

KEY = bytes(range(32))
SERIAL, TOKEN = "EH123456", "04A1B2C3D4E5F6"


@pytest.fixture
def redactor():
    return Redactor(KEY)


def message(target, **argument):
    return json.dumps({"type": 1, "target": target, "arguments": [argument]}) + "\x1e"


def test_an_observation_keeps_its_number_its_time_and_its_value(redactor):
    frame = message(
        "ProductUpdate", mid=SERIAL, dataType=3, id=124, timestamp="2026-01-02T03:04:05Z", value="7.250"
    )
    [update] = read_frame(redactor.frame(frame))
    [read] = read_frame(frame)
    assert update == Update(redactor.identifier(SERIAL), 124, read.at_ms, "7.250")
    assert SERIAL not in redactor.frame(frame)


def test_a_response_to_a_command_stays_but_for_its_charger(redactor):
    frame = message(
        "CommandResponse",
        serialNumber=SERIAL,
        id=25,
        ticks=639000000000000001,
        wasAccepted=True,
        resultCode=0,
    )
    [response] = read_frame(redactor.frame(frame))
    assert response == Response(redactor.identifier(SERIAL), 25, 639000000000000001, True)


def test_the_token_within_the_record_of_a_session_is_replaced_and_its_energy_stays(redactor):
    record = {
        "Id": 1234,
        "Auth": TOKEN,
        "AuthReason": 1,
        "Start": "2026-01-02T03:04:05Z",
        "Stop": "2026-01-02T04:04:05.123Z",
        "EnergyKwh": 7.123456,
        "MeterValueStart": 10000.25,
        "MeterValueStop": 10007.373456,
    }
    redacted = json.loads(redactor.observation(129, json.dumps(record)))
    assert redacted == record | {"Auth": redactor.observation(128, TOKEN)}
    assert re.fullmatch("[0-9A-F]{14}", redacted["Auth"])


def test_a_number_is_written_as_it_was(redactor):
    assert redactor.observation(223, '{"Id":7,"MeterValue":12.340}') == '{"Id":7,"MeterValue":12.340}'


def test_a_token_is_the_same_one_in_each_observation(redactor):
    reversed_token = bytes.fromhex(TOKEN)[::-1].hex().upper()
    scanned = redactor.observation(128, TOKEN)
    assert redactor.observation(69, TOKEN) == scanned
    assert bytes.fromhex(redactor.observation(108, reversed_token))[::-1].hex().upper() == scanned


def test_the_same_is_replaced_by_the_same_and_otherwise_with_another_key(redactor):
    texts = [
        redactor.path(f"/api/chargers/{SERIAL}/config").split("/")[3],
        redactor.routing_key(f"{SERIAL}.O.109").split(".")[0],
        json.loads(redactor.json(json.dumps({"id": SERIAL})))["id"],
        redactor.text(f"charger {SERIAL} unreachable").split()[1],
    ]
    assert set(texts) == {redactor.identifier(SERIAL)}
    assert Redactor(KEY[::-1]).identifier(SERIAL) not in texts


def test_a_numeric_id_is_the_same_one_as_a_number_and_within_a_path(redactor):
    redacted = json.loads(redactor.json('{"siteId":512345,"circuits":[{"id":712345}]}'))
    assert str(redacted["siteId"]) == redactor.path("/api/sites/512345").split("/")[3]
    assert isinstance(redacted["siteId"], int)
    assert redacted["siteId"] != 512345
    assert "712345" not in str(redacted)


def test_a_routing_key_keeps_its_form(redactor):
    serial = redactor.identifier(SERIAL)
    assert redactor.routing_key(f"{SERIAL}.O.124") == f"{serial}.O.124"
    assert redactor.routing_key(f"{SERIAL}.CR.25.639000000000000001") == f"{serial}.CR.25.639000000000000001"
    assert redactor.routing_key(f"{SERIAL}.P") == f"{serial}.P"
    assert redactor.routing_key(f"charger/{SERIAL}/log", ["charger", "log"]) == f"charger/{serial}/log"


def test_the_path_of_a_request_shows_what_was_requested(redactor):
    path = redactor.path(
        "/api/sessions/charger/EH123456/sessions/2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z"
    )
    assert SERIAL not in path
    assert "/2026-01-01T00:00:00.000Z/" in path
    assert redactor.path("/state/EH123456/observations?ids=109,124").endswith("/observations?ids=109,124")
    assert redactor.path("https://api.easee.com/api/chargers") == "https://api.easee.com/api/chargers"
    assert "secret" not in redactor.path("https://secret.example.com/api/chargers?user=secret")


@pytest.mark.parametrize(
    ("id", "value"),
    [
        (27, "512345"),
        (36, "Our home"),
        (81, "8947000000000000000"),
        (20, '{"siteId":512345,"address":{"street":"Solveien","zip":"4007"},"contact":"Bertil"}'),
        (26, "512345"),
        (25, "58.97,5.73"),
        (133, "512345"),
        (241, "aa:bb:cc:dd:ee:ff"),
        (140, '[{"ssid":"Solveien","bssid":"aa:bb:cc:dd:ee:ff"}]'),
        (84, "Telenor"),
        (124, "Solveien"),
        (999, "Solveien"),
        (999, "512345"),
        (999, '{"owner":"Solveien","place":[58.97,5.73]}'),
        (8, '{"server":{"host":"192.168.100.23"}}'),
    ],
)
def test_what_an_observation_says_of_its_place_is_replaced(redactor, id, value):
    redacted = redactor.observation(id, value)
    for told in (
        "512345",
        "home",
        "89470",
        "Solveien",
        "4007",
        "Bertil",
        "58.97",
        "5.73",
        "aa",
        "Telenor",
        "192.168",
    ):
        assert told not in redacted, redacted


@pytest.mark.parametrize(
    ("id", "value"),
    [
        (109, "3"),
        (250, "true"),
        (124, "10007.373"),
        (251, "SERVER_INITIATED_DISCONNECT"),
        (118, '{"rcd":{"ok":1,"mask":0}}'),
        (
            62,
            '{"StartSchedule":"2026-01-02T03:04:05Z","ProfileKind":"Recurring","Periods":[[0,32],[28800,0]]}',
        ),
        (234, "17"),
        (62, ""),
    ],
)
def test_values_that_identify_nobody_stay(redactor, id, value):
    assert redactor.observation(id, value) == value


def test_an_unreadable_body_keeps_its_form(redactor):
    redacted = redactor.json('{"mid":"EH123456","id":109,"value":"Solveien')
    assert re.fullmatch(r'\{"mid":"\w+","id":\d+,"value":"\w+', redacted)
    assert "EH123456" not in redacted
    assert "Solveien" not in redacted


def test_a_name_is_replaced_in_errors_however_harmless_its_words_look(redactor):
    assert redactor.text("charger unreachable") == "charger unreachable"
    redactor.json('{"name":"The unreachable charger"}')
    assert redactor.text("charger unreachable") != "charger unreachable"
    assert redactor.text("HTTP 429: too many requests") == "HTTP 429: too many requests"


def test_names_of_unknown_fields_stay_and_names_of_things_do_not(redactor):
    redacted = redactor.json('{"newField":"Solveien","EH123456":{"online":true},"nightRate2":1}')
    assert '"newField":' in redacted
    assert '"online":true' in redacted
    assert '"nightRate2":1' in redacted
    assert "EH123456" not in redacted
    assert "Solveien" not in redacted


def test_small_numbers_of_places_and_phones_are_replaced(redactor):
    address = {"buildingNumber": 7, "houseNo": 7, "phonePrefix": 47, "country": {"code": 47}, "userId": 7}
    redacted = json.loads(redactor.json(json.dumps(address)))
    assert [redacted[name] for name in ("buildingNumber", "houseNo", "userId")] != [7, 7, 7]
    assert redacted["phonePrefix"] != 47


def test_the_public_list_of_observations_stays(redactor):
    body = '[{"id":1000,"name":"NewThing","dataType":3}]'
    assert redactor.answer("/api/resources/observation_properties", body) == body
    assert "NewThing" not in redactor.answer("/api/chargers", body)


def test_headers_keep_what_limits_say(redactor):
    redacted = redactor.headers({"Retry-After": "30", "Set-Cookie": "secret", "X-Rate-Limit-Remaining": "3"})
    assert redacted == {"Retry-After": "30", "Set-Cookie": "", "X-Rate-Limit-Remaining": "3"}


def test_json_that_is_deep_or_odd_is_redacted_all_the_same(redactor):
    for text in (
        "[" * 100 + '"Solveien"' + "]" * 100,
        "[" * 100_000,
        '{"a":NaN,"b":"Solveien"}',
        "null",
        '"Solveien"',
        "",
    ):
        assert "Solveien" not in redactor.json(text)
    assert redactor.json("null") == "null"
    assert redactor.json('{"id":1,"id":2}').count('"id"') == 2


_secrets = st.one_of(
    st.from_regex(r"[A-Z]{2}[0-9]{6}", fullmatch=True),
    st.from_regex(r"[0-9A-F]{8}|[0-9A-F]{14}", fullmatch=True),
    st.from_regex(r"[A-Z][a-zæøåéß]{5,12}( [A-Z][a-z]{5,9})?", fullmatch=True),
    st.from_regex(r"[a-z]{6,9}@[a-z]{6,9}\.no", fullmatch=True),
    st.integers(100_000, 10**12).map(str),
)
_FIELDS = (
    *("id", "name", "Auth", "value", "mid", "siteId", "userId", "error", "detail", "street", "unknownThing"),
    *("status", "target", "enabled", "arguments", "comment", "type", "level"),
)


@given(st.data())
def test_nothing_that_identifies_somebody_is_left_wherever_it_stands(data):
    redactor = Redactor(KEY)
    secret = data.draw(_secrets)
    redactor.learn(secret)
    inner: object = secret
    for _ in range(data.draw(st.integers(0, 3))):
        shape = data.draw(st.sampled_from(["field", "list", "text", "key", "observation"]))
        match shape:
            case "field":
                inner = {data.draw(st.sampled_from(_FIELDS)): inner}
            case "list":
                inner = [inner, 1]
            case "text":
                inner = json.dumps(inner) if not isinstance(inner, str) else f"of {inner}:"
            case "key":
                inner = {secret: inner}
            case _:
                id = data.draw(st.sampled_from([20, 26, 27, 36, 60, 69, 81, 128, 129, 223, 251, 999]))
                inner = {"id": id, "timestamp": "2026-01-02T03:04:05Z", "value": inner}
    text = data.draw(
        st.sampled_from([json.dumps(inner), json.dumps(inner, ensure_ascii=False), json.dumps(inner)[:-1]])
    )
    for redacted in (
        redactor.json(text),
        redactor.frame(text + "\x1e"),
        redactor.text(text),
        redactor.bus_body(129, text),
        redactor.observation(128, text),
        redactor.path(f"/api/sites/{secret}?x={secret}"),
        redactor.routing_key(f"{secret}.O.{secret}"),
    ):
        assert _left(secret, redacted) is None, redacted


def _left(secret, redacted):
    shown = [redacted]
    with suppress(ValueError):
        shown.append(json.dumps(json.loads(redacted), ensure_ascii=False))
    return next((text for text in shown if secret.lower() in text.lower()), None)
