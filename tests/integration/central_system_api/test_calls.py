"""CALLs by the API: every action, right and wrong, and every way in which they end."""

import asyncio
import json

import pytest

from chargebridge.emulators.central_system import Rule
from chargebridge.emulators.central_system.api.schemas import ACTIONS_TO_SEND

pytestmark = pytest.mark.integration

CALLS = "/charge-points/CP-1/calls"
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "1"}
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.1}],
    },
}
TIME = "2026-01-31T12:00:00Z"
FIRMWARE = {"location": "ftp://a", "retrieveDateTime": TIME, "signingCertificate": "c", "signature": "s"}
EXAMPLES = {
    "CancelReservation": ({"reservationId": 1}, {"status": "Accepted"}),
    "CertificateSigned": ({"certificateChain": "c"}, {"status": "Accepted"}),
    "ChangeAvailability": ({"connectorId": 0, "type": "Inoperative"}, {"status": "Scheduled"}),
    "ChangeConfiguration": ({"key": "HeartbeatInterval", "value": "60"}, {"status": "Accepted"}),
    "ClearCache": ({}, {"status": "Accepted"}),
    "ClearChargingProfile": ({"stackLevel": 1}, {"status": "Unknown"}),
    "DataTransfer": ({"vendorId": "V", "data": "ä"}, {"status": "Accepted", "data": "ö"}),
    "DeleteCertificate": ({"certificateHashData": HASH}, {"status": "Accepted"}),
    "ExtendedTriggerMessage": ({"requestedMessage": "Heartbeat"}, {"status": "Accepted"}),
    "GetCompositeSchedule": ({"connectorId": 1, "duration": 60}, {"status": "Rejected"}),
    "GetConfiguration": ({"key": ["A"]}, {"unknownKey": ["A"]}),
    "GetDiagnostics": ({"location": "ftp://a"}, {"fileName": "f"}),
    "GetInstalledCertificateIds": (
        {"certificateType": "CentralSystemRootCertificate"},
        {"status": "Accepted", "certificateHashData": [HASH]},
    ),
    "GetLocalListVersion": ({}, {"listVersion": 3}),
    "GetLog": (
        {"log": {"remoteLocation": "ftp://a"}, "logType": "SecurityLog", "requestId": 1},
        {"status": "Accepted"},
    ),
    "InstallCertificate": (
        {"certificateType": "CentralSystemRootCertificate", "certificate": "c"},
        {"status": "Accepted"},
    ),
    "RemoteStartTransaction": ({"idTag": "A", "connectorId": 1}, {"status": "Accepted"}),
    "RemoteStopTransaction": ({"transactionId": 1}, {"status": "Rejected"}),
    "ReserveNow": (
        {"connectorId": 1, "expiryDate": TIME, "idTag": "A", "reservationId": 1},
        {"status": "Faulted"},
    ),
    "Reset": ({"type": "Soft"}, {"status": "Accepted"}),
    "SendLocalList": (
        {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [{"idTag": "A"}]},
        {"status": "Accepted"},
    ),
    "SetChargingProfile": ({"connectorId": 1, "csChargingProfiles": PROFILE}, {"status": "Accepted"}),
    "SignedUpdateFirmware": ({"requestId": 1, "firmware": FIRMWARE}, {"status": "Accepted"}),
    "TriggerMessage": ({"requestedMessage": "StatusNotification"}, {"status": "Accepted"}),
    "UnlockConnector": ({"connectorId": 1}, {"status": "Unlocked"}),
    "UpdateFirmware": ({"location": "ftp://a", "retrieveDate": TIME}, {}),
}


def test_every_action_of_a_central_system_is_sent_and_its_answer_returned(at_site):
    async def scenario(site):
        assert set(EXAMPLES) == set(ACTIONS_TO_SEND)
        async with site.booted() as charge_point:
            for action, (request, response) in EXAMPLES.items():
                answer, frame = await asyncio.gather(
                    site.post(f"{CALLS}/{action}", request), charge_point.result(response)
                )
                assert frame == [2, answer["id"], action, request]
                assert answer == {
                    "id": frame[1],
                    "action": action,
                    "kind": "CALLRESULT",
                    "payload": response,
                }
        assert site.central_system.violations == []

    at_site(scenario)


