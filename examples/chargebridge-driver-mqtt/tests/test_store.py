"""What must survive a restart."""

import sqlite3
from pathlib import Path

import pytest
from chargebridge.drivers import Measured, SessionStarted, TokenPresented

from chargebridge_driver_mqtt.device import Record
from chargebridge_driver_mqtt.meter import Meter
from chargebridge_driver_mqtt.store import Store

RECORD = Record(meter=Meter(register_uwh=4_711_250_000, counter_uwh=1), sessions=7, connected=True)


def token(number: int) -> TokenPresented:
    return TokenPresented(at_ms=number, id_tag=f"TAG{number}")


def test_records_and_events_come_back(tmp_path: Path) -> None:
    path = tmp_path / "home.mqtt.sqlite3"
    store = Store(path)
    first, second = store.write("C1", RECORD, [token(1), token(2)])
    store.write("C2", Record(meter=Meter()), [token(3)])
    store.forget(first)
    store.close()
    assert path.stat().st_mode & 0o077 == 0
    store = Store(path)
    assert store.record("C1") == RECORD
    assert store.kept("C1") == [(second, token(2))]
    assert store.record("C3") is None
    store.forget_all("C1")
    assert (store.kept("C1"), len(store.kept("C2"))) == ([], 1)
    store.close()


def test_a_number_is_not_used_again_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    [first] = store.write("C1", RECORD, [token(1)])
    store.forget(first)
    store.close()
    store = Store(tmp_path / "s")
    assert store.write("C1", RECORD, [token(2)]) != [first]
    store.close()


def test_tokens_make_room_before_sessions() -> None:
    store = Store(None, most_kept=3)
    started = SessionStarted(at_ms=1, session=1, id_tag=None, register_wh=0)
    store.write("C1", RECORD, [started, *map(token, range(10))])
    assert [event for _, event in store.kept("C1")] == [started, token(8), token(9)]
    store.close()


def test_measurements_make_room_first(tmp_path: Path) -> None:
    store = Store(None, most_kept=3)
    measured = [Measured(at_ms=number, readings=(), session=1) for number in range(3)]
    store.write("C1", RECORD, [measured[0], token(1), measured[1], token(2), measured[2]])
    assert [event for _, event in store.kept("C1")] == [token(1), token(2), measured[2]]
    store.write("C1", RECORD, [token(3), token(4)])
    assert [event for _, event in store.kept("C1")] == [token(2), token(3), token(4)]
    store.close()


@pytest.mark.parametrize("content", ["no database, but long enough to be one" * 50, None])
def test_a_file_that_is_no_store_is_refused_and_left(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "s"
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
    else:
        path.write_text(content)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"cannot be used|schema version 99"):
        Store(path)
    assert path.read_bytes()[:15] == before[:15]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with pytest.raises(ValueError, match=r"cannot be opened.*; expected a file that can be written"):
        Store(tmp_path / "s")


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    store.write("C1", RECORD, [])
    store.close()
    with sqlite3.connect(tmp_path / "s") as database:
        database.execute("UPDATE charger SET record = '{}'")
    database.close()
    store = Store(tmp_path / "s")
    with pytest.raises(ValueError, match="charger 'C1' cannot be read"):
        store.record("C1")
    store.close()
