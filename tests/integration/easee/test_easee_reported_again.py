"""Sessions that are reported again, or were found without a memory of the charger, by both ways in."""

import asyncio
from functools import partial

import pytest

from chargebridge.chargers.model import (
    Authorize,
    ChargerState,
    Measured,
    Outcome,
    Quantity,
    ReportSessions,
    SessionEnded,
    SessionStarted,
    TokenPresented,
)
from chargebridge.emulators.easee_cloud.bus.operator_bus import delete_bus
from tests.integration.easee.bench import driving
from tests.integration.easee.broker import new_operator
from tests.integration.easee.stage import until

pytestmark = pytest.mark.integration


@pytest.fixture
def operators(request):
    """Makes stages with an operator's bus."""
    url, operator = request.getfixturevalue("rabbitmq_url"), new_operator()
    yield partial(
        request.getfixturevalue("stage"),
        amqp_url=url,
        operator_id=operator,
        integration_account=True,
        speed=600.0,
    )
    asyncio.run(delete_bus(url, operator))


@pytest.fixture(params=["account", "operator"])
def way(request) -> str:
    return request.param


@pytest.fixture
def place(request, stage, way):
    """Makes stages that the way in leads to."""
    return (
        partial(stage, ping_s=1.0, speed=600.0) if way == "account" else request.getfixturevalue("operators")
    )


async def charge(bench, id_tag="04AABBCC"):
    """Let a car come and charge."""
    before = len(bench.sink.of(TokenPresented))
    bench.site.act("plug_in", battery_kwh=400)
    bench.site.act("present_token", id_tag=id_tag)
    await until(lambda: len(bench.sink.of(TokenPresented)) > before, "the token is presented")
    assert (await bench.outcome(Authorize, id_tag=id_tag, accepted=True)).outcome is Outcome.DONE
    await until(lambda: bench.sink.state() is ChargerState.CHARGING, "it charges")


async def leave(bench):
    bench.site.act("unplug")
    await until(lambda: bench.sink.state() is ChargerState.DISCONNECTED, "the car is gone")


async def charge_and_leave(bench, id_tag="04AABBCC"):
    await charge(bench, id_tag)
    ended = len(bench.sink.of(SessionEnded))
    await later(bench.site, minutes=20)
    await leave(bench)
    await until(lambda: len(bench.sink.of(SessionEnded)) > ended, "it has ended")


async def later(site, minutes):
    until_ms = site.clock.now().utc_ms + minutes * 60_000
    await until(lambda: site.clock.now().utc_ms >= until_ms, "time passes")


def finished(site, session):
    """The charger's own account of a session."""
    return next(one for one in site.chargers.world.finished_sessions() if one.session == session)


async def report(bench, first, *, from_wh=0, from_ms=0):
    """Have sessions reported again; return what comes of them before the outcome, and the outcome."""
    bench.sink.told.clear()
    outcome = await bench.outcome(ReportSessions, first=first, from_ms=from_ms, from_wh=from_wh)
    told = [event for _, event in bench.sink.told if isinstance(event, SessionStarted | SessionEnded)]
    return told, outcome


def numbers(told):
    return [(type(event), event.session) for event in told]


