"""`chargebridge easee probe`: the passive part, which only reads, and the report, which gives nobody away."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from chargebridge.chargers.easee.operator.bus_connection import BrokerInfo
from chargebridge.chargers.easee.operator.queue_look import NoQueueError, look
from chargebridge.chargers.easee.probe.judging.assumptions import ASSUMPTIONS
from chargebridge.chargers.easee.probe.passive import ProbeError
from chargebridge.chargers.easee.probe.probing import Wanted, probe
from chargebridge.chargers.easee.probe.report import as_json, as_markdown
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.emulators.easee_cloud.settings import RoutingKeys
from tests.integration.easee.bench import settings
from tests.integration.easee.broker import new_operator, operator_of
from tests.integration.easee.probing import (
    QUICK,
    TOKEN,
    Person,
    driver_of,
    has_charged,
    probed,
    table,
    verdicts,
)
from tests.integration.easee.stage import SERIAL, Stage, until

pytestmark = pytest.mark.integration


async def test_the_passive_part_only_reads(stage):
    async with stage() as site:
        await has_charged(site)
        statistics = site.cloud.statistics
        before, commands, logins = dict(statistics.requests), dict(statistics.commands), statistics.logins
        result = await probed(site)
        made = {
            kind: number - before.get(kind, 0)
            for kind, number in statistics.requests.items()
            if number != before.get(kind, 0)
        }
        assert not {kind for kind, _ in made} & {"command", "settings", "partners", "access", "refresh"}
        assert dict(statistics.commands) == commands
        assert statistics.logins == logins + 1
        answers = table(result, "Answers")
        requests = sum(number for (kind, _), number in made.items() if kind != "stream")
        assert len(answers) == requests <= 14
        others = [request for _, request, *_ in answers if not request.startswith("GET ")]
        assert others == ["POST /api/accounts/login", "POST /hubs/…/negotiate"]
        assert result.problems == []


async def test_every_assumption_is_in_the_report(stage):
    async with stage() as site:
        result = await probed(site)
        assert [one["id"] for one in result.report.assumptions] == [one.id for one in ASSUMPTIONS]
        markdown = as_markdown(result.report)
        for one in ASSUMPTIONS:
            assert f"| {one.id} | {one.text} |" in markdown
        assert sum(result.report.counts.values()) == len(ASSUMPTIONS)
        assert json.loads(as_json(result.report))["counts"] == result.report.counts


async def test_what_is_as_it_was_thought_is_confirmed(stage):
    async with stage() as site:
        await has_charged(site)
        seen = verdicts(await probed(site))
        confirmed = {id for id, (verdict, _) in seen.items() if verdict == "confirmed"}
        assert confirmed >= {
            "login-fields",
            "token-life",
            "official-ids",
            "negotiation",
            "subscription",
            "readable",
            "one-object",
            "text-values",
            "replay-time",
            "original-times",
            "start-record",
            "end-record",
            "record-energy",
            "session-numbers",
            "token",
            "same-as-stream",
            "last-sessions",
            "session-fields",
            "session-energy",
            "phases",
            "idle-life",
        }, {id: found for id, found in seen.items() if found[0] != "confirmed"}


async def test_nothing_in_the_report_identifies_anybody(stage):
    async with stage(chargers=3) as site:
        await has_charged(site)
        result = await probed(site, person=Person(agreed=frozenset({"limit"})), active=True, charger=SERIAL)
        for text in (as_markdown(result.report), as_json(result.report)):
            for secret in (
                *(f"EH{number:06d}" for number in (1, 2, 3)),
                "driver@example.com",
                "charge-me",
                TOKEN,
                "Site 1",
                "BP000001",
                str(site.client.tokens["accessToken"])[:20],
                "100001",
            ):
                assert secret.lower() not in text.lower(), secret


# --- the cloud is otherwise than it was thought -----------------------------------------------------------


async def test_unknown_observations_of_the_stream_are_contradictions(stage):
    async with stage() as site:
        site.cloud.misbehaviour.unknown = 1.0

        async def charge() -> None:
            await until(lambda: site.cloud.statistics.subscriptions >= 1)
            site.act("plug_in", battery_kwh=77)

        charging = asyncio.create_task(charge())
        seen = verdicts(await probed(site))
        await charging
        assert seen["known-ids"][0] == "contradicted"
        assert seen["readable"][0] == "confirmed"


async def test_an_it_grid_has_its_lines_elsewhere(stage):
    async with stage(chargers=0) as site:
        site.cloud.misbehaviour.it_grid = 1.0
        _add(site)
        await has_charged(site)
        assert verdicts(await probed(site))["phases"] == (
            "confirmed",
            "grid type 4; voltages at 194, 195, 197",
        )


async def test_another_life_of_tokens_and_another_product_are_contradictions(stage):
    async with stage(token_life_s=86_400.0, product_code=999) as site:
        seen = verdicts(await probed(site))
        assert seen["token-life"] == ("contradicted", "86400 s")
        assert seen["product-codes"] == ("contradicted", "unknown: 999")


async def test_a_silent_hub_has_no_pings_and_no_replay(stage):
    async with stage(ping_s=0.2) as site:
        assert verdicts(await probed(site))["pings"][0] == "confirmed"
        site.cloud.misbehaviour.silent_streams = True
        seen = verdicts(await probed(site))
        assert seen["subscription"] == ("contradicted", "no completion came")
        assert seen["text-values"] == ("not seen", "the stream sent no observation")
        assert seen["last-values"][0] == "confirmed"


@pytest.mark.parametrize(
    ("kind", "status", "question", "seen"),
    [
        ("properties", 403, "official-ids", "HTTP 403"),
        ("session_list", 429, "session-fields", "429"),
        ("negotiate", 403, "negotiation", "HTTP 403"),
        ("observations", 500, "last-values", "HTTP 500"),
        ("stream", 429, "handshake", "the stream was refused: HTTP 429"),
    ],
)
async def test_one_question_that_fails_costs_only_that_one(stage, kind, status, question, seen):
    async with stage(speed=600.0) as site:
        site.cloud.misbehaviour.change({"fail_kind": kind, "fail_status": status, "fail_next": 100})
        found = verdicts(await probed(site))
        assert found[question][0] == "not seen"
        assert seen in found[question][1]
        assert found["login-fields"][0] == "confirmed"
        assert len(found) == len(ASSUMPTIONS)


async def test_a_429_is_reported_with_its_retry_after(stage):
    async with stage(speed=600.0) as site:
        site.cloud.misbehaviour.change(
            {"fail_kind": "session_list", "fail_status": 429, "fail_next": 1, "retry_after_s": 1}
        )
        seen = verdicts(await probed(site))
        assert seen["few-requests-pass"][0] == "contradicted"
        assert seen["retry-after"] == ("confirmed", "Retry-After 1")


# --- the operator's queue ---------------------------------------------------------------------------------


async def test_a_look_at_the_operators_queue_takes_nothing_from_it(stage, rabbitmq_url):
    operator = new_operator()
    options = {"amqp_url": rabbitmq_url, "operator_id": operator, "integration_account": True}
    async with stage(**options) as site, queue_of(rabbitmq_url, operator) as waiting:
        await has_charged(site)
        await until(lambda: site.cloud.statistics.published > 50)
        before = await waiting()
        assert before > 50
        result = await probed(site, "operator", queue_at_most=40)
        assert await waiting() >= before
        seen = verdicts(result)
        for one in (
            "bus-address",
            "bus-queue",
            "bus-alone",
            "observation-key",
            "all-keys",
            "observation-body",
            "bus-text-values",
            "arrival-header",
        ):
            assert seen[one][0] == "confirmed", (one, seen[one])
        assert result.problems == []
        for text in (as_markdown(result.report), as_json(result.report)):
            assert operator not in text
            assert SERIAL not in text


async def test_other_routing_keys_are_contradictions(stage, rabbitmq_url):
    operator = new_operator()
    keys = RoutingKeys(observation="{serial}.Observation.{id}")
    options = {"amqp_url": rabbitmq_url, "operator_id": operator, "integration_account": True}
    async with stage(**options, routing_keys=keys) as site, queue_of(rabbitmq_url, operator):
        await has_charged(site)
        await until(lambda: site.cloud.statistics.published > 50)
        seen = verdicts(await probed(site, "operator"))
        verdict, text = seen["observation-key"]
        assert verdict == "contradicted"
        assert text.endswith("with other keys, such as *.Observation.#")
        assert seen["all-keys"][0] == "contradicted"
        assert seen["observation-body"][0] == "not seen"


async def test_a_queue_that_another_program_consumes_is_left_alone(stage, rabbitmq_url):
    operator = new_operator()
    options = {"amqp_url": rabbitmq_url, "operator_id": operator, "integration_account": True}
    async with stage(**options) as site, operator_of(rabbitmq_url, operator) as other:
        await has_charged(site)
        await until(lambda: len(other.messages) > 50)
        seen = verdicts(await probed(site, "operator"))
        assert seen["bus-alone"] == ("contradicted", "1 consumers")
        assert seen["observation-key"] == (
            "not seen",
            "another program consumes the queue, so its messages were left alone",
        )


async def test_an_account_without_a_queue_is_one_clear_error_beside_the_report(stage):
    async with stage() as site:
        result = await probed(site, "operator")
        assert len(result.problems) == 1
        assert "needs an integration account" in result.problems[0]
        assert verdicts(result)["bus-address"] == ("not seen", "HTTP 403")
        assert verdicts(result)["login-fields"][0] == "confirmed"


async def test_a_queue_that_is_not_there_is_one_clear_error(rabbitmq_url):
    url = urlsplit(rabbitmq_url)
    broker = BrokerInfo(
        server=url.hostname or "",
        port=url.port or 5672,
        queue_name=f"Operator_{new_operator()}.Q",
        exchange_name="",
        username=url.username or "guest",
        password=url.password or "guest",
        use_ssl=False,
    )
    with pytest.raises(NoQueueError, match=f"the broker has no queue {broker.queue_name}"):
        await look(broker, 10)


async def test_a_broker_that_is_not_there_is_one_clear_error_beside_the_report(stage):
    options = {"amqp_url": "amqp://guest:secret@127.0.0.1:9/", "integration_account": True}
    async with stage(**options) as site:
        result = await probed(site, "operator")
        assert len(result.problems) == 1
        assert "the broker cannot be reached" in result.problems[0]
        assert verdicts(result)["bus-queue"] == ("not seen", "the broker cannot be reached")
        assert "secret" not in " ".join([*result.problems, as_markdown(result.report)])


@asynccontextmanager
async def queue_of(url: str, operator: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Give the number of messages in an operator's queue, and take the queue down in the end."""
    async with operator_of(url, operator, consumes=False) as one:

        async def waiting() -> int:
            name = f"Operator_{operator}.Q"
            queue = await one.channel.declare_queue(name, durable=True, passive=True)
            return queue.declaration_result.message_count or 0

        yield waiting


