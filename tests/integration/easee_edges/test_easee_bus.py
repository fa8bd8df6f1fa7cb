"""The bus against a real RabbitMQ: what comes in, what is acknowledged, what goes out, and every loss.

A proxy stands between the two, so that connections can be broken as a network or a restart does it.
"""

import asyncio
import contextlib
import json
import struct
import uuid
from random import Random
from urllib.parse import urlsplit

import aio_pika
import pytest

from chargebridge.chargers.easee.account.failures import NoAnswer, NotSent
from chargebridge.chargers.easee.account.reconnecting import Backoff
from chargebridge.chargers.easee.operator.bus import Bus, Patterns
from chargebridge.chargers.easee.twin.wire import Response, Update
from chargebridge.tasks import CLEAN_UP_S
from tests.integration.easee.broker import connection_breaks_while_it_opens, when_connected
from tests.integration.easee_edges.waiting import until
from tests.services import RABBITMQ

pytestmark = pytest.mark.integration

BROKER = urlsplit(RABBITMQ.url)
HOST, PORT = BROKER.hostname or "127.0.0.1", BROKER.port or 5672
USER, PASSWORD = BROKER.username or "guest", BROKER.password or "guest"
PROXY_HOST = "127.0.0.1"
STREAMS = "/api/streams/amqp/v2"
QUICK = Backoff(first_s=0.01, longest_s=0.05, healthy_after_s=60)
TIMESTAMP = "2026-03-01T12:00:00.1234567Z"
AT_MS = 1772366400123
TICKS = 638221803786325061

CLOSE_FRAME = (
    # A method frame on channel 0: Connection.Close, 320 CONNECTION_FORCED, as from a broker that stops.
    struct.pack(">BHI", 1, 0, 4 + 2 + 1 + 8 + 4)
    + struct.pack(">HHHB", 10, 50, 320, 8)
    + b"shutdown"
    + struct.pack(">HH", 0, 0)
    + b"\xce"
)


@pytest.fixture(autouse=True)
def broker():
    RABBITMQ.needed()


class Proxy:
    """Passes frames on between clients and the broker, until it is told otherwise."""

    def __init__(self) -> None:
        self.port = 0
        self.away = False
        self.deaf = False
        self.withheld = 0
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, PROXY_HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self.break_all()
        await self._server.wait_closed()

    def break_all(self) -> None:
        for client in self._clients:
            client.transport.abort()

    def close_all(self) -> None:
        """Do as a broker does that is shut down."""
        for client in self._clients:
            client.write(CLOSE_FRAME)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self.away:
            client.transport.abort()
            return
        broker_reader, broker = await asyncio.open_connection(HOST, PORT)
        self._clients.add(client)
        up = asyncio.create_task(self._pass_on(reader, broker))
        try:
            while True:  # frame by frame, so that another can be put in between
                head = await broker_reader.readexactly(7)
                size = struct.unpack(">I", head[3:])[0]
                frame = head + await broker_reader.readexactly(size + 1)
                if not self.deaf:
                    client.write(frame)
                    await client.drain()
                else:
                    self.withheld += 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._clients.discard(client)
            up.cancel()
            for end in (client, broker):
                end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, broker: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                broker.write(data)
        broker.transport.abort()


class Ears:
    """Remembers what it is told, acknowledges if it is asked to, awaits what it has not been told yet."""

    def __init__(self) -> None:
        self.bus: Bus | None = None
        self.acknowledges = False
        self.fails_at: str | None = None
        self.told: list[object] = []
        self.failures: list[str] = []
        self._news = asyncio.Event()

    def _note(self, what: object) -> None:
        self.told.append(what)
        self._news.set()

    def connection_opened(self) -> None:
        self._note("opened")

    def connection_lost(self, reason: str) -> None:
        self._note(("lost", reason))

    def connection_failed(self, reason: str) -> None:
        self.failures.append(reason)

    def pulse_received(self, serial: str) -> None: ...

    def observation_received(self, update: Update) -> None:
        if update.value == self.fails_at:
            self._note(("failed", update.value))
            raise RuntimeError("not that")
        self._note(update)
        if self.acknowledges:
            self.bus.acknowledge([update.delivery])

    def response_received(self, response: Response) -> None:
        self._note(response)
        if self.acknowledges:
            self.bus.acknowledge([response.delivery])

    async def until(self, condition) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    @property
    def updates(self) -> list[Update]:
        return [what for what in self.told if isinstance(what, Update)]

    @property
    def values(self) -> list[str]:
        return [update.value for update in self.updates]

    async def hears_values(self, *values: str) -> None:
        await self.until(lambda: len(self.updates) >= len(values))
        assert self.values == list(values)

    async def opens(self, times: int = 1) -> None:
        await self.until(lambda: self.told.count("opened") >= times)

    async def loses(self, times: int = 1) -> str:
        def losses() -> list[str]:
            return [what[1] for what in self.told if isinstance(what, tuple) and what[0] == "lost"]

        await self.until(lambda: len(losses()) >= times)
        return losses()[-1]


