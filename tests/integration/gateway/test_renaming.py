"""A central system that has another name, and charge points that leave: one identity, one connection."""

import asyncio
import contextlib

import pytest

from chargebridge.chargepoint.records import Settlement
from chargebridge.emulators.central_system import CallRefused
from chargebridge.gateway.errors import NotLeavingError, SeveralLeavingError

pytestmark = pytest.mark.integration

WHO = Settlement("Jana Kovar", "that company is gone")
NO_DATABASE = CallRefused("InternalError", "no database")


class SlowRelay:
    """Stands before a central system with one charge point, and counts its connections at a time.

    What the charge point sends arrives a little later, as over a real network: so its close frame does.
    """

    def __init__(self, central_system):
        self._port = int(central_system.url.rsplit(":", 1)[1].split("/")[0])
        self.open = self.most = self.in_all = 0

    @contextlib.asynccontextmanager
    async def running(self):
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
        self._tasks = set()
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self.in_all += 1
        self.open += 1
        self.most = max(self.most, self.open)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._pump(there_reader, writer, 0))
        try:
            await self._pump(reader, there_writer, 0.2)
        finally:
            self.open -= 1
            back.cancel()
            there_writer.close()
            writer.close()

    @staticmethod
    async def _pump(reader, writer, delay_s):
        with contextlib.suppress(ConnectionError, OSError):
            while data := await reader.read(65536):
                await asyncio.sleep(delay_s)
                writer.write(data)
                await writer.drain()
            writer.close()


@pytest.fixture
def one(site):
    site.charge_points = [{"identity": "CP1", "central_system": "old"}]
    return site


def rename(site, **changes):
    site.central_systems["new"] = site.central_systems.pop("old") | changes
    site.charge_points = [{"identity": "CP1", "central_system": "new"}]
    return site.read()


def reach(site, relay, name="old"):
    site.central_systems[name] = {
        "url": relay.url,
        "reconnect_min_s": 0.05,
        "reconnect_max_s": 0.2,
        "call_timeout_s": 5.0,
    }
    return site


