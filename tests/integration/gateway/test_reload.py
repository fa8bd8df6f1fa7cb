"""A new configuration in a running gateway: what did not change notices nothing."""

import contextlib
import sqlite3

import pytest

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.transactions import latest_values
from chargebridge.chargepoint.turn import ChargerReported
from chargebridge.chargers.model import SessionEnd, SessionEnded, SessionStarted
from chargebridge.gateway.errors import NotSimulatedError, UnknownChargePointError
from chargebridge.gateway.provisioning import ProvisioningError
from chargebridge.gateway.reload_plan import plan_reload
from chargebridge.ocpp16.messages import GetConfiguration
from chargebridge.store.errors import StoreDamagedError, StoreUnavailableError

pytestmark = pytest.mark.integration


async def message_timeout(cs, identity):
    answer = await cs.call(identity, GetConfiguration(key=("MessageTimeout",)))
    return answer.configuration_key[0].value


def stay(gateway, *identities):
    """What must be the same before and after a reload."""
    return {identity: gateway._binding(identity).link.epoch for identity in identities}


@pytest.fixture
def three(site):
    site.charge_points = [{"identity": f"CP{number}"} for number in (1, 2, 3)]
    return site


async def test_the_same_configuration_changes_nothing(three, visitor):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        before = stay(gateway, "CP1")
        changes = await gateway.reload(three.read())
        assert (changes.added, changes.removed, changes.changed) == ((), (), ())
        assert stay(gateway, "CP1") == before
        await someone.end_session()
        await someone.reconcile()
        assert cs.ledger.charge_point("CP1").boots == 1


async def test_charge_points_come_go_and_change_while_others_notice_nothing(three, visitor):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        for identity in ("CP1", "CP2", "CP3"):
            await visitor(gateway, cs, identity).ready()
        before = stay(gateway, "CP1", "CP3")
        three.charge_points = [
            {"identity": "CP1"},
            {"identity": "CP3", "tag_for_untagged": "GUEST", "vendor": "Maker"},
            {"identity": "CP4"},
        ]
        await gateway.reload(three.read())
        await visitor(gateway, cs, "CP4").ready()
        assert stay(gateway, "CP1", "CP3") == before
        assert sorted(gateway.identities()) == ["CP1", "CP3", "CP4"]
        with pytest.raises(UnknownChargePointError):
            gateway.charge_point("CP2")
        assert gateway._binding("CP3").charge_point.settings.tag_for_untagged == "GUEST"
        assert gateway._binding("CP3").charge_point.settings.vendor == "Maker"
        assert cs.violations == []


async def test_a_removed_charge_point_ends_its_transaction_and_finishes_delivering(
    three, visitor, wait_until
):
    async with three.central_system() as cs, three.reach(cs).gateway(housekeeping_s=0.05) as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.expect("MeterValues")
        await someone.settled()
        register_wh = latest_values.register(gateway._binding("CP1").charge_point).wh
        three.charge_points = [{"identity": "CP2"}]
        await gateway.reload(three.read())
        stop = await someone.expect("StopTransaction")
        assert stop["meterStop"] == register_wh
        await cs.wait_disconnected("CP1")
        await wait_until(lambda: len(gateway.charge_points()) == 1)
        assert cs.violations == []


async def test_one_that_comes_back_before_it_has_left_stays(three, visitor, wait_until):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        gateway.link_down("CP1")
        await cs.wait_disconnected("CP1")
        await someone.act("plug_in")
        await wait_until(lambda: gateway.charge_point("CP1").charger_state == "awaiting_token")
        kept = gateway._binding("CP1")
        three.charge_points = [{"identity": "CP2"}]
        await gateway.reload(three.read())
        three.charge_points = [{"identity": "CP1", "tag_for_untagged": "GUEST"}, {"identity": "CP2"}]
        await gateway.reload(three.read())
        assert gateway._binding("CP1") is kept
        assert kept.charge_point.settings.tag_for_untagged == "GUEST"
        await cs.wait_connected("CP1")
        await wait_until(lambda: gateway.charge_point("CP1").charger_state == "awaiting_token")


