"""The charger's own settings, and free charging (Easee's extensions)."""

import pytest
from msgspec import structs

from chargebridge.chargepoint.model.state import IssuedCommand, Purpose
from chargebridge.chargepoint.turn import ChargerDescribed
from chargebridge.chargers.model import Capability, ChargerInfo, ChargerState, Configure, Outcome

pytestmark = pytest.mark.unit

EARLIER = Configure(
    number=1,
    expires_ms=2,
    authorization_required=True,
    authorize_offline=True,
    allow_unknown_offline=False,
    end_when_unplugged=True,
    unlock_when_unplugged=False,
)
"""What earlier versions wrote to every charger, as it is in their stores."""


def change(bench, key, value):
    return bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]


def value(bench, key):
    return bench.ask("GetConfiguration", {"key": [key]})["configurationKey"][0]["value"]


def rules(command):
    """What a command changes."""
    fields = structs.asdict(command).items()
    return {
        name: value for name, value in fields if value is not None and name not in {"number", "expires_ms"}
    }


def configured(bench):
    """The settings that the charger was last given; it has them now."""
    return [command for command in bench.obey() if isinstance(command, Configure)][-1]


@pytest.fixture
def easee(new_bench):
    return new_bench("easee").ready()


class TestSettings:
    def test_nothing_is_written_to_a_charger_that_nobody_has_asked_for(self, new_bench):
        for preset in ("easee", "easee-1.8", "ocpp16"):
            bench = new_bench(preset)
            bench.reachable()
            bench.boot()
            bench.reachable(False)
            bench.reachable()
            bench.live(7200)
            assert bench.asked() == []

    def test_what_the_configuration_file_sets_is_written_and_nothing_else(self, new_bench):
        bench = new_bench("easee", configuration={"AllowOfflineTxForUnknownId": "false"})
        bench.reachable()
        (command,) = bench.obey()
        assert rules(command) == {"allow_unknown_offline": False}

    def test_a_value_that_is_the_default_is_written_too_if_somebody_sets_it(self, easee):
        change(easee, "LocalAuthorizeOffline", "true")
        assert rules(configured(easee)) == {"authorize_offline": True}

    def test_a_charger_is_told_its_settings_once(self, easee):
        change(easee, "LocalAuthorizeOffline", "true")
        assert [type(command) for command in easee.obey()] == [Configure]
        change(easee, "LocalAuthorizeOffline", "true")
        easee.reachable(False)
        easee.reachable()
        easee.restart()
        assert easee.obey() == []

    def test_what_an_earlier_version_has_written_unasked_is_not_written_again(self, easee):
        easee.cp.state.configured = EARLIER
        easee.reachable(False)
        easee.reachable()
        assert easee.obey() == []
        change(easee, "LocalAuthorizeOffline", "false")
        assert rules(configured(easee)) == {"authorize_offline": False}

    def test_nor_what_an_earlier_version_could_not_write(self, easee):
        waiting = structs.replace(EARLIER, number=7, expires_ms=easee.utc_ms + 86_400_000)
        easee.cp.state.issued_commands = (IssuedCommand(Purpose.SETTINGS, waiting),)
        easee.restart()
        easee.live(7200)
        assert easee.asked() == []
        assert easee.cp.state.issued_commands == ()

    def test_unset_it_is_shown_whether_the_charger_waits_for_a_token(self, easee):
        assert value(easee, "ExternalAuthorizationRequired") == "true"
        capabilities = easee.cp.settings.capabilities
        shown = ChargerInfo("EH1", "Easee", "Home", capabilities=capabilities, authorization_required=False)
        easee.turn(ChargerDescribed(shown))
        easee.boot()
        assert value(easee, "ExternalAuthorizationRequired") == "false"
        assert easee.asked() == []
        change(easee, "ExternalAuthorizationRequired", "false")
        assert rules(configured(easee)) == {"authorization_required": False}
        easee.turn(ChargerDescribed(structs.replace(shown, authorization_required=True)))
        assert value(easee, "ExternalAuthorizationRequired") == "false"

    @pytest.mark.parametrize(
        ("key", "value", "field", "expected"),
        [
            ("LocalAuthorizeOffline", "false", "authorize_offline", False),
            ("AllowOfflineTxForUnknownId", "true", "allow_unknown_offline", True),
            ("UnlockConnectorOnEVSideDisconnect", "true", "unlock_when_unplugged", True),
        ],
    )
    def test_a_written_key_reaches_the_charger(self, easee, key, value, field, expected):
        change(easee, key, value)
        assert getattr(configured(easee), field) is expected

    def test_a_charger_away_is_told_when_it_is_back(self, easee):
        easee.reachable(False)
        change(easee, "LocalAuthorizeOffline", "false")
        assert easee.asked() == []
        easee.reachable()
        assert configured(easee).authorize_offline is False

    def test_what_it_refuses_is_asked_again(self, easee):
        change(easee, "LocalAuthorizeOffline", "false")
        (command,) = easee.asked()
        easee.done(command, Outcome.REFUSED)
        easee.wait(31)
        assert configured(easee).authorize_offline is False

    def test_the_newest_wish_counts(self, easee):
        change(easee, "LocalAuthorizeOffline", "false")
        change(easee, "LocalAuthorizeOffline", "true")
        first, second = easee.asked()
        easee.done(first)
        easee.done(second)
        assert easee.cp.state.configured.authorize_offline is True
        assert easee.cp.state.issued_commands == ()

    @pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNKNOWN, Outcome.EXPIRED])
    def test_the_same_again_is_wanted_until_it_is_done_if_another_may_have_come_between(self, easee, outcome):
        change(easee, "LocalAuthorizeOffline", "true")
        easee.obey()
        change(easee, "LocalAuthorizeOffline", "false")
        change(easee, "LocalAuthorizeOffline", "true")
        first, second = easee.asked()
        easee.done(first)
        easee.done(second, outcome)
        easee.wait(31)
        assert rules(configured(easee)) == {"authorize_offline": True}

    def test_a_charger_without_settings_is_left_alone(self, new_bench):
        bench = new_bench("easee", capabilities=frozenset({Capability.UNLOCK})).ready()
        change(bench, "LocalAuthorizeOffline", "false")
        assert bench.asked() == []