class TestAnotherNameForTheSameUrl:
    async def test_a_session_goes_on_over_the_same_connection(self, one, visitor):
        async with one.central_system() as cs, one.reach(cs, "old").gateway() as gateway:
            someone = visitor(gateway, cs)
            await someone.ready()
            await someone.begin_session()
            epoch = gateway._binding("CP1").link.epoch
            changes = await gateway.reload(rename(one))
            assert (changes.added, changes.removed) == ((), ())
            assert gateway.charge_point("CP1").central_system == "new"
            assert gateway._binding("CP1").link.epoch == epoch
            await someone.end_session()
            (told,) = await someone.reconcile()
            assert told.start_repeats == 0
            assert cs.ledger.charge_point("CP1").boots == 1
            assert gateway.leaving() == []
            rows = gateway.store.charge_points()
            assert [(row.identity, row.central_system) for row in rows] == [("CP1", "new")]

    async def test_it_may_happen_while_the_program_does_not_run(self, one, visitor):
        async with one.central_system() as cs:
            async with one.reach(cs, "old").gateway() as gateway:
                someone = visitor(gateway, cs)
                await someone.ready()
                cs.answer("StartTransaction", lambda identity, request: NO_DATABASE)
                await someone.act("plug_in")
                await someone.act("present_token", id_tag="TAG")
                await someone.expect("StartTransaction")
            rename(one)
            cs.answer("StartTransaction", None)
            async with one.gateway() as gateway:
                await cs.wait_connected("CP1")
                assert gateway.leaving() == []
                assert len(gateway.store.charge_points()) == 1
                someone = visitor(gateway, cs)
                await someone.settled()
                assert len(cs.ledger.transactions()) == 1

    async def test_with_other_settings_the_new_connection_waits_for_the_old_one(
        self, one, visitor, wait_until
    ):
        async with one.central_system() as cs, SlowRelay(cs).running() as relay:
            async with reach(one, relay).gateway() as gateway:
                await visitor(gateway, cs).ready()
                await gateway.reload(rename(one, ping_interval_s=30))
                await wait_until(
                    lambda: relay.in_all == 2 and gateway.charge_point("CP1").link.state == "open"
                )
            assert relay.most == 1

    async def test_other_settings_under_the_same_name_neither(self, one, visitor, wait_until):
        async with one.central_system() as cs, SlowRelay(cs).running() as relay:
            async with reach(one, relay).gateway() as gateway:
                await visitor(gateway, cs).ready()
                one.central_systems["old"]["call_timeout_s"] = 4.0
                await gateway.reload(one.read())
                await wait_until(
                    lambda: relay.in_all == 2 and gateway.charge_point("CP1").link.state == "open"
                )
            assert relay.most == 1

    async def test_a_charge_point_moves_to_another_name_of_the_same_url(self, one, visitor):
        async with one.central_system() as cs:
            one.reach(cs, "old").reach(cs, "new")
            async with one.gateway() as gateway:
                someone = visitor(gateway, cs)
                await someone.ready()
                await someone.begin_session()
                one.charge_points = [{"identity": "CP1", "central_system": "new"}]
                await gateway.reload(one.read())
                await someone.end_session()
                (told,) = await someone.reconcile()
                assert told.start_repeats == 0

    async def test_where_both_names_have_books_the_old_one_delivers_first(self, one, visitor, wait_until):
        async with one.central_system() as cs, SlowRelay(cs).running() as relay:
            reach(one, relay)
            one.charge_points = [{"identity": "CP1", "central_system": "old"}]
            async with one.gateway() as gateway:
                await visitor(gateway, cs).ready()
            async with one.central_system() as elsewhere:
                one.reach(elsewhere, "new")
                one.charge_points = [{"identity": "CP1", "central_system": "new"}]
                async with one.gateway() as gateway:
                    await elsewhere.wait_connected("CP1")
            one.charge_points = [{"identity": "CP1", "central_system": "old"}]
            cs.answer("StartTransaction", lambda identity, request: NO_DATABASE)
            async with one.gateway(housekeeping_s=0.05) as gateway:
                someone = visitor(gateway, cs)
                await wait_until(lambda: gateway.charge_point("CP1").registration == "Accepted")
                await someone.act("plug_in")
                await someone.act("present_token", id_tag="TAG")
                await wait_until(lambda: gateway.charge_point("CP1").retrying is not None)
                # Both names lead to the same URL from now on.
                reach(one, relay, "new")
                one.charge_points = [{"identity": "CP1", "central_system": "new"}]
                await gateway.reload(one.read())
                (leaving,) = gateway.leaving()
                assert (leaving.central_system, leaving.queued_messages) == ("old", 2)
                await asyncio.sleep(0.5)
                assert gateway.charge_point("CP1").link.state == "down"
                assert relay.open == 1
                await gateway.end("CP1", None, WHO)
                await wait_until(lambda: gateway.charge_point("CP1").link.state == "open")
                assert gateway.leaving() == []
            assert relay.most == 1


