"""The driver for chargers behind Easee's cloud: with an account's stream or an operator's message queue."""

import asyncio
import hashlib
import random
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
import structlog

from chargebridge.chargers.easee.account.account import Account, load_nothing, report_nothing, save_nothing
from chargebridge.chargers.easee.account.failures import NoAnswer, NotSent, Refused
from chargebridge.chargers.easee.account.secret import Tokens
from chargebridge.chargers.easee.charger import Charger, Receipt
from chargebridge.chargers.easee.checkpoints import Checkpointer
from chargebridge.chargers.easee.discovery import find_chargers
from chargebridge.chargers.easee.executor import Executor
from chargebridge.chargers.easee.fleet import Fleet
from chargebridge.chargers.easee.memory import Memory
from chargebridge.chargers.easee.read_results import ReadResults
from chargebridge.chargers.easee.reading import Reader
from chargebridge.chargers.easee.session_reports import SessionReports
from chargebridge.chargers.easee.settings import Settings, read_settings
from chargebridge.chargers.easee.state_reads import StateReads
from chargebridge.chargers.easee.turns import Waiting
from chargebridge.chargers.easee.twin.records import Gap
from chargebridge.chargers.easee.twin.wire import Response
from chargebridge.chargers.easee.wait_log import WaitLog
from chargebridge.chargers.model import ChargerCommand, EventSink, FoundCharger, ReportSessions
from chargebridge.clock import Clock

if TYPE_CHECKING:
    from chargebridge.chargers.easee.account.stream import Stream
    from chargebridge.chargers.easee.operator.bus import Bus

_log = structlog.get_logger(__name__)

FIVE_MINUTES_S: Final = 300.0

SHORTEST_SILENCE_S: Final = 5.0
"""The shortest time in real seconds after which a silent stream is closed, however fast the clock runs."""


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

    def waiting(self) -> Waiting:
        """Return the requests that wait for their turn within the limits of the cloud: no failures."""
        return Waiting() if self._connection is None else self._connection.waiting()

    async def find_chargers(self) -> list[FoundCharger]:
        """Return the chargers that the account can see.

        Raises:
            OSError: the cloud did not answer; the text says why.
        """
        # Tokens of its own: renewing the saved ones would invalidate them for a running driver.
        async with aiohttp.ClientSession() as session:
            account = make_account(self._settings, session, self._clock)
            try:
                return await find_chargers(account)
            except (NotSent, Refused, NoAnswer, msgspec.MsgspecError) as error:
                raise ConnectionError(
                    f"driver {self._name!r}: {error}; is {self._settings.url} the right URL, and reachable?"
                ) from error
            finally:
                await account.close()


def make_account(
    settings: Settings,
    session: aiohttp.ClientSession,
    clock: Clock,
    *,
    load: Callable[[], Tokens | None] = load_nothing,
    save: Callable[[Tokens], None] = save_nothing,
    throttled_until_ms: int = 0,
    on_throttled: Callable[[int], None] = report_nothing,
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
        throttled_until_ms=throttled_until_ms,
        on_throttled=on_throttled,
        requests_per_5_min=settings.requests_per_5_min,
    )


# Stream and bus need libraries that are slow to import, and a driver needs only one of them.


def _make_stream(settings: Settings, account: Account, fleet: Fleet, clock: Clock) -> "Stream":
    from chargebridge.chargers.easee.account.hub import HubTimes  # noqa: PLC0415
    from chargebridge.chargers.easee.account.stream import SUBSCRIBES_A_SECOND, Stream  # noqa: PLC0415

    times = HubTimes()
    silence_s = max(times.silence_s / clock.speed, SHORTEST_SILENCE_S)
    return Stream(
        settings.stream_url,
        account,
        fleet,
        clock,
        random.Random(),  # noqa: S311 - nothing secret hangs on jitter
        times=msgspec.structs.replace(times, silence_s=silence_s),
        subscribes_a_second=SUBSCRIBES_A_SECOND * clock.speed,
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
        self._saving: set[asyncio.Future[None]] = set()
        # Saved tokens of another account, or of an emulated cloud, are not used.
        account_hash = hashlib.sha256(f"{settings.url} {settings.user_name}".encode()).hexdigest()
        self._tokens_key, self._throttling_key = (
            f"tokens of {account_hash}",
            f"throttled until, of {account_hash}",
        )
        self._session = aiohttp.ClientSession()
        self._account = make_account(
            settings,
            self._session,
            clock,
            load=self._load,
            save=self._save,
            throttled_until_ms=int(memory.document(self._throttling_key) or 0),
            on_throttled=lambda until_ms: self._save_soon(self._throttling_key, str(until_ms).encode()),
        )
        self._stream = _make_stream(settings, self._account, fleet, clock) if self.replays else None
        self._bus = None if self.replays else _make_bus(settings, self._account, fleet, clock)
        self._checkpointer = Checkpointer(memory, self.acknowledge)
        self._executor = Executor(
            self._account,
            self._bus,
            clock,
            settings.authorize_status,
            sink.command_outcome,
            self._checkpointer.add,
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
            await asyncio.gather(*self._saving)
            self._memory.close()

    def counts(self) -> Mapping[str, int]:
        """Return the numbers of messages that did not reach the fleet."""
        unreadable = sum(
            connection.unreadable for connection in (self._stream, self._bus) if connection is not None
        )
        return {"unreadable message": unreadable, "foreign response": self._executor.foreign}

    def waiting(self) -> Waiting:
        """Return the requests that wait for their turn within the limits of the cloud."""
        commands, reads = self._executor.waiting(), self._state_reads.waiting()
        return Waiting(commands.requests + reads.requests, max(commands.seconds, reads.seconds))

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
        if isinstance(command, ReportSessions):
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

    # --- tokens -------------------------------------------------------------------------------------

    def _load(self) -> Tokens | None:
        document = self._memory.document(self._tokens_key)
        try:
            return None if document is None else msgspec.json.decode(document, type=Tokens)
        except msgspec.MsgspecError:
            return None  # signing in replaces them

    def _save(self, tokens: Tokens) -> None:
        self._save_soon(self._tokens_key, msgspec.json.encode(tokens))

    def _save_soon(self, name: str, document: bytes) -> None:
        # A slow disk must not block the loop.
        saving = asyncio.get_running_loop().run_in_executor(None, self._save_now, name, document)
        self._saving.add(saving)
        saving.add_done_callback(self._saving.discard)

    def _save_now(self, name: str, document: bytes) -> None:
        try:
            self._memory.save_document(name, document)
        except sqlite3.Error as error:
            _log.warning("account state cannot be saved", error=str(error))
