"""Charging profiles: which are accepted, what the charger is made to do, what is told of it (`SC-*`)."""

import pytest

from chargebridge.chargepoint.turn import Notice, NoticeKind
from chargebridge.chargers.model import (
    Capability,
    ChargerState,
    Outcome,
    OverrideSchedule,
    Plan,
    PlanPeriod,
    SetLimit,
    StorePlan,
)
from chargebridge.chargers.plan_limits import plan_limit_ma

pytestmark = pytest.mark.unit

T0 = "2026-01-02T10:00:00Z"
EVERYTHING = frozenset(Capability)
VOLATILE_ONLY = EVERYTHING - {Capability.PLAN, Capability.OVERRIDE}
DEFAULT, MAXIMUM, TX = "TxDefaultProfile", "ChargePointMaxProfile", "TxProfile"


def profile(
    *periods, kind="Absolute", purpose="TxDefaultProfile", id=1, stack=0, unit="A", start=T0, duration=None
):
    """A profile of (start, limit) pairs; plain limits follow each other by an hour."""
    pairs = [period if isinstance(period, tuple) else (3600 * n, period) for n, period in enumerate(periods)]
    schedule = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in pairs],
    }
    if start is not None:
        schedule["startSchedule"] = start
    if duration is not None:
        schedule["duration"] = duration
    return {
        "chargingProfileId": id,
        "stackLevel": stack,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    }


def absolute(*periods, **fields):
    return profile(*periods, **fields)


def relative(*periods, **fields):
    return profile(*periods, kind="Relative", start=None, **fields)


def daily(*periods, start="2026-01-01T00:00:00Z", **fields):
    return profile(*periods, kind="Recurring", start=start, **fields) | {"recurrencyKind": "Daily"}


def install(bench, profile, connector=1):
    answer = bench.ask("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": profile})
    return answer if isinstance(answer, str) else answer["status"]


def clear(bench, **fields):
    return bench.ask("ClearChargingProfile", fields)["status"]


def composite(bench, duration=3600, connector=1, unit=None):
    asked = {"connectorId": connector, "duration": duration}
    answer = bench.ask("GetCompositeSchedule", asked | ({"chargingRateUnit": unit} if unit else {}))
    if answer["status"] != "Accepted":
        return answer
    return [
        (period["startPeriod"], period["limit"])
        for period in answer["chargingSchedule"]["chargingSchedulePeriod"]
    ]


def volatile(bench):
    """The volatile limits that the charger was given since the last time, in mA; it has them now."""
    return [command.limit_ma for command in bench.obey() if isinstance(command, SetLimit)]


def plans(bench):
    """The plans that were written to the charger's memory since the last time."""
    return [command.plan for command in bench.obey() if isinstance(command, StorePlan)]


@pytest.fixture(params=["easee", "easee-1.8", "ocpp16"])
def preset(request):
    return request.param


@pytest.fixture
def easee(new_bench):
    return new_bench("easee").ready()


