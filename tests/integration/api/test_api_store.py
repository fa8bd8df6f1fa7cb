"""A store with a past, and one that fails."""

import asyncio
import csv
import io
import sqlite3

import pytest
from msgspec.structs import replace

from chargebridge.chargepoint.records import PutTransaction, SendState, Transaction
from chargebridge.store.journal import STORE_FILE

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000
DAY_MS = 1_800_000_000_000


def delivered(number):
    started_ms = DAY_MS + number * HOUR_MS
    return Transaction(
        number=number,
        session=number,
        connector=1,
        id_tag="04A1B2C3",
        started_ms=started_ms,
        meter_start_wh=number,
        start=SendState.ANSWERED,
        transaction_id=number,
        stopped_ms=started_ms + 60_000,
        meter_stop_wh=number + 1,
        stop_reason="Local",
        stop=SendState.ANSWERED,
    )


def test_table_of_many_pages_has_every_transaction_once(at_site, remember):
    numbers = range(1, 2502)
    remember("CP-1", [PutTransaction(delivered(number)) for number in numbers])

    async def scenario(site):
        answer = await site.client.get("/transactions", params={"format": "csv"})
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [int(row["number"]) for row in rows] == sorted(numbers, reverse=True)
        few = await site.client.get("/transactions", params={"format": "csv", "limit": 3})
        assert few.text.count("\r\n") == 4

    at_site(scenario)


@pytest.mark.parametrize("mark", ["rebuilt", "assumed"])
def test_transactions_that_are_marked_are_listed_as_json_and_csv(at_site, remember, mark):
    marked = {2, 4, 5}
    remember("CP-1", [PutTransaction(replace(delivered(n), **{mark: n in marked})) for n in range(1, 7)])
    remember("GONE", [PutTransaction(replace(delivered(7), **{mark: True}))])

    async def scenario(site):
        def listed(page):
            assert all(item[mark] is True for item in page["items"])
            return [item["number"] for item in page["items"]]

        assert listed(await site.get("/transactions", **{mark: True})) == [7, 5, 4, 2]
        assert listed(await site.get("/transactions", **{mark: True}, charge_point="GONE")) == [7]
        assert listed(await site.get("/charge-points/CP-1/transactions", **{mark: True})) == [5, 4, 2]
        first = await site.get("/charge-points/CP-1/transactions", **{mark: True}, limit=2)
        assert listed(first) == [5, 4]
        cursor = first["next"]
        assert listed(await site.get("/transactions", **{mark: True}, cursor=cursor)) == [2]
        everything = (await site.get("/charge-points/CP-1/transactions", **{mark: False}))["items"]
        assert [item[mark] for item in everything] == [False, True, True, False, True, False]

        answer = await site.client.get("/transactions", params={"format": "csv", mark: True})
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [(row["number"], row[mark]) for row in rows] == [(str(n), "true") for n in (7, 5, 4, 2)]
        answer = await site.client.get("/charge-points/CP-1/transactions", params={"format": "csv"})
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row[mark] for row in rows] == ["false", "true", "true", "false", "true", "false"]

    at_site(scenario)


def test_store_that_fails_makes_the_program_unhealthy_until_it_works_again(at_site):
    async def scenario(site):
        def rename(old, new):
            connection = sqlite3.connect(site.state_dir / STORE_FILE)
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")
            connection.close()

        async def until(status):
            async with asyncio.timeout(20):
                while True:
                    answer = await site.client.get("/health")
                    if answer.status_code == status:
                        return answer.json()

        rename("queue", "mislaid")
        await site.post("/charge-points/CP-1/charger/plug-in")
        await site.post("/charge-points/CP-1/charger/present-token", id_tag="04A1B2C3")
        assert "the store cannot commit" in (await until(503))["error"]
        assert (await site.refused("GET", "/ready"))[0] == 503
        metrics = (await site.client.get("/metrics")).text
        assert "chargebridge_store_failing 1.0" in metrics
        assert "chargebridge_store_readable 0.0" in metrics
        assert "oldest_queued" not in metrics

        rename("mislaid", "queue")
        assert await until(200) == {"status": "ok"}
        await site.status("CP-1", "Charging")

    at_site(scenario)


def test_store_that_cannot_be_read_is_told(at_site):
    async def scenario(site):
        connection = sqlite3.connect(site.state_dir / STORE_FILE)
        connection.execute("ALTER TABLE dead_letters RENAME TO mislaid")
        status, problem = await site.refused("GET", "/dead-letters")
        assert status == 503
        assert STORE_FILE in problem["error"]
        connection.execute("ALTER TABLE mislaid RENAME TO dead_letters")
        connection.close()

    at_site(scenario)
