"""The REST side of the emulated Easee Cloud: accounts, what is read, and errors as they are documented."""

import json

import pytest

from chargebridge.emulators.easee_cloud import RateLimits

pytestmark = pytest.mark.integration

CHARGER = "/api/chargers/EH000001"


class TestAccounts:
    async def test_a_login_gives_tokens_for_an_hour_and_a_wrong_password_is_error_100(self, stage):
        async with stage() as site:
            tokens = site.client.tokens
            assert tokens.keys() == {
                "accessToken",
                "expiresIn",
                "accessClaims",
                "tokenType",
                "refreshToken",
            }
            assert (tokens["expiresIn"], tokens["tokenType"]) == (3600, "Bearer")
            body = {"userName": "driver@example.com", "password": "guess"}
            status, answer = await site.client.call("POST", "/api/accounts/login", body)
            assert (status, answer["errorCode"], answer["errorCodeName"]) == (400, 100, "InvalidUserPassword")
            assert site.cloud.statistics.logins == 1

    async def test_a_refresh_token_works_once(self, stage):
        async with stage() as site:
            first = dict(site.client.tokens)
            assert await site.client.refresh() == 200
            second = dict(site.client.tokens)
            assert second["refreshToken"] != first["refreshToken"]
            assert await site.client.refresh(first) == 401
            assert await site.client.refresh(second) == 200
            assert site.cloud.statistics.refreshes == 2
            assert site.cloud.statistics.refused_refreshes == 1

    async def test_a_refresh_token_belongs_to_its_session(self, stage):
        async with stage() as site:
            one = dict(site.client.tokens)
            await site.client.login()
            mixed = {"accessToken": site.client.tokens["accessToken"], "refreshToken": one["refreshToken"]}
            assert await site.client.refresh(mixed) == 401

    async def test_an_access_token_lives_by_the_clock_and_can_be_refreshed_after_its_end(self, stage):
        unlimited = RateLimits(by_endpoint=False, overall=1_000_000)
        async with stage(speed=10_000, token_life_s=1000, rate_limits=unlimited) as site:
            await site.client.get("/api/chargers")
            statuses = {200}
            while 401 not in statuses:
                statuses.add((await site.client.call("GET", "/api/chargers"))[0])
            assert await site.client.refresh() == 200
            await site.client.get("/api/chargers")

    async def test_without_a_token_nothing_is_told(self, stage):
        async with stage() as site:
            site.client.tokens = {}
            status, answer = await site.client.call("GET", "/api/chargers")
            assert (status, answer["status"], answer["instance"]) == (401, 401, "/api/chargers")
            assert (await site.client.call("GET", "/health"))[0] == 200


