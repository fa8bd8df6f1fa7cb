"""The judging of a probe: every assumption has facts that confirm it, and facts that contradict it."""

import inspect
import itertools
import json
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.probe.active import QUESTIONS
from chargebridge.chargers.easee.probe.judging.assumptions import ASSUMPTIONS, judge
from chargebridge.chargers.easee.probe.judging.facts import (
    ActiveFacts,
    BusFacts,
    BusMessage,
    Exchange,
    Facts,
    StreamFacts,
    StreamMessage,
    Verdict,
)
from chargebridge.chargers.easee.probe.judging.shapes import shape, text_kind
from chargebridge.chargers.easee.probe.report import as_json, as_markdown, make_report
from chargebridge.chargers.easee.twin.bus_messages import Patterns
from chargebridge.chargers.easee.twin.observations import DATA_TYPES, Observation
from chargebridge.easee_cli import easee_app
from chargebridge.easee_probe_cli import probe
from tests import pages
from tests.documents import ROOT

pytestmark = pytest.mark.unit

SUBSCRIBED_MS = 1_800_000_000_000
NOW = "2027-01-15T08:00:00.000Z"
"""`SUBSCRIBED_MS` as text."""
START = {"Id": 7, "MeterValue": 10.0, "Start": "2027-01-15T07:00:00Z", "Auth": "04AABBCC", "AuthReason": 1}
END = {
    "Id": 7,
    "Start": "2027-01-15T07:00:00Z",
    "Stop": "2027-01-15T07:30:00Z",
    "MeterValueStart": 10.0,
    "MeterValueStop": 12.123456,
    "EnergyKwh": 2.123456,
    "Auth": "04AABBCC",
    "AuthReason": 1,
}
PLAN = {
    "StartSchedule": "2027-01-01T00:00:00Z",
    "ProfileKind": "Recurring",
    "RecurrencyKind": "Daily",
    "Periods": [[0, 16]],
}


def update(id: int, value: object, at: str = "2027-01-15T07:50:00Z", after_s: float = 0.1, **more: object):
    kind = int(DATA_TYPES[Observation(id)]) if id in DATA_TYPES else 6
    argument = {"mid": "EH1", "dataType": kind, "id": id, "timestamp": at, "value": value, **more}
    return StreamMessage(after_s, {"type": 1, "target": "ProductUpdate", "arguments": [argument]})


def response(
    command: int, ticks: int = 638_000_000_000_000_000, accepted: object = True, after_s: float = 1.0
):
    body = {"serialNumber": "EH1", "id": command, "ticks": ticks, "wasAccepted": accepted, "resultCode": 0}
    return StreamMessage(after_s, {"type": 1, "target": "CommandResponse", "arguments": [body]})


def answers(**bodies: object) -> Facts:
    """Facts with answers by name; `_` stands for a blank in the name."""
    return Facts(
        way="account",
        serial="EH1",
        exchanges=[answer(name.replace("_", " "), body) for name, body in bodies.items()],
    )


def answer(
    name: str, body: object = None, status: int = 200, method: str = "GET", **more: object
) -> Exchange:
    return Exchange(name=name, body=body, status=status, method=method, **more)


def refused(name: str, status: int, body: object = None, **more: object) -> Facts:
    return Facts(way="account", serial="EH1", exchanges=[answer(name, body, status, **more)])


def stream(*messages: StreamMessage, listened_s: float = 40.0) -> Facts:
    return Facts(
        way="account",
        serial="EH1",
        stream=StreamFacts(
            opened=True, subscribed_ms=SUBSCRIBED_MS, messages=list(messages), listened_s=listened_s
        ),
    )


def values(*pairs: tuple[int, object]) -> Facts:
    return stream(*(update(id, value) for id, value in pairs))


def both(first: Facts, second: Facts) -> Facts:
    """Put the answers of one beside the stream of another."""
    return msgspec.structs.replace(first, stream=second.stream)


def last_values(*observations: Mapping[str, object]) -> Facts:
    return answers(last_values={"observations": list(observations)})


