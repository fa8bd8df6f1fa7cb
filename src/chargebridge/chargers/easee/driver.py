"""The driver for chargers behind Easee's cloud: with an account's stream or an operator's message queue."""

import math
import random
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
import structlog

from chargebridge.chargers.easee.account.account import (
    Account,
    load_nothing,
    save_no_pauses,
    save_nothing,
)
from chargebridge.chargers.easee.account.failures import CallFailedError, NoAnswer, NotSent, Refused
from chargebridge.chargers.easee.account.pauses import SavedPauses
from chargebridge.chargers.easee.account.secret import Tokens
from chargebridge.chargers.easee.account.transport import Watch, watch_nothing
from chargebridge.chargers.easee.account_state import AccountState
from chargebridge.chargers.easee.charger import Charger, Receipt
from chargebridge.chargers.easee.checkpoints import Checkpointer
from chargebridge.chargers.easee.discovery import find_chargers
from chargebridge.chargers.easee.executor import Executor
from chargebridge.chargers.easee.fleet import Fleet
from chargebridge.chargers.easee.lists import UnreadableListError
from chargebridge.chargers.easee.memory import Memory
from chargebridge.chargers.easee.read_results import ReadResults
from chargebridge.chargers.easee.reading import Reader, UnreadableError, read_observations
from chargebridge.chargers.easee.session_reports import SessionReports
from chargebridge.chargers.easee.settings import Settings, read_settings
from chargebridge.chargers.easee.state_reads import StateReads
from chargebridge.chargers.easee.turns import Waiting
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Gap
from chargebridge.chargers.easee.twin.wire import Response
from chargebridge.chargers.easee.wait_log import WaitLog
from chargebridge.chargers.model import (
    ChargerCommand,
    CloudStatus,
    CommandOutcome,
    EventSink,
    Found,
    Outcome,
    ReportSessions,
)
from chargebridge.clock import Clock, format_utc

if TYPE_CHECKING:
    from chargebridge.chargers.easee.account.stream import Listener, Stream
    from chargebridge.chargers.easee.operator.bus import Bus

_log = structlog.get_logger(__name__)

FIVE_MINUTES_S: Final = 300.0

SHORTEST_SILENCE_S: Final = 5.0
"""The shortest time in real seconds after which a silent stream is closed, however fast the clock runs."""

READ_ONLY: Final = "the driver is read-only (read_only = true)"
READ_WAIT_S: Final = 10.0
"""Real seconds for which a read of what a command has done waits for the request budget."""


