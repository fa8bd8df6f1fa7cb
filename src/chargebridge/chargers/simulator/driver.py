"""The driver for simulated chargers, in this process or in another one with a `CloudServer`."""

import ipaddress
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from chargebridge.chargers.driver_settings import convert_settings
from chargebridge.chargers.model import (
    ChargerCommand,
    ChargerEvent,
    ChargerInfo,
    CommandOutcome,
    EventSink,
)
from chargebridge.chargers.simulator.actions import ActionError
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import MEASURABLE, PER_PHASE, ChargerSettings
from chargebridge.chargers.simulator.hardware.tokens import CACHED
from chargebridge.chargers.simulator.remote.client import CloudClient
from chargebridge.chargers.simulator.traffic import PACES, Traffic
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import Clock

__all__ = ["ActionError", "LocalSettings", "Receipt", "RemoteSettings", "SimulatorDriver", "read_settings"]


IdTag = Annotated[str, Meta(min_length=1, max_length=20)]


class LocalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Chargers in this process."""

    seed: int = 1
    traffic: Literal["busy", "calm", "none"] = "calm"
    phases: Literal[1, 3] = 3
    rated_current_a: Annotated[int, Meta(ge=6, le=80)] = 32
    measure_every_s: Annotated[int, Meta(ge=1, le=3600)] = 60
    """Simulated seconds between measurements while a session runs."""
    measures: tuple[str, ...] = MEASURABLE
    """What they report beside the energy register: quantities, or `current_a.L1` for one phase of one."""
    reboot_s: Annotated[float, Meta(ge=0.1, le=3600)] = 20.0
    """Simulated seconds from the begin of a boot until their cloud can reach them."""
    power_cut_s: Annotated[float, Meta(ge=0.1, le=3600)] = 10.0
    """Simulated seconds without power in a power cycle; the boot follows."""
    fixed_cable: bool = False
    """The cable cannot be unplugged from the charger, which so has no lock."""
    cached_tokens: Annotated[tuple[IdTag, ...], Meta(max_length=CACHED)] = ()
    """Tokens in their caches when they are installed."""

    def charger(self, serial: str) -> ChargerSettings:
        """Return the settings of a charger."""
        return ChargerSettings(
            serial=serial,
            phases=self.phases,
            rated_current_a=self.rated_current_a,
            measure_every_s=self.measure_every_s,
            measures=self.measures,
            reboot_s=self.reboot_s,
            power_cut_s=self.power_cut_s,
            fixed_cable=self.fixed_cable,
            cached_tokens=self.cached_tokens,
        )


class RemoteSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Chargers in another process on this machine."""

    connect: str
    """`ADDRESS:PORT`, loopback only: the token is sent unencrypted."""
    token: str = ""
    token_file: str = ""


class Receipt(NamedTuple):
    """The receipt of an event, with which it is acknowledged; `number` is 0 for one that is not kept."""

    serial: str
    number: int


def read_settings(settings: Mapping[str, object]) -> LocalSettings | RemoteSettings:
    """Check the configuration table of a driver.

    Raises:
        ValueError: a line for each problem, with the key and what is expected there.
    """
    if "connect" not in settings:
        local = convert_settings(settings, LocalSettings)
        _check_measures(local)
        return local
    remote = convert_settings(settings, RemoteSettings)
    _read_address(remote.connect)
    if bool(remote.token) == bool(remote.token_file):
        raise ValueError("expected either `token` or `token_file` beside `connect`")
    return remote


def _check_measures(settings: LocalSettings) -> None:
    phases = [f"L{phase}" for phase in range(1, settings.phases + 1)]
    known = [*MEASURABLE, *(f"{quantity}.{phase}" for quantity in PER_PHASE for phase in phases)]
    for place, name in enumerate(settings.measures):
        if name not in known:
            raise ValueError(f"expected one of {', '.join(known)}, not {name!r} - at `$.measures[{place}]`")


def _read_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"expected a loopback address like 127.0.0.1:7001, not {text!r} - at `$.connect`")
    return host.strip("[]"), int(port)


def _read_token(settings: RemoteSettings) -> str:
    if settings.token:
        return settings.token
    try:
        token = Path(settings.token_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"cannot be read: {error} - at `$.token_file`") from None
    if not token:
        raise ValueError("expected a file with a token in it - at `$.token_file`")
    return token


