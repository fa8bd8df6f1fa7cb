"""The program itself: killed, told to reload, told to stop."""

import asyncio
import contextlib
import signal
import sqlite3

import pytest

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.remote.server import CloudServer
from chargebridge.chargers.simulator.world import World
from chargebridge.emulators.central_system import Lost
from chargebridge.store.journal import STORE_FILE

pytestmark = pytest.mark.integration

CHARGING = {"connectorId": 1, "status": "Charging"}


class Outside:
    """The chargers and their cloud, which live on whatever happens to the gateway."""

    def __init__(self, cloud, world):
        self.cloud, self.world = cloud, world

    async def act(self, serial, action, arguments):
        return self.cloud.act(serial, action, arguments)


@contextlib.asynccontextmanager
async def outside(site):
    world = World(site.folder / "world.sqlite")
    cloud = SimulatedCloud(world, site.clock)
    server = CloudServer(cloud, "a token of the test")
    cloud.start()
    await server.start()
    site.drivers = {
        "sim": {
            "type": "simulator",
            "connect": f"127.0.0.1:{server.port}",
            "token": "a token of the test",
        }
    }
    try:
        yield Outside(cloud, world)
    finally:
        await server.stop()
        cloud.stop()
        world.close()


def put_up_chargers(chargers, *serials):
    """The chargers of another process are not put up by who listens to them."""
    for serial in serials:
        chargers.cloud.add(ChargerSettings(serial=serial))


async def reconciled(someone, central_system, transactions, wait_until):
    """What the charger delivered is what the central system was told, once."""

    def told():
        return central_system.ledger.transactions()

    await wait_until(lambda: len(told()) == transactions and not any(one.is_open for one in told()))
    assert sum(one.energy_wh for one in told()) == (await someone.act("view"))["register_wh"]
    assert central_system.violations == []


async def test_killed_in_a_session_that_goes_on_meanwhile(site, visitor, wait_until, kill):
    async with outside(site) as chargers, site.central_system() as cs:
        put_up_chargers(chargers, "CP1")
        site.reach(cs)
        someone = visitor(chargers, cs)
        async with site.process() as process:
            await cs.wait_connected("CP1", timeout_s=20)
            await someone.ready()
            await someone.begin_session()
            await kill(process)
        await cs.wait_disconnected("CP1")
        someone.skip()
        async with site.process() as process:
            await cs.wait_connected("CP1", timeout_s=20)
            await someone.expect("BootNotification")
            await someone.expect("StatusNotification", CHARGING)
            await someone.end_session()
            await reconciled(someone, cs, 1, wait_until)
            process.terminate()
            assert await process.wait() == 0


async def test_killed_while_answers_are_lost_and_sessions_end_and_begin(site, visitor, wait_until, kill):
    async with outside(site) as chargers, site.central_system() as cs:
        put_up_chargers(chargers, "CP1")
        site.reach(cs)
        someone = visitor(chargers, cs)
        async with site.process() as process:
            await cs.wait_connected("CP1", timeout_s=20)
            await someone.ready()
            # Recorded, but the gateway never learns the transactionId.
            cs.answer("StartTransaction", lambda identity, request: Lost())
            await someone.act("plug_in")
            await someone.act("present_token", id_tag="TAG")
            await someone.expect("StartTransaction")
            await kill(process)
        cs.answer_as_usual("StartTransaction")
        await someone.act("unplug")
        someone.skip()
        async with site.process() as process:
            await cs.wait_connected("CP1", timeout_s=20)
            await someone.expect("StopTransaction")
            await someone.begin_session("OTHER")
            await someone.end_session()
            await reconciled(someone, cs, 2, wait_until)
            first, second = cs.ledger.transactions()
            assert (first.id_tag, first.start_repeats, second.id_tag) == ("TAG", 1, "OTHER")


def stored(site):
    """When each transaction stopped, as far as the gateway has written it down."""
    with contextlib.closing(sqlite3.connect(site.folder / "state" / STORE_FILE)) as store:
        return store.execute("SELECT stopped_ms FROM transactions").fetchall()


