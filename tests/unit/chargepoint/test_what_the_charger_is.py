"""What a driver says of a charger, and that a charge point stays the same while the driver is away."""

import pytest
from msgspec import structs

from chargebridge.chargepoint.turn import ChargerDescribed, ChargerReleased
from chargebridge.chargers.model import Capability, ChargerInfo, ChargerState, Configure, SetAvailable

pytestmark = pytest.mark.unit

ALL = frozenset(Capability)
INFO = ChargerInfo(
    serial="EH9", vendor="Easee", model="Home", firmware="289", phases=1, max_current_a=20, capabilities=ALL
)


def value(bench, key):
    found = bench.ask("GetConfiguration", {"key": [key]})
    return found["configurationKey"][0]["value"] if "configurationKey" in found else None


@pytest.fixture
def unknown(new_bench):
    """A charge point whose driver has said nothing yet."""
    return new_bench("easee", capabilities=frozenset(), configuration={"freecharging": "true"})


def test_it_goes_into_the_boot_where_the_configuration_leaves_it_open(new_bench):
    bench = new_bench("easee", capabilities=frozenset(), vendor="", model="Mine")
    bench.turn(ChargerDescribed(INFO))
    ((_, boot), *_) = bench.boot()
    assert (boot["chargePointVendor"], boot["chargePointModel"]) == ("Easee", "Mine")
    assert boot["firmwareVersion"] == "289"


class TestFirstContact:
    """`BOOT-1`: what a first BootNotification says stays in the inventory of the central system."""

    @pytest.fixture
    def undescribed(self, new_bench):
        return new_bench("easee", capabilities=frozenset(), vendor="", model="Mine")

    @staticmethod
    def boots(bench):
        said = bench.serve()
        return [
            (payload["chargePointVendor"], payload["chargePointModel"])
            for action, payload in said
            if action == "BootNotification"
        ]

    def test_boot_1_the_first_boot_waits_for_the_description(self, undescribed):
        undescribed.link_up()
        undescribed.wait(59)
        assert undescribed.said() == []
        undescribed.turn(ChargerDescribed(INFO))
        assert self.boots(undescribed) == [("Easee", "Mine")]
        undescribed.wait(200)
        assert self.boots(undescribed) == []

    def test_boot_1_it_goes_out_at_once_if_the_driver_was_quicker(self, undescribed):
        undescribed.turn(ChargerDescribed(INFO))
        undescribed.link_up()
        assert self.boots(undescribed) == [("Easee", "Mine")]

    def test_boot_1_a_driver_that_is_away_holds_it_for_a_minute(self, undescribed):
        undescribed.link_up()
        undescribed.wait(59)
        assert undescribed.said() == []
        undescribed.wait(1)
        assert self.boots(undescribed) == [("chargebridge", "Mine")]

    def test_boot_1_described_later_it_boots_again(self, undescribed):
        undescribed.reachable()
        undescribed.state(ChargerState.DISCONNECTED)
        undescribed.link_up()
        undescribed.wait(60)
        assert self.boots(undescribed) == [("chargebridge", "Mine")]
        undescribed.turn(ChargerDescribed(INFO))
        assert undescribed.open_call[1] == "BootNotification"
        assert self.boots(undescribed) == [("Easee", "Mine")]
        assert undescribed.cp.accepted

    def test_boot_1_described_while_the_first_boot_is_unanswered_it_boots_again(self, undescribed):
        undescribed.link_up()
        undescribed.wait(60)
        undescribed.turn(ChargerDescribed(INFO))
        assert self.boots(undescribed) == [("chargebridge", "Mine"), ("Easee", "Mine")]

    @pytest.mark.parametrize("status", ["Pending", "Rejected"])
    def test_boot_1_described_while_not_registered_it_boots_again(self, undescribed, status):
        undescribed.link_up()
        undescribed.wait(60)
        undescribed.answer({"status": status, "currentTime": "2026-01-02T10:00:00Z", "interval": 86400})
        undescribed.said()
        undescribed.turn(ChargerDescribed(INFO))
        assert self.boots(undescribed) == [("Easee", "Mine")]

    def test_boot_1_described_while_offline_it_boots_again_with_the_next_connection(self, undescribed):
        undescribed.link_up()
        undescribed.wait(60)
        undescribed.serve()
        undescribed.link_down()
        undescribed.turn(ChargerDescribed(INFO))
        undescribed.link_up()
        assert self.boots(undescribed) == [("Easee", "Mine")]

    def test_boot_1_a_description_that_changes_nothing_of_it_boots_nothing(self, undescribed):
        undescribed.turn(ChargerDescribed(INFO))
        undescribed.boot()
        undescribed.said()
        undescribed.turn(ChargerDescribed(structs.replace(INFO, capabilities=frozenset(), max_current_a=10)))
        assert undescribed.said() == []

    def test_boot_1_another_model_is_reported(self, new_bench):
        bench = new_bench("easee", capabilities=frozenset(), vendor="", model="")
        bench.turn(ChargerDescribed(INFO))
        bench.boot()
        bench.said()
        bench.turn(ChargerDescribed(structs.replace(INFO, model="Max")))
        assert self.boots(bench) == [("Easee", "Max")]

    def test_boot_1_connections_that_break_do_not_begin_the_wait_again(self, undescribed):
        undescribed.link_up()
        undescribed.wait(40)
        undescribed.link_down()
        undescribed.link_up()
        undescribed.wait(19)
        assert undescribed.said() == []
        undescribed.wait(1)
        assert self.boots(undescribed) == [("chargebridge", "Mine")]

    def test_boot_1_a_wait_that_ended_while_offline_is_over(self, undescribed):
        undescribed.link_up()
        undescribed.link_down()
        undescribed.wait(60)
        undescribed.link_up()
        assert self.boots(undescribed) == [("chargebridge", "Mine")]

    def test_boot_1_calls_are_answered_meanwhile(self, undescribed):
        undescribed.link_up()
        assert undescribed.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Rejected"}
        assert "configurationKey" in undescribed.ask("GetConfiguration")
        assert undescribed.said() == []

    @pytest.mark.parametrize(
        "settings", [{"charger": ""}, {"vendor": "Maker", "model": "Mine"}], ids=["no charger", "configured"]
    )
    def test_boot_1_where_nothing_would_be_learned_nothing_is_waited_for(self, new_bench, settings):
        bench = new_bench("easee", capabilities=frozenset(), **{"vendor": "", "model": "", **settings})
        bench.link_up()
        assert len(self.boots(bench)) == 1

    def test_boot_1_one_that_has_lost_its_charger_waits_for_nothing(self, undescribed):
        undescribed.turn(ChargerReleased())
        undescribed.link_up()
        assert len(self.boots(undescribed)) == 1

    def test_boot_1_one_that_loses_its_charger_waits_no_longer(self, undescribed):
        undescribed.link_up()
        undescribed.turn(ChargerReleased())
        assert len(self.boots(undescribed)) == 1

    def test_boot_1_a_described_charger_boots_at_once_after_a_restart(self, undescribed):
        undescribed.turn(ChargerDescribed(INFO))
        undescribed.restart()
        undescribed.link_up()
        assert self.boots(undescribed) == [("Easee", "Mine")]

    def test_boot_1_nobody_has_said_what_it_is(self, new_bench):
        bench = new_bench("easee", capabilities=frozenset(), vendor="", model="")
        bench.link_up()
        bench.wait(60)
        assert self.boots(bench) == [("chargebridge", "Virtual")]


