"""Transactions: their edges, the cable, the car's side, power cuts and restarts (`TX-*`, `Q-7`)."""

import pytest

from chargebridge.chargers.model import (
    Authorize,
    Capability,
    ChargerState,
    Configure,
    EndSession,
    Reachable,
    SessionEnd,
    SessionEnded,
)
from chargebridge.chargers.simulator.hardware.car import Car
from chargebridge.chargers.simulator.hardware.charger import SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerSettings

pytestmark = pytest.mark.unit

S = ChargerState


@pytest.fixture
def ready(new_bench):
    return new_bench("ocpp16").ready()


@pytest.fixture
def charging(ready):
    return ready.charging()


def key(bench, name):
    (found,) = bench.ask("GetConfiguration", {"key": [name]})["configurationKey"]
    return found["value"], found["readonly"]


def actions(bench):
    return [action for action, _ in bench.serve()]


class TestEdges:
    def test_tx_8_it_begins_when_there_are_both_a_token_and_a_car(self, ready):
        ready.token()
        assert actions(ready) == ["Authorize", "StatusNotification"]
        ready.state(S.AWAITING_START)
        assert actions(ready) == []
        ready.begin()
        assert actions(ready) == ["StatusNotification", "StartTransaction"]

    @pytest.mark.parametrize("reason", [SessionEnd.DEAUTHORIZED, SessionEnd.EV_DISCONNECTED])
    def test_tx_8_it_ends_when_the_token_or_the_car_is_gone(self, charging, reason):
        charging.end(reason=reason)
        assert "StopTransaction" in actions(charging)

    def test_tx_8_a_pause_ends_nothing(self, charging):
        charging.state(S.READY)
        charging.state(S.AWAITING_START)
        assert actions(charging) == ["StatusNotification", "StatusNotification"]

    def test_tx_8_there_is_one_at_a_time(self, charging):
        assert charging.ask("RemoteStartTransaction", {"idTag": "TAG2"}) == {"status": "Rejected"}

    def test_tx_5_the_answer_to_the_start_is_remembered_of_its_token(self, ready):
        ready.begin()
        while ready.open_call[1] != "StartTransaction":
            ready.answer()
        info = {"status": "Accepted", "parentIdTag": "FAMILY", "expiryDate": "2026-02-01T00:00:00Z"}
        ready.answer({"transactionId": 7, "idTagInfo": info})
        token = ready.store.cached["tag1"]
        assert (token.status, token.parent_id_tag, token.expires_ms) == (
            "Accepted",
            "FAMILY",
            1_769_904_000_000,
        )


class TestCable:
    @pytest.fixture
    def outlet(self, charging):
        """The same session at a simulated charger that locks its cable."""
        charger = SimulatedCharger.installed(ChargerSettings(serial="SIM1"), charging.utc_ms)
        charger.plug_in(Car(battery_wh=50_000, charged_uj=0, max_current_a=16, phases=3), charging.utc_ms)
        expires_ms = charging.utc_ms + 60_000
        charger.carry_out(
            Authorize(number=1, expires_ms=expires_ms, id_tag="TAG1", accepted=True), charging.utc_ms
        )
        assert charger.record.locked
        return charger

    def test_tx_12_a_normal_stop_releases_it(self, charging, outlet):
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        (command,) = charging.asked(EndSession)
        outlet.carry_out(command, charging.utc_ms)
        assert (outlet.record.session, outlet.record.locked) == (None, False)

    def test_tx_12_so_does_its_owner_at_the_reader(self, charging, outlet):
        charging.token("TAG1")
        (command,) = charging.asked(EndSession)
        outlet.carry_out(command, charging.utc_ms)
        assert (outlet.record.session, outlet.record.locked) == (None, False)


