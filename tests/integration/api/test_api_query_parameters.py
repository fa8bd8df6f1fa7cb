"""Query parameters: what an operation does not have is refused, and an id of nothing is not found."""

import pytest

from chargebridge.chargepoint.records import PutTransaction, SendState, Transaction

pytestmark = pytest.mark.integration

OPERATIONS = [
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
    ("GET", "/charge-points"),
    ("GET", "/charge-points/CP-1"),
    ("GET", "/charge-points/CP-1/transactions"),
    ("GET", "/charge-points/CP-1/frames"),
    ("GET", "/charge-points/CP-1/frames/live"),
    ("GET", "/charge-points/CP-1/charger"),
    ("GET", "/transactions"),
    ("GET", "/dead-letters"),
    ("GET", "/set-aside"),
    ("POST", "/dead-letters/1/redeliver"),
    ("POST", "/charge-points/CP-1/dead-letters/redeliver"),
    ("POST", "/charge-points/CP-1/link/up"),
    ("POST", "/charge-points/CP-1/reset"),
    ("POST", "/charge-points/CP-1/charger/plug-in"),
    ("POST", "/backup"),
]


def test_a_parameter_that_does_not_exist_is_refused_everywhere(at_site):
    async def scenario(site):
        for method, path in OPERATIONS:
            status, problem = await site.refused(method, f"{path}?nosuch=1")
            assert status == 422, path
            assert problem["error"].startswith("query.nosuch: there is no such parameter; expected "), path
        assert (await site.get("/charge-points/CP-1"))["link"]["reconnects"] == 0, "nothing was done"

    at_site(scenario)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (
            "undeliverd=true",
            "query.undeliverd: there is no such parameter; expected one of assumed, charge_point, cursor, ",
        ),
        ("Limit=1", "query.Limit: there is no such parameter; expected "),
        ("a=1&b=2", "query.b: there is no such parameter; expected "),
        ("limit=0&nosuch", "query.nosuch: there is no such parameter; expected "),
    ],
)
def test_the_answer_names_what_there_is(at_site, query, error):
    async def scenario(site):
        status, problem = await site.refused("GET", f"/transactions?{query}")
        assert status == 422
        assert error in problem["error"]

    at_site(scenario)


def test_without_the_token_nothing_is_said_about_parameters(at_site):
    async def scenario(site):
        answer = await site.client.get("/transactions?nosuch=1", headers={"Authorization": "Bearer wrong"})
        assert answer.status_code == 401

    at_site(scenario)


def test_a_charge_point_that_never_was_is_not_found_and_a_removed_one_is(at_site, remember):
    transaction = Transaction(
        number=1,
        session=1,
        connector=1,
        id_tag="04A1B2C3",
        started_ms=1_800_000_000_000,
        meter_start_wh=0,
        start=SendState.ANSWERED,
        transaction_id=7,
        stopped_ms=1_800_000_060_000,
        meter_stop_wh=1,
        stop_reason="Local",
        stop=SendState.ANSWERED,
    )
    remember("GONE", [PutTransaction(transaction)])

    async def scenario(site):
        for query in ("charge_point=NOSUCH", "charge_point=NOSUCH&format=csv", "charge_point="):
            status, problem = await site.refused("GET", f"/transactions?{query}")
            assert status == 404, query
            assert problem["error"].startswith("there is no charge point")
            assert problem["remedy"] == "GET /charge-points lists them"
        for path in ("/dead-letters", "/set-aside"):
            assert (await site.refused("GET", f"{path}?charge_point=NOSUCH"))[0] == 404
            assert (await site.get(path, charge_point="GONE"))["items"] == []
        assert (await site.get("/transactions", charge_point="CP-1"))["items"] == []
        (listed,) = (await site.get("/transactions", charge_point="GONE"))["items"]
        assert listed["charge_point"] == "GONE"

    at_site(scenario)
