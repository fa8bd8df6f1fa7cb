"""The chargers of the fleet benchmark: a driver that is found by its entry point, like any other.

It reads commands from standard input, since the benchmark runs the gateway as users do:

    charge    begin a session at each charger
    mv sat    each charger measures anew as soon as the message before was answered
    mv 0      no more
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from chargebridge.chargers.model import (
    ChargerCommand,
    ChargerInfo,
    ChargerState,
    EventSink,
    Measured,
    Quantity,
    Reachable,
    Reading,
    SessionStarted,
    StateChanged,
)
from chargebridge.clock import Clock
from chargebridge.gateway.turns.binding import Binding

LOOK_S = 0.005
"""Between looks at whose message was answered: seldom enough to cost nothing beside the messages."""
_STEADY = (
    Reading(Quantity.CURRENT_A, 15.9, 1),
    Reading(Quantity.CURRENT_A, 16.0, 2),
    Reading(Quantity.CURRENT_A, 16.1, 3),
    Reading(Quantity.POWER_W, 11040.0),
    Reading(Quantity.VOLTAGE_V, 230.4, 1),
)


class GatewaySink(EventSink, Protocol):
    """The gateway's side of a driver.

    Drivers have no business with `bindings`; this one looks there for empty queues, to measure the
    whole way of a message in a closed loop.
    """

    bindings: Mapping[str, Binding]


class FleetDriver:
    """Chargers that measure when told to."""

    def __init__(
        self,
        name: str,
        settings: Mapping[str, object],
        sink: GatewaySink,
        clock: Clock,
        state_dir: Path | None,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._serials: list[str] = []
        self._session = 0
        self._register_wh = 0
        self._at_ms = 0
        self._measuring = False
        self._waiting: list[str] = []
        """Whose message is durable and perhaps not answered yet."""

    async def start(self) -> None:
        asyncio.get_running_loop().add_reader(0, self._readable)

    async def stop(self) -> None:
        self._measuring = False
        asyncio.get_running_loop().remove_reader(0)

    def watch(self, serial: str) -> None:
        self._serials.append(serial)
        at_ms = self._clock.now().utc_ms
        self._sink.charger_known(ChargerInfo(serial, "PerfVendor", "Virtual", "1.0.0"))
        self._sink.charger_event(serial, Reachable(at_ms=at_ms, reachable=True), None)
        self._sink.charger_event(serial, StateChanged(at_ms=at_ms, state=ChargerState.DISCONNECTED), None)

    def unwatch(self, serial: str) -> None:
        self._serials.remove(serial)

    def acknowledge(self, receipt: object) -> None:
        assert isinstance(receipt, str)
        if self._measuring:
            self._waiting.append(receipt)

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Nothing is asked of these chargers."""

    def _readable(self) -> None:
        data = os.read(0, 4096)
        if not data:
            asyncio.get_running_loop().remove_reader(0)
        for line in data.decode().splitlines():
            match line:
                case "charge":
                    self._charge()
                case "mv sat":
                    self._measuring = True
                    self._waiting = []
                    self._measure(self._serials)
                    asyncio.get_running_loop().call_later(self._pause_s(), self._look)
                case "mv 0":
                    self._measuring = False

    def _charge(self) -> None:
        at_ms = self._session = self._clock.now().utc_ms
        for serial in self._serials:
            began = SessionStarted(at_ms=at_ms, session=self._session, id_tag="PERFTAG01", register_wh=0)
            self._sink.charger_event(serial, began, None)
            charging = StateChanged(at_ms=at_ms, state=ChargerState.CHARGING)
            self._sink.charger_event(serial, charging, None)

    def _pause_s(self) -> float:
        """Look at each charger equally often, however many there are: looking costs too."""
        return LOOK_S * max(1.0, len(self._serials) / 1000)

    def _look(self) -> None:
        if not self._measuring:
            return
        asyncio.get_running_loop().call_later(self._pause_s(), self._look)
        waiting, self._waiting = self._waiting, []
        bindings = self._sink.bindings
        answered: list[str] = []
        for serial in waiting:
            (self._waiting if bindings[serial].charge_point.queue else answered).append(serial)
        self._measure(answered)

    def _measure(self, serials: list[str]) -> None:
        self._register_wh += 7
        # Each sample later than the one before, as of a charger.
        self._at_ms = max(self._at_ms + 1, self._clock.now().utc_ms)
        readings = (Reading(Quantity.ENERGY_WH, self._register_wh), *_STEADY)
        for serial in serials:
            event = Measured(at_ms=self._at_ms, readings=readings, session=self._session)
            self._sink.charger_event(serial, event, serial)