class Stage:
    """A queue and an exchange of their own, a bus that knows of them, and everything deleted at the end."""

    def __init__(self, site) -> None:
        name = uuid.uuid4().hex
        self.site = site
        self.cloud = site.cloud
        self.queue_name, self.exchange_name = f"test.{name}.Q", f"test.{name}.C.X"
        self.proxy = Proxy()
        self.ears = Ears()
        self.bus: Bus | None = None

    async def __aenter__(self) -> "Stage":
        await self.site.__aenter__()
        await self.proxy.start()
        self.connection = await aio_pika.connect(host=HOST, port=PORT, login=USER, password=PASSWORD)
        self.channel = await self.connection.channel()
        self.queue = await self.channel.declare_queue(self.queue_name, durable=True)
        self.exchange = await self.channel.declare_exchange(self.exchange_name, "topic", durable=True)
        self.inbox = await self.channel.declare_exchange(f"{self.queue_name}.X", "topic", auto_delete=True)
        await self.queue.bind(self.inbox, "#")
        self.tell_the_way()
        return self

    async def __aexit__(self, *exc: object) -> None:
        told = len(self.ears.told)
        if self.bus is not None:
            await self.bus.stop()
        with contextlib.suppress(aio_pika.exceptions.AMQPError):
            await self.channel.queue_delete(self.queue_name)
            await self.channel.exchange_delete(self.exchange_name)
        await self.connection.close()
        await self.proxy.stop()
        await self.site.__aexit__(*exc)
        assert len(self.ears.told) == told

    def tell_the_way(self, **changes: object) -> None:
        way = {
            "server": PROXY_HOST,
            "port": self.proxy.port,
            "useSsl": False,
            "virtualHost": "/",
            "queueName": self.queue_name,
            "exchangeName": self.exchange_name,
            "username": USER,
            "password": PASSWORD,
        }
        self.cloud.script(STREAMS, (200, way | changes))

    async def open(self, *, acknowledges: bool = True, prefetch: int = 1000, backoff: Backoff = QUICK) -> Bus:
        self.ears.acknowledges = acknowledges
        self.bus = Bus(
            self.site.account(), Patterns(), self.ears, self.site.clock, Random(1), prefetch, backoff=backoff
        )
        self.ears.bus = self.bus
        await self.bus.start()
        return self.bus

    async def publish(self, key: str, body: bytes | dict[str, object]) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.inbox.publish(aio_pika.Message(content, headers={"ArrivalTime": TIMESTAMP}), key)

    async def observe(self, *values: str) -> None:
        for value in values:
            await self.publish("EH1.O.114", {"Timestamp": TIMESTAMP, "Value": value})

    async def ready(self) -> int:
        """Return how many messages wait at the broker, those in flight left out."""
        queue = await self.channel.declare_queue(self.queue_name, durable=True, passive=True)
        return queue.declaration_result.message_count

    async def left(self) -> int:
        """Return how many messages the broker has, once nobody consumes them."""
        await self.bus.stop()
        queue = await self.channel.declare_queue(self.queue_name, durable=True, passive=True)
        return queue.declaration_result.message_count


@pytest.fixture
def stage(site) -> Stage:
    return Stage(site)


both_loops = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


# --- what comes in -------------------------------------------------------------------------------