class TestUnpluggedAtTheCar:
    def test_tx_14_the_transaction_is_stopped_and_its_finishing_says_why(self, charging):
        charging.end(reason=SessionEnd.EV_DISCONNECTED)
        charging.state(S.DISCONNECTED)
        said = charging.serve()
        (stop,) = [payload for action, payload in said if action == "StopTransaction"]
        assert stop["reason"] == "EVDisconnected"
        assert [
            (payload["status"], payload["errorCode"], payload.get("info"))
            for action, payload in said
            if action == "StatusNotification"
        ] == [("Finishing", "NoError", "EV side disconnected"), ("Available", "NoError", None)]

    def test_tx_14_also_when_the_charger_tells_of_the_unplugging_first(self, charging):
        charging.state(S.DISCONNECTED)
        charging.end(reason=SessionEnd.EV_DISCONNECTED)
        charging.settle()
        assert charging.statuses() == ["1 Finishing EV side disconnected", "1 Available"]

    def test_tx_14_another_car_that_has_come_meanwhile_prepares(self, charging):
        began_ms = charging.utc_ms
        charging.live(120)
        charging.state(S.AWAITING_TOKEN)
        charging.tell(
            SessionEnded(
                at_ms=charging.utc_ms - 60_000,
                session=1,
                id_tag="TAG1",
                started_at_ms=began_ms,
                start_register_wh=1000,
                register_wh=1500,
                reason=SessionEnd.EV_DISCONNECTED,
            )
        )
        charging.settle()
        assert charging.statuses() == ["1 Finishing EV side disconnected", "1 Preparing"]
        charging.wait(120, answering=True)
        assert charging.statuses() == ["1 Finishing"]

    def test_tx_14_any_other_end_finishes_without_a_word(self, charging):
        charging.end(reason=SessionEnd.DEAUTHORIZED)
        charging.settle()
        assert charging.statuses() == ["1 Finishing"]

    def test_tx_14_the_next_car_has_nothing_of_it(self, charging):
        charging.end(reason=SessionEnd.EV_DISCONNECTED)
        charging.state(S.DISCONNECTED)
        charging.settle()
        charging.state(S.AWAITING_TOKEN)
        charging.statuses()
        charging.live(121)
        charging.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})
        assert charging.statuses() == ["1 Finishing"]

    def test_tx_14_nor_has_the_next_session_of_the_same_cable(self, charging):
        charging.end(reason=SessionEnd.EV_DISCONNECTED)
        charging.begin(session=2, register_wh=1500)
        charging.settle()
        charging.statuses()
        charging.end(reason=SessionEnd.DEAUTHORIZED)
        charging.settle()
        assert charging.statuses() == ["1 Finishing"]

    def test_tx_14_it_is_said_again_after_a_reconnect(self, charging):
        charging.end(reason=SessionEnd.EV_DISCONNECTED)
        charging.settle()
        charging.said()
        charging.restart()
        charging.boot()
        charging.link_down()
        charging.link_up()
        charging.settle()
        assert charging.statuses() == ["0 Available", "1 Finishing EV side disconnected"]

    def test_tx_14_the_central_system_is_told_only_the_present_if_it_was_away(self, charging):
        charging.link_down()
        charging.state(S.DISCONNECTED)
        charging.end(reason=SessionEnd.EV_DISCONNECTED)
        charging.link_up()
        charging.settle()
        assert charging.statuses() == ["0 Available", "1 Available"]

    @pytest.mark.parametrize(("written", "stays_locked"), [("true", False), ("false", True)])
    def test_tx_15_the_cable_is_released_at_the_charger_too_if_so_configured(
        self, charging, written, stays_locked
    ):
        for value in ("true", written):
            charging.ask("ChangeConfiguration", {"key": "UnlockConnectorOnEVSideDisconnect", "value": value})
        rules = charging.asked(Configure)[-1]
        outlet = SimulatedCharger.installed(ChargerSettings(serial="SIM1"), charging.utc_ms)
        outlet.carry_out(rules, charging.utc_ms)
        outlet.plug_in(Car(battery_wh=50_000, charged_uj=0, max_current_a=16, phases=3), charging.utc_ms)
        outlet.let_charge("TAG1", charging.utc_ms)
        outlet.unplug(charging.utc_ms)
        assert outlet.record.locked is stays_locked

    def test_tx_15_a_fixed_cable_cannot_be_released(self, new_bench):
        bench = new_bench("ocpp16", capabilities=frozenset(Capability) - {Capability.UNLOCK}).ready()
        change = {"key": "UnlockConnectorOnEVSideDisconnect", "value": "true"}
        assert bench.ask("ChangeConfiguration", change) == {"status": "Rejected"}
        assert key(bench, "UnlockConnectorOnEVSideDisconnect")[0] == "false"

    @pytest.mark.parametrize("preset", ["easee", "easee-1.8", "ocpp16"])
    def test_tx_16_that_it_is_stopped_cannot_be_switched_off(self, new_bench, preset):
        bench = new_bench(preset).ready()
        assert key(bench, "StopTransactionOnEVSideDisconnect") == ("true", True)
        change = {"key": "StopTransactionOnEVSideDisconnect", "value": "false"}
        assert bench.ask("ChangeConfiguration", change) == {"status": "Rejected"}


class TestPowerCutsAndRestarts:
    def test_tx_17_a_power_cut_at_the_charger_that_ended_the_session(self, charging):
        charging.reachable(False)
        at_ms = charging.utc_ms + 60_000
        charging.wait(3600, answering=True)
        charging.tell(Reachable(at_ms=charging.utc_ms, reachable=True))
        charging.tell(
            SessionEnded(
                at_ms=at_ms,
                session=1,
                id_tag="TAG1",
                started_at_ms=at_ms - 60_000,
                start_register_wh=1000,
                register_wh=1200,
                reason=SessionEnd.POWER_LOSS,
            )
        )
        (stop,) = [payload for action, payload in charging.serve() if action == "StopTransaction"]
        assert stop == {
            "transactionId": 7,
            "meterStop": 1200,
            "timestamp": "2026-01-02T10:01:01.000Z",
            "reason": "PowerLoss",
        }

    def test_tx_17_a_session_that_outlives_the_outage_goes_on(self, charging):
        charging.reachable(False)
        charging.wait(60, answering=True)
        charging.reachable()
        charging.charger_restarts()
        charging.state(S.CHARGING)
        assert "StopTransaction" not in actions(charging)
        assert charging.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Accepted"}

    def test_q_7_the_queue_outlives_the_process(self, charging):
        charging.link_down()
        charging.end()
        charging.begin(session=2, id_tag="TAG2", register_wh=1500)
        charging.end(2000)
        charging.restart()
        said = [call for call in charging.boot() if call[0].endswith("Transaction")]
        assert [
            (action, payload.get("meterStop"), payload.get("meterStart")) for action, payload in said
        ] == [
            ("StopTransaction", 1500, None),
            ("StartTransaction", None, 1500),
            ("StopTransaction", 2000, None),
        ]

    def test_q_7_a_message_that_was_on_its_way_is_sent_again(self, charging):
        charging.end()
        while charging.open_call[1] != "StopTransaction":
            charging.answer()
        charging.said()
        charging.restart()
        assert "StopTransaction" in [action for action, _ in charging.boot()]