class TestSetChargingProfile:
    def test_sc_1_a_charger_that_cannot_be_limited_has_no_smart_charging(self, new_bench):
        bench = new_bench(capabilities=EVERYTHING - {Capability.LIMIT, Capability.PLAN}).ready()
        assert install(bench, absolute(10)) == "NotSupported"
        assert bench.ask("ClearChargingProfile") == "NotSupported"
        assert bench.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 60}) == "NotSupported"

    @pytest.mark.parametrize("connector", [2, -1])
    def test_sc_1_an_unknown_connector_violates_a_constraint(self, new_bench, preset, connector):
        bench = new_bench(preset).ready()
        assert install(bench, absolute(10), connector) == "PropertyConstraintViolation"

    @pytest.mark.parametrize(
        "unknown",
        [
            {"chargingProfilePurpose": "Nonsense"},
            {"chargingProfileKind": "Never"},
            {"recurrencyKind": "Yearly"},
        ],
    )
    def test_sc_1_an_unknown_enum_value_violates_a_constraint(self, new_bench, preset, unknown):
        bench = new_bench(preset).ready()
        assert install(bench, absolute(10) | unknown) == "PropertyConstraintViolation"
        assert bench.store.profiles == {}

    @pytest.mark.parametrize(
        "wrong",
        [
            pytest.param(absolute(10, stack=9), id="above ChargeProfileMaxStackLevel"),
            pytest.param(absolute(10, stack=-1), id="stack level below 0"),
            pytest.param(absolute(*range(6, 31)), id="more periods than ChargingScheduleMaxPeriods"),
            pytest.param(absolute((60, 10)), id="the first period does not start at 0"),
            pytest.param(absolute((0, 10), (60, 11), (60, 12)), id="start periods do not rise"),
            pytest.param(absolute(-1), id="limit below 0"),
            pytest.param(absolute(10, duration=-1), id="duration below 0"),
            pytest.param(absolute(10) | {"recurrencyKind": "Daily"}, id="a recurrency and not recurring"),
            pytest.param(profile(10, kind="Recurring", start=T0), id="recurring without recurrency"),
            pytest.param(
                profile(10, kind="Recurring", start=None) | {"recurrencyKind": "Daily"},
                id="recurring without start",
            ),
            pytest.param(absolute(10) | {"validFrom": T0, "validTo": T0}, id="valid until it begins to be"),
        ],
    )
    def test_sc_2_what_cannot_be_carried_out_is_rejected(self, new_bench, preset, wrong):
        bench = new_bench(preset).ready()
        assert install(bench, wrong) == "Rejected"
        assert bench.store.profiles == {}
        assert bench.obey() == []

    @pytest.mark.parametrize(("power_limits", "status"), [(True, "Accepted"), (False, "Rejected")])
    def test_sc_2_limits_in_watt(self, new_bench, power_limits, status):
        bench = new_bench("ocpp16", {"power_limits": power_limits}).ready()
        assert install(bench, absolute(11000, unit="W")) == status
        (units,) = bench.ask("GetConfiguration", {"key": ["ChargingScheduleAllowedChargingRateUnit"]})[
            "configurationKey"
        ]
        assert units["value"] == ("Current,Power" if power_limits else "Current")

    @pytest.mark.parametrize(("relative_profiles", "status"), [(True, "Accepted"), (False, "NotSupported")])
    def test_sc_3_relative_profiles(self, new_bench, relative_profiles, status):
        bench = new_bench("ocpp16", {"relative_profiles": relative_profiles}).ready()
        assert install(bench, relative(10)) == status

    @pytest.mark.parametrize(("tx_profiles", "status"), [(True, "Accepted"), (False, "NotSupported")])
    def test_sc_3_tx_profiles(self, new_bench, tx_profiles, status):
        bench = new_bench("ocpp16", {"tx_profiles": tx_profiles}).ready().charging()
        assert install(bench, absolute(10, purpose=TX)) == status

    def test_sc_2_a_tx_profile_needs_its_running_transaction(self, ready):
        assert install(ready, absolute(10, purpose=TX)) == "Rejected"
        ready.charging(transaction_id=7)
        assert install(ready, absolute(10, purpose=TX) | {"transactionId": 8}) == "Rejected"
        assert install(ready, absolute(10, purpose=TX) | {"transactionId": 7}) == "Accepted"
        assert install(ready, absolute(10, purpose=TX) | {"transactionId": 7}, 0) == "Rejected"

    @pytest.mark.parametrize(("one", "status"), [(False, "Rejected"), (True, "Accepted")])
    def test_sc_2_a_charge_point_max_profile_on_connector_1(self, new_bench, one, status):
        bench = new_bench("ocpp16", {"connectors_are_one": one}).ready()
        assert install(bench, absolute(10, purpose=MAXIMUM), 1) == status
        assert install(bench, absolute(10, purpose=MAXIMUM), 0) == "Accepted"

    @pytest.mark.parametrize(
        ("limited", "kind", "reachable", "status"),
        [
            (True, "Absolute", True, "Accepted"),
            (True, "Recurring", True, "Rejected"),
            (True, "Absolute", False, "Rejected"),
            (False, "Recurring", True, "Accepted"),
            (False, "Absolute", False, "Accepted"),
        ],
    )
    def test_tx_profiles_limited_to_absolute_ones_for_chargers_online(
        self, new_bench, limited, kind, reachable, status
    ):
        bench = new_bench("ocpp16", {"tx_profiles_limited": limited}).ready().charging()
        wanted = absolute(10, purpose=TX) if kind == "Absolute" else daily(10, purpose=TX)
        bench.reachable(reachable)
        assert install(bench, wanted) == status

    @pytest.mark.parametrize(("limited", "kept"), [(True, {2}), (False, {1, 2})])
    def test_tx_profiles_limited_do_not_stack(self, new_bench, limited, kept):
        bench = new_bench("ocpp16", {"tx_profiles_limited": limited}).ready().charging()
        install(bench, absolute(10, purpose=TX, id=1, stack=0))
        install(bench, absolute(8, purpose=TX, id=2, stack=1))
        assert set(bench.store.profiles) == kept

    def test_sc_2_more_profiles_than_max_charging_profiles_installed(self, ready):
        for number in range(16):
            level = {"id": number, "stack": number % 8, "purpose": DEFAULT if number < 8 else MAXIMUM}
            assert install(ready, absolute(10, **level), 0) == "Accepted"
        assert install(ready, absolute(10, id=99, stack=0), 1) == "Rejected"
        assert install(ready, absolute(11, id=99, stack=0), 0) == "Accepted"  # replaces one


