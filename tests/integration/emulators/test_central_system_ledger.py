"""The ledger of the central system, across kills and restarts."""

import sqlite3
import subprocess
import sys

import pytest

from chargebridge.emulators.central_system.ledger import (
    ChargePoint,
    Connector,
    Ledger,
    LedgerError,
    StopOutcome,
    Transaction,
)

pytestmark = pytest.mark.integration

KILLED = """
import os, pathlib, signal, sys
from chargebridge.emulators.central_system.ledger import ChargePoint, Ledger
ledger = Ledger(pathlib.Path(sys.argv[1]))
ledger.record_boot(ChargePoint("CP-1", registration="Accepted"))
ledger.record_start("CP-1", 1, "TAG", 100, 1000)
ledger.commit()
ledger.record_start("CP-1", 2, "TAG", 0, 2000)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def reopened(ledger: Ledger) -> Ledger:
    ledger.commit()
    ledger.close()
    return Ledger(ledger.path)


def test_everything_is_there_after_a_restart(path):
    ledger = Ledger(path)
    boot = ChargePoint("CP-1", "Accepted", 0, "Vendor", "Model", "S1", "1.0", 5)
    ledger.record_boot(boot)
    ledger.record_boot(boot)
    status = Connector("CP-1", 1, "Charging", "NoError", "info", 7)
    ledger.record_status(status)
    ledger.record_event("CP-1", "Heartbeat")
    ledger.record_event("CP-1", "Heartbeat")
    ledger.record_start("CP-1", 1, "TAG", 100, 1000)
    ledger.record_register(1, 150.5, 2000)
    ledger.record_meter_values(1)
    ledger.record_stop(1, 300, 3000, "Remote", "TAG")
    again = reopened(ledger)
    assert again.charge_points() == [ChargePoint("CP-1", "Accepted", 2, "Vendor", "Model", "S1", "1.0", 5)]
    assert again.connector("CP-1", 1) == status
    assert again.event_counts("CP-1") == {"Heartbeat": 2}
    assert again.transactions() == [
        Transaction(1, "CP-1", 1, "TAG", 100, 1000, 300, 3000, "Remote", "TAG", 0, 0, 1, 150.5, 2000)
    ]
    assert again.transactions()[0].energy_wh == 200
    again.close()


def test_a_repeated_start_is_the_same_transaction_after_a_restart_too(path):
    ledger = Ledger(path)
    assert ledger.record_start("CP-1", 1, "TAG", 100, 1000).id == 1
    assert ledger.record_start("CP-1", 1, "TAG", 100, 1000).id == 1
    again = reopened(ledger)
    assert again.record_start("CP-1", 1, "TAG", 100, 1000).start_repeats == 2
    assert again.record_start("CP-1", 1, "TAG", 100, 1001).id == 2
    again.close()


@pytest.mark.parametrize(
    "other", [("CP-2", 1, "TAG", 100, 1000), ("CP-1", 2, "TAG", 100, 1000), ("CP-1", 1, "TAH", 100, 1000)]
)
def test_a_start_that_differs_is_another_transaction(other):
    ledger = Ledger()
    ledger.record_start("CP-1", 1, "TAG", 100, 1000)
    assert ledger.record_start(*other).id == 2


def test_a_repeated_stop_is_counted_and_a_different_one_changes_nothing(path):
    ledger = Ledger(path)
    ledger.record_start("CP-1", 1, "TAG", 100, 1000)
    assert ledger.record_stop(1, 300, 3000, None, None) is StopOutcome.RECORDED
    again = reopened(ledger)
    assert again.record_stop(1, 300, 3000, None, None) is StopOutcome.REPEATED
    assert again.record_stop(1, 301, 3000, None, None) is StopOutcome.CONTRADICTED
    transaction = again.transaction(1)
    assert (transaction.meter_stop_wh, transaction.stop_repeats) == (300, 2)
    again.close()


def test_the_latest_transaction_of_a_connector_is_known(path):
    ledger = Ledger(path)
    ledger.record_start("CP-1", 1, "TAG", 100, 1000)
    ledger.record_start("CP-1", 1, "TAG", 200, 2000)
    ledger.record_start("CP-1", 1, "TAG", 100, 1000)
    again = reopened(ledger)
    assert again.latest_transaction("CP-1", 1).id == 2
    assert again.latest_transaction("CP-1", 2) is None
    again.close()


def test_a_kill_keeps_what_was_committed_and_nothing_else(path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=30)
    assert killed.returncode == -9
    ledger = Ledger(path)
    assert [transaction.connector_id for transaction in ledger.transactions()] == [1]
    assert ledger.charge_point("CP-1").registration == "Accepted"
    assert ledger.record_start("CP-1", 1, "TAG", 100, 1000).id == 1
    ledger.close()


def test_a_failed_commit_keeps_everything_pending(path):
    ledger = Ledger(path)
    ledger.record_start("CP-1", 1, "TAG", 100, 1000)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("DROP TABLE events")
        ledger.record_event("CP-1", "StartTransaction")
        with pytest.raises(sqlite3.OperationalError, match="events"):
            ledger.commit()
        assert other.execute("SELECT count(*) FROM transactions").fetchone() == (0,)
        other.execute("CREATE TABLE events (identity, action, count, PRIMARY KEY (identity, action))")
        ledger.commit()
        assert other.execute("SELECT count(*) FROM transactions").fetchone() == (1,)
    other.close()
    ledger.close()


def test_a_ledger_of_another_version_is_refused(path):
    Ledger(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version=2")
    other.close()
    with pytest.raises(LedgerError, match="has version 2, this program supports 1"):
        Ledger(path)


def test_a_file_that_is_no_ledger_is_refused(path):
    path.write_bytes(b"certainly no SQLite file" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite: file is not a database"):
        Ledger(path)


def test_a_directory_that_is_missing_is_refused(tmp_path):
    with pytest.raises(LedgerError, match="unable to open"):
        Ledger(tmp_path / "absent" / "ledger.sqlite")
