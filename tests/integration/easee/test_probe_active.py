"""`chargebridge easee probe --active`: one question after the other, each with consent, each undone."""

import asyncio

import pytest

from chargebridge.chargers.easee.probe.active import QUESTIONS
from chargebridge.chargers.easee.probe.passive import ProbeError
from chargebridge.chargers.easee.probe.report import as_markdown
from chargebridge.emulators.easee_cloud.misbehaviour import Misbehaviour
from tests.integration.easee.probing import TOKEN, Person, probed, verdicts
from tests.integration.easee.stage import PATIENCE_S, SERIAL, Stage, until

pytestmark = pytest.mark.integration


async def asked(site: Stage, *names: str, person: Person | None = None):
    person = person or Person()
    person.agreed = frozenset(names)
    return await probed(site, person=person, active=True, charger=SERIAL), person


async def answered(site: Stage, path: str) -> dict[str, object]:
    """Read something, however long the cloud refuses; nothing at all for a 404."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            status, body = await site.client.call("GET", path)
            if status in {200, 404}:
                return body if status == 200 else {}
            await asyncio.sleep(0.05)


async def value(site: Stage, observation: int) -> object:
    body = await answered(site, f"/state/{SERIAL}/observations?ids={observation}")
    return next((one["value"] for one in body["observations"]), None)


async def test_without_consent_nothing_is_written(stage):
    async with stage() as site:
        result, person = await asked(site)
        assert dict(site.cloud.statistics.commands) == {}
        assert [text for text, _ in person.asked] == [one.text for one in QUESTIONS]
        assert verdicts(result)["limit-observed"] == ("not seen", "not agreed to")


def test_starting_stopping_and_a_range_from_midnight_to_midnight_need_somebody_there():
    assert {one.name for one in QUESTIONS if one.in_person} == {"whole day", "start and stop", "tap"}


async def test_a_setting_with_its_own_value_changes_nothing(stage):
    async with stage() as site:
        before = await value(site, 42)
        result, _ = await asked(site, "setting")
        seen = verdicts(result)
        assert seen["unchanged-answer"] == ("confirmed", "HTTP 200, []")
        assert seen["unchanged-silence"] == ("confirmed", "no CommandResponse")
        assert await value(site, 42) == before
        assert dict(site.cloud.statistics.commands) == {}


async def test_a_volatile_limit_is_set_observed_and_set_back(stage):
    async with stage() as site:
        assert await value(site, 48) == 32
        result, person = await asked(site, "limit")
        seen = verdicts(result)
        for one in ("ticket", "response", "command-outcome", "limit-observed"):
            assert seen[one][0] == "confirmed", (one, seen[one])
        assert seen["never-undecided"][0] == "confirmed"
        assert site.cloud.statistics.commands[48] == 2
        assert await value(site, 48) == 32
        assert "Everything was undone." in as_markdown(result.report)
        assert any(line.startswith("The limit is set back to 32 A.") for line in person.said)
        assert result.problems == []


async def test_a_plan_is_stored_read_back_and_deleted(stage):
    async with stage() as site:
        result, _ = await asked(site, "plan", "whole day")
        seen = verdicts(result)
        assert seen["plan-stored"][0] == "confirmed"
        assert seen["plan-deleted"][0] == "confirmed"
        assert (await site.client.call("GET", f"/api/chargers/{SERIAL}/weekly_charge_plan"))[0] == 404


async def test_a_plan_that_is_there_is_not_replaced(stage):
    async with stage() as site:
        body = {
            "isEnabled": True,
            "days": [
                {
                    "dayOfWeek": 0,
                    "ranges": [{"startTime": "01:00Z", "stopTime": "02:00Z", "chargingCurrentLimit": 10}],
                }
            ],
        }
        path = f"/api/chargers/{SERIAL}/weekly_charge_plan"
        assert (await site.client.call("POST", path, body))[0] == 200
        result, _ = await asked(site, "plan")
        assert verdicts(result)["plan-stored"] == ("not seen", "a plan is stored; it is not replaced")
        assert await site.client.get(path) == body


async def test_a_start_and_a_stop(stage):
    async with stage() as site:
        site.act("plug_in", battery_kwh=77)
        result, _ = await asked(site, "start and stop")
        seen = verdicts(result)
        assert seen["start-works"][0] == "confirmed"
        assert seen["start-record-comes"][0] == "confirmed"
        assert seen["end-record-comes"][0] == "confirmed"
        assert await value(site, 109) != 3


async def test_no_start_without_a_car(stage):
    async with stage() as site:
        result, _ = await asked(site, "start and stop")
        assert verdicts(result)["start-works"] == ("not seen", "no car is connected")
        assert dict(site.cloud.statistics.commands) == {}


async def test_the_order_of_a_tap_is_shown_and_charging_is_stopped(stage):
    async with stage() as site:
        site.act("plug_in", battery_kwh=77)
        tasks = []

        async def decide() -> None:
            async with site.client.stream() as stream:
                site.act("present_token", id_tag=TOKEN)
                await until(lambda: stream.last(128) == TOKEN)
                await site.client.command("start_charging")

        person = Person(on={"Hold a card": lambda: tasks.append(asyncio.create_task(decide()))})
        result, _ = await asked(site, "tap", person=person)
        await asyncio.gather(*tasks)
        (shown,) = [line for line in person.said if "In this order" in line]
        order = shown.split(": ")[1].split()
        assert {"223", "128", "CR25"} <= set(order)
        assert verdicts(result)["tap-decided"][0] == "confirmed"
        assert shown.split(": ")[1] in as_markdown(result.report)
        assert await value(site, 109) != 3


async def test_nobody_holds_a_card_to_the_reader(stage):
    async with stage() as site:
        result, _ = await asked(site, "tap")
        assert verdicts(result)["tap-order"] == ("not seen", "no card was held to the reader")


# --- what goes wrong --------------------------------------------------------------------------------------


async def test_a_failure_in_the_middle_is_undone(stage):
    async with stage() as site:

        def fail() -> None:
            site.cloud.misbehaviour.change(
                {"fail_kind": "command_status", "fail_status": 500, "fail_next": 100}
            )

        result, _ = await asked(site, "limit", person=Person(on={"Looking": fail, "Listening": fail}))
        assert verdicts(result)["command-outcome"] == ("not seen", "HTTP 500")
        assert await value(site, 48) == 32


async def test_a_lost_stream_is_no_reason_to_leave_a_limit_behind(stage):
    async with stage() as site:

        async def cut() -> None:
            await until(lambda: site.cloud.statistics.commands[48] == 1)
            site.cloud.disconnect_streams()

        cutting = asyncio.create_task(cut())
        result, _ = await asked(site, "limit", "plan")
        await cutting
        assert await value(site, 48) == 32
        assert verdicts(result)["plan-stored"] == ("not seen", "there is no stream")


async def test_a_probe_that_is_interrupted_undoes_what_it_did_however_often(stage):
    async with stage() as site:
        person = Person()
        probing = asyncio.create_task(asked(site, "limit", person=person))
        person.on["The limit is set back"] = lambda: asyncio.get_running_loop().call_soon(probing.cancel)
        await until(lambda: site.cloud.statistics.commands[48] == 1)
        probing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probing
        assert "One moment: the charger is being put back as it was." in person.said
        assert site.cloud.statistics.commands[48] == 2
        assert await value(site, 48) == 32


async def test_what_cannot_be_undone_is_said_with_what_to_do_by_hand(stage):
    async with stage() as site:

        async def refuse() -> None:
            await until(lambda: site.cloud.statistics.commands[48] == 1)
            site.cloud.misbehaviour.change({"fail_kind": "command", "fail_status": 400, "fail_next": 100})

        refusing = asyncio.create_task(refuse())
        result, person = await asked(site, "limit")
        await refusing
        (problem,) = result.problems
        assert problem.startswith("limit was not undone; please do it by hand: ")
        assert "set the dynamic limit to 32 A" in problem
        assert any(line.startswith("NOT UNDONE") for line in person.said)
        assert "NOT UNDONE." in as_markdown(result.report)


async def test_a_change_that_was_refused_needs_no_undoing(stage):
    async with stage() as site:
        site.cloud.misbehaviour.change({"fail_kind": "command", "fail_status": 403, "fail_next": 100})
        result, person = await asked(site, "limit")
        assert result.problems == []
        assert verdicts(result)["ticket"][0] == "not seen"
        assert not any("set back" in line for line in person.said)


async def test_a_command_that_is_ignored_is_a_contradiction(stage):
    async with stage() as site:
        site.cloud.misbehaviour.ignored = 1.0
        seen = verdicts((await asked(site, "limit"))[0])
        assert seen["ticket"] == ("contradicted", "HTTP 200, []")
        assert seen["limit-observed"] == ("contradicted", "48 did not become 31 A")
        assert await value(site, 48) == 32


async def test_a_response_with_other_ticks_is_a_contradiction(stage):
    async with stage() as site:
        site.cloud.misbehaviour.odd_ticks = 1.0
        seen = verdicts((await asked(site, "limit"))[0])
        assert seen["response"] == ("contradicted", "with other ticks")


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_on_a_bad_day_everything_is_undone_or_said(stage, seed):
    async with stage(seed=seed) as site:
        site.cloud.misbehaviour = Misbehaviour.everything(4.0)
        site.cloud.misbehaviour.retry_after_s = 5
        site.act("plug_in", battery_kwh=77)
        try:
            result, _ = await asked(site, "setting", "limit", "plan", "start and stop")
        except ProbeError:
            assert dict(site.cloud.statistics.commands) == {}
            return
        site.cloud.misbehaviour = Misbehaviour()
        left = " ".join(result.problems)
        assert await value(site, 48) == 32 or "limit was not undone" in left
        assert await value(site, 109) != 3 or "start and stop was not undone" in left
        plan = await answered(site, f"/api/chargers/{SERIAL}/weekly_charge_plan")
        assert plan == {} or "plan was not undone" in left