@both_loops
async def test_observations_and_responses_come_in_and_are_acknowledged(stage, loop):
    async with stage:
        await stage.open()
        await stage.ears.opens()
        await stage.observe("16", "17")
        body = {"Id": 48, "WasAccepted": True, "ResultCode": 0, "Comment": None}
        await stage.publish(f"EH1.CR.48.{TICKS}", body)
        await stage.ears.until(lambda: len(stage.ears.told) == 4)
        assert stage.ears.told == [
            "opened",
            Update("EH1", 114, AT_MS, "16", 1),
            Update("EH1", 114, AT_MS, "17", 2),
            Response("EH1", 48, TICKS, accepted=True, delivery=3),
        ]
        assert await stage.left() == 0


async def test_what_waits_at_the_broker_comes_after_the_opening(stage):
    async with stage:
        await stage.observe(*(str(n) for n in range(100)))
        await stage.open()
        await stage.ears.hears_values(*(str(n) for n in range(100)))
        assert stage.ears.told[0] == "opened"


async def test_unneeded_messages_is_acknowledged_and_counted(stage, log):
    async with stage:
        bus = await stage.open()
        await stage.publish("EH1.P", b"whatever")
        await stage.publish("EH1.P", {"PulseId": 0})
        for _ in range(3):
            await stage.publish("an.unknown.key", b"x")
            await stage.publish("EH1.O.114", b"nonsense")
        await stage.publish(
            "EH1.O.114", b'{"Timestamp":"2026-03-01T12:00:00Z","Value":"' + b"x" * 200_000 + b'"}'
        )
        await stage.observe("16")
        await stage.ears.hears_values("16")
        assert (bus.pulses, bus.unknown, bus.unreadable) == (2, 3, 4)
        assert await stage.left() == 0
    assert sum("only counted" in event["event"] for event in log) == 2


async def test_what_is_not_acknowledged_stays_at_the_broker(stage):
    async with stage:
        bus = await stage.open(acknowledges=False)
        await stage.observe("1", "2", "3")
        await stage.ears.hears_values("1", "2", "3")
        bus.acknowledge([stage.ears.updates[1].delivery])
        assert await stage.left() == 2


async def test_no_more_are_out_than_are_asked_for(stage):
    async with stage:
        bus = await stage.open(acknowledges=False, prefetch=10)
        await stage.observe(*(str(n) for n in range(25)))
        await stage.ears.hears_values(*(str(n) for n in range(10)))
        assert await stage.ready() == 15
        assert len(stage.ears.updates) == 10
        bus.acknowledge(update.delivery for update in stage.ears.updates)
        await stage.ears.hears_values(*(str(n) for n in range(20)))


async def test_one_that_is_never_acknowledged_does_not_stop_the_others(stage):
    async with stage:
        await stage.open(prefetch=5)
        stage.ears.fails_at = "0"
        await stage.observe(*(str(n) for n in range(30)))
        await stage.ears.hears_values(*(str(n) for n in range(1, 30)))
        assert await stage.left() == 1


async def test_a_message_that_fails_twice_is_set_aside(stage):
    async with stage:
        bus = await stage.open()
        stage.ears.fails_at = "poison"
        await stage.observe("poison", "1")
        await stage.ears.hears_values("1")
        stage.proxy.break_all()
        await stage.ears.until(lambda: bus.failed == 2)
        await stage.observe("2")
        await stage.ears.until(lambda: stage.ears.values[-1] == "2")
        assert await stage.left() == 0


# --- losses --------------------------------------------------------------------------------------


@both_loops
@pytest.mark.parametrize("how", ["break_all", "close_all"])
async def test_unacknowledged_messages_come_again_under_new_numbers(stage, how, loop):
    async with stage:
        bus = await stage.open(acknowledges=False, prefetch=3)
        await stage.observe("1", "2", "3", "4")
        await stage.ears.hears_values("1", "2", "3")
        bus.acknowledge([stage.ears.updates[0].delivery])
        await stage.ears.hears_values("1", "2", "3", "4")  # the broker has taken the acknowledgement
        getattr(stage.proxy, how)()
        await stage.ears.loses()
        await stage.ears.opens(2)
        await stage.ears.hears_values("1", "2", "3", "4", "2", "3", "4")
        numbers = [update.delivery for update in stage.ears.updates]
        assert len(set(numbers)) == 7
        bus.acknowledge(numbers[:4])  # of the old connection: harmless
        assert await stage.left() == 3


