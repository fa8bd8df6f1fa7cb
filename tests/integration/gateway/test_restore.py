"""A backup is restored while chargers go on: the books stay right, or the difference is a dead letter."""

import asyncio
import contextlib
import json
import sqlite3
import sys
import zipfile
from collections import defaultdict

import pytest

from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.remote.server import CloudServer
from chargebridge.chargers.simulator.traffic import PACES, Traffic
from chargebridge.chargers.simulator.world import World
from chargebridge.clock import ScaledClock
from chargebridge.emulators.central_system import Kind, Rule

pytestmark = pytest.mark.integration

FLEET = [f"CP{number:02}" for number in range(30)]
TOKEN = "a token of these tests"
FASTER = 240.0
EXPECTED = {
    # Who ended a session, by a token or from afar, is not in the charger's record: register and time are.
    Rule.STOP_CHANGED,
    # A transaction that was open at the backup has ended meanwhile; what it measured last may be repeated.
    Rule.AFTER_STOP,
    # One that began meanwhile is open at the central system until its dead letters are dealt with.
    Rule.OVERLAP,
}


class Fleet:
    """Busy chargers of a cloud in this process, a central system, and a gateway in a process of its own."""

    def __init__(self, site, world, central_system, wait_until):
        self.site, self.world, self.cs, self.wait_until = site, world, central_system, wait_until

    async def command(self, *arguments):
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chargebridge", *map(str, arguments), "--config", str(self.site.path)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await made.communicate()
        return made.returncode, out.decode(), errors.decode()

    def transactions(self):
        return self.cs.ledger.transactions()

    def said(self, identity, action):
        return [
            exchange.payload
            for exchange in self.cs.exchanges(identity)
            if (exchange.action, exchange.kind) == (action, Kind.CALL)
        ]

    async def busy(self, ended=0):
        """At least two thirds of the chargers charge, and so many transactions have ended."""
        await self.wait_until(
            lambda: (
                sum(one.is_open for one in self.transactions()) >= len(FLEET) * 2 // 3
                and sum(not one.is_open for one in self.transactions()) >= ended
            ),
            timeout_s=50,
        )

    def letters(self):
        """Return the transactions with dead letters by charger and session, with the kinds of these."""
        with contextlib.closing(sqlite3.connect(self.site.folder / "state" / "store.sqlite3")) as store:
            rows = store.execute(
                "SELECT t.charger, t.session, d.kind, t.meter_start_wh, t.meter_stop_wh, t.transaction_id"
                " FROM dead_letters AS d JOIN transactions AS t"
                " ON t.charge_point = d.charge_point AND t.number = d.transaction_number"
            ).fetchall()
        found = defaultdict(list)
        for charger, session, *rest in rows:
            found[charger.removeprefix("sim/"), session].append(tuple(rest))
        return found

    def queued(self):
        with contextlib.closing(sqlite3.connect(self.site.folder / "state" / "store.sqlite3")) as store:
            return store.execute("SELECT count(*) FROM queue").fetchone()[0]

    def books_are_right(self):
        """Every session is told once, to the Wh, or is listed; nothing contradicts anything."""
        assert {one.rule for one in self.cs.violations} <= EXPECTED
        assert sum(one.start_repeats for one in self.transactions()) == 0
        stops = defaultdict(set)
        for identity in FLEET:
            for stop in self.said(identity, "StopTransaction"):
                stops[stop["transactionId"]].add((stop["meterStop"], stop["timestamp"]))
        assert [said for said in stops.values() if len(said) > 1] == []
        assert -1 not in stops
        letters = self.letters()
        told = {
            (one.identity, one.meter_start_wh, one.meter_stop_wh): one
            for one in self.transactions()
            if not one.is_open
        }
        neither = []
        for session in self.world.finished_sessions():
            if (session.serial, session.start_register_wh, session.stop_register_wh) in told:
                continue
            listed = letters.get((session.serial, session.session), [])
            stop = [letter for letter in listed if letter[0] == "stop"]
            if not stop or stop[0][1:3] != (session.start_register_wh, session.stop_register_wh):
                neither.append((session.serial, session.session, listed))
        assert neither == []
        ids = {letter[3] for listed in letters.values() for letter in listed if letter[0] == "stop"}
        wh = {(serial, letter[1]) for (serial, _), listed in letters.items() for letter in listed}
        unexplained = [
            one
            for one in self.transactions()
            if one.is_open and one.id not in ids and (one.identity, one.meter_start_wh) not in wh
        ]
        assert unexplained == []
        return letters


