"""A store with a past, and one that fails."""

import asyncio
import csv
import io
import sqlite3

import pytest

from chargebridge.chargepoint.records import (
    Bury,
    Enqueue,
    MessageKind,
    PutTransaction,
    QueuedMessage,
    SendState,
    Transaction,
)
from chargebridge.store.journal import STORE_FILE, SqliteStore

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000
DAY_MS = 1_800_000_000_000


class Listener:
    """Waits for one commit."""

    def __init__(self):
        self.done = asyncio.get_running_loop().create_future()

    def committed(self, tokens):
        self.done.set_result(tokens)

    def commit_failed(self, tokens, error):
        self.done.set_exception(error)

    def answered(self, token, query, found):
        raise AssertionError("nobody has asked")


def remember(state_dir, identity, records):
    """Write a past into a store that no gateway has used yet."""

    async def write():
        state_dir.mkdir()
        store = SqliteStore(state_dir)
        numbers = store.register([(identity, "csms")])
        listener = Listener()
        store.start(asyncio.get_running_loop(), listener)
        store.submit(numbers[identity, "csms"], records, "the past")
        await listener.done
        await store.stop()

    asyncio.run(write())


def delivered(number, start=SendState.ANSWERED):
    started_ms = DAY_MS + number * HOUR_MS
    return Transaction(
        number=number,
        session=number,
        connector=1,
        id_tag="04A1B2C3",
        started_ms=started_ms,
        meter_start_wh=number,
        start=start,
        transaction_id=number,
        stopped_ms=started_ms + 60_000,
        meter_stop_wh=number + 1,
        stop_reason="Local",
        stop=SendState.ANSWERED,
    )


def test_table_of_many_pages_has_every_transaction_once(at_site, tmp_path):
    numbers = range(1, 2502)
    remember(tmp_path / "state", "CP-1", [PutTransaction(delivered(number)) for number in numbers])

    async def scenario(site):
        answer = await site.client.get("/transactions", params={"format": "csv"})
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [int(row["number"]) for row in rows] == sorted(numbers, reverse=True)
        few = await site.client.get("/transactions", params={"format": "csv", "limit": 3})
        assert few.text.count("\r\n") == 4

    at_site(scenario)


def test_dead_letters_say_what_was_given_up_and_why(at_site, tmp_path):
    transaction = delivered(1, start=SendState.DEAD)
    records = [PutTransaction(transaction)]
    for sequence in (1, 2):
        message = QueuedMessage(sequence, MessageKind.START, transaction=1, attempts=3)
        records += [Enqueue(message), Bury(sequence, DAY_MS + sequence * 1000, "InternalError")]
    remember(tmp_path / "state", "CP-1", records)

    async def scenario(site):
        page = await site.get("/dead-letters", limit=1)
        assert page["items"] == [
            {
                "id": 2,
                "charge_point": "CP-1",
                "central_system": "csms",
                "kind": "start",
                "transaction": 1,
                "attempts": 3,
                "given_up_at": "2027-01-15T08:00:02.000Z",
                "reason": "InternalError",
            }
        ]
        (earlier,) = (await site.get("/dead-letters", before=page["next"]))["items"]
        assert earlier["id"] == 1
        assert "chargebridge_dead_letters 2.0" in (await site.client.get("/metrics")).text

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
        assert "nothing can be made durable" in (await until(503))["error"]
        assert (await site.refused("GET", "/ready"))[0] == 503
        metrics = (await site.client.get("/metrics")).text
        assert "chargebridge_store_failing 1.0" in metrics
        assert "chargebridge_store_readable 0.0" in metrics
        assert "oldest_unsent" not in metrics

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
