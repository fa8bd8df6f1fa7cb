"""The port between charge points and drivers: what a driver does, and where it delivers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from msgspec import Struct

from chargebridge.chargers.model.charger import ChargerInfo, Found, FoundCharger
from chargebridge.chargers.model.commands import ChargerCommand, CommandOutcome
from chargebridge.chargers.model.events import ChargerEvent


class EventSink(Protocol):
    """The receiver of all that a driver reports; the gateway hands it to the driver.

    Call it from the event loop in which the driver was started.
    """

    def charger_event(self, serial: str, event: ChargerEvent, receipt: object) -> None:
        """Take an event. `Driver.acknowledge(receipt)` follows once it is durable.

        A driver keeps an event that has a receipt until it is acknowledged, and delivers it again whenever
        its charger is watched again: while the disk is slow or full, the gateway does not take events beyond
        a bound. Of measurements it may drop the oldest. A receipt of None means that the driver keeps no
        such event, since only the present counts (`Reachable`, `StateChanged`, `LimitShown`, `Measured` of no
        session).

        After a restart of the driver, too, it delivers such events again, in their order. Only then it may
        leave some out, as a cloud may show only the latest of each kind:

        - `SessionStarted` of a session that still runs, `SessionEnded`, `Restarted`: never left out;
        - `SessionStarted` of a session that is over: may be left out, since `SessionEnded` carries all of it;
        - `TokenPresented`: may be left out, since nobody may present it any more. If not, it has the time at
          which it was presented, so that it starts nothing when that is too long ago;
        - `Measured`: may be left out.
        """

    def command_outcome(self, serial: str, outcome: CommandOutcome) -> None:
        """Take the outcome of a command; each command has exactly one."""

    def charger_known(self, info: ChargerInfo) -> None:
        """Learn (again) what a charger is and can do."""

    def cloud_disconnected(self, reason: str) -> None:
        """Learn that the driver has no connection to the cloud of its chargers, for the operator's log.

        Not every driver has one. It may be called for each attempt that fails; the log has a line when it
        begins and one for another reason. What it means for a charger is told by `Reachable`.

        Args:
            reason: what is wrong, and what to do if that is known; no secrets.
        """

    def cloud_connected(self) -> None:
        """Learn that the driver has that connection (again)."""


class Driver(Protocol):
    """One way to a set of chargers: a vendor account, a broker, a simulation.

    A driver is registered by the entry point group `chargebridge.drivers`. The gateway calls the class as
    `(name, settings, sink, clock, state_dir)`: its name in the configuration, its table there (plain
    values), where to deliver, the time, and a folder for what it must remember (None: nowhere). The class
    raises ValueError naming the key and what was expected if the settings are wrong: a line for each problem,
    or one problem at a time (it is made again without that key, to find the next). It opens nothing yet.
    All methods are called from one event loop.
    """

    async def start(self) -> None:
        """Connect, and stay connected until `stop`; returns at once, never raises for absence."""

    async def stop(self) -> None:
        """Disconnect within 5 seconds; the driver delivers nothing afterwards.

        The gateway waits no longer than that.
        """

    def watch(self, serial: str) -> None:
        """Deliver the events of this charger from now on, beginning with what is known of it.

        That is: what it is (`EventSink.charger_known`), whether it is reachable, its state, then every
        event that is not acknowledged, in order. What is known of an idle charger's values may follow, as
        `Measured` with the time at which they were measured: so they can be told before it measures again.
        If the cloud is away, all that follows when it is back.

        It may be called before `start`, and for a serial that does not exist. The gateway calls `unwatch`
        and `watch`, one right after the other, for a charger of which it could not take every event.
        """

    def unwatch(self, serial: str) -> None:
        """Deliver nothing of this charger any more; what is on its way to the sink is dropped.

        Events that are not acknowledged are kept all the same, in case the charger is watched again soon.
        """

    def acknowledge(self, receipt: object) -> None:
        """Forget the event of this receipt, since it is durable elsewhere."""

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Have a command carried out; `EventSink.command_outcome` reports its outcome.

        Commands to one charger keep their order: one that was given earlier is carried out before, or never.
        A lasting wish for which no person waits (`Configure`, `StorePlan`, `KeepList`, a limit that is sent
        again) may have to wait for its turn where a cloud takes few requests; while it waits, commands of
        other kinds may go before it, and to wait is no failure.
        """


@runtime_checkable
class FindsChargers(Protocol):
    """A driver that can list the chargers there are; not every one can."""

    async def find_chargers(self) -> Found | list[FoundCharger]:
        """Return the chargers that the driver's account can see, started or not.

        A list alone says that it is complete. What can be read is returned, with warnings about the rest.

        Raises:
            OSError: nothing can be read; says why, and what to do.
        """


@runtime_checkable
class Counts(Protocol):
    """A driver that counts what its operator may want to know; not every one does."""

    def counts(self) -> Mapping[str, int]:
        """Return counts since the start, each by a word or two in lower case, such as `unreadable`."""


class Pause(Struct, frozen=True):
    """Requests that a driver does not send for a while, since its cloud wants so or fails."""

    what: str
    """What is not sent: the name of an endpoint, or `all requests`."""
    until_ms: int
    """When it ends, in UTC milliseconds."""
    reason: str
    """Why; no secrets."""


class CloudStatus(Struct, frozen=True, kw_only=True):
    """How a driver and the cloud of its chargers stand at present, for API, metrics and console."""

    connected: bool
    """Whether the connection is open by which the events of chargers come."""
    reason: str = ""
    """Why it is not open; empty while it is."""
    pauses: tuple[Pause, ...] = ()
    """What is not sent at present, by the end of the pause."""
    waiting: int = 0
    """Requests that wait for their turn within the limits of the cloud. They are not failures."""
    waiting_s: float = 0.0
    """About how long it takes until the last of them is sent, in seconds of the driver's clock."""
    read_only: bool = False
    """Nothing is written to any charger: commands are refused."""


@runtime_checkable
class ReportsCloud(Protocol):
    """A driver that can say how it stands with its cloud; not every one can."""

    def cloud_status(self) -> CloudStatus:
        """Return the present state; cheap, as it is asked for with every scrape of metrics."""


@runtime_checkable
class KeepsFiles(Protocol):
    """A driver with files in the state directory that belong to what is stored there.

    A backup has them, and a restore brings them back together with the store. A backup copies them before the
    store, so that an event that was acknowledged to the driver is never missing in both.
    """

    def state_files(self) -> Sequence[Path]:
        """Return the files, whether they exist or not; also before `Driver.start`.

        Each lies directly in the state directory, under a name that begins with the driver's. It is a SQLite
        database, which is copied whole while it is in use, or a file that is only ever replaced as a whole.
        What happens outside of the driver does not belong here, such as what a simulated charger does.
        """
