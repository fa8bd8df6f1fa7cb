"""Charging sessions from the charger to the central system, with all real parts between them."""

import sqlite3
from contextlib import closing

import pytest

from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.emulators.central_system import CallRefused, Delayed, IdTag, Lost, Policy
from chargebridge.ocpp16.enums import AuthorizationStatus
from chargebridge.ocpp16.messages import (
    ChangeConfiguration,
    GetConfiguration,
    RemoteStartTransaction,
    RemoteStopTransaction,
)

pytestmark = pytest.mark.integration

CHARGING = {"connectorId": 1, "status": "Charging"}


async def test_plug_first_then_token_then_unplug(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.expect("MeterValues", lambda payload: payload["transactionId"] == 1)
        stop = await someone.end_session()
        assert stop["reason"] == "EVDisconnected"
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Available"})
        (told,) = await someone.reconcile()
        assert (told.id_tag, told.meter_values > 0) == ("TAG", True)


async def test_token_first_then_plug(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.act("present_token", id_tag="TAG")
        await someone.expect("Authorize", {"idTag": "TAG"})
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Preparing"})
        await someone.act("plug_in")
        await someone.expect("StartTransaction", {"idTag": "TAG"})
        await someone.expect("StatusNotification", CHARGING)
        await someone.end_session()
        await someone.reconcile()


async def test_stop_by_the_same_token(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.act("present_token", id_tag="TAG")
        stop = await someone.expect("StopTransaction")
        assert (stop["idTag"], stop.get("reason", "Local")) == ("TAG", "Local")
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Finishing"})
        await someone.act("unplug")
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Available"})
        await someone.reconcile()


async def test_remote_start_and_remote_stop(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.act("plug_in")
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Preparing"})
        answer = await cs.call("CP1", RemoteStartTransaction(id_tag="APP", connector_id=1))
        assert answer.status == "Accepted"
        await someone.expect("StartTransaction", {"idTag": "APP"})
        await someone.expect("StatusNotification", CHARGING)
        await someone.settled()
        (told,) = cs.ledger.transactions()
        answer = await cs.call("CP1", RemoteStopTransaction(transaction_id=told.id))
        assert answer.status == "Accepted"
        assert (await someone.expect("StopTransaction"))["reason"] == "Remote"
        await someone.reconcile()


async def test_a_token_that_is_refused_starts_nothing(site, visitor, wait_until):
    policy = Policy(id_tags={"BAD": IdTag(AuthorizationStatus.BLOCKED)})
    async with site.central_system(policy=policy) as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.act("plug_in")
        await someone.act("present_token", id_tag="BAD")
        await someone.expect("Authorize", {"idTag": "BAD"})
        await wait_until(lambda: NoticeKind.AUTHORIZATION_REFUSED in gateway.figures().notices)
        await someone.act("present_token", id_tag="GOOD")
        await someone.expect("StartTransaction", {"idTag": "GOOD"})
        await someone.end_session()
        await someone.reconcile()


async def test_a_fault_ends_the_session_and_is_told_until_it_is_cleared(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.act("raise_fault", fault="ground")
        await someone.expect("StatusNotification", {"status": "Faulted", "errorCode": "GroundFailure"})
        someone.skip()
        await someone.act("clear_fault")
        await someone.expect("StatusNotification", {"connectorId": 1, "errorCode": "NoError"})
        await someone.act("unplug")
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Available"})
        await someone.reconcile()


async def test_a_power_cycle_ends_the_session_with_power_loss_and_boots_anew(site, visitor):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.act("power_cycle")
        stop = await someone.expect("StopTransaction")
        assert stop["reason"] == "PowerLoss"
        await someone.reconcile()
        assert cs.ledger.charge_point("CP1").boots == 2


async def test_a_charger_away_from_its_cloud_tells_everything_when_it_is_back(site, visitor, wait_until):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.act("lose_cloud")
        await wait_until(lambda: not gateway.charge_point("CP1").charger_reachable)
        someone.skip()
        await someone.act("unplug")
        await someone.act("regain_cloud")
        stop = await someone.expect("StopTransaction")
        assert stop["reason"] == "EVDisconnected"
        await someone.reconcile()
        await someone.expect("StatusNotification", {"connectorId": 1, "status": "Available"})


async def test_a_link_that_is_down_delays_everything_and_loses_nothing(site, visitor, wait_until):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        gateway.link_down("CP1")
        await cs.wait_disconnected("CP1")
        await someone.act("unplug")
        await wait_until(lambda: gateway.charge_point("CP1").transaction is None)
        assert gateway.charge_point("CP1").queued_messages > 0
        gateway.link_up("CP1")
        await someone.expect("StopTransaction", {"reason": "EVDisconnected"})
        await someone.reconcile()
        # Statuses only: the charge point was registered already.
        assert cs.ledger.charge_point("CP1").boots == 1


async def test_a_session_while_the_central_system_is_down(site, visitor, wait_until):
    site.charge_points = [{"identity": "CP1", "configuration": {"AllowOfflineTxForUnknownId": "true"}}]
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await cs.stop(abort=True)
        await wait_until(lambda: gateway.charge_point("CP1").link.state != "open")
        await someone.act("plug_in")
        await someone.act("present_token", id_tag="TAG")
        await wait_until(lambda: (gateway.charge_point("CP1").power_w or 0) > 0)
        await someone.act("unplug")
        await wait_until(lambda: gateway.charge_point("CP1").transaction is None)
        await cs.start()
        await someone.expect("StartTransaction", {"idTag": "TAG"})
        await someone.expect("StopTransaction")
        await someone.reconcile()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: Delayed(0.5), id="late"),
        pytest.param(Lost, id="lost"),
        pytest.param(lambda: CallRefused("InternalError", "try again"), id="refused"),
    ],
)
@pytest.mark.parametrize("action", ["StartTransaction", "MeterValues", "StopTransaction"])
async def test_answers_late_never_and_refused(site, visitor, answer, action):
    site.charge_points = [{"identity": "CP1", "configuration": {"TransactionMessageRetryInterval": "1"}}]
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        calls = []

        def once(identity, request):
            calls.append(request)
            cs.answer_as_usual(action)
            return answer()

        cs.answer(action, once)
        await someone.act("plug_in")
        await someone.act("present_token", id_tag="TAG")
        await someone.expect("StatusNotification", CHARGING)
        await someone.expect("MeterValues")
        await someone.end_session()
        await someone.reconcile()
        assert len(calls) == 1
        assert gateway.store.counts().dead_letters == 0


async def test_a_restart_in_the_middle_of_a_session_continues_it(site, visitor):
    async with site.central_system() as cs:
        site.reach(cs)
        async with site.gateway() as gateway:
            someone = visitor(gateway, cs)
            await someone.ready()
            await someone.begin_session()
            await someone.settled()
        assert not cs.connected("CP1")
        someone.skip()
        async with site.gateway() as gateway:
            someone.gateway = gateway
            await someone.expect("BootNotification")
            await someone.expect("StatusNotification", CHARGING)
            assert gateway.charge_point("CP1").transaction is not None
            await someone.end_session()
            (told,) = await someone.reconcile()
            assert told.start_repeats == 0


async def test_a_store_that_cannot_be_written_for_a_while(site, visitor, wait_until):
    async with site.central_system() as cs, site.reach(cs).gateway() as gateway:
        someone = visitor(gateway, cs)
        await someone.ready()
        await someone.begin_session()
        await someone.settled()
        with closing(sqlite3.connect(gateway.store.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(CallRefused, match="InternalError"):
                await cs.call("CP1", ChangeConfiguration(key="ConnectionTimeOut", value="77"))
            await someone.act("unplug")
            await wait_until(lambda: gateway.figures().store_failing is not None)
            other.execute("ROLLBACK")
        await someone.expect("StopTransaction")
        await someone.reconcile()
        answer = await cs.call("CP1", GetConfiguration(key=("ConnectionTimeOut",)))
        assert answer.configuration_key[0].value == "120"
        assert gateway.figures().inputs_set_aside == 0
