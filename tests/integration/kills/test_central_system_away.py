"""The central system stopped, refusing, silent or ill while the gateway runs: real sockets and processes."""

import asyncio

import pytest

from chargebridge.demo.faults import Away, Cut, Kill, Moment, Outage
from chargebridge.emulators.central_system import Rule

pytestmark = pytest.mark.integration

A_MOMENT = 0.5
LONG = 4.0


def kill(moment=Moment.STARTING):
    return Kill(0.0, moment)


@pytest.mark.parametrize(
    "outages",
    [
        (Outage.CLOSED, Outage.CUT),
        (Outage.UNAUTHORIZED, Outage.NOT_FOUND, Outage.OVERLOADED, Outage.NO_SUBPROTOCOL),
        (Outage.SILENT, Outage.ERRORS, Outage.PENDING, Outage.REJECTED),
    ],
    ids=["stopped", "refusing", "ill"],
)
async def test_sessions_go_on_while_the_central_system_is_away_for_a_moment_and_for_long(act, outages):
    async with act() as stage:
        await stage.sessions_run()
        for outage in outages:
            await stage.trouble.take_central_system_away(Away(0.0, A_MOMENT, outage))
            await stage.all_connected()
        for outage in outages:
            await stage.trouble.take_central_system_away(Away(0.0, LONG, outage))
            await stage.all_connected()
        await stage.all_told()
        assert await stage.dead_letters() == []
        stage.reconciles()


@pytest.mark.parametrize("outage", [Outage.PENDING, Outage.REJECTED], ids=["pending", "rejected"])
async def test_a_gateway_killed_while_it_is_not_accepted_tells_everything_once_it_is(act, outage):
    async with act() as stage:
        await stage.sessions_run()
        away = asyncio.ensure_future(stage.trouble.take_central_system_away(Away(0.0, LONG, outage)))
        await stage.trouble.kill(kill())
        await stage.trouble.kill(kill())
        await stage.session_has_ended()
        await away
        await stage.all_told()
        stage.reconciles()


async def test_a_gateway_killed_again_and_again_while_nobody_listens_keeps_what_it_has_to_say(act):
    async with act() as stage:
        await stage.sessions_run()
        await stage.central_system.stop(abort=True)
        await stage.session_has_ended()
        for _ in range(3):
            await stage.killed_when_it_is_up()
        await stage.central_system.start()
        await stage.all_told()
        stage.reconciles()


async def test_a_cloud_cut_while_the_central_system_is_away_and_the_gateway_is_killed(act):
    async with act() as stage:
        await stage.sessions_run()
        await asyncio.gather(
            stage.trouble.take_central_system_away(Away(0.0, LONG, Outage.CUT)),
            stage.trouble.take_cloud_away(Cut(0.0, LONG / 2)),
            stage.trouble.kill(kill()),
        )
        await asyncio.gather(
            stage.trouble.take_central_system_away(Away(0.0, LONG / 2, Outage.CLOSED)),
            stage.trouble.take_cloud_away(Cut(0.0, LONG)),
        )
        await stage.all_told()
        stage.reconciles()


async def test_a_gateway_that_starts_without_cloud_and_central_system_finds_both_later(act):
    async with act() as stage:
        await stage.sessions_run()
        await stage.stage.vendor.stop()
        await stage.central_system.stop()
        await stage.killed_when_it_is_up()
        await stage.session_has_ended()
        await stage.killed_when_it_is_up()
        await stage.stage.vendor.start()
        await stage.killed_when_it_is_up()
        await stage.central_system.start()
        await stage.all_told()
        stage.reconciles()


async def test_a_night_of_silence_costs_no_attempt(act):
    """Each message has one attempt, and the gateway gives up silent connections again and again."""
    only_one = {"TransactionMessageAttempts": "1"}
    async with act(call_timeout_s=1.0, configuration=only_one) as stage:
        await stage.sessions_run()
        stage.central_system.fall_silent(True)
        await stage.until(
            lambda: all(reconnected(stage, identity) >= 2 for identity in stage.stage.identities),
            "every link has been given up twice",
        )
        stage.central_system.fall_silent(False)
        await stage.all_told()
        assert await stage.dead_letters() == []
        stage.reconciles()


def reconnected(stage, identity):
    """Heartbeats that asked whether anybody is there: each is the end of a connection."""
    return sum(one.action == "Heartbeat" for one in stage.central_system.exchanges(identity))


async def test_few_attempts_and_errors_leave_dead_letters_and_no_session_unaccounted(act):
    few = {"TransactionMessageAttempts": "2", "TransactionMessageRetryInterval": "30"}
    async with act(configuration=few) as stage:
        await stage.sessions_run()
        await stage.trouble.take_central_system_away(Away(0.0, LONG, Outage.ERRORS))
        await stage.until(lambda: bool(stage.central_system.ledger.transactions()), "it answers again")
        stage.stage.cloud.stop_arrivals()
        await stage.until(lambda: not stage.stage.world.running_sessions(), "the last cars leave")
        await stage.all_delivered()
        assert await stage.dead_letters() != []
        listed = await stage.stage.gateway.listed("transactions?limit=1000")
        account_for_every_session(stage, listed)
        # Whoever was never told of a stop sees the next start as one too many.
        assert {violation.rule for violation in stage.central_system.violations} <= {Rule.OVERLAP}


def account_for_every_session(stage, listed):
    """Each session is one transaction of the gateway; what was answered of it, the central system knows."""
    sessions = {
        (one.serial.replace("SIM", "CP"), one.session): one for one in stage.stage.world.finished_sessions()
    }
    assert {(one["charge_point"], one["session"]) for one in listed} == set(sessions)
    assert len(listed) == len(sessions)
    told = {one.id: one for one in stage.central_system.ledger.transactions()}
    for one in listed:
        session = sessions[one["charge_point"], one["session"]]
        edges = (session.id_tag, session.start_register_wh, session.stop_register_wh)
        assert (one["id_tag"], one["meter_start_wh"], one["meter_stop_wh"]) == edges
        assert one["start"] in {"answered", "dead"}
        assert one["stop"] in {"answered", "dead"}
        if one["start"] == "answered":
            known = told.pop(one["transaction_id"])
            assert (known.identity, known.id_tag) == (one["charge_point"], session.id_tag)
            assert known.meter_start_wh == session.start_register_wh
            assert known.meter_stop_wh == (session.stop_register_wh if one["stop"] == "answered" else None)
    assert told == {}
