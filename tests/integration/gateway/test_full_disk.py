"""The disk is full: nothing is acknowledged or told that is not durable, and with room everything goes on."""

import asyncio
import contextlib
import json
import socket
import sqlite3
import sys

import httpx
import pytest

from chargebridge.chargers.model import SessionEnded
from chargebridge.chargers.simulator.cloud import SimulatedCloud
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.remote.server import CloudServer
from chargebridge.chargers.simulator.world import World
from chargebridge.demo.reconciliation import reconcile
from chargebridge.gateway.backups import back_up_configuration

from .small_disk import small_disk

pytestmark = pytest.mark.integration

TOKEN = "a token of these tests"
FLEET = ("CP1", "CP2", "CP3")


class Place:
    """A gateway on a small disk, its API, the chargers' cloud beside it and the central system."""

    def __init__(self, site, disk, cloud, central_system, wait_until):
        self.site, self.disk, self.cloud, self.cs = site, disk, cloud, central_system
        self.world = cloud.world
        self.wait_until = wait_until
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{site.tables['api']['port']}",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    @contextlib.asynccontextmanager
    async def process(self):
        """Run the gateway, where the disk is."""
        with self.site.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.disk.inside,
                *self.site.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def act(self, serial, action, **arguments):
        return self.cloud.act(serial, action, arguments)

    async def health(self, status):
        """Wait until the API answers so, and return what it says."""
        async with asyncio.timeout(45):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = await self.client.get("/health")
                    if answer.status_code == status:
                        return answer.json()
                # A real process and a real disk, which announce nothing.
                await asyncio.sleep(0.05)

    async def metrics(self):
        text = (await self.client.get("/metrics")).text
        lines = [line.split() for line in text.splitlines() if line.startswith("chargebridge_")]
        return {name.removeprefix("chargebridge_"): float(value) for name, value in lines}

    async def all_charge(self):
        """Every charger has a session, and the central system knows."""
        for identity in FLEET:
            await self.cs.wait_connected(identity, timeout_s=20)
        await self.wait_until(lambda: self.world.greeting("CP1")[0].event.reachable)
        for identity in FLEET:
            await self.cs.expect(
                identity, "StatusNotification", {"connectorId": 1, "status": "Available"}, timeout_s=20
            )
            self.act(identity, "plug_in", battery_kwh=500)
            self.act(identity, "present_token", id_tag="TAG")
        await self.until_told(lambda told: len(told) == 3)

    async def until_told(self, condition):
        await self.wait_until(lambda: condition(self.cs.ledger.transactions()))

    def kept(self, serial):
        """What nobody has acknowledged."""
        return [one.event for one in self.world.greeting(serial) if one.number]

    async def full(self):
        """Fill the disk, let something happen, and wait until the gateway says so."""
        self.disk.fill()
        self.act("CP1", "unplug")
        reason = (await self.health(503))["error"]
        assert "no room to write" in reason
        assert "store.sqlite3" in reason
        assert "free disk space" in reason

    async def reconciled(self, sessions):
        """Every charger ends its session, and both sides say the same of all that was."""
        for identity in FLEET:
            if self.act(identity, "view")["car"] is not None:
                self.act(identity, "unplug")
        await self.until_told(lambda told: len(told) == sessions and not any(one.is_open for one in told))
        outcome = reconcile(
            lambda serial: serial,
            self.world.finished_sessions(),
            len(self.world.running_sessions()),
            self.world.registers_wh(),
            self.cs.ledger.transactions(),
            self.cs.violations,
        )
        assert outcome.complaints() == []
        assert outcome.sessions == sessions
        assert outcome.reported_wh == outcome.delivered_wh > 0

    async def stop(self, process):
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0


@pytest.fixture
def disk(site):
    with small_disk(site.folder / "state") as disk:
        yield disk


