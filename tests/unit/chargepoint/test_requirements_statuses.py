"""Late answers, connectors, short and double statuses (`RPC-6`, `CON-1`, `ST-2`, `ST-3`, `ST-9`)."""

import pytest

from chargebridge.chargers.model import Authorize, ChargerState, Fault, SetLimit, StateChanged
from chargebridge.chargers.simulator.hardware.car import Car
from chargebridge.chargers.simulator.hardware.charger import SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerSettings

pytestmark = pytest.mark.unit

S = ChargerState


@pytest.fixture
def ready(new_bench):
    return new_bench("ocpp16").ready()


def key(bench, name):
    answer = bench.ask("GetConfiguration", {"key": [name]})
    return answer["configurationKey"][0]["value"] if "configurationKey" in answer else None


def inoperative(bench, connector):
    bench.ask("ChangeAvailability", {"connectorId": connector, "type": "Inoperative"})
    bench.settle()
    bench.said()


class TestTimeOut:
    def test_rpc_6_is_as_configured_and_told(self, new_bench):
        assert key(new_bench("ocpp16", call_timeout_s=20.0).ready(), "MessageTimeout") == "20"

    def test_rpc_6_an_attempt_has_failed_once_a_heartbeat_was_answered_after_it(self, new_bench):
        bench = new_bench("ocpp16", call_timeout_s=20.0).ready()
        bench.begin()
        while bench.open_call[1] != "StartTransaction":
            bench.answer()
        bench.said()
        bench.wait(19)
        assert bench.said() == []
        bench.wait(1)
        assert bench.serve() == [("Heartbeat", {})]
        assert bench.store.queue[1].attempts == 1
        assert [action for action, _ in bench.live(60) if action == "StartTransaction"] == [
            "StartTransaction"
        ]


class TestConnectors:
    def test_con_1_there_is_one_and_0_is_the_charge_point(self, ready):
        assert key(ready, "NumberOfConnectors") == "1"
        ready.said()
        ready.link_down()
        ready.link_up()
        ready.settle()
        assert ready.statuses() == ["0 Available", "1 Available"]

    def test_con_1_a_command_to_0_is_for_all_of_it(self, ready):
        ready.statuses()
        ready.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
        ready.settle()
        assert ready.statuses() == ["0 Unavailable", "1 Unavailable"]

    def test_con_1_transactions_are_on_1(self, ready):
        ready.begin()
        (start,) = [payload for action, payload in ready.serve() if action == "StartTransaction"]
        assert start["connectorId"] == 1


class TestMinimumStatusDuration:
    def test_st_2_however_short_a_status_is_told(self, ready):
        ready.statuses()
        for state in (S.AWAITING_TOKEN, S.FAULTED, S.DISCONNECTED):
            ready.state(state)
        ready.settle()
        assert ready.statuses() == ["1 Preparing", "1 Faulted OtherError", "1 Available"]

    def test_st_2_the_optional_key_is_not_offered(self, ready):
        assert key(ready, "MinimumStatusDuration") is None
        change = {"key": "MinimumStatusDuration", "value": "10"}
        assert ready.ask("ChangeConfiguration", change) == {"status": "NotSupported"}


def test_st_3_where_neither_side_wants_to_charge_it_is_the_charger_that_suspends(ready):
    at_ms = ready.utc_ms
    charger = SimulatedCharger.installed(ChargerSettings(serial="SIM1"), at_ms)
    charger.plug_in(Car(battery_wh=50_000, charged_uj=0, max_current_a=16, phases=3), at_ms)
    charger.carry_out(Authorize(number=1, expires_ms=at_ms + 1, id_tag="TAG1", accepted=True), at_ms)
    charger.pause_car(at_ms)
    charger.carry_out(SetLimit(number=2, expires_ms=at_ms + 1, limit_ma=0), at_ms)
    ready.charging()
    for event in charger.take_events():
        if isinstance(event, StateChanged):
            ready.wait(1)
            ready.tell(StateChanged(at_ms=ready.utc_ms, state=event.state))
    ready.settle()
    assert ready.statuses()[-2:] == ["1 SuspendedEV", "1 SuspendedEVSE"]


class TestUnavailable:
    @pytest.mark.parametrize("connector", [0, 1])
    def test_st_9_outlives_a_restart_of_the_gateway(self, ready, connector):
        inoperative(ready, connector)
        ready.restart()
        ready.boot()
        ready.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})
        assert ready.statuses() == ["1 Unavailable"]

    def test_st_9_outlives_a_reset(self, ready):
        inoperative(ready, 1)
        ready.ask("Reset", {"type": "Hard"})
        ready.link_up()
        ready.settle()
        assert ready.statuses() == ["0 Available", "1 Unavailable"]

    def test_st_9_is_also_what_a_charger_is_that_nobody_has_seen_yet(self, bench):
        bench.link_up()
        bench.settle()
        assert bench.statuses() == ["0 Unavailable", "1 Unavailable"]


class TestReasons:
    """`ST-4`: the reason of a pause goes as vendorErrorCode; one that changes alone has to settle."""

    @pytest.fixture
    def paused(self, charging):
        charging.state(ChargerState.AWAITING_START, "Plan")
        charging.settle()
        assert charging.statuses() == ["1 SuspendedEVSE Plan"]
        return charging

    @pytest.mark.parametrize("reasons", [("Limit", "Plan"), ("Limit", "", "Plan"), ("Limit", "Plan") * 20])
    def test_st_4_a_reason_that_is_the_old_one_again_is_reported_once(self, paused, reasons):
        for reason in reasons:
            paused.wait(0.01, answering=True)
            paused.state(ChargerState.AWAITING_START, reason)
            paused.settle()
        paused.live(60)
        assert paused.statuses() == []

    def test_st_4_another_reason_is_reported_when_it_has_settled(self, paused):
        paused.wait(1)
        paused.state(ChargerState.AWAITING_START, "Limit")
        paused.wait(4.9)
        assert paused.statuses() == []
        paused.wait(0.1, answering=True)
        assert paused.statuses() == ["1 SuspendedEVSE Limit"]
        paused.live(60)
        assert paused.statuses() == []

    def test_st_4_reasons_that_never_settle_are_reported_all_the_same(self, paused):
        for number in range(100):
            paused.wait(0.1, answering=True)
            paused.state(ChargerState.AWAITING_START, f"Reason {number}")
        assert len(paused.statuses()) == 1

    @pytest.mark.parametrize("state", [ChargerState.CHARGING, ChargerState.READY])
    def test_st_4_another_status_waits_for_nothing(self, paused, state):
        paused.wait(1)
        paused.state(ChargerState.AWAITING_START, "Limit")
        paused.wait(1)
        paused.state(state)
        (report,) = paused.statuses()
        assert report in {"1 Charging", "1 SuspendedEV"}
        paused.settle()
        paused.live(60)
        assert paused.statuses() == []

    def test_st_4_a_fault_waits_for_nothing(self, paused):
        paused.wait(1)
        paused.state(ChargerState.AWAITING_START, "Limit", fault=Fault.WEAK_SIGNAL)
        assert paused.statuses() == ["1 SuspendedEVSE WeakSignal Limit"]

    def test_st_4_a_triggered_status_has_the_reason_of_now(self, paused):
        paused.wait(1)
        paused.state(ChargerState.AWAITING_START, "Limit")
        paused.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})
        assert paused.statuses() == ["1 SuspendedEVSE Limit"]
