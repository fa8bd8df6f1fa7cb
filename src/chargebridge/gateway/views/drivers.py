"""Views of drivers: how they stand with the clouds of their chargers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chargebridge.chargers.model import Counts, Driver, ReportsCloud
from chargebridge.clock import format_utc


@dataclass(frozen=True, slots=True)
class PauseView:
    """Requests that a driver does not send for a while."""

    what: str
    """An endpoint of the cloud, `background requests`, or `all requests`."""
    until: str
    reason: str


@dataclass(frozen=True, slots=True)
class DriverView:
    """A driver and the cloud of its chargers. `null`: this driver does not say."""

    name: str
    """As in the configuration."""
    type: str
    connected: bool | None
    """Whether the connection is open by which the events of chargers come."""
    reason: str | None
    """Why it is not open; empty while it is."""
    pauses: list[PauseView]
    """What is not sent at present, since the cloud wants so or fails."""
    waiting: int | None
    """Requests that wait for their turn within the limits of the cloud."""
    waiting_s: int | None
    """About how many seconds it takes until the last of them is sent."""
    read_only: bool | None
    """Nothing is written to any charger: commands are refused."""
    counts: dict[str, int]
    """Counters of the driver's own."""


def driver_view(name: str, type_: str, driver: Driver) -> DriverView:
    """Read how a driver stands.

    Args:
        name: its name in the configuration.
        type_: its type.
        driver: the driver.
    """
    status = driver.cloud_status() if isinstance(driver, ReportsCloud) else None
    return DriverView(
        name=name,
        type=type_,
        connected=None if status is None else status.connected,
        reason=None if status is None else status.reason,
        pauses=[PauseView(one.what, format_utc(one.until_ms), one.reason) for one in status.pauses]
        if status is not None
        else [],
        waiting=None if status is None else status.waiting,
        waiting_s=None if status is None else math.ceil(status.waiting_s),
        read_only=None if status is None else status.read_only,
        counts=driver_counts(driver),
    )


def driver_counts(driver: Driver) -> dict[str, int]:
    """Return the counters of a driver's own; none if it does not count."""
    counts: Mapping[str, int] = driver.counts() if isinstance(driver, Counts) else {}
    return dict(counts)