class TestFreeCharging:
    @pytest.fixture
    def free(self, easee):
        assert change(easee, "rfidtagfreecharging", "FREE1") == "Accepted"
        assert change(easee, "freecharging", "True") == "Accepted"
        return easee

    def test_a_plugged_in_car_charges_at_once(self, free):
        settings = configured(free)
        assert (settings.authorization_required, settings.free_charging_tag) == (False, "FREE1")

    def test_the_session_carries_the_tag_without_authorize(self, free):
        free.obey()
        free.state(ChargerState.AWAITING_TOKEN)
        free.begin(id_tag="FREE1")
        said = dict(free.serve())
        assert said["StartTransaction"]["idTag"] == "FREE1"
        assert "Authorize" not in said

    def test_so_it_does_offline(self, free):
        free.obey()
        free.link_down()
        free.begin(id_tag="FREE1")
        free.end()
        free.link_up()
        said = dict(free.serve())
        assert said["StartTransaction"]["idTag"] == "FREE1"
        assert "Authorize" not in said

    def test_it_acts_only_when_both_keys_are_set(self, easee):
        change(easee, "freecharging", "true")
        assert value(easee, "ExternalAuthorizationRequired") == "false"
        assert [command for command in easee.obey() if not command.authorization_required] == []
        change(easee, "rfidtagfreecharging", "FREE1")
        assert configured(easee).authorization_required is False

    def test_turning_it_on_turns_external_authorization_off(self, free):
        assert value(free, "ExternalAuthorizationRequired") == "false"

    def test_turning_external_authorization_on_turns_it_off(self, free):
        change(free, "ExternalAuthorizationRequired", "true")
        assert value(free, "freecharging") == "false"
        settings = configured(free)
        assert (settings.authorization_required, settings.free_charging_tag) == (True, "")

    def test_turning_it_off_leaves_external_authorization_as_it_is(self, free):
        change(free, "freecharging", "false")
        assert value(free, "ExternalAuthorizationRequired") == "false"

    @pytest.mark.parametrize("tag", ["1234", "X" * 21, "FRÉE1"])
    def test_a_tag_of_the_wrong_length(self, easee, tag):
        assert change(easee, "rfidtagfreecharging", tag) == "Rejected"
        assert value(easee, "rfidtagfreecharging") == ""

    def test_either_published_name_of_the_tag(self, easee):
        assert change(easee, "rfidfreecharging", "FREE1") == "Accepted"
        assert value(easee, "rfidtagfreecharging") == "FREE1"
        (key,) = easee.ask("GetConfiguration", {"key": ["rfidfreecharging"]})["configurationKey"]
        assert key == {"key": "rfidfreecharging", "readonly": False, "value": "FREE1"}

    def test_without_authorization_and_without_the_tag_the_session_carries_the_configured_one(self, easee):
        change(easee, "ExternalAuthorizationRequired", "false")
        settings = configured(easee)
        assert (settings.authorization_required, settings.free_charging_tag) == (False, None)
        easee.begin(id_tag=None)
        assert dict(easee.serve())["StartTransaction"]["idTag"] == "NOTAG"
