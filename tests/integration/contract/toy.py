"""A driver that keeps the contract in as few lines as can be, and the vendor behind it.

The vendor keeps what is not acknowledged, as a message queue does, so that the driver needs no file.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from chargebridge.drivers import (
    Authorize,
    ChargerCommand,
    ChargerEvent,
    ChargerInfo,
    ChargerState,
    CommandOutcome,
    EndSession,
    EventSink,
    Outcome,
    Quantity,
    Reachable,
    ReportSessions,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    SetLimit,
    StateChanged,
    TokenPresented,
)
from chargebridge.testing import ManualClock
from chargebridge.testing.contract import Charger, Rig, WrongSettings

Receipt = tuple[str, int]


class Vendor:
    """A cloud with two chargers; every driver that is connected is called soon after something happens."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.up = True
        self.chargers = {serial: ToyCharger(self, serial) for serial in ("T1", "T2")}
        self.drivers: list[ToyDriver] = []

    def call_soon(self, function: Callable[..., None], *arguments: object) -> None:
        asyncio.get_running_loop().call_soon(function, *arguments)

    def broadcast(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        for driver in self.drivers:
            self.call_soon(driver.arrived, serial, event, receipt)

    def set_up(self, up: bool) -> None:
        self.up = up
        for driver in self.drivers:
            self.call_soon(driver.connection_came if up else driver.connection_went)


class ToyCharger(Charger):
    """A charger, its hands, and what its cloud keeps of it."""

    def __init__(self, vendor: Vendor, serial: str) -> None:
        super().__init__(serial)
        self.vendor = vendor
        self.online = True
        self.car = False
        self.session: SessionStarted | None = None
        self.sessions = 0
        self.register_wh = 1000
        self.limit_ma: int | None = None
        self.kept: dict[int, ChargerEvent] = {}
        self.ended: list[SessionEnded] = []
        self._numbers = 0

    @property
    def now_ms(self) -> int:
        return self.vendor.clock.now().utc_ms

    @property
    def state(self) -> StateChanged:
        state = ChargerState.DISCONNECTED
        if self.car:
            state = ChargerState.CHARGING if self.session else ChargerState.AWAITING_TOKEN
        return StateChanged(at_ms=self.now_ms, state=state)

    @property
    def reachable(self) -> Reachable:
        return Reachable(at_ms=self.now_ms, reachable=self.online and self.vendor.up)

    def tell(self, event: ChargerEvent) -> None:
        self._numbers += 1
        self.kept[self._numbers] = event
        if self.vendor.up:
            self.vendor.broadcast(self.serial, event, (self.serial, self._numbers))

    def tell_state(self) -> None:
        if self.vendor.up:
            self.vendor.broadcast(self.serial, self.state, None)

    async def plug_in(self) -> None:
        self.car = True
        self.tell_state()

    async def unplug(self) -> None:
        self.car = False
        self.end(SessionEnd.EV_DISCONNECTED)

    async def present_token(self, id_tag: str) -> None:
        self.tell(TokenPresented(at_ms=self.now_ms, id_tag=id_tag))

    async def charge(self) -> None:
        self.vendor.clock.advance(60)
        self.register_wh += 100

    async def go_offline(self) -> None:
        self.online = False
        self.vendor.broadcast(self.serial, self.reachable, None)

    async def come_back(self) -> None:
        self.online = True
        self.vendor.broadcast(self.serial, self.reachable, None)

    def probe(self, step: int, *, number: int, expires_ms: int) -> SetLimit:
        return SetLimit(number=number, expires_ms=expires_ms, limit_ma=step)

    async def probed(self) -> int | None:
        return self.limit_ma

    def carry_out(self, command: ChargerCommand) -> Outcome:
        match command:
            case Authorize(accepted=True, id_tag=id_tag) if self.car and self.session is None:
                self.sessions += 1
                self.session = SessionStarted(
                    at_ms=self.now_ms, session=self.sessions, id_tag=id_tag, register_wh=self.register_wh
                )
                self.tell(self.session)
                self.tell_state()
            case EndSession(session=session) if self.session is not None and self.session.session == session:
                self.end(SessionEnd.DEAUTHORIZED)
            case ReportSessions(first=first):
                for event in [*self.ended, *([self.session] if self.session else [])]:
                    if event.session >= first:
                        self.tell(event)
            case SetLimit(limit_ma=limit_ma):
                self.limit_ma = limit_ma
            case _:
                return Outcome.REFUSED
        return Outcome.DONE

    def end(self, reason: SessionEnd) -> None:
        started, self.session = self.session, None
        if started is not None:
            ended = SessionEnded(
                at_ms=self.now_ms,
                session=started.session,
                id_tag=started.id_tag,
                started_at_ms=started.at_ms,
                start_register_wh=started.register_wh,
                register_wh=self.register_wh,
                reason=reason,
            )
            self.ended.append(ended)
            self.tell(ended)
        self.tell_state()


class ToyDriver:
    """Keeps the contract."""

    def __init__(self, vendor: Vendor, settings: Mapping[str, object], sink: EventSink) -> None:
        if settings.get("account") != "toy":
            raise ValueError("account: expected 'toy'")
        self.vendor = vendor
        self.sink = sink
        self.watched: dict[str, None] = {}
        self.running = False

    async def start(self) -> None:
        self.running = True
        self.vendor.drivers.append(self)
        self.vendor.call_soon(self.connection_came if self.vendor.up else self.say_why)

    async def stop(self) -> None:
        self.running = False
        self.vendor.drivers.remove(self)

    def watch(self, serial: str) -> None:
        self.watched[serial] = None
        if self.running and self.vendor.up:
            self.introduce(serial)

    def unwatch(self, serial: str) -> None:
        self.watched.pop(serial, None)

    def acknowledge(self, receipt: object) -> None:
        serial, number = receipt
        self.vendor.chargers[serial].kept.pop(number, None)

    def command(self, serial: str, command: ChargerCommand) -> None:
        self.vendor.call_soon(self.carry_out, serial, command)

    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        charger = self.vendor.chargers.get(serial)
        if self.is_expired(command):
            outcome = Outcome.EXPIRED
        elif charger is None or not self.vendor.up:
            outcome = Outcome.REFUSED
        else:
            outcome = charger.carry_out(command)
        # Behind the events that are on their way.
        self.vendor.call_soon(self.ended, serial, CommandOutcome(command.number, outcome))

    def is_expired(self, command: ChargerCommand) -> bool:
        return command.expires_ms <= self.vendor.clock.now().utc_ms

    def ended(self, serial: str, outcome: CommandOutcome) -> None:
        self.sink.command_outcome(serial, outcome)

    def connection_came(self) -> None:
        self.sink.cloud_connected()
        for serial in self.watched:
            self.introduce(serial)

    def connection_went(self) -> None:
        self.say_why()
        for serial in self.watched:
            event = Reachable(at_ms=self.vendor.clock.now().utc_ms, reachable=False)
            self.arrived(serial, event, None)

    def say_why(self) -> None:
        self.sink.cloud_disconnected("the vendor is away")

    def introduce(self, serial: str) -> None:
        charger = self.vendor.chargers.get(serial)
        if charger is None:
            return
        self.sink.charger_known(
            ChargerInfo(
                serial=serial,
                vendor="Toy",
                model="T",
                measures=frozenset({Quantity.ENERGY_WH}),
                measures_by_phase=frozenset(),
            )
        )
        self.deliver(serial, charger.reachable, None)
        self.deliver(serial, charger.state, None)
        for number, event in self.unacknowledged(charger):
            self.deliver(serial, event, (serial, number))

    def unacknowledged(self, charger: ToyCharger) -> list[tuple[int, ChargerEvent]]:
        return list(charger.kept.items())

    def arrived(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        if self.running and serial in self.watched:
            self.deliver(serial, event, receipt)

    def deliver(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        self.sink.charger_event(serial, event, receipt)


class ToyRig(Rig):
    """The toy driver, or a broken one."""

    patience_s = 0.3
    start_s = 0.2
    stop_s = 0.2
    wrong_settings = (WrongSettings({"account": "other"}, "account"),)

    def __init__(self, kind: type[ToyDriver]) -> None:
        self._kind = kind
        self.clock = ManualClock()
        self._vendor = Vendor(self.clock)
        super().__init__(list(self._vendor.chargers.values()))

    def make_driver(self, sink: EventSink, state_dir: Path) -> ToyDriver:
        return self._kind(self._vendor, {"account": "toy"}, sink)

    def make_driver_with(self, settings: Mapping[str, object], sink: EventSink, state_dir: Path) -> ToyDriver:
        return self._kind(self._vendor, settings, sink)

    def make_lost_driver(self, sink: EventSink, state_dir: Path) -> ToyDriver:
        self._vendor.up = False
        return self.make_driver(sink, state_dir)

    async def cut_cloud(self) -> None:
        self._vendor.set_up(False)

    async def restore_cloud(self) -> None:
        self._vendor.set_up(True)


def toy(kind: type[ToyDriver]) -> Callable[[Path], "AsyncIterator[Rig]"]:
    @asynccontextmanager
    async def make_rig(_: Path) -> AsyncIterator[Rig]:
        yield ToyRig(kind)

    return make_rig
