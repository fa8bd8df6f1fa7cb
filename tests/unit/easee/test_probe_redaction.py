"""Whatever a cloud answers, its texts do not get into the report of a probe."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.easee.account.transport import Received
from chargebridge.chargers.easee.probe.gathering import Gatherer
from chargebridge.chargers.easee.probe.judging.assumptions import judge
from chargebridge.chargers.easee.probe.judging.facts import Facts, StreamMessage
from chargebridge.chargers.easee.probe.report import as_json, as_markdown, make_report
from chargebridge.chargers.easee.redaction import Redactor

pytestmark = pytest.mark.unit

SECRETS = (
    "EH123456",
    "04AABBCCDDEE99",
    "ola.nordmann@example.no",
    "Kirkeveien 12B",
    "Nordmann's garage",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJvbGEifQ.c2lnbmF0dXJl",
    "+4799887766",
    "81726354",
)
PATHS = (
    ("login", "/api/accounts/login"),
    ("chargers", "/api/chargers"),
    ("products", "/api/accounts/products"),
    ("official list", "/api/resources/observation_properties"),
    ("details", "/api/chargers/EH123456/details"),
    ("sessions", "/api/sessions/charger/EH123456/sessions/descending?limit=5"),
    ("last values", "/state/EH123456/observations?ids=1,2"),
    ("bus", "/api/streams/amqp/v2"),
)
FIELDS = (
    "id",
    "name",
    "value",
    "Value",
    "detail",
    "title",
    "partner",
    "accessToken",
    "userName",
    "rfidKey",
    "somethingNew",
)
LEAVES = st.sampled_from(SECRETS) | st.integers(0, 999) | st.none() | st.booleans()
BODIES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
        | inner.map(json.dumps)
    ),  # JSON within a text, as in records of sessions
    max_leaves=10,
)


@given(
    st.lists(st.tuples(st.sampled_from(PATHS), BODIES, st.sampled_from([200, 400, 403, 500])), max_size=4),
    st.lists(BODIES, max_size=3),
)
def test_no_text_of_the_cloud_gets_into_the_report(answers, messages):
    facts = Facts(way="account", serial="")
    gatherer = Gatherer(facts, Redactor(b"0123456789abcdef"))

    async def answer() -> None:
        for (name, path), body, status in answers:
            gatherer._name, gatherer._path = name, path.replace("EH123456", "{id}").partition("?")[0]
            gatherer.watch("GET", path, Received(status, json.dumps(body).encode()))

    asyncio.run(answer())
    facts.stream.opened = True
    for number, value in enumerate(messages):
        update = {
            "mid": "EH123456",
            "id": number * 40 + 26,
            "timestamp": "2027-01-15T07:50:00Z",
            "dataType": 6,
            "value": value,
        }
        frame = json.dumps({"type": 1, "target": "ProductUpdate", "arguments": [update]}) + "\x1e"
        redacted = gatherer.redactor.frame(frame).rstrip("\x1e")
        facts.stream.messages.append(StreamMessage(0.1, json.loads(redacted)))
    report = make_report(facts, judge(facts), "1")
    for text in (as_markdown(report), as_json(report)):
        for secret in SECRETS:
            assert secret.lower() not in text.lower()
