"""One charger at work: its device, its commands, and what is delivered of it."""

import asyncio
import sqlite3
from collections.abc import Coroutine, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

import structlog
from chargebridge.drivers import (
    Capability,
    ChargerEvent,
    ChargerInfo,
    Clock,
    CommandOutcome,
    EventSink,
    Measured,
    Quantity,
    Reachable,
    SessionEnded,
    SessionStarted,
    TokenPresented,
)

from chargebridge_driver_mqtt.commands import Commands, NotPublishedError, off
from chargebridge_driver_mqtt.device import Device, Record
from chargebridge_driver_mqtt.meter import Meter
from chargebridge_driver_mqtt.payloads import Value
from chargebridge_driver_mqtt.settings import ChargerSettings, Publication
from chargebridge_driver_mqtt.store import MOST_KEPT, Store, spare

SETTLE_S: Final = 2.0
"""Real seconds after its first message in which a charger has said all it says by itself."""
FORGET_S: Final = 60.0
"""Real seconds after `unwatch` after which a charger is not expected to be watched again."""

_log = structlog.get_logger(__name__)


class Receipt(NamedTuple):
    """What an event is acknowledged with."""

    serial: str
    number: int


class Surroundings(Protocol):
    """What a charger shares with the others."""

    clock: Clock
    store: Store
    sink: EventSink | None
    """Where events go; None: the driver is stopped."""
    connected: bool
    """Whether the broker is there and everything is subscribed."""

    async def publish(self, message: Publication) -> None:
        """Hand a message over to the broker; raises `NotPublishedError`."""

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Do something beside."""


class Charger:
    """One charger: its device, its commands, and what is delivered of it (`commands.Surroundings`)."""

    def __init__(
        self, serial: str, settings: ChargerSettings, site: Surroundings, answer_within_s: float
    ) -> None:
        self.serial = serial
        self._settings = settings
        self._site = site
        record = site.store.record(serial) or Record(meter=Meter())
        record.meter.power_ms = None
        self.device = Device(settings, record)
        self.commands = Commands(self.device, self, site.clock, answer_within_s)
        self._watched = False
        self._introduced = False
        self._keeps = True
        """Whether events are kept: not if it was unwatched long ago."""
        self._known = False
        """Whether enough has come to say what is known of it."""
        self._came_s: float | None = None
        """When its first message of this connection came, by the loop's time."""
        self._last_s = 0.0
        self._unwatched_s = 0.0
        self._reported_reachable = False
        self._written_connected = record.connected
        self._unwritten: list[ChargerEvent] = []
        """Events that could not be written down yet."""
        self._failing = False
        self._asked = False
        """Whether it was asked for a last reading, at the end of a session."""

    @property
    def _now_ms(self) -> int:
        return self._site.clock.now().utc_ms

    @property
    def _loop_s(self) -> float:
        return asyncio.get_running_loop().time()

    # --- what the gateway asks ------------------------------------------------------------------------

    def watch(self) -> None:
        """Deliver events, beginning with what is known."""
        self._watched, self._introduced, self._keeps = True, False, True
        asyncio.get_running_loop().call_soon(self._introduce)

    def unwatch(self) -> None:
        """Deliver nothing any more."""
        self._watched = self._introduced = False
        self._unwatched_s = self._loop_s

    # --- what comes -----------------------------------------------------------------------------------

    def connection_came(self) -> None:
        """The broker is there; ask the charger for what it does not say by itself."""
        self._came_s = None
        messages = list(self._settings.ask)
        if self._settings.switch is not None and self.device.record.locking_ms is not None:
            # It may not have come to it before the connection was lost, or the driver stopped.
            self.device.record.locking_ms = self._now_ms
            messages.insert(0, off(self._settings.switch))
        if messages:
            self._site.spawn(self._publish_all(messages))

    def connection_went(self) -> None:
        """The broker is away: nothing is known of now."""
        self.device.forget_connection()
        self._report_reachable()
        self.commands.shown()

    def take(self, name: str, phase: int, value: Value) -> None:
        """Take a value."""
        self._last_s = self._loop_s
        if self._came_s is None:
            self._came_s = self._last_s
        self._report(self.device.take(name, phase, value, self._now_ms))
        self._introduce()
        self._report_reachable()
        self.commands.shown()

    def is_stale(self, name: str, value: Value) -> bool:
        """Whether a retained value is older than what is known: brokers that crash keep old ones."""
        return name == "energy" and not isinstance(value, str) and self.device.record.meter.is_behind(value)

    def tick(self) -> None:
        """Look what has happened by time alone."""
        now_ms, record = self._now_ms, self.device.record
        self._report(self.device.look(now_ms))
        self._introduce()
        self._report_reachable()
        if record.limit_until_ms is not None and record.limit_until_ms <= now_ms and self.reachable:
            self.commands.limit_is_over()
        if self._keeps and not self._watched and self._loop_s - self._unwatched_s > FORGET_S:
            self._keeps = False
            self._site.store.forget_all(self.serial)

    # --- delivering -----------------------------------------------------------------------------------

    def _report(self, events: Sequence[ChargerEvent]) -> None:
        """Write events down, then deliver them."""
        if self.device.is_ending and not self._asked:
            self._asked = True
            self._site.spawn(self._close_session(lock=self.device.locks_again))
        if any(isinstance(event, SessionEnded) for event in events):
            self._asked = False
        self._unwritten += events
        connected = self.device.record.connected
        numbers: Iterator[int] = iter(())
        if any(map(_is_kept, self._unwritten)) or connected != self._written_connected:
            kept = [event for event in self._unwritten if self._keeps and _is_kept(event)]
            try:
                numbers = iter(self._site.store.write(self.serial, self.device.record, kept))
            except sqlite3.Error as error:
                self._wait_for_disk(error)
                return
            self._written_connected = connected
            if self._failing:
                self._failing = False
                self._unwritten.append(self.device.state_event(self._now_ms))
        written, self._unwritten = self._unwritten, []
        for event in written:
            receipt = Receipt(self.serial, next(numbers)) if self._keeps and _is_kept(event) else None
            self._deliver(event, receipt)

    def _wait_for_disk(self, error: sqlite3.Error) -> None:
        """Keep what must not be lost until it can be written down, within the bound of the file."""
        if not self._failing:
            self._failing = True
            _log.error("events cannot be written down, and wait", charger=self.serial, error=str(error))
        kept = [event for event in self._unwritten if _is_kept(event)]
        while len(kept) > MOST_KEPT:
            kept.remove(max(kept, key=spare))  # of several it is the oldest
        self._unwritten = kept

    def _introduce(self) -> None:
        """Deliver what is known, to somebody who has begun to watch."""
        if not self._known:
            self._known = self._is_known
        if not self._known or not self._watched or self._introduced or self._site.sink is None:
            return
        try:
            kept = self._site.store.kept(self.serial)
        except sqlite3.Error as error:
            if not self._failing:
                self._failing = True
                _log.error("events cannot be read, and wait", charger=self.serial, error=str(error))
            return
        self._introduced = True
        self._site.sink.charger_known(self._info)
        self._reported_reachable = self.reachable
        self._deliver(Reachable(at_ms=self._now_ms, reachable=self._reported_reachable), None)
        self._deliver(self.device.state_event(self._now_ms), None)
        for number, event in kept:
            self._deliver(event, Receipt(self.serial, number))

    def _report_reachable(self) -> None:
        if self._introduced and self.reachable != self._reported_reachable:
            self._reported_reachable = self.reachable
            self._deliver(Reachable(at_ms=self._now_ms, reachable=self._reported_reachable), None)
            if self._reported_reachable:
                self._deliver(self.device.state_event(self._now_ms), None)

    def _deliver(self, event: ChargerEvent, receipt: Receipt | None) -> None:
        if self._site.sink is not None and self._introduced:
            self._site.sink.charger_event(self.serial, event, receipt)

    @property
    def _is_known(self) -> bool:
        if self._came_s is None:
            return False
        if self._settings.availability is not None and self.device.online is not True:
            return self.device.online is False
        return self.device.is_complete or self._loop_s - self._came_s >= SETTLE_S

    @property
    def _info(self) -> ChargerInfo:
        settings = self._settings
        capabilities = set()
        if settings.limit is not None:
            capabilities.add(Capability.LIMIT)
        if settings.temperature is not None:
            capabilities.add(Capability.TEMPERATURE)
        return ChargerInfo(
            serial=self.serial,
            vendor=settings.vendor,
            model=settings.model,
            phases=settings.phases,
            max_current_a=settings.max_current_a,
            capabilities=frozenset(capabilities),
            measures=frozenset(
                quantity
                for quantity, source in (
                    (Quantity.ENERGY_WH, True),
                    (Quantity.POWER_W, settings.power),
                    (Quantity.CURRENT_OFFERED_A, settings.offered),
                    (Quantity.TEMPERATURE_C, settings.temperature),
                )
                if source
            ),
            measures_by_phase=frozenset(
                quantity
                for quantity, sources in (
                    (Quantity.CURRENT_A, settings.currents),
                    (Quantity.VOLTAGE_V, settings.voltages),
                )
                if sources
            ),
        )

    # --- what commands need ---------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        """Whether the charger can be reached."""
        if not self._site.connected or self._came_s is None:
            return False
        silent_s = self._settings.silent_after_s / self._site.clock.speed
        if silent_s and self._loop_s - self._last_s > silent_s:
            return False
        return self._settings.availability is None or self.device.online is True

    async def publish(self, message: Publication) -> None:
        """Hand a message over to the broker."""
        await self._site.publish(message)

    def remember(self) -> None:
        """Write the charger's record down."""
        try:
            self._site.store.write(self.serial, self.device.record, ())
        except sqlite3.Error as error:
            _log.error("a charger cannot be written down", charger=self.serial, error=str(error))

    def ended(self, outcome: CommandOutcome) -> None:
        """Report an outcome; commands of our own have number 0."""
        if outcome.number and self._site.sink is not None:
            self._site.sink.command_outcome(self.serial, outcome)

    async def _close_session(self, *, lock: bool) -> None:
        """Ask for a last reading, and lock the charger again if it was unlocked by a token."""
        if self._settings.switch is not None and lock:
            await self._publish_all((off(self._settings.switch),))
        await self._publish_all(self._settings.ask)

    async def _publish_all(self, messages: Sequence[Publication]) -> None:
        for message in messages:
            try:
                await self._site.publish(message)
            except NotPublishedError as error:
                _log.info("not published", charger=self.serial, topic=message.topic, error=str(error))


def _is_kept(event: ChargerEvent) -> bool:
    """Whether an event must not be lost; of all others only the present counts."""
    if isinstance(event, Measured):
        return event.session is not None
    return isinstance(event, SessionStarted | SessionEnded | TokenPresented)
