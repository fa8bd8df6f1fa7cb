"""Undoing what a probe has changed: in order, until it is confirmed, and whatever interrupts it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from chargebridge.chargers.easee.account.failures import NoAnswer
from chargebridge.chargers.easee.probe.undoing import ATTEMPTS, Undo, Undoing

pytestmark = pytest.mark.unit


class Bench:
    def __init__(self, longest_s: float = 60.0) -> None:
        self.said: list[str] = []
        self.done: list[str] = []
        self.undoing = Undoing(self.said.append, longest_s, again_s=0.0)

    def change(
        self, name: str, *ends: bool | Exception, wait: Callable[[], Awaitable[object]] | None = None
    ) -> Undo:
        results = iter(ends or (True,))

        async def do() -> bool:
            self.done.append(name)
            if wait is not None:
                await wait()
            end = next(results)
            if isinstance(end, Exception):
                raise end
            return end

        undo = Undo(f"{name} is undone.", f"turn {name} back", do)
        self.undoing.add(undo)
        return undo


def test_the_newest_change_is_undone_first():
    bench = Bench()
    for name in ("one", "two", "three"):
        bench.change(name)
    assert asyncio.run(bench.undoing.all()) == []
    assert bench.done == ["three", "two", "one"]
    assert not bench.undoing


def test_what_was_not_confirmed_is_tried_again():
    bench = Bench()
    bench.change("one", False, NoAnswer("lost"), True)
    assert asyncio.run(bench.undoing.all()) == []
    assert bench.done == ["one"] * 3


def test_what_is_never_confirmed_is_said_with_what_to_do_by_hand():
    bench = Bench()
    undo = bench.change("one", *[False] * ATTEMPTS)
    bench.change("two")
    assert asyncio.run(bench.undoing.all()) == [undo]
    assert bench.done == ["two", *["one"] * ATTEMPTS]
    assert bench.said[1] == "one is undone. (if this fails: turn one back)"
    assert bench.said[-1] == "NOT UNDONE. Please do it by hand: turn one back"


def test_what_takes_too_long_is_given_to_a_person():
    bench = Bench(longest_s=0.0)
    undo = bench.change("one", wait=asyncio.Event().wait)
    assert asyncio.run(bench.undoing.all()) == [undo]


def test_a_change_that_was_not_made_is_not_undone():
    bench = Bench()
    undo = bench.change("one")
    bench.undoing.drop(undo)
    bench.undoing.drop(undo)
    assert asyncio.run(bench.undoing.all()) == []
    assert bench.done == []


def test_no_interruption_stops_it_and_none_is_lost():
    bench = Bench()

    async def scene() -> None:
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            begun.set()
            await may_end.wait()

        bench.change("one", wait=wait)
        went_on = False

        async def probe() -> None:
            nonlocal went_on
            await bench.undoing.all()
            await asyncio.sleep(0)
            went_on = True

        probing = asyncio.ensure_future(probe())
        await begun.wait()
        for _ in range(3):
            probing.cancel()
            await asyncio.sleep(0)
        assert not probing.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await probing
        assert not went_on

    asyncio.run(scene())
    assert bench.done == ["one"]
    assert not bench.undoing
