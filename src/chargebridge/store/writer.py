"""The writer thread: it commits everything submitted since its last commit, at once.

Entries that arrive while a commit is on its way to the disk make the next batch. A turn that comes alone
never waits for others; a busy journal pauses for a moment, since many small commits cost far more
than few large ones.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from pathlib import Path

from chargebridge.store.committing import Committer, Entry, Job, JournalListener, Outcome
from chargebridge.store.errors import StoreClosedError, environment_error

LARGEST_BATCH = 1024
"""Entries of one batch, at most; bounds the time that the event loop spends on the outcome of one commit."""

_BUSY_BATCH = 16
"""Entries of a batch that show a busy journal."""
_GATHER_S = 0.002
"""Seconds for which a busy journal lets the next batch grow."""
_IDLE_S = 1.0
_CHECKPOINT_COMMITS = 256


class Writer:
    """Owns the writing connection from `start` until its thread has ended.

    Args:
        connection: see `open_writer`.
        path: the file, for messages.
        loop: where the listener lives.
        listener: learns the outcomes.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        listener: JournalListener,
    ) -> None:
        self.pending = 0
        """Entries other than jobs whose outcome is not reported yet. Belongs to the event loop."""
        self.ended = asyncio.Event()
        """Set on the loop, after the last outcome was reported."""
        self._connection = connection
        self._path = path
        self._loop = loop
        self._listener = listener
        # A deque, since its append and popleft are atomic: nothing is lost between two threads.
        self._submitted: deque[Entry] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._committer = Committer(connection, path)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    @property
    def failing(self) -> str | None:
        """Why the last commit failed, until one succeeds."""
        return self._committer.failing

    @property
    def stopping(self) -> bool:
        """Whether nothing more is taken."""
        return self._stopping

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def stop(self) -> None:
        """Commit everything submitted, then end and set `ended`."""
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
                # Before the queue is read: whatever is appended after that sets the event again.
                self._wake.clear()
                stopping = self._stopping
                while self._submitted:
                    entries = self._take()
                    self._loop.call_soon_threadsafe(self._report, self._committer.settle(entries))
                    if isinstance(entries[-1], Job):
                        self._committer.perform(entries[-1])
                    if _BUSY_BATCH <= len(entries) < LARGEST_BATCH and not self._stopping:
                        time.sleep(_GATHER_S)
                if stopping:
                    break
                self._await_work()
        finally:
            # Reached by a defect too: no caller may wait for a thread that is gone.
            self._stopping = True
            for entry in self._submitted:
                died = f"the writer of {self._path} has died; restart the process"
                self._committer.failing = died
                if isinstance(entry, Job):
                    entry.done.set_exception(StoreClosedError(died))
            self._loop.call_soon_threadsafe(self.ended.set)

    def _await_work(self) -> None:
        if self._committer.commits < _CHECKPOINT_COMMITS:
            self._wake.wait()
        elif not self._wake.wait(_IDLE_S):
            self._checkpoint()

    def _checkpoint(self) -> None:
        # In an idle second, so that busy ones seldom pay for it. A failure is no loss: the next
        # commit fails in the same way and reports it.
        self._committer.commits = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            self._committer.failing = str(environment_error(error, self._path))

    def _take(self) -> list[Entry]:
        entries: list[Entry] = []
        for _ in range(min(len(self._submitted), LARGEST_BATCH)):
            entry = self._submitted.popleft()
            entries.append(entry)
            if type(entry) is Job:
                break
        return entries

    # --- back on the loop -------------------------------------------------------------------

    def _report(self, outcome: Outcome) -> None:
        self.pending -= outcome.settled
        outcome.report(self._listener)
