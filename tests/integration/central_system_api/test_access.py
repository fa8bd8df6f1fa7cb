"""Who may use the API, and what it refuses before anything happens."""

import asyncio
import socket

import pytest

from chargebridge.clock import SystemClock
from chargebridge.emulators.central_system import CentralSystem
from chargebridge.emulators.central_system.api import ApiServer, ApiSettings
from chargebridge.emulators.central_system.api.server import ApiSettingsError, CannotListenError

pytestmark = pytest.mark.integration

TOKEN = "a token of tests"


async def status(site, method="GET", path="/charge-points", **headers):
    """Return the status of a request with these headers, and the error."""
    answer = await site.client.request(method, path, headers=headers)
    return answer.status_code, answer.json().get("error", "") if answer.is_error else ""


def test_a_page_from_elsewhere_is_refused(at_site):
    async def scenario(site):
        own = site.server.url
        assert await status(site, Origin=own) == (200, "")
        for origin in ("https://evil.example", "null", own.replace("http:", "https:"), "http://127.0.0.1"):
            code, error = await status(site, Origin=origin)
            assert (code, error) == (403, f"the request comes from a page of {origin!r}")
        code, _ = await status(site, "POST", "/listener/down", Origin="https://evil.example")
        assert code == 403
        assert site.central_system.listening

    at_site(scenario)


def test_a_host_whose_name_was_made_to_lead_here_is_refused(at_site):
    async def scenario(site):
        port = site.server.port
        for host in (f"127.0.0.1:{port}", "localhost", f"[::1]:{port}", f"LOCALHOST:{port}"):
            assert await status(site, Host=host) == (200, "")
        for host in (f"evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1", ""):
            code, error = await status(site, Host=host, Origin=f"http://{host}")
            assert (code, error) == (403, f"the request is for the host {host!r}")

    at_site(scenario)


def test_with_a_token_it_is_the_token_that_counts(at_site):
    async def scenario(site):
        assert await status(site, Host="csms.example", Origin="https://pages.example") == (200, "")
        for header in ("Bearer wrong", "Basic YTpi", ""):
            answer = await site.client.get("/charge-points", headers={"Authorization": header})
            assert answer.status_code == 401
            assert "--api-token-file" in answer.json()["remedy"]
        document = await site.get("/openapi.json")
        assert all(
            operation["security"] and "401" in operation["responses"]
            for methods in document["paths"].values()
            for operation in methods.values()
        )

    at_site(scenario, token=TOKEN)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "csms.example"])
def test_beyond_loopback_it_needs_a_token(host):
    with pytest.raises(ApiSettingsError, match=f"open to everyone on {host}; .*--api-token-file"):
        ApiSettings(host=host)
    ApiSettings(host=host, token=TOKEN)


def test_an_address_in_use_is_named_with_the_remedy():
    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server = ApiServer(CentralSystem(SystemClock()), ApiSettings(port=port))
            with pytest.raises(CannotListenError, match=f"127.0.0.1 port {port} .*--api-port"):
                await server.start()
            await server.stop()

    asyncio.run(scenario())


