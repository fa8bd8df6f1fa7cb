"""The driver under the limits of Easee's cloud: what is paused, what goes on, and what an operator sees."""

import asyncio
import re

import pytest
import structlog

from chargebridge.chargers.easee.driver import EaseeDriver
from chargebridge.chargers.model import (
    Authorize,
    ChargerState,
    EndSession,
    Outcome,
    Reboot,
    ReportsCloud,
    SessionStarted,
)
from chargebridge.clock import SystemClock
from tests.integration.easee.bench import Bench, Sink, driving, settings
from tests.integration.easee.stage import SERIAL, until
from tests.integration.easee.test_discover import configuration, discover

pytestmark = pytest.mark.integration

SECOND = "EH000002"


async def starts_and_stops(bench: Bench, serial: str = SERIAL) -> None:
    """Have a car come, charge and stop by commands."""
    bench.site.act("plug_in", serial, battery_kwh=400)
    await until(lambda: bench.sink.state(serial) is ChargerState.AWAITING_TOKEN, "the car is seen")
    authorized = await bench.outcome(Authorize, serial=serial, id_tag="04AABBCC", accepted=True)
    assert authorized.outcome is Outcome.DONE, authorized
    await until(lambda: bench.sink.of(SessionStarted, serial), "the session is told")
    session = bench.sink.of(SessionStarted, serial)[-1].session
    ended = await bench.outcome(EndSession, serial=serial, session=session)
    assert ended.outcome is Outcome.DONE, ended


async def test_the_third_list_of_chargers_within_a_minute_delays_no_start(stage, tmp_path):
    async with stage(speed=1.0, chargers=2) as site:
        file = configuration(site, tmp_path)
        for options in ((), ("--write",)):
            code, output = await discover(file, *options)
            assert code == 0, output
        with structlog.testing.capture_logs() as log:
            async with driving(site, "account", serials=(SERIAL, SECOND)) as bench:
                await bench.ready()
                await until(lambda: site.cloud.statistics.count("chargers", 429))
                await until(lambda: bench.driver.cloud_status().pauses)
                assert [one.what for one in bench.driver.cloud_status().pauses] == ["charger list"]
                await starts_and_stops(bench)
                await starts_and_stops(bench, SECOND)
        assert [one for one in log if one["log_level"] == "warning"] == []


async def test_discover_says_when_to_try_again(stage, tmp_path):
    async with stage(speed=1.0) as site:
        site.cloud.misbehaviour.retry_after_s = 47
        file = configuration(site, tmp_path)
        for _ in range(2):
            assert await site.client.call("GET", "/api/chargers")
        code, output = await discover(file)
        assert code == 3, output  # the other list is shown
        assert "too many requests to this endpoint: charger list (429)" in output
        assert re.search(r"try again in \d\d s, after 20\d\d-", output), output


async def test_a_list_of_chargers_that_has_to_wait_comes_by_itself(stage):
    async with stage(speed=60.0) as site:
        for _ in range(2):
            await site.client.call("GET", "/api/chargers")
        async with driving(site, "account") as bench:
            await until(lambda: site.cloud.statistics.count("chargers", 429))
            await until(lambda: site.cloud.statistics.count("chargers", 200) == 3, "the list is read")
            await bench.ready()


@pytest.mark.parametrize("name", ["too_many_negotiations", "too_many_streams"])
async def test_a_handshake_that_is_refused_again_and_again_delays_the_stream_alone(stage, name):
    async with stage(speed=60.0) as site, driving(site, "account") as bench:
        await bench.ready()
        await starts_and_stops(bench)
        with structlog.testing.capture_logs() as log:
            setattr(site.cloud.misbehaviour, name, 1.0)
            site.cloud.misbehaviour.retry_after_s = None
            site.cloud.disconnect_streams()
            await until(lambda: site.cloud.statistics.misbehaved[name] >= 3, "it is refused three times")
            status = bench.driver.cloud_status()
            assert (status.connected, "(429); commands go on" in status.reason) == (False, True)
            answer = await bench.driver._connection._account.request(
                "POST", f"/api/chargers/{SERIAL}/commands/reboot", timeout_s=5
            )
            assert answer.status == 202
            setattr(site.cloud.misbehaviour, name, 0.0)
            await until(lambda: bench.driver.cloud_status().connected, "the stream is back")
        assert bench.driver.cloud_status().pauses == ()
        told = [(one["log_level"], one["event"]) for one in log if one.get("what") == "stream handshake"]
        assert told == [("warning", "requests paused"), ("info", "requests resumed")]


