"""Backups, and a restore that is killed at any moment, that has no room, or that gets something else."""

import json
import sqlite3
import subprocess
import sys
import time
import zipfile
from contextlib import closing

import pytest

from chargebridge.backup_cli import _time as time_of
from chargebridge.config import load
from chargebridge.gateway.backups import back_up_configuration, restore
from chargebridge.store.errors import (
    NotABackupError,
    StateDirectoryInUseError,
    StoreOutdatedError,
    StoreUnavailableError,
)
from chargebridge.store.generation import (
    Generation,
    Marker,
    check_directory,
    check_store,
    read_generation,
    write_generation,
)
from chargebridge.store.journal import STORE_FILE, SqliteStore
from chargebridge.store.schema import STEPS
from chargebridge.store.state_dir import StateDirectory

pytestmark = pytest.mark.integration

CONFIGURATION = """
[central_systems.main]
url = "ws://127.0.0.1:1/"
[drivers.easee]
type = "easee"
way = "account"
user_name = "driver@example.com"
password = "charge-me"
[state]
directory = "state"
"""
TAKEN_MS = 1_767_348_000_000
HOUR_MS = 3_600_000


class House:
    """A state directory in which a gateway has run, and will again."""

    def __init__(self, folder):
        self.folder = folder
        self.directory = folder / "state"
        self.directory.mkdir(mode=0o700)
        self.path = folder / "gateway.toml"
        self.path.write_text(CONFIGURATION)
        self.path.chmod(0o600)
        self.configuration = load(self.path)

    @property
    def driver_file(self):
        return self.directory / "easee.easee.sqlite3"

    def live(self, identity):
        """Run for a while: a charge point more, marks, and what the driver remembers."""
        check_directory(self.directory)
        check = lambda connection: check_store(self.directory, connection)  # noqa: E731
        with closing(SqliteStore(self.directory, check=check)) as store:
            store.register([(identity, "main")])
            Marker(store, self.directory).mark(TAKEN_MS, TAKEN_MS + 300_000)
            known = read_generation(self.directory)
            write_generation(
                self.directory,
                Generation(generation=known.generation, until_ms=2**42, stopped=True),
            )
        with closing(sqlite3.connect(self.driver_file)) as file:
            file.execute("CREATE TABLE IF NOT EXISTS kept (name TEXT)")
            file.execute("INSERT INTO kept VALUES (?)", (identity,))
            file.commit()

    def begin_session(self, at_ms):
        with closing(sqlite3.connect(self.directory / STORE_FILE)) as store:
            store.execute(
                "INSERT INTO transactions (charge_point, number, session, charger, connector, id_tag,"
                " started_ms, meter_start_wh, start, sampled_ms, register_wh, register_ms, stop, rebuilt)"
                " VALUES (1, 1, 1, 'sim/SIM1', 1, 'TAG', ?, 100, 'answered', 0, 100, 0, 'none', 0)",
                (at_ms,),
            )
            store.commit()

    def back_up(self, name="backup.zip"):
        back_up_configuration(self.configuration, self.folder / name)
        return self.folder / name

    def restore(self, backup, until_ms=None):
        with restore(self.configuration, backup, until_ms) as restoring:
            return restoring.foreseen, restoring.carry_out()

    def identities(self):
        with closing(SqliteStore(self.directory)) as store:
            return [row.identity for row in store.charge_points()]

    def open_transactions(self):
        """Return (session, whether an end was assumed) of each."""
        with closing(sqlite3.connect(self.directory / STORE_FILE)) as store:
            rows = store.execute("SELECT session, assumed FROM transactions WHERE stopped_ms IS NULL")
            return [(session, bool(assumed)) for session, assumed in rows]

    def remembered(self):
        with closing(sqlite3.connect(self.driver_file)) as file:
            return [name for (name,) in file.execute("SELECT name FROM kept")]


@pytest.fixture
def house(tmp_path):
    (tmp_path / "house").mkdir()
    return House(tmp_path / "house")


def test_a_backup_has_the_store_and_the_drivers_files_and_both_come_back(house):
    house.live("CP1")
    backup = house.back_up()
    house.live("CP2")
    foreseen, report = house.restore(backup)
    assert house.identities() == ["CP1"]
    assert house.remembered() == ["CP1"]
    assert foreseen.in_doubt
    assert [one.identity for one in report] == ["CP1"]
    assert sorted(one.name for one in foreseen.aside.iterdir()) == ["easee.easee.sqlite3", STORE_FILE]
    assert house.driver_file.stat().st_mode & 0o777 == 0o600
    house.live("CP3")  # and it starts


