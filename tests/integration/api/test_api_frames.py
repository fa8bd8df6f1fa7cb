"""The frames of a charge point, recent and live."""

import asyncio
import json

import pytest

from chargebridge.ocpp16.profiles.core import ChangeConfiguration, GetConfiguration

pytestmark = pytest.mark.integration

LIVE = "/charge-points/CP-1/frames/live"


async def next_event(lines):
    """Return name and data of the next server-sent event, passing over comments."""
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            return name, json.loads(line.removeprefix("data: "))
    return None


def test_recent_frames_begin_with_the_boot(at_site):
    async def scenario(site):
        boot, answer, *_ = await site.get("/charge-points/CP-1/frames")
        assert boot["direction"] == "sent"
        assert json.loads(boot["text"])[2] == "BootNotification"
        assert answer["direction"] == "received"
        assert json.loads(answer["text"])[0] == 3

    at_site(scenario)


def test_limit_leaves_the_newest_frames(at_site):
    async def scenario(site):
        frames = await site.get("/charge-points/CP-1/frames", limit=1000)
        assert await site.get("/charge-points/CP-1/frames", limit=2) == frames[-2:]

    at_site(scenario)


def test_frames_are_watched_as_they_come(at_site):
    async def scenario(site):
        async with site.client.stream("GET", LIVE) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            assert await anext(lines) == ": frames follow as they come"
            await site.central_system.call("CP-2", GetConfiguration(key=("HeartbeatInterval",)))
            await site.central_system.call("CP-1", GetConfiguration(key=("HeartbeatInterval",)))
            (name, call), (_, answer) = await next_event(lines), await next_event(lines)
        assert name == "frame"
        assert call["direction"] == "received"
        assert json.loads(call["text"])[2] == "GetConfiguration"
        assert answer["direction"] == "sent"
        assert json.loads(answer["text"])[2]["configurationKey"][0]["key"] == "HeartbeatInterval"

    at_site(scenario, "CP-1", "CP-2")


def test_keys_are_taken_out_of_frames(at_site):
    async def scenario(site):
        request = ChangeConfiguration(key="AuthorizationKey", value="a secret of a test")
        async with site.client.stream("GET", LIVE) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            await site.central_system.call("CP-1", request)
            _, live = await next_event(lines)
        recent = await site.client.get("/charge-points/CP-1/frames")
        assert json.loads(live["text"])[3] == {"key": "AuthorizationKey", "value": "***"}
        assert "ChangeConfiguration" in recent.text
        assert "a secret" not in recent.text

    at_site(scenario)


def test_more_watchers_than_allowed_are_refused_until_one_leaves(at_site):
    async def scenario(site):
        streams = [site.client.stream("GET", LIVE) for _ in range(32)]
        for stream in streams:
            answer = await stream.__aenter__()
            assert answer.status_code == 200
        assert await site.refused("GET", LIVE) == (
            429,
            {"error": "32 clients watch already", "remedy": "close a stream that is not used"},
        )
        for stream in streams:
            await stream.__aexit__(None, None, None)
        async with asyncio.timeout(10):
            while (await watch_once(site)) != 200:
                pass

    at_site(scenario)


async def watch_once(site):
    async with site.client.stream("GET", LIVE) as stream:
        return stream.status_code


def test_stream_ends_when_the_server_stops(at_site):
    async def scenario(site):
        async with site.client.stream("GET", LIVE) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            await site.server.stop()
            assert await next_event(lines) is None

    at_site(scenario)