def test_an_action_without_fields_needs_no_body(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:
            _, frame = await asyncio.gather(
                site.post(f"{CALLS}/ClearCache"), charge_point.result({"status": "Accepted"})
            )
            assert frame[3] == {}

    at_site(scenario)


def test_a_callerror_is_returned_as_such(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:
            answer, _ = await asyncio.gather(
                site.post(f"{CALLS}/Reset", {"type": "Hard"}),
                charge_point.error("NotSupported", "no reset here", {"why": 1}),
            )
            assert answer["kind"] == "CALLERROR"
            assert answer["error"] == {
                "code": "NotSupported",
                "description": "no reset here",
                "details": {"why": 1},
            }
            assert "payload" not in answer

    at_site(scenario)


@pytest.mark.parametrize("details", ["text", [1], 5])
def test_a_callerror_whose_details_are_no_object_breaks_a_rule(at_site, details):
    async def scenario(site):
        async with site.booted() as charge_point:
            answer, _ = await asyncio.gather(
                site.post(f"{CALLS}/Reset", {"type": "Hard"}), charge_point.error("GenericError", "", details)
            )
            assert answer["error"]["details"] == {}
            assert [one.rule for one in site.central_system.violations] == [Rule.FRAME]

    at_site(scenario)


@pytest.mark.parametrize(
    ("payload", "invalid"),
    [
        ({"status": "accepted"}, "PropertyConstraintViolation: status: not one of the values of this field"),
        ({}, "FormationViolation: Object missing required field `status`"),
        ([1, 2], "FormationViolation: Expected `object`, got `array`"),
        ({"status": "Accepted", "extra": None}, "FormationViolation: Object contains unknown field `extra`"),
    ],
)
def test_a_callresult_that_breaks_its_schema_is_shown_as_it_came(at_site, payload, invalid):
    async def scenario(site):
        async with site.booted() as charge_point:
            answer, _ = await asyncio.gather(
                site.post(f"{CALLS}/Reset", {"type": "Hard"}), charge_point.result(payload)
            )
            assert (answer["kind"], answer["payload"], answer["invalid"]) == ("CALLRESULT", payload, invalid)
            assert [one.rule for one in site.central_system.violations] == [Rule.SCHEMA]

    at_site(scenario)


def test_a_timeout_is_504_and_the_late_answer_is_among_the_frames(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:
            problem = await site.post(f"{CALLS}/Reset", {"type": "Soft"}, 504, timeout_s=0.05)
            assert problem == {
                "error": "'CP-1' did not answer Reset in 0.05 s",
                "remedy": "a late answer is among its frames; timeout_s waits longer",
            }
            frame = await charge_point.receive()
            await charge_point.send(3, frame[1], {"status": "Accepted"})
            (late,) = await site.get("/charge-points/CP-1/frames", kind="CALLRESULT", since=2, wait_s=5)
            assert json.loads(late["text"]) == [3, frame[1], {"status": "Accepted"}]
        assert site.central_system.violations == []

    at_site(scenario)


def test_a_charge_point_that_disconnects_before_it_answers_is_502(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:

            async def leave():
                await charge_point.receive()
                await charge_point.websocket.close()

            problem, _ = await asyncio.gather(site.post(f"{CALLS}/Reset", {"type": "Soft"}, 502), leave())
            assert problem == {"error": "'CP-1' disconnected before it answered Reset"}

    at_site(scenario)


def test_a_charge_point_that_is_not_connected_is_409_and_one_never_seen_404(at_site):
    async def scenario(site):
        url = site.central_system.url
        async with site.booted():
            pass
        await site.central_system.wait_disconnected("CP-1")
        problem = await site.post(f"{CALLS}/Reset", {"type": "Soft"}, 409)
        assert problem == {"error": "'CP-1' is not connected", "remedy": f"let it connect to {url}/CP-1"}
        problem = await site.post("/charge-points/CP%2F9/calls/Reset", {"type": "Soft"}, 404)
        assert problem["error"] == "no charge point 'CP/9' has ever connected"
        assert site.central_system.identities == {"CP-1"}

    at_site(scenario)


@pytest.mark.parametrize(
    ("action", "body", "error"),
    [
        ("Reset", {"type": "Lukewarm"}, "body: type: not one of the values of this field"),
        ("Reset", {}, "body: Object missing required field `type`"),
        ("Reset", {"type": "Soft", "force": True}, "body: Object contains unknown field `force`"),
        ("Reset", [], "body: Expected `object`, got `array`"),
        ("UnlockConnector", {"connectorId": "1"}, "body: connectorId: Expected `int`, got `str`"),
        ("RemoteStartTransaction", {"idTag": "A" * 21}, "body: idTag: Expected `str` of length <= 20"),
        ("GetDiagnostics", {"location": "nowhere"}, "body: location: Expected a URI"),
    ],
)
def test_a_typed_body_is_checked_before_anything_is_sent(at_site, action, body, error):
    async def scenario(site):
        async with site.booted():
            problem = await site.post(f"{CALLS}/{action}", body, 422)
            assert problem["error"] == error
            assert problem["remedy"].startswith(f"GET /docs shows the fields of {action};")
            assert await site.get("/charge-points/CP-1/frames", since=2) == []

    at_site(scenario)


@pytest.mark.parametrize(
    ("body", "frame"),
    [
        ({"action": "Reset", "payload": {"type": "Lukewarm"}}, ["Reset", {"type": "Lukewarm"}]),
        ({"action": "Reset", "payload": None}, ["Reset", None]),
        ({"action": "Reset", "payload": [{"a": [1.5, "ä"]}]}, ["Reset", [{"a": [1.5, "ä"]}]]),
        ({"action": "Dance", "payload": {}, "id": "x"}, ["Dance", {}]),
        ({"action": "", "payload": {"": ""}}, ["", {"": ""}]),
    ],
)
def test_any_call_is_sent_as_it_is(at_site, body, frame):
    async def scenario(site):
        async with site.booted() as charge_point:
            answer, sent = await asyncio.gather(
                site.post(CALLS, body), charge_point.error("FormationViolation", "no")
            )
            assert sent == [2, answer["id"], *frame]
            assert answer["id"] == body.get("id", answer["id"])
            assert answer["error"]["code"] == "FormationViolation"
        assert site.central_system.violations == []

    at_site(scenario)


def test_the_answer_to_an_unknown_action_is_shown_unchecked(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:
            answer, _ = await asyncio.gather(
                site.post(CALLS, {"action": "Dance", "payload": {}}), charge_point.result("polka")
            )
            assert (answer["kind"], answer["payload"]) == ("CALLRESULT", "polka")
            assert "invalid" not in answer

    at_site(scenario)


def test_any_text_is_sent_as_it_is_and_its_answer_breaks_no_rule(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:
            sent = await site.post("/charge-points/CP-1/frames", {"text": '[2,"77","Reset",{}]'}, 202)
            assert sent == {"index": 2}
            await charge_point.error("FormationViolation")
            found = await site.get("/charge-points/CP-1/frames", since=3, wait_s=5)
            assert [json.loads(one["text"])[:2] for one in found] == [[4, "77"]]
            await site.post("/charge-points/CP-1/frames", {"text": "no frame"}, 202)
            assert await charge_point.websocket.recv() == "no frame"
        assert site.central_system.violations == []

    at_site(scenario)


DEEP = "[" * 101 + "]" * 101


@pytest.mark.parametrize(
    ("payload", "why"),
    [(DEEP, "it is nested more than 100 deep"), ('{"a": 1e999}', "it holds a number that is too large")],
)
def test_what_no_response_can_hold_is_not_taken_from_a_client(at_site, payload, why):
    async def scenario(site):
        async with site.booted():
            for method, path, body, field in (
                ("POST", CALLS, f'{{"action": "A", "payload": {payload}}}', "payload"),
                ("PUT", "/answers/Authorize", f'{{"answer": "result", "payload": {payload}}}', "payload"),
                (
                    "PUT",
                    "/answers/Authorize",
                    f'{{"answer": "error", "code": "A", "details": {{"a": {payload}}}}}',
                    "details",
                ),
            ):
                answer = await site.client.request(
                    method, path, content=body, headers={"Content-Type": "application/json"}
                )
                assert (answer.status_code, answer.json()["error"]) == (422, f"body.{field}: {why}")
            assert await site.get("/answers") == []

    at_site(scenario)


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ((3, DEEP), "it is nested more than 100 deep"),
        ((3, '{"a": 1e999}'), "Number out of range - at `$[...]`"),
        ((4, f'"GenericError", "", {{"a": {DEEP}}}'), "it is nested more than 100 deep"),
    ],
)
def test_what_no_response_can_hold_is_502_from_a_charge_point(at_site, rest, why):
    async def scenario(site):
        async with site.booted() as charge_point:

            async def say():
                frame = await charge_point.receive()
                await charge_point.websocket.send(f'[{rest[0]},"{frame[1]}",{rest[1]}]')

            problem, _ = await asyncio.gather(site.post(f"{CALLS}/ClearCache", None, 502), say())
            assert problem["error"] == f"the answer cannot be shown: {why}"
            assert (await charge_point.call("Heartbeat", {}))[0] == 3

    at_site(scenario)


def test_half_of_a_surrogate_pair_is_refused_everywhere(at_site):
    async def scenario(site):
        async with site.booted():
            half = b"\\ud800"
            for method, path, body in (
                ("POST", CALLS, b'{"action": "Reset", "payload": {"type": "%b"}}'),
                ("POST", f"{CALLS}/Reset", b'{"type": "%b"}'),
                ("POST", "/charge-points/CP-1/frames", b'{"text": "%b"}'),
                ("PUT", "/answers/Authorize", b'{"answer": "text", "text": "%b"}'),
                ("PUT", "/answers/Authorize", b'{"answer": "result", "payload": "%b"}'),
                ("PUT", "/answers/Authorize", b'{"answer": "error", "code": "%b"}'),
                ("PATCH", "/policy", b'{"id_tags": {"%b": {}}}'),
                ("POST", "/charge-points/CP-1/close", b'{"reason": "%b"}'),
            ):
                answer = await site.client.request(
                    method, path, content=body % half, headers={"Content-Type": "application/json"}
                )
                assert answer.status_code in {400, 422}, (path, answer.text)
                assert answer.json()["error"]

    at_site(scenario)


def test_two_calls_to_one_charge_point_go_one_after_the_other(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:

            async def answer_both():
                first = await charge_point.receive()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):  # RPC-5: nothing comes before the answer
                        await charge_point.websocket.recv()
                await charge_point.send(3, first[1], {"status": "Accepted"})
                return first, await charge_point.result({"status": "Accepted"})

            *_, frames = await asyncio.gather(
                site.post(f"{CALLS}/ClearCache"), site.post(f"{CALLS}/Reset", {"type": "Soft"}), answer_both()
            )
            assert {frame[2] for frame in frames} == {"ClearCache", "Reset"}

    at_site(scenario)