@pytest.fixture
def fleet(site, wait_until):
    @contextlib.asynccontextmanager
    async def fleet():
        site.speed = FASTER
        site.clock = ScaledClock(FASTER, site.origin_ms, site.origin_ms)
        site.charge_points = [{"identity": identity} for identity in FLEET]
        world = World(site.folder / "world.sqlite", Traffic(3, PACES["busy"]))
        cloud = SimulatedCloud(world, site.clock)
        server = CloudServer(cloud, TOKEN)
        cloud.start()
        await server.start()
        for identity in FLEET:
            cloud.add(ChargerSettings(serial=identity))
        connect = f"127.0.0.1:{server.port}"
        site.drivers = {"sim": {"type": "simulator", "connect": connect, "token": TOKEN}}
        try:
            async with site.central_system() as cs:
                site.reach(cs).write()
                yield Fleet(site, world, cs, wait_until)
        finally:
            await server.stop()
            cloud.stop()
            world.close()

    return fleet


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_thirty_busy_charge_points_after_a_restore(fleet, how, kill):
    async with fleet() as place:
        backup = place.site.folder / "backup.zip"
        async with place.site.process() as process:
            await place.busy(ended=10)
            code, out, errors = await place.command("backup", backup)
            assert (code, out) == (0, f"{backup}\n"), errors
            open_then = {one.id for one in place.transactions() if one.is_open}
            await place.wait_until(
                lambda: sum(not one.is_open for one in place.transactions() if one.id in open_then) >= 12,
                timeout_s=50,
            )
            if how == "killed":
                await kill(process)
            else:
                process.terminate()
                assert await asyncio.wait_for(process.wait(), 30) == 0
        code, out, errors = await place.command("restore", backup, "--yes", "--json")
        assert code == 0, errors
        report = json.loads(out)
        assert report["in_doubt"]
        assert sum(one["open_transactions"] for one in report["charge_points"]) >= 12
        async with place.site.process() as process:
            for identity in FLEET:
                await place.cs.wait_connected(identity, timeout_s=30)
            before = len(place.transactions())
            await place.wait_until(lambda: len(place.transactions()) > before + 10, timeout_s=50)
            place.world.stop_arrivals()
            await place.wait_until(lambda: not place.world.running_sessions(), timeout_s=50)
            await asyncio.sleep(3)  # what the last of them have to say is on its way
            await place.wait_until(lambda: place.queued() == 0, timeout_s=30)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 30) == 0
        letters = place.books_are_right()
        assert letters  # sessions of the time in question


async def test_a_plain_copy_of_an_old_store_is_refused_with_the_remedy(site):
    store = site.folder / "state" / "store.sqlite3"
    async with site.central_system() as cs:
        async with site.reach(cs).process() as process:
            await cs.wait_connected("CP1", timeout_s=20)
            process.terminate()
            assert await process.wait() == 0
        old = store.read_bytes()
        async with site.process() as process:
            await cs.wait_connected("CP1", timeout_s=20)
            process.terminate()
            assert await process.wait() == 0
        store.write_bytes(old)
        async with site.process() as process:
            assert await asyncio.wait_for(process.wait(), 20) == 1
        said = site.logged().splitlines()[-1]
        assert f"{store} is a store of" in said
        assert "older than what has run here until" in said
        assert "chargebridge restore FILE --config" in said
        assert store.read_bytes() == old


async def test_what_was_taken_out_of_a_backup_by_hand_is_refused(site):
    store, backup = site.folder / "state" / "store.sqlite3", site.folder / "backup.zip"
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        await gateway.backup(backup)
    with zipfile.ZipFile(backup) as whole:
        assert sorted(whole.namelist()) == ["manifest.json", "store.sqlite3"]
        manifest = json.loads(whole.read("manifest.json"))
        whole.extract("store.sqlite3", site.folder / "state")
    assert manifest["format"] == 1
    assert backup.stat().st_mode & 0o777 == 0o600
    (site.folder / "state" / "generation").unlink()
    for aside in site.folder.glob("state/store.sqlite3-*"):
        aside.unlink()
    async with site.process() as process:
        assert await asyncio.wait_for(process.wait(), 20) == 1
    assert f"{store} is a backup of {manifest['taken']}" in site.logged()
    assert "chargebridge restore FILE" in site.logged()


async def test_a_restore_while_a_gateway_runs_is_refused(site):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        await gateway.backup(site.folder / "backup.zip")
        place = Fleet(site, None, cs, None)
        code, _, errors = await place.command("restore", site.folder / "backup.zip", "--yes")
        assert code == 1
        assert "is in use by process" in errors