class TestReplacing:
    def test_sc_4_the_same_id_replaces(self, easee):
        install(easee, absolute(10, id=1, stack=0))
        install(easee, absolute(8, id=1, stack=3))
        assert [one.stack_level for one in easee.store.profiles.values()] == [3]

    def test_sc_4_the_same_purpose_and_level_replaces_whatever_the_id(self, easee):
        install(easee, absolute(10, id=1))
        install(easee, absolute(8, id=2))
        assert set(easee.store.profiles) == {2}
        assert composite(easee) == [(0, 8)]

    @pytest.mark.parametrize(("one", "kept"), [(True, {2}), (False, {1, 2})])
    def test_sc_4_on_the_other_connector(self, new_bench, one, kept):
        bench = new_bench("ocpp16", {"connectors_are_one": one}).ready()
        install(bench, absolute(16, id=1), 0)
        install(bench, absolute(10, id=2), 1)
        assert set(bench.store.profiles) == kept
        assert composite(bench) == [(0, 10)]

    def test_sc_4_the_one_of_connector_0_returns_when_that_of_1_is_cleared(self, ready):
        install(ready, absolute(16, id=1), 0)
        install(ready, absolute(10, id=2), 1)
        assert clear(ready, connectorId=1) == "Accepted"
        assert composite(ready) == [(0, 16)]

    def test_sc_5_replaced_by_one_that_is_not_valid_yet(self, easee):
        install(easee, absolute(10, id=1))
        install(easee, absolute(8, id=1) | {"validFrom": "2026-01-02T10:10:00Z"})
        assert composite(easee) == [(0, 32), (600, 8)]

    def test_sc_7_profiles_outlive_the_process(self, easee):
        install(easee, absolute(10))
        easee.restart()
        easee.boot()
        assert composite(easee) == [(0, 10)]

    def test_sc_7_a_tx_profile_ends_with_its_transaction(self, ready):
        ready.charging()
        install(ready, absolute(10, purpose=TX))
        ready.end()
        assert ready.store.profiles == {}
        assert clear(ready) == "Unknown"

    def test_clearing_survives_a_restart(self, easee):
        install(easee, absolute(10))
        clear(easee)
        easee.restart()
        easee.boot()
        assert composite(easee) == [(0, 32)]


