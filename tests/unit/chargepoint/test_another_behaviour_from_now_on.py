"""A reload gives a charge point another behaviour: what only the old one had is over, in the charger, too."""

import pytest
from msgspec import structs

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.turn import TimerFired
from chargebridge.chargers.model import Configure, Outcome, SetLimit

pytestmark = pytest.mark.unit

DAY_MS = 86_400_000


@pytest.fixture
def easee(new_bench):
    return new_bench("easee").ready()


def configure(bench, key, value):
    assert bench.ask("ChangeConfiguration", {"key": key, "value": value}) == {"status": "Accepted"}


def go_by(bench, preset):
    """Do what a reload of the configuration does to a charge point."""
    bench.cp.adopt(structs.replace(bench.settings, behaviour=behaviour(preset)))
    bench.cp.mark_dirty()
    bench.turn(TimerFired())


def test_a_charger_that_charged_freely_asks_for_tokens_again(easee):
    configure(easee, "rfidtagfreecharging", "FREE1")
    configure(easee, "freecharging", "true")
    easee.obey()
    go_by(easee, "ocpp16")
    (settings,) = easee.asked(Configure)
    assert settings.authorization_required
    assert settings.free_charging_tag == ""


def test_that_is_one_command_whatever_happens_until_it_is_carried_out(easee):
    configure(easee, "rfidtagfreecharging", "FREE1")
    configure(easee, "freecharging", "true")
    easee.obey()
    go_by(easee, "ocpp16")
    (settings,) = easee.asked(Configure)
    for _ in range(3):
        easee.cp.mark_dirty()
        easee.turn(TimerFired())
    assert easee.asked() == []
    easee.done(settings)
    assert easee.cp.state.issued_commands == ()
    assert easee.cp.state.configured.authorization_required is True


def test_nor_is_it_left_charging_freely_if_it_is_not_known_what_it_was_set_to(easee):
    configure(easee, "rfidtagfreecharging", "FREE1")
    configure(easee, "freecharging", "true")
    easee.asked(Configure)
    go_by(easee, "ocpp16")
    (settings,) = easee.asked(Configure)
    easee.done(settings, Outcome.UNKNOWN)
    easee.wait(31)
    (again,) = easee.asked(Configure)
    assert (again.authorization_required, again.free_charging_tag) == (True, "")


def test_a_current_of_the_moment_that_nobody_could_end_any_more_is_over(easee):
    configure(easee, "DynamicChargerCurrent", "6")
    easee.obey()
    go_by(easee, "ocpp16")
    assert [command.limit_ma for command in easee.asked(SetLimit)] == [None]
    go_by(easee, "easee")
    assert easee.asked(SetLimit) == []


def test_a_current_of_the_moment_holds_no_longer_than_written_if_the_host_clock_is_set_back(easee):
    configure(easee, "DynamicChargerCurrent", "6;60")
    easee.obey()
    easee.utc_ms -= DAY_MS
    easee.live(61)
    easee.obey()
    easee.live(61)
    easee.obey()
    assert easee.cp.state.limit is None