def test_unknown_parameters_and_fields_are_refused_by_name(at_site):
    async def scenario(site):
        async with site.booted():
            for method, path, body, error, remedy in (
                (
                    "GET",
                    "/transactions?opne=true",
                    None,
                    "query.opne: there is no such parameter; expected one of charge_point, ",
                    "",
                ),
                (
                    "GET",
                    "/policy?x",
                    None,
                    "query.x: there is no such parameter; expected none",
                    "",
                ),
                (
                    "POST",
                    "/charge-points/CP-1/calls/ClearCache?timeout=1",
                    {},
                    "query.timeout: there is no such parameter; expected one of timeout_s",
                    "",
                ),
                ("PATCH", "/policy", {"registered": "Accepted"}, "body.registered: Extra inputs", None),
                (
                    "PATCH",
                    "/policy",
                    {"id_tags": {"A": {"state": "Blocked"}}},
                    "body.id_tags.A.state: Extra",
                    None,
                ),
                ("PATCH", "/policy", {"id_tags": {"A" * 21: {}}}, "body.id_tags", None),
                (
                    "PATCH",
                    "/policy",
                    {"registration": "accepted"},
                    "body.registration: Input should be",
                    None,
                ),
                (
                    "PATCH",
                    "/policy",
                    {"retry_interval_s": "5"},
                    "body.retry_interval_s: Input should be",
                    None,
                ),
                (
                    "PATCH",
                    "/policy",
                    {"unknown_id_tag": {"expires_at": 0}},
                    "body.unknown_id_tag.expires_at",
                    None,
                ),
                (
                    "PATCH",
                    "/policy",
                    {"id_tags": {"A": {"expires_at": "noon"}}},
                    "body.id_tags.A.expires_at",
                    None,
                ),
                (
                    "PATCH",
                    "/policy",
                    {"unknown_id_tag": {"expires_at": "9999-12-31T23:59:60Z"}},
                    "body.unknown_id_tag.expires_at: Value error, expected a year from 1000 to 9999",
                    None,
                ),
                ("PUT", "/silence", {"silent": 1}, "body.silent: Input should be a valid boolean", None),
                ("PUT", "/handshakes", {"refuse_with": 200}, "body.refuse_with: Input should be", None),
                ("POST", "/charge-points/CP-1/calls", {"action": "A"}, "body.payload: Field required", None),
                (
                    "POST",
                    "/charge-points/CP-1/calls",
                    {"action": "A", "payload": 1, "id": "x" * 37},
                    "body.id",
                    None,
                ),
                ("POST", "/charge-points/CP-1/calls/ClearCache?timeout_s=121", {}, "query.timeout_s: ", None),
                ("POST", "/charge-points/CP-1/calls/ClearCache?timeout_s=nan", {}, "query.timeout_s: ", None),
                ("GET", "/charge-points/CP-1/frames?wait_s=61", None, "query.wait_s: ", None),
                ("GET", "/charge-points/CP-1/frames?kind=call", None, "query.kind: Input should be", None),
                ("GET", "/charge-points?limit=1001", None, "query.limit: ", None),
            ):
                problem = await site.request(method, path, body, 422)
                assert problem["error"].startswith(error), problem
                assert problem.get("remedy", "").startswith(remedy or ""), problem

    at_site(scenario)


def test_a_body_is_json_and_has_a_bound(at_site):
    async def scenario(site):
        async with site.booted():
            path = "/charge-points/CP-1/calls/ClearCache"
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            for where in (path, "/charge-points/CP-1/calls", "/charge-points/CP-1/close"):
                answer = await site.client.post(where, content=b"{}", headers=form)
                assert answer.status_code == 415
                assert answer.json() == {
                    "error": "the body is application/x-www-form-urlencoded, not application/json",
                    "remedy": "send it as JSON, with curl by --json",
                }
            answer = await site.client.post(path, content=b"{}")
            assert answer.json()["error"] == "the body has no Content-Type, not application/json"
            json = {"Content-Type": "application/json"}
            answer = await site.client.post(path, content=b" " * (2**20 + 1), headers=json)
            assert (answer.status_code, answer.json()["error"]) == (413, "a body of more than 1048576 bytes")
            answer = await site.client.post(path, content=b"{", headers=json)
            assert (answer.status_code, answer.json()["error"][:6]) == (422, "body: ")
            answer = await site.client.post(path, content=b"[" * 100_000, headers=json)
            assert answer.status_code == 422
            for where in ("/charge-points/CP-1/calls", "/charge-points/CP-1/frames"):
                answer = await site.client.post(where, content=b"\xff{", headers=json)
                assert answer.status_code in {400, 422}
                answer = await site.client.post(where, content=b"[" * 100_000, headers=json)
                assert answer.status_code in {400, 422}

    at_site(scenario)


def test_a_long_local_list_fits(at_site):
    async def scenario(site):
        async with site.booted() as charge_point:
            tags = [{"idTag": f"{number:020}", "idTagInfo": {"status": "Accepted"}} for number in range(5000)]
            body = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": tags}
            _, frame = await asyncio.gather(
                site.post("/charge-points/CP-1/calls/SendLocalList", body),
                charge_point.result({"status": "Accepted"}),
            )
            assert len(frame[3]["localAuthorizationList"]) == 5000
            (shown, *_) = await site.get("/charge-points/CP-1/frames", action="SendLocalList")
            assert len(shown["text"]) == 16_384

    at_site(scenario)


def test_another_path_or_method_is_refused_in_the_same_shape(at_site):
    async def scenario(site):
        for method, path, code in (("GET", "/chargepoints", 404), ("DELETE", "/policy", 405)):
            problem = await site.request(method, path, None, code)
            assert problem["remedy"] == "GET /openapi.json describes every path"

    at_site(scenario)
