"""The cloud's answer is not what the charger does: a command is done when the charger shows its effect."""

import asyncio
from functools import partial

import pytest

from chargebridge.chargers.easee import executor, plan_storage
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.model import (
    Authorize,
    ChargerState,
    Configure,
    EndSession,
    Outcome,
    OverrideSchedule,
    Plan,
    PlanPeriod,
    Reboot,
    SetAvailable,
    SetLimit,
    StorePlan,
    Withdraw,
)
from tests.integration.easee.bench import driving
from tests.integration.easee.stage import SERIAL, until

pytestmark = pytest.mark.integration

PLAN_PATH = f"/api/chargers/{SERIAL}/weekly_charge_plan"
NIGHTS = Plan(start_ms=0, periods=(PlanPeriod(0, 16_000), PlanPeriod(6 * 3600, 0)), repeat_s=86_400)
DAYS = Plan(start_ms=0, periods=(PlanPeriod(0, 0), PlanPeriod(6 * 3600, 16_000)), repeat_s=86_400)
ALWAYS = Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),))


@pytest.fixture
def place(stage):
    """Makes stages whose streams ping often."""
    return partial(stage, ping_s=1.0)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """An effect that does not come is not waited for as long as a slow charger would need."""
    monkeypatch.setattr(executor, "EFFECT_TIMEOUT_S", 3.0)
    monkeypatch.setattr(plan_storage, "SHORTEST_SHOWN_S", 1.0)


def plan_writes(site, method: str | None = None) -> int:
    """Return how often a plan was written or deleted."""
    return site.cloud.statistics.count("plan", 200)


