"""Provisioning: endpoints, drivers and settings of charge points, made from a configuration."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from random import Random
from typing import Final

import structlog
from msgspec import structs

from chargebridge import __version__
from chargebridge.chargepoint.model.state import END_HURRIED_S, Settings
from chargebridge.chargers.model import (
    ChargerEvent,
    ChargerInfo,
    CommandOutcome,
    Driver,
    EventSink,
    FindsChargers,
    Found,
    FoundCharger,
)
from chargebridge.clock import Clock, ScaledClock, SystemClock
from chargebridge.config import Configuration, ConfigurationError, Problem
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.lines import key_lines, line_of
from chargebridge.config.loading import Examined, examine, in_order
from chargebridge.config.sections import (
    CentralSystemSettings,
    ClockSettings,
    DriverSettings,
)
from chargebridge.gateway.time_limits import TimeLimits
from chargebridge.link import Backoff, Endpoint, client_ssl_context
from chargebridge.plain_text import one_line

DRIVER_GROUP: Final = "chargebridge.drivers"

NOT_CONFIGURED: Final = CentralSystemSettings(url=("ws://not-configured.invalid",))
"""Of a central system that is not configured any more; nothing ever connects to it."""

LONGEST_WARNING: Final = 500
"""Characters of a driver's warning that are shown."""

_Fault = tuple[tuple[str, ...], str, str]
"""The key, the value found there, and the one expected."""

_log = structlog.get_logger()


class ProvisioningError(ValueError):
    """An endpoint or a driver of the configuration cannot be made; the text says which, and what to do."""


def read(path: Path) -> Configuration:
    """Read a configuration file, and check certificates and drivers by making them.

    Raises:
        ConfigurationError: something is wrong; lists everything that is.
    """
    examined = examine(path)
    problems = list(examined.problems)
    faults = [*_unusable_endpoints(examined), *_unusable_drivers(examined)]
    if faults:
        lines = key_lines(path.read_text(encoding="utf-8-sig"))
        problems += [
            Problem(path.absolute(), ".".join(key), found, expected, line_of(key, lines))
            for key, found, expected in faults
        ]
    if problems or examined.configuration is None:
        raise ConfigurationError(in_order(problems))
    return examined.configuration


def _unusable_endpoints(examined: Examined) -> Iterator[_Fault]:
    for name, settings in examined.central_systems.items():
        table = "central_systems", name
        try:
            if settings.ca_file is not None:
                client_ssl_context(ca_file=settings.ca_file)
        except ValueError as error:
            yield (*table, "ca_file"), str(error), "PEM file of certificate authorities"
            continue
        for url in settings.url:
            try:
                make_endpoints(name, settings.model_copy(update={"url": (url,)}))
            except ProvisioningError as error:
                key, expected = "url", "a usable URL"
                if settings.certificate is not None:
                    key, expected = "certificate", "a client certificate with its key"
                yield (*table, key), str(error.__cause__), expected
                if settings.certificate is not None:
                    break  # the same for each URL


def _unusable_drivers(examined: Examined) -> Iterator[_Fault]:
    clock = make_clock(examined.clock)
    refused = {problem.key for problem in examined.problems}
    for name, settings in examined.drivers.items():
        # What the loader has refused is missing here, and no problem of the driver's.
        known = {key.split(".")[2] for key in refused if key.startswith(f"drivers.{name}.")}
        for key, reason in _driver_faults(name, settings, clock, examined.state_directory, known):
            inside = (key,) if key else ()
            yield ("drivers", name, *inside), reason, f"settings of the driver {settings.type!r}"