class TestClearing:
    @pytest.mark.parametrize(
        ("fields", "left"),
        [
            ({}, set()),
            ({"id": 1}, {2, 3}),
            ({"id": 1, "stackLevel": 7, "chargingProfilePurpose": MAXIMUM}, {2, 3}),
            ({"stackLevel": 1}, {1, 3}),
            ({"chargingProfilePurpose": DEFAULT}, {3}),
            ({"chargingProfilePurpose": DEFAULT, "stackLevel": 1}, {1, 3}),
            ({"connectorId": 0}, {2}),
            ({"connectorId": 1}, {1, 3}),
        ],
    )
    def test_sc_30_what_fits_every_field(self, ready, fields, left):
        install(ready, absolute(10, id=1, stack=0), 0)
        install(ready, absolute(10, id=2, stack=1), 1)
        install(ready, absolute(10, id=3, stack=0, purpose=MAXIMUM), 0)
        assert clear(ready, **fields) == "Accepted"
        assert set(ready.store.profiles) == left

    @pytest.mark.parametrize("fields", [{"id": 2}, {"stackLevel": 5}, {"connectorId": 7}])
    def test_sc_31_nothing_fits(self, easee, fields):
        install(easee, absolute(10, id=1))
        assert clear(easee, **fields) == "Unknown"
        assert set(easee.store.profiles) == {1}

    def test_sc_32_nothing_is_installed(self, easee):
        assert clear(easee) == "Unknown"

    def test_under_easee_either_connector_clears_what_was_set_on_the_other(self, easee):
        install(easee, absolute(10, id=1), 0)
        assert clear(easee, connectorId=1) == "Accepted"


class TestWhichLimitHolds:
    @pytest.mark.parametrize(("merged", "periods"), [(False, [(0, 20)]), (True, [(0, 16)])])
    def test_a_tx_default_profile_above_the_charge_point_max_profile(self, new_bench, merged, periods):
        bench = new_bench("ocpp16", {"purposes_merged": merged}).ready()
        install(bench, absolute(16, purpose=MAXIMUM, id=1), 0)
        install(bench, absolute(20, id=2), 0)
        assert composite(bench) == periods

    def test_without_a_valid_tx_default_profile_the_charge_point_max_profile_holds(self, easee):
        install(easee, absolute(16, purpose=MAXIMUM, id=1), 0)
        install(easee, absolute(20, id=2, duration=600), 0)
        assert composite(easee) == [(0, 20), (600, 16)]

    def test_the_highest_stack_level_that_is_active_holds(self, easee):
        install(easee, absolute(20, id=1, stack=0))
        install(easee, absolute(10, id=2, stack=1, duration=600))
        assert composite(easee) == [(0, 10), (600, 20)]


class TestCompositeSchedule:
    def test_sc_20_it_says_from_when_and_leaves_start_schedule_out(self, easee):
        install(easee, absolute((0, 10), (600, 6)))
        easee.wait(60)
        assert easee.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 600}) == {
            "status": "Accepted",
            "connectorId": 1,
            "scheduleStart": "2026-01-02T10:01:00.000Z",
            "chargingSchedule": {
                "duration": 600,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 10.0, "numberPhases": 3},
                    {"startPeriod": 540, "limit": 6.0, "numberPhases": 3},
                ],
            },
        }

    def test_sc_21_the_unit_that_was_asked_for(self, ready):
        install(ready, absolute(10))
        assert composite(ready, unit="W") == [(0, 6900)]
        answer = ready.ask(
            "GetCompositeSchedule", {"connectorId": 1, "duration": 1, "chargingRateUnit": "kW"}
        )
        assert answer == "PropertyConstraintViolation"

    def test_sc_21_watt_where_only_ampere_are_known(self, easee):
        assert composite(easee, unit="W") == {"status": "Rejected"}

    def test_sc_22_an_unknown_connector(self, easee):
        assert composite(easee, connector=2) == {"status": "Rejected"}

    def test_sc_23_connector_0_is_the_same_as_1_capped_by_the_maximum(self, ready):
        install(ready, absolute(16, purpose=MAXIMUM, id=1), 0)
        install(ready, absolute(20, id=2), 1)
        assert composite(ready, connector=0) == composite(ready, connector=1) == [(0, 16)]

    def test_sc_24_where_nothing_limits_it_is_what_the_charger_can_do(self, new_bench):
        assert composite(new_bench(max_current_a=16).ready()) == [(0, 16)]

    def test_a_duration_of_nothing_is_what_holds_now(self, easee):
        install(easee, absolute((0, 10), (1, 6)))
        assert composite(easee, duration=0) == [(0, 10)]

    def test_an_endless_duration_ends_after_a_week(self, easee):
        install(easee, daily((0, 10), (43200, 16)))
        answer = easee.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 2**31 - 1})
        assert answer["chargingSchedule"]["duration"] == 7 * 86400
        assert len(answer["chargingSchedule"]["chargingSchedulePeriod"]) == 15