async def test_a_charge_point_that_moves_ends_its_transaction_here_and_begins_one_there(
    three, visitor, wait_until
):
    async with three.central_system() as old, three.central_system() as new:
        three.reach(old, "old").reach(new, "new")
        three.charge_points = [
            {"identity": "CP1", "central_system": "old"},
            {"identity": "CP2", "central_system": "old"},
        ]
        async with three.gateway() as gateway:
            someone = visitor(gateway, old)
            await someone.ready()
            await someone.begin_session()
            before = stay(gateway, "CP2")
            three.charge_points[0]["central_system"] = "new"
            await gateway.reload(three.read())
            await someone.expect("StopTransaction")
            moved = visitor(gateway, new)
            await moved.expect("StartTransaction")
            await moved.end_session()
            await moved.settled()
            await wait_until(lambda: all(not one.is_open for one in old.ledger.transactions()))
            register_wh = (await moved.act("view"))["register_wh"]
            told = [*old.ledger.transactions(), *new.ledger.transactions()]
            assert sum(one.energy_wh for one in told) == register_wh
            assert stay(gateway, "CP2") == before
            assert old.violations == new.violations == []


async def test_a_session_that_waits_for_the_end_of_another_moves_too(three, visitor, wait_until):
    async with three.central_system() as old, three.central_system() as new:
        three.reach(old, "old").reach(new, "new")
        three.charge_points = [{"identity": "CP1", "central_system": "old"}]
        async with three.gateway() as gateway:
            someone = visitor(gateway, old)
            await someone.ready()
            await someone.begin_session()
            await someone.settled()
            binding = gateway._binding("CP1")
            before = binding.charge_point.running
            following = SessionStarted(
                at_ms=gateway.clock.now().utc_ms,
                session=before.session + 1,
                id_tag="NEXT",
                register_wh=before.register_wh + 1000,
            )
            gateway.runtime.turn(binding, ChargerReported(following))
            three.charge_points[0]["central_system"] = "new"
            await gateway.reload(three.read())
            start = await visitor(gateway, new).expect("StartTransaction")
            assert (start["idTag"], start["meterStart"]) == ("NEXT", before.register_wh + 1000)
            await wait_until(lambda: len(old.ledger.transactions()) == 2)
            await wait_until(lambda: all(not one.is_open for one in old.ledger.transactions()))
            assert [one.id_tag for one in old.ledger.transactions()] == ["TAG", "NEXT"]
            assert old.violations == new.violations == []


async def test_a_record_that_comes_after_its_charger_has_moved_is_told_once(three, visitor, wait_until):
    async with three.central_system() as old, three.central_system() as new:
        three.reach(old, "old").reach(new, "new")
        three.charge_points = [{"identity": "CP1", "central_system": "old"}]
        async with three.gateway() as gateway:
            someone = visitor(gateway, old)
            await someone.ready()
            now_ms = gateway.clock.now().utc_ms

            def record(session):
                return ChargerReported(
                    SessionEnded(
                        at_ms=now_ms - 3_000_000 + session * 1000,
                        session=session,
                        id_tag=f"TAG{session}",
                        started_at_ms=now_ms - 3_000_000 + session * 1000 - 500,
                        start_register_wh=session * 10,
                        register_wh=session * 10 + 10,
                        reason=SessionEnd.OTHER,
                    )
                )

            for session in (1, 3):
                gateway.runtime.turn(gateway._binding("CP1"), record(session))
            three.charge_points[0]["central_system"] = "new"
            await gateway.reload(three.read())
            await visitor(gateway, new).ready()
            for session in (1, 2, 3, 2):
                gateway.runtime.turn(gateway._binding("CP1"), record(session))
            await wait_until(lambda: len(new.ledger.transactions()) == 1)
            await wait_until(lambda: gateway.figures().queued_messages == 0)
            assert [one.id_tag for one in old.ledger.transactions()] == ["TAG1", "TAG3"]
            assert [one.id_tag for one in new.ledger.transactions()] == ["TAG2"]


async def test_another_url_is_reached_over_a_new_link(three, visitor):
    async with (
        three.central_system() as old,
        three.central_system() as new,
        three.reach(old).gateway() as gateway,
    ):
        for identity in ("CP1", "CP2", "CP3"):
            await visitor(gateway, old, identity).ready()
        gateway.link_down("CP3")
        await old.wait_disconnected("CP3")
        three.reach(new)
        three.central_systems["main"]["call_timeout_s"] = 2.0
        three.charge_points[1]["tag_for_untagged"] = "GUEST"
        await gateway.reload(three.read())
        for identity in ("CP1", "CP2"):
            await new.wait_connected(identity)
            await old.wait_disconnected(identity)
            assert await message_timeout(new, identity) == "120"
        # What the operator has taken down stays down.
        assert gateway.charge_point("CP3").link.state == "down"
        gateway.link_up("CP3")
        await new.wait_connected("CP3")
        assert old.violations == []


