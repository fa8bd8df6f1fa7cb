"""A store of any former version becomes a current one with all that is in it; a later one is left alone.

`versions/version_N.sql` holds a store as version N left it, written once and never derived from today's
code. Whoever appends a step to the schema adds the file of the version before it, with the same past.
"""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import Settings, load
from chargebridge.chargepoint.records import LettersFound, LettersQuery, MessageKind, SendState
from chargebridge.clock import Instant
from chargebridge.store.errors import NotAStoreError, StoreTooNewError
from chargebridge.store.journal import STORE_FILE, SqliteStore
from chargebridge.store.queries import answer
from chargebridge.store.schema import APPLICATION_ID, STEPS, migrate

pytestmark = pytest.mark.integration

VERSIONS = Path(__file__).parent / "versions"
FORMER = range(1, len(STEPS))
every_former_version = pytest.mark.parametrize("version", FORMER)
CURRENT = len(STEPS)


def written_by(version: int, path: Path) -> Path:
    """Make the file of a store as that version left it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((VERSIONS / f"version_{version}.sql").read_text(encoding="utf-8"))
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def schema(connection: sqlite3.Connection) -> dict[str, str]:
    """Return how each table, index and view is made, without regard to white space."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: re.sub(r"\s+", " ", sql).replace("( ", "(").replace(" )", ")") for name, sql in rows}


def names(connection: sqlite3.Connection, kind: str) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = ? ORDER BY name", (kind,))
    return [name for (name,) in found if not name.startswith("sqlite_")]


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def contents(
    connection: sqlite3.Connection, kept: dict[str, list[str]]
) -> dict[str, list[tuple[object, ...]]]:
    """Return what is in these columns of these tables."""
    return {
        table: connection.execute(f"SELECT {', '.join(kept[table])} FROM {table} ORDER BY 1, 2").fetchall()
        for table in kept
    }


def all_of(connection: sqlite3.Connection) -> tuple[object, ...]:
    """Return everything there is: marks, tables and rows."""
    marks = (connection.execute(f"PRAGMA {mark}").fetchone() for mark in ("application_id", "user_version"))
    return (*marks, *connection.iterdump())


# --- the files ------------------------------------------------------------------------------------


def test_there_is_a_file_for_every_former_version() -> None:
    missing = {f"version_{version}.sql" for version in FORMER} - {path.name for path in VERSIONS.iterdir()}
    assert missing == set(), "write down a store of the version that this step leads away from"


@every_former_version
def test_a_file_has_rows_in_every_table_and_the_schema_that_the_steps_lead_to(
    version: int, tmp_path: Path
) -> None:
    path = written_by(version, tmp_path / "old")
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(":memory:")) as made:
        made.isolation_level = None
        migrate(made, path, STEPS[:version])
        assert schema(old) == schema(made), "a step that stores were made with is never changed"
        tables = names(old, "table")
        assert [table for table in tables if not old.execute(f"SELECT * FROM {table}").fetchone()] == []
        assert old.execute("PRAGMA foreign_key_check").fetchall() == []


# --- upgrading ------------------------------------------------------------------------------------


@pytest.fixture(params=FORMER)
def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteStore]:
    """A store of each former version, opened by today's code."""
    written_by(request.param, tmp_path / STORE_FILE)
    with closing(SqliteStore(tmp_path)) as store:
        yield store