class TestAnswers:
    @pytest.mark.parametrize("fault", ["accepted_false", "accepted_false_dropped"])
    async def test_not_accepted_is_a_refusal_although_the_status_is_200(self, place, fault):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            setattr(site.cloud.misbehaviour, fault, 1.0)
            for command, arguments in (
                (SetLimit, {"limit_ma": 10_000}),
                (SetAvailable, {"available": False}),
                (Reboot, {}),
            ):
                assert (await bench.outcome(command, **arguments)).outcome is Outcome.REFUSED
            assert site.view()["limit_in_force_a"] == 32

    async def test_a_ticket_is_followed_whatever_the_status(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            site.cloud.misbehaviour.accepted_null = 1.0
            assert (await bench.outcome(SetLimit, limit_ma=10_000)).outcome is Outcome.DONE
            assert site.view()["limit_in_force_a"] == 10
            site.cloud.misbehaviour.rejected = 1.0
            assert (await bench.outcome(SetLimit, limit_ma=12_000)).outcome is Outcome.REFUSED

    @pytest.mark.parametrize("fault", ["ignored", "accepted_null_dropped"])
    async def test_what_is_answered_and_never_shown_is_unknown(self, place, fault):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            site.act("plug_in")
            await until(lambda: bench.sink.state() is ChargerState.AWAITING_TOKEN)
            setattr(site.cloud.misbehaviour, fault, 1.0)
            for command, arguments in (
                (Authorize, {"id_tag": "04AABBCC", "accepted": True}),
                (SetLimit, {"limit_ma": 10_000}),
                (SetAvailable, {"available": False}),
                (Configure, {"authorization_required": False}),
                (Reboot, {}),
                (OverrideSchedule, {}),
            ):
                outcome = await bench.outcome(command, **arguments)
                assert (command, outcome.outcome) == (command, Outcome.UNKNOWN)
                assert "the charger does not show it" in outcome.detail

    async def test_what_is_answered_with_nothing_and_shown_is_done(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            site.act("plug_in", battery_kwh=400)
            await until(lambda: bench.sink.state() is ChargerState.AWAITING_TOKEN)
            site.cloud.misbehaviour.empty_reply = 1.0
            for command, arguments in (
                (SetLimit, {"limit_ma": 10_000}),
                (Authorize, {"id_tag": "04AABBCC", "accepted": True}),
                (EndSession, {"session": 1}),
                (Configure, {"authorization_required": False}),
                (Reboot, {}),
            ):
                assert (command, (await bench.outcome(command, **arguments)).outcome) == (
                    command,
                    Outcome.DONE,
                )

    async def test_nothing_to_do_is_done_where_the_charger_shows_the_effect_already(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            assert (await bench.outcome(SetLimit, limit_ma=10_000)).outcome is Outcome.DONE
            site.cloud.misbehaviour.ignored = 1.0
            assert (await bench.outcome(SetLimit, limit_ma=10_000)).outcome is Outcome.DONE
            assert (await bench.outcome(SetAvailable, available=True)).outcome is Outcome.DONE
            assert (await bench.outcome(Withdraw)).outcome is Outcome.DONE

    async def test_settings_with_fewer_tickets_than_settings_have_to_be_shown(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            twin = bench.driver.fleet.charger(SERIAL).twin
            await until(lambda: twin.setting(Observation.LOCAL_AUTHORIZE_OFFLINE_ENABLED) is not None)
            # The driver believes that two settings differ, the cloud finds one of them.
            kept = twin.record.seen[Observation.LOCAL_AUTHORIZE_OFFLINE_ENABLED]
            twin.record.seen[Observation.LOCAL_AUTHORIZE_OFFLINE_ENABLED] = type(kept)(0, "0")
            before = site.cloud.statistics.count("observations")
            assert (
                await bench.outcome(Configure, authorization_required=False, authorize_offline=True)
            ).outcome is Outcome.DONE
            assert site.cloud.statistics.count("observations") == before + 1

    async def test_an_effect_that_the_stream_does_not_show_is_read(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            twin = bench.driver.fleet.charger(SERIAL).twin
            # Set by another client while the stream was deaf, say.
            await site.client.settings(enabled=False)
            await until(lambda: not twin.enabled)
            twin.record.seen[Observation.IS_ENABLED] = type(twin.record.seen[Observation.IS_ENABLED])(0, "1")
            before = site.cloud.statistics.count("observations")
            assert (await bench.outcome(SetAvailable, available=False)).outcome is Outcome.DONE
            assert site.cloud.statistics.count("observations") == before + 1


class TestPlans:
    async def test_a_plan_is_done_when_the_charger_shows_it_and_not_before(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            site.cloud.misbehaviour.plan_delay_s = 45.0
            number = bench.give(StorePlan, plan=NIGHTS)
            await until(lambda: site.view()["plan"] is not None, "the charger has it")
            # Other commands need not wait for that.
            assert (await bench.outcome(SetLimit, limit_ma=10_000)).outcome is Outcome.DONE
            assert number not in bench.sink.outcomes
            await until(lambda: number in bench.sink.outcomes)
            assert bench.sink.outcomes[number].outcome is Outcome.DONE
            writes = plan_writes(site)
            # Sent again, it need not be written: the charger shows it.
            assert (await bench.outcome(StorePlan, plan=NIGHTS)).outcome is Outcome.DONE
            assert plan_writes(site) == writes

    @pytest.mark.parametrize("equal_times", ["nothing", "refused", "all_day"])
    async def test_a_constant_limit_is_stored_whatever_equal_times_mean(self, place, equal_times):
        async with place(equal_times=equal_times) as site, driving(site, "account") as bench:
            await bench.ready()
            assert (await bench.outcome(StorePlan, plan=ALWAYS)).outcome is Outcome.DONE
            assert list(map(list, site.view()["plan"]["periods"])) == [[0, 10_000]]

    @pytest.mark.parametrize("fault", ["plan_not_shown", "plan_shown_wrong"])
    async def test_a_plan_that_is_never_shown_is_deleted_and_no_other_is_sent_for_a_day(
        self, place, fault, capsys, tmp_path
    ):
        async with place() as site:
            async with driving(site, "account", state_dir=tmp_path) as bench:
                await bench.ready()
                setattr(site.cloud.misbehaviour, fault, 1.0)
                outcome = await bench.outcome(StorePlan, plan=NIGHTS)
                assert outcome.outcome is Outcome.IMPOSSIBLE
                assert "does not show the plan" in outcome.detail
                await until(lambda: site.view()["plan"] is None, "it is deleted")
                assert (await site.client.call("GET", PLAN_PATH))[0] == 404
                assert plan_writes(site) == 2
                for plan in (DAYS, NIGHTS, ALWAYS):
                    assert (await bench.outcome(StorePlan, plan=plan)).outcome is Outcome.IMPOSSIBLE
            async with driving(site, "account", state_dir=tmp_path) as bench:
                await bench.ready()
                assert (await bench.outcome(StorePlan, plan=DAYS)).outcome is Outcome.IMPOSSIBLE
            assert plan_writes(site) == 2
            assert capsys.readouterr().out.count("not shown by the charger") == 1

    async def test_a_plan_is_read_once_if_no_message_shows_it(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            site.cloud.misbehaviour.silent_streams = True
            assert (await bench.outcome(StorePlan, plan=NIGHTS)).outcome is Outcome.DONE

    async def test_a_plan_is_deleted_when_the_charger_shows_none(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            assert (await bench.outcome(StorePlan, plan=NIGHTS)).outcome is Outcome.DONE
            site.cloud.misbehaviour.plan_not_shown = 1.0
            outcome = await bench.outcome(StorePlan, plan=None)
            assert outcome.outcome is Outcome.REFUSED
            assert "still shows a schedule" in outcome.detail
            site.cloud.misbehaviour.plan_not_shown = 0.0
            assert (await bench.outcome(StorePlan, plan=NIGHTS)).outcome is Outcome.DONE
            assert (await bench.outcome(StorePlan, plan=None)).outcome is Outcome.DONE
            assert site.view()["plan"] is None

    async def test_a_schedule_of_the_app_is_not_taken_for_no_plan(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            period = {"startTime": "01:00", "stopTime": "02:00", "maximumAmps": 10}
            await site.client.call(
                "POST", f"/api/chargers/{SERIAL}/schedules/daily", {"timezone": "UTC", "periods": [period]}
            )
            await until(lambda: bench.driver.fleet.charger(SERIAL).twin.schedule)
            outcome = await bench.outcome(StorePlan, plan=None)
            assert (outcome.outcome, "in the app" in outcome.detail) == (Outcome.REFUSED, True)

    async def test_a_plan_of_three_ranges_a_day_is_never_sent(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            periods = tuple(PlanPeriod(hour * 3600, (10 + hour) * 1000) for hour in (0, 4, 8))
            plan = Plan(start_ms=0, periods=periods, repeat_s=86_400)
            assert (await bench.outcome(StorePlan, plan=plan)).outcome is Outcome.IMPOSSIBLE
            assert site.cloud.statistics.count("plan") == 0

    async def test_a_plan_that_the_cloud_refuses_is_impossible(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            site.cloud.misbehaviour.fail_next = 1
            site.cloud.misbehaviour.fail_status = 400
            site.cloud.misbehaviour.fail_kind = "plan"
            assert (await bench.outcome(StorePlan, plan=NIGHTS)).outcome is Outcome.IMPOSSIBLE
            site.cloud.misbehaviour.fail_next = 1
            # To have no plan is never impossible: it would be wanted at once again.
            assert (await bench.outcome(StorePlan, plan=None)).outcome is Outcome.REFUSED

    async def test_a_newer_plan_replaces_one_that_is_not_shown_yet(self, place):
        async with place() as site, driving(site, "account") as bench:
            await bench.ready()
            site.cloud.misbehaviour.plan_delay_s = 30.0
            first = bench.give(StorePlan, plan=NIGHTS)
            bench.driver.command(SERIAL, StorePlan(number=first, expires_ms=2**53, plan=NIGHTS))
            await until(lambda: plan_writes(site) == 1)
            assert (await bench.outcome(StorePlan, plan=DAYS)).outcome is Outcome.DONE
            assert bench.sink.outcomes[first].outcome is Outcome.UNKNOWN
            assert plan_writes(site) == 2

    async def test_a_stop_does_not_wait_for_a_plan_to_be_shown(self, place):
        async with place() as site:
            async with driving(site, "account") as bench:
                await bench.ready()
                site.cloud.misbehaviour.plan_not_shown = 1.0
                number = bench.give(StorePlan, plan=NIGHTS)
                await until(lambda: plan_writes(site) == 1)
            await asyncio.sleep(0)
            assert number not in bench.sink.outcomes