async def test_messages_for_a_central_system_that_is_gone_wait_until_it_is_back(three, visitor, wait_until):
    async with three.central_system() as cs, three.central_system() as other:
        three.reach(cs, "old").reach(other, "new")
        three.charge_points = [{"identity": "CP1", "central_system": "old"}]
        async with three.gateway() as gateway:
            someone = visitor(gateway, cs)
            await someone.ready()
            await someone.begin_session()
            del three.central_systems["old"]
            three.charge_points = [{"identity": "CP1", "central_system": "new"}]
            await gateway.reload(three.read())
            await cs.wait_disconnected("CP1")
            assert gateway.figures().queued_messages > 0
            three.reach(cs, "old")
            await gateway.reload(three.read())
            await someone.expect("StopTransaction")
            await wait_until(lambda: all(not one.is_open for one in cs.ledger.transactions()))
            assert cs.violations == []


async def test_two_charge_points_swap_their_chargers(three, visitor, wait_until):
    three.charge_points = [
        {"identity": "CP1", "charger": "A"},
        {"identity": "CP2", "charger": "B"},
    ]
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        one, two = visitor(gateway, cs, "CP1"), visitor(gateway, cs, "CP2")
        await one.ready()
        await two.ready()
        await one.begin_session()
        three.charge_points = [
            {"identity": "CP1", "charger": "B"},
            {"identity": "CP2", "charger": "A"},
        ]
        await gateway.reload(three.read())
        await one.expect("StopTransaction")
        await one.expect("StatusNotification", {"connectorId": 1, "status": "Available"})
        await two.expect("StartTransaction")
        await two.end_session()
        await two.settled()
        told = cs.ledger.transactions()
        assert sum(transaction.energy_wh for transaction in told) == (await two.act("view"))["register_wh"]
        # Both chargers are heard of, each by its new charge point.
        await one.begin_session("OTHER")
        await one.end_session()
        await one.settled()


def charge_point_whose_first_end_of_a_session_fails():
    """A class of charge points of which one turn raises, once."""
    times = iter([1])

    class Fragile(VirtualChargePoint):
        def handle(self, an_input, now):
            effects = super().handle(an_input, now)
            if isinstance(getattr(an_input, "event", None), SessionEnded) and next(times, 0):
                raise RuntimeError("a defect")
            return effects

    return Fragile


async def test_a_charger_is_given_up_when_its_charge_point_has_recovered_from_a_failure(
    three, visitor, wait_until
):
    three.charge_points = [{"identity": "CP1", "charger": "A"}]
    fragile = charge_point_whose_first_end_of_a_session_fails()
    async with three.central_system() as cs, three.reach(cs).gateway(fragile) as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.expect("MeterValues")
        await someone.act("unplug")
        await wait_until(lambda: gateway._binding("CP1").backlog is not None)
        register_wh = (await someone.act("view"))["register_wh"]
        three.charge_points = [{"identity": "CP1", "charger": "B"}]
        await gateway.reload(three.read())
        await someone.expect("StopTransaction")
        await someone.settled()
        assert [one.energy_wh for one in cs.ledger.transactions()] == [register_wh]
        assert cs.violations == []


async def test_another_driver_for_the_same_charge_points(three, visitor):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        before = stay(gateway, "CP1")
        three.drivers = {"other": {"type": "simulator", "traffic": "none", "rated_current_a": 16}}
        await gateway.reload(three.read())
        await someone.begin_session()
        await someone.end_session()
        await someone.reconcile()
        assert stay(gateway, "CP1") == before


async def test_other_settings_of_a_driver_in_the_middle_of_a_session(three, visitor):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        three.drivers["sim"]["measure_every_s"] = 30
        await gateway.reload(three.read())
        await someone.end_session()
        await someone.reconcile()


async def test_what_cannot_be_made_leaves_everything_as_it_is(three, visitor):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        before = stay(gateway, "CP1")
        configuration = gateway.configuration
        three.drivers["new"] = {"type": "simulator"}
        three.charge_points = [{"identity": "CP9", "driver": "new"}]
        next_one = three.read()
        next_one.drivers["new"].settings["traffic"] = "wild"
        with pytest.raises(ProvisioningError, match=r"^drivers\.new: "):
            await gateway.reload(next_one)
        assert gateway.configuration is configuration
        assert sorted(gateway.identities()) == ["CP1", "CP2", "CP3"]
        assert stay(gateway, "CP1") == before
        await someone.begin_session()
        await someone.end_session()
        await someone.reconcile()