def test_nothing_is_in_doubt_if_nothing_has_run_since(house):
    house.live("CP1")
    known = read_generation(house.directory)
    write_generation(
        house.directory, Generation(generation=known.generation, until_ms=TAKEN_MS, stopped=True)
    )
    foreseen, _ = house.restore(house.back_up())
    assert not foreseen.in_doubt
    with closing(SqliteStore(house.directory)) as store:
        assert store.load(1).restored is None


@pytest.mark.parametrize(("ahead_ms", "counts"), [(HOUR_MS, True), (30 * 24 * HOUR_MS, False)])
def test_a_clock_that_was_set_back_does_not_hide_the_sessions_since_the_backup(house, ahead_ms, counts):
    """Sessions have the times of their chargers; one whose clock is far ahead counts for nothing."""
    house.live("CP1")
    backup = house.back_up()
    session_ms = time.time_ns() // 1_000_000 + ahead_ms
    house.begin_session(session_ms)
    foreseen, _ = house.restore(backup)
    assert (foreseen.restored.until_ms >= session_ms) is counts


def test_a_session_that_the_backup_has_as_well_is_not_in_doubt(house):
    house.live("CP1")
    house.begin_session(time.time_ns() // 1_000_000 + HOUR_MS)
    known = read_generation(house.directory)
    write_generation(
        house.directory, Generation(generation=known.generation, until_ms=TAKEN_MS, stopped=True)
    )
    assert not house.restore(house.back_up())[0].in_doubt


def test_an_end_that_was_made_up_since_the_backup_is_known_after_the_restore(house):
    house.live("CP1")
    house.begin_session(TAKEN_MS)
    backup = house.back_up()
    with closing(sqlite3.connect(house.directory / STORE_FILE)) as store:
        store.execute(
            "UPDATE transactions SET stopped_ms = ?, stop = 'answered', assumed = 1", (TAKEN_MS + 1,)
        )
        store.commit()
    house.restore(backup)
    assert house.open_transactions() == [(1, True)]


def test_an_end_that_is_the_chargers_own_is_not_held_back(house):
    house.live("CP1")
    house.begin_session(TAKEN_MS)
    backup = house.back_up()
    with closing(sqlite3.connect(house.directory / STORE_FILE)) as store:
        store.execute("UPDATE transactions SET stopped_ms = ?, stop = 'answered'", (TAKEN_MS + 1,))
        store.commit()
    house.restore(backup)
    assert house.open_transactions() == [(1, False)]


def test_until_when_it_ran_can_be_said(house):
    house.live("CP1")
    foreseen, _ = house.restore(house.back_up(), until_ms=2**43)
    assert foreseen.restored.until_ms == 2**43
    with closing(SqliteStore(house.directory)) as store:
        assert store.load(1).restored == foreseen.restored
        assert store.load_all()[1].restored == foreseen.restored


def test_times_of_the_command_line():
    assert time_of("2026-01-02T10:00Z") == TAKEN_MS
    assert time_of("2026-01-02T10:00") == TAKEN_MS
    assert time_of("2026-01-02T11:00+01:00") == TAKEN_MS


def test_on_a_new_machine_everything_until_now_is_in_doubt(house, tmp_path):
    house.live("CP1")
    backup = house.back_up()
    (tmp_path / "other").mkdir()
    other = House(tmp_path / "other")
    foreseen, _ = other.restore(backup)
    assert foreseen.in_doubt
    assert foreseen.replaced == ()
    assert other.identities() == ["CP1"]
    other.live("CP2")


def test_a_plain_copy_of_a_store_can_be_restored_and_drivers_begin_without_their_memory(house):
    house.live("CP1")
    copy = house.folder / "old.sqlite3"
    copy.write_bytes((house.directory / STORE_FILE).read_bytes())
    house.live("CP2")
    (house.directory / STORE_FILE).write_bytes(copy.read_bytes())
    with pytest.raises(StoreOutdatedError, match="older than what has run here"):
        house.live("CP3")
    house.restore(house.directory / STORE_FILE)
    assert house.identities() == ["CP1"]
    assert not house.driver_file.exists()


def test_a_store_without_its_generation_is_refused(house):
    house.live("CP1")
    (house.directory / "generation").unlink()
    with pytest.raises(StoreOutdatedError, match="as if the store alone was copied here"):
        house.live("CP2")


def test_a_store_that_is_missing_is_not_made_anew(house):
    house.live("CP1")
    (house.directory / STORE_FILE).unlink()
    with pytest.raises(StoreOutdatedError, match="is missing, though a gateway has run here"):
        house.live("CP2")
    assert not (house.directory / STORE_FILE).exists()


def test_a_store_that_is_ahead_of_its_file_is_fine(house):
    house.live("CP1")
    with closing(SqliteStore(house.directory)) as store:
        store.mark(TAKEN_MS)
    house.live("CP2")
    assert read_generation(house.directory).generation == 3


def test_ids_that_were_given_since_are_not_given_again(house):
    house.live("CP1")
    with closing(sqlite3.connect(house.directory / STORE_FILE)) as store:
        store.execute("UPDATE charge_points SET last_transaction = 17")
        store.commit()
    house.restore(house.back_up())
    with closing(sqlite3.connect(house.directory / STORE_FILE)) as store:
        (number,) = store.execute("SELECT last_transaction FROM charge_points").fetchone()
        (letter,) = store.execute("SELECT seq FROM sqlite_sequence WHERE name = 'dead_letters'").fetchone()
    assert number > 100
    assert letter > 1000


def fill(house, *transactions):
    """Put transactions into the store, with their messages in the queue: (number, start, stop, kinds)."""
    with closing(sqlite3.connect(house.directory / STORE_FILE)) as store:
        sequence = 0
        for number, start, stop, kinds in transactions:
            stopped = None if stop == "none" else number * 1000
            store.execute(
                "INSERT INTO transactions (charge_point, number, session, charger, connector, id_tag,"
                " started_ms, meter_start_wh, start, transaction_id, sampled_ms, register_wh, register_ms,"
                " stopped_ms, meter_stop_wh, stop, rebuilt)"
                " VALUES (1, ?, ?, 'easee/EH1', 1, 'TAG', 1, 0, ?, ?, 1, 0, 1, ?, ?, ?, 0)",
                (number, number, start, number if start == "answered" else None, stopped, stopped, stop),
            )
            for kind in kinds:
                sequence += 1
                store.execute(
                    "INSERT INTO queue (charge_point, sequence, kind, transaction_number, payload, attempts,"
                    " sampled_ms) VALUES (1, ?, ?, ?, x'', 0, 0)",
                    (sequence, kind, number),
                )
        store.commit()


def test_what_waited_at_the_backup(house):
    house.live("CP1")
    fill(
        house,
        (1, "answered", "queued", ["meter_values", "stop"]),
        (2, "dead", "queued", ["meter_values", "stop"]),
        (3, "queued", "queued", ["start", "meter_values", "stop"]),
        (4, "queued", "none", ["start"]),
    )
    _, (report,) = house.restore(house.back_up())
    assert (report.open_transactions, report.held_back, report.sent_again) == (0, 6, 2)
    with closing(sqlite3.connect(house.directory / STORE_FILE)) as store:
        queue = store.execute("SELECT kind, transaction_number FROM queue ORDER BY sequence").fetchall()
        letters = store.execute("SELECT kind, transaction_number FROM dead_letters ORDER BY id").fetchall()
        (reason,) = store.execute("SELECT DISTINCT reason FROM dead_letters").fetchone()
        states = store.execute("SELECT number, start, stop FROM transactions ORDER BY number").fetchall()
    assert queue == [("meter_values", 1), ("stop", 1)]
    assert letters == [
        ("meter_values", 2),
        ("stop", 2),
        ("start", 3),
        ("meter_values", 3),
        ("stop", 3),
        ("start", 4),
    ]
    assert reason.startswith("may have been sent already: the store was restored from the backup of ")
    assert states == [
        (1, "answered", "queued"),
        (2, "dead", "dead"),
        (3, "dead", "dead"),
        (4, "dead", "none"),
    ]


# --- what cannot be restored ------------------------------------------------------------------------


def refused(house, backup, match):
    house.live("CP9")
    before = {path.name: path.read_bytes() for path in house.directory.iterdir()}
    with pytest.raises(NotABackupError, match=match):
        house.restore(backup)
    after = {path.name: path.read_bytes() for path in house.directory.iterdir()}
    assert {**after, "lock": b""} == {**before, "lock": b""}


@pytest.mark.parametrize("content", [b"", b"something else", b"PK\x03\x04 cut off"])
def test_what_is_no_backup_is_refused(house, content):
    backup = house.folder / "backup.zip"
    backup.write_bytes(content)
    refused(house, backup, "is not a whole backup")


def test_an_archive_of_something_else_is_refused(house):
    backup = house.folder / "backup.zip"
    with zipfile.ZipFile(backup, "w") as whole:
        whole.writestr("readme.txt", "hello")
    refused(house, backup, "is not a whole backup")


@pytest.mark.parametrize("at", [0.3, 0.5, 0.9])
def test_a_damaged_backup_is_refused(house, at):
    house.live("CP1")
    backup = house.back_up()
    content = bytearray(backup.read_bytes())
    place = round(len(content) * at)
    content[place : place + 64] = bytes(byte ^ 0x55 for byte in content[place : place + 64])
    backup.write_bytes(content)
    refused(house, backup, "is not a|is damaged|not a store")


def rewritten(backup, change):
    """Write a backup anew with another manifest."""
    with zipfile.ZipFile(backup) as whole:
        contents = {name: whole.read(name) for name in whole.namelist()}
    manifest = json.loads(contents["manifest.json"])
    change(manifest, contents)
    contents["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(backup, "w") as whole:
        for name, content in contents.items():
            whole.writestr(name, content)


def test_a_backup_of_a_later_format_is_refused(house):
    house.live("CP1")
    backup = house.back_up()
    rewritten(backup, lambda manifest, _: manifest.update(format=2))
    refused(house, backup, "has format 2, this chargebridge knows up to 1")


@pytest.mark.parametrize("name", ["../store.sqlite3", "easee./x", "store.sqlite3-wal", "/tmp/x", "other"])
def test_a_file_that_does_not_belong_there_is_refused(house, name):
    house.live("CP1")
    backup = house.back_up()

    def change(manifest, contents):
        manifest["files"].append({"name": name, "driver": "easee"})
        contents[name] = b"x"

    rewritten(backup, change)
    refused(house, backup, "is not a backup of chargebridge|cannot be backed up under that name")


def test_a_store_of_a_later_schema_is_refused(house):
    house.live("CP1")
    with closing(sqlite3.connect(house.directory / STORE_FILE)) as store:
        store.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    backup = house.folder / "backup.sqlite3"
    backup.write_bytes((house.directory / STORE_FILE).read_bytes())
    with closing(sqlite3.connect(house.directory / STORE_FILE)) as store:
        store.execute(f"PRAGMA user_version = {len(STEPS)}")
    with pytest.raises(Exception, match="run a newer chargebridge"):
        house.restore(backup)
    assert house.identities() == ["CP1"]


def test_a_restore_beside_a_running_gateway_is_refused(house):
    house.live("CP1")
    backup = house.back_up()
    with StateDirectory(house.directory), pytest.raises(StateDirectoryInUseError):
        house.restore(backup)


def test_a_backup_never_overwrites_and_leaves_nothing_if_it_fails(house):
    house.live("CP1")
    backup = house.back_up()
    before = backup.read_bytes()
    with pytest.raises(FileExistsError):
        house.back_up()
    assert backup.read_bytes() == before
    (house.directory / STORE_FILE).unlink()
    with pytest.raises(StoreUnavailableError, match="no gateway has run"):
        house.back_up("other.zip")
    assert sorted(one.name for one in house.folder.iterdir()) == ["backup.zip", "gateway.toml", "state"]


# --- killed -----------------------------------------------------------------------------------------

RESTORE = """
import os, shutil, signal, sys
from pathlib import Path
from chargebridge.config import load
from chargebridge.gateway.backups import restore

folder, target = Path(sys.argv[1]), Path(sys.argv[2])
TOUCHES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "sqlite3.connect"}
counting = False
left = 0

def count(event, arguments):
    global left
    if counting and event in TOUCHES and "/state" in str(arguments[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
with restore(load(folder / "gateway.toml"), folder / "backup.zip") as warm:
    pass  # whatever is imported late is imported
status, fatal = None, 0
while status != 0:
    fatal += 1
    copy = target / str(fatal)
    shutil.copytree(folder, copy)
    child = os.fork()
    if not child:
        configuration = load(copy / "gateway.toml")
        left, counting = fatal, True
        with restore(configuration, copy / "backup.zip") as restoring:
            restoring.carry_out()
        counting = False
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
"""


def test_a_restore_that_is_killed_at_any_moment_can_be_run_again_and_starts_nothing_wrong(house, tmp_path):
    house.live("CP1")
    house.back_up()
    house.live("CP2")
    killed = tmp_path / "killed"
    killed.mkdir()
    subprocess.run([sys.executable, "-c", RESTORE, str(house.folder), str(killed)], check=True)
    copies = sorted(killed.iterdir(), key=lambda copy: int(copy.name))
    assert len(copies) > 20
    starts = []
    for copy in copies:
        place = House.__new__(House)
        place.folder, place.directory, place.path = copy, copy / "state", copy / "gateway.toml"
        place.configuration = load(place.path)
        known = read_generation(place.directory)
        if known.restoring:
            with pytest.raises(StoreOutdatedError, match="run it again"):
                check_directory(place.directory)
            starts.append("refused")
        else:
            check_directory(place.directory)
            starts.append("old" if place.identities() == ["CP1", "CP2"] else "restored")
        if starts[-1] == "restored":
            assert place.identities() == ["CP1"]
        else:
            place.restore(copy / "backup.zip")
            assert place.identities() == ["CP1"]
            assert place.remembered() == ["CP1"]
        found = [
            identity
            for aside in copy.glob("state/replaced-*/store.sqlite3")
            for (identity,) in sqlite3.connect(aside).execute("SELECT identity FROM charge_points")
        ]
        assert "CP2" in found  # nothing of before is gone
        place.live("CP3")
    assert starts == sorted(starts, key=["old", "refused", "restored"].index)
    assert set(starts) == {"old", "refused", "restored"}