class TestTheChargerKeepsThePlan:
    def test_an_accepted_profile_is_written_to_the_charger(self, easee):
        install(easee, absolute((0, 10), (600, 6), duration=1200))
        assert plans(easee) == [
            Plan(
                start_ms=easee.utc_ms, periods=(PlanPeriod(0, 10_000), PlanPeriod(600, 6000)), duration_s=1200
            )
        ]
        assert volatile(easee) == []

    @pytest.mark.simulation
    def test_a_daily_profile_is_followed_without_us(self, easee):
        install(easee, daily((0, 10), (43200, 16)))
        (plan,) = plans(easee)
        assert plan.repeat_s == 86400
        easee.live(3 * 86400)
        assert plans(easee) == []
        assert volatile(easee) == []

    def test_what_watt_are_in_ampere_is_written(self, ready):
        install(ready, absolute(11000, unit="W"))
        (plan,) = plans(ready)
        assert plan.periods == (PlanPeriod(0, 15_900),)

    def test_a_profile_that_changes_nothing_is_not_written(self, easee):
        install(easee, absolute(10, id=1))
        assert len(plans(easee)) == 1
        install(easee, absolute(10, id=2))
        assert plans(easee) == []

    def test_clearing_the_profile_clears_the_plan(self, easee):
        install(easee, absolute(10))
        easee.obey()
        clear(easee)
        assert plans(easee) == [None]

    def test_a_relative_profile_of_one_limit_can_be_kept(self, ready):
        install(ready, relative(10))
        (plan,) = plans(ready)
        assert plan_limit_ma(plan, ready.utc_ms) == 10_000

    def test_a_relative_profile_of_several_is_carried_out_from_here(self, ready):
        ready.charging()
        install(ready, relative((0, 10), (600, 6)))
        assert volatile(ready) == [10_000]
        ready.wait(600)
        assert volatile(ready) == [6000]

    def test_a_charger_away_is_told_when_it_is_back(self, easee):
        easee.reachable(False)
        assert install(easee, absolute(10)) == "Accepted"
        assert plans(easee) == []
        easee.reachable()
        assert len(plans(easee)) == 1

    def test_until_the_plan_is_there_the_volatile_limit_holds(self, easee):
        install(easee, absolute(10))
        store, limit = easee.asked()
        assert isinstance(store, StorePlan)
        assert limit.limit_ma == 10_000
        easee.done(limit)
        easee.done(store)
        assert volatile(easee) == [None]

    def test_a_plan_that_the_charger_refuses_is_carried_out_by_the_volatile_limit(self, easee):
        install(easee, absolute(10))
        store, limit = easee.asked()
        easee.done(limit)
        easee.done(store, Outcome.REFUSED)
        assert easee.asked() == []
        easee.wait(31)
        assert plans(easee) != []

    def test_under_merging_the_plan_is_the_one_that_protects_the_grid(self, ready):
        install(ready, absolute(16, purpose=MAXIMUM, id=1), 0)
        install(ready, absolute(10, id=2), 0)
        ready.asked()
        ready.restart()
        stored = [command.plan for command in ready.obey() if isinstance(command, StorePlan)]
        assert stored[-1].periods == (PlanPeriod(0, 16_000),)
        assert ready.cp.state.limit.limit_ma == 10_000