@contextlib.asynccontextmanager
async def placed(site, disk, wait_until):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site.tables["api"] = {"enabled": True, "port": port, "token": TOKEN}
    site.charge_points = [{"identity": identity} for identity in FLEET]
    world = World(site.folder / "world.sqlite")
    cloud = SimulatedCloud(world, site.clock)
    server = CloudServer(cloud, TOKEN)
    cloud.start()
    await server.start()
    for identity in FLEET:
        cloud.add(ChargerSettings(serial=identity))
    site.drivers = {"sim": {"type": "simulator", "connect": f"127.0.0.1:{server.port}", "token": TOKEN}}
    try:
        async with site.central_system() as cs:
            site.reach(cs).write()
            place = Place(site, disk, cloud, cs, wait_until)
            yield place
            await place.client.aclose()
    finally:
        await server.stop()
        cloud.stop()
        world.close()


async def test_nothing_is_told_or_acknowledged_and_with_room_it_goes_on_by_itself(site, disk, wait_until):
    async with placed(site, disk, wait_until) as place, place.process() as process:
        await place.all_charge()
        await place.full()
        # More than is kept in memory, and behind it the end of a session.
        while not (figures := await place.metrics())["events_deferred_total"]:
            place.act("CP3", "lose_cloud")
            place.act("CP3", "regain_cloud")
        place.act("CP3", "unplug")
        assert figures["store_failing"] == 1
        assert figures["charge_points_waiting_for_store"] >= 1
        assert all(one.is_open for one in place.cs.ledger.transactions())
        for serial in ("CP1", "CP3"):
            assert any(isinstance(one, SessionEnded) for one in place.kept(serial))
        place.disk.make_room()
        assert await place.health(200) == {"status": "ok"}
        # Another session, of a charger that had more to tell than was taken.
        place.act("CP3", "plug_in")
        place.act("CP3", "present_token", id_tag="OTHER")
        await place.until_told(lambda told: len(told) == 4)
        await place.reconciled(4)
        await place.wait_until(lambda: not any(place.kept(serial) for serial in FLEET))
        assert (await place.metrics())["charge_points_waiting_for_store"] == 0
        await place.stop(process)
        said = [json.loads(line) for line in site.logged().splitlines()]
        assert [one["event"] for one in said if one["level"] == "error"] == ["store failed"]
        assert len([one for one in said if one["event"] == "store recovered"]) == 1


async def test_killed_while_it_is_full(site, disk, wait_until, kill):
    async with placed(site, disk, wait_until) as place:
        async with place.process() as process:
            await place.all_charge()
            await place.full()
            await kill(process)
        place.disk.make_room()
        async with place.process() as process:
            await place.reconciled(3)
            await place.stop(process)


async def test_stopped_while_it_is_full(site, disk, wait_until):
    async with placed(site, disk, wait_until) as place:
        async with place.process() as process:
            await place.all_charge()
            await place.full()
            await place.stop(process)
        place.disk.make_room()
        async with place.process() as process:
            await place.reconciled(3)
            await place.stop(process)


async def test_started_while_it_is_full_it_waits_for_room(site, disk, wait_until, kill):
    async with placed(site, disk, wait_until) as place:
        async with place.process() as process:
            await place.all_charge()
            await place.full()
            await kill(process)
        disk.fill()
        async with place.process() as process:
            assert "no room to write" in (await place.health(503))["error"]
            assert all(one.is_open for one in place.cs.ledger.transactions())
            disk.make_room()
            await place.health(200)
            await place.reconciled(3)
            await place.stop(process)


async def test_started_while_it_is_full_and_something_has_to_be_written_it_ends_and_harms_nothing(
    site, disk, wait_until, kill
):
    async with placed(site, disk, wait_until) as place:
        async with place.process() as process:
            await place.all_charge()
            await place.full()
            await kill(process)
        site.charge_points.append({"identity": "CP4"})
        site.write()
        disk.fill()
        async with place.process() as process:
            assert await asyncio.wait_for(process.wait(), 20) == 1
        last_words = site.logged().splitlines()[-1]
        assert f"no room to write {site.folder / 'state' / 'store.sqlite3'}" in last_words
        assert "free disk space" in last_words
        assert "Traceback" not in site.logged()
        disk.make_room()
        with contextlib.closing(sqlite3.connect(disk.path / "store.sqlite3")) as store:
            assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        async with place.process() as process:
            await place.reconciled(3)
            await place.stop(process)


