"""Dead letters and inputs set aside that were dealt with by hand: alerts clear, the record stays."""

import asyncio
import sqlite3

import pytest

from chargebridge.chargepoint.records import MessageKind
from chargebridge.store.journal import STORE_FILE
from tests.integration.api.test_api_dead_letters import (
    delivered,
    eventually,
    given_up,
    metric,
)

pytestmark = pytest.mark.integration

WHO = {"by": "Jana Kovar", "reason": "entered by hand as transaction 4711"}


async def letters(site, **parameters):
    return (await site.get("/dead-letters", **parameters))["items"]


def test_a_settled_letter_clears_the_alert_and_is_kept_with_who_when_and_why(at_site, remember):
    remember("CP-1", [*given_up(1), *given_up(2)])

    async def scenario(site):
        assert await metric(site, "dead_letters") == 2
        assert await site.post("/dead-letters/1/settle", **WHO) == {
            "detail": "settled: 1 message of 1 transaction"
        }
        (left,) = await letters(site)
        assert (left["id"], left["settled"]) == (2, None)
        (settled,) = await letters(site, settled=True)
        assert (settled["id"], settled["transaction"], settled["reason"]) == (1, 1, "no answer in time")
        assert {"by": settled["settled"]["by"], "reason": settled["settled"]["reason"]} == WHO
        assert settled["settled"]["at"].endswith("Z")
        assert len(settled["history"]) == 2
        assert await metric(site, "dead_letters") == 1
        assert await metric(site, 'notices_total{kind="settled"}') == 1
        await site.post("/dead-letters/2/settle", **WHO)
        assert await metric(site, "dead_letters") == 0
        assert (await site.get("/transactions"))["items"][0]["start"] == "dead"

    at_site(scenario)


def test_what_is_settled_is_never_sent_again(at_site, remember):
    remember("CP-1", [*given_up(1), *given_up(2)])

    async def scenario(site):
        await site.post("/dead-letters/1/settle", **WHO)
        for action in ("redeliver", "settle"):
            status, problem = await site.refused("POST", f"/dead-letters/1/{action}", WHO)
            assert status == 409
            assert problem["error"].startswith("dead letter 1 was settled at 20")
            assert problem["error"].endswith(f"by {WHO['by']}: {WHO['reason']}")
        assert await site.post("/charge-points/CP-1/dead-letters/redeliver") == {
            "detail": "queued again: 2 messages of 1 transaction"
        }
        await eventually(lambda: delivered(site, "CP-1"), True)
        (told,) = site.central_system.ledger.transactions()
        assert told.meter_start_wh == 2
        assert [letter["id"] for letter in await letters(site, settled=True)] == [1]

    at_site(scenario)


def test_all_of_a_charge_point_at_once(at_site, remember):
    remember("CP-1", [record for number in range(1, 121) for record in given_up(number)])
    remember("CP-2", given_up(1))

    async def scenario(site):
        path = "/charge-points/CP-1/dead-letters/settle"
        assert await site.post(path, **WHO) == {"detail": "settled: 120 messages of 120 transactions"}
        assert await site.refused("POST", path, WHO) == (409, {"error": "there are no dead letters"})
        (left,) = await letters(site)
        assert left["charge_point"] == "CP-2"
        first = await site.get("/dead-letters", settled=True, limit=100)
        rest = await site.get("/dead-letters", settled=True, limit=100, before=first["next"])
        assert (len(first["items"]), len(rest["items"]), rest["next"]) == (100, 20, None)
        assert await letters(site, settled=True, charge_point="CP-2") == []
        assert site.central_system.ledger.transactions() == []

    at_site(scenario, "CP-1", "CP-2")


def test_letters_of_charge_points_that_are_not_configured_can_be_settled(at_site, remember):
    remember("CP-1", given_up(1), central_system="former")
    remember("CP-7", given_up(1))

    async def scenario(site):
        for letter in (1, 2):
            assert await site.post(f"/dead-letters/{letter}/settle", **WHO) == {
                "detail": "settled: 1 message of 1 transaction"
            }
        assert await letters(site) == []
        assert {letter["charge_point"] for letter in await letters(site, settled=True)} == {"CP-1", "CP-7"}
        status, _ = await site.refused("POST", "/charge-points/CP-7/dead-letters/settle", WHO)
        assert status == 404

    at_site(scenario)