def test_what_it_can_do_is_offered_and_outlives_the_process(unknown):
    unknown.boot()
    assert value(unknown, "ChargeProfileMaxStackLevel") is None
    unknown.turn(ChargerDescribed(INFO))
    assert value(unknown, "ChargeProfileMaxStackLevel") == "8"
    unknown.restart()
    unknown.boot()
    assert value(unknown, "ChargeProfileMaxStackLevel") == "8"
    answer = unknown.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 0})
    assert answer["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 20


def test_the_same_again_makes_no_record(unknown):
    unknown.turn(ChargerDescribed(INFO))
    assert unknown.turn(ChargerDescribed(INFO)).records == []


def test_initial_keys_are_in_effect_when_the_charger_is_known(unknown):
    unknown.turn(ChargerDescribed(INFO))
    unknown.reachable()
    (settings,) = unknown.asked(Configure)
    assert settings.authorization_required is True  # there is no tag yet
    unknown.boot()
    assert value(unknown, "ExternalAuthorizationRequired") == "false"


def test_initial_keys_that_the_charger_cannot_make_true_are_taken_back(new_bench):
    bench = new_bench(
        "easee",
        capabilities=frozenset(),
        configuration={"UnlockConnectorOnEVSideDisconnect": "true", "ConnectionTimeOut": "90"},
    )
    bench.turn(ChargerDescribed(ChargerInfo(serial="X", vendor="V", model="M")))
    bench.boot()
    assert value(bench, "UnlockConnectorOnEVSideDisconnect") == "false"
    assert value(bench, "ConnectionTimeOut") == "90"


def test_one_made_inoperative_before_it_was_known_is_told(unknown):
    unknown.boot()
    unknown.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
    unknown.turn(ChargerDescribed(INFO))
    unknown.reachable()
    assert [command.available for command in unknown.asked(SetAvailable)] == [False]


def test_another_charger_is_not_taken_for_this_one(unknown):
    unknown.turn(ChargerDescribed(INFO))
    unknown.turn(ChargerReleased())
    unknown.boot()
    assert value(unknown, "ChargeProfileMaxStackLevel") is None
