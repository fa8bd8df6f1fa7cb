"""The driver at work against an emulated cloud, and a sink that remembers what it is told."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from chargebridge.chargers.easee.driver import EaseeDriver
from chargebridge.chargers.easee.fleet import Receipt
from chargebridge.chargers.model import (
    ChargerCommand,
    ChargerEvent,
    ChargerInfo,
    ChargerState,
    CommandOutcome,
    Reachable,
    StateChanged,
)
from tests.integration.easee.stage import SERIAL, Stage, until

Event = TypeVar("Event", bound=ChargerEvent)


@dataclass
class Sink:
    """Remembers everything; acknowledges at once, unless told not to."""

    driver: EaseeDriver | None = None
    acknowledges: bool = True
    infos: dict[str, ChargerInfo] = field(default_factory=dict)
    told: list[tuple[str, ChargerEvent]] = field(default_factory=list)
    kept: list[Receipt] = field(default_factory=list)
    outcomes: dict[int, CommandOutcome] = field(default_factory=dict)
    connections: list[str | None] = field(default_factory=list)
    """Why there is none; None: there is."""

    def charger_known(self, info: ChargerInfo) -> None:
        self.infos[info.serial] = info

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        self.told.append((serial, event))
        if receipt is not None:
            if self.acknowledges:
                self.driver.acknowledge(receipt)
            else:
                self.kept.append(receipt)

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        self.outcomes[outcome.number] = outcome

    def cloud_disconnected(self, reason: str) -> None:
        self.connections.append(reason)

    def cloud_connected(self) -> None:
        self.connections.append(None)

    def of(self, kind: type[Event], serial: str = SERIAL) -> list[Event]:
        return [event for one, event in self.told if one == serial and isinstance(event, kind)]

    def state(self, serial: str = SERIAL) -> ChargerState | None:
        states = self.of(StateChanged, serial)
        return states[-1].state if states else None

    def reachable(self, serial: str = SERIAL) -> bool:
        told = self.of(Reachable, serial)
        return bool(told) and told[-1].reachable


class Bench:
    """One driver on a stage."""

    def __init__(self, site: Stage, driver: EaseeDriver, sink: Sink) -> None:
        self.site = site
        self.driver = driver
        self.sink = sink
        self._numbers = itertools.count(1)

    async def ready(self, serial: str = SERIAL) -> None:
        await until(lambda: self.sink.reachable(serial), "the charger can be reached")

    def give(
        self, kind: type[ChargerCommand], *, valid_s: float = 3600.0, serial: str = SERIAL, **what: object
    ) -> int:
        number = next(self._numbers)
        expires_ms = self.site.clock.now().utc_ms + round(valid_s * 1000)
        self.driver.command(serial, kind(number=number, expires_ms=expires_ms, **what))
        return number

    async def outcome(self, kind: type[ChargerCommand], **what: object) -> CommandOutcome:
        number = self.give(kind, **what)
        await until(lambda: number in self.sink.outcomes, f"{kind.__name__} ends")
        return self.sink.outcomes[number]


def settings(site: Stage, way: str, **more: object) -> dict[str, object]:
    return {
        "way": way,
        "user_name": "driver@example.com",
        "password": "charge-me",
        "url": site.cloud.url,
        "stream_url": site.cloud.stream_url,
        **more,
    }


@asynccontextmanager
async def driving(
    site: Stage,
    way: str,
    *,
    serials: tuple[str, ...] = (SERIAL,),
    state_dir: Path | None = None,
    sink: Sink | None = None,
    **more: object,
) -> AsyncIterator[Bench]:
    """Run a driver."""
    sink = sink or Sink()
    driver = EaseeDriver("easee", settings(site, way, **more), sink, site.clock, state_dir)
    sink.driver = driver
    for serial in serials:
        driver.watch(serial)
    await driver.start()
    try:
        yield Bench(site, driver, sink)
    finally:
        await driver.stop()
