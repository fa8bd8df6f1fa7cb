"""Queued messages, listed for people and set aside by hand, at a real gateway."""

import pytest

from chargebridge.chargepoint.records import (
    Enqueue,
    MessageKind,
    PutTransaction,
    QueuedMessage,
    SendState,
    Transaction,
)
from chargebridge.emulators.central_system import AS_USUAL
from tests.integration.api.test_api_dead_letters import DAY_MS, NO_DATABASE, delivered, eventually

pytestmark = pytest.mark.integration

WHO = {"by": "Jana Kovar", "reason": "the central system chokes on it"}
REASON = "set aside by Jana Kovar: the central system chokes on it"


def waiting(samples):
    """Records of a transaction of which nothing is answered."""
    transaction = Transaction(
        number=1,
        session=1,
        connector=1,
        id_tag="04A1B2C3",
        started_ms=DAY_MS,
        meter_start_wh=0,
        stopped_ms=DAY_MS + 3_600_000,
        meter_stop_wh=1000,
        stop_reason="Local",
        stop=SendState.QUEUED,
    )
    value = b'[{"timestamp":"2027-01-15T08:%02d:00Z","sampledValue":[{"value":"%d"}]}]'
    return [
        PutTransaction(transaction),
        Enqueue(QueuedMessage(1, MessageKind.START, 1)),
        *(
            Enqueue(
                QueuedMessage(2 + n, MessageKind.METER_VALUES, 1, value % (n, n)), DAY_MS + n * 60_000, n, 1
            )
            for n in range(samples)
        ),
        Enqueue(QueuedMessage(2 + samples, MessageKind.STOP, 1)),
    ]


def test_it_is_listed_page_by_page_of_one_charge_point_or_all(at_site, remember):
    remember("CP-7", waiting(2), central_system="former")
    remember("CP-8", waiting(30), central_system="former")

    async def scenario(site):
        page = await site.get("/queue", charge_point="CP-7")
        assert page["next"] is None
        assert [(one["kind"], one["since"]) for one in page["items"]] == [
            ("start", "2027-01-15T08:00:00.000Z"),
            ("meter_values", "2027-01-15T08:00:00.000Z"),
            ("meter_values", "2027-01-15T08:01:00.000Z"),
            ("stop", "2027-01-15T09:00:00.000Z"),
        ]
        items, after = [], None
        while after is not None or not items:
            page = await site.get("/queue", limit=10, **({"after": after} if after else {}))
            assert len(page["items"]) <= 10
            items, after = items + page["items"], page["next"]
        assert [one["charge_point"] for one in items] == ["CP-7"] * 4 + ["CP-8"] * 32
        assert len({one["id"] for one in items}) == 36
        assert items[0] == {
            "id": items[0]["id"],
            "charge_point": "CP-7",
            "central_system": "former",
            "kind": "start",
            "transaction": 1,
            "since": "2027-01-15T08:00:00.000Z",
            "attempts": 0,
            "next_at": None,
            "last_answer": None,
            "history": [],
        }
        assert (await site.refused("GET", "/queue?charge_point=NOSUCH"))[0] == 404
        assert (await site.refused("GET", "/queue?after=x"))[0] == 422
        assert (await site.refused("GET", "/queue?limit=1001"))[0] == 422

    at_site(scenario)


def test_one_that_holds_up_all_others_is_set_aside_and_sent_again_when_all_is_mended(at_site):
    async def scenario(site):
        site.central_system.answer("StartTransaction", lambda identity, request: NO_DATABASE)
        await site.start_charging("CP-1")
        await site.post("/charge-points/CP-1/charger/unplug")
        await eventually(lambda: kinds(site), ["start", "stop"])
        start = (await site.get("/queue"))["items"][0]
        assert (start["attempts"], start["last_answer"]) == (1, "InternalError: no database")
        assert start["next_at"] is not None
        path = f"/queue/{start['id']}/set-aside"
        assert await site.post(path, **WHO) == {"detail": "start of transaction 1 is a dead letter"}
        await site.central_system.expect("CP-1", "StopTransaction", {"transactionId": -1})
        await eventually(lambda: delivered(site, "CP-1"), True)
        (letter,) = (await site.get("/dead-letters"))["items"]
        assert (letter["kind"], letter["reason"]) == ("start", REASON)
        assert [one["reason"] for one in letter["history"]] == ["InternalError: no database", REASON]
        status, problem = await site.refused("POST", path, WHO)
        assert (status, problem["error"][:47]) == (409, "there is no such message in the queue any more:")

        site.central_system.answer("StartTransaction", lambda identity, request: AS_USUAL)
        again = await site.post(f"/dead-letters/{letter['id']}/redeliver")
        assert again == {"detail": "queued again: 2 messages of 1 transaction"}
        await site.central_system.expect("CP-1", "StopTransaction", lambda stop: stop["transactionId"] != -1)
        await eventually(lambda: delivered(site, "CP-1"), True)
        assert len(site.central_system.ledger.transactions()) == 1
        assert (await site.get("/queue")) == {"items": [], "next": None}

    at_site(scenario)


async def kinds(site):
    return [one["kind"] for one in (await site.get("/queue"))["items"]]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/queue/99-1-00000000/set-aside", WHO, 404),
        ("/queue/1-1/set-aside", WHO, 422),
        ("/queue/1-1-xyz/set-aside", WHO, 422),
        ("/queue/1-1-00000000/set-aside", {"by": "Jana Kovar"}, 422),
        ("/queue/1-1-00000000/set-aside", {"by": "", "reason": "x"}, 422),
        ("/queue/1-1-00000000/set-aside", WHO, 409),
    ],
)
def test_what_is_wrong_is_refused(at_site, path, body, status):
    async def scenario(site):
        found, problem = await site.refused("POST", path, body)
        assert (found, bool(problem["error"])) == (status, True)

    at_site(scenario)
