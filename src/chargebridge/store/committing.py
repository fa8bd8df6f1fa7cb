"""Committing: one batch of entries in one SQL transaction, and the outcome of each entry.

No thread and no event loop: `Writer` calls `settle` and has the outcome reported.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from chargebridge.chargepoint.records import Found, Query
from chargebridge.store.batch import Batch, Turn
from chargebridge.store.errors import (
    REFUSALS,
    EarlierTurnFailedError,
    StoreError,
    environment_error,
    refusal,
)
from chargebridge.store.queries import answer


class JournalListener(Protocol):
    """Learns the outcome of everything submitted; called on the event-loop thread.

    For one commit, `committed` is called first, then `commit_failed`, then `answered`.
    """

    def committed(self, tokens: list[object]) -> None:
        """The turns of these tokens are durable; in the order of submission."""

    def commit_failed(self, tokens: list[object], error: StoreError) -> None:
        """None of these turns happened, or these queries could not be answered."""

    def answered(self, token: object, query: Query, found: Found) -> None:
        """The query that was submitted with this token is answered."""


class Read:
    """A query of a charge point, to be answered after everything submitted before it."""

    __slots__ = ("charge_point", "query", "token")

    def __init__(self, charge_point: int, query: Query, token: object) -> None:
        self.charge_point = charge_point
        self.query = query
        self.token = token


class Recovered:
    """Notes that a charge point was rebuilt: its later turns are computed from durable records."""

    __slots__ = ("charge_point",)

    def __init__(self, charge_point: int) -> None:
        self.charge_point = charge_point


class Job:
    """Another write, in a transaction of its own, for a caller that waits."""

    __slots__ = ("done", "write")

    def __init__(self, write: Callable[[sqlite3.Connection], object]) -> None:
        self.write = write
        self.done: Future[None] = Future()


Entry = Turn | Read | Recovered | Job


class Outcome:
    """The outcome of one batch."""

    __slots__ = ("answers", "committed", "failed", "settled")

    def __init__(self) -> None:
        self.committed: list[object] = []
        self.failed: dict[StoreError, list[object]] = {}
        self.answers: list[tuple[object, Query, Found]] = []
        self.settled = 0
        """Entries other than jobs."""

    def fail(self, token: object, error: StoreError) -> None:
        """Note that a turn did not happen, or that a query could not be answered."""
        self.failed.setdefault(error, []).append(token)

    def report(self, listener: JournalListener) -> None:
        """Report everything to the listener."""
        if self.committed:
            listener.committed(self.committed)
        for error, tokens in self.failed.items():
            listener.commit_failed(tokens, error)
        for token, query, found in self.answers:
            listener.answered(token, query, found)


class Committer:
    """Writes batches through one connection, which no other code uses meanwhile.

    Args:
        connection: see `open_writer`.
        path: the file, for messages.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.failing: str | None = None
        """Why the last commit failed, until one succeeds."""
        self.commits = 0
        """Successful commits since the last checkpoint; `Writer` resets it."""
        self._connection = connection
        self._path = path
        self._distrusted: set[int] = set()

    def settle(self, entries: Sequence[Entry]) -> Outcome:
        """Commit these entries together, and answer their queries.

        Args:
            entries: in the order of their submission; a job is the last one. It is left to `perform`.
        """
        outcome = Outcome()
        turns: list[Turn] = []
        reads: list[Read] = []
        jobs = 0
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
                jobs += 1
        outcome.settled = len(entries) - jobs
        self._commit(turns, outcome)
        for read in reads:
            self._read(read, outcome)
        return outcome

    def _commit(self, turns: list[Turn], outcome: Outcome) -> None:
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

    def _commit_singly(self, turns: list[Turn], outcome: Outcome) -> None:
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

    def _fail(self, turns: Iterable[Turn], error: StoreError, outcome: Outcome) -> None:
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
        self.commits += 1

    def _read(self, read: Read, outcome: Outcome) -> None:
        try:
            found = answer(self._connection, read.charge_point, read.query)
        except REFUSALS as error:
            outcome.fail(read.token, refusal(error))
        except sqlite3.Error as error:
            outcome.fail(read.token, environment_error(error, self._path))
        else:
            outcome.answers.append((read.token, read.query, found))

    def perform(self, job: Job) -> None:
        """Do a job in a transaction of its own, and complete its future."""
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


_EARLIER = EarlierTurnFailedError(
    "an earlier turn of the same charge point failed; rebuild it from the store first"
)


def transact(connection: sqlite3.Connection, write: Callable[[sqlite3.Connection], object]) -> None:
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
