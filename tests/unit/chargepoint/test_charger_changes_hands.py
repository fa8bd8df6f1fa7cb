"""A charger leaves its charge point, comes to another one, or comes to be another kind of charger."""

import pytest
from msgspec import structs

from chargebridge.chargepoint.turn import ChargerAssigned, ChargerDescribed, ChargerReleased
from chargebridge.chargers.model import (
    Authorize,
    Capability,
    ChargerInfo,
    ChargerState,
    ClearCache,
    Configure,
    Outcome,
    SetAvailable,
    SetLimit,
    StorePlan,
    Withdraw,
)

pytestmark = pytest.mark.unit

INFO = ChargerInfo(serial="EH9", vendor="Easee", model="Home", capabilities=frozenset(Capability))
DAYS_AGO = 100
TODAY = 20_455  # days since 1970
TEN_AMPERE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "startSchedule": "2026-01-01T00:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
    },
}


def limited(bench):
    bench.ask("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": TEN_AMPERE})
    bench.obey()
    return bench


@pytest.fixture
def newcomer(new_bench):
    """A charge point of its own mind whose driver has said nothing yet."""
    return new_bench("easee", capabilities=frozenset())


def come(bench, assigned):
    bench.turn(assigned)
    bench.turn(ChargerDescribed(INFO))
    bench.reachable()


class TestComing:
    def test_what_limited_it_elsewhere_is_ended(self, newcomer):
        come(newcomer, ChargerAssigned(3, newcomer.utc_ms, 1000))
        assert [command.plan for command in newcomer.asked(StorePlan)] == [None]
        newcomer.restart()
        newcomer.obey()
        assert (newcomer.cp.state.plan, newcomer.cp.state.plan_unknown) == (None, False)
        assert newcomer.cp.state.limit is None

    def test_so_is_a_plan_that_was_written_long_ago(self, newcomer):
        come(newcomer, ChargerAssigned(0, 0, 0, profile_writes=((TODAY - DAYS_AGO, 1),)))
        assert [command.plan for command in newcomer.asked(StorePlan)] == [None]

    def test_a_new_charger_is_left_in_peace(self, newcomer):
        come(newcomer, ChargerAssigned(0, 0, 0))
        assert newcomer.asked(StorePlan, SetLimit, SetAvailable, ClearCache) == []

    def test_it_forgets_the_tokens_that_were_accepted_elsewhere(self, newcomer):
        come(newcomer, ChargerAssigned(3, newcomer.utc_ms, 1000))
        (clear,) = newcomer.asked(ClearCache)
        newcomer.done(clear, Outcome.REFUSED)
        newcomer.restart()
        (again,) = newcomer.asked(ClearCache)
        newcomer.done(again)
        newcomer.restart()
        assert newcomer.asked(ClearCache) == []

    def test_one_without_a_memory_for_plans_is_not_limited_for_good(self, newcomer):
        newcomer.turn(ChargerAssigned(3, newcomer.utc_ms, 1000))
        newcomer.turn(ChargerDescribed(structs.replace(INFO, capabilities=frozenset({Capability.LIMIT}))))
        newcomer.reachable()
        newcomer.obey()
        assert newcomer.cp.state.limit is None

    def test_one_that_was_made_unavailable_elsewhere_can_be_used_here(self, newcomer):
        come(newcomer, ChargerAssigned(3, newcomer.utc_ms, 1000))
        assert [command.available for command in newcomer.asked(SetAvailable)] == [True]

    def test_what_it_was_set_to_elsewhere_and_nobody_wants_here_is_brought_back(self, newcomer):
        free = Configure(number=0, expires_ms=0, authorization_required=False, free_charging_tag="FREE1")
        come(newcomer, ChargerAssigned(3, newcomer.utc_ms, 1000, settings=free))
        (command,) = newcomer.asked(Configure)
        assert (command.authorization_required, command.free_charging_tag) == (True, "")
        assert command.authorize_offline is None
        newcomer.done(command)
        newcomer.restart()
        assert newcomer.asked(Configure) == []

    def test_what_is_wanted_here_is_written_even_if_it_was_wanted_elsewhere(self, new_bench):
        wanted = {"AllowOfflineTxForUnknownId": "true"}
        newcomer = new_bench("easee", capabilities=frozenset(), configuration=wanted)
        elsewhere = Configure(number=0, expires_ms=0, allow_unknown_offline=True)
        come(newcomer, ChargerAssigned(3, newcomer.utc_ms, 1000, settings=elsewhere))
        (command,) = newcomer.asked(Configure)
        assert command.allow_unknown_offline is True
        newcomer.done(command)
        newcomer.restart()
        assert newcomer.asked(Configure) == []


class TestLeaving:
    def test_it_is_known_what_it_was_set_to_that_is_unusual(self, new_bench):
        bench = new_bench("easee", configuration={"AllowOfflineTxForUnknownId": "true"}).ready()
        bench.ask("ChangeConfiguration", {"key": "LocalAuthorizeOffline", "value": "true"})
        bench.turn(ChargerReleased())
        assert bench.cp.left_settings == (
            bench.settings.charger,
            Configure(number=0, expires_ms=0, allow_unknown_offline=True),
        )

    def test_energy_that_no_sample_has_told_yet_is_told(self, new_bench):
        bench = new_bench("easee-1.8").ready().charging()
        bench.wait(100)
        bench.energy(5000)
        bench.turn(ChargerReleased())
        ((_, stop),) = bench.serve()[-1:]
        assert (stop["meterStop"], stop["timestamp"]) == (5000, "2026-01-02T10:01:41.000Z")

    def test_a_plan_on_its_way_into_its_memory_counts(self, new_bench):
        bench = new_bench("easee").ready()
        bench.ask("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": TEN_AMPERE})
        bench.turn(ChargerReleased())
        assert list(bench.store.profile_writes.values()) == [1]


class TestOtherThanBefore:
    def test_without_a_memory_for_plans_it_is_limited_from_here(self, new_bench):
        bench = new_bench("easee").ready()
        bench.turn(ChargerDescribed(INFO))
        limited(bench)
        bench.turn(
            ChargerDescribed(structs.replace(INFO, capabilities=INFO.capabilities - {Capability.PLAN}))
        )
        assert [command.limit_ma for command in bench.asked(SetLimit)] == [10_000]

    def test_av_2_one_that_is_disabled_by_somebody_else_is_enabled_again(self, ready):
        ready.state(ChargerState.DISABLED)
        change = {"connectorId": 0, "type": "Operative"}
        assert ready.ask("ChangeAvailability", change) == {"status": "Accepted"}
        assert [command.available for command in ready.asked(SetAvailable)] == [True]


def test_an_authorization_of_which_nobody_knows_whether_it_arrived_is_withdrawn(ready):
    ready.token()
    ready.serve()
    (authorize,) = ready.asked(Authorize)
    ready.done(authorize, Outcome.UNKNOWN)
    assert len(ready.asked(Withdraw)) == 1