class TestWhatWasAcknowledged:
    async def test_it_comes_again_in_order_and_the_outcome_after_it(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            await charge_and_leave(bench, "TAG1")
            await charge_and_leave(bench, "TAG2")
            await charge(bench, "TAG3")
            first = bench.sink.of(SessionEnded)
            running = bench.sink.of(SessionStarted)[-1]
            told, outcome = await report(bench, 1)
            assert outcome.outcome is Outcome.DONE
            assert told == [*first, running]
            told, _ = await report(bench, 3)
            assert told == [running]

    async def test_of_a_session_that_never_was_nothing_comes(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            await charge_and_leave(bench)
            told, outcome = await report(bench, 2)
            assert (told, outcome.outcome) == ([], Outcome.DONE)

    async def test_the_cloud_answers_for_a_charger_that_is_offline(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            await charge_and_leave(bench)
            site.act("lose_cloud")
            await until(lambda: not bench.sink.reachable())
            told, outcome = await report(bench, 1)
            assert (numbers(told), outcome.outcome) == ([(SessionEnded, 1)], Outcome.DONE)

    async def test_a_cloud_that_cannot_be_read_is_the_reason_of_a_refusal(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            site.cloud.misbehaviour.fail_next = 1000
            site.cloud.misbehaviour.fail_status = 400
            site.cloud.misbehaviour.fail_kind = "observations"
            _, outcome = await report(bench, 1)
            assert outcome.outcome is Outcome.REFUSED
            assert "400" in outcome.detail

    async def test_a_read_that_fails_is_retried_while_somebody_waits(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            await charge_and_leave(bench)
            site.cloud.misbehaviour.fail_status = 500
            site.cloud.misbehaviour.fail_kind = "observations"
            site.cloud.misbehaviour.fail_next = 1
            told, outcome = await report(bench, 1)
            assert (numbers(told), outcome.outcome) == ([(SessionEnded, 1)], Outcome.DONE)


class TestLostEnd:
    async def test_a_message_that_the_queue_lost_is_in_the_last_values(self, operators):
        async with operators() as site, driving(site, "operator") as bench:
            await bench.ready()
            await charge(bench)
            site.cloud.misbehaviour.lose_next_messages, site.cloud.misbehaviour.lose_id = 1, 129
            await later(site, 10)
            await leave(bench)
            assert bench.sink.of(SessionEnded) == []
            told, outcome = await report(bench, 1)
            true = finished(site, 1)
            assert outcome.outcome is Outcome.DONE
            (ended,) = told
            assert (ended.session, ended.register_wh, ended.at_ms) == (
                1,
                true.stop_register_wh,
                true.stopped_at_ms,
            )
            assert (ended.id_tag, ended.rebuilt, ended.found) == ("04AABBCC", False, False)
            await charge(bench, "NEXT")
            assert bench.sink.of(SessionStarted)[-1].session == 2

    async def test_a_record_that_never_comes_is_made_up_for_by_the_list(self, place, way):
        async with place() as site, driving(site, way) as bench:
            await bench.ready()
            await charge(bench, "LOST")
            await later(site, 10)
            site.cloud.misbehaviour.withhold_next_ends = 1
            await leave(bench)
            told, outcome = await report(bench, 1)
            true = finished(site, 1)
            assert outcome.outcome is Outcome.DONE
            assert [(one.session, one.id_tag, one.register_wh, one.rebuilt) for one in told] == [
                (1, "LOST", true.stop_register_wh, True)
            ]
            again, _ = await report(bench, 1)
            assert again == told
            # The next session begins there, and nothing else is made up.
            await charge(bench, "NEXT")
            assert bench.sink.of(SessionStarted)[-1].register_wh == true.stop_register_wh
            assert bench.sink.of(SessionEnded) == told

    @pytest.mark.parametrize("loser", ["cloud", "charger"])
    async def test_one_that_is_lost_for_good_is_not_invented(self, place, way, loser):
        async with place() as site, driving(site, way, rebuild_after_s=60) as bench:
            await bench.ready()
            await charge(bench, "LOST")
            await later(site, 10)
            if loser == "charger":
                site.act("lose_ends")
            else:
                site.cloud.misbehaviour.lose_next_ends = 1
            await leave(bench)
            told, outcome = await report(bench, 1)
            assert (told, outcome.outcome) == ([], Outcome.DONE)
            # The next session shows that it is over, and where its energy ended.
            await charge(bench, "NEXT")
            assert bench.sink.of(SessionStarted)[-1].session == 2
            await until(lambda: bench.sink.of(SessionEnded), "it is rebuilt")
            (ended,) = bench.sink.of(SessionEnded)
            assert (ended.session, ended.rebuilt) == (1, True)
            assert ended.register_wh == finished(site, 1).stop_register_wh


class TestFileLost:
    """The driver starts without its file, and with chargers that somebody remembers."""

    async def test_what_runs_was_found_and_is_measured_and_ends_whole(self, place, way, tmp_path):
        async with place() as site:
            async with driving(site, way, state_dir=tmp_path / "old") as bench:
                await bench.ready()
                await charge_and_leave(bench, "TAG1")
                await charge(bench, "TAG2")
            async with driving(site, way, state_dir=tmp_path / "new") as bench:
                await bench.ready()
                await until(lambda: bench.sink.of(SessionStarted), "it says what runs")
                (started,), (ended,) = bench.sink.of(SessionStarted), bench.sink.of(SessionEnded)
                tags = [tag if way == "operator" else None for tag in ("TAG1", "TAG2")]  # a user of Easee's
                assert (started.session, started.id_tag, started.found) == (2, tags[1], True)
                assert (ended.session, ended.id_tag, ended.found) == (1, tags[0], True)
                assert bench.sink.state() is ChargerState.CHARGING
                await until(
                    lambda: [
                        event
                        for event in bench.sink.of(Measured)
                        if event.session == 2 and event.readings[0].quantity is Quantity.POWER_W
                    ]
                )
                await leave(bench)
                await until(lambda: len(bench.sink.of(SessionEnded)) == 2)
                ended = bench.sink.of(SessionEnded)[-1]
                assert (ended.session, ended.id_tag, ended.found) == (2, tags[1], False)
                assert ended.register_wh == finished(site, 2).stop_register_wh

    async def test_sessions_in_between_are_rebuilt_for_who_asks(self, place, way, tmp_path):
        async with place() as site:
            async with driving(site, way, state_dir=tmp_path / "old") as bench:
                await bench.ready()
                await charge_and_leave(bench, "TAG1")
                (known,) = bench.sink.of(SessionEnded)
                for tag in ("TAG2", "TAG3", "TAG4"):
                    await charge_and_leave(bench, tag)
            async with driving(site, way, state_dir=tmp_path / "new") as bench:
                await bench.ready()
                await until(lambda: bench.sink.of(SessionEnded))
                told, outcome = await report(bench, 2, from_wh=known.register_wh, from_ms=known.at_ms)
                assert outcome.outcome is Outcome.DONE
                assert [(event.session, event.id_tag, event.rebuilt) for event in told] == [
                    (2, "TAG2" if way == "operator" else "MISSED", True),
                    (3, "TAG3" if way == "operator" else "MISSED", True),
                    (4, "TAG4" if way == "operator" else None, False),
                ]
                assert [(event.start_register_wh, event.register_wh) for event in told] == [
                    (finished(site, number).start_register_wh, finished(site, number).stop_register_wh)
                    for number in (2, 3, 4)
                ]
                again, _ = await report(bench, 2, from_wh=known.register_wh, from_ms=known.at_ms)
                assert again == told

    async def test_a_queue_that_is_met_for_the_first_time_still_has_its_news(self, operators, tmp_path):
        async with operators() as site:
            async with driving(site, "operator", state_dir=tmp_path / "other") as bench:
                await bench.ready()
            sessions = []
            for tag in ("TAG1", "TAG2"):
                site.act("plug_in", battery_kwh=400)
                site.act("present_token", id_tag=tag)
                status, _ = await site.client.command("start_charging")
                assert status == 202
                await until(lambda: site.view()["session"] is not None)
                sessions.append(site.view()["session"]["number"])
                await later(site, 10)
                site.act("unplug")
                await until(lambda: site.view()["session"] is None)
            async with driving(site, "operator", state_dir=tmp_path / "new") as bench:
                await until(
                    lambda: [one.session for one in bench.sink.of(SessionEnded) if not one.found] == sessions
                )