class EaseeDriver:
    """A `Driver` for chargers behind Easee's cloud.

    Args:
        name: the name of this driver in the configuration, and in the name of its file.
        settings: see `settings.Settings`.
        sink: receives the events.
        clock: the clock of chargers and tokens.
        state_dir: the directory of `<name>.easee.sqlite3`, its saved state; None: it is not saved.

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
        try:
            self._settings = read_settings(settings)
        except ValueError as error:
            raise ValueError(f"driver {name!r}: {error}") from None
        self._name = name
        self._sink = sink
        self._clock = clock
        self._path = state_dir / f"{name}.easee.sqlite3" if state_dir else None
        self._connection: _Connection | None = None
        self.fleet = Fleet(self._settings, sink, clock)

    @property
    def settings(self) -> Settings:
        """The settings of this driver."""
        return self._settings

    def state_files(self) -> list[Path]:
        """Return the file of this driver, for backups."""
        return [self._path] if self._path else []

    async def start(self) -> None:
        """Connect, and keep connected until `stop`.

        Raises:
            ValueError, OSError, sqlite3.Error: its file cannot be used.
        """
        memory = Memory(self._path)
        try:
            records = memory.records()
        except Exception:
            memory.close()
            raise
        self._connection = _Connection(self.fleet, memory, self._settings, self._sink, self._clock)
        self.fleet.open(self._connection, records)
        await self._connection.start()

    async def stop(self) -> None:
        """Disconnect; nothing is delivered afterwards.

        Raises:
            sqlite3.Error: the state could not be saved.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            self.fleet.close()
            await connection.stop()

    def watch(self, serial: str) -> None:
        """Report the events of a charger, beginning with its present state."""
        self.fleet.watch(serial)

    def unwatch(self, serial: str) -> None:
        """Stop the events of a charger; those in transit are dropped."""
        self.fleet.unwatch(serial)

    def acknowledge(self, receipt: object) -> None:
        """Release the event with this receipt: it is durable."""
        if not isinstance(receipt, Receipt):
            raise TypeError(f"not a receipt of this driver: {receipt!r}")
        self.fleet.acknowledge(receipt)

    def command(self, serial: str, command: ChargerCommand) -> None:
        """Carry out a command; its outcome goes to the sink."""
        self.fleet.command(serial, command)

    def counts(self) -> Mapping[str, int]:
        """Return the numbers of messages that could not be used, and of responses to other clients."""
        counts = dict(self.fleet.counts)
        if self._connection is not None:
            counts |= self._connection.counts()
        return counts

    def cloud_status(self) -> CloudStatus:
        """Return the connection to the cloud, what it does not take at present, and what waits."""
        if self._connection is None:
            return CloudStatus(connected=False, reason="not started")
        return self._connection.status()

    async def find_chargers(self) -> Found:
        """Return the chargers that the account can see.

        Raises:
            OSError: the cloud did not answer, or refused; the text says why, and when to retry.
        """
        async with aiohttp.ClientSession() as session:
            account = self.own_account(session)

            def reason(error: Exception) -> str:
                return f"{error}{self._when(account, error)}"

            try:
                return await find_chargers(account, reason)
            except (NotSent, Refused, NoAnswer, UnreadableListError) as error:
                when = (
                    self._when(account, error) or f"; is {self._settings.url} the right URL, and reachable?"
                )
                raise ConnectionError(f"driver {self._name!r}: {error}{when}") from error
            finally:
                await account.close()

    def _when(self, account: Account, error: Exception) -> str:
        """Return when to try again after an error, if the cloud wants a pause; else an empty text."""
        if not isinstance(error, NotSent) or error.until_s is None or not account.pauses():
            return ""
        now = self._clock.now()
        left_s = max(error.until_s - now.mono, 0.0)
        until = format_utc(now.utc_ms + round(left_s * 1000))
        return f"; try again in {math.ceil(left_s)} s, after {until}"

    def _saved_pauses(self) -> SavedPauses:
        """Return what a running driver has saved: even one request more would prolong a block."""
        if self._path is None or not self._path.exists():
            return SavedPauses()
        try:
            memory = Memory(self._path)
            try:
                return AccountState(memory, self._settings).pauses(self._clock.now().utc_ms)
            finally:
                memory.close()
        except (ValueError, OSError, sqlite3.Error) as error:
            _log.warning("saved pauses of requests unreadable, going on without them", error=str(error))
            return SavedPauses()

    def own_account(self, session: aiohttp.ClientSession, watch: Watch = watch_nothing) -> Account:
        """Return the account with tokens of its own, for calls beside a running driver.

        Renewing the saved tokens would invalidate them for that driver.

        Args:
            session: the connections.
            watch: is shown every exchange.
        """
        return make_account(self._settings, session, self._clock, pauses=self._saved_pauses(), watch=watch)


def make_account(
    settings: Settings,
    session: aiohttp.ClientSession,
    clock: Clock,
    *,
    load: Callable[[], Tokens | None] = load_nothing,
    save: Callable[[Tokens], None] = save_nothing,
    pauses: SavedPauses | None = None,
    save_pauses: Callable[[SavedPauses], None] = save_no_pauses,
    watch: Watch = watch_nothing,
) -> Account:
    """Return the account for the REST API that the settings describe."""
    return Account(
        settings.url,
        settings.user_name,
        settings.password,
        session=session,
        clock=clock,
        random=random.Random(),  # noqa: S311 - nothing secret hangs on jitter
        load=load,
        save=save,
        pauses=pauses,
        save_pauses=save_pauses,
        requests_per_5_min=settings.requests_per_5_min,
        watch=watch,
    )


