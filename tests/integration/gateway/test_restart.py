"""What a gateway finds when it starts again."""

import pytest

pytestmark = pytest.mark.integration


async def test_a_charge_point_removed_meanwhile_finishes_delivering(site, visitor, wait_until):
    async with site.central_system() as cs:
        site.charge_points = [{"identity": "CP1"}, {"identity": "CP2"}]
        site.reach(cs)
        async with site.gateway() as gateway:
            someone = visitor(gateway, cs)
            await someone.ready()
            await someone.begin_session()
            await someone.settled()
        site.charge_points = [{"identity": "CP2"}]
        someone.skip()
        async with site.gateway(housekeeping_s=0.05) as gateway:
            assert gateway.identities() == ["CP2"]
            assert [view.identity for view in gateway.charge_points()] == ["CP2", "CP1"]
            await someone.expect("StopTransaction")
            await cs.wait_disconnected("CP1")
            await wait_until(lambda: len(gateway.charge_points()) == 1)
            assert cs.violations == []
        async with site.gateway() as gateway:
            assert len(gateway.charge_points()) == 1


async def test_messages_wait_for_a_central_system_that_is_back_later(site, visitor, wait_until):
    async with site.central_system() as cs, site.central_system() as other:
        site.reach(cs, "old").reach(other, "new")
        site.charge_points = [{"identity": "CP1", "central_system": "old"}]
        async with site.gateway() as gateway:
            someone = visitor(gateway, cs)
            await someone.ready()
            await someone.begin_session()
            await someone.settled()
        del site.central_systems["old"]
        site.charge_points = [{"identity": "CP2", "central_system": "new"}]
        someone.skip()
        async with site.gateway() as gateway:
            await visitor(gateway, other, "CP2").ready()
            site.reach(cs, "old")
            await gateway.reload(site.read())
            await someone.expect("StopTransaction")
            await wait_until(lambda: not any(one.is_open for one in cs.ledger.transactions()))
            assert cs.violations == other.violations == []


async def test_chargers_that_were_swapped_meanwhile_go_on_with_their_sessions(site, visitor):
    site.charge_points = [{"identity": "CP1", "charger": "A"}, {"identity": "CP2", "charger": "B"}]
    async with site.central_system() as cs:
        site.reach(cs)
        async with site.gateway() as gateway:
            one, two = visitor(gateway, cs, "CP1"), visitor(gateway, cs, "CP2")
            await two.ready()
            await one.ready()
            await one.begin_session()
            await one.settled()
        site.charge_points = [{"identity": "CP1", "charger": "B"}, {"identity": "CP2", "charger": "A"}]
        one.skip()
        two.skip()
        async with site.gateway() as gateway:
            one, two = visitor(gateway, cs, "CP1"), visitor(gateway, cs, "CP2")
            await one.expect("StopTransaction")
            await two.expect("StartTransaction")
            await two.end_session()
            await two.settled()
            told = cs.ledger.transactions()
            assert (
                sum(transaction.energy_wh for transaction in told) == (await two.act("view"))["register_wh"]
            )
            assert cs.violations == []


async def test_delivered_transactions_are_forgotten_in_time(site, visitor, wait_until):
    site.tables["state"]["transactions_keep_days"] = 1
    async with site.central_system() as cs:
        site.reach(cs)
        async with site.gateway() as gateway:
            someone = visitor(gateway, cs)
            await someone.ready()
            await someone.begin_session()
            await someone.end_session()
            await someone.reconcile()
            assert gateway.store.counts().transactions == 1
        site.ahead_ms = 2 * 86_400_000
        async with site.gateway(housekeeping_s=0.05) as gateway:
            await wait_until(lambda: gateway.store.counts().transactions == 0)


async def test_a_gateway_without_charge_points_runs(site):
    site.charge_points = []
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        assert gateway.charge_points() == []
        assert gateway.figures().charge_points == 0


async def test_a_driver_that_cannot_be_started_at_a_reload_leaves_the_others_running(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        (site.folder / "state" / "two.sqlite").write_text("not a database, whatever its name says" * 50)
        site.drivers["two"] = {"type": "simulator"}
        site.charge_points = [
            {"identity": "CP1", "driver": "sim"},
            {"identity": "CP2", "driver": "two"},
        ]
        await gateway.reload(site.read())
        assert gateway.charge_point("CP2").charger_reachable is False
        await someone.begin_session()
        await someone.end_session()
        await someone.reconcile()
