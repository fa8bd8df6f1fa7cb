"""The operator's bus of the emulated Easee Cloud, on a real RabbitMQ."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest

from chargebridge.chargers.easee.twin.ticks import ticks_of
from chargebridge.clock import SystemClock
from chargebridge.emulators.easee_cloud import EaseeCloudSettings, RoutingKeys
from chargebridge.emulators.easee_cloud.bus.operator_bus import OperatorBus
from chargebridge.emulators.easee_cloud.bus.outbox import BusMessage, Outbox
from chargebridge.emulators.easee_cloud.statistics import Statistics
from chargebridge.tasks import CLEAN_UP_S
from tests.integration.easee.broker import (
    Cable,
    connection_breaks_while_it_opens,
    new_operator,
    operator_of,
    when_connected,
)
from tests.integration.easee.stage import set_stage, until

pytestmark = pytest.mark.integration


class TestOut:
    async def test_observations_are_persistent_topic_messages_with_their_arrival(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name) as site,
        ):
            site.act("plug_in")
            await until(lambda: (109, "2") in operator.observations)
            message = next(one for one in operator.messages if one.routing_key == "EH000001.O.109")
            assert message.delivery_mode == 2
            assert message.content_type == "application/json"
            assert str(message.headers["ArrivalTime"]).endswith("Z")
            assert json.loads(message.body).keys() == {"Timestamp", "Value"}
            site.act("present_token", id_tag="04AABBCC")
            await until(lambda: (128, "04AABBCC") in operator.observations)
            # What is out is acknowledged to the charger.
            await until(lambda: not site.chargers.world.greeting("EH000001")[2:])

    async def test_idle_chargers_send_pulses(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name, speed=3600),
        ):
            await until(lambda: operator.bodies("P"))
            assert operator.bodies("P")[0][1]["MID"] == "EH000001"

    async def test_an_integration_account_reads_how_to_connect(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name),
            set_stage(amqp_url=rabbitmq_url, operator_id=name, integration_account=True) as site,
        ):
            way = await site.client.get("/api/streams/amqp/v2")
            assert way["queueName"] == f"Operator_{name}.Q"
            assert way["exchangeName"] == f"Operator_{name}.C.X"
            assert (way["server"], way["useSsl"], way["virtualHost"]) == (
                urlsplit(rabbitmq_url).hostname,
                False,
                "/",
            )
            assert "Partner" in site.client.tokens["accessClaims"]
            await until(lambda: site.cloud.statistics.broker_connections)

    async def test_routing_keys_are_settings(self, rabbitmq_url):
        name = new_operator()
        keys = RoutingKeys(observation="seen/{id}/{serial}", command="do/{serial}/{id}/{ticks}")
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name, routing_keys=keys),
        ):
            await until(lambda: [one for one in operator.messages if one.routing_key == "seen/109/EH000001"])

    async def test_nothing_is_lost_while_the_broker_is_away(self, rabbitmq_url):
        name = new_operator()
        broker = urlsplit(rabbitmq_url)
        async with (
            Cable(broker.hostname, broker.port or 5672) as cable,
            operator_of(rabbitmq_url, name) as operator,
            set_stage(
                amqp_url=f"amqp://guest:guest@127.0.0.1:{cable.port}/", operator_id=name, chargers=2
            ) as site,
        ):
            await until(lambda: site.cloud.statistics.broker_connections == 1)
            cable.cut()
            for serial in ("EH000001", "EH000002"):
                site.act("plug_in", serial)
                for number in range(20):
                    site.act("present_token", serial, id_tag=f"TAG{number}")
            kept = site.chargers.world.greeting("EH000001")[2:]
            assert len(kept) == 20  # not acknowledged before they are out
            cable.mend()
            tokens = [(128, f"TAG{number}") for number in range(20)]

            def tokens_of(serial):
                return [(int(id), body["Value"]) for id, body in operator.bodies("O", serial) if id == "128"]

            await until(
                lambda: tokens_of("EH000001")[-20:] == tokens and tokens_of("EH000002")[-20:] == tokens
            )
            await until(lambda: not site.chargers.world.greeting("EH000001")[2:])
            assert site.cloud.statistics.broker_connections == 2

    async def test_what_a_stopped_cloud_has_not_published_follows_after_its_start(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name) as site,
        ):
            await until(lambda: (109, "1") in operator.observations)
            await site.cloud.stop()
            site.act("present_token", id_tag="TAG1")
            await site.cloud.start()
            await until(lambda: (128, "TAG1") in operator.observations)

    async def test_a_stop_right_when_the_broker_answers_is_not_missed(self, rabbitmq_url, monkeypatch):
        name = new_operator()
        settings = EaseeCloudSettings(operator_id=name)
        bus = OperatorBus(rabbitmq_url, settings, lambda *_: None, Statistics(), SystemClock())
        stopping = asyncio.get_running_loop().create_future()
        async with operator_of(rabbitmq_url, name):
            when_connected(monkeypatch, lambda: stopping.set_result(asyncio.ensure_future(bus.stop())))
            bus.start()
            async with asyncio.timeout(CLEAN_UP_S / 2):  # before it is cancelled again
                await (await stopping)

    async def test_a_connection_that_breaks_while_it_opens_is_tried_again(self, rabbitmq_url, monkeypatch):
        name = new_operator()
        async with operator_of(rabbitmq_url, name) as operator:
            connection_breaks_while_it_opens(monkeypatch)
            async with set_stage(amqp_url=rabbitmq_url, operator_id=name):
                await until(lambda: (109, "1") in operator.observations)


class TestIn:
    async def test_a_command_is_carried_out_and_answered_under_its_ticks(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name) as site,
        ):
            await until(lambda: site.cloud.statistics.broker_connections)
            site.act("plug_in")
            site.act("present_token", id_tag="04AABBCC")
            now_ms = site.clock.now().utc_ms
            ticks, later_ms = ticks_of(now_ms) + 7, now_ms + 600_000
            await operator.command("EH000001", 25, "04AABBCC", "42", ticks=ticks, expires_ms=later_ms)
            await until(lambda: operator.bodies("CR"))
            [(key, response)] = operator.bodies("CR")
            assert key == f"25.{ticks}"
            assert (response["Id"], response["WasAccepted"], response["ResultCode"]) == (25, True, 0)
            starts = [json.loads(value) for id, value in operator.observations if id == 223]
            assert [(one["Auth"], one["AuthReason"]) for one in starts] == [("04AABBCC", 1), ("04AABBCC", 42)]
            # The same command once more, as brokers do it, changes nothing.
            await operator.command("EH000001", 25, "04AABBCC", "42", ticks=ticks, expires_ms=later_ms)
            await operator.command("EH000001", 26, "04AABBCC", "0", ticks=ticks + 1, expires_ms=later_ms)
            await until(lambda: len(operator.bodies("CR")) == 2)
            assert operator.bodies("CR")[1][0] == f"26.{ticks + 1}"
            assert any(id == 129 for id, _ in operator.observations)

    async def test_only_whose_token_it_was_is_deauthorized(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name) as site,
        ):
            await until(lambda: site.cloud.statistics.broker_connections)
            site.act("plug_in")
            now_ms = site.clock.now().utc_ms
            ticks, later_ms = ticks_of(now_ms), now_ms + 600_000
            await operator.command("EH000001", 25, "MINE", "1", ticks=ticks, expires_ms=later_ms)
            await operator.command("EH000001", 26, "YOURS", "0", ticks=ticks + 1, expires_ms=later_ms)
            await until(lambda: len(operator.bodies("CR")) == 2)
            answers = {key: body["WasAccepted"] for key, body in operator.bodies("CR")}
            assert answers == {f"25.{ticks}": True, f"26.{ticks + 1}": False}
            assert site.view()["session"] is not None

    async def test_a_refused_token_starts_nothing(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name) as site,
        ):
            await until(lambda: site.cloud.statistics.broker_connections)
            site.act("plug_in")
            site.act("present_token", id_tag="STRANGER")
            await until(lambda: (46, "26") in operator.observations)
            now_ms = site.clock.now().utc_ms
            await operator.command(
                "EH000001", 25, "STRANGER", "3", ticks=ticks_of(now_ms), expires_ms=now_ms + 600_000
            )
            await until(lambda: operator.bodies("CR"))
            assert operator.observations[-1] == (46, "25")
            assert site.view()["session"] is None

    async def test_an_expired_command_is_neither_done_nor_answered(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name) as site,
        ):
            await until(lambda: site.cloud.statistics.broker_connections)
            now_ms = site.clock.now().utc_ms
            await operator.command("EH000001", 48, "6", "0", ticks=ticks_of(now_ms), expires_ms=now_ms - 1)
            await operator.command("EH000001", 3, ticks=ticks_of(now_ms) + 1, expires_ms=now_ms + 600_000)
            await until(lambda: operator.bodies("CR"))
            assert [key.split(".")[0] for key, _ in operator.bodies("CR")] == ["3"]
            assert site.view()["limit_ma"] is None
            assert site.cloud.statistics.commands_lost == 1

    async def test_what_cannot_be_read_is_counted_and_wrong_arguments_are_rejected(self, rabbitmq_url):
        name = new_operator()
        async with (
            operator_of(rabbitmq_url, name) as operator,
            set_stage(amqp_url=rabbitmq_url, operator_id=name) as site,
        ):
            await until(lambda: site.cloud.statistics.broker_connections)
            now_ms = site.clock.now().utc_ms
            ticks, later_ms = ticks_of(now_ms), now_ms + 600_000
            await operator.command("EH000001", 48, ticks=ticks, expires_ms=later_ms, body=["nonsense"])
            await operator.command("EH999999", 48, "6", ticks=ticks, expires_ms=later_ms)
            await operator.command("EH000001", 48, "much", ticks=ticks + 1, expires_ms=later_ms)
            await until(lambda: operator.bodies("CR"))
            assert operator.bodies("CR")[0][1]["WasAccepted"] is False
            assert site.cloud.statistics.bus_commands_unreadable == 2
            assert site.cloud.statistics.bus_commands == 3


class TestTooMuch:
    async def test_chargers_that_there_is_no_room_for_are_published_later(self, rabbitmq_url):
        name = new_operator()
        broker = urlsplit(rabbitmq_url)
        async with (
            Cable(broker.hostname, broker.port or 5672) as cable,
            operator_of(rabbitmq_url, name) as operator,
            set_stage(
                amqp_url=f"amqp://guest:guest@127.0.0.1:{cable.port}/", operator_id=name, outbox_limit=10
            ) as site,
        ):
            await until(lambda: (109, "1") in operator.observations)
            cable.cut()
            for number in range(30):
                site.act("present_token", id_tag=f"TAG{number}")
            site.act("plug_in")
            assert len(site.cloud._bus.outbox) == 10
            cable.mend()
            await until(lambda: (109, "2") in operator.observations)
            tokens = {f"TAG{number}" for number in range(30)}
            await until(lambda: {value for id, value in operator.observations if id == 128} == tokens)
            await until(lambda: not site.chargers.world.greeting("EH000001")[2:])


def test_messages_that_were_not_confirmed_go_before_all_others():
    outbox = Outbox(limit=10)
    for number in range(5):
        outbox.put(BusMessage(str(number), b"", "", None))
    taken = outbox.take(3)
    outbox.put_back(taken[1:])
    assert [message.routing_key for message in outbox.take(10)] == ["1", "2", "3", "4"]
