"""What is asked of a charger that refuses, forgets, has another time, or has had another charge point."""

from collections import Counter

import pytest
from msgspec import structs

from chargebridge.chargepoint.turn import ChargerDescribed, CommandEnded, Notice, NoticeKind
from chargebridge.chargers.model import (
    Capability,
    ChargerInfo,
    ChargerState,
    CommandOutcome,
    Configure,
    KeepList,
    Outcome,
    SessionStarted,
    SetLimit,
    StorePlan,
)
from chargebridge.chargers.simulator.hardware.charger import SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerSettings

pytestmark = pytest.mark.unit

DAY_MS = 86_400_000

RARELY = range(11, 15)
"""Attempts in two hours: each charge point has pauses of its own."""


def limit_to(bench, *periods, kind="Absolute", duration=None):
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
    }
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": kind,
        "chargingSchedule": schedule | ({} if duration is None else {"duration": duration}),
    }
    asked = {"connectorId": 1, "csChargingProfiles": profile}
    assert bench.ask("SetChargingProfile", asked) == {"status": "Accepted"}


def configure(bench, key, value):
    assert bench.ask("ChangeConfiguration", {"key": key, "value": value}) == {"status": "Accepted"}


def value(bench, key):
    (found,) = bench.ask("GetConfiguration", {"key": [key]})["configurationKey"]
    return found["value"]


def refused(bench, kind, seconds):
    """Let time pass while the charger refuses one kind of command; return when it was asked."""
    began, asked = bench.mono, []
    while bench.mono < began + seconds:
        for command in bench.asked():
            if isinstance(command, kind):
                asked.append(round(bench.mono - began))
            bench.done(command, Outcome.REFUSED if isinstance(command, kind) else Outcome.DONE)
        bench.live(10)
    return asked


# --- refusals -------------------------------------------------------------------------------------


def test_a_charger_that_goes_on_refusing_is_asked_less_and_less_often(new_bench):
    bench = new_bench("easee").ready()
    configure(bench, "LocalAuthorizeOffline", "false")
    asked = refused(bench, Configure, 7200)
    assert asked[:5] == [0, 30, 60, 90, 120]
    assert len(asked) in RARELY


def test_so_is_one_that_refuses_its_local_list(new_bench):
    bench = new_bench("easee").ready()
    entry = {"idTag": "A", "idTagInfo": {"status": "Accepted"}}
    update = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    assert bench.ask("SendLocalList", update) == {"status": "Accepted"}
    asked = refused(bench, KeepList, 7200)
    assert asked[:5] == [0, 30, 60, 90, 120]
    assert len(asked) in RARELY


def test_a_slow_cloud_that_answers_each_time_it_was_asked_has_refused_once(ready):
    limit_to(ready, (0, 10))
    ready.live(540)
    asked = ready.asked(SetLimit)
    assert len({command.number for command in asked}) == 1
    for command in asked:
        ready.done(command, Outcome.EXPIRED)
    ready.live(31)
    (again,) = ready.asked(SetLimit)
    assert again.number > asked[0].number


def test_why_it_refuses_is_told_in_one_line_of_a_log(ready):
    limit_to(ready, (0, 10))
    (command,) = ready.asked(StorePlan)
    ready.turn(CommandEnded(CommandOutcome(command.number, Outcome.REFUSED, "no\n" + 5000 * "x")))
    (notice,) = [output for output in ready.outputs if isinstance(output, Notice)]
    assert notice == (NoticeKind.COMMAND_FAILED, "StorePlan: refused no " + 278 * "x", 1)


def test_it_is_asked_at_once_when_it_is_back(new_bench):
    bench = new_bench("easee").ready()
    configure(bench, "LocalAuthorizeOffline", "false")
    refused(bench, Configure, 3600)
    bench.reachable(False)
    bench.reachable()
    (command,) = bench.asked(Configure)
    bench.done(command)
    assert bench.cp.state.issued_commands == ()


def test_a_plan_that_was_refused_has_worn_no_memory(new_bench):
    bench = new_bench("easee").ready()
    limit_to(bench, (0, 10))
    assert len(refused(bench, StorePlan, 7200)) in RARELY
    assert value(bench, "ProfileWritesRemaining") == "70"


def test_a_plan_that_a_charger_can_never_keep_is_carried_out_without_its_memory(new_bench):
    bench = new_bench("easee").ready()
    limit_to(bench, (0, 10))
    plan, limit = bench.asked(StorePlan, SetLimit)
    bench.done(limit)
    bench.done(plan, Outcome.IMPOSSIBLE)
    bench.live(7200)
    assert bench.asked(StorePlan) == []
    assert bench.cp.state.limit.limit_ma == 10_000
    assert value(bench, "ProfileWritesRemaining") == "70"