class SimulatorDriver:
    """A `Driver` whose chargers are simulated.

    Args:
        name: the name of this driver in the configuration, and of its file.
        settings: `RemoteSettings` if they contain `connect`, else `LocalSettings`.
        sink: receives the events.
        clock: the clock of the chargers.
        state_dir: the directory of `<name>.sqlite`, the saved chargers of this process; None: in memory.

    Raises:
        ValueError: a setting is wrong; the text names driver, key and what is expected.
    """

    def __init__(
        self,
        name: str,
        settings: Mapping[str, object],
        sink: EventSink,
        clock: Clock,
        state_dir: Path | None,
    ) -> None:
        self._chargers: _LocalChargers | CloudClient
        subscriber = _SinkSubscriber(sink)
        try:
            checked = read_settings(settings)
            if isinstance(checked, RemoteSettings):
                host, port = _read_address(checked.connect)
                self._chargers = CloudClient(
                    host, port, _read_token(checked), subscriber, clock, subscriber.connection_changed
                )
            else:
                path = state_dir / f"{name}.sqlite" if state_dir else None
                self._chargers = _LocalChargers(checked, path, subscriber, clock)
        except ValueError as error:
            raise ValueError(f"driver {name!r}: {error}") from None

    @property
    def cloud(self) -> SimulatedCloud | None:
        """The cloud of the chargers in this process, between `start` and `stop`."""
        return self._chargers.cloud if isinstance(self._chargers, _LocalChargers) else None

    async def start(self) -> None:
        """Connect, or start the chargers of this process.

        Raises:
            ValueError, OSError, sqlite3.Error: the file of the chargers cannot be used.
        """
        self._chargers.start()

    async def stop(self) -> None:
        """Disconnect, or save the chargers of this process and stop them."""
        await self._chargers.stop()

    def watch(self, serial: str) -> None:
        """Report the events of a charger; in this process, install it if it is missing."""
        self._chargers.subscribe(serial)

    def unwatch(self, serial: str) -> None:
        """Stop the events of a charger; it goes on charging."""
        self._chargers.unsubscribe(serial)

    def acknowledge(self, receipt: object) -> None:
        """Release the event with this receipt: it is durable."""
        if not isinstance(receipt, Receipt):
            raise TypeError(f"not a receipt of this driver: {receipt!r}")
        if receipt.number:
            self._chargers.acknowledge(receipt.serial, receipt.number)

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Carry out a command; its outcome goes to the sink."""
        self._chargers.command(serial, command)

    async def act(self, serial: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        """Perform an action on a charger (`actions.ACTIONS`) and return its view of itself.

        Raises:
            ActError: unknown charger or action, wrong arguments, or it is not possible now.
        """
        return await self._chargers.act(serial, action, arguments)


class _SinkSubscriber:
    """A subscriber that passes everything on to an `EventSink`."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    def charger_described(self, info: ChargerInfo) -> None:
        self._sink.charger_known(info)

    def event_received(self, serial: str, number: int, event: ChargerEvent) -> None:
        self._sink.charger_event(serial, event, Receipt(serial, number))

    def command_ended(self, serial: str, outcome: CommandOutcome) -> None:
        self._sink.command_outcome(serial, outcome)

    def connection_changed(self, reason: str | None) -> None:
        if reason is None:
            self._sink.cloud_connected()
        else:
            self._sink.cloud_disconnected(reason)


class _LocalChargers:
    """A world and its cloud in this process, with the interface of a `CloudClient`."""

    def __init__(
        self, settings: LocalSettings, path: Path | None, subscriber: _SinkSubscriber, clock: Clock
    ) -> None:
        self.cloud: SimulatedCloud | None = None
        self._settings = settings
        self._path = path
        self._listener = subscriber
        self._clock = clock
        self._serials: dict[str, None] = {}

    def start(self) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        pace = PACES.get(self._settings.traffic)
        world = World(self._path, Traffic(self._settings.seed, pace) if pace else None)
        self.cloud = SimulatedCloud(world, self._clock)
        self.cloud.start()
        for serial in self._serials:
            self._listen(self.cloud, serial)

    async def stop(self) -> None:
        if self.cloud is not None:
            cloud, self.cloud = self.cloud, None
            try:
                cloud.stop()
            finally:
                cloud.world.close()

    def subscribe(self, serial: str) -> None:
        self._serials[serial] = None
        if self.cloud is not None:
            self._listen(self.cloud, serial)

    def unsubscribe(self, serial: str) -> None:
        self._serials.pop(serial, None)
        if self.cloud is not None:
            self.cloud.unsubscribe(serial, self._listener)

    def acknowledge(self, serial: str, number: int) -> None:
        if self.cloud is not None:
            self.cloud.acknowledge(serial, number)

    def command(self, serial: str, command: ChargerCommand) -> None:
        if self.cloud is not None:
            self.cloud.command(serial, command, self._listener)

    async def act(self, serial: str, action: str, arguments: Mapping[str, object]) -> dict[str, object]:
        if self.cloud is None:
            raise ActionError("the simulated chargers are not started")
        try:
            return self.cloud.act(serial, action, arguments)
        except sqlite3.Error as error:
            raise ActionError(f"{self._path} could not be written: {error}; free disk space") from error

    def _listen(self, cloud: SimulatedCloud, serial: str) -> None:
        cloud.add(self._settings.charger(serial))
        cloud.subscribe(serial, self._listener)