@every_former_version
def test_an_upgrade_keeps_what_every_column_held(version: int, tmp_path: Path) -> None:
    path = written_by(version, tmp_path / STORE_FILE)
    with closing(sqlite3.connect(path)) as old:
        held = {table: columns(old, table) for table in names(old, "table")}
        before = contents(old, held)
    SqliteStore(tmp_path).close()
    with closing(sqlite3.connect(path)) as new:
        assert new.execute("PRAGMA user_version").fetchone() == (CURRENT,)
        assert contents(new, held) == before
        assert new.execute("PRAGMA foreign_key_check").fetchall() == []
        assert new.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_upgraded_store_is_made_like_a_new_one(upgraded: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with closing(SqliteStore(tmp_path / "new")) as new:
        connections = sqlite3.connect(upgraded.path), sqlite3.connect(new.path)
        with closing(connections[0]) as one, closing(connections[1]) as other:
            assert schema(one) == schema(other)


def test_every_view_of_an_upgraded_store_shows_its_rows(upgraded: SqliteStore) -> None:
    with closing(sqlite3.connect(upgraded.path)) as connection:
        views = names(connection, "view")
        assert [view for view in views if not connection.execute(f"SELECT * FROM {view}").fetchone()] == []


def test_charge_points_of_an_upgraded_store_are_where_they_were(upgraded: SqliteStore) -> None:
    stored = upgraded.load_all()
    assert {key: upgraded.load(key) for key in stored} == stored
    first = VirtualChargePoint(Settings(identity="CP1", charger="sim/CP1"), stored[1])
    first.resume(Instant(1_767_348_000_000, 0.0))
    assert first.configuration["TransactionMessageAttempts"] == "3"
    assert [message.sequence for message in first.queue] == [21, 22, 23, 24]
    assert (first.queue[0].attempts, first.queue[0].kind) == (1, MessageKind.METER_VALUES)
    assert first.running is not None
    assert (first.running.number, first.running.register_wh) == (5, 4100)
    assert (first.next_sequence, first.next_transaction) == (25, 6)
    assert len(first.samples) == len(first.profiles) == 1
    second = VirtualChargePoint(Settings(identity="CP2", charger="sim/SIM2"), stored[2])
    assert second.state.register_wh == 123_456
    assert second.running is not None
    assert second.running.transaction_id == -7
    second.resume(Instant(1_767_348_000_000, 0.0))


def test_no_transaction_of_before_version_3_was_rebuilt(upgraded: SqliteStore) -> None:
    transactions = upgraded.transactions(limit=9)
    assert [one.transaction.rebuilt for one in transactions] == [False] * 7
    assert upgraded.transactions(limit=9, rebuilt=True) == []


def test_dead_letters_of_an_upgraded_store_are_listed_and_found(upgraded: SqliteStore) -> None:
    letters = upgraded.dead_letters(limit=9)
    assert [(one.id, one.identity, one.central_system, one.message.kind.value) for one in letters] == [
        (9, "CP1", "main", "stop"),
        (8, "CP9", "gone", "stop"),
        (7, "CP9", "gone", "start"),
        (4, "CP1", "main", "meter_values"),
        (3, "CP1", "main", "start"),
    ]
    assert letters[3].reason == "InternalError: it's still gone"
    assert letters[3].message.attempts == 3
    with closing(sqlite3.connect(upgraded.path)) as connection:
        found = answer(connection, 1, LettersQuery(0, 9))
    assert isinstance(found, LettersFound)
    assert [
        (one.transaction.number, one.messages, one.through, one.start, one.stop, one.stop_data)
        for one in found.transactions
    ] == [(2, 2, 4, True, False, None), (3, 1, 9, False, True, None)]
    assert found.transactions[0].transaction.stop is SendState.ANSWERED


# --- upgrading, interrupted -----------------------------------------------------------------------


def places(version: int) -> list[tuple[int, int, int]]:
    """Every statement on the way from a version: the version, the step and the statement in it."""
    return [
        (version, step, statement)
        for step in range(version, CURRENT)
        for statement in range(len(STEPS[step]) + 1)
    ]


every_place = pytest.mark.parametrize(
    ("version", "step", "statement"), [place for version in FORMER for place in places(version)]
)


@every_place
def test_a_step_that_fails_anywhere_leaves_the_version_before_it(
    version: int, step: int, statement: int, tmp_path: Path
) -> None:
    path = written_by(version, tmp_path / STORE_FILE)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, path, STEPS[:step])
        before = all_of(connection)
        broken = [*STEPS[:step], [*STEPS[step][:statement], "SELECT * FROM nothing"]]
        with pytest.raises(sqlite3.OperationalError, match="nothing"):
            migrate(connection, path, broken)
        assert all_of(connection) == before
    with closing(SqliteStore(tmp_path)) as store:
        assert len(store.dead_letters(limit=99)) == 5


# One process that puts up copies of a store and forks for each: importing all of it anew takes longer.
UPGRADES = """
import os, shutil, signal, sys
from pathlib import Path
from chargebridge.store import connection as opening
from chargebridge.store.journal import STORE_FILE, SqliteStore

directory, connect = Path(sys.argv[1]), opening._connect

def dies_at(fatal):
    def connect_and_count(path):
        connection, statements = connect(path), iter(range(1_000_000))
        def count(statement):
            if next(statements) == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
        connection.set_trace_callback(count)
        return connection
    return connect_and_count

status, fatal = None, 0
while status != 0:
    copy = directory / str(fatal)
    copy.mkdir()
    shutil.copy(directory / STORE_FILE, copy)
    child = os.fork()
    if not child:
        opening._connect = dies_at(fatal)
        SqliteStore(copy).close()
        os._exit(0)
    status, fatal = os.waitpid(child, 0)[1], fatal + 1
    assert status in (0, signal.SIGKILL), status
"""


@every_former_version
def test_a_process_that_is_killed_while_it_upgrades_leaves_a_store_that_the_next_one_upgrades(
    version: int, tmp_path: Path
) -> None:
    path = written_by(version, tmp_path / STORE_FILE)
    with closing(sqlite3.connect(path)) as connection:
        before = all_of(connection)
    subprocess.run([sys.executable, "-c", UPGRADES, str(tmp_path)], check=True)
    *killed, _ = sorted((one for one in tmp_path.iterdir() if one.is_dir()), key=lambda one: int(one.name))
    assert len(killed) > sum(map(len, STEPS[version:]))
    reached = []
    for directory in killed:
        with closing(sqlite3.connect(directory / STORE_FILE)) as connection:
            reached += connection.execute("PRAGMA user_version").fetchone()
            if reached[-1] == version:
                assert all_of(connection) == before
        with closing(SqliteStore(directory)) as store:
            assert len(store.dead_letters(limit=99)) == 5
    assert (reached[0], reached) == (version, sorted(reached))


# --- downgrading ----------------------------------------------------------------------------------


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


# --- state documents ------------------------------------------------------------------------------


def documents(version: int) -> list[bytes]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((VERSIONS / f"version_{version}.sql").read_text(encoding="utf-8"))
        return [row[0].encode() for row in connection.execute("SELECT document FROM states")]


@every_former_version
def test_a_state_with_fields_of_a_later_version_is_read_without_them(version: int) -> None:
    def widened(value: object) -> object:
        if isinstance(value, dict):
            return {name: widened(inner) for name, inner in value.items()} | {
                "of_the_future": [1, {"x": None}]
            }
        return [widened(inner) for inner in value] if isinstance(value, list) else value

    for document in documents(version):
        wide = msgspec.json.encode(widened(msgspec.json.decode(document)))
        assert b"of_the_future" in wide
        assert load(wide) == load(document)