def _driver_faults(
    name: str, settings: DriverSettings, clock: Clock, state_dir: Path, known: set[str]
) -> Iterator[tuple[str, str]]:
    """Return what a driver finds wrong with its settings: the key, if it names one, and the reason.

    A driver may say one thing at a time, so it is made again without the keys that it has refused, until it
    says nothing new.

    Args:
        name: of the driver in the configuration.
        settings: to be checked.
        clock: the time.
        state_dir: the folder that the driver would use.
        known: keys that are known to be wrong.
    """
    left = dict(settings.settings)
    while True:
        try:
            make_driver(name, DriverSettings(settings.type, left), _NullSink(), clock, state_dir)
        except ProvisioningError as error:
            reasons = str(error.__cause__ or error).removeprefix(f"driver {name!r}: ").splitlines()
        else:
            return
        new = set()
        for reason in reasons:
            key = _key_in(reason, settings.settings)
            # Without a key it may be due to those that are left out.
            if key not in known and (key or not known):
                yield key, reason
                new.add(key)
        known |= new
        if not any(left.pop(key, None) is not None for key in new):
            return


def _key_in(reason: str, settings: Mapping[str, object]) -> str:
    """Return the key that a driver names in an error: as msgspec does (`$.key`), or before a colon."""
    found = re.search(r"`\$\.(\w+)|field `(\w+)`", reason)
    if found is not None:
        return found[1] or found[2] or ""
    first = re.match(r"(\w+)[.:\[]", reason)
    return first[1] if first is not None and first[1] in settings else ""


class _NullSink:
    """The sink of a driver that is made for a check and never started."""

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        """Take nothing."""

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        """Take nothing."""

    def charger_known(self, info: ChargerInfo) -> None:
        """Take nothing."""

    def cloud_disconnected(self, reason: str) -> None:
        """Take nothing."""

    def cloud_connected(self) -> None:
        """Take nothing."""


def make_clock(settings: ClockSettings | None) -> Clock:
    """Return the host's clock, or the simulated one of the configuration."""
    if settings is None:
        return SystemClock()
    return ScaledClock(settings.speed, settings.real_origin_ms, settings.simulated_origin_ms)


def make_endpoints(name: str, settings: CentralSystemSettings) -> tuple[Endpoint, ...]:
    """Return the endpoints that all links to a central system share, one for each URL.

    Raises:
        ProvisioningError: a certificate, key or URL cannot be used.
    """
    try:
        context = None
        if settings.url[0].startswith("wss:"):
            password = settings.key_password
            context = client_ssl_context(
                ca_file=settings.ca_file,
                certificate=settings.certificate,
                key=settings.key,
                key_password=password.get_secret_value() if password else None,
            )
        return tuple(
            Endpoint(
                url,
                ssl=context,
                ping_interval_s=settings.ping_interval_s,
                pong_timeout_s=settings.pong_timeout_s,
                open_timeout_s=settings.open_timeout_s,
                backoff=Backoff(min_s=settings.reconnect_min_s, max_s=settings.reconnect_max_s),
            )
            for url in settings.url
        )
    except ValueError as error:
        raise ProvisioningError(f"central_systems.{name}: {error}") from error


def make_driver(
    name: str, settings: DriverSettings, sink: EventSink, clock: Clock, state_dir: Path
) -> Driver:
    """Return a driver, found by its entry point.

    Raises:
        ProvisioningError: there is no such driver, or its settings are wrong.
    """
    found = {entry.name: entry for entry in entry_points(group=DRIVER_GROUP)}
    if settings.type not in found:
        known = ", ".join(sorted(found)) or "none; is chargebridge installed?"
        raise ProvisioningError(f"drivers.{name}.type: no driver {settings.type!r}; installed are {known}")
    try:
        driver: Driver = found[settings.type].load()(name, settings.settings, sink, clock, state_dir)
    except ValueError as error:
        raise ProvisioningError(f"drivers.{name}: {error}") from error
    return driver


def make_idle_driver(name: str, settings: DriverSettings, clock: Clock, state_dir: Path) -> Driver:
    """Return a driver that is not to be started; raises like `make_driver`."""
    return make_driver(name, settings, _NullSink(), clock, state_dir)


