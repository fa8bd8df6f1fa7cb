"""A car charges, and the API shows and steers it."""

import csv
import io

import pytest

from chargebridge.emulators.central_system import NOTHING

pytestmark = pytest.mark.integration


def test_car_that_charges_is_seen_live_and_stopped(at_site):
    async def scenario(site):
        await site.post("/charge-points/CP-1/charger/plug-in", max_current_a=10)
        await site.status("CP-1", "Preparing")
        await site.post("/charge-points/CP-1/charger/present-token", id_tag="04A1B2C3")
        await site.status("CP-1", "Charging")

        shown = await site.get("/charge-points/CP-1")
        assert shown["connector_status"] == "Charging"
        assert shown["link"]["state"] == "open"
        assert shown["registration"] == "Accepted"
        assert shown["transaction"]["id_tag"] == "04A1B2C3"
        assert shown["transaction"]["start"] == "answered"
        assert shown["transaction"]["stop"] == "none"

        await site.post("/charge-points/CP-1/stop-transaction")
        stop = await site.central_system.expect("CP-1", "StopTransaction")
        assert stop.payload["reason"] == "Remote"
        assert (await site.get("/charge-points/CP-1"))["transaction"] is None

    at_site(scenario)


def test_transactions_are_listed_with_what_the_central_system_has_answered(at_site):
    async def scenario(site):
        await site.start_charging("CP-1")
        (transaction,) = (await site.get("/transactions"))["items"]
        told = site.central_system.ledger.transaction(transaction["transaction_id"])
        assert transaction["charge_point"] == "CP-1"
        assert transaction["central_system"] == "csms"
        assert transaction["meter_start_wh"] == told.meter_start_wh
        assert transaction["stop"] == "none"
        assert await site.get("/charge-points/CP-2/transactions") == {"items": [], "next": None}
        assert (await site.get("/charge-points/CP-1/transactions"))["items"] == [transaction]
        assert (await site.get("/transactions", charge_point="CP-1"))["items"] == [transaction]
        assert (await site.get("/transactions", charge_point="CP-2"))["items"] == []

    at_site(scenario, "CP-1", "CP-2")


def test_transaction_without_an_answer_is_undelivered(at_site):
    async def scenario(site):
        assert (await site.get("/transactions", undelivered=True))["items"] == []
        await site.start_charging("CP-1")
        site.central_system.answer("StopTransaction", lambda identity, request: NOTHING)
        await site.post("/charge-points/CP-1/stop-transaction")
        await site.central_system.expect("CP-1", "StopTransaction")
        (transaction,) = (await site.get("/transactions", undelivered=True))["items"]
        assert transaction["start"] == "answered"
        assert transaction["stop"] == "queued"

    at_site(scenario)


def test_pages_of_transactions_follow_one_another(at_site):
    async def scenario(site):
        for identity in ("CP-1", "CP-2", "CP-3"):
            await site.start_charging(identity)
        first = await site.get("/transactions", limit=2)
        second = await site.get("/transactions", limit=2, cursor=first["next"])
        assert [item["charge_point"] for item in first["items"]] == ["CP-3", "CP-2"]
        assert [item["charge_point"] for item in second["items"]] == ["CP-1"]
        assert second["next"] is None

    at_site(scenario, "CP-1", "CP-2", "CP-3")


def test_transactions_since_a_moment_leave_out_older_ones(at_site):
    async def scenario(site):
        await site.start_charging("CP-1")
        (transaction,) = (await site.get("/transactions", since="2020-01-01T01:00:00+01:00"))["items"]
        since_then = await site.get("/transactions", since=transaction["started_at"])
        assert since_then["items"] == [transaction]
        assert (await site.get("/transactions", since="2100-01-01T00:00:00Z"))["items"] == []

    at_site(scenario)


@pytest.mark.parametrize(
    ("parameters", "headers"), [({"format": "csv"}, {}), ({}, {"Accept": "text/csv;q=0.9"})]
)
def test_transactions_as_csv_are_the_same_ones(at_site, parameters, headers):
    async def scenario(site):
        await site.start_charging("CP-1", 'A,"B"')
        answer = await site.client.get("/transactions", params=parameters, headers=headers)
        assert answer.headers["content-type"].startswith("text/csv")
        (row,) = csv.DictReader(io.StringIO(answer.text))
        (transaction,) = (await site.get("/transactions"))["items"]
        for mark in ("rebuilt", "assumed"):
            assert row.pop(mark) == "false"
            assert transaction.pop(mark) is False
        assert row == {name: "" if value is None else str(value) for name, value in transaction.items()}
        assert row["id_tag"] == 'A,"B"'

    at_site(scenario)


def test_csv_of_no_transactions_has_its_columns(at_site):
    async def scenario(site):
        answer = await site.client.get("/charge-points/CP-1/transactions", params={"format": "csv"})
        assert answer.text.startswith("charge_point,central_system,number,session,")
        assert answer.text.endswith("\r\n")

    at_site(scenario)


def test_charger_is_unlocked_and_says_so(at_site):
    async def scenario(site):
        await site.post("/charge-points/CP-1/charger/plug-in")
        await site.status("CP-1", "Preparing")
        await site.post("/charge-points/CP-1/unlock")
        assert (await site.get("/charge-points/CP-1/charger"))["locked"] is False

    at_site(scenario)


def test_reset_makes_the_charge_point_boot_again(at_site):
    async def scenario(site):
        site.central_system.skip("CP-1")
        await site.post("/charge-points/CP-1/reset")
        await site.central_system.wait_disconnected("CP-1")
        await site.central_system.expect("CP-1", "BootNotification", timeout_s=30)

    at_site(scenario)


def test_operation_that_makes_no_sense_is_refused_with_the_reason(at_site):
    async def scenario(site):
        assert await site.refused("POST", "/charge-points/CP-1/stop-transaction") == (
            409,
            {"error": "no transaction is running"},
        )

    at_site(scenario)
