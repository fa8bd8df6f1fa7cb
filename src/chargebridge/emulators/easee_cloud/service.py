"""Runs the emulated Easee Cloud with its chargers as a program."""

import asyncio
import signal
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.traffic import PACES, Traffic
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import Clock, ScaledClock
from chargebridge.emulators.easee_cloud.cloud import EaseeCloud
from chargebridge.emulators.easee_cloud.misbehaviour import parse
from chargebridge.emulators.easee_cloud.settings import EaseeCloudSettings

NO_TRAFFIC: Final = "none"
TRAFFIC: Final = (*PACES, NO_TRAFFIC)
_log = structlog.get_logger(__name__)


class SettingsError(Exception):
    """A setting is invalid; the text says which, and what is expected."""


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """The settings of the program.

    Args:
        cloud: the settings of the cloud.
        chargers: the least number of chargers, from EH000001 on.
        phases: phases of each new charger, 1 or 3.
        rated_current_a: rated current of each new charger per phase, in amperes.
        idle_in_step: whether new chargers without a car all report at the same moments.
        traffic: how often cars come and go: one of `TRAFFIC`.
        speed: simulated seconds in one real second.
        state_path: the SQLite file that keeps the chargers; None keeps them in memory.
        misbehave: the faults to emulate, in the form that `misbehaviour.parse` reads.
    """

    cloud: EaseeCloudSettings = field(default_factory=EaseeCloudSettings)
    chargers: int = 3
    phases: int = 3
    rated_current_a: int = 32
    idle_in_step: bool = False
    traffic: str = NO_TRAFFIC
    speed: float = 1.0
    state_path: Path | None = None
    misbehave: str = ""


async def serve(settings: ServiceSettings) -> None:
    """Run chargers and cloud until SIGINT or SIGTERM.

    Raises:
        SettingsError: a setting is invalid.
        OSError: the address cannot be bound.
    """
    try:
        misbehaviour = parse(settings.misbehave)
    except ValueError as error:
        raise SettingsError(f"--misbehave: {error}") from None
    world = _world(settings)
    clock = _clock(settings.speed, world)
    chargers = SimulatedCloud(world, clock)
    try:
        cloud = EaseeCloud(chargers, clock, settings.cloud)
    except ValueError as error:
        world.close()
        raise SettingsError(f"--amqp-url: {error}") from None
    cloud.misbehaviour = misbehaviour
    for number in range(1, settings.chargers + 1):
        serial = f"EH{number:06d}"
        if serial not in world:
            chargers.add(
                ChargerSettings(
                    serial=serial,
                    phases=settings.phases,
                    rated_current_a=settings.rated_current_a,
                    idle_in_step=settings.idle_in_step,
                )
            )
    try:
        chargers.start()
        await cloud.start()
        _log.info("listening", url=cloud.url, stream=cloud.stream_url, user_name=settings.cloud.user_name)
        await _wait_for_signal()
    finally:
        await cloud.stop()
        chargers.stop()
        world.close()
        _log.info("stopped", requests=cloud.statistics.count(), updates=cloud.statistics.updates)


def _world(settings: ServiceSettings) -> World:
    if settings.traffic not in TRAFFIC:
        raise SettingsError(f"--traffic: expected one of {', '.join(TRAFFIC)}, not {settings.traffic!r}")
    pace = PACES.get(settings.traffic)
    traffic = None if pace is None else Traffic(settings.cloud.seed, pace)
    try:
        return World(settings.state_path, traffic)
    except (ValueError, sqlite3.Error) as error:
        raise SettingsError(f"--state: {settings.state_path}: {error}") from None


def _clock(speed: float, world: World) -> Clock:
    """Return a clock that starts now, or at the last time in the chargers' file if that is later."""
    now_ms = time.time_ns() // 1_000_000
    return ScaledClock(speed, now_ms, max(now_ms, world.latest_ms))


async def _wait_for_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
