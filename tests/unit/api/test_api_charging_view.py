"""What is shown of the limits and the local list of a charge point."""

import json

import pytest
from msgspec import structs

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import DynamicCurrent, Settings, State, dump
from chargebridge.chargepoint.records import StoredChargePoint, StoredProfile
from chargebridge.chargepoint.turn import ChargerReleased, ChargerReported, Effects, TimerFired
from chargebridge.chargers.model import Capability, LimitShown, Plan, PlanPeriod, SetLimit
from chargebridge.clock import Instant
from chargebridge.gateway.views.charge_points import LocalListView, local_list_view
from chargebridge.gateway.views.charging import DynamicCurrentView, ProfileView, charging_view

pytestmark = pytest.mark.unit

NOW_MS = 1_767_348_000_000  # 2026-01-02T10:00:00Z
TODAY = 20_455  # days since 1970
TEN_AMPERE = {
    "chargingProfileId": 7,
    "stackLevel": 3,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "startSchedule": "2026-01-01T00:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}],
    },
}
INSTALLED = StoredProfile(7, 1, "TxDefaultProfile", 3, json.dumps(TEN_AMPERE).encode())


def charge_point(state=None, profiles=(), capabilities=frozenset(Capability)):
    settings = Settings(
        identity="CP1",
        vendor="V",
        model="M",
        behaviour=behaviour("easee"),
        capabilities=capabilities,
        max_current_a=25,
    )
    found = VirtualChargePoint(settings, StoredChargePoint(dump(state or State()), profiles=profiles))
    found.resume(Instant(NOW_MS, 1000.0))
    return found


def test_charger_that_nothing_bounds_offers_what_it_can():
    view = charging_view(charge_point())
    assert (view.limit_a, view.wished_limit_a) == (25.0, 25.0)
    assert (view.profiles, view.dynamic_currents, view.volatile_limit_a) == ([], [], None)
    assert (view.plan_stored, view.write_budget_exceeded) == (False, False)
    assert (view.profile_writes_today, view.profile_writes_remaining) == (0, 70)


def test_installed_profile_is_shown_with_the_limit_that_it_gives():
    view = charging_view(charge_point(profiles=(INSTALLED,)))
    assert view.profiles == [ProfileView(7, 1, "TxDefaultProfile", 3, "Absolute")]
    assert view.wished_limit_a == 10.0


def test_currents_of_the_moment_are_shown_while_they_hold():
    state = State(
        dynamic=(
            DynamicCurrent("DynamicChargerCurrent", "8.5;60", 8500, NOW_MS + 60_000),
            DynamicCurrent("DynamicCircuitCurrent", "16", 16_000, None),
        )
    )
    view = charging_view(charge_point(state))
    assert view.wished_limit_a == 8.5
    assert view.dynamic_currents == [
        DynamicCurrentView("DynamicChargerCurrent", "8.5;60", "2026-01-02T10:01:00.000Z"),
        DynamicCurrentView("DynamicCircuitCurrent", "16", None),
    ]


@pytest.mark.parametrize(
    ("until_ms", "shown_a"), [(None, 12.5), (NOW_MS + 1, 12.5), (NOW_MS, None), (NOW_MS - 1, None)]
)
def test_volatile_limit_is_shown_until_its_time_is_over(until_ms, shown_a):
    limit = SetLimit(number=1, expires_ms=NOW_MS, limit_ma=12_500, until_ms=until_ms)
    assert charging_view(charge_point(State(limit=limit))).volatile_limit_a == shown_a


def test_limit_is_what_the_charger_has_confirmed_and_not_what_is_wished():
    limit = SetLimit(number=1, expires_ms=NOW_MS, limit_ma=12_500)
    view = charging_view(charge_point(State(limit=limit), (INSTALLED,)))
    assert (view.limit_a, view.wished_limit_a) == (12.5, 10.0)
    over = structs.replace(limit, until_ms=NOW_MS)
    assert charging_view(charge_point(State(limit=over), (INSTALLED,))).limit_a == 25.0
    plan = Plan(start_ms=0, periods=(PlanPeriod(0, 9_000),))
    assert charging_view(charge_point(State(plan=plan))).limit_a == 9.0
    assert charging_view(charge_point(State(plan=plan, plan_unknown=True))).limit_a is None


def test_limit_that_the_charger_shows_counts_more_than_what_it_has_confirmed():
    limit = SetLimit(number=1, expires_ms=NOW_MS, limit_ma=12_500)
    found = charge_point(State(limit=limit), (INSTALLED,))
    for limit_ma, shown_a in ((16_000, 16.0), (None, None), (6_500, 6.5)):
        event = LimitShown(at_ms=NOW_MS, limit_ma=limit_ma)
        found.handle(ChargerReported(event), Instant(NOW_MS, 1000.0))
        view = charging_view(found)
        assert (view.limit_a, view.wished_limit_a, view.volatile_limit_a) == (shown_a, 10.0, 12.5)
    found.handle(ChargerReleased(), Instant(NOW_MS, 1000.0))
    assert charging_view(found).limit_a != 6.5


@pytest.mark.parametrize("impossible", [None, Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),))])
def test_plan_that_the_charger_cannot_keep_is_shown(impossible):
    view = charging_view(charge_point(State(plan_impossible=impossible)))
    assert view.plan_impossible is (impossible is not None)


@pytest.mark.parametrize(("unknown", "shown"), [(False, True), (True, None)])
def test_stored_plan_is_shown_unless_nobody_knows_what_is_in_the_memory(unknown, shown):
    plan = Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),))
    assert charging_view(charge_point(State(plan=plan, plan_unknown=unknown))).plan_stored is shown


def test_writes_to_the_memory_are_counted_by_utc_day_and_week():
    state = State(profile_writes=((TODAY - 8, 70), (TODAY - 7, 9), (TODAY, 4)), write_budget_exceeded=True)
    view = charging_view(charge_point(state))
    assert (view.profile_writes_today, view.profile_writes_remaining) == (4, 57)
    assert view.write_budget_exceeded


def test_charger_that_is_not_known_yet_has_no_limit_to_show():
    view = charging_view(charge_point(profiles=(INSTALLED,), capabilities=frozenset()))
    assert (view.limit_a, view.wished_limit_a) == (None, None)
    assert [profile.id for profile in view.profiles] == [7]


def test_looking_changes_nothing_not_even_what_is_over():
    over = DynamicCurrent("DynamicChargerCurrent", "8;60", 8000, NOW_MS - 1)
    found = charge_point(State(dynamic=(over,)), (INSTALLED,), capabilities=frozenset())
    found.adopt(structs.replace(found.settings, capabilities=frozenset(Capability)))
    before = dump(found.state)
    assert charging_view(found).dynamic_currents == []
    assert charging_view(found).wished_limit_a == 10.0
    assert dump(found.state) == before
    assert found.handle(TimerFired(), Instant(NOW_MS, 1000.0)) == Effects([], [])


@pytest.mark.parametrize(
    ("confirmed", "capabilities", "shown"),
    [
        (5, frozenset(Capability), True),
        (4, frozenset(Capability), False),
        (0, frozenset(Capability) - {Capability.LOCAL_LIST}, None),
    ],
)
def test_charger_has_the_local_list_when_it_has_confirmed_its_newest_change(confirmed, capabilities, shown):
    state = State(list_version=3, list_revision=5, list_kept=confirmed)
    found = charge_point(state, capabilities=capabilities)
    assert local_list_view(found) == LocalListView(version=3, kept_by_charger=shown)
