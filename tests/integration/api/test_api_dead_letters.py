"""Messages that the central system refused until they were given up, seen and sent again by an operator."""

import asyncio

import pytest

from chargebridge.chargepoint.records import (
    Attempt,
    Attempted,
    DeadLetter,
    Enqueue,
    MessageKind,
    PutTransaction,
    QueuedMessage,
    SendState,
    Transaction,
)
from chargebridge.clock import format_utc
from chargebridge.emulators.central_system import AS_USUAL, CallRefused
from chargebridge.ocpp16.messages import ChangeConfiguration

pytestmark = pytest.mark.integration

DAY_MS = 1_800_000_000_000  # 2027-01-15T08:00:00Z
NO_DATABASE = CallRefused("InternalError", "no database")


def given_up(number):
    """Records of a transaction whose Start was given up after two attempts, and whose Stop was answered."""
    transaction = Transaction(
        number=number,
        session=number,
        connector=1,
        id_tag="04A1B2C3",
        started_ms=DAY_MS,
        meter_start_wh=number,
        start=SendState.DEAD,
        stopped_ms=DAY_MS + 60_000,
        meter_stop_wh=number + 1,
        stop_reason="Local",
        stop=SendState.ANSWERED,
    )
    history = (
        Attempt(1, DAY_MS, "InternalError: no database"),
        Attempt(2, DAY_MS + 1000, "no answer in time"),
    )
    return [
        PutTransaction(transaction),
        Enqueue(QueuedMessage(number, MessageKind.START, transaction=number)),
        Attempted(number, 2, DAY_MS + 1000, history),
        DeadLetter(number, DAY_MS + 1000, "no answer in time"),
    ]


async def eventually(look, wanted):
    """Ask again until it is so; nothing announces it."""
    async with asyncio.timeout(20):
        while (found := await look()) != wanted:  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.02)
    return found


async def metric(site, name):
    text = (await site.client.get("/metrics")).text
    return next(
        float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"chargebridge_{name} ")
    )


async def redeliver(site, letter):
    return await site.post(f"/dead-letters/{letter}/redeliver")


def test_there_are_none_at_first(at_site):
    async def scenario(site):
        assert await site.get("/dead-letters") == {"items": [], "next": None}
        assert await site.refused("POST", "/charge-points/CP-1/dead-letters/redeliver") == (
            409,
            {"error": "there are no dead letters"},
        )

    at_site(scenario)


def test_they_say_what_was_given_up_and_each_attempts_reason(at_site, remember):
    remember("CP-1", [*given_up(1), *given_up(2)])

    async def scenario(site):
        page = await site.get("/dead-letters", limit=1)
        assert page["items"] == [
            {
                "id": 2,
                "charge_point": "CP-1",
                "central_system": "csms",
                "kind": "start",
                "transaction": 2,
                "attempts": 2,
                "dead_since": "2027-01-15T08:00:01.000Z",
                "reason": "no answer in time",
                "history": [
                    {"attempt": 1, "at": "2027-01-15T08:00:00.000Z", "reason": "InternalError: no database"},
                    {"attempt": 2, "at": "2027-01-15T08:00:01.000Z", "reason": "no answer in time"},
                ],
                "settled": None,
            }
        ]
        (earlier,) = (await site.get("/dead-letters", before=page["next"]))["items"]
        assert earlier["id"] == 1
        assert await metric(site, "dead_letters") == 2

    at_site(scenario)


