"""The stream against a SignalR hub of its own: losses, silence, nonsense, and what is subscribed to."""

import asyncio
import json
from random import Random

import pytest
from aiohttp import WSMsgType, web

from chargebridge.chargers.easee.account.failures import NotSent
from chargebridge.chargers.easee.account.hub import HubTimes
from chargebridge.chargers.easee.account.reconnecting import Backoff
from chargebridge.chargers.easee.account.stream import Stream
from chargebridge.chargers.easee.twin.wire import Response, Update
from tests.integration.easee_edges.waiting import until

pytestmark = pytest.mark.integration

HUB = "/hubs/chargers"
END = "\x1e"
QUICK = Backoff(first_s=0.01, longest_s=0.05, healthy_after_s=60)
AT = "2026-03-01T12:00:00.1234567Z"
AT_MS = 1772366400123


class Peer:
    """One connection, seen from the hub."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.request = request
        self.socket = socket
        self.heard: list[dict[str, object]] = []
        self.texts: list[str] = []

    async def say(self, *messages: object) -> None:
        texts = (message if isinstance(message, str) else json.dumps(message) for message in messages)
        await self.socket.send_str("".join(text + END for text in texts))

    async def observe(self, serial: str, id: int, value: str) -> None:
        argument = {"mid": serial, "dataType": 4, "id": id, "timestamp": AT, "value": value}
        await self.say({"type": 1, "target": "ProductUpdate", "arguments": [argument]})

    @property
    def calls(self) -> list[tuple[object, ...]]:
        return [(heard["target"], *heard["arguments"]) for heard in self.heard if heard.get("type") == 1]


class HubServer:
    """Plays the hub in a test's cloud."""

    def __init__(self, site) -> None:
        self.cloud = site.cloud
        self.peers: list[Peer] = []
        self.handshake: str | None = "{}"
        self.negotiations: list[tuple[int, object]] = []
        self.upgrade: web.Response | None = None
        self._news = asyncio.Event()
        self.cloud.script(HUB + "/negotiate", self._negotiate)
        self.cloud.script(HUB, self._run_connection)

    async def _negotiate(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"].removeprefix("Bearer ") in self.cloud.good_tokens
        if self.negotiations:
            status, body = self.negotiations.pop(0)
            return web.json_response(body, status=status)
        response = web.json_response(
            {"negotiateVersion": 0, "connectionId": "c+1/=", "availableTransports": []}
        )
        response.set_cookie("affinity", "server-7")
        return response

    async def _run_connection(self, request: web.Request) -> web.StreamResponse:
        if self.upgrade is not None:
            return self.upgrade
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        peer = Peer(request, socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            peer.texts.append(message.data)
            for text in filter(None, message.data.split(END)):
                heard = json.loads(text)
                if "protocol" in heard:
                    if self.handshake is not None:
                        await peer.say(self.handshake)
                        self.peers.append(peer)
                else:
                    peer.heard.append(heard)
            self._news.set()
        return socket

    async def until(self, condition) -> None:
        """Wait until something holds of what was heard."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def peer(self, number: int = 1) -> Peer:
        await self.until(lambda: len(self.peers) >= number)
        return self.peers[number - 1]

    async def calls(self, *calls: tuple[object, ...], number: int = 1) -> Peer:
        peer = await self.peer(number)
        await self.until(lambda: len(peer.calls) >= len(calls))
        assert peer.calls == list(calls)
        return peer


class Ears:
    """Remembers what it is told; awaits what it has not been told yet."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.failures: list[str] = []
        self._news = asyncio.Event()
        self.deaf_to: str | None = None

    def _note(self, what: object) -> None:
        self.told.append(what)
        self._news.set()

    def connection_opened(self) -> None:
        self._note("opened")

    def connection_lost(self, reason: str) -> None:
        self._note(("lost", reason))

    def connection_failed(self, reason: str) -> None:
        self.failures.append(reason)

    def subscribed(self, serial: str) -> None:
        self._note(("subscribed", serial))

    def observation_received(self, update: Update) -> None:
        if update.value == self.deaf_to:
            raise RuntimeError("not that")
        self._note(update)

    def response_received(self, response: Response) -> None:
        self._note(response)

    async def hears(self, *whats: object) -> None:
        """Wait until all of these, and in this order, are what it was told last."""
        while self.told[-len(whats) :] != list(whats):
            self._news.clear()
            await self._news.wait()

    async def hears_of_loss(self, times: int = 1) -> str:
        while (
            len(losses := [what for what in self.told if isinstance(what, tuple) and what[0] == "lost"])
            < times
        ):
            self._news.clear()
            await self._news.wait()
        return losses[-1][1]


@pytest.fixture
def stage(site):
    """A hub, a stream at it that hears with ears, and everything ended with the test."""

    class Stage:
        async def __aenter__(self):
            await site.__aenter__()
            self.cloud = site.cloud
            self.hub = HubServer(site)
            self.ears = Ears()
            self.account = site.account()
            self.stream = None
            return self

        async def open(
            self, *serials: str, times: HubTimes | None = None, a_second: float = 1000, backoff=QUICK
        ):
            self.stream = Stream(
                site.cloud.url + HUB,
                self.account,
                self.ears,
                site.clock,
                Random(1),
                times=times or HubTimes(open_s=5, silence_s=5),
                backoff=backoff,
                subscribes_a_second=a_second,
            )
            for serial in serials:
                self.stream.subscribe(serial)
            await self.stream.start()
            return self.stream

        async def __aexit__(self, *exc):
            told = len(self.ears.told)
            if self.stream is not None:
                await self.stream.stop()
            await site.__aexit__(*exc)
            assert len(self.ears.told) == told

    return Stage()


both_loops = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


@both_loops
async def test_every_charger_is_subscribed_to_and_received(stage, loop):
    async with stage:
        await stage.open("EH1", "EH2")
        peer = await stage.hub.calls(
            ("SubscribeWithCurrentState", "EH1", True), ("SubscribeWithCurrentState", "EH2", True)
        )
        await stage.ears.hears("opened", ("subscribed", "EH1"), ("subscribed", "EH2"))
        await peer.observe("EH2", 109, "3")
        await stage.ears.hears(Update("EH2", 109, AT_MS, "3"))
        assert stage.stream.disconnect_reason == ""


async def test_it_opens_with_the_token_the_connection_and_the_cookie_that_were_negotiated(stage):
    async with stage:
        await stage.open()
        peer = await stage.hub.peer()
        assert dict(peer.request.query) == {"id": "c+1/="}
        assert peer.request.headers["Authorization"] == "Bearer access-secret-1"
        assert peer.request.headers["User-Agent"] == "chargebridge/1.2.3"


async def test_no_message_carries_the_token(stage):
    async with stage:
        await stage.open("EH1")
        peer = await stage.hub.calls(("SubscribeWithCurrentState", "EH1", True))
        assert peer.texts[0] == '{"protocol":"json","version":1}' + END
        assert "secret" not in "".join(peer.texts)


async def test_ticks_stay_exact(stage):
    async with stage:
        await stage.open("EH1")
        peer = await stage.hub.calls(("SubscribeWithCurrentState", "EH1", True))
        response = {"serialNumber": "EH1", "id": 48, "ticks": 638221803786325061, "wasAccepted": True}
        await peer.say({"type": 1, "target": "CommandResponse", "arguments": [response]})
        await stage.ears.hears(Response("EH1", 48, 638221803786325061, accepted=True))


async def test_a_charger_is_subscribed_to_once_and_forgotten_when_it_is_unwanted(stage):
    async with stage:
        stream = await stage.open()
        peer = await stage.hub.peer()
        stream.subscribe("EH1")
        await stage.ears.hears(("subscribed", "EH1"))
        stream.subscribe("EH1")
        stream.unsubscribe("EH1")
        await stage.hub.calls(("SubscribeWithCurrentState", "EH1", True), ("Unsubscribe", "EH1"))
        await peer.observe("EH1", 109, "3")  # it is said not to work
        stream.subscribe("EH2")
        await stage.ears.hears(("subscribed", "EH2"))
        await peer.observe("EH2", 109, "3")
        await stage.ears.hears(Update("EH2", 109, AT_MS, "3"))
        assert stream.unrequested == 1


async def test_a_charger_that_is_watched_again_is_subscribed_to_again(stage):
    async with stage:
        stream = await stage.open("EH1")
        await stage.ears.hears(("subscribed", "EH1"))
        stream.unsubscribe("EH1")
        stream.subscribe("EH1")
        await stage.ears.hears("opened", ("subscribed", "EH1"), ("subscribed", "EH1"))


async def test_subscriptions_are_paced(stage):
    async with stage:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await stage.open(*(f"EH{n}" for n in range(11)), a_second=50)
        await stage.ears.hears(("subscribed", "EH10"))
        assert loop.time() - began >= 0.2


@both_loops
async def test_a_stream_that_the_hub_closes_is_opened_again_with_a_new_token(stage, site, loop):
    async with stage:
        await stage.open("EH1")
        for number in range(1, 4):
            peer = await stage.hub.calls(("SubscribeWithCurrentState", "EH1", True), number=number)
            assert peer.request.headers["Authorization"] == f"Bearer access-secret-{number}"
            site.clock.passed_s += 31
            await peer.say({"type": 7, "error": "restarting"})
            await peer.socket.close(code=1001, message=b"bye")
            assert await stage.ears.hears_of_loss(number) == "the stream was closed: 1001 bye"
            await stage.ears.hears("opened", ("subscribed", "EH1"))
    assert stage.cloud.logins == 1


async def test_a_connection_that_breaks_is_made_again(stage):
    async with stage:
        await stage.open("EH1")
        peer = await stage.hub.peer()
        peer.request.transport.abort()
        await stage.ears.hears_of_loss()
        await stage.hub.calls(("SubscribeWithCurrentState", "EH1", True), number=2)


@both_loops
async def test_a_stream_that_says_nothing_at_all_is_dead(stage, loop):
    async with stage:
        await stage.open(times=HubTimes(open_s=5, silence_s=0.3))
        assert await stage.ears.hears_of_loss() == "the stream was silent for 0.3 s"
        await stage.hub.peer(2)


async def test_pings_keep_it_alive_and_are_sent(stage):
    async with stage:
        await stage.open(times=HubTimes(open_s=5, silence_s=0.4, ping_s=0.05))
        peer = await stage.hub.peer()
        # Its own pings are the clock: twelve of them take 0.6 s, longer than the silence that it bears.
        for pings in range(1, 13):
            await stage.hub.until(lambda pings=pings: peer.heard.count({"type": 6}) >= pings)
            await peer.say({"type": 6})
        assert stage.ears.told == ["opened"]


async def test_a_hub_that_does_not_open_is_given_up_and_tried_again(stage):
    async with stage:
        stage.hub.handshake = None
        stream = await stage.open(times=HubTimes(open_s=0.3, silence_s=5))
        await until(lambda: stream.disconnect_reason == "the stream did not open for 0.3 s")
        assert set(stage.ears.failures) == {"the stream did not open for 0.3 s"}
        stage.hub.handshake = "{}"
        await stage.ears.hears("opened")


@pytest.mark.parametrize("handshake", ['{"error": "no such protocol"}', "nonsense", "[]"])
async def test_a_handshake_that_fails_is_no_end(stage, handshake):
    async with stage:
        stage.hub.handshake = handshake
        stream = await stage.open()
        await stage.hub.peer(2)
        assert "handshake" in stream.disconnect_reason
        stage.hub.handshake = "{}"
        await stage.ears.hears("opened")


async def test_nonsense_is_counted_and_harmless(stage):
    async with stage:
        stream = await stage.open("EH1")
        peer = await stage.hub.calls(("SubscribeWithCurrentState", "EH1", True))
        await peer.say(
            "nonsense", "[]", {"type": 1, "target": "ProductUpdate", "arguments": [{}]}, {"type": 99}
        )
        await peer.socket.send_bytes(b"\xff\xfe" + END.encode())
        await peer.say({"type": 1, "target": "Unheard", "arguments": [1], "invocationId": "5", "new": 1})
        await peer.observe("EH1", 109, "3")
        await stage.ears.hears(Update("EH1", 109, AT_MS, "3"))
        assert stream.unreadable == 4
        assert len(stage.hub.peers) == 1


async def test_a_listener_that_fails_loses_one_message(stage):
    async with stage:
        stream = await stage.open("EH1")
        peer = await stage.hub.calls(("SubscribeWithCurrentState", "EH1", True))
        stage.ears.deaf_to = "2"
        await peer.observe("EH1", 109, "2")
        await peer.observe("EH1", 109, "3")
        await stage.ears.hears(Update("EH1", 109, AT_MS, "3"))
        assert stream.failed == 1


async def test_a_frame_without_end_costs_the_connection_only(stage):
    async with stage:
        await stage.open("EH1")
        peer = await stage.hub.peer()
        await peer.socket.send_str("x" * 2_000_000)
        assert "1009" in await stage.ears.hears_of_loss()
        await stage.hub.peer(2)


async def test_a_charger_that_is_refused_is_logged(stage, log):
    async with stage:
        await stage.open("EH1")
        peer = await stage.hub.calls(("SubscribeWithCurrentState", "EH1", True))
        await peer.say({"type": 3, "invocationId": peer.heard[-1]["invocationId"], "error": "no access"})
        await peer.observe("EH1", 109, "3")
        await stage.ears.hears(Update("EH1", 109, AT_MS, "3"))
    assert {
        "event": "subscription refused",
        "charger": "EH1",
        "error": "no access",
        "log_level": "warning",
    } in log


async def test_a_failing_hub_is_retried(stage):
    async with stage:
        stage.hub.negotiations = [(503, {}), (200, []), (404, {}), (200, {"url": "x"})]
        await stage.open()
        await stage.ears.hears("opened")


async def commands_go_on(stage) -> None:
    for command in ("start_charging", "stop_charging"):
        answer = await stage.account.request("POST", f"/api/chargers/EH1/commands/{command}", timeout_s=5)
        assert answer.status == 200


async def test_429s_to_the_negotiation_delay_the_stream_alone(stage, site, log):
    async with stage:
        stage.hub.negotiations += [(429, {"message": "Too Many Requests"})] * 6
        stream = await stage.open()
        waits = []
        for times in range(1, 7):
            await stage.cloud.is_asked(HUB + "/negotiate", times)
            await until(lambda: stage.account.stream_pause() is not None)
            waits.append(stage.account.stream_pause()[1] - site.clock.now().mono)
            await commands_go_on(stage)
            await until(lambda: "(429); commands go on" in stream.disconnect_reason)
            assert [one.what for one in stage.account.pauses()] == ["stream handshake"]
            site.clock.passed_s += waits[-1] + 1
            await stage.account.token(5, new=True)
        assert 30 <= waits[0] <= 40
        assert 240 <= min(waits[3:]) <= max(waits[3:]) <= 300
        await stage.hub.peer()
        await until(lambda: not list(stage.account._budget.unsettled()))
    said = [(one["log_level"], one["event"], one["what"]) for one in log if "what" in one]
    assert said == [
        ("warning", "requests paused", "stream handshake"),
        ("info", "requests resumed", "stream handshake"),
    ]


async def test_429s_to_the_upgrade_delay_the_stream_alone_as_long_as_they_ask_for(stage, site):
    async with stage:
        waits = []
        for times in range(1, 4):
            stage.hub.upgrade = web.Response(status=429, headers={"Retry-After": "50"})
            if times == 1:
                await stage.open()
            await stage.cloud.is_asked(HUB, times)
            await until(lambda: stage.account.stream_pause() is not None)
            waits.append(stage.account.stream_pause()[1] - site.clock.now().mono)
            await commands_go_on(stage)
            assert stage.cloud.count(HUB) == times
            site.clock.passed_s += waits[-1] + 1
        assert waits[0] == pytest.approx(50, abs=0.1)
        assert 60 <= waits[1] <= 75
        assert 120 <= waits[2] <= 150


async def test_a_wrong_password_is_waited_out_without_hammering(stage, site):
    async with stage:
        site.cloud.password = "another"
        stream = await stage.open()
        await stage.cloud.is_asked("/api/accounts/login")
        await until(lambda: "`password`" in stream.disconnect_reason)
        with pytest.raises(NotSent, match="`password`"):
            await stage.account.token(60)
        assert site.cloud.logins == 1
