"""The central system stopped, refusing, silent or ill while the gateway runs: real sockets and processes."""

import asyncio

import pytest

from chargebridge.demo.faults import CentralSystemOutage, CloudOutage, Kill, Moment, Outage
from chargebridge.emulators.central_system import Rule

pytestmark = [pytest.mark.integration, pytest.mark.long]

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
async def test_sessions_go_on_while_the_central_system_is_away_for_a_moment_and_for_long(
    scenario_of, outages
):
    async with scenario_of() as scenario:
        await scenario.sessions_run()
        for outage in outages:
            await scenario.injector.interrupt_central_system(CentralSystemOutage(0.0, A_MOMENT, outage))
            await scenario.all_connected()
        for outage in outages:
            await scenario.injector.interrupt_central_system(CentralSystemOutage(0.0, LONG, outage))
            await scenario.all_connected()
        await scenario.all_reported()
        assert await only_measurements_given_up(scenario)
        scenario.reconciles()


async def only_measurements_given_up(scenario):
    """Refused MeterValues may be given up, so that they hold up no Start or Stop (Q-10); nothing else is."""
    return {one["kind"] for one in await scenario.dead_letters()} <= {"meter_values"}


@pytest.mark.parametrize("outage", [Outage.PENDING, Outage.REJECTED], ids=["pending", "rejected"])
async def test_a_gateway_killed_before_it_is_accepted_reports_everything_afterwards(scenario_of, outage):
    async with scenario_of() as scenario:
        await scenario.sessions_run()
        away = asyncio.ensure_future(
            scenario.injector.interrupt_central_system(CentralSystemOutage(0.0, LONG, outage))
        )
        await scenario.injector.kill(kill())
        await scenario.injector.kill(kill())
        await scenario.session_has_ended()
        await away
        await scenario.all_reported()
        scenario.reconciles()


async def test_a_gateway_killed_again_and_again_during_an_outage_keeps_its_messages(scenario_of):
    async with scenario_of() as scenario:
        await scenario.sessions_run()
        await scenario.central_system.stop(abort=True)
        await scenario.session_has_ended()
        for _ in range(3):
            await scenario.killed_when_it_is_up()
        await scenario.central_system.start()
        await scenario.all_reported()
        scenario.reconciles()


async def test_a_cloud_cut_while_the_central_system_is_away_and_the_gateway_is_killed(scenario_of):
    async with scenario_of() as scenario:
        await scenario.sessions_run()
        await asyncio.gather(
            scenario.injector.interrupt_central_system(CentralSystemOutage(0.0, LONG, Outage.CUT)),
            scenario.injector.interrupt_cloud(CloudOutage(0.0, LONG / 2)),
            scenario.injector.kill(kill()),
        )
        await asyncio.gather(
            scenario.injector.interrupt_central_system(CentralSystemOutage(0.0, LONG / 2, Outage.CLOSED)),
            scenario.injector.interrupt_cloud(CloudOutage(0.0, LONG)),
        )
        await scenario.all_reported()
        scenario.reconciles()


async def test_a_gateway_that_starts_without_cloud_and_central_system_finds_both_later(scenario_of):
    async with scenario_of() as scenario:
        await scenario.sessions_run()
        await scenario.testbed.vendor.stop()
        await scenario.central_system.stop()
        await scenario.killed_when_it_is_up()
        await scenario.session_has_ended()
        await scenario.killed_when_it_is_up()
        await scenario.testbed.vendor.start()
        await scenario.killed_when_it_is_up()
        await scenario.central_system.start()
        await scenario.all_reported()
        scenario.reconciles()


async def test_a_night_of_silence_costs_no_attempt(scenario_of):
    """Each message has one attempt, and the gateway gives up silent connections again and again."""
    only_one = {"TransactionMessageAttempts": "1"}
    # Longer than the second after which the central system allows another CALL: the way takes time, too.
    async with scenario_of(call_timeout_s=1.25, configuration=only_one) as scenario:
        await scenario.sessions_run()
        scenario.central_system.fall_silent(True)
        await scenario.until(
            lambda: all(reconnected(scenario, identity) >= 2 for identity in scenario.testbed.identities),
            "every link was closed twice",
        )
        scenario.central_system.fall_silent(False)
        await scenario.all_reported()
        assert await scenario.dead_letters() == []
        scenario.reconciles()


def reconnected(scenario, identity):
    """Count the Heartbeats that probed a silent link: each of them ends a connection."""
    return sum(one.action == "Heartbeat" for one in scenario.central_system.exchanges(identity))


async def test_few_attempts_and_errors_leave_dead_letters_and_no_session_unaccounted(scenario_of):
    few = {"TransactionMessageAttempts": "2", "TransactionMessageRetryInterval": "30"}
    async with scenario_of(configuration=few) as scenario:
        await scenario.sessions_run()
        await scenario.injector.interrupt_central_system(CentralSystemOutage(0.0, LONG, Outage.ERRORS))
        await scenario.until(lambda: bool(scenario.central_system.ledger.transactions()), "it answers again")
        scenario.testbed.cloud.stop_arrivals()
        await scenario.until(lambda: not scenario.testbed.world.running_sessions(), "the last cars leave")
        await scenario.all_delivered()
        assert await scenario.dead_letters() != []
        listed = await scenario.testbed.gateway.listed("transactions?limit=1000")
        account_for_every_session(scenario, listed)
        # Without the dead StopTransaction the next StartTransaction overlaps.
        assert {violation.rule for violation in scenario.central_system.violations} <= {Rule.OVERLAP}


@pytest.mark.parametrize(
    "outages",
    [(Outage.ODD, Outage.LATE, Outage.HANGING_UP), (Outage.NO_MEASUREMENTS, Outage.HANGING_UP, Outage.ODD)],
    ids=["odd, late and hanging up", "refusing measurements, hanging up and odd"],
)
async def test_sessions_are_told_to_a_central_system_that_is_slow_odd_refusing_and_closing_by_turns(
    scenario_of, outages
):
    async with scenario_of(call_timeout_s=1.25) as scenario:
        await scenario.sessions_run()
        for outage in (*outages, *outages):
            await scenario.injector.interrupt_central_system(CentralSystemOutage(0.0, LONG, outage))
        await scenario.all_reported()
        assert await only_measurements_given_up(scenario)
        scenario.reconciles()


def account_for_every_session(scenario, listed):
    """Each session is one transaction of the gateway; what was answered of it, the central system knows."""
    sessions = {
        (one.serial.replace("SIM", "CP"), one.session): one
        for one in scenario.testbed.world.finished_sessions()
    }
    assert {(one["charge_point"], one["session"]) for one in listed} == set(sessions)
    assert len(listed) == len(sessions)
    reported = {one.id: one for one in scenario.central_system.ledger.transactions()}
    for one in listed:
        session = sessions[one["charge_point"], one["session"]]
        edges = (session.id_tag, session.start_register_wh, session.stop_register_wh)
        assert (one["id_tag"], one["meter_start_wh"], one["meter_stop_wh"]) == edges
        assert one["start"] in {"answered", "dead"}
        assert one["stop"] in {"answered", "dead"}
        if one["start"] == "answered":
            known = reported.pop(one["transaction_id"])
            assert (known.identity, known.id_tag) == (one["charge_point"], session.id_tag)
            assert known.meter_start_wh == session.start_register_wh
            assert known.meter_stop_wh == (session.stop_register_wh if one["stop"] == "answered" else None)
    assert reported == {}
