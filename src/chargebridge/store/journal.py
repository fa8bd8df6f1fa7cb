"""The journal: the store as the runtime sees it, with its turns and everything read back from it.

**Order.** Turns are reported in the order of their submission; turns reported as committed
survive SIGKILL and a power cut.

**Failure.** If a commit fails, every turn of it that has records did not happen, and
`commit_failed` reports it. Since later turns of the same charge points were computed on top of it,
they fail too, until `recovered` is called for the charge point after it was rebuilt with `load`.
A record that can never be stored fails its own turn only. The journal goes on by itself as soon
as the environment allows; `failing` says what is wrong meanwhile.

**Volume.** `submit` never refuses for lack of room; `pending` says how much waits, so that the
runtime defers events before it is too much.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from chargebridge.chargepoint.records import Query, Record, Settlement
from chargebridge.store.committing import Job, JournalListener, Read, Recovered, transact
from chargebridge.store.connection import open_reader, open_writer
from chargebridge.store.errors import (
    REFUSALS,
    StoreClosedError,
    StoreUnavailableError,
    environment_error,
    refusal,
)
from chargebridge.store.reader import StoreReader
from chargebridge.store.rows import Pair, SetAside
from chargebridge.store.writer import Writer

STORE_FILE = "store.sqlite3"
"""The file's name in the state directory."""

STOP_S = 30.0
"""Seconds that the disk has by default to commit what was submitted before `stop`."""
_PRUNED_AT_ONCE = 500
_PROFILE_WRITES_KEPT_DAYS = 400
_DAY_MS = 86_400_000