async def test_a_plan_changes_nothing_until_it_is_applied(three, visitor):
    async with (
        three.central_system() as cs,
        three.central_system() as other,
        three.reach(cs).gateway() as gateway,
    ):
        someone = visitor(gateway, cs)
        await someone.ready()
        before = stay(gateway, "CP1", "CP2", "CP3")
        roster = gateway.roster
        at_work = dict(roster.bindings), dict(roster.sinks), dict(roster.endpoints), roster.configuration
        three.reach(other)
        three.drivers["sim"]["measure_every_s"] = 30
        three.charge_points = [{"identity": "CP1", "charger": "X"}, {"identity": "CP4"}]
        plan = await plan_reload(roster, three.read())
        assert [old.identity for old, _ in plan.moved] == ["CP1"]
        assert [one.settings.identity for one in plan.added] == ["CP4"]
        assert [binding.serial for binding in plan.releasing] == ["CP2", "CP3", "CP1"]
        assert (plan.relinked, list(plan.sinks)) == ({"main"}, ["sim"])
        assert at_work == (roster.bindings, roster.sinks, roster.endpoints, roster.configuration)
        assert stay(gateway, "CP1", "CP2", "CP3") == before
        await someone.begin_session()
        await someone.end_session()
        await someone.reconcile()


async def test_a_charge_point_whose_stored_state_is_damaged_is_not_added(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        await visitor(gateway, cs).ready()
        (key,) = gateway.store.register([("CP2", "main")]).values()
        with contextlib.closing(sqlite3.connect(gateway.store.path, isolation_level=None)) as connection:
            connection.execute("INSERT INTO states VALUES (?, 'no document of ours')", (key,))
        site.charge_points.append({"identity": "CP2"})
        with pytest.raises(StoreDamagedError, match="the stored state of a charge point cannot be read"):
            await gateway.reload(site.read())
        assert gateway.identities() == ["CP1"]


class AwkwardDriver:
    """A driver that fails whenever it is to watch a charger or to stop watching it."""

    def __init__(self, driver):
        self._driver = driver

    def watch(self, serial):
        raise OSError("no socket")

    unwatch = watch

    def __getattr__(self, name):
        return getattr(self._driver, name)


async def test_a_driver_that_fails_at_watching_keeps_no_reload_from_being_applied(three, visitor):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        for identity in ("CP1", "CP2", "CP3"):
            await visitor(gateway, cs, identity).ready()
        sink = gateway.roster.sinks["sim"]
        sink.driver = AwkwardDriver(sink.driver)
        three.charge_points = [{"identity": "CP1", "charger": "X"}, {"identity": "CP2"}, {"identity": "CP4"}]
        await gateway.reload(three.read())
        assert [gateway.charge_point(identity).charger for identity in ("CP1", "CP2", "CP4")] == [
            "X",
            "CP2",
            "CP4",
        ]


async def test_the_number_of_traced_frames_takes_effect_at_once(three, visitor):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        await visitor(gateway, cs).ready()
        assert len(gateway.frames("CP1", 100)) > 2
        three.tables["state"]["trace_frames"] = 2
        await gateway.reload(three.read())
        assert sum(len(gateway.frames(identity, 100)) for identity in gateway.identities()) == 2


async def test_what_charge_points_shared_is_forgotten_when_they_share_something_else(three, visitor):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        await visitor(gateway, cs).ready()
        for seconds in ("60", "61", "62"):
            for table in three.charge_points:
                table["configuration"] = {"ConnectionTimeOut": seconds}
            await gateway.reload(three.read())
        assert [dict(shared) for shared in gateway.roster.factory._keys.values()] == [
            {"ConnectionTimeOut": "62"}
        ]


async def test_q_7_the_limit_of_queues_takes_effect_at_once(three, visitor):
    three.tables["state"]["queue_limit"] = 1000
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        await visitor(gateway, cs).ready()
        assert gateway._binding("CP1").charge_point.settings.queue_limit == 1000
        three.tables["state"]["queue_limit"] = 100
        changes = await gateway.reload(three.read())
        assert changes.live == ("state.queue_limit",)
        assert gateway._binding("CP1").charge_point.settings.queue_limit == 100


async def test_only_simulated_chargers_can_be_acted_upon(three):
    async with three.central_system() as cs, three.reach(cs).gateway() as gateway:
        gateway._binding("CP1").driver = None
        with pytest.raises(NotSimulatedError, match="'CP1' is not simulated"):
            await gateway.act("CP1", "plug_in", {})


async def test_while_the_store_fails_nothing_is_reloaded(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        await visitor(gateway, cs).ready()
        gateway.runtime.outage.begin("the disk is full")
        site.charge_points.append({"identity": "CP2"})
        with pytest.raises(StoreUnavailableError, match="the store cannot commit: the disk is full"):
            await gateway.reload(site.read())
        assert gateway.identities() == ["CP1"]
