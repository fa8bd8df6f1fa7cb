"""What a store does when it is opened: create, migrate, refuse; and whose directory it is."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chargebridge.store.backup import copy_database
from chargebridge.store.errors import (
    NotAStoreError,
    RecordRefusedError,
    StateDirectoryInUseError,
    StoreClosedError,
    StoreDamagedError,
    StoreUnavailableError,
)
from chargebridge.store.journal import STORE_FILE, SqliteStore
from chargebridge.store.schema import APPLICATION_ID, STEPS, migrate
from chargebridge.store.state_dir import StateDirectory

pytestmark = pytest.mark.integration


def test_a_new_store_is_private_and_of_the_current_version(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        store.register([("CP", "cs")])
        assert {f.stat().st_mode & 0o777 for f in tmp_path.iterdir()} == {0o600}
    with closing(sqlite3.connect(tmp_path / STORE_FILE)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_a_failing_step_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, path, [["CREATE TABLE a (x)"], ["CREATE TABLE b (x)", "nonsense"]])
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / STORE_FILE).write_bytes(b"not a database, and long enough to tell" * 40)
    with pytest.raises(NotAStoreError, match="move it away"):
        SqliteStore(tmp_path)


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        store.register([(f"CP{n}", "cs") for n in range(500)])
    path = tmp_path / STORE_FILE
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreDamagedError, match="restore a backup: chargebridge restore FILE"):
        SqliteStore(tmp_path)


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        SqliteStore(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="cannot be used"):
        StateDirectory(tmp_path / "file")


def test_a_closed_store_writes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreClosedError):
        store.submit(1, [], 1)
    store.close()
    with pytest.raises(StoreClosedError):
        store.register([("CP", "cs")])


def test_an_identity_that_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store, pytest.raises(RecordRefusedError):
        store.register([("\ud800", "cs")])


def test_a_failed_copy_leaves_no_file(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        store.path.rename(tmp_path / "elsewhere")
        with pytest.raises(StoreUnavailableError):
            copy_database(store.path, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()


def test_a_state_directory_is_private_and_can_be_had_again_after_release(tmp_path: Path) -> None:
    path = tmp_path / "a" / "state"
    with StateDirectory(path) as state:
        assert state.path.stat().st_mode & 0o777 == 0o700
        assert (path / "lock").stat().st_mode & 0o777 == 0o600
    with StateDirectory(path):
        pass


def test_a_second_process_is_told_who_holds_the_state_directory(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from chargebridge.store.state_dir import StateDirectory\n"
        "with StateDirectory(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"locked\n"
        with pytest.raises(StateDirectoryInUseError, match=rf"in use by process {child.pid};"):
            StateDirectory(tmp_path)
        child.kill()
    with StateDirectory(tmp_path):
        pass