async def test_it_comes_back_after_the_broker_was_away(stage):
    async with stage:
        bus = await stage.open()
        await stage.ears.opens()
        stage.proxy.away = True
        stage.proxy.close_all()
        assert "shutdown" in await stage.ears.loses()
        await until(lambda: "cannot be reached" in bus.disconnect_reason)
        with pytest.raises(NotSent, match="not connected"):
            await bus.send("EH1", 48, TICKS, AT_MS + 10**12, ["16"])
        await stage.observe("1")
        stage.proxy.away = False
        await stage.ears.hears_values("1")
        assert stage.ears.told.count("opened") == 2


async def test_the_address_is_fetched_once_while_it_works(stage):
    async with stage:
        await stage.open()
        for times in range(1, 4):
            await stage.ears.opens(times)
            stage.proxy.break_all()
        await stage.ears.opens(4)
        assert stage.cloud.count(STREAMS) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "no"},
        {"queueName": "none"},
        {"virtualHost": "none"},
        {"server": "no host", "port": 99999},
    ],
)
async def test_an_address_that_the_broker_refuses_is_fetched_again(stage, wrong):
    async with stage:
        stage.tell_the_way(**wrong)
        bus = await stage.open()
        await stage.cloud.is_asked(STREAMS, times=2)
        assert bus.disconnect_reason
        stage.tell_the_way()
        await stage.ears.opens()


@pytest.mark.parametrize("wrong", [{"port": 1}, {"useSsl": True}])
async def test_an_address_that_leads_nowhere_is_fetched_again_after_a_while(stage, wrong):
    async with stage:
        stage.tell_the_way(**wrong)
        bus = await stage.open()
        await stage.cloud.is_asked(STREAMS, times=2)
        assert "cannot be reached" in bus.disconnect_reason
        stage.tell_the_way()
        await stage.ears.opens()


async def test_a_broker_that_does_not_answer_does_not_keep_it_from_stopping(stage):
    async with stage:
        bus = await stage.open(acknowledges=False)
        await stage.observe("1")
        await stage.ears.hears_values("1")
        stage.proxy.deaf = True
        bus.acknowledge([stage.ears.updates[0].delivery])
        async with asyncio.timeout(CLEAN_UP_S):
            await bus.stop()


@both_loops
async def test_a_connection_that_breaks_while_it_opens_is_tried_again(stage, monkeypatch, loop):
    async with stage:
        connection_breaks_while_it_opens(monkeypatch)
        await stage.open()
        await stage.ears.opens()


@both_loops
async def test_a_stop_right_when_the_broker_answers_is_not_missed(stage, monkeypatch, loop):
    async with stage:
        stopping = asyncio.get_running_loop().create_future()
        when_connected(monkeypatch, lambda: stopping.set_result(asyncio.ensure_future(stage.bus.stop())))
        await stage.open()
        async with asyncio.timeout(CLEAN_UP_S / 2):  # before it is cancelled again
            await (await stopping)
        assert stage.ears.told == []


async def test_a_queue_that_is_deleted_is_a_loss(stage):
    async with stage:
        await stage.open()
        await stage.ears.opens()
        await stage.channel.queue_delete(stage.queue_name)
        assert "deleted the queue" in await stage.ears.loses()
        await stage.cloud.is_asked(STREAMS, times=2)
        await stage.channel.declare_queue(stage.queue_name, durable=True)
        await stage.ears.opens(2)


async def test_an_account_without_a_bus_gets_a_clear_reason(stage, log):
    async with stage:
        stage.cloud.script(STREAMS, (403, b""))
        bus = await stage.open()
        await stage.cloud.is_asked(STREAMS, times=2)
        assert "integration account" in bus.disconnect_reason
    said = [event for event in log if "integration account" in event.get("reason", "")]
    assert len(said) == 1


async def test_an_unreadable_address_is_fetched_again(stage):
    async with stage:
        stage.cloud.script(STREAMS, (200, []), (200, {"server": 5}))
        bus = await stage.open()
        await stage.cloud.is_asked(STREAMS, times=2)
        assert "cannot be read" in bus.disconnect_reason
        stage.tell_the_way()
        await stage.ears.opens()


