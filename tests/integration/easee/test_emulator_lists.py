"""The emulated lists are as odd as the real ones can be."""

import pytest

from chargebridge.emulators.easee_cloud.rest.odd_lists import CHARGER_FORMS, SITE_FORMS
from chargebridge.emulators.easee_cloud.settings import RateLimits
from tests.integration.easee.stage import until

pytestmark = pytest.mark.integration


async def test_the_next_entry_of_a_list_can_be_odd_in_each_way(stage):
    async with stage(chargers=2, rate_limits=RateLimits(by_endpoint=False)) as site:
        wrong = site.cloud.misbehaviour
        regular = await site.client.get("/api/chargers")
        for how in CHARGER_FORMS:
            wrong.odd_how, wrong.odd_next = how, 1
            odd, good = await site.client.get("/api/chargers")
            assert (good, odd != regular[0]) == (regular[1], True), how
        (regular,) = await site.client.get("/api/accounts/products")
        for how in SITE_FORMS:
            wrong.odd_how, wrong.odd_next = how, 1
            (odd,) = await site.client.get("/api/accounts/products")
            assert odd != regular, how
        assert site.cloud.statistics.misbehaved["odd_entries"] == len(CHARGER_FORMS) + len(SITE_FORMS)


async def test_null_fields_are_null(stage):
    async with stage() as site:
        site.cloud.misbehaviour.odd_how, site.cloud.misbehaviour.odd_next = "null_fields", 1
        (odd,) = await site.client.get("/api/chargers")
        assert (odd["id"], odd["name"], odd["productCode"]) == ("EH000001", None, None)


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (403, 403, {"message": "Forbidden"}),
        ("garbage", 200, "<html>not what you wanted</html>"),
        ("null", 200, None),
    ],
)
async def test_a_path_can_fail_alone(stage, fault, status, body):
    async with stage() as site:
        site.cloud.misbehaviour.path_faults = {"/api/accounts/products": fault}
        assert await site.client.call("GET", "/api/accounts/products") == (status, body)
        assert len(await site.client.get("/api/chargers")) == 1


@pytest.mark.parametrize(("fault", "status"), [("refused", 403), (404, 404), (504, 504)])
async def test_a_path_can_be_refused_by_the_api_itself(stage, fault, status):
    async with stage() as site:
        site.cloud.misbehaviour.path_faults = {"/api/chargers": fault}
        answered, problem = await site.client.call("GET", "/api/chargers")
        assert (answered, problem["status"]) == (status, status)


async def test_the_rating_of_a_cable_is_minus_1_without_one(stage):
    async with stage() as site, site.client.stream() as stream:
        await stream.shows(104, "-1")
        site.act("plug_in")
        await stream.shows(104, "32")
        site.act("unplug")
        await stream.shows(104, "-1")


async def test_phases_2_and_3_of_a_circuit_take_up_to_1000_a(stage):
    async with stage() as site:
        (found,) = await site.client.get("/api/accounts/products")
        path = f"/api/sites/{found['id']}/circuits/{found['circuits'][0]['id']}/settings"
        body = {
            "dynamicCircuitCurrentP1": 40,
            "dynamicCircuitCurrentP2": 1000,
            "dynamicCircuitCurrentP3": 1000,
        }
        assert (await site.client.call("POST", path, body))[0] == 200
        assert (await site.client.call("POST", path, body | {"dynamicCircuitCurrentP1": 1000}))[0] == 400


async def test_other_messages_and_other_decimals_come_on_the_stream(stage):
    async with stage() as site, site.client.stream() as stream:
        await stream.shows(109, "1")
        stream.forget()
        site.cloud.misbehaviour.other_messages = site.cloud.misbehaviour.odd_times = 1.0
        site.act("plug_in")
        await until(lambda: stream.of("SubscribeToMyProduct") and stream.of("ChargerUpdate"))
        times = [one["timestamp"] for one in stream.of("ProductUpdate")]
        assert {len(time) for time in times} <= {
            len("2026-01-01T00:00:00Z"),
            len("2026-01-01T00:00:00.123000Z"),
        }
        assert stream.of("SubscribeToMyProduct")[0] == {"mid": "EH000001"}


async def test_entries_of_chargers_say_what_the_account_may(stage):
    async with stage() as site:
        (found,) = await site.client.get("/api/accounts/products")
        (charger,) = found["circuits"][0]["chargers"]
        assert (charger["levelOfAccess"], charger["userRole"], charger["isTemporary"]) == (1, 1, False)
        assert (await site.client.call("POST", "/api/chargers/EH000001/partners", {"id": 7}))[0] == 200
        partner = await site.client.get("/api/chargers/EH000001/partners")
        assert (partner["isOperator"], partner["useAmqpIntegration"]) == (True, False)


async def test_the_energy_of_a_site_is_the_register_of_each_charger(stage):
    async with stage(chargers=2, chargers_a_circuit=2) as site, site.client.stream() as stream:
        await stream.shows(109, "1")
        (found,) = await site.client.get("/api/sites")
        assert await site.client.get(f"/api/sites/{found['id']}/energy") == [
            {"chargerId": "EH000001", "lifeTimeEnergy": 0.0},
            {"chargerId": "EH000002", "lifeTimeEnergy": 0.0},
        ]