def test_a_plan_that_a_charger_could_not_keep_is_tried_again_with_another_firmware(new_bench):
    bench = new_bench("easee").ready()
    info = ChargerInfo(
        serial="EH1", vendor="V", model="M", firmware="317", capabilities=frozenset(Capability)
    )
    bench.turn(ChargerDescribed(info))
    bench.obey()
    limit_to(bench, (0, 10))
    plan, limit = bench.asked(StorePlan, SetLimit)
    bench.done(limit)
    bench.done(plan, Outcome.IMPOSSIBLE)
    bench.turn(ChargerDescribed(structs.replace(info, phases=1)))
    assert bench.asked(StorePlan) == []
    bench.turn(ChargerDescribed(structs.replace(info, firmware="318")))
    (again,) = bench.asked(StorePlan)
    assert again.plan == plan.plan


def test_an_older_plan_that_would_bind_it_is_cleared_then(new_bench):
    bench = new_bench("easee").ready()
    limit_to(bench, (0, 10))
    bench.obey()
    limit_to(bench, (0, 16))
    plan, limit = bench.asked(StorePlan, SetLimit)
    assert limit.limit_ma == 16_000
    bench.done(limit)
    bench.done(plan, Outcome.IMPOSSIBLE)
    (cleared,) = bench.asked(StorePlan)
    assert cleared.plan is None
    bench.done(cleared)
    assert bench.cp.state.limit.limit_ma == 16_000
    assert bench.asked(StorePlan) == []


def test_a_plan_of_which_nobody_knows_whether_it_was_written_counts(new_bench):
    bench = new_bench("easee").ready()
    limit_to(bench, (0, 10))
    (plan,) = bench.asked(StorePlan)
    bench.done(plan, Outcome.UNKNOWN)
    bench.live(31)
    assert value(bench, "ProfileWritesRemaining") == "69"


def test_charge_points_that_are_refused_at_once_do_not_come_back_in_step(new_bench):
    later = Counter()
    for number in range(60):
        bench = new_bench("easee", identity=f"CP{number}").ready()
        configure(bench, "LocalAuthorizeOffline", "false")
        (command,) = bench.asked(Configure)
        bench.done(command, Outcome.REFUSED)
        began = bench.mono
        while not bench.asked(Configure):
            bench.wait(1)
        later[round(bench.mono - began)] += 1
    assert set(later) <= set(range(20, 32))
    assert max(later.values()) < 20


def test_settings_that_wait_for_long_are_looked_after_less_and_less_often(new_bench):
    bench = new_bench("easee").ready()
    configure(bench, "LocalAuthorizeOffline", "false")
    bench.live(4 * 3600)
    asked = bench.asked(Configure)
    assert len({command.number for command in asked}) == 1
    assert 5 < len(asked) < 15


# --- time -----------------------------------------------------------------------------------------


def test_a_host_clock_that_was_set_back_keeps_nothing_from_being_asked_again(new_bench):
    bench = new_bench("easee").ready()
    configure(bench, "LocalAuthorizeOffline", "false")
    (settings,) = bench.asked(Configure)
    bench.utc_ms -= DAY_MS
    bench.done(settings, Outcome.REFUSED)
    bench.live(31)
    assert len(bench.asked(Configure)) == 1


def test_a_host_clock_that_is_set_forward_delays_no_limit_for_long(new_bench):
    bench = new_bench("ocpp16", {"plans_in_memory": False}).ready().charging()
    limit_to(bench, (0, 16), (36_000, 10), kind="Relative")
    bench.obey()
    bench.utc_ms += 36_000_000
    bench.ask("GetConfiguration", {"key": ["HeartbeatInterval"]})  # whatever its next turn is
    assert [command.limit_ma for command in bench.asked(SetLimit)] == [10_000]


def test_what_counts_from_the_start_of_charging_stands_still_until_then(ready):
    limit_to(ready, (0, 10), (1, 12), (2, 16), kind="Relative", duration=3600)
    assert [command.limit_ma for command in ready.asked(SetLimit)] == [10_000]
    ready.live(7200)
    ready.state(ChargerState.AWAITING_TOKEN)
    ready.obey()
    ready.state(ChargerState.READY)
    assert ready.asked() == []


def test_a_charger_whose_clock_is_ahead_is_limited_from_the_start_all_the_same(ready):
    limit_to(ready, (0, 6), (1800, 10), kind="Relative")
    ready.obey()
    ahead_ms = ready.utc_ms + 3_600_000
    ready.tell(SessionStarted(at_ms=ahead_ms, session=1, id_tag="TAG1", register_wh=1000))
    ready.obey()
    assert ready.cp.state.limit.limit_ma == 6000
    ready.live(3600 + 1800)
    assert [command.limit_ma for command in ready.asked(SetLimit)][-1] == 10_000


# --- another charge point -------------------------------------------------------------------------


def test_a_charger_of_another_charge_point_takes_no_command_for_one_that_it_has_carried_out(new_bench):
    first, second = new_bench("easee").ready(), new_bench("easee").ready()
    charger = SimulatedCharger.installed(ChargerSettings(serial="SIM1"), first.utc_ms)
    limit_to(first, (0, 16))
    for command in first.asked():
        charger.carry_out(command, first.utc_ms)
    second.wait(1)
    limit_to(second, (0, 10))
    for command in second.asked():
        charger.carry_out(command, second.utc_ms)
    assert charger.limit_in_force_ca == 1000
