"""A charger that is only read: everything is shown, and no command is issued."""

import pytest

from chargebridge.chargepoint.turn import (
    ChargerDescribed,
    CommandCharger,
    Notice,
    NoticeKind,
    Operation,
    OperatorAnswered,
    OperatorAsked,
)
from chargebridge.chargers.model import Capability, ChargerInfo, ChargerState, ReportSessions

pytestmark = pytest.mark.unit

INFO = ChargerInfo(
    serial="EH1",
    vendor="Maker",
    model="Home",
    capabilities=frozenset({Capability.TEMPERATURE}),
    read_only=True,
)
REASON = "the driver is read-only (read_only = true)"


@pytest.fixture
def read_only(bench):
    bench.turn(ChargerDescribed(INFO))
    bench.ready()
    bench.outputs.clear()
    bench.commands.clear()
    return bench


def notices(bench):
    return [
        output.detail
        for output in bench.outputs
        if isinstance(output, Notice) and output.kind is NoticeKind.COMMAND_FAILED
    ]


def test_a_remote_start_is_rejected_at_once_and_the_log_says_why(read_only):
    read_only.state(ChargerState.AWAITING_TOKEN)
    read_only.settle()
    assert read_only.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}
    assert notices(read_only) == [f"RemoteStartTransaction: {REASON}"]
    assert read_only.commands == []


def test_a_transaction_is_shown_and_cannot_be_stopped(read_only):
    read_only.state(ChargerState.AWAITING_TOKEN)
    read_only.begin()
    read_only.state(ChargerState.CHARGING)
    said = read_only.serve()
    assert [payload["idTag"] for action, payload in said if action == "StartTransaction"] == ["TAG1"]
    number = read_only.cp.running.transaction_id
    stop = {"transactionId": number}
    assert read_only.ask("RemoteStopTransaction", stop) == {"status": "Rejected"}
    assert read_only.cp.state.stop_request is None
    read_only.turn(OperatorAsked(9, Operation.STOP_TRANSACTION))
    assert OperatorAnswered(9, accepted=False, detail=REASON) in read_only.outputs
    read_only.end()
    read_only.state(ChargerState.DISCONNECTED)
    assert "StopTransaction" in [action for action, _ in read_only.serve()]
    assert read_only.commands == []


def test_a_token_is_authorized_and_a_refused_one_changes_nothing_at_the_charger(read_only):
    read_only.state(ChargerState.AWAITING_TOKEN)
    read_only.settle()
    for status in ("Accepted", "Invalid"):
        read_only.token("TAG1")
        read_only.answer({"idTagInfo": {"status": status}})
        read_only.wait(120, answering=True)
    assert read_only.commands == []


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
        ("Reset", {"type": "Hard"}),
    ],
)
def test_what_would_have_to_be_written_is_rejected(read_only, action, payload):
    assert read_only.ask(action, payload) == {"status": "Rejected"}
    read_only.wait(3600, answering=True)
    assert read_only.commands == []


def test_settings_and_limits_are_not_issued_and_no_log_is_flooded(read_only):
    read_only.ask("ChangeConfiguration", {"key": "LocalAuthorizeOffline", "value": "false"})
    read_only.reachable(False)
    read_only.reachable()
    read_only.wait(86_400, answering=True)
    assert read_only.commands == []
    assert notices(read_only) == []


def test_what_was_desired_before_is_forgotten_and_desired_again_when_it_may_be_written(ready):
    ready.commands.clear()
    ready.reachable(False)
    ready.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
    ready.ask("ChangeConfiguration", {"key": "LocalAuthorizeOffline", "value": "false"})
    ready.turn(ChargerDescribed(INFO))
    ready.reachable()
    ready.wait(3600, answering=True)
    assert ready.commands == []
    everything = ChargerInfo(serial="EH1", vendor="Maker", model="Home", capabilities=frozenset(Capability))
    ready.turn(ChargerDescribed(everything))
    kinds = {type(command).__name__ for command in ready.commands}
    assert {"SetAvailable", "Configure"} <= kinds


def test_sessions_are_reported_again_all_the_same(read_only):
    read_only.state(ChargerState.AWAITING_TOKEN)
    read_only.begin()
    read_only.state(ChargerState.CHARGING)
    read_only.settle()
    read_only.state(ChargerState.DISCONNECTED)
    read_only.wait(200, answering=True)
    sent = [output.command for output in read_only.outputs if isinstance(output, CommandCharger)]
    assert {type(command) for command in sent} == {ReportSessions}