def test_a_later_dead_letter_of_the_same_transaction_raises_the_alert_again(at_site, remember):
    remember("CP-1", given_up(1))

    async def scenario(site):
        await site.post("/dead-letters/1/settle", **WHO)
        with sqlite3.connect(site.state_dir / STORE_FILE) as store:
            store.execute(
                "INSERT INTO dead_letters (charge_point, sequence, kind, transaction_number, payload,"
                " attempts, sampled_ms, at_ms, reason) VALUES (1, 9, ?, 1, ?, 3, 0, 1, 'late')",
                (MessageKind.METER_VALUES.value, b"[]"),
            )
        store.close()
        assert await metric(site, "dead_letters") == 1
        (late,) = await letters(site)
        assert (late["id"], late["kind"], late["reason"]) == (2, "meter_values", "late")
        await site.post("/dead-letters/2/settle", **WHO)
        assert await metric(site, "dead_letters") == 0

    at_site(scenario)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "body.by: Field required"),
        ({"by": "J"}, "body.reason: Field required"),
        ({"by": " ", "reason": "x"}, "body.by: Value error, one line of printable characters is expected"),
        ({"by": "J", "reason": "a\nb"}, "body.reason: Value error, one line of printable characters"),
        ({"by": "J" * 101, "reason": "x"}, "body.by: String should have at most 100 characters"),
        ({"by": "J", "reason": "x" * 501}, "body.reason: String should have at most 500 characters"),
        ({"by": "J", "reason": "x", "why": "y"}, "body.why: Extra inputs are not permitted"),
    ],
)
def test_who_and_why_have_to_be_said(at_site, remember, body, error):
    remember("CP-1", given_up(1))

    async def scenario(site):
        for path in ("/dead-letters/1", "/charge-points/CP-1/dead-letters", "/set-aside/1"):
            status, problem = await site.refused("POST", f"{path}/settle", body)
            assert status == 422, path
            assert error in problem["error"], path
        assert len(await letters(site)) == 1

    at_site(scenario)


def test_a_letter_that_there_is_not_is_not_found(at_site):
    async def scenario(site):
        status, problem = await site.refused("POST", "/dead-letters/5/settle", WHO)
        assert (status, problem["error"]) == (404, "there is no dead letter 5")
        status, problem = await site.refused("POST", "/set-aside/5/settle", WHO)
        assert (status, problem["error"]) == (404, "no input was set aside under the id 5")

    at_site(scenario)


def test_inputs_that_were_set_aside_are_listed_and_settled(at_site, remember):
    remember("CP-1", [])
    remember("CP-2", [])

    async def scenario(site):
        with sqlite3.connect(site.state_dir / STORE_FILE) as store:
            store.executemany(
                "INSERT INTO set_aside (charge_point, at_ms, input, error) VALUES (?, ?, ?, ?)",
                [(charge_point, 1_800_000_000_000, "Input()", "boom") for charge_point in (1, 1, 1, 2)],
            )
        store.close()

        async def ids(**parameters):
            return [item["id"] for item in (await site.get("/set-aside", **parameters))["items"]]

        assert await metric(site, "inputs_set_aside_stored") == 4
        assert (await site.get("/set-aside", limit=1)) == {
            "items": [
                {
                    "id": 4,
                    "charge_point": "CP-2",
                    "central_system": "csms",
                    "at": "2027-01-15T08:00:00.000Z",
                    "input": "Input()",
                    "error": "boom",
                    "settled": None,
                }
            ],
            "next": 4,
        }
        assert await ids(charge_point="CP-1", before=3) == [2, 1]
        assert await site.post("/set-aside/4/settle", **WHO) == {"detail": "settled: 1 input"}
        status, problem = await site.refused("POST", "/set-aside/4/settle", WHO)
        assert status == 409
        assert problem["error"].startswith("input 4 was settled at ")
        path = "/charge-points/CP-1/set-aside/settle"
        assert await site.post(path, **WHO) == {"detail": "settled: 3 inputs"}
        assert await site.refused("POST", path, WHO) == (409, {"error": "no inputs are set aside"})
        assert await metric(site, "inputs_set_aside_stored") == 0
        assert await ids() == []
        assert await ids(settled=True) == [4, 3, 2, 1]
        (newest, *_) = (await site.get("/set-aside", settled=True))["items"]
        assert (newest["settled"]["by"], newest["settled"]["reason"]) == (WHO["by"], WHO["reason"])

    at_site(scenario, "CP-1", "CP-2")


def test_settling_goes_on_while_the_charge_point_is_busy(at_site, remember):
    remember("CP-1", [record for number in range(1, 41) for record in given_up(number)])

    async def scenario(site):
        answers = await asyncio.gather(
            *(site.client.post(f"/dead-letters/{letter}/settle", json=WHO) for letter in range(1, 41))
        )
        settled = [answer for answer in answers if answer.is_success]
        refused = {answer.json()["error"] for answer in answers if answer.is_error}
        assert settled
        assert refused <= {"dead letters are being settled; try again when that is done"}
        assert await metric(site, "dead_letters") == 40 - len(settled)
        assert len(await letters(site, settled=True)) == len(settled)

    at_site(scenario)