async def test_field_2_a_session_offline_with_a_kill_in_between_is_delivered_once_as_it_was(
    site, visitor, wait_until, kill
):
    site.charge_points[0]["configuration"] = {"AllowOfflineTxForUnknownId": "true"}
    async with outside(site) as chargers, site.central_system() as cs:
        put_up_chargers(chargers, "CP1")
        site.reach(cs)
        someone = visitor(chargers, cs)
        async with site.process() as process:
            await cs.wait_connected("CP1", timeout_s=20)
            await someone.ready()
            await cs.stop(abort=True)
            await someone.act("plug_in")
            await someone.act("present_token", id_tag="TAG")
            await wait_until(lambda: stored(site) == [(None,)])
            await kill(process)
        async with site.process() as process:
            await someone.act("unplug")
            await wait_until(lambda: stored(site) not in ([], [(None,)]), timeout_s=20)
            await kill(process)
        async with site.process() as process:
            await cs.start()
            await cs.wait_connected("CP1", timeout_s=20)
            await reconciled(someone, cs, 1, wait_until)
            (told,), (done,) = cs.ledger.transactions(), chargers.world.finished_sessions()
            assert (told.id_tag, told.started_at_ms, told.meter_start_wh) == (
                done.id_tag,
                done.started_at_ms,
                done.start_register_wh,
            )
            assert (told.stopped_at_ms, told.meter_stop_wh, told.start_repeats, told.stop_repeats) == (
                done.stopped_at_ms,
                done.stop_register_wh,
                0,
                0,
            )
            assert told.meter_stop_wh > told.meter_start_wh


async def test_a_hangup_reloads_and_a_bad_file_changes_nothing(site, visitor, wait_until):
    async with site.central_system() as cs, site.reach(cs).process() as process:
        await cs.wait_connected("CP1", timeout_s=20)
        await visitor(None, cs).ready()
        site.charge_points.append({"identity": "CP2", "configuration": {"ConnectionTimeOut": "soon"}})
        site.write()
        process.send_signal(signal.SIGHUP)
        await wait_until(lambda: "reload refused" in site.logged())
        assert "ConnectionTimeOut: found a value it cannot take" in site.logged()
        site.charge_points[1] = {"identity": "CP2", "configuration": {"ConnectionTimeOut": "60"}}
        site.drivers["two"] = {"type": "simulator", "traffic": "wild"}
        site.charge_points[0]["driver"] = site.charge_points[1]["driver"] = "sim"
        site.write()
        process.send_signal(signal.SIGHUP)
        await wait_until(lambda: site.logged().count("reload refused") == 2)
        assert "drivers.two.traffic" in site.logged()
        del site.drivers["two"]
        site.write()
        process.send_signal(signal.SIGHUP)
        await cs.wait_connected("CP2")
        assert cs.ledger.charge_point("CP1").boots == 1
        assert cs.connected("CP1")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        assert cs.violations == []
        assert "Traceback" not in site.logged()


async def test_keys_that_take_a_restart_are_named(site, wait_until):
    async with site.central_system() as cs, site.reach(cs).process() as process:
        await cs.wait_connected("CP1", timeout_s=20)
        site.tables["link"] = {"connects_per_s": 10.0}
        site.write()
        process.send_signal(signal.SIGHUP)
        await wait_until(lambda: "link.connects_per_s" in site.logged())


async def test_nothing_is_left_behind(site, visitor):
    """Under `-X dev`, what was not closed and not awaited is complained of at the end."""
    site.tables["api"] = {"enabled": True, "port": 0}
    async with site.central_system() as cs:
        site.reach(cs).write()
        with site.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *site.command("-X", "dev", "-W", "error"), stdout=log, stderr=log
            )
        try:
            await cs.wait_connected("CP1", timeout_s=30)
            await visitor(None, cs).ready()
            process.terminate()
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert all(word not in site.logged() for word in ("Warning", "Traceback", "Exception", "never"))