# --- errors -----------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_one_clear_error_without_it(stage):
    async with stage() as site:
        given = settings(site, "account", password="not-the-one")
        with pytest.raises(ProbeError, match="refuses `user_name` and `password`") as caught:
            await probe(driver_of(site, given), Wanted(waits=QUICK), Person(), site.clock, "1")
        assert "not-the-one" not in str(caught.value)


async def test_an_account_without_chargers_is_one_clear_error(stage):
    async with stage(chargers=0) as site:
        with pytest.raises(ProbeError, match="the account sees no charger"):
            await probed(site)


async def test_a_charger_of_somebody_else_is_one_clear_error(stage):
    async with stage() as site:
        with pytest.raises(ProbeError, match="the account sees no charger EH999999"):
            await probed(site, charger="EH999999")


async def test_a_cloud_that_is_not_there_is_one_clear_error(stage):
    async with stage(speed=600.0) as site:
        given = settings(site, "account", url="http://127.0.0.1:9")
        with pytest.raises(ProbeError, match=r"http://127\.0\.0\.1:9"):
            await probe(driver_of(site, given), Wanted(waits=QUICK), Person(), site.clock, "1")


def _add(site: Stage) -> None:
    site.chargers.add(ChargerSettings(serial=SERIAL, phases=3, rated_current_a=32, measure_every_s=60))
    site.cloud.adopt(SERIAL)
