"""What a driver says of a charger, and that a charge point stays the same while the driver is away."""

import pytest

from chargebridge.chargepoint.turn import ChargerDescribed, ChargerReleased
from chargebridge.chargers.model import Capability, ChargerInfo, Configure, SetAvailable

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


def test_nobody_has_said_what_it_is(new_bench):
    ((_, boot), *_) = new_bench("easee", capabilities=frozenset(), vendor="", model="").boot()
    assert (boot["chargePointVendor"], boot["chargePointModel"]) == ("chargebridge", "Virtual")


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
