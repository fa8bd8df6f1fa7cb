"""Watchers that are slow, quick, or leave."""

import asyncio

import pytest

from chargebridge.api.routes.frames import events
from chargebridge.api.watching import Watcher
from chargebridge.gateway.turns.traces import Direction, ShownFrame

pytestmark = pytest.mark.unit


def frame(text):
    return ShownFrame("2026-01-31T12:00:00.000Z", Direction.SENT, text)


def test_watcher_takes_what_waits_in_order():
    async def scenario():
        watcher = Watcher()
        watcher.add(frame("1"))
        watcher.add(frame("2"))
        assert await watcher.take(1) == (0, [frame("1"), frame("2")])

    asyncio.run(scenario())


def test_watcher_is_woken_by_the_next_frame():
    async def scenario():
        watcher = Watcher()
        taking = asyncio.create_task(watcher.take(60))
        asyncio.get_running_loop().call_soon(watcher.add, frame("1"))
        assert await taking == (0, [frame("1")])

    asyncio.run(scenario())


def test_slow_watcher_loses_the_oldest_and_is_told_once():
    async def scenario():
        watcher = Watcher()
        for number in range(300):
            watcher.add(frame(str(number)))
        lost, frames = await watcher.take(1)
        assert lost == 44
        assert [shown.text for shown in frames] == [str(number) for number in range(44, 300)]
        watcher.add(frame("300"))
        assert await watcher.take(1) == (0, [frame("300")])

    asyncio.run(scenario())


def test_quiet_link_gives_the_watcher_nothing_for_a_while():
    async def scenario():
        assert await Watcher().take(0) == (0, [])

    asyncio.run(scenario())


def test_watching_that_ends_gives_what_waits_first():
    async def scenario():
        watcher = Watcher()
        watcher.add(frame("1"))
        watcher.end()
        assert await watcher.take(60) == (0, [frame("1")])
        assert await watcher.take(60) is None

    asyncio.run(scenario())


def test_events_tell_of_frames_and_of_those_that_were_lost():
    async def scenario():
        watcher = Watcher()
        for _ in range(257):
            watcher.add(frame('[2,"7","Heartbeat",{}]'))
        watcher.end()
        written = [event async for event in events(watcher)]
        assert len(written) == 258
        assert written[:3] == [
            b": frames follow as they come\n\n",
            b'event: lost\ndata: {"frames":1}\n\n',
            (
                b'event: frame\ndata: {"time":"2026-01-31T12:00:00.000Z","direction":"sent",'
                b'"text":"[2,\\"7\\",\\"Heartbeat\\",{}]"}\n\n'
            ),
        ]

    asyncio.run(scenario())
