"""Simulated chargers whose time a test moves by hand."""

import asyncio
from pathlib import Path

import pytest

from chargebridge.drivers import Authorize, Measured, SessionEnded, SessionStarted
from chargebridge.testing import ManualClock, SimulatedChargers
from chargebridge.testing.contract import Recorder

pytestmark = pytest.mark.integration

SERIAL = "SIM1"


async def charged(chargers: SimulatedChargers, seconds: float, number: int = 1) -> dict[str, object]:
    """Let a car charge for so long, and leave."""
    chargers.act(SERIAL, "plug_in", battery_kwh=400.0, phases=3, max_current_a=16)
    expires_ms = chargers.clock.now().utc_ms + 1
    chargers.command(SERIAL, Authorize(number=number, expires_ms=expires_ms, id_tag="TAG1", accepted=True))
    chargers.catch_up()
    chargers.advance(seconds)
    return chargers.act(SERIAL, "unplug")


def test_an_hour_passes_at_once() -> None:
    async def scenario() -> None:
        seen = Recorder(1.0)
        chargers = SimulatedChargers(seen)
        chargers.watch(SERIAL)
        await chargers.start()
        chargers.catch_up()
        view = await charged(chargers, 3600)
        await chargers.stop()
        [started], [ended] = seen.events(SessionStarted, SERIAL), seen.events(SessionEnded, SERIAL)
        assert ended.at_ms - started.at_ms == 3_600_000
        assert ended.register_wh == view["register_wh"]
        assert 10_000 < ended.register_wh < 12_000  # 16 A on three phases of about 230 V
        assert len(seen.events(Measured, SERIAL)) >= 60

    asyncio.run(scenario())


def test_time_stands_by_itself() -> None:
    async def scenario() -> None:
        chargers = SimulatedChargers(Recorder(1.0), ManualClock(1_800_000_000_000))
        chargers.watch(SERIAL)
        await chargers.start()
        chargers.catch_up()
        assert chargers.act(SERIAL, "view") == chargers.act(SERIAL, "view")
        await chargers.stop()

    asyncio.run(scenario())


def test_they_are_kept_over_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()

    async def scenario(number: int) -> int:
        chargers = SimulatedChargers(Recorder(1.0), clock, tmp_path)
        chargers.watch(SERIAL)
        await chargers.start()
        chargers.catch_up()
        register_wh = (await charged(chargers, 600, number))["register_wh"]
        await chargers.stop()
        return register_wh

    assert asyncio.run(scenario(1)) < asyncio.run(scenario(2))


def test_what_cannot_be_done_says_why() -> None:
    async def scenario() -> None:
        chargers = SimulatedChargers(Recorder(1.0))
        with pytest.raises(RuntimeError, match="not started"):
            chargers.act(SERIAL, "view")
        chargers.watch(SERIAL)
        await chargers.start()
        with pytest.raises(ValueError, match="no car is plugged in"):
            chargers.act(SERIAL, "unplug")
        await chargers.stop()

    asyncio.run(scenario())