class SqliteStore(StoreReader):
    """Durable records of all charge points, in one SQLite file.

    Opening creates the file or migrates it. Everything is thread-safe except `submit`,
    `submit_set_aside`, `read` and `recovered`, which belong to the event loop of `start`.

    Args:
        directory: the state directory, which exists (see `StateDirectory`).
        max_pages: the largest size in pages of 4 KiB; None leaves it to the disk.
        stop_s: seconds that the disk has to commit what was submitted before `stop`.

    Raises:
        StoreError: of the kind that says what is wrong with the file.
    """

    def __init__(self, directory: Path, *, max_pages: int | None = None, stop_s: float = STOP_S) -> None:
        super().__init__(directory / STORE_FILE)
        self._connection = open_writer(self.path, max_pages)
        self._writer: Writer | None = None
        self._stop_s = stop_s
        # Before `start` and after `stop`, writers use the connection in turn.
        self._direct = threading.Lock()
        self._closed = False

    # --- the journal ------------------------------------------------------------------------

    @property
    def failing(self) -> str | None:
        """Why the last commit failed, until one succeeds; for health checks."""
        return self._writer.failing if self._writer else None

    @property
    def pending(self) -> int:
        """How many submitted turns, reads and recoveries are not settled yet."""
        return self._writer.pending if self._writer else 0

    def start(self, loop: asyncio.AbstractEventLoop, listener: JournalListener) -> None:
        """Begin to take turns; `listener` is called on `loop`, once per commit. To be called once."""
        with self._direct:
            self._writer = Writer(self._connection, self.path, loop, listener)
            self._writer.start()

    async def stop(self) -> None:
        """Commit everything submitted, report it, and close.

        Raises:
            StoreUnavailableError: the disk did not answer within `stop_s`; the last turns may be lost.
        """
        if self._writer is not None:
            with self._direct:
                self._writer.stop()
            try:
                async with asyncio.timeout(self._stop_s):
                    await self._writer.ended.wait()
            except TimeoutError as error:
                raise StoreUnavailableError(
                    f"{self.path} did not answer within {self._stop_s:.0f} s"
                ) from error
        self.close()

    def close(self) -> None:
        """Close a store that was never started, or has stopped. Repeats are harmless."""
        with self._direct:
            self._closed = True
            self._connection.close()
        super().close()

    def submit(self, charge_point: int, records: Sequence[Record], token: object) -> None:
        """Have the records of a turn committed together; never blocks.

        Args:
            charge_point: its number, given by `register`.
            records: may be empty; the turn then only keeps its place in the order.
            token: reported to the listener.

        Raises:
            StoreClosedError: the store is not started, or stopping.
        """
        writer = self._running()
        writer.submit((charge_point, records, token))
        writer.pending += 1

    def submit_set_aside(self, charge_point: int, entry: SetAside, token: object) -> None:
        """Store an input whose turn failed twice; reported like a turn, and raises like `submit`."""
        writer = self._running()
        writer.submit((charge_point, (entry,), token))
        writer.pending += 1

    def read(self, charge_point: int, query: Query, token: object) -> None:
        """Submit a query of a charge point; raises like `submit`.

        Answered by `answered` once everything submitted before is settled, or by
        `commit_failed` with this token if the file cannot be read.
        """
        writer = self._running()
        writer.submit(Read(charge_point, query, token))
        writer.pending += 1

    def recovered(self, charge_point: int) -> None:
        """Trust turns submitted from now on: the charge point was rebuilt with `load` after a failed turn."""
        writer = self._running()
        writer.submit(Recovered(charge_point))
        writer.pending += 1

    def _running(self) -> Writer:
        if self._writer is None:
            raise StoreClosedError(f"{self.path} has not been started")
        return self._writer

    # --- for callers that wait --------------------------------------------------------------

    def register(self, pairs: Sequence[Pair]) -> dict[Pair, int]:
        """Return the numbers of charge points, giving numbers to new ones.

        Args:
            pairs: identity and name of the central system; committed together.

        Raises:
            StoreError: nothing was registered.
        """

        def insert(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO charge_points (identity, central_system) VALUES (?, ?) ON CONFLICT DO NOTHING",
                pairs,
            )

        self._write(insert)
        known = {(row.identity, row.central_system): row.id for row in self.charge_points()}
        return {pair: known[pair] for pair in pairs}

    def rename_central_systems(
        self, urls: Mapping[str, Collection[str]], renamed: Collection[tuple[Pair, str]]
    ) -> None:
        """Store the URLs of central systems, and the new names of those of some charge points; together.

        Args:
            urls: of the central systems that are configured, by name; others keep what is stored of them.
            renamed: identity and former central system of charge points, and its name from now on.

        Raises:
            StoreError: nothing has changed.
        """

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO central_systems (name, urls) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET urls = excluded.urls",
                [(name, " ".join(sorted(ones))) for name, ones in urls.items()],
            )
            connection.executemany(
                "UPDATE charge_points SET central_system = ? WHERE identity = ? AND central_system = ?",
                [(new, *pair) for pair, new in renamed],
            )

        self._write(write)

    def settle(self) -> None:
        """Wait until everything that was submitted is committed, or has failed.

        Raises:
            StoreError: the store cannot be written.
        """

        def nothing(connection: sqlite3.Connection) -> None:
            """Write nothing, behind everything else."""

        self._write(nothing)

    def prune(self, delivered_before_ms: int, now_ms: int) -> int:
        """Delete transactions that were delivered in full, and return how many.

        Only those whose Start and Stop are answered, that stopped before `delivered_before_ms`, and that
        have neither a queued message nor a dead letter. In small steps, so that turns go on.
        Counts of profile writes are deleted after 400 days, in any case.

        Args:
            delivered_before_ms: transactions that stopped at or after this time (UTC) stay.
            now_ms: UTC.

        Raises:
            StoreError: the deletion ended early.
        """
        oldest_day = now_ms // _DAY_MS - _PROFILE_WRITES_KEPT_DAYS

        def delete_writes(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM profile_writes WHERE day < ?", (oldest_day,))

        self._write(delete_writes)
        deleted = 0
        while True:
            step = 0

            def delete(connection: sqlite3.Connection) -> None:
                nonlocal step
                step = connection.execute(_PRUNE, (delivered_before_ms, _PRUNED_AT_ONCE)).rowcount

            self._write(delete)
            deleted += step
            if step < _PRUNED_AT_ONCE:
                return deleted

    def settle_dead_letters(
        self, charge_point: int, transaction: int, at_ms: int, settlement: Settlement
    ) -> int:
        """Settle the dead letters of a transaction, and return how many.

        Args:
            charge_point: its number; it must not be at work, since it settles them by a record of its own.
            transaction: its number.
            at_ms: UTC.
            settlement: who, and why.

        Raises:
            StoreError: nothing was settled.
        """
        where = "dead_letters SET {} WHERE charge_point = ? AND transaction_number = ?"
        return self._settle(where, (charge_point, transaction), at_ms, settlement)

    def settle_set_aside(self, id: int, at_ms: int, settlement: Settlement) -> int:
        """Settle an input that was set aside; returns and raises like `settle_dead_letters`."""
        return self._settle("set_aside SET {} WHERE id = ?", (id,), at_ms, settlement)

    def settle_all_set_aside(self, identity: str, at_ms: int, settlement: Settlement) -> int:
        """Settle all inputs of a charge point that were set aside, at whichever central system; likewise."""
        where = "set_aside SET {} WHERE charge_point IN (SELECT id FROM charge_points WHERE identity = ?)"
        return self._settle(where, (identity,), at_ms, settlement)

    def _settle(self, what: str, values: tuple[int | str, ...], at_ms: int, settlement: Settlement) -> int:
        settled = 0

        def update(connection: sqlite3.Connection) -> None:
            nonlocal settled
            columns = what.format("settled_ms = ?, settled_by = ?, settled_reason = ?")
            settled = connection.execute(
                f"UPDATE {columns} AND settled_ms IS NULL",
                (at_ms, settlement.by, settlement.reason, *values),
            ).rowcount

        self._write(update)
        return settled

    def backup(self, target: Path) -> None:
        """Copy the last commit into a new file; see `copy_store`."""
        copy_store(self.path.parent, target)

    def _write(self, write: Callable[[sqlite3.Connection], None]) -> None:
        with self._direct:
            if self._closed:
                raise StoreClosedError(f"{self.path} is closed")
            if self._writer is None:
                try:
                    transact(self._connection, write)
                except REFUSALS as error:
                    raise refusal(error) from error
                except sqlite3.Error as error:
                    raise environment_error(error, self.path) from error
                return
            job = Job(write)
            self._writer.submit(job)
        job.done.result()


def copy_store(directory: Path, target: Path) -> None:
    """Copy the last commit of a store into a new file with mode 0600, while turns go on.

    Args:
        directory: the state directory of the store, which another process may be using.
        target: the new file.

    Raises:
        FileExistsError: `target` exists; nothing is ever overwritten.
        OSError: `target` cannot be written.
        StoreError: the copy could not be made; `target` does not exist then.
    """
    path = directory / STORE_FILE
    if not path.exists():
        raise StoreUnavailableError(f"{path} does not exist: no gateway has run with this state directory")
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(open_reader(path)) as source, closing(sqlite3.connect(target)) as copy:
            # All pages in one step: one snapshot, which commits neither disturb nor restart.
            source.backup(copy, pages=-1)
    except sqlite3.Error as error:
        target.unlink()
        raise environment_error(error, target) from error
    except BaseException:
        target.unlink()
        raise


_PRUNE = """
    DELETE FROM transactions WHERE (charge_point, number) IN (
        SELECT charge_point, number FROM transactions AS t
        WHERE start = 'answered' AND stop = 'answered' AND stopped_ms < ?
            AND NOT EXISTS (SELECT 1 FROM queue AS q
                WHERE q.charge_point = t.charge_point AND q.transaction_number = t.number)
            AND NOT EXISTS (SELECT 1 FROM dead_letters AS d
                WHERE d.charge_point = t.charge_point AND d.transaction_number = t.number)
        ORDER BY stopped_ms LIMIT ?)
"""