@pytest.mark.parametrize(("status", "announced"), [(429, True), (403, True), (429, False), (403, False)])
async def test_a_block_of_the_whole_account_is_survived_and_said(stage, status, announced):
    async with stage(speed=7200.0) as site, driving(site, "account") as bench:
        await bench.ready()
        with structlog.testing.capture_logs() as log:
            wrong = site.cloud.misbehaviour
            wrong.block_status, wrong.block_announced, wrong.retry_after_s = status, announced, None
            wrong.blocked = True

            def is_silent() -> bool:
                pauses = {one.what: one for one in bench.driver.cloud_status().pauses}
                return "all requests" in pauses and "blocks" in pauses["all requests"].reason

            while not is_silent():
                await bench.outcome(Reboot)
            asked = site.cloud.statistics.requests_while_blocked
            assert (await bench.outcome(Reboot)).outcome is Outcome.REFUSED
            assert asked == site.cloud.statistics.requests_while_blocked
            async with asyncio.timeout(60):
                while wrong.blocked:
                    await bench.outcome(Reboot)
        assert site.cloud.statistics.requests_while_blocked == asked, "no request in all that time"
        told = [one["event"] for one in log if one.get("what") == "all requests"]
        assert told.count("requests paused") <= (1 if announced else 2)


async def test_one_charger_that_cannot_be_reached_delays_no_other(stage):
    async with stage(chargers=2) as site, driving(site, "account", serials=(SERIAL, SECOND)) as bench:
        await bench.ready()
        await bench.ready(SECOND)
        site.cloud.misbehaviour.unreachable_charger = SERIAL
        for _ in range(5):
            refused = await bench.outcome(Reboot)
            assert (refused.outcome, refused.detail) == (Outcome.REFUSED, "charger unreachable (504)")
        await starts_and_stops(bench, SECOND)


async def test_a_cloud_that_is_busy_for_a_minute_says_so(stage):
    async with stage(speed=1.0) as site, driving(site, "account") as bench:
        await bench.ready()
        site.cloud.misbehaviour.unavailable = 1.0
        refused = await bench.outcome(Reboot)
        assert refused.outcome is Outcome.REFUSED
        assert "try again in a minute (503)" in refused.detail


def test_the_driver_says_how_it_stands_before_it_is_started():
    driver = EaseeDriver(
        "easee",
        {"way": "account", "user_name": "a@example.com", "password": "secret"},
        Sink(),
        SystemClock(),
        None,
    )
    assert isinstance(driver, ReportsCloud)
    status = driver.cloud_status()
    assert (status.connected, status.reason) == (False, "not started")


async def test_discover_sends_nothing_while_a_running_driver_knows_of_a_block(stage, tmp_path):
    async with stage(speed=1.0) as site:
        file = configuration(site, tmp_path)
        state_dir = tmp_path / "state"
        text = file.read_text()
        file.write_text(f'[state]\ndirectory = "{state_dir}"\n{text}')
        sink = Sink()
        driver = EaseeDriver("home", settings(site, "account"), sink, site.clock, state_dir)
        sink.driver = driver
        driver.watch(SERIAL)
        await driver.start()
        try:
            await Bench(site, driver, sink).ready()
            site.cloud.misbehaviour.blocked = True
            refused = await Bench(site, driver, sink).outcome(Reboot)
            assert "blocks this account or address for 24 hours" in refused.detail
        finally:
            await driver.stop()
        asked = site.cloud.statistics.requests_while_blocked
        code, output = await discover(file)
        assert code == 1
        assert len(output.strip().splitlines()) == 1
        assert "blocks this account or address for 24 hours" in output
        assert "try again in" in output
        assert site.cloud.statistics.requests_while_blocked == asked