class TestVolatileLimit:
    def test_without_a_memory_the_limit_is_carried_out_from_here(self, new_bench):
        bench = new_bench("easee", capabilities=VOLATILE_ONLY).ready()
        install(bench, absolute((0, 10), (600, 6), duration=1200))
        assert volatile(bench) == [10_000]
        bench.wait(600)
        assert volatile(bench) == [6000]
        bench.wait(600)
        assert volatile(bench) == [None]

    @pytest.mark.parametrize(("in_memory", "written"), [(True, 1), (False, 0)])
    def test_plans_in_memory(self, new_bench, in_memory, written):
        bench = new_bench("easee", {"plans_in_memory": in_memory}).ready()
        install(bench, absolute(10))
        commands = bench.obey()
        assert sum(isinstance(command, StorePlan) for command in commands) == written
        assert bench.cp.state.plan is not None or bench.cp.state.limit.limit_ma == 10_000

    def test_it_is_given_again_after_a_restart_of_the_charger(self, new_bench):
        bench = new_bench("easee", {"plans_in_memory": False}).ready()
        install(bench, absolute(10))
        assert volatile(bench) == [10_000]
        bench.live(1)
        bench.charger_restarts()
        assert volatile(bench) == [10_000]

    def test_it_is_given_again_when_a_car_is_plugged_in(self, new_bench):
        bench = new_bench("easee", {"plans_in_memory": False}).ready()
        install(bench, absolute(10))
        assert volatile(bench) == [10_000]
        bench.live(1)
        bench.state(ChargerState.AWAITING_TOKEN)
        assert volatile(bench) == [10_000]

    def test_a_slow_cloud_is_asked_again_under_the_same_number(self, new_bench):
        bench = new_bench("easee", capabilities=VOLATILE_ONLY).ready()
        install(bench, absolute(10))
        (first,) = bench.asked(SetLimit)
        bench.live(200)
        assert {command.number for command in bench.asked(SetLimit)} == {first.number}
        bench.done(first)
        assert bench.cp.state.limit == first
        bench.live(600)
        assert bench.asked(SetLimit) == []

    def test_it_lapses_soon_after_its_period_if_nobody_is_left_to_change_it(self, new_bench):
        bench = new_bench("easee", capabilities=VOLATILE_ONLY).ready()
        install(bench, absolute(10, duration=600))
        (limit,) = bench.asked(SetLimit)
        assert limit.until_ms == bench.utc_ms + 660_000

    def test_a_newer_limit_replaces_one_that_is_not_confirmed(self, new_bench):
        bench = new_bench("easee", capabilities=VOLATILE_ONLY).ready()
        install(bench, absolute(10, id=1))
        install(bench, absolute(8, id=1))
        assert [command.limit_ma for command in bench.asked(SetLimit)] == [10_000, 8000]
        assert (
            len([asked for asked in bench.cp.state.issued_commands if isinstance(asked.command, SetLimit)])
            == 1
        )

    def test_a_refused_limit_is_asked_again(self, new_bench):
        bench = new_bench("easee", capabilities=VOLATILE_ONLY).ready()
        install(bench, absolute(10))
        (limit,) = bench.asked(SetLimit)
        bench.done(limit, Outcome.REFUSED)
        bench.wait(31)
        assert volatile(bench) == [10_000]

    def test_limits_are_taken_up_again_after_a_restart_of_the_process(self, new_bench):
        bench = new_bench("easee", capabilities=VOLATILE_ONLY).ready()
        install(bench, absolute((0, 10), (600, 6)))
        bench.obey()
        bench.restart()
        bench.obey()
        bench.wait(600)
        assert volatile(bench) == [6000]


