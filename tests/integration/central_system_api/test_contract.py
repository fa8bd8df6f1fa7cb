"""The description that others generate clients from: complete, and true of every answer."""

import asyncio
import contextlib
import json
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chargebridge.clock import SystemClock
from chargebridge.emulators.central_system import CentralSystem
from chargebridge.emulators.central_system.api.app import create_app
from chargebridge.emulators.central_system.api.routes.answering import Scripts
from chargebridge.emulators.central_system.api.schemas import ACTIONS_TO_SEND
from tests.integration.central_system_api.from_schema import Schemas

pytestmark = pytest.mark.integration

OPERATIONS = {
    "GET /charge-points",
    "GET /charge-points/{identity}",
    "POST /charge-points/{identity}/calls",
    *(f"POST /charge-points/{{identity}}/calls/{action}" for action in ACTIONS_TO_SEND),
    "POST /charge-points/{identity}/frames",
    "GET /charge-points/{identity}/frames",
    "GET /transactions",
    "GET /violations",
    "GET /policy",
    "PATCH /policy",
    "GET /answers",
    "PUT /answers/{action}",
    "DELETE /answers/{action}",
    "PUT /charge-points/{identity}/answers/{action}",
    "DELETE /charge-points/{identity}/answers/{action}",
    "POST /charge-points/{identity}/close",
    "POST /charge-points/{identity}/cut",
    "PUT /charge-points/{identity}/handshakes",
    "PUT /handshakes",
    "GET /connections",
    "PUT /subprotocol",
    "PUT /silence",
    "POST /listener/down",
    "POST /listener/up",
}
SHORT = {"timeout_s": 0.05, "wait_s": 0.0}
"""Parameters that make a request last."""


@cache
def application() -> FastAPI:
    """The API, made once: that takes longer than a request."""
    return create_app(CentralSystem(SystemClock()), "127.0.0.1")


def description() -> dict[str, Any]:
    """The description of a central system's API."""
    return application().openapi()


def operations() -> dict[str, dict[str, Any]]:
    """Every operation by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in description()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_is_described_with_its_errors() -> None:
    found = operations()
    assert found.keys() == OPERATIONS
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for name, operation in found.items():
        assert operation["summary"], name
        assert operation["description"], name
        assert len(operation["tags"]) == 1, name
        assert {"400", "403", "413", "415", "422"} <= operation["responses"].keys(), name
        for status, response in operation["responses"].items():
            if status >= "400":
                assert response["content"] == problem, name
                assert response["description"], name


def test_a_call_is_described_by_the_fields_of_its_message() -> None:
    found = operations()["POST /charge-points/{identity}/calls/Reset"]["requestBody"]
    assert found == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Reset"}}},
    }
    schemas = description()["components"]["schemas"]
    assert schemas["Reset"]["properties"] == {"type": {"$ref": "#/components/schemas/ResetType"}}
    assert schemas["ResetType"]["enum"] == ["Hard", "Soft"]


def test_references_lead_somewhere() -> None:
    text = json.dumps(description())
    named = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= description()["components"]["schemas"].keys()


async def _charge_point(url: str) -> None:
    """Boot, then answer every CALL in one way."""
    async with connect(f"{url}/CP-1", subprotocols=["ocpp1.6"]) as websocket:
        await websocket.send('[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]')
        with contextlib.suppress(ConnectionClosed):
            async for text in websocket:
                with contextlib.suppress(ValueError, LookupError, TypeError):
                    frame = json.loads(text)
                    if frame[0] == 2:
                        await websocket.send(json.dumps([3, frame[1], {"status": "Accepted"}]))


async def _answer_to(request: dict[str, Any]) -> httpx.Response:
    async with CentralSystem(SystemClock(), validate=True) as central_system:
        app = application()
        app.state.central_system, app.state.scripts = central_system, Scripts(central_system)
        charge_point = asyncio.create_task(_charge_point(central_system.url))
        await central_system.expect("CP-1", "BootNotification")
        transport = httpx.ASGITransport(app)  # what the application raises, the test raises
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.request(**request)
        charge_point.cancel()
        await asyncio.wait([charge_point])
        return answer


# What fails is shown as it was found: to make it smaller, with real sockets, would take minutes.
@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_every_answer_is_one_that_is_described(data: st.DataObject) -> None:
    schemas = Schemas(description())
    name = data.draw(st.sampled_from(sorted(OPERATIONS)))
    method, path = name.split()
    operation = operations()[name]
    sane = data.draw(st.booleans(), label="sane")
    values = schemas.right if sane else schemas.wrong
    query: dict[str, Any] = {}
    for parameter in operation.get("parameters", ()):
        value = data.draw(values(parameter["schema"]), label=parameter["name"])
        if parameter["in"] == "path":
            value = value if "action" in parameter["name"] else data.draw(st.sampled_from(["CP-1", "CP-2"]))
            path = path.replace(f"{{{parameter['name']}}}", quote(str(value), safe="") or "-")
        elif parameter["name"] in SHORT:
            query[parameter["name"]] = SHORT[parameter["name"]]
        elif data.draw(st.booleans()) and value is not None:
            query[parameter["name"]] = str(value).lower() if isinstance(value, bool) else value
    request: dict[str, Any] = {"method": method, "url": path, "params": query}
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = data.draw(values(schema), label="body")
        request["content"] = json.dumps(body).encode()
        request["headers"] = {"Content-Type": "application/json"}
    answer = asyncio.run(_answer_to(request))
    described = operation["responses"].get(str(answer.status_code))
    assert described is not None, answer.text
    if sane and answer.status_code == 422:
        # What no schema says: a close frame that must not be sent.
        assert name == "POST /charge-points/{identity}/close", answer.text
    if answer.content:
        schema = described["content"]["application/json"]["schema"]
        Draft202012Validator(schema | {"components": description()["components"]}).validate(answer.json())
    else:
        assert answer.status_code == 204
