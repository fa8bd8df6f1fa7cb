"""The driver's connection with its cloud, and what the cloud has of sessions that were reported before."""

from typing import Final
from unittest import SkipTest

from msgspec import structs

from chargebridge.drivers import (
    CommandOutcome,
    Outcome,
    ReportsCloud,
    ReportSessions,
    SessionEnd,
    SessionEnded,
    SessionStarted,
)
from chargebridge.testing.contract.check import Bench, Check, Run, check


@check("A driver without a connection to its cloud says why, and says so when it has one (again).")
async def the_connection_with_the_cloud_is_reported(bench: Bench) -> None:
    """Cut the driver off from its cloud, and let it connect again."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        seen = run.seen
        await run.ready(charger)
        said = seen.connections[-1:]
        await bench.rig.cut_cloud()
        seen.expect(said == [None], "cloud_connected, since the charger can be reached")
        await seen.until(lambda: seen.connections[-1:] != [None], "cloud_disconnected when it is cut off")
        _expect_reason(run)
        _expect_status(run, connected=False)
        await bench.rig.restore_cloud()
        await seen.until(lambda: seen.connections[-1:] == [None], "cloud_connected when it is back")
        _expect_status(run, connected=True)


@check("A driver that does not find its cloud says why.")
async def a_cloud_that_is_not_there_is_reported(bench: Bench) -> None:
    """Start a driver whose cloud is not there."""
    async with bench.running(bench.charger.serial, make=bench.rig.make_lost_driver) as run:
        await run.seen.until(lambda: run.seen.connections, "cloud_disconnected")
        _expect_reason(run)


def _expect_status(run: Run, *, connected: bool) -> None:
    """Expect that a driver that can say how it stands says the same."""
    if isinstance(run.driver, ReportsCloud):
        status = run.driver.cloud_status()
        run.seen.expect(status.connected is connected, f"a cloud_status with connected {connected}")
        run.seen.expect(bool(status.reason) is not connected, "a reason in cloud_status, if not connected")


def _expect_reason(run: Run) -> None:
    run.seen.expect(run.seen.connections[-1], "cloud_disconnected with a reason")


@check(
    "ReportSessions reports each wanted session that is over, by number, then the start of the one that runs,"
    " then DONE; also what was acknowledged."
)
async def sessions_are_reported_again(bench: Bench) -> None:
    """Let two sessions end and a third one run, and ask for the second and later ones, twice."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        await _report(bench, run, 1, 0, 0)
        for _ in range(2):
            await run.begin_session(charger)
            await charger.charge()
            ended = await run.end_session(charger)
        started = await run.begin_session(charger)
        expected = [_anyhow(ended), _anyhow(started)]
        for _ in range(2):
            mark = run.seen.mark
            outcome = await _report(bench, run, ended.session, ended.started_at_ms, ended.start_register_wh)
            run.seen.expect(outcome.outcome is Outcome.DONE, "the outcome DONE")
            deliveries = [one.what for one in run.seen.of(charger.serial, mark)]
            before = deliveries[: deliveries.index(outcome)]
            reported = [_anyhow(one) for one in before if isinstance(one, SessionEnded | SessionStarted)]
            run.seen.expect(reported == expected, f"before the outcome {expected}; it is {reported}")


@check("ReportSessions of a session that never was is DONE, and nothing is reported.")
async def a_session_that_never_was_is_not_reported(bench: Bench) -> None:
    """Let a session end, and ask for the one after it."""
    charger = bench.charger
    async with bench.running(charger.serial, acknowledges=True) as run:
        await run.ready(charger)
        await _report(bench, run, 1, 0, 0)
        await run.begin_session(charger)
        await charger.charge()
        ended = await run.end_session(charger)
        mark = run.seen.mark
        outcome = await _report(bench, run, ended.session + 1, ended.at_ms, ended.register_wh)
        run.seen.expect(outcome.outcome is Outcome.DONE, "the outcome DONE")
        reported = [
            one.what
            for one in run.seen.of(charger.serial, mark)
            if isinstance(one.what, SessionEnded | SessionStarted)
        ]
        run.seen.expect(not reported, f"no session; it is {reported}")


def _anyhow(event: SessionEnded | SessionStarted) -> SessionEnded | SessionStarted:
    """Return an event without what may have been seen only while it happened."""
    if isinstance(event, SessionEnded):
        return structs.replace(event, reason=SessionEnd.OTHER)
    return event


async def _report(bench: Bench, run: Run, first: int, from_ms: int, from_wh: int) -> CommandOutcome:
    command = ReportSessions(
        number=bench.number(), expires_ms=bench.expires_ms(), first=first, from_ms=from_ms, from_wh=from_wh
    )
    outcome = await run.outcome(bench.charger.serial, command)
    if outcome.outcome is Outcome.IMPOSSIBLE:
        raise SkipTest(f"this driver cannot report sessions again: {outcome.detail}")
    return outcome


CLOUD_CHECKS: Final[tuple[Check, ...]] = (
    the_connection_with_the_cloud_is_reported,
    a_cloud_that_is_not_there_is_reported,
    sessions_are_reported_again,
    a_session_that_never_was_is_not_reported,
)
