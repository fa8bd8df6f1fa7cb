"""The generation: a number that rises while a gateway runs, in the store and in a file beside it.

The file is not part of a backup. So a store that was copied here from another time is recognized: its number
is lower, and starting with it would send again, in another form, what was sent since.

The store's number rises first, then the file's; so the store is ahead if the process ends in between.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from chargebridge.clock import format_utc
from chargebridge.store.connection import open_reader
from chargebridge.store.errors import RESTORE, StoreOutdatedError
from chargebridge.store.journal import STORE_FILE, SqliteStore
from chargebridge.store.marks import Mark, read_marks
from chargebridge.store.schema import version_of

GENERATION_FILE: Final = "generation"
"""The file's name in the state directory."""
_REMEDY: Final = (
    "what was sent since could be sent again in another form. Restore it, which holds that back: " + RESTORE
)


class Generation(Struct, frozen=True, kw_only=True):
    """The content of the file."""

    generation: int
    until_ms: int
    """UTC; how long the gateway may have run: until its stop, else until the mark that did not follow."""
    stopped: bool = False
    """The gateway has stopped by itself."""
    restoring: bool = False
    """A restore has begun, and not ended."""


def read_generation(directory: Path) -> Generation | None:
    """Read the file; None if there is none, or it cannot be read as one."""
    try:
        return msgspec.json.decode((directory / GENERATION_FILE).read_bytes(), type=Generation)
    except (OSError, msgspec.MsgspecError):
        return None


def write_generation(directory: Path, generation: Generation) -> None:
    """Replace the file, durably.

    Raises:
        OSError: it was not written; the one before is still there.
    """
    path, new = directory / GENERATION_FILE, directory / f"{GENERATION_FILE}.new"
    readable = {**msgspec.to_builtins(generation), "until": format_utc(generation.until_ms)}
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, msgspec.json.encode(readable) + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    new.replace(path)
    sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Make what was created, renamed and removed in a directory durable."""
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_directory(directory: Path) -> None:
    """Make sure that a gateway may start in a state directory, before it opens the store.

    Raises:
        StoreOutdatedError: the store is missing, or a restore has not ended.
    """
    path, known = directory / STORE_FILE, read_generation(directory)
    if known is None:
        return
    if known.restoring:
        raise StoreOutdatedError(f"a restore in {directory} has not ended; run it again: {RESTORE}")
    if known.generation > 0 and not (path.exists() and path.stat().st_size):
        raise StoreOutdatedError(
            f"{path} is missing, though a gateway has run here until {format_utc(known.until_ms)}."
            f" Restore a backup: {RESTORE} (or, to begin from nothing, empty the state directory)"
        )


def check_store(directory: Path, connection: sqlite3.Connection) -> None:
    """Make sure that a store belongs to its state directory as it is, before anything is written to it.

    Raises:
        StoreOutdatedError: it is older than what has run here.
    """
    path, known, marks = directory / STORE_FILE, read_generation(directory), read_marks(connection)
    generation, marked_ms = marks.get(Mark.GENERATION, 0), marks.get(Mark.MARKED_MS)
    if (taken_ms := marks.get(Mark.BACKUP_MS)) is not None:
        taken = format_utc(taken_ms)
        raise StoreOutdatedError(f"{path} is a backup of {taken} that was copied here; {_REMEDY}")
    age = "" if marked_ms is None else f" of {format_utc(marked_ms)}"
    if known is None and generation > 0:
        raise StoreOutdatedError(
            f"{path} is a store{age}, and its file {GENERATION_FILE!r} is not beside it, as if the store"
            f" alone was copied here; {_REMEDY}"
        )
    if known is not None and generation < known.generation:
        raise StoreOutdatedError(
            f"{path} is a store{age} (generation {generation}), older than what has run here until"
            f" {format_utc(known.until_ms)} (generation {known.generation}); {_REMEDY}"
        )


def store_marks(path: Path) -> dict[str, int]:
    """Return the marks of a store; none of a file that `SqliteStore` refuses, which says why.

    Raises:
        StoreUnavailableError: it cannot be opened.
    """
    try:
        with closing(open_reader(path)) as connection:
            version_of(connection, path)
            return read_marks(connection)
    except sqlite3.Error:
        return {}


class Marker:
    """Raises the generation of a store in use, and the file's after it.

    Args:
        store: in use.
        directory: its state directory.
    """

    def __init__(self, store: SqliteStore, directory: Path) -> None:
        self._store = store
        self._directory = directory

    def mark(self, now_ms: int, until_ms: int) -> None:
        """Raise both numbers.

        Args:
            now_ms: UTC.
            until_ms: UTC; when the next mark is due.

        Raises:
            StoreError, OSError: one or both did not rise; the store can be used all the same.
        """
        if read_generation(self._directory) is None:
            # First, so that no store with a generation is ever without the file.
            write_generation(self._directory, Generation(generation=0, until_ms=until_ms))
        self._write(self._store.mark(now_ms), until_ms)

    def _write(self, generation: int, until_ms: int, *, stopped: bool = False) -> None:
        written = Generation(generation=generation, until_ms=until_ms, stopped=stopped)
        write_generation(self._directory, written)

    async def stop(self, now_ms: int) -> None:
        """Stop the store, with a last mark.

        Raises:
            OSError: the file was not written.
            StoreError: see `SqliteStore.stop`.
        """
        known = read_generation(self._directory)
        generation = await self._store.stop(None if known is None else now_ms)
        if generation is not None:
            self._write(generation, now_ms, stopped=True)
