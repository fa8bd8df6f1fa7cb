"""Links that an operator takes down and up, and identities of every kind."""

from urllib.parse import quote

import pytest

pytestmark = pytest.mark.integration


def test_link_stays_down_until_it_is_let_up_again(at_site):
    async def scenario(site):
        assert (await site.post("/charge-points/CP-1/link/down"))["state"] == "closing"
        await site.central_system.wait_disconnected("CP-1")
        assert (await site.post("/charge-points/CP-1/link/up"))["state"] in {
            "closing",
            "waiting",
            "connecting",
        }
        await site.central_system.wait_connected("CP-1")
        assert (await site.get("/charge-points/CP-2"))["link"]["reconnects"] == 0

    at_site(scenario, "CP-1", "CP-2")


@pytest.mark.parametrize("identity", ["a/b", "50%", "a%2Fb", "Säule 1", "x?y#z", "link"])
def test_any_identity_can_be_named_in_a_path(at_site, identity):
    async def scenario(site):
        path = f"/charge-points/{quote(identity, safe='')}"
        assert (await site.get(path))["identity"] == identity
        assert await site.get(f"{path}/frames")
        assert (await site.get(f"{path}/charger"))["serial"] == "SIM00001"

    at_site(scenario, identity)


def test_charge_points_are_listed_page_by_page(at_site):
    async def scenario(site):
        page = await site.get("/charge-points", limit=2, offset=1)
        assert page["total"] == 3
        assert page["offset"] == 1
        assert [shown["identity"] for shown in page["items"]] == ["CP-2", "CP-3"]

    at_site(scenario, "CP-1", "CP-2", "CP-3")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/transactions"),
        ("GET", "/frames"),
        ("GET", "/frames/live"),
        ("GET", "/charger"),
        ("POST", "/link/down"),
        ("POST", "/link/up"),
        ("POST", "/reset"),
        ("POST", "/boot"),
        ("POST", "/unlock"),
        ("POST", "/stop-transaction"),
        ("POST", "/charger/unplug"),
    ],
)
def test_unknown_charge_point_is_not_found(at_site, method, path):
    async def scenario(site):
        assert await site.refused(method, f"/charge-points/CP-9{path}") == (
            404,
            {"error": "there is no charge point 'CP-9'", "remedy": "GET /charge-points lists them"},
        )

    at_site(scenario)


def test_a_link_says_the_same_however_often_it_is_asked(at_site):
    async def scenario(site):
        first = (await site.get("/charge-points/CP-1"))["link"]
        assert (first["state"], first["attempts"], first["next_attempt_at"], first["last_error_at"]) == (
            "open",
            0,
            None,
            None,
        )
        assert first["url"] == site.central_system.url
        for _ in range(20):
            link = (await site.get("/charge-points/CP-1"))["link"]
            assert (link["state_since"], link["url"]) == (first["state_since"], first["url"])

    at_site(scenario)