class TestReading:
    async def test_chargers_sites_and_products(self, stage):
        async with stage(chargers=3, chargers_a_circuit=2) as site:
            chargers = await site.client.get("/api/chargers")
            assert [charger["id"] for charger in chargers] == ["EH000001", "EH000002", "EH000003"]
            assert chargers[0].keys() >= {"name", "levelOfAccess", "productCode", "userRole", "backPlate"}
            [plain] = await site.client.get("/api/sites")
            assert "circuits" not in plain
            detailed = await site.client.get(f"/api/sites/{plain['id']}?detailed=true")
            circuits = [[one["id"] for one in circuit["chargers"]] for circuit in detailed["circuits"]]
            assert circuits == [["EH000001", "EH000002"], ["EH000003"]]
            assert (await site.client.get("/api/accounts/products"))[0] == detailed
            assert (await site.client.get(f"{CHARGER}/site"))["id"] == plain["id"]

    async def test_state_is_null_where_nothing_was_told_yet(self, stage):
        async with stage(serves_state=True) as site:
            async with site.client.stream() as stream:
                await stream.shows(109, "1")
            state = await site.client.get(f"{CHARGER}/state")
            assert state["chargerOpMode"] == 1
            assert state["isOnline"] is True
            assert state["lifetimeEnergy"] == 0.0
            assert state["energyPerHour"] is None
            assert state["inVoltageT2T3"] is None
            assert state["dynamicChargerCurrent"] == 32.0
            config = await site.client.get(f"{CHARGER}/config")
            assert config["authorizationRequired"] is True
            assert config["detectedPowerGridType"] == 1
            assert config["limitToSinglePhaseCharging"] is None

    async def test_the_state_of_a_charger_is_gone_unless_it_is_brought_back(self, stage):
        async with stage() as site:
            status, answer = await site.client.call("GET", f"{CHARGER}/state")
            assert (status, answer["title"]) == (404, "Not Found")

    async def test_observations_are_typed_and_old_ones_have_their_old_times(self, stage):
        async with stage() as site:
            answer = await site.client.get("/state/EH000001/observations?ids=31,47,80,36,122")
            values = {one["id"]: one["value"] for one in answer["observations"]}
            assert values == {31: True, 47: 32.0, 80: 317, 36: "garage"}
            assert answer["observations"][0]["dataType"] == 2
            status, _ = await site.client.call("GET", "/state/EH000001/observations?ids=all")
            assert status == 400

    async def test_what_else_clients_read(self, stage):
        async with stage(product_code=102) as site:
            assert (await site.client.get("/api/accounts/profile"))["userId"] == 100001
            assert (await site.client.get(CHARGER))["productCode"] == 102
            assert (await site.client.get(f"{CHARGER}/details"))["product"] == "Charge Core"
            assert (await site.client.get("/firmware/EH000001/latest"))["canUpgrade"] is True
            assert {"id": "NOK", "name": "Norwegian krone"} in await site.client.get(
                "/api/resources/currencies"
            )
            assert await site.client.get("/api/accounts/easeekeys") == []
            [product] = await site.client.get("/api/accounts/products")
            path = f"/api/sites/{product['id']}/circuits/{product['circuits'][0]['id']}"
            settings = await site.client.get(f"{path}/settings")
            assert (settings["dynamicCircuitCurrentP1"], settings["maxCircuitCurrentP3"]) == (80, 32)
            assert (await site.client.call("GET", f"{path}/dynamicCurrent"))[0] == 404
            assert (await site.client.call("POST", f"{path}/rated_current", {"ratedCurrentFuseValue": 25}))[
                0
            ] == 200
            status, answer = await site.client.call("PUT", f"{CHARGER}/access", 4)
            assert (status, answer["errors"]) == (400, {"$": ["expected 1, 2 or 3"]})

    async def test_a_body_that_is_no_json_or_too_long(self, stage):
        async with stage() as site:
            url, headers = f"{site.cloud.url}{CHARGER}/settings", site.client.headers
            for data, status in ((b"{", 400), (b"x" * 70_000, 413)):
                async with site.client.http.post(url, data=data, headers=headers) as answer:
                    assert answer.status == status
            assert site.cloud.statistics.requests["settings", 413] == 1

    async def test_what_is_not_there_is_404_with_problem_details(self, stage):
        async with stage() as site:
            for path in ("/api/chargers/EH999999/config", f"{CHARGER}/weekly_charge_plan", "/api/sites/1"):
                status, answer = await site.client.call("GET", path)
                assert (status, answer["title"], answer["status"]) == (404, "Not Found", 404)

    async def test_the_way_to_the_bus_is_for_integration_accounts(self, stage):
        async with stage() as site:
            assert (await site.client.call("GET", "/api/streams/amqp/v2"))[0] == 403

    async def test_sessions_that_are_over_can_be_listed(self, stage):
        async with stage(speed=600) as site:
            async with site.client.stream() as stream:
                await site.charges(stream)
                status, running = await site.client.call("GET", f"{CHARGER}/sessions/ongoing")
                assert (status, running["sessionId"], running["sessionEnd"]) == (200, 1, None)
                site.act("unplug")
                await stream.shows(109, "1")
            path = "/api/sessions/charger/EH000001"
            [listed] = await site.client.get(f"{path}/sessions/2020-01-01/2100-01-01T00:00:00Z")
            ended = json.loads(stream.last(129))
            assert ended["Id"] == 1
            assert listed["id"] != 1  # an id of its own
            assert listed["kiloWattHours"] == ended["EnergyKwh"]
            assert (listed["carConnected"], listed["carDisconnected"]) == (ended["Start"], ended["Stop"])
            assert await site.client.get(f"{path}/sessions/descending?limit=5") == [listed]
            assert await site.client.get(f"{path}/total/2020-01-01/2100-01-01") == ended["EnergyKwh"]
            assert (await site.client.get(f"{CHARGER}/sessions/latest"))["sessionId"] == 1
            assert (await site.client.call("GET", f"{CHARGER}/sessions/ongoing"))[0] == 404
            assert await site.client.get(f"{path}/sessions/2100-01-01/2101-01-01") == []


class TestRateLimits:
    async def test_more_than_so_many_requests_are_429_with_retry_after(self, stage):
        async with stage(rate_limits=RateLimits(overall=5)) as site:
            statuses = [(await site.client.call("GET", "/api/sites"))[0] for _ in range(6)]
            assert statuses == [200, 200, 200, 200, 429, 429]
            async with site.client.http.get(site.cloud.url + "/api/sites") as response:
                assert response.headers["retry-after"] == "30"

    @pytest.mark.parametrize(
        ("method", "path", "body", "passing"),
        [
            ("GET", "/api/chargers", None, 2),
            ("POST", f"{CHARGER}/settings", {"smartButtonEnabled": True}, 20),
            ("GET", "/api/sessions/charger/EH000001/sessions/descending", None, 20),
            ("POST", f"{CHARGER}/commands/poll_all", None, 1),
        ],
    )
    async def test_each_endpoint_has_the_limit_that_is_published(self, stage, method, path, body, passing):
        async with stage(chargers=2, speed=1.0) as site:
            statuses = [(await site.client.call(method, path, body))[0] for _ in range(passing + 2)]
            assert 429 not in statuses[:passing]
            assert statuses[passing:] == [429, 429]
            assert (await site.client.call("GET", "/api/sites"))[0] == 200
            other = path.replace("EH000001", "EH000002")
            assert (await site.client.call(method, other, body))[0] == 429, "the account is counted"

    async def test_limits_of_endpoints_can_be_counted_by_charger_or_switched_off(self, stage):
        path = "/api/sessions/charger/{}/sessions/descending"
        async with stage(chargers=2, speed=1.0, rate_limits=RateLimits(for_each_charger=True)) as site:
            statuses = [(await site.client.call("GET", path.format("EH000001")))[0] for _ in range(21)]
            assert statuses == [200] * 20 + [429]
            assert (await site.client.call("GET", path.format("EH000002")))[0] == 200
        async with stage(speed=1.0, rate_limits=RateLimits(by_endpoint=False)) as site:
            assert {(await site.client.call("GET", "/api/chargers"))[0] for _ in range(5)} == {200}
