"""The driver `easee` against the emulated cloud, by both ways in."""

import asyncio
from functools import partial

import pytest

from chargebridge.chargers.model import (
    Authorize,
    Capability,
    ChargerState,
    ClearCache,
    Configure,
    EndSession,
    Measured,
    Outcome,
    OverrideSchedule,
    Plan,
    PlanPeriod,
    Quantity,
    Reboot,
    Restarted,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    SetAvailable,
    SetLimit,
    StorePlan,
    TokenPresented,
    Unlock,
)
from chargebridge.emulators.easee_cloud.bus.operator_bus import delete_bus
from tests.integration.easee.bench import Sink, driving
from tests.integration.easee.broker import new_operator
from tests.integration.easee.stage import SERIAL, until

pytestmark = pytest.mark.integration


@pytest.fixture(params=["account", "operator"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def place(request: pytest.FixtureRequest, stage, way):
    """Makes stages that the way in leads to."""
    if way == "account":
        yield partial(stage, ping_s=1.0)
        return
    url, operator = request.getfixturevalue("rabbitmq_url"), new_operator()
    yield partial(stage, amqp_url=url, operator_id=operator, integration_account=True)
    asyncio.run(delete_bus(url, operator))


async def charge(bench, id_tag="04AABBCC"):
    """Let a car come and charge as in life: its driver presents a token, and somebody accepts it."""
    bench.site.act("plug_in", battery_kwh=400)
    before = len(bench.sink.of(TokenPresented))
    bench.site.act("present_token", id_tag=id_tag)
    await until(lambda: len(bench.sink.of(TokenPresented)) > before, "the token is presented")
    outcome = await bench.outcome(Authorize, id_tag=id_tag, accepted=True)
    await until(lambda: bench.sink.state() is ChargerState.CHARGING, "it charges")
    return outcome


class TestSessions:
    async def test_a_session_is_reported_with_the_chargers_own_edges(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            assert (await charge(bench)).outcome is Outcome.DONE
            session = site.view()["session"]
            [started], [token] = bench.sink.of(SessionStarted), bench.sink.of(TokenPresented)
            assert token.at_ms <= session["started_at_ms"]
            assert started == SessionStarted(
                at_ms=token.at_ms,  # with the tap its record began
                session=session["number"],
                id_tag="04AABBCC",
                register_wh=session["start_register_wh"],
            )
            await until(
                lambda: [
                    reading.value
                    for event in bench.sink.of(Measured)
                    for reading in event.readings
                    if event.session and reading.quantity is Quantity.ENERGY_WH
                ],
                "energy is measured",
            )
            site.act("unplug")
            await until(lambda: bench.sink.of(SessionEnded))
            [ended] = bench.sink.of(SessionEnded)
            [finished] = site.chargers.world.finished_sessions()
            assert (ended.session, ended.id_tag, ended.at_ms) == (1, "04AABBCC", finished.stopped_at_ms)
            assert ended.register_wh == finished.stop_register_wh
            assert ended.reason is SessionEnd.EV_DISCONNECTED
            await until(lambda: bench.sink.state() is ChargerState.DISCONNECTED)

    async def test_what_was_not_acknowledged_is_reported_again_to_a_new_subscriber(self, place, way):
        async with place() as site, driving(site, way, sink=Sink(acknowledges=False)) as bench:
            await bench.ready()
            await charge(bench)
            before = [
                event for event in bench.sink.told if isinstance(event[1], SessionStarted | TokenPresented)
            ]
            bench.sink.told.clear()
            bench.driver.unwatch(SERIAL)
            bench.driver.watch(SERIAL)
            await until(lambda: bench.sink.of(SessionStarted))
            again = [
                event for event in bench.sink.told if isinstance(event[1], SessionStarted | TokenPresented)
            ]
            assert again == before

    async def test_a_restart_reads_nothing_and_tells_no_session_twice(self, place, way, tmp_path):
        async with place() as site:
            async with driving(site, way, state_dir=tmp_path) as bench:
                await bench.ready()
                await charge(bench)
                site.act("unplug")
                await until(lambda: bench.sink.state() is ChargerState.DISCONNECTED)
            before = site.cloud.statistics.count()
            logins = site.cloud.statistics.logins
            async with driving(site, way, state_dir=tmp_path) as bench:
                await bench.ready()
                assert bench.sink.state() is ChargerState.DISCONNECTED
                site.act("plug_in")
                await until(lambda: bench.sink.state() is ChargerState.AWAITING_TOKEN)
                assert bench.sink.of(SessionStarted) == []
                assert bench.sink.of(SessionEnded) == []
            # The way in, and nothing else.
            assert site.cloud.statistics.count() - before <= 2
            assert site.cloud.statistics.logins == logins

    async def test_a_session_while_the_driver_is_away_is_reported_when_it_is_back(self, place, way, tmp_path):
        async with place() as site:
            async with driving(site, way, state_dir=tmp_path) as bench:
                await bench.ready()
                await charge(bench)
            site.act("unplug")
            async with driving(site, way, state_dir=tmp_path) as bench:
                await until(lambda: bench.sink.of(SessionEnded))
                [ended] = bench.sink.of(SessionEnded)
                [finished] = site.chargers.world.finished_sessions()
                assert (ended.at_ms, ended.register_wh) == (finished.stopped_at_ms, finished.stop_register_wh)
                assert not ended.rebuilt

    async def test_offline_sessions_come_late_and_whole(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            await charge(bench)
            site.act("lose_cloud")
            await until(lambda: not bench.sink.reachable())
            site.act("unplug")
            site.act("regain_cloud")
            await until(lambda: bench.sink.of(SessionEnded))
            assert bench.sink.reachable()


class TestCommands:
    async def test_a_charger_says_what_it_can_do(self, place, way):
        async with place(product_code=100) as site, driving(site, way) as bench:
            await bench.ready()
            await until(lambda: bench.sink.infos[SERIAL].model == "Charge")
            info = bench.sink.infos[SERIAL]
            assert (info.vendor, info.firmware, info.phases, info.max_current_a) == ("Easee", "317", 3, 32)
            assert {Capability.UNLOCK, Capability.LOCAL_LIST, Capability.CACHE}.isdisjoint(info.capabilities)

    async def test_ending_a_session_ends_it(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            await charge(bench)
            assert (await bench.outcome(EndSession, session=1)).outcome is Outcome.DONE
            await until(lambda: bench.sink.of(SessionEnded))
            assert bench.sink.of(SessionEnded)[0].reason is SessionEnd.DEAUTHORIZED

    async def test_limits_are_set_and_brought_back_when_somebody_raises_them(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            await charge(bench)
            assert (await bench.outcome(SetLimit, limit_ma=10_900)).outcome is Outcome.DONE
            assert site.view()["limit_in_force_a"] == 10
            status, _ = await site.client.command("resume_charging")
            assert status == 202
            await until(lambda: site.view()["limit_in_force_a"] == 32, "somebody raises it")
            await until(lambda: site.view()["limit_in_force_a"] == 10, "it is set again")
            assert (await bench.outcome(SetLimit, limit_ma=None)).outcome is Outcome.DONE
            assert site.view()["limit_in_force_a"] == 32

    async def test_availability_settings_restart_and_override(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            assert (await bench.outcome(SetAvailable, available=False)).outcome is Outcome.DONE
            await until(lambda: bench.sink.state() is ChargerState.DISABLED)
            assert (await bench.outcome(SetAvailable, available=True)).outcome is Outcome.DONE
            wanted = Configure(number=0, expires_ms=0, authorization_required=False)
            assert (await bench.outcome(Configure, authorization_required=False)).outcome is Outcome.DONE
            assert site.view()["settings"]["authorization_required"] is wanted.authorization_required
            assert (await bench.outcome(OverrideSchedule)).outcome in {Outcome.DONE, Outcome.REFUSED}
            assert (await bench.outcome(Reboot)).outcome is Outcome.DONE
            await until(lambda: bench.sink.of(Restarted), "it boots")

    async def test_plans_that_a_week_can_say_are_stored_and_cleared(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            plan = Plan(
                start_ms=0, periods=(PlanPeriod(0, 16_000), PlanPeriod(43_200, 10_000)), repeat_s=86_400
            )
            assert (await bench.outcome(StorePlan, plan=plan)).outcome is Outcome.DONE
            kept = await site.client.get(f"/api/chargers/{SERIAL}/weekly_charge_plan")
            assert len(kept["days"]) == 7
            assert (await bench.outcome(StorePlan, plan=None)).outcome is Outcome.DONE
            assert (await site.client.call("GET", f"/api/chargers/{SERIAL}/weekly_charge_plan"))[0] == 404
            once = Plan(start_ms=0, periods=(PlanPeriod(0, 16_000), PlanPeriod(60, 10_000)))
            assert (await bench.outcome(StorePlan, plan=once)).outcome is Outcome.IMPOSSIBLE

    async def test_what_cannot_be_done_is_said_at_once(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            assert (await bench.outcome(Unlock)).outcome is Outcome.IMPOSSIBLE
            assert (await bench.outcome(ClearCache)).outcome is Outcome.IMPOSSIBLE
            assert (await bench.outcome(Reboot, valid_s=-1)).outcome is Outcome.EXPIRED

    async def test_an_unreachable_charger_is_not_asked(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            site.act("lose_cloud")
            await until(lambda: not bench.sink.reachable())
            before = site.cloud.statistics.count("command")
            assert (await bench.outcome(Reboot)).outcome is Outcome.REFUSED
            assert site.cloud.statistics.count("command") == before


class TestCommandsGoneWrong:
    async def test_one_that_the_charger_rejects_is_refused(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            site.cloud.misbehaviour.rejected = 1.0
            assert (await bench.outcome(Reboot)).outcome is Outcome.REFUSED

    async def test_one_that_nobody_answers_is_unknown(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            site.cloud.misbehaviour.lost = 1.0
            site.cloud.misbehaviour.lost_executed = 0.0
            outcome = await bench.outcome(Reboot)
            assert outcome.outcome is Outcome.UNKNOWN

    async def test_one_that_nobody_answers_but_the_charger_shows_is_done(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            await charge(bench)
            site.cloud.misbehaviour.lost = 1.0
            site.cloud.misbehaviour.lost_executed = 1.0
            assert (await bench.outcome(SetLimit, limit_ma=9_000)).outcome is Outcome.DONE

    async def test_foreign_responses_are_not_taken_for_ours(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            site.cloud.misbehaviour.foreign_responses = 1.0
            site.cloud.misbehaviour.rejected = 1.0
            assert (await bench.outcome(Reboot)).outcome is Outcome.REFUSED


@pytest.mark.parametrize("way", ["account"])
class TestByAccount:
    async def test_tokens_are_renewed_once_for_all_chargers(self, place, way):
        serials = tuple(f"EH{number:06d}" for number in range(1, 6))
        async with place(speed=1200.0, chargers=5) as site, driving(site, way, serials=serials) as bench:
            for serial in serials:
                await bench.ready(serial)
            statistics, expires_ms = site.cloud.statistics, site.clock.now().utc_ms + 3_600_000
            logins, refreshes = statistics.logins, statistics.refreshes
            await until(lambda: site.clock.now().utc_ms > expires_ms)
            asked = [bench.give(SetLimit, limit_ma=10_000, serial=serial) for serial in serials]
            await until(lambda: all(number in bench.sink.outcomes for number in asked))
            assert {bench.sink.outcomes[number].outcome for number in asked} == {Outcome.DONE}
            assert statistics.most_in_flight["refresh"] <= 1
            assert (statistics.logins, statistics.refreshes) == (logins, refreshes + 1)

    async def test_a_lost_stream_makes_all_unknown_and_comes_back(self, place, way):
        async with place(chargers=3) as site:
            serials = tuple(f"EH{number:06d}" for number in (1, 2, 3))
            async with driving(site, way, serials=serials) as bench:
                for serial in serials:
                    await bench.ready(serial)
                site.cloud.disconnect_streams()
                await until(lambda: not any(bench.sink.reachable(serial) for serial in serials))
                for serial in serials:
                    await bench.ready(serial)
                lost = [reason for reason in bench.sink.connections if reason is not None]
                assert lost
                assert all(lost)
                assert (bench.sink.connections[0], bench.sink.connections[-1]) == (None, None)

    async def test_missed_sessions_are_rebuilt_to_the_wh(self, place, way, tmp_path):
        async with place(speed=600.0) as site:
            async with driving(site, way, state_dir=tmp_path) as bench:
                await bench.ready()
                await charge(bench)
                site.act("unplug")
                await until(lambda: bench.sink.of(SessionEnded))
            for tag in ("TAG2", "TAG3", "TAG4"):
                site.act("plug_in", battery_kwh=400)
                site.act("present_token", id_tag=tag)
                await site.client.command("start_charging")
                await until(lambda: site.view()["session"], "it charges unheard")
                await until(
                    lambda: site.view()["register_wh"] > site.view()["session"]["start_register_wh"] + 100
                )
                site.act("unplug")
            async with driving(site, way, state_dir=tmp_path) as bench:
                await until(lambda: len(bench.sink.of(SessionEnded)) == 3, "all are told")
                told = sorted(bench.sink.of(SessionEnded), key=lambda one: one.session)
                true = site.chargers.world.finished_sessions()[1:]
                assert [one.rebuilt for one in told] == [True, True, False]
                # A client's start took the place of the card, and only this driver's own are known to it.
                assert [one.id_tag for one in told] == ["MISSED", "MISSED", None]
                assert [(one.start_register_wh, one.register_wh) for one in told] == [
                    (one.start_register_wh, one.stop_register_wh) for one in true
                ]

    async def test_a_block_of_24_hours_is_survived_without_a_request_and_without_a_loss(self, place, way):
        async with place(speed=3600.0) as site, driving(site, way) as bench:
            await bench.ready()
            await charge(bench)
            site.cloud.misbehaviour.blocked = True
            site.cloud.misbehaviour.retry_after_s = None
            assert (await bench.outcome(Reboot)).outcome is Outcome.REFUSED
            asked = site.cloud.statistics.requests_while_blocked
            site.act("unplug")
            await until(lambda: bench.sink.of(SessionEnded), "the stream goes on")
            assert (await bench.outcome(Reboot)).outcome is Outcome.REFUSED
            assert site.cloud.statistics.requests_while_blocked == asked

    async def test_a_restart_keeps_the_throttling(self, place, way, tmp_path):
        async with place(speed=3600.0) as site:
            async with driving(site, way, state_dir=tmp_path) as bench:
                await bench.ready()
                site.cloud.misbehaviour.blocked = True
                site.cloud.misbehaviour.retry_after_s = None
                assert (await bench.outcome(Reboot)).outcome is Outcome.REFUSED
            asked = site.cloud.statistics.requests_while_blocked
            async with driving(site, way, state_dir=tmp_path):
                until_ms = site.clock.now().utc_ms + 90 * 60_000
                await until(lambda: site.clock.now().utc_ms >= until_ms, "an hour and a half passes")
            assert site.cloud.statistics.requests_while_blocked == asked

    async def test_tokens_of_another_account_are_not_used(self, place, way, tmp_path):
        async with place() as site:
            async with driving(site, way, state_dir=tmp_path) as bench:
                await bench.ready()
            logins = site.cloud.statistics.logins
            async with driving(site, way, state_dir=tmp_path, user_name="somebody@example.com"):
                await until(lambda: site.cloud.statistics.count("login", 400), "it signs in as itself")
            assert site.cloud.statistics.logins == logins
