"""What an operator reads in the log of what charge points notice."""

import pytest
from structlog.testing import capture_logs

from chargebridge.chargepoint.turn import ChargerAssigned, ChargerReported, Notice, NoticeKind
from chargebridge.chargers.model import Reachable, SessionEnd, SessionEnded, SessionStarted
from chargebridge.gateway.turns.outage_log import Topic
from chargebridge.gateway.turns.sink import Sink
from chargebridge.link import Endpoint

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


# --- central systems, registrations, drivers --------------------------------------------------------


def logged(bench, seconds=60):
    """Let time pass; return event, level, how many, and the reason of what was logged for operators."""
    with capture_logs() as log:
        bench.clock.advance(seconds)
        bench.settle()
    return [
        (entry["event"], entry["log_level"], entry.get("charge_points"), entry.get("reason"))
        for entry in log
        if entry["log_level"] != "debug"
    ]


FAILING, BACK = "links to central system failing", "links to central system back"


def test_a_central_system_that_is_away_is_one_line_and_its_return_another(bench):
    others = [bench.add(number) for number in range(2, 1001)]
    bench.settle()
    for binding in (bench.binding, *others):
        binding.link_failed("Connection refused")
    assert logged(bench) == [(FAILING, "warning", 1000, "Connection refused")]
    for binding in (bench.binding, *others):
        binding.link_failed("HTTP 503: Service Unavailable")
    assert logged(bench) == [(FAILING, "warning", 1000, "HTTP 503: Service Unavailable")]
    for binding in (bench.binding, *others):
        binding.link.open()
    bench.settle()
    assert (BACK, "info", 1000, None) in logged(bench, 10)


def test_links_that_open_and_break_again_are_one_line_and_their_end_another(bench):
    others = [bench.add(number) for number in range(2, 1001)]
    bench.settle()
    bindings = (bench.binding, *others)
    for binding in bindings:
        binding.link_unstable("closed by the central system: 1011")
    unstable, stable = "links to central system open and break again", "links to central system stable"
    assert logged(bench) == [(unstable, "warning", 1000, "closed by the central system: 1011")]
    for binding in bindings:
        binding.link.open()
        binding.link_unstable("closed by the central system: 1011")
    assert logged(bench) == []
    assert bench.runtime.outage_log.count(Topic.UNSTABLE_LINKS) == {bench.binding.central_system: 1000}
    for binding in bindings:
        binding.link_stable()
    assert (stable, "info", 1000, None) in logged(bench, 10)
    bench.binding.link_unstable("closed")
    bench.binding.forget_link()
    assert bench.runtime.outage_log.count(Topic.UNSTABLE_LINKS) == {bench.binding.central_system: 0}


def test_of_several_urls_the_log_names_the_one(bench):
    bench.link.endpoints = (Endpoint("ws://blue.example/ocpp"), Endpoint("ws://green.example/ocpp"))
    bench.binding.link_failed("Connection refused")
    assert logged(bench) == [(FAILING, "warning", 1, "ws://blue.example/ocpp: Connection refused")]


def test_a_link_that_was_deaf_is_back_with_a_message_and_not_when_it_is_open(bench):
    bench.boot()
    bench.tell(ChargerReported(SessionStarted(at_ms=T0_MS, session=1, id_tag="TAG", register_wh=500)))
    bench.settle()
    lines = logged(bench, 600)  # nobody answers the StartTransaction, nor the probe
    assert lines[0] == (FAILING, "warning", 1, "the central system answers nothing")
    bench.link.open()
    bench.settle()
    assert BACK not in {line[0] for line in logged(bench, 20)}
    bench.answer_all()
    assert (BACK, "info", 1, None) in logged(bench, 20)


def test_what_an_operator_takes_down_does_not_fail_any_more(bench):
    bench.binding.link_failed("Connection refused")
    logged(bench)
    bench.binding.forget_link()
    assert logged(bench) == []


def boot_answers(bench, answer, times=1):
    """Have the BootNotification answered like this, as often as it is sent."""
    lines = []
    for _ in range(times):
        bench.answer_all({"BootNotification": answer})
        lines += logged(bench, 31)
    return lines


REJECTED = {"status": "Rejected", "currentTime": "2026-01-02T10:00:00Z", "interval": 30}
PENDING = REJECTED | {"status": "Pending"}
ACCEPTED = REJECTED | {"status": "Accepted"}


def test_a_boot_that_is_not_accepted_is_one_line_until_it_changes(bench):
    bench.settle()
    bench.link.open()
    bench.settle()
    assert boot_answers(bench, REJECTED, 20) == [
        ("boots not accepted", "warning", 1, "boot_not_accepted: Rejected")
    ]
    assert boot_answers(bench, PENDING, 20) == [
        ("boots not accepted", "warning", 1, "boot_not_accepted: Pending")
    ]
    assert boot_answers(bench, ACCEPTED) == [("boots accepted", "info", 1, None)]
    assert bench.binding.charge_point.accepted


def boots(bench):
    return [frame[1] for frame in bench.link.said if frame[2] == "BootNotification"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((3, {"status": "Sure", "currentTime": "2026-01-02T10:00:00Z", "interval": 300}), "status"),
        ((3, {}), ""),
        ((4, "InternalError", "no database", {}), "call_failed: boot: InternalError: no database"),
        ((4, "NotSupported", "", {}), "call_failed: boot: NotSupported"),
    ],
)
def test_a_boot_answer_that_cannot_be_used_is_one_line_however_often_it_comes(bench, answer, reason):
    bench.settle()
    bench.link.open()
    bench.settle()
    lines = []
    answered = 0
    for _ in range(10):
        for id in boots(bench)[answered:]:
            bench.link.receive(answer[0], id, *answer[1:])
            bench.settle()
            answered += 1
        lines += logged(bench, 40)
    assert answered > 5
    assert [line[:3] for line in lines] == [("boots not accepted", "warning", 1)]
    assert reason in lines[0][3]
    assert boot_answers(bench, ACCEPTED) == [("boots accepted", "info", 1, None)]


def test_a_driver_without_its_cloud_is_one_line_and_its_return_another(bench):
    sink = Sink("easee", bench.runtime, lambda binding, info: None)
    sink.bindings = dict.fromkeys(("EH1", "EH2", "EH3"), bench.binding)
    with capture_logs() as log:
        for _ in range(5):
            sink.cloud_disconnected("HTTP 503")
            bench.clock.advance(60)
        sink.cloud_disconnected("throttled by the cloud (429)")
        bench.clock.advance(60)
        sink.cloud_connected()
        bench.clock.advance(60)
        sink.cloud_disconnected("HTTP 503")
        sink.close()
        bench.clock.advance(60)
    assert [(entry["event"], entry.get("reason"), entry["chargers"]) for entry in log] == [
        ("driver failing", "HTTP 503", 3),
        ("driver failing", "throttled by the cloud (429)", 3),
        ("driver back", None, 3),
    ]
    assert {entry["driver"] for entry in log} == {"easee"}


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