def test_a_start_that_was_refused_three_times_is_told_once_when_the_central_system_is_mended(at_site):
    async def scenario(site):
        await site.central_system.call(
            "CP-1", ChangeConfiguration(key="TransactionMessageRetryInterval", value="0")
        )
        site.central_system.answer("StartTransaction", lambda identity, request: NO_DATABASE)
        await site.start_charging("CP-1")
        (letter,) = await eventually_letters(site, 1)
        assert (letter["kind"], letter["attempts"]) == ("start", 3)
        assert [(one["attempt"], one["reason"]) for one in letter["history"]] == [
            (1, "InternalError: no database"),
            (2, "InternalError: no database"),
            (3, "InternalError: no database"),
        ]
        await site.post("/charge-points/CP-1/charger/unplug")
        await site.central_system.expect("CP-1", "StopTransaction", {"transactionId": -1})
        await eventually(lambda: delivered(site, "CP-1"), True)
        assert site.central_system.ledger.transactions() == []

        site.central_system.answer("StartTransaction", lambda identity, request: AS_USUAL)
        assert await redeliver(site, letter["id"]) == {"detail": "queued again: 2 messages of 1 transaction"}
        await site.central_system.expect("CP-1", "StopTransaction", lambda stop: stop["transactionId"] != -1)
        await eventually(lambda: delivered(site, "CP-1"), True)
        (told,) = site.central_system.ledger.transactions()
        (own,) = (await site.get("/transactions"))["items"]
        assert (own["start"], own["stop"]) == ("answered", "answered")
        assert (told.id, told.id_tag, told.meter_start_wh, told.meter_stop_wh) == (
            own["transaction_id"],
            "04A1B2C3",
            own["meter_start_wh"],
            own["meter_stop_wh"],
        )
        assert (format_utc(told.started_at_ms), format_utc(told.stopped_at_ms)) == (
            own["started_at"],
            own["stopped_at"],
        )
        assert told.start_repeats == 0
        assert await site.get("/dead-letters") == {"items": [], "next": None}
        assert await metric(site, "dead_letters") == 0
        assert await metric(site, 'notices_total{kind="dead_letter"}') == 1
        assert await metric(site, 'notices_total{kind="redelivered"}') == 2
        status, problem = await site.refused("POST", f"/dead-letters/{letter['id']}/redeliver")
        assert (status, problem["error"]) == (404, f"there is no dead letter {letter['id']}")
        assert "have left the list" in problem["remedy"]

    at_site(scenario)


def test_all_of_a_charge_point_at_once(at_site, remember):
    remember("CP-1", [record for number in range(1, 121) for record in given_up(number)])
    remember("CP-2", given_up(1))

    async def scenario(site):
        assert await site.post("/charge-points/CP-1/dead-letters/redeliver") == {
            "detail": "queued again: 240 messages of 120 transactions"
        }
        await eventually(lambda: delivered(site, "CP-1"), True)
        told = site.central_system.ledger.transactions()
        assert [(one.meter_start_wh, one.meter_stop_wh) for one in told] == [
            (n, n + 1) for n in range(1, 121)
        ]
        (left,) = (await site.get("/dead-letters"))["items"]
        assert left["charge_point"] == "CP-2"
        assert (await site.refused("POST", "/charge-points/CP-1/dead-letters/redeliver"))[0] == 409

    at_site(scenario, "CP-1", "CP-2")


def test_a_letter_of_a_charge_point_that_is_not_configured_says_what_to_do(at_site, remember):
    remember("CP-1", given_up(1), central_system="former")
    remember("CP-7", given_up(1))

    async def scenario(site):
        assert await site.refused("POST", "/dead-letters/1/redeliver") == (
            409,
            {
                "error": "dead letter 1 is of charge point 'CP-1' at central system 'former', which is"
                " configured at 'csms' now",
                "remedy": "configure charge point 'CP-1' at central system 'former' again, reload, and"
                " redeliver it; or enter the transaction there by hand: GET /transactions shows it",
            },
        )
        status, problem = await site.refused("POST", "/dead-letters/2/redeliver")
        assert (status, problem["error"]) == (
            409,
            "dead letter 2 is of charge point 'CP-7' at central system 'csms', which is not configured",
        )
        assert len((await site.get("/dead-letters"))["items"]) == 2
        status, problem = await site.refused("POST", "/charge-points/CP-7/dead-letters/redeliver")
        assert status == 404

    at_site(scenario)


@pytest.mark.parametrize("letter", ["0", "-1", "x", str(2**63)])
def test_what_is_no_id_is_refused(at_site, letter):
    async def scenario(site):
        assert (await site.refused("POST", f"/dead-letters/{letter}/redeliver"))[0] == 422

    at_site(scenario)


def test_a_message_that_waits_for_its_retry_says_why(at_site):
    async def scenario(site):
        site.central_system.answer("StartTransaction", lambda identity, request: NO_DATABASE)
        assert (await site.get("/charge-points/CP-1"))["retrying"] is None
        await site.start_charging("CP-1")
        retrying = (await site.get("/charge-points/CP-1"))["retrying"]
        assert (retrying["kind"], retrying["transaction"], retrying["attempts"]) == ("start", 1, 1)
        ((attempt, reason),) = [(one["attempt"], one["reason"]) for one in retrying["history"]]
        assert (attempt, reason) == (1, "InternalError: no database")

    at_site(scenario)


async def eventually_letters(site, count):
    async def letters():
        return len((await site.get("/dead-letters"))["items"])

    await eventually(letters, count)
    return (await site.get("/dead-letters"))["items"]


async def delivered(site, identity):
    """Whether nothing waits, neither in memory nor, a commit later, in the store."""
    if (await site.get(f"/charge-points/{identity}"))["queued_messages"]:
        return False
    return (await site.get("/transactions", charge_point=identity, undelivered=True))["items"] == []
