"""Opening the SQLite file: for writing with full durability, or for reading."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from chargebridge.store.errors import RESTORE, StoreDamagedError, StoreUnavailableError, environment_error
from chargebridge.store.schema import migrate, version_of

OLDEST_SQLITE = (3, 33, 0)
"""`UPDATE ... FROM` came with it."""

CHECKED_BYTES = 32 * 1024 * 1024
"""Stores up to this size are checked whole when opened (some 0.1 s); damage in a larger one is
reported when it is met, since a check of gigabytes would delay every start by minutes."""

_BUSY_S = 5.0
_WAL_PAGES = 4000
_WAL_BYTES_KEPT = 64 * 1024 * 1024
_CACHE_KIB = 8192
# Every bulk statement exists in several sizes; preparing one costs more than running it.
_STATEMENTS_KEPT = 192


Check = Callable[[sqlite3.Connection], None]


def open_writer(path: Path, max_pages: int | None, check: Check | None = None) -> sqlite3.Connection:
    """Open the store for writing; create or migrate it first where needed.

    The connection commits with `synchronous=FULL` in WAL mode: a commit that returned survives a
    power cut. It is in autocommit; transactions are begun explicitly.

    Args:
        path: the file, created with mode 0600 if absent.
        max_pages: the largest size in pages of 4 KiB, or None for SQLite's own limit.
        check: raises a `StoreError` if the store is not to be used, before anything is written.

    Raises:
        StoreError: of the kind that says what is wrong with the file.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreUnavailableError(
            f"SQLite {sqlite3.sqlite_version} is too old; install Python with SQLite 3.33 or newer"
        )
    try:
        # SQLite gives its -wal and -shm files the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreUnavailableError(
            f"{path} cannot be written ({error.strerror}); check its permissions"
        ) from error
    connection = _connect(path)
    try:
        _prepare_writer(connection, path, max_pages, check)
    except sqlite3.Error as error:
        connection.close()
        raise environment_error(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the store for reading; it sees the last commit.

    Raises:
        StoreError: the file cannot be opened.
    """
    connection = _connect(path)
    try:
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        connection.close()
        raise environment_error(error, path) from error
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used by one thread at a time, though not always by the one that opened it.
    try:
        return sqlite3.connect(
            # Never creates: a file that vanished is an error, not an empty store.
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS_KEPT,
        )
    except sqlite3.Error as error:
        raise environment_error(error, path) from error


def _prepare_writer(
    connection: sqlite3.Connection, path: Path, max_pages: int | None, check: Check | None
) -> None:
    # First: a file that is not ours stays as it is, its journal mode included.
    version_of(connection, path)
    if check is not None:
        check(connection)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreUnavailableError(
            f"{path} cannot use a write-ahead log; put the state directory on a local disk"
        )
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        f"wal_autocheckpoint = {_WAL_PAGES}",
        f"journal_size_limit = {_WAL_BYTES_KEPT}",
        f"cache_size = -{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if max_pages is not None:
        connection.execute(f"PRAGMA max_page_count = {max_pages}")
    if path.stat().st_size <= CHECKED_BYTES:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StoreDamagedError(f"{path} is damaged ({verdict}); restore a backup: {RESTORE}")
    migrate(connection, path)
