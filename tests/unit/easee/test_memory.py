"""What the driver remembers over restarts, and files that are none."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from chargebridge.chargers.easee.memory import Memory
from chargebridge.chargers.easee.twin.records import Ended, Gap, Running, Seen, TwinRecord

pytestmark = pytest.mark.unit

RECORD = TwinRecord(
    seen={109: Seen(5, "3")},
    running=Running(7, 1, 2, "TAG", reported=True),
    ended=Ended(6, 1, 2, 3, 4),
    gaps=[Gap(1, 3, 0, 1, 2, 3, 4, True)],
    reported=[5, 6],
    register_wh=12,
)


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "easee.sqlite3")
    memory.write([("EH1", msgspec.json.encode(RECORD)), ("EH2", msgspec.json.encode(TwinRecord()))])
    memory.save_document("tokens", b'{"a":1}')
    memory.close()
    memory = Memory(tmp_path / "easee.sqlite3")
    assert memory.records() == {"EH1": RECORD, "EH2": TwinRecord()}
    assert memory.document("tokens") == b'{"a":1}'
    assert memory.document("anything else") is None
    memory.close()


def test_the_file_is_nobody_elses_to_read(tmp_path: Path) -> None:
    path = tmp_path / "easee.sqlite3"
    path.touch(mode=0o644)
    Memory(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_none_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "easee.sqlite3"
    path.write_bytes(b"not a database, but long enough to look like one " * 100)
    with pytest.raises(ValueError, match=r"easee\.sqlite3 cannot be used.*move it away"):
        Memory(path)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "easee.sqlite3"
    Memory(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ValueError, match="schema version 99, expected 1"):
        Memory(path)


def test_a_charger_that_cannot_be_read_is_met_for_the_first_time_and_the_others_are_known(
    tmp_path: Path,
) -> None:
    memory = Memory(tmp_path / "easee.sqlite3")
    memory.write([("EH1", b'{"seen":7}'), ("EH2", msgspec.json.encode(RECORD))])
    assert memory.records() == {"EH2": RECORD}
    memory.close()
