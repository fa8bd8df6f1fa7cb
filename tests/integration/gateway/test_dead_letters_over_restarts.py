"""Dead letters outlive restarts and kills, and are delivered again once."""

import asyncio
import re

import httpx
import pytest
from ocpp.v16.enums import RegistrationStatus

from chargebridge.chargepoint.turn import Operation

pytestmark = pytest.mark.integration

EDGES = {"StartTransaction", "StopTransaction", "MeterValues"}
AGAIN = [
    # Transaction 2, whose Start was given up: its Stop had been answered under -1.
    ("StartTransaction", "TAG2", 2000, "2026-01-02T08:30:00.000Z"),
    ("MeterValues", 42, "2500", "2026-01-02T08:40:00.000Z"),
    ("StopTransaction", 42, 3000, "2026-01-02T09:00:00.000Z"),
    # Transaction 3, whose Stop was.
    ("StopTransaction", 33, 3500, "2026-01-02T09:30:00.000Z"),
]
WAITING = [
    ("MeterValues", 44, "3700", "2026-01-02T09:40:00.000Z"),
    ("StopTransaction", 44, 4000, "2026-01-02T09:43:20.000Z"),
    ("StartTransaction", "TAG5", 4000, "2026-01-02T09:45:00.000Z"),
    ("MeterValues", 41, "4100", "2026-01-02T09:46:00.000Z"),
]


def told(central_system):
    """What was said of transactions, in short."""
    said = []
    for action, payload in central_system.heard:
        if action == "StartTransaction":
            said.append((action, payload["id_tag"], payload["meter_start"], payload["timestamp"]))
        elif action == "StopTransaction":
            said.append((action, payload["transaction_id"], payload["meter_stop"], payload["timestamp"]))
        elif action == "MeterValues":
            (value,) = payload["meter_value"]
            register = value["sampled_value"][0]["value"]
            said.append((action, payload["transaction_id"], register, value["timestamp"]))
    return said


@pytest.mark.usefixtures("store_with_dead_letters")
async def test_what_waits_is_delivered_and_dead_letters_of_a_former_run_are_delivered_again(pypi):
    async with pypi("ocpp16") as pair:
        await pair.settled()
        assert told(pair.cs) == WAITING
        pair.cs.heard.clear()
        assert await pair.gateway.redeliver(9) == (True, "queued again: 1 message of 1 transaction")
        assert await pair.gateway.perform("CP1", Operation.REDELIVER) == (
            True,
            "queued again: 3 messages of 1 transaction",
        )
        await pair.settled()
        assert told(pair.cs) == [AGAIN[3], *AGAIN[:3]]
        (stop,) = [one for action, one in pair.cs.heard if one.get("transaction_id") == 33]
        # As it was, although nothing of that kind is configured now.
        assert [value["timestamp"] for value in stop["transaction_data"]] == [
            "2026-01-02T09:00:00.000Z",
            "2026-01-02T09:30:00.000Z",
        ]
        assert [letter.identity for letter in pair.gateway.store.dead_letters(limit=9)] == ["CP9", "CP9"]


@pytest.mark.usefixtures("store_with_dead_letters")
async def test_a_process_that_is_killed_while_they_are_delivered_again_doubles_and_loses_none(
    site, pypi_central_system, kill, wait_until
):
    token = "the token of this test"
    site.tables["api"] = {"port": 0, "token": token}

    async def url(processes):
        def listening():
            return re.findall(r"http://127\.0\.0\.1:\d+", site.logged()) if site.log.exists() else []

        await wait_until(lambda: len(listening()) == processes)
        return listening()[-1]

    async def ask(url):
        """Ask for all to be sent again; the status of the answer, or None if there was none."""
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
            try:
                return (await client.post("/charge-points/CP1/dead-letters/redeliver")).status_code
            except httpx.TransportError:
                return None

    async with pypi_central_system() as cs:
        site.reach(cs)
        # Nothing is delivered before the last process.
        cs.boot_answers = [RegistrationStatus.rejected] * 1000
        answers = []
        while not {200, 409} & set(answers):
            async with site.process() as process:
                asking = asyncio.create_task(ask(await url(len(answers) + 1)))
                # Later each time, until one is answered.
                await asyncio.wait([asking], timeout=0.02 * 16 ** len(answers))
                await kill(process)
                answers.append(await asking)
        cs.boot_answers = []
        async with site.process():
            assert await ask(await url(len(answers) + 1)) == 409
            await wait_until(lambda: len(told(cs)) >= len(WAITING) + len(AGAIN))
            assert sorted(told(cs), key=str) == sorted([*WAITING, *AGAIN], key=str)
