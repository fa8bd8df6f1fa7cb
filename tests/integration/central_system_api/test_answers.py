"""How the central system answers, and how it misbehaves, by the API."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

pytestmark = pytest.mark.integration

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": "2026-01-31T12:00:00Z"}


async def authorize(charge_point, id_tag="TAG"):
    """Return the idTagInfo of a tag."""
    answer = await charge_point.call("Authorize", {"idTag": id_tag})
    return answer[2]["idTagInfo"]


class TestPolicy:
    def test_tags_are_refused_and_accepted_again(self, at_site):
        async def scenario(site):
            async with site.booted() as charge_point:
                change = {
                    "id_tags": {
                        "BAD": {"status": "Blocked"},
                        "OLD": {"expires_at": "2020-01-01T00:00:00Z"},
                        "KIN": {"parent": "MUM"},
                    },
                    "unknown_id_tag": {"status": "Invalid"},
                }
                await site.request("PATCH", "/policy", change)
                assert await authorize(charge_point, "bad") == {"status": "Blocked"}
                assert await authorize(charge_point, "OLD") == {
                    "status": "Expired",
                    "expiryDate": "2020-01-01T00:00:00.000Z",
                }
                assert await authorize(charge_point, "KIN") == {"status": "Accepted", "parentIdTag": "MUM"}
                assert await authorize(charge_point, "ELSE") == {"status": "Invalid"}
                policy = await site.request("PATCH", "/policy", {"id_tags": {"bad": None, "old": {}}})
                assert list(policy["id_tags"]) == ["OLD", "KIN"]
                assert await authorize(charge_point, "BAD") == {"status": "Invalid"}
                assert await authorize(charge_point, "OLD") == {"status": "Accepted"}

        at_site(scenario)

    def test_registration_is_for_all_or_for_one(self, at_site):
        async def scenario(site):
            change = {
                "registration": "Rejected",
                "registrations": {"CP-2": "Pending"},
                "retry_interval_s": 7,
                "heartbeat_interval_s": 11,
            }
            policy = await site.request("PATCH", "/policy", change)
            assert policy == change | {
                "unknown_id_tag": {"status": "Accepted", "parent": None, "expires_at": None},
                "id_tags": {},
            }
            for identity, status, interval in (("CP-1", "Rejected", 7), ("CP-2", "Pending", 7)):
                async with site.connected(identity) as charge_point:
                    answer = await charge_point.call("BootNotification", BOOT)
                    assert (answer[2]["status"], answer[2]["interval"]) == (status, interval)
            await site.request(
                "PATCH", "/policy", {"registrations": {"CP-2": None}, "registration": "Accepted"}
            )
            async with site.connected("CP-2") as charge_point:
                answer = await charge_point.call("BootNotification", BOOT)
                assert (answer[2]["status"], answer[2]["interval"]) == ("Accepted", 11)

        at_site(scenario)

    def test_it_has_a_bound(self, at_site):
        async def scenario(site):
            for number in range(5):
                tags = {f"T{number}-{one}": {} for one in range(2000)}
                await site.request("PATCH", "/policy", {"id_tags": tags})
            problem = await site.request("PATCH", "/policy", {"id_tags": {"ONE MORE": {}}}, 409)
            assert problem == {
                "error": "id_tags would have 10001 entries, more than 10000",
                "remedy": "remove some by null",
            }

        at_site(scenario)


class TestScripts:
    @pytest.mark.parametrize(
        ("script", "answered"),
        [
            ({"answer": "usual"}, [3, "2", {"idTagInfo": {"status": "Accepted"}}]),
            (
                {"answer": "result", "payload": {"idTagInfo": {"status": "Blocked"}}},
                [3, "2", {"idTagInfo": {"status": "Blocked"}}],
            ),
            (
                {"answer": "result", "payload": {"idTagInfo": {"status": "accepted", "expiryDate": ""}}},
                [3, "2", {"idTagInfo": {"status": "accepted", "expiryDate": ""}}],
            ),
            ({"answer": "result", "payload": None}, [3, "2", None]),
            (
                {"answer": "error", "code": "Whatever", "description": "d", "details": {"a": 1}},
                [4, "2", "Whatever", "d", {"a": 1}],
            ),
        ],
    )
    def test_an_answer_is_sent_instead_of_the_usual_one(self, at_site, script, answered):
        async def scenario(site):
            async with site.booted() as charge_point:
                await site.put("/answers/Authorize", script, 204)
                assert await charge_point.call("Authorize", {"idTag": "TAG"}) == answered
                assert (await charge_point.call("Heartbeat", {}))[0] == 3
                await site.request("DELETE", "/answers/Authorize", status=204)
                assert await authorize(charge_point) == {"status": "Accepted"}

        at_site(scenario)

    def test_text_is_sent_as_it_is(self, at_site):
        async def scenario(site):
            async with site.booted() as charge_point:
                await site.put("/answers/Authorize", {"answer": "text", "text": "<html>"})
                await charge_point.send(2, "2", "Authorize", {"idTag": "TAG"})
                assert await charge_point.websocket.recv() == "<html>"

        at_site(scenario)

    @pytest.mark.parametrize(
        ("script", "transactions"), [({"answer": "none"}, 0), ({"answer": "usual", "lost": True}, 1)]
    )
    def test_a_lost_answer_is_recorded_and_no_answer_is_not(self, at_site, script, transactions):
        async def scenario(site):
            async with site.booted() as charge_point:
                await site.put("/charge-points/CP-1/answers/StartTransaction", script)
                await charge_point.send(2, "2", "StartTransaction", START)
                assert (await charge_point.call("Heartbeat", {}))[0] == 3
                assert (await site.get("/transactions"))["total"] == transactions

        at_site(scenario)

    def test_an_answer_is_repeated_and_delayed(self, at_site):
        async def scenario(site):
            async with site.booted() as charge_point:
                await site.put("/answers/Authorize", {"answer": "usual", "repeat": 3, "delay_s": 0.05})
                await charge_point.send(2, "2", "Authorize", {"idTag": "TAG"})
                assert [(await charge_point.receive())[:2] for _ in range(3)] == [[3, "2"]] * 3

        at_site(scenario)

    def test_a_script_ends_after_its_calls(self, at_site):
        async def scenario(site):
            async with site.booted() as charge_point:
                script = {"answer": "error", "code": "InternalError", "calls": 2}
                await site.put("/answers/Authorize", script)
                assert (await charge_point.call("Authorize", {"idTag": "TAG"}))[0] == 4
                (shown,) = await site.get("/answers")
                assert (shown["action"], shown["charge_point"], shown["calls_left"]) == ("Authorize", None, 1)
                assert (await charge_point.call("Authorize", {"idTag": "TAG"}))[0] == 4
                assert await site.get("/answers") == []
                assert (await charge_point.call("Authorize", {"idTag": "TAG"}))[0] == 3

        at_site(scenario)

    def test_a_script_of_one_charge_point_wins_over_one_for_all(self, at_site):
        async def scenario(site):
            await site.put("/answers/Heartbeat", {"answer": "error", "code": "GenericError"})
            await site.put("/charge-points/CP%2F2/answers/Heartbeat", {"answer": "usual"})
            async with site.booted() as one, site.booted("CP/2") as two:
                assert (await one.call("Heartbeat", {}))[0] == 4
                assert (await two.call("Heartbeat", {}))[0] == 3
                await site.request("DELETE", "/charge-points/CP%2F2/answers/Heartbeat")
                assert (await two.call("Heartbeat", {}))[0] == 4

        at_site(scenario)

    @pytest.mark.parametrize(
        ("payload", "registration"),
        [
            ({"status": "Accepted", "interval": 300}, "Accepted"),
            ({"status": "Pending", "currentTime": "noon", "interval": "5"}, "Pending"),
            ({"status": "accepted"}, None),
            ([], None),
        ],
    )
    def test_an_odd_answer_to_a_boot_registers_by_its_status(self, at_site, payload, registration):
        async def scenario(site):
            await site.put("/answers/BootNotification", {"answer": "result", "payload": payload})
            async with site.connected() as charge_point:
                assert (await charge_point.call("BootNotification", BOOT))[2] == payload
                assert (await site.get("/charge-points/CP-1"))["registration"] == registration

        at_site(scenario)

    def test_removing_a_script_that_is_not_there_is_404(self, at_site):
        async def scenario(site):
            problem = await site.request("DELETE", "/charge-points/CP-1/answers/Heartbeat", status=404)
            assert problem == {
                "error": "there is no scripted answer to Heartbeat here",
                "remedy": "GET /answers lists them",
            }

        at_site(scenario)

    @pytest.mark.parametrize(
        ("path", "script", "error"),
        [
            ("/answers/Reset", {"answer": "usual"}, "path.action: Input should be 'Authorize', "),
            (
                "/answers/Authorize",
                {"answer": "maybe"},
                "body: Input tag 'maybe' found using 'answer' does not",
            ),
            ("/answers/Authorize", {"answer": "none", "lost": True}, "body.none.lost: Extra inputs are not"),
            (
                "/answers/Authorize",
                {"answer": "usual", "lost": "yes"},
                "body.usual.lost: Input should be a valid",
            ),
            (
                "/answers/Authorize",
                {"answer": "usual", "repeat": 11},
                "body.usual.repeat: Input should be less",
            ),
            ("/answers/Authorize", {}, "body: Unable to extract tag using discriminator 'answer'"),
        ],
    )
    def test_a_wrong_script_is_named(self, at_site, path, script, error):
        async def scenario(site):
            assert (await site.put(path, script, 422))["error"].startswith(error)

        at_site(scenario)

    def test_they_have_a_bound(self, at_site):
        async def scenario(site):
            for number in range(1000):
                await site.put(f"/charge-points/{number}/answers/Heartbeat", {"answer": "usual"})
            await site.put("/charge-points/0/answers/Heartbeat", {"answer": "none"})
            problem = await site.put("/answers/Heartbeat", {"answer": "usual"}, 409)
            assert problem["error"] == "there are 1000 scripted answers"

        at_site(scenario)


class TestConnections:
    def test_they_are_shown_as_they_are_treated(self, at_site):
        async def scenario(site):
            usual = {
                "listening": True,
                "connected": 0,
                "silent": False,
                "agree_on_subprotocol": True,
                "refuse_with": None,
                "refused": {},
            }
            assert await site.get("/connections") == usual
            async with site.booted():
                await site.put("/silence", {"silent": True})
                await site.put("/subprotocol", {"agree": False})
                await site.put("/handshakes", {"refuse_with": 503})
                await site.put("/charge-points/CP%2F1/handshakes", {"refuse_with": 404})
                assert await site.get("/connections") == usual | {
                    "connected": 1,
                    "silent": True,
                    "agree_on_subprotocol": False,
                    "refuse_with": 503,
                    "refused": {"CP/1": 404},
                }
            await site.post("/listener/down")
            assert (await site.get("/connections"))["listening"] is False

        at_site(scenario)

    def test_refusals_have_a_bound(self, at_site):
        async def scenario(site):
            for number in range(1000):
                await site.put(f"/charge-points/{number}/handshakes", {"refuse_with": 503})
            problem = await site.put("/charge-points/X/handshakes", {"refuse_with": 503}, 409)
            assert problem["error"] == "1000 charge points are refused"
            await site.put("/charge-points/1/handshakes", {"refuse_with": None})
            await site.put("/charge-points/X/handshakes", {"refuse_with": 503})

        at_site(scenario)

    @pytest.mark.parametrize(
        ("body", "code", "reason"),
        [(None, 1000, ""), ({"code": 1011, "reason": "out of order"}, 1011, "out of order")],
    )
    def test_a_connection_is_closed(self, at_site, body, code, reason):
        async def scenario(site):
            async with site.booted() as charge_point:
                await site.post("/charge-points/CP-1/close", body, 204)
                with pytest.raises(ConnectionClosed) as closed:
                    await charge_point.receive()
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason)

        at_site(scenario)

    @pytest.mark.parametrize(
        "body", [{"code": 1005}, {"code": 1006}, {"code": 2000}, {"code": 1000, "reason": "ä" * 100}]
    )
    def test_a_close_frame_that_cannot_be_sent_is_refused(self, at_site, body):
        async def scenario(site):
            async with site.booted() as charge_point:
                problem = await site.post("/charge-points/CP-1/close", body, 422)
                assert problem["error"].startswith("body: this close frame cannot be sent: ")
                assert (await charge_point.call("Heartbeat", {}))[0] == 3

        at_site(scenario)

    def test_a_connection_is_cut(self, at_site):
        async def scenario(site):
            async with site.booted() as charge_point:
                await site.post("/charge-points/CP-1/cut", status=204)
                with pytest.raises(ConnectionClosed) as closed:
                    await charge_point.receive()
                assert closed.value.rcvd is None
                await site.central_system.wait_disconnected("CP-1")
                for path in ("cut", "close"):
                    problem = await site.post(f"/charge-points/CP-1/{path}", status=409)
                    assert problem == {"error": "'CP-1' is not connected"}

        at_site(scenario)

    def test_handshakes_are_refused_of_all_or_of_one(self, at_site):
        async def scenario(site):
            for path, others in (("/handshakes", False), ("/charge-points/CP-1/handshakes", True)):
                await site.put(path, {"refuse_with": 503}, 204)
                with pytest.raises(InvalidStatus) as refusal:
                    async with site.connected("CP-1"):
                        pass
                assert refusal.value.response.status_code == 503
                if others:
                    async with site.booted("CP-2"):
                        pass
                await site.put(path, {"refuse_with": None}, 204)
                async with site.booted("CP-1"):
                    pass

        at_site(scenario)

    def test_handshakes_lack_the_subprotocol(self, at_site):
        async def scenario(site):
            await site.put("/subprotocol", {"agree": False}, 204)
            async with connect(f"{site.central_system.url}/CP-1", subprotocols=["ocpp1.6"]) as websocket:
                assert websocket.subprotocol is None
            await site.put("/subprotocol", {"agree": True}, 204)
            async with site.booted():
                pass

        at_site(scenario)

    def test_it_falls_silent(self, at_site):
        async def scenario(site):
            async with site.booted() as charge_point:
                await site.put("/silence", {"silent": True}, 204)
                await charge_point.send(2, "2", "Heartbeat", {})
                (await site.get("/charge-points/CP-1/frames", since=2, action="Heartbeat", wait_s=5))
                await site.put("/silence", {"silent": False}, 204)
                assert (await charge_point.call("Authorize", {"idTag": "A"}))[0] == 3
                assert len(await site.get("/charge-points/CP-1/frames", action="Heartbeat")) == 1

        at_site(scenario)

    @pytest.mark.parametrize("body", [None, {"cut": True}])
    def test_it_goes_away_and_comes_back_with_its_books(self, at_site, body):
        async def scenario(site):
            async with site.booted() as charge_point:
                await charge_point.call("StartTransaction", START)
                await site.post("/listener/down", body, 204)
                with pytest.raises(ConnectionClosed):
                    await charge_point.receive()
            with pytest.raises(OSError, match="Connect call failed"):
                async with site.connected():
                    pass
            await site.post("/listener/up", status=204)
            async with site.booted():
                assert (await site.get("/transactions"))["total"] == 1
            problem = await site.post("/listener/up", status=409)
            assert problem == {"error": "the central system listens already"}

        at_site(scenario)

    def test_a_call_that_waits_when_it_goes_away_is_502(self, at_site):
        async def scenario(site):
            async with site.booted() as charge_point:
                waiting = asyncio.create_task(
                    site.post("/charge-points/CP-1/calls/Reset", {"type": "Soft"}, 502)
                )
                await charge_point.receive()
                await site.post("/listener/down", {"cut": True})
                await waiting

        at_site(scenario)