# Stream and bus need libraries that are slow to import, and a driver needs only one of them.


def make_stream(
    settings: Settings,
    account: Account,
    listener: "Listener",
    clock: Clock,
    tap: Callable[[str], None] | None = None,
) -> "Stream":
    """Return the stream that the settings describe; see `Stream` for the arguments."""
    from chargebridge.chargers.easee.account.hub import HubTimes  # noqa: PLC0415
    from chargebridge.chargers.easee.account.stream import SUBSCRIBES_A_SECOND, Stream  # noqa: PLC0415

    times = HubTimes()
    silence_s = max(times.silence_s / clock.speed, SHORTEST_SILENCE_S)
    return Stream(
        settings.stream_url,
        account,
        listener,
        clock,
        random.Random(),  # noqa: S311 - nothing secret hangs on jitter
        times=msgspec.structs.replace(times, silence_s=silence_s),
        subscribes_a_second=SUBSCRIBES_A_SECOND * clock.speed,
        tap=tap,
    )


def _make_bus(settings: Settings, account: Account, fleet: Fleet, clock: Clock) -> "Bus":
    from chargebridge.chargers.easee.operator.bus import Bus, Patterns  # noqa: PLC0415

    patterns = Patterns(
        observation=settings.observation_key,
        command=settings.command_key,
        response=settings.response_key,
        pulse=settings.pulse_key,
    )
    return Bus(
        account,
        patterns,
        fleet,
        clock,
        random.Random(),  # noqa: S311 - nothing secret hangs on jitter
        settings.prefetch,
    )