def last_value(id: int, value: object, at: str = "2027-01-15T07:50:00Z") -> dict[str, object]:
    return {"id": id, "timestamp": at, "dataType": 4, "value": value}


def bus(*messages: BusMessage, consumers: int | None = 0, missing: bool = False) -> Facts:
    facts = BusFacts(
        consumers=consumers, waiting=9, looked=consumers == 0, messages=list(messages), missing=missing
    )
    patterns = msgspec.to_builtins(Patterns())
    address = {
        "server": "b",
        "port": 1,
        "queueName": "q",
        "exchangeName": "x",
        "username": "u",
        "password": "p",
    }
    return Facts(
        way="operator", serial="EH1", bus=facts, patterns=patterns, exchanges=[answer("bus", address)]
    )


def message(key: str, body: object = None, *headers: str) -> BusMessage:
    return BusMessage(key=key, body=body, headers=headers)


def active(question: str, *parts: Exchange | StreamMessage, **wanted: float) -> Facts:
    asked = ActiveFacts(
        question=question,
        exchanges=[one for one in parts if isinstance(one, Exchange)],
        messages=[one for one in parts if isinstance(one, StreamMessage)],
        wanted=wanted,
    )
    return Facts(way="account", serial="EH1", active={question: asked})


def sent(name: str, body: object = None, status: int = 202) -> Exchange:
    return answer(name, body, status, "POST")


TICKS = 638_000_000_000_000_000
TICKET = {"device": "EH1", "commandId": 48, "ticks": TICKS}
CHARGER = {"id": "EH1", "name": "Garage", "productCode": 1, "levelOfAccess": 2}
SESSION = {
    "id": 7,
    "carConnected": "2027-01-15T07:00:00Z",
    "carDisconnected": "2027-01-15T07:30:00Z",
    "kiloWattHours": 2.123456,
}
OFFICIAL = [
    {"id": 109, "name": "ChargerOpMode", "dataType": 4},
    {"id": 250, "name": "Connected_To_Cloud", "dataType": "Boolean"},
]
PING = {"type": 6}
COMPLETION = {"type": 3, "invocationId": "subscription", "result": None}
LIVE = [update(109, "1")]
OBSERVED = {"Timestamp": NOW, "Value": "1"}
RESPONDED = {"Id": 48, "WasAccepted": True, "ResultCode": 0}
KEYS = ("EH1.O.109", "EH1.CR.48.638000000000000000", "EH1.P")
CHARGING = [update(109, "3"), update(47, "32"), update(48, "16"), update(22, "25"), update(111, "40")]


def at(after_s: float, content: object) -> StreamMessage:
    return StreamMessage(after_s, content)