class TestTxProfiles:
    def test_it_overrules_the_tx_default_profile_and_is_never_written(self, ready):
        ready.charging()
        install(ready, absolute(10, id=1))
        ready.obey()
        install(ready, absolute(16, id=2, purpose=TX))
        assert plans(ready) == []
        assert composite(ready) == [(0, 16)]

    def test_under_easee_1_8_the_lowest_limit_wins(self, new_bench):
        bench = new_bench("easee-1.8").ready().charging()
        install(bench, absolute(10, id=1))
        install(bench, absolute(16, id=2, purpose=TX))
        assert composite(bench) == [(0, 10)]
        install(bench, absolute(8, id=2, purpose=TX))
        assert composite(bench) == [(0, 8)]

    def test_rs_5_a_remote_start_brings_one(self, ready):
        ready.state(ChargerState.AWAITING_TOKEN)
        start = {"idTag": "TAG1", "connectorId": 1, "chargingProfile": absolute(8, purpose=TX)}
        assert ready.ask("RemoteStartTransaction", start) == {"status": "Accepted"}
        assert composite(ready) == [(0, 32)]
        ready.begin()
        assert composite(ready) == [(0, 8)]
        ready.restart()
        ready.boot()
        assert composite(ready) == [(0, 8)]

    @pytest.mark.parametrize(
        "wrong",
        [absolute(8), absolute(8, purpose=TX) | {"transactionId": 1}, absolute(8, purpose=TX, stack=99)],
    )
    def test_rs_5_what_cannot_be_of_a_transaction_to_come_is_rejected(self, ready, wrong):
        start = {"idTag": "TAG1", "chargingProfile": wrong}
        assert ready.ask("RemoteStartTransaction", start) == {"status": "Rejected"}
        assert ready.cp.state.intent is None

    def test_rs_5_where_there_are_no_tx_profiles_it_is_ignored(self, easee):
        start = {"idTag": "TAG1", "chargingProfile": absolute(8, purpose=TX)}
        assert easee.ask("RemoteStartTransaction", start) == {"status": "Accepted"}
        easee.begin()
        assert composite(easee) == [(0, 32)]


class TestFlashWear:
    @staticmethod
    def keys(bench):
        found = bench.ask("GetConfiguration", {"key": ["ProfileWritesToday", "ProfileWritesRemaining"]})
        assert all(key["readonly"] for key in found["configurationKey"])
        return [key["value"] for key in found["configurationKey"]]

    def test_writes_are_counted_by_day_and_kept(self, easee):
        install(easee, absolute(10))
        easee.obey()
        assert self.keys(easee) == ["1", "69"]
        easee.live(86400)
        install(easee, absolute(8))
        easee.obey()
        assert self.keys(easee) == ["1", "68"]
        easee.restart()
        easee.boot()
        assert self.keys(easee) == ["1", "68"]
        assert sorted(easee.store.profile_writes.values()) == [1, 1]

    def test_above_ten_a_day_on_average_the_volatile_limit_does_it_and_one_warning_is_given(self, easee):
        for number in range(100):
            easee.live(10)
            assert install(easee, absolute(6 + number % 20)) == "Accepted"
            easee.obey()
            assert composite(easee) == [(0, 6 + number % 20)]
        kinds = [output.kind for output in easee.outputs if isinstance(output, Notice)]
        assert kinds.count(NoticeKind.PROFILE_WRITTEN) == 70
        assert kinds.count(NoticeKind.WRITE_BUDGET_EXCEEDED) == 1
        assert self.keys(easee) == ["70", "0"]
        assert easee.cp.state.limit.limit_ma == 25_000

    @pytest.mark.simulation
    def test_the_plan_is_written_again_when_there_is_room(self, easee):
        for number in range(71):
            install(easee, absolute(6 + number % 20))
            easee.obey()
        easee.live(8 * 86400)
        install(easee, absolute(31))
        assert len(plans(easee)) == 1
        assert easee.cp.state.limit is None

    def test_a_write_that_a_slow_cloud_takes_minutes_to_confirm_counts_once(self, easee):
        install(easee, absolute(10))
        (store,) = easee.asked(StorePlan)
        easee.live(500)
        assert {command.number for command in easee.asked(StorePlan)} == {store.number}
        easee.done(store)
        assert self.keys(easee) == ["1", "69"]

    def test_a_write_whose_outcome_is_unknown_counts_and_is_asked_again(self, easee):
        install(easee, absolute(10))
        (store,) = easee.asked(StorePlan)
        easee.done(store, Outcome.UNKNOWN)
        easee.wait(31)
        assert len(plans(easee)) == 1
        assert self.keys(easee) == ["2", "68"]


