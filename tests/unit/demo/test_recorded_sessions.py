"""Sessions with the start of their record, which may have begun with a tap."""

import pytest
from msgspec.structs import replace

from chargebridge.chargers.model import SessionEnd
from chargebridge.chargers.simulator.ledger import FinishedSession
from chargebridge.demo.recorded_sessions import RecordedSessions
from chargebridge.emulators.easee_cloud import Beginning

pytestmark = pytest.mark.unit

SESSION = FinishedSession(
    serial="SIM1",
    session=1,
    id_tag="TAG1",
    started_at_ms=1_000,
    start_register_wh=100,
    stopped_at_ms=2_000,
    stop_register_wh=350,
    reason=SessionEnd.DEAUTHORIZED,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "beginnings.json"


def test_a_session_begins_with_its_record_and_is_the_same_else(path):
    records = RecordedSessions(path)
    records.learn([Beginning("SIM1", 1, 900), Beginning("SIM1", 2, 950), Beginning("SIM2", 1, 800)])
    assert list(records.recorded([SESSION])) == [replace(SESSION, started_at_ms=900)]


def test_without_a_record_before_it_a_session_is_the_chargers_own(path):
    assert list(RecordedSessions(path).recorded([SESSION])) == [SESSION]


def test_what_an_earlier_run_has_seen_counts(path):
    before = RecordedSessions(path)
    before.learn([Beginning("SIM1", 1, 900)])
    before.save()
    records = RecordedSessions(path)
    records.learn([Beginning("SIM1", 1, 1_000)])
    assert [one.started_at_ms for one in records.recorded([SESSION])] == [900]