async def test_what_the_lock_and_the_token_have_no_room_for_is_named(site, disk, wait_until, kill):
    async with placed(site, disk, wait_until) as place:
        async with place.process() as process:
            await place.all_charge()
            await place.stop(process)
        disk.fill()
        async with place.process() as process:
            assert await asyncio.wait_for(process.wait(), 20) == 1
        lock = site.folder / "state" / "lock"
        assert site.logged().splitlines()[-1] == f"no room to write {lock}; free disk space"
        disk.make_room()
        del site.tables["api"]["token"]
        site.write()
        async with place.process() as process:
            for identity in FLEET:
                await place.cs.wait_connected(identity, timeout_s=20)
            await wait_until((disk.path / "api-token").exists)
            await kill(process)
        (disk.path / "api-token").unlink()
        disk.fill()
        async with place.process() as process:
            assert await asyncio.wait_for(process.wait(), 20) == 1
        token = site.folder / "state" / "api-token"
        assert site.logged().splitlines()[-1].startswith(f"{token} cannot be written (No space left")
        assert not list(disk.path.glob("api-token*"))


async def test_a_backup_that_does_not_fit_leaves_nothing_behind(site, disk, wait_until):
    async with placed(site, disk, wait_until) as place, place.process() as process:
        await place.all_charge()
        (disk.path / "backups").mkdir(mode=0o700)
        disk.fill()
        answer = await place.client.post("/backup", json={"file": "one.zip"})
        assert answer.status_code == 503
        assert "one.zip" in answer.json()["error"]
        assert "free disk space" in answer.json()["error"]
        target = site.folder / "state" / "two.zip"
        made = await asyncio.create_subprocess_exec(
            *disk.inside,
            *(sys.executable, "-m", "chargebridge", "backup", "--config", str(site.path), str(target)),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await made.communicate()
        assert made.returncode == 1
        assert f"no room to write {target}" in said.decode()
        left = {one.name for one in disk.path.glob("**/*.sqlite3*")}
        assert left == {"store.sqlite3", "store.sqlite3-wal", "store.sqlite3-shm"}
        await place.stop(process)


async def test_a_restore_that_does_not_fit_changes_nothing_and_can_be_run_again(site, disk, wait_until):
    async def restore():
        made = await asyncio.create_subprocess_exec(
            *disk.inside,
            *(sys.executable, "-m", "chargebridge", "restore", "--config", str(site.path)),
            *("--yes", str(site.folder / "backup.zip")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await made.communicate()
        return made.returncode, said.decode()

    async with placed(site, disk, wait_until) as place:
        async with place.process() as process:
            await place.all_charge()
            await asyncio.to_thread(back_up_configuration, site.read(), site.folder / "backup.zip")
            await place.stop(process)
        store = (disk.path / "store.sqlite3").read_bytes()
        disk.fill()
        code, said = await restore()
        assert code == 1
        assert "No space left" in said or "no room" in said
        assert "Traceback" not in said
        assert (disk.path / "store.sqlite3").read_bytes() == store
        disk.make_room()
        assert await restore() == (0, "")
        async with place.process() as process:
            await place.reconciled(3)
            await place.stop(process)


async def test_chargers_whose_world_cannot_be_written_stand_still_and_go_on(site, disk, wait_until):
    async with placed(site, disk, wait_until) as place:
        # Their file is on the small disk, too.
        site.drivers = {"sim": {"type": "simulator", "traffic": "none"}}
        site.write()

        async def act(action, body=None):
            return await place.client.post(f"/charge-points/CP1/charger/{action}", json=body)

        async with place.process() as process:
            await place.cs.wait_connected("CP1", timeout_s=20)
            await act("plug-in")
            await act("present-token", {"id_tag": "TAG"})
            await place.until_told(lambda told: len(told) == 1)
            disk.fill()
            while (refused := await act("pause-car")).is_success:  # its log may have room for a little more
                await act("resume-car")
            assert refused.status_code == 409
            assert f"{site.folder / 'state' / 'sim.sqlite'} could not be written" in refused.json()["error"]
            disk.make_room()
            while not (await act("unplug")).is_success:
                await place.health(200)
            await place.until_told(lambda told: not told[0].is_open)
            view = (await place.client.get("/charge-points/CP1/charger")).json()
            assert place.cs.ledger.transactions()[0].energy_wh == view["register_wh"]
            assert place.cs.violations == []
            await place.stop(process)