class _Connection:
    """Everything that lives between `start` and `stop`: the fleet's connection to the cloud (`ports.Cloud`).

    Args:
        fleet: the chargers.
        memory: the saved state.
        settings: the settings of the driver.
        sink: receives the outcomes of commands.
        clock: the clock of chargers and tokens.
    """

    def __init__(
        self, fleet: Fleet, memory: Memory, settings: Settings, sink: EventSink, clock: Clock
    ) -> None:
        self.replays = settings.way == "account"
        self._memory = memory
        self._state = AccountState(memory, settings)
        self._read_only = settings.read_only
        self._sink = sink
        self._fleet = fleet
        self._clock = clock
        self._session = aiohttp.ClientSession()
        self._account = make_account(
            settings,
            self._session,
            clock,
            load=self._state.tokens,
            save=self._state.save_tokens,
            pauses=self._state.pauses(clock.now().utc_ms),
            save_pauses=self._state.save_pauses,
        )
        self._stream = make_stream(settings, self._account, fleet, clock) if self.replays else None
        self._bus = None if self.replays else _make_bus(settings, self._account, fleet, clock)
        self._checkpointer = Checkpointer(memory, self.acknowledge)
        self._executor = Executor(
            self._account,
            self._bus,
            clock,
            settings.authorize_status,
            sink.command_outcome,
            fleet.deliver_read,
            self._read_shown,
            self._read_state,
        )
        results = ReadResults(fleet, sink)
        reads_s = FIVE_MINUTES_S / max(settings.requests_per_5_min * 4 // 5, 1)
        self._state_reads = StateReads(self._account, clock, results, fleet.later, reads_s)
        self._wait_log = WaitLog(self.waiting, fleet.later, clock)
        self._reader = Reader(self._account, clock, results, settings.missed_tag)
        self._session_reports = SessionReports(
            self._account, clock, results, settings.missed_tag, sink.command_outcome
        )

    async def start(self) -> None:
        """Connect, and stay connected."""
        self._reader.start()
        self._state_reads.start()
        self._wait_log.start()
        for connection in (self._stream, self._bus):
            if connection is not None:
                await connection.start()

    async def stop(self) -> None:
        """Disconnect, and save the rest."""
        await self._executor.stop()
        await self._session_reports.stop()
        await self._reader.stop()
        await self._state_reads.stop()
        try:
            await self._checkpointer.stop()
        finally:
            for connection in (self._stream, self._bus):
                if connection is not None:
                    await connection.stop()
            await self._account.close()
            await self._session.close()
            await self._state.finish()
            self._memory.close()

    def counts(self) -> Mapping[str, int]:
        """Return the numbers of messages that did not reach the fleet."""
        unreadable = sum(
            connection.unreadable for connection in (self._stream, self._bus) if connection is not None
        )
        return {"unreadable message": unreadable, "foreign response": self._executor.foreign}

    def status(self) -> CloudStatus:
        """Return the connection to the cloud, what it does not take at present, and what waits."""
        waiting = self.waiting()
        reasons = [one.disconnect_reason for one in (self._stream, self._bus) if one is not None]
        return CloudStatus(
            connected=not any(reasons),
            reason="".join(reasons),
            pauses=self._account.pauses(),
            waiting=waiting.requests,
            waiting_s=waiting.seconds,
            read_only=self._read_only,
        )

    def waiting(self) -> Waiting:
        """Return the requests that wait for their turn within the limits of the cloud."""
        commands, reads = self._executor.waiting(), self._state_reads.waiting()
        return Waiting(
            commands.requests + reads.requests + self._account.waiting,
            max(commands.seconds, reads.seconds, self._account.waiting_s),
        )

    def _read_state(self, charger: Charger) -> None:
        self._state_reads.read_state(charger)

    # --- interface for the fleet --------------------------------------------------------------------

    def subscribe(self, charger: Charger) -> bool:
        """See `ports.Cloud`."""
        if charger.twin.record.product is None:
            self._reader.read_products()
        if self._stream is not None:
            self._stream.subscribe(charger.serial)
            return True
        if not charger.twin.state_known:
            self._state_reads.read_state(charger)
        return False

    def unsubscribe(self, charger: Charger) -> None:
        """See `ports.Cloud`."""
        if self._stream is not None:
            self._stream.unsubscribe(charger.serial)

    def submit(self, charger: Charger, command: ChargerCommand) -> None:
        """See `ports.Cloud`."""
        if self._read_only and not isinstance(command, ReportSessions):
            if command.number:
                refused = CommandOutcome(command.number, Outcome.REFUSED, READ_ONLY)
                self._sink.command_outcome(charger.serial, refused)
        elif isinstance(command, ReportSessions):
            self._session_reports.submit(charger, command)
        else:
            self._executor.submit(charger, command)

    def response_received(self, response: Response) -> None:
        """See `ports.Cloud`."""
        self._executor.response_received(response)

    def rebuild(self, charger: Charger, gap: Gap) -> None:
        """See `ports.Cloud`."""
        self._reader.rebuild(charger, gap)

    def read_sessions(self, charger: Charger) -> None:
        """See `ports.Cloud`."""
        self._state_reads.read_sessions(charger)

    def checkpoint(self, charger: Charger) -> None:
        """See `ports.Cloud`."""
        self._checkpointer.add(charger)

    def acknowledge(self, deliveries: list[int]) -> None:
        """See `ports.Cloud`."""
        if self._bus is not None:
            self._bus.acknowledge(deliveries)

    async def _read_shown(self, charger: Charger, wanted: frozenset[Observation]) -> bool:
        """Read observations of a charger into its twin; return whether that was possible."""
        try:
            updates = await read_observations(
                self._account, charger.serial, wanted, READ_WAIT_S * self._clock.speed
            )
        except (CallFailedError, UnreadableError) as error:
            _log.info("what the charger shows cannot be read", charger=charger.serial, reason=str(error))
            return False
        for update in updates:
            self._fleet.observation_read(update, found=False)
        return True