def without(body: Mapping[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in body.items() if key != name}


CASES: dict[str, tuple[Facts, Facts]] = {
    "login-fields": (
        answers(login={"accessToken": "a", "refreshToken": "r", "expiresIn": 3600.0}),
        answers(login={"accessToken": "a", "expiresIn": 3600}),
    ),
    "token-life": (answers(login={"expiresIn": 3600.0}), answers(login={"expiresIn": 86_400})),
    "charger-ids": (answers(chargers=[CHARGER]), answers(chargers=[CHARGER, {**CHARGER, "id": None}])),
    "product-codes": (answers(chargers=[CHARGER]), answers(chargers=[{**CHARGER, "productCode": None}])),
    "access-level": (answers(chargers=[CHARGER]), answers(chargers=[{**CHARGER, "levelOfAccess": 9}])),
    "products-shape": (
        answers(products=[{"id": 1, "circuits": None}, {"circuits": [{"chargers": []}, {"chargers": None}]}]),
        answers(products=[{"id": 1, "circuits": {"1": []}}]),
    ),
    "operator-field": (answers(details={"partner": None}), answers(details={"id": "EH1"})),
    "official-ids": (
        answers(official_list=OFFICIAL),
        answers(official_list=[*OFFICIAL, {"id": 301, "name": "New", "dataType": 6}]),
    ),
    "official-names": (
        answers(official_list=OFFICIAL),
        answers(official_list=[{"id": 109, "name": "OperationMode", "dataType": 4}]),
    ),
    "official-types": (
        answers(official_list=OFFICIAL),
        answers(official_list=[{"observationId": 109, "name": "ChargerOpMode", "dataType": 3}]),
    ),
    "state-gone": (refused("state", 404), answers(state={"chargerOpMode": 1})),
    "few-requests-pass": (answers(chargers=[CHARGER]), refused("sessions", 429)),
    "retry-after": (
        refused("sessions", 429, retry_after="60"),
        refused("sessions", 429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
    ),
    "problem-bodies": (refused("weekly plan", 404, {"title": "None"}), refused("weekly plan", 404, "<html>")),
    "negotiation": (
        answers(
            negotiate={
                "negotiateVersion": 0,
                "connectionId": "x",
                "availableTransports": [{"transport": "WebSockets"}],
            }
        ),
        answers(negotiate={"negotiateVersion": 1, "connectionId": "x", "connectionToken": "y"}),
    ),
    "handshake": (
        stream(),
        Facts(way="account", serial="EH1", stream=StreamFacts(failure="the stream's handshake was refused")),
    ),
    "pings": (stream(at(5, PING), at(20, PING), at(35, PING)), stream(at(5, PING), at(38, PING))),
    "subscription": (stream(at(0.2, COMPLETION)), stream(at(0.2, {**COMPLETION, "error": "no right"}))),
    "readable": (stream(*LIVE), stream(*LIVE, update(109, "1", at="yesterday"))),
    "one-object": (
        stream(*LIVE),
        stream(*LIVE, at(1, {"type": 1, "target": "ProductUpdate", "arguments": [{"id": 1, "value": "1"}]})),
    ),
    "text-values": (stream(*LIVE), stream(update(109, 1))),
    "times": (
        stream(update(109, "1", at="2027-01-15T07:50:00.123456Z")),
        stream(update(109, "1", at="15.1.2027")),
    ),
    "booleans": (values((250, "1"), (31, "0")), values((250, "true"))),
    "data-types": (stream(*LIVE), stream(update(109, "1", dataType=3))),
    "known-ids": (stream(*LIVE), stream(*LIVE, update(234, "1"))),
    "targets": (
        stream(*LIVE, response(48)),
        stream(*LIVE, at(1, {"type": 1, "target": "SubscribeToMyProduct", "arguments": []})),
    ),
    "replay-time": (stream(*LIVE), stream(update(109, "1", after_s=0.1), update(96, "0", after_s=2.5))),
    "original-times": (
        stream(update(109, "1"), update(96, "0", at="2026-01-01T00:00:00Z")),
        stream(update(109, "1", at="2027-01-15T07:59:59Z"), update(96, "0", at="2027-01-15T07:59:59Z")),
    ),
    "idle-life": (
        values((250, "1"), (150, "20")),
        stream(update(250, "1"), update(150, "20", at="2027-01-15T07:00:00Z")),
    ),
    "connected": (values((250, "0")), values((250, "offline"))),
    "op-mode": (values((109, "6")), values((109, "42"))),
    "reason": (values((96, "79")), values((96, "157"))),
    "power-mode": (values((109, "3"), (120, "7.2")), values((109, "6"), (120, "7.2"))),
    "phases": (values((21, "1"), (194, "230.1")), values((21, "4"), (199, "230"))),
    "lowest-limit": (stream(*CHARGING, update(114, "16")), stream(*CHARGING, update(114, "25"))),
    "power-unit": (
        values((120, "7.36"), (183, "32"), (184, "0")),
        values((120, "7360"), (183, "32"), (184, "0")),
    ),
    "start-record": (
        values((223, json.dumps(START))),
        values((223, json.dumps(without(START, "MeterValue")))),
    ),
    "end-record": (values((129, json.dumps(END))), values((129, json.dumps({**END, "Stop": "soon"})))),
    "register-decimals": (
        values((129, json.dumps(END))),
        values((129, json.dumps({**END, "MeterValueStop": 12.1234567}))),
    ),
    "record-energy": (values((129, json.dumps(END))), values((129, json.dumps({**END, "EnergyKwh": 2.2})))),
    "session-numbers": (
        values((223, json.dumps({**START, "Id": 8})), (129, json.dumps(END))),
        values((223, json.dumps({**START, "Id": 6})), (129, json.dumps(END))),
    ),
    "register-order": (
        values((129, json.dumps(END)), (124, "12.124")),
        values((129, json.dumps(END)), (124, "11.9")),
    ),
    "token": (values((128, "04AABBCCDDEEFF")), values((128, "my card"))),
    "last-values": (last_values(last_value(109, 1)), answers(last_values=[last_value(109, 1)])),
    "typed-values": (
        last_values(last_value(109, 1), last_value(250, True)),
        last_values(last_value(109, "1")),
    ),
    "same-as-stream": (
        both(last_values(last_value(250, True), last_value(124, 12.5)), values((250, "1"), (124, "12.500"))),
        both(last_values(last_value(124, 12.5, "2027-01-15T07:40:00Z")), values((124, "12.5"))),
    ),
    "last-sessions": (
        last_values(last_value(223, json.dumps(START)), last_value(129, json.dumps(END))),
        answers(last_values={"observations": [last_value(109, 1)]}, sessions=[SESSION]),
    ),
    "session-fields": (answers(sessions=[SESSION]), answers(sessions=[without(SESSION, "kiloWattHours")])),
    "session-id": (answers(sessions=[SESSION]), answers(sessions=[without(SESSION, "id")])),
    "session-token": (answers(sessions=[SESSION]), answers(sessions=[{**SESSION, "rfidKey": "04AABBCC"}])),
    "session-energy": (
        both(answers(sessions=[SESSION]), values((129, json.dumps(END)))),
        both(answers(sessions=[{**SESSION, "kiloWattHours": 2.0}]), values((129, json.dumps(END)))),
    ),
    "energy-history": (
        answers(energy_history={"measurements": [{"value": 1.0, "measuredAt": NOW}]}),
        refused("energy history", 404),
    ),
    "weekly-plan": (refused("weekly plan", 404), answers(weekly_plan={"plan": []})),
    "schedules": (answers(schedules={"enabled": "none"}), refused("schedules", 404)),
    "charger-plan": (values((62, json.dumps(PLAN))), values((62, '{"isEnabled":true,"days":[]}'))),
    "plan-agrees": (
        both(answers(schedules={"enabled": "weekly"}), values((62, json.dumps(PLAN)))),
        both(answers(schedules={"enabled": "none"}), values((62, json.dumps(PLAN)))),
    ),
    "bus-address": (bus(), msgspec.structs.replace(bus(), exchanges=[answer("bus", {"server": "b"})])),
    "bus-queue": (bus(), bus(consumers=None, missing=True)),
    "bus-alone": (bus(), bus(consumers=1)),
    "observation-key": (bus(message(KEYS[0], OBSERVED)), bus(message("EH1.Obs.109", OBSERVED))),
    "response-key": (bus(message(KEYS[1], RESPONDED)), bus(message("EH1.CR.48", RESPONDED))),
    "pulse-key": (bus(message(KEYS[2])), bus(message("EH1.P.1", {"MID": "EH1", "PulseId": 1}))),
    "all-keys": (bus(*map(message, KEYS)), bus(message(KEYS[0]), message("EH1.OP.3"))),
    "observation-body": (bus(message(KEYS[0], OBSERVED)), bus(message(KEYS[0], {"Time": NOW, "Value": "1"}))),
    "response-body": (bus(message(KEYS[1], RESPONDED)), bus(message(KEYS[1], {"Id": 48}))),
    "bus-text-values": (bus(message(KEYS[0], OBSERVED)), bus(message(KEYS[0], {**OBSERVED, "Value": 1}))),
    "arrival-header": (bus(message(KEYS[0], OBSERVED, "ArrivalTime")), bus(message(KEYS[0], OBSERVED))),
    "unchanged-answer": (
        active("setting", sent("write", [], 200)),
        active("setting", sent("write", [TICKET])),
    ),
    "unchanged-silence": (
        active("setting", sent("write", [], 200)),
        active("setting", sent("write", [], 200), response(42)),
    ),
    "ticket": (active("limit", sent("set", TICKET)), active("limit", sent("set", [], 200))),
    "never-undecided": (
        active("limit", sent("set", TICKET)),
        active("limit", sent("set", {**TICKET, "wasAccepted": None}, 200)),
    ),
    "response": (
        active("limit", sent("set", TICKET), response(48, TICKS)),
        active("limit", sent("set", TICKET), response(48, TICKS, accepted=False)),
    ),
    "command-outcome": (
        active("limit", answer("outcome", {"wasAccepted": True})),
        active("limit", answer("outcome", {"state": "done"})),
    ),
    "limit-observed": (
        active("limit", sent("set", TICKET), update(48, "31"), limit_a=31),
        active("limit", sent("set", TICKET), update(48, "30"), limit_a=31),
    ),
    "plan-stored": (
        active("plan", sent("store", None, 200), update(62, json.dumps(PLAN)), limit_a=16),
        active("plan", sent("store", None, 200), update(62, ""), limit_a=16),
    ),
    "plan-limit": (
        active("plan", sent("store"), update(62, json.dumps(PLAN)), limit_a=16),
        active("plan", sent("store"), update(62, json.dumps(PLAN)), limit_a=32),
    ),
    "plan-deleted": (
        active("plan", sent("delete", None, 200), update(62, json.dumps(PLAN)), update(62, "")),
        active("plan", sent("delete", None, 200), update(62, json.dumps(PLAN))),
    ),
    "whole-day": (
        active("whole day", sent("store"), update(62, json.dumps(PLAN)), limit_a=16),
        active("whole day", sent("store", {"title": "Invalid"}, 400), limit_a=16),
    ),
    "start-works": (
        active("start and stop", sent("start", TICKET), update(109, "3"), authorization_required=1),
        active("start and stop", sent("start", TICKET), update(109, "2"), authorization_required=1),
    ),
    "start-record-comes": (
        active("start and stop", sent("start", TICKET), update(223, json.dumps(START))),
        active("start and stop", sent("start", TICKET), update(109, "3")),
    ),
    "end-record-comes": (
        active("start and stop", sent("stop", TICKET), update(109, "3"), update(129, json.dumps(END))),
        active("start and stop", sent("stop", TICKET), update(109, "3")),
    ),
    "tap-order": (
        active(
            "tap",
            update(223, json.dumps(START), after_s=0.1),
            update(128, "04AABBCC", after_s=0.2),
            response(25, after_s=1.0),
        ),
        active(
            "tap",
            update(128, "04AABBCC", after_s=0.1),
            response(25, after_s=1.0),
            update(223, json.dumps(START), after_s=1.1),
        ),
    ),
    "tap-token": (
        active("tap", update(223, json.dumps(START)), update(128, "04AABBCC"), response(25)),
        active("tap", update(223, json.dumps(without(START, "Auth"))), update(128, "04AABBCC"), response(25)),
    ),
    "tap-decided": (
        active("tap", update(128, "04AABBCC"), response(25, after_s=1.1)),
        active("tap", update(128, "04AABBCC")),
    ),
}


def verdict(id: str, facts: Facts) -> Verdict:
    return next(one.finding.verdict for one in judge(facts) if one.assumption.id == id)


def test_every_assumption_has_its_cases():
    assert list(CASES) == [one.id for one in ASSUMPTIONS]
    assert len({one.text for one in ASSUMPTIONS}) == len(ASSUMPTIONS)


@pytest.mark.parametrize("id", CASES)
def test_facts_that_confirm(id):
    assert verdict(id, CASES[id][0]) is Verdict.CONFIRMED


@pytest.mark.parametrize("id", CASES)
def test_facts_that_contradict(id):
    assert verdict(id, CASES[id][1]) is Verdict.CONTRADICTED


def test_without_facts_nothing_is_seen():
    found = judge(Facts(way="account", serial="EH1"))
    assert {one.finding.verdict for one in found} == {Verdict.NOT_SEEN}
    assert all(one.finding.seen for one in found)


def test_a_failed_request_says_why_nothing_was_seen():
    found = {one.assumption.id: one.finding.seen for one in judge(refused("official list", 403))}
    assert found["official-ids"] == "HTTP 403"
    lost = Facts(
        way="account", serial="EH1", exchanges=[Exchange(name="sessions", failure="no answer in time")]
    )
    assert {one.assumption.id: one.finding.seen for one in judge(lost)}["session-id"] == "no answer in time"


@pytest.mark.parametrize("one", ASSUMPTIONS, ids=lambda one: one.id)
def test_the_section_that_relies_on_it_is_there(one):
    path, _, anchor = one.relies.partition("#")
    assert anchor in pages.page(ROOT / path).anchors


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "value",
                    "timestamp",
                    "observations",
                    "days",
                    "enabled",
                    "expiresIn",
                    "circuits",
                    "ticks",
                    "Value",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
NAMES = ("login", "chargers", "products", "official list", "details", "sessions", "schedules", "last values")


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), ANY_JSON, st.sampled_from([200, 404, 429, 500])), max_size=5),
    st.lists(ANY_JSON, max_size=4),
    st.lists(ANY_JSON, max_size=3),
)
def test_whatever_a_cloud_says_there_is_a_report(given_answers, arguments, bodies):
    facts = bus(*(message(KEYS[number], body) for number, body in enumerate(bodies)))
    facts.exchanges += [answer(name, body, status) for name, body, status in given_answers]
    facts.stream = stream(
        *(at(1, {"type": 1, "target": "ProductUpdate", "arguments": [one]}) for one in arguments)
    ).stream
    found = judge(facts)
    assert [one.assumption for one in found] == list(ASSUMPTIONS)
    report = make_report(facts, found, "1")
    assert as_markdown(report)
    assert json.loads(as_json(report))["counts"]


