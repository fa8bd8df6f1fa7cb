"""What an operator reads in the log of what charge points notice."""

import pytest
from structlog.testing import capture_logs

from chargebridge.chargepoint.turn import ChargerAssigned, ChargerReported, Notice, NoticeKind
from chargebridge.chargers.model import Reachable, SessionEnd, SessionEnded, SessionStarted

T0_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z
TODAY = 20_455  # days since 1970

PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
    },
}

pytestmark = pytest.mark.unit


def test_memory_that_must_be_spared_is_a_warning_with_the_remedy(bench):
    bench.boot()
    with capture_logs() as log:
        # What this charger keeps may not be written over any more.
        bench.tell(ChargerAssigned(0, 0, 0, profile_writes=((TODAY, 70),)))
        bench.tell(ChargerReported(Reachable(at_ms=T0_MS, reachable=True)))
        bench.settle()
        bench.link.receive(2, "x", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": PROFILE})
        bench.settle()
    (warning,) = (entry for entry in log if entry["log_level"] == "warning")
    assert (warning["event"], warning["charge_point"]) == ("write_budget_exceeded", "CP1")
    assert "DynamicChargerCurrent" in warning["detail"]


def test_what_goes_well_is_no_warning(bench):
    bench.boot()
    with capture_logs() as log:
        bench.tell(ChargerReported(SessionStarted(at_ms=T0_MS, session=1, id_tag="TAG", register_wh=500)))
        bench.settle()
    assert [(entry["event"], entry["log_level"]) for entry in log] == [("transaction_started", "debug")]


def test_a_message_that_is_given_up_is_a_warning_with_its_transaction_and_reason(bench):
    bench.boot()
    setting = {"key": "TransactionMessageAttempts", "value": "1"}
    bench.link.receive(2, "x", "ChangeConfiguration", setting)
    bench.settle()
    bench.link.said.clear()
    bench.tell(ChargerReported(SessionStarted(at_ms=T0_MS, session=1, id_tag="TAG", register_wh=500)))
    bench.settle()
    with capture_logs() as log:
        (id,) = (frame[1] for frame in bench.link.said if frame[2] == "StartTransaction")
        bench.link.receive(4, id, "InternalError", "no database", {})
        bench.settle()
    (warning,) = (entry for entry in log if entry["log_level"] == "warning")
    assert (warning["event"], warning["charge_point"]) == ("dead_letter", "CP1")
    assert warning["detail"] == "start of transaction 1, at attempt 1: InternalError: no database"


def test_a_session_that_was_rebuilt_is_a_warning_with_its_charge_point_and_energy(bench):
    bench.boot()
    missed = SessionEnded(
        at_ms=T0_MS,
        session=4,
        id_tag="MISSED",
        started_at_ms=T0_MS - 1000,
        start_register_wh=500,
        register_wh=1750,
        reason=SessionEnd.OTHER,
        rebuilt=True,
    )
    with capture_logs() as log:
        for _ in range(2):
            bench.tell(ChargerReported(missed))
            bench.settle()
    (warning,) = (entry for entry in log if entry["log_level"] == "warning")
    assert (warning["event"], warning["charge_point"]) == ("transaction_rebuilt", "CP1")
    assert warning["detail"] == "session 4: 1250 Wh"


@pytest.mark.parametrize(("others", "warnings"), [(["main"] * 3, 1), (["main", "other"], 2)])
def test_a_compatibility_is_named_once_for_each_central_system(bench, others, warnings):
    """All charge points of a fleet find the same out, within a minute."""
    emitter = bench.runtime.emitter
    notice = Notice(NoticeKind.COMPATIBILITY_ADVISED, 'set compatibility = ["first-edition"]')
    with capture_logs() as log:
        for central_system in others:
            bench.binding.central_system = central_system
            emitter.emit(bench.binding, [notice], None)
    assert [entry["log_level"] for entry in log].count("warning") == warnings
    assert emitter.notices[NoticeKind.COMPATIBILITY_ADVISED] == len(others)
