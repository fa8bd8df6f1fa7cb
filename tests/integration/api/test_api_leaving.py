"""Charge points that are not configured any more, in the API: what they wait for, and their end."""

import pytest

from tests.integration.api.test_api_dead_letters import metric
from tests.integration.api.test_api_queue import WHO, waiting

pytestmark = pytest.mark.integration


def test_they_are_listed_with_what_they_wait_for_and_ended(at_site, remember):
    remember("CP-7", waiting(3), central_system="former")
    remember("CP-8", waiting(0), central_system="former")

    async def scenario(site):
        page = await site.get("/leaving-charge-points")
        assert (page["total"], page["offset"]) == (2, 0)
        assert [(one["identity"], one["queued_messages"]) for one in page["items"]] == [
            ("CP-7", 5),
            ("CP-8", 2),
        ]
        assert (await site.get("/leaving-charge-points", limit=1, offset=1))["items"] == page["items"][1:]
        (shown,) = await site.get("/leaving-charge-points/CP-7")
        assert shown == page["items"][0]
        assert (shown["central_system"], shown["transaction"], shown["retrying"]) == ("former", None, None)
        assert shown["since"] is not None
        assert shown["link"]["state"] == "down"
        assert shown["link"]["last_error"] == "the central system is not configured any more"
        assert await metric(site, "charge_points_leaving") == 2
        assert (await site.refused("GET", "/leaving-charge-points/CP-1"))[0] == 404

        path = "/leaving-charge-points/CP-7/end"
        assert (await site.refused("POST", f"{path}?central_system=csms", WHO))[0] == 404
        assert (await site.refused("POST", path, {"by": "Jana Kovar"}))[0] == 422
        assert await site.post(path, **WHO) == {"detail": "5 queued messages became dead letters"}
        letters = (await site.get("/dead-letters", charge_point="CP-7"))["items"]
        assert [letter["kind"] for letter in letters] == ["stop", *["meter_values"] * 3, "start"]
        assert {letter["reason"] for letter in letters} == {f"ended by {WHO['by']}: {WHO['reason']}"}
        assert [one["reason"] for one in letters[0]["history"]] == [letters[0]["reason"]]
        assert [one["identity"] for one in (await site.get("/leaving-charge-points"))["items"]] == ["CP-8"]
        assert (await site.refused("POST", path, WHO))[0] == 404
        (own,) = (await site.get("/transactions", charge_point="CP-7"))["items"]
        assert (own["start"], own["stop"]) == ("dead", "dead")
        settled = await site.post(f"/dead-letters/{letters[0]['id']}/settle", **WHO)
        assert settled == {"detail": "settled: 5 messages of 1 transaction"}

    at_site(scenario)


def test_a_message_of_one_is_set_aside(at_site, remember):
    remember("CP-7", waiting(1), central_system="former")

    async def scenario(site):
        message = (await site.get("/queue", charge_point="CP-7"))["items"][1]
        answer = await site.post(f"/queue/{message['id']}/set-aside", **WHO)
        assert answer == {"detail": "meter_values of transaction 1 is a dead letter"}
        assert (await site.get("/leaving-charge-points"))["items"][0]["queued_messages"] == 2

    at_site(scenario)
