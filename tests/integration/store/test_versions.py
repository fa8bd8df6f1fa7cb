"""A store of an older version becomes a current one with all that is in it; a later one is left alone.

There is one version so far. The steps that lead on from it here are the test's own, made as real ones will
be: a column, a table that is made anew with its rows, an index.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from chargebridge.chargepoint.model.state import State, dump, load
from chargebridge.store.errors import NotAStoreError, StoreTooNewError
from chargebridge.store.journal import STORE_FILE, SqliteStore
from chargebridge.store.schema import APPLICATION_ID, STEPS, migrate

pytestmark = pytest.mark.integration

CURRENT = len(STEPS)
LATER = [
    *STEPS,
    [
        "ALTER TABLE charge_points ADD COLUMN colour TEXT",
        "ALTER TABLE profile_writes RENAME TO former_profile_writes",
        "CREATE TABLE profile_writes (charger TEXT PRIMARY KEY, writes INTEGER NOT NULL)",
        "INSERT INTO profile_writes SELECT charger, sum(writes) FROM former_profile_writes GROUP BY charger",
        "DROP VIEW readable_profile_writes",
        "DROP TABLE former_profile_writes",
    ],
    [
        "CREATE INDEX charge_points_by_colour ON charge_points (colour)",
        "UPDATE charge_points SET colour = 'red'",
    ],
]


def everything_in(connection: sqlite3.Connection) -> tuple[object, ...]:
    """Return everything there is: marks, tables and rows."""
    marks = (connection.execute(f"PRAGMA {mark}").fetchone() for mark in ("application_id", "user_version"))
    return (*marks, *connection.iterdump())


def make_store(directory: Path) -> Path:
    """Make a store of today's version with rows in it."""
    with closing(SqliteStore(directory)) as store:
        store.register([("CP1", "main"), ("CP2", "main")])
    path = directory / STORE_FILE
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO profile_writes VALUES ('sim/EH1', 20000, 3), ('sim/EH1', 20001, 4)")
    return path


# One process that makes copies of a store and forks for each: importing all of it anew takes longer.
UPGRADES = """
import json, os, shutil, signal, sqlite3, sys
from pathlib import Path
from chargebridge.store.schema import migrate

store, steps = Path(sys.argv[1]), json.loads(sys.argv[2])

def upgrade(path, fatal):
    connection, statements = sqlite3.connect(path, isolation_level=None), iter(range(1_000_000))

    def count(statement):
        if next(statements) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    connection.set_trace_callback(count)
    migrate(connection, path, steps)
    connection.close()

status, fatal = None, 0
while status != 0:
    copy = store.with_name(f"{fatal}.copy")
    shutil.copy(store, copy)
    child = os.fork()
    if not child:
        upgrade(copy, fatal)
        os._exit(0)
    status, fatal = os.waitpid(child, 0)[1], fatal + 1
    assert status in (0, signal.SIGKILL), status
"""


def test_an_upgrade_that_is_killed_at_any_statement_goes_on_from_the_last_whole_step(tmp_path: Path) -> None:
    path = make_store(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        before = everything_in(connection)
    subprocess.run([sys.executable, "-c", UPGRADES, str(path), msgspec.json.encode(LATER)], check=True)
    copies = sorted(tmp_path.glob("*.copy"), key=lambda copy: int(copy.stem))
    assert len(copies) > sum(map(len, LATER[CURRENT:]))
    reached = []
    for copy in copies:
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            reached += connection.execute("PRAGMA user_version").fetchone()
            if reached[-1] == CURRENT:
                assert everything_in(connection) == before
            migrate(connection, copy, LATER)
            assert connection.execute("PRAGMA user_version").fetchone() == (len(LATER),)
            charge_points = connection.execute("SELECT id, identity, colour FROM charge_points").fetchall()
            assert charge_points == [(1, "CP1", "red"), (2, "CP2", "red")]
            assert connection.execute("SELECT * FROM profile_writes").fetchall() == [("sim/EH1", 7)]
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert reached == sorted(reached)
    assert set(reached) == {CURRENT, CURRENT + 1, CURRENT + 2}


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_a_store_of_a_later_version_is_refused_and_not_touched(tmp_path: Path, journal_mode: str) -> None:
    SqliteStore(tmp_path).close()
    path = tmp_path / STORE_FILE
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE of_the_future (x)")
        connection.execute(f"PRAGMA user_version = {CURRENT + 1}")
        connection.execute(f"PRAGMA journal_mode = {journal_mode}")
    before = path.read_bytes()
    with pytest.raises(
        StoreTooNewError,
        match=rf"has schema version {CURRENT + 1}, this chargebridge knows up to {CURRENT}; run a newer"
        " chargebridge, or restore a backup made before the upgrade",
    ):
        SqliteStore(tmp_path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [STORE_FILE]


@pytest.mark.parametrize("mark", ["application_id = 1", "user_version = 1"])
def test_a_database_of_another_program_is_refused_and_not_touched(tmp_path: Path, mark: str) -> None:
    path = tmp_path / STORE_FILE
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute(f"PRAGMA {mark}")
    before = path.read_bytes()
    with pytest.raises(NotAStoreError, match="another program"):
        SqliteStore(tmp_path)
    assert path.read_bytes() == before
    assert APPLICATION_ID != 1


def test_a_state_with_fields_of_a_later_version_is_read_without_them() -> None:
    document = dump(State())
    later = msgspec.json.encode(msgspec.json.decode(document) | {"of_the_future": [1, {"x": None}]})
    assert load(later) == load(document)