def test_a_shape_has_names_and_types_only():
    body = [{"id": "EH123456", "code": 1, "site": {"name": "Home"}}, {"id": None, "code": 1}]
    assert shape(body) == "[{id: text | null, code: number, site?: {name: text}}]"
    assert shape([]) == "[]"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        ("1", "0 or 1"),
        ("True", "the word true or false"),
        ("2027-01-15T07:50:00.123Z", "time, 3 decimals, Z"),
        ("2027-01-15T07:50:00", "time, 0 decimals, no zone"),
        ("12.500", "number with 3 decimals"),
        ("04AABBCCDDEEFF", "14 hex digits, upper case"),
        ('{"Id":7}', "JSON {Id: number}"),
        ("EH123456", "text, 8 characters"),
    ],
)
def test_the_kind_of_a_text_does_not_show_it(text, kind):
    assert text_kind(text) == kind


def test_the_documented_questions_are_those_of_the_active_part():
    rows = table_of("docs/easee.md", "question | what is done")
    assert {row[0]: row[2] == "no" for row in rows} == {one.name: one.in_person for one in QUESTIONS}


def test_the_documented_options_are_those_of_the_command():
    documented = {
        row[0].strip("`").split()[0] for row in table_of("docs/easee.md", "option of the probe | meaning")
    }
    (command,) = [one for one in easee_app.registered_commands if one.callback is probe]
    parameters = inspect.signature(command.callback).parameters
    assert documented == {f"--{name}" for name in parameters} - {"--config"}


def table_of(path: str, heading: str) -> list[list[str]]:
    """The rows of the table whose first heading is this."""
    lines = iter((ROOT / path).read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {heading} |"):
            next(lines)
            rows = itertools.takewhile(lambda row: row.startswith("|"), lines)
            return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    raise AssertionError(f"no such table: {heading}")
