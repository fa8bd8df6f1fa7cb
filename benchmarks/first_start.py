"""The first start of thousands of chargers behind Easee's message queue, within the limits of Easee's cloud.

The driver and the emulated cloud run in this process, on a real RabbitMQ, and the clock of both runs faster
than real time: limits, waits and chargers by that clock, networks and commands in real time. Every charger is
new, and each is to have one setting that it has not. Meanwhile cars come and people want to charge.

From the environment:

    BENCH_CHARGERS   (5000)
    BENCH_SPEED      seconds of the clock in a real one (60)
    BENCH_AMQP_URL   of the broker (amqp://guest:guest@127.0.0.1:5672/)
    BENCH_QUICK      1: 200 chargers
"""

import asyncio
import os
import sys
import time
import uuid
from collections import Counter
from statistics import median
from typing import Final

import aiormq
import uvloop
from structlog.testing import capture_logs

from benchmarks.easee import BROKER, broker_is_away
from benchmarks.measuring import show
from chargebridge.chargers.easee.driver import EaseeDriver
from chargebridge.chargers.model import (
    Authorize,
    ChargerEvent,
    ChargerInfo,
    CommandOutcome,
    Configure,
    Outcome,
    Reachable,
)
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import ScaledClock
from chargebridge.emulators.easee_cloud import EaseeCloud, EaseeCloudSettings

PASSWORD: Final = "charge-me"
PEOPLE_EVERY_S: Final = 1.0
"""Real seconds from one person to the next."""
VALID_MS: Final = 30 * 86_400_000


class Sink:
    """Takes what the driver reports, and has each charger configured as soon as it can be reached."""

    def __init__(self, clock: ScaledClock) -> None:
        self.driver: EaseeDriver | None = None
        self.reachable: dict[str, float] = {}
        self.configured: dict[str, float] = {}
        self.outcomes: Counter[Outcome] = Counter()
        self.people: dict[int, asyncio.Future[Outcome]] = {}
        self._clock = clock
        self._settings: dict[int, str] = {}
        self._number = 0

    def charger_known(self, info: ChargerInfo) -> None: ...

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        assert self.driver is not None
        if receipt is not None:
            self.driver.acknowledge(receipt)
        if isinstance(event, Reachable) and event.reachable and serial not in self.reachable:
            self.reachable[serial] = self._clock.now().mono
            self._settings[self._next()] = serial
            expires_ms = self._clock.now().utc_ms + VALID_MS
            wish = Configure(number=self._number, expires_ms=expires_ms, allow_unknown_offline=True)
            self.driver.command(serial, wish)

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        if outcome.number in self.people:
            self.people[outcome.number].set_result(outcome.outcome)
            return
        self.outcomes[outcome.outcome] += 1
        self.configured[self._settings[outcome.number]] = self._clock.now().mono

    def cloud_disconnected(self, reason: str) -> None: ...

    def cloud_connected(self) -> None: ...

    async def person(self, serial: str) -> Outcome:
        """Let somebody charge whose token the central system has accepted."""
        assert self.driver is not None
        number = self._next()
        self.people[number] = asyncio.get_running_loop().create_future()
        expires_ms = self._clock.now().utc_ms + VALID_MS
        self.driver.command(
            serial, Authorize(number=number, expires_ms=expires_ms, id_tag="04BE9C0FFEE", accepted=True)
        )
        return await self.people[number]

    def _next(self) -> int:
        self._number += 1
        return self._number


async def measure(count: int, speed: float, url: str) -> list[tuple[str, str]]:
    """Return what was measured, in words."""
    now_ms = time.time_ns() // 1_000_000
    clock, world = ScaledClock(speed, now_ms, now_ms), World()
    chargers = SimulatedCloud(world, clock)
    serials = [f"EH{number:06}" for number in range(count)]
    for serial in serials:
        chargers.add(ChargerSettings(serial=serial))
    chargers.start()
    operator = f"bench-{uuid.uuid4().hex[:12]}"
    cloud = EaseeCloud(
        chargers, clock, EaseeCloudSettings(integration_account=True, amqp_url=url, operator_id=operator)
    )
    await cloud.start()
    sink = Sink(clock)
    settings = {"way": "operator", "user_name": "driver@example.com", "password": PASSWORD, "url": cloud.url}
    driver = sink.driver = EaseeDriver("easee", settings, sink, clock, None)
    for serial in serials:
        driver.watch(serial)
    began_s, waits, outcomes, most = clock.now().mono, list[float](), Counter[Outcome](), 0
    with capture_logs() as lines:
        await driver.start()
        try:
            while len(sink.configured) < count:
                await asyncio.sleep(PEOPLE_EVERY_S)
                most = max(most, driver.cloud_status().waiting)
                free = next((one for one in reversed(serials) if one in sink.reachable), None)
                if free is not None:
                    serials.remove(free)
                    chargers.act(free, "plug_in", {"battery_kwh": 1000})
                    asked = time.monotonic()
                    outcomes[await sink.person(free)] += 1
                    waits.append(time.monotonic() - asked)
        finally:
            await driver.stop()
            await cloud.stop()
            chargers.stop()
            world.close()
            await clean_up(url, operator)
    minutes = {
        name: (max(times.values()) - began_s) / 60
        for name, times in (("reachable", sink.reachable), ("configured", sink.configured))
    }
    levels = Counter(line["log_level"] for line in lines)
    logged = ", ".join(str(levels[level]) for level in ("info", "warning", "error"))
    return [
        ("chargers", f"{count:,}"),
        ("until the state of all is known", f"{minutes['reachable']:.0f} min"),
        ("until all have the setting", f"{minutes['configured']:.0f} min"),
        ("outcomes of settings", ", ".join(f"{number:,} {name}" for name, number in sink.outcomes.items())),
        ("most requests that waited", f"{most:,}"),
        ("people meanwhile", ", ".join(f"{number:,} {name}" for name, number in outcomes.items())),
        ("answer to a person, median and longest", f"{median(waits):.2f} s, {max(waits):.2f} s"),
        ("requests that the cloud refused with 429", f"{cloud.statistics.count(status=429)}"),
        ("lines of the log: info, warning, error", logged),
    ]


async def clean_up(url: str, operator: str) -> None:
    """Leave nothing at the broker."""
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    for queue in ("", ".C"):
        await channel.queue_delete(f"Operator_{operator}{queue}.Q")
    for exchange in (".C", ".O"):
        await channel.exchange_delete(f"Operator_{operator}{exchange}.X")
    await connection.close()


def main() -> None:
    """Measure, and print a table."""
    url = os.environ.get("BENCH_AMQP_URL", BROKER)
    if away := broker_is_away(url):
        sys.exit(away)
    quick = os.environ.get("BENCH_QUICK", "") not in {"", "0"}
    count = int(os.environ.get("BENCH_CHARGERS", "200" if quick else "5000"))
    speed = float(os.environ.get("BENCH_SPEED", "60"))
    rows = uvloop.run(measure(count, speed, url))
    show(f"First start of chargers behind Easee's message queue, {speed:g} times as fast", ("", ""), rows)