class TestDynamicCurrents:
    @staticmethod
    def change(bench, key, value):
        return bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]

    @staticmethod
    def read(bench, key):
        return bench.ask("GetConfiguration", {"key": [key]})["configurationKey"][0]["value"]

    @pytest.mark.parametrize("key", ["DynamicChargerCurrent", "DynamicCircuitCurrent"])
    def test_it_bounds_the_current_and_is_never_written_to_the_memory(self, easee, key):
        assert self.change(easee, key, "10.5") == "Accepted"
        assert [type(command) for command in easee.obey()] == [SetLimit]
        assert easee.cp.state.limit.limit_ma == 10_500
        assert self.read(easee, key) == "10.5"
        assert self.change(easee, key, "") == "Accepted"
        assert volatile(easee) == [None]

    def test_it_ends_with_its_time_to_live(self, easee):
        self.change(easee, "DynamicChargerCurrent", "10;300")
        assert volatile(easee) == [10_000]
        easee.live(299)
        assert volatile(easee) == []
        easee.live(1)
        assert volatile(easee) == [None]
        assert self.read(easee, "DynamicChargerCurrent") == ""

    def test_the_same_value_again_lives_on(self, easee):
        self.change(easee, "DynamicChargerCurrent", "10;300")
        easee.obey()
        easee.live(200)
        self.change(easee, "DynamicChargerCurrent", "10;300")
        easee.obey()
        easee.live(200)
        assert self.read(easee, "DynamicChargerCurrent") == "10;300"

    def test_the_lowest_wins(self, easee):
        install(easee, absolute(12))
        self.change(easee, "DynamicChargerCurrent", "16")
        self.change(easee, "DynamicCircuitCurrent", "20,9,20")
        easee.obey()
        assert easee.cp.state.limit.limit_ma == 9000

    def test_it_outlives_the_process(self, easee):
        self.change(easee, "DynamicChargerCurrent", "10;300")
        easee.obey()
        easee.restart()
        easee.obey()
        easee.live(300)
        assert volatile(easee) == [None]

    @pytest.mark.parametrize(
        "value", ["-1", "1001", "ten", "10;", "10;0", "10;x", "10,10", "10;9999999", "nan", "1e999", ";5"]
    )
    def test_what_is_no_current_is_rejected(self, easee, value):
        assert self.change(easee, "DynamicChargerCurrent", value) == "Rejected"
        assert easee.obey() == []


class TestOverride:
    def test_the_plan_is_set_aside_for_the_running_session_only(self, new_bench):
        bench = new_bench("easee").ready()
        install(bench, absolute(6))
        bench.obey()
        bench.charging()
        ask = {"vendorId": "no.easee", "messageId": "OverrideSchedule"}
        assert bench.ask("DataTransfer", ask) == {"status": "Accepted"}
        assert [type(command) for command in bench.obey()] == [OverrideSchedule]
        assert composite(bench) == [(0, 32)]
        bench.end()
        assert composite(bench) == [(0, 6)]
