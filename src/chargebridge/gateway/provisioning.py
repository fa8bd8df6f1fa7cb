"""From configuration to working parts: endpoints, drivers, settings of charge points."""

from importlib.metadata import entry_points
from pathlib import Path
from random import Random
from typing import Final

from chargebridge import __version__
from chargebridge.chargepoint.state import Settings
from chargebridge.chargers.model import ChargerInfo, Driver, EventSink
from chargebridge.clock import Clock, ScaledClock, SystemClock
from chargebridge.config.charge_points import ChargePointSettings
from chargebridge.config.sections import CentralSystemSettings, ClockSettings, DriverSettings
from chargebridge.link import Backoff, Endpoint, client_ssl_context

DRIVER_GROUP: Final = "chargebridge.drivers"
_VENDOR: Final = "chargebridge"
_MODEL: Final = "Virtual"


class ProvisioningError(ValueError):
    """Something named in the configuration cannot be made: says which, and what to do."""


def make_clock(settings: ClockSettings | None) -> Clock:
    """Return the host's clock, or the simulated one that the configuration asks for."""
    if settings is None:
        return SystemClock()
    return ScaledClock(settings.speed, settings.real_origin_ms, settings.simulated_origin_ms)


def make_endpoint(name: str, settings: CentralSystemSettings) -> Endpoint:
    """Return the endpoint that all links to a central system share.

    Raises:
        ProvisioningError: a certificate, key or URL cannot be used.
    """
    try:
        context = None
        if settings.url.startswith("wss:"):
            password = settings.key_password
            context = client_ssl_context(
                ca_file=settings.ca_file,
                certificate=settings.certificate,
                key=settings.key,
                key_password=password.get_secret_value() if password else None,
            )
        return Endpoint(
            settings.url,
            ssl=context,
            ping_interval_s=settings.ping_interval_s,
            pong_timeout_s=settings.pong_timeout_s,
            open_timeout_s=settings.open_timeout_s,
            backoff=Backoff(min_s=settings.reconnect_min_s, max_s=settings.reconnect_max_s),
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


def make_settings(
    charge_point: ChargePointSettings,
    central_system: CentralSystemSettings,
    info: ChargerInfo | None,
    clock: Clock,
) -> Settings:
    """Return what a charge point needs to know of its configuration and its charger."""
    return Settings(
        identity=charge_point.identity,
        vendor=charge_point.vendor or (info.vendor if info else _VENDOR),
        model=charge_point.model or (info.model if info else _MODEL),
        serial=charge_point.serial or charge_point.charger,
        behaviour=charge_point.behaviour,
        capabilities=info.capabilities if info else frozenset(),
        configuration=dict(charge_point.configuration) if charge_point.configuration else {},
        # A time-out of sockets: real seconds, however fast the clock runs.
        call_timeout_s=central_system.call_timeout_s * clock.speed,
        boot_retry_s=central_system.boot_retry_s,
        ping_interval_s=round(central_system.ping_interval_s),
        tag_for_untagged=charge_point.tag_for_untagged,
        software=__version__,
    )


def make_random() -> Random:
    """Return the source of jitter."""
    return Random()  # noqa: S311 - nothing secret hangs on jitter