class TestLeaving:
    @pytest.fixture
    def refusing(self, one):
        """A central system at which a StartTransaction waits for its retry."""

        @contextlib.asynccontextmanager
        async def run(visitor, wait_until):
            async with (
                one.central_system() as cs,
                one.reach(cs, "old").gateway(housekeeping_s=0.05) as gateway,
            ):
                someone = visitor(gateway, cs)
                await someone.ready()
                cs.answer("StartTransaction", lambda identity, request: NO_DATABASE)
                await someone.act("plug_in")
                await someone.act("present_token", id_tag="TAG")
                await wait_until(lambda: gateway.charge_point("CP1").retrying is not None)
                yield gateway, cs

        return run

    async def test_it_says_since_when_it_leaves_and_what_it_waits_for(
        self, one, refusing, visitor, wait_until
    ):
        async with refusing(visitor, wait_until) as (gateway, _):
            one.charge_points = [{"identity": "CP2", "central_system": "old"}]
            await gateway.reload(one.read())
            (leaving,) = gateway.leaving("CP1")
            assert (leaving.identity, leaving.central_system, leaving.queued_messages) == ("CP1", "old", 2)
            assert leaving.since is not None
            assert leaving.transaction is None
            assert leaving.retrying.history[-1].reason == "InternalError: no database"
            assert leaving.link.state == "open"
            assert gateway.figures().leaving == 1
            assert gateway.leaving("CP2") == []

    async def test_ended_its_queue_is_dead_letters_and_its_link_closes(
        self, one, refusing, visitor, wait_until
    ):
        async with refusing(visitor, wait_until) as (gateway, cs):
            one.charge_points = [{"identity": "CP2", "central_system": "old"}]
            await gateway.reload(one.read())
            assert await gateway.end("CP1", "old", WHO) == (True, "2 queued messages became dead letters")
            await cs.wait_disconnected("CP1")
            await wait_until(lambda: gateway.leaving() == [])
            letters = gateway.store.dead_letters(limit=9)
            assert [letter.message.kind.value for letter in letters] == ["stop", "start"]
            assert {letter.reason for letter in letters} == {"ended by Jana Kovar: that company is gone"}
            with pytest.raises(NotLeavingError):
                await gateway.end("CP1", None, WHO)
            # Configured again, it can send them after all.
            one.charge_points = [{"identity": "CP1", "central_system": "old"}]
            await gateway.reload(one.read())
            cs.answer("StartTransaction", None)
            await gateway.redeliver(letters[0].id)
            await cs.expect("CP1", "StopTransaction", lambda stop: stop["transactionId"] != -1)

    async def test_of_a_central_system_that_is_gone_it_can_be_listed_and_ended_over_a_restart(
        self, one, refusing, visitor, wait_until
    ):
        why = "the central system is not configured any more"
        async with one.central_system() as other:
            async with refusing(visitor, wait_until) as (gateway, cs):
                del one.central_systems["old"]
                one.reach(other, "other")
                one.charge_points = [{"identity": "CP1", "central_system": "other"}]
                await gateway.reload(one.read())
                await cs.wait_disconnected("CP1")
                (leaving,) = gateway.leaving()
                assert (leaving.link.state, leaving.queued_messages, leaving.link.last_error) == (
                    "down",
                    2,
                    why,
                )
            async with one.gateway(housekeeping_s=0.05, chargers_described_s=0.05) as gateway:
                await other.wait_connected("CP1")
                (again,) = gateway.leaving()
                assert (again.central_system, again.since) == ("old", leaving.since)
                assert (again.link.state, again.queued_messages, again.link.last_error) == ("down", 2, why)
                await gateway.end("CP1", None, WHO)
                await wait_until(lambda: gateway.leaving() == [])
                assert gateway.store.counts().dead_letters == 2

    async def test_of_several_that_leave_one_has_to_be_named(self, one, visitor, wait_until):
        async with one.central_system() as first, one.central_system() as second:
            one.reach(first, "old").reach(second, "second")
            async with one.gateway() as gateway:
                for name, cs in (("old", first), ("second", second)):
                    cs.answer("StartTransaction", lambda identity, request: NO_DATABASE)
                    one.charge_points = [{"identity": "CP1", "central_system": name}]
                    await gateway.reload(one.read())
                    await wait_until(lambda: gateway.charge_point("CP1").registration == "Accepted")
                    await visitor(gateway, cs).act("plug_in")
                    await visitor(gateway, cs).act("present_token", id_tag="TAG")
                    await wait_until(lambda: gateway.charge_point("CP1").retrying is not None)
                    await visitor(gateway, cs).act("unplug")
                    await wait_until(lambda: gateway.charge_point("CP1").transaction is None)
                one.charge_points = [{"identity": "CP2", "central_system": "old"}]
                await gateway.reload(one.read())
                assert len(gateway.leaving("CP1")) == 2
                with pytest.raises(SeveralLeavingError) as refused:
                    await gateway.end("CP1", None, WHO)
                assert refused.value.remedy == "name the central system, one of 'old', 'second'"
                assert (await gateway.end("CP1", "second", WHO))[0]


async def test_a_name_that_is_gone_lets_go_before_another_with_books_of_its_own_connects(
    one, visitor, wait_until
):
    async with one.central_system() as cs, SlowRelay(cs).running() as relay:
        async with one.central_system() as elsewhere:
            one.reach(elsewhere, "new")
            one.charge_points = [{"identity": "CP1", "central_system": "new"}]
            async with one.gateway() as gateway:
                await elsewhere.wait_connected("CP1")
        one.central_systems.clear()
        reach(one, relay)
        one.charge_points = [{"identity": "CP1", "central_system": "old"}]
        async with one.gateway() as gateway:
            await visitor(gateway, cs).ready()
            await gateway.reload(rename(one))
            await wait_until(lambda: gateway.charge_point("CP1").link.state == "open")
            assert gateway.charge_point("CP1").central_system == "new"
        assert (relay.in_all, relay.most) == (2, 1)