async def find_chargers(configuration: Configuration, name: str) -> Found:
    """Return the chargers that a driver of a configuration can find, their names on one line.

    Raises:
        ProvisioningError: it cannot find chargers, or cannot be made.
        OSError: the vendor's cloud cannot be reached; says why.
    """
    clock = make_clock(configuration.clock)
    settings = configuration.drivers[name]
    driver = make_idle_driver(name, settings, clock, configuration.state.directory)
    if not isinstance(driver, FindsChargers):
        raise ProvisioningError(f"drivers.{name}: a driver {settings.type!r} cannot find chargers")
    answer = await driver.find_chargers()
    found = answer if isinstance(answer, Found) else Found(chargers=answer)
    return structs.replace(
        found,
        chargers=tuple(map(_shown, found.chargers)),
        warnings=tuple(one_line(warning, LONGEST_WARNING) for warning in found.warnings),
    )


def _shown(charger: FoundCharger) -> FoundCharger:
    """Return a charger without anything in its names that a terminal or a file could be misled by."""
    return structs.replace(
        charger,
        **{field: one_line(getattr(charger, field)) for field in FoundCharger.__struct_fields__},
    )


async def start_driver(name: str, driver: Driver) -> None:
    """Start a driver.

    Raises:
        ProvisioningError: it cannot be started. A driver raises for its own files, not for an absent cloud.
    """
    try:
        await driver.start()
    except (ValueError, OSError, sqlite3.Error) as error:
        raise ProvisioningError(f"drivers.{name}: {error}") from error


async def stop_driver(name: str, driver: Driver, limits: TimeLimits) -> None:
    """Stop a driver; a failure, or one that does not end, is logged and does not hold up the gateway.

    Takes `driver_stop_s` and `driver_cancel_s` at most. What it delivers later goes to a closed sink.
    """

    async def stop() -> None:
        await driver.stop()

    stopping = asyncio.get_running_loop().create_task(stop(), name=f"stop {name}")
    done, _ = await asyncio.wait({stopping}, timeout=limits.driver_stop_s)
    if not done:
        _log.error("driver abandoned: it does not stop", driver=name, waited_s=limits.driver_stop_s)
        stopping.cancel()
        # One that ignores the cancellation, too, is abandoned.
        done, _ = await asyncio.wait({stopping}, timeout=limits.driver_cancel_s)
    if done and not stopping.cancelled() and (error := stopping.exception()) is not None:
        # Drivers come from outside.
        _log.error("driver failed at stopping", driver=name, exc_info=error)


def charger_name(charge_point: ChargePointSettings) -> str:
    """Return driver and serial number of a charge point's charger, as transactions name it."""
    return f"{charge_point.driver}/{charge_point.charger}" if charge_point.driver else ""


class SettingsFactory:
    """Makes the settings of the charge points of one configuration; those of a fleet share equal parts.

    Args:
        configuration: complete and consistent.
        clock: the time.
    """

    def __init__(self, configuration: Configuration, clock: Clock) -> None:
        self._configuration = configuration
        self._speed = clock.speed
        self._keys: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        """OCPP configuration keys, shared by all charge points that begin with the same."""

    def make(self, charge_point: ChargePointSettings) -> Settings:
        """Return the settings of a charge point, before its charger is described."""
        central_system = self._configuration.central_systems.get(charge_point.central_system, NOT_CONFIGURED)
        keys = charge_point.configuration
        return Settings(
            identity=charge_point.identity,
            vendor=charge_point.vendor or "",
            model=charge_point.model or "",
            serial=charge_point.serial or charge_point.charger,
            serial_in=charge_point.serial_in,
            firmware=charge_point.firmware or "",
            behaviour=charge_point.behaviour,
            configuration=self._keys.setdefault(keys, dict(keys)),
            # A time-out of sockets: real seconds, however fast the clock runs.
            call_timeout_s=central_system.call_timeout_s * self._speed,
            boot_retry_s=central_system.boot_retry_s,
            ping_interval_s=round(central_system.ping_interval_s),
            charger=charger_name(charge_point),
            tag_for_untagged=charge_point.tag_for_untagged,
            # A record is late by what lies between, which no fast clock makes faster.
            end_awaited_s=charge_point.end_awaited_s * self._speed,
            end_hurried_s=END_HURRIED_S * self._speed,
            software=__version__,
            queue_limit=self._configuration.state.queue_limit,
        )


def make_random() -> Random:
    """Return the source of jitter."""
    return Random()  # noqa: S311 - nothing secret hangs on jitter
