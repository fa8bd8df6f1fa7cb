"""The one thread that writes: it commits everything submitted since its last commit, at once.

What arrives while a commit is on its way to the disk makes the next batch. A turn that comes alone
never waits for others; a busy journal pauses for a moment, since many small commits cost far more
than few large ones.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from chargebridge.chargepoint.records import Found, Query
from chargebridge.store.batch import Batch, Turn
from chargebridge.store.errors import (
    REFUSALS,
    EarlierTurnFailedError,
    StoreClosedError,
    StoreError,
    environment_error,
    refusal,
)
from chargebridge.store.queries import answer

LARGEST_BATCH = 1024
"""Entries of one batch; bounds how long the event loop is busy with the outcome of one commit."""

_BUSY_BATCH = 16
"""Entries of a batch that show a busy journal."""
_GATHER_S = 0.002
"""How long a busy journal lets the next batch grow."""
_IDLE_S = 1.0
_CHECKPOINT_COMMITS = 256


class JournalListener(Protocol):
    """Who learns what became of what was submitted; called on the event-loop thread.

    Of one commit's outcome, `committed` is called first, then `commit_failed`, then `answered`.
    """

    def committed(self, tokens: list[object]) -> None:
        """The turns of these tokens are durable; in the order of submission."""

    def commit_failed(self, tokens: list[object], error: StoreError) -> None:
        """None of these turns happened, or these questions could not be answered."""

    def answered(self, token: object, query: Query, found: Found) -> None:
        """What was asked under this token, and what was found."""


class Read:
    """A question of a charge point, to be answered after everything submitted before it."""

    __slots__ = ("charge_point", "query", "token")

    def __init__(self, charge_point: int, query: Query, token: object) -> None:
        self.charge_point = charge_point
        self.query = query
        self.token = token


class Recovered:
    """The charge point was rebuilt from the store; its later turns stand on firm ground."""

    __slots__ = ("charge_point",)

    def __init__(self, charge_point: int) -> None:
        self.charge_point = charge_point


class Job:
    """Something else to write, in a transaction of its own, for a caller that waits."""

    __slots__ = ("done", "write")

    def __init__(self, write: Callable[[sqlite3.Connection], None]) -> None:
        self.write = write
        self.done: Future[None] = Future()


Entry = Turn | Read | Recovered | Job


class _Outcome:
    """What became of one batch, on its way to the listener."""

    __slots__ = ("answers", "committed", "failed", "settled")

    def __init__(self) -> None:
        self.committed: list[object] = []
        self.failed: dict[StoreError, list[object]] = {}
        self.answers: list[tuple[object, Query, Found]] = []
        self.settled = 0

    def fail(self, token: object, error: StoreError) -> None:
        self.failed.setdefault(error, []).append(token)


class Writer:
    """Owns the writing connection from `start` until its thread has ended.

    Args:
        connection: see `open_writer`.
        path: the file, for messages.
        loop: where the listener lives.
        listener: learns every outcome.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        listener: JournalListener,
    ) -> None:
        self.failing: str | None = None
        """Why the last commit failed, until one succeeds."""
        self.pending = 0
        """Entries other than jobs that nothing has been said of yet. Belongs to the event loop."""
        self.ended = asyncio.Event()
        """Set on the loop, after the last outcome was told."""
        self._connection = connection
        self._path = path
        self._loop = loop
        self._listener = listener
        # A deque, since its append and popleft are atomic: nothing is lost between two threads.
        self._submitted: deque[Entry] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._distrusted: set[int] = set()
        self._commits = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def stop(self) -> None:
        """Commit what was submitted, then end; `ended` tells when."""
        self._stopping = True
        self._wake.set()

    def submit(self, entry: Entry) -> None:
        """Take an entry; never blocks.

        Raises:
            StoreClosedError: after `stop`.
        """
        if self._stopping:
            raise StoreClosedError(f"{self._path} is being closed")
        self._submitted.append(entry)
        if not self._wake.is_set():
            self._wake.set()

    # --- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                # Before the look at the queue: what is appended after it sets the event again.
                self._wake.clear()
                stopping = self._stopping
                while self._submitted:
                    entries = self._take()
                    self._process(entries)
                    if _BUSY_BATCH <= len(entries) < LARGEST_BATCH and not self._stopping:
                        time.sleep(_GATHER_S)
                if stopping:
                    break
                self._await_work()
        finally:
            # Reached by a defect too: nobody may wait for a thread that is gone.
            self._stopping = True
            for entry in self._submitted:
                self.failing = f"the writer of {self._path} has died; restart the process"
                if isinstance(entry, Job):
                    entry.done.set_exception(StoreClosedError(self.failing))
            self._loop.call_soon_threadsafe(self.ended.set)

    def _await_work(self) -> None:
        if self._commits < _CHECKPOINT_COMMITS:
            self._wake.wait()
        elif not self._wake.wait(_IDLE_S):
            self._checkpoint()

    def _checkpoint(self) -> None:
        # In a quiet second, so that busy ones seldom pay for it. Failing is no loss: the next
        # commit meets the same trouble and reports it.
        self._commits = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            self.failing = str(environment_error(error, self._path))

    def _take(self) -> list[Entry]:
        entries: list[Entry] = []
        for _ in range(min(len(self._submitted), LARGEST_BATCH)):
            entry = self._submitted.popleft()
            entries.append(entry)
            if type(entry) is Job:
                break
        return entries

    def _process(self, entries: list[Entry]) -> None:
        outcome = _Outcome()
        turns: list[Turn] = []
        reads: list[Read] = []
        job: Job | None = None
        for entry in entries:
            if isinstance(entry, tuple):
                if entry[0] in self._distrusted:
                    outcome.fail(entry[2], _EARLIER)
                else:
                    turns.append(entry)
            elif isinstance(entry, Read):
                reads.append(entry)
            elif isinstance(entry, Recovered):
                self._distrusted.discard(entry.charge_point)
            else:
                job = entry
        outcome.settled = len(entries) - (job is not None)
        self._commit(turns, outcome)
        for read in reads:
            self._read(read, outcome)
        self._loop.call_soon_threadsafe(self._tell, outcome)
        if job is not None:
            self._perform(job)

    def _commit(self, turns: list[Turn], outcome: _Outcome) -> None:
        if not any(records for _, records, _ in turns):
            outcome.committed += [token for _, _, token in turns]
            return
        try:
            transact(self._connection, Batch(turns).apply)
        except REFUSALS:
            self._commit_singly(turns, outcome)
        except sqlite3.Error as error:
            self._fail(turns, environment_error(error, self._path), outcome)
        else:
            self._succeeded()
            outcome.committed += [token for _, _, token in turns]

    def _commit_singly(self, turns: list[Turn], outcome: _Outcome) -> None:
        """Find the turns whose records cannot be stored; the others share a commit nevertheless."""
        committed: list[object] = []
        refused: list[tuple[object, StoreError]] = []
        distrusted: set[int] = set()

        def apply_each(connection: sqlite3.Connection) -> None:
            for turn in turns:
                charge_point, _, token = turn
                if charge_point in distrusted:
                    refused.append((token, _EARLIER))
                    continue
                connection.execute("SAVEPOINT turn")
                try:
                    Batch([turn]).apply(connection)
                except REFUSALS as error:
                    connection.execute("ROLLBACK TO turn")
                    distrusted.add(charge_point)
                    refused.append((token, refusal(error)))
                else:
                    committed.append(token)
                connection.execute("RELEASE turn")

        try:
            transact(self._connection, apply_each)
        except sqlite3.Error as error:
            self._fail(turns, environment_error(error, self._path), outcome)
        else:
            self._succeeded()
            self._distrusted |= distrusted
            outcome.committed += committed
            for token, reason in refused:
                outcome.fail(token, reason)

    def _fail(self, turns: Iterable[Turn], error: StoreError, outcome: _Outcome) -> None:
        # A turn without records, of a charge point that lost nothing, has happened all the same.
        self.failing = str(error)
        for charge_point, records, token in turns:
            if records or charge_point in self._distrusted:
                self._distrusted.add(charge_point)
                outcome.fail(token, error)
            else:
                outcome.committed.append(token)

    def _succeeded(self) -> None:
        self.failing = None
        self._commits += 1

    def _read(self, read: Read, outcome: _Outcome) -> None:
        try:
            found = answer(self._connection, read.charge_point, read.query)
        except REFUSALS as error:
            outcome.fail(read.token, refusal(error))
        except sqlite3.Error as error:
            outcome.fail(read.token, environment_error(error, self._path))
        else:
            outcome.answers.append((read.token, read.query, found))

    def _perform(self, job: Job) -> None:
        if not job.done.set_running_or_notify_cancel():
            return
        try:
            transact(self._connection, job.write)
        except REFUSALS as error:
            job.done.set_exception(refusal(error))
        except sqlite3.Error as error:
            job.done.set_exception(environment_error(error, self._path))
        else:
            job.done.set_result(None)

    # --- back on the loop -------------------------------------------------------------------

    def _tell(self, outcome: _Outcome) -> None:
        self.pending -= outcome.settled
        if outcome.committed:
            self._listener.committed(outcome.committed)
        for error, tokens in outcome.failed.items():
            self._listener.commit_failed(tokens, error)
        for token, query, found in outcome.answers:
            self._listener.answered(token, query, found)


_EARLIER = EarlierTurnFailedError(
    "an earlier turn of the same charge point failed; rebuild it from the store first"
)


def transact(connection: sqlite3.Connection, write: Callable[[sqlite3.Connection], None]) -> None:
    """Run `write` in one transaction; all of it is durable, or an error leaves nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        write(connection)
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
