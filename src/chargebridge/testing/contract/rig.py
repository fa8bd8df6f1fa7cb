"""The rig of a driver: how to make the driver, and how to make its chargers do things."""

# ruff: noqa: ARG002 - what is not overridden skips the check, whatever its arguments

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import SkipTest

from chargebridge.drivers import ChargerCommand, Clock, Driver, EventSink, SystemClock


class WrongSettings(NamedTuple):
    """A table of settings that the driver must not take."""

    settings: Mapping[str, object]
    key: str
    """The key that the driver's ValueError must name."""


class Charger:
    """One charger that the driver can reach; each method makes it do something.

    Override what your charger can do; checks that need the rest are skipped. A method returns when the
    charger has done it, whether the driver knows yet or not.

    Args:
        serial: by which the driver knows it.
    """

    def __init__(self, serial: str) -> None:
        self.serial = serial

    async def plug_in(self) -> None:
        """Plug a car in, one that wants to charge."""
        raise _cannot("plug in a car")

    async def unplug(self) -> None:
        """Unplug the car; a session that runs ends by it."""
        raise _cannot("unplug a car")

    async def present_token(self, id_tag: str) -> None:
        """Hold a token to the reader."""
        raise _cannot("present a token")

    async def charge(self) -> None:
        """Let the car draw at least 10 Wh, in a session that runs."""
        raise _cannot("let a car draw energy")

    async def go_offline(self) -> None:
        """Cut the charger off from its cloud; the cloud itself stays."""
        raise _cannot("go offline")

    async def come_back(self) -> None:
        """Connect the charger with its cloud again."""
        raise _cannot("come back")

    def probe(self, step: int, *, number: int, expires_ms: int) -> ChargerCommand:
        """Return a command that the charger can carry out at any time and whose effect `probed` can see.

        A `SetLimit` of `6000 + 1000 * step` mA is a good one; `step` is 0 to 9.
        """
        raise _cannot("show the effect of a command")

    async def probed(self) -> int | None:
        """Return the `step` of the probe whose effect the charger shows now; None: of none."""
        raise _cannot("show the effect of a command")


class Rig:
    """A driver and its chargers, fresh for each check.

    Args:
        chargers: with two of them, everything can be checked.
    """

    clock: Clock = SystemClock()
    """The time that the chargers and the driver live in."""
    patience_s: float = 20.0
    """Real seconds to wait for something that should happen; only a driver that fails needs them."""
    start_s: float = 2.0
    """Real seconds within which `start` has returned "at once"."""
    stop_s: float = 5.0
    """Real seconds that the gateway waits for `stop`."""
    unknown_serial: str | None = "NO-SUCH-CHARGER"
    """A serial of which the driver's cloud has no charger; None: it has one of every serial."""
    wrong_settings: Sequence[WrongSettings] = ()
    """Settings that are wrong, and the keys that are to blame."""

    def __init__(self, chargers: Sequence[Charger]) -> None:
        self.chargers = chargers

    def make_driver(self, sink: EventSink, state_dir: Path) -> Driver:
        """Return a new driver, not started, that keeps what it remembers in this folder."""
        raise NotImplementedError("a rig makes drivers: override make_driver")

    def make_driver_with(self, settings: Mapping[str, object], sink: EventSink, state_dir: Path) -> Driver:
        """Return a new driver by these settings, of `wrong_settings`."""
        raise _cannot("make a driver with other settings")

    def make_lost_driver(self, sink: EventSink, state_dir: Path) -> Driver:
        """Return a new driver whose cloud or broker is not there, and will not come."""
        raise _cannot("make a driver whose cloud is not there")

    async def cut_cloud(self) -> None:
        """Cut the driver off from its cloud or broker."""
        raise _cannot("cut off the cloud")

    async def restore_cloud(self) -> None:
        """Let the driver connect with its cloud or broker again."""
        raise _cannot("restore the cloud")


def _cannot(what: str) -> SkipTest:
    return SkipTest(f"this rig cannot {what}")