async def test_what_is_safe_does_not_come_again_after_a_stop(stage):
    async with stage:
        bus = await stage.open(acknowledges=False)
        await stage.observe("1", "2", "3")
        await stage.ears.hears_values("1", "2", "3")
        bus.acknowledge([stage.ears.updates[2].delivery])
        assert await stage.left() == 2


# --- what goes out -------------------------------------------------------------------------------


async def commands(stage) -> aio_pika.abc.AbstractQueue:
    queue = await stage.channel.declare_queue(exclusive=True)
    await queue.bind(stage.exchange, "*.C.#")
    return queue


async def test_a_command_is_published_with_its_key_and_its_end(stage):
    async with stage:
        queue = await commands(stage)
        bus = await stage.open()
        await stage.ears.opens()
        expires_ms = stage.site.clock.now().utc_ms + 10_000
        await bus.send("EH1", 48, TICKS, expires_ms, ["16", "0"])
        message = await queue.get()
        assert message.routing_key == f"EH1.C.48.{TICKS}"
        assert (message.content_type, message.expiration) == ("application/json", 10.0)
        assert json.loads(message.body) == {
            "Id": 48,
            "Timestamp": "2023-06-12T15:26:18.6325061Z",
            "ExpiresAt": "2027-01-15T08:00:10.0000000Z",
            "Arguments": [{"Id": 1, "Value": "16"}, {"Id": 2, "Value": "0"}],
        }


async def test_many_commands_at_once_arrive_all(stage):
    async with stage:
        queue = await commands(stage)
        bus = await stage.open()
        await stage.ears.opens()
        later_ms = stage.site.clock.now().utc_ms + 60_000
        await asyncio.gather(*(bus.send("EH1", 48, TICKS + n, later_ms, [str(n)]) for n in range(200)))
        keys = {(await queue.get()).routing_key for _ in range(200)}
        assert keys == {f"EH1.C.48.{TICKS + n}" for n in range(200)}


async def test_a_command_that_is_too_late_is_not_sent(stage):
    async with stage:
        bus = await stage.open()
        await stage.ears.opens()
        with pytest.raises(NotSent, match="expired"):
            await bus.send("EH1", 48, TICKS, stage.site.clock.now().utc_ms, [])


async def test_a_command_without_a_route_is_not_sent(stage):
    async with stage:
        bus = await stage.open()
        await stage.ears.opens()
        with pytest.raises(NotSent, match="no route"):
            await bus.send("EH1", 48, TICKS, AT_MS + 10**12, [])


async def test_an_exchange_that_is_missing_costs_commands_and_nothing_else(stage):
    async with stage:
        stage.tell_the_way(exchangeName="none")
        bus = await stage.open()
        await stage.ears.opens()
        for _ in range(3):
            with pytest.raises(NotSent, match="refuses commands"):
                await bus.send("EH1", 48, TICKS, AT_MS + 10**12, [])
        await stage.observe("1")
        await stage.ears.hears_values("1")
        assert stage.ears.told.count("opened") == 1


@pytest.mark.parametrize("how", ["break_all", "close_all"])
async def test_a_command_that_is_not_confirmed_is_open(stage, how):
    async with stage:
        await commands(stage)
        bus = await stage.open()
        await stage.ears.opens()
        later_ms = AT_MS + 10**12
        await bus.send("EH1", 48, TICKS, later_ms, [])  # its channel is open now
        stage.proxy.deaf = True
        sending = asyncio.create_task(bus.send("EH1", 48, TICKS, later_ms, []))
        await until(lambda: stage.proxy.withheld)  # the broker's confirmation
        getattr(stage.proxy, how)()
        with pytest.raises(NoAnswer):
            await sending
        stage.proxy.deaf = False
        await stage.ears.opens(2)
        await bus.send("EH1", 48, TICKS, later_ms, [])


async def test_nothing_secret_shows(stage):
    async with stage:
        stage.tell_the_way(password="a secret of the broker")
        bus = await stage.open()
        await stage.cloud.is_asked(STREAMS, times=2)
        assert "secret of the broker" not in f"{bus!r} {bus.disconnect_reason} {bus._broker_info!r}"
