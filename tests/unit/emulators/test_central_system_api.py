"""What the API of the central system describes, and whom it takes for a page of its own."""

import json
from importlib import resources
from typing import get_args

import pytest

from chargebridge.emulators.central_system.api.guard import is_here
from chargebridge.emulators.central_system.api.routes.answering import ActionToAnswer
from chargebridge.emulators.central_system.api.schemas import ACTIONS_TO_SEND, components
from chargebridge.ocpp16.actions import ACTIONS

pytestmark = pytest.mark.unit


def test_every_action_is_sent_or_answered_and_only_data_transfer_both() -> None:
    to_send, to_answer = set(ACTIONS_TO_SEND), set(get_args(ActionToAnswer))
    assert to_send | to_answer == set(ACTIONS)
    assert to_send & to_answer == {"DataTransfer"}


@pytest.mark.parametrize("name", [*ACTIONS_TO_SEND, *(f"{action}Response" for action in ACTIONS_TO_SEND)])
def test_fields_are_those_of_the_official_schema(name: str) -> None:
    file = resources.files("chargebridge.ocpp16") / "schemas" / f"{name}.json"
    official = json.loads(file.read_text(encoding="utf-8-sig"))
    schemas = components()

    def compare(ours: dict, theirs: dict, where: str) -> None:
        ours = schemas[ours["$ref"].rpartition("/")[2]] if "$ref" in ours else ours
        theirs = official["definitions"][theirs["$ref"].rpartition("/")[2]] if "$ref" in theirs else theirs
        assert set(ours.get("enum", ())) == set(theirs.get("enum", ())), where
        assert ours.get("maxLength") == theirs.get("maxLength"), where
        if "items" in theirs:
            compare(ours["items"], theirs["items"], f"{where}[]")
        properties = {
            key: value for key, value in theirs.get("properties", {}).items() if key != "customData"
        }
        assert set(ours.get("properties", ())) == set(properties), where
        assert set(ours.get("required", ())) == set(theirs.get("required", ())), where
        for key, value in properties.items():
            compare(ours["properties"][key], value, f"{where}.{key}")

    compare(schemas[name], official, name)


def test_schemas_say_nothing_that_only_python_reads() -> None:
    text = json.dumps(components())
    assert "\\\\Z" not in text
    assert '"default": null' not in text


@pytest.mark.parametrize(
    ("host", "own", "here"),
    [
        ("127.0.0.1:8181", "127.0.0.1", True),
        ("127.9.9.9", "127.0.0.1", True),
        ("localhost:1", "127.0.0.1", True),
        ("[::1]:8181", "127.0.0.1", True),
        ("192.0.2.7:8181", "192.0.2.7", True),
        ("192.0.2.8:8181", "192.0.2.7", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("evil.example", "127.0.0.1", False),
        ("user@evil.example", "127.0.0.1", False),
        ("evil.example@127.0.0.1", "127.0.0.1", True),
        ("", "127.0.0.1", False),
        ("[", "127.0.0.1", False),
        ("[::1", "127.0.0.1", False),
    ],
)
def test_a_host_is_here_if_it_is_loopback_or_the_own_address(host: str, own: str, here: bool) -> None:
    assert is_here(host, own) is here
